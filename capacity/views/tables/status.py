"""Tables about a cluster: objectives, the findings of `capacity doctor`, and a rehearsed peak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from capacity.model.check import Finding, worst
from capacity.model.fields import rfc3339
from capacity.model.outcome import outcome_document
from capacity.model.rehearsal import Ending, Rehearsal
from capacity.model.service_level import ServiceLevelObjective, Status, Target, UpcomingPeak
from capacity.views.sheet import Sheet, clock, count, duration

SHOWN = 5  # peaks and held workloads in a table; the JSON has them all
KEPT = {True: "met", False: "MISSED", None: "not known"}
ENDED: dict[Ending, str] = {
    "reached": "all replicas were ready",
    "time": "the time limit passed before all replicas were ready",
    "budget": "its budget was spent before all replicas were ready",
    "stopped": "it was stopped",
    "interfered": "somebody else took the floor",
}


def status_sheet(status: Status, timezone: str) -> Sheet:
    """One row per objective."""
    rows = [
        (
            objective.target.name,
            f"{objective.target.side} {figure_text(objective.target.bound, objective.target)}",
            "-" if objective.value is None else figure_text(objective.value, objective.target),
            KEPT[objective.kept],
            _budget_text(objective.budget_left),
            objective.source or "-",
        )
        for objective in status.objectives
    ]
    columns = ("objective", "target", f"last {duration(status.window)}", "verdict", "budget left", "source")
    title = f"Service-level objectives, {rfc3339(status.now.replace(microsecond=0))}"
    footer = (*_notes(status), *_peaks(status, timezone), *_held(status), *_heartbeats(status))
    return Sheet(title, columns, rows, _document(status), footer)


def figure_text(value: float, target: Target) -> str:
    """A figure for people: a duration, or a percentage that is never rounded across its bound.

    >>> from capacity.model.service_level import TARGETS
    >>> figure_text(0.99949, TARGETS["uptime"]), figure_text(0.8, TARGETS["CPU and memory"])
    ('99.949 %', '80 %')
    """
    if target.unit == "seconds":
        return duration(timedelta(seconds=round(value)))
    return f"{round(100 * value, 3):g} %"


def _budget_text(budget: float | None) -> str:
    """The budget left, or none. Only the JSON says by how much it is overdrawn, which may be any percentage."""
    if budget is None:
        return "-"
    return f"{100 * budget:.0f} %" if budget > 0 else "none"


def _notes(status: Status) -> list[str]:
    return [f"{objective.target.name}: {objective.note}" for objective in status.objectives if objective.note]


def _peaks(status: Status, timezone: str) -> list[str]:
    peaks = status.peaks()
    if not peaks:
        return ["coming peaks: not known: there is no plan, or it has none ahead"]
    lines = [
        f"coming peak: {coming.label} {clock(coming.peak.at, timezone)}, {coming.peak.replicas} replicas"
        for coming in peaks[:SHOWN]
    ]
    return [*lines, *_more(len(peaks))]


def _held(status: Status) -> list[str]:
    workloads = status.workloads
    if workloads.unknown is not None:
        return [f"held: not known: {workloads.unknown}"]
    held = workloads.held
    lines = [f"held: {' '.join(str(outcome).split())}" for outcome in held[:SHOWN]]
    return [*lines, *_more(len(held))] or [f"held: nothing, of {count(len(workloads.outcomes), 'workload')}"]


def _heartbeats(status: Status) -> list[str]:
    lines = []
    for one in status.workloads.heartbeats:
        ago = "" if one.last is None else f" {duration(status.now - one.last)} ago"
        lines.append(f"{'LATE: ' if one.late else ''}{one.what}: {one.note}{ago}")
    return lines


def _more(count: int) -> list[str]:
    return [f"and {count - SHOWN} more"] if count > SHOWN else []


def _document(status: Status) -> dict[str, Any]:
    workloads = status.workloads
    return {
        "now": rfc3339(status.now),
        "window_seconds": round(status.window.total_seconds()),
        "promises": [_objective(objective) for objective in status.objectives],
        "peaks": [_peak(coming) for coming in status.peaks()],
        "held": None if workloads.unknown else [outcome_document(outcome) for outcome in workloads.held],
        "held_unknown": workloads.unknown,
        "heartbeats": [
            {
                "what": one.what,
                "last": None if one.last is None else rfc3339(one.last),
                "late": one.late,
                "note": one.note,
            }
            for one in status.workloads.heartbeats
        ],
        "failures": list(status.failures),
    }


def _objective(objective: ServiceLevelObjective) -> dict[str, Any]:
    target = objective.target
    return {
        "name": target.name,
        "says": target.figure,
        "side": target.side,
        "target": target.bound,
        "unit": target.unit,
        "value": objective.value,
        "kept": objective.kept,
        "budget_left": objective.budget_left,
        "source": objective.source,
        "note": objective.note,
    }


def _peak(coming: UpcomingPeak) -> dict[str, Any]:
    peak = coming.peak
    return {
        "namespace": coming.namespace,
        "name": coming.name,
        "at": rfc3339(peak.at),
        "replicas": peak.replicas,
        "cpu_millicores": round(peak.cpu_cores * 1000),
        "memory_bytes": round(peak.memory_bytes),
        "sales_per_hour": coming.sales_per_hour,
        "quantile_level": peak.quantile_level,
    }


def doctor_sheet(findings: Sequence[Finding]) -> Sheet:
    """One row per finding, with what to do about it."""
    rows = [(one.state, one.check, str(one)) for one in findings]
    counts = Counter(one.state for one in findings)
    footer = f"ok {counts['ok']}, warn {counts['warn']}, fail {counts['fail']}"
    document = {"verdict": worst(findings), "findings": [asdict(one) for one in findings]}
    return Sheet("Doctor", ("state", "check", "what, and what to do"), rows, document, (footer,))


def rehearsal_sheet(found: Rehearsal) -> Sheet:
    """One row per milestone, then what delayed replicas; the verdict below."""
    document = {
        "workload": found.where,
        "began": rfc3339(found.began.replace(microsecond=0)),
        "before": found.before,
        "to": found.to,
        "ended": found.ended,
        "in_time": found.in_time,
        "lead_time_seconds": found.lead_time.total_seconds(),
        "asked_seconds": _number(found.asked),
        "existing_seconds": _number(found.existing),
        "ready_seconds": _number(found.ready),
        "most_ready": found.most_ready,
        "replica_hours": round(found.spent, 3),
        "hindrances": [{"after_seconds": one.after.total_seconds(), "text": one.text} for one in found.hindrances],
        "left": found.left,
        "remark": found.remark,
    }
    title = f"Rehearsal of {found.where}, floor {found.before} -> {found.to}"
    return Sheet(title, ("what", "after", "note"), list(_rows(found)), document, tuple(_footer(found)))


def _rows(found: Rehearsal) -> Iterator[tuple[str, str, str]]:
    yield f"the autoscaler asked for {found.to}", _after(found.asked), ""
    yield f"{found.to} pods existed", _after(found.existing), ""
    most = "" if found.ready else f"{found.most_ready} at most"
    yield f"{found.to} replicas were ready", _after(found.ready), most
    for one in found.hindrances:
        yield "in the way", _after(one.after), one.text


def _footer(found: Rehearsal) -> Iterator[str]:
    planned = f"the plan counts on {_after(found.lead_time)}"
    if found.ready is None:
        yield f"Not reached: {ENDED[found.ended]}; {planned}"
    else:
        yield f"{'In time' if found.in_time else 'Too late'}: ready after {_after(found.ready)}; {planned}"
    yield f"it took {found.spent:.2f} replica hours"
    yield "the floor was not restored" if found.left is None else f"the floor is {found.left} again"
    if found.remark:
        yield found.remark


def _after(span: timedelta | None) -> str:
    return "-" if span is None else f"{span.total_seconds():.0f} s"


def _number(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 3)
