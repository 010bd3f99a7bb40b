"""Tables of plans, of scenarios and of one explained floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import repeat
from typing import Any

import pandas as pd

from capacity.model import Demand, Explanation, Scenario, WorkloadPlan
from capacity.model.configuration import Config
from capacity.model.fields import rfc3339
from capacity.model.plan_file import plan_document
from capacity.model.pod_size import PodSizes
from capacity.planning import floor_series, planned_demand
from capacity.planning.result import PlanResult
from capacity.views.sheet import GIB, NO_CURRENCY, Sheet, clock, csv_text, moment, money
from capacity.views.tables.load import advice_document, advice_lines
from capacity.views.tables.simulation import advice_sentence
from capacity.views.view_models import view_bars

ROWS = 7  # of daily peaks in all: a week of them fits a screen with everything else
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def plan_sheet(planned: PlanResult, config: Config) -> Sheet:
    """Peaks first: when, which demand, how many replicas, and why. A single workload has no column for its name."""
    plans = sorted(planned.plan.workloads, key=lambda plan: -plan.peak.replicas)
    each = max(1, ROWS // len(plans))
    rows = [(plan.label, *row) for plan in plans for row in _peak_rows(plan, config.timezone, each)]
    columns: tuple[str, ...] = ("workload", f"when ({config.timezone})", "sales/h", "cores", "GiB", "replicas", "why")
    level = ", ".join(sorted({f"{plan.peak.quantile_level:g}" for plan in plans}))
    title = f"Plan, peak first; demand at quantile {level}"
    if len(plans) == 1:
        title, rows, columns = f"{plans[0].label}: {title}", [row[1:] for row in rows], columns[1:]
    footer, document = _plan_footer(planned, plans, config.supply.currency), plan_document(planned.plan)
    if planned.advice:
        footer = (*footer, *advice_lines(planned.advice, config))
        document |= {"request_advice": advice_document(planned.advice)}
    return Sheet(title, columns, rows, document, footer)


def floor_lines(planned: PlanResult) -> Iterator[str]:
    """The columns of `Plan.to_frame` and every step of every workload as CSV: there may be millions."""
    plans = planned.plan.workloads
    tables = {plan.key: _columns(plan) for plan in plans if plan.demand is not None or plan.sizes is not None}
    names = tuple(dict.fromkeys([*FLOOR_COLUMNS, *(name for table in tables.values() for name in table)]))
    yield csv_text([("start", "namespace", "name", *names)])
    for plan in plans:
        table = tables.get(plan.key)
        yield from _lines_of_runs(plan, len(names)) if table is None else _lines_of_steps(plan, names, table)


FLOOR_COLUMNS = ("floor", "reason")


def _lines_of_runs(plan: WorkloadPlan, columns: int) -> Iterator[str]:
    """The lines of a plan that has only floors; the text after the start is formatted once for a run of equal steps."""
    starts, whose = _starts(plan.start, plan.step, plan.steps), csv_text([("", plan.namespace, plan.name, "")])[:-1]
    ends = [*(change.offset for change in plan.floor[1:]), plan.steps]
    for change, end in zip(plan.floor, ends, strict=True):
        row = whose + _floor(change.replicas, change.reason, columns)
        yield row.join([*starts[change.offset : end], ""])


@lru_cache(maxsize=4096)  # plans of one run have few different floors
def _floor(replicas: int, reason: str, columns: int) -> str:
    """The end of a line of a plan that has only floors."""
    return csv_text([(replicas, reason, *[None] * (columns - len(FLOOR_COLUMNS)))])


def _lines_of_steps(plan: WorkloadPlan, names: Sequence[str], table: dict[str, list[Any]]) -> Iterator[str]:
    unknown: Iterator[object] = repeat(None)
    starts = _starts(plan.start, plan.step, plan.steps)
    known = (table.get(name, unknown) for name in names)
    yield csv_text(zip(starts, repeat(plan.namespace), repeat(plan.name), *known))


def _columns(plan: WorkloadPlan) -> dict[str, list[Any]]:
    """The columns of one workload; None for what is not known."""
    loads = {
        name: [None if value != value else value for value in column.tolist()] for name, column in plan.loads().items()
    }
    return {**plan.columns(), **loads}


@lru_cache(maxsize=16)  # plans of one run have the same steps
def _starts(start: datetime, step: timedelta, steps: int) -> tuple[str, ...]:
    """The starts of the steps as text."""
    return tuple(rfc3339(start + place * step) for place in range(steps))


def _plan_footer(planned: PlanResult, plans: list[WorkloadPlan], currency: str) -> tuple[str, ...]:
    audit = planned.audit
    sized = ("sizes: requests of one pod, at the plan's start -> at their peak",) if any(p.sizes for p in plans) else ()
    footer = [
        *sized,
        f"data: {audit.source}, {audit.passed:,} of {audit.rows:,} rows good, score {audit.score:.4f}: {audit.verdict}",
        f"plan: from {rfc3339(plans[0].start)} until {rfc3339(planned.plan.valid_until)}",
    ]
    footer += _money(planned, currency)
    for plan in plans:
        prefix = f"{plan.label}: " if len(plans) > 1 else ""
        footer += [f"{prefix}{remark}" for remark in _remarks(plan)]
    return tuple(dict.fromkeys(footer))


def _money(planned: PlanResult, currency: str) -> list[str]:
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
    return [text, f"cost: {costs} a month against {against} ({currency or NO_CURRENCY})"]


def _size_rows(plan: WorkloadPlan, sizes: PodSizes, timezone: str) -> list[tuple[object, ...]]:
    """One row per request that changes: its highest value, since when, from which value, and what determines it."""
    rows: list[tuple[object, ...]] = []
    for one in sizes.sizes:
        unit = 1000 if one.resource == "cpu" else GIB
        move = f"{one.changes[0].amount / unit:.2f} -> {one.peak.amount / unit:.2f}"
        at = clock(sizes.start + one.peak.offset * sizes.step, timezone)
        amounts = (move, "") if one.resource == "cpu" else ("", move)
        rows.append((at, "", *amounts, plan.peak.replicas, f"{one.container}: {one.peak.binding}"))
    return rows


def _peak_rows(plan: WorkloadPlan, timezone: str, count: int) -> list[tuple[object, ...]]:
    """The workload's peak, then the peaks of its other days, highest first; for resized pods their requests."""
    if plan.sizes is not None:
        return _size_rows(plan, plan.sizes, timezone)
    peak = plan.peak
    peaks = [(peak.at, peak.sales, peak.cpu_cores, peak.memory_bytes, peak.replicas)]
    if plan.demand is not None and count > 1:
        peaks += [other for other in _other_days(plan, plan.demand) if other[0].date() != peak.at.date()]
    rate = HOUR / plan.step
    return [
        (
            clock(at, timezone),
            "" if sales is None else f"{sales * rate:,.1f}",
            f"{cores:.2f}",
            f"{size / GIB:.2f}" if size else "",
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
    if derived.need.tied and replicas == plan.peak.replicas:
        text += f", {'cpu' if plan.binding == 'memory' else 'memory'} as many"
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
    remarks = [] if plan.choice is None else [f"policy: {advice_sentence(plan.choice)}"]
    remarks += [f"model: {derived.model}", *(f"note: {note}" for note in derived.notes)]
    if derived.target.bound != "target":
        remarks.append(f"note: utilization is bound by {derived.target.why}")
    return remarks


Compared = Sequence[tuple[Scenario, PlanResult]]


def scenarios_sheet(base: PlanResult, others: Compared, config: Config) -> Sheet:
    """One row for each workload and scenario, the plan itself first; the JSON has each whole plan."""
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
    footer = [
        *_left_after_loss(base, others, zones),
        *_scenarios_money(planned, config.supply.currency),
        *_notes(base, others),
    ]
    return Sheet(title, columns, rows, document, tuple(footer))


def _row(name: str, base: WorkloadPlan, plan: WorkloadPlan | None, timezone: str) -> tuple[Any, ...] | None:
    if plan is None:
        return None
    hours, usual = (one.mean_floor * one.steps * (one.step / HOUR) for one in (plan, base))
    short = plan.derivation.minutes_short
    change, when = f"{100 * (hours / usual - 1):+.1f} %", clock(plan.peak.at, timezone)
    return plan.label, plan.peak.replicas, when, f"{hours:,.0f}", change, f"{short} min" if short else "-", name


def _left_after_loss(base: PlanResult, others: Compared, zones: dict[str, int]) -> list[str]:
    """The utilization of the planned replicas at the peak if the zone with the most replicas fails."""
    if not any(scenario.lost_zone for scenario, _ in others):
        return []
    lines = []
    for plan in base.plan.workloads:
        count, replicas = zones[plan.label], plan.peak.replicas
        left = replicas - -(-replicas // count)
        if count > 1 and left:
            busy = plan.peak.cpu_cores / (left * plan.resources["cpu_request_millicores"] / 1000)
            lines.append(
                f"{plan.label}: as forecast, with one of {count} zones lost at the peak: CPU at {100 * busy:.0f} %"
            )
    return lines


def _notes(base: PlanResult, others: Compared) -> list[str]:
    """Notes of the scenarios' plans that the plan itself does not have."""
    known = {note for plan in base.plan.workloads for note in plan.derivation.notes}
    notes = (note for _, other in others for plan in other.plan.workloads for note in plan.derivation.notes)
    return [f"note: {note}" for note in dict.fromkeys(notes) if note not in known]


def _scenarios_money(planned: Sequence[tuple[str, PlanResult]], currency: str) -> list[str]:
    lines = []
    for name, other in planned:
        nodes = other.plan.nodes
        if nodes is not None:
            cost = money(nodes.cost_per_month, currency)
            lines.append(f"{name}: up to {nodes.peak} nodes {nodes.node_type}, {cost} a month")
    return lines


def explain_sheet(explanation: Explanation, timezone: str) -> Sheet:
    """The bars in order; the last sum is the floor."""
    bars = view_bars(explanation)
    rows = [(bar.name, f"{bar.replicas:+.3f}", f"{bar.total:.3f}", bar.why) for bar in bars]
    title = (
        f"{explanation.label}: {explanation.floor} replicas for {clock(explanation.at, timezone)} ({timezone}), "
        f"by {explanation.resource}"
    )
    footer = (
        f"floor to set at this time, serving until {clock(explanation.covered_until, timezone)}: "
        f"{explanation.covered_floor}",
        *(f"note: {note}" for note in explanation.notes),
    )
    return Sheet(title, ("part", "replicas", "sum", "why"), rows, explain_document(explanation), footer)


def explain_document(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON values: counts in thousandths of a replica, which add up to `floor` times 1000."""
    return {
        "namespace": explanation.namespace,
        "name": explanation.name,
        "at": rfc3339(explanation.at),
        "resource": explanation.resource,
        "floor": explanation.floor,
        "bars": [{"name": bar.name, "milli_replicas": bar.milli, "why": bar.why} for bar in explanation.bars],
        "covered_floor": explanation.covered_floor,
        "covered_until": rfc3339(explanation.covered_until),
        "notes": list(explanation.notes),
    }
