"""When it gets busy: the next peaks of sales, how high, how sure, and against last year."""

from __future__ import annotations

from typing import Any

import pandas as pd

from capacity.domain import Forecast
from capacity.edge.report.review import Review
from capacity.edge.report.section import Section, Table, picture
from capacity.edge.screen import clock, moment
from capacity.edge.sheets.seasons import growth_line
from capacity.outlook import coming_growth, coming_peak
from capacity.stats import nearest_level

DAYS = 5  # of the highest that are listed: a working week
GROUPS = 4  # whose peaks are listed and drawn: more is a data sheet


def peaks_section(review: Review) -> Section:
    """The next peak of each group in words, the fan with its events, and the highest days."""
    words, tables, pictures, notes = [], [], [], []
    for place, (name, forecast) in enumerate(list(review.outlooks.items())[:GROUPS]):
        words.append(f"{_sentence(name, forecast, review.timezone)} {_growth(review, name, forecast)}")
        tables.append(_table(name, forecast, review.timezone))
        pictures.append(picture(_figure(review, name, forecast), f"forecast{place}"))
        notes += [f"{name}: {note}" for note in (f"model: {forecast.model}", *forecast.notes)]
    failed = [
        f"{group or 'sales'}: no forecast: {one}"
        for group, one in review.forecasts.items()
        if not isinstance(one, Forecast)
    ]
    return Section("When it gets busy", words or ["No forecast could be made."], failed, tables, pictures, notes)


def _sentence(name: str, forecast: Forecast, timezone: str) -> str:
    peak = coming_peak(forecast)
    return (
        f"The next peak of {name} is on {clock(peak.at, timezone)} ({timezone}): {peak.expected:,.4g} {forecast.unit} "
        f"are expected, and it stays at or under {peak.high:,.4g} with a chance of {100 * peak.high_level:g} %."
    )


def _growth(review: Review, name: str, forecast: Forecast) -> str:
    history = next(sales for group, sales in review.known.items() if (group or "sales") == name)
    line = growth_line("This period", coming_growth(history, forecast))
    return f"{line}."


def _table(name: str, forecast: Forecast, timezone: str) -> Table:
    """The highest step of each of the busiest days, by the median."""
    levels = [float(level) for level in forecast.quantiles.columns]
    middle = nearest_level(levels)
    table: Any = forecast.quantiles
    local: Any = pd.DatetimeIndex(table.index).tz_convert(timezone).normalize()
    tops = table.loc[table.iloc[:, middle].groupby(local).idxmax()].sort_values(levels[middle], ascending=False)
    shown = [level for level in levels if level >= 0.5]
    rows = [
        (clock(moment(at), timezone), *(f"{values[level]:,.4g}" for level in shown))
        for at, values in tops.iloc[:DAYS].iterrows()
    ]
    head = [f"busiest days of {name} ({timezone})", *("expected" if level == 0.5 else f"q{level:g}" for level in shown)]
    return Table(head, rows, frozenset(range(1, len(head))))


def _figure(review: Review, name: str, forecast: Forecast) -> Any:
    from capacity.edge.plots import plot_forecast

    history = next(sales for group, sales in review.known.items() if (group or "sales") == name)
    return plot_forecast(forecast, history, review.timezone, events=review.events)
