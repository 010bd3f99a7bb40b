"""At most so many changes a day: a change gets a price, raised on the days that have too many until they have not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capacity.planning.optimum import MOST_CELLS, MOST_ROUNDS, Runs, cheapest_floors, run_starts

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


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
        least = _least_prices(need[rows], days)
        price[rows] = np.where(busy[rows], np.maximum(2 * price[rows], least), price[rows])
        floors[rows] = _all(need[rows], days, price[rows], prices.start)
    return floors


def _changes(floors: Counts, days: npt.NDArray[np.intp]) -> Counts:
    """Changes on each day (n, days)."""
    moved = floors[:, 1:] != floors[:, :-1]
    starts = run_starts(days)
    whole = np.concatenate([np.zeros((len(floors), 1), dtype=bool), moved], axis=1)
    return np.add.reduceat(whole.astype(np.int64), starts, axis=1)


def _least_prices(need: Counts, days: npt.NDArray[np.intp]) -> Floats:
    """Where to begin: the mean move of a day times half of the mean time between two (n, days)."""
    moves = np.abs(np.diff(need, axis=1, prepend=need[:, :1]))
    starts = run_starts(days)
    total = np.add.reduceat(moves, starts, axis=1).astype(float)
    count = np.maximum(np.add.reduceat((moves > 0).astype(np.int64), starts, axis=1), 1)
    span = np.diff([*starts, len(days)])
    least: Floats = np.maximum(total / count * (span / count) / 2, 0.5)
    return least


def _all(need: Counts, days: npt.NDArray[np.intp], price: Floats, start: float) -> Counts:
    """The program over all rows, as many at once as fit."""
    floors = np.empty_like(need)
    compressed = [_compress(row, days, cost) for row, cost in zip(need, price, strict=True)]
    order = sorted(range(len(need)), key=lambda row: len(compressed[row][0]))
    while order:
        longest = len(compressed[order[-1]][0])
        levels = 1 + max(int(np.ptp(compressed[row][0])) for row in order[-64:])
        batch = order[-max(1, MOST_CELLS // (longest * min(levels, longest))) :]
        order = order[: -len(batch)]
        found = cheapest_floors(_padded([compressed[row] for row in batch]), start)
        for place, row in enumerate(batch):
            lengths = compressed[row][1].astype(np.intp)
            floors[row] = np.repeat(found[place, : len(lengths)], lengths)
    return floors


def _compress(row: Counts, days: npt.NDArray[np.intp], price: Floats) -> tuple[Counts, Floats, Floats]:
    starts = run_starts(row)
    lengths = np.diff([*starts, len(row)]).astype(float)
    return row[starts], lengths, price[days[starts]]


def _padded(rows: list[tuple[Counts, Floats, Floats]]) -> Runs:
    """Rows of different numbers of runs in one rectangle: a run of no length repeats the last."""
    longest = max(len(need) for need, _, _ in rows)
    need = np.stack([np.pad(row[0], (0, longest - len(row[0])), mode="edge") for row in rows])
    lengths = np.stack([np.pad(row[1], (0, longest - len(row[1]))) for row in rows])
    change = np.stack([np.pad(row[2], (0, longest - len(row[2])), mode="edge") for row in rows])
    return Runs(need, lengths, change)
