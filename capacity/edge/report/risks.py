"""What needs attention: every reason why the plan may not hold, each with the step to take."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from capacity.backtest import Backtest
from capacity.edge.report.promises import broken_promises
from capacity.edge.report.review import Review
from capacity.edge.report.section import Section
from capacity.edge.screen import clock, duration
from capacity.seasonality import too_short_for

STALE = timedelta(days=2)  # without a row: orders come hourly or nightly, so two days are one missed delivery at least
SLACK = 1.96  # standard errors: a coverage further under its level than chance brings


def risks_section(review: Review) -> Section:
    """All of them as a list; or that there is none."""
    found = risks(review)
    if not found:
        return Section("What needs attention", ["Nothing: data, forecast and plan are within what they promise."])
    count = "One thing needs" if len(found) == 1 else f"{len(found)} things need"
    return Section("What needs attention", [f"{count} attention, the most pressing first."], found)


def risks(review: Review) -> list[str]:
    """Held plans first, then bounds, stale data, quality, forecasts that missed, and short histories."""
    found = [*_of_plans(review), *broken_promises(review), *_of_age(review), *_of_data(review)]
    return [*found, *_of_trust(review), *_of_history(review)]


def _of_plans(review: Review) -> Iterator[str]:
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
        yield f"The plan ended on {over}: it says nothing of today. Bring newer orders, then plan again."


def _of_age(review: Review) -> Iterator[str]:
    age = review.audit.age(review.now)
    if age is None:
        yield "There is no good row of orders at all."
    elif age > STALE:
        yield f"The newest order is {duration(age)} old: nothing later is known. Check what delivers the orders."


def _of_data(review: Review) -> Iterator[str]:
    if review.audit.verdict != "ok":
        owner = f" Owner: {review.audit.owner}." if review.audit.owner else ""
        for reason in review.audit.reasons:
            yield f"Data quality ({review.audit.verdict}): {reason}.{owner}"


def _of_trust(review: Review) -> Iterator[str]:
    for group, result in review.backtests.items():
        if not isinstance(result, Backtest):
            continue
        name, shares = group or "sales", result.by_origin()["coverage_0.95"]
        held = f"{100 * result.coverage[0.95]:.1f} %"
        error = float(shares.std(ddof=1)) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
        if result.coverage[0.95] + SLACK * error < 0.95:
            yield (
                f"Forecasts of {name} were too low too often: {held} of steps stayed at or "
                "under the quantile that promises 95 %. Plan at a higher quantile_level until it holds."
            )
        if result.skill_interval[0] <= 0:
            yield f"Forecasts of {name} may be no better than repeating the season before: plan more headroom."


def _of_history(review: Review) -> Iterator[str]:
    for group, sales in review.known.items():
        if short := too_short_for(sales):
            span = duration((sales.index[-1] - sales.index[0]).to_pytimedelta())
            yield f"The history of {group or 'sales'}, {span}, is short for a {' and a '.join(short)} cycle."
