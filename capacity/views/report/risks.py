"""The sections on risks, and on what changed since an earlier plan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from capacity.forecast.backtest import Backtest
from capacity.model import Plan, WorkloadPlan
from capacity.series.seasons import unproven_of
from capacity.views.report.review import ReportData
from capacity.views.report.section import Section, Table
from capacity.views.report.trust import broken_objectives
from capacity.views.sheet import NO_CURRENCY, clock, duration

STALE = timedelta(days=2)  # without a row: orders come hourly or nightly, so two days are one missed delivery at least
DAY = timedelta(days=1)
FOLLOWED = "within a step floors follow"  # the note of a plan that knows the shape within its steps
SLACK = 1.96  # standard errors: a coverage further under its level than chance brings


def risks_section(review: ReportData) -> Section:
    """All of them as a list; or that there is none."""
    found = risks(review)
    if not found:
        return Section("What needs attention", ["Nothing: data, forecast and plan are within what they promise."])
    count = "One thing needs" if len(found) == 1 else f"{len(found)} things need"
    return Section("What needs attention", [f"{count} attention, the most pressing first."], found)


def risks(review: ReportData) -> list[str]:
    """Held plans first, then bounds, stale data, quality, forecasts that missed, and short histories."""
    found = [*_of_plans(review), *broken_objectives(review), *_of_age(review), *_of_data(review), *_of_step(review)]
    return [*found, *_of_trust(review), *_of_history(review)]


def threats(review: ReportData) -> list[str]:
    """What makes the next peak unsafe: no plan, a bound in its way, or orders that stopped."""
    return [*_of_plans(review), *_of_age(review), *(_of_data(review) if review.audit.verdict == "refuse" else ())]


def doubts(review: ReportData) -> list[str]:
    """What makes it uncertain: forecasts that missed, data with a warning, totals that hide the peak."""
    return [*_of_trust(review), *_of_data(review), *_of_step(review)]


def actions(review: ReportData) -> list[str]:
    """What somebody should do before the peak."""
    urgent = [*_of_plans(review), *broken_objectives(review), *_of_age(review), *_of_data(review)]
    return [*urgent, *_of_step(review), *_of_trust(review)]


def _of_plans(review: ReportData) -> Iterator[str]:
    if review.held:
        yield f"The plan is held: {review.held}."
    if review.planned is None:
        return
    for (namespace, name), reason in review.planned.failures.items():
        yield f"{namespace}/{name} is not planned: {reason}."
    for plan in review.plans:
        if minutes := plan.derivation.shortfall.minutes:
            yield (
                f"{plan.label} needs more than its ceiling of {plan.ceiling} for {minutes:,} minutes: raise the "
                "ceiling, or the CPU request of a replica."
            )
        if (cut := plan.derivation.quota) is not None and cut.minutes:
            yield f"{plan.label} is cut by a quota for {cut.minutes:,} minutes: raise the quota, or move a workload."
    if review.planned.plan.valid_until <= review.now:
        over = clock(review.planned.plan.valid_until, review.timezone)
        yield f"The plan ended on {over}: it does not cover today. Provide newer orders, then plan again."


def _of_age(review: ReportData) -> Iterator[str]:
    age = review.audit.age(review.now)
    if age is None:
        yield "There is no good row of orders at all."
    elif age > STALE:
        yield f"The newest order is {duration(age)} old: nothing later is known. Check what delivers the orders."


def _of_data(review: ReportData) -> Iterator[str]:
    if review.audit.verdict != "ok":
        owner = f" Owner: {review.audit.owner}." if review.audit.owner else ""
        for reason in review.audit.reasons:
            yield f"Data quality ({review.audit.verdict}): {reason}.{owner}"


def _of_step(review: ReportData) -> Iterator[str]:
    """Totals of days hide the peak within the day, unless usage or the times of orders show it."""
    config = review.config
    measured = config.usage is not None or config.prometheus is not None
    timed = any(note.startswith(FOLLOWED) for plan in review.plans for note in plan.derivation.notes)
    if config.orders().step >= DAY and not measured and not timed:
        yield (
            "Orders are totals of a day or more, so the peak within the day is not known: provide single orders, or "
            "totals by the hour."
        )


def _of_trust(review: ReportData) -> Iterator[str]:
    for group, result in review.backtests.items():
        if not isinstance(result, Backtest):
            continue
        name, shares = group or "sales", result.by_origin()["coverage_0.95"]
        held = f"{100 * result.coverage[0.95]:.1f} %"
        error = float(shares.std(ddof=1)) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
        if result.coverage[0.95] + SLACK * error < 0.95:
            yield (
                f"Forecasts of {name} were too low too often: {held} of steps stayed at or "
                "under the 0.95 quantile. Plan at a higher quantile_level until it holds."
            )
        if result.skill_interval[0] <= 0:
            yield f"Forecasts of {name} may be no better than repeating the previous season: plan more headroom."


def _of_history(review: ReportData) -> Iterator[str]:
    for group, sales in review.history.items():
        for words in unproven_of(sales):
            yield f"History of {group or 'sales'}: {words}."


LISTED = 20  # workloads, those that changed most


def changes_section(review: ReportData) -> Section | None:
    """The two plans side by side; None where no earlier plan was given or none was made now."""
    before = review.request.since
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
        costs = f"{before.nodes.cost_per_month:,.2f} before, {now.nodes.cost_per_month:,.2f} now"
        yield f"Cost a month: {costs} ({change:+,.2f} {currency or NO_CURRENCY})."
    rows = before.source.get("rows"), now.source.get("rows")
    if all(isinstance(count, int) for count in rows):
        yield f"Rows of orders: {rows[0]:,} before, {rows[1]:,} now."
    same = before.settings_hash == now.settings_hash
    yield ("The settings are the same." if same else "The settings or the period changed too.")
