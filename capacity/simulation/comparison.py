"""Fair comparison: cost at equal violations, violations at equal cost, and the busiest minutes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from capacity.model import Event, require
from capacity.model.arrays import Array, Mask
from capacity.simulation.case import Case
from capacity.simulation.hpa.spec import SYNC_PERIOD

Comparison = Callable[[tuple[float, float], "Frontier"], float]
RESAMPLES = 1000
CONFIDENCE = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Frontier:
    """The undominated points of a swept policy: pod-hours ascending, violations descending, both (points,)."""

    pod_hours: Array
    violations: Array

    def cost_at(self, violations: float) -> float:
        """Least pod-hours at which the swept policy violates no more than this, interpolated between its points.

        Infinite where none of its points violates so little.

        >>> Frontier(np.array([100.0, 140.0]), np.array([20.0, 0.0])).cost_at(10.0)
        120.0
        """
        if violations < self.violations[-1]:
            return float("inf")
        return float(np.interp(-violations, -self.violations, self.pod_hours))


def frontier(pod_hours: Array, violations: Array) -> Frontier:
    """The undominated points among all of a sweep.

    >>> frontier(np.array([120.0, 100.0, 130.0]), np.array([5.0, 9.0, 6.0])).pod_hours.tolist()
    [100.0, 120.0]
    """
    require(len(pod_hours) == len(violations) > 0, "expected points of a sweep, got {}", len(pod_hours))
    order = np.lexsort((violations, pod_hours))
    best = np.minimum.accumulate(violations[order])
    kept = np.concatenate([[True], np.diff(best) < 0])
    return Frontier(pod_hours[order][kept], violations[order][kept])


def saving(policy: tuple[float, float], swept: Frontier) -> float:
    """Share of pod-hours saved at equal violations by a policy of (pod-hours, violations).

    Where the swept policy never violates so little, it is compared at its fewest violations: less than is true.

    >>> saving((90.0, 10.0), Frontier(np.array([100.0, 140.0]), np.array([20.0, 0.0])))
    0.25
    """
    matched = max(policy[1], float(swept.violations[-1]))
    return 1 - policy[0] / swept.cost_at(matched)


BUSIEST = 0.01  # of all ticks, those of the highest demand


def busy_ticks(case: Case, events: Sequence[Event]) -> Mask:
    """Which of the judged ticks (ticks,) are among the busiest hundredth, or lie within an event or a lead time of it.

    >>> from datetime import UTC, timedelta
    >>> from capacity.simulation.stepping import Cluster
    >>> from capacity.simulation.case import Promise
    >>> from capacity.simulation.stepping import Service
    >>> begin = datetime(2026, 3, 2, tzinfo=UTC)
    >>> case = Case(np.arange(200.0), begin, timedelta(minutes=1), 100, Cluster(Service(1.0)), Promise())
    >>> int(busy_ticks(case, ()).sum())
    4
    """
    demand: Array = case.ticks(case.demand)[-case.judged_ticks :]
    count = max(1, round(BUSIEST * len(demand)))
    busy: Mask = np.zeros(len(demand), dtype=bool)
    busy[np.argsort(demand, kind="stable")[-count:]] = True
    for event in events:
        busy[_tick(case, event.start - case.lead) : _tick(case, event.end)] = True
    return busy


def _tick(case: Case, moment: datetime) -> int:
    """The judged tick at a moment, the nearest there is."""
    return int(np.clip((moment - case.moment(case.begin)) // SYNC_PERIOD, 0, case.judged_ticks))
