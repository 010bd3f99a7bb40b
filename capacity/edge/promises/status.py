"""Everything that `capacity status` shows, from wherever it is known; what fails is said, and stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from capacity.domain import CapacityError, Peak, Plan
from capacity.edge.promises.promise import TARGETS, Promise

if TYPE_CHECKING:
    from capacity.edge.config import Config
    from capacity.edge.controller.outcomes import Outcome

Read = Callable[[], Promise]
RECORDED_ONLY = "no prometheus is configured, whose rules record it"


@dataclass(frozen=True, slots=True)
class Coming:
    """The highest step that a workload's plan still has ahead."""

    namespace: str
    name: str
    peak: Peak

    @property
    def label(self) -> str:
        """namespace/name, as people write it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Standing:
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
    promises: tuple[Promise, ...]
    standing: Standing
    failures: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether a promise that is known is not kept."""
        return any(promise.kept is False for promise in self.promises)

    def peaks(self) -> list[Coming]:
        """The coming peak of each planned workload, highest first."""
        plans = self.standing.plan.workloads if self.standing.plan else ()
        ahead = [Coming(plan.namespace, plan.name, plan.peak) for plan in plans if plan.peak.at + plan.step > self.now]
        return sorted(ahead, key=lambda coming: (-coming.peak.replicas, coming.label))


def read_status(
    config: Config, now: datetime, window: timedelta, audits: Path, standing: Callable[[], Standing]
) -> Status:
    """Ask each source for what it knows. A source that fails leaves its promises unknown and is named in `failures`."""
    promises: list[Promise] = []
    failures: dict[str, None] = {}
    for name, read in _sources(config, now, window, audits).items():
        try:
            promises.append(read())
        except CapacityError as error:
            failures[str(error)] = None
            promises.append(Promise(TARGETS[name], None, "", "its source failed"))
    stands = standing()
    errors = [f"{one.where}: {one.error}" for one in stands.outcomes if one.error is not None]
    return Status(now, window, tuple(promises), stands, (*failures, *errors))


def _sources(config: Config, now: datetime, window: timedelta, audits: Path) -> Mapping[str, Read]:
    """By target: where it is read, the best source first that is configured."""
    recorded = _recorded(config, now, window)
    kept = _audited(audits, now, window)
    return {
        "uptime": recorded.get("uptime") or _unknown("uptime", RECORDED_ONLY),
        "time to restore": _tickets(config, now, window)
        or recorded.get("time to restore")
        or _unknown("time to restore", "neither incidents.servicenow nor prometheus is configured"),
        "data latency": kept.get("data latency") or recorded.get("data latency") or _no_audit("data latency", audits),
        "CPU and memory": recorded.get("CPU and memory") or _unknown("CPU and memory", RECORDED_ONLY),
        "data quality": kept.get("data quality") or recorded.get("data quality") or _no_audit("data quality", audits),
    }


def _recorded(config: Config, now: datetime, window: timedelta) -> dict[str, Read]:
    if config.prometheus is None:
        return {}
    from capacity.edge.prometheus.client import Prometheus
    from capacity.edge.promises.measured import Recorded

    seen = Recorded(Prometheus(config.prometheus), now, window)
    return {
        "uptime": seen.uptime,
        "time to restore": seen.restore,
        "data latency": seen.latency,
        "CPU and memory": seen.utilization,
        "data quality": seen.quality,
    }


def _audited(folder: Path, now: datetime, window: timedelta) -> dict[str, Read]:
    """Nothing where no audit of this time was kept."""
    if not folder.is_dir():
        return {}
    from capacity.edge.orders.audits import read_audits
    from capacity.edge.promises.audited import latency_promise, quality_promise

    audits = read_audits(folder, now - window).audits
    audits = audits[audits["audited_at"] <= now] if len(audits) else audits
    if audits.empty:
        return {}
    return {"data latency": lambda: latency_promise(audits), "data quality": lambda: quality_promise(audits)}


def _tickets(config: Config, now: datetime, window: timedelta) -> Read | None:
    settings = config.incidents.servicenow
    if settings is None:
        return None
    from capacity.edge.promises.outages import restore_promise
    from capacity.edge.services import servicenow_of

    instance = servicenow_of(settings)
    return lambda: restore_promise(instance.past(now - window), now, window)


def _no_audit(name: str, folder: Path) -> Read:
    return _unknown(name, f"no audit of this time in {folder}/, and no prometheus is configured")


def _unknown(name: str, why: str) -> Read:
    return lambda: Promise(TARGETS[name], None, "", why)
