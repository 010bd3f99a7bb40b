"""The plot of planned utilization: a calendar of days and hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from capacity.model import require
from capacity.views.plots.canvas import Canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.views.plots.canvas import GivenAxes

HIGHEST = 1.25  # of the target: beyond it a cell is as dark as it gets, at 80 % that is 100 %
DAY = pd.Timedelta("1D")


def plot_utilization(
    utilization: pd.Series,
    timezone: str = "UTC",
    *,
    target: float = 0.80,
    name: str = "",
    theme: str = "light",
    ax: GivenAxes = None,
) -> Figure:
    """Utilization (a share; UTC index, steps of a day or finer) as a calendar: a column a day, a row an hour.

    A cell is the highest of its steps: blue the nearer to the target the darker, orange above it, with a dot so that
    it does not hang on colour alone. Steps without data stay empty.
    """
    require(len(utilization) >= 1 and 0 < target <= 1, "utilization: expected data and a target in (0, 1]")
    canvas = Canvas.new(4.2, timezone, theme, ax)
    (axes,) = canvas.axes()
    grid = _calendar(pd.Series(utilization.to_numpy(dtype=float), canvas.on_clock(utilization.index)))
    _draw(canvas, axes, grid, target)
    values = utilization.dropna()
    over = float((values > target + 1e-9).mean()) if len(values) else 0.0
    highest = f"highest {100 * float(values.max()):.0f}\u00a0%"
    words = highest if not over else f"{highest}, {100 * over:.1f}\u00a0% of steps over {100 * target:.0f}\u00a0%"
    canvas.title(axes, f"{name + ': ' if name else ''}utilization by day and hour: {words}")
    return canvas.done(f"Calendar of utilization{' of ' + name if name else ''}: {words}.")


def _calendar(local: pd.Series) -> pd.DataFrame:
    """Rows hour of the day, columns day; the highest step of each hour."""
    hour, day = pd.DatetimeIndex(local.index).hour, pd.DatetimeIndex(local.index).normalize()
    grid = local.groupby([hour, day]).max().unstack()
    days = pd.date_range(day.min(), day.max(), freq=DAY)
    return grid.reindex(index=range(24), columns=days)


def _draw(canvas: Canvas, axes: Axes, grid: pd.DataFrame, target: float) -> None:
    palette, top = canvas.palette, target * HIGHEST
    split = 1 / HIGHEST
    colours = [(0.0, palette.paper), (split, palette.blue), (split, palette.orange), (1.0, palette.orange)]
    shades = LinearSegmentedColormap.from_list("utilization", colours).with_extremes(bad=palette.paper)
    days = pd.DatetimeIndex(grid.columns)
    edges = mdates.date2num(days.append(days[-1:] + DAY))
    values = np.ma.masked_invalid(grid.to_numpy())
    mesh = axes.pcolormesh(
        edges, np.arange(25), values, cmap=shades, vmin=0, vmax=top, lw=0.4, edgecolors=palette.paper
    )
    rows, columns = np.nonzero(np.nan_to_num(grid.to_numpy()) > target + 1e-9)
    axes.plot(edges[columns] + 0.5, rows + 0.5, ".", ms=3, color=palette.paper)
    axes.invert_yaxis()
    axes.set_yticks(range(0, 25, 6), [f"{hour:02d}:00" for hour in range(0, 25, 6)])
    axes.set_ylabel("hour of the day")
    canvas.time_axis(axes)
    axes.set_xlabel(f"day ({canvas.timezone})", fontsize=9)
    bar = canvas.figure.colorbar(mesh, ax=axes, pad=0.01, aspect=25, ticks=[0, target / 2, target, top])
    bar.ax.set_yticklabels([f"{100 * value:.0f} %" for value in (0, target / 2, target)] + [f"{100 * top:.0f} %+"])
    bar.outline.set_visible(False)
