"""Forecasts as sheets: each day's highest step for people, every step for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from capacity.domain import Forecast
from capacity.edge.planfile import rfc3339
from capacity.edge.screen import Sheet, clock, moment
from capacity.edge.sheets.seasons import growth_line
from capacity.outlook import coming_growth, coming_peak
from capacity.pipeline import Histories

NOTHING = 1e-4  # of the highest value: a person reads less as zero, and 7.736e-05 as noise; JSON and CSV keep it


def forecast_sheet(forecasts: Mapping[str | None, Forecast], histories: Histories, timezone: str) -> Sheet:
    """Each day's highest step with its quantiles; JSON and CSV carry every step."""
    rows: list[tuple[object, ...]] = []
    levels = [float(level) for level in next(iter(forecasts.values())).quantiles.columns]
    for group, forecast in forecasts.items():
        least = NOTHING * float(forecast.quantiles.to_numpy().max())
        for at, values in _daily_peaks(forecast.quantiles, levels[-1]).iterrows():
            shown = (f"{value:.4g}" if value > least else "0" for value in values)
            rows.append((group or "all", clock(moment(at), timezone), *shown))
    footer = [f"{group or 'all'}: {forecast.model}; {forecast.unit}" for group, forecast in forecasts.items()]
    for group, forecast in forecasts.items():
        footer += [f"{group or 'all'}: {line}" for line in _outlook_lines(forecast, histories[group], timezone)]
    footer += [f"{group or 'all'}: {note}" for group, forecast in forecasts.items() for note in forecast.notes]
    document = [_forecast_document(group, forecast) for group, forecast in forecasts.items()]
    columns = ("sales of", f"highest step of each day ({timezone})", *(f"q{level:g}" for level in levels))
    return Sheet("Forecast of sales", columns, rows, document, tuple(footer))


def _outlook_lines(forecast: Forecast, history: pd.Series, timezone: str) -> list[str]:
    """What a planner asks first: the next peak, how sure, and against last year."""
    peak = coming_peak(forecast)
    return [
        f"next peak {clock(peak.at, timezone)}: {peak.expected:.4g} at quantile {peak.expected_level:g}, "
        f"{peak.high:.4g} at {peak.high_level:g}",
        growth_line("forecast", coming_growth(history, forecast)),
    ]


def forecast_rows(forecasts: Mapping[str | None, Forecast]) -> Sheet:
    """Every step of every forecast, for CSV."""
    levels = [float(level) for level in next(iter(forecasts.values())).quantiles.columns]
    rows = [
        (group or "all", rfc3339(moment(at)), *(round(float(value), 6) for value in values))
        for group, forecast in forecasts.items()
        for at, values in forecast.quantiles.iterrows()
    ]
    return Sheet("", ("group", "start", *(f"{level:g}" for level in levels)), rows, None)


def _forecast_document(group: str | None, forecast: Forecast) -> dict[str, Any]:
    quantiles = forecast.quantiles
    return {
        "group": group,
        "origin": rfc3339(forecast.origin),
        "step": round(forecast.step.total_seconds()),
        "unit": forecast.unit,
        "model": forecast.model,
        "notes": list(forecast.notes),
        "start": [rfc3339(moment(at)) for at in quantiles.index],
        "quantiles": {
            f"{level:g}": [round(float(value), 6) for value in quantiles[level]] for level in quantiles.columns
        },
    }


def _daily_peaks(quantiles: pd.DataFrame, level: float) -> pd.DataFrame:
    index: Any = quantiles.index
    highest = quantiles[level].groupby(index.floor("D")).idxmax()
    return quantiles.loc[sorted(highest)]
