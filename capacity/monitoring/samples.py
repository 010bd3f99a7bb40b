"""Samples of metrics from an audit, a plan and its coming 48 hours, and a pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from capacity.model.forecast import CurrentDemand, Levels
from capacity.monitoring.conditions import utilization_of
from capacity.monitoring.metrics import Sample
from capacity.version import VERSION

if TYPE_CHECKING:
    from capacity.model import Plan, TrackRecord, WorkloadPlan
    from capacity.model.forecast import DemandAhead
    from capacity.model.outcome import Actuation, Outcome
    from capacity.model.volume import VolumePlan
    from capacity.quality import Audit


def audit_samples(audit: Audit, now: datetime) -> list[Sample]:
    """The score, the rows by result, the failures by rule, and how late the newest row is."""
    source = audit.source
    repaired = sum(audit.repaired.values())
    rows = (("passed", audit.passed), ("quarantined", audit.quarantined), ("repaired", repaired))
    samples = [Sample("capacity_audit_score_ratio", audit.score, (source,))]
    samples += [Sample("capacity_audit_rows", count, (source, result)) for result, count in rows]
    samples += [Sample("capacity_audit_rule_failures", count, (source, rule)) for rule, count in audit.failures.items()]
    if audit.last is not None:
        late = audit.late(now)
        seconds = (now - audit.last if late is None else late).total_seconds()
        samples.append(Sample("capacity_data_latency_seconds", seconds, (source,)))
    whole = audit.counts[-2] if len(audit.counts) > 1 else None  # the newest step may still be filling
    if whole is not None and whole.completeness is not None:
        samples.append(Sample("capacity_data_completeness_ratio", whole.completeness, (source,)))
    return samples


def plan_samples(plan: Plan, failed: int, took: timedelta, demand: Sequence[CurrentDemand] = ()) -> list[Sample]:
    """Peaks, demand of the current step at each quantile level, and what could not be planned."""
    samples = [
        Sample("capacity_build_info", 1, (VERSION,)),
        Sample("capacity_plan_created_timestamp_seconds", plan.created.timestamp()),
        Sample("capacity_plan_valid_until_timestamp_seconds", plan.valid_until.timestamp()),
        Sample("capacity_plan_duration_seconds", took.total_seconds()),
        Sample("capacity_plan_workloads", len(plan.workloads), ("planned",)),
        Sample("capacity_plan_workloads", failed, ("failed",)),
    ]
    for workload in plan.workloads:
        samples += _peak_samples(workload)
        samples += [sample for one in workload.volumes for sample in _volume_samples(workload.key, one)]
    samples += demand_samples(demand)
    # Workloads of one group share its forecast: each group is told once.
    records = [one.derivation.track_record for one in plan.workloads]
    trusted = {record.subject: record for record in records if record is not None}
    return [*samples, *(sample for record in trusted.values() for sample in _trust_samples(record))]


def demand_samples(known: Sequence[CurrentDemand]) -> list[Sample]:
    """Demand of the current step at each quantile level."""
    cores = [_quantiles("capacity_forecast_demand_cores", one.cpu, one.key) for one in known]
    memory = [_quantiles("capacity_forecast_demand_bytes", one.memory, one.key) for one in known]
    return [sample for samples in (*cores, *memory) for sample in samples]


def _peak_samples(plan: WorkloadPlan) -> list[Sample]:
    return [
        Sample("capacity_plan_peak_replicas", plan.peak.replicas, plan.key),
        Sample("capacity_plan_peak_timestamp_seconds", plan.peak.at.timestamp(), plan.key),
    ]


def _volume_samples(key: tuple[str, str], volume: VolumePlan) -> list[Sample]:
    labels, left, coming = (*key, volume.claim), volume.until_full, volume.next_step
    days = {"0.05": left.early, "0.5": left.middle, "0.95": left.late}
    samples = [Sample("capacity_volume_used_ratio", volume.used / volume.capacity, labels)]
    samples += [
        Sample("capacity_volume_until_full_seconds", 86400.0 * known, (*labels, quantile))
        for quantile, known in days.items()
        if known is not None
    ]
    return [*samples, *([] if coming is None else [Sample("capacity_volume_next_bytes", coming.size, labels)])]


def _quantiles(name: str, levels: Levels, key: tuple[str, str]) -> list[Sample]:
    return [Sample(name, value, (*key, f"{level:g}")) for level, value in levels]


def _trust_samples(record: TrackRecord) -> list[Sample]:
    """How often the quantiles held, and the skill over the seasonal naive, on the rolling origins of this planning."""
    group, trust = record.subject, record.trust
    covered = [
        Sample("capacity_forecast_coverage_ratio", share, (group, f"{level:g}")) for level, share in trust.coverage
    ]
    return [*covered, Sample("capacity_forecast_skill_ratio", trust.skill, (group,))]


def pass_samples(
    plan: Plan | None, period: timedelta, outcomes: Sequence[Outcome], now: datetime, took: timedelta
) -> list[Sample]:
    """Floors, what runs, utilization, what is held and why, and how the pass of the controller went."""
    samples = [
        Sample("capacity_build_info", 1, (VERSION,)),
        Sample("capacity_pass_duration_seconds", took.total_seconds()),
        Sample("capacity_pass_timestamp_seconds", now.timestamp()),
    ]
    if plan is not None:
        age = (now - plan.created).total_seconds()
        namespaces = sorted({one.namespace for one in plan.workloads})
        samples += [Sample("capacity_plan_age_seconds", age, (namespace,)) for namespace in namespaces]
    plans = {one.key: one for one in plan.workloads} if plan is not None else {}
    for outcome in outcomes:
        samples += _outcome_samples(outcome)
        samples += [sample for one in outcome.actuations for sample in _actuation_samples(outcome.workload.key, one)]
        samples += _expected_samples(outcome, plans.get(outcome.workload.key), now, 2 * period)
    return [*samples, *_counted(outcomes)]


def _outcome_samples(outcome: Outcome) -> list[Sample]:
    key, decision, seen = outcome.workload.key, outcome.decision, outcome.observation
    if decision is None or seen is None:
        return []
    written = outcome.done or not decision.changes
    samples = [
        Sample("capacity_floor_replicas", decision.floor if written else decision.before, key),
        Sample("capacity_ceiling_replicas", decision.ceiling if written else seen.ceiling, key),
        Sample("capacity_current_replicas", seen.current, key),
        Sample("capacity_desired_replicas", seen.desired, key),
        Sample("capacity_ceiling_reached", float(decision.reason == "CeilingReached"), key),
    ]
    samples += [Sample("capacity_utilization_ratio", u, (*key, name)) for name, u in utilization_of(outcome).items()]
    if seen.readings is not None:
        used = {
            "capacity_usage_cores": seen.readings.cpu_millicores,
            "capacity_usage_bytes": seen.readings.memory_bytes,
        }
        scale = {"capacity_usage_cores": 1000, "capacity_usage_bytes": 1}
        samples += [Sample(name, value / scale[name], key) for name, value in used.items() if value is not None]
    if decision.reason == "FloorLoweredByOthers":
        samples.append(Sample("capacity_floor_lowered", 1, (*key, (seen.edited_by or "unknown")[:64])))
    ready = seen.readiness
    samples += [] if ready is None else [Sample("capacity_ready_replicas", ready.ready, key)]
    if decision.reason == "FloorNotReached":
        count, cause = (seen.current, "unknown") if ready is None else (ready.ready, ready.cause or "unknown")
        samples.append(Sample("capacity_floor_missing_replicas", decision.floor - count, (*key, cause)))
    samples += [Sample("capacity_limit_reached", 1, (*key, decision.reason))] if decision.cut else []
    return [*samples, *([Sample("capacity_held", 1, (*key, decision.reason))] if decision.held else [])]


def _actuation_samples(key: tuple[str, str], one: Actuation) -> list[Sample]:
    """What stands after the pass, and whether it is held or failed."""
    labels = (*key, one.actuator, one.where)
    stands = one.after if one.done or not one.changes else one.before
    units = {"replicas": "capacity_actuator_replicas", "cpu": "capacity_actuator_cores"}
    samples = [
        Sample(units[name], value, labels)
        if name in units
        else Sample("capacity_actuator_bytes", value, (*labels, name))
        for name, value in stands.items()
    ]
    if one.held or one.error is not None:
        samples.append(Sample("capacity_actuator_held", 1, (*labels, one.reason if one.error is None else "Error")))
    return samples


def _expected_samples(outcome: Outcome, plan: WorkloadPlan | None, now: datetime, reach: timedelta) -> list[Sample]:
    """What the plan asks for now, and the utilization within the lead time that it means at the floor that stands."""
    workload, decision = outcome.workload, outcome.decision
    if plan is None or decision is None:
        return []
    asked, highest = plan.floor_between(now, now), plan.floor_between(now, now + plan.lead_time + reach)
    samples = [] if asked is None else [Sample("capacity_plan_replicas", asked, workload.key)]
    floor = decision.floor if outcome.done or not decision.changes else decision.before
    if highest is None or floor == 0:
        return samples
    # A plan that was cut knows by how many replicas it is short at its worst.
    short = plan.derivation.replicas_short if decision.cut else 0
    expected = (highest + short) / floor * workload.target_utilization
    return [*samples, Sample("capacity_forecast_utilization_ratio", expected, workload.key)]


def _counted(outcomes: Sequence[Outcome]) -> list[Sample]:
    counts: dict[tuple[str, str], int] = {}
    for outcome in outcomes:
        kind = "failed" if outcome.failed else "held" if outcome.held else "changed" if outcome.changed else "done"
        reason: str = "Error" if outcome.decision is None else outcome.decision.reason
        if outcome.decision is None and not outcome.failed:  # it has no floor: its pods are resized
            reason = next((one.reason for one in outcome.actuations), "AsPlanned")
        counts[kind, reason] = counts.get((kind, reason), 0) + 1
    return [Sample("capacity_pass_total", count, key) for key, count in counts.items()]


FLOOR, UTILIZATION = "capacity_ahead_replicas", "capacity_ahead_utilization_ratio"
CORES, BYTES = "capacity_ahead_demand_cores", "capacity_ahead_demand_bytes"


def ahead_samples(plan: Plan, kept: Sequence[DemandAhead] = ()) -> list[Sample]:
    """The highest floor, demand and utilization of each coming clock hour, and when each hour begins.

    Demand and utilization are known of plans that still hold what they were made of, and of those whose demand was
    `kept`. Hours beyond a plan are absent.
    """
    from capacity.planning.result import busiest, coming_hours, demand_ahead

    starts, known = coming_hours(plan.created), {one.key: one for one in kept}
    times = [
        Sample("capacity_ahead_timestamp_seconds", start.timestamp(), (horizon_of(number),))
        for number, start in enumerate(starts)
    ]
    drawn = ((one, known.get(one.key) or demand_ahead(one, starts)) for one in busiest(plan.workloads))
    return [*times, *(sample for one, demand in drawn for sample in _hours_of(one, demand, starts))]


def horizon_of(number: int) -> str:
    """The label of the hour that begins so many hours after the start of the current one.

    >>> horizon_of(17)
    '17h'
    """
    return f"{number}h"


def _hours_of(plan: WorkloadPlan, demand: DemandAhead | None, starts: list[datetime]) -> Iterator[Sample]:
    from capacity.planning.result import hourly

    floor = plan.replicas()
    yield from _by_hour(FLOOR, hourly(floor, plan, starts), plan.key, ())
    if demand is None:
        return
    utilization = demand.need / floor[: len(demand.need)]
    yield from _by_hour(UTILIZATION, hourly(utilization, plan, starts), plan.key, ())
    for level, cores, memory in demand.levels:
        for name, values in ((CORES, cores), (BYTES, memory)):
            yield from _by_hour(name, values, plan.key, (f"{level:g}",))


def _by_hour(name: str, values: Iterable[float], key: tuple[str, str], more: tuple[str, ...]) -> Iterator[Sample]:
    for number, value in enumerate(values):
        if not math.isnan(value):  # an hour beyond the plan has none
            yield Sample(name, float(value), (*key, *more, horizon_of(number)))
