"""The stages composed: histories of sales in, one plan out. Everything between, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from capacity.forecast import forecast_as_asked, forecast_many
from capacity.load import learn_loads, learn_throughput
from capacity.load.demand import demand_of
from capacity.model import (
    DataError,
    Demand,
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
from capacity.planning.requirements import planning_window
from capacity.planning.shared import plan_demands
from capacity.series.scenarios import forecast_if

Histories = Mapping[str | None, pd.Series]  # group -> sales; None: all groups together
Forecasts = dict[str | None, Forecast | DataError]  # group -> forecast, or why there is none
Key = tuple[str, str]  # namespace and name of a workload
Usages = Mapping[Key, pd.DataFrame]  # workload -> its usage: cpu, memory, requests per step
Reports = dict[Key, LoadReport | DataError]  # workload -> what its usage says, or why it says nothing


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
    group of sales. In a scenario, such loads are changed as sales are.
    """

    reports: Reports = field(default_factory=dict)
    request: ForecastRequest | None = None
    reach: Mapping[str | None, timedelta] = field(default_factory=dict)
    histories: Histories = field(default_factory=dict)
    supply: Supply = field(default_factory=Supply)
    scenario: Scenario | None = None


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
    windows = {group: _window(sales, (reach or {}).get(group)) for group, sales in histories.items()}
    asked = {group: (sales, replace(request, window=windows[group])) for group, sales in histories.items()}
    return forecast_many(asked, covariates)


def _window(history: pd.Series, reach: timedelta | None) -> timedelta | None:
    """The steps that a floor must serve, as a duration; None where nothing is planned or no step is known."""
    if reach is None or len(history) < 2:
        return None
    return planning_window(reach, timedelta(0), (history.index[1] - history.index[0]).to_pytimedelta())


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
    forecasts: Forecasts, workloads: Sequence[Workload], provenance: Provenance, knowledge: PlanContext | None = None
) -> tuple[Plan, dict[Key, str]]:
    """The plan of every workload that can be planned, each for itself, and the reason for each that cannot.

    Loads forecast from usage directly look as far and at the same quantile levels as the request says. Raises
    `DataError` where no workload at all can be planned.
    """
    known = knowledge or PlanContext()
    workloads = [served_as_learned(workload, known.reports.get(workload.key)) for workload in workloads]
    demands = {workload.key: demand_for(workload, forecasts, known) for workload in workloads}
    past = {workload.key: _past_cpu(workload, known) for workload in workloads}
    usage = {key: cores for key, cores in past.items() if cores is not None}
    made = plan_demands(demands, workloads, known.supply, usage)
    if not made.plans:
        raise DataError(
            "; ".join(dict.fromkeys(made.failures.values()))
            or "expected at least one workload in the configuration, got none"
        )
    return _plan(made.plans, provenance), made.failures


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


def _past_cpu(workload: Workload, known: PlanContext) -> pd.Series | None:
    """The CPU of the past in cores: as it was used, else what past sales stand for."""
    report = known.reports.get(workload.key)
    if isinstance(report, LoadReport) and report.usage is not None and "cpu" in report.usage:
        return report.usage["cpu"]
    sales = known.histories.get(workload.group)
    if sales is None or len(sales) < 2:
        return None
    hours = (sales.index[1] - sales.index[0]) / pd.Timedelta("1h")
    past: pd.Series = workload.load.cpu_base + workload.load.cpu_per_sale_per_hour * sales / hours
    return past


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
