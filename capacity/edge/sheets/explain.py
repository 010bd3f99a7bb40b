"""One floor as a sheet: every bar of its waterfall, what it adds, and where that leads."""

from __future__ import annotations

from typing import Any

from capacity.domain import Explanation
from capacity.edge.planfile import rfc3339
from capacity.edge.screen import Sheet, clock
from capacity.edge.viewmodels import view_bars


def explain_sheet(explanation: Explanation, timezone: str) -> Sheet:
    """The bars in order; the last sum is the floor."""
    bars = view_bars(explanation)
    rows = [(bar.name, f"{bar.replicas:+.3f}", f"{bar.total:.3f}", bar.why) for bar in bars]
    title = (
        f"{explanation.label}: {explanation.floor} replicas for {clock(explanation.at, timezone)} ({timezone}), "
        f"by {explanation.resource}"
    )
    footer = (
        f"floor to set at this time, serving until {clock(explanation.covered_until, timezone)}: "
        f"{explanation.covered_floor}",
        *(f"note: {note}" for note in explanation.notes),
    )
    return Sheet(title, ("part", "replicas", "sum", "why"), rows, explain_document(explanation), footer)


def explain_document(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON values: counts in thousandths of a replica, which add up to `floor` times 1000."""
    return {
        "namespace": explanation.namespace,
        "name": explanation.name,
        "at": rfc3339(explanation.at),
        "resource": explanation.resource,
        "floor": explanation.floor,
        "bars": [{"name": bar.name, "milli_replicas": bar.milli, "why": bar.why} for bar in explanation.bars],
        "covered_floor": explanation.covered_floor,
        "covered_until": rfc3339(explanation.covered_until),
        "notes": list(explanation.notes),
    }
