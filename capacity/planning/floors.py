"""The floors of many workloads at once: the cheapest schedule, its ramps, and as many changes a day as it may have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import NamedTuple

import numpy as np

from capacity.model import Limits
from capacity.model.arrays import Array, Counts, Mask, Places
from capacity.planning.optimum import Days, Extra, Prices, Runs, cheapest_floors, cheapest_schedules, thin
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
    weights = _weights(np.array([float(level) for level in one.demand.cpu.quantiles.columns.tolist()]))
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
        found = calm_floors(*_as_one([drafts[place] for place in places]))
        chosen.update(zip(places, found, strict=True))
    return [_finished(one, chosen[place]) for place, one in enumerate(drafts)]


def _alike(one: Requirement) -> tuple[object, ...]:
    steps = one.steps
    return steps[0], len(steps), one.step, one.start_cost, one.change_cost, one.workload.limits.changes_a_day


def _as_one(drafts: Sequence[Requirement]) -> tuple[Counts, Days, Prices]:
    """The closed needs (n, steps) of drafts that are alike, with their days and their prices."""
    first = drafts[0]
    need = np.stack([one.bounded for one in drafts])  # (n, steps)
    closed = close_gaps(need, int(first.start_cost + ROUNDING))
    return closed, first.days, Prices(first.start_cost, first.change_cost)


def _finished(one: Requirement, floors: Counts) -> Counts:
    limits = one.workload.limits
    if not limits.moves_are_free:
        starts = one.blocks()
        hours = np.diff(starts) * (one.step / HOUR)
        lengths = np.diff([*starts, len(floors)])
        floors = np.repeat(ramped(floors[starts], hours, limits), lengths)
    return floors


MOST_ROUNDS = 24  # splits of one day, one in a round
MOST_CELLS = 250_000  # rows x steps at once: each of some 20 tables in 2 MiB, which a core keeps at hand


def spend_changes(need: Counts, floors: Counts, days: Days, prices: Prices) -> Counts:
    """Floors (n, steps) no dearer than these, at or above the need, with no more changes on a day than it may have.

    A round splits on every day with a change left the level where that saves most, until none saves anything.
    """
    parts = -(-floors.size // MOST_CELLS)
    pairs = zip(np.array_split(need, parts), np.array_split(floors, parts), strict=True) if parts else ()
    return np.concatenate([floors[:0], *(_spent(*pair, days, prices) for pair in pairs)])


def _spent(need: Counts, floors: Counts, days: Days, prices: Prices) -> Counts:
    spent, rows = floors.copy(), np.arange(len(floors))
    for _ in range(MOST_ROUNDS):
        tried = _split(need[rows], spent[rows], days, prices)
        cheaper = _cost(tried, prices) < _cost(spent[rows], prices)
        spent[rows[cheaper]] = tried[cheaper]
        rows = rows[cheaper]
        if not len(rows):
            break
    return spent


def _cost(floors: Counts, prices: Prices) -> Array:
    moves = np.diff(floors, axis=1, prepend=0)
    changes = np.count_nonzero(moves[:, 1:], axis=1)
    cost: Array = floors.sum(axis=1) + prices.start * moves.clip(0).sum(axis=1) + prices.change * changes
    return cost


def _split(need: Counts, floors: Counts, days: Days, prices: Prices) -> Counts:
    """The floors with one more change on every day that has one left and gains by it, at most one in each level."""
    levels = _Levels.of(need, floors)
    left, right = levels.gain_of_left(prices), levels.gain_of_right(prices)
    spare = days.changes(floors) < days.most  # (n, days)
    inside = np.diff(need, axis=1, prepend=need[:, :1]) != 0  # elsewhere a limit may forbid to move
    inside &= (levels.begin < np.arange(floors.shape[1])) & spare[:, days.each]
    gain = np.where(inside, np.maximum(left, right), 0.0)
    rows, at = np.nonzero((gain > 0) & (gain == np.maximum.reduceat(gain, days.starts, axis=1)[:, days.each]))
    rows, at = _one_each(rows, at, days.each[at], gain)
    rows, at = _one_each(rows, at, levels.begin[rows, at], gain)
    return levels.lowered(rows, at, left[rows, at] >= right[rows, at])


def _one_each(rows: Places, at: Places, of: Places, gain: Array) -> tuple[Places, Places]:
    """Of the places (rows, at) that share a row and what they are `of`, the one that gains most."""
    order = np.argsort(-gain[rows, at], kind="stable")
    _, first = np.unique(np.stack([rows, of])[:, order], axis=1, return_index=True)
    return rows[order[first]], at[order[first]]


@dataclass(frozen=True, slots=True)
class _Levels:
    """Where each step's level begins and ends, and the need within it before and from the step on: all (n, steps)."""

    floors: Counts
    begin: Places
    end: Places
    before: Counts
    after: Counts

    @staticmethod
    def of(need: Counts, floors: Counts) -> _Levels:
        steps = np.arange(floors.shape[1])
        moved = np.diff(floors, axis=1, prepend=floors[:, :1]) != 0
        begin = np.maximum.accumulate(np.where(moved, steps, 0), axis=1)
        ends = np.concatenate([moved[:, 1:], np.ones((len(floors), 1), dtype=bool)], axis=1)
        end = np.minimum.accumulate(np.where(ends, steps + 1, len(steps))[:, ::-1], axis=1)[:, ::-1]
        apart = need.max(initial=0) + 1  # lifts each level above those before it: one running maximum serves all
        lift = np.cumsum(moved, axis=1) * apart
        before = np.maximum.accumulate(need + lift, axis=1) - lift
        after = np.maximum.accumulate((need - lift)[:, ::-1], axis=1)[:, ::-1] + lift
        return _Levels(floors, begin, end, np.concatenate([before[:, :1], before[:, :-1]], axis=1), after)

    def gain_of_left(self, prices: Prices) -> Array:
        """What is saved by lowering the level from its begin to the step, in replica-steps."""
        rows, steps = np.arange(len(self.floors))[:, None], np.arange(self.floors.shape[1])
        stood = np.where(self.begin > 0, self.floors[rows, self.begin - 1], 0)
        less = self.floors - self.before
        starts = (self.before - stood).clip(0) + less - (self.floors - stood).clip(0)
        gain: Array = less * (steps - self.begin) - prices.start * starts - prices.change
        return gain

    def gain_of_right(self, prices: Prices) -> Array:
        """What is saved by lowering it from the step to its end."""
        rows, steps = np.arange(len(self.floors))[:, None], np.arange(self.floors.shape[1])
        comes = np.where(self.end < len(steps), self.floors[rows, self.end % len(steps)], 0)
        starts = (comes - self.after).clip(0) - (comes - self.floors).clip(0)
        gain: Array = (self.floors - self.after) * (self.end - steps) - prices.start * starts - prices.change
        return gain

    def lowered(self, rows: Places, at: Places, left: Mask) -> Counts:
        """The floors with the levels at these places lowered to what the left or the right part needs."""
        begin, end = np.where(left, self.begin[rows, at], at), np.where(left, at, self.end[rows, at])
        low = np.where(left, self.before[rows, at], self.after[rows, at])
        drop = np.zeros((len(self.floors), self.floors.shape[1] + 1), dtype=np.int64)
        less = self.floors[rows, at] - low
        drop[rows, begin] -= less
        drop[rows, end] += less
        lowered: Counts = self.floors + np.cumsum(drop, axis=1)[:, :-1]
        return lowered


Program = Callable[[Places, Array], Counts]  # (rows, prices of a change (rows, days)) -> floors (rows, steps)
NEAR = 0.8  # of the changes that a day may have: near enough, what is left of them is spent on single splits
LOOKS = 5  # rounds in which a day looks for a better price; after them any price that leaves few enough is taken
CHURN_MOST_ROUNDS = 60  # after so many steps up no change is worth its price
LEAST_PRICE = 0.5  # of a replica-step: where to begin at least
WANDERING = 1.5  # a need that wanders is w ** 0.5 wide over w steps: a change each w steps saves w ** 1.5


def calm_floors(need: Counts, days: Days, prices: Prices) -> Counts:
    """The cheapest floors over closed needs (n, steps) with on no day more changes than it may have.

    A Lagrangian relaxation of the counts, then what a day has left of its changes where it saves most: within 1 % of
    the exact program that counts (`python -m benchmarks planning`), and exact where no day has too many.
    """

    def program(rows: Places, price: Array) -> Counts:
        return cheapest_schedules(need[rows], days, price, prices.start)

    every = np.arange(len(need))
    free = program(every, np.full((len(need), len(days.most)), prices.change)) if prices.change else need
    busy = np.flatnonzero((days.changes(free) > days.most).any(axis=1))
    floors = within_counts(program, free, days, prices.change)
    floors[busy] = spend_changes(need[busy], floors[busy], days, prices)
    return floors


def within_counts(program: Program, free: Counts, days: Days, change: float) -> Counts:
    """The program's floors (n, steps) at the prices that leave no day more changes than it may have.

    `free` are its floors where every change has its own price, `change`; rows without a busy day keep them.
    """
    floors = free.copy()
    search = _Search.of(free, days, change)
    for turn in range(1, CHURN_MOST_ROUNDS):
        rows = np.flatnonzero(~search.settled.all(axis=1))
        if not len(rows):
            break
        floors[rows] = program(rows, search.price[rows])
        search.learn(rows, days.changes(floors[rows]), last=turn >= LOOKS)
    return floors


def _fair_prices(floors: Counts, days: Days) -> Array:
    """Where to begin: the mean move of each day, for the time that one of its changes may stand (n, days)."""
    moves = np.abs(np.diff(floors, axis=1, prepend=floors[:, :1]))
    mean = days.sums(moves) / np.maximum(days.sums(moves > 0), 1)
    fair: Array = np.maximum(mean * days.lengths / days.most, LEAST_PRICE)
    return fair


@dataclass(slots=True)
class _Search:
    """The prices tried now, and those between which the right ones lie: all (n, days), as is what is settled."""

    most: Counts  # (days,)
    price: Array
    low: Array  # too many changes, or what a change costs by itself
    high: Array  # few enough; infinite where no such price is known yet
    settled: Mask

    @staticmethod
    def of(free: Counts, days: Days, change: float) -> _Search:
        settled = days.changes(free) <= days.most
        price = np.where(settled, change, np.maximum(_fair_prices(free, days), change))
        low, high = np.full_like(price, change), np.full_like(price, np.inf)
        return _Search(days.most, price, low, high, settled)

    def learn(self, rows: Places, counts: Counts, *, last: bool) -> None:
        """What the changes (rows, days) at these prices say of them, and the prices to try next."""
        price, over = self.price[rows], counts > self.most
        known = np.where(price < self.high[rows], self.high[rows], np.inf)  # its neighbours moved: look again
        low = np.where(over, price, self.low[rows])
        high = np.where(over, known, np.minimum(price, self.high[rows]))
        self.low[rows], self.high[rows] = low, high
        self.settled[rows] = ~over & ((counts >= NEAR * self.most) | (price <= self.low[rows]) | last)
        near = high if last else np.sqrt(low * high)
        inside = np.isfinite(high) & ((low > 0) | last)
        tried = np.where(inside, near, np.maximum(self._stepped(price, counts), low))
        self.price[rows] = np.where(self.settled[rows], price, tried)

    def _stepped(self, price: Array, counts: Counts) -> Array:
        """From one end alone: as far as the count is off, at most a factor of four."""
        off = np.maximum(counts, 1) / (self.most * (1 + NEAR) / 2)
        stepped: Array = price * np.clip(off**WANDERING, 0.25, 4.0)
        return stepped
