"""What was read of a business: sales, their audit, usage and the days ahead; and what that asks of forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from capacity.model import DataError, Event, Forecast, ForecastRequest, LoadReport
from capacity.model.configuration import Config
from capacity.model.fields import rfc3339
from capacity.planning.workload import QUIET_LEVEL
from capacity.quality import Audit
from capacity.series.calendar import holiday_events, month_ends, paydays

Key = tuple[str, str]  # namespace and name of a workload
Histories = Mapping[str | None, pd.Series]  # group -> sales; None: all groups together
Forecasts = dict[str | None, Forecast | DataError]  # group -> forecast, or why there is none
Usages = Mapping[Key, pd.DataFrame]  # workload -> its usage: cpu, memory, requests per step
Reports = dict[Key, LoadReport | DataError]  # workload -> what its usage says, or why it says nothing

NEAR_MARGIN = timedelta(hours=2)  # for delays, the lead time, and what a floor looks ahead
FEWEST = 4  # rows whose distances say something
MONTH = timedelta(days=28)  # the shortest
MONTHLY = ("payday", "month end")  # kinds of events that come of the calendar itself
UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))


class QualityRefusedError(DataError):
    """The data's score is below `quality.refuse_below`: no plan is made, the last good one stays in force."""

    def __init__(self, message: str, audit: Audit) -> None:
        super().__init__(message)
        self.audit = audit


@dataclass(frozen=True, slots=True)
class KnownAhead:
    """What the files under `calendar:` hold of the days to come: the user's own events, and columns (price, spend).

    `groups`: the events of one group of sales, beside those of all.
    """

    events: tuple[Event, ...] = ()
    columns: pd.DataFrame | None = None
    groups: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderData:
    """Sales per group (None: all together), the audit of the rows they were counted from, and usage per workload.

    Without sales there are no histories, and the audit counts the measurements of usage. `unmeasured` says why
    Prometheus knows nothing of a workload, `ahead` what is known of the days to come. `rows`: where orders carry times
    within a step, how many rows lie in each part of the last ones, by group.
    """

    histories: Histories
    audit: Audit
    usages: Usages = field(default_factory=dict)
    unmeasured: Mapping[Key, str] = field(default_factory=dict)
    ahead: KnownAhead = field(default_factory=KnownAhead)
    rows: Histories = field(default_factory=dict)


def require_quality(audit: Audit) -> Audit:
    """The audit, if its verdict lets the data through. Raises `QualityRefusedError` with reasons and owner."""
    if audit.verdict == "refuse":
        owner = f" (owner: {audit.owner})" if audit.owner else ""
        raise QualityRefusedError(
            f"{audit.source}: {'; '.join(audit.reasons)}{owner}; the last plan stays in force, see `capacity audit`",
            audit,
        )
    return audit


def source_document(audit: Audit) -> dict[str, Any]:
    """Where the numbers come from, as the plan file says it."""
    return {
        "name": audit.source,
        "first": None if audit.first is None else rfc3339(audit.first),
        "last": None if audit.last is None else rfc3339(audit.last),
        "rows": audit.rows,
        "passed": audit.passed,
        "score": round(audit.score, 6),
        "verdict": audit.verdict,
        "read": list(audit.read),
    }


def request_of(config: Config, orders: OrderData, group: str | None = None) -> ForecastRequest:
    """What the configuration asks of the forecast of a group of these orders, with the days that are known ahead.

    None: of all orders together, and of groups that have no calendar of their own.
    """
    request = ForecastRequest(
        horizon=config.forecast.horizon,
        quantile_levels=config.forecast.quantile_levels,
        holidays=config.calendar.holidays,
        events=tuple(_events(config, orders, config.timezone)),
        timezone=config.timezone,
    )
    return own_request(request, config, orders, group)


def own_request(request: ForecastRequest, config: Config, orders: OrderData, group: str | None) -> ForecastRequest:
    """The request with the holidays, the clock and the events of one group, where it has any of its own."""
    calendar = config.calendar
    if group is None or group not in calendar.groups:
        return request
    zone, events = calendar.zone_of(group, config.timezone), request.events
    if zone != config.timezone:  # months end, and people are paid, by the clock of the group
        events = tuple(event for event in events if event.kind not in MONTHLY) + tuple(_monthly(config, orders, zone))
    events += orders.ahead.groups.get(group, ())
    return replace(request, holidays=calendar.holidays_of(group), events=events, timezone=zone)


def known_events(orders: OrderData, request: ForecastRequest) -> tuple[Event, ...]:
    """The events of all orders, and those of single groups."""
    return (*request.events, *(event for some in orders.ahead.groups.values() for event in some))


def known_at_refit(history: pd.Series, refit: timedelta) -> pd.Series:
    """The steps that had ended at the last whole `refit` of UTC: what the forecast of a replayed policy is fitted on.

    >>> hours = pd.Series(1.0, pd.date_range("2026-01-01", periods=60, freq="h", tz="UTC"))
    >>> known_at_refit(hours, timedelta(days=1)).index[-1].isoformat()
    '2026-01-02T23:00:00+00:00'
    """
    if len(history) < 2:
        return history
    step = history.index[1] - history.index[0]
    known: pd.Series = history.loc[history.index + step <= (history.index[-1] + step).floor(pd.Timedelta(refit))]
    return known


def near_horizon(refit: timedelta) -> timedelta:
    """How far the forecasts reach whose first part a replayed policy follows: until the one after the next is in force.

    Members are weighed by their errors over the horizon. Over two weeks those win that know no today: on public traces
    of minutes floors then cost a tenth more at equal minutes over the target.
    """
    return 2 * refit + NEAR_MARGIN


def following(config: Config) -> set[str | None]:
    """The groups of sales whose floors follow a policy that was chosen by replay."""
    return {one.group for one in config.workloads if one.policy is not None and one.policy.floors == "forecast"}


def spliced(near: Forecast | DataError, far: Forecast | DataError) -> Forecast | DataError:
    """A forecast whose first steps are those of one that reaches less far, from the same origin."""
    if isinstance(near, DataError) or isinstance(far, DataError):
        return far
    last, end = near.quantiles.index[-1], far.quantiles.index[-1]
    quantiles = pd.concat([near.quantiles, far.quantiles.loc[far.quantiles.index > last]]).loc[:end]
    if near.maxima is None or far.maxima is None:
        return replace(near, quantiles=quantiles, window=None, maxima=None)
    maxima = pd.concat([near.maxima, far.maxima.loc[far.maxima.index > last]]).loc[:end]
    return replace(near, quantiles=quantiles, maxima=maxima)


def as_replayed(config: Config, orders: OrderData) -> OrderData:
    """The orders that plans are made from: where a group's floors follow a policy, those that its replay knew."""
    follow = following(config)
    known = {
        group: known_at_refit(history, config.choice.refit) if group in follow else history
        for group, history in orders.histories.items()
    }
    return replace(orders, histories=known)


def plan_request(config: Config, orders: OrderData) -> ForecastRequest:
    """What is asked of forecasts that plans are made of: the quiet level too."""
    request = request_of(config, orders)
    return replace(request, quantile_levels=tuple(sorted({*request.quantile_levels, QUIET_LEVEL})))


def plan_reach(config: Config) -> dict[str | None, timedelta]:
    """How long a floor must serve, by group of sales: the longest lead time, with a node's, and two passes."""
    wait = max((node.provisioning for node in config.supply.node_types), default=timedelta(0))
    reach: dict[str | None, timedelta] = {}
    for workload in config.workloads:
        lead_time = workload.lead_time if workload.vertical is None else workload.vertical.lead_time
        mine = lead_time + wait + 2 * config.controller.period
        reach[workload.group] = max(reach.get(workload.group, mine), mine)
    return reach


def coming_events(config: Config, orders: OrderData, group: str | None = None) -> list[Event]:
    """What a picture of a group's forecast marks: the user's own events, and the holidays around the horizon."""
    if not orders.histories:
        return []
    last, horizon = _last(orders), config.forecast.horizon
    request = request_of(config, orders, group)
    own = [event for event in request.events if event.kind not in MONTHLY]
    zone = request.timezone or config.timezone
    return [*own, *holiday_events(request.holidays, last - horizon, last + horizon, zone)]


def _events(config: Config, orders: OrderData, zone: str) -> list[Event]:
    """The user's own events, and the paydays and month ends asked for."""
    return [*orders.ahead.events, *_monthly(config, orders, zone)]


def _monthly(config: Config, orders: OrderData, zone: str) -> list[Event]:
    """The paydays and month ends asked for, by the clock of a zone."""
    calendar, histories, events = config.calendar, orders.histories, list[Event]()
    if not histories:
        return events
    first = min(history.index[0] for history in histories.values()).to_pydatetime()
    end = _last(orders) + config.forecast.horizon
    if calendar.payday is not None:
        events += paydays(first, end, zone, calendar.payday)
    return events + month_ends(first, end, zone) if calendar.month_ends else events


def _last(orders: OrderData) -> datetime:
    """The newest step of any group."""
    last: datetime = max(history.index[-1] for history in orders.histories.values()).to_pydatetime()
    return last


def refuse_coarse_rows(history: pd.Series) -> None:
    """Raise `DataError` where no two rows are a step apart: each is then the total of a longer time.

    >>> days = pd.date_range("2026-01-05", periods=9, freq="D", tz="UTC")
    >>> refuse_coarse_rows(pd.Series(1.0, days).asfreq("h"))
    Traceback (most recent call last):
    capacity.model.errors.DataError: sales: expected a row in each step of 1h, got rows 1d apart: set sales.step: 1d
    """
    index = history.index if isinstance(history.index, pd.DatetimeIndex) else pd.DatetimeIndex(history.index)
    rows = index.asi8[pd.notna(history.to_numpy())]
    if len(rows) < FEWEST:
        return
    apart = np.diff(rows)
    if apart.min() < 2 * (index.asi8[1] - index.asi8[0]):
        return
    step = index[1] - index[0]
    usual = pd.Timedelta(np.median(apart), unit=index.unit).to_pytimedelta()
    if usual >= MONTH:
        raise DataError(
            f"sales: plans are made on hours or days, got rows {_spoken(usual)} apart: give orders by hour or day "
            "(`forecast_sales` forecasts months)"
        )
    raise DataError(
        f"sales: expected a row in each step of {_spoken(step.to_pytimedelta())}, got rows {_spoken(usual)} apart: "
        f"set sales.step: {_spoken(usual)}"
    )


def _spoken(span: timedelta) -> str:
    """A duration as settings have it.

    >>> _spoken(timedelta(hours=1)), _spoken(timedelta(days=30))
    ('1h', '30d')
    """
    return next((f"{span / unit:g}{name}" for name, unit in UNITS if span % unit == timedelta(0)), f"{span}")
