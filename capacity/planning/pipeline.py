"""The stages composed: orders read and judged go in, one plan comes out. Everything between, on one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capacity.forecast import forecast_as_asked, forecast_many
from capacity.forecast.backtest import Backtest, backtest_sales
from capacity.load import learn_loads, learn_throughput
from capacity.load.projection import demand_of
from capacity.model import (
    DataError,
    Demand,
    Finding,
    Forecast,
    ForecastRequest,
    LoadReport,
    Plan,
    Scenario,
    Supply,
    ThroughputReport,
    Workload,
    WorkloadPlan,
)
from capacity.model.configuration import Config
from capacity.model.pod_size import RESOURCES
from capacity.planning.headroom import joined_headroom, with_headroom
from capacity.planning.orders import (
    Forecasts,
    Histories,
    Key,
    OrderData,
    Reports,
    Usages,
    as_replayed,
    following,
    known_events,
    near_horizon,
    own_request,
    plan_reach,
    plan_request,
    refuse_coarse_rows,
    request_of,
    require_quality,
    source_document,
    spliced,
)
from capacity.planning.requirements import planning_window
from capacity.planning.result import PlanResult, current_demand
from capacity.planning.shared import plan_demands, share, with_near_floors
from capacity.planning.volumes import within_storage_quotas
from capacity.planning.workload import moved_as_orders, on_floor_steps
from capacity.series.scenarios import check_scenario, events_if, forecast_if, without_cancelled, workloads_if
from capacity.series.within import WithinStep, learn_within

GLOBAL_LAYER = (
    False  # no model of all groups together: a replay makes hundreds of forecasts, and plans are made as replayed
)


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
        request, reports = plan_request(config, orders), learn_load_of(config, orders)
        orders = as_replayed(config, orders)
        forecasts = _forecasts(config, orders, request)
        return PlanInputs(config, orders, now, forecasts, reports, request, settings_hash or config.settings_hash())

    def under(self, scenario: Scenario) -> PlanInputs:
        """The same in a what-if: without the events that it cancels and with its growth and promotions.

        What usage says of the loads stands.
        """
        orders, request = self.orders, self.request
        ends = [history.index[-1].to_pydatetime() for history in orders.histories.values()]
        if last := max(ends, default=orders.audit.last):
            events_if(known_events(orders, request), scenario, last)
            request = replace(request, events=without_cancelled(request.events, scenario, last))
            own = {name: without_cancelled(some, scenario, last) for name, some in orders.ahead.groups.items()}
            orders = replace(orders, ahead=replace(orders.ahead, groups=own))
        forecasts = _forecasts(self.config, orders, request) if scenario.cancelled else self.forecasts
        changed: Forecasts = {
            group: forecast_if(found, scenario, own_request(request, self.config, orders, group).events)
            if isinstance(found, Forecast)
            else found
            for group, found in forecasts.items()
        }
        return replace(self, orders=orders, forecasts=changed, scenario=scenario)


def check_scenarios(config: Config, orders: OrderData, scenarios: Sequence[Scenario]) -> None:
    """Raise `DataError` on a scenario that cannot be, before any of them is computed."""
    ends = [history.index[-1].to_pydatetime() for history in orders.histories.values()]
    last = max(ends, default=orders.audit.last)
    if last is None:
        return
    events = known_events(orders, plan_request(config, orders))
    step = _step(orders)
    ahead = (min(ends, default=last) + step, last + step + config.forecast.horizon)
    for scenario in scenarios:
        check_scenario(scenario, config.workloads, events, ahead)


def _step(orders: OrderData) -> timedelta:
    """The longest step of the histories."""
    known = [history.index[1] - history.index[0] for history in orders.histories.values() if len(history) > 1]
    return max((step.to_pytimedelta() for step in known), default=timedelta(0))


def make_plan(inputs: PlanInputs) -> PlanResult:
    """The plan of every workload, within what they share.

    Raises `QualityRefusedError` on bad data, `DataError` if nothing can be planned.
    """
    return share_supply(plan_alone(inputs), inputs.config, inputs.scenario)


def plan_alone(inputs: PlanInputs) -> PlanResult:
    """The plan of every workload as if it were alone; raises as `make_plan` does."""
    audit = require_quality(inputs.orders.audit.at(inputs.now))
    provenance = Provenance(inputs.now, inputs.settings_hash, source_document(audit))
    workloads = _workloads(inputs.config, inputs.scenario)
    plan, failures = plan_workloads(inputs.forecasts, workloads, provenance, _context(inputs))
    return PlanResult(plan, audit, failures, current_demand(plan.workloads, inputs.now))


def planned_demand(inputs: PlanInputs) -> Demand:
    """The demand that the plan of the first workload is made from; raises as `make_plan` does."""
    require_quality(inputs.orders.audit.at(inputs.now))
    known, workload = _context(inputs), _workloads(inputs.config, inputs.scenario)[0]
    learned = served_as_learned(workload, known.reports.get(workload.key))
    demand = _on_floor_steps(demand_for(learned, inputs.forecasts, known), learned, known)
    if isinstance(demand, DataError):
        raise demand
    return demand


def _context(inputs: PlanInputs) -> PlanContext:
    config, orders = inputs.config, inputs.orders
    return PlanContext(
        inputs.reports,
        inputs.request,
        plan_reach(config),
        orders.histories,
        config.supply,
        inputs.scenario,
        near_horizon(config.choice.refit),
        within_steps(config, orders, inputs.request),
    )


def within_steps(config: Config, orders: OrderData, request: ForecastRequest) -> dict[str | None, WithinStep]:
    """What each group's orders tell of the time within their steps, by the group's own clock."""
    zones = {group: own_request(request, config, orders, group).timezone for group in orders.histories}
    return {
        group: learn_within(history, orders.rows.get(group), zones[group] or config.timezone)
        for group, history in orders.histories.items()
    }


def share_supply(
    planned: PlanResult, config: Config, scenario: Scenario | None = None, *, blocks: Mapping[str, str] | None = None
) -> PlanResult:
    """The same plans within what they share: quotas, the cluster, and the nodes that all of them fill.

    `blocks`: the fingerprints of the configuration's blocks, where they are known already.
    """
    shared = share(planned.plan.workloads, _workloads(config, scenario), config.supply)
    asked = any(plan.headroom is not None for plan in shared.plans)
    room = _with_room(joined_headroom(shared.plans) if asked else shared.plans, config.supply)
    known = config.settings_blocks() if blocks is None else dict(blocks)
    plan = replace(planned.plan, workloads=room, nodes=shared.nodes, blocks=known)
    return replace(planned, plan=plan, failures={**planned.failures, **shared.failures})


def _with_room(plans: Sequence[WorkloadPlan], supply: Supply) -> tuple[WorkloadPlan, ...]:
    """The same plans with volumes that fit the storage quotas."""
    quotas = {namespace: quota.storage for namespace, quota in supply.quotas.items() if quota.storage is not None}
    if not quotas:
        return tuple(plans)
    kept = within_storage_quotas({plan.key: plan.volumes for plan in plans if plan.volumes}, quotas)
    return tuple(replace(plan, volumes=kept[plan.key]) if plan.volumes else plan for plan in plans)


def _workloads(config: Config, scenario: Scenario | None) -> Sequence[Workload]:
    return config.workloads if scenario is None else workloads_if(config.workloads, scenario)


def forecast_orders(config: Config, orders: OrderData) -> Forecasts:
    """One forecast per group that a workload names, or the reason why there is none."""
    request, own = request_of(config, orders), partial(own_request, config=config, orders=orders)
    return forecast_many(_requests(orders.histories, request, {}, own), orders.ahead.columns, global_layer=GLOBAL_LAYER)


def forecast_groups(
    histories: Histories,
    request: ForecastRequest,
    *,
    reach: Mapping[str | None, timedelta] | None = None,
    covariates: pd.DataFrame | None = None,
) -> Forecasts:
    """One forecast per group, or the error that stood in its way: one never stops the others.

    `reach`: for groups that are planned for, how long a floor must serve; their forecasts get the maxima over it.
    """
    return forecast_many(_requests(histories, request, reach or {}), covariates, global_layer=GLOBAL_LAYER)


def _forecasts(config: Config, orders: OrderData, request: ForecastRequest) -> Forecasts:
    """The forecast of each group that plans can be made from; its next days as a replayed policy knows them."""
    reach, own = plan_reach(config), partial(own_request, config=config, orders=orders)
    refused, columns = _coarse_groups(orders.histories), orders.ahead.columns
    even = {group: history for group, history in orders.histories.items() if group not in refused}
    made: Forecasts = forecast_many(_requests(even, request, reach, own), columns, global_layer=GLOBAL_LAYER)
    followed = following(config)
    follow = {group: history for group, history in even.items() if group in followed}
    near = replace(request, horizon=near_horizon(config.choice.refit))
    close: Forecasts = forecast_many(_requests(follow, near, reach, own), columns, global_layer=GLOBAL_LAYER)
    return {group: spliced(close[group], one) if group in close else one for group, one in made.items()} | refused


def _requests(
    histories: Histories,
    request: ForecastRequest,
    reach: Mapping[str | None, timedelta],
    own: Callable[..., ForecastRequest] | None = None,
) -> dict[str | None, tuple[pd.Series, ForecastRequest]]:
    """What is asked for each group, by `own` of its own calendar; requests that are equal share their work."""
    asked = {group: request if own is None else own(request, group=group) for group in histories}
    windows = {group: _window(sales, reach.get(group)) for group, sales in histories.items()}
    keys = {group: (id(asked[group]), windows[group]) for group in histories}
    requests = {keys[group]: replace(asked[group], window=windows[group]) for group in histories}
    return {group: (sales, requests[keys[group]]) for group, sales in histories.items()}


def planned_window(config: Config, workload: Workload, history: pd.Series) -> timedelta | None:
    """The span over whose maximum the sales of a workload's group are forecast."""
    return _window(history, plan_reach(config).get(workload.group))


def _window(history: pd.Series, reach: timedelta | None) -> timedelta | None:
    """The steps that a floor must serve, as a duration; None where nothing is planned or no step is known."""
    if reach is None or len(history) < 2:
        return None
    return planning_window(reach, timedelta(0), (history.index[1] - history.index[0]).to_pytimedelta())


def _coarse_groups(histories: Histories) -> Forecasts:
    """Of each group whose rows are further apart than its steps, why it cannot be planned from."""
    found: Forecasts = {}
    for group, history in histories.items():
        try:
            refuse_coarse_rows(history)
        except DataError as error:
            found[group] = error
    return found


def backtest_orders(config: Config, orders: OrderData, horizon: timedelta, origins: int) -> dict[str | None, Backtest]:
    """A backtest per group, from `origins` past origins one `horizon` apart. Raises `DataError` on short histories."""
    requests = {group: request_of(config, orders, group) for group in orders.histories}
    return {
        group: backtest_sales(
            sales,
            horizon=horizon,
            origins=origins,
            holidays=requests[group].holidays,
            events=requests[group].events,
            timezone=requests[group].timezone,
            covariates=orders.ahead.columns,
        )
        for group, sales in orders.histories.items()
    }


def learn_load_of(config: Config, orders: OrderData) -> Reports:
    """What usage says about each workload's load, also where it has none; empty where no usage is configured."""
    if config.usage is None and config.prometheus is None:
        return {}
    workloads, source = config.workloads, measured_by(config)
    reports = learn_workloads(orders.histories, orders.usages, workloads, config.timezone)
    asked = [workload for workload in workloads if workload.throughput == "history"]
    reports = with_throughputs(reports, orders.usages, asked)
    for workload in workloads:
        if workload.key not in reports:
            none = f"no usage of {workload.namespace}/{workload.name} in {source}"
            words = f"{orders.unmeasured.get(workload.key, none)}: the configured costs are kept"
            reports[workload.key] = LoadReport(workload.name, workload.load, (Finding("cpu", "configured", words),))
    return reports


def measured_by(config: Config) -> str:
    """Where usage is read, as errors and audits name it."""
    return Path(config.usage.source).name if config.usage else "Prometheus"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a plan comes from: when it was made, under which settings, from which data."""

    created: datetime
    settings_hash: str
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What plans are made with beside forecasts: what usage says of the loads, past sales, the supply.

    `request` is what is asked of loads that are forecast from usage directly, `reach` how long a floor must serve, by
    group of sales. In a scenario, such loads are changed as sales are. `near`: how far floors under a replayed policy
    are planned for themselves; `within`: what is known of the time within the steps of each group of sales.
    """

    reports: Reports = field(default_factory=dict)
    request: ForecastRequest | None = None
    reach: Mapping[str | None, timedelta] = field(default_factory=dict)
    histories: Histories = field(default_factory=dict)
    supply: Supply = field(default_factory=Supply)
    scenario: Scenario | None = None
    near: timedelta | None = None
    within: Mapping[str | None, WithinStep] = field(default_factory=dict)


def learn_workloads(histories: Histories, usages: Usages, workloads: Sequence[Workload], timezone: str) -> Reports:
    """What the usage of each workload says about its load; workloads of one group are learned together."""
    reports: Reports = {}
    groups = {workload.group for workload in workloads if workload.key in usages}
    for group in sorted(groups, key=str):
        members = [workload for workload in workloads if workload.group == group and workload.key in usages]
        priors = {workload.key: workload.load for workload in members}
        known = {key: usages[key] for key in priors}
        reports |= learn_loads(histories.get(group), known, priors=priors, timezone=timezone)
    return reports


def with_throughputs(reports: Reports, usages: Usages, workloads: Sequence[Workload]) -> Reports:
    """The reports with what the replicas of these workloads serve by their history, or why it does not tell."""
    found: Reports = {}
    for workload in workloads:
        report, usage = reports.get(workload.key), usages.get(workload.key)
        if isinstance(report, LoadReport) and usage is not None:
            found[workload.key] = replace(report, throughput=_throughput(usage, workload))
    return {**reports, **found}


def _throughput(usage: pd.DataFrame, workload: Workload) -> ThroughputReport | DataError:
    try:
        return learn_throughput(usage, workload.replica)
    except DataError as error:
        return error


def served_as_learned(workload: Workload, report: LoadReport | DataError | None) -> Workload:
    """The workload whose replicas serve what its history is certain of, where it was asked and tells."""
    known = report.throughput if isinstance(report, LoadReport) else None
    return replace(workload, throughput=known.bound) if isinstance(known, ThroughputReport) else workload


def plan_workloads(
    forecasts: Forecasts, workloads: Sequence[Workload], provenance: Provenance, context: PlanContext | None = None
) -> tuple[Plan, dict[Key, str]]:
    """The plan of every workload that can be planned, each for itself, and the reason for each that cannot.

    Loads forecast from usage directly look as far and at the same quantile levels as the request says. Raises
    `DataError` where no workload at all can be planned.
    """
    known = context or PlanContext()
    workloads = [served_as_learned(workload, known.reports.get(workload.key)) for workload in workloads]
    given = {one.key: demand_for(one, forecasts, known) for one in workloads}
    demands = {one.key: _on_floor_steps(given[one.key], one, known) for one in workloads}

    def usage(workload: Workload) -> pd.Series | None:
        past = _past_loads(workload, known, ("cpu",))
        return None if past is None else past.get("cpu")

    made = plan_demands(demands, workloads, known.supply, usage)
    if not made.plans:
        raise DataError(
            "; ".join(dict.fromkeys(made.failures.values()))
            or "expected at least one workload in the configuration, got none"
        )
    steps = {key: one.cpu.step for key, one in given.items() if isinstance(one, Demand)}
    alone = [moved_as_orders(plan, steps[plan.key]) for plan in made.plans]
    plans = alone if known.near is None else with_near_floors(alone, demands, workloads, known.near)
    failures = made.failures
    if any(one.headroom is not None for one in workloads):
        plans, lacking = with_headroom(plans, workloads, known.supply.node_types)
        failures = {**failures, **lacking}
    return _plan(plans, provenance), failures


def demand_for(workload: Workload, forecasts: Forecasts, known: PlanContext) -> Demand | DataError:
    """The load of a workload over the coming steps, or why it is not known."""
    report = known.reports.get(workload.key)
    if isinstance(report, DataError):
        return report
    reach = known.reach.get(workload.group)
    try:
        forecast = None if report is not None and not forecasts else _forecast_of(workload, forecasts)
        return demand_of(workload, forecast, report, partial(_usage_if, known, reach), reach)
    except DataError as error:
        return error


def _usage_if(known: PlanContext, reach: timedelta | None, usage: pd.Series, until: datetime) -> Forecast:
    """The forecast of usage by itself, as it would be in the scenario."""
    found = forecast_usage(known.request, usage, until, reach)
    return found if known.scenario is None else forecast_if(found, known.scenario)


HOUR = pd.Timedelta(hours=1)
RECENT = timedelta(days=14)  # of the past load: what a picture shows before a plan


def _on_floor_steps(demand: Demand | DataError, workload: Workload, known: PlanContext) -> Demand | DataError:
    if isinstance(demand, DataError):
        return demand
    report = known.reports.get(workload.key)
    learned = report if isinstance(report, LoadReport) else None
    fine = on_floor_steps(demand, workload, known.within.get(workload.group), learned)
    return _after_its_past(fine, workload, known)


def _after_its_past(demand: Demand, workload: Workload, known: PlanContext) -> Demand:
    """The demand with the load of the last two weeks before it, as far as that is known."""
    begin, end = pd.Timestamp(demand.cpu.origin - RECENT), pd.Timestamp(demand.cpu.origin)
    past = _past_loads(workload, known, RESOURCES, (begin, end))
    return demand if past is None else replace(demand, past=past)


def _past_loads(
    workload: Workload,
    known: PlanContext,
    resources: Sequence[str],
    span: tuple[pd.Timestamp | None, pd.Timestamp | None] = (None, None),
) -> pd.DataFrame | None:
    """Each resource in the past, both ends of the span included: as it was used, else what past sales stand for."""
    report = known.reports.get(workload.key)
    usage = report.usage if isinstance(report, LoadReport) else None
    found = {} if usage is None else {name: usage[name].loc[slice(*span)] for name in resources if name in usage}
    sales = known.histories.get(workload.group)
    if sales is None or len(sales) < 2 or len(found) == len(resources):
        return pd.DataFrame(found) if found else None
    places = sales.index.slice_indexer(*span)
    index, hours = sales.index[places], (sales.index[1] - sales.index[0]) / HOUR
    values = sales.to_numpy(dtype=np.float64)[places]
    loads = {
        name: getattr(workload.load, f"{name}_base")
        + getattr(workload.load, f"{name}_per_sale_per_hour") * values / hours
        for name in resources
        if name not in found
    }
    given = pd.DataFrame(np.stack(list(loads.values()), axis=1), index, _named(tuple(loads)))
    return pd.DataFrame({name: found.get(name, given.get(name)) for name in resources}) if found else given


@lru_cache(maxsize=8)  # the workloads of one run have the same columns
def _named(names: tuple[str, ...]) -> pd.Index:
    return pd.Index(names)


def forecast_usage(
    request: ForecastRequest | None, usage: pd.Series, until: datetime, reach: timedelta | None = None
) -> Forecast:
    """The forecast of one resource from its own usage, as far as `until` or the request's horizon reach.

    With `reach`, how long a floor must serve, also of the maxima over it. Events tell of sales, not of usage.
    """
    if request is None:
        raise DataError("forecasting usage directly needs a request: how far, at which quantile levels")
    last = usage.index[-1].to_pydatetime()
    step = usage.index[-1] - usage.index[-2]
    horizon = max(until - last - step, request.horizon if until <= last else timedelta(0), step)
    return forecast_as_asked(usage, replace(request, horizon=horizon, events=(), window=_window(usage, reach)))


def _forecast_of(workload: Workload, forecasts: Forecasts) -> Forecast:
    found = forecasts.get(workload.group)
    if isinstance(found, Forecast):
        return found
    raise found or DataError(f"no sales of group {workload.group!r}; there are {sorted(map(str, forecasts))}")


def _plan(plans: Sequence[WorkloadPlan], provenance: Provenance) -> Plan:
    origin = min(plan.start - plan.step for plan in plans)
    valid_until = min(plan.end for plan in plans)
    return Plan(provenance.created, origin, valid_until, provenance.settings_hash, provenance.source, tuple(plans))
