"""Where lacking replicas has a price: how far above the need it pays to stand."""

from __future__ import annotations

import numpy as np

from capacity.domain.arrays import Array, Counts, Places
from capacity.planning.churn import within_counts
from capacity.planning.counts import allowed_above
from capacity.planning.draft import Draft
from capacity.planning.need import within_pool
from capacity.planning.optimum import Extra, Runs, cheapest_floors, thin


def overload_floors(one: Draft) -> Counts:
    """The cheapest floors (steps,) at or above the need where a lacking replica costs `overload` times an idle one.

    One lacks ``E(D - x)^+`` replicas of CPU at a step: the part of the demand above x replicas at the target, from the
    forecast's own quantiles. Without change this is the newsvendor's: the quantile ``1 - 1 / overload`` of each step.
    """
    starts, quantiles, days = one.blocks(), _replicas(one), one.days
    lengths = np.diff([*starts, len(one.bounded)])
    needed = np.maximum.reduceat(one.bounded, starts)[None, :]
    levels, lacking = _levels(one, quantiles), _lacking(one, quantiles, starts)

    def program(_: Places, price: Array) -> Counts:
        runs = Runs(needed, lengths[None, :].astype(float), price[:, days.each[starts]])
        found = cheapest_floors(runs, one.start_cost, lacking, levels)
        course: Counts = np.repeat(found, lengths, axis=1)
        return course

    free = program(np.zeros(1, dtype=np.intp), np.full((1, len(days.most)), one.change_cost))
    floors: Counts = within_counts(program, free, days, one.change_cost)[0]
    return floors


def _lacking(one: Draft, quantiles: Array, starts: Places) -> Extra:
    """What standing at a level costs in a run, by the replicas that lack there: from quantiles (steps, levels)."""
    weights = _weights(np.array([float(level) for level in one.demand.cpu.quantiles.columns]))
    ends, price = [*starts[1:], len(quantiles)], float(one.workload.costs.overload or 0.0)

    def lacking(run: int, grid: Array) -> Array:
        block = quantiles[starts[run] : ends[run]]  # (block, levels)
        short = np.maximum(block[:, :, None] - grid[:, 0], 0.0)  # (block, levels, K)
        cost: Array = price * np.einsum("l,blk->k", weights, short)[:, None]
        return cost

    return lacking


def _replicas(one: Draft) -> Array:
    """The CPU demand's quantiles as replicas at the safe utilization (steps, levels)."""
    capacity = one.workload.replica.cpu_request * within_pool(one.workload).target_utilization
    found: Array = one.demand.cpu.quantiles.to_numpy(dtype=np.float64) / capacity
    return found


def _weights(levels: Array) -> Array:
    """The probability that each quantile stands for: half of the way to its neighbours, the ends to 0 and 1."""
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    weights: Array = np.diff(edges)
    return weights


def _levels(one: Draft, quantiles: Array) -> Array:
    """The counts that may stand and may pay, ascending (1, K)."""
    most = int(one.bounded.max())
    highest = max(most, min(one.high, int(np.ceil(quantiles.max()))))
    allowed = np.unique(allowed_above(np.arange(int(one.bounded.min()), highest + 1), one.workload.limits))
    return np.union1d(thin(allowed[allowed <= highest]), [most])[None, :].astype(float)
