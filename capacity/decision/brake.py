"""The global brake: when too many floors want to come down together, something is wrong with what they share.

It is one episode of the fleet: it begins when too many want down, holds for a time, lets go, and ends when no longer
so many want down. Each workload notes the beginning; a note of an earlier episode does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, get_args

from capacity.decision.decide import BRAKE, FUTURE, hold
from capacity.model import Decision, Doubt, Observation
from capacity.model.policy import Brake

LONGEST = timedelta(hours=12)  # after the brake let go: from 60 replicas to 3 takes three hours in steps of 10 %
EXPIRED: Final = "PlanExpired"
DOUBTS = get_args(Doubt)  # a floor held in doubt is ours to note on; one held for its owner is not
AGREE = 0.5  # share of the floors that want down which must have noted the same beginning


@dataclass(frozen=True, slots=True)
class BrakeEpisode:
    """What the fleet shares in one pass. `began` None: no episode. `holds`: whether falls are held; `detail`: why."""

    began: datetime | None = None
    holds: bool = False
    detail: str = ""

    def applied(self, observation: Observation, decision: Decision) -> Decision:
        """The decision of one workload in this episode: held, noted, or its old note removed.

        >>> seen, falls = Observation(9, 20, 9, 9), Decision(8, 20, "DemandFalling", 9)
        >>> BrakeEpisode().applied(seen, falls) == falls
        True
        """
        marked = observation.memory.held_for == BRAKE
        if self.began is None:
            return _unmarked(decision) if marked and (not decision.held or decision.reason in DOUBTS) else decision
        if not decision.falls or decision.reason == EXPIRED:
            return decision
        memory = replace(observation.memory if self.holds else decision.memory, held_for=BRAKE, held_since=self.began)
        if not self.holds:
            return replace(decision, memory=memory)
        held = hold(observation, BRAKE, self.detail)
        return held if memory == observation.memory else replace(held, memory=memory, notes=True)


def brake_episode(fleet: Sequence[tuple[Observation, Decision]], now: datetime, brake: Brake) -> BrakeEpisode:
    """The episode that the fleet is in at `now`; none where few floors want to come down.

    >>> from datetime import UTC
    >>> seen, falls = Observation(9, 20, 9, 9), Decision(8, 20, "DemandFalling", 9)
    >>> episode = brake_episode([(seen, falls)] * 6, datetime(2026, 11, 27, tzinfo=UTC), Brake())
    >>> episode.applied(seen, falls).reason
    'HeldBrake'
    """
    falling = [seen for seen, decision in fleet if wants_down(decision)]
    if len(falling) < brake.at_least or len(falling) <= brake.share * len(fleet):
        return BrakeEpisode()
    began = _beginning(falling, now, brake)
    many = f"{len(falling)} of {len(fleet)} floors want to come down together"
    detail = f"{many}; held until {began + brake.hold_for:%H:%MZ}"
    return BrakeEpisode(began, now - began < brake.hold_for, detail)


def wants_down(decision: Decision) -> bool:
    """Whether this floor comes down now, or waits for its next step down.

    Not one whose plan is gone: it was held for `hold_for` already, and comes down to a safe floor.
    """
    if decision.reason == EXPIRED:
        return False
    return decision.falls or (not decision.held and "StepDown" in decision.clamps)


def _beginning(falling: Sequence[Observation], now: datetime, brake: Brake) -> datetime:
    """When the episode began: what most of the falling workloads noted, not too long ago; else now."""
    noted = Counter(
        seen.memory.held_since
        for seen in falling
        if seen.memory.held_for == BRAKE
        and seen.memory.held_since is not None
        and -FUTURE <= now - seen.memory.held_since < brake.hold_for + LONGEST
    )
    began, times = max(noted.items(), key=lambda item: (item[1], item[0]), default=(now, 0))
    return began if times >= AGREE * len(falling) else now


def _unmarked(decision: Decision) -> Decision:
    """The decision with the note of an episode that is over removed."""
    if decision.memory.held_for != BRAKE:
        return decision
    return replace(decision, memory=replace(decision.memory, held_for=None, held_since=None), notes=True)
