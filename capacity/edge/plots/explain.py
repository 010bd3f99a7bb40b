"""The picture of one floor: its bars as a waterfall from nothing to the number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from capacity.domain import Explanation
from capacity.edge.plots.canvas import Canvas
from capacity.edge.screen import clock
from capacity.edge.viewmodels import view_bars

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
    parts = ", ".join(f"{bar.name} {bar.replicas:+.2f}" for bar in view_bars(explanation))
    return canvas.done(f"{title}: {parts}.")


def _draw_bars(canvas: Canvas, axes: Axes, explanation: Explanation) -> None:
    look = canvas.look
    for place, bar in enumerate(view_bars(explanation)):
        colour = look.blue if bar.replicas >= 0 else look.orange
        axes.barh(place, bar.replicas, left=bar.before, color=colour, height=0.68)
        axes.plot([bar.total] * 2, [place - 0.34, place + 1.34], color=look.muted, lw=0.8)
        axes.annotate(f"{bar.replicas:+.2f}", (max(bar.before, bar.total), place), xytext=(4, 0), **_BESIDE)
    last = len(explanation.bars)
    axes.barh(last, explanation.floor, color=look.green, height=0.68)
    axes.annotate(f"{explanation.floor}", (explanation.floor, last), xytext=(4, 0), **_BESIDE)
