"""The plans that production would have made in the past, each from what was known then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from capacity.domain import DataError, Event, Forecast, Workload
from capacity.forecast import FINE, forecast_sales, kinds_near, renew_forecast
from capacity.load import project_load
from capacity.planning import plan_many, planning_window
from capacity.simulation.case import Case
from capacity.simulation.production import Plans, Schedule

LEVELS_BESIDE = 0.5  # the median travels with the workload's own quantile level: the plan explains itself by it


@dataclass(frozen=True, slots=True)
class Calendar:
    """What was known ahead at every origin: holidays (GB-ENG, US), events, and the clock of the business."""

    holidays: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    timezone: str = "UTC"


def past_plans(case: Case, sales: pd.Series, workload: Workload, calendar: Calendar, schedule: Schedule) -> Plans:
    """A plan per origin, from one interval before the judged steps on; an origin without a forecast is left out.

    The model is fitted every `schedule.every`. Where steps are minutes, a plan is also made at every step near an
    event, from the last fit and what came since. Raises `DataError` where a forecast cannot be planned for.
    """
    fitted = dict(_fitted(case, sales, workload, calendar, schedule))
    forecasts = fitted | dict(_renewed(fitted, sales, calendar)) if case.step <= FINE else fitted
    made = plan_many((project_load(forecast, workload.load), workload) for forecast in forecasts.values())
    plans = {}
    for origin, plan in zip(forecasts, made, strict=True):
        if isinstance(plan, DataError):
            raise plan
        plans[origin] = plan
    return plans


def _fitted(
    case: Case, sales: pd.Series, workload: Workload, calendar: Calendar, schedule: Schedule
) -> Iterator[tuple[int, Forecast]]:
    """The forecast from each origin, long enough to be followed until the one after the next."""
    stride, period = case.steps_in(schedule.every), schedule.pace.period
    reach = 2 * schedule.every + workload.lead_time + 2 * period + schedule.pace.look_ahead(case.step)
    for origin in range(max(1, case.begin - stride), len(sales), stride):
        try:
            yield (
                origin,
                forecast_sales(
                    sales.iloc[:origin],
                    horizon=-(-reach // case.step) * case.step + case.step,
                    quantile_levels=sorted({LEVELS_BESIDE, workload.quantile_level}),
                    holidays=calendar.holidays,
                    events=calendar.events,
                    timezone=calendar.timezone,
                    window=planning_window(workload.lead_time, period, case.step),
                ),
            )
        except DataError:
            continue


def _renewed(fitted: dict[int, Forecast], sales: pd.Series, calendar: Calendar) -> Iterator[tuple[int, Forecast]]:
    """Between two fits, the forecast at every step near an event."""
    last = None
    for origin in range(min(fitted, default=len(sales)), len(sales)):
        last = fitted.get(origin, last)
        if last is None or origin in fitted or not kinds_near(calendar.events, sales.index[origin], last):
            continue
        yield (
            origin,
            renew_forecast(last, sales.iloc[:origin], events=calendar.events, timezone=calendar.timezone),
        )
