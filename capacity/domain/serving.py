"""How replicas serve: as a pool with a queue, as a whole that scales less than linearly, under their own autoscaler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from capacity.domain.errors import require


@dataclass(frozen=True, slots=True)
class Pool:
    """How one replica serves: its workers, the mean service time, and how long almost nobody may wait.

    At most ``1 - wait_level`` of the work may wait longer than `wait`. `variability` is ``(Ca^2 + Cs^2) / 2`` of
    arrivals and services: 1 for random arrivals and exponential services. `shared`: one queue before all replicas
    (join the shortest queue) instead of one before each (random, round robin).
    """

    slots: int
    service_time: timedelta
    wait: timedelta
    wait_level: float = 0.99
    variability: float = 1.0
    shared: bool = False

    def __post_init__(self) -> None:
        require(self.slots >= 1, "pool: slots must be >= 1, got {}", self.slots)
        require(self.service_time > timedelta(0), "pool: service_time must be > 0, got {}", self.service_time)
        require(self.wait >= timedelta(0), "pool: wait must be >= 0, got {}", self.wait)
        require(0 < self.wait_level < 1, "pool: wait_level must lie in (0, 1), got {}", self.wait_level)
        require(0 < self.variability < float("inf"), "pool: variability must be > 0, got {}", self.variability)


@dataclass(frozen=True, slots=True)
class Throughput:
    """Requests per second that N replicas reach: ``rate x N / (1 + contention (N - 1) + coherence N (N - 1))``.

    The Universal Scalability Law (Gunther 2007); `capacity.sizing.fit_throughput` finds it from a load test.
    """

    rate: float
    contention: float = 0.0
    coherence: float = 0.0

    def __post_init__(self) -> None:
        require(0 < self.rate < float("inf"), "throughput: rate must be > 0, got {}", self.rate)
        for name in ("contention", "coherence"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), "throughput: {} must be >= 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class Reactive:
    """The autoscaler's own CPU target (percent of the request) and tolerance, above which it acts."""

    target: int
    tolerance: float = 0.10  # the controller manager's default

    def __post_init__(self) -> None:
        require(self.target >= 1, "autoscaler: target must be >= 1 percent, got {}", self.target)
        require(0 <= self.tolerance < 1, "autoscaler: tolerance must lie in [0, 1), got {}", self.tolerance)
