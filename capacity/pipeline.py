"""The stages composed: histories of sales in, one plan out. Everything between, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from capacity.domain import DataError, Event, Forecast, Plan, Workload, WorkloadPlan
from capacity.forecast import forecast_sales
from capacity.load import project_load
from capacity.planning import plan_workload

Histories = Mapping[str | None, pd.Series]  # group -> sales; None: all groups together


@dataclass(frozen=True, slots=True)
class Outlook:
    """How far ahead to look, at which quantile levels, with which events, on which clock."""

    horizon: timedelta
    quantile_levels: tuple[float, ...]
    events: tuple[Event, ...] = ()
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a plan comes from: when it was made, under which settings, from which data."""

    created: datetime
    settings_hash: str
    source: dict[str, Any] = field(default_factory=dict)


def forecast_groups(histories: Histories, outlook: Outlook) -> tuple[dict[str | None, Forecast], dict[str | None, str]]:
    """One forecast per group, and the groups that could not be forecast with the reason: one never stops the others."""
    forecasts: dict[str | None, Forecast] = {}
    failures: dict[str | None, str] = {}
    for group, sales in histories.items():
        try:
            forecasts[group] = forecast_sales(
                sales,
                horizon=outlook.horizon,
                quantile_levels=outlook.quantile_levels,
                events=outlook.events,
                timezone=outlook.timezone,
            )
        except DataError as error:
            failures[group] = str(error)
    return forecasts, failures


def plan_workloads(
    forecasts: Mapping[str | None, Forecast], workloads: Sequence[Workload], provenance: Provenance
) -> tuple[Plan, dict[tuple[str, str], str]]:
    """The plan of every workload that can be planned, and the reason for each that cannot.

    Raises `DataError` where no workload at all can be planned.
    """
    plans: list[WorkloadPlan] = []
    failures: dict[tuple[str, str], str] = {}
    for workload in workloads:
        forecast = forecasts.get(workload.group)
        try:
            if forecast is None:
                raise DataError(f"no forecast for group {workload.group!r}; there are {sorted(map(str, forecasts))}")
            plans.append(plan_workload(project_load(forecast, workload.load), workload))
        except DataError as error:
            failures[workload.key] = str(error)
    if not plans:
        raise DataError("; ".join(failures.values()) or "expected at least one workload in the configuration, got none")
    return _plan(plans, provenance), failures


def _plan(plans: list[WorkloadPlan], provenance: Provenance) -> Plan:
    origin = min(plan.start - plan.step for plan in plans)
    valid_until = min(plan.end for plan in plans)
    return Plan(provenance.created, origin, valid_until, provenance.settings_hash, provenance.source, tuple(plans))
