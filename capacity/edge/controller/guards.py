"""What stops a pass as a whole: the off switch, a clock that is wrong, the brake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from capacity.decision import hold
from capacity.decision.brake import hold_braked
from capacity.domain import Decision, Observation

SKEW = timedelta(minutes=2)  # between our clock and the API server's: NTP keeps them within a second


@dataclass(frozen=True, slots=True)
class Guard:
    """Why floors may not move (`off` by namespace, `change`), or may not come down (`skew`, `braked`); None: they may.

    `server_time`: the API server's clock, by which is noted what moves while ours is wrong.
    """

    off: Mapping[str, str | None] = field(default_factory=dict)
    skew: str | None = None
    server_time: datetime | None = None
    braked: str | None = None
    change: str | None = None

    def hold(self, namespace: str, observation: Observation, decision: Decision, now: datetime) -> Decision:
        """The decision, held where this guard says so."""
        off = self.off.get(namespace)
        if off is not None:
            return hold(observation, "SwitchedOff", off)
        if self.change is not None:
            return hold(observation, "HeldChangeWindow", f"a change is on: {self.change}")
        if self.skew is not None:
            return self._skewed(observation, decision)
        if decision.falls and self.braked is not None:
            return hold_braked(observation, self.braked, now)
        return decision

    def _skewed(self, observation: Observation, decision: Decision) -> Decision:
        """A wrong clock lowers nothing and notes nothing of its own."""
        if decision.falls:
            return hold(observation, "HeldClockSkew", str(self.skew))
        memory = replace(observation.memory, moved_at=self.server_time, safe_floor=decision.memory.safe_floor)
        return replace(decision, memory=memory, notes=False)


def clock_skew(now: datetime, server_time: datetime | None) -> str | None:
    """Why our clock cannot be trusted; None where the API server's says nearly the same, or says nothing."""
    if server_time is None or abs(now - server_time) <= SKEW:
        return None
    return f"our clock says {now:%Y-%m-%dT%H:%M:%SZ}, the API server's {server_time:%Y-%m-%dT%H:%M:%SZ}"
