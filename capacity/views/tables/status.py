"""Tables of service-level objectives and of the findings of `capacity doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from capacity.model.check import Finding, worst
from capacity.model.fields import rfc3339
from capacity.model.outcome import outcome_document
from capacity.model.service_level import ServiceLevelObjective, Status, Target, UpcomingPeak
from capacity.views.sheet import Sheet, clock, count, duration

SHOWN = 5  # peaks and held workloads in a table; the JSON has them all
KEPT = {True: "met", False: "MISSED", None: "not known"}


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
    """A figure as people read it: a percentage never rounded over its bound, or a duration.

    >>> from capacity.model.service_level import TARGETS
    >>> figure_text(0.99949, TARGETS["uptime"]), figure_text(0.8, TARGETS["CPU and memory"])
    ('99.949 %', '80 %')
    """
    if target.unit == "seconds":
        return duration(timedelta(seconds=round(value)))
    return f"{round(100 * value, 3):g} %"


def _budget_text(budget: float | None) -> str:
    """How far it is overdrawn only the JSON says: a source silent for years says nothing by its percentage."""
    if budget is None:
        return "-"
    return f"{budget:.0%}" if budget > 0 else "none"


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
