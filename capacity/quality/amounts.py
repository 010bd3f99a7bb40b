"""Amounts per step that are no sales: one that is far above all others, zeros among busy hours, groups that stopped."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capacity.model.arrays import Array, Mask, Places

LEAST_STEPS = 30  # of a series, below which no amount is usual
MOST_EXTREME = 3  # steps that may be larger than all others
EXTREME, EXTREME_SHARE = 20.0, 0.05  # times all others and share of the whole, from which they change every plan
ALONE = 4.0  # times all others and times the steps beside it, from which one is no rush: it would rise and fall
BUSY = 8.0  # times the smallest step above zero, that the usual step of an hour is where chance leaves none at zero
LOWEST = 0.2  # of the usual step of an hour: what nine in ten of those above zero exceed where zeros are no low ones
MANY_ZEROS, MANY_DAYS = 0.1, 0.3  # of the steps in such hours, and of the days, from which zeros are no closing
SHORT = 4  # steps one after the other up to which zeros lie within the hours of the day
CLOSED = 0.9  # share of zeros of a day or of an hour of the day, from which it is closed
STOPPED = 0.05  # of the usual day of a group, below which its rows have stopped
LEAST_DAYS, LATELY = 3, 56  # days without rows before the end: fewer may be a holiday, more are history
LEAST_MISSING = 20.0  # rows that are missing, before it is no chance
GOING_ON = 0.3  # of the usual day of the other groups, from which the business is open
BEFORE = 28  # days that say what is usual of a group


def extreme_steps(values: Array) -> tuple[int, float, int] | None:
    """The largest step where up to three are no amounts like the others: its place, how many times larger, how many.

    Either they are twenty times all others and a considerable part of the whole, or four times all others and the
    steps on both sides: a rush of customers rises and falls.

    >>> usual = np.tile([3.0, 9.0, 5.0], 20)
    >>> usual[30] += 40
    >>> extreme_steps(usual)
    (30, 4.777777777777778, 1)
    """
    if len(values) < LEAST_STEPS:
        return None
    order: Places = np.argsort(-values, kind="stable")
    for count in range(1, MOST_EXTREME + 1):
        top, other = values[order[count - 1]], values[order[count]]
        large = top >= max(EXTREME * other, EXTREME_SHARE * values.sum())
        if other > 0 and (large or (top >= ALONE * other and _alone(values, order[:count]))):
            return int(order[0]), float(values[order[0]] / other), count
    return None


def _alone(values: Array, places: Places) -> bool:
    """Whether the steps beside each of these, but for these themselves, are far below it."""
    beside = values.copy()
    beside[places] = 0
    padded = np.concatenate(([0.0], beside, [0.0]))
    return bool((values[places] >= ALONE * np.maximum(padded[places], padded[places + 2])).all())


def lost_amounts(values: pd.Series) -> tuple[int, int] | None:
    """How many steps are zero at hours whose other steps never are nearly so, and how many such hours' steps there are.

    `values`: per step with rows, on UTC, of less than a day. None where zeros are closing times, or too few.

    >>> index = pd.date_range("2026-01-05", periods=24 * 28, freq="h", tz="UTC")
    >>> random = np.random.default_rng(1)
    >>> sold = pd.Series(random.poisson(60 + 50 * np.sin(index.hour / 12 * np.pi)).astype(float), index)
    >>> lost_amounts(sold) is None, lost_amounts(sold.where(random.random(len(sold)) < 0.5, 0.0)) is None
    (True, False)
    """
    above = values[values > 0]
    if len(above) < LEAST_STEPS or (values == 0).mean() < MANY_ZEROS / 10:
        return None
    days = values.groupby(pd.DatetimeIndex(values.index).floor("D"))
    open_days = values[(days.transform(lambda day: (day == 0).mean()) < CLOSED).to_numpy()]
    index = pd.DatetimeIndex(open_days.index)
    weekday = index.day_of_week if len(index.floor("D").unique()) >= BEFORE else 0
    hours = open_days.groupby([np.asarray(index - index.floor("D")), np.broadcast_to(weekday, len(index))])
    told = hours.transform(lambda hour: _never_low(hour.to_numpy(dtype=float), float(above.min()))).astype(bool)
    judged = open_days[told.to_numpy()]
    run = (open_days > 0).cumsum()  # of zeros one after the other, with the step above zero before them
    short = run.map(run.value_counts()) <= SHORT + 1
    zero = pd.DatetimeIndex(judged.index[(judged == 0) & short[judged.index]])
    many = len(judged) and len(zero) >= MANY_ZEROS * len(judged)
    spread = len(zero.floor("D").unique()) >= MANY_DAYS * len(index.floor("D").unique())
    return (len(zero), len(judged)) if many and spread else None


def _never_low(hour: Array, smallest: float) -> bool:
    """Whether an hour's steps are either zero or far above it."""
    above = hour[hour > 0]
    if len(above) < (1 - CLOSED) * len(hour) or not len(above):
        return False
    usual = float(np.median(above))
    return usual >= BUSY * smallest and float(np.quantile(above, 0.1)) >= LOWEST * usual


def days_stopped(own: Array, others: Array) -> int | None:
    """For how many days before the end a group has had no rows though others went on; None where it has not stopped.

    `own` and `others` are rows by day, oldest first, of a group from its first day on and of all other groups.

    >>> days_stopped(np.array([30.0] * 40 + [0.0] * 6), np.full(46, 70.0))
    6
    >>> days_stopped(np.array(([30.0] * 5 + [0.0] * 2) * 7), np.full(49, 70.0))
    """
    quiet = 0
    for place in range(len(own) - 1, BEFORE // 2, -1):
        usual = float(np.mean(own[max(0, place - BEFORE) : place]))
        if own[place] > STOPPED * usual or quiet > LATELY:
            break
        quiet += 1
    if not LEAST_DAYS <= quiet <= LATELY or len(own) - quiet < BEFORE // 2:
        return None
    before = own[:-quiet]
    usual, going = (float(np.mean(rows[:-quiet][-BEFORE:])) for rows in (own, others))
    open_days = others[-quiet:] >= GOING_ON * going
    longest = _longest(before[-2 * LATELY :] <= STOPPED * usual)
    missing = usual * int(open_days.sum())
    return quiet if open_days.mean() > 0.5 and missing >= LEAST_MISSING and quiet >= longest + LEAST_DAYS else None


def _longest(there: Mask) -> int:
    """The length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(int), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))
