"""How far a floor may move in this pass: steps down by time, a ramp up where one is set, the ceiling's own rule."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from capacity.decision.policy import Policy
from capacity.domain import Observation

ROUNDING = 1e-9  # 10 x 1.1 is 11.000000000000002 to a computer


def lowest_floor(target: int, observation: Observation, now: datetime, policy: Policy) -> int:
    """The lowest floor that a step down may reach now, towards `target`; the floor itself where a step came just now.

    >>> from datetime import UTC
    >>> lowest_floor(1, Observation(40, 60, 40, 40), datetime(2026, 11, 27, tzinfo=UTC), Policy())
    36
    """
    floor = observation.floor
    if _moved_within(policy.step_every, observation, now, policy):
        return floor
    step = max(1, int(floor * policy.step_down + ROUNDING))
    if policy.half_life is not None:
        share = 1 - 0.5 ** (policy.step_every / policy.half_life)
        step = min(step, max(1, int((floor - target) * share + ROUNDING)))
    return max(0, floor - step)


def highest_floor(observation: Observation, now: datetime, policy: Policy) -> int | None:
    """The highest floor that a ramp may reach now; None where floors rise at once."""
    if policy.step_up is None:
        return None
    if _moved_within(policy.period, observation, now, policy):
        return observation.floor
    return observation.floor + max(1, int(observation.floor * policy.step_up + ROUNDING))


def allowed_ceiling(need: int, observation: Observation, policy: Policy) -> int:
    """Raised to need x (1 + buffer) where the policy allows; given back after the peak, never below what runs."""
    if policy.ceiling_buffer is None:
        return observation.ceiling
    if need > observation.ceiling:
        return ceil(need * (1 + policy.ceiling_buffer) - ROUNDING)
    baseline = observation.baseline_ceiling
    still_needed = max(need, observation.current, observation.desired, observation.floor)
    if baseline is not None and still_needed <= baseline < observation.ceiling:
        return baseline
    return observation.ceiling


def _moved_within(span: timedelta, observation: Observation, now: datetime, policy: Policy) -> bool:
    """Whether our last move lies less than `span` back. A pass starts a little early or late: half a period is free.

    A move noted further ahead than `span` was noted by a wrong clock and says nothing.
    """
    moved = observation.memory.moved_at
    return moved is not None and -span <= now - moved < span - min(policy.period, span) / 2
