"""One planned floor as a sum: bars that add up to it exactly, from sales to replicas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.load.alignment import parents_of
from capacity.model import (
    Bar,
    DataError,
    Demand,
    Explanation,
    Forecast,
    ForecastRequest,
    LoadReport,
    Resource,
    Response,
    SalesParts,
    Workload,
    WorkloadPlan,
)
from capacity.model.arrays import Array, Counts
from capacity.model.configuration import Config
from capacity.model.fields import rfc3339
from capacity.planning.finer import finer_demand
from capacity.planning.orders import OrderData, own_request, plan_reach
from capacity.planning.pipeline import PlanInputs, forecast_groups, make_plan, served_as_learned
from capacity.planning.requirements import Need, PlannedLoad, Requirement, allowed_above, requirement_of, within_pool
from capacity.planning.workload import plan_many
from capacity.series.breakdown import break_down_sales
from capacity.series.growth import coming_growth
from capacity.stats import nearest_level

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
    alone = _floor_at(plan if plan.derivation.quota is None else _planned(demand, workload), step)
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
        _tied(one, step),
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
        rate = round(sales * (HOUR / one.step), 1) + 0.0  # no "-0.0"
        parts_of_floor.append((name, line.replicas(reached), f"{rate:+,.1f} sales/h: {why}"))
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
    other = "CPU" if line.resource == "memory" else "memory"
    stays = "stays up" if floor > held else "policy" if alone else "budget"
    why = "dearer to change, or a ramp needs it"
    less = f"no floors: {workload.policy}" if alone else "the most that the budget pays for"
    return [
        (ROUNDING, whole, "up to a whole replica" + (f", as many as {other}" if _tied(one, step) else "")),
        ("zones", own, f"without one of {workload.zones} zones at most 100 %"),
        ("requests", need, _requests_why(one, step)),
        ("floor", raised, f"never below {one.low}"),
        ("ceiling", cut, f"never above {one.high}"),
        ("allowed counts", allowed, "the next count that may stand"),
        ("freeze or hold", held, "may not move here: what all of it needs"),
        (stays, floor, why if floor > held else less),
    ]


def _tied(one: Requirement, step: int) -> bool:
    """Whether CPU and memory ask for as many replicas, so that less of one of them alone would save none."""
    return bool(one.need.cpu[step] == one.need.memory[step])


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


def explain_plan(
    config: Config, orders: OrderData, workload: Workload, at: datetime | None, now: datetime
) -> Explanation:
    """The floor that a plan made now has for the step at `at` (None: its peak), taken apart. Raises `DataError`."""
    basis = PlanInputs.of(config, orders, now)
    planned = make_plan(basis)
    plan = planned.plan.workload(*workload.key)
    if plan is None:
        raise DataError(planned.failures.get(workload.key, f"{workload.name} was not planned"))
    return explain_planned(basis, plan, workload, at)


@dataclass(frozen=True, slots=True)
class KnownSales:
    """Forecasts of a workload's sales that are known already: `plain`, as `plain_forecast` makes it, and in a scenario
    the `usual` one, without what the scenario changes."""

    plain: Forecast | None = None
    usual: Forecast | None = None


def explain_planned(
    basis: PlanInputs, plan: WorkloadPlan, workload: Workload, at: datetime | None, known: KnownSales | None = None
) -> Explanation:
    """The same of a plan that was just made from `basis`. Raises `DataError`."""
    if plan.demand is None:
        raise DataError(f"{plan.label}: the plan does not hold the demand behind it, which an explanation needs")
    moment = plan.peak.at if at is None else at
    if not plan.start <= moment < plan.end:
        span = f"from {rfc3339(plan.start)} to {rfc3339(plan.end)}"
        raise DataError(f"at: expected a time {span}, which the plan covers, got {rfc3339(moment)}")
    step = plan.start + (moment - plan.start) // plan.step * plan.step
    parts = _parts(basis, workload, step, known or KnownSales()) if plan.demand.sales is not None else None
    parts = None if parts is None else _within_step(parts, plan.demand, step)
    report = basis.reports.get(workload.key)
    load = report.model if isinstance(report, LoadReport) else workload.load
    served = served_as_learned(workload, report)
    found = explain_floor(plan.demand, replace(served, load=load, lead_time=plan.lead_time), plan, step, parts)
    return replace(found, notes=(*_growth(basis.config, basis, workload), *found.notes))


def _growth(config: Config, basis: PlanInputs, workload: Workload) -> tuple[str, ...]:
    """How the business grew, in the words of every other place; nothing where the workload follows no sales."""
    sales, history = basis.forecasts.get(workload.group), basis.orders.histories.get(workload.group)
    if not isinstance(sales, Forecast) or history is None or sales.step not in _steps(history):
        return ()
    growth = coming_growth(history, sales, config.calendar.holidays_of(workload.group))
    return () if growth.past.change is None else (f"growth: {growth.words}",)


def _steps(history: pd.Series) -> tuple[pd.Timedelta, ...]:
    return (history.index[1] - history.index[0],) if len(history) > 1 else ()


def plain_forecast(basis: PlanInputs, workload: Workload) -> Forecast | None:
    """The forecast of the workload's sales as if nothing were known ahead; None where there is none."""
    sales, history = basis.forecasts.get(workload.group), basis.orders.histories.get(workload.group)
    if not isinstance(sales, Forecast) or history is None:
        return None
    own, columns = {workload.group: history}, basis.orders.ahead.columns
    asked = own_request(basis.request, basis.config, basis.orders, workload.group)
    request = _without_coming(asked, sales.origin)
    plain = forecast_groups(own, request, reach=plan_reach(basis.config), covariates=columns)[workload.group]
    return plain if isinstance(plain, Forecast) else None


def _parts(basis: PlanInputs, workload: Workload, moment: datetime, known: KnownSales) -> SalesParts | None:
    """The sales of the workload's group in their step that the moment lies in; None where there are none."""
    config, orders = basis.config, basis.orders
    sales, history = basis.forecasts.get(workload.group), orders.histories.get(workload.group)
    if not isinstance(sales, Forecast) or history is None:
        return None
    index = pd.DatetimeIndex(sales.quantiles.index)
    place = int(parents_of(pd.DatetimeIndex([moment]), index, config.timezone)[0])
    if place < 0:
        return None
    step, usual, plain = (
        index[place].to_pydatetime(),
        known.usual or sales,
        known.plain or plain_forecast(basis, workload),
    )
    parts = break_down_sales(history, usual, step, config.timezone, plain)
    if known.usual is None or basis.scenario is None:
        return parts
    middle = float(sales.quantiles.columns[nearest_level([float(level) for level in sales.quantiles.columns.tolist()])])
    more = float(sales.values_at(middle)[place] - usual.values_at(middle)[place])
    return SalesParts(parts.level, (*parts.parts, ("what if", more, basis.scenario.name)))


def _within_step(parts: SalesParts, demand: Demand, step: datetime) -> SalesParts | None:
    """The parts of a step of sales as they lie in a step of demand, which may be shorter: all in one proportion."""
    if demand.sales is None or parts.total <= 0:
        return None
    middle = nearest_level([float(level) for level in demand.sales.quantiles.columns.tolist()])
    share = float(demand.sales.quantiles.iloc[:, middle].loc[step]) / parts.total
    return SalesParts(parts.level * share, tuple((name, value * share, why) for name, value, why in parts.parts))


def _without_coming(request: ForecastRequest, origin: datetime) -> ForecastRequest:
    """The request without what is known of the days to come: no holidays, no event that ends after the origin."""
    return replace(request, holidays=(), events=tuple(event for event in request.events if event.end <= origin))
