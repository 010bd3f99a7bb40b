"""The stages composed: histories of sales in, one plan out. Everything between, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from capacity.domain import DataError, Event, Forecast, Plan, Workload, WorkloadPlan
from capacity.forecast import Asked, sales_work, together
from capacity.load import project_load
from capacity.planning import plan_workload

Histories = Mapping[str | None, pd.Series]  # group -> sales; None: all groups together
Forecasts = dict[str | None, Forecast | DataError]  # group -> forecast, or why there is none


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


def plan_workloads(
    forecasts: Forecasts, workloads: Sequence[Workload], provenance: Provenance
) -> tuple[Plan, dict[tuple[str, str], str]]:
    """The plan of every workload that can be planned, and the reason for each that cannot.

    Raises `DataError` where no workload at all can be planned.
    """
    plans: list[WorkloadPlan] = []
    failures: dict[tuple[str, str], str] = {}
    for workload in workloads:
        try:
            forecast = _forecast_of(workload, forecasts)
            plans.append(plan_workload(project_load(forecast, workload.load), workload))
        except DataError as error:
            failures[workload.key] = str(error)
    if not plans:
        raise DataError(
            "; ".join(dict.fromkeys(failures.values()))
            or "expected at least one workload in the configuration, got none"
        )
    return _plan(plans, provenance), failures


def _forecast_of(workload: Workload, forecasts: Forecasts) -> Forecast:
    found = forecasts.get(workload.group)
    if isinstance(found, Forecast):
        return found
    raise found or DataError(f"no sales of group {workload.group!r}; there are {sorted(map(str, forecasts))}")


def _plan(plans: list[WorkloadPlan], provenance: Provenance) -> Plan:
    origin = min(plan.start - plan.step for plan in plans)
    valid_until = min(plan.end for plan in plans)
    return Plan(provenance.created, origin, valid_until, provenance.settings_hash, provenance.source, tuple(plans))
