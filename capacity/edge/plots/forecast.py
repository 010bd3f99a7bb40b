"""The picture of a forecast: its fan, the events it knows of, and the history it continues."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.figure import Figure

from capacity.domain import Event, Forecast
from capacity.edge.plots.canvas import Canvas
from capacity.outlook import coming_peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RECENT = timedelta(days=14)  # of history before a forecast: two weeks show the shape that is continued
MOST_NAMED = 8  # events with their name beside them: more names lie over each other


def plot_forecast(
    forecast: Forecast,
    history: pd.Series | None = None,
    timezone: str = "UTC",
    *,
    events: Sequence[Event] = (),
    theme: str = "light",
) -> Figure:
    """The median, the bands up to each higher quantile, the next peak, and the two weeks of history before them.

    Of `events` those that fall into what is drawn are shaded and named.
    """
    canvas = Canvas.new(4.2, timezone, theme)
    (axes,) = canvas.axes()
    if history is not None:
        recent = history.loc[history.index > pd.Timestamp(forecast.origin) - RECENT]
        axes.plot(canvas.on_clock(recent.index), recent.to_numpy(), color=canvas.look.ink, lw=1, label="so far")
    canvas.bands(axes, forecast.quantiles)
    peak = coming_peak(forecast)
    at = canvas.on_clock([pd.Timestamp(peak.at)])
    label = f"peak {at[0]:%a %d %b %H:%M}"
    axes.plot(at, [peak.high], "v", color=canvas.look.orange, ms=8, label=f"{label}, q{peak.high_level:g}")
    canvas.title(axes, "Forecast")
    canvas.time_axis(axes)
    canvas.finish(axes, forecast.unit)
    named = _mark_events(canvas, axes, events)
    return canvas.done(
        f"Forecast in {forecast.unit}: next {label} ({timezone}), {peak.expected:.4g} expected, "
        f"{peak.high:.4g} at quantile {peak.high_level:g}{named}."
    )


def _mark_events(canvas: Canvas, axes: Axes, events: Sequence[Event]) -> str:
    """Shade every event in view, name the first ones; gives their names in words."""
    low, high = axes.get_xlim()
    top = axes.get_ylim()[1]
    shown: list[str] = []
    for event in sorted(events, key=lambda event: event.start):
        begin, end = mdates.date2num(canvas.on_clock([event.start, event.end]))
        if end <= low or begin >= high:
            continue
        axes.axvspan(max(begin, low), min(end, high), color=canvas.look.orange, alpha=0.16, lw=0)
        if event.name not in shown and len(shown) < MOST_NAMED:
            where = (max(begin, low), top)
            axes.annotate(event.name, where, (2, -3), textcoords="offset points", fontsize=8, va="top", rotation=90)
        shown.append(event.name)
    axes.set_xlim(low, high)
    return f"; events: {', '.join(dict.fromkeys(shown))}" if shown else ""
