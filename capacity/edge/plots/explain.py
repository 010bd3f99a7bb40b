"""The picture of one floor: its bars as a waterfall from nothing to the number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from capacity.domain import Explanation
from capacity.edge.plots.canvas import Canvas
from capacity.edge.screen import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 9}


def plot_explanation(explanation: Explanation, timezone: str = "UTC", *, theme: str = "light") -> Figure:
    """A bar for each part, hanging where the last one ended: rises blue, falls orange, the floor green."""
    names = [*(bar.name for bar in explanation.bars), "floor"]
    canvas = Canvas.new(1.2 + 0.36 * len(names), timezone, theme)
    (axes,), look = canvas.axes(), canvas.look
    _draw_bars(canvas, axes, explanation)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.axvline(0, color=look.muted, lw=0.8)
    axes.set_xlabel("replicas")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    title = f"{explanation.label}: {explanation.floor} replicas for {clock(explanation.at, timezone)} ({timezone})"
    axes.set_title(title, loc="left", fontsize=11)
    parts = ", ".join(f"{bar.name} {bar.milli / 1000:+.2f}" for bar in explanation.bars)
    return canvas.done(f"{title}: {parts}.")


def _draw_bars(canvas: Canvas, axes: Axes, explanation: Explanation) -> None:
    look, before = canvas.look, 0.0
    for place, bar in enumerate(explanation.bars):
        size = bar.milli / 1000
        axes.barh(place, size, left=before, color=look.blue if size >= 0 else look.orange, height=0.68)
        axes.plot([before + size] * 2, [place - 0.34, place + 1.34], color=look.muted, lw=0.8)
        axes.annotate(f"{size:+.2f}", (max(before, before + size), place), xytext=(4, 0), **_BESIDE)
        before += size
    last = len(explanation.bars)
    axes.barh(last, explanation.floor, color=look.green, height=0.68)
    axes.annotate(f"{explanation.floor}", (explanation.floor, last), xytext=(4, 0), **_BESIDE)
