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
    """Reliability: the share of steps at or under each quantile against its level; and that of 0.95 from each origin.

    On the diagonal a quantile keeps its word; under it too much came in above the quantile, and plans were too small.
    A bar reaches down to the share of steps strictly under it: where many steps are exactly the quantile (nights
    without a sale, forecast as none), the promise is kept if the diagonal crosses the bar.
    """
    canvas = Canvas.new(4.4, timezone, theme)
    reliability, course = canvas.axes(1, 2, width_ratios=(1, 1.5))
    by_origin = result.by_origin()
    _draw_reliability(canvas, reliability, result)
    _draw_course(canvas, course, by_origin)
    spoken = ", ".join(f"{level:g}: {share:.1%}" for level, share in result.coverage.items())
    return canvas.done(f"Share of steps at or under each quantile, by level: {spoken}.")


def _draw_reliability(canvas: Canvas, axes: Axes, result: Backtest) -> None:
    levels, shares = (np.array(list(part)) for part in (result.coverage, result.coverage.values()))
    seen, look = result.windows.dropna(subset=["actual"]), canvas.look
    below = [float((seen["actual"] < seen[level]).mean()) for level in levels]
    axes.plot([0, 1], [0, 1], color=look.muted, ls="--", lw=1, label="promised")
    axes.vlines(levels, below, shares, color=look.blue, alpha=0.4, lw=6, label="exactly at")
    axes.plot(levels, shares, "o", color=look.blue, ms=6, label="at or under")
    canvas.title(axes, "Does a quantile keep its word?")
    canvas.finish(axes, "share of steps")
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
