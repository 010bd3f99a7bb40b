"""Would the plan have held? A history of sales replayed through forecast, plan and decision, beside an HPA alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.domain import ForecastRequest, Workload, require
from capacity.domain.arrays import Array
from capacity.forecast import regular_step
from capacity.simulation.busy import busy_ticks
from capacity.simulation.case import Case
from capacity.simulation.cluster import Cluster
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.plans import past_forecasts, past_plans, past_request
from capacity.simulation.pods import P95, Start
from capacity.simulation.policies import (
    Policy,
    ahpa_like,
    autopilot_like,
    aws_like,
    cron_schedule,
    hpa_sweep,
    seasonal_naive,
    static_peak,
)
from capacity.simulation.production import Plans, Schedule, decided_floor
from capacity.simulation.reactive import Rule
from capacity.simulation.scores import Promise
from capacity.simulation.service import Objective, Service
from capacity.simulation.simulation import Simulation
from capacity.simulation.trial import judge, optimum_trial, try_policies

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
    sales: pd.Series, workload: Workload, *, request: ForecastRequest | None = None, replay: Replay | None = None
) -> Simulation:
    """Replay the end of a history of sales: plans made from each origin with what was known then, decided every minute.

    Demand is what the workload's load model says of the sales that came, in straight lines between the middles of the
    steps; what happens within a step is not known. Of a load that was learned from usage its two numbers of each
    resource are replayed, on both sides. The same demand meets an HPA alone at the workload's target, HPAs
    at every other target, a person's schedule, other predictive policies, a static peak and the clairvoyant optimum.
    `request` tells the holidays, the events and the clock that every origin knew; how far and how sure to forecast is
    what the plans of the workload need, as in production.

    Raises `DataError` for a history too short to plan from before the replayed days, or with a gap of more than a day.

    >>> import capacity as cap
    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> sales = pd.Series(60.0 * (1 + (index.hour > 8)), index)
    >>> web = cap.Workload("shop", "web", cap.LoadModel(0, 0.1, 0, 0), cap.Replica(0.5, 2**29), floor=2, ceiling=90)
    >>> result = simulate(sales, web, replay=Replay(days=3))
    >>> result.plan.score.overload_minutes
    0.0
    """
    known_ahead, replay = request or ForecastRequest(), replay or Replay()
    timezone = known_ahead.timezone or str(sales.attrs.get("timezone", "UTC"))
    workload = replace(workload, load=replace(workload.load, cpu=None, memory=None, requests=None))
    step, filled = _filled(sales)
    case = _case(filled, step, workload, replay)
    known = filled.set_axis(pd.date_range(filled.index[0], periods=len(filled), freq=step))
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


def _filled(sales: pd.Series) -> tuple[timedelta, pd.Series]:
    """The history on its full grid; short gaps are bridged in straight lines, since something must be served then."""
    step = regular_step(sales)
    grid = pd.date_range(sales.index[0], sales.index[-1], freq=pd.Timedelta(step))
    filled = sales.reindex(grid).interpolate(limit=max(1, int(DAY / step)), limit_area="inside")
    require(not filled.isna().any(), "simulate: expected no gap longer than a day, got one at {}", _first_gap(filled))
    return step, filled


def _first_gap(filled: pd.Series) -> str:
    gaps = filled.index[filled.isna()]
    return f"{gaps[0]:%Y-%m-%dT%H:%MZ}" if len(gaps) else "none"


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
