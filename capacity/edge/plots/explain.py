"""The picture of one floor: its bars as a waterfall from nothing to the number."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from capacity.domain import Explanation
from capacity.edge.plots.canvas import BLUE, GREEN, GREY, ORANGE
from capacity.edge.screen import clock

_BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8}


def plot_explanation(explanation: Explanation, timezone: str = "UTC") -> Figure:
    """A bar for each part, hanging where the last one ended: rises blue, falls orange, the floor green."""
    names = [*(bar.name for bar in explanation.bars), "floor"]
    figure = Figure(figsize=(11, 1.2 + 0.36 * len(names)), layout="constrained")
    axes = figure.subplots()
    before = 0.0
    for place, bar in enumerate(explanation.bars):
        size = bar.milli / 1000
        axes.barh(place, size, left=before, color=BLUE if size >= 0 else ORANGE, height=0.68)
        axes.plot([before + size] * 2, [place - 0.34, place + 1.34], color=GREY, lw=0.8)
        axes.annotate(f"{size:+.2f}", (max(before, before + size), place), xytext=(4, 0), **_BESIDE)
        before += size
    axes.barh(len(names) - 1, explanation.floor, color=GREEN, height=0.68)
    axes.annotate(f"{explanation.floor}", (explanation.floor, len(names) - 1), xytext=(4, 0), **_BESIDE)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_xlabel("replicas")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(
        f"{explanation.label}: {explanation.floor} replicas for {clock(explanation.at, timezone)} ({timezone})",
        loc="left",
        fontsize=11,
    )
    return figure
