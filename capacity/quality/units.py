"""Finds series that change their unit on the way, and those that add up what happened since a start."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from capacity.model.arrays import Array

LEAST_SIDE = 5  # values on each side of a change
FACTORS = np.log([100.0, 1000.0, 1024.0, 1e6, 2.0**20, 1e9, 2.0**30])  # by which units differ: cents, milli, KiB, MiB
NEARLY = 0.2  # log units: how far a change may be from such a factor
APART = 3.0  # times, by which the one side is larger than the other throughout
COUNTED = 10  # times the largest rise and the first value, beyond which what only rises is a counter
COUNTS = 0.3  # share of the steps that rise, at least
ANEW = 0.2  # of the value before, below which a counter began anew


def unit_change(values: Array) -> tuple[int, float] | None:
    """From which place on values are in another unit, and how many times larger they are; None where they are not.

    The change is once, lasts, and is by a factor between units; values of 0 and gaps tell nothing.

    >>> cores = np.tile([0.2, 0.4, 0.5, 0.3], 6)
    >>> place, times = unit_change(np.concatenate([cores, 1000 * cores]))
    >>> place, round(times)
    (24, 1000)
    >>> unit_change(np.concatenate([cores, 5 * cores]))
    """
    there = np.flatnonzero(np.nan_to_num(values) > 0)
    logs = np.log(values[there])
    if len(logs) < 2 * LEAST_SIDE:
        return None
    counts = np.arange(1, len(logs))
    sums = np.cumsum(logs)[:-1]
    apart = (sums / counts - (logs.sum() - sums) / (len(logs) - counts)) ** 2 * counts * (len(logs) - counts)
    place = int(np.argmax(apart)) + 1
    before, after = logs[:place], logs[place:]
    moved = float(np.median(after) - np.median(before))
    low, high = (before, after) if moved > 0 else (after, before)
    if min(len(low), len(high)) < LEAST_SIDE or np.abs(FACTORS - abs(moved)).min() > NEARLY:
        return None
    if np.quantile(high, 0.1) - np.quantile(low, 0.9) < np.log(APART):
        return None
    return int(there[place]), float(np.exp(moved))


def only_adds_up(values: Array, span: timedelta, resets: float) -> bool:
    """Whether values add up what happened since a start: they rise, and fall only where they begin anew.

    `resets` is the share of steps that may do so. What rises for less than a day is a morning, unless it rises from
    next to nothing.

    >>> only_adds_up(np.cumsum(np.arange(30.0) % 7), timedelta(days=2), 0.0)
    True
    """
    moves = np.diff(values)
    rises = moves[moves > 0]
    anew = (moves < 0) & (values[1:] < ANEW * values[:-1])
    if len(rises) < max(1, COUNTS * len(moves)) or anew.sum() > resets * len(moves) or ((moves < 0) & ~anew).any():
        return False
    return span >= timedelta(days=1) or bool(values[-1] > COUNTED * (values[0] + rises.max()))
