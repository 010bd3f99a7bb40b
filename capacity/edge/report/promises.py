"""Whether the five promises were kept, as `capacity status` knows them."""

from __future__ import annotations

from capacity.edge.report.review import Review
from capacity.edge.report.section import Section, Table
from capacity.edge.screen import duration
from capacity.edge.sheets.status import KEPT, status_sheet

COLUMNS = 6  # of the sheet: promise, target, value, kept, budget, source


def promises_section(review: Review) -> Section | None:
    """How many are kept, broken, not known; then each with its figure. None where no source of them is configured."""
    status = review.question.status
    if status is None or all(promise.value is None for promise in status.promises):
        return None
    kept = [promise.kept for promise in status.promises]
    broken = [promise.target.name for promise in status.promises if promise.kept is False]
    named = f" ({', '.join(broken)})" if broken else ""
    words = [
        f"Of {len(kept)} promises over the last {duration(status.window)}: kept {kept.count(True)}, "
        f"broken {kept.count(False)}{named}, not known {kept.count(None)}."
    ]
    sheet = status_sheet(status, review.timezone)
    head = [name or "state" for name in sheet.columns[:COLUMNS]]
    notes = [f"{promise.target.name}: {promise.target.says}" for promise in status.promises]
    return Section("Whether promises are kept", words, (), [Table(head, sheet.rows, frozenset({1, 2, 4}))], (), notes)


def broken_promises(review: Review) -> list[str]:
    """One line of what needs attention for each."""
    status = review.question.status
    broken = [] if status is None else [one.target.name for one in status.promises if one.kept is False]
    return [f"The promise of {name} is {KEPT[False].lower()}: see below." for name in broken]
