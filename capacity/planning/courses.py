"""The cheapest courses of many workloads at once, where a change has a price on each day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.domain.arrays import Array, Counts
from capacity.planning.days import Days
from capacity.planning.optimum import MOST_LEVELS, Runs, cheapest_floors, run_starts, thin

MOST_CELLS = 8_000_000  # runs x levels x rows at once: 64 MiB of costs


@dataclass(frozen=True, slots=True)
class Prices:
    """What a start and a change cost, in replica-steps."""

    start: float
    change: float


def cheapest_courses(need: Counts, days: Days, price: Array, start: float) -> Counts:
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
    longest = max(len(row.need) for row in rows)
    return Runs(
        np.stack([np.pad(row.need, (0, longest - len(row.need)), mode="edge") for row in rows]),
        np.stack([np.pad(row.lengths, (0, longest - len(row.lengths))) for row in rows]),
        np.stack([np.pad(row.change, (0, longest - len(row.change)), mode="edge") for row in rows]),
    )
