"""Forecast sales laid on the steps of demand: per hour, quantile by quantile, as much earlier as load comes later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.domain import Forecast
from capacity.domain.arrays import Array, Places
from capacity.load.grid import DAY, HOUR, hours_of, midnights, parents_of

MOST_BEFORE = 4  # steps of sales that a lag can reach back to, and at least a day


@dataclass(frozen=True, slots=True)
class Course:
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


def course_of(
    forecast: Forecast, fine: tuple[timedelta, str] | None, history: pd.Series | None, window: timedelta | None
) -> Course:
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
    levels = tuple(float(level) for level in forecast.quantiles.columns)
    whole = forecast.window if window is None or fine is None else step * (-(-window // step) + 1)
    return Course(index, forecast.step, rates, maxima, steps, step, levels, timezone, whole)


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


def sales_per_step(course: Course, share: Array) -> Array:
    """Sales of each step of demand: those of its step of sales, by its share of load beyond idle: (T, Q)."""
    return np.asarray(course.at(course.rates, timedelta(0)) * share[:, None] * (course.step / HOUR))
