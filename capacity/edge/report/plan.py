"""What is planned: replicas at the peak and between, and how busy they will be."""

from __future__ import annotations

from markupsafe import Markup

from capacity.domain import WorkloadPlan
from capacity.edge.report.review import Review
from capacity.edge.report.section import Section, Table, picture
from capacity.edge.screen import clock
from capacity.edge.viewmodels import WorkloadView, view_workload

DRAWN, LISTED = 2, 20  # workloads with the highest peaks: in pictures, in the table
HOUR = 3600.0


def plan_section(review: Review) -> Section:
    """Each workload's peak and usual floor, the picture of demand under the plan, and the calendar of utilization."""
    plans = review.plans
    if not plans:
        return Section("What is planned", [f"No plan was made. The last good plan stays in force. Why: {review.held}"])
    views = [view_workload(plan) for plan in plans[:LISTED]]
    words = [_sentence(view, review.timezone) for view in views[:DRAWN]]
    if len(plans) > DRAWN:
        words.append(f"{len(plans)} workloads are planned in all; the table has those with the highest peaks.")
    rows = [_row(view, review.timezone) for view in views]
    head = ("workload", f"peak ({review.timezone})", "replicas", "cores", "GiB", "mean", "fewest", "ceiling")
    table = Table(head, rows, frozenset(range(2, len(head))))
    level = ", ".join(sorted({f"{plan.peak.quantile_level:g}" for plan in plans}))
    notes = [
        f"Planned for quantile {level} of demand: of that share of steps no more load is expected than planned for.",
        "Replicas are the floor (minReplicas) that is set; the autoscaler still adds above it, up to the ceiling.",
    ]
    return Section("What is planned", words, (), [table], _pictures(review, plans[:DRAWN]), notes)


def _sentence(view: WorkloadView, timezone: str) -> str:
    return (
        f"{view.label} gets {view.replicas} replicas for its peak on {clock(view.peak_at, timezone)} and {view.fewest} "
        f"when it is quiet; {'CPU' if view.binding == 'cpu' else 'memory'} decides. At the load planned for, "
        f"utilization stays at or under {view.target:.0f} %."
    )


def _row(view: WorkloadView, timezone: str) -> tuple[object, ...]:
    return (
        view.label,
        clock(view.peak_at, timezone),
        view.replicas,
        f"{view.cores:.2f}",
        f"{view.gib:.2f}",
        f"{view.mean:.1f}",
        view.fewest,
        view.ceiling,
    )


def _pictures(review: Review, plans: tuple[WorkloadPlan, ...]) -> list[Markup]:
    from capacity.edge.plots import plot_plan, plot_utilization

    found: list[Markup] = []
    for place, plan in enumerate(plans):
        found.append(picture(plot_plan(plan, review.timezone), f"plan{place}"))
        if plan.demand is not None and plan.step.total_seconds() <= HOUR:
            target, planned = plan.derivation.target.utilization, plan.to_frame()["utilization"]
            figure = plot_utilization(planned, review.timezone, target=target, name=plan.label)
            found.append(picture(figure, f"utilization{place}"))
    return found
