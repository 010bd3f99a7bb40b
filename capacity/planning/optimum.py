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

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Extra = Callable[[int, Floats], Floats]  # (run, levels (n, K)) -> cost of overload (n, K)
MOST_LEVELS = 256  # different counts in one row's program: of more, every so-manyth (a rise of 0.2 % on average)
MOST_CELLS = 8_000_000  # runs x levels x rows at once: 64 MiB of costs
MOST_ROUNDS = 60  # doublings of the price of a change: by then none is worth it


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows of runs of equal need: `need` and `lengths` (n, R), and what changing before each run costs (n, R)."""

    need: Counts
    lengths: Floats
    change: Floats


def close_gaps(need: Counts, gap: int) -> Counts:
    """Grayscale closing (..., steps): a valley of at most `gap` steps is filled to its lower shore.

    >>> close_gaps(np.array([3, 1, 1, 2, 0, 0, 0, 2]), 2).tolist()
    [3, 2, 2, 2, 0, 0, 0, 2]
    """
    if gap <= 0:
        return need.copy()
    count = need.shape[-1]
    pad = [(0, 0)] * (need.ndim - 1) + [(gap, gap)]
    wide = np.pad(need, pad, constant_values=np.iinfo(need.dtype).min)
    dilated = _sliding(wide, gap + 1, np.maximum)  # (..., count + gap): the highest of the last gap + 1 steps
    return _sliding(dilated, gap + 1, np.minimum)[..., :count]


def _sliding(values: Counts, width: int, extreme: np.ufunc) -> Counts:
    """The extreme over ``[t, t + width)``, for every t where that fits, in log2(width) passes."""
    reached, done = values, 1
    while done < width:
        hop = min(done, width - done)
        reached = extreme(reached[..., :-hop], reached[..., hop:])
        done += hop
    return reached


def run_starts(row: npt.NDArray[np.generic]) -> npt.NDArray[np.intp]:
    """Where runs of equal values begin (runs,)."""
    return np.concatenate([[0], np.flatnonzero(row[1:] != row[:-1]) + 1])


def cheapest_floors(runs: Runs, start: float, extra: Extra | None = None, levels: Floats | None = None) -> Counts:
    """The cheapest floors over each run (n, R); `start` in steps. Exact over the levels.

    `levels` (n, K) ascending: the counts that may stand, default those of the need; `extra` adds a cost per run.

    >>> valley = Runs(np.array([[3, 1, 3]]), np.array([[4.0, 2.0, 4.0]]), np.zeros((1, 3)))
    >>> cheapest_floors(valley, start=1.5).tolist(), cheapest_floors(valley, start=2.5).tolist()
    ([[3, 1, 3]], [[3, 3, 3]])
    """
    grid = _levels(runs.need) if levels is None else levels
    lowest = _places(grid, runs.need)  # (n, R): the first level that serves the run
    value = _values(runs, grid, lowest, start, extra)  # (R, n, K)
    return _walk_back(value, grid, runs.change, start).astype(np.int64)


def _levels(need: Counts) -> Floats:
    """The different needs of each row, ascending, filled up with infinity (n, K)."""
    ordered = np.sort(need, axis=1)
    fresh = np.concatenate([np.ones((len(need), 1), dtype=bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    rows = [thin(row[new]) for row, new in zip(ordered, fresh, strict=True)]
    grid = np.full((len(need), max(map(len, rows))), np.inf)
    for place, row in enumerate(rows):
        grid[place, : len(row)] = row
    return grid


def thin(levels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """At most `MOST_LEVELS` of ascending levels, the highest among them."""
    if len(levels) <= MOST_LEVELS:
        return levels
    places = np.unique(np.linspace(0, len(levels) - 1, MOST_LEVELS).round().astype(np.intp))
    return levels[places]


def _places(grid: Floats, need: Counts) -> npt.NDArray[np.intp]:
    return np.stack([np.searchsorted(levels, row) for levels, row in zip(grid, need, strict=True)])


def _values(runs: Runs, grid: Floats, lowest: npt.NDArray[np.intp], start: float, extra: Extra | None) -> Floats:
    """The least cost up to and including each run, by the level that stands in it (R, n, K)."""
    rows, count = runs.need.shape
    places = np.arange(grid.shape[1])
    finite = np.where(np.isfinite(grid), grid, 0.0)
    ramp = start * finite
    value = np.empty((count, rows, grid.shape[1]))
    before = ramp.copy()  # what stands at the beginning was started too: nothing is gained by beginning high
    for run in range(count):
        if run:
            price = runs.change[:, run, None]
            risen = np.minimum.accumulate(before - ramp, axis=1) + ramp
            fallen = np.minimum.accumulate(before[:, ::-1], axis=1)[:, ::-1]
            before = np.minimum(before, np.minimum(risen, fallen) + price)
        cost = runs.lengths[:, run, None] * finite
        if extra is not None:
            cost = cost + extra(run, finite)
        before = before + cost
        before[(places < lowest[:, run, None]) | ~np.isfinite(grid)] = np.inf
        value[run] = before
    return value


def _walk_back(value: Floats, grid: Floats, change: Floats, start: float) -> Floats:
    """From the cheapest end, the level of every run (n, R); where staying is as cheap, nothing changes."""
    count, rows, _ = value.shape
    each = np.arange(rows)
    finite = np.where(np.isfinite(grid), grid, 0.0)
    at = value[-1].argmin(axis=1)  # (n,)
    found = np.empty((rows, count))
    found[:, -1] = grid[each, at]
    for run in range(count - 1, 0, -1):
        here = finite[each, at]
        cost = value[run - 1] + start * np.maximum(here[:, None] - finite, 0.0) + change[:, run, None]
        cost[each, at] = value[run - 1][each, at] - 1e-9
        at = cost.argmin(axis=1)
        found[:, run - 1] = grid[each, at]
    return found
