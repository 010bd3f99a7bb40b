"""A history of sales replayed through forecast, plan and decision, beside an HPA alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import numpy as np
import pandas as pd

from capacity.decision import CALM
from capacity.decision import ControllerRules as Pace
from capacity.forecast import FINE, forecast_as_asked, kinds_near, renew_forecast
from capacity.load import project_load
from capacity.model import DataError, Forecast, ForecastRequest, Workload, WorkloadPlan, require
from capacity.model.arrays import Array, Counts
from capacity.model.policy import Cadence
from capacity.planning import plan_many, planning_window
from capacity.series.frames import as_sales
from capacity.simulation.candidates import decided_floors
from capacity.simulation.case import Case, Promise
from capacity.simulation.comparison import busy_ticks
from capacity.simulation.grid import on_grid
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import Rule
from capacity.simulation.pods import P95, Start
from capacity.simulation.policies import (
    Policy,
    ahpa_like,
    autopilot_like,
    aws_like,
    cron_schedule,
    hpa_sweep,
    judge,
    optimum_trial,
    seasonal_naive,
    static_peak,
    try_policies,
)
from capacity.simulation.result import Simulation
from capacity.simulation.stepping import Cluster, Objective, Service

Plans = Mapping[int, WorkloadPlan]  # origin (the first step not yet known) -> the plan made then


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often the model is fitted and a plan made, how long it takes to arrive, and how the controller moves."""

    every: timedelta = Cadence().refit
    delay: timedelta = Cadence().delay  # the planner reads, forecasts and writes
    pace: Pace = field(default_factory=partial(Pace, calm=CALM))


def decided_floor(case: Case, workload: Workload, plans: Plans, schedule: Schedule) -> Counts:
    """The floors that the controller sets, per sync (ticks,): every pass sees its last floor and the newest plan.

    A floor holds from the pass that set it. Without a plan yet, the workload's own floor stands. That a floor never
    falls below what the autoscaler asks for is left out: the autoscaler runs that many replicas by itself.
    """
    passes = round((len(case.demand) - case.begin) * case.step / schedule.pace.period)
    arrivals = {case.moment(origin) + schedule.delay: plan for origin, plan in plans.items()}
    floors = decided_floors(arrivals, workload, schedule.pace, case.moment(case.begin), passes)
    return np.repeat(floors, schedule.pace.period // SYNC_PERIOD)


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


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAN, HPA = "plan", "your HPA"


@dataclass(frozen=True, slots=True)
class Replay:
    """How a history is replayed: the last `days`, the model fitted every `schedule.every`, under a `seed`.

    `start` None: pods take so long that 19 of 20 are ready within the workload's lead time.
    """

    days: float = 28.0
    schedule: Schedule = field(default_factory=lambda: Schedule(every=DAY))
    start: Start | None = None
    objective: Objective = field(default_factory=Objective)
    seed: int = 7

    def __post_init__(self) -> None:
        require(self.days > 0, "days must be > 0, got {}", self.days)


def simulate(
    sales: pd.Series | pd.DataFrame,
    workload: Workload,
    *,
    request: ForecastRequest | None = None,
    replay: Replay | None = None,
) -> Simulation:
    """Replay the end of a history of sales: plans are made from each origin with what was known then, and decided every
    minute.

    Demand is what the workload's load model gives for the sales that came, in straight lines between the middles of
    the steps; what happens within a step is not known. Of a load that was learned from usage, the two numbers of each
    resource are replayed, on both sides. The same demand meets an HPA alone at the workload's target, HPAs at every
    other target, a person's schedule, other predictive policies, a static peak and the clairvoyant optimum.

    Parameters
    ----------
    sales : Series or DataFrame
        Sales per step, with an index or a column of times in any zone, gaps as NaN.
    workload : Workload
        What is planned and simulated.
    request : ForecastRequest or None
        The holidays, events and clock that every origin knew. How far and which quantiles to forecast follows from
        what the plans of the workload need, as in production. Default: none of them.
    replay : Replay or None
        How many days are replayed, how often plans are made, how pods start, and the seed. Default: 28 days, daily.

    Returns
    -------
    Simulation
        Every policy's score on the same demand, the plan's first.

    Raises
    ------
    DataError
        The history is too short to plan from before the replayed days, or has a gap of more than a day.

    Examples
    --------
    >>> import capacity as cap
    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> sales = pd.Series(60.0 * (1 + (index.hour > 8)), index)
    >>> web = cap.Workload("shop", "web", cap.LoadModel(0, 0.1, 0, 0), cap.Replica(0.5, 2**29), floor=2, ceiling=90)
    >>> result = simulate(sales, web, replay=Replay(days=3))
    >>> result.plan.score.overload_minutes
    0.0
    """
    sales = as_sales(sales)
    known_ahead, replay = request or ForecastRequest(), replay or Replay()
    timezone = known_ahead.timezone or str(sales.attrs.get("timezone", "UTC"))
    workload = replace(workload, load=replace(workload.load, cpu=None, memory=None, requests=None))
    step, known, filled = on_grid(sales)
    case = _case(filled, step, workload, replay)
    asked = past_request(replace(known_ahead, timezone=timezone), [workload], case, replay.schedule)
    plans = past_plans(past_forecasts(case, known, asked, replay.schedule), workload)
    require(bool(plans), "simulate: no plan could be made from any origin; see `capacity forecast` for the reason")
    trials = [*try_policies(case, _policies(case, workload, plans, replay.schedule), replay.seed), optimum_trial(case)]
    busy = busy_ticks(case, asked.events)
    return Simulation(
        name=f"{workload.namespace}/{workload.name}",
        timezone=timezone,
        begin=case.moment(case.begin),
        tick=SYNC_PERIOD,
        promise=case.promise,
        trials=tuple(trials),
        plans=len(plans),
        busy={trial.name: judge(case, trial.lane, busy) for trial in trials if not trial.swept},
    )


def _case(sales: pd.Series, step: timedelta, workload: Workload, replay: Replay) -> Case:
    start = replay.start or Start(max(workload.lead_time, SYNC_PERIOD) / P95)
    judged = round(timedelta(days=replay.days) / step)
    require(
        len(sales) >= 2 * judged or len(sales) - judged >= round(7 * DAY / step),
        "simulate: expected a week of history before the {:g} days replayed, got {} steps in all: ask for fewer days",
        replay.days,
        len(sales),
    )
    return Case(
        demand=_replica_demand(sales.to_numpy(dtype=float) * (HOUR / step), workload),
        start=sales.index[0].to_pydatetime(),
        step=step,
        begin=len(sales) - judged,
        cluster=Cluster(Service(1.0), start),
        promise=Promise(
            workload.target_utilization, replay.objective.highest_utilization(), workload.floor, start.median
        ),
        ceiling=workload.ceiling,
        name=f"{workload.namespace}/{workload.name}",
    )


def _replica_demand(sales_per_hour: Array, workload: Workload) -> Array:
    """Demand in whole replicas at 100 %: of CPU or memory, whichever asks for more."""
    load, replica = workload.load, workload.replica
    cpu = (load.cpu_base + load.cpu_per_sale_per_hour * sales_per_hour) / replica.cpu_request
    memory = (load.memory_base + load.memory_per_sale_per_hour * sales_per_hour) / replica.memory_request
    return np.maximum(cpu, memory)


def _own_rule(workload: Workload) -> Rule:
    """The workload's autoscaler as observed; where it was not, one at the target utilization."""
    if workload.reactive is None:
        return Rule(round(100 * workload.target_utilization), ceiling=workload.ceiling)
    return Rule(workload.reactive.target, ceiling=workload.ceiling, tolerance=workload.reactive.tolerance)


def _policies(case: Case, workload: Workload, plans: Plans, schedule: Schedule) -> Sequence[Policy]:
    own = _own_rule(workload)
    target = own.target
    floor = decided_floor(case, workload, plans, schedule)
    return [
        Policy(PLAN, floor, own),
        Policy(HPA, np.full(case.judged_ticks, workload.floor), own),
        cron_schedule(case, target),
        aws_like(case, target),
        ahpa_like(case, target),
        autopilot_like(case),
        seasonal_naive(case, target=target),
        static_peak(case),
        *hpa_sweep(case),
    ]
