"""The plan of one service from rows of orders, in one call: for a notebook, without a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
from pydantic import ValidationError

from capacity.app.bare import TypicalService, orders_end, service_words, with_service
from capacity.app.reading import sales_of
from capacity.model import ConfigError, DataError, Event, LoadModel, Replica, Workload, WorkloadPlan, require
from capacity.model.configuration import Config, describe
from capacity.model.written import duration, quantity
from capacity.planning.orders import KnownAhead, OrderData
from capacity.planning.pipeline import PlanInputs, make_plan
from capacity.series.frames import countries, steps_of
from capacity.sources.orders import Source, counted_as, load_source

CEILING = 1000  # no ceiling was named: one that no plan of a notebook reaches
LEVELS = (0.05, 0.5, 0.9, 0.95, 0.99)


def plan(
    orders: Source,
    *,
    time: str | None = None,
    value: str | Mapping[str, Any] | None = None,
    step: str | timedelta | None = None,
    timezone: str | None = None,
    horizon: str | timedelta | int = "14d",
    holidays: str | Sequence[str] = (),
    events: Sequence[Event] = (),
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

    The same steps as `capacity plan` takes with a configuration, and the same numbers.

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
    events : sequence of Event
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
    (10, '2011-12-13T12:00:00+00:00')
    """
    keys = counted_as(time, value, step, None)
    with load_source(orders, {**keys, "anomalies": None, "freshness": {"within": "36500d"}}, timezone) as table:
        audit, histories = table.audit(), sales_of(table, [None])
        settings, zone = table.settings, table.timezone
    sales = histories[None]
    config = _config(
        {
            "timezone": zone,
            "sales": {**settings.model_dump(mode="json", exclude_defaults=True)},
            "calendar": {"holidays": countries(holidays)},
            "forecast": {"horizon": steps_of(horizon, settings.step), "quantile_levels": LEVELS},
        }
    )
    service = TypicalService(
        None if cores_per_order is None else quantity("cores_per_order", cores_per_order),
        duration("lead_time", lead_time),
    )
    assumed = with_service(config, sales, service).workloads[0]
    load = assumed.load
    if cores_per_order is not None:
        load = LoadModel(idle_cores, load.cpu_per_sale_per_hour)
    workload = Workload(
        namespace,
        name,
        replace(
            load,
            memory_base=quantity("idle_memory", idle_memory),
            memory_per_sale_per_hour=quantity("memory_per_order", memory_per_order),
        ),
        Replica(cpu_request, memory_request),
        floor,
        ceiling or CEILING,
        target_utilization=target_utilization,
        quantile_level=quantile_level,
        lead_time=service.start_time,
        zones=zones,
    )
    levels = tuple(sorted({*LEVELS, quantile_level}))
    forecast = config.forecast.model_copy(update={"quantile_levels": levels})
    config = config.model_copy(update={"workloads": (workload,), "forecast": forecast})
    data = OrderData(histories, audit, ahead=KnownAhead(tuple(events)))
    made = _planned(config, data)
    if cores_per_order is not None:
        return made
    note = f"assumed {service_words(workload, sales, service)}; give cores_per_order"
    return replace(made, derivation=replace(made.derivation, notes=(note, *made.derivation.notes)))


def _config(document: Mapping[str, Any]) -> Config:
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _planned(config: Config, orders: OrderData) -> WorkloadPlan:
    """The plan as of the end of the orders."""
    end = orders_end(orders)
    require(end is not None, "expected at least two steps of orders, got fewer: bring more")
    planned = make_plan(PlanInputs.of(config, orders, end or pd.Timestamp(0, tz="UTC").to_pydatetime()))
    if not planned.plan.workloads:
        raise DataError("; ".join(planned.failures.values()))
    return planned.plan.workloads[0]
