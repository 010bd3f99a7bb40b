"""Demand on steps of at most a quarter of an hour: floors follow the path through an hour, not its mean."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import numpy as np
import pandas as pd

from capacity.load.alignment import midnights
from capacity.model import Demand, Forecast, LoadModel
from capacity.model.arrays import Array, Places
from capacity.model.load import Response
from capacity.series.within import PART, WithinStep, smooth_path
from capacity.stats import normal_quantiles, sliding_maxima

HOUR, DAY, MEDIAN = timedelta(hours=1), timedelta(days=1), 0.5
LONGEST = timedelta(days=28)  # of a step that is planned on: months are refused
NO_SHAPE = "totals of days do not show the peak within a day: floors follow a smooth path from day to day"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a resource costs without any sale, and what each sale per hour adds: in its unit."""

    base: float
    per_sale_per_hour: float


def finer_demand(demand: Demand, within: WithinStep | None = None, costs: Mapping[str, Cost] | None = None) -> Demand:
    """The same demand on steps of a quarter of an hour or less, each total kept at the median.

    Demand moves within a step as orders do, on a smooth path where nothing is known of them. Quantiles lie further from
    the median by how orders spread within a step. Finer or odd steps stay as they are; steps of days are days on the
    clock of `within`.

    Parameters:
        demand: load and sales, per step of the orders.
        within: what is known of the time within such a step. Default: nothing.
        costs: by resource that follows sales (cpu, memory, requests), how; others move smoothly. Default: none does.
    """
    if demand.cpu.step <= PART or demand.cpu.step % PART or demand.cpu.step >= LONGEST:
        return demand
    within, sales = within or WithinStep(), demand.sales
    if sales is None:
        within = WithinStep()  # usage, in steps of UTC
    elif within.shape is not None:
        sales = replace(
            sales, notes=(*sales.notes, f"within a step floors follow the times of orders, {_each(within)}")
        )
    elif sales.step >= DAY:
        sales = replace(sales, notes=(*sales.notes, NO_SHAPE))
    fine = partial(_finer, sales=sales, within=within)
    return Demand(
        cpu=fine(demand.cpu, cost=(costs or {}).get("cpu")),
        memory=fine(demand.memory, cost=(costs or {}).get("memory")),
        sales=None if sales is None else _totals(sales, fine(sales, cost=Cost(0.0, sales.step / HOUR))),
        requests=None if demand.requests is None else fine(demand.requests, cost=(costs or {}).get("requests")),
        past=demand.past,
    )


def _each(within: WithinStep) -> str:
    return f"each {within.part // timedelta(minutes=1)} min"


def _totals(sales: Forecast, finer: Forecast) -> Forecast:
    """Totals per step, not rates: each part has its share."""
    parts = sales.step // finer.step
    maxima = None if finer.maxima is None else finer.maxima / parts
    return replace(finer, quantiles=finer.quantiles / parts, maxima=maxima)


def finer_forecast(forecast: Forecast) -> Forecast:
    """A forecast of rates on quarters of an hour: smooth through the steps of each quantile, whose means it keeps.

    Where maxima over a window were forecast, they lie above the steps in it by the same factor as before.

    >>> steps = pd.date_range("2026-01-01T01:00Z", periods=2, freq="h")
    >>> hours = Forecast(steps[0].to_pydatetime() - timedelta(hours=1), timedelta(hours=1),
    ...                  pd.DataFrame({0.5: [1.0, 3.0]}, steps), "cores")
    >>> finer_forecast(hours).at(0.5).round(2).tolist()
    [0.53, 0.72, 1.09, 1.66, 2.34, 2.91, 3.28, 3.47]
    """
    return _finer(forecast, sales=None, within=WithinStep(), cost=None)


def _finer(forecast: Forecast, *, sales: Forecast | None, within: WithinStep, cost: Cost | None) -> Forecast:
    """A forecast of rates on the parts of its steps; a day on which clocks change lacks an hour, or has one twice."""
    index, places = _parts(forecast, within)
    table = _parted(forecast, within, cost)
    if cost is not None and sales is not None and within.spread:
        table = _spread(table, forecast, sales, within, cost)
    quantiles = pd.DataFrame(table[places], index, forecast.quantiles.columns)
    origin = (index[0] - within.part).to_pydatetime()
    finer = replace(forecast, origin=origin, step=within.part, quantiles=quantiles, window=None, maxima=None)
    if forecast.window is None or forecast.maxima is None:
        return finer
    maxima = pd.DataFrame(_raised(forecast, table, within.part)[places], index, forecast.quantiles.columns)
    return replace(finer, window=forecast.window, maxima=maxima)


def _parts(forecast: Forecast, within: WithinStep) -> tuple[pd.DatetimeIndex, Places]:
    """The parts of the forecast's steps (UTC), and the place of each among so many in every step."""
    steps, part = pd.DatetimeIndex(forecast.quantiles.index), pd.Timedelta(within.part)
    count = len(steps) * (forecast.step // within.part)
    if forecast.step % DAY or within.timezone == "UTC":
        return pd.date_range(steps[0], periods=count, freq=part), np.arange(count)
    first = steps[0].tz_localize(None)
    start, end = midnights(pd.DatetimeIndex([first, first + len(steps) * pd.Timedelta(forecast.step)]), within.timezone)
    index = pd.date_range(start, end, freq=part, inclusive="left")
    local = index.tz_convert(within.timezone).tz_localize(None)
    return index, np.asarray((local - first) // part, dtype=np.intp).clip(0, count - 1)


def _parted(forecast: Forecast, within: WithinStep, cost: Cost | None) -> Array:
    """Each quantile on its path (steps x parts, levels); paths of two levels may not cross.

    What a resource costs without sales moves smoothly, what sales add to it as they do.
    """
    steps, parts = pd.DatetimeIndex(forecast.quantiles.index), forecast.step // within.part
    columns = []
    for level in forecast.quantiles.columns:
        values = forecast.quantiles[level].to_numpy(dtype=np.float64)
        if cost is None or within.shape is None:
            columns.append(smooth_path(values, parts))
            continue
        idle = np.minimum(values, cost.base)
        columns.append(smooth_path(idle, parts) + within.path(values - idle, steps, forecast.step))
    found: Array = np.maximum.accumulate(np.stack(columns, axis=1), axis=1)
    return found


def _spread(table: Array, forecast: Forecast, sales: Forecast, within: WithinStep, cost: Cost) -> Array:
    """Quantiles (steps x parts, levels) of demand whose orders come by chance within their step.

    Distances from the median are those of independent errors: the root of their sum of squares. Given the total of a
    step, orders in a part have the variance of a share of it (multinomial), times `within.spread`.
    """
    levels = [float(level) for level in forecast.quantiles.columns]
    if MEDIAN not in levels or MEDIAN not in [float(level) for level in sales.quantiles.columns]:
        return table
    parts = sales.step // within.part
    steps = pd.DatetimeIndex(sales.quantiles.index)
    many = within.path(sales.values_at(MEDIAN), steps, sales.step) / parts
    whole = np.repeat(sales.values_at(MEDIAN), parts)
    share = np.divide(many, whole, out=np.zeros_like(whole), where=whole > 0)
    rate = cost.per_sale_per_hour * (HOUR / within.part) * np.sqrt(within.spread * many * (1 - share))
    middle = table[:, levels.index(MEDIAN)][:, None]
    beyond = normal_quantiles(np.array(levels)) * rate[:, None]
    distance = np.sqrt((table - middle) ** 2 + beyond**2) * np.sign(np.array(levels) - MEDIAN)
    spread: Array = np.maximum.accumulate(np.maximum(middle + distance, 0.0), axis=1)
    return spread


def _raised(forecast: Forecast, finer: Array, part: timedelta) -> Array:
    """Maxima over the window: the highest step in it, times what the coarse maxima lie above the coarse steps."""
    window, parts = forecast.window or part, forecast.step // part
    coarse = forecast.quantiles.to_numpy(dtype=np.float64)
    width = min(-(-window // forecast.step), len(coarse))
    highest = sliding_maxima(coarse, width, axis=0)
    known = forecast.maxima.to_numpy(dtype=np.float64) if forecast.maxima is not None else highest
    factor = np.divide(known, highest, out=np.ones_like(known), where=highest > 0)
    reach = sliding_maxima(finer, min(-(-window // part), len(finer)), axis=0)
    raised: Array = np.maximum.accumulate(reach * np.repeat(np.maximum(factor, 1.0), parts, axis=0), axis=1)
    return raised


def costs_of(load: LoadModel, direct: Container[str] = ()) -> dict[str, Cost]:
    """What each resource costs by its load model; none of those that are forecast from their own usage (`direct`)."""
    found = {}
    for name in ("cpu", "memory", "requests"):
        learned: Response | None = getattr(load, name)
        if name in direct:
            continue
        if learned is not None:
            found[name] = Cost(learned.base, learned.per_sale_per_hour)
        elif name != "requests":
            found[name] = Cost(getattr(load, f"{name}_base"), getattr(load, f"{name}_per_sale_per_hour"))
    return found
