"""History -> quantile forecast. A model is a function; calibration turns its rolling-origin errors into quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pandas as pd

from capacity.domain import DataError, Event, Forecast
from capacity.events import holiday_events, overlapping
from capacity.forecast.conformal import calibrated_quantiles
from capacity.forecast.history import History
from capacity.seasonality import find_seasons, too_short_for

__all__ = ["History", "forecast_sales"]


def forecast_sales(
    sales: pd.Series,
    *,
    horizon: str | timedelta = "14D",
    quantile_levels: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
    holidays: Sequence[str] = (),
    events: Sequence[Event] = (),
    timezone: str | None = None,
) -> Forecast:
    """Quantiles of sales for every step of the horizon, from the seasons that the history really shows.

    `sales`: one value >= 0 per step, regular UTC index, gaps as NaN. The seasonal shape lives on the clock of
    `timezone` (default: the one `read_sales` noted), days of 23 and 25 hours included. `holidays` are countries or
    states (GB-ENG, US-CA) whose public holidays count as events; `events` cover past and future:
    past ones teach their uplift, coming ones are raised or lowered by it. `notes`: what the history cannot support.

    Raises `DataError` for a history that is empty, not regular, negative, or shorter than two steps.

    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> forecast = forecast_sales(pd.Series(10.0 + (index.hour - 12) ** 2, index), horizon="1D")
    >>> [round(value) for value in forecast.at(0.5).iloc[:3]]
    [154, 131, 110]
    """
    _refuse_contradictions(events)
    zone = timezone or sales.attrs.get("timezone", "UTC")
    history = History.of(sales, zone, events)
    steps = history.steps_in(horizon)
    if holidays:
        end = history.origin + (steps + 1) * history.step
        known = holiday_events(holidays, history.index[0].to_pydatetime(), end, zone)
        history = History(history.sales, history.step, zone, (*events, *known))
    seasons = find_seasons(history.sales)
    lengths = tuple(season.season_length for season in seasons)
    quantiles = calibrated_quantiles(history, steps, lengths, sorted(quantile_levels))
    return Forecast(
        origin=history.origin,
        step=history.step,
        quantiles=quantiles,
        unit=f"sales per {history.step_name}",
        model="MSTL" + ("+" + "+".join(season.name for season in seasons) if seasons else " level"),
        notes=_notes(history, tuple(season.name for season in seasons)),
    )


def _refuse_contradictions(events: Sequence[Event]) -> None:
    for early, late in overlapping(events):
        what = f"{early.name} ({early.uplift}) and {late.name} ({late.uplift})"
        raise DataError(
            f"events: expected one uplift at a time, got {what}, which overlap; give them two kinds, or one uplift"
        )


def _notes(history: History, names: tuple[str, ...]) -> tuple[str, ...]:
    notes = [] if names else ["no daily, weekly or yearly cycle stands out of the noise: the level is forecast"]
    short = too_short_for(history.sales)
    if short:
        notes.append(f"history of {len(history.sales) * history.step} is short for a {' and a '.join(short)} cycle")
    gaps = int(history.sales.isna().sum())
    if gaps:
        notes.append(f"{gaps} steps without data are gaps, not zero")
    changes = [
        f"{late - early}"
        for early, late in pairwise(history.sales.dropna().index)
        if late - early > 7 * 24 * pd.Timedelta(hours=1)
    ]
    if changes:
        notes.append(f"longest gap {max(changes)}")
    return tuple(notes)
