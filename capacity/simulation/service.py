"""What ready replicas serve at 100 % utilization, and where a queue becomes too long."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from capacity.domain import require
from capacity.domain.arrays import Array, Counts

LATE = 0.01  # one request of a hundred waits longer than the 99th percentile


@dataclass(frozen=True, slots=True)
class Service:
    """What `replica_capacity` (demand units of one replica at 100 %) becomes with many replicas.

    Universal Scalability Law: ``X(n) = capacity x n / (1 + contention (n - 1) + coherence n (n - 1))`` (Gunther, 2007).

    >>> Service(10.0).capacity(np.array([0, 1, 4])).tolist()
    [0.0, 10.0, 40.0]
    >>> Service(10.0, contention=0.1).capacity(np.array([11])).tolist()
    [55.0]
    """

    replica_capacity: float
    contention: float = 0.0
    coherence: float = 0.0

    def __post_init__(self) -> None:
        require(self.replica_capacity > 0, "replica_capacity must be > 0, got {}", self.replica_capacity)
        require(0 <= self.contention < 1, "contention must lie in [0, 1), got {}", self.contention)
        require(self.coherence >= 0, "coherence must be >= 0, got {}", self.coherence)

    def capacity(self, ready: Array | Counts) -> Array:
        """Demand served by `ready` replicas (any shape)."""
        linear: Array = self.replica_capacity * np.asarray(ready, dtype=np.float64)
        if self.contention == 0 and self.coherence == 0:
            return linear
        others = np.maximum(ready - 1, 0)
        return np.asarray(linear / (1 + self.contention * others + self.coherence * ready * others))


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise on waiting: the 99th percentile of the wait stays within `wait` mean service times.

    `slots`: requests served at once by what shares one queue (the workers of a pod where each pod has its own queue).
    `variability`: ``(Ca^2 + Cs^2) / 2``, 1 for Poisson arrivals and exponential service.
    """

    slots: int = 16
    wait: float = 1.0
    variability: float = 1.0

    def highest_utilization(self) -> float:
        """The highest utilization at which the promise holds, by Erlang C and Allen-Cunneen.

        >>> [round(Objective(slots, 1.0).highest_utilization(), 2) for slots in (4, 8, 16, 64)]
        [0.42, 0.64, 0.79, 0.94]
        """
        low, high = 0.0, 1.0
        while high - low > 1e-4:  # a hundredth of a percent: far finer than any measurement of utilization
            middle = (low + high) / 2
            kept = self.variability * p99_wait(self.slots, middle) <= self.wait
            low, high = (middle, high) if kept else (low, middle)
        return low


def erlang_c(slots: int, utilization: float) -> float:
    """Probability that a request waits, M/M/c with c = `slots`, by the stable recursion of Erlang B.

    >>> [round(erlang_c(slots, 0.8), 2) for slots in (1, 4, 8, 16, 32)]
    [0.8, 0.6, 0.46, 0.3, 0.16]
    """
    offered, blocked = slots * utilization, 1.0
    for servers in range(1, slots + 1):
        blocked = offered * blocked / (servers + offered * blocked)
    return blocked / (1 - utilization * (1 - blocked))


def p99_wait(slots: int, utilization: float) -> float:
    """99th percentile of the wait in mean service times, M/M/c; infinite from 100 % on.

    >>> round(p99_wait(8, 0.8), 1)
    2.4
    """
    if utilization >= 1:
        return float("inf")
    waits = erlang_c(slots, utilization)
    return 0.0 if waits <= LATE else log(waits / LATE) / (slots * (1 - utilization))
