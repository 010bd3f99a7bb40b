"""Plots of a load report: load against sales, load over time, and throughput."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from capacity.load import explained_load
from capacity.load.throughput import CONFIDENCE, reached_by
from capacity.model import DataError, Finding, LoadReport, ThroughputReport
from capacity.views.plots.canvas import Canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.views.plots.canvas import GivenAxes


def draw_cost(canvas: Canvas, axes: Axes, found: ThroughputReport) -> None:
    """Utilization of one replica against its requests, and the law at the fewest and the most replicas seen."""
    palette, law, (fewest, most) = canvas.palette, found.law, found.counts
    if found.steps is not None:
        rate = found.steps["requests"] / found.steps["replicas"]
        used = found.steps["cpu"] / found.steps["replicas"] / found.cpu_request
        axes.plot(rate, 100 * used, ".", ms=3, alpha=0.5, color=palette.blue, label="measured")
    idle = found.idle / found.cpu_request
    for count, style in dict.fromkeys(((most, "-"), (fewest, "--"))):
        full = law.at(count) / count
        axes.plot([0, full], [100 * idle, 100], style, color=palette.orange, lw=1.6, label=f"fitted, 1 of {count}")
    axes.axhline(100, color=palette.muted, lw=0.8)
    axes.set_xlabel("requests/s of one replica", fontsize=9)
    canvas.title(axes, "Utilization of one replica")
    canvas.finish(axes, "% of its CPU request")
    _with_air(axes)


def draw_served(canvas: Canvas, axes: Axes, found: ThroughputReport) -> None:
    """Requests per second against replicas: those seen, and what the law and its bound say at 100 %."""
    palette, (fewest, most) = canvas.palette, found.counts
    if found.steps is not None:
        axes.plot(
            found.steps["replicas"], found.steps["requests"], ".", ms=3, alpha=0.5, color=palette.blue, label="measured"
        )
    counts = np.arange(1, round(1.5 * most) + 1)
    law, bound = reached_by(found.law, counts), reached_by(found.bound, counts)
    axes.plot(counts, law, color=palette.orange, lw=1.6, label="at 100 %, fitted")
    axes.plot(
        counts, bound, color=palette.green, lw=1.6, label=f"at 100 %, lower {100 * CONFIDENCE:.0f} % bound (planned)"
    )
    axes.axvspan(most, counts[-1], color=palette.rule, alpha=0.5, lw=0, label="not observed")
    axes.set_xlabel("replicas", fontsize=9)
    canvas.title(
        axes,
        f"Requests that {fewest} to {most} replicas serve" if fewest < most else f"Requests that {most} replicas serve",
    )
    canvas.finish(axes, "requests per second")
    _with_air(axes)


def _with_air(axes: Axes) -> None:
    """Room at the right and above, so that no point is cut in half."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    axes.set_xlim(0, right * 1.02)
    axes.set_ylim(0, top * 1.02)


WIDEST = 110  # letters of a name: the width of the picture
RECENT = timedelta(days=14)  # of usage over time: more cannot be told apart
NAMES = {"cpu": "CPU", "memory": "Memory", "requests": "Requests"}
UNITS = {"cpu": (1.0, "CPU, cores"), "memory": (2**30, "memory, GiB"), "requests": (1.0, "requests per second")}


def plot_load(report: LoadReport, *, theme: str = "light", ax: GivenAxes = None) -> Figure:
    """Per resource that was learned: load against sales with the answer, load over time, and what sales leave.

    Where history tells what replicas serve, also that: what requests cost one of them, how many so many reach.

    `ax`: axes to draw on, two for each resource that was learned and two for what replicas serve, row by row.
    """
    shown, served = _shown(report)
    if not can_plot_load(report):
        raise DataError(f"{report.name}: no load that sales explain, nothing to draw: see the verdicts")
    rows = len(shown) + (served is not None)
    canvas = Canvas.new(0.4 + 3.6 * rows, report.timezone, theme, ax)
    grid = canvas.axes(rows, 2, width_ratios=(1, 2))
    for against, over, found in zip(grid[::2], grid[1::2], shown, strict=False):
        table = explained_load(report, found.resource)
        scale, unit = UNITS[found.resource]
        _draw_against(canvas, against, (table, found, scale), unit)
        _draw_over(canvas, over, (table, found, scale), unit)
    if served is not None:
        draw_cost(canvas, grid[-2], served)
        draw_served(canvas, grid[-1], served)
    if ax is None:
        canvas.figure.suptitle(_short(report.name), x=0.01, ha="left", fontsize=12)
    words = [found.words for found in shown] + ([served.words] if served is not None else [])
    return canvas.done(f"{report.name}: {' '.join(words)}")


def can_plot_load(report: LoadReport) -> bool:
    """Whether a report holds anything to draw: a load that sales explain, or replicas whose history tells."""
    shown, served = _shown(report)
    return bool(shown) or served is not None


def _shown(report: LoadReport) -> tuple[list[Finding], ThroughputReport | None]:
    learned = [found for found in report.findings if found.verdict == "learned"]
    return learned, report.throughput if isinstance(report.throughput, ThroughputReport) else None


def _short(name: str) -> str:
    """A name that fits the width of the picture."""
    return name if len(name) <= WIDEST else f"{name[: WIDEST - 1]}…"


Drawn = tuple[pd.DataFrame, Finding, float]  # explained load, what was found, units of the axis


def _draw_against(canvas: Canvas, axes: Axes, drawn: Drawn, unit: str) -> None:
    """Means over steps of sales, those before the last deploy in grey, and the answer that holds now."""
    (table, found, scale), palette = drawn, canvas.palette
    known = table.dropna(subset=["rate", "mean"])
    means = known.loc[known.index.isin(known.groupby("place").head(1).index)]
    old = means.index < found.drift if found.drift else np.zeros(len(means), dtype=bool)
    for part, colour, label in (
        (means[old], palette.muted, "before the change"),
        (means[~old], palette.blue, "measured"),
    ):
        if len(part):
            axes.plot(part["rate"], part["mean"] / scale, ".", ms=3, alpha=0.6, color=colour)
            axes.plot([], [], ".", ms=9, color=colour, label=label)  # large enough in the legend to show its colour
    line = means.sort_values("rate")
    axes.plot(line["rate"], line["line"] / scale, color=palette.orange, lw=1.8, label="fitted")
    axes.set_xlabel("sales per hour", fontsize=9)
    canvas.title(axes, f"{NAMES[found.resource]} against sales")
    canvas.finish(axes, unit)
    axes.margins(x=0.02)


def _draw_over(canvas: Canvas, axes: Axes, drawn: Drawn, unit: str) -> None:
    (table, found, scale), palette = drawn, canvas.palette
    recent = table.loc[table.index > table.index[-1] - RECENT]
    at = canvas.on_clock(recent.index)
    axes.plot(at, recent["usage"] / scale, color=palette.ink, lw=0.9, label="usage")
    axes.plot(at, recent["fitted"] / scale, color=palette.orange, lw=1.1, label="fitted from sales")
    axes.plot(at, (recent["usage"] - recent["fitted"]) / scale, color=palette.green, lw=0.7, label="residual")
    axes.axhline(0, color=palette.muted, lw=0.6)
    if found.drift is not None and found.drift > recent.index[0]:
        axes.axvline(
            mdates.date2num(canvas.on_clock([found.drift])[0]),
            color=palette.muted,
            lw=1,
            ls="--",
            label="change of load",
        )
    explained = "" if found.r2 is None else f" (R² {found.r2:.2f})"
    canvas.title(axes, f"{NAMES[found.resource]} over time{explained}")
    canvas.time_axis(axes)
    canvas.finish(axes, unit, from_zero=False)
