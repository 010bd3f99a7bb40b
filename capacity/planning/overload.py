"""Where lacking replicas has a price: how far above the need it pays to stand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.domain import Demand, Workload
from capacity.planning.churn import busiest_day
from capacity.planning.counts import allowed_above
from capacity.planning.need import within_pool
from capacity.planning.optimum import Counts, Floats, Runs, cheapest_floors, thin


def overload_floors(
    demand: Demand, need: Counts, starts: npt.NDArray[np.intp], workload: Workload, high: int
) -> Counts:
    """The cheapest floors (steps,) at or above the need where a lacking replica costs `overload` times an idle one.

    One lacks ``E(D - x)^+`` replicas of CPU at a step: the part of the demand above x replicas at the target, from the
    forecast's own quantiles. Without change this is the newsvendor's: the quantile ``1 - 1 / overload`` of each step.
    """
    quantiles = _replicas(demand, workload)  # (steps, levels)
    weights = _weights(np.array([float(level) for level in demand.cpu.quantiles.columns]))
    levels = _levels(need, quantiles, workload, high)
    lengths = np.diff([*starts, len(need)])
    price = float(workload.costs.overload or 0.0)

    def lacking(run: int, grid: Floats) -> Floats:
        block = quantiles[starts[run] : starts[run] + lengths[run]]  # (block, levels)
        short = np.maximum(block[:, :, None] - grid[:, 0], 0.0)  # (block, levels, K)
        cost: Floats = price * np.einsum("l,blk->k", weights, short)[:, None]
        return cost

    change = workload.costs.change / demand.cpu.step
    needed = np.maximum.reduceat(need, starts)[None, :]
    begin = workload.lead_time if workload.costs.start is None else workload.costs.start
    for _ in range(60):
        runs = Runs(needed, lengths[None, :].astype(float), np.full((1, len(starts)), change))
        found = cheapest_floors(runs, begin / demand.cpu.step, lacking, levels[None, :].astype(float))[0]
        floors = np.repeat(found, lengths)
        if busiest_day(floors, pd.DatetimeIndex(demand.cpu.quantiles.index)) <= workload.limits.changes_a_day:
            break
        change = max(2 * change, 0.5)
    return floors


def _replicas(demand: Demand, workload: Workload) -> Floats:
    """The CPU demand's quantiles as replicas at the safe utilization (steps, levels)."""
    capacity = workload.replica.cpu_request * within_pool(workload).target_utilization
    found: Floats = demand.cpu.quantiles.to_numpy(dtype=np.float64) / capacity
    return found


def _weights(levels: Floats) -> Floats:
    """The probability that each quantile stands for: half of the way to its neighbours, the ends to 0 and 1."""
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    weights: Floats = np.diff(edges)
    return weights


def _levels(need: Counts, quantiles: Floats, workload: Workload, high: int) -> npt.NDArray[np.int64]:
    highest = min(high, max(int(need.max()), int(np.ceil(quantiles.max()))))
    every = np.arange(int(need.min()), highest + 1)
    allowed = np.unique(allowed_above(every, workload.limits))
    return np.union1d(thin(allowed[allowed <= max(highest, int(need.max()))]), [int(need.max())])
