"""What is simulated: a history of demand, from which step on policies are judged, and what serves it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from capacity.domain import require
from capacity.domain.arrays import Array, Counts
from capacity.domain.errors import require_aware
from capacity.simulation.cluster import Cluster
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.scores import Promise
from capacity.simulation.service import Service
from capacity.stats import sliding_maxima


@dataclass(frozen=True, slots=True)
class Case:
    """Demand per step (steps,) without gaps, the first step's start, and from which step on policies are judged.

    `ceiling` bounds every policy. What policies know of the future is nothing: at step t they see ``demand[:t]``.
    """

    demand: Array
    start: datetime
    step: timedelta
    begin: int
    cluster: Cluster
    promise: Promise
    ceiling: int = 1_000_000
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        require_aware("start", self.start)
        require(self.demand.ndim == 1, "expected demand of one workload (steps,), got {}", self.demand.shape)
        require(bool(np.isfinite(self.demand).all()), "demand must have no gaps: fill them, or cut the history")
        require(bool((self.demand >= 0).all()), "demand must be >= 0")
        inside = 0 < self.begin < len(self.demand)
        require(inside, "begin must leave steps before and after, got {} of {}", self.begin, len(self.demand))
        whole = self.step % SYNC_PERIOD == timedelta(0) and self.step > timedelta(0)
        require(whole, "a step must be whole syncs of {}, got {}", SYNC_PERIOD, self.step)

    @property
    def service(self) -> Service:
        """What replicas serve."""
        return self.cluster.service

    @property
    def judged(self) -> Array:
        """Demand of the steps that are judged."""
        return self.demand[self.begin :]

    @property
    def lead(self) -> timedelta:
        """How early a policy acts: by then 19 of 20 pods are ready."""
        return self.cluster.start.p95

    def steps_in(self, span: timedelta) -> int:
        """Whole steps in a span, at least one."""
        return max(1, round(span / self.step))

    def needed(self, demand: Array) -> Counts:
        """Replicas that keep this demand under the target, within floor and ceiling."""
        return np.minimum(self.promise.needed(demand, self.service.replica_capacity), self.ceiling)

    def ahead(self, planned: Counts) -> Counts:
        """For every step the most of those until pods started now are ready: (steps,) in, (steps,) out."""
        reach = -(-self.lead // self.step) + 1
        return sliding_maxima(planned, reach)

    def moment(self, step: int) -> datetime:
        """When a step starts."""
        return self.start + step * self.step

    def ticks(self, values: Array) -> Array:
        """Demand per step as demand per sync: straight lines between the middles of the steps."""
        each = self.step // SYNC_PERIOD
        if each == 1:
            return values
        middles = (np.arange(len(values)) + 0.5) * each - 0.5
        return np.interp(np.arange(len(values) * each), middles, values)

    def held(self, counts: Counts) -> Counts:
        """Floors per step as floors per sync: each holds for its step."""
        return np.repeat(counts, self.step // SYNC_PERIOD)

    @property
    def judged_ticks(self) -> int:
        """Syncs that are judged."""
        return (len(self.demand) - self.begin) * (self.step // SYNC_PERIOD)

    def with_demand(self, demand: Array) -> Case:
        """The same case with another demand."""
        return replace(self, demand=demand)
