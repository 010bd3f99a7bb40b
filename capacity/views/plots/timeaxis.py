"""The time axis: ticks at midnight with their weekday, as many as the width of the axes has room for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import matplotlib.dates as mdates
import numpy as np
from matplotlib.ticker import Formatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL = 0.40  # inches that "Wed" and "31 Dec" take, with air
HOURS = (1, 2, 3, 6, 12)
MINUTES, HALF_SECOND = 1440, timedelta(milliseconds=500)
MANY_DAYS = 2.5  # from here on, days are counted, not hours
WEEK = 7
USUAL_SHARE = 0.775  # of the width of a figure, before it is laid out
BESIDE = 1.3  # inches that labels of both y axes take
MONDAY = 4  # 1970-01-05, in days since the epoch


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
    hour = f" {now:%H:%M}" if now.hour or now.minute else ""
    return f"{now:%a}{hour}\n{now.day}{month}{year}"
