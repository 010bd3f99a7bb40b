"""Objectives and the doctor's findings as sheets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from capacity.model.check import Finding, worst
from capacity.model.outcome import outcome_document
from capacity.model.plan_file import rfc3339
from capacity.model.service_level import ServiceLevelObjective, Status, Target, UpcomingPeak
from capacity.views.sheet import Sheet, clock, count, duration

SHOWN = 5  # peaks and held workloads in a table; the JSON has them all
KEPT = {True: "kept", False: "BROKEN", None: "not known"}


def status_sheet(status: Status, timezone: str) -> Sheet:
    """One row per promise."""
    rows = [
        (
            promise.target.name,
            f"{promise.target.side} {spoken(promise.target.bound, promise.target)}",
            "-" if promise.value is None else spoken(promise.value, promise.target),
            KEPT[promise.kept],
            _left(promise.budget_left),
            promise.source or "-",
        )
        for promise in status.promises
    ]
    columns = ("promise", "target", f"last {duration(status.window)}", "verdict", "budget left", "source")
    title = f"The five promises, {rfc3339(status.now.replace(microsecond=0))}"
    footer = (*_notes(status), *_peaks(status, timezone), *_held(status))
    return Sheet(title, columns, rows, _document(status), footer)


def spoken(value: float, target: Target) -> str:
    """A figure as people read it: a percentage never rounded over its bound, or a duration.

    >>> from capacity.model.service_level import TARGETS
    >>> spoken(0.99949, TARGETS["uptime"]), spoken(0.8, TARGETS["CPU and memory"])
    ('99.949 %', '80 %')
    """
    if target.unit == "seconds":
        return duration(timedelta(seconds=round(value)))
    return f"{round(100 * value, 3):g} %"


def _left(budget: float | None) -> str:
    """How far it is overdrawn only the JSON says: a source silent for years says nothing by its percentage."""
    if budget is None:
        return "-"
    return f"{budget:.0%}" if budget > 0 else "none"


def _notes(status: Status) -> list[str]:
    return [f"{promise.target.name}: {promise.note}" for promise in status.promises if promise.note]


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
    standing = status.standing
    if standing.unknown is not None:
        return [f"held: not known: {standing.unknown}"]
    held = standing.held
    lines = [f"held: {' '.join(str(outcome).split())}" for outcome in held[:SHOWN]]
    return [*lines, *_more(len(held))] or [f"held: nothing, of {count(len(standing.outcomes), 'workload')}"]


def _more(count: int) -> list[str]:
    return [f"and {count - SHOWN} more"] if count > SHOWN else []


def _document(status: Status) -> dict[str, Any]:
    standing = status.standing
    return {
        "now": rfc3339(status.now),
        "window_seconds": round(status.window.total_seconds()),
        "promises": [_promise(promise) for promise in status.promises],
        "peaks": [_peak(coming) for coming in status.peaks()],
        "held": None if standing.unknown else [outcome_document(outcome) for outcome in standing.held],
        "held_unknown": standing.unknown,
        "failures": list(status.failures),
    }


def _promise(promise: ServiceLevelObjective) -> dict[str, Any]:
    target = promise.target
    return {
        "name": target.name,
        "says": target.says,
        "side": target.side,
        "target": target.bound,
        "unit": target.unit,
        "value": promise.value,
        "kept": promise.kept,
        "budget_left": promise.budget_left,
        "source": promise.source,
        "note": promise.note,
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
        "sales": peak.sales,
        "quantile_level": peak.quantile_level,
    }


def doctor_sheet(findings: Sequence[Finding]) -> Sheet:
    """One row per finding, with what to do about it."""
    rows = [(one.state, one.check, str(one)) for one in findings]
    counts = Counter(one.state for one in findings)
    footer = f"ok {counts['ok']}, warn {counts['warn']}, fail {counts['fail']}"
    document = {"verdict": worst(findings), "findings": [asdict(one) for one in findings]}
    return Sheet("Doctor", ("state", "check", "what, and what to do"), rows, document, (footer,))
