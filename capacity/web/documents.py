"""The JSON documents of the API: times as RFC 3339 in UTC, durations in seconds, CPU in cores, memory in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from capacity.app.serve import Past, Served
from capacity.app.what_if import Comparison, Key, Outcome
from capacity.model import Demand, Explanation, Forecast, WorkloadPlan
from capacity.model.choice import Choice, Evidence
from capacity.planning.workload import floor_series
from capacity.views.view_models import view_bars

DIGITS = 6  # that mean something


@dataclass(frozen=True, slots=True)
class PeakDocument:
    """The step that needs the most replicas; `sales` per step, null where the load follows none."""

    at: datetime
    replicas: int
    cpu_cores: float
    memory_bytes: float
    sales: float | None
    quantile_level: float


@dataclass(frozen=True, slots=True)
class EvidenceDocument:
    """What a policy did on the replayed days, each a mean per day."""

    policy: str
    days: int
    cost_per_day: float
    unit: str
    minutes_over_target_per_day: float
    minutes_over_100_percent_per_day: float


@dataclass(frozen=True, slots=True)
class WorkloadDocument:
    """One workload of the fleet at a glance. `floor_now`: null outside of the plan."""

    namespace: str
    name: str
    peak: PeakDocument
    floor_now: int | None
    mean_floor: float
    ceiling: int
    binding: str
    minutes_short_of_need: int
    policy: str | None
    reason: str | None
    evidence: EvidenceDocument | None


@dataclass(frozen=True, slots=True)
class FleetDocument:
    """Every workload, and why others could not be planned. `can_forecast`: whether the orders are there."""

    created: datetime
    origin: datetime
    valid_until: datetime
    timezone: str
    currency: str
    can_forecast: bool
    without_forecast: str
    workloads: list[WorkloadDocument]
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuantilesDocument:
    """Values per step and quantile level; the keys are levels such as "0.95"."""

    unit: str
    quantiles: dict[str, list[float]]
    model: str
    notes: list[str]


@dataclass(frozen=True, slots=True)
class ForecastDocument:
    """What is expected of each step: sales (null where the load follows none) and the demand of the workload."""

    namespace: str
    name: str
    start: datetime
    step: float
    sales_start: datetime | None
    sales_step: float | None
    sales: QuantilesDocument | None
    cpu: QuantilesDocument
    memory: QuantilesDocument


@dataclass(frozen=True, slots=True)
class ChangeDocument:
    """From `at` on the floor is `replicas`, because of `reason`."""

    at: datetime
    replicas: int
    reason: str


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """The floors of one workload: of each step, and as changes with their reasons."""

    namespace: str
    name: str
    start: datetime
    step: float
    floor: list[int]
    changes: list[ChangeDocument]
    ceiling: int
    safe_floor: int
    lead_time: float
    target_utilization: float
    cpu_request: float
    memory_request: float
    quantile_level: float
    peak: PeakDocument
    binding: str
    policy: str | None
    evidence: list[EvidenceDocument]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class BarDocument:
    """One bar: the replicas it adds, where it begins and ends, and why."""

    name: str
    replicas: float
    before: float
    total: float
    why: str


@dataclass(frozen=True, slots=True)
class ExplanationDocument:
    """The floor of one step as a sum of bars. `resource`: whose load they show; `cause`: what determines the floor."""

    namespace: str
    name: str
    at: datetime
    resource: str
    cause: str
    floor: int
    bars: list[BarDocument]
    covered_floor: int
    covered_until: datetime
    notes: list[str]


@dataclass(frozen=True, slots=True)
class SeriesDocument:
    """Values from `start` on, one each `step` seconds; null is a gap."""

    start: datetime
    step: float
    values: list[float | None]


@dataclass(frozen=True, slots=True)
class PastDocument:
    """What happened, where it is known: each null where it is not."""

    namespace: str
    name: str
    sales: SeriesDocument | None = None
    came: SeriesDocument | None = None
    cpu: SeriesDocument | None = None
    memory: SeriesDocument | None = None
    replicas: SeriesDocument | None = None


@dataclass(frozen=True, slots=True)
class FiguresDocument:
    """What a plan costs and keeps. `expected_minutes_over_target_per_day`: with the planned floors alone."""

    peak: PeakDocument
    mean_floor: float
    cost_per_month: float
    unit: str
    expected_minutes_over_target_per_day: float | None
    minutes_short_of_need: int
    policy: str | None
    evidence: EvidenceDocument | None
    notes: list[str]


@dataclass(frozen=True, slots=True)
class ComparisonDocument:
    """A plan as it is and as it would be, and the floors that would be."""

    scenario: str | None
    changes: dict[str, Any]
    before: FiguresDocument
    after: FiguresDocument
    start: datetime
    step: float
    floor: list[int]


def fleet_document(served: Served, now: datetime) -> FleetDocument:
    """The fleet as it is planned."""
    plan = served.plan
    return FleetDocument(
        plan.created,
        plan.origin,
        plan.valid_until,
        served.timezone,
        served.currency,
        served.orders is not None,
        served.without,
        [workload_document(one, now) for one in plan.workloads],
        {f"{namespace}/{name}": reason for (namespace, name), reason in served.failures.items()},
    )


def workload_document(plan: WorkloadPlan, now: datetime) -> WorkloadDocument:
    """One workload at a glance."""
    choice = plan.choice
    return WorkloadDocument(
        plan.namespace,
        plan.name,
        peak_document(plan),
        plan.floor_between(now, now) if plan.start <= now < plan.end else None,
        round(plan.mean_floor, 3),
        plan.ceiling,
        plan.binding,
        plan.derivation.minutes_short,
        None if plan.policy is None else str(plan.policy),
        None if choice is None else choice.reason,
        None if choice is None else evidence_document(choice.recommended, choice.unit),
    )


def peak_document(plan: WorkloadPlan) -> PeakDocument:
    """The peak of a plan."""
    peak = plan.peak
    sales = None if peak.sales is None else _short(peak.sales)
    return PeakDocument(
        peak.at, peak.replicas, _short(peak.cpu_cores), round(peak.memory_bytes), sales, peak.quantile_level
    )


def evidence_document(one: Evidence, unit: str) -> EvidenceDocument:
    """What a policy did on the replayed days."""
    return EvidenceDocument(
        str(one.policy), one.days, _short(one.cost), unit, _short(one.minutes_above), _short(one.overload_minutes)
    )


def forecast_document(key: Key, demand: Demand) -> ForecastDocument:
    """The forecast behind a plan."""
    cpu, sales = demand.cpu, demand.sales
    return ForecastDocument(
        *key,
        cpu.quantiles.index[0].to_pydatetime(),
        cpu.step.total_seconds(),
        None if sales is None else sales.quantiles.index[0].to_pydatetime(),
        None if sales is None else sales.step.total_seconds(),
        None if sales is None else _quantiles(sales),
        _quantiles(cpu),
        _quantiles(demand.memory),
    )


def _quantiles(forecast: Forecast) -> QuantilesDocument:
    table = forecast.quantiles
    values = {f"{float(level):g}": _list(table[level].to_numpy(dtype=np.float64)) for level in table.columns}
    return QuantilesDocument(forecast.unit, values, forecast.model, list(forecast.notes))


def plan_document(plan: WorkloadPlan) -> PlanDocument:
    """The floors of one workload."""
    choice = plan.choice
    return PlanDocument(
        plan.namespace,
        plan.name,
        plan.start,
        plan.step.total_seconds(),
        [int(one) for one in floor_series(plan)],
        [ChangeDocument(plan.start + one.offset * plan.step, one.replicas, one.reason) for one in plan.floor],
        plan.ceiling,
        plan.safe_floor,
        plan.lead_time.total_seconds(),
        plan.derivation.target.utilization,
        plan.resources.get("cpu_request_millicores", 0) / 1000,
        plan.resources.get("memory_request_bytes", 0),
        plan.peak.quantile_level,
        peak_document(plan),
        plan.binding,
        None if plan.policy is None else str(plan.policy),
        [] if choice is None else _evidence(choice),
        list(plan.derivation.notes),
    )


def _evidence(choice: Choice) -> list[EvidenceDocument]:
    rows = [choice.today, choice.recommended, *([] if choice.meanwhile is None else [choice.meanwhile]), *choice.rivals]
    return [evidence_document(one, choice.unit) for one in rows]


def explanation_document(found: Explanation) -> ExplanationDocument:
    """The waterfall of one step."""
    bars = [BarDocument(one.name, one.replicas, one.before, one.total, one.why) for one in view_bars(found)]
    return ExplanationDocument(
        found.namespace,
        found.name,
        found.at,
        found.resource,
        found.cause,
        found.floor,
        bars,
        found.covered_floor,
        found.covered_until,
        list(found.notes),
    )


def past_document(key: Key, past: Past) -> PastDocument:
    """What happened to a workload."""
    usage: Mapping[str, pd.Series] = {} if past.usage is None else {str(one): past.usage[one] for one in past.usage}
    return PastDocument(
        *key,
        _series(past.sales),
        _series(past.came),
        *(_series(usage.get(name)) for name in ("cpu", "memory", "replicas")),
    )


def _series(values: pd.Series | None) -> SeriesDocument | None:
    """A series on its regular steps; None where it has fewer than two values."""
    if values is None or len(values) < 2:
        return None
    step = (values.index[1:] - values.index[:-1]).min()
    even = values.reindex(pd.date_range(values.index[0], values.index[-1], freq=step))
    return SeriesDocument(
        even.index[0].to_pydatetime(), step.total_seconds(), _list(even.to_numpy(dtype=np.float64, na_value=np.nan))
    )


def comparison_document(found: Comparison) -> ComparisonDocument:
    """Before and after."""
    scenario, plan = found.controls.scenario, found.after.plan
    return ComparisonDocument(
        None if scenario is None else scenario.name,
        found.controls.changes(),
        figures_document(found.before),
        figures_document(found.after),
        plan.start,
        plan.step.total_seconds(),
        [int(one) for one in floor_series(plan)],
    )


def figures_document(one: Outcome) -> FiguresDocument:
    """What one plan costs and keeps."""
    above, replayed = one.minutes_above, one.replayed
    return FiguresDocument(
        peak_document(one.plan),
        round(one.mean_floor, 3),
        _short(one.cost),
        one.unit,
        None if above is None else _short(above),
        one.plan.derivation.minutes_short,
        None if one.workload.policy is None else str(one.workload.policy),
        None if replayed is None or one.choice is None else evidence_document(replayed, one.choice.unit),
        list(one.plan.derivation.notes),
    )


def _list(values: np.ndarray) -> list[Any]:
    """Numbers in as many digits as mean something; what is not known is null."""
    sizes = np.abs(np.where(np.isfinite(values) & (values != 0), values, 1.0))
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(sizes)))
    short = np.round(values * scale) / scale
    return [None if one != one else one for one in short.tolist()]


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
