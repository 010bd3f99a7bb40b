"""Forecasts of sales: of one series, of many at once, and of an earlier forecast at a later origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pandas as pd

from capacity.forecast.batch import forecast_steady
from capacity.forecast.series import Prepared, Timelines, finish, prepare
from capacity.forecast.wallclock import clock_of
from capacity.model import DEFAULT_LEVELS, DataError, Event, Forecast, ForecastRequest, levels_of
from capacity.series.frames import as_sales, countries, duration_of, steps_of

Key = TypeVar("Key")


def forecast_sales(
    sales: pd.Series | pd.DataFrame,
    *,
    time: str | None = None,
    value: str | None = None,
    horizon: str | timedelta | int = "14d",
    quantile_levels: Sequence[float] = DEFAULT_LEVELS,
    holidays: str | Sequence[str] = (),
    events: Event | Sequence[Event] = (),
    timezone: str | None = None,
    covariates: pd.DataFrame | None = None,
    window: timedelta | None = None,
) -> Forecast:
    """Forecast quantiles of sales for every step of the horizon, calibrated on the errors of earlier forecasts.

    Parameters
    ----------
    sales : Series or DataFrame
        Sales >= 0 per step, with an index or a column of times in any zone (without one: UTC, or that of `timezone`),
        regular up to gaps (missing steps or NaN; a gap is never zero), or by month starts.
    time : str or None
        Of a frame, the column with the times. Default: its index, else its only column of times.
    value : str or None
        Of a frame, the column with the sales. Default: its only column of numbers.
    horizon : str, timedelta or int
        How far ahead, from the end of the series on: `"14d"`, or a number of steps. Default 14 days.
    quantile_levels : sequence of float
        Levels in (0, 1), ascending. Default 0.5, 0.9, 0.95 and 0.99.
    holidays : str or sequence of str
        Countries and states (GB-ENG, US) whose public holidays and bridge days are events; the days before and after
        them are too where past ones show it. Default none.
    events : Event or sequence of Event
        Past and coming events. Past ones are kept out of the normal shape and teach their uplift, coming ones are
        raised or lowered by it. Default none.
    timezone : str or None
        The clock on which the shape of days lives, days of 23 and 25 hours included. Default: the zone of the times,
        or the one that `read_sales` noted, else UTC.
    covariates : DataFrame or None
        Columns such as price or campaign spend on the same steps, known on the history and the whole horizon. Their
        effect is used where it would have helped in the past. Default none.
    window : timedelta or None
        Also forecast the highest step of ``[t, t + window)`` from every step t, as `maxima`; a part of a step counts
        as a whole one. Default none.

    Returns
    -------
    Forecast
        `quantiles` of shape (steps, levels) in sales per step, `maxima` of the same shape where a window was given,
        `trust` in past forecasts, and `notes` on what was found and what was left out.

    Raises
    ------
    DataError
        The series is not regular, negative, infinite, or has fewer than 4 values.

    Examples
    --------
    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> forecast = forecast_sales(pd.Series(10.0 + (index.hour - 12) ** 2, index), horizon="1D")
    >>> [round(value) for value in forecast.at(0.5).iloc[:3]]
    [154, 131, 110]
    """
    levels = levels_of(quantile_levels)
    known = as_sales(sales, time=time, value=value, timezone=timezone)
    span = steps_of(horizon, clock_of(known, timezone).step) if isinstance(horizon, int) else duration_of(horizon)
    known_events = (events,) if isinstance(events, Event) else tuple(events)
    request = ForecastRequest(span, levels, countries(holidays), known_events, timezone, window)
    return forecast_as_asked(known, request, covariates)


def forecast_as_asked(sales: pd.Series, request: ForecastRequest, covariates: pd.DataFrame | None = None) -> Forecast:
    """`forecast_sales` for a request that is written down already."""
    return _alone(prepare(sales, request, covariates))


def forecast_many(
    asked: Mapping[Key, tuple[pd.Series, ForecastRequest]],
    covariates: pd.DataFrame | None = None,
    *,
    global_layer: bool | None = None,
) -> dict[Key, Forecast | DataError]:
    """Forecast each of many series as its request asks; one that cannot be forecast never stops the others.

    Series of one length, seasons and request share their calibration: what one has seen too little of, the others tell.
    A series that shares with none gets, to the last bit, what it gets from `forecast_sales`.

    Parameters
    ----------
    asked : mapping of any key to (Series, ForecastRequest)
        Each series of sales, as `forecast_sales` takes one with an index of times, and what is asked of it.
    covariates : DataFrame or None
        Columns known on the histories and the whole horizon, for all series. Default none.
    global_layer : bool or None
        Whether one model of all series that share a calibration corrects their forecasts, from ten such series up.
        None (default) corrects where that would have come nearer by 2 % or more at past origins, and tries up to 200
        series; True always corrects; False never tries, which saves some seconds in a batch.

    Returns
    -------
    dict of key to Forecast or DataError
        In the order of `asked`: the forecast, or the error that stood in its way. The `model` of a corrected forecast
        ends in "corrected over N series".

    Examples
    --------
    >>> index = pd.date_range("2026-01-05", periods=24 * 21, freq="h", tz="UTC")
    >>> shops = {"north": pd.Series(10.0 + (index.hour - 12) ** 2, index), "south": pd.Series(-1.0, index)}
    >>> request = ForecastRequest(timedelta(days=1))
    >>> found = forecast_many({name: (sales, request) for name, sales in shops.items()})
    >>> {name: type(forecast).__name__ for name, forecast in found.items()}
    {'north': 'Forecast', 'south': 'DataError'}
    """
    prepared: dict[Key, Prepared] = {}
    answers: dict[Key, Forecast | DataError] = {}
    timelines = Timelines()
    for key, (sales, request) in asked.items():
        try:
            one = prepare(sales, request, covariates, timelines)
        except DataError as error:
            answers[key] = error
        else:
            prepared[key] = replace(one, setting=replace(one.setting, global_layer=global_layer))
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
        batch = forecast_steady(np.stack([one.steady for one in ones]), ones[0].setting)
    except DataError:  # one of them cannot be forecast: each is asked alone, so that the others are
        return {key: _alone_or_error(one) for key, one in prepared.items()}
    return {key: finish(one, batch.only(place)) for place, (key, one) in enumerate(prepared.items())}


def _alone(prepared: Prepared) -> Forecast:
    return finish(prepared, forecast_steady(prepared.steady[None, :], prepared.setting))


def _alone_or_error(prepared: Prepared) -> Forecast | DataError:
    try:
        return _alone(prepared)
    except DataError as error:
        return error
