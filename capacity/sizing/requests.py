"""What one replica should request: CPU from a load-weighted percentile, memory from its decayed peak.

The rules of Rzadca et al., "Autopilot: workload autoscaling at Google" (EuroSys 2020), section 3.2: CPU of serving jobs
by a percentile of the load-adjusted histogram, memory by the peak with a margin, older samples counting less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from capacity.domain import DataError
from capacity.stats import weighted_quantiles

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
