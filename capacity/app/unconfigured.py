"""Plans without a configuration: guessed columns, a clock, one typical service; and `capacity.plan` for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from capacity.app.reading import rows_of, sales_of
from capacity.model import ConfigError, DataError, Event, LoadModel, Replica, Workload, WorkloadPlan, require
from capacity.model.configuration import Config, describe
from capacity.model.fields import duration, quantity
from capacity.model.settings import SalesSettings
from capacity.planning.orders import KnownAhead, OrderData
from capacity.planning.pipeline import PlanInputs, make_plan
from capacity.quality.column_roles import Guess
from capacity.series.frames import countries, steps_of
from capacity.sources.guessing import Given, guess_sales, place_of
from capacity.sources.orders import Source, counted_as, load_source
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
class FileOptions:
    """Options beside a file: how it is read (`given`), the time zone, the holidays, and how far ahead to forecast."""

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


def bare_config(source: str, options: FileOptions) -> tuple[Config, Guess]:
    """The configuration of a file, glob or database URL, without a workload, and the guesses behind it.

    Raises `DataError` where no column holds times, `ConfigError` where an option is wrong.
    """
    guess = guess_sales(source, options.given)
    sales = guess.settings.model_dump(mode="json", exclude_defaults=True)
    horizon = options.horizon or max(HORIZON, LEAST_STEPS * guess.settings.step)
    forecast = {"quantile_levels": LEVELS, "horizon": horizon}
    document = {"sales": {**sales, "freshness": {"within": OLD}}, "forecast": forecast}
    return _checked({**document, **_option_keys(options)}), guess


def with_options(config: Config, options: FileOptions, source: str | None = None) -> Config:
    """The configuration with what was options, and another source, in place of its own. Raises `ConfigError`."""
    update: dict[str, Any] = {}
    keys = options.given.keys()
    if source is not None:
        keys["source"] = place_of(source, options.given)
    if keys:
        sales = config.orders()
        if "read" in keys:
            keys["read"] = {**dict(sales.read), **keys["read"]}
        try:
            update["sales"] = type(sales).model_validate({**dict(sales), **keys})
        except ValidationError as error:
            raise ConfigError(describe(error)) from error
    if options.horizon is not None:
        update["forecast"] = config.forecast.model_copy(update={"horizon": options.horizon})
    if options.holidays:
        update["calendar"] = config.calendar.model_copy(update={"holidays": options.holidays})
    if options.timezone is not None:
        update["timezone"] = options.timezone
    return config.model_copy(update=update)


def _option_keys(options: FileOptions) -> Mapping[str, Any]:
    keys: dict[str, Any] = {"calendar": {"holidays": options.holidays}} if options.holidays else {}
    return keys | ({"timezone": options.timezone} if options.timezone else {})


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


CEILING = 1000  # no ceiling was named: one that no plan of a notebook reaches


def plan(
    orders: Source,
    *,
    time: str | None = None,
    value: str | Mapping[str, Any] | None = None,
    step: str | timedelta | None = None,
    timezone: str | None = None,
    horizon: str | timedelta | int = "14d",
    holidays: str | Sequence[str] = (),
    events: Event | Sequence[Event] = (),
    cores_per_order: float | str | None = None,
    idle_cores: float | str = 0.0,
    memory_per_order: float | str = 0.0,
    idle_memory: float | str = 0.0,
    cpu_request: float | str = "500m",
    memory_request: float | str = "512Mi",
    floor: int = 2,
    ceiling: int | None = None,
    target_utilization: float = 0.8,
    quantile_level: float = 0.95,
    lead_time: str | timedelta = "5m",
    zones: int = 1,
    name: str = "service",
    namespace: str = "default",
) -> WorkloadPlan:
    """Plan the replicas of one service from its orders: read, forecast, load, floors.

    The same steps as `capacity plan` takes with a configuration, and the same numbers. Only `orders` is needed; the
    other parameters come in groups, in this order:

    - how the orders are read: `time`, `value`, `step`, `timezone`;
    - the forecast: `horizon`, `holidays`, `events`;
    - what an order costs: `cores_per_order`, `idle_cores`, `memory_per_order`, `idle_memory`;
    - one replica, and how many there may be: `cpu_request`, `memory_request`, `floor`, `ceiling`;
    - what is promised: `target_utilization`, `quantile_level`, `lead_time`, `zones`;
    - the names in the plan: `name`, `namespace`.

    Parameters
    ----------
    orders : Series, DataFrame, str, Path or mapping
        Single orders or totals per step: rows in memory with a column or an index of times in any zone, a file, a
        glob, or ``{"url": ..., "query": ...}`` of a database.
    time : str or None
        The column with the time of the order. Default: guessed.
    value : str, mapping or None
        What is counted: the column to sum up, ``"distinct:COLUMN"`` or ``"rows"``. Default: guessed.
    step : str, timedelta or None
        Length of a step, such as ``"15m"``. Default: guessed; an hour where orders have a time of day.
    timezone : str or None
        The business's time zone. Default: that of the times, else UTC.
    horizon : str, timedelta or int
        How far ahead, or how many steps. Default 14 days.
    holidays : str or sequence of str
        Countries and states whose public holidays count, such as ``"GB-ENG"``. Default none.
    events : Event or sequence of Event
        Promotions and the like, past and coming. Default none.
    cores_per_order : float, str or None
        CPU cores that one more order an hour adds, such as ``"120m"``. Default: so many that the busiest hours use 4
        cores, which the notes of the plan say.
    idle_cores : float or str
        CPU cores without any order. Default 0, or a tenth of the busiest hours' where `cores_per_order` is assumed.
    memory_per_order : float or str
        Bytes that one more order an hour adds, such as ``"32Mi"``. Default 0.
    idle_memory : float or str
        Bytes without any order, such as ``"1Gi"``. Default 0.
    cpu_request : float or str
        Cores that one replica requests. Default ``"500m"``.
    memory_request : float or str
        Bytes that one replica requests. Default ``"512Mi"``.
    floor : int
        Fewest replicas. Default 2.
    ceiling : int or None
        Most replicas. Default: 1000.
    target_utilization : float
        Utilization planned for, in (0, 1]. Default 0.8.
    quantile_level : float
        Quantile of demand that is served at that utilization, in (0, 1). Default 0.95.
    lead_time : str or timedelta
        From the patch to ready replicas. Default ``"5m"``.
    zones : int
        With more than one, the loss of a zone leaves utilization at most 100 %. Default 1.
    name : str
        What to call the service. Default ``"service"``.
    namespace : str
        Its namespace. Default ``"default"``.

    Returns
    -------
    WorkloadPlan
        The floor of every step; `plan.to_frame()` has them with the demand behind them, `plan.plot()` draws them.

    Raises
    ------
    DataError
        The orders cannot be read, are too few, or too bad to plan from.
    ConfigError
        A value is wrong.

    Examples
    --------
    >>> from capacity.sources.sample import sample_orders
    >>> web = plan(sample_orders(), value="orders", timezone="Europe/London", cores_per_order="120m")
    >>> web.peak.replicas, web.peak.at.isoformat()
    (10, '2011-12-13T12:15:00+00:00')
    """
    keys = counted_as(time, value, step, None)
    with load_source(orders, {**keys, "anomalies": None, "freshness": {"within": OLD}}, timezone) as table:
        audit, histories, rows = table.audit(), sales_of(table, [None]), rows_of(table, [None])
        settings, zone = table.settings, table.timezone
    service = TypicalService(
        None if cores_per_order is None else quantity("cores_per_order", cores_per_order),
        duration("lead_time", lead_time),
    )
    typical = typical_workload(histories[None], service)
    workload = Workload(
        namespace,
        name,
        LoadModel(
            typical.load.cpu_base if cores_per_order is None else idle_cores,
            typical.load.cpu_per_sale_per_hour,
            idle_memory,
            memory_per_order,
        ),
        Replica(cpu_request, memory_request),
        floor,
        ceiling or CEILING,
        target_utilization=target_utilization,
        quantile_level=quantile_level,
        lead_time=service.start_time,
        zones=zones,
    )
    ahead = {"horizon": steps_of(horizon, settings.step), "quantile_levels": sorted({*LEVELS, quantile_level})}
    config = _configured(settings, zone, countries(holidays), ahead).model_copy(update={"workloads": (workload,)})
    known = KnownAhead((events,) if isinstance(events, Event) else tuple(events))
    made = _planned_alone(config, OrderData(histories, audit, ahead=known, rows=rows))
    if cores_per_order is not None:
        return made
    note = f"assumed {service_words(workload, histories[None], service)}; give cores_per_order"
    return replace(made, derivation=replace(made.derivation, notes=(note, *made.derivation.notes)))


def _configured(settings: SalesSettings, zone: str, holidays: Sequence[str], ahead: Mapping[str, Any]) -> Config:
    """The configuration that says the same. Raises `ConfigError`."""
    sales = settings.model_dump(mode="json", exclude_defaults=True)
    document = {"timezone": zone, "sales": sales, "calendar": {"holidays": holidays}, "forecast": ahead}
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _planned_alone(config: Config, orders: OrderData) -> WorkloadPlan:
    """The plan as of the end of the orders."""
    end = orders_end(orders)
    if end is None:
        raise DataError("expected at least two steps of orders, got fewer: provide a longer history")
    planned = make_plan(PlanInputs.of(config, orders, end))
    if not planned.plan.workloads:
        raise DataError("; ".join(planned.failures.values()))
    return planned.plan.workloads[0]
