"""How many replicas each step needs, before any bound: the most that CPU, memory or requests ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from capacity.domain import Demand, Resource, Workload
from capacity.domain.arrays import Array, Counts
from capacity.planning.windows import planned_demand
from capacity.sizing import pool_utilization, replicas_for_requests, replicas_needed


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """What is planned for at each step (steps,): cores, bytes, and requests per second where they limit."""

    cpu: Array
    memory: Array
    requests: Array | None = None

    @staticmethod
    def of(demand: Demand, workload: Workload) -> PlannedLoad:
        """The demand at the workload's level, raised to the maxima of its windows where they were forecast."""
        level = workload.quantile_level
        limited = workload.law is not None and demand.requests is not None
        return PlannedLoad(
            planned_demand(demand.cpu, level),
            planned_demand(demand.memory, level),
            planned_demand(demand.requests, level) if limited and demand.requests is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Need:
    """Replicas that CPU, memory and requests need at each step, before floor and ceiling: arrays (steps,)."""

    cpu: Counts
    memory: Counts
    requests: Counts | None = None

    @property
    def replicas(self) -> Counts:
        """The largest wins."""
        most = np.maximum(self.cpu, self.memory)
        return most if self.requests is None else np.maximum(most, self.requests)

    def binding(self, step: int) -> Resource:
        """The resource that needs more replicas at this step; CPU where they agree."""
        return "memory" if self.memory[step] > self.cpu[step] else "cpu"


def need_of(load: PlannedLoad, workload: Workload) -> Need:
    """Replicas for the load at the safe utilization. Raises `DataError` where no number of replicas can serve it."""
    safe = within_pool(workload)
    return Need(
        replicas_needed(load.cpu, workload.replica.cpu_request, safe),
        replicas_needed(load.memory, workload.replica.memory_request, workload),
        _for_requests(load.requests, safe),
    )


def within_pool(workload: Workload) -> Workload:
    """The workload at the utilization that its pool's queue allows; its own where there is no pool."""
    if workload.pool is None:
        return workload
    allowed = pool_utilization(workload.pool, workload.floor)
    return replace(workload, target_utilization=min(workload.target_utilization, allowed))


def _for_requests(requests: Array | None, workload: Workload) -> Counts | None:
    if requests is None or workload.law is None:
        return None
    at_target = replicas_for_requests(requests, workload.law, workload.target_utilization)
    if workload.zones == 1:
        return at_target
    surviving = replicas_for_requests(requests, workload.law, 1.0)
    zoned: Counts = workload.zones * -(-surviving // (workload.zones - 1))
    return np.maximum(at_target, zoned)
