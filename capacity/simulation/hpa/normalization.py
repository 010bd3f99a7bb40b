"""From what the metrics ask for to the count that is set: stabilization, rates, bounds, and both reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from capacity.simulation.hpa.memory import Memory, Timed
from capacity.simulation.hpa.spec import Behavior, Hpa, RatePolicy, ScalingRules

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
    """At least the lowest of the way up's window, at most the highest of the way down's."""
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
    """How far the policies let go in one direction: the farthest of them (Max), the nearest (Min), not at all."""
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
