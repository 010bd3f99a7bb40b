"""The picture of a load report: load against sales, and load over time beside what sales say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from capacity.domain import DataError, Finding, LoadReport
from capacity.edge.plots.canvas import BLACK, BLUE, GREEN, GREY, ORANGE, finish, legend, on_clock, time_axis
from capacity.load import explained_load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RECENT = timedelta(days=14)  # of usage over time: more cannot be told apart
UNITS = {"cpu": (1.0, "CPU, cores"), "memory": (2**30, "memory, GiB"), "requests": (1.0, "requests per second")}


def plot_load(report: LoadReport) -> Figure:
    """Per resource that was learned: load against sales with the answer, load over time, and what sales leave."""
    shown = [found for found in report.findings if found.verdict == "learned"]
    if not shown or report.usage is None or report.sales is None:
        raise DataError(f"{report.name}: no load that sales explain, nothing to draw: see the verdicts")
    figure = Figure(figsize=(11, 3.6 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), 2, squeeze=False, width_ratios=(1, 2))
    for (against, over), found in zip(grid, shown, strict=True):
        table = explained_load(report, found.resource)
        scale, unit = UNITS[found.resource]
        _draw_against(against, table, found, scale)
        against.set_ylabel(unit)
        _draw_over(over, table, found, scale, report.timezone)
    return figure


def _draw_against(axes: Axes, table: pd.DataFrame, found: Finding, scale: float) -> None:
    """Means over steps of sales, those before the last deploy in grey, and the answer that holds now."""
    known = table.dropna(subset=["rate", "mean"])
    means = known.loc[known.index.isin(known.groupby("place").head(1).index)]
    old = means.index < found.drift if found.drift else np.zeros(len(means), dtype=bool)
    for part, colour, label in ((means[old], GREY, "before the deploy"), (means[~old], BLUE, "seen")):
        if len(part):
            axes.plot(part["rate"], part["mean"] / scale, ".", ms=3, alpha=0.6, color=colour, label=label)
    line = means.sort_values("rate")
    axes.plot(line["rate"], line["line"] / scale, color=ORANGE, lw=1.8, label="answer")
    axes.set_xlabel("sales per hour", fontsize=9)
    finish(axes, "")
    axes.legend(loc="upper left", fontsize=8, frameon=False)


def _draw_over(axes: Axes, table: pd.DataFrame, found: Finding, scale: float, timezone: str) -> None:
    recent = table.loc[table.index > table.index[-1] - RECENT]
    at = on_clock(recent.index, timezone)
    axes.plot(at, recent["usage"] / scale, color=BLACK, lw=0.9, label="usage")
    axes.plot(at, recent["fitted"] / scale, color=ORANGE, lw=1.1, label="what sales say")
    axes.plot(at, (recent["usage"] - recent["fitted"]) / scale, color=GREEN, lw=0.7, label="the rest")
    axes.axhline(0, color=GREY, lw=0.6)
    explained = "" if found.r2 is None else f": sales explain {found.r2:.0%}"
    axes.set_title(f"{found.resource}{explained}", loc="left", fontsize=11)
    time_axis(axes, timezone)
    legend(axes)
