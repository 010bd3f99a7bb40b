"""How replicas serve requests: as a pool with a queue, with throughput that scales sublinearly, and reactively."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from capacity.model.errors import DataError, require
from capacity.model.fields import STRICT, Duration, Share, WrittenAs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Pool:
    """How one replica serves: its workers, the mean service time, and how long almost nobody may wait.

    At most ``1 - wait_level`` of the work may wait longer than `wait`. `variability` is ``(Ca^2 + Cs^2) / 2`` of
    arrivals and services: 1 for random arrivals and exponential services. `shared`: one queue before all replicas
    (join the shortest queue) instead of one before each (random, round robin).
    """

    __pydantic_config__ = STRICT

    slots: Annotated[int, Field(ge=1, description="Workers of one replica: threads, processes.")]
    service_time: Annotated[Duration, Field(description="Mean time to serve one request, e.g. 0.2s.")]
    wait: Annotated[Duration, Field(description="Longest wait that almost all requests see.")]
    wait_level: Annotated[float, Field(gt=0, lt=1, description="What almost all means.")] = 0.99
    variability: Annotated[float, Field(gt=0, description="(Ca^2 + Cs^2) / 2 of arrivals and services; 1: random.")] = (
        1.0
    )
    shared: Annotated[bool, Field(description="One queue before all replicas, not one before each.")] = False

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


def fit_throughput(points: Sequence[tuple[int, float]]) -> Throughput:
    """Rate, contention and coherence from load-test points (replicas, requests per second at saturation).

    ``N / X(N) = (1 + alpha (N - 1) + beta N (N - 1)) / rate`` is linear in its three parts: non-negative least squares
    on them, each row weighed by ``X / N`` so that relative errors count. With one count of replicas there is nothing to
    tell contention from: growth is taken as linear.

    >>> fit_throughput([(4, 400.0)])
    Throughput(rate=100.0, contention=0.0, coherence=0.0)
    >>> law = fit_throughput([(1, 100.0), (2, 180.0), (4, 300.0), (8, 420.0), (16, 460.0)])
    >>> round(law.rate), round(law.contention, 2), round(law.coherence, 4)
    (100, 0.09, 0.0045)
    """
    _check_points(points)
    import numpy as np

    counts = np.array([count for count, _ in points], dtype=float)
    reached = np.array([rate for _, rate in points], dtype=float)
    if len(set(counts)) == 1:
        return Throughput(
            float(np.mean(reached / counts)), source=f"the load test, linear from {int(counts[0])} replicas"
        )
    from scipy.optimize import nnls  # heavy, and only a load test needs it

    weight = reached / counts
    design = np.column_stack([np.ones_like(counts), counts - 1, counts * (counts - 1)]) * weight[:, None]  # (points, 3)
    inverse, contention, coherence = nnls(design, np.ones_like(counts))[0]
    if inverse <= 0:
        raise DataError(f"expected load-test points that one replica's rate explains, got {list(points)}")
    return Throughput(float(1 / inverse), float(contention / inverse), float(coherence / inverse))


def _check_points(points: Sequence[tuple[int, float]]) -> None:
    if not points:
        raise DataError("expected load-test points (replicas, requests per second), got none")
    for count, rate in points:
        if count < 1 or not 0 < rate < inf:
            raise DataError(f"expected load-test points with replicas >= 1 and a rate > 0, got {(count, rate)}")


@dataclass(frozen=True, slots=True)
class LoadTest:
    """Requests per second that so many replicas reached in a load test; `history` instead learns them from usage."""

    __pydantic_config__ = STRICT

    points: Annotated[
        tuple[tuple[Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0)]], ...],
        Field(min_length=1, description="Pairs of replicas and requests per second at saturation."),
    ]


def _known(value: object) -> object:
    if isinstance(value, str) and value != "history":
        raise ValueError(f"expected history, or {{points: [[replicas, requests per second], ...]}}, got {value!r}")
    return value


def _law(value: Any) -> Any:
    return fit_throughput(value.points) if isinstance(value, LoadTest) else value


GivenThroughput = Annotated[
    Throughput | Literal["history"] | None,
    WrittenAs(LoadTest | Literal["history"] | None, _law),
    BeforeValidator(_known),
]


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
    """What the autoscaler does by itself, above the floor: its CPU target, and the tolerance above which it acts.

    `external`: it follows other metrics than CPU and memory; `target` is then the CPU utilization that they amount to.
    """

    __pydantic_config__ = STRICT

    target: Annotated[int, Field(ge=1, description="averageUtilization of CPU, percent of the request.")]
    tolerance: Annotated[  # the controller manager's default
        Share, Field(ge=0, lt=1, description="It does nothing within this of its target.")
    ] = 0.10
    external: Annotated[
        bool,
        Field(
            description="It follows other metrics alone, which amount to this target: no other is advised, only floors."
        ),
    ] = False

    def __post_init__(self) -> None:
        require(self.target >= 1, "autoscaler: target must be >= 1 percent, got {}", self.target)
        require(0 <= self.tolerance < 1, "autoscaler: tolerance must lie in [0, 1), got {}", self.tolerance)
