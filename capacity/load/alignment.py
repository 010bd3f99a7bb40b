"""Aligns steps of usage with steps of sales, and finds the lag between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pandas as pd

from capacity.model import Forecast, require
from capacity.model.arrays import Array, Places
from capacity.stats import row_quantiles

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


EARLIEST, LATEST = timedelta(hours=-2), timedelta(hours=6)  # browsing leads orders; picking and mails follow them
LATEST_DAYS = 3  # for sales by days: what a lag of hours does is part of the shape within the day
COARSE = 4  # looked at first: quarters of a step of sales; then every step of usage around the best
USUAL = np.array([0.995])  # quantile above which a value is an outlier that may not decide a correlation
GAIN = 9.0  # likelihood ratio that a lag must win by: three standard deviations


def find_lags(grid: Grid, usage: Array) -> tuple[list[timedelta], Array]:
    """The lag of each row of usage (W, T), and its mean usage over the steps of sales that much later: (W, S).

    No lag is preferred: another must explain clearly more. Sub-steps are told apart where usage has finer steps.
    """
    top = row_quantiles(usage, USUAL)
    calm = np.minimum(usage, top)  # NaN stays NaN
    tried = {lag: _score(grid, calm, lag) for lag in _candidates(grid)}
    best = _best(tried)
    if grid.fine and grid.sales_step < DAY:
        around = {lag + place * grid.step for lag in set(best) for place in range(-_reach(grid), _reach(grid) + 1)}
        tried |= {lag: _score(grid, calm, lag) for lag in around - set(tried)}
        best = _best(tried)
    means = np.full((len(usage), len(grid.sales)), np.nan)
    for lag in set(best):
        rows = np.flatnonzero([one == lag for one in best])
        means[rows] = grid.means(usage[rows], lag)
    return best, means


def _candidates(grid: Grid) -> list[timedelta]:
    if grid.sales_step >= DAY:
        return [days * grid.sales_step for days in range(LATEST_DAYS + 1)] if grid.sales_step == DAY else [timedelta(0)]
    step = max(grid.step, grid.step * max(1, round(grid.sales_step / grid.step / COARSE)))
    return [place * step for place in range(-int(-EARLIEST // step), int(LATEST // step) + 1)]


def _reach(grid: Grid) -> int:
    return max(1, round(grid.sales_step / grid.step / COARSE)) - 1


def _score(grid: Grid, usage: Array, lag: timedelta) -> Array:
    """Log likelihood gained over a flat load, up to a factor: -n log(1 - r^2), (W,)."""
    means, x = grid.means(usage, lag), grid.rates()
    seen = ~np.isnan(means) & ~np.isnan(x)
    count = np.maximum(seen.sum(axis=1), 1)
    dx = np.where(seen, x - (np.where(seen, x, 0.0).sum(axis=1) / count)[:, None], 0.0)
    dy = np.where(seen, means - (np.where(seen, means, 0.0).sum(axis=1) / count)[:, None], 0.0)
    power = np.sqrt((dx**2).sum(axis=1) * (dy**2).sum(axis=1))
    together = np.clip((dx * dy).sum(axis=1) / np.where(power > 0, power, 1.0), 0.0, 1.0)
    return np.asarray(-count * np.log(np.maximum(1 - together**2, 1e-12)))


def _best(tried: dict[timedelta, Array]) -> list[timedelta]:
    lags = sorted(tried, key=abs)
    scores = np.stack([tried[lag] for lag in lags])  # (lags, W)
    best = scores.argmax(axis=0)
    clear = scores.max(axis=0) > scores[0] + GAIN
    return [lags[place] if won else lags[0] for place, won in zip(best, clear, strict=True)]


MOST_BEFORE = 4  # steps of sales that a lag can reach back to, and at least a day


@dataclass(frozen=True, slots=True)
class AlignedSales:
    """Sales per hour over E steps of sales (those before the forecast are known), and T steps of demand over them."""

    index: pd.DatetimeIndex  # (E,), UTC
    sales_step: timedelta
    rates: Array  # (E, Q), sales per hour
    maxima: Array | None  # (E, Q), of the maximum over `window`
    steps: pd.DatetimeIndex  # (T,), UTC
    step: timedelta
    levels: tuple[float, ...]
    timezone: str
    window: timedelta | None

    @property
    def fine(self) -> bool:
        """Whether demand has finer steps than sales."""
        return self.step < self.sales_step

    @property
    def window_steps(self) -> int:
        """Steps of demand that ``[t, t + window)`` touches; 1 without a window."""
        return 1 if self.window is None else max(1, -int(-self.window // self.step))

    def parents(self, lag: timedelta) -> Places:
        """The step of sales that each step of demand answers to; the nearest where there is none: (T,)."""
        moments = self.steps - lag
        places = parents_of(moments, self.index, self.timezone if self.step < DAY else "UTC")
        return np.where(
            places < 0, np.where(moments < self.steps[len(self.steps) // 2], 0, len(self.index) - 1), places
        )

    def at(self, table: Array, lag: timedelta) -> Array:
        """Rows of `table` (E, Q) that each step of demand answers to; a lag of part of a step mixes two: (T, Q)."""
        places = self.parents(lag)
        part = 0.0 if self.fine else (-lag % self.sales_step) / self.sales_step
        after = np.minimum(places + 1, len(table) - 1)
        return np.asarray(table[places] * (1 - part) + table[after] * part) if part else table[places]


def align_sales(
    forecast: Forecast, fine: tuple[timedelta, str] | None, history: pd.Series | None, window: timedelta | None
) -> AlignedSales:
    """The course of a forecast; `fine` is the step and the clock of demand where they are not those of sales.

    `window` after any moment of a step touches one step more than it is long.
    """
    index = pd.DatetimeIndex(forecast.quantiles.index)
    step, timezone = fine or (forecast.step, "UTC")
    steps = index if fine is None else _fine_steps(index, forecast.step, step, timezone)
    rates = _per_hour(forecast.quantiles, forecast.step, timezone)
    maxima = None if forecast.maxima is None else _per_hour(forecast.maxima, forecast.step, timezone)
    if history is not None:
        past = _past(history, index[0], forecast.step)
        known = np.repeat(_per_hour(past.to_frame(), forecast.step, timezone), rates.shape[1], axis=1)
        index = pd.DatetimeIndex([*past.index, *index])
        rates = np.concatenate([known, rates])
        maxima = None if maxima is None else np.concatenate([known, maxima])
    levels = tuple(float(level) for level in forecast.quantiles.columns.tolist())
    whole = forecast.window if window is None or fine is None else step * (-(-window // step) + 1)
    return AlignedSales(index, forecast.step, rates, maxima, steps, step, levels, timezone, whole)


def _past(history: pd.Series, first: pd.Timestamp, step: timedelta) -> pd.Series:
    """Sales of the steps before the forecast that a lag can reach back to; a gap is as the step before it."""
    past = history.loc[(history.index < first) & history.notna()].iloc[-max(MOST_BEFORE, int(DAY / step)) :]
    if not len(past):
        return past
    return past.reindex(pd.date_range(past.index[0], first - step, freq=pd.Timedelta(step))).ffill()


def _per_hour(table: pd.DataFrame, step: timedelta, timezone: str) -> Array:
    if not len(table):
        return np.zeros((0, 1))
    hours = hours_of(pd.DatetimeIndex(table.index), step, timezone)
    return np.asarray(table.to_numpy(dtype=np.float64) / hours[:, None])


def _fine_steps(index: pd.DatetimeIndex, sales_step: timedelta, step: timedelta, timezone: str) -> pd.DatetimeIndex:
    first, end = index[:1], index[-1:] + pd.Timedelta(sales_step)
    if sales_step >= DAY:
        first, end = (midnights(day.tz_localize(None), timezone) for day in (first, end))
    return pd.date_range(first[0], end[0], freq=pd.Timedelta(step), inclusive="left")


def sales_per_step(aligned: AlignedSales, share: Array) -> Array:
    """Sales of each step of demand: those of its step of sales, by its share of load beyond idle: (T, Q)."""
    return np.asarray(aligned.at(aligned.rates, timedelta(0)) * share[:, None] * (aligned.step / HOUR))
