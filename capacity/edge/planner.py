"""The planner's work without its screen: configuration in, orders read and judged, forecasts and plan out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from capacity.audit import Audit
from capacity.backtest import Backtest, backtest_sales
from capacity.domain import DataError, Event, Plan, Workload
from capacity.edge.audits import audit_orders
from capacity.edge.config import Config
from capacity.edge.orders import OrderTable
from capacity.edge.planfile import rfc3339
from capacity.edge.sources import read_columns, read_events
from capacity.events import month_ends, paydays
from capacity.pipeline import Forecasts, Histories, Outlook, Provenance, forecast_groups, plan_workloads


class QualityRefusedError(DataError):
    """The data's score is below `quality.refuse_below`: no plan is made, the last good one stays in force."""

    def __init__(self, message: str, audit: Audit) -> None:
        super().__init__(message)
        self.audit = audit


@dataclass(frozen=True, slots=True)
class Orders:
    """Sales per group (None: all together) and the audit of the rows they were counted from."""

    histories: Histories
    audit: Audit


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the audit of its data, and what could not be planned."""

    plan: Plan
    audit: Audit
    failures: dict[tuple[str, str], str] = field(default_factory=dict)


def read_orders(config: Config) -> Orders:
    """Read and judge the orders once; sum up the groups that the workloads name. Raises `DataError`."""
    with OrderTable.load(config.sales, config.timezone) as table:
        return Orders(_histories(table.sales(), config.nouns()), audit_orders(table, config))


def forecast_orders(config: Config, orders: Orders) -> Forecasts:
    """One forecast per group that a workload names, or the reason why there is none."""
    return forecast_groups(orders.histories, outlook_of(config, orders.histories))


def backtest_orders(config: Config, orders: Orders, horizon: timedelta, origins: int) -> dict[str | None, Backtest]:
    """A backtest per group, from `origins` past origins one `horizon` apart. Raises `DataError` on short histories."""
    outlook = outlook_of(config, orders.histories)
    return {
        group: backtest_sales(
            sales,
            horizon=horizon,
            origins=origins,
            holidays=outlook.holidays,
            events=outlook.events,
            timezone=outlook.timezone,
        )
        for group, sales in orders.histories.items()
    }


def outlook_of(config: Config, histories: Histories) -> Outlook:
    """What the forecasts of these histories are asked for, with everything that is known ahead."""
    calendar, zone = config.calendar, config.timezone
    return Outlook(
        horizon=config.forecast.horizon,
        quantile_levels=config.forecast.quantile_levels,
        holidays=calendar.holidays,
        events=tuple(_events(config, histories)),
        timezone=zone,
        covariates=read_columns(calendar.columns, zone) if calendar.columns else None,
    )


def _events(config: Config, histories: Histories) -> list[Event]:
    """The user's own events, and the paydays and month ends asked for."""
    calendar, zone = config.calendar, config.timezone
    events = read_events(calendar.events, zone) if calendar.events else []
    first = min(history.index[0] for history in histories.values()).to_pydatetime()
    end = max(history.index[-1] for history in histories.values()).to_pydatetime() + config.forecast.horizon
    if calendar.payday is not None:
        events += paydays(first, end, zone, calendar.payday)
    return events + month_ends(first, end, zone) if calendar.month_ends else events


def make_plan(config: Config, orders: Orders, forecasts: Forecasts, now: datetime) -> Planned:
    """The plan of every workload. Raises `QualityRefusedError` on bad data, `DataError` if nothing can be planned."""
    audit = require_quality(orders.audit.at(now))
    provenance = Provenance(now, config.settings_hash(), source_document(audit))
    plan, failures = plan_workloads(forecasts, config.nouns(), provenance)
    return Planned(plan, audit, failures)


def signed(planned: Planned, run: str) -> Planned:
    """The same with the run that made it named in the plan's source, as its Events and tickets name theirs."""
    plan = planned.plan
    return replace(planned, plan=replace(plan, source={**plan.source, "run": run}))


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
    }


def _histories(sales: pd.Series | pd.DataFrame, workloads: tuple[Workload, ...]) -> dict[str | None, pd.Series]:
    if isinstance(sales, pd.Series):
        return {None: sales}
    wanted = {workload.group for workload in workloads} or {None}
    histories: dict[str | None, pd.Series] = {}
    for group in sorted(wanted, key=str):
        if group is None:
            histories[None] = sales.sum(axis=1, min_count=1)
        elif group in sales.columns:
            histories[group] = sales[group]
    for history in histories.values():
        history.attrs = dict(sales.attrs)
    return histories
