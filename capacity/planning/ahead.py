"""The demand of the coming hours of a plan, small enough to keep of every workload that dashboards draw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from math import nan

import numpy as np
import numpy.typing as npt

from capacity.model import WorkloadPlan
from capacity.model.forecast import Demand, DemandAhead, Forecast

HOUR = timedelta(hours=1)
HOURS = 48
MOST = 100  # workloads, those with the highest peaks: each has up to 288 series
MEDIAN = 0.5


def busiest(plans: Sequence[WorkloadPlan]) -> list[WorkloadPlan]:
    """The workloads that dashboards draw: those with the highest peaks."""
    return sorted(plans, key=lambda one: one.peak.replicas, reverse=True)[:MOST]


def coming_hours(now: datetime, hours: int = HOURS) -> list[datetime]:
    """When each coming clock hour begins; the first is that of `now`."""
    first = now.replace(minute=0, second=0, microsecond=0)
    return [first + number * HOUR for number in range(hours)]


def demand_ahead(plan: WorkloadPlan, starts: Sequence[datetime]) -> DemandAhead | None:
    """The demand of the hours that begin at `starts`; None of a plan that no longer holds what it was made of."""
    demand = plan.demand
    if demand is None:
        return None

    def highest(forecast: Forecast, level: float) -> tuple[float, ...]:
        return tuple(hourly(plan.on_steps(forecast, level), plan, starts))

    levels = tuple(
        (level, highest(demand.cpu, level), highest(demand.memory, level)) for level in _levels(plan, demand)
    )
    known = max(0, (starts[-1] + HOUR - plan.start) // plan.step + 1)
    need = (plan.loads()["utilization"] * plan.replicas())[:known]
    return DemandAhead(*plan.key, levels, tuple(need.tolist()))


def hourly(values: npt.NDArray[np.generic], plan: WorkloadPlan, starts: Sequence[datetime]) -> list[float]:
    """The highest value of the steps that begin in each hour; of longer steps, that of the step an hour lies in.

    `values`: one for each of the first steps of the plan. NaN of an hour beyond them.
    """
    parts = (values[first:after] for first, after in _places(plan.start, plan.step, tuple(starts)))
    return [float(np.fmax.reduce(inside)) if len(inside) else nan for inside in parts]


@lru_cache(maxsize=16)  # plans of one run have the same steps
def _places(first: datetime, step: timedelta, starts: tuple[datetime, ...]) -> list[tuple[int, int]]:
    """From which step of a plan on each hour is told, and up to before which."""
    found = []
    for start in starts:
        if step > HOUR:
            place = (start - first) // step
            after = place + 1
        else:
            place, after = (-((first - moment) // step) for moment in (start, start + HOUR))
        found.append((max(place, 0), max(after, 0)))
    return found


def _levels(plan: WorkloadPlan, demand: Demand) -> list[float]:
    """The median, and the level that the plan serves."""
    known = [float(level) for level in demand.cpu.quantiles.columns.tolist()]
    return [level for level in known if level in (MEDIAN, plan.peak.quantile_level)]
