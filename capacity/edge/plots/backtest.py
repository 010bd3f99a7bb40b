"""The picture of a backtest: what came, against what was forecast for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.figure import Figure

from capacity.edge.plots.canvas import BLACK, BLUE, GREY, legend, on_clock, time_axis

if TYPE_CHECKING:
    from capacity.backtest import Backtest


def plot_backtest(result: Backtest, timezone: str = "UTC") -> Figure:
    """What came, against what was forecast for it from each origin before: median and band up to quantile 0.95."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    at = on_clock(result.windows.index, timezone)
    table = result.windows
    axes.fill_between(at, table[0.5], table[0.95], color=BLUE, alpha=0.25, lw=0, label="forecast, q0.5 to q0.95")
    axes.plot(at, table[0.5], color=BLUE, lw=1.4, label="forecast, q0.5")
    axes.plot(at, table["actual"], color=BLACK, lw=1, label="what came")
    origins = pd.DatetimeIndex(table["origin"].unique())
    for place, origin in enumerate(on_clock(origins, timezone)):
        axes.axvline(mdates.date2num(origin), color=GREY, ls=":", lw=1, label=None if place else "origin")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("sales per step")
    low, high = result.skill_interval
    axes.set_title(f"Backtest: skill {result.skill:.2f} ({low:.2f} to {high:.2f})", loc="left", fontsize=11)
    time_axis(axes, timezone)
    legend(axes)
    return figure
