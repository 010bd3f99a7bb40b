"""What replicas can serve, how many a demand needs, what each should request, and at which utilization it is safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Literal

import numpy as np
import pandas as pd

from capacity.load.throughput import MOST_REPLICAS
from capacity.load.throughput import peak_throughput as peak_throughput
from capacity.load.throughput import replicas_for_requests as replicas_for_requests
from capacity.model import DataError, Pool, TargetBound, Workload
from capacity.model import fit_throughput as fit_throughput
from capacity.model.arrays import Array, Counts
from capacity.stats import weighted_quantiles

FINE = 1e-3  # utilization is searched to a tenth of a percent: planning to more would be pretence


def wait_probability(slots: int, utilization: float) -> float:
    """The share of arrivals that must wait in an M/M/c queue of `slots` workers (Erlang C).

    By the recursion of Erlang B: ``B(0) = 1``, ``B(k) = a B(k-1) / (k + a B(k-1))`` with a = slots x utilization, then
    ``C = B / (1 - utilization (1 - B))``. Exact; no factorial overflows.

    >>> round(wait_probability(4, 0.8), 2), round(wait_probability(1, 0.8), 2)
    (0.6, 0.8)
    """
    if utilization >= 1:
        return 1.0
    load, blocked = slots * utilization, 1.0
    for worker in range(1, slots + 1):
        blocked = load * blocked / (worker + load * blocked)
    return blocked / (1 - utilization * (1 - blocked))


def wait_quantile(slots: int, utilization: float, level: float = 0.99, variability: float = 1.0) -> float:
    """The wait, in mean service times, that a share `level` of arrivals does not exceed; infinite at utilization 1.

    In M/M/c the wait of those who wait is exponential: ``P(W > t) = C exp(-(c - a) t)``. Allen and Cunneen's
    approximation of G/G/c multiplies the mean wait by ``(Ca^2 + Cs^2) / 2``, and with it this tail.

    >>> round(wait_quantile(16, 0.8), 1), round(wait_quantile(16, 0.8, variability=3.0), 1)
    (1.1, 3.2)
    """
    if utilization >= 1:
        return float("inf")
    waiting = wait_probability(slots, utilization)
    if waiting <= 1 - level:
        return 0.0
    return variability * log(waiting / (1 - level)) / (slots * (1 - utilization))


def pool_utilization(pool: Pool, replicas: int = 1) -> float:
    """The highest utilization at which at most ``1 - wait_level`` of the work waits longer than `wait`.

    A pool with a queue before each replica has that replica's slots; with one shared queue those of `replicas`.
    Raises `DataError` where no utilization keeps the promise.

    >>> from datetime import timedelta
    >>> second = timedelta(seconds=1)
    >>> pool_utilization(Pool(16, second, second)), pool_utilization(Pool(8, second, second))
    (0.791, 0.637)
    """
    slots = pool.slots * (replicas if pool.shared else 1)
    allowed = pool.wait / pool.service_time
    low, high = 0.0, 1.0
    while high - low > FINE / 10:
        middle = (low + high) / 2
        kept = wait_quantile(slots, middle, pool.wait_level, pool.variability) <= allowed
        low, high = (middle, high) if kept else (low, middle)
    if low < FINE:
        raise DataError(
            f"expected a wait that {slots} slots can keep, got {pool.wait} at level {pool.wait_level:g} "
            f"with a service time of {pool.service_time}: allow a longer wait or more slots"
        )
    return round(low, 3)


ROUNDING = 1e-9  # a demand that fills whole replicas but for floating point needs no further one


def replicas_needed(demand: Array, replica_capacity: float, workload: Workload) -> Counts:
    """Fewest replicas that keep each demand (any shape, unit of `replica_capacity`) within the workload's promises.

    Utilization ``demand / (n x replica_capacity)`` stays at or under `target_utilization`; with Z > 1 zones,
    ``n = Z x ceil(m / (Z - 1))`` where m replicas alone would run at 100 %: what is left after losing a zone suffices.

    >>> from capacity.model import LoadModel, Replica
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
    >>> from capacity.model import LoadModel, Replica
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


Rule = Literal["band", "distance"]


def highest_tolerated_utilization(target: int, tolerance: float = 0.10, rule: Rule = "band") -> int:
    """The highest utilization (whole percent of the request, as an HPA measures it) at which the HPA adds nothing.

    `band` is the rule since per-HPA tolerances (KEP-4951): ``ratio <= 1 + tolerance``; `distance` the one before:
    ``|1 - ratio| <= tolerance``. In floating point the two differ at the edge, which is part of the behaviour.

    >>> [highest_tolerated_utilization(target) for target in (70, 72, 73, 75, 80)]
    [77, 79, 80, 82, 88]
    >>> [highest_tolerated_utilization(target, rule="distance") for target in (70, 72, 73, 75, 80)]
    [76, 79, 80, 82, 87]
    """
    utilization = target
    while _tolerated((utilization + 1) / target, tolerance, rule):
        utilization += 1
    return utilization


def highest_target(percent: int, tolerance: float = 0.10) -> int:
    """The highest target whose tolerance stays under so many percent, fractions that an HPA cuts off included.

    >>> highest_target(80), highest_target(80, tolerance=0.0)
    (72, 79)
    """
    fitting = (one for one in range(percent, 0, -1) if highest_tolerated_utilization(one, tolerance) < percent)
    return next(fitting, 1)


def _tolerated(ratio: float, tolerance: float, rule: Rule) -> bool:
    return ratio <= 1.0 + tolerance if rule == "band" else abs(1.0 - ratio) <= tolerance


CPU_LEVEL = 0.95  # Autopilot's S_p95: at most 5 % of the load runs on a replica above its request
CPU_HALF_LIFE = pd.Timedelta("7D")  # a week, so that every hour of the week has its say
MEMORY_HALF_LIFE = pd.Timedelta("28D")  # last week's peak still counts 84 %: with the margin it is covered again
MEMORY_MARGIN = 0.15  # Autopilot adds 10 to 15 %
LEAST_SAMPLES = 24  # a day of hours


@dataclass(frozen=True, slots=True)
class RequestAdvice:
    """Requests and limits of one replica (cores, bytes), and what they would have meant in the history.

    No CPU limit is advised: over its request a replica borrows what others leave, and a limit would throttle it. The
    memory limit is the request, so that a node never promises what it lacks. `slack`: the share of the request that
    was idle on average. `out_of_memory`: the share of samples above the limit, a proxy of kills.
    """

    cpu_request: float
    memory_request: float
    memory_limit: float
    cpu_slack: float
    memory_slack: float
    cpu_over_request: float
    out_of_memory: float
    samples: int


Advice = dict[tuple[str, str], RequestAdvice | DataError]  # workload -> what to request, or why it is not known


def advise_requests(cpu: pd.Series, memory: pd.Series) -> RequestAdvice:
    """Requests from the usage of one replica over time (cores; bytes), gaps dropped.

    Raises `DataError` on less than a day of hourly samples or on usage that is never above zero.
    """
    cores, size = _known("CPU", cpu), _known("memory", memory)
    cpu_request = _load_weighted(cores)
    memory_request = float((size * _weights(size, MEMORY_HALF_LIFE)).max()) * (1 + MEMORY_MARGIN)
    return RequestAdvice(
        cpu_request=cpu_request,
        memory_request=memory_request,
        memory_limit=memory_request,
        cpu_slack=1 - float(cores.mean()) / cpu_request,
        memory_slack=1 - float(size.mean()) / memory_request,
        cpu_over_request=float((cores > cpu_request).mean()),
        out_of_memory=float((size > memory_request).mean()),
        samples=min(len(cores), len(size)),
    )


def advise_workloads(usages: Mapping[tuple[str, str], pd.DataFrame]) -> Advice:
    """What usage advises each workload to request whose replicas are known, or why it cannot."""
    advice: Advice = {}
    for key, usage in usages.items():
        if "replicas" not in usage:
            continue
        try:
            replicas = usage["replicas"].where(usage["replicas"] >= 1)
            missing = [name for name in ("cpu", "memory") if name not in usage]
            if missing:
                raise DataError(f"usage: expected columns cpu and memory beside replicas, got no {missing[0]}")
            advice[key] = advise_requests(usage["cpu"] / replicas, usage["memory"] / replicas)
        except DataError as error:
            advice[key] = error
    return advice


def same_target(target: int, request: float, advised: float) -> float:
    """The autoscaler's target (percent of the request) that keeps its behaviour when the CPU request changes.

    >>> same_target(70, 0.5, 0.4)
    87.5
    """
    return round(target * request / advised, 1)


def _known(name: str, usage: pd.Series) -> pd.Series:
    known = usage.dropna()
    if len(known) < LEAST_SAMPLES:
        raise DataError(f"{name} usage: expected at least {LEAST_SAMPLES} samples of a replica, got {len(known)}")
    if not (known >= 0).all() or not (known > 0).any():
        raise DataError(f"{name} usage: expected values >= 0 with some above, got {known.min():g} to {known.max():g}")
    return known


def _weights(usage: pd.Series, half_life: pd.Timedelta) -> np.ndarray:
    age = (usage.index[-1] - usage.index) / half_life
    weights: np.ndarray = np.exp2(-np.asarray(age, dtype=float))
    return weights


def _load_weighted(cores: pd.Series) -> float:
    """The usage below which `CPU_LEVEL` of the decayed load ran: a sample weighs what it used."""
    values = cores.to_numpy(dtype=float)
    weights = values * _weights(cores, CPU_HALF_LIFE)
    return float(weighted_quantiles(values[None, :, None], weights, np.array([CPU_LEVEL]), rounding=0.0)[0, 0, 0])
