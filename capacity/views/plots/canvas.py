"""What all plots share: palette, axes with days on the time axis, bands, legends, files, and alternative text."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from html import escape
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter

from capacity.files import write_text, written_whole
from capacity.model import ConfigError, require
from capacity.stats import nearest_level
from capacity.views.sheet import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.text import Annotation

    GivenAxes = Axes | Sequence[Axes] | None

UNITS = {timedelta(hours=1): "hour", timedelta(days=1): "day", timedelta(weeks=1): "week"}
LABEL = 0.40  # inches that "Wed" and "31 Dec" take, with air
HOURS = (1, 2, 3, 6, 12)
MINUTES, HALF_SECOND = 1440, timedelta(milliseconds=500)
MANY_DAYS = 2.5  # from here on, days are counted, not hours
WEEK = 7
USUAL_SHARE = 0.775  # of the width of a figure, before it is laid out
BESIDE = 1.3  # inches that labels of both y axes take
MONDAY = 4  # 1970-01-05, in days since the epoch


def sales_per_step(index: pd.Index) -> str:
    """What an axis of sales in the steps of an index is called.

    >>> sales_per_step(pd.date_range("2026-11-27", periods=3, freq="h"))
    'sales per hour'
    """
    if len(index) < 2:
        return "sales per step"
    step = pd.Timedelta((index[1:] - index[:-1]).min()).to_pytimedelta()
    return f"sales per {UNITS.get(step) or duration(step)}"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they stand for. `paper` is the background, `ink` text and what was measured, `muted` axes."""

    paper: str
    ink: str
    muted: str
    rule: str
    blue: str
    orange: str
    green: str

    def named(self) -> dict[str, str]:
        """Each colour by its name, as a style sheet wants them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


# Okabe and Ito (2008). On dark paper their sky blue and orange take the place of blue and vermillion: those two lie
# under the contrast of 3 to 1 that WCAG 2.2 asks of lines on this paper, or close to it.
LIGHT = Palette("#FFFFFF", "#222222", "#666666", "#DDDDDD", "#0072B2", "#D55E00", "#009E73")
DARK = Palette("#15191E", "#E9E7E4", "#A3A8AD", "#363C43", "#56B4E9", "#E69F00", "#00AF80")
PALETTES = {"light": LIGHT, "dark": DARK}


def palette_of(theme: str) -> Palette:
    """The look of a theme. Raises `DataError` on another than light and dark."""
    require(theme in PALETTES, "theme: expected one of {}, got {}", sorted(PALETTES), theme)
    return PALETTES[theme]


GIB = 2**30
NOW = "now"  # marks the line in a figure
MEDIAN = 0.5
WIDTH = 11.0  # inches: two columns of a page, a screen at 100 dots an inch
LEGEND_LINE, LEGEND_AIR = 14.5, 5.5  # points that a line of the legend takes, and the air above all of them
LEGEND_ENTRIES = 6  # on a line, at most
LETTER, HANDLE = 0.067, 0.48  # inches that a letter of a legend takes, and a handle with the space around it
TITLE_LETTER, POINTS = 0.085, 72.0  # inches that a letter of a title takes; points in an inch
UNSAID = ("black", "#000000", "k")  # colours that matplotlib gives to what nobody coloured


@dataclass(frozen=True, slots=True)
class Canvas:
    """One picture being drawn: its figure, its colours and the clock of its reader.

    `given`: somebody else's axes, on whose figures nothing but them is touched.
    """

    figure: Figure
    palette: Palette
    timezone: str
    given: tuple[Axes, ...] = ()

    @classmethod
    def new(cls, height: float, timezone: str = "UTC", theme: str = "light", ax: GivenAxes = None) -> Canvas:
        """Empty paper, `height` inches high; or a place on somebody else's."""
        palette = palette_of(theme)
        if ax is not None:
            given = axes_of(ax)
            return cls(given[0].get_figure(root=True), palette, timezone, given)  # type: ignore[arg-type]
        return cls(Figure(figsize=(WIDTH, height), layout="constrained", facecolor=palette.paper), palette, timezone)

    def axes(self, rows: int = 1, columns: int = 1, **layout: Any) -> list[Axes]:
        """Axes on this paper, row by row; on somebody else's, those that were given. Raises `DataError` on too few."""
        if self.given:
            need, got = rows * columns, len(self.given)
            shape = f"{rows}" if columns == 1 else f"{rows}, {columns}"
            require(
                need == got,
                "ax: this picture has {} panels, so expected {} axes, such as those of plt.subplots({}), got {}",
                *(need, need, shape, got),
            )
            return list(self.given)
        return list(self.figure.subplots(rows, columns, squeeze=False, **layout).ravel())

    def on_clock(self, index: Any) -> pd.DatetimeIndex:
        """On the reader's clock; matplotlib draws naive times as they are written."""
        return pd.DatetimeIndex(index).tz_convert(self.timezone).tz_localize(None)

    def title(self, axes: Axes, text: str) -> None:
        """What is shown, above the legend."""
        axes.set_title(text, loc="left", fontsize=11, pad=LEGEND_LINE + LEGEND_AIR)

    def time_axis(self, axes: Axes) -> None:
        """Times on the reader's clock, named below the axis."""
        axes.xaxis.set_major_locator(WeekdayLocator())  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(WeekdayFormatter())
        axes.tick_params(axis="x", labelsize=8.5)
        axes.set_xlabel(f"time ({ZoneInfo(self.timezone).key})", fontsize=9)

    def finish(self, axes: Axes, label: str, *, from_zero: bool = True) -> None:
        """Label, zero line, grid and legend of axes that are drawn."""
        axes.set_ylabel(label)
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.margins(x=0)
        axes.grid(axis="y", color=self.palette.rule, lw=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        self.legend(axes)

    def legend(self, axes: Axes) -> None:
        """Between the title and the axes, out of the way of what is drawn; the title makes room for its lines."""
        _place_legend(axes)

    def now(self, axes: Axes, moment: Any) -> None:
        """A line between what was and what is planned, named above what is drawn."""
        at = mdates.date2num(self.on_clock([pd.Timestamp(moment)])[0])
        axes.axvline(at, color=self.palette.muted, lw=1, ls="--", gid=NOW)
        where: dict[str, Any] = {"textcoords": "offset points", "xycoords": axes.get_xaxis_transform()}
        axes.annotate("now", (at, 1.0), (-3, -2), ha="right", va="top", fontsize=8.5, **where)

    def bands(self, axes: Axes, quantiles: pd.DataFrame) -> None:
        """The median and the bands up to each higher quantile."""
        at = self.on_clock(quantiles.index)
        levels = [float(level) for level in quantiles.columns]
        middle = nearest_level(levels)
        label = "expected (median)" if levels[middle] == MEDIAN else f"quantile {levels[middle]:g}"
        axes.plot(at, quantiles.iloc[:, middle].to_numpy(), color=self.palette.blue, lw=1.6, label=label)
        for place in range(middle + 1, len(levels)):
            low, high = quantiles.iloc[:, place - 1].to_numpy(), quantiles.iloc[:, place].to_numpy()
            shade, label = max(0.22, 0.5 / (place - middle)), f"up to quantile {levels[place]:g}"
            axes.fill_between(at, low, high, color=self.palette.blue, alpha=shade, lw=0, label=label)

    def done(self, words: str) -> Figure:
        """The figure, in its colours throughout; `words` say what it shows to who cannot see it."""
        drawn = self.given or self.figure.axes
        for axes in [*drawn, *(one for each in drawn for one in each.child_axes)]:
            axes.set_facecolor(self.palette.paper)
            axes.tick_params(which="both", color=self.palette.muted, labelcolor=self.palette.ink)
            axes.spines[:].set_color(self.palette.muted)
            for axis in (axes.xaxis, axes.yaxis):
                axis.get_offset_text().set_color(self.palette.ink)
        for text in [one for each in self.given or [self.figure] for one in each.findobj(Text)]:
            if text.get_color() in UNSAID:
                text.set_color(self.palette.ink)
            text.set_parse_math(False)  # names come from outside: a dollar sign is a dollar sign
        if not self.given:
            self.figure.set_label(words)
        return self.figure


def axes_of(ax: GivenAxes) -> tuple[Axes, ...]:
    """The axes that were given: one, or an array or list of them, row by row."""
    found: Any = np.atleast_1d(np.asarray(ax, dtype=object)).ravel().tolist()
    require(bool(found), "ax: expected axes, got an empty list")
    return tuple(found)


def resize(figure: Figure, width: float, height: float | None = None, *, below: bool = False) -> None:
    """Another width, in inches: words take the lines that they then need. `height` is without the legends.

    `below`: legends stand below the picture, so that on a phone it is seen before them.
    """
    figure.set_size_inches(width, height or figure.get_size_inches()[1])
    more = 0.0
    for axes in figure.axes:
        axes.set_xlabel(fill(axes.get_xlabel(), int(axes_width(axes) / LETTER)))
        axes.set_title(fill(axes.get_title("left"), int(axes_width(axes) / TITLE_LETTER)), loc="left", fontsize=11)
        if axes.get_legend() is not None:
            more = max(more, _place_legend(axes))
            if below and (legend := axes.get_legend()) is not None:
                _put_below(figure, axes, legend)
    if height is not None:
        figure.set_size_inches(width, height + more)


COMING, JUST_NOW = 4.5, 0.5  # days in view after now, and before


def coming(figure: Figure) -> None:
    """Only the days around now, where the axes are wider and have a now: all that a phone has room for."""
    for axes in figure.axes:
        at = next((line.get_xdata() for line in axes.lines if line.get_gid() == NOW), None)
        low, high = axes.get_xlim()
        begin = low if at is None else float(np.asarray(at)[0]) - JUST_NOW
        axes.set_xlim(max(low, begin), min(high, max(low, begin) + JUST_NOW + COMING))


def _place_legend(axes: Axes) -> float:
    """As many entries side by side as fit; gives the height that they take, in inches."""
    labels = axes.get_legend_handles_labels()[1]
    if not labels:
        return 0.0
    before = axes.get_legend()
    colour = None if before is None else before.get_texts()[0].get_color()
    columns = _columns(axes, labels)
    where: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderpad": 0.1}
    text: dict[str, Any] = {
        "fontsize": 9,
        "columnspacing": 1.2,
        "handlelength": 1.6,
        "labelcolor": colour,
        "markerscale": 0.75,
    }
    drawn = axes.legend(frameon=False, borderaxespad=0.2, ncols=columns, **where, **text)
    drawn.set_in_layout(False)  # a long line must not narrow the axes; the title's pad keeps its place
    for one in drawn.get_texts():
        one.set_parse_math(False)
    pad = LEGEND_LINE * ceil(len(labels) / columns) + LEGEND_AIR
    axes.set_title(axes.get_title("left"), loc="left", fontsize=11, pad=pad)
    return pad / POINTS


def _put_below(figure: Figure, axes: Axes, before: Legend) -> None:
    """The legend of these axes as that of the figure."""
    handles, labels = axes.get_legend_handles_labels()
    colour = before.get_texts()[0].get_color()
    before.remove()
    axes.set_title(axes.get_title("left"), loc="left", fontsize=11, pad=LEGEND_AIR)
    look: dict[str, Any] = {"fontsize": 9, "handlelength": 1.6, "labelcolor": colour, "frameon": False}
    for one in figure.legend(handles, labels, loc="outside lower left", **look).get_texts():
        one.set_parse_math(False)


def _columns(axes: Axes, labels: Sequence[str]) -> int:
    """How many entries of a legend fit side by side."""
    widths, room = [LETTER * len(label) + HANDLE for label in labels], axes_width(axes)
    for columns in range(min(LEGEND_ENTRIES, len(widths)), 1, -1):
        parts = np.array_split(np.array(widths), columns)  # entries run down each column, the first ones are longer
        if sum(float(part.max()) for part in parts) <= room:
            return columns
    return 1


FORMATS = (".png", ".svg")
DOTS = 110  # an inch: 1210 dots across
# Text stays text (searched, copied, read aloud), and equal figures give equal files.
SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "capacity"}
UNDATED = {"Date": None, "Creator": None}


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG or SVG, by the file's ending; both carry what it shows in words.

    Raises `ConfigError` on another ending or where nothing can be written.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"a picture: expected a file ending in {' or '.join(FORMATS)}, got {path}")
    words = str(figure.get_label())
    try:
        if path.suffix.lower() == ".svg":
            write_text(path, '<?xml version="1.0" encoding="utf-8"?>\n' + _svg(figure))
        else:
            with written_whole(path) as part:
                described = {"Description": words} if words else None
                figure.savefig(part, format="png", dpi=DOTS, metadata=described)
    except OSError as error:
        raise ConfigError(
            f"a picture: {path} cannot be written: {error.strerror or error}; choose another place"
        ) from error


def inline_svg(figure: Figure, name: str) -> str:
    """The figure as an element of a page; `name` keeps its ids apart from those of other pictures.

    Colours of the light look become variables (`--blue`, `--ink`, ...), so that a page's style sheet chooses the look.
    """
    text = _svg(figure)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", text, count=1))
    for colour, value in LIGHT.named().items():
        text = re.sub(rf"(fill|stroke): {value}", rf"\1: var(--{colour})", text, flags=re.IGNORECASE)
    return text


def _svg(figure: Figure) -> str:
    """The `<svg>` element alone, named and described for screen readers."""
    stream, words = io.StringIO(), escape(str(figure.get_label()))
    with mpl.rc_context(SVG):
        figure.savefig(stream, format="svg", metadata=UNDATED)
    text = stream.getvalue()
    text = text[text.index("<svg ") :].replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1)
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    return text.replace(">", f">\n <title>{words}</title>", 1)


NAME_HEIGHTS = (4, -12, 16, -24, 28)  # points above a spot at which its name may stand, the best first


def keep_apart(figure: Figure, names: Sequence[Annotation]) -> None:
    """Move each name up or down to the nearest height where it covers no name before it."""
    figure.draw_without_rendering()
    taken: list[Any] = []
    for name in names:
        aside, _ = name.get_position()
        for height in NAME_HEIGHTS:
            name.set_position((aside, height))
            box = name.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


class WeekdayLocator(mdates.DateLocator):
    """Ticks at hours, days or Mondays; None of them fits: at what matplotlib chooses."""

    def __call__(self) -> Any:
        """The places of the ticks in view."""
        axis: Any = self.axis
        low, high = axis.get_view_interval()
        return self.tick_values(low, high)

    def tick_values(self, vmin: Any, vmax: Any) -> Any:
        """The places between two dates, as numbers of days."""
        low, high = (_days(one) for one in (vmin, vmax))
        axis: Any = self.axis
        every = spacing(high - low, axes_width(axis.axes))
        if every is None:
            return mdates.AutoDateLocator(minticks=3, maxticks=9).tick_values(
                *map(_date, (low, high))
            )  # numbers already
        first = MONDAY if every >= WEEK else 0.0
        return np.arange(first + np.ceil((low - first) / every - 1e-9) * every, high + 1e-9, every)


def spacing(days: float, inches: float) -> float | None:
    """Days between ticks: the least whose labels do not touch; None where they are more than two weeks.

    >>> spacing(17, 9.0), spacing(17, 4.0), spacing(1, 9.0), spacing(400, 9.0)
    (1.0, 2.0, 0.08333333333333333, None)
    """
    room = max(1.0, inches / LABEL)
    steps = [hours / 24 for hours in HOURS] if days < MANY_DAYS else []
    return next((every for every in (*steps, 1.0, 2.0, 7.0, 14.0) if days / every <= room), None)


def axes_width(axes: Axes) -> float:
    """Inches across, about: a constrained layout settles it only when the figure is drawn."""
    figure: Any = axes.get_figure(root=True)
    share, across, place = axes.get_position().width, float(figure.get_size_inches()[0]), axes.get_subplotspec()
    if figure.get_layout_engine() is None:
        return float(share * across)
    alone = place is not None and place.get_gridspec().ncols == 1
    return float((1.0 if alone else share / USUAL_SHARE) * (across - BESIDE))


def _days(one: Any) -> float:
    return float(mdates.date2num(one)) if isinstance(one, datetime) else float(one)


def _date(days: float) -> datetime:
    minutes = round(days * MINUTES)  # a place between two minutes is an error of rounding
    found: datetime = mdates.num2date(minutes / MINUTES) + HALF_SECOND
    return found.replace(microsecond=0)


class WeekdayFormatter(Formatter):
    """Weekday over date; the month at its first tick, the year at its own. Between midnights the hour."""

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002 - matplotlib's signature
        """One tick by itself, as a cursor shows it."""
        return f"{mdates.num2date(x):%a %d %b %Y %H:%M}"

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks."""
        dates: list[datetime | None] = [_date(value) for value in values]
        months = bool(len(values) > 1 and values[1] - values[0] > 20)
        return [_label(now, before, months) for before, now in zip([None, *dates], dates, strict=False) if now]


def _label(now: datetime, before: datetime | None, months: bool) -> str:
    """A label beside the one before it."""
    year = f"\n{now.year}" if before is None or before.year != now.year else ""
    if months:
        return f"{now:%b}{year}"
    if (now.hour or now.minute) and before is not None and before.date() == now.date():
        return f"{now:%H:%M}"
    month = f" {now:%b}" if before is None or before.month != now.month else ""
    if now.hour or now.minute:  # the hour stands in line with the hours beside it
        return f"{now:%H:%M}\n{now:%a} {now.day}{month}{year}"
    return f"{now:%a}\n{now.day}{month}{year}"
