"""What is known of the five objectives, of the coming peaks, and of what is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from capacity.model.objective import Objective
from capacity.model.plan import Peak, Plan

if TYPE_CHECKING:
    from capacity.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class UpcomingPeak:
    """The highest step that a workload's plan still has ahead."""

    namespace: str
    name: str
    peak: Peak

    @property
    def label(self) -> str:
        """namespace/name, as people write it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """What a pass would do now; `unknown` says why that cannot be told."""

    plan: Plan | None = None
    outcomes: tuple[Outcome, ...] = ()
    unknown: str | None = None

    @property
    def held(self) -> list[Outcome]:
        """What is held for safety."""
        return [outcome for outcome in self.outcomes if outcome.held]


@dataclass(frozen=True, slots=True)
class Status:
    """The promises over a window up to `now`, the peaks ahead, what is held; `failures`: what did not answer."""

    now: datetime
    window: timedelta
    promises: tuple[Objective, ...]
    standing: WorkloadStatus
    failures: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether a promise that is known is not kept."""
        return any(promise.kept is False for promise in self.promises)

    def peaks(self) -> list[UpcomingPeak]:
        """The coming peak of each planned workload, highest first."""
        plans = self.standing.plan.workloads if self.standing.plan else ()
        ahead = [
            UpcomingPeak(plan.namespace, plan.name, plan.peak) for plan in plans if plan.peak.at + plan.step > self.now
        ]
        return sorted(ahead, key=lambda coming: (-coming.peak.replicas, coming.label))
