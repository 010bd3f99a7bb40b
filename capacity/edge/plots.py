"""Pictures: forecasts and plans. The only import of matplotlib; figures are returned, never shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.figure import Figure

from capacity.domain import Demand, Forecast, WorkloadPlan
from capacity.planning import floor_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.backtest import Backtest

# Okabe and Ito (2008): told apart by every kind of colour vision.
BLUE, ORANGE, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#222222", "#8A8A8A"
TYPICAL = timedelta(weeks=12)  # of history: long enough for a typical week, short enough to be today's
RECENT = timedelta(days=14)  # of history before a forecast: two weeks show the shape that is continued
MOST_ROWS = 4  # workloads on one picture: more cannot be read
GIB = 2**30


def plot_forecast(forecast: Forecast, history: pd.Series | None = None, timezone: str = "UTC") -> Figure:
    """The median and the bands up to each higher quantile, with the last two weeks of the history before them."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    if history is not None:
        recent = history.loc[history.index > pd.Timestamp(forecast.origin) - RECENT]
        axes.plot(_local(recent.index, timezone), recent.to_numpy(), color=BLACK, lw=1, label="sales so far")
    _bands(axes, forecast.quantiles, timezone)
    axes.set_title(f"Forecast: {forecast.model}", loc="left", fontsize=11)
    axes.set_ylabel(forecast.unit)
    _time_axis(axes, timezone)
    _legend(axes)
    return figure


def plot_seasons(sales: pd.Series, timezone: str = "UTC") -> Figure:
    """The typical week of the last twelve on the business's clock, and the level of every day of the history."""
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    week, days = figure.subplots(2)
    _draw_week(week, sales, timezone)
    _draw_days(days, sales, timezone)
    return figure


def plot_backtest(result: Backtest, timezone: str = "UTC") -> Figure:
    """What came, against what was forecast for it from each origin before: median and band up to quantile 0.95."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    at = _local(result.windows.index, timezone)
    table = result.windows
    axes.fill_between(at, table[0.5], table[0.95], color=BLUE, alpha=0.25, lw=0, label="forecast, q0.5 to q0.95")
    axes.plot(at, table[0.5], color=BLUE, lw=1.4, label="forecast, q0.5")
    axes.plot(at, table["actual"], color=BLACK, lw=1, label="what came")
    origins = pd.DatetimeIndex(table["origin"].unique())
    for place, origin in enumerate(_local(origins, timezone)):
        axes.axvline(mdates.date2num(origin), color=GREY, ls=":", lw=1, label=None if place else "origin")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("sales per step")
    low, high = result.skill_interval
    axes.set_title(f"Backtest: skill {result.skill:.2f} ({low:.2f} to {high:.2f})", loc="left", fontsize=11)
    _time_axis(axes, timezone)
    _legend(axes)
    return figure


def plot_plan(plans: WorkloadPlan | Sequence[WorkloadPlan], timezone: str = "UTC") -> Figure:
    """Per workload: the demand of the binding resource under what the planned replicas serve, and those replicas.

    Demand is drawn where the plan was just made; a plan read from a file shows its replicas alone. Of many workloads
    the four with the highest peaks are drawn.
    """
    chosen = (
        [plans] if isinstance(plans, WorkloadPlan) else sorted(plans, key=lambda plan: -plan.peak.replicas)[:MOST_ROWS]
    )
    rows = [(plan, part) for plan in chosen for part in (("demand", "replicas") if plan.demand else ("replicas",))]
    figure = Figure(figsize=(11, 3.1 * len(rows)), layout="constrained")
    for axes, (plan, part) in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True):
        if part == "demand" and plan.demand is not None:
            _draw_demand(axes, plan, plan.demand, timezone)
        else:
            _draw_replicas(axes, plan, timezone)
        _time_axis(axes, timezone)
        _legend(axes)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, by the file's ending."""
    figure.savefig(path, dpi=110)


def _draw_week(axes: Axes, sales: pd.Series, timezone: str) -> None:
    recent = sales.loc[sales.index > sales.index[-1] - TYPICAL]
    local = _local(recent.index, timezone)
    phase = local.day_of_week + (local.hour + local.minute / 60) / 24
    shape = recent.groupby(phase).quantile([0.1, 0.5, 0.9]).unstack()
    at = shape.index.to_numpy(dtype=float)
    axes.fill_between(at, shape[0.1], shape[0.9], color=BLUE, alpha=0.25, lw=0, label="eight weeks of ten")
    axes.plot(at, shape[0.5], color=BLUE, lw=1.4, label="median")
    axes.set_xticks([day + 0.5 for day in range(7)], ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    axes.set_xlabel(f"day of the week ({timezone})", fontsize=9)
    axes.set_title("The typical week of the last twelve", loc="left", fontsize=11)
    _finish(axes, "sales per step")


def _draw_days(axes: Axes, sales: pd.Series, timezone: str) -> None:
    local = pd.Series(sales.to_numpy(dtype=float), _local(sales.index, timezone))
    daily = local.resample("1D").mean()
    weekly = daily.rolling(7, center=True, min_periods=4).mean()
    axes.plot(daily.index, daily.to_numpy(), color=GREY, lw=0.6, label="mean of each day")
    axes.plot(weekly.index, weekly.to_numpy(), color=BLUE, lw=1.4, label="over seven days")
    axes.set_title("The level", loc="left", fontsize=11)
    _time_axis(axes, timezone)
    _finish(axes, "sales per step")


def _finish(axes: Axes, label: str) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    _legend(axes)


def _draw_demand(axes: Axes, plan: WorkloadPlan, demand: Demand, timezone: str) -> None:
    memory = plan.binding == "memory"
    scale, unit = (GIB, "memory, GiB") if memory else (1.0, "CPU, cores")
    _bands(axes, (demand.memory if memory else demand.cpu).quantiles / scale, timezone)
    request = (
        plan.resources["memory_request_bytes"] / GIB if memory else plan.resources["cpu_request_millicores"] / 1000
    )
    target = float(plan.explain["target_utilization"])
    served = floor_series(plan) * request * target
    at = _local(served.index, timezone)
    axes.step(
        at, served.to_numpy(), where="post", color=GREEN, lw=1.6, label=f"planned replicas at {target:.0%} utilization"
    )
    axes.set_title(f"{plan.namespace}/{plan.name}: demand", loc="left", fontsize=11)
    axes.set_ylabel(unit)


def _draw_replicas(axes: Axes, plan: WorkloadPlan, timezone: str) -> None:
    floor = floor_series(plan)
    at = _local(floor.index, timezone)
    axes.fill_between(at, floor.to_numpy(), step="post", color=GREEN, alpha=0.25, lw=0)
    axes.step(at, floor.to_numpy(), where="post", color=GREEN, lw=1.6, label="floor (minReplicas)")
    if plan.ceiling <= 2 * floor.max():
        axes.axhline(plan.ceiling, color=GREY, ls="--", lw=1, label=f"ceiling {plan.ceiling}")
    peak = plan.peak
    axes.plot(
        _local(pd.DatetimeIndex([peak.at]), timezone),
        [peak.replicas],
        "o",
        color=ORANGE,
        label=f"peak: {peak.replicas}",
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("replicas")
    axes.set_title(f"{plan.namespace}/{plan.name}: planned replicas", loc="left", fontsize=11)


def _bands(axes: Axes, quantiles: pd.DataFrame, timezone: str) -> None:
    at = _local(quantiles.index, timezone)
    levels = [float(level) for level in quantiles.columns]
    middle = min(range(len(levels)), key=lambda place: abs(levels[place] - 0.5))
    for place in range(len(levels) - 1, middle, -1):
        low, high = quantiles.iloc[:, place - 1], quantiles.iloc[:, place]
        shade = 0.45 / (place - middle)
        axes.fill_between(
            at,
            low.to_numpy(),
            high.to_numpy(),
            color=BLUE,
            alpha=shade,
            lw=0,
            label=f"to q{levels[place]:g}",
        )
    axes.plot(at, quantiles.iloc[:, middle].to_numpy(), color=BLUE, lw=1.4, label=f"q{levels[middle]:g}")
    axes.set_ylim(bottom=0)


def _local(index: Any, timezone: str) -> pd.DatetimeIndex:
    """On the reader's clock; matplotlib draws naive times as they are written."""
    return pd.DatetimeIndex(index).tz_convert(timezone).tz_localize(None)


def _time_axis(axes: Axes, timezone: str) -> None:
    locator = mdates.AutoDateLocator(minticks=5, maxticks=14)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    axes.set_xlabel(f"time ({ZoneInfo(timezone).key})", fontsize=9)
    axes.margins(x=0)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, ncols=5, borderaxespad=0.2)
