"""Plots of seasonality, of a decomposition, of forecasts, backtests and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from capacity.model import Event, Forecast
from capacity.series.breakdown import decompose_sales
from capacity.series.growth import coming_peak
from capacity.views.plots.canvas import Canvas, sales_per_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.forecast.backtest import Backtest
    from capacity.views.plots.canvas import GivenAxes

RECENT = timedelta(days=14)  # of history before a forecast: two weeks show the shape that is continued
MOST_NAMED = 8  # events with their name beside them: more names lie over each other
TYPICAL = timedelta(weeks=12)  # of history: long enough for a typical week, short enough to be today's
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def plot_forecast(
    forecast: Forecast,
    history: pd.Series | None = None,
    timezone: str = "UTC",
    *,
    events: Sequence[Event] = (),
    theme: str = "light",
    ax: GivenAxes = None,
) -> Figure:
    """The median, the bands up to each higher quantile, the next peak, and the two weeks of history before them.

    Of `events` those that fall into what is drawn are shaded and named.
    """
    canvas = Canvas.new(4.2, timezone, theme, ax)
    (axes,) = canvas.axes()
    if history is not None:
        recent = history.loc[history.index > pd.Timestamp(forecast.origin) - RECENT]
        axes.plot(canvas.on_clock(recent.index), recent.to_numpy(), color=canvas.palette.ink, lw=1, label="actual")
    canvas.bands(axes, forecast.quantiles)
    peak = coming_peak(forecast)
    at = canvas.on_clock([pd.Timestamp(peak.at)])
    label = f"peak {at[0]:%a %d %b %H:%M}"
    mark = f"{label}: {peak.high:,.4g} at quantile {peak.high_level:g}"
    axes.plot(at, [peak.high], "v", color=canvas.palette.orange, ms=8, label=mark)
    canvas.title(axes, f"Forecast: {forecast.unit}")
    canvas.time_axis(axes)
    canvas.finish(axes, forecast.unit)
    if history is not None:
        canvas.now(axes, forecast.origin + forecast.step)
    named = _mark_events(canvas, axes, events)
    return canvas.done(
        f"Forecast in {forecast.unit}: next {label} ({timezone}), {peak.expected:.4g} expected, "
        f"{peak.high:.4g} at quantile {peak.high_level:g}{named}."
    )


def _mark_events(canvas: Canvas, axes: Axes, events: Sequence[Event]) -> str:
    """Shade every event in view, name the first ones; gives their names in words."""
    low, high = axes.get_xlim()
    top = axes.get_ylim()[1]
    shown: list[str] = []
    for event in sorted(events, key=lambda event: event.start):
        begin, end = mdates.date2num(canvas.on_clock([event.start, event.end]))
        if end <= low or begin >= high:
            continue
        axes.axvspan(max(begin, low), min(end, high), color=canvas.palette.orange, alpha=0.16, lw=0)
        if event.name not in shown and len(shown) < MOST_NAMED:
            where = (max(begin, low), top)
            axes.annotate(event.name, where, (2, -3), textcoords="offset points", fontsize=8, va="top", rotation=90)
        shown.append(event.name)
    axes.set_xlim(low, high)
    return f"; events: {', '.join(dict.fromkeys(shown))}" if shown else ""


def plot_backtest(result: Backtest, timezone: str = "UTC", *, theme: str = "light", ax: GivenAxes = None) -> Figure:
    """What happened, against what was forecast for it from each origin before: median and band up to quantile 0.95."""
    canvas = Canvas.new(4.2, timezone, theme, ax)
    (axes,), palette = canvas.axes(), canvas.palette
    table = result.windows
    for place, (_, part) in enumerate(table.groupby("origin")):
        _draw_window(canvas, axes, part, named=place == 0)
    origins = canvas.on_clock(pd.DatetimeIndex(table["origin"].unique()))
    for place, origin in enumerate(origins):
        axes.axvline(
            mdates.date2num(origin), color=palette.muted, ls=":", lw=1, label=None if place else "forecast origin"
        )
    low, high = result.skill_interval
    interval = f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"
    canvas.title(
        axes, f"Backtest: error {100 * result.skill:.0f} % below that of the seasonal naive forecast ({interval})"
    )
    canvas.time_axis(axes)
    canvas.finish(axes, sales_per_step(pd.DatetimeIndex(table.index.unique().sort_values())))
    share = result.coverage[0.95]
    return canvas.done(
        f"Sales against their forecasts from {len(origins)} origins: skill {result.skill:.2f} over the seasonal naive, "
        f"{100 * share:.1f} % of steps at or under quantile 0.95."
    )


def _draw_window(canvas: Canvas, axes: Axes, part: pd.DataFrame, *, named: bool) -> None:
    """What was forecast from one origin, and what came."""
    at, blue, ink = canvas.on_clock(part.index), canvas.palette.blue, canvas.palette.ink
    middle, high = part[0.5].to_numpy(), part[0.95].to_numpy()
    labels = ("forecast: median to quantile 0.95", "forecast: median", "actual") if named else (None, None, None)
    axes.fill_between(at, middle, high, color=blue, alpha=0.3, lw=0, label=labels[0])
    axes.plot(at, middle, color=blue, lw=1.4, label=labels[1])
    axes.plot(at, part["actual"].to_numpy(), color=ink, lw=1, label=labels[2])


PROMISED = 0.95  # the level whose coverage is followed over the origins: the default that plans are made at


def plot_calibration(result: Backtest, timezone: str = "UTC", *, theme: str = "light", ax: GivenAxes = None) -> Figure:
    """Coverage: the share of steps at or under each quantile against its level; and that of 0.95 from each origin.

    On the diagonal a quantile keeps its word; under it too much came in above the quantile, and plans were too small.
    A bar reaches down to the share of steps strictly under it: where many steps are exactly the quantile (nights
    without a sale, forecast as none), the promise is kept if the diagonal crosses the bar.
    """
    canvas = Canvas.new(4.4, timezone, theme, ax)
    reliability, course = canvas.axes(1, 2, width_ratios=(1, 1.5))
    by_origin = result.by_origin()
    _draw_reliability(canvas, reliability, result)
    _draw_coverage_by_origin(canvas, course, by_origin)
    coverage = ", ".join(f"{level:g}: {100 * share:.1f} %" for level, share in result.coverage.items())
    return canvas.done(f"Share of steps at or under each quantile, by level: {coverage}.")


def _draw_reliability(canvas: Canvas, axes: Axes, result: Backtest) -> None:
    levels, shares = (np.array(list(part)) for part in (result.coverage, result.coverage.values()))
    seen, palette = result.windows.dropna(subset=["actual"]), canvas.palette
    below = [float((seen["actual"] < seen[level]).mean()) for level in levels]
    axes.plot([0, 1], [0, 1], color=palette.muted, ls="--", lw=1, label="nominal")
    axes.vlines(levels, below, shares, color=palette.blue, alpha=0.4, lw=6, label="ties")
    axes.plot(levels, shares, "o", color=palette.blue, ms=6, label="actual")
    canvas.title(axes, "Coverage of each quantile")
    canvas.finish(axes, "share of steps at or under it")
    axes.set_xlabel("quantile level", fontsize=9)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))


def _draw_coverage_by_origin(canvas: Canvas, axes: Axes, by_origin: pd.DataFrame) -> None:
    at, palette = canvas.on_clock(by_origin.index), canvas.palette
    shares = by_origin[f"coverage_{PROMISED:g}"].to_numpy()
    axes.axhline(PROMISED, color=palette.muted, ls="--", lw=1, label=f"nominal: {100 * PROMISED:.0f} %")
    axes.plot(at, shares, "o-", color=palette.blue, lw=1.4, ms=6, label="actual")
    canvas.title(axes, f"Coverage of quantile {PROMISED:g} from each forecast origin")
    canvas.time_axis(axes)
    canvas.finish(axes, "share of steps at or under it", from_zero=False)
    axes.margins(x=0.05)
    axes.set_ylim(min(0.5, float(shares.min()) - 0.05), 1.01)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


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
