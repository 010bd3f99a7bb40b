"""Demand on steps of at most a quarter of an hour: floors follow the path through an hour, not its mean."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from capacity.load.alignment import midnights
from capacity.model import Demand, Forecast, LoadModel
from capacity.model.arrays import Array, Places
from capacity.model.load import Response
from capacity.series.within import PART, WithinStep, smooth_path
from capacity.stats import normal_quantiles, running_maxima, sliding_maxima

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
    costs = costs or {}
    asked = {
        "cpu": (demand.cpu, costs.get("cpu")),
        "memory": (demand.memory, costs.get("memory")),
        "sales": None if sales is None else (sales, Cost(0.0, sales.step / HOUR)),
        "requests": None if demand.requests is None else (demand.requests, costs.get("requests")),
    }
    finer = _finer({name: one for name, one in asked.items() if one is not None}, sales, within)
    return Demand(finer["cpu"], finer["memory"], finer.get("sales"), finer.get("requests"), demand.past)


def _each(within: WithinStep) -> str:
    return f"each {within.part // timedelta(minutes=1)} min"


def _finer(
    asked: Mapping[str, tuple[Forecast, Cost | None]], sales: Forecast | None, within: WithinStep
) -> dict[str, Forecast]:
    """Forecasts of rates on the parts of the steps that they share; those of one kind are worked out as one array."""
    first = next(iter(asked.values()))[0]
    index, places = _parts(first.quantiles.index[0], len(first.quantiles), first.step, within.part, within.timezone)
    chance = None if sales is None or not within.spread else _Chance.of(sales, within)
    origin, finer = (index[0] - within.part).to_pydatetime(), dict[str, Forecast]()
    for names in _alike(asked):
        ones = [asked[name][0] for name in names]
        costs = [asked[name][1] for name in names]
        tables = _parted(ones, costs, within)
        if chance is not None:
            tables = chance.over(tables, ones[0], costs)
        maxima = None if ones[0].maxima is None else _raised(ones, tables, within.part)
        for place, (name, one) in enumerate(zip(names, ones, strict=True)):
            share = one.step // within.part if name == "sales" else 1  # totals per step: each part has its own
            table = partial(_table, index=index, places=places, share=share, columns=one.quantiles.columns)
            finer[name] = replace(
                one,
                origin=origin,
                step=within.part,
                quantiles=table(tables[place]),
                maxima=None if maxima is None else table(maxima[place]),
            )
    return finer


def _alike(asked: Mapping[str, tuple[Forecast, Cost | None]]) -> list[list[str]]:
    """The names of forecasts that have the same levels and windows, in their order."""
    kinds: dict[object, list[str]] = {}
    for name, (one, _) in asked.items():
        kinds.setdefault((tuple(one.quantiles.columns.tolist()), one.window), []).append(name)
    return list(kinds.values())


def _table(
    values: Array, index: pd.DatetimeIndex, places: Places | None, share: int, columns: pd.Index
) -> pd.DataFrame:
    """Values (levels, steps x parts) as the table of a forecast."""
    known = values if places is None else values[:, places]
    return pd.DataFrame((known / share if share > 1 else known).T, index, columns)


@lru_cache(maxsize=16)  # workloads of one run have the same steps
def _parts(
    first: pd.Timestamp, steps: int, step: timedelta, length: timedelta, timezone: str
) -> tuple[pd.DatetimeIndex, Places | None]:
    """The parts of steps (UTC), and the place of each among so many in every step; None where that is its own.

    A day on which clocks change lacks an hour, or has one twice.
    """
    part = pd.Timedelta(length)
    count = steps * (step // length)
    if step % DAY or timezone == "UTC":
        return pd.date_range(first, periods=count, freq=part), None
    date = first.tz_localize(None)
    start, end = midnights(pd.DatetimeIndex([date, date + steps * pd.Timedelta(step)]), timezone)
    index = pd.date_range(start, end, freq=part, inclusive="left")
    local = index.tz_convert(timezone).tz_localize(None)
    return index, np.asarray((local - date) // part, dtype=np.intp).clip(0, count - 1)


def _parted(ones: Sequence[Forecast], costs: Sequence[Cost | None], within: WithinStep) -> Array:
    """Each quantile of each forecast on its path (forecasts, levels, steps x parts); paths of two levels may not cross.

    What a resource costs without sales moves smoothly, what sales add to it as they do.
    """
    values, first = _values([one.quantiles for one in ones]), ones[0]
    parts = first.step // within.part
    if within.shape is None:
        return running_maxima(smooth_path(values, parts), 1)
    follows = np.array([cost is not None for cost in costs])
    base = np.array([np.inf if cost is None else cost.base for cost in costs])[:, None, None]
    idle = np.minimum(values, base)
    found = smooth_path(idle, parts)
    found[follows] += within.path((values - idle)[follows], _steps(first), first.step)
    return running_maxima(found, 1)


def _steps(forecast: Forecast) -> pd.DatetimeIndex:
    """The starts of its steps; an index of times is not made anew."""
    index = forecast.quantiles.index
    return index if isinstance(index, pd.DatetimeIndex) else pd.DatetimeIndex(index)


def _values(tables: Sequence[pd.DataFrame]) -> Array:
    """Tables of one shape as an array (tables, levels, steps)."""
    return np.stack([table.to_numpy(dtype=np.float64).T for table in tables])


@dataclass(frozen=True, slots=True)
class _Chance:
    """The deviation of orders per hour in each part of the steps of sales that come by chance: (steps x parts,).

    Given the total of a step, orders in a part have the variance of a share of it (multinomial), times
    `within.spread`.
    """

    deviation: Array
    hourly: float  # parts of an hour

    @staticmethod
    def of(sales: Forecast, within: WithinStep) -> _Chance | None:
        """None where no median of sales was forecast."""
        if MEDIAN not in [float(level) for level in sales.quantiles.columns.tolist()]:
            return None
        parts, middle = sales.step // within.part, sales.values_at(MEDIAN)
        many = within.path(middle, _steps(sales), sales.step) / parts
        whole = np.repeat(middle, parts)
        share = np.divide(many, whole, out=np.zeros_like(whole), where=whole > 0)
        return _Chance(np.sqrt(within.spread * many * (1 - share)), HOUR / within.part)

    def over(self, tables: Array, like: Forecast, costs: Sequence[Cost | None]) -> Array:
        """Quantiles (forecasts, levels, steps x parts) of demand whose orders come by chance within their step.

        Distances from the median are those of independent errors: the root of their sum of squares.
        """
        levels = np.array([float(level) for level in like.quantiles.columns.tolist()])
        follows = np.array([cost is not None for cost in costs])
        if MEDIAN not in levels or not follows.any():
            return tables
        rates = np.array([cost.per_sale_per_hour * self.hourly for cost in costs if cost is not None])
        beyond = normal_quantiles(levels)[:, None] * (rates[:, None] * self.deviation)[:, None, :]
        moved = tables[follows]
        middle = moved[:, levels.tolist().index(MEDIAN)][:, None, :]
        distance = np.sqrt((moved - middle) ** 2 + beyond**2) * np.sign(levels - MEDIAN)[:, None]
        spread = tables.copy()
        spread[follows] = running_maxima(np.maximum(middle + distance, 0.0), 1)
        return spread


def _raised(ones: Sequence[Forecast], finer: Array, part: timedelta) -> Array:
    """Maxima over the window: the highest step in it, times what the coarse maxima lie above the coarse steps."""
    step, coarse = ones[0].step, _values([one.quantiles for one in ones])
    window = ones[0].window or part
    highest = sliding_maxima(coarse, min(-(-window // step), coarse.shape[-1]))
    known = _values([one.maxima for one in ones if one.maxima is not None])
    factor = np.divide(known, highest, out=np.ones_like(known), where=highest > 0)
    reach = sliding_maxima(finer, min(-(-window // part), finer.shape[-1]))
    lifted = reach * np.repeat(np.maximum(factor, 1.0), step // part, axis=-1)
    raised: Array = running_maxima(lifted, 1)
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
