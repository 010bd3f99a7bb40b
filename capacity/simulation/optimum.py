"""What nobody can beat: the cheapest replicas that cover a demand known in advance, pods that start paid for."""

from __future__ import annotations

import numpy as np

from capacity.domain import require
from capacity.domain.arrays import Array, Counts
from capacity.stats import close_gaps


def clairvoyant(needed: Counts, start_cost: float) -> Counts:
    """The cheapest replicas (ticks,) with ``replicas >= needed`` at every tick, in pod-ticks.

    Minimises ``sum replicas + start_cost x pods started``, the first pods included. Level by level the choice is
    alone: a pod that is not needed for a gap of g ticks is kept where ``g <= start_cost``. Over all levels that is the
    grayscale closing of `needed` by a window of ``floor(start_cost) + 1`` ticks (Lu, Chen and Andrew, 2013).

    >>> clairvoyant(np.array([3, 1, 1, 3, 0, 0, 0, 0, 2]), start_cost=2).tolist()
    [3, 3, 3, 3, 0, 0, 0, 0, 2]
    """
    require(needed.ndim == 1, "expected needed replicas of one workload (ticks,), got {}", needed.shape)
    require(start_cost >= 0, "start_cost must be >= 0, got {}", start_cost)
    return close_gaps(needed, min(int(start_cost), len(needed)))


def cost(replicas: Counts, start_cost: float) -> float:
    """Pod-ticks of these replicas (ticks,) and of the pods started for them.

    >>> cost(np.array([3, 3, 0, 2]), start_cost=2)
    18.0
    """
    return float(replicas.sum() + start_cost * started(replicas).sum())


def started(replicas: Counts) -> Counts:
    """Pods started at each tick (ticks, ...), those of the first tick included."""
    return np.maximum(np.diff(replicas, axis=0, prepend=np.zeros_like(replicas[:1])), 0)


def rate_oracle(demand: Array, width: int, quantile_level: float) -> Array:
    """What one would plan for who knows the smooth rate but not the noise on it: the honest bound for small services.

    The rate is the centred mean over `width` ticks; the noise is the quantile of demand over rate, the same at every
    tick. (ticks,) in, (ticks,) out.

    >>> rate_oracle(np.array([4.0, 6.0, 4.0, 6.0, 4.0]), 3, 0.9).shape
    (5,)
    """
    require(1 <= width <= len(demand), "expected a width of 1..{} ticks, got {}", len(demand), width)
    reach = np.pad(demand, (width // 2, width - 1 - width // 2), mode="edge")
    rate = np.convolve(reach, np.full(width, 1 / width), mode="valid")
    positive = rate > 0
    noise = float(np.quantile(demand[positive] / rate[positive], quantile_level)) if positive.any() else 1.0
    return np.asarray(rate * max(noise, 1.0))
