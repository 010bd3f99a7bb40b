"""What every picture shares: paper, the reader's clock, axes, bands, legends, and the words for who cannot see it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from capacity.edge.plots.looks import Look, look_of
from capacity.stats import nearest_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GIB = 2**30
WIDTH = 11.0  # inches: two columns of a page, a screen at 100 dots an inch
LEGEND_LINE = 20  # points that a line of the legend takes
LEGEND_ENTRIES = 6  # on a line
UNSAID = ("black", "#000000", "k")  # colours that matplotlib gives to what nobody coloured


@dataclass(frozen=True, slots=True)
class Canvas:
    """One picture being drawn: its figure, its colours and the clock of its reader."""

    figure: Figure
    look: Look
    timezone: str

    @classmethod
    def new(cls, height: float, timezone: str = "UTC", theme: str = "light") -> Canvas:
        """Empty paper, `height` inches high."""
        look = look_of(theme)
        return cls(Figure(figsize=(WIDTH, height), layout="constrained", facecolor=look.paper), look, timezone)

    def axes(self, rows: int = 1, columns: int = 1, **layout: Any) -> list[Axes]:
        """Axes on this paper, row by row."""
        return list(self.figure.subplots(rows, columns, squeeze=False, **layout).ravel())

    def on_clock(self, index: Any) -> pd.DatetimeIndex:
        """On the reader's clock; matplotlib draws naive times as they are written."""
        return pd.DatetimeIndex(index).tz_convert(self.timezone).tz_localize(None)

    def title(self, axes: Axes, text: str) -> None:
        """What is shown, above the legend."""
        axes.set_title(text, loc="left", fontsize=11, pad=LEGEND_LINE)

    def time_axis(self, axes: Axes) -> None:
        """Times on the reader's clock, named below the axis."""
        locator = mdates.AutoDateLocator(minticks=4, maxticks=12)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
        axes.set_xlabel(f"time ({ZoneInfo(self.timezone).key})", fontsize=9)

    def finish(self, axes: Axes, label: str, *, from_zero: bool = True) -> None:
        """Label, zero line, grid and legend of axes that are drawn."""
        axes.set_ylabel(label)
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.margins(x=0)
        axes.grid(axis="y", color=self.look.rule, lw=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        self.legend(axes)

    def legend(self, axes: Axes) -> None:
        """Between the title and the axes, out of the way of what is drawn; the title makes room for its lines."""
        lines = ceil(len(axes.get_legend_handles_labels()[0]) / LEGEND_ENTRIES)
        if not lines:
            return
        where: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderpad": 0.1}
        text: dict[str, Any] = {"fontsize": 9, "columnspacing": 1.2, "handlelength": 1.6}
        drawn = axes.legend(frameon=False, borderaxespad=0.2, ncols=LEGEND_ENTRIES, **where, **text)
        drawn.set_in_layout(False)  # a long line must not narrow the axes; the title's pad keeps its place
        axes.set_title(axes.get_title("left"), loc="left", fontsize=11, pad=LEGEND_LINE * lines)

    def bands(self, axes: Axes, quantiles: pd.DataFrame) -> None:
        """The median and the bands up to each higher quantile."""
        at = self.on_clock(quantiles.index)
        levels = [float(level) for level in quantiles.columns]
        middle = nearest_level(levels)
        for place in range(len(levels) - 1, middle, -1):
            low, high = quantiles.iloc[:, place - 1].to_numpy(), quantiles.iloc[:, place].to_numpy()
            shade, label = max(0.22, 0.5 / (place - middle)), f"up to q{levels[place]:g}"
            axes.fill_between(at, low, high, color=self.look.blue, alpha=shade, lw=0, label=label)
        label = f"q{levels[middle]:g}"
        axes.plot(at, quantiles.iloc[:, middle].to_numpy(), color=self.look.blue, lw=1.6, label=label)

    def done(self, words: str) -> Figure:
        """The figure, in its colours throughout; `words` say what it shows to who cannot see it."""
        for axes in self.figure.axes:
            axes.set_facecolor(self.look.paper)
            axes.tick_params(which="both", color=self.look.muted, labelcolor=self.look.ink)
            axes.spines[:].set_color(self.look.muted)
            for axis in (axes.xaxis, axes.yaxis):
                axis.get_offset_text().set_color(self.look.ink)
        for text in self.figure.findobj(Text):
            if text.get_color() in UNSAID:
                text.set_color(self.look.ink)
            text.set_parse_math(False)  # names come from outside: a dollar sign is a dollar sign
        self.figure.set_label(words)
        return self.figure
