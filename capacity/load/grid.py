"""Steps of usage laid on steps of sales: which step of sales each lies in, which slot of the business's week it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pandas as pd

from capacity.domain import require
from capacity.domain.arrays import Array, Places

Table = TypeVar("Table", pd.Series, pd.DataFrame)

DAY, WEEK, HOUR = timedelta(days=1), timedelta(days=7), timedelta(hours=1)
ENOUGH = 0.5  # share of a step of sales that usage must cover for its mean to count


@dataclass(frozen=True, slots=True)
class Grid:
    """S steps of sales (sales per hour, NaN for a gap) over T steps of usage, on the clock of `timezone`."""

    sales: pd.Series  # (S,)
    step: timedelta  # of usage
    steps: pd.DatetimeIndex  # (T,), UTC
    timezone: str

    @property
    def sales_step(self) -> timedelta:
        """The length of a step of sales."""
        return spacing(self.sales_steps)

    @property
    def sales_steps(self) -> pd.DatetimeIndex:
        """The steps of sales: (S,)."""
        return pd.DatetimeIndex(self.sales.index)

    @property
    def fine(self) -> bool:
        """Whether usage has finer steps than sales."""
        return self.step < self.sales_step

    def rates(self) -> Array:
        """Sales per hour of each step of sales: (S,)."""
        return self.sales.to_numpy(dtype=np.float64) / hours_of(self.sales_steps, self.sales_step, self.timezone)

    def parents(self, lag: timedelta = timedelta(0)) -> Places:
        """The place of the step of sales that each step of usage answers to, `lag` earlier; -1 outside: (T,)."""
        clock = self.timezone if self.step < DAY else "UTC"  # usage by days is named by the business day already
        return parents_of(self.steps - lag, self.sales_steps, clock)

    def means(self, usage: Array, lag: timedelta = timedelta(0)) -> Array:
        """Mean usage (W, T) over each step of sales, `lag` later; NaN where less than half of it was seen: (W, S)."""
        parents, size = self.parents(lag), len(self.sales)
        inside = np.flatnonzero(parents >= 0)
        answer = np.full((len(usage), size), np.nan)
        if not len(inside):
            return answer
        starts = np.flatnonzero(np.diff(parents[inside], prepend=-1))
        part = usage[:, inside]
        seen = np.add.reduceat((~np.isnan(part)).astype(np.float64), starts, axis=1)
        total = np.add.reduceat(np.nan_to_num(part), starts, axis=1)
        enough = seen >= ENOUGH * max(1.0, self.sales_step / self.step)
        answer[:, parents[inside][starts]] = np.where(enough, total / np.maximum(seen, 1.0), np.nan)
        return answer


def grid_of(sales: pd.Series, steps: pd.DatetimeIndex, timezone: str) -> Grid:
    """Sales over the steps of usage; sales of finer steps than usage are summed up to its steps."""
    step = spacing(steps)
    index = pd.DatetimeIndex(sales.index)
    if step > spacing(index):
        places = np.asarray((index - steps[0]) // pd.Timedelta(step))
        sales = sales.groupby(places).sum(min_count=max(1, int(step / spacing(index))))
        sales.index = steps[0] + sales.index.to_numpy() * pd.Timedelta(step)
        sales = on_grid(sales, step)
    return Grid(sales, step, steps, timezone)


def on_grid(values: Table, step: timedelta) -> Table:
    """Values on every step from the first to the last, NaN where there was none."""
    return values.reindex(pd.date_range(values.index[0], values.index[-1], freq=pd.Timedelta(step)))


def spacing(index: pd.DatetimeIndex) -> timedelta:
    """The smallest distance between two steps of an ascending UTC index."""
    require(str(index.tz) == "UTC", "load: expected steps in UTC, got {}", index.tz or "naive times; use tz_localize")
    require(len(index) >= 2, "load: expected at least two steps, got {}", len(index))
    gaps = np.diff(index.as_unit("s").asi8)
    require(bool((gaps > 0).all()), "load: expected ascending, unique steps; use sort_index and drop duplicates")
    odd = gaps[gaps % gaps.min() != 0]
    require(not len(odd), "load: expected steps on one grid of {} s, got one of {} s", gaps.min(), odd[:1].tolist())
    return timedelta(seconds=int(gaps.min()))


def parents_of(moments: pd.DatetimeIndex, sales_steps: pd.DatetimeIndex, timezone: str) -> Places:
    """The place among `sales_steps` of the step each moment lies in, -1 outside; steps of days are business days.

    >>> days = pd.date_range("2026-07-01", periods=2, tz="UTC")
    >>> parents_of(pd.DatetimeIndex(["2026-06-30T23:00Z", "2026-07-01T23:00Z"]), days, "Europe/London").tolist()
    [0, 1]
    """
    step = sales_steps[1] - sales_steps[0] if len(sales_steps) > 1 else pd.Timedelta(DAY)
    at = moments
    if step >= DAY:
        at = moments.tz_convert(timezone).tz_localize(None).tz_localize("UTC")
    places = np.asarray((at - sales_steps[0]) // step).astype(np.intp)
    return np.where((places >= 0) & (places < len(sales_steps)), places, -1)


def hours_of(sales_steps: pd.DatetimeIndex, step: timedelta, timezone: str) -> Array:
    """Hours in each step; a business day on which the clocks change has 23 or 25: (S,)."""
    if step < DAY:
        return np.full(len(sales_steps), step / HOUR)
    naive = sales_steps.tz_localize(None)
    starts, ends = (midnights(days, timezone) for days in (naive, naive + pd.Timedelta(step)))
    return np.asarray((ends - starts) / pd.Timedelta(HOUR), dtype=np.float64)


def midnights(days: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    """When each day begins on the local clock; the later time where its midnight does not exist."""
    return days.tz_localize(timezone, ambiguous=np.ones(len(days), bool), nonexistent="shift_forward").tz_convert("UTC")


def week_slots(moments: pd.DatetimeIndex, step: timedelta, timezone: str) -> Places:
    """The slot of the local week, Monday 00:00 first, of each moment: (T,).

    >>> week_slots(pd.DatetimeIndex(["2026-07-05T23:00Z"]), HOUR, "Europe/London").tolist()  # Monday in summer time
    [0]
    """
    local = moments if step >= DAY else moments.tz_convert(timezone).tz_localize(None)
    seconds = local.day_of_week * 86400 + local.hour * 3600 + local.minute * 60 + local.second
    return np.asarray(seconds // int(step.total_seconds()), dtype=np.intp)


def slots_in_week(step: timedelta) -> int:
    """How many slots a week has; 1 for steps of a week and more, whose slot is always the same."""
    return max(1, int(WEEK // step))


def weeks(moments: pd.DatetimeIndex, step: timedelta, timezone: str) -> Places:
    """Counts local weeks from the first moment's: (T,)."""
    local = moments if step >= DAY else moments.tz_convert(timezone).tz_localize(None)
    days = np.asarray(local.as_unit("s").asi8) // 86400
    week = (days + 3) // 7  # 1970-01-01 was a Thursday
    return np.asarray(week - week[0], dtype=np.intp)
