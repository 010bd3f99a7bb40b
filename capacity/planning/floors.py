"""The floors of many workloads at once: the cheapest schedule, its ramps, and the price of lacking replicas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import inf
from typing import NamedTuple

import numpy as np

from capacity.model import Limits
from capacity.model.arrays import Array, Counts, Places
from capacity.planning.change_limit import calm_floors, within_counts
from capacity.planning.optimum import Extra, Prices, Runs, cheapest_floors, thin
from capacity.planning.requirements import ROUNDING, Requirement, allowed_above, within_pool
from capacity.stats import close_gaps


def ramped(floors: Counts, hours: Array, limits: Limits) -> Counts:
    """The lowest floors (blocks,) at or above these whose changes keep to the limits; `hours` between their starts.

    Only ever raised: first backwards, so that each rise is near enough to what follows, then forwards for the falls.

    >>> ramped(np.array([2, 2, 9, 2, 2]), np.ones(4), Limits(step_up=3, step_down=4)).tolist()
    [3, 6, 9, 5, 2]
    """
    rise = [_Most(limits.step_up, limits.ramp_up, span) for span in hours]
    fall = [_Most(limits.step_down, limits.ramp_down, span) for span in hours]
    early = _raise(floors[::-1], rise[::-1], limits)[::-1]
    late = _raise(floors, fall, limits)
    # Where the one is above the other it is on its own slope, which the other's limit does not touch.
    return np.maximum(early, late)


class _Most(NamedTuple):
    """The most that may be lost from one block to the next: at once, and in the hours between them."""

    step: int | None
    ramp: float | None
    hours: float


def _raise(floors: Counts, most: list[_Most], limits: Limits) -> Counts:
    """Each floor at least the one before it less the most that may be lost between them, at counts that may stand."""
    raised = floors.copy()
    reach = float(floors[0])  # a ramp of less than a replica a block is remembered in fractions
    for place in range(1, len(floors)):
        step, ramp, hours = most[place - 1]
        reach = max(float(floors[place]), -inf if ramp is None else reach - ramp * hours)
        reach = max(reach, -inf if step is None else float(raised[place - 1] - step))
        raised[place] = allowed_above(np.array([np.ceil(reach - ROUNDING)], dtype=np.int64), limits)[0]
    return raised


def overload_floors(one: Requirement) -> Counts:
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


def _lacking(one: Requirement, quantiles: Array, starts: Places) -> Extra:
    """What standing at a level costs in a run, by the replicas that lack there: from quantiles (steps, levels)."""
    weights = _weights(np.array([float(level) for level in one.demand.cpu.quantiles.columns]))
    ends, price = [*starts[1:], len(quantiles)], float(one.workload.costs.overload or 0.0)

    def lacking(run: int, grid: Array) -> Array:
        block = quantiles[starts[run] : ends[run]]  # (block, levels)
        short = np.maximum(block[:, :, None] - grid[:, 0], 0.0)  # (block, levels, K)
        cost: Array = price * np.einsum("l,blk->k", weights, short)[:, None]
        return cost

    return lacking


def _replicas(one: Requirement) -> Array:
    """The CPU demand's quantiles as replicas at the safe utilization (steps, levels)."""
    capacity = one.workload.replica.cpu_request * within_pool(one.workload).target_utilization
    found: Array = one.demand.cpu.quantiles.to_numpy(dtype=np.float64) / capacity
    return found


def _weights(levels: Array) -> Array:
    """The probability that each quantile stands for: half of the way to its neighbours, the ends to 0 and 1."""
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    weights: Array = np.diff(edges)
    return weights


def _levels(one: Requirement, quantiles: Array) -> Array:
    """The counts that may stand and may pay, ascending (1, K)."""
    most = int(one.bounded.max())
    highest = max(most, min(one.high, int(np.ceil(quantiles.max()))))
    allowed = np.unique(allowed_above(np.arange(int(one.bounded.min()), highest + 1), one.workload.limits))
    return np.union1d(thin(allowed[allowed <= highest]), [most])[None, :].astype(float)


HOUR = timedelta(hours=1)


def choose_floors(drafts: Sequence[Requirement]) -> list[Counts]:
    """The floors of each draft (steps,): the cheapest course over its need, within its limits.

    Drafts of equal steps and prices are planned together; the result is that of each alone.
    """
    chosen: dict[int, Counts] = {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(drafts):
        if one.workload.costs.overload is not None:
            chosen[place] = overload_floors(one)
        else:
            groups.setdefault(_alike(one), []).append(place)
    for places in groups.values():
        found = _calm([drafts[place] for place in places])
        chosen.update(zip(places, found, strict=True))
    return [_finished(one, chosen[place]) for place, one in enumerate(drafts)]


def _alike(one: Requirement) -> tuple[object, ...]:
    steps = one.steps
    return steps[0], len(steps), one.step, one.start_cost, one.change_cost, one.workload.limits.changes_a_day


def _calm(drafts: Sequence[Requirement]) -> list[Counts]:
    first = drafts[0]
    need = np.stack([one.bounded for one in drafts])  # (n, steps)
    closed = close_gaps(need, int(first.start_cost + ROUNDING))
    prices = Prices(first.start_cost, first.change_cost)
    return list(calm_floors(closed, first.days, prices))


def _finished(one: Requirement, floors: Counts) -> Counts:
    limits = one.workload.limits
    if not limits.moves_are_free:
        starts = one.blocks()
        hours = np.diff(starts) * (one.step / HOUR)
        lengths = np.diff([*starts, len(floors)])
        floors = np.repeat(ramped(floors[starts], hours, limits), lengths)
    return floors
