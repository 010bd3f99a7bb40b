"""Service-level objectives: each target, the value measured over a window, and the error budget that is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from capacity.model import Peak, Plan
from capacity.model.errors import require
from capacity.model.outcome import Outcome

Side = Literal[">", ">=", "<"]
Unit = Literal["ratio", "seconds"]


@dataclass(frozen=True, slots=True)
class Target:
    """The target of one objective: ratios in 0..1, times in seconds."""

    name: str
    side: Side
    bound: float
    unit: Unit
    figure: str  # which figure of a window it is


TARGETS = {
    target.name: target
    for target in (
        Target("uptime", ">", 0.999, "ratio", "share of minutes in which passes ended in time"),
        Target("time to restore", "<", 1800.0, "seconds", "mean over critical incidents, from opened to resolved"),
        Target("data latency", "<", 300.0, "seconds", "95 % of the audits found at most this"),
        Target("CPU and memory", "<", 0.80, "ratio", "highest utilization of any workload"),
        Target("data quality", ">=", 0.995, "ratio", "share of audited rows that pass every rule"),
    )
}


@dataclass(frozen=True, slots=True)
class ServiceLevelObjective:
    """A target and its measured value. `value` None: not known, or (`untried`) nothing happened that could break it.

    The error budget is what the target allows: 0.1 % of the minutes, 30 minutes to restore. A value at the bound of a
    `<` target has spent the budget and missed the target; beyond it the budget left is negative.

    >>> uptime = ServiceLevelObjective(TARGETS["uptime"], 0.9997, "Prometheus")
    >>> uptime.kept, round(uptime.budget_left, 2)
    (True, 0.7)
    >>> ServiceLevelObjective(TARGETS["data latency"], 600.0, "audits").budget_left
    -1.0
    >>> ServiceLevelObjective(TARGETS["uptime"], None, "", "no prometheus is configured").kept is None
    True
    """

    target: Target
    value: float | None
    source: str
    note: str = ""
    untried: bool = False

    def __post_init__(self) -> None:
        name, value = self.target.name, self.value
        require(value is None or 0 <= value < float("inf"), "{}: expected a number >= 0, got {}", name, value)
        require(not (self.untried and value is not None), "{}: untried, yet measured as {}", name, value)
        require(value is not None or bool(self.note), "{}: no value, and no reason why", name)

    @property
    def kept(self) -> bool | None:
        """Whether it is kept; None where that is not known."""
        value, bound = self.value, self.target.bound
        if value is None:
            return True if self.untried else None
        if self.target.side == "<":
            return value < bound
        return value > bound if self.target.side == ">" else value >= bound

    @property
    def budget_left(self) -> float | None:
        """The share of the error budget that is left; None if it is not known."""
        value, bound = self.value, self.target.bound
        if value is None:
            return 1.0 if self.untried else None
        return 1.0 - value / bound if self.target.side == "<" else 1.0 - (1.0 - value) / (1.0 - bound)


@dataclass(frozen=True, slots=True)
class UpcomingPeak:
    """The highest coming step of a workload's plan."""

    namespace: str
    name: str
    peak: Peak
    sales_per_hour: float | None = None

    @property
    def label(self) -> str:
        """namespace/name, as people write it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a part of the installation last completed its work. `last` None: not known, or never. `late`: overdue."""

    what: str
    last: datetime | None
    late: bool
    note: str


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """What a pass would do now; `unknown` says why that is not known."""

    plan: Plan | None = None
    outcomes: tuple[Outcome, ...] = ()
    unknown: str | None = None
    heartbeats: tuple[Heartbeat, ...] = ()

    @property
    def held(self) -> list[Outcome]:
        """What is held for safety."""
        return [outcome for outcome in self.outcomes if outcome.held]


@dataclass(frozen=True, slots=True)
class Status:
    """The objectives over a window up to `now`, the coming peaks, what is held; `failures`: sources that failed."""

    now: datetime
    window: timedelta
    objectives: tuple[ServiceLevelObjective, ...]
    workloads: WorkloadStatus
    failures: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether an objective is known to be missed."""
        return any(objective.kept is False for objective in self.objectives)

    def peaks(self) -> list[UpcomingPeak]:
        """The coming peak of each planned workload, highest first."""
        plans = self.workloads.plan.workloads if self.workloads.plan else ()
        ahead = [
            UpcomingPeak(plan.namespace, plan.name, plan.peak, plan.peak_rate)
            for plan in plans
            if plan.peak.at + plan.step > self.now
        ]
        return sorted(ahead, key=lambda coming: (-coming.peak.replicas, coming.label))
