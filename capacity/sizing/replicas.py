"""What replicas can serve, and how many a demand needs."""

from __future__ import annotations

import numpy as np

from capacity.domain import DataError, Workload
from capacity.domain.arrays import Array, Counts

MOST_REPLICAS = 1_000_000  # beyond any cluster: a demand that asks for more is a unit mistaken
ROUNDING = 1e-9  # a demand that fills whole replicas but for floating point needs no further one


def replicas_needed(demand: Array, replica_capacity: float, workload: Workload) -> Counts:
    """Fewest replicas that keep each demand (any shape, unit of `replica_capacity`) within the workload's promises.

    Utilization ``demand / (n x replica_capacity)`` stays at or under `target_utilization`; with Z > 1 zones,
    ``n = Z x ceil(m / (Z - 1))`` where m replicas alone would run at 100 %: what is left after losing a zone suffices.

    >>> from capacity.domain import LoadModel, Replica
    >>> web = Workload("shop", "web", LoadModel(0, 1, 0, 0), Replica(0.5, 2**29), floor=1, ceiling=60)
    >>> replicas_needed(np.array([0.0, 0.4, 0.41, 4.0]), 0.5, web).tolist()
    [0, 1, 2, 10]
    """
    at_target = _ceil(demand / (replica_capacity * workload.target_utilization))
    if workload.zones == 1:
        return at_target
    surviving = _ceil(demand / replica_capacity)
    zoned = workload.zones * _ceil(surviving / (workload.zones - 1))
    return np.maximum(at_target, zoned)


def _ceil(replicas: Array) -> Counts:
    highest = float(np.max(replicas, initial=0.0))
    if highest > MOST_REPLICAS:
        raise DataError(
            f"expected a demand of at most {MOST_REPLICAS} replicas, got {highest:.3g}: check units of load and replica"
        )
    return np.ceil(replicas * (1 - ROUNDING)).astype(np.int64)
