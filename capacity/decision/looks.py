"""Two looks before a floor comes down: readings that stand still between them are nobody's."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from capacity.decision.policy import Policy
from capacity.decision.steps import lowest_floor
from capacity.domain import Memory, Observation

STALE = 2  # steps: a look older than this says nothing of now


def looked_in_vain(observation: Observation, now: datetime, policy: Policy) -> bool:
    """Whether a step down is due and the readings are the very ones of an earlier look, a step ago or more."""
    readings, memory = observation.readings, observation.memory
    if readings is None or readings.mark is None or readings.mark != memory.mark or memory.looked_at is None:
        return False
    due = lowest_floor(0, observation, now, policy) < observation.floor
    return due and now - memory.looked_at >= _between(policy)


def second_look(observation: Observation, now: datetime, policy: Policy) -> Memory | None:
    """What to remember while a step down waits for its second look; None where it need not wait.

    The observation's own memory while the first look is young: looking more often does not look twice.
    """
    readings, looked_at = observation.readings, observation.memory.looked_at
    if readings is None or readings.mark is None:
        return None
    if looked_at is None or not timedelta(0) <= now - looked_at <= STALE * max(policy.step_every, policy.period):
        return looked(observation, now)
    return observation.memory if now - looked_at < _between(policy) else None


def looked(observation: Observation, now: datetime) -> Memory:
    """What to remember of this look."""
    readings, memory = observation.readings, observation.memory
    return memory if readings is None else replace(memory, mark=readings.mark, looked_at=now)


def _between(policy: Policy) -> timedelta:
    """Least time between two looks: a step, but for a pass that starts a little early."""
    return max(policy.step_every, policy.period) - policy.period / 2
