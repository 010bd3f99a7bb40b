"""The business's wall clock: UTC steps laid on a regular local grid, so that noon stays noon when the clocks change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from capacity.model import MONTH, DataError, require
from capacity.model.arrays import Array, Places
from capacity.series.steps import month_numbers, month_starts, month_zone, months_apart

DAY = timedelta(days=1)
HIGHEST = 1e100  # squares of larger values leave the range of floats


@dataclass(frozen=True, slots=True)
class WallClock:
    """Slots of length `step` counted on the local clock of `timezone` from the first step of a history.

    The hour that a clock change skips is a slot nobody fills; the hour that comes twice shares its slot. Steps of a
    day and more have no hour to keep and are counted in UTC.
    """

    first: pd.Timestamp
    step: timedelta
    timezone: str
    months: int = 0  # of each step, which then begins with a local month; 0 for steps of one length

    def slots(self, index: pd.DatetimeIndex) -> Places:
        """The slot of every UTC step.

        >>> clock = WallClock(pd.Timestamp("2026-10-25", tz="UTC"), timedelta(hours=1), "Europe/Berlin")
        >>> clock.slots(pd.date_range("2026-10-25", periods=4, freq="h", tz="UTC"))
        array([0, 0, 1, 2])
        """
        if self.months:
            numbers = month_numbers(index, self.timezone)
            first = month_numbers(pd.DatetimeIndex([self.first]), self.timezone)
            return np.asarray((numbers - first) // self.months)
        if self.step >= DAY:
            return np.asarray((index - self.first) / self.step).round().astype(np.intp)
        if self.timezone != "UTC":
            index = index.tz_convert(self.timezone).tz_localize(None)
        local = index.as_unit("us").asi8
        begin = self.first.tz_convert(self.timezone).tz_localize(None).to_datetime64()
        anchor = begin.astype("datetime64[us]").astype(np.int64)
        return np.asarray(np.floor((local - anchor) / (self.step / timedelta(microseconds=1)) + 0.5), dtype=np.intp)

    def span(self, start: pd.Timestamp, end: pd.Timestamp) -> Places:
        """The slots of the steps that overlap ``[start, end)``, none before the first."""
        if self.months:
            early, late = self.slots(pd.DatetimeIndex([start, end - pd.Timedelta("1us")]))
            return np.arange(max(0, early), late + 1)
        begin = max(0, (start - self.first) // self.step)
        steps = pd.date_range(
            self.first + begin * self.step, periods=-((self.first - end) // self.step) - begin, freq=self.step
        )
        return np.unique(self.slots(steps))

    def grid(self, last: pd.Timestamp) -> pd.DatetimeIndex:
        """Every step from the first to one that begins at `last`."""
        if not self.months:
            return pd.date_range(self.first, last, freq=self.step)
        return month_starts(self.first, int(self.slots(pd.DatetimeIndex([last]))[0]) + 1, self.months, self.timezone)

    def after(self, last: pd.Timestamp, periods: int) -> pd.DatetimeIndex:
        """The `periods` steps that follow the one that begins at `last`."""
        if not self.months:
            return pd.date_range(last + self.step, periods=periods, freq=self.step)
        return month_starts(last, periods + 1, self.months, self.timezone)[1:]

    def date(self, slot: int) -> str:
        """The local date of a slot, for people."""
        if self.months:
            return str(
                month_starts(self.first, slot + 1, self.months, self.timezone)[-1].tz_convert(self.timezone).date()
            )
        return str((self.first.tz_convert(self.timezone).tz_localize(None) + slot * self.step).date())

    def moment(self, slot: int) -> str:
        """The local date and time of a slot, for people."""
        if self.months or self.step >= DAY:
            return self.date(slot)
        return f"{self.first.tz_convert(self.timezone).tz_localize(None) + slot * self.step:%Y-%m-%d %H:%M}"

    def row(self, series: pd.Series) -> Array:
        """The values of a series on consecutive slots, the mean where two steps share one: (slots,), NaN for a gap."""
        return on_slots(series.to_numpy(dtype=np.float64), self.slots(pd.DatetimeIndex(series.index)))


def on_slots(values: Array, slots: Places) -> Array:
    """Values on consecutive slots from 0 on, the mean where two share one, NaN for a gap: (slots,).

    >>> on_slots(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2]))
    array([ 1., nan,  3.])
    """
    count = int(slots.max()) + 1
    if count == len(slots) and (slots[1:] > slots[:-1]).all():  # each slot has one step
        return values
    known = ~np.isnan(values)
    total, seen = (np.bincount(slots[known], weights, count) for weights in (values[known], None))
    return np.where(seen > 0, total / np.maximum(seen, 1), np.nan)


def clock_of(sales: pd.Series, timezone: str | None = None) -> WallClock:
    """The clock of a checked series in its business's time zone: the given one, or the one noted on the series.

    >>> monthly = pd.Series(1.0, pd.date_range("2026-01-01", periods=5, freq="MS", tz="UTC"))
    >>> clock_of(monthly).after(monthly.index[-1], 2)[1].date()
    datetime.date(2026, 7, 1)
    """
    index = checked_index(sales)
    usable_values(sales)
    return clock_at(index, timezone or str(sales.attrs.get("timezone", "UTC")))


def clock_at(index: pd.DatetimeIndex, timezone: str | None = None) -> WallClock:
    """The clock of a checked index in a time zone. Raises `DataError` where its steps are on no grid."""
    zone = require_zone(timezone or "UTC")
    step = _step_of(index, zone)
    months = month_zone(index, zone) if step % MONTH == timedelta(0) else None
    return WallClock(index[0], step, months or zone, step // MONTH if months else 0)


def regular_step(sales: pd.Series, timezone: str = "UTC") -> timedelta:
    """The step of a checked series: UTC, ascending, unique, on one grid, at least 4 values, none below zero.

    Steps that all begin with a month, in UTC or on the local calendar, are so many times `MONTH`.

    >>> regular_step(pd.Series(1.0, pd.date_range("2026-01-01", periods=5, freq="15min", tz="UTC")))
    datetime.timedelta(seconds=900)
    """
    index = checked_index(sales)
    usable_values(sales)
    return _step_of(index, timezone)


def checked_index(sales: pd.Series) -> pd.DatetimeIndex:
    """The index of a series: in UTC, unique, ascending. Raises `DataError`."""
    index = sales.index
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"sales: expected a DatetimeIndex in UTC, got {type(index).__name__}")
    require(str(index.tz) == "UTC", "sales: expected a UTC index, got {}", index.tz or "naive times; use tz_localize")
    ascending = index.is_monotonic_increasing  # asked first: then whether it is unique is known, and costs nothing
    if not index.is_unique:
        require(False, "sales: expected unique steps, got {} twice", index[index.duplicated()][:1].tolist())
    require(ascending, "sales: expected ascending steps, got them unsorted; use sort_index")
    return index


def usable_values(sales: pd.Series) -> Array:
    """The values of a series (steps,), NaN for a gap: at least 4, finite, none below zero. Raises `DataError`."""
    require(sales.dtype.kind != "c", "sales: expected real numbers, got {}", sales.dtype)
    try:
        values = sales.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        _require_enough(int(sales.notna().sum()))
        raise DataError(f"sales: expected numbers, got {sales.dtype}") from error
    _require_enough(len(values) - int(np.isnan(values).sum()))
    require(not np.isinf(values).any(), "sales: expected finite values, got infinity")
    lowest, highest = np.nanmin(values), np.nanmax(values)
    require(bool(lowest >= 0), "sales: expected values >= 0, got {}", lowest)
    require(bool(highest <= HIGHEST), "sales: expected values up to {:g}, got {}", HIGHEST, highest)
    return values


def _require_enough(known: int) -> None:
    require(known >= 4, "sales: expected at least 4 steps with data, got {}: provide a longer history", known)


def _step_of(index: pd.DatetimeIndex, timezone: str) -> timedelta:
    """The step of a checked index; raises `DataError` where its steps are on no grid."""
    if apart := months_apart(index, timezone):
        return apart * MONTH
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


def require_zone(timezone: str) -> str:
    """The name of a time zone that exists, or `DataError`."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DataError(f"timezone: expected a name such as Europe/Berlin, got {timezone!r}") from error
    return timezone
