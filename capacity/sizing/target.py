"""The utilization that is planned for: the user's, or less where the pool or the loss of a zone asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from capacity.domain import Pool, TargetBound, Workload
from capacity.sizing.pool import pool_utilization


@dataclass(frozen=True, slots=True)
class SafeTarget:
    """The utilization planned for, in (0, 1]; which bound won; and the sentence that says so."""

    utilization: float
    bound: TargetBound
    why: str


def safe_target(workload: Workload) -> SafeTarget:
    """The least of the user's target, what the pool's queue allows, and what is left when a zone is lost.

    Without its fullest zone of Z the rest must serve at 100 % at most: utilization ``(Z - 1) / Z`` before.

    >>> from datetime import timedelta
    >>> from capacity.domain import LoadModel, Replica
    >>> second = timedelta(seconds=1)
    >>> web = Workload("shop", "web", LoadModel(0, 1, 0, 0), Replica(0.5, 2**29), 1, 60, pool=Pool(8, second, second))
    >>> safe_target(web).why
    'pool 0.637 (8 slots, p99 wait at most 1 service times) before target 0.8'
    """
    bounds: dict[TargetBound, float] = {"target": workload.target_utilization}
    if workload.pool is not None:
        bounds["pool"] = pool_utilization(workload.pool, workload.floor)
    if workload.zones > 1:
        bounds["zones"] = (workload.zones - 1) / workload.zones
    bound = min(bounds, key=lambda name: bounds[name])
    others = ", ".join(_say(name, bounds[name], workload) for name in bounds if name != bound)
    first = _say(bound, bounds[bound], workload)
    return SafeTarget(bounds[bound], bound, f"{first} before {others}" if others else first)


def _say(bound: TargetBound, utilization: float, workload: Workload) -> str:
    if bound == "pool" and workload.pool is not None:
        return f"pool {utilization:.3g} ({_promise(workload.pool, workload.floor)})"
    return f"{bound} {utilization:.3g}" + (f" (one of {workload.zones} lost)" if bound == "zones" else "")


def _promise(pool: Pool, replicas: int) -> str:
    slots = pool.slots * (replicas if pool.shared else 1)
    return f"{slots} slots, p{pool.wait_level * 100:g} wait at most {pool.wait / pool.service_time:g} service times"
