"""The picture of a decomposition: sales as level, cycles and rest, one below the other on one clock."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from capacity.decomposition import decompose_sales
from capacity.edge.plots.canvas import Canvas

SHOWN = pd.Timedelta(weeks=6)  # the newest: a cycle within the day can still be told apart


def plot_decomposition(sales: pd.Series, timezone: str = "UTC", *, theme: str = "light") -> Figure:
    """The newest six weeks of the history taken apart: what was sold, level, each cycle, rest; they add up exactly."""
    parts = decompose_sales(sales)
    shown = parts.loc[parts.index > parts.index[-1] - SHOWN]
    canvas = Canvas.new(1.1 + 1.45 * len(shown.columns), timezone, theme)
    rows, look = canvas.axes(len(shown.columns), sharex=True), canvas.look
    colours = {"sales": look.ink, "level": look.green, "rest": look.muted}
    for axes, name in zip(rows, shown.columns, strict=True):
        axes.plot(canvas.on_clock(shown.index), shown[name].to_numpy(), color=colours.get(name, look.blue), lw=1.1)
        if name not in ("sales", "level"):
            axes.axhline(0, color=look.muted, lw=0.6)
        canvas.finish(axes, name, from_zero=name in ("sales", "level"))
    rows[0].set_title("Sales per step, taken apart: the parts add up to it", loc="left", fontsize=11)
    canvas.time_axis(rows[-1])
    cycles = [str(name) for name in shown.columns[2:-1]]
    return canvas.done(f"Sales as the sum of a level, {' and '.join(cycles) or 'no'} cycles, and a rest.")
