"""The table of an audit: failures by rule, score, freshness and completeness; and the table of audits over time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from capacity.model.fields import rfc3339
from capacity.planning.orders import source_document
from capacity.quality import Audit
from capacity.quality.report import AuditHistory
from capacity.views.sheet import Sheet, count, duration

SPARSE = 0.5  # of the usual rows of a step: below, the step is named as incomplete
MOST_NAMED = 5  # incomplete steps that the table names; the JSON has them all


def audit_sheet(audit: Audit, now: datetime, quarantine: str | None) -> Sheet:
    """Failures by rule, the score, and how fresh the newest row is."""
    rows: list[tuple[object, ...]] = [
        (rule, failed, f"{failed / audit.rows:.4%}", audit.repaired.get(rule, 0))
        for rule, failed in audit.failures.items()
    ]
    title = f"Audit of {audit.source}" + (f", owner {audit.owner}" if audit.owner else "")
    columns = ("rule", "failed", "share", "repaired")
    return Sheet(title, columns, rows, _document(audit, now, quarantine), tuple(_footer(audit, now, quarantine)))


def _document(audit: Audit, now: datetime, quarantine: str | None) -> dict[str, Any]:
    return {
        **source_document(audit),
        "row_verdict": audit.row_verdict,
        "safe_to_plan": audit.safe_to_plan,
        "owner": audit.owner,
        "quarantined": audit.quarantined,
        "quarantine": quarantine,
        "failures": audit.failures,
        "repaired": audit.repaired,
        "set_aside": audit.set_aside,
        "gaps": audit.gaps,
        "quality": {"warn_below": audit.quality.warn_below, "refuse_below": audit.quality.refuse_below},
        "findings": [
            {"rule": finding.rule, "severity": finding.severity, "message": finding.message}
            for finding in audit.findings
        ],
        "columns": audit.columns,
        "counts": [_count(count) for count in audit.counts],
        "figures": audit.figures(now),
        "notes": list(audit.notes),
    }


def history_sheet(history: AuditHistory) -> Sheet:
    """One line per audit, oldest first, and where the score is going."""
    audits: list[Any] = history.audits.to_dict("records")
    columns = ("audited", "source", "score", "verdict", "rows", "quarantined", "repaired", "worst rule")
    footer = [*_trend(audits), *(f"{name} is no whole audit and was left out" for name in history.broken)]
    return Sheet("Audits", columns, list(map(_past_row, audits)), list(map(_past_document, audits)), tuple(footer))


def _past_row(audit: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{audit['audited_at']:%Y-%m-%d %H:%M}Z",
        audit["source"],
        f"{audit['score']:.4%}",
        audit["verdict"],
        f"{audit['rows']:,}",
        f"{audit['rows'] - audit['passed']:,}",
        f"{audit['repaired']:,}",
        _worst(audit["failures"]),
    )


def _past_document(audit: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("source", "owner", "verdict", "score", "rows", "passed", "set_aside", "repaired")
    return {
        "audited_at": rfc3339(audit["audited_at"].to_pydatetime()),
        **{key: audit[key] for key in kept},
        "failures": json.loads(audit["failures"]),
        "reasons": list(audit["reasons"]),
    }


def _footer(audit: Audit, now: datetime, quarantine: str | None) -> list[str]:
    footer = [f"{audit.passed:,} of {audit.rows:,} rows pass every rule: score {audit.score:.4%}, {audit.verdict}"]
    footer += [f"{count(rows, 'row')} set aside: {rule}" for rule, rows in audit.set_aside.items() if rows]
    footer += [*_times(audit, now), *(f"read {form}" for form in audit.read), *_sparse(audit)]
    footer += [f"{finding.severity}: {finding.message}" for finding in audit.findings]
    footer += [f"note: {note}" for note in audit.notes]
    if quarantine is not None:
        footer.append(f"{count(audit.quarantined, 'row')} quarantined in {quarantine}")
    return footer


def _times(audit: Audit, now: datetime) -> list[str]:
    """From when to when there are rows, how old the newest is, and how late rows come."""
    times = []
    if audit.first is not None and audit.last is not None:
        gaps = "1 step is a gap" if audit.gaps == 1 else f"{audit.gaps:,} steps are gaps"
        times.append(f"from {rfc3339(audit.first)} to {rfc3339(audit.last)}; {gaps}")
        ahead = audit.last > now
        times.append(f"the newest row is {duration(abs(now - audit.last))} {'ahead of the clock' if ahead else 'old'}")
    if audit.latency is not None:
        late = audit.latency
        spans = (duration(late.median), duration(late.p95), duration(late.highest))
        times.append("available after {} (median), {} (95 %), {} at most".format(*spans))
    return times


def _sparse(audit: Audit) -> list[str]:
    """The newest steps that have far fewer rows than is usual, but for the last, which may still be filling."""
    sparse = [count for count in audit.counts[:-1] if count.completeness is not None and count.completeness < SPARSE]
    lines = [
        f"step {rfc3339(count.start)}: {count.rows} rows, {count.usual:g} are usual" for count in sparse[:MOST_NAMED]
    ]
    if len(sparse) > MOST_NAMED:
        lines.append(f"and {len(sparse) - MOST_NAMED} more of the newest steps have less than half of their rows")
    return lines


def _count(count: Any) -> dict[str, Any]:
    return {
        "start": rfc3339(count.start),
        "rows": count.rows,
        "passed": count.passed,
        "usual": count.usual,
        "completeness": count.completeness,
    }


def _worst(failures: str) -> str:
    counts: dict[str, int] = json.loads(failures)
    rule = max(counts, key=counts.__getitem__, default="")
    return f"{rule} {counts[rule]:,}" if rule and counts[rule] else "-"


def _trend(audits: list[Any]) -> list[str]:
    """Per source: how often which verdict, and the mean score of the later half beside the earlier one."""
    lines = []
    for source in sorted({audit["source"] for audit in audits}):
        own = [audit for audit in audits if audit["source"] == source]
        verdicts = Counter(audit["verdict"] for audit in own)
        summary = ", ".join(
            f"{verdicts[verdict]} {verdict}" for verdict in ("ok", "warn", "refuse") if verdicts[verdict]
        )
        line = (
            f"{source}: {count(len(own), 'audit')}: {summary}; lowest score {min(audit['score'] for audit in own):.4%}"
        )
        if len(own) >= 2:
            half = len(own) // 2
            early, late = (
                sum(audit["score"] for audit in part) / len(part) for part in (own[:half], own[len(own) - half :])
            )
            line += f"; earlier half {early:.4%}, later half {late:.4%}"
        lines.append(line)
    return lines
