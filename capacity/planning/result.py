"""What planning gives: the plan, the audit of its data, what could not be planned, and what is told of it.

The demand of the current step and of the coming hours for metrics and dashboards, and the minutes that floors are
expected to lie over the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from math import log, nan

import numpy as np
import numpy.typing as npt

from capacity.model import DataError, Forecast, Plan, Workload, WorkloadPlan
from capacity.model.arrays import Array
from capacity.model.configuration import Config
from capacity.model.forecast import CurrentDemand, Demand, DemandAhead, Levels
from capacity.model.policy import DAY_MINUTES
from capacity.planning.orders import Key
from capacity.planning.requirements import within_pool
from capacity.planning.sizing import RequestAdvice
from capacity.planning.workload import floor_series
from capacity.quality import Audit
from capacity.shown import shows_itself

HOUR = timedelta(hours=1)
HOURS = 48
MOST = 100  # workloads, those with the highest peaks: each has up to 288 series
MEDIAN = 0.5
DAY = timedelta(days=1)


@shows_itself
@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan, the audit of its data, and what could not be planned.

    `demand` is that of the current step, and `ahead` that of the coming hours, for metrics: of workloads that were
    planned in several chunks the forecasts themselves are not kept, and only then there is `ahead`.
    `advice` is what usage says that replicas should request, where it counts replicas.
    """

    plan: Plan
    audit: Audit
    failures: dict[Key, str] = field(default_factory=dict)
    demand: tuple[CurrentDemand, ...] = ()
    ahead: tuple[DemandAhead, ...] = ()
    advice: dict[Key, RequestAdvice | DataError] = field(default_factory=dict)


def signed(planned: PlanResult, run: str) -> PlanResult:
    """The same with the run that made it named in the plan's source, as its Events and tickets name theirs."""
    plan = planned.plan
    return replace(planned, plan=replace(plan, source={**plan.source, "run": run}))


def made_for(planned: PlanResult, config: Config) -> PlanResult:
    """The same as the plan of these settings: those that were read, without what was learned and chosen since.

    Whoever carries it out reads the same file, and knows neither lead times from pods nor policies from replays.
    """
    whole, blocks = config.fingerprints()
    return replace(planned, plan=replace(planned.plan, settings_hash=whole, blocks=blocks))


def current_demand(plans: Sequence[WorkloadPlan], now: datetime) -> tuple[CurrentDemand, ...]:
    """Demand of the step of `now`, of the plans that still hold what they were made of."""
    return tuple(
        CurrentDemand(*plan.key, _levels(plan.demand.cpu, now), _levels(plan.demand.memory, now))
        for plan in plans
        if plan.demand is not None
    )


def _levels(demand: Forecast, now: datetime) -> Levels:
    """The step of now; before the plan starts its first step, after its end none."""
    place = max(0, (now - demand.origin - demand.step) // demand.step)
    if place >= len(demand.quantiles):
        return ()
    values = demand.quantiles.to_numpy()[place].tolist()
    return tuple(zip(map(float, demand.quantiles.columns), values, strict=True))


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
        (level, highest(demand.cpu, level), highest(demand.memory, level)) for level in _drawn_levels(plan, demand)
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


def _drawn_levels(plan: WorkloadPlan, demand: Demand) -> list[float]:
    """The median, and the level that the plan serves."""
    known = [float(level) for level in demand.cpu.quantiles.columns.tolist()]
    return [level for level in known if level in (MEDIAN, plan.peak.quantile_level)]


def expected_minutes_above(plan: WorkloadPlan, workload: Workload) -> float | None:
    """Minutes of a day on which demand is expected to exceed what the planned floors serve at the target utilization.

    The floors stand alone: replicas that an autoscaler adds are not counted. Demand is the mean of each step.

    Parameters
    ----------
    plan : WorkloadPlan
        A plan that was just made: it holds the demand behind it.
    workload : Workload
        The workload as it was planned.

    Returns
    -------
    float or None
        Minutes a day, a mean over the plan; the worse of CPU and memory at each step. None where the plan holds no
        demand or its pods are resized.
    """
    if plan.demand is None or plan.sizes is not None:
        return None
    floors = floor_series(plan).to_numpy(dtype=np.float64)
    cpu = share_above(plan.demand.cpu, floors * workload.replica.cpu_request * within_pool(workload).target_utilization)
    memory = share_above(plan.demand.memory, floors * workload.replica.memory_request * workload.target_utilization)
    return float(np.maximum(cpu, memory).mean()) * DAY_MINUTES


def share_above(forecast: Forecast, served: Array) -> Array:
    """The probability that each step's value exceeds what is served (steps,).

    Linear between the quantiles, from zero to the lowest; above the highest the tail of an exponential distribution
    through the two highest, as for peaks over a threshold (Pickands 1975, shape 0).

    >>> import pandas as pd
    >>> steps = pd.date_range("2026-11-27T01:00Z", periods=3, freq="h")
    >>> quantiles = pd.DataFrame({0.5: [10.0] * 3, 0.9: [20.0] * 3}, steps)
    >>> forecast = Forecast(steps[0].to_pydatetime() - timedelta(hours=1), timedelta(hours=1), quantiles, "cores")
    >>> share_above(forecast, np.array([10.0, 15.0, 40.0])).round(3).tolist()
    [0.5, 0.3, 0.004]
    """
    levels = np.array([float(level) for level in forecast.quantiles.columns.tolist()])
    table = forecast.quantiles.to_numpy(dtype=np.float64)
    below = _interpolated(served, np.pad(table, ((0, 0), (1, 0))), np.array([0.0, *levels]))
    return np.where(served < table[:, -1], 1 - below, _tail(levels, table, served))


def _interpolated(at: Array, points: Array, values: Array) -> Array:
    """`np.interp` of each value (n,) between its own ascending points (n, m), of which the first is 0 at most."""
    place = ((points <= at[:, None]).sum(axis=1) - 1).clip(0, points.shape[1] - 2)
    row = np.arange(len(points))
    left, right = points[row, place], points[row, place + 1]
    slope = np.divide(values[place + 1] - values[place], right - left, out=np.zeros(len(at)), where=right > left)
    found: Array = slope * (at - left) + values[place]
    return found


def _tail(levels: Array, table: Array, served: Array) -> Array:
    """Above the highest quantile; of a single level, and where the two highest agree, nothing is above."""
    top = 1 - levels[-1]
    if len(levels) == 1:
        return np.zeros(len(table))
    scale = (table[:, -1] - table[:, -2]) / log((1 - levels[-2]) / top)
    beyond = np.maximum(served - table[:, -1], 0.0)
    ratio = np.divide(beyond, scale, out=np.full(len(table), np.inf), where=scale > 0)
    found: Array = top * np.exp(-ratio)
    return found
