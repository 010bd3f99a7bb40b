"""When a policy failed, for how long, and how badly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from capacity.simulation.scores import Lane, stretches


@dataclass(frozen=True, slots=True)
class Miss:
    """A stretch `[start, start + length)` over the target, its highest utilization, and whether pods were starting."""

    start: datetime
    length: timedelta
    utilization: float
    late: bool

    @property
    def overload(self) -> bool:
        """Over 100 %: load was lost or waited."""
        return self.utilization > 1.0 + 1e-9


def find_misses(lane: Lane, target: float, begin: datetime, tick: timedelta) -> tuple[Miss, ...]:
    """Stretches over the target utilization, the highest first."""
    found = [
        Miss(
            start=begin + first * tick,
            length=(last - first) * tick,
            utilization=float(lane.utilization[first:last].max()),
            late=bool((lane.pods > lane.ready)[first:last].any()),
        )
        for first, last in stretches(lane.utilization > target + 1e-9)
    ]
    return tuple(sorted(found, key=lambda miss: -miss.utilization))
