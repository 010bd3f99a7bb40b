"""What a planning or a pass has found wrong: from its audit and outcomes to conditions, one per kind and subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from capacity.domain import Owned, Reason
from capacity.edge.incidents.conditions import Condition

if TYPE_CHECKING:
    from capacity.audit import Audit
    from capacity.domain import Decision
    from capacity.edge.controller.outcomes import Outcome

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
    """What stood in the way of a plan: refused data, data too old, workloads that could not be planned."""
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
    """What a pass has met, by kind and namespace, its workloads listed. The text changes only with what it says."""
    lines: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        for name, line in _of(outcome):
            lines.setdefault((name, outcome.workload.namespace), []).append(f"{outcome.workload.target.name}: {line}")
    return [Condition(name, namespace, _listed(sorted(found))) for (name, namespace), found in lines.items()]


def _of(outcome: Outcome) -> list[tuple[str, str]]:
    if outcome.decision is None:
        return [("PassFailed", outcome.error or "no decision")]
    found = [("PassFailed", outcome.error)] if outcome.error is not None else []
    name = _name(outcome.decision)
    if name is not None:
        found.append((name, outcome.decision.reason))
    utilization = utilization_of(outcome)
    target = outcome.workload.target_utilization
    if any(value > target for value in utilization.values()) and _unanswered(outcome):
        over = ", ".join(resource for resource, value in utilization.items() if value > target)
        found.append(("UtilizationHigh", f"{over} above {target:.0%}"))
    return found


def _unanswered(outcome: Outcome) -> bool:
    """Whether the autoscaler adds nothing more: while it does, the remedy runs, and there is nothing to tell yet."""
    seen = outcome.observation
    return seen is not None and (seen.desired <= seen.current or seen.current >= seen.ceiling)


def _name(decision: Decision) -> str | None:
    """The condition that a decision is, if any."""
    if decision.reason == "CeilingReached":
        return "CeilingReached"
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
