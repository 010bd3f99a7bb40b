"""The explanation of one floor without its screen: forecasts with and without the coming events, plan, waterfall."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from capacity.load.alignment import parents_of
from capacity.model import (
    DataError,
    Demand,
    Explanation,
    Forecast,
    ForecastRequest,
    LoadReport,
    SalesParts,
    Workload,
    WorkloadPlan,
)
from capacity.model.configuration import Config
from capacity.planning.explain import explain_floor
from capacity.planning.orders import OrderData, own_request, plan_reach
from capacity.planning.pipeline import PlanInputs, forecast_groups, make_plan, served_as_learned
from capacity.series.breakdown import break_down_sales
from capacity.series.growth import coming_growth
from capacity.stats import nearest_level


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
        raise DataError(f"--at: expected a time from {plan.start} to {plan.end}, which the plan covers, got {moment}")
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
    middle = float(sales.quantiles.columns[nearest_level([float(level) for level in sales.quantiles.columns])])
    more = float(sales.values_at(middle)[place] - usual.values_at(middle)[place])
    return SalesParts(parts.level, (*parts.parts, ("what if", more, basis.scenario.name)))


def _within_step(parts: SalesParts, demand: Demand, step: datetime) -> SalesParts | None:
    """The parts of a step of sales as they lie in a step of demand, which may be shorter: all in one proportion."""
    if demand.sales is None or parts.total <= 0:
        return None
    middle = nearest_level([float(level) for level in demand.sales.quantiles.columns])
    share = float(demand.sales.quantiles.iloc[:, middle].loc[step]) / parts.total
    return SalesParts(parts.level * share, tuple((name, value * share, why) for name, value, why in parts.parts))


def _without_coming(request: ForecastRequest, origin: datetime) -> ForecastRequest:
    """The request without what is known of the days to come: no holidays, no event that ends after the origin."""
    return replace(request, holidays=(), events=tuple(event for event in request.events if event.end <= origin))
