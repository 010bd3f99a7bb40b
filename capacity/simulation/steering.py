"""The controller in a simulated cluster: it looks at the autoscaler every period and decides, as in a real one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from capacity.decision import ControllerRules, decide
from capacity.decision.reached import moves, replicas_asked
from capacity.model import Decision, Observation, Readings, Workload, WorkloadPlan
from capacity.model.observation import Memory
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.stepping import HpaStatus


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
