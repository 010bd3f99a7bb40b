"""The stages composed: histories of sales in, one plan out. Everything between, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from capacity.domain import DataError, Demand, Event, Forecast, Plan, Supply, Workload
from capacity.forecast import Asked, sales_work, together
from capacity.load import project_load
from capacity.plans import Plans, plan_demands

Histories = Mapping[str | None, pd.Series]  # group -> sales; None: all groups together
Forecasts = dict[str | None, Forecast | DataError]  # group -> forecast, or why there is none


@dataclass(frozen=True, slots=True)
class Outlook:
    """How far ahead to look, at which quantile levels, with which holidays, events and columns, on which clock.

    `reach`: for groups that are planned for, how long a floor must serve; their forecasts get the maxima over it.
    """

    horizon: timedelta
    quantile_levels: tuple[float, ...]
    holidays: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    timezone: str = "UTC"
    covariates: pd.DataFrame | None = field(default=None, compare=False)
    reach: Mapping[str | None, timedelta] = field(default_factory=dict, compare=False)


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


def plan_workloads(
    forecasts: Forecasts,
    workloads: Sequence[Workload],
    provenance: Provenance,
    *,
    supply: Supply | None = None,
    histories: Histories | None = None,
) -> tuple[Plan, dict[tuple[str, str], str]]:
    """The plan of every workload that can be planned, and the reason for each that cannot.

    `supply` is what they share; past sales (`histories`) tell where an autoscaler alone would do as well. Raises
    `DataError` where no workload at all can be planned.
    """
    demands = {workload.key: demand_of(workload, forecasts) for workload in workloads}
    usage = {workload.key: _past_cpu(workload, (histories or {}).get(workload.group)) for workload in workloads}
    made = plan_demands(demands, workloads, supply, {key: past for key, past in usage.items() if past is not None})
    if not made.plans:
        raise DataError(
            "; ".join(dict.fromkeys(made.failures.values()))
            or "expected at least one workload in the configuration, got none"
        )
    return _plan(made, provenance), made.failures


def demand_of(workload: Workload, forecasts: Forecasts) -> Demand | DataError:
    """The load that follows from the forecast of the workload's group, or why there is none."""
    found = forecasts.get(workload.group)
    if isinstance(found, Forecast):
        return project_load(found, workload.load)
    return found or DataError(f"no sales of group {workload.group!r}; there are {sorted(map(str, forecasts))}")


def _past_cpu(workload: Workload, sales: pd.Series | None) -> pd.Series | None:
    """The CPU that past sales stand for, in cores."""
    if sales is None or len(sales) < 2:
        return None
    hours = (sales.index[1] - sales.index[0]) / pd.Timedelta("1h")
    past: pd.Series = workload.load.cpu_base + workload.load.cpu_per_sale_per_hour * sales / hours
    return past


def _plan(made: Plans, provenance: Provenance) -> Plan:
    plans = made.plans
    origin = min(plan.start - plan.step for plan in plans)
    valid_until = min(plan.end for plan in plans)
    source = provenance.source
    return Plan(provenance.created, origin, valid_until, provenance.settings_hash, source, plans, made.nodes)
