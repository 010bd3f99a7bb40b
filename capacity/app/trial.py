"""The first look at a file of orders: forecast, tested, planned and judged for one typical service, read once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from capacity.app.advise import AdviceRequest, advise_on
from capacity.app.bare import Asked, TypicalService, bare_config, orders_end, service_words, with_service
from capacity.app.reading import read_orders
from capacity.app.report import collect_report
from capacity.model.choice import Choice
from capacity.model.configuration import Config
from capacity.planning.orders import OrderData
from capacity.series.seasons import find_seasons
from capacity.views.report.review import ReportRequest
from capacity.views.trial import TrialData

DAY = timedelta(days=1)
DAILY = "totals of a day or more do not show the peak within the day; export single orders, or totals by the hour"
Progress = Callable[[int, int], None]


def try_orders(
    source: str,
    asked: Asked,
    service: TypicalService,
    now: datetime,
    *,
    days: int = 28,
    progress: Progress | None = None,
) -> tuple[TrialData, Config]:
    """Everything that can be said of a file of orders without a configuration or a cluster.

    Parameters
    ----------
    source : str
        A CSV or Parquet file, a glob or folder of them, or the URL of a database.
    asked : Asked
        What is known of it already.
    service : TypicalService
        The service whose policies are judged.
    now : datetime
        The clock, with a time zone: rows after it are no orders yet. Everything else is judged as of the end of the
        file.
    days : int
        How many of the last days are replayed to judge policies. Default 28.
    progress : callable or None
        Called with how many parts of the replay are done, and of how many. Default none.

    Returns
    -------
    TrialData, Config
        What was found, and the configuration that it was found with.

    Raises
    ------
    DataError
        The file cannot be read, or has no times.
    ConfigError
        What was asked is wrong.
    """
    config, guess = bare_config(source, asked)
    orders = read_orders(config, now)
    sales = next(iter(orders.histories.values()))
    config = with_service(config, sales, service)
    end = orders_end(orders) or now
    review = collect_report(config, orders, ReportRequest(), end)
    choice, unjudged = _judged(config, orders, end, days, progress)
    if choice is not None:
        review = replace(review, choices=(choice,))
    words = service_words(config.workloads[0], sales, service)
    return TrialData(guess, review, find_seasons(sales), words, choice, unjudged), config


def _judged(
    config: Config, orders: OrderData, now: datetime, days: int, progress: Progress | None
) -> tuple[Choice | None, str]:
    """The policy that did best on the last weeks; or why none can be judged."""
    if config.orders().step >= DAY:
        return None, DAILY
    advice = advise_on(config, orders, AdviceRequest(now, days), progress)
    if advice.choices:
        return advice.choices[0], ""
    return None, next(iter(advice.failures.values()))
