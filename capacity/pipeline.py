"""The stages composed: histories of sales in, one plan out. Everything between, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from capacity.demand import demand_of
from capacity.domain import DataError, Demand, Event, Forecast, LoadReport, Plan, Workload, WorkloadPlan
from capacity.forecast import Asked, forecast_sales, sales_work, together
from capacity.load import learn_loads
from capacity.planning import plan_workload

Histories = Mapping[str | None, pd.Series]  # group -> sales; None: all groups together
Forecasts = dict[str | None, Forecast | DataError]  # group -> forecast, or why there is none
Key = tuple[str, str]  # namespace and name of a workload
Usages = Mapping[Key, pd.DataFrame]  # workload -> its usage: cpu, memory, requests per step
Reports = dict[Key, LoadReport | DataError]  # workload -> what its usage says, or why it says nothing


@dataclass(frozen=True, slots=True)
class Outlook:
    """How far ahead to look, at which quantile levels, with which holidays, events and columns, on which clock."""

    horizon: timedelta
    quantile_levels: tuple[float, ...]
    holidays: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    timezone: str = "UTC"
    covariates: pd.DataFrame | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a plan comes from: when it was made, under which settings, from which data."""

    created: datetime
    settings_hash: str
    source: dict[str, Any] = field(default_factory=dict)


def forecast_groups(histories: Histories, outlook: Outlook) -> Forecasts:
    """One forecast per group, or the error that stood in its way: one never stops the others."""
    asked = Asked(
        outlook.horizon,
        tuple(sorted(outlook.quantile_levels)),
        outlook.holidays,
        outlook.events,
        outlook.timezone,
        outlook.covariates,
    )
    return together({group: sales_work(sales, asked) for group, sales in histories.items()})


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


def plan_workloads(
    forecasts: Forecasts,
    workloads: Sequence[Workload],
    provenance: Provenance,
    *,
    reports: Reports | None = None,
    outlook: Outlook | None = None,
) -> tuple[Plan, dict[Key, str]]:
    """The plan of every workload that can be planned, and the reason for each that cannot.

    `reports` say which loads were learned from usage; those that are forecast from it directly look as far and at the
    same quantile levels as `outlook` says. Raises `DataError` where no workload at all can be planned.
    """
    plans: list[WorkloadPlan] = []
    failures: dict[Key, str] = {}
    for workload in workloads:
        try:
            demand = _demand(workload, forecasts, (reports or {}).get(workload.key), outlook)
            plans.append(plan_workload(demand, workload))
        except DataError as error:
            failures[workload.key] = str(error)
    if not plans:
        raise DataError(
            "; ".join(dict.fromkeys(failures.values()))
            or "expected at least one workload in the configuration, got none"
        )
    return _plan(plans, provenance), failures


def _demand(
    workload: Workload, forecasts: Forecasts, report: LoadReport | DataError | None, outlook: Outlook | None
) -> Demand:
    if isinstance(report, DataError):
        raise report
    forecast = None if report is not None and not forecasts else _forecast_of(workload, forecasts)
    return demand_of(workload, forecast, report, partial(forecast_usage, outlook))


def forecast_usage(outlook: Outlook | None, usage: pd.Series, until: datetime) -> Forecast:
    """The forecast of one resource from its own usage, as far as `until` or the outlook's horizon reach."""
    if outlook is None:
        raise DataError("forecasting usage directly needs an outlook: how far, at which quantile levels")
    last = usage.index[-1].to_pydatetime()
    step = usage.index[-1] - usage.index[-2]
    horizon = max(until - last - step, outlook.horizon if until <= last else timedelta(0), step)
    return forecast_sales(
        usage,
        horizon=horizon,
        quantile_levels=outlook.quantile_levels,
        holidays=outlook.holidays,
        timezone=outlook.timezone,
    )


def _forecast_of(workload: Workload, forecasts: Forecasts) -> Forecast:
    found = forecasts.get(workload.group)
    if isinstance(found, Forecast):
        return found
    raise found or DataError(f"no sales of group {workload.group!r}; there are {sorted(map(str, forecasts))}")


def _plan(plans: list[WorkloadPlan], provenance: Provenance) -> Plan:
    origin = min(plan.start - plan.step for plan in plans)
    valid_until = min(plan.end for plan in plans)
    return Plan(provenance.created, origin, valid_until, provenance.settings_hash, provenance.source, tuple(plans))
