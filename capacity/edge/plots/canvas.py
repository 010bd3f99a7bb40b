"""What every picture shares: colours, the reader's clock, axes and legends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008): told apart by every kind of colour vision.
BLUE, ORANGE, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#222222", "#8A8A8A"
GIB = 2**30


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, by the file's ending."""
    figure.savefig(path, dpi=110)


def on_clock(index: Any, timezone: str) -> pd.DatetimeIndex:
    """On the reader's clock; matplotlib draws naive times as they are written."""
    return pd.DatetimeIndex(index).tz_convert(timezone).tz_localize(None)


def time_axis(axes: Axes, timezone: str) -> None:
    """Times on the reader's clock, named below the axis."""
    locator = mdates.AutoDateLocator(minticks=5, maxticks=14)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    axes.set_xlabel(f"time ({ZoneInfo(timezone).key})", fontsize=9)
    axes.margins(x=0)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def legend(axes: Axes) -> None:
    """Above the axes, out of the way of what is drawn."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, ncols=5, borderaxespad=0.2)


def finish(axes: Axes, label: str) -> None:
    """Label, zero line, grid and legend of axes that are drawn."""
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    legend(axes)


def bands(axes: Axes, quantiles: pd.DataFrame, timezone: str) -> None:
    """The median and the bands up to each higher quantile."""
    at = on_clock(quantiles.index, timezone)
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
