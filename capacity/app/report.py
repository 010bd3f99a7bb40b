"""Collects the report of one period: forecasts, plans and tests from what was known when it began."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from capacity.app.outlook import outlook_of
from capacity.app.volumes import add_volumes
from capacity.forecast.backtest import Backtest
from capacity.logs import LOGGER
from capacity.model import ConfigError, DataError, require
from capacity.model.configuration import Config
from capacity.model.outlook import Outlook
from capacity.planning.orders import Histories, OrderData, QualityRefusedError, coming_events
from capacity.planning.pipeline import PlanInputs, backtest_orders, make_plan
from capacity.views.report.review import ORIGINS, ReportData, ReportRequest

WEEK, DAY = timedelta(days=7), timedelta(days=1)
BEFORE = 2  # horizons that a backtest knows before its first origin


def collect_report(config: Config, orders: OrderData, question: ReportRequest, now: datetime) -> ReportData:
    """Forecast, plan and test what is requested. Raises `DataError` if there is no history before the month.

    For a month that has begun, everything is as it was known on its first day.
    """
    config.orders()  # without sales there is nothing to review, and this says so
    begin, end, known = _period(config, orders, question)
    now = now if question.month is None else min(now, begin)
    came = {group: sales.loc[begin : end - timedelta(microseconds=1)] for group, sales in orders.histories.items()}
    reach = max((end - _after(sales) for sales in known.values()), default=end - begin)
    ahead = config.forecast.model_copy(update={"horizon": reach})
    config = config.model_copy(update={"forecast": ahead})
    orders = replace(orders, histories=known)
    basis = PlanInputs.of(config, orders, now)
    events = tuple(coming_events(config, orders))
    review = ReportData(config, question, now, begin, end, orders.audit.at(now), known, came, basis.forecasts, events)
    review = replace(review, backtests=_backtests(config, orders), year=_year(config, orders, question, now))
    return _planned(review, basis)


def _year(config: Config, orders: OrderData, question: ReportRequest, now: datetime) -> Outlook | None:
    """The outlook over twelve months; None if it cannot be made, which does not fail the report."""
    if question.month is not None or not config.workloads:
        return None
    try:
        return outlook_of(config, orders, now)[0]
    except DataError as error:
        LOGGER.debug("no outlook over twelve months: %s", error)
        return None


def _planned(review: ReportData, basis: PlanInputs) -> ReportData:
    try:
        planned = make_plan(basis)
        if any(one.volumes for one in review.config.workloads):
            past = review.request.month is not None
            planned = add_volumes(planned, review.config, basis.orders, basis.now, past=past)
    except QualityRefusedError as refusal:
        return replace(review, held=str(refusal))
    except DataError as error:
        return replace(review, held=f"nothing could be planned: {error}")
    return replace(review, planned=planned)


def _period(config: Config, orders: OrderData, question: ReportRequest) -> tuple[datetime, datetime, Histories]:
    """Begin and end of the reviewed period, and the histories before it."""
    if question.month is None:
        begin = max(_after(sales) for sales in orders.histories.values())
        return begin, begin + config.forecast.horizon, orders.histories
    begin, end = month_bounds(question.month, config.timezone)
    last = pd.Timestamp(begin) - pd.Timedelta("1us")
    known = {group: _noted(sales.loc[:last], sales) for group, sales in orders.histories.items()}
    empty = [str(group or "sales") for group, sales in known.items() if len(sales) < 2]
    if empty:
        raise DataError(f"--month: expected a history before {question.month}, got none of {', '.join(empty)}")
    return begin, end, known


def _noted(part: pd.Series, sales: pd.Series) -> pd.Series:
    part.attrs = dict(sales.attrs)
    return part


def month_bounds(month: str, timezone: str) -> tuple[datetime, datetime]:
    """A calendar month on the business's clock, `[begin, end)`. Raises `ConfigError`.

    >>> [moment.isoformat() for moment in month_bounds("2011-11", "Europe/London")]
    ['2011-11-01T00:00:00+00:00', '2011-12-01T00:00:00+00:00']
    """
    try:
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=ZoneInfo(timezone))
    except ValueError as error:
        raise ConfigError(f"--month: expected a month such as 2026-11, got {month!r}") from error
    years, months = divmod(first.month, 12)
    return first, first.replace(year=first.year + years, month=months + 1)


def _after(sales: pd.Series) -> datetime:
    """The end of a history."""
    step = (sales.index[1:] - sales.index[:-1]).min()
    found: datetime = (sales.index[-1] + step).to_pydatetime()
    return found


def _backtests(config: Config, orders: OrderData) -> dict[str | None, Backtest | DataError]:
    """A backtest of the last weeks of each group, or the reason why its history is too short."""
    found: dict[str | None, Backtest | DataError] = {}
    horizon = max(WEEK, config.orders().step)
    for group, sales in orders.histories.items():
        try:
            origins = _origins(sales, horizon)
            found |= backtest_orders(config, replace(orders, histories={group: sales}), horizon, origins)
        except DataError as error:
            found[group] = error
    return found


def _origins(sales: pd.Series, horizon: timedelta) -> int:
    """The number of past origins that leaves two horizons of history before the first. Raises `DataError` if none."""
    span = _after(sales) - sales.index[0].to_pydatetime() if len(sales) > 1 else timedelta(0)
    origins = min(ORIGINS, span // horizon - BEFORE)
    require(origins >= 2, "{:.0f} days of history are too few to test forecasts of {} days", span / DAY, horizon.days)
    return origins
