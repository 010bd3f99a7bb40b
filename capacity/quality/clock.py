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


FURTHEST = 26  # hours by which two clocks differ at most, with a day that is taken for another
LEAST_COMMON = 7 * 24  # hours in which both are known
LONG = 21 * 24  # hours from which each hour of the week is known
FOLLOWS = 0.5  # correlation of usage with sales on the better clock
OWN = 0.2  # the same of what repeats by neither day nor week
SURER = 5.0  # standard errors by which one lag must be better than none
DEPENDENT = 4.0  # hours that count as one, since what is unusual lasts


def find_hours_apart(sales: pd.Series, usage: pd.DataFrame) -> int | None:
    """By how many whole hours usage comes after its sales (below zero: before), on the clocks of both; None: together.

    What is unusual of an hour shows in sales and in usage at the same time, however alike all days are: the lag at
    which the deviations from the usual hour of the week correlate must be far surer than none, and sales as a whole
    must correlate better there too. Both are regular series on UTC with steps of an hour or less, over a week or more.

    >>> random = np.random.default_rng(1)
    >>> index = pd.date_range("2026-01-05", periods=24 * 21, freq="h", tz="UTC")
    >>> sold = pd.Series(random.poisson(50 + 40 * np.sin(index.hour * np.pi / 12)), index, dtype=float)
    >>> find_hours_apart(sold, pd.DataFrame({"cpu": 1 + 0.02 * sold}))
    >>> find_hours_apart(sold, pd.DataFrame({"cpu": 1 + 0.02 * sold.shift(-8)}))
    -8
    """
    name = next((name for name in ("requests", "cpu") if name in usage.columns), None)
    if name is None or not _is_hourly(sales) or not _is_hourly(usage[name]):
        return None
    hourly = sales.resample("1h").sum(min_count=1), usage[name].resample("1h").mean()
    pair = pd.concat(hourly, axis=1, sort=True).asfreq("1h")
    if pair.notna().all(axis=1).sum() < LEAST_COMMON:
        return None
    whole = _by_lag(*(pair.iloc[:, place].to_numpy(dtype=float) for place in (0, 1)))
    unusual = [_beyond_usual(pair.iloc[:, place]) for place in (0, 1)]
    for own in (_by_lag(*unusual), _by_lag(*(np.diff(one) for one in unusual))):  # what lasts tells by its changes
        best = _surest(own, int(pair.notna().all(axis=1).sum()))
        if best and whole[best + FURTHEST] >= max(FOLLOWS, whole[FURTHEST]):
            return best
    return None


def _surest(correlation: Array, count: int) -> int:
    """The lag of the highest correlation where it is far surer than none; else 0."""
    best = int(np.argmax(correlation)) - FURTHEST
    gain = float(np.arctanh(correlation[best + FURTHEST]) - np.arctanh(correlation[FURTHEST]))
    sure = gain * np.sqrt(count / DEPENDENT) > SURER
    return best if sure and correlation[best + FURTHEST] >= OWN else 0


def _is_hourly(series: pd.Series) -> bool:
    return len(series) > 1 and series.index[1] - series.index[0] <= HOUR


def _beyond_usual(series: pd.Series) -> Array:
    """How far each hour is from the usual one of the week, or of the day where there are few weeks."""
    index = pd.DatetimeIndex(series.index)
    hours = index.hour + (24 * index.day_of_week if len(index) >= LONG else 0)
    beyond: Array = (series - series.groupby(np.asarray(hours)).transform("median")).to_numpy(dtype=float)
    spread = np.nanquantile(np.abs(beyond), 0.99)
    return np.clip(beyond, -spread, spread)


def _by_lag(sales: Array, usage: Array) -> Array:
    """Correlation of usage with the sales so many hours before, from `-FURTHEST` to `FURTHEST`."""
    found = []
    for lag in range(-FURTHEST, FURTHEST + 1):
        before, after = (sales[: len(sales) - lag], usage[lag:]) if lag >= 0 else (sales[-lag:], usage[:lag])
        there = np.isfinite(before) & np.isfinite(after)
        x, y = before[there] - before[there].mean(), after[there] - after[there].mean()
        power = float(np.sqrt((x**2).sum() * (y**2).sum()))
        found.append(min(0.999, float((x * y).sum()) / power) if power > 0 else 0.0)
    return np.array(found)
