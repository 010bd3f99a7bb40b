"""A plan as a sheet: peaks first, each with the division that gave its replicas."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from capacity.domain import Demand, WorkloadPlan
from capacity.edge.config import Config
from capacity.edge.planfile import plan_document, rfc3339
from capacity.edge.planning.planner import Planned
from capacity.edge.planning.requests import Advice, advice_document, advice_lines
from capacity.edge.screen import GIB, Sheet, clock, duration, moment
from capacity.planning import floor_series, planned_demand

ROWS = 7  # of daily peaks in all: a week of them fits a screen with everything else
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def plan_sheet(planned: Planned, config: Config, advice: Advice | None = None) -> Sheet:
    """Peaks first: when, what demand, how many replicas, and why. The workload's column goes where there is but one."""
    plans = sorted(planned.plan.workloads, key=lambda plan: -plan.peak.replicas)
    each = max(1, ROWS // len(plans))
    rows = [(plan.label, *row) for plan in plans for row in _peak_rows(plan, config.timezone, each)]
    columns: tuple[str, ...] = ("workload", f"when ({config.timezone})", "sales/h", "cores", "GiB", "replicas", "why")
    level = ", ".join(sorted({f"{plan.peak.quantile_level:g}" for plan in plans}))
    title = f"Plan, peak first; demand at quantile {level}"
    if len(plans) == 1:
        title, rows, columns = f"{plans[0].label}: {title}", [row[1:] for row in rows], columns[1:]
    footer = (*_plan_footer(planned, plans, config.supply.currency), *advice_lines(advice or {}, config))
    document = plan_document(planned.plan) | ({"request_advice": advice_document(advice)} if advice else {})
    return Sheet(title, columns, rows, document, footer)


def _plan_footer(planned: Planned, plans: list[WorkloadPlan], currency: str) -> tuple[str, ...]:
    audit = planned.audit
    footer = [
        f"data: {audit.source}, {audit.passed:,} of {audit.rows:,} rows good, score {audit.score:.4f}: {audit.verdict}",
        f"plan: from {rfc3339(plans[0].start)} until {rfc3339(planned.plan.valid_until)}",
    ]
    footer += _money(planned, currency)
    for plan in plans:
        prefix = f"{plan.label}: " if len(plans) > 1 else ""
        footer += [f"{prefix}{remark}" for remark in _remarks(plan)]
    return tuple(dict.fromkeys(footer))


def _money(planned: Planned, currency: str) -> list[str]:
    """The nodes, and what they cost against what runs today."""
    nodes = planned.plan.nodes
    if nodes is None:
        return []
    text = f"nodes: up to {nodes.peak} {nodes.node_type} (at least {nodes.fewest}), {nodes.mean:.1f} on average"
    if not nodes.price_per_hour:
        return [text]
    today = "today" if nodes.today_known else "with the peak always up"
    costs = f"{nodes.cost_per_hour:,.2f} an hour, {nodes.cost_at_peak:,.2f} at the peak, {nodes.cost_per_month:,.2f}"
    against = f"{nodes.cost_per_month_today:,.2f} {today}"
    return [text, f"cost: {costs} a month against {against}{f' ({currency})' if currency else ''}"]


def _peak_rows(plan: WorkloadPlan, timezone: str, count: int) -> list[tuple[object, ...]]:
    """The workload's peak, then the peaks of its other days, highest first."""
    peak = plan.peak
    peaks = [(peak.at, peak.sales, peak.cpu_cores, peak.memory_bytes, peak.replicas)]
    if plan.demand is not None:
        peaks += [other for other in _other_days(plan, plan.demand) if other[0].date() != peak.at.date()]
    rate = HOUR / plan.step
    return [
        (
            clock(at, timezone),
            "" if sales is None else f"{sales * rate:,.1f}",
            f"{cores:.2f}",
            f"{size / GIB:.2f}",
            replicas,
            _why(plan, cores, size, replicas),
        )
        for at, sales, cores, size, replicas in peaks[:count]
    ]


def _other_days(plan: WorkloadPlan, demand: Demand) -> list[tuple[datetime, float | None, float, float, int]]:
    level, floor = plan.peak.quantile_level, floor_series(plan)
    index: Any = demand.cpu.quantiles.index
    cpu = pd.Series(planned_demand(demand.cpu, level), index)
    size = pd.Series(planned_demand(demand.memory, level), index)
    sales = None if demand.sales is None else demand.sales.at(level)
    load = cpu if plan.binding == "cpu" else size
    days = load.groupby(index.floor("D")).idxmax()
    found = [
        (moment(at), None if sales is None else float(sales[at]), float(cpu[at]), float(size[at]), int(floor[at]))
        for at in days
    ]
    return sorted(found, key=lambda peak: (-peak[4], -float(load[peak[0]])))


def _why(plan: WorkloadPlan, cores: float, size: float, replicas: int) -> str:
    """The division that gave the replicas, or the bound that replaced it."""
    derived, resources = plan.derivation, plan.resources
    if replicas == derived.floor:
        return f"static floor {replicas}"
    cpu, memory = resources["cpu_request_millicores"] / 1000, resources["memory_request_bytes"] / GIB
    load, request = (cores, cpu) if plan.binding == "cpu" else (size / GIB, memory)
    target = derived.target.utilization
    text = f"{plan.binding} {load:.2f} / ({request:g} x {target:g})"
    if replicas == plan.ceiling and derived.shortfall.steps:
        return f"CeilingReached: {text}"
    if derived.zones > 1:
        return f"{text}, {derived.zones} zones"
    if replicas - 1 < load / (request * target) <= replicas:
        return text
    requests = derived.need.requests
    return f"requests by {requests.source}" if requests and derived.need.bound_by_requests else f"{text}; see explain"


def _remarks(plan: WorkloadPlan) -> list[str]:
    derived = plan.derivation
    remarks = [f"model: {derived.model}", *(f"note: {note}" for note in derived.notes)]
    if plan.step >= DAY:
        remarks.append(f"note: in steps of {duration(plan.step)} the peak within the day is not known")
    if derived.target.bound != "target":
        remarks.append(f"note: utilization is bound by {derived.target.why}")
    return remarks
