"""The table of a rehearsal: what it took until replicas were ready, and what was in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from capacity.model.fields import rfc3339
from capacity.model.rehearsal import Ending, Rehearsal
from capacity.views.sheet import Sheet

ENDED: dict[Ending, str] = {
    "reached": "all replicas were ready",
    "time": "its time was over before all replicas were ready",
    "budget": "its budget was spent before all replicas were ready",
    "stopped": "it was stopped",
    "interfered": "somebody else took the floor",
}


def rehearsal_sheet(found: Rehearsal) -> Sheet:
    """One row per milestone, then what was in the way; the verdict below."""
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
    yield "the floor was not given back" if found.left is None else f"the floor stands at {found.left} again"
    if found.remark:
        yield found.remark


def _after(span: timedelta | None) -> str:
    return "-" if span is None else f"{span.total_seconds():.0f} s"


def _number(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 3)
