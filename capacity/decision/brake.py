"""The global brake: when too many floors want to come down together, something is wrong with what they share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from capacity.decision.decide import BRAKE, hold_marked
from capacity.model import Decision, Observation
from capacity.model.controller import Brake


def engage_brake(
    fleet: Sequence[tuple[Observation, Decision]], now: datetime, brake: Brake
) -> list[tuple[Observation, Decision]]:
    """The fleet's decisions with every fall held where the brake is on; unchanged where it is not.

    >>> from datetime import UTC
    >>> seen, falls = Observation(9, 20, 9, 9), Decision(8, 20, "DemandFalling", 9)
    >>> held = engage_brake([(seen, falls)] * 6, datetime(2026, 11, 27, tzinfo=UTC), Brake())
    >>> {decision.reason for _, decision in held}
    {'HeldBrake'}
    """
    falling = [(seen, decision) for seen, decision in fleet if wants_down(decision)]
    if len(falling) < brake.at_least or len(falling) <= brake.share * len(fleet):
        return list(fleet)
    since = [seen.memory.held_since for seen, _ in falling if seen.memory.held_for == BRAKE]
    began = min((moment for moment in since if moment is not None), default=now)
    if now - began >= brake.hold_for:
        return list(fleet)
    many = f"{len(falling)} of {len(fleet)} floors want to come down together"
    detail = f"{many}; held until {began + brake.hold_for:%H:%MZ}"
    return [(seen, hold_braked(seen, detail, now) if decision.falls else decision) for seen, decision in fleet]


def hold_braked(observation: Observation, detail: str, now: datetime) -> Decision:
    """A fall that the brake holds, noted since when."""
    return hold_marked(observation, BRAKE, detail, now)


def wants_down(decision: Decision) -> bool:
    """Whether this floor comes down now, or waits for its next step down."""
    return decision.falls or (not decision.held and "StepDown" in decision.clamps)
