"""Forecasts of sales: of one series, of many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pandas as pd

from capacity.domain import DEFAULT_LEVELS, DataError, Event, Forecast, ForecastRequest
from capacity.forecast.far import forecast_far
from capacity.forecast.series import Prepared, finish, prepare

Key = TypeVar("Key")


def forecast_sales(
    sales: pd.Series,
    *,
    horizon: str | timedelta = "14D",
    quantile_levels: Sequence[float] = DEFAULT_LEVELS,
    holidays: Sequence[str] = (),
    events: Sequence[Event] = (),
    timezone: str | None = None,
    covariates: pd.DataFrame | None = None,
    window: timedelta | None = None,
) -> Forecast:
    """Quantiles of sales for every step of the horizon, calibrated on what earlier forecasts would have missed.

    `sales`: one value >= 0 per step, regular UTC index up to gaps (missing steps or NaN; a gap is never zero), or month
    starts, UTC or local. The shape lives on the clock of `timezone` (default: the one `read_sales` noted), days of 23
    and 25 hours included. `holidays` are countries and states (GB-ENG, US) whose public holidays and bridge days are
    events; the days before and after them are too where past ones say so. `events` cover past and future: past ones are
    kept out of the normal shape and teach their uplift, coming ones are raised or lowered by it. `covariates`: columns
    such as price or campaign spend on the same steps, known on history and whole horizon; their effect is used where it
    would have helped. `window`: the highest step of ``[t, t + window)`` is forecast too, from every step t, as
    `maxima`; a part of a step counts as a whole one. `notes` say what was found and what was left out.

    Raises `DataError` for a series that is not regular, negative, infinite, or has fewer than 4 values.

    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> forecast = forecast_sales(pd.Series(10.0 + (index.hour - 12) ** 2, index), horizon="1D")
    >>> [round(value) for value in forecast.at(0.5).iloc[:3]]
    [154, 131, 110]
    """
    levels = tuple(sorted(float(level) for level in quantile_levels))
    request = ForecastRequest(duration_of(horizon), levels, tuple(holidays), tuple(events), timezone, window)
    return forecast_as_asked(sales, request, covariates)


def forecast_as_asked(sales: pd.Series, request: ForecastRequest, covariates: pd.DataFrame | None = None) -> Forecast:
    """`forecast_sales` for a request that is written down already."""
    return _alone(prepare(sales, request, covariates))


def forecast_many(
    asked: Mapping[Key, tuple[pd.Series, ForecastRequest]], covariates: pd.DataFrame | None = None
) -> dict[Key, Forecast | DataError]:
    """The forecast of each series as its request asks, or the error that stood in its way: one never stops the others.

    Series of one length, step and request share their calibration: what one has seen too little of, the others tell.
    A series that shares with none gets, to the last bit, what it gets from `forecast_sales`.
    """
    prepared: dict[Key, Prepared] = {}
    answers: dict[Key, Forecast | DataError] = {}
    for key, (sales, request) in asked.items():
        try:
            prepared[key] = prepare(sales, request, covariates)
        except DataError as error:
            answers[key] = error
    for keys in _alike(prepared):
        answers |= _together({key: prepared[key] for key in keys})
    return {key: answers[key] for key in asked}


def _alike(prepared: Mapping[Key, Prepared]) -> list[list[Key]]:
    """The series that fit into one array each, in the order they were given."""
    groups: dict[object, list[Key]] = {}
    for key, one in prepared.items():
        groups.setdefault((len(one.steady), one.setting), []).append(key)
    return list(groups.values())


def _together(prepared: Mapping[Key, Prepared]) -> dict[Key, Forecast | DataError]:
    """The forecasts of series of one length and setting, from one array of their steady rests."""
    ones = list(prepared.values())
    try:
        batch = forecast_far(np.stack([one.steady for one in ones]), ones[0].setting)
    except DataError:  # one of them cannot be forecast: each is asked alone, so that the others are
        return {key: _alone_or_error(one) for key, one in prepared.items()}
    return {key: finish(one, batch.only(place)) for place, (key, one) in enumerate(prepared.items())}


def _alone(prepared: Prepared) -> Forecast:
    return finish(prepared, forecast_far(prepared.steady[None, :], prepared.setting))


def _alone_or_error(prepared: Prepared) -> Forecast | DataError:
    try:
        return _alone(prepared)
    except DataError as error:
        return error


def duration_of(horizon: str | timedelta) -> timedelta:
    """A horizon as people write it ("14D") as a duration. Raises `DataError`.

    >>> duration_of("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    try:
        length: timedelta = pd.Timedelta(horizon).to_pytimedelta()
    except ValueError as error:
        raise DataError(f"horizon: expected a duration such as 14D, got {horizon!r}") from error
    return length
