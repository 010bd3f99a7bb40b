"""What it costs: nodes and money where prices are known, replica-hours where they are not."""

from __future__ import annotations

from datetime import timedelta

from capacity.domain import NodePlan, WorkloadPlan
from capacity.edge.report.review import Review
from capacity.edge.report.section import Section, Table
from capacity.planning import mean_floor

HOUR = timedelta(hours=1)
UNPRICED = "Prices are not configured (supply.node_types), so cost is counted in replica-hours, not in money."


def cost_section(review: Review) -> Section:
    """The money of the plan beside that of what runs today; and replica-hours beside the peak kept up all the time."""
    if not review.plans or review.planned is None:
        return Section("What it costs", ["Not known: no plan was made."])
    nodes, currency = review.planned.plan.nodes, review.config.supply.currency
    hours = sum(mean_floor(plan) * _hours(plan) for plan in review.plans)
    always = sum(max(change.replicas for change in plan.floor) * _hours(plan) for plan in review.plans)
    counted = (
        f"The plan asks for {hours:,.0f} replica-hours; keeping every peak up all the time would take {always:,.0f}, "
        f"{always / hours:.1f} times as many."
    )
    if nodes is None:
        return Section("What it costs", [counted, UNPRICED])
    return Section("What it costs", [*_money(nodes, currency), counted], (), [_table(nodes, currency)])


def _hours(plan: WorkloadPlan) -> float:
    return plan.steps * plan.step / HOUR


def _money(nodes: NodePlan, currency: str) -> list[str]:
    unit = f" {currency}" if currency else ""
    words = [f"The plan fills {nodes.mean:.1f} nodes of {nodes.node_type} on average and {nodes.peak} at the peak."]
    if nodes.price_per_hour:
        today = "what runs today costs" if nodes.today_known else "keeping the peak always up would cost"
        saved = nodes.cost_per_month_today - nodes.cost_per_month
        words.append(
            f"That is {nodes.cost_per_month:,.2f}{unit} a month of 30 days; {today} {nodes.cost_per_month_today:,.2f}"
            f"{unit}: {abs(saved):,.2f}{unit} {'less' if saved >= 0 else 'more'} with the plan."
        )
    return words


def _table(nodes: NodePlan, currency: str) -> Table:
    unit = f" ({currency})" if currency else ""
    head = ("", "nodes", f"an hour{unit}", f"a month{unit}")
    price, today = nodes.price_per_hour, "today" if nodes.today_known else "peak always up"
    rows = [
        ("plan, on average", f"{nodes.mean:.1f}", f"{nodes.cost_per_hour:,.2f}", f"{nodes.cost_per_month:,.2f}"),
        ("plan, at the peak", nodes.peak, f"{nodes.cost_at_peak:,.2f}", ""),
        (today, nodes.today, f"{nodes.today * price:,.2f}", f"{nodes.cost_per_month_today:,.2f}"),
    ]
    return Table(head, rows, frozenset({1, 2, 3}))
