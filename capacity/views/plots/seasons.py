"""Plots of seasonality and of a decomposition."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from capacity.series.breakdown import decompose_sales
from capacity.views.plots.canvas import Canvas, sales_per_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.views.plots.canvas import GivenAxes

TYPICAL = timedelta(weeks=12)  # of history: long enough for a typical week, short enough to be today's
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def plot_seasons(sales: pd.Series, timezone: str = "UTC", *, theme: str = "light", ax: GivenAxes = None) -> Figure:
    """The typical week of the last twelve on the business's clock, and the level of every day of the history."""
    canvas = Canvas.new(6.6, timezone, theme, ax)
    week, days = canvas.axes(2)
    peak = _draw_week(canvas, week, sales)
    _draw_days(canvas, days, sales)
    return canvas.done(f"Sales by time of the week and by day: the usual peak of the week is on {peak} ({timezone}).")


def _draw_week(canvas: Canvas, axes: Axes, sales: pd.Series) -> str:
    recent = sales.loc[sales.index > sales.index[-1] - TYPICAL]
    local = canvas.on_clock(recent.index)
    phase = local.day_of_week + (local.hour + local.minute / 60) / 24
    shape = recent.groupby(phase).quantile([0.1, 0.5, 0.9]).unstack()
    at, palette = shape.index.to_numpy(dtype=float), canvas.palette
    low, high = shape[0.1].to_numpy(), shape[0.9].to_numpy()
    axes.fill_between(at, low, high, color=palette.blue, alpha=0.3, lw=0, label="middle 80 % of weeks")
    axes.plot(at, shape[0.5].to_numpy(), color=palette.blue, lw=1.4, label="median")
    axes.set_xticks([day + 0.5 for day in range(7)], DAYS)
    axes.set_xlabel(f"day of the week ({canvas.timezone})", fontsize=9)
    canvas.title(axes, "A typical week: median of the last twelve")
    canvas.finish(axes, sales_per_step(sales.index))
    top = float(shape[0.5].idxmax())
    hour = round(24 * 60 * (top % 1))
    return f"{DAYS[int(top)]} {hour // 60:02d}:{hour % 60:02d}"


def _draw_days(canvas: Canvas, axes: Axes, sales: pd.Series) -> None:
    local = pd.Series(sales.to_numpy(dtype=float), canvas.on_clock(sales.index))
    daily = local.resample("1D").mean()
    weekly = daily.rolling(7, center=True, min_periods=4).mean()
    axes.plot(daily.index, daily.to_numpy(), color=canvas.palette.muted, lw=0.6, label="mean of each day")
    axes.plot(weekly.index, weekly.to_numpy(), color=canvas.palette.blue, lw=1.6, label="over seven days")
    canvas.title(axes, "The level of sales")
    canvas.time_axis(axes)
    canvas.finish(axes, sales_per_step(sales.index))


SHOWN = pd.Timedelta(weeks=6)  # the newest: a cycle within the day can still be told apart


def plot_decomposition(
    sales: pd.Series, timezone: str = "UTC", *, theme: str = "light", ax: GivenAxes = None
) -> Figure:
    """The newest six weeks of the history taken apart: what was sold, level, each cycle, rest; they add up exactly."""
    parts = decompose_sales(sales)
    shown = parts.loc[parts.index > parts.index[-1] - SHOWN]
    canvas = Canvas.new(1.1 + 1.45 * len(shown.columns), timezone, theme, ax)
    rows, palette = canvas.axes(len(shown.columns), sharex=True), canvas.palette
    colours = {"sales": palette.ink, "level": palette.green, "rest": palette.muted}
    for axes, name in zip(rows, shown.columns, strict=True):
        axes.plot(canvas.on_clock(shown.index), shown[name].to_numpy(), color=colours.get(name, palette.blue), lw=1.1)
        if name not in ("sales", "level"):
            axes.axhline(0, color=palette.muted, lw=0.6)
        canvas.finish(axes, name, from_zero=name in ("sales", "level"))
    rows[0].set_title(f"{sales_per_step(sales.index).capitalize()}, as the sum of its parts", loc="left", fontsize=11)
    canvas.time_axis(rows[-1])
    cycles = [str(name) for name in shown.columns[2:-1]]
    return canvas.done(f"Sales as the sum of a level, {' and '.join(cycles) or 'no'} cycles, and a rest.")
