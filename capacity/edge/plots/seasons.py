"""The picture of seasonality: the typical week and the level of every day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from capacity.edge.plots.canvas import BLUE, GREY, finish, on_clock, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TYPICAL = timedelta(weeks=12)  # of history: long enough for a typical week, short enough to be today's


def plot_seasons(sales: pd.Series, timezone: str = "UTC") -> Figure:
    """The typical week of the last twelve on the business's clock, and the level of every day of the history."""
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    week, days = figure.subplots(2)
    _draw_week(week, sales, timezone)
    _draw_days(days, sales, timezone)
    return figure


def _draw_week(axes: Axes, sales: pd.Series, timezone: str) -> None:
    recent = sales.loc[sales.index > sales.index[-1] - TYPICAL]
    local = on_clock(recent.index, timezone)
    phase = local.day_of_week + (local.hour + local.minute / 60) / 24
    shape = recent.groupby(phase).quantile([0.1, 0.5, 0.9]).unstack()
    at = shape.index.to_numpy(dtype=float)
    axes.fill_between(at, shape[0.1], shape[0.9], color=BLUE, alpha=0.25, lw=0, label="eight weeks of ten")
    axes.plot(at, shape[0.5], color=BLUE, lw=1.4, label="median")
    axes.set_xticks([day + 0.5 for day in range(7)], ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    axes.set_xlabel(f"day of the week ({timezone})", fontsize=9)
    axes.set_title("The typical week of the last twelve", loc="left", fontsize=11)
    finish(axes, "sales per step")


def _draw_days(axes: Axes, sales: pd.Series, timezone: str) -> None:
    local = pd.Series(sales.to_numpy(dtype=float), on_clock(sales.index, timezone))
    daily = local.resample("1D").mean()
    weekly = daily.rolling(7, center=True, min_periods=4).mean()
    axes.plot(daily.index, daily.to_numpy(), color=GREY, lw=0.6, label="mean of each day")
    axes.plot(weekly.index, weekly.to_numpy(), color=BLUE, lw=1.4, label="over seven days")
    axes.set_title("The level", loc="left", fontsize=11)
    time_axis(axes, timezone)
    finish(axes, "sales per step")
