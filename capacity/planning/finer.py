"""Demand on steps of at most a quarter of an hour: floors follow the path through an hour, not its mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.load.alignment import midnights
from capacity.model import Demand, Forecast
from capacity.model.arrays import Array, Places
from capacity.series.path import PART, smooth_path
from capacity.stats import sliding_maxima

DAY, LONGEST = timedelta(days=1), timedelta(days=28)  # of a step that is planned on: months are refused
NO_SHAPE = "totals of days do not show the peak within a day: floors follow a smooth path from day to day"


def finer_demand(demand: Demand, timezone: str = "UTC") -> Demand:
    """The same demand on steps of a quarter of an hour, each total kept; finer or odd steps stay as they are.

    Steps of days are days on the clock of `timezone`: their quarters begin at its midnight.
    """
    if demand.cpu.step <= PART or demand.cpu.step % PART or demand.cpu.step >= LONGEST:
        return demand
    if demand.cpu.step >= DAY:
        demand = _noted(demand)
    return Demand(
        cpu=finer_forecast(demand.cpu, timezone),
        memory=finer_forecast(demand.memory, timezone),
        sales=None if demand.sales is None else _totals(demand.sales, finer_forecast(demand.sales, timezone)),
        requests=None if demand.requests is None else finer_forecast(demand.requests, timezone),
        past=demand.past,
    )


def _noted(demand: Demand) -> Demand:
    """The demand whose first forecast says that it holds no shape of the day."""
    driver = demand.sales or demand.cpu
    told = replace(driver, notes=(*driver.notes, NO_SHAPE))
    return replace(demand, sales=told) if demand.sales is not None else replace(demand, cpu=told)


def _totals(sales: Forecast, finer: Forecast) -> Forecast:
    """Totals per step, not rates: each part has its share."""
    parts = sales.step // finer.step
    maxima = None if finer.maxima is None else finer.maxima / parts
    return replace(finer, quantiles=finer.quantiles / parts, maxima=maxima)


def finer_forecast(forecast: Forecast, timezone: str = "UTC") -> Forecast:
    """A forecast of rates on quarters of an hour: smooth through the steps of each quantile, whose means it keeps.

    Where maxima over a window were forecast, they lie above the steps in it by the same factor as before. A day on
    which the clock changes lacks an hour of its path, or has one twice.

    >>> steps = pd.date_range("2026-01-01T01:00Z", periods=2, freq="h")
    >>> hours = Forecast(steps[0].to_pydatetime() - timedelta(hours=1), timedelta(hours=1),
    ...                  pd.DataFrame({0.5: [1.0, 3.0]}, steps), "cores")
    >>> finer_forecast(hours).at(0.5).round(2).tolist()
    [0.53, 0.72, 1.09, 1.66, 2.34, 2.91, 3.28, 3.47]
    """
    index, places = _quarters(forecast, timezone)
    table = _parted(forecast.quantiles, forecast.step // PART)
    quantiles = pd.DataFrame(table[places], index, forecast.quantiles.columns)
    origin = (index[0] - PART).to_pydatetime()
    finer = replace(forecast, origin=origin, step=PART, quantiles=quantiles, window=None, maxima=None)
    if forecast.window is None or forecast.maxima is None:
        return finer
    maxima = pd.DataFrame(_raised(forecast, table)[places], index, forecast.quantiles.columns)
    return replace(finer, window=forecast.window, maxima=maxima)


def _quarters(forecast: Forecast, timezone: str) -> tuple[pd.DatetimeIndex, Places]:
    """The quarters of the forecast's steps (UTC), and the place of each among so many in every step."""
    steps = pd.DatetimeIndex(forecast.quantiles.index)
    count = len(steps) * (forecast.step // PART)
    if forecast.step % DAY or timezone == "UTC":
        return pd.date_range(steps[0], periods=count, freq=pd.Timedelta(PART)), np.arange(count)
    first = steps[0].tz_localize(None)
    start, end = midnights(pd.DatetimeIndex([first, first + len(steps) * pd.Timedelta(forecast.step)]), timezone)
    index = pd.date_range(start, end, freq=pd.Timedelta(PART), inclusive="left")
    local = index.tz_convert(timezone).tz_localize(None)
    return index, np.asarray((local - first) // pd.Timedelta(PART), dtype=np.intp).clip(0, count - 1)


def _parted(quantiles: pd.DataFrame, parts: int) -> Array:
    """Each quantile on its path (steps x parts, levels); paths of two levels may not cross."""
    columns = [smooth_path(quantiles[level].to_numpy(dtype=np.float64), parts) for level in quantiles.columns]
    found: Array = np.maximum.accumulate(np.stack(columns, axis=1), axis=1)
    return found


def _raised(forecast: Forecast, finer: Array) -> Array:
    """Maxima over the window: the highest step in it, times what the coarse maxima lie above the coarse steps."""
    window, parts = forecast.window or PART, forecast.step // PART
    coarse = forecast.quantiles.to_numpy(dtype=np.float64)
    width = min(-(-window // forecast.step), len(coarse))
    highest = sliding_maxima(coarse, width, axis=0)
    known = forecast.maxima.to_numpy(dtype=np.float64) if forecast.maxima is not None else highest
    factor = np.divide(known, highest, out=np.ones_like(known), where=highest > 0)
    reach = sliding_maxima(finer, min(-(-window // PART), len(finer)), axis=0)
    raised: Array = np.maximum.accumulate(reach * np.repeat(np.maximum(factor, 1.0), parts, axis=0), axis=1)
    return raised
