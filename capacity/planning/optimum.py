"""The cheapest floors over a need: run cost, start cost, cost of a change, cost of overload.

Least ``sum x_t + start (x_t - x_{t-1})^+ + change [x_t != x_{t-1}] + overload E(D_t - x_t)^+`` over ``x_t >= need_t``,
in replica-steps, begun from nothing. Without the last two costs every level of replicas is a problem of its own (Lu,
Chen, Andrew, arXiv 1112.0442): it stays on over gaps of up to `start` steps, which is the grayscale closing of the
need. With them it is a dynamic program over runs of equal need: a change only pays where the closed need changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capacity.domain.arrays import Array, Counts, Mask, Places

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
    count, (height, rows) = runs.need.shape[1], grid.shape
    places, ramp = np.arange(height)[:, None], start * grid
    values, moved = np.empty((count, height, rows)), np.zeros((count, height, rows), dtype=bool)
    before = ramp  # what stands at the beginning was started too: nothing is gained by beginning high
    for run in range(count):
        here = values[run]
        if run:
            np.minimum.accumulate(before - ramp, axis=0, out=here)
            here += ramp
            fallen = np.minimum.accumulate(before[::-1], axis=0)[::-1]
            np.minimum(here, fallen, out=here)
            here += runs.change[:, run]
            np.less(here, before, out=moved[run])
            np.minimum(here, before, out=here)
        else:
            here[:] = before
        here += runs.lengths[:, run] * grid
        if extra is not None:
            here += extra(run, grid)
        here[places < lowest[run]] = np.inf
        before = here
    return values, moved


def _walk_back(values: Array, moved: Mask, grid: Array, start: float) -> Counts:
    """From the cheapest end, the level of every run (n, R); where staying is as cheap, nothing changes."""
    count, _, rows = values.shape
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
