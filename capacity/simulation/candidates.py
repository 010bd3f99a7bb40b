"""The policies that are tried for a workload, and the floors that each would have set, from what was known then."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from capacity.decision import ControllerRules, decide
from capacity.decision.decide import LONG
from capacity.load import project_load
from capacity.model import DataError, Forecast, Observation, Readings, Workload, WorkloadPlan, require
from capacity.model.arrays import Array, Counts
from capacity.model.observation import Memory
from capacity.model.policy import Policy, Standing
from capacity.planning import plan_many
from capacity.planning.workload import on_floor_steps
from capacity.series.within import WithinStep
from capacity.stats import sliding_maxima

HPA_TARGETS = (30, 40, 50, 55, 60, *range(65, 76), 80, 85, 90)  # percent; one point is worth 1 % of cost near 80 / 1.1
FLOOR_TARGETS = (50, 60, 70, 80)  # percent, of the HPA above floors, beside the one that stands
LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
NOW, WEEK, DAY, HOUR = timedelta(0), timedelta(weeks=1), timedelta(days=1), timedelta(hours=1)
KNOWN = 4 * WEEK  # how far back a learned schedule and a static peak look


def own_target(workload: Workload) -> int | None:
    """The HPA's target as it stands; where it was not observed, the target utilization; None where there is no HPA."""
    if workload.target.kind in ("Deployment", "StatefulSet"):
        return None
    return round(100 * workload.target_utilization) if workload.reactive is None else workload.reactive.target


def keeps_its_target(workload: Workload) -> bool:
    """Whether its autoscaler follows other metrics than CPU and memory: no other target can be set."""
    return workload.reactive is not None and workload.reactive.external


def candidate_policies(workload: Workload, levels: Sequence[float] = LEVELS) -> list[Policy]:
    """Every policy to be tried, the one that stands first; without an autoscaler, schedules against a static count.

    An autoscaler on external metrics keeps its target: only floors are tried. `levels`: quantile levels of floors from
    a forecast; empty where there is no forecast with skill.
    """
    target = own_target(workload)
    others = [] if target is None or keeps_its_target(workload) else [*FLOOR_TARGETS]
    targets = [target] if target is None else sorted({target, *others})
    plain = [Policy(one) for one in HPA_TARGETS if one != target] if others else []
    first = Policy(None, "static") if target is None else Policy(target)
    made = [
        first,
        *plain,
        *(Policy(one, "forecast", level, calm) for one in targets for level in levels for calm in (True, False)),
        *(Policy(one, "weekly") for one in targets),
        *([] if target is None else [Policy(None, "static")]),
    ]
    standing: Standing = "managed" if workload.manages_target else "advised"
    found = [one if one.target == target else replace(one, standing=standing) for one in made]
    return found if workload.headroom is None or not levels else on_nodes(found, workload.headroom.level)


def on_nodes(policies: Sequence[Policy], level: float) -> list[Policy]:
    """Each policy on nodes that are kept ready at a quantile level; then on nodes that come when pods do not fit.

    Of floors from a forecast, only calm ones under the target that stands are tried without nodes that are ready: what
    others cost over these, they cost there as well.
    """
    target = policies[0].target
    bare = [one for one in policies if one.floors == "none" or (one.floors, one.target) == ("forecast", target)]
    return [*(replace(one, headroom=level) for one in policies), *(one for one in bare if one.calm)]


Needed = Callable[[Array], Counts]  # demand in replicas at 100 % -> replicas at the target, within bounds
Plans = Mapping[datetime, WorkloadPlan]  # when a plan came into force -> the plan


def plans_of(
    forecasts: Mapping[datetime, Forecast],
    workload: Workload,
    level: float,
    within: Mapping[datetime, WithinStep] | None = None,
) -> Plans:
    """The plan of each forecast at a quantile level, as production makes it. Raises `DataError` where one fails.

    `within`: what was known of the time within a step when each was made. Default: nothing.
    """
    asked, known = replace(workload, quantile_level=level), within or {}
    loads = ((project_load(one, workload.load), known.get(moment)) for moment, one in forecasts.items())
    made = plan_many((on_floor_steps(load, asked, path), asked) for load, path in loads)
    plans = {}
    for moment, plan in zip(forecasts, made, strict=True):
        if isinstance(plan, DataError):
            raise plan
        plans[moment] = plan
    return plans


def decided_floors(plans: Plans, workload: Workload, rules: ControllerRules, begin: datetime, passes: int) -> Counts:
    """The floor after each pass of the controller from `begin` on (passes,): `decide`, pass by pass.

    A pass that can change nothing is not asked: nothing moved at the last one, and neither a step of the plan, nor a
    new plan, nor the time since the last move has come into reach. Before the first plan the workload's floor stands.
    """
    rules = replace(rules, ceiling_buffer=workload.ceiling_buffer)
    floors = np.empty(passes, dtype=np.int64)
    arrivals, current = sorted(plans.items()), None
    floor, memory, at = workload.floor, Memory(), 0
    while at < passes:
        now = begin + at * rules.period
        while arrivals and arrivals[0][0] <= now:
            current = arrivals.pop(0)[1]
        decision = decide(current, observed(workload, floor, memory, now), now, rules)
        still = decision.floor == floor and decision.memory == memory and not decision.held and not decision.clamps
        floor, memory = decision.floor, decision.memory
        span = 1
        if still and current is not None:
            due = _next_change(current, memory, now, rules)
            due = min(due, arrivals[0][0]) if arrivals else due
            span = max(1, -(-(due - now) // rules.period))
        floors[at : at + span] = floor
        at += span
    return floors


def _next_change(plan: WorkloadPlan, memory: Memory, now: datetime, rules: ControllerRules) -> datetime:
    """The first moment at which another floor of the plan is seen, the plan ends, or its floor has stood for long."""
    look = rules.look_ahead(plan.step)
    reach = plan.lead_time + 2 * rules.period
    moments = [_next_seen(plan, now, ahead) for ahead in (NOW, reach, reach + look)]
    moments.append(plan.end if now < plan.end else now + rules.period)
    stood = None if memory.moved_at is None else memory.moved_at + LONG * look
    if stood is not None and stood > now:
        moments.append(stood)
    return min(moments)


def _next_seen(plan: WorkloadPlan, now: datetime, ahead: timedelta) -> datetime:
    """When the next change of the plan's floor will lie `ahead`; its end where there is none."""
    step = (now + ahead - plan.start) // plan.step
    place = bisect_right(plan.floor, step, key=lambda change: change.offset)
    offset = plan.floor[place].offset if place < len(plan.floor) else plan.steps
    return plan.start + offset * plan.step - ahead


def observed(workload: Workload, floor: int, memory: Memory, now: datetime) -> Observation:
    """What a pass sees of an autoscaler whose metrics move and ask for less than the floor.

    That a floor never falls below what these metrics ask for is left out: the autoscaler runs that many by itself.
    """
    return Observation(
        floor=floor,
        ceiling=workload.ceiling,
        current=max(floor, 1),
        desired=max(floor, 1),
        baseline_floor=workload.floor,
        baseline_ceiling=workload.ceiling,
        readings=None if own_target(workload) is None else Readings(mark=f"{now}"),
        memory=memory,
    )


@dataclass(frozen=True, slots=True)
class Past:
    """Demand of the past on even steps, in replicas at 100 % (steps,), and from which step on days are replayed."""

    demand: Array
    step: timedelta
    begin: int

    def __post_init__(self) -> None:
        require(0 <= self.begin < len(self.demand), "expected begin within {} steps", len(self.demand))

    def steps_in(self, span: timedelta) -> int:
        """Whole steps of a span."""
        return round(span / self.step)

    def days(self) -> Iterator[tuple[int, Array]]:
        """Each replayed day: its first step, and the demand known before it, at most `KNOWN` long."""
        for first in range(self.begin, len(self.demand), self.steps_in(DAY)):
            yield first, self.demand[max(0, first - self.steps_in(KNOWN)) : first]


def weekly_floors(past: Past, needed: Needed, lead: timedelta) -> Counts:
    """The highest need of each hour of the week in the four weeks before each day, a lead time early: (steps,).

    While less than two weeks are known, of each hour of the day.
    """
    hour, reach = past.steps_in(HOUR), -(-lead // past.step) + 1
    floors = []
    for first, known in past.days():
        season = past.steps_in(WEEK if len(known) >= past.steps_in(2 * WEEK) else DAY)
        last = min(first + past.steps_in(DAY), len(past.demand)) + reach
        phases = np.arange(first - len(known), last) % season // hour
        highest = np.zeros(phases.max() + 1)
        np.maximum.at(highest, phases[: len(known)], known)
        floors.append(sliding_maxima(needed(highest[phases[len(known) :]]), reach)[: last - reach - first])
    return np.concatenate(floors)


def static_floors(past: Past, needed: Needed) -> Counts:
    """As many replicas as the highest demand of the four weeks before each day needed: (steps,)."""
    day = past.steps_in(DAY)
    each = [int(needed(np.array([known.max(initial=0.0)]))[0]) for _, known in past.days()]
    return np.repeat(np.array(each, dtype=np.int64), day)[: len(past.demand) - past.begin]
