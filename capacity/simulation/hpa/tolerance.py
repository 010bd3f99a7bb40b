"""How far a metric may lie from its target before the HPA moves."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from capacity.domain import require

DEFAULT = 0.1  # --horizontal-pod-autoscaler-tolerance


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The band around ratio 1 within which nothing moves, `down` below it and `up` above it.

    `symmetric` is the rule of Kubernetes before 1.33 (KEP-4951): ``|1 - ratio| <= up``. The two differ where floating
    point does: at a target of 80, utilization 88 was acted on before and is tolerated now.

    >>> Tolerance().holds(88 / 80), Tolerance(symmetric=True).holds(88 / 80)
    (True, False)
    """

    down: float = DEFAULT
    up: float = DEFAULT
    symmetric: bool = False

    def __post_init__(self) -> None:
        require(self.down >= 0 and self.up >= 0, "tolerances must be >= 0, got {} and {}", self.down, self.up)
        require(not self.symmetric or self.down == self.up, "the older rule has one tolerance, got {}", self)

    def holds(self, ratio: float) -> bool:
        """Whether this ratio of usage to target moves nothing."""
        if self.symmetric:
            return abs(1.0 - ratio) <= self.up
        return 1.0 - self.down <= ratio <= 1.0 + self.up


def smallest_accepted_replicas(wanted: int, tolerance: Tolerance | None = None) -> int:
    """The fewest replicas an HPA leaves in place where a metric of AverageValue asks for `wanted`.

    Why a floor is never sent as a metric: the HPA settles short of it, within its tolerance.

    >>> [smallest_accepted_replicas(wanted) for wanted in (20, 45, 100, 500)]
    [19, 41, 91, 455]
    """
    require(wanted >= 1, "replicas wanted must be >= 1, got {}", wanted)
    band = tolerance or Tolerance()
    lowest = max(1, ceil(wanted / (1 + band.up)) - 1)
    return next(replicas for replicas in range(lowest, wanted + 1) if band.holds(wanted / replicas))
