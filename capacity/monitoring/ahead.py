"""Samples of the coming 48 hours of a plan, by hour: what dashboards draw ahead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from capacity.monitoring.metrics import Sample

if TYPE_CHECKING:
    import pandas as pd

    from capacity.model import Plan, WorkloadPlan
    from capacity.model.forecast import Demand

HOUR = timedelta(hours=1)
HOURS = 48
MOST = 100  # workloads, those with the highest peaks: each has up to 288 series
MEDIAN = 0.5
COLUMNS = {"floor": "capacity_ahead_replicas", "utilization": "capacity_ahead_utilization_ratio"}
QUANTILES = {"cpu": "capacity_ahead_demand_cores", "memory": "capacity_ahead_demand_bytes"}


def ahead_samples(plan: Plan, hours: int = HOURS) -> list[Sample]:
    """The highest floor, demand and utilization of each coming clock hour, and when each hour begins.

    Demand and utilization are known of plans that still hold what they were made of. Hours beyond a plan are absent.
    """
    first = plan.created.replace(minute=0, second=0, microsecond=0)
    starts = [first + number * HOUR for number in range(hours)]
    busiest = sorted(plan.workloads, key=lambda one: one.peak.replicas, reverse=True)[:MOST]
    times = [
        Sample("capacity_ahead_timestamp_seconds", start.timestamp(), (horizon_of(number),))
        for number, start in enumerate(starts)
    ]
    return [*times, *(sample for one in busiest for sample in _of_workload(one, starts))]


def horizon_of(number: int) -> str:
    """The label of the hour that begins so many hours after the start of the current one.

    >>> horizon_of(17)
    '17h'
    """
    return f"{number}h"


def _of_workload(plan: WorkloadPlan, starts: list[datetime]) -> Iterator[Sample]:
    table = plan.to_frame()
    for column, name in COLUMNS.items():
        if column in table:
            yield from _samples(name, _hourly(table[column], plan, starts), plan.key, ())
    if plan.demand is not None:
        for level in _levels(plan, plan.demand):
            for resource, name in QUANTILES.items():
                values = getattr(plan.demand, resource).at(level).reindex(table.index)
                yield from _samples(name, _hourly(values, plan, starts), plan.key, (f"{level:g}",))


def _levels(plan: WorkloadPlan, demand: Demand) -> list[float]:
    """The median, and the level that the plan serves."""
    known = [float(level) for level in demand.cpu.quantiles.columns]
    return [level for level in known if level in (MEDIAN, plan.peak.quantile_level)]


def _hourly(values: pd.Series, plan: WorkloadPlan, starts: list[datetime]) -> Iterable[float]:
    """The highest value of the steps that begin in each hour; of longer steps, that of the step an hour lies in."""
    import pandas as pd

    hours = pd.DatetimeIndex(starts)
    if plan.step > HOUR:
        return values.reindex(hours, method="ffill").where(hours < pd.Timestamp(plan.end))
    return values.groupby(pd.DatetimeIndex(values.index).floor("h")).max().reindex(hours)


def _samples(name: str, values: Iterable[float], key: tuple[str, str], more: tuple[str, ...]) -> Iterator[Sample]:
    for number, value in enumerate(values):
        if not math.isnan(value):  # an hour beyond the plan has none
            yield Sample(name, float(value), (*key, *more, horizon_of(number)))
