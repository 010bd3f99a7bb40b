"""What changed since an earlier plan: peaks, replica-hours of the time both cover, cost, data, settings."""

from __future__ import annotations

from collections.abc import Iterator

from capacity.domain import Plan, WorkloadPlan
from capacity.edge.report.review import Review
from capacity.edge.report.section import Section, Table
from capacity.edge.screen import clock

LISTED = 20  # workloads, those that changed most


def changes_section(review: Review) -> Section | None:
    """The two plans side by side; None where no earlier plan was given or none was made now."""
    before = review.question.since
    if before is None or review.planned is None:
        return None
    now, timezone = review.planned.plan, review.timezone
    old = {plan.key: plan for plan in before.workloads}
    pairs = [(old[plan.key], plan) for plan in now.workloads if plan.key in old]
    pairs.sort(key=lambda pair: -abs(pair[1].peak.replicas - pair[0].peak.replicas))
    head = ("workload", "peak before", "now", f"peak now on ({timezone})", "replica-hours before", "now", "change")
    rows = [_row(*pair, timezone) for pair in pairs[:LISTED]]
    moved = sum(one.peak.replicas != other.peak.replicas for one, other in pairs)
    words = [
        f"Beside the plan of {clock(before.created, timezone)}: {moved} of {len(pairs)} workloads have another peak.",
        *_words(before, now, review.config.supply.currency),
    ]
    notes = ["Replica-hours are those of the time that both plans cover."]
    return Section(
        "What changed", words, (), [Table(head, rows, frozenset({1, 2, 4, 5, 6}))] if rows else [], (), notes
    )


def _row(before: WorkloadPlan, now: WorkloadPlan, timezone: str) -> tuple[object, ...]:
    earlier, later = _shared_hours(before, now)
    change = f"{100 * (later / earlier - 1):+.1f} %" if earlier else "no time in common"
    hours = (f"{earlier:,.0f}", f"{later:,.0f}") if earlier else ("", "")
    return now.label, before.peak.replicas, now.peak.replicas, clock(now.peak.at, timezone), *hours, change


def _shared_hours(before: WorkloadPlan, now: WorkloadPlan) -> tuple[float, float]:
    """Replica-hours of both plans from the later start to the earlier end."""
    begin, end = max(before.start, now.start), min(before.end, now.end)
    return (_hours(before, begin, end), _hours(now, begin, end)) if begin < end else (0.0, 0.0)


def _hours(plan: WorkloadPlan, begin: object, end: object) -> float:
    floor = plan.to_frame()["floor"]
    return float(floor[(floor.index >= begin) & (floor.index < end)].sum() * (plan.step.total_seconds() / 3600))


def _words(before: Plan, now: Plan, currency: str) -> Iterator[str]:
    names = {plan.label for plan in before.workloads}, {plan.label for plan in now.workloads}
    if added := sorted(names[1] - names[0]):
        yield f"New: {', '.join(added)}."
    if gone := sorted(names[0] - names[1]):
        yield f"No longer planned: {', '.join(gone)}."
    if before.nodes is not None and now.nodes is not None:
        change = now.nodes.cost_per_month - before.nodes.cost_per_month
        unit = f" {currency}" if currency else ""
        costs = f"{before.nodes.cost_per_month:,.2f} before, {now.nodes.cost_per_month:,.2f} now"
        yield f"Cost a month: {costs} ({change:+,.2f}{unit})."
    rows = before.source.get("rows"), now.source.get("rows")
    if all(isinstance(count, int) for count in rows):
        yield f"Rows of orders: {rows[0]:,} before, {rows[1]:,} now."
    same = before.settings_hash == now.settings_hash
    yield ("The settings are the same." if same else "The settings or the period changed too.")
