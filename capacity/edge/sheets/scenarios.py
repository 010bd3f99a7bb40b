"""Plans of several scenarios side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from capacity.domain import Scenario, WorkloadPlan
from capacity.edge.config import Config
from capacity.edge.planfile import plan_document
from capacity.edge.planning.planner import Planned
from capacity.edge.screen import Sheet, clock
from capacity.planning import mean_floor

HOUR = timedelta(hours=1)


Compared = Sequence[tuple[Scenario, Planned]]


def scenarios_sheet(base: Planned, others: Compared, config: Config) -> Sheet:
    """One row for each workload and scenario, the plan as it is first; the JSON holds each plan whole."""
    timezone, planned = config.timezone, [("as forecast", base), *((scenario.name, plan) for scenario, plan in others)]
    zones = {f"{one.namespace}/{one.name}": one.zones for one in config.workloads}
    rows = [
        row
        for plan in base.plan.workloads
        for name, other in planned
        if (row := _row(name, plan, other.plan.workload(*plan.key), timezone)) is not None
    ]
    several = len(base.plan.workloads) > 1
    columns: tuple[str, ...] = ("workload", "peak", f"when ({timezone})", "hours", "change", "short", "scenario")
    if not several:
        rows, columns = [row[1:] for row in rows], columns[1:]
    title = "Scenarios: peak replicas, replica-hours, minutes short of the need"
    if not several:
        title = f"{base.plan.workloads[0].label}: {title}"
    document = {"scenarios": [{"name": name, "plan": plan_document(other.plan)} for name, other in planned]}
    footer = [*_left_after_loss(base, others, zones), *_money(planned, config.supply.currency), *_notes(base, others)]
    return Sheet(title, columns, rows, document, tuple(footer))


def _row(name: str, base: WorkloadPlan, plan: WorkloadPlan | None, timezone: str) -> tuple[Any, ...] | None:
    if plan is None:
        return None
    hours, usual = (mean_floor(one) * one.steps * (one.step / HOUR) for one in (plan, base))
    short = plan.derivation.minutes_short
    change, when = f"{hours / usual - 1:+.1%}", clock(plan.peak.at, timezone)
    return plan.label, plan.peak.replicas, when, f"{hours:,.0f}", change, f"{short} min" if short else "-", name


def _left_after_loss(base: Planned, others: Compared, zones: dict[str, int]) -> list[str]:
    """How busy the replicas of the plan as it is would be, at their peak, when the fullest zone is gone."""
    if not any(scenario.lost_zone for scenario, _ in others):
        return []
    lines = []
    for plan in base.plan.workloads:
        count, replicas = zones[plan.label], plan.peak.replicas
        left = replicas - -(-replicas // count)
        if count > 1 and left:
            busy = plan.peak.cpu_cores / (left * plan.resources["cpu_request_millicores"] / 1000)
            lines.append(f"{plan.label}: as forecast, with one of {count} zones lost at the peak: CPU at {busy:.0%}")
    return lines


def _notes(base: Planned, others: Compared) -> list[str]:
    """What the scenarios' plans say that the plan as it is does not."""
    known = {note for plan in base.plan.workloads for note in plan.derivation.notes}
    notes = (note for _, other in others for plan in other.plan.workloads for note in plan.derivation.notes)
    return [f"note: {note}" for note in dict.fromkeys(notes) if note not in known]


def _money(planned: Sequence[tuple[str, Planned]], currency: str) -> list[str]:
    lines = []
    for name, other in planned:
        nodes = other.plan.nodes
        if nodes is not None:
            cost = f"{nodes.cost_per_month:,.2f} {currency}".strip()
            lines.append(f"{name}: up to {nodes.peak} nodes {nodes.node_type}, {cost} a month")
    return lines
