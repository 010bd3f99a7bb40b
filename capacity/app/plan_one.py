"""The plan of one service from rows of orders, in one call: for a notebook, without a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from capacity.app.bare import LEVELS, OLD, TypicalService, orders_end, service_words, typical_workload
from capacity.app.reading import rows_of, sales_of
from capacity.model import ConfigError, DataError, Event, LoadModel, Replica, Workload, WorkloadPlan
from capacity.model.configuration import Config, describe
from capacity.model.fields import duration, quantity
from capacity.model.settings import SalesSettings
from capacity.planning.orders import KnownAhead, OrderData
from capacity.planning.pipeline import PlanInputs, make_plan
from capacity.series.frames import countries, steps_of
from capacity.sources.orders import Source, counted_as, load_source

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
    config = _config(settings, zone, countries(holidays), ahead).model_copy(update={"workloads": (workload,)})
    known = KnownAhead((events,) if isinstance(events, Event) else tuple(events))
    made = _planned(config, OrderData(histories, audit, ahead=known, rows=rows))
    if cores_per_order is not None:
        return made
    note = f"assumed {service_words(workload, histories[None], service)}; give cores_per_order"
    return replace(made, derivation=replace(made.derivation, notes=(note, *made.derivation.notes)))


def _config(settings: SalesSettings, zone: str, holidays: Sequence[str], ahead: Mapping[str, Any]) -> Config:
    """The configuration that says the same. Raises `ConfigError`."""
    sales = settings.model_dump(mode="json", exclude_defaults=True)
    document = {"timezone": zone, "sales": sales, "calendar": {"holidays": holidays}, "forecast": ahead}
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _planned(config: Config, orders: OrderData) -> WorkloadPlan:
    """The plan as of the end of the orders."""
    end = orders_end(orders)
    if end is None:
        raise DataError("expected at least two steps of orders, got fewer: provide a longer history")
    planned = make_plan(PlanInputs.of(config, orders, end))
    if not planned.plan.workloads:
        raise DataError("; ".join(planned.failures.values()))
    return planned.plan.workloads[0]
