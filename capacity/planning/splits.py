"""Changes that a day has left, spent where one more saves most: a level is split and one part of it lowered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.domain.arrays import Array, Counts, Mask, Places
from capacity.planning.courses import Prices
from capacity.planning.days import Days

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
