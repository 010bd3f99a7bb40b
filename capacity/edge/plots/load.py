"""The picture of a load report: load against sales, and load over time beside what sales say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from capacity.domain import DataError, Finding, LoadReport
from capacity.edge.plots.canvas import Canvas
from capacity.load import explained_load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RECENT = timedelta(days=14)  # of usage over time: more cannot be told apart
UNITS = {"cpu": (1.0, "CPU, cores"), "memory": (2**30, "memory, GiB"), "requests": (1.0, "requests per second")}


def plot_load(report: LoadReport, *, theme: str = "light") -> Figure:
    """Per resource that was learned: load against sales with the answer, load over time, and what sales leave."""
    shown = [found for found in report.findings if found.verdict == "learned"]
    if not shown or report.usage is None or report.sales is None:
        raise DataError(f"{report.name}: no load that sales explain, nothing to draw: see the verdicts")
    canvas = Canvas.new(3.8 * len(shown), report.timezone, theme)
    grid = canvas.axes(len(shown), 2, width_ratios=(1, 2))
    for against, over, found in zip(grid[::2], grid[1::2], shown, strict=True):
        table = explained_load(report, found.resource)
        scale, unit = UNITS[found.resource]
        _draw_against(canvas, against, (table, found, scale), unit)
        _draw_over(canvas, over, (table, found, scale), unit)
    return canvas.done(" ".join(found.words for found in shown))


Drawn = tuple[pd.DataFrame, Finding, float]  # explained load, what was found, units of the axis


def _draw_against(canvas: Canvas, axes: Axes, drawn: Drawn, unit: str) -> None:
    """Means over steps of sales, those before the last deploy in grey, and the answer that holds now."""
    (table, found, scale), look = drawn, canvas.look
    known = table.dropna(subset=["rate", "mean"])
    means = known.loc[known.index.isin(known.groupby("place").head(1).index)]
    old = means.index < found.drift if found.drift else np.zeros(len(means), dtype=bool)
    for part, colour, label in ((means[old], look.muted, "before the deploy"), (means[~old], look.blue, "seen")):
        if len(part):
            axes.plot(part["rate"], part["mean"] / scale, ".", ms=3, alpha=0.6, color=colour, label=label)
    line = means.sort_values("rate")
    axes.plot(line["rate"], line["line"] / scale, color=look.orange, lw=1.8, label="answer")
    axes.set_xlabel("sales per hour", fontsize=9)
    canvas.finish(axes, unit)


def _draw_over(canvas: Canvas, axes: Axes, drawn: Drawn, unit: str) -> None:
    (table, found, scale), look = drawn, canvas.look
    recent = table.loc[table.index > table.index[-1] - RECENT]
    at = canvas.on_clock(recent.index)
    axes.plot(at, recent["usage"] / scale, color=look.ink, lw=0.9, label="usage")
    axes.plot(at, recent["fitted"] / scale, color=look.orange, lw=1.1, label="what sales say")
    axes.plot(at, (recent["usage"] - recent["fitted"]) / scale, color=look.green, lw=0.7, label="the rest")
    axes.axhline(0, color=look.muted, lw=0.6)
    explained = "" if found.r2 is None else f": sales explain {found.r2:.0%}"
    canvas.title(axes, f"{found.resource}{explained}")
    canvas.time_axis(axes)
    canvas.finish(axes, unit, from_zero=False)
