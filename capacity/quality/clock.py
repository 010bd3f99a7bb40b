"""Whether times are on the clock that they are said to be on: a business keeps its hours when the clock is changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from capacity.model.arrays import Array, Places

HOUR = pd.Timedelta(hours=1)
SIDE = 21  # days on each side of a change that are compared: three of each weekday
LEAST_DAYS = 10  # days on each side that must tell, before anything is said of a change
MOVES = (0, 1, -1)  # of the profile on the zone's clock, in widths of the change
SURE = 4.0  # standard errors by which one move must explain the days better than the others
MOST = 0.6  # and share of the days that it explains best
LEAST_COUNT = 8.0  # of a day: fewer have no profile
CHANGES = 4  # newest changes that are looked at: two years
ANYTIME = 0.02  # share of a day's rows that may come at any time, so that nothing is impossible


@dataclass(frozen=True, slots=True)
class ClockMove:
    """That the day's profile moved on a zone's clock when this was changed, on local date `day`.

    `with_clock`: the profile moved as far as the clock and the same way, so that it kept its time in UTC; else it
    moved against the clock, as times in UTC do that are read as local ones.
    """

    day: date
    with_clock: bool


def find_clock_move(counts: pd.Series, zone: str) -> ClockMove | None:
    """Whether the daily profile moves by an hour where the clock of a zone is changed; None where it keeps its hours.

    `counts` has one value per step on a regular UTC index; steps longer than an hour tell nothing. Each day in the
    three weeks after a change is compared with the same weekdays of the three weeks before it, moved by the width of
    the change in both directions and not at all; days before it with each other. Something is found where a move
    explains the days far better than chance, and no other change tells otherwise.

    >>> at = pd.date_range("2026-03-01", "2026-04-26", freq="h", tz="UTC", inclusive="left")
    >>> opened = pd.Series(np.where((at.hour >= 9) & (at.hour < 17), 20.0, 0.0), at)
    >>> find_clock_move(opened, "Europe/Berlin")
    ClockMove(day=datetime.date(2026, 3, 29), with_clock=True)
    >>> find_clock_move(opened, "UTC")
    """
    index = counts.index
    if not isinstance(index, pd.DatetimeIndex) or len(index) < 2 * LEAST_DAYS or index[1] - index[0] > HOUR:
        return None
    local = index.tz_convert(zone).tz_localize(None)
    offsets = np.asarray((local - index.tz_localize(None)) / HOUR, dtype=float)
    places = np.flatnonzero(np.diff(offsets))[-CHANGES:] + 1
    if not len(places):
        return None
    table, first = _days(counts.to_numpy(dtype=float), local, index[1] - index[0])
    found = []
    for place in places:
        day = (local[place].normalize() - first).days
        width = round((offsets[place] - offsets[place - 1]) * HOUR / (index[1] - index[0]))
        side = _side(table, day, width)
        if side is not None:
            found.append((local[place].date(), side))
    sides = {side for _, side in found}
    if not found or len(sides) > 1 or sides == {0}:
        return None
    return ClockMove(found[-1][0], found[-1][1] > 0)


def _days(values: Array, local: pd.DatetimeIndex, step: pd.Timedelta) -> tuple[Array, pd.Timestamp]:
    """Counts by local day and step of the day, and the first day; an hour that the clock shows twice has both."""
    first = local[0].normalize()
    day: Places = np.asarray((local.normalize() - first) // pd.Timedelta(days=1), dtype=np.intp)
    slot: Places = np.asarray((local - local.normalize()) // step, dtype=np.intp)
    table = np.zeros((int(day.max()) + 1, int(timedelta(days=1) / step)))
    np.add.at(table, (day, slot), np.nan_to_num(values))
    return table, first


def _side(table: Array, day: int, width: int) -> int | None:
    """Which way days after a change moved: 1 with the clock, -1 against it, 0 not at all; None where they do not tell.

    The day of the change itself and the first and last of the table, which may be partial, have no part.
    """
    begin, end = max(1, day - SIDE), min(len(table) - 1, day + 1 + SIDE)
    before, after = np.arange(begin, day), np.arange(day + 1, end)
    settled, moved = (_likelihoods(table, days, before, width) for days in (before, after))
    if min(len(settled), len(moved)) < LEAST_DAYS or not _is_best(settled, 0):
        return None
    return next((side for side in MOVES if _is_best(moved, side)), None)


def _is_best(likelihoods: Array, side: int) -> bool:
    """Whether a move explains the days better than each other one, by far more than days differ, and most of them."""
    best = likelihoods[:, MOVES.index(side)]
    gains = np.array([best - likelihoods[:, place] for place, other in enumerate(MOVES) if other != side])
    error = gains.std(axis=1) / np.sqrt(gains.shape[1])
    return bool((gains.mean(axis=1) > SURE * error).all() and (gains.min(axis=0) > 0).mean() > MOST)


def _likelihoods(table: Array, days: Places, usual: Places, width: int) -> Array:
    """Of each day that tells, how likely its rows are by the usual days' profile under each of the moves: (days, 3)."""
    found = []
    for day in days:
        same = usual[((usual - day) % 7 == 0) & (usual != day)]
        shape = table[same].sum(axis=0)
        if len(same) == 0 or min(table[day].sum(), shape.sum()) < LEAST_COUNT:
            continue
        shape = (1 - ANYTIME) * shape / shape.sum() + ANYTIME / len(shape)
        found.append([float(table[day] @ np.log(np.roll(shape, side * width))) for side in MOVES])
    return np.array(found).reshape(-1, len(MOVES))
