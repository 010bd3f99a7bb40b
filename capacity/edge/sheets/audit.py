"""The audit as a sheet: failures by rule, the score, how fresh the newest row is."""

from __future__ import annotations

from datetime import datetime

from capacity.audit import Audit
from capacity.edge.planfile import rfc3339
from capacity.edge.planner import source_document
from capacity.edge.screen import Sheet, duration


def audit_sheet(audit: Audit, now: datetime, quarantine: str | None) -> Sheet:
    """Failures by rule, the score, and how fresh the newest row is."""
    rows: list[tuple[object, ...]] = [
        (rule, failed, f"{failed / audit.rows:.4%}", audit.repaired.get(rule, 0))
        for rule, failed in audit.failures.items()
    ]
    footer = [f"{audit.passed:,} of {audit.rows:,} rows pass every rule: score {audit.score:.4%}, {audit.verdict}"]
    if audit.first is not None and audit.last is not None:
        footer.append(f"from {rfc3339(audit.first)} to {rfc3339(audit.last)}; {audit.gaps} steps are gaps")
        footer.append(f"the newest row is {duration(now - audit.last)} old")
    if quarantine is not None:
        footer.append(f"{audit.quarantined:,} rows quarantined in {quarantine}")
    document = {
        **source_document(audit),
        "quarantined": audit.quarantined,
        "quarantine": quarantine,
        "failures": audit.failures,
        "repaired": audit.repaired,
        "gaps": audit.gaps,
        "quality": {"warn_below": audit.quality.warn_below, "refuse_below": audit.quality.refuse_below},
    }
    return Sheet(f"Audit of {audit.source}", ("rule", "failed", "share", "repaired"), rows, document, tuple(footer))
