"""Operations on steps of days and of calendar months."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capacity.model import MONTH, DataError
from capacity.model.arrays import Array, Places
from capacity.stats import median, nan_median

WEEK_DAYS = 7
CLOSED = 0.2  # of the weekday's neighbours: below it a weekday is closed, and no evidence for a level
SORTED = 20_000  # values in all windows together up to which sorting each is faster than pandas' running order
RUN = 5  # steps whose median is low in a closure; single holidays do not move a median of weeks


def numbers(series: pd.Series, name: str) -> pd.Series:
    """A series as floating point numbers. Raises `DataError` where it holds something else; `name` says whose it is.

    >>> numbers(pd.Series([1, None], dtype="object"), "sales").tolist()
    [1.0, nan]
    """
    try:
        return series.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: expected numbers, got {series.dtype}") from error


def without_week(logs: Array, days_per_slot: float) -> Array:
    """Logarithms without the weekday's usual difference from the days around it; closed weekdays become gaps."""
    if days_per_slot > 1 or len(logs) < 3 * WEEK_DAYS:
        return logs
    off = logs - rolling_median(logs, WEEK_DAYS, center=True)
    padded = np.concatenate([off, np.full(-len(off) % WEEK_DAYS, np.nan)])
    usual = np.nan_to_num(nan_median(padded.reshape(-1, WEEK_DAYS), 0))
    profile = np.tile(usual, len(padded) // WEEK_DAYS)[: len(logs)]
    return np.where(profile < np.log(CLOSED), np.nan, logs - profile)


def without_closures(logs: Array, window: int) -> Array:
    """Logarithms with gaps where business was closed for three steps to half a window."""
    if not np.nanmin(logs) < median(logs) + np.log(CLOSED):
        return logs
    before, after = rolling_median(logs, window), rolling_median(logs[::-1], window)[::-1]
    still = rolling_median(logs, RUN, center=True) < np.fmin(before, after) + np.log(CLOSED)
    return np.where(still, np.nan, logs)


def rolling_median(values: Array, window: int, *, center: bool = False, least: int | None = None) -> Array:
    """The median of the last `window` values (centred: around each), NaN with less than `least` of them (half)."""
    few = max(1, window // 2) if least is None else least
    if len(values) * window > SORTED:
        return np.asarray(pd.Series(values).rolling(window, min_periods=few, center=center).median(), dtype=np.float64)
    after = (window - 1) // 2 if center else 0  # to the last bit what pandas gives
    finite = np.where(np.isinf(values), np.nan, values)
    padded = np.concatenate([np.full(window - 1 - after, np.nan), finite, np.full(after, np.nan)])
    return nan_median(np.lib.stride_tricks.sliding_window_view(padded, window), 1, few)


LEAST = 3  # steps from which month starts are no coincidence
SHORTEST_MONTH = 27 * 86_400  # seconds: fewer than any month has, with an hour to spare for a change of the clock
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def month_numbers(index: pd.DatetimeIndex, timezone: str) -> Places:
    """Months since year 0 on the local calendar.

    >>> month_numbers(pd.DatetimeIndex(["2025-12-31 23:00"], tz="UTC"), "Europe/Berlin") - 2026 * 12
    array([0])
    """
    local = index.tz_convert(timezone)
    return np.asarray(local.year * 12 + local.month - 1, dtype=np.intp)


def month_zone(index: pd.DatetimeIndex, timezone: str = "UTC") -> str | None:
    """The zone (the given one, or UTC) in which every step is the first midnight of a month; None where in neither.

    >>> month_zone(pd.date_range("2026-01-01", periods=5, freq="QS", tz="UTC"))
    'UTC'
    """
    if len(index) < LEAST or _closer_than_months(index):
        return None
    for zone in (timezone, "UTC"):
        local = index.tz_convert(zone)
        if bool(((local.day == 1) & (local == local.normalize())).all()):
            return zone
    return None


def _closer_than_months(index: pd.DatetimeIndex) -> bool:
    """Whether the first steps are too close for months, as in nearly every series; repeated steps are not compared."""
    apart = np.abs(np.diff(index.asi8[:LEAST]))
    return bool(((apart > 0) & (apart < SHORTEST_MONTH * PER_SECOND[index.unit])).any())


def months_apart(index: pd.DatetimeIndex, timezone: str = "UTC") -> int:
    """The number of months between steps that are month starts (12: years); 0 if they are not month starts.

    >>> months_apart(pd.date_range("2026-01-01", periods=5, freq="QS", tz="UTC"))
    3
    """
    zone = month_zone(index, timezone)
    return 0 if zone is None else int(np.gcd.reduce(np.diff(month_numbers(index, zone))))


def month_starts(first: pd.Timestamp, periods: int, months: int, zone: str) -> pd.DatetimeIndex:
    """The first midnights of `periods` steps of so many months, from the one that begins at `first`, in UTC.

    >>> month_starts(pd.Timestamp("2026-01-01", tz="UTC"), 3, 1, "UTC")[-1]
    Timestamp('2026-03-01 00:00:00+0000', tz='UTC')
    """
    local = pd.date_range(first.tz_convert(zone).tz_localize(None), periods=periods, freq=pd.DateOffset(months=months))
    return local.tz_localize(zone, nonexistent="shift_forward").tz_convert("UTC")


def evened(history: pd.Series) -> pd.Series:
    """A history of month starts on steps as long as the mean month, gaps as NaN; any other is returned as it is.

    >>> monthly = pd.Series([1.0, 2.0, 3.0], pd.DatetimeIndex(["2026-01-01", "2026-02-01", "2026-04-01"], tz="UTC"))
    >>> evened(monthly).tolist()
    [1.0, 2.0, nan, 3.0]
    """
    index = history.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        return history
    zone = month_zone(index, str(history.attrs.get("timezone", "UTC")))
    if zone is None:
        return history
    apart = months_apart(index, zone)
    slots = (month_numbers(index, zone) - month_numbers(index[:1], zone)[0]) // apart
    values = np.full(slots[-1] + 1, np.nan)
    values[slots] = history.to_numpy(dtype=np.float64)
    even = pd.Series(values, pd.date_range(index[0], periods=len(values), freq=pd.Timedelta(apart * MONTH)))
    even.attrs = dict(history.attrs)
    return even
