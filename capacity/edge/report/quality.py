"""What it rests on: the orders' quality now, and over the audits that were kept."""

from __future__ import annotations

from typing import Any

from capacity.edge.report.review import Review
from capacity.edge.report.section import Section, Table
from capacity.edge.screen import clock, duration

LISTED = 8  # audits, the newest
MEANING = {"ok": "good", "warn": "usable, with a warning", "refuse": "not good enough to plan with"}


def quality_section(review: Review) -> Section:
    """The score in words, failures by rule, and how the audits went."""
    audit, timezone = review.audit, review.timezone
    words = [
        f"{audit.passed:,} of {audit.rows:,} rows of {audit.source} pass every rule ({100 * audit.score:.2f} %): "
        f"{MEANING[audit.verdict]}."
    ]
    if audit.first is not None and audit.last is not None:
        gaps = f"{audit.gaps:,} steps are gaps" if audit.gaps else "no step is missing"
        words.append(
            f"They reach from {clock(audit.first, timezone)} to {clock(audit.last, timezone)} ({timezone}, "
            f"{duration(audit.last - audit.first)}); {gaps}."
        )
    rows = [
        (rule, f"{failed:,}", f"{100 * failed / audit.rows:.3f} %", audit.repaired.get(rule, 0))
        for rule, failed in audit.failures.items()
    ]
    tables = [Table(("rule", "failed", "share", "repaired"), rows, frozenset({1, 2, 3}))] if rows else []
    points = [f"{count:,} rows set aside, no orders at all: {rule}" for rule, count in audit.set_aside.items() if count]
    history = _history(review)
    return Section("What it rests on", words, points, [*tables, *history], (), audit.notes)


def _history(review: Review) -> list[Table]:
    kept = review.question.audits
    if kept is None or kept.audits.empty:
        return []
    own = kept.audits[kept.audits["source"] == review.audit.source].tail(LISTED)
    audits: list[Any] = own.to_dict("records")
    rows = [
        (
            clock(one["audited_at"].to_pydatetime(), review.timezone),
            f"{100 * one['score']:.2f} %",
            one["verdict"],
            f"{one['rows']:,}",
        )
        for one in audits
    ]
    return (
        [Table((f"audited ({review.timezone})", "score", "verdict", "rows"), rows, frozenset({1, 3}))] if rows else []
    )
