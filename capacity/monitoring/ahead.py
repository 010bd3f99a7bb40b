"""Samples of the coming 48 hours of a plan, by hour: what dashboards draw ahead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from capacity.monitoring.metrics import Sample

if TYPE_CHECKING:
    from capacity.model import Plan, WorkloadPlan
    from capacity.model.forecast import DemandAhead

FLOOR, UTILIZATION = "capacity_ahead_replicas", "capacity_ahead_utilization_ratio"
CORES, BYTES = "capacity_ahead_demand_cores", "capacity_ahead_demand_bytes"


def ahead_samples(plan: Plan, kept: Sequence[DemandAhead] = ()) -> list[Sample]:
    """The highest floor, demand and utilization of each coming clock hour, and when each hour begins.

    Demand and utilization are known of plans that still hold what they were made of, and of those whose demand was
    `kept`. Hours beyond a plan are absent.
    """
    from capacity.planning.result import busiest, coming_hours, demand_ahead

    starts, known = coming_hours(plan.created), {one.key: one for one in kept}
    times = [
        Sample("capacity_ahead_timestamp_seconds", start.timestamp(), (horizon_of(number),))
        for number, start in enumerate(starts)
    ]
    drawn = ((one, known.get(one.key) or demand_ahead(one, starts)) for one in busiest(plan.workloads))
    return [*times, *(sample for one, demand in drawn for sample in _of_workload(one, demand, starts))]


def horizon_of(number: int) -> str:
    """The label of the hour that begins so many hours after the start of the current one.

    >>> horizon_of(17)
    '17h'
    """
    return f"{number}h"


def _of_workload(plan: WorkloadPlan, demand: DemandAhead | None, starts: list[datetime]) -> Iterator[Sample]:
    import numpy as np

    from capacity.planning.result import hourly

    floor = plan.replicas()
    yield from _samples(FLOOR, hourly(floor, plan, starts), plan.key, ())
    if demand is None:
        return
    need = np.array(demand.need)
    yield from _samples(UTILIZATION, hourly(need / floor[: len(need)], plan, starts), plan.key, ())
    for level, cores, memory in demand.levels:
        for name, values in ((CORES, cores), (BYTES, memory)):
            yield from _samples(name, values, plan.key, (f"{level:g}",))


def _samples(name: str, values: Iterable[float], key: tuple[str, str], more: tuple[str, ...]) -> Iterator[Sample]:
    for number, value in enumerate(values):
        if not math.isnan(value):  # an hour beyond the plan has none
            yield Sample(name, float(value), (*key, *more, horizon_of(number)))
