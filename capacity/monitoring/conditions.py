"""The conditions that a planning or a pass can find, and how severe each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, get_args

from capacity.model import Owned, Reason, require
from capacity.model.settings.monitoring import RUNBOOKS, Job, runbook_url

if TYPE_CHECKING:
    from capacity.model import Decision
    from capacity.model.outcome import Outcome
    from capacity.quality import Audit

ORIGIN = "capacity"  # correlation ids begin with it, which distinguishes our tickets from all others


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of condition: impact and urgency as in ITIL (1 high to 3 low), automatic remediation, and who detects it.

    `patience`: how long its alert must have fired before a ticket is opened, if there is an Alertmanager.
    """

    impact: int
    urgency: int
    summary: str
    remediation: str
    seen_by: Job = "pass"
    patience: timedelta = timedelta(0)

    @property
    def severity(self) -> str:
        """For alerts: critical where somebody must look now, else warning."""
        return "critical" if self.impact + self.urgency <= 3 else "warning"


CONDITIONS = {
    "DataQualityRefused": Kind(
        2, 2, "the data is not good enough to plan with", "the last good plan stays in force", "plan"
    ),
    "DataStale": Kind(2, 2, "no new orders arrive", "the last good plan stays in force", "plan"),
    "PlanFailed": Kind(2, 2, "workloads could not be planned", "their last good plan stays in force", "plan"),
    "PlanStale": Kind(
        2, 1, "the plan has ended and there is no new one", "floors are held, then move to the safe floor"
    ),
    "PassFailed": Kind(2, 1, "autoscalers could not be read or written", "calls are retried; floors stay as they are"),
    "FloorHeld": Kind(3, 2, "floors are held for safety", "the autoscaler alone scales, above the held floor"),
    "FloorRefused": Kind(3, 2, "another controller owns the floor", "the floor stays as its owner sets it"),
    "FloorLoweredByOthers": Kind(2, 2, "a deploy or a person lowered the floor", "the floor is restored"),
    "FloorNotReached": Kind(1, 2, "replicas do not start in time for the floor", "the floor stays up"),
    "CeilingReached": Kind(1, 2, "the coming peak needs more than the ceiling", "the floor is set to the ceiling"),
    "UtilizationHigh": Kind(
        1,
        1,
        "utilization is above its target, and the autoscaler adds nothing more",
        "the autoscaler has added as many replicas as its target and its ceiling allow",
        patience=timedelta(minutes=5),  # as the alert of rules.yaml: one hot minute is no incident
    ),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now. One subject (a namespace, a source) has one ticket, however many workloads it has.

    `detail` must not change while nothing changes: no clock, no age in it, or every pass would write a note.

    >>> Condition("DataStale", "orders.csv", "newest row 2026-11-27T09:00Z").correlation
    'capacity/DataStale/orders.csv'
    """

    name: str
    subject: str
    detail: str
    runbooks: str = RUNBOOKS

    def __post_init__(self) -> None:
        require(self.name in CONDITIONS, "unknown condition {}; these are known: {}", self.name, list(CONDITIONS))

    @property
    def kind(self) -> Kind:
        """Its row of the table."""
        return CONDITIONS[self.name]

    @property
    def correlation(self) -> str:
        """The id that connects it to its ticket over all passes."""
        return str(Correlation(self.name, self.subject))

    @property
    def title(self) -> str:
        """One line for a person."""
        return f"{self.subject}: {self.kind.summary}"

    @property
    def runbook(self) -> str:
        """The address of its runbook."""
        return runbook_url(self.runbooks, self.name)

    @property
    def text(self) -> str:
        """The whole description of a ticket."""
        return f"{self.detail}\nDone by itself: {self.kind.remediation}.\nRunbook: {self.runbook}"


@dataclass(frozen=True, slots=True)
class Correlation:
    """The id that connects a condition to its ticket over all passes, stored as `capacity/NAME/SUBJECT`."""

    name: str
    subject: str

    @classmethod
    def parse(cls, text: str) -> Correlation | None:
        """The correlation id of a ticket or an alert; None if it is not ours.

        >>> Correlation.parse("capacity/PlanFailed/shop"), Correlation.parse("INC0010023")
        (Correlation(name='PlanFailed', subject='shop'), None)
        """
        origin, *named = text.split("/", 2)
        return cls(*named) if origin == ORIGIN and len(named) == 2 else None

    @property
    def kind(self) -> Kind | None:
        """Its row of the table; None for a condition that this version does not know."""
        return CONDITIONS.get(self.name)

    def __str__(self) -> str:
        return f"{ORIGIN}/{self.name}/{self.subject}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a job has checked: only there does a condition that it does not find count as resolved."""

    job: Job
    subjects: Set[str]

    def covers(self, correlation: str) -> bool:
        """Whether this job would have seen the condition of that correlation id.

        >>> Scope("plan", {"orders.csv"}).covers("capacity/DataStale/orders.csv")
        True
        """
        ours = Correlation.parse(correlation)
        kind = None if ours is None else ours.kind
        return ours is not None and kind is not None and kind.seen_by == self.job and ours.subject in self.subjects


MOST = 20  # workloads named in a ticket; the rest is counted
PLANLESS: tuple[Reason, ...] = ("HeldNoPlan", "HeldPlanExpired", "PlanExpired")
OWNED: tuple[Reason, ...] = get_args(Owned)
# Held as somebody wished, or because there is nothing to do: no incident.
WISHED: tuple[Reason, ...] = (
    "Excluded",
    "Frozen",
    "SwitchedOff",
    "ScaledToZero",
    "HeldEdited",
    "HeldChangeWindow",
    "HeldPlanNotStarted",
    "HeldByOtherWriter",
    "RisePaused",
)


def plan_conditions(audit: Audit, failures: Mapping[tuple[str, str], str]) -> list[Condition]:
    """What prevented a plan: refused data, data too old, workloads that could not be planned."""
    found = []
    stale = any(finding.rule == "freshness" for finding in audit.findings)
    if audit.verdict == "refuse":
        found.append(Condition("DataQualityRefused", audit.source, "; ".join(audit.reasons)))
    if stale and audit.last is not None:
        found.append(Condition("DataStale", audit.source, f"the newest row is of {audit.last:%Y-%m-%dT%H:%MZ}"))
    by_namespace: dict[str, list[str]] = {}
    for (namespace, name), reason in failures.items():
        by_namespace.setdefault(namespace, []).append(f"{name}: {reason}")
    found += [Condition("PlanFailed", namespace, _listed(lines)) for namespace, lines in by_namespace.items()]
    return found


def pass_conditions(outcomes: Sequence[Outcome]) -> list[Condition]:
    """The conditions that a pass found, by kind and namespace, with their workloads. Texts change only with them."""
    lines: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        for name, line in _of(outcome):
            lines.setdefault((name, outcome.workload.namespace), []).append(f"{outcome.workload.target.name}: {line}")
    return [Condition(name, namespace, _listed(sorted(found))) for (name, namespace), found in lines.items()]


def _of(outcome: Outcome) -> list[tuple[str, str]]:
    errors = [outcome.error, *(f"{one.where}: {one.error}" for one in outcome.actuations if one.error is not None)]
    found = [("PassFailed", error) for error in errors if error is not None]
    if outcome.decision is None:
        return found if found or outcome.workload.scaling == "vertical" else [("PassFailed", "no decision")]
    name = _name(outcome.decision)
    if name is not None:
        found.append((name, _line(outcome, outcome.decision)))
    utilization = utilization_of(outcome)
    target = outcome.workload.target_utilization
    if any(value > target for value in utilization.values()) and _unanswered(outcome):
        over = ", ".join(resource for resource, value in utilization.items() if value > target)
        found.append(("UtilizationHigh", f"{over} above {100 * target:.0f} %"))
    return found


def _line(outcome: Outcome, decision: Decision) -> str:
    """The reason, and why replicas are not ready. No counts: they change while the condition does not."""
    readiness = None if outcome.observation is None else outcome.observation.readiness
    cause = None if readiness is None or decision.reason != "FloorNotReached" else readiness.cause
    return decision.reason if cause is None else f"{decision.reason}, cause: {cause}"


def _unanswered(outcome: Outcome) -> bool:
    """Whether the autoscaler adds no more replicas: while it does, that is the remediation, and nothing is reported."""
    seen = outcome.observation
    return seen is not None and (seen.desired <= seen.current or seen.current >= seen.ceiling)


def _name(decision: Decision) -> str | None:
    """The condition that a decision means, if any."""
    if decision.reason == "CeilingReached":
        return "CeilingReached"
    if decision.reason in ("FloorLoweredByOthers", "FloorNotReached"):
        return decision.reason
    if decision.reason in PLANLESS:
        return "PlanStale"
    if decision.reason in OWNED:
        return "FloorRefused"
    return "FloorHeld" if decision.held and decision.reason not in WISHED else None


def utilization_of(outcome: Outcome) -> dict[str, float]:
    """Usage over request of the running replicas, by resource; empty where nothing is known. Absent is not zero."""
    seen, replica = outcome.observation, outcome.workload.replica
    if seen is None or seen.readings is None or seen.current == 0:
        return {}
    cpu, memory = seen.readings.cpu_millicores, seen.readings.memory_bytes
    found = {} if cpu is None else {"cpu": cpu / 1000 / (seen.current * replica.cpu_request)}
    return found if memory is None else {**found, "memory": memory / (seen.current * replica.memory_request)}


def _listed(lines: Sequence[str]) -> str:
    more = len(lines) - MOST
    return "\n".join([*lines[:MOST], *([f"and {more} more"] if more > 0 else [])])
