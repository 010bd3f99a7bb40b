"""Level shifts: when a business changed size overnight, found and dated: a reader asks since when the level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.forecast.history import nan_median, typical
from capacity.forecast.setting import Array

BLOCKS = 14  # on each side of a shift: two weeks of days tell a new level from a holiday
RATIO = 1.5  # a new level is at least half as much again, or a third less; smaller changes are growth
CLEAR = 6.0  # standard errors between the medians of both sides
WEEK = 7  # blocks: a working week is no shift
CLOSED = 0.02  # of the usual: such a day was closed and says nothing about the level
LEAST_SPREAD = 0.02  # log units: below it the noise of a very regular business would make every ripple a shift


@dataclass(frozen=True, slots=True)
class LevelShift:
    """From `slot` on the level is `ratio` times what it was."""

    slot: int
    ratio: float


def level_shifts(row: Array, season_length: int) -> tuple[LevelShift, ...]:
    """The shifts of a history (T,), oldest first, dated to a season of `season_length` steps.

    Means of blocks of one season, their weekdays evened out, are compared; a shift is where the medians of the
    fortnights before and after differ most, by a factor of 1.5 and by six standard errors.

    >>> level_shifts(np.r_[np.full(60, 17.0), np.full(60, 46.0)], 1)
    (LevelShift(slot=60, ratio=2.71),)
    """
    logs = _block_logs(row, season_length)
    if len(logs) < 2 * BLOCKS:
        return ()
    windows = np.lib.stride_tricks.sliding_window_view(logs, BLOCKS)
    medians = nan_median(windows, 1)
    spreads = 1.4826 * nan_median(np.abs(windows - medians[:, None]), 1)
    jump = medians[BLOCKS:] - medians[:-BLOCKS]  # at block BLOCKS + i
    spread = np.hypot(spreads[BLOCKS:], spreads[:-BLOCKS]) * 1.25 / np.sqrt(BLOCKS)  # of a median, in Gaussian noise
    score = np.nan_to_num(np.abs(jump) / np.maximum(spread, LEAST_SPREAD))
    score[np.nan_to_num(np.abs(jump)) < np.log(RATIO)] = 0.0
    found = [_sharpest(logs, place + BLOCKS, score) for place in _peaks(score)]
    return tuple(LevelShift(block * season_length, round(float(np.exp(jump[at])), 2)) for block, at in found)


def _block_logs(row: Array, season_length: int) -> Array:
    """Logarithms of each block's mean without its weekday's share, NaN for gaps and closed days: (blocks,)."""
    count = len(row) // season_length
    if count < 2 * BLOCKS:
        return np.empty(0)
    blocks = row[: count * season_length].reshape(count, season_length)
    seen = ~np.isnan(blocks)
    mean = np.nansum(blocks, axis=1) / np.maximum(seen.sum(axis=1), 1)
    open_days = (seen.mean(axis=1) >= 0.5) & (mean > CLOSED * np.median(mean))
    logs = np.where(open_days, np.log(np.where(open_days, mean, 1.0)), np.nan)
    if count < 4 * WEEK:
        return logs
    padded = np.pad(logs, WEEK // 2, constant_values=np.nan)
    off = logs - nan_median(np.lib.stride_tricks.sliding_window_view(padded, WEEK), 1)
    return np.asarray(logs - typical(off[None, :], (WEEK,))[0])


def _peaks(score: Array) -> list[int]:
    """Places that score above the bar and highest within a fortnight."""
    places = []
    left = score.copy()
    while left.size and left.max() > CLEAR:
        place = int(left.argmax())
        places.append(place)
        left[max(0, place - BLOCKS) : place + BLOCKS + 1] = 0.0
    return sorted(places)


def _sharpest(logs: Array, block: int, score: Array) -> tuple[int, int]:
    """The block that splits the fortnights around a peak into the most even halves, and the place of its jump."""
    around = logs[max(0, block - BLOCKS) : block + BLOCKS]
    start = max(0, block - BLOCKS)
    cuts = range(max(1, block - start - BLOCKS // 2), min(len(around) - 1, block - start + BLOCKS // 2) + 1)
    best = min(cuts, key=lambda cut: _unevenness(around[:cut]) + _unevenness(around[cut:]))
    return start + best, min(block - BLOCKS, len(score) - 1)


def _unevenness(values: Array) -> float:
    seen = values[~np.isnan(values)]
    return float(((seen - seen.mean()) ** 2).sum()) if len(seen) else 0.0
