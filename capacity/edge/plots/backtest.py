"""The picture of a backtest: what came, against what was forecast for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.figure import Figure

from capacity.edge.plots.canvas import Canvas

if TYPE_CHECKING:
    from capacity.backtest import Backtest


def plot_backtest(result: Backtest, timezone: str = "UTC", *, theme: str = "light") -> Figure:
    """What came, against what was forecast for it from each origin before: median and band up to quantile 0.95."""
    canvas = Canvas.new(4.2, timezone, theme)
    (axes,), look = canvas.axes(), canvas.look
    table = result.windows
    at = canvas.on_clock(table.index)
    label = "forecast, q0.5 to q0.95"
    axes.fill_between(at, table[0.5].to_numpy(), table[0.95].to_numpy(), color=look.blue, alpha=0.3, lw=0, label=label)
    axes.plot(at, table[0.5].to_numpy(), color=look.blue, lw=1.4, label="forecast, q0.5")
    axes.plot(at, table["actual"].to_numpy(), color=look.ink, lw=1, label="what came")
    origins = canvas.on_clock(pd.DatetimeIndex(table["origin"].unique()))
    for place, origin in enumerate(origins):
        axes.axvline(mdates.date2num(origin), color=look.muted, ls=":", lw=1, label=None if place else "origin")
    low, high = result.skill_interval
    canvas.title(axes, f"Backtest: skill {result.skill:.2f} ({low:.2f} to {high:.2f}) beside the seasonal naive")
    canvas.time_axis(axes)
    canvas.finish(axes, "sales per step")
    share = result.coverage[0.95]
    return canvas.done(
        f"Sales against their forecasts from {len(origins)} origins: skill {result.skill:.2f} over the seasonal naive, "
        f"{share:.1%} of steps at or under quantile 0.95."
    )
