"""Forecasts of sales: of one series, of many at once, and of an earlier forecast at a later origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pandas as pd

from capacity.forecast.analogs import AFTER, BEFORE, Analogs, find_analogs
from capacity.forecast.batch import forecast_far
from capacity.forecast.gaps import occurrences
from capacity.forecast.maxima import over_highest
from capacity.forecast.series import Prepared, finish, prepare, window_steps
from capacity.forecast.settings import Setting
from capacity.forecast.wallclock import WallClock, clock_of
from capacity.model import DEFAULT_LEVELS, DataError, Event, Forecast, ForecastRequest, require
from capacity.model.arrays import Places
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
    levels = tuple(sorted(float(level) for level in quantile_levels))
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
    global_layer: bool | None = False,
) -> dict[Key, Forecast | DataError]:
    """The forecast of each series as its request asks, or the error that stood in its way: one never stops the others.

    Series of one length, step and request share their calibration: what one has seen too little of, the others tell.
    A series that shares with none gets, to the last bit, what it gets from `forecast_sales`. `global_layer` corrects
    the forecasts of ten such series and more by one model of them all: True always, None where that would have come
    nearer at past origins; it costs seconds.
    """
    prepared: dict[Key, Prepared] = {}
    answers: dict[Key, Forecast | DataError] = {}
    for key, (sales, request) in asked.items():
        try:
            one = prepare(sales, request, covariates)
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


def renew_forecast(
    forecast: Forecast, sales: pd.Series, *, events: Sequence[Event] = (), timezone: str | None = None
) -> Forecast:
    """The steps of a forecast that are left after `sales`, those near an event as past events foretell them now.

    Much cheaper than `forecast_sales`, and all that changes within minutes: the season and the level of the forecast
    stay as they were fitted. `sales` are the same series with what came since. Raises `DataError` where they end
    before the forecast's origin or no step is left.

    >>> index = pd.date_range("2026-03-01", periods=4 * 288, freq="5min", tz="UTC")
    >>> sales = pd.Series(10.0 + 90.0 * ((index.hour >= 19) & (index.hour < 21)), index).iloc[: 3 * 288 + 19 * 12 + 1]
    >>> matches = [Event("", day, day + pd.Timedelta("2h"), "match") for day in index[19 * 12 :: 288]]
    >>> ahead = pd.date_range(sales.index[-1], periods=13, freq="5min")
    >>> step, flat = (ahead[1] - ahead[0]).to_pytimedelta(), pd.DataFrame({0.9: 10.0}, ahead)
    >>> old = Forecast(sales.index[-2], step, flat, "sales per 5 min")
    >>> float(renew_forecast(old, sales, events=matches).at(0.9).iloc[0])
    100.0
    """
    rest = _left(forecast, sales.index[-1])
    kinds = kinds_near(events, rest.quantiles.index[0], rest)
    if not kinds:
        return rest
    alike = [event for event in events if event.kind in kinds]
    clock, known = clock_of(sales, timezone), sales.loc[: sales.last_valid_index()]
    ahead = _slots_ahead(clock, known, rest)
    levels = tuple(float(level) for level in rest.quantiles.columns)
    window = 0 if rest.window is None else window_steps(rest.window, clock.step)
    setting = Setting(clock.step, int(ahead.max()) + 1, levels, (), window=window)
    analogs = find_analogs(clock.row(known), occurrences(alike, clock, rest.quantiles.index[-1]), setting)
    return rest if analogs is None else _laid_over(rest, analogs, ahead[ahead < len(analogs.quantiles)], window)


def _slots_ahead(clock: WallClock, known: pd.Series, rest: Forecast) -> Places:
    """How many slots each step of the forecast lies after the first that is not known (steps,)."""
    slots, last = (clock.slots(pd.DatetimeIndex(index)) for index in (rest.quantiles.index, known.index[-1:]))
    return np.asarray(np.maximum(slots - last[0] - 1, 0))


def _left(forecast: Forecast, last: pd.Timestamp) -> Forecast:
    """The steps of a forecast after `last`."""
    left = forecast.quantiles.index > last
    require(last >= pd.Timestamp(forecast.origin), "renewal: expected sales up to {} or later", forecast.origin)
    require(bool(left.any()), "renewal: expected steps of the forecast after {}, got none", last)
    maxima = None if forecast.maxima is None else forecast.maxima[left]
    return replace(forecast, origin=last.to_pydatetime(), quantiles=forecast.quantiles[left], maxima=maxima)


def kinds_near(events: Sequence[Event], moment: pd.Timestamp, forecast: Forecast) -> frozenset[str]:
    """The kinds of events that a moment is near enough to for past ones to tell what follows."""
    before = max(BEFORE, forecast.window or BEFORE)
    return frozenset(event.kind for event in events if -before <= moment - event.start < AFTER)


def _laid_over(rest: Forecast, analogs: Analogs, near: Places, window: int) -> Forecast:
    """The forecast with its first steps, `near` slots ahead, as the analogs have them."""
    quantiles = rest.quantiles.copy()
    quantiles.iloc[: len(near)] = analogs.quantiles[near]
    maxima = None if rest.maxima is None else rest.maxima.copy()
    if maxima is not None:
        maxima.iloc[: len(near)] = analogs.maxima[near]
        maxima[:] = over_highest(maxima.to_numpy(), quantiles.to_numpy(), window)
    return replace(rest, quantiles=quantiles, maxima=maxima, notes=(*rest.notes, analogs.note))
