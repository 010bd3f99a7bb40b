"""Our own policy: the forecast, the plan and the decision that production calls, from every origin of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import numpy as np

from capacity.decision import CALM, decide
from capacity.decision import Policy as Pace
from capacity.domain import Observation, Workload, WorkloadPlan
from capacity.domain.arrays import Counts
from capacity.domain.observation import Memory
from capacity.simulation.case import Case
from capacity.simulation.hpa.spec import SYNC_PERIOD

Plans = Mapping[int, WorkloadPlan]  # origin (the first step not yet known) -> the plan made then


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often the model is fitted and a plan made, how long it takes to arrive, and how the controller moves."""

    every: timedelta = timedelta(hours=1)
    delay: timedelta = timedelta(minutes=1)  # the planner reads, forecasts and writes
    pace: Pace = field(default_factory=partial(Pace, calm=CALM))


def decided_floor(case: Case, workload: Workload, plans: Plans, schedule: Schedule) -> Counts:
    """The floors that the controller sets, per sync (ticks,): every pass sees its last floor and the newest plan.

    A floor holds from the pass that set it. Without a plan yet, the workload's own floor stands. That a floor never
    falls below what the autoscaler asks for is left out: the autoscaler runs that many replicas by itself.
    """
    passes = round((len(case.demand) - case.begin) * case.step / schedule.pace.period)
    floors = np.empty(passes, dtype=np.int64)
    arrivals = [(case.moment(origin) + schedule.delay, plan) for origin, plan in sorted(plans.items())]
    current, now = None, case.moment(case.begin)
    floor, memory = workload.floor, Memory()
    for one in range(passes):
        while arrivals and arrivals[0][0] <= now:
            current = arrivals.pop(0)[1]
        decision = decide(current, _observed(workload, floor, memory), now, schedule.pace)
        floor, memory = decision.floor, decision.memory
        floors[one] = floor
        now += schedule.pace.period
    return np.repeat(floors, schedule.pace.period // SYNC_PERIOD)


def _observed(workload: Workload, floor: int, memory: Memory) -> Observation:
    return Observation(
        floor=floor,
        ceiling=workload.ceiling,
        current=max(floor, 1),
        desired=max(floor, 1),
        baseline_floor=workload.floor,
        baseline_ceiling=workload.ceiling,
        memory=memory,
    )
