"""How replicas serve: as a pool with a queue, as a whole that scales less than linearly, under their own autoscaler."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from capacity.model.errors import require

if TYPE_CHECKING:
    import pandas as pd


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

    The Universal Scalability Law (Gunther 2007); `fit_throughput` finds it from a load test, `learn_throughput` from
    history. `source` says which, in words that a refusal or an explanation can go on with.
    """

    rate: float
    contention: float = 0.0
    coherence: float = 0.0
    source: str = field(default="the load test", repr=False, compare=False)

    def __post_init__(self) -> None:
        require(0 < self.rate < float("inf"), "throughput: rate must be > 0, got {}", self.rate)
        for name in ("contention", "coherence"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), "throughput: {} must be >= 0, got {}", name, value)

    def at(self, replicas: int) -> float:
        """Requests per second that so many replicas reach at 100 % utilization.

        >>> Throughput(100.0, contention=0.05).at(2)
        190.47619047619048
        """
        more = replicas - 1
        return self.rate * replicas / (1 + self.contention * more + self.coherence * replicas * more)


@dataclass(frozen=True, slots=True)
class ThroughputReport:
    """What history says N replicas serve per second at 100 % of their CPU request, and how surely.

    `law` is the estimate, `bound` the law to plan with: at every count of replicas seen (`counts`, fewest and most) it
    lies below the truth with 95 % confidence. `highest`: the highest utilization seen; above it the law is carried on.
    `idle`: cores of one replica without requests. `drift`: since when the law holds, and `drift_ratio` what a request
    costs since then over what it did before; None where it always held. `steps` (UTC) is what was learned from:
    `replicas`, `requests` per second and `cpu` (cores) of the whole workload.
    """

    law: Throughput
    bound: Throughput
    cpu_request: float
    idle: float
    counts: tuple[int, int]
    highest: float
    days: int
    words: str
    notes: tuple[str, ...] = ()
    drift: datetime | None = None
    drift_ratio: float | None = None
    steps: pd.DataFrame | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        fewest, most = self.counts
        require(1 <= fewest <= most, "throughput: expected 1 <= fewest <= most replicas, got {}", self.counts)
        require(self.bound.rate <= self.law.rate, "throughput: bound {} is above {}", self.bound.rate, self.law.rate)
        require(0 <= self.idle < self.cpu_request, "throughput: idle must lie in [0, request), got {}", self.idle)


@dataclass(frozen=True, slots=True)
class Reactive:
    """The autoscaler's own CPU target (percent of the request) and tolerance, above which it acts."""

    target: int
    tolerance: float = 0.10  # the controller manager's default

    def __post_init__(self) -> None:
        require(self.target >= 1, "autoscaler: target must be >= 1 percent, got {}", self.target)
        require(0 <= self.tolerance < 1, "autoscaler: tolerance must lie in [0, 1), got {}", self.tolerance)
