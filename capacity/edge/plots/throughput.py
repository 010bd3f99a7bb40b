"""What replicas serve by their history: what requests cost one of them, and how many requests so many reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from capacity.domain import ThroughputReport
from capacity.edge.plots.canvas import Canvas
from capacity.load.request_cost import CONFIDENCE
from capacity.sizing.throughput import reached_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_cost(canvas: Canvas, axes: Axes, found: ThroughputReport) -> None:
    """Utilization of one replica against its requests, and the law at the fewest and the most replicas seen."""
    look, law, (fewest, most) = canvas.look, found.law, found.counts
    if found.steps is not None:
        rate = found.steps["requests"] / found.steps["replicas"]
        used = found.steps["cpu"] / found.steps["replicas"] / found.cpu_request
        axes.plot(rate, 100 * used, ".", ms=3, alpha=0.5, color=look.blue, label="seen")
    idle = found.idle / found.cpu_request
    for count, style in dict.fromkeys(((most, "-"), (fewest, "--"))):
        full = law.at(count) / count
        axes.plot([0, full], [100 * idle, 100], style, color=look.orange, lw=1.6, label=f"one of {count}")
    axes.axhline(100, color=look.muted, lw=0.8)
    axes.set_xlabel("requests/s of one replica", fontsize=9)
    canvas.title(axes, "one replica")
    canvas.finish(axes, "% of its CPU request")
    _with_air(axes)


def draw_served(canvas: Canvas, axes: Axes, found: ThroughputReport) -> None:
    """Requests per second against replicas: those seen, and what the law and its bound say at 100 %."""
    look, (fewest, most) = canvas.look, found.counts
    if found.steps is not None:
        axes.plot(found.steps["replicas"], found.steps["requests"], ".", ms=3, alpha=0.5, color=look.blue, label="seen")
    counts = np.arange(1, round(1.5 * most) + 1)
    law, bound = reached_by(found.law, counts), reached_by(found.bound, counts)
    axes.plot(counts, law, color=look.orange, lw=1.6, label="served at 100 %")
    axes.plot(counts, bound, color=look.green, lw=1.6, label=f"at least, {CONFIDENCE:.0%} sure: planned with")
    axes.axvspan(most, counts[-1], color=look.rule, alpha=0.5, lw=0, label="never seen")
    axes.set_xlabel("replicas", fontsize=9)
    canvas.title(axes, f"what {fewest} to {most} replicas serve" if fewest < most else f"what {most} replicas serve")
    canvas.finish(axes, "requests per second")
    _with_air(axes)


def _with_air(axes: Axes) -> None:
    """Room at the right and above, so that no point is cut in half."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    axes.set_xlim(0, right * 1.02)
    axes.set_ylim(0, top * 1.02)
