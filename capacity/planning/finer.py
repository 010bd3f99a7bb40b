"""Demand on steps of at most a quarter of an hour: floors follow the path through an hour, not its mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.model import Demand, Forecast
from capacity.model.arrays import Array
from capacity.series.path import PART, smooth_path
from capacity.stats import sliding_maxima


def finer_demand(demand: Demand) -> Demand:
    """The same demand on steps of a quarter of an hour, each total kept; finer or odd steps stay as they are."""
    if demand.cpu.step <= PART or demand.cpu.step % PART:
        return demand
    return Demand(
        cpu=finer_forecast(demand.cpu),
        memory=finer_forecast(demand.memory),
        sales=None if demand.sales is None else _totals(finer_forecast(demand.sales), demand.sales.step // PART),
        requests=None if demand.requests is None else finer_forecast(demand.requests),
        past=demand.past,
    )


def _totals(finer: Forecast, parts: int) -> Forecast:
    """Totals per step, not rates: each part has its share."""
    maxima = None if finer.maxima is None else finer.maxima / parts
    return replace(finer, quantiles=finer.quantiles / parts, maxima=maxima)


def finer_forecast(forecast: Forecast, part: timedelta = PART) -> Forecast:
    """A forecast of rates on finer steps: smooth through the steps of each quantile, whose means it keeps.

    Where maxima over a window were forecast, they lie above the steps in it by the same factor as before.

    >>> steps = pd.date_range("2026-01-01T01:00Z", periods=2, freq="h")
    >>> hours = Forecast(steps[0].to_pydatetime() - timedelta(hours=1), timedelta(hours=1),
    ...                  pd.DataFrame({0.5: [1.0, 3.0]}, steps), "cores")
    >>> finer_forecast(hours).at(0.5).round(2).tolist()
    [0.81, 0.69, 0.94, 1.56, 2.44, 3.06, 3.31, 3.19]
    """
    parts = forecast.step // part
    steps = pd.DatetimeIndex(forecast.quantiles.index)
    index = pd.date_range(steps[0], periods=len(steps) * parts, freq=pd.Timedelta(part))
    table = pd.DataFrame(_parted(forecast.quantiles, parts), index, forecast.quantiles.columns)
    origin = forecast.origin + forecast.step - part
    finer = replace(forecast, origin=origin, step=part, quantiles=table, window=None, maxima=None)
    if forecast.window is None or forecast.maxima is None:
        return finer
    maxima = _raised(forecast, table.to_numpy(dtype=np.float64), parts, part)
    return replace(finer, window=forecast.window, maxima=pd.DataFrame(maxima, index, table.columns))


def _parted(quantiles: pd.DataFrame, parts: int) -> Array:
    """Each quantile on its path (steps x parts, levels); paths of two levels may not cross."""
    columns = [smooth_path(quantiles[level].to_numpy(dtype=np.float64), parts) for level in quantiles.columns]
    found: Array = np.maximum.accumulate(np.stack(columns, axis=1), axis=1)
    return found


def _raised(forecast: Forecast, finer: Array, parts: int, part: timedelta) -> Array:
    """Maxima over the window: the highest step in it, times what the coarse maxima lie above the coarse steps."""
    window = forecast.window or part
    coarse = forecast.quantiles.to_numpy(dtype=np.float64)
    width = min(-(-window // forecast.step), len(coarse))
    highest = sliding_maxima(coarse, width, axis=0)
    known = forecast.maxima.to_numpy(dtype=np.float64) if forecast.maxima is not None else highest
    factor = np.divide(known, highest, out=np.ones_like(known), where=highest > 0)
    reach = sliding_maxima(finer, min(-(-window // part), len(finer)), axis=0)
    raised: Array = np.maximum.accumulate(reach * np.repeat(np.maximum(factor, 1.0), parts, axis=0), axis=1)
    return raised
