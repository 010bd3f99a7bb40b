"""What the HPA remembers between two syncs: recommendations, and what it changed lately."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from capacity.simulation.hpa.spec import Behavior


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
