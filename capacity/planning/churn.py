"""At most so many changes a day: a change gets a price, raised on the days that have too many until they have not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.planning.optimum import MOST_LEVELS, Runs, cheapest_floors, run_starts, thin

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MOST_CELLS = 8_000_000  # runs x levels x rows at once: 64 MiB of costs
MOST_ROUNDS = 60  # doublings of the price of a change: by then none is worth it


@dataclass(frozen=True, slots=True)
class Prices:
    """What a start and a change cost, in replica-steps, and how many changes a day may have."""

    start: float
    change: float
    most: int


def calm_floors(need: Counts, days: npt.NDArray[np.intp], prices: Prices) -> Counts:
    """The cheapest floors over closed needs (n, steps) with at most `most` changes on each of the `days` (steps,).

    Exact for the prices that it ends with: the least price of a change, doubled from day to day where there are too
    many (a Lagrangian relaxation of the count).
    """
    price = np.full((len(need), int(days[-1]) + 1), prices.change)  # (n, days)
    floors = _all(need, days, price, prices.start) if prices.change else need.copy()
    for _ in range(MOST_ROUNDS):
        busy = _changes(floors, days) > prices.most  # (n, days)
        rows = np.flatnonzero(busy.any(axis=1))
        if not len(rows):
            break
        least = _least_prices(need[rows], days, prices.most)
        price[rows] = np.where(busy[rows], np.maximum(2 * price[rows], least), price[rows])
        floors[rows] = _all(need[rows], days, price[rows], prices.start)
    return floors


def days_of(steps: pd.DatetimeIndex) -> npt.NDArray[np.intp]:
    """The day of each step (UTC), counted from the first (steps,)."""
    midnights = steps.normalize()
    return np.asarray((midnights - midnights[0]).days, dtype=np.intp)


def busiest_day(floors: Counts, steps: pd.DatetimeIndex) -> int:
    """Changes on the day that has most of them."""
    return int(_changes(floors[None, :], days_of(steps)).max())


def _changes(floors: Counts, days: npt.NDArray[np.intp]) -> Counts:
    """Changes on each day (n, days)."""
    moved = floors[:, 1:] != floors[:, :-1]
    starts = run_starts(days)
    whole = np.concatenate([np.zeros((len(floors), 1), dtype=bool), moved], axis=1)
    return np.add.reduceat(whole.astype(np.int64), starts, axis=1)


def _least_prices(need: Counts, days: npt.NDArray[np.intp], most: int) -> Floats:
    """Where to begin: the mean move of a day, for half of the time that a change may stand (n, days)."""
    moves = np.abs(np.diff(need, axis=1, prepend=need[:, :1]))
    starts = run_starts(days)
    total = np.add.reduceat(moves, starts, axis=1).astype(float)
    count = np.maximum(np.add.reduceat((moves > 0).astype(np.int64), starts, axis=1), 1)
    span = np.diff([*starts, len(days)])
    least: Floats = np.maximum(total / count * span / most / 2, 0.5)
    return least


def _all(need: Counts, days: npt.NDArray[np.intp], price: Floats, start: float) -> Counts:
    """The program over all rows, as many at once as fit in memory; rows of similar length together."""
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


def _compress(row: Counts, days: npt.NDArray[np.intp], price: Floats) -> Runs:
    """The runs of one row, its counts on at most `MOST_LEVELS` levels."""
    levels = thin(np.unique(row))
    on_levels = levels[np.searchsorted(levels, row)]
    starts = run_starts(on_levels)
    return Runs(on_levels[starts], np.diff([*starts, len(row)]).astype(float), price[days[starts]])


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
