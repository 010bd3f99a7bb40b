"""The configuration of a file that nobody has described: guessed columns, a clock, and one typical service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from capacity.model import ConfigError, LoadModel, Replica, Workload, require
from capacity.model.configuration import Config, describe
from capacity.planning.orders import OrderData
from capacity.quality.column_roles import Guess
from capacity.sources.guessing import Given, guess_sales, place_of
from capacity.views.sheet import amount

LEVELS = (0.05, 0.5, 0.9, 0.95, 0.99)  # the usual ones, and the lower end of a 90 % interval
HORIZON, LEAST_STEPS = timedelta(days=14), 4
OLD = "36500d"  # a file that is looked at once may be old
BUSY_LEVEL, BUSY_CORES, IDLE_SHARE = 0.99, 4.0, 0.1  # ten replicas of half a core at 80 % in the busiest hours
CPU_REQUEST, MEMORY_REQUEST = 0.5, 512 * 2.0**20
ROOM = 4  # times the replicas of the busiest hour: a ceiling that no forecast is cut by
FEWEST = 2
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody said beside the file: how it is read (`given`), the clock, holidays, and how far to look."""

    given: Given = field(default_factory=Given)
    timezone: str | None = None
    holidays: tuple[str, ...] = ()
    horizon: timedelta | None = None


@dataclass(frozen=True, slots=True)
class TypicalService:
    """The service that orders stand for where no workload is configured.

    `cores_per_order`: CPU cores that one more order per hour adds (None: so that the busiest hours use 4 cores, the
    99th percentile of the orders per hour); `start_time`: from a new pod to a ready one.
    """

    cores_per_order: float | None = None
    start_time: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        cores = self.cores_per_order
        require(cores is None or 0 < cores < float("inf"), "--cores-per-order: expected more than 0, got {}", cores)
        require(self.start_time >= timedelta(0), "--start-time: expected a duration, got {}", self.start_time)


def bare_config(source: str, asked: Asked) -> tuple[Config, Guess]:
    """The configuration of a file, glob or database URL, without a workload, and the guesses behind it.

    Raises `DataError` where no column holds times, `ConfigError` where what was asked is wrong.
    """
    guess = guess_sales(source, asked.given)
    sales = guess.settings.model_dump(mode="json", exclude_defaults=True)
    horizon = asked.horizon or max(HORIZON, LEAST_STEPS * guess.settings.step)
    forecast = {"quantile_levels": LEVELS, "horizon": horizon}
    document = {"sales": {**sales, "freshness": {"within": OLD}}, "forecast": forecast}
    return _checked({**document, **_said(asked)}), guess


def with_asked(config: Config, asked: Asked, source: str | None = None) -> Config:
    """The configuration with what was asked, and another source, in place of its own. Raises `ConfigError`."""
    update: dict[str, Any] = {}
    keys = asked.given.keys()
    if source is not None:
        keys["source"] = place_of(source, asked.given)
    if keys:
        sales = config.orders()
        if "read" in keys:
            keys["read"] = {**dict(sales.read), **keys["read"]}
        try:
            update["sales"] = type(sales).model_validate({**dict(sales), **keys})
        except ValidationError as error:
            raise ConfigError(describe(error)) from error
    if asked.horizon is not None:
        update["forecast"] = config.forecast.model_copy(update={"horizon": asked.horizon})
    if asked.holidays:
        update["calendar"] = config.calendar.model_copy(update={"holidays": asked.holidays})
    if asked.timezone is not None:
        update["timezone"] = asked.timezone
    return config.model_copy(update=update)


def _said(asked: Asked) -> Mapping[str, Any]:
    said: dict[str, Any] = {"calendar": {"holidays": asked.holidays}} if asked.holidays else {}
    return said | ({"timezone": asked.timezone} if asked.timezone else {})


def _checked(document: Mapping[str, Any]) -> Config:
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def orders_end(orders: OrderData) -> datetime | None:
    """The end of the newest step of the orders; None where there are none."""
    ends = [
        (sales.index[-1] + (sales.index[1] - sales.index[0])).to_pydatetime()
        for sales in orders.histories.values()
        if len(sales) > 1
    ]
    return max(ends, default=None)


def with_service(config: Config, sales: pd.Series, service: TypicalService) -> Config:
    """The configuration with one workload, `default/service`, whose load follows these sales.

    >>> hours = pd.date_range("2026-01-05", periods=100, freq="h", tz="UTC")
    >>> config = Config.model_validate({"sales": {"source": "orders.csv", "time": "t"}})
    >>> web = with_service(config, pd.Series(36.0, hours), TypicalService()).workloads[0]
    >>> web.load.cpu_base, web.load.cpu_per_sale_per_hour, web.ceiling
    (0.4, 0.1, 40)
    """
    return config.model_copy(update={"workloads": (typical_workload(sales, service),)})


def typical_workload(sales: pd.Series, service: TypicalService) -> Workload:
    """The service as a workload whose load follows these sales, with room above the busiest hours."""
    busy = busiest(sales)
    if service.cores_per_order is None:
        slope, base = BUSY_CORES * (1 - IDLE_SHARE) / busy, BUSY_CORES * IDLE_SHARE
    else:
        slope, base = service.cores_per_order, service.cores_per_order * busy * IDLE_SHARE
    load = LoadModel(base, slope, MEMORY_REQUEST, 0.0)
    highest = (base + slope * busy) / CPU_REQUEST / 0.8
    ceiling = max(10 * FEWEST, int(np.ceil(round(ROOM * highest, 6))))
    replica = Replica(CPU_REQUEST, MEMORY_REQUEST)
    return Workload("default", "service", load, replica, FEWEST, ceiling, lead_time=service.start_time)


def busiest(sales: pd.Series) -> float:
    """The 99th percentile of the orders per hour; 1 where there were none."""
    values = sales.dropna().to_numpy(dtype=np.float64)
    step = (sales.index[1] - sales.index[0]) if len(sales) > 1 else HOUR
    busy = float(np.quantile(values, BUSY_LEVEL)) * (HOUR / step) if len(values) else 0.0
    return busy if busy > 0 else 1.0


def service_words(workload: Workload, sales: pd.Series, service: TypicalService, summed: str | None = None) -> str:
    """What is assumed of the typical service, in one sentence; `summed`: the column whose sum stands for orders."""
    many, one = ("orders", "order") if summed is None else (f"units of {summed!r}", "unit")
    load, replica = workload.load, workload.replica
    busy = busiest(sales)
    cores = load.cpu_base + load.cpu_per_sale_per_hour * busy
    minutes = service.start_time / timedelta(minutes=1)
    return (
        f"one service that uses {cores:.3g} cores in its busiest hours, at {amount(busy)} {many} an hour "
        f"({load.cpu_base:.2g} cores when idle, {load.cpu_per_sale_per_hour:.3g} more for each {one} an hour); "
        f"its pods request {1000 * replica.cpu_request:.0f}m CPU and are ready after {minutes:g} min"
    )
