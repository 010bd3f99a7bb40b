"""The planner's work without its screen: configuration in, orders read and judged, forecasts and plan out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from capacity.forecast.backtest import Backtest, backtest_sales
from capacity.model import DataError, Event, Finding, Forecast, ForecastRequest, LoadReport, Plan, Scenario, Workload
from capacity.model.configuration import Config
from capacity.model.plan_file import rfc3339
from capacity.monitoring.metrics import Sample
from capacity.planning.coarse import coarse_groups
from capacity.planning.pipeline import (
    Forecasts,
    Histories,
    PlanContext,
    Provenance,
    Reports,
    Usages,
    forecast_groups,
    learn_workloads,
    plan_workloads,
    with_throughputs,
)
from capacity.planning.shared import reach_of, share
from capacity.planning.workload import QUIET_LEVEL
from capacity.quality import Audit
from capacity.quality.usage import audit_usages
from capacity.series.calendar import holiday_events, month_ends, paydays
from capacity.series.scenarios import events_if, forecast_if, workloads_if
from capacity.sources.audit_history import audit_orders
from capacity.sources.orders import read_columns, read_events
from capacity.sources.table import OrderTable
from capacity.sources.usage import known_usage


class QualityRefusedError(DataError):
    """The data's score is below `quality.refuse_below`: no plan is made, the last good one stays in force."""

    def __init__(self, message: str, audit: Audit) -> None:
        super().__init__(message)
        self.audit = audit


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the files under `calendar:` hold of the days to come: the user's own events, and columns (price, spend)."""

    events: tuple[Event, ...] = ()
    columns: pd.DataFrame | None = None

    @staticmethod
    def read(config: Config) -> Ahead:
        """Read both files, once for a command. Raises `DataError` where one cannot be read."""
        calendar, zone = config.calendar, config.timezone
        events = read_events(calendar.events, zone) if calendar.events else []
        return Ahead(tuple(events), read_columns(calendar.columns, zone) if calendar.columns else None)


@dataclass(frozen=True, slots=True)
class OrderData:
    """Sales per group (None: all together), the audit of the rows they were counted from, and usage per workload.

    Without sales there are no histories, and the audit counts the measurements of usage. `ahead` is what is known of
    the days to come.
    """

    histories: Histories
    audit: Audit
    usages: Usages = field(default_factory=dict)
    unmeasured: dict[tuple[str, str], str] = field(default_factory=dict)  # why Prometheus says nothing of a workload
    ahead: Ahead = field(default_factory=Ahead)


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan, the audit of its data, and what could not be planned.

    `demand` is that of the current step as metrics, where the forecasts themselves stayed with the chunks they are of.
    """

    plan: Plan
    audit: Audit
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    demand: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What a plan is made from: settings and orders, what they say of sales and loads to come, the time, a what-if.

    `request` is what was asked of the forecasts, `settings_hash` that of the whole configuration, of which a chunk of a
    fleet has a part.
    """

    config: Config
    orders: OrderData
    now: datetime
    forecasts: Forecasts
    reports: Reports
    request: ForecastRequest
    settings_hash: str
    scenario: Scenario | None = None

    @staticmethod
    def of(config: Config, orders: OrderData, now: datetime, settings_hash: str | None = None) -> PlanInputs:
        """With the forecasts that plans are made of, and the loads learned from the usage that was read."""
        request = plan_request(config, orders)
        return PlanInputs(
            config,
            orders,
            now,
            forecast_for_plans(config, orders, request),
            learn_load_of(config, orders),
            request,
            settings_hash or config.settings_hash(),
        )

    def under(self, scenario: Scenario) -> PlanInputs:
        """The same in a what-if; what usage says of the loads stands."""
        forecasts = forecast_for_plans(self.config, self.orders, self.request, scenario)
        return replace(self, forecasts=forecasts, scenario=scenario)


def read_orders(config: Config, now: datetime | None = None) -> OrderData:
    """Read and judge the orders once; sum up the groups that the workloads name; read usage. Raises `DataError`."""
    clock = datetime.now(UTC)  # noqa: TID251 - until reading is apart
    usages, unmeasured = known_usage(config, now or clock)
    if config.sales is None:
        audit, histories = audit_usages(usages.values(), _measured_by(config)), dict[str | None, pd.Series]()
    else:
        with OrderTable.load(config.sales, config.timezone, max(now or clock, clock)) as table:
            histories, audit = _histories(table.sales(), config.workloads), audit_orders(table, config)
    return OrderData(histories, audit, usages, unmeasured, Ahead.read(config))


def learn_load_of(config: Config, orders: OrderData) -> Reports:
    """What usage says about each workload's load, also where it has none; empty where no usage is configured."""
    if config.usage is None and config.prometheus is None:
        return {}
    workloads, source = config.workloads, _measured_by(config)
    reports = learn_workloads(orders.histories, orders.usages, workloads, config.timezone)
    asked = [workload for workload in workloads if workload.throughput == "history"]
    reports = with_throughputs(reports, orders.usages, asked)
    for workload in workloads:
        if workload.key not in reports:
            none = f"no usage of {workload.namespace}/{workload.name} in {source}"
            words = f"{orders.unmeasured.get(workload.key, none)}: the configured costs are kept"
            reports[workload.key] = LoadReport(workload.name, workload.load, (Finding("cpu", "configured", words),))
    return reports


def _measured_by(config: Config) -> str:
    return Path(config.usage.source).name if config.usage else "Prometheus"


def forecast_orders(config: Config, orders: OrderData) -> Forecasts:
    """One forecast per group that a workload names, or the reason why there is none."""
    return forecast_groups(orders.histories, request_of(config, orders), covariates=orders.ahead.columns)


def forecast_for_plans(
    config: Config, orders: OrderData, request: ForecastRequest, scenario: Scenario | None = None
) -> Forecasts:
    """The forecasts that plans are made of: with what a floor must serve for its time, and the quiet level.

    In a scenario, without the events that it cancels and with its growth and promotions.
    """
    if scenario is not None:
        ends = [history.index[-1].to_pydatetime() for history in orders.histories.values()]
        if last := max(ends, default=orders.audit.last):
            request = replace(request, events=events_if(request.events, scenario, last))
    coarse = coarse_groups(orders.histories)
    even = {group: history for group, history in orders.histories.items() if group not in coarse}
    forecasts = forecast_planned(config, replace(orders, histories=even), request) | coarse
    if scenario is None:
        return forecasts
    return {
        group: forecast_if(found, scenario, request.events) if isinstance(found, Forecast) else found
        for group, found in forecasts.items()
    }


def plan_request(config: Config, orders: OrderData) -> ForecastRequest:
    """What is asked of forecasts that plans are made of: the quiet level too."""
    request = request_of(config, orders)
    return replace(request, quantile_levels=tuple(sorted({*request.quantile_levels, QUIET_LEVEL})))


def forecast_planned(config: Config, orders: OrderData, request: ForecastRequest) -> Forecasts:
    """Forecasts with the maxima of the time that a floor must serve, and with the configured columns."""
    return forecast_groups(orders.histories, request, reach=plan_reach(config), covariates=orders.ahead.columns)


def plan_reach(config: Config) -> dict[str | None, timedelta]:
    """How long a floor must serve, by group of sales."""
    return reach_of(config.workloads, config.supply, config.controller.period)


def backtest_orders(config: Config, orders: OrderData, horizon: timedelta, origins: int) -> dict[str | None, Backtest]:
    """A backtest per group, from `origins` past origins one `horizon` apart. Raises `DataError` on short histories."""
    request = request_of(config, orders)
    return {
        group: backtest_sales(
            sales,
            horizon=horizon,
            origins=origins,
            holidays=request.holidays,
            events=request.events,
            timezone=request.timezone,
            covariates=orders.ahead.columns,
        )
        for group, sales in orders.histories.items()
    }


def request_of(config: Config, orders: OrderData) -> ForecastRequest:
    """What the configuration asks of the forecasts of these orders, with the days that are known ahead."""
    return ForecastRequest(
        horizon=config.forecast.horizon,
        quantile_levels=config.forecast.quantile_levels,
        holidays=config.calendar.holidays,
        events=tuple(_events(config, orders)),
        timezone=config.timezone,
    )


def coming_events(config: Config, orders: OrderData) -> list[Event]:
    """What a picture of the forecast marks: the user's own events, and the holidays around the horizon."""
    if not orders.histories:
        return []
    last = max(history.index[-1] for history in orders.histories.values()).to_pydatetime()
    own = [event for event in _events(config, orders) if event.kind not in ("payday", "month end")]
    return [
        *own,
        *holiday_events(
            config.calendar.holidays, last - config.forecast.horizon, last + config.forecast.horizon, config.timezone
        ),
    ]


def _events(config: Config, orders: OrderData) -> list[Event]:
    """The user's own events, and the paydays and month ends asked for."""
    calendar, zone, histories = config.calendar, config.timezone, orders.histories
    events = list(orders.ahead.events)
    if not histories:
        return events
    first = min(history.index[0] for history in histories.values()).to_pydatetime()
    end = max(history.index[-1] for history in histories.values()).to_pydatetime() + config.forecast.horizon
    if calendar.payday is not None:
        events += paydays(first, end, zone, calendar.payday)
    return events + month_ends(first, end, zone) if calendar.month_ends else events


def make_plan(basis: PlanInputs) -> PlanResult:
    """The plan of every workload, within what they share.

    Raises `QualityRefusedError` on bad data, `DataError` if nothing can be planned.
    """
    return share_supply(plan_alone(basis), basis.config, basis.scenario)


def plan_alone(basis: PlanInputs) -> PlanResult:
    """The plan of every workload as if it were alone; raises as `make_plan` does."""
    config, orders, scenario = basis.config, basis.orders, basis.scenario
    audit = require_quality(orders.audit.at(basis.now))
    provenance = Provenance(basis.now, basis.settings_hash, source_document(audit))
    knowledge = PlanContext(basis.reports, basis.request, plan_reach(config), orders.histories, config.supply, scenario)
    plan, failures = plan_workloads(basis.forecasts, _workloads(config, scenario), provenance, knowledge)
    return PlanResult(plan, audit, failures)


def signed(planned: PlanResult, run: str) -> PlanResult:
    """The same with the run that made it named in the plan's source, as its Events and tickets name theirs."""
    plan = planned.plan
    return replace(planned, plan=replace(plan, source={**plan.source, "run": run}))


def share_supply(planned: PlanResult, config: Config, scenario: Scenario | None = None) -> PlanResult:
    """The same plans within what they share: quotas, the cluster, and the nodes that all of them fill."""
    shared = share(planned.plan.workloads, _workloads(config, scenario), config.supply)
    plan = replace(planned.plan, workloads=shared.plans, nodes=shared.nodes)
    return replace(planned, plan=plan, failures={**planned.failures, **shared.failures})


def _workloads(config: Config, scenario: Scenario | None) -> Sequence[Workload]:
    return config.workloads if scenario is None else workloads_if(config.workloads, scenario)


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
