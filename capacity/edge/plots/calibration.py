"""The picture of trust: how often each quantile held, against how often it promised to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from capacity.edge.plots.canvas import Canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.backtest import Backtest

PROMISED = 0.95  # the level whose coverage is followed over the origins: the default that plans are made at


def plot_calibration(result: Backtest, timezone: str = "UTC", *, theme: str = "light") -> Figure:
    """Reliability: coverage of each quantile against its level, with where single origins lay; and 0.95 over time.

    On the diagonal a quantile keeps its word. Under it too much came in above the quantile: plans were too small.
    """
    canvas = Canvas.new(4.4, timezone, theme)
    reliability, course = canvas.axes(1, 2, width_ratios=(1, 1.5))
    by_origin = result.by_origin()
    _draw_reliability(canvas, reliability, result, by_origin)
    _draw_course(canvas, course, by_origin)
    spoken = ", ".join(f"{level:g}: {share:.1%}" for level, share in result.coverage.items())
    return canvas.done(f"Share of steps at or under each quantile, by level: {spoken}.")


def _draw_reliability(canvas: Canvas, axes: Axes, result: Backtest, by_origin: pd.DataFrame) -> None:
    levels, shares = (np.array(list(part)) for part in (result.coverage, result.coverage.values()))
    each = np.stack([by_origin[f"coverage_{level:g}"] for level in levels])  # (levels, origins)
    low, high = np.quantile(each, (0.1, 0.9), axis=1)
    look = canvas.look
    axes.plot([0, 1], [0, 1], color=look.muted, ls="--", lw=1, label="keeps its word")
    axes.vlines(levels, low, high, color=look.blue, alpha=0.4, lw=5, label="8 of 10 origins")
    axes.plot(levels, shares, "o-", color=look.blue, lw=1.4, ms=6, label="all")
    canvas.title(axes, "Does a quantile keep its word?")
    canvas.finish(axes, "share of steps at or under it")
    axes.set_xlabel("quantile level", fontsize=9)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))


def _draw_course(canvas: Canvas, axes: Axes, by_origin: pd.DataFrame) -> None:
    at, look = canvas.on_clock(by_origin.index), canvas.look
    shares = by_origin[f"coverage_{PROMISED:g}"].to_numpy()
    axes.axhline(PROMISED, color=look.muted, ls="--", lw=1, label=f"promised: {PROMISED:.0%}")
    axes.plot(at, shares, "o-", color=look.blue, lw=1.4, ms=6, label=f"at or under q{PROMISED:g}")
    canvas.title(axes, "From each origin")
    canvas.time_axis(axes)
    canvas.finish(axes, "share of steps", from_zero=False)
    axes.margins(x=0.05)
    axes.set_ylim(min(0.5, float(shares.min()) - 0.05), 1.01)
    axes.yaxis.set_major_formatter("{x:.0%}")
