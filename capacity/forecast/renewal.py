"""An earlier forecast at a later origin: what came since then tells the minutes around an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from capacity.domain import Event, Forecast, require
from capacity.forecast.analogs import AFTER, BEFORE, Analogs, find_analogs
from capacity.forecast.peaks import over_highest
from capacity.forecast.series import occurrences, window_steps
from capacity.forecast.setting import Setting
from capacity.forecast.wallclock import WallClock, clock_of


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


def _slots_ahead(clock: WallClock, known: pd.Series, rest: Forecast) -> NDArray[np.intp]:
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


def _laid_over(rest: Forecast, analogs: Analogs, near: NDArray[np.intp], window: int) -> Forecast:
    """The forecast with its first steps, `near` slots ahead, as the analogs have them."""
    quantiles = rest.quantiles.copy()
    quantiles.iloc[: len(near)] = analogs.quantiles[near]
    maxima = None if rest.maxima is None else rest.maxima.copy()
    if maxima is not None:
        maxima.iloc[: len(near)] = analogs.maxima[near]
        maxima[:] = over_highest(maxima.to_numpy(), quantiles.to_numpy(), window)
    return replace(rest, quantiles=quantiles, maxima=maxima, notes=(*rest.notes, analogs.note))
