"""A first look at a file of orders: forecast, planned and judged for one typical service; and a first capacity.yaml."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from capacity.app.advise import AdviceRequest, advise_on
from capacity.app.init import cores, mebibytes, scalar
from capacity.app.reading import read_orders
from capacity.app.report import collect_report
from capacity.app.unconfigured import FileOptions, TypicalService, bare_config, orders_end, service_words, with_service
from capacity.model import require
from capacity.model.choice import Choice
from capacity.model.configuration import Config
from capacity.model.fields import duration_text
from capacity.model.settings import DatabaseSource
from capacity.planning.orders import OrderData
from capacity.quality.column_roles import no_orders
from capacity.series.seasons import find_seasons
from capacity.sources.database import without_password
from capacity.views.report.review import ReportRequest
from capacity.views.trial import TrialData

DAY = timedelta(days=1)
DAILY = "totals of a day or more do not show the peak within the day; export single orders, or totals by the hour"
FEWEST_STEPS = 4  # of a forecast
TOO_SHORT = "expected orders in at least {} steps of {}, got {}: provide a longer history, or shorter steps (--step)"
Progress = Callable[[int, int], None]


def try_orders(
    source: str,
    options: FileOptions,
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
    options : FileOptions
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
        An option is wrong.
    """
    config, guess = bare_config(source, options)
    orders = read_orders(config, now)
    sales = next(iter(orders.histories.values()))
    require(len(sales) >= FEWEST_STEPS, TOO_SHORT, FEWEST_STEPS, duration_text(config.orders().step), len(sales))
    config = with_service(config, sales, service)
    end = orders_end(orders) or now
    review = collect_report(config, orders, ReportRequest(), end)
    choice, unjudged = _judged(config, orders, end, days, progress)
    if choice is not None:
        review = replace(review, choices=(choice,))
    counting = guess.counting
    summed = counting.column if counting.how == "sum" and "order" not in str(counting.column).lower() else None
    words = service_words(config.workloads[0], sales, service, summed)
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


def render_starter(source: str, config: Config, trial: TrialData, folder: Path) -> str:
    """The text of the configuration; paths in it are relative to `folder`, where it will lie.

    It reads as it is, and gives what was seen in the first look.
    """
    lines = [
        "# Written by `capacity try`. Lines marked `# yours:` are guesses or assumptions: check them.",
        "# `capacity schema` lists all keys.",
        f"timezone: {scalar(config.timezone)}  # yours: the business's clock; times without a zone are read on it",
        *_sales(source, trial, folder),
        "calendar:",
        f"  holidays: [{', '.join(map(scalar, config.calendar.holidays))}]  # yours: countries or states: [GB-ENG]",
        "  # events: promotions.csv  # name,start,end,kind,uplift; an empty uplift is learned",
        "forecast:",
        f"  horizon: {duration_text(config.forecast.horizon)}",
        *_workload(config),
    ]
    text = "\n".join(lines) + "\n"
    Config.model_validate(yaml.safe_load(text))
    return text


def _sales(source: str, trial: TrialData, folder: Path) -> Iterator[str]:
    guess = trial.guess
    settings, counting = guess.settings, guess.counting
    yield "sales:"
    yield from _source(source, settings.source, folder)
    yield f"  time: {scalar(settings.time)}  # guessed{_others(guess.time_others)}"
    if settings.time_of_day is not None:
        yield f"  time_of_day: {scalar(settings.time_of_day)}"
    if settings.time_format is not None:
        yield f"  time_format: {scalar(settings.time_format)}"
    if settings.timezone is not None:
        yield f"  timezone: {settings.timezone}  # as the name of the column says"
    if settings.read.decimal is not None:
        yield f"  read: {{decimal: {scalar(settings.read.decimal)}}}"
    column = "true" if counting.column is None else scalar(counting.column)
    yield f"  value: {{{counting.how}: {column}}}  # {counting.why}{_others(counting.others)}"
    yield f"  step: {duration_text(settings.step)}"
    if (state := guess.state) is not None and not isinstance(settings.source, DatabaseSource):
        left = no_orders(state.values)
        written = ", ".join("'" + value.replace("'", "''") + "'" for value in left or state.values[:1])
        check = f'"{state.name}" {"NOT IN" if left else "IN"} ({written})'
        yield "  # select:  # yours: which rows are orders at all"
        yield f"  #   - {{name: counts, check: {scalar(check)}}}  # values: {', '.join(state.values[:8])}"
    yield "  # freshness: {within: 1h}  # yours: how old the newest order may be; without it, three days are a warning"


def _others(names: tuple[str, ...]) -> str:
    return f"; or {', '.join(names[:4])}" if names else ""


def _source(source: str, place: str | DatabaseSource, folder: Path) -> Iterator[str]:
    if isinstance(place, DatabaseSource):
        bare, had = without_password(place.url)
        note = "  # the password was left out: the driver takes it from its own file" if had else ""
        yield "  source:"
        yield f"    url: {scalar(bare)}{note}"
        yield f"    query: {scalar(place.query)}  # yours: a condition leaves out what is no order, and old rows"
        return
    relative = source if "://" in source else os.path.relpath(Path(source).absolute(), folder.absolute())
    yield f"  source: {scalar(relative)}"


def _workload(config: Config) -> Iterator[str]:
    (workload,) = config.workloads
    load, replica = workload.load, workload.replica
    yield "workloads:  # yours: one for each autoscaler; `capacity init` writes those of your cluster"
    yield f"  - namespace: {workload.namespace}"
    yield f"    name: {workload.name}"
    yield f"    floor: {workload.floor}  # minReplicas that is never gone below"
    yield f"    ceiling: {workload.ceiling}  # maxReplicas"
    yield f"    lead_time: {duration_text(workload.lead_time)}  # from a new pod to a ready one; auto: learned"
    yield "    load:  # demand = base + per_sale_per_hour x orders per hour: assumed until it is learned from usage"
    yield f"      cpu: {{base: {cores(load.cpu_base)}, per_sale_per_hour: {_small(load.cpu_per_sale_per_hour)}}}"
    yield f"      memory: {{base: {mebibytes(load.memory_base)}}}"
    request = f"{{cpu_request: {cores(replica.cpu_request)}, memory_request: {mebibytes(replica.memory_request)}}}"
    yield f"    replica: {request}"


def _small(amount: float) -> str:
    """Cores of one order, which may be far less than a millicore."""
    return f"{amount:.4g}" if amount >= 0.001 else f"{amount:.4e}"
