"""The global brake: when too many floors want to come down together, something is wrong with what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from capacity.decision.decide import BRAKE, hold_marked
from capacity.model import Decision, Observation, require
from capacity.model.fields import STRICT, Duration, Share


@dataclass(frozen=True, slots=True)
class Brake:
    """More than `share` of the workloads, and at least `at_least`, want to come down: none does, for `hold_for`.

    It lets go by itself: where the whole business sleeps at night, every floor rightly comes down, only later.
    """

    __pydantic_config__ = STRICT

    share: Annotated[Share, Field(gt=0, le=1, description="Of all workloads: more than this brakes.")] = 0.5
    at_least: Annotated[int, Field(ge=1, description="Fewer workloads than this never brake.")] = 5
    hold_for: Annotated[Duration, Field(description="How long it holds: a night comes down, only later.")] = timedelta(
        minutes=30
    )

    def __post_init__(self) -> None:
        require(0 < self.share <= 1, "brake: share must lie in (0, 1], got {}", self.share)
        require(self.at_least >= 1, "brake: at_least must be >= 1, got {}", self.at_least)
        require(self.hold_for >= timedelta(0), "brake: hold_for must be >= 0, got {}", self.hold_for)


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
