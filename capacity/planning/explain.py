"""One planned floor as a waterfall: idle load, each part of the sales, the margins, the rounding, the limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from capacity.model import (
    Bar,
    DataError,
    Demand,
    Explanation,
    Forecast,
    Resource,
    Response,
    SalesParts,
    Workload,
    WorkloadPlan,
)
from capacity.model.arrays import Array, Counts
from capacity.planning.finer import finer_demand
from capacity.planning.requirements import Need, PlannedLoad, Requirement, allowed_above, requirement_of, within_pool
from capacity.planning.workload import plan_many

GIB = 2**30
HOUR = timedelta(hours=1)
PERIODS = timedelta(minutes=2)  # two passes of the controller, as `decide` counts them
MILLI = 1000
ROUNDING = "rounding"


@dataclass(frozen=True, slots=True)
class _Line:
    """How one resource answers to sales and fills a replica: demand = base + slope x sales per step."""

    resource: Resource
    base: float
    slope: float
    request: float
    target: float

    @property
    def unit(self) -> str:
        """The unit that people read it in."""
        return "GiB" if self.resource == "memory" else "cores"

    @property
    def scale(self) -> float:
        """What one of its unit is, in the units of a forecast."""
        return float(GIB) if self.resource == "memory" else 1.0

    def of(self, demand: Demand) -> Forecast:
        """The forecast of this resource."""
        return demand.memory if self.resource == "memory" else demand.cpu

    def planned(self, load: PlannedLoad) -> Array:
        """What is planned for of this resource (steps,)."""
        return load.memory if self.resource == "memory" else load.cpu

    def needed(self, need: Need) -> Counts:
        """Replicas that this resource asks for (steps,)."""
        return need.memory if self.resource == "memory" else need.cpu

    def replicas(self, demand: float) -> float:
        """Replicas that run full with this demand."""
        return demand / self.request

    def say(self, demand: float) -> str:
        """The demand as people read it."""
        return f"{demand / self.scale:.2f} {self.unit}"


def explain_floor(
    demand: Demand, workload: Workload, plan: WorkloadPlan, at: datetime, parts: SalesParts | None = None
) -> Explanation:
    """Explain one planned floor as bars in replicas that add up to it exactly.

    Every bar is the difference of two counts, the one with the named part and the one without, in this order.

    Parameters
    ----------
    demand : Demand
        What the plan was made from.
    workload : Workload
        The workload as it was planned.
    plan : WorkloadPlan
        Its plan, after quotas.
    at : datetime
        A time within the plan; the step that holds it is explained.
    parts : SalesParts or None
        The median sales of that step, taken apart. Default none: sales are one bar.

    Returns
    -------
    Explanation
        The bars with their names and sentences, the need and the floor of the step.

    Raises
    ------
    DataError
        `at` lies outside of the plan, or the workload scales vertically.

    Examples
    --------
    >>> import pandas as pd
    >>> from capacity.model import LoadModel, Replica
    >>> from capacity.planning.workload import plan_workload
    >>> index = pd.date_range("2026-11-27T01:00Z", periods=1, freq="h")
    >>> table = pd.DataFrame({0.5: [3.0], 0.95: [8.0]}, index)
    >>> cpu = Forecast(index[0] - HOUR, HOUR, table, "cores")
    >>> demand = Demand(cpu, Forecast(index[0] - HOUR, HOUR, table * 2**28, "bytes"))
    >>> web = Workload("shop", "web", LoadModel(0, 0.1, 0, 0), Replica(1.0, 2**30), floor=2, ceiling=60)
    >>> why = explain_floor(demand, web, plan_workload(demand, web), index[0].to_pydatetime())
    >>> [bar.name for bar in why.bars], why.floor
    (['usual load', 'quantile margin', 'headroom', 'rounding'], 10)
    """
    if not plan.start <= at < plan.end:
        raise DataError(f"expected a time between {plan.start} and {plan.end}, which the plan covers, got {at}")
    if plan.sizes is not None:
        raise DataError(
            f"{plan.label} scales vertically: `capacity plan` shows its sizes, what is explained is replicas"
        )
    if plan.step < demand.cpu.step:
        demand = finer_demand(demand)
    step = (at - plan.start) // plan.step
    one = requirement_of(demand, workload)
    line = _line(one, step)
    alone = _floor_at(_planned(demand, workload), step)
    parts_of_floor = [*_load_parts(one, line, step, parts), *_count_parts(one, line, step, alone)]
    parts_of_floor.append(("quota", _floor_at(plan, step), "what the workloads share is not enough"))
    reach = at + plan.lead_time + PERIODS
    return Explanation(
        plan.namespace,
        plan.name,
        plan.start + step * plan.step,
        _bound_by(one, step),
        _floor_at(plan, step),
        tuple(_bars(parts_of_floor)),
        plan.floor_between(at, reach) or _floor_at(plan, step),
        reach,
        plan.derivation.notes,
    )


PartOfFloor = tuple[str, float, str]  # (name, replicas with everything up to here, why)


def _bars(parts_of_floor: list[PartOfFloor]) -> list[Bar]:
    """Differences of thousandths: whole numbers, so that they add up."""
    bars, before = [], 0
    for name, replicas, why in parts_of_floor:
        here = round(replicas * MILLI)
        if here != before or name == ROUNDING:  # a reader looks for it even where nothing is rounded
            bars.append(Bar(name, here - before, why))
        before = here
    return bars


def _line(one: Requirement, step: int) -> _Line:
    load, replica, resource = one.workload.load, one.workload.replica, one.need.binding(step)
    if resource == "memory":
        base, slope = _answer(load.memory, load.memory_base, load.memory_per_sale_per_hour)
        request, target = replica.memory_request, one.workload.target_utilization
    else:
        base, slope = _answer(load.cpu, load.cpu_base, load.cpu_per_sale_per_hour)
        request, target = replica.cpu_request, within_pool(one.workload).target_utilization
    if one.demand.sales is None:
        base, slope = 0.0, 0.0
    return _Line(resource, base, slope * (HOUR / one.step), request, target)


def _answer(learned: Response | None, base: float, slope: float) -> tuple[float, float]:
    return (base, slope) if learned is None else (learned.base, learned.per_sale_per_hour)


def _load_parts(one: Requirement, line: _Line, step: int, parts: SalesParts | None) -> list[PartOfFloor]:
    """From nothing to the demand that is planned for, in replicas at 100 %."""
    forecast, raised = line.of(one.demand), float(line.planned(one.load)[step])
    level = one.workload.quantile_level
    quantile, median = float(forecast.at(level).iloc[step]), _median(forecast, step, level)
    reached = min(line.base, median)
    parts_of_floor = [("idle load", line.replicas(reached), f"{line.say(reached)} without any sale")]
    for name, sales, why in _sales_parts(one.demand.sales, parts, step, level):
        reached += line.slope * sales
        parts_of_floor.append((name, line.replicas(reached), f"{sales * (HOUR / one.step):+,.1f} sales/h: {why}"))
    if one.demand.sales is None:
        parts_of_floor = [("usual load", line.replicas(median), "the median, forecast from usage itself")]
    else:
        parts_of_floor.append(("load off the line", line.replicas(median), "lag, shape within the step, saturation"))
    parts_of_floor.append(
        ("quantile margin", line.replicas(quantile), f"{line.say(quantile)} at {level:g}, {line.say(median)} at 0.5")
    )
    why = f"{line.say(raised)}: the most within a lead time"
    parts_of_floor.append(("lead-time window", line.replicas(raised), why))
    division = f"{line.say(raised)} / ({line.request / line.scale:g} x {line.target:.3g})"
    parts_of_floor.append(("headroom", line.replicas(raised) / line.target, division))
    return parts_of_floor


def _median(forecast: Forecast, step: int, level: float) -> float:
    known = 0.5 in [float(one) for one in forecast.quantiles.columns]
    return float(forecast.at(0.5 if known else level).iloc[step])


def _sales_parts(
    sales: Forecast | None, parts: SalesParts | None, step: int, level: float
) -> list[tuple[str, float, str]]:
    if sales is None:
        return []
    if parts is None:
        return [("sales", _median(sales, step, level), "the forecast's median")]
    return [("level", parts.level, "mean of the last four weeks"), *parts.parts]


def _count_parts(one: Requirement, line: _Line, step: int, floor: int) -> list[PartOfFloor]:
    """From the replicas that the load asks for to the floor that stands."""
    workload, limits = one.workload, one.workload.limits
    load, own = float(line.planned(one.load)[step]), int(line.needed(one.need)[step])
    whole = int(np.ceil(load / (line.request * line.target) * (1 - 1e-9)))
    need = int(one.need.replicas[step])
    raised, cut = max(need, one.low), min(max(need, one.low), one.high)
    allowed = int(allowed_above(np.array([cut]), limits)[0])
    held = int(one.bounded[step])
    alone = workload.policy is not None and not workload.policy.has_floors
    stays = "stays up" if floor > held else "policy" if alone else "budget"
    why = "dearer to change, or a ramp needs it"
    less = f"no floors: {workload.policy}" if alone else "the most that the budget pays for"
    return [
        (ROUNDING, whole, "up to a whole replica"),
        ("zones", own, f"without one of {workload.zones} zones at most 100 %"),
        ("requests", need, _requests_why(one, step)),
        ("floor", raised, f"never below {one.low}"),
        ("ceiling", cut, f"never above {one.high}"),
        ("allowed counts", allowed, "the next count that may stand"),
        ("freeze or hold", held, "may not move here: what all of it needs"),
        (stays, floor, why if floor > held else less),
    ]


def _bound_by(one: Requirement, step: int) -> str:
    """What asks for the most replicas at this step; CPU or memory where requests ask for no more."""
    need = one.need
    more = need.requests is not None and need.requests[step] > max(need.cpu[step], need.memory[step])
    return "requests" if more else need.binding(step)


def _requests_why(one: Requirement, step: int) -> str:
    law, requests = one.workload.law, one.load.requests
    return "" if law is None or requests is None else f"{requests[step]:,.1f} requests/s by {law.source} ask for more"


def _planned(demand: Demand, workload: Workload) -> WorkloadPlan:
    """The plan on the steps of the demand, before what workloads share."""
    made = next(plan_many([(demand, workload)]))
    if isinstance(made, DataError):
        raise made
    return made


def _floor_at(plan: WorkloadPlan, step: int) -> int:
    return next(change.replicas for change in reversed(plan.floor) if change.offset <= step)
