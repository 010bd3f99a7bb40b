"""The cheapest floors over a need, for many workloads at once, where a change has a price on each day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.model.arrays import Array, Counts, Mask, Places

Extra = Callable[[int, Array], Array]  # (run, levels (K, n)) -> cost of overload (K, n)
MOST_LEVELS = (
    48  # counts in one row's program: of more, the moments are found on so many and the counts made exact after
)
NEVER = 1e12  # stands for a level that a row does not have: dearer than any course


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows of runs of equal need: `need` and `lengths` (n, R), and what changing before each run costs (n, R)."""

    need: Counts
    lengths: Array
    change: Array


def run_starts(row: npt.NDArray[np.generic]) -> Places:
    """Where runs of equal values begin (runs,)."""
    return np.concatenate([[0], np.flatnonzero(row[1:] != row[:-1]) + 1])


def cheapest_floors(runs: Runs, start: float, extra: Extra | None = None, levels: Array | None = None) -> Counts:
    """The cheapest floors over each run (n, R); `start` in steps. Exact over the levels.

    `levels` (n, K) ascending: the counts that may stand, default those of the need; `extra` adds a cost per run.

    >>> valley = Runs(np.array([[3, 1, 3]]), np.array([[4.0, 2.0, 4.0]]), np.zeros((1, 3)))
    >>> cheapest_floors(valley, start=1.5).tolist(), cheapest_floors(valley, start=2.5).tolist()
    ([[3, 1, 3]], [[3, 3, 3]])
    """
    grid = _levels(runs.need) if levels is None else levels
    lowest = _places(grid, runs.need)  # (R, n): the first level that serves the run
    columns = np.ascontiguousarray(grid.T)  # (K, n): a level's costs lie side by side, which is twice as fast
    values, moved = _values(runs, columns, lowest, start, extra)
    return _walk_back(values, moved, columns, start)


def _levels(need: Counts) -> Array:
    """The different needs of each row, ascending, filled up with what never pays (n, K)."""
    rows = [np.unique(row) for row in need]
    grid = np.full((len(need), max(map(len, rows))), NEVER)
    for place, row in enumerate(rows):
        grid[place, : len(row)] = row
    return grid


def thin(levels: Counts) -> Counts:
    """At most `MOST_LEVELS` of ascending levels, the highest among them."""
    if len(levels) <= MOST_LEVELS:
        return levels
    places = np.unique(np.linspace(0, len(levels) - 1, MOST_LEVELS).round().astype(np.intp))
    return levels[places]


def _places(grid: Array, need: Counts) -> Places:
    return np.stack([np.searchsorted(levels, row) for levels, row in zip(grid, need, strict=True)], axis=1)


def _values(runs: Runs, grid: Array, lowest: Places, start: float, extra: Extra | None) -> tuple[Array, Mask]:
    """The least cost up to and including each run by the level that stands in it, and whether it came from another."""
    values = np.multiply(runs.lengths.T[:, None, :], grid, order="C")  # (R, K, n): what each run costs by itself
    np.copyto(values, np.inf, where=np.arange(len(grid))[:, None] < lowest[:, None, :])
    moved, ramp = np.zeros(values.shape, dtype=bool), start * grid
    values[0] += ramp  # what stands at the beginning was started too: nothing is gained by beginning high
    reached, fallen = np.empty_like(ramp), np.empty_like(ramp)
    for run, (before, here, price) in enumerate(zip(values, values[1:], runs.change.T[1:], strict=False), start=1):
        if extra is not None:
            before += extra(run - 1, grid)
        np.subtract(before, ramp, out=reached)
        np.minimum.accumulate(reached, axis=0, out=reached)
        reached += ramp
        np.minimum.accumulate(before[::-1], axis=0, out=fallen[::-1])
        np.minimum(reached, fallen, out=reached)
        reached += price
        np.less(reached, before, out=moved[run])
        np.minimum(reached, before, out=reached)
        here += reached
    if extra is not None:
        values[-1] += extra(len(values) - 1, grid)
    return values, moved


def _walk_back(values: Array, moved: Mask, grid: Array, start: float) -> Counts:
    """From the cheapest end, the level of every run (n, R); where staying is as cheap, nothing changes."""
    count, _, rows = values.shape
    if rows == 1:
        return _walk_one_back(values[:, :, 0], moved[:, :, 0], grid[:, 0], start)[None, :]
    each = np.arange(rows)
    at = values[-1].argmin(axis=0)  # (n,)
    found = np.empty((rows, count), dtype=np.int64)
    for run in range(count - 1, -1, -1):
        found[:, run] = grid[at, each]
        came = np.flatnonzero(moved[run, at, each])
        if len(came):
            levels = grid[:, came]
            cost = values[run - 1][:, came] + start * np.maximum(levels[at[came], np.arange(len(came))] - levels, 0.0)
            at[came] = cost.argmin(axis=0)
    return found


def _walk_one_back(values: Array, moved: Mask, grid: Array, start: float) -> Counts:
    """The same of one row (R,), of values and moves (R, K), without arrays of one element: in a fifth of the time."""
    at = int(values[-1].argmin())
    places = np.empty(len(values), dtype=np.intp)
    rises = start * np.maximum(grid[:, None] - grid, 0.0)  # (to, from)
    for run, came in zip(range(len(values) - 1, -1, -1), moved[::-1].tolist(), strict=True):
        places[run] = at
        if came[at]:
            at = int((values[run - 1] + rises[at]).argmin())
    found: Counts = grid[places].astype(np.int64)
    return found


DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
EPOCH = pd.Timestamp("1970-01-01", tz="UTC")
LEAST = 6  # an event rises and falls in stages; with fewer its floor stands too high, and moves more when made again
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Days:
    """Which of its days each step lies on (steps,), in their order, and the changes that each day may have (days,)."""

    each: Places
    most: Counts

    @staticmethod
    def of(steps: pd.DatetimeIndex, step: timedelta, most: int) -> Days:
        """The days (UTC) of regular steps; a day that they do not fill may have as large a part of `most` changes.

        A plan is made again and again, and each begins within a day and ends within one: had each part a whole day's
        changes, the plans of one day would have many days' together.

        >>> Days.of(pd.date_range("2026-11-27T18:00Z", periods=31, freq="h"), timedelta(hours=1), 24).most.tolist()
        [6, 24, 6]
        """
        return _days(steps[0], len(steps), step, most)

    @property
    def starts(self) -> Places:
        """The first step of each day (days,)."""
        return run_starts(self.each)

    @property
    def lengths(self) -> Counts:
        """The steps of each day (days,)."""
        return np.bincount(self.each).astype(np.int64)

    def sums(self, values: npt.NDArray[np.generic]) -> Counts:
        """The sum of whole numbers (n, steps) over each day (n, days)."""
        return np.add.reduceat(values.astype(np.int64), self.starts, axis=1)

    def changes(self, floors: Counts) -> Counts:
        """How often the floors (n, steps) change on each day (n, days); what stands at first is no change."""
        return self.sums(np.diff(floors, axis=1, prepend=floors[:, :1]) != 0)


@lru_cache(maxsize=16)  # workloads of one run have the same steps
def _days(first: pd.Timestamp, count: int, step: timedelta, most: int) -> Days:
    each = clock_places(first, count, step, DAY)
    parts = np.bincount(each) * (step / DAY)
    proportional = np.ceil(most * np.minimum(parts, 1.0) - ROUNDING).astype(np.int64)
    return Days(each, np.minimum(np.maximum(proportional, LEAST), most))


@lru_cache(maxsize=16)
def clock_places(first: pd.Timestamp, count: int, step: timedelta, span: timedelta) -> Places:
    """Which of the hours or days (UTC, as long as `span`) that regular steps touch each begins in: (count,), from 0.

    >>> clock_places(pd.Timestamp("2026-11-27T00:30Z"), 5, timedelta(minutes=15), timedelta(hours=1)).tolist()
    [0, 0, 1, 1, 1]
    """
    begin = (first - EPOCH) // MICROSECOND
    clock = (begin + np.arange(count) * (step // MICROSECOND)) // (span // MICROSECOND)
    places = np.unique(clock, return_inverse=True)[1].astype(np.intp)
    places.flags.writeable = False  # all who ask share it
    return places


MOST_CELLS = 8_000_000  # runs x levels x rows at once: 64 MiB of costs


@dataclass(frozen=True, slots=True)
class Prices:
    """What a start and a change cost, in replica-steps."""

    start: float
    change: float


def cheapest_schedules(need: Counts, days: Days, price: Array, start: float) -> Counts:
    """The cheapest floors (n, steps) at or above the need, a start at `start` and a change at its day's `price`.

    `price` (n, days), all in replica-steps. As many rows at once as fit in memory, those of similar length together.
    """
    floors = np.empty_like(need)
    compressed = [_compress(row, days, cost) for row, cost in zip(need, price, strict=True)]
    order = sorted(range(len(need)), key=lambda row: len(compressed[row].need))
    while order:
        batch = order[-max(1, MOST_CELLS // (len(compressed[order[-1]].need) * MOST_LEVELS)) :]
        order = order[: -len(batch)]
        found = cheapest_floors(_padded([compressed[row] for row in batch]), start)
        for place, row in enumerate(batch):
            lengths = compressed[row].lengths.astype(np.intp)
            floors[row] = _exact(np.repeat(found[place, : len(lengths)], lengths), need[row])
    return floors


def _compress(row: Counts, days: Days, price: Array) -> Runs:
    """The runs of one row, its counts on at most `MOST_LEVELS` levels."""
    levels = thin(np.unique(row))
    on_levels = levels[np.searchsorted(levels, row)]
    starts = run_starts(on_levels)
    return Runs(on_levels[starts], np.diff([*starts, len(row)]).astype(float), price[days.each[starts]])


def _exact(floors: Counts, need: Counts) -> Counts:
    """Between the same changes, no more than is needed."""
    starts = run_starts(floors)
    return np.repeat(np.maximum.reduceat(need, starts), np.diff([*starts, len(floors)]))


def _padded(rows: list[Runs]) -> Runs:
    """Rows of different numbers of runs in one rectangle: a run of no length repeats the last."""
    if len(rows) == 1:
        return Runs(rows[0].need[None, :], rows[0].lengths[None, :], rows[0].change[None, :])
    longest = max(len(row.need) for row in rows)
    return Runs(
        np.stack([np.pad(row.need, (0, longest - len(row.need)), mode="edge") for row in rows]),
        np.stack([np.pad(row.lengths, (0, longest - len(row.lengths))) for row in rows]),
        np.stack([np.pad(row.change, (0, longest - len(row.change)), mode="edge") for row in rows]),
    )
