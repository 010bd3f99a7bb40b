"""How many minutes of a day planned floors are expected to lie over the target, from the forecast's own quantiles."""

from __future__ import annotations

from datetime import timedelta
from math import log

import numpy as np

from capacity.model import Forecast, Workload, WorkloadPlan
from capacity.model.arrays import Array
from capacity.model.policy import DAY_MINUTES
from capacity.planning.requirements import within_pool
from capacity.planning.workload import floor_series

DAY = timedelta(days=1)


def expected_minutes_above(plan: WorkloadPlan, workload: Workload) -> float | None:
    """Minutes of a day on which demand is expected to exceed what the planned floors serve at the target utilization.

    The floors stand alone: replicas that an autoscaler adds are not counted. Demand is the mean of each step.

    Parameters
    ----------
    plan : WorkloadPlan
        A plan that was just made: it holds the demand behind it.
    workload : Workload
        The workload as it was planned.

    Returns
    -------
    float or None
        Minutes a day, a mean over the plan; the worse of CPU and memory at each step. None where the plan holds no
        demand or its pods are resized.
    """
    if plan.demand is None or plan.sizes is not None:
        return None
    floors = floor_series(plan).to_numpy(dtype=np.float64)
    cpu = share_above(plan.demand.cpu, floors * workload.replica.cpu_request * within_pool(workload).target_utilization)
    memory = share_above(plan.demand.memory, floors * workload.replica.memory_request * workload.target_utilization)
    return float(np.maximum(cpu, memory).mean()) * DAY_MINUTES


def share_above(forecast: Forecast, served: Array) -> Array:
    """The probability that each step's value exceeds what is served (steps,).

    Linear between the quantiles, from zero to the lowest; above the highest the tail of an exponential distribution
    through the two highest, as for peaks over a threshold (Pickands 1975, shape 0).

    >>> import pandas as pd
    >>> steps = pd.date_range("2026-11-27T01:00Z", periods=3, freq="h")
    >>> quantiles = pd.DataFrame({0.5: [10.0] * 3, 0.9: [20.0] * 3}, steps)
    >>> forecast = Forecast(steps[0].to_pydatetime() - timedelta(hours=1), timedelta(hours=1), quantiles, "cores")
    >>> share_above(forecast, np.array([10.0, 15.0, 40.0])).round(3).tolist()
    [0.5, 0.3, 0.004]
    """
    levels = np.array([float(level) for level in forecast.quantiles.columns.tolist()])
    table = forecast.quantiles.to_numpy(dtype=np.float64)
    below = np.array(
        [
            np.interp(value, [0.0, *row], [0.0, *levels]) if value < row[-1] else levels[-1]
            for value, row in zip(served, table, strict=True)
        ]
    )
    return np.where(served < table[:, -1], 1 - below, _tail(levels, table, served))


def _tail(levels: Array, table: Array, served: Array) -> Array:
    """Above the highest quantile; of a single level, and where the two highest agree, nothing is above."""
    top = 1 - levels[-1]
    if len(levels) == 1:
        return np.zeros(len(table))
    scale = (table[:, -1] - table[:, -2]) / log((1 - levels[-2]) / top)
    beyond = np.maximum(served - table[:, -1], 0.0)
    ratio = np.divide(beyond, scale, out=np.full(len(table), np.inf), where=scale > 0)
    found: Array = top * np.exp(-ratio)
    return found
