"""The plans that production would have made in the past, each from what was known then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from capacity.domain import DataError, Forecast, ForecastRequest, Workload
from capacity.forecast import FINE, forecast_as_asked, kinds_near, renew_forecast
from capacity.load import project_load
from capacity.planning import plan_many, planning_window
from capacity.simulation.case import Case
from capacity.simulation.production import Plans, Schedule

Forecasts = dict[int, Forecast]  # origin (the first step not yet known) -> the forecast made then
LEVELS_BESIDE = 0.5  # the median travels with the workload's own quantile level: the plan explains itself by it


def past_forecasts(case: Case, sales: pd.Series, request: ForecastRequest, schedule: Schedule) -> Forecasts:
    """A forecast per origin, from one interval before the judged steps on; an origin without one is left out.

    The model is fitted every `schedule.every`. Where steps are minutes, there is also one at every step near an event:
    the last fit, and what came since. `request`: see `past_request`.
    """
    fitted = dict(_fitted(case, sales, request, schedule))
    return fitted | dict(_renewed(fitted, sales, request)) if case.step <= FINE else fitted


def past_request(
    known: ForecastRequest, workloads: Sequence[Workload], case: Case, schedule: Schedule
) -> ForecastRequest:
    """What production asks of a forecast for plans of these workloads, with the holidays, events and clock of `known`.

    It reaches as far as a plan is followed until the one after the next, and covers the lead time with its windows.
    """
    lead_time = max(workload.lead_time for workload in workloads)
    period = schedule.pace.period
    reach = 2 * schedule.every + lead_time + 2 * period + schedule.pace.look_ahead(case.step)
    return replace(
        known,
        horizon=-(-reach // case.step) * case.step + case.step,
        quantile_levels=planned_levels(*workloads),
        window=planning_window(lead_time, period, case.step),
    )


def planned_levels(*workloads: Workload) -> tuple[float, ...]:
    """The quantile levels that plans of these workloads read, ascending."""
    return tuple(sorted({LEVELS_BESIDE, *(workload.quantile_level for workload in workloads)}))


def past_plans(forecasts: Forecasts, workload: Workload) -> Plans:
    """The plan from each forecast. Raises `DataError` where one cannot be planned for."""
    made = plan_many((project_load(forecast, workload.load), workload) for forecast in forecasts.values())
    plans = {}
    for origin, plan in zip(forecasts, made, strict=True):
        if isinstance(plan, DataError):
            raise plan
        plans[origin] = plan
    return plans


def _fitted(
    case: Case, sales: pd.Series, request: ForecastRequest, schedule: Schedule
) -> Iterator[tuple[int, Forecast]]:
    """The forecast from each origin that can be forecast from."""
    stride = case.steps_in(schedule.every)
    for origin in range(max(1, case.begin - stride), len(sales), stride):
        try:
            made = forecast_as_asked(sales.iloc[:origin], request)
        except DataError:
            continue
        yield origin, made


def _renewed(fitted: Forecasts, sales: pd.Series, known: ForecastRequest) -> Iterator[tuple[int, Forecast]]:
    """Between two fits, the forecast at every step near an event."""
    last = None
    for origin in range(min(fitted, default=len(sales)), len(sales)):
        last = fitted.get(origin, last)
        if last is None or origin in fitted or not kinds_near(known.events, sales.index[origin], last):
            continue
        yield origin, renew_forecast(last, sales.iloc[:origin], events=known.events, timezone=known.timezone)
