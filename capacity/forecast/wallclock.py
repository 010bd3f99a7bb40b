"""The business's wall clock: UTC steps laid on a regular local grid, so that noon stays noon when the clocks change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from capacity.domain import DataError, require
from capacity.forecast.setting import Array

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WallClock:
    """Slots of length `step` counted on the local clock of `timezone` from the first step of a history.

    The hour that a clock change skips is a slot nobody fills; the hour that comes twice shares its slot. Steps of a
    day and more have no hour to keep and are counted in UTC.
    """

    first: pd.Timestamp
    step: timedelta
    timezone: str

    def slots(self, index: pd.DatetimeIndex) -> NDArray[np.intp]:
        """The slot of every UTC step.

        >>> clock = WallClock(pd.Timestamp("2026-10-25", tz="UTC"), timedelta(hours=1), "Europe/Berlin")
        >>> clock.slots(pd.date_range("2026-10-25", periods=4, freq="h", tz="UTC"))
        array([0, 0, 1, 2])
        """
        if self.step >= DAY:
            return np.asarray((index - self.first) / self.step).round().astype(np.intp)
        local = index.tz_convert(self.timezone).tz_localize(None)
        anchor = self.first.tz_convert(self.timezone).tz_localize(None)
        return np.floor(np.asarray((local - anchor) / self.step) + 0.5).astype(np.intp)

    def date(self, slot: int) -> str:
        """The local date of a slot, for people."""
        return str((self.first.tz_convert(self.timezone) + slot * self.step).date())

    def row(self, series: pd.Series) -> Array:
        """The values of a series on consecutive slots, the mean where two steps share one: (slots,), NaN for a gap."""
        known = series.dropna()
        slots = self.slots(pd.DatetimeIndex(series.index))
        total, count = np.zeros(slots.max() + 1), np.zeros(slots.max() + 1)
        at = self.slots(pd.DatetimeIndex(known.index))
        np.add.at(total, at, known.to_numpy(dtype=np.float64))
        np.add.at(count, at, 1.0)
        return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def regular_step(sales: pd.Series) -> timedelta:
    """The step of a checked series: UTC, ascending, unique, on one grid, at least 4 values, none below zero.

    >>> regular_step(pd.Series(1.0, pd.date_range("2026-01-01", periods=5, freq="15min", tz="UTC")))
    datetime.timedelta(seconds=900)
    """
    index = sales.index
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"sales: expected a DatetimeIndex in UTC, got {type(index).__name__}")
    require(str(index.tz) == "UTC", "sales: expected a UTC index, got {}", index.tz or "naive times; use tz_localize")
    require(index.is_unique, "sales: expected unique steps, got {} twice", index[index.duplicated()][:1].tolist())
    require(index.is_monotonic_increasing, "sales: expected ascending steps, got them unsorted; use sort_index")
    require(
        int(sales.notna().sum()) >= 4, "sales: expected at least 4 steps with data, got {}", int(sales.notna().sum())
    )
    _require_usable(sales)
    gaps = np.diff(index.asi8)
    step = pd.Timedelta(int(gaps.min()), unit=index.unit)
    odd = gaps[gaps % gaps.min() != 0]
    require(
        len(odd) == 0,
        "sales: expected steps {} apart up to gaps, got {}",
        step,
        pd.Timedelta(int(odd[0]) if len(odd) else 0, unit=index.unit),
    )
    require(step >= pd.Timedelta(seconds=1), "sales: expected steps of a second or more, got {}", step)
    answer: timedelta = step.to_pytimedelta()
    return answer


def _require_usable(sales: pd.Series) -> None:
    try:
        values = sales.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sales: expected numbers, got {sales.dtype}") from error
    require(not np.isinf(values).any(), "sales: expected finite values, got infinity")
    lowest = np.nanmin(values)
    require(bool(lowest >= 0), "sales: expected values >= 0, got {}", lowest)


def require_zone(timezone: str) -> str:
    """The name of a time zone that exists, or `DataError`."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DataError(f"timezone: expected a name such as Europe/Berlin, got {timezone!r}") from error
    return timezone
