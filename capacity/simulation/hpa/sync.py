"""One sync of the HPA: bounds, metrics, stabilization and rate limits give a number, its reasons and a new memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil

from capacity.model import require
from capacity.simulation.hpa.replicas import (
    MetricInvalidError,
    Pod,
    Proposal,
    Question,
    average_replicas,
    shared_replicas,
    utilization_replicas,
    value_replicas,
)
from capacity.simulation.hpa.spec import Behavior, Hpa, Metric, RatePolicy, ScalingRules


@dataclass(frozen=True, slots=True)
class Timed:
    """A count at a time: a recommendation, or a number of replicas added or removed."""

    at: datetime
    value: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The controller's memory of one HPA; empty after a restart of the controller."""

    recommendations: tuple[Timed, ...] = ()
    added: tuple[Timed, ...] = ()
    removed: tuple[Timed, ...] = ()

    def recommended(self, value: int, now: datetime, window: timedelta) -> Memory:
        """With one more recommendation; what lies outside the longest window is forgotten."""
        kept = tuple(one for one in self.recommendations if one.at >= now - window)
        return replace(self, recommendations=(*kept, Timed(now, value)))

    def scaled(self, before: int, after: int, behavior: Behavior | None, now: datetime) -> Memory:
        """With one more change; events are kept for rate policies, hence only where there is a `behavior`."""
        if behavior is None or before == after:
            return self
        longest = max(behavior.scale_up.longest_period, behavior.scale_down.longest_period)
        added, removed = (tuple(one for one in kind if one.at >= now - longest) for kind in (self.added, self.removed))
        change = Timed(now, abs(after - before))
        if after > before:
            return replace(self, added=(*added, change), removed=removed)
        return replace(self, added=added, removed=(*removed, change))


FACTOR, LEAST = 2, 4  # without `behavior` a sync may double the replicas, or reach four


@dataclass(frozen=True, slots=True)
class Proposed:
    """Replicas now and what the metrics ask for, at this time."""

    current: int
    wanted: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Normalized:
    """The count to set, and the reasons of the conditions AbleToScale and ScalingLimited."""

    replicas: int
    able_to_scale: str
    scaling_limited: str


def normalize(hpa: Hpa, memory: Memory, proposed: Proposed) -> tuple[Normalized, Memory]:
    """Stabilize, limit the rate, keep within the bounds; the memory gains the recommendation before all of it.

    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 27, tzinfo=UTC)
    >>> normalize(Hpa(1, 100), Memory(), Proposed(10, 50, now))[0]
    Normalized(replicas=20, able_to_scale='ReadyForNewScale', scaling_limited='ScaleUpLimit')
    """
    if hpa.behavior is None:
        window = hpa.downscale_stabilization
        stable, why = _highest_recent(hpa, memory, proposed), "ScaleDownStabilized"
        replicas, limit = _without_behavior(hpa, proposed.current, stable)
    else:
        window = max(_window(hpa.behavior.scale_up, hpa), _window(hpa.behavior.scale_down, hpa))
        stable, why = _within_windows(hpa, hpa.behavior, memory, proposed)
        replicas, limit = _within_rates(hpa, hpa.behavior, memory, Proposed(proposed.current, stable, proposed.now))
    able = "ReadyForNewScale" if stable == proposed.wanted else why
    return Normalized(replicas, able, limit), memory.recommended(proposed.wanted, proposed.now, window)


def _highest_recent(hpa: Hpa, memory: Memory, proposed: Proposed) -> int:
    since = proposed.now - hpa.downscale_stabilization
    return max([proposed.wanted, *(one.value for one in memory.recommendations if one.at >= since)])


def _within_windows(hpa: Hpa, behavior: Behavior, memory: Memory, proposed: Proposed) -> tuple[int, str]:
    """At least the lowest recommendation of the scale-up window, at most the highest of the scale-down window."""
    lowest = min([proposed.wanted, *_recent(memory, proposed.now - _window(behavior.scale_up, hpa))])
    highest = max([proposed.wanted, *_recent(memory, proposed.now - _window(behavior.scale_down, hpa))])
    stable = min(max(proposed.current, lowest), highest)
    return stable, "ScaleUpStabilized" if proposed.wanted >= proposed.current else "ScaleDownStabilized"


def _recent(memory: Memory, after: datetime) -> list[int]:
    return [one.value for one in memory.recommendations if one.at > after]


def _window(rules: ScalingRules, hpa: Hpa) -> timedelta:
    return hpa.downscale_stabilization if rules.window is None else rules.window


def _without_behavior(hpa: Hpa, current: int, wanted: int) -> tuple[int, str]:
    limit = max(FACTOR * current, LEAST)
    highest, why = (limit, "ScaleUpLimit") if hpa.ceiling > limit else (hpa.ceiling, "TooManyReplicas")
    if wanted < hpa.floor:
        return hpa.floor, "TooFewReplicas"
    return (highest, why) if wanted > highest else (wanted, "DesiredWithinRange")


def _within_rates(hpa: Hpa, behavior: Behavior, memory: Memory, proposed: Proposed) -> tuple[int, str]:
    current, wanted = proposed.current, proposed.wanted
    if wanted > current:
        limit = max(current, _reach(behavior.scale_up, memory, proposed, up=True))
        highest, why = (limit, "ScaleUpLimit") if hpa.ceiling > limit else (hpa.ceiling, "TooManyReplicas")
        return (highest, why) if wanted > highest else (wanted, "DesiredWithinRange")
    if wanted < current:
        limit = min(current, _reach(behavior.scale_down, memory, proposed, up=False))
        lowest, why = (limit, "ScaleDownLimit") if hpa.floor < limit else (hpa.floor, "TooFewReplicas")
        return (lowest, why) if wanted < lowest else (wanted, "DesiredWithinRange")
    return wanted, "DesiredWithinRange"


def _reach(rules: ScalingRules, memory: Memory, proposed: Proposed, *, up: bool) -> int:
    """The limit of the policies in one direction: of the most permissive (Max), the strictest (Min), or no change."""
    if rules.select == "Disabled":
        return proposed.current
    reached = [_reached(policy, memory, proposed, up=up) for policy in rules.policies]
    return max(reached) if (rules.select == "Max") == up else min(reached)


def _reached(policy: RatePolicy, memory: Memory, proposed: Proposed, *, up: bool) -> int:
    since = proposed.now - policy.period
    start = proposed.current - _changed(memory.added, since) + _changed(memory.removed, since)
    if policy.kind == "Pods":
        return start + policy.value if up else start - policy.value
    return ceil(start * (1 + policy.value / 100)) if up else int(start * (1 - policy.value / 100))


def _changed(events: Sequence[Timed], after: datetime) -> int:
    return sum(event.value for event in events if event.at > after)


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale subresource: replicas asked for, replicas that exist, and what the HPA remembers of them."""

    replicas: int
    running: int
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Reading:
    """The current reading of one metric: its pods with their samples; for Object and External the total in milli-units.

    `failed`: the metrics API did not answer.
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
    if not scale.memory.recommendations:
        scale = replace(scale, memory=replace(scale.memory, recommendations=(Timed(now, scale.replicas),)))
    if scale.replicas == 0 and hpa.floor != 0:
        return Answer(0, "ScalingDisabled", scale.memory, scaling_active="ScalingDisabled")
    if scale.replicas > hpa.ceiling:
        return _bounded(hpa, scale, hpa.ceiling, "AboveCeiling", now)
    if scale.replicas < hpa.floor:
        return _bounded(hpa, scale, hpa.floor, "BelowFloor", now)
    return _by_metrics(hpa, scale, readings, now)


def _bounded(hpa: Hpa, scale: Scale, after: int, reason: str, now: datetime) -> Answer:
    """The answer at a bound, which applies at once: no metric, window or rate limit counts."""
    memory = scale.memory.scaled(scale.replicas, after, hpa.behavior, now)
    return Answer(after, reason, memory, able_to_scale="SucceededRescale")


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
