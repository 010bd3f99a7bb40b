"""A history of sales replayed through forecast, plan and decision as the controller makes them, beside an HPA alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd

from capacity.decision import CALM, ControllerRules, decide
from capacity.decision import ControllerRules as Pace
from capacity.decision.reached import moves, replicas_asked
from capacity.forecast import forecast_as_asked
from capacity.model import (
    DataError,
    Decision,
    Forecast,
    ForecastRequest,
    Observation,
    Readings,
    Workload,
    WorkloadPlan,
    require,
)
from capacity.model.arrays import Array
from capacity.model.observation import Memory
from capacity.model.policy import Cadence
from capacity.planning import planning_window
from capacity.planning.orders import near_horizon
from capacity.planning.workload import QUIET_LEVEL, moved_as_orders
from capacity.series.frames import as_sales
from capacity.series.within import PART, OrderTimes, WithinStep, served_path
from capacity.simulation.candidates import plans_of
from capacity.simulation.case import Case, Promise, busy_ticks, on_grid
from capacity.simulation.headroom import (
    PER_MINUTE,
    HeadroomScore,
    OnNodes,
    alone,
    decided_buffer,
    headroom_of,
    replay_on_nodes,
)
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import HpaStatus, Rule
from capacity.simulation.pods import P95, NodePool, Start
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

Plans = Mapping[datetime, WorkloadPlan]  # origin (when the first step not yet known begins) -> the plan made then


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often the model is fitted and a plan made, how long it takes to arrive, and how the controller moves."""

    every: timedelta = Cadence().plan
    delay: timedelta = Cadence().delay  # the planner reads, forecasts and writes
    pace: Pace = field(default_factory=partial(Pace, calm=CALM))


Forecasts = dict[datetime, Forecast]  # origin (when the first step not yet known begins) -> the forecast made then
LEVELS_BESIDE = (QUIET_LEVEL, 0.5)  # a plan explains itself by the median, and tells an incident by the quiet level


def past_forecasts(case: Case, sales: pd.Series, request: ForecastRequest, schedule: Schedule) -> Forecasts:
    """A forecast per origin, from the last one in force before the judged steps on; one that fails is left out.

    The model is fitted on whole spans of `schedule.every`, counted in UTC. `request`: see `past_request`.
    """
    return dict(_fitted(case, sales, request, schedule))


def past_request(
    known: ForecastRequest, workloads: Sequence[Workload], step: timedelta, schedule: Schedule
) -> ForecastRequest:
    """What production asks of a forecast for plans of these workloads, with the holidays, events and clock of `known`.

    It reaches as far as `known` says, at least until the plan after the next is in force (under a chosen policy, as far
    as its replay did), and covers the lead time with its windows: those of `known`, where it names any.
    """
    follow = any(one.policy is not None and one.policy.floors == "forecast" for one in workloads)
    lead_time = max(workload.lead_time for workload in workloads)
    period = schedule.pace.period
    reach = 2 * schedule.every + lead_time + 2 * period + schedule.pace.look_ahead(PART)
    return replace(
        known,
        horizon=near_horizon(schedule.every) if follow else max(known.horizon, -(-reach // step) * step + step),
        quantile_levels=planned_levels(*workloads),
        window=known.window or planning_window(lead_time, period, step),
    )


def planned_levels(*workloads: Workload) -> tuple[float, ...]:
    """The quantile levels that plans of these workloads and their headroom read, ascending."""
    ahead = (one.headroom.level for one in workloads if one.headroom is not None)
    return tuple(sorted({*LEVELS_BESIDE, *(workload.quantile_level for workload in workloads), *ahead}))


def past_plans(forecasts: Forecasts, workload: Workload, within: Mapping[datetime, WithinStep] | None = None) -> Plans:
    """The plan from each forecast. Raises `DataError` where one cannot be planned for.

    `within`: what was known of the time within a step at each origin. Default: nothing.
    """
    made = plans_of(forecasts, workload, workload.quantile_level, within)
    return {origin: moved_as_orders(plan, forecasts[origin].step) for origin, plan in made.items()}


def _fitted(
    case: Case, sales: pd.Series, request: ForecastRequest, schedule: Schedule
) -> Iterator[tuple[datetime, Forecast]]:
    """The forecast from each origin that can be forecast from."""
    begin = case.moment(case.begin) - schedule.delay
    moment = EPOCH + (begin - EPOCH) // schedule.every * schedule.every
    step = (sales.index[1] - sales.index[0]).to_pytimedelta()
    while (origin := (moment - case.start) // step) < len(sales):
        moment += schedule.every
        if origin < 1:
            continue
        try:
            made = forecast_as_asked(sales.iloc[:origin], request)
        except DataError:
            continue
        yield moment - schedule.every, made


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAN, HPA = "plan", "your HPA"


@dataclass(frozen=True, slots=True)
class Replay:
    """How a history is replayed: the last `days`, the model fitted every `schedule.every`, under a `seed`.

    `start` None: pods take so long that 19 of 20 are ready within the workload's lead time. `nodes`: those under a
    workload with headroom. Default none: they are not replayed.
    """

    days: float = 28.0
    schedule: Schedule = field(default_factory=lambda: Schedule(every=DAY))
    start: Start | None = None
    objective: Objective = field(default_factory=Objective)
    seed: int = 7
    nodes: NodePool | None = None

    def __post_init__(self) -> None:
        require(self.days > 0, "days must be > 0, got {}", self.days)


def simulate(
    sales: pd.Series | pd.DataFrame,
    workload: Workload,
    *,
    request: ForecastRequest | None = None,
    replay: Replay | None = None,
    rows: pd.Series | None = None,
) -> Simulation:
    """Replay the end of a history of sales: plans are made from each origin with what was known then, and decided every
    minute on what the autoscaler reports, as in a cluster.

    Demand is what the workload's load model gives for the sales that came, on quarters of an hour: a smooth path that
    keeps each step's total, and of counts with the spread of the visits behind them. Of a load that was learned from
    usage, the two numbers of each resource are replayed, on both sides. The same demand meets an HPA alone at the
    workload's target, HPAs at every other target, a person's schedule, other predictive policies, a static peak and
    the clairvoyant optimum, which look ahead as many minutes as the plan.

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
        How many days are replayed, how often plans are made, how pods start, the seed, and the nodes under a workload
        with headroom. Default: 28 days, daily, and no nodes.
    rows : Series or None
        Rows of orders in each part (5 or 15 minutes, UTC) of the steps of sales: demand and plans then move within a
        step as these tell. Default none: on a smooth path.

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
    times = OrderTimes(rows, timezone)
    case = _case(filled, step, workload, replay, times.within(known))
    asked = past_request(replace(known_ahead, timezone=timezone), [workload], step, replay.schedule)
    forecasts = past_forecasts(case, known, asked, replay.schedule)
    within = {origin: times.within(known.loc[known.index <= pd.Timestamp(origin - step)]) for origin in forecasts}
    planned = partial(past_plans, forecasts, within=within)
    plans = planned(workload)
    require(bool(plans), "simulate: no plan could be made from any origin; see `capacity forecast` for the reason")
    policies = _policies(case, workload, plans, replay.schedule)
    trials = [*try_policies(case, policies, replay.seed), optimum_trial(case)]
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
        nodes=_on_nodes(case, workload, planned, policies, replay),
    )


def _on_nodes(
    case: Case, workload: Workload, plans_for: Callable[[Workload], Plans], policies: Sequence[Policy], replay: Replay
) -> tuple[HeadroomScore, ...]:
    """The HPA alone and the plan on nodes that join late, without headroom and with it."""
    if workload.headroom is None or replay.nodes is None:
        return ()
    plan, hpa = policies[:2]
    lanes = []
    for policy, planned in ((hpa, alone(workload)), (plan, workload)):
        plans = {origin + replay.schedule.delay: one for origin, one in plans_for(planned).items()}
        minutes = decided_buffer(headroom_of(plans, planned), case.moment(case.begin), case.judged_ticks // PER_MINUTE)
        ahead = np.repeat(minutes, PER_MINUTE)
        lanes.append(OnNodes(policy.name, policy, np.zeros_like(ahead)))
        lanes.append(OnNodes(f"{policy.name}, nodes ready at {workload.headroom.level:g}", policy, ahead))
    return replay_on_nodes(case, lanes, replay.nodes, replay.seed)


def _case(sales: pd.Series, step: timedelta, workload: Workload, replay: Replay, within: WithinStep) -> Case:
    start = replay.start or Start(max(workload.lead_time, SYNC_PERIOD) / P95)
    judged = round(timedelta(days=replay.days) / step)
    parts = step // within.part if step > PART and step % PART == timedelta(0) else 1
    values = served_path(sales, step / parts, within, np.random.default_rng(replay.seed))
    require(
        len(sales) >= 2 * judged or len(sales) - judged >= round(7 * DAY / step),
        "simulate: expected a week of history before the {:g} days replayed, got {} steps in all: ask for fewer days",
        replay.days,
        len(sales),
    )
    return Case(
        demand=_replica_demand(values * (HOUR / step), workload),
        start=sales.index[0].to_pydatetime(),
        step=step / parts,
        begin=(len(sales) - judged) * parts,
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
    lowest = np.full(case.judged_ticks, workload.floor)
    arrivals = {origin + schedule.delay: plan for origin, plan in plans.items()}
    steering = partial(Steering, arrivals, workload, schedule.pace, case.moment(case.begin), target)
    return [
        Policy(PLAN, lowest, own, steer=lambda: steering().floor),
        Policy(HPA, lowest, own),
        cron_schedule(case, target),
        aws_like(case, target),
        ahpa_like(case, target),
        autopilot_like(case),
        seasonal_naive(case, target=target),
        static_peak(case),
        *hpa_sweep(case),
    ]


class Steering:
    """The floor of one workload, pass by pass: of the plan in force, what earlier passes noted, and the HPA's status.

    Parameters:
        plans: when each plan came into force, and the plan.
        workload: whose floor it is.
        rules: how floors move, and the time between two passes.
        begin: when the first tick begins.
        target: of the autoscaler, in percent of the CPU request; None: there is none whose metrics could be read.
    """

    def __init__(
        self,
        plans: Mapping[datetime, WorkloadPlan],
        workload: Workload,
        rules: ControllerRules,
        begin: datetime,
        target: int | None,
    ) -> None:
        self._arrivals = sorted(plans.items(), key=lambda one: one[0])
        self._workload, self._begin, self._target = workload, begin, target
        self._rules = replace(rules, ceiling_buffer=workload.ceiling_buffer)
        self._ticks = rules.period // SYNC_PERIOD
        self._plan: WorkloadPlan | None = None
        self._floor, self._memory = workload.floor, Memory()

    def floor(self, at: int, status: HpaStatus) -> int:
        """The floor that stands at a tick; a pass of the controller comes first where one is due."""
        if at % self._ticks == 0:
            decision = self.decide(self._begin + at * SYNC_PERIOD, status)
            if decision.changes or decision.notes:
                self._floor, self._memory = decision.floor, decision.memory
        return self._floor

    def decide(self, now: datetime, status: HpaStatus) -> Decision:
        """What a pass decides."""
        while self._arrivals and self._arrivals[0][0] <= now:
            self._plan = self._arrivals.pop(0)[1]
        return decide(self._plan, self.observed(now, status), now, self._rules)

    def observed(self, now: datetime, status: HpaStatus) -> Observation:
        """What a pass sees of the autoscaler."""
        workload = self._workload
        return Observation(
            floor=self._floor,
            ceiling=max(workload.ceiling, self._floor),
            current=max(status.current, 1),
            desired=status.desired,
            baseline_floor=workload.floor,
            baseline_ceiling=workload.ceiling,
            readings=None if self._target is None else self._readings(now, status, self._target),
            memory=self._memory,
        )

    def _readings(self, now: datetime, status: HpaStatus, target: int) -> Readings:
        """As `read_metrics` reads them; usage is never equal at two looks, as it is not where load is real."""
        current = max(status.current, 1)
        millicores = int(1000 * self._workload.replica.cpu_request * status.share)
        alive = moves(millicores / 1000, None, current)
        return Readings(
            wanted=replicas_asked([status.utilization / target], current, status.desired, self._floor),
            cpu_millicores=millicores * current,
            mark=f"{millicores}m at {now}" if alive else None,
        )
