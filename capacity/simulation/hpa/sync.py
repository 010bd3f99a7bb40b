"""One sync of the HPA: bounds first, then the metrics; a number, its reasons, and what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from capacity.domain import require
from capacity.simulation.hpa.calculator import (
    MetricInvalidError,
    Proposal,
    Question,
    average_replicas,
    shared_replicas,
    utilization_replicas,
    value_replicas,
)
from capacity.simulation.hpa.memory import Memory, Timed
from capacity.simulation.hpa.normalization import Proposed, normalize
from capacity.simulation.hpa.pods import Pod
from capacity.simulation.hpa.spec import Hpa, Metric


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale subresource: replicas asked for, replicas that exist, and what the HPA remembers of them."""

    replicas: int
    running: int
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one metric says now: its pods with their samples and, of Object and External, the total in milli-units.

    `failed`: the metrics API gave no answer.
    """

    pods: tuple[Pod, ...] = ()
    total: int | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The replicas to set, why, and the memory for the next sync.

    `reason` is one word: ScalingDisabled, AboveCeiling, BelowFloor, MetricsInvalid, MetricAbove, MetricsBelow or
    AtTarget. The condition reasons are the API's own; None where this sync leaves the condition as it was. `readings`
    has one value per metric, None where it was invalid.
    """

    replicas: int
    reason: str
    memory: Memory
    able_to_scale: str | None = None
    scaling_limited: str | None = None
    scaling_active: str | None = None
    readings: tuple[int | None, ...] = ()


def sync(hpa: Hpa, scale: Scale, readings: Sequence[Reading], now: datetime) -> Answer:
    """What the HPA does now, with one reading for each of its metrics.

    >>> from datetime import UTC, timedelta
    >>> now = datetime(2026, 11, 27, tzinfo=UTC)
    >>> old = now - timedelta(hours=1)
    >>> pod = Pod(started=old, transition=old, request=500, usage=450, sampled=now)
    >>> sync(Hpa(2, 20), Scale(4, 4), [Reading((pod,) * 4)], now).replicas
    5
    >>> sync(Hpa(8, 20), Scale(4, 4), [Reading(failed=True)], now).reason
    'BelowFloor'
    """
    require(now.tzinfo is not None, "now must carry a time zone, got the naive time {}", now)
    memory = scale.memory
    if not memory.recommendations:
        memory = replace(memory, recommendations=(Timed(now, scale.replicas),))
    if scale.replicas == 0 and hpa.floor != 0:
        return Answer(0, "ScalingDisabled", memory, scaling_active="ScalingDisabled")
    if scale.replicas > hpa.ceiling:
        return _bounded(hpa, scale.replicas, hpa.ceiling, "AboveCeiling", memory, now)
    if scale.replicas < hpa.floor:
        return _bounded(hpa, scale.replicas, hpa.floor, "BelowFloor", memory, now)
    return _by_metrics(hpa, replace(scale, memory=memory), readings, now)


def _bounded(hpa: Hpa, before: int, after: int, reason: str, memory: Memory, now: datetime) -> Answer:
    """At once: no window, no rate, no metric is asked."""
    return Answer(after, reason, memory.scaled(before, after, hpa.behavior, now), able_to_scale="SucceededRescale")


def _by_metrics(hpa: Hpa, scale: Scale, readings: Sequence[Reading], now: datetime) -> Answer:
    require(len(readings) == len(hpa.metrics), "expected {} readings, got {}", len(hpa.metrics), len(readings))
    asked = Question(scale.replicas, hpa.band, hpa.readiness, now)
    proposals = [_proposal(metric, one, scale, asked) for metric, one in zip(hpa.metrics, readings, strict=True)]
    valid = [proposal.replicas for proposal in proposals if proposal is not None]
    shown = tuple(None if proposal is None else proposal.reading for proposal in proposals)
    wanted, doubtful = max(valid, default=0), len(valid) < len(proposals)
    if not valid or (doubtful and wanted < scale.replicas):
        failed = hpa.metrics[proposals.index(None)].source
        active = f"FailedGet{failed}{'' if failed.endswith('Metric') else 'Metric'}"
        return Answer(scale.replicas, "MetricsInvalid", scale.memory, scaling_active=active, readings=shown)
    normalized, memory = normalize(hpa, scale.memory, Proposed(scale.replicas, wanted, now))
    reason = "MetricAbove" if wanted > scale.replicas else "MetricsBelow" if wanted < scale.replicas else "AtTarget"
    moved = normalized.replicas != scale.replicas
    return Answer(
        normalized.replicas,
        reason,
        memory.scaled(scale.replicas, normalized.replicas, hpa.behavior, now),
        able_to_scale="SucceededRescale" if moved else normalized.able_to_scale,
        scaling_limited=normalized.scaling_limited,
        scaling_active="ValidMetricFound",
        readings=shown,
    )


def _proposal(metric: Metric, reading: Reading, scale: Scale, asked: Question) -> Proposal | None:
    """What this metric asks for; None where it is invalid."""
    if reading.failed:
        return None
    try:
        return _calculated(metric, reading, scale, asked)
    except MetricInvalidError:
        return None


def _calculated(metric: Metric, reading: Reading, scale: Scale, asked: Question) -> Proposal:
    if metric.source in ("Object", "External"):
        if reading.total is None:
            raise MetricInvalidError(f"metric {metric.name} has no value")
        if metric.kind == "Value":
            return value_replicas(reading.total, metric.target, reading.pods, asked)
        return shared_replicas(reading.total, metric.target, scale.running, asked.tolerance)
    cpu = metric.source != "Pods" and metric.name == "cpu"
    calculate = utilization_replicas if metric.kind == "Utilization" else average_replicas
    return calculate(reading.pods, metric.target, asked, cpu=cpu)
