"""The plans that production would have made in the past, each from what was known then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from capacity.domain import DataError, Event, Forecast, Workload
from capacity.forecast import FINE, forecast_sales, kinds_near, renew_forecast
from capacity.load import project_load
from capacity.planning import plan_many, planning_window
from capacity.simulation.case import Case
from capacity.simulation.production import Plans, Schedule

Forecasts = dict[int, Forecast]  # origin (the first step not yet known) -> the forecast made then
LEVELS_BESIDE = 0.5  # the median travels with the workload's own quantile level: the plan explains itself by it


@dataclass(frozen=True, slots=True)
class Calendar:
    """What was known ahead at every origin: holidays (GB-ENG, US), events, and the clock of the business."""

    holidays: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Asked:
    """What every forecast of the past is asked for: quantile levels, and the lead time that its windows must cover."""

    quantile_levels: tuple[float, ...]
    lead_time: timedelta

    @staticmethod
    def by(*workloads: Workload) -> Asked:
        """What plans of these workloads need of a forecast of their sales."""
        levels = {LEVELS_BESIDE, *(workload.quantile_level for workload in workloads)}
        return Asked(tuple(sorted(levels)), max(workload.lead_time for workload in workloads))


def past_forecasts(case: Case, sales: pd.Series, asked: Asked, calendar: Calendar, schedule: Schedule) -> Forecasts:
    """A forecast per origin, from one interval before the judged steps on; an origin without one is left out.

    The model is fitted every `schedule.every`. Where steps are minutes, there is also one at every step near an event:
    the last fit, and what came since.
    """
    fitted = dict(_fitted(case, sales, asked, calendar, schedule))
    return fitted | dict(_renewed(fitted, sales, calendar)) if case.step <= FINE else fitted


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
    case: Case, sales: pd.Series, asked: Asked, calendar: Calendar, schedule: Schedule
) -> Iterator[tuple[int, Forecast]]:
    """The forecast from each origin, long enough to be followed until the one after the next."""
    stride, period = case.steps_in(schedule.every), schedule.pace.period
    reach = 2 * schedule.every + asked.lead_time + 2 * period + schedule.pace.look_ahead(case.step)
    for origin in range(max(1, case.begin - stride), len(sales), stride):
        try:
            made = forecast_sales(
                sales.iloc[:origin],
                horizon=-(-reach // case.step) * case.step + case.step,
                quantile_levels=asked.quantile_levels,
                holidays=calendar.holidays,
                events=calendar.events,
                timezone=calendar.timezone,
                window=planning_window(asked.lead_time, period, case.step),
            )
        except DataError:
            continue
        yield origin, made


def _renewed(fitted: Forecasts, sales: pd.Series, calendar: Calendar) -> Iterator[tuple[int, Forecast]]:
    """Between two fits, the forecast at every step near an event."""
    last = None
    for origin in range(min(fitted, default=len(sales)), len(sales)):
        last = fitted.get(origin, last)
        if last is None or origin in fitted or not kinds_near(calendar.events, sales.index[origin], last):
            continue
        yield origin, renew_forecast(last, sales.iloc[:origin], events=calendar.events, timezone=calendar.timezone)
