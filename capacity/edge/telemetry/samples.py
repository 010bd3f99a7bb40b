"""What happened, as samples: of an audit, of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from capacity import __version__
from capacity.edge.telemetry.metrics import Sample

if TYPE_CHECKING:
    from capacity.audit import Audit
    from capacity.domain import Forecast, Plan, WorkloadPlan


def audit_samples(audit: Audit, now: datetime) -> list[Sample]:
    """The score, the rows by result, the failures by rule, and how old the newest row is."""
    source = audit.source
    repaired = sum(audit.repaired.values())
    rows = (("passed", audit.passed), ("quarantined", audit.quarantined), ("repaired", repaired))
    samples = [Sample("capacity_audit_score_ratio", audit.score, (source,))]
    samples += [Sample("capacity_audit_rows", count, (source, result)) for result, count in rows]
    samples += [Sample("capacity_audit_rule_failures", count, (source, rule)) for rule, count in audit.failures.items()]
    if audit.last is not None:
        samples.append(Sample("capacity_data_latency_seconds", (now - audit.last).total_seconds(), (source,)))
    return samples


def plan_samples(plan: Plan, failed: int, now: datetime, took: timedelta) -> list[Sample]:
    """Peaks, demand of the current step at each quantile level, and what could not be planned."""
    samples = [
        Sample("capacity_build_info", 1, (__version__,)),
        Sample("capacity_plan_created_timestamp_seconds", plan.created.timestamp()),
        Sample("capacity_plan_valid_until_timestamp_seconds", plan.valid_until.timestamp()),
        Sample("capacity_plan_duration_seconds", took.total_seconds()),
        Sample("capacity_plan_workloads", len(plan.workloads), ("planned",)),
        Sample("capacity_plan_workloads", failed, ("failed",)),
    ]
    for workload in plan.workloads:
        samples += _workload_samples(workload, now)
    return samples


def _workload_samples(plan: WorkloadPlan, now: datetime) -> list[Sample]:
    samples = [
        Sample("capacity_plan_peak_replicas", plan.peak.replicas, plan.key),
        Sample("capacity_plan_peak_timestamp_seconds", plan.peak.at.timestamp(), plan.key),
    ]
    if plan.demand is not None:
        samples += _demand_samples("capacity_forecast_demand_cores", plan.demand.cpu, plan.key, now)
        samples += _demand_samples("capacity_forecast_demand_bytes", plan.demand.memory, plan.key, now)
    return samples


def _demand_samples(name: str, demand: Forecast, key: tuple[str, str], now: datetime) -> list[Sample]:
    """The step of now; before the plan starts its first step, after its end none."""
    place = max(0, (now - demand.origin - demand.step) // demand.step)
    if place >= len(demand.quantiles):
        return []
    row = demand.quantiles.iloc[place]
    return [Sample(name, float(value), (*key, f"{level:g}")) for level, value in row.items()]


def trust_samples(coverage: Mapping[float, float], skill: float, group: str) -> list[Sample]:
    """How often the quantiles held, and the skill over the seasonal naive, on held-out origins."""
    covered: Sequence[tuple[float, float]] = list(coverage.items())
    samples = [Sample("capacity_forecast_coverage_ratio", share, (group, f"{level:g}")) for level, share in covered]
    return [*samples, Sample("capacity_forecast_skill_ratio", skill, (group,))]
