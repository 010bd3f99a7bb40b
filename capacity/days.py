"""A history as days: their means, and their logarithms without what the weekday and closures do to them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capacity.domain.arrays import Array

WEEK_DAYS = 7
CLOSED = 0.2  # of the weekday's neighbours: below it a weekday is closed, and no evidence for a level
RUN = 5  # steps whose median is low in a closure; single holidays do not move a median of weeks


def without_week(logs: Array, days_per_slot: float) -> Array:
    """Logs less the weekday's usual distance from the days around it; closed weekdays become gaps."""
    if days_per_slot > 1 or len(logs) < 3 * WEEK_DAYS:
        return logs
    off = logs - rolling_median(logs, WEEK_DAYS, center=True)
    padded = np.concatenate([off, np.full(-len(off) % WEEK_DAYS, np.nan)])
    usual = np.nan_to_num(pd.DataFrame(padded.reshape(-1, WEEK_DAYS)).median().to_numpy(dtype=np.float64))
    profile = np.tile(usual, len(padded) // WEEK_DAYS)[: len(logs)]
    return np.where(profile < np.log(CLOSED), np.nan, logs - profile)


def without_closures(logs: Array, window: int) -> Array:
    """Logs with gaps where business stood still for three steps to half a window and then went on."""
    if not np.nanmin(logs) < np.nanmedian(logs) + np.log(CLOSED):
        return logs
    before, after = rolling_median(logs, window), rolling_median(logs[::-1], window)[::-1]
    still = rolling_median(logs, RUN, center=True) < np.fmin(before, after) + np.log(CLOSED)
    return np.where(still, np.nan, logs)


def rolling_median(values: Array, window: int, *, center: bool = False, least: int | None = None) -> Array:
    """The median of the last `window` values (centred: around each), NaN with less than `least` of them (half)."""
    few = max(1, window // 2) if least is None else least
    return np.asarray(pd.Series(values).rolling(window, min_periods=few, center=center).median(), dtype=np.float64)
