"""What a noun says of itself: a title, a sentence and a small table, as HTML for notebooks or as text.

In HTML everything is escaped, and colours are the notebook's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from datetime import datetime, timedelta
from html import escape
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Any

from capacity.shown import given_fields
from capacity.views.sheet import clock, count, duration
from capacity.views.view_models import view_bars, view_workload, view_workloads

if TYPE_CHECKING:
    import pandas as pd

    from capacity.forecast.backtest import Backtest
    from capacity.model import Demand, Explanation, Forecast, LoadReport, Plan, WorkloadPlan
    from capacity.model.choice import Choice
    from capacity.model.load import Finding
    from capacity.planning.result import PlanResult
    from capacity.quality import Audit
    from capacity.simulation.result import Simulation

GIB, MIB = 2**30, 2**20
ROWS = 12  # of a table: what a cell of a notebook shows without scrolling
CHOICE_COLUMNS = ("", "policy", "cost/day", "min >target/day", "kept")  # of its table: as many as a text has room for
TEXT_ROWS, WIDEST, LINE = 7, 110, 160  # of text: rows, and characters of a line
# No colour is named, so that light and dark notebooks show the card in their own.
CARD = "border-left: 3px solid currentColor; padding-left: .8em; line-height: 1.4"


def forecast_card(forecast: Forecast) -> Card:
    """The next peak, and each day's highest step."""
    from capacity.series.growth import coming_peak

    peak = coming_peak(forecast)
    summary = (
        f"{len(forecast.quantiles)} steps of {duration(forecast.step)} after {clock(forecast.origin, 'UTC')} UTC. "
        f"Next peak {clock(peak.at, 'UTC')} UTC: {peak.expected:.4g} at quantile {peak.expected_level:g}, "
        f"{peak.high:.4g} at {peak.high_level:g}."
    )
    table = forecast.to_frame().iloc[:, : len(forecast.quantiles.columns)]
    index: Any = table.index
    days = table.loc[sorted(table.iloc[:, -1].groupby(index.floor("D")).idxmax())].round(3)
    return Card(f"Forecast, {forecast.unit}", summary, _frame(days), notes=(forecast.model, *forecast.notes))


def workload_card(plan: WorkloadPlan) -> Card:
    """The peak, and the changes of the floor."""
    view = view_workload(plan)
    rate = view.sales_per_hour
    sales = "" if rate is None else f" for {rate:.4g} sales an hour,"
    memory = "" if view.gib is None else f", {view.gib:.2f} GiB"
    summary = (
        f"Peak {clock(view.peak_at, 'UTC')} UTC: {view.replicas} replicas{sales} {view.cores:.2f} cores{memory} at "
        f"quantile {view.quantile_level:g}. {len(plan.floor)} changes of the "
        f"floor in {duration(plan.step * plan.steps)}; ceiling {view.ceiling}, safe floor {plan.safe_floor}."
    )
    rows = [
        (clock(plan.start + plan.step * change.offset, "UTC"), change.replicas, change.reason) for change in plan.floor
    ]
    return Card(
        f"Plan of {plan.label}", summary, (("from (UTC)", "floor", "reason"), rows), notes=plan.derivation.notes
    )


def plan_card(plan: Plan) -> Card:
    """Every workload's peak, the highest first."""
    nodes = "" if plan.nodes is None else f" Up to {plan.nodes.peak} nodes {plan.nodes.node_type}."
    count = len(plan.workloads)
    summary = f"{count} workload{'s' * (count != 1)}, valid until {clock(plan.valid_until, 'UTC')} UTC.{nodes}"
    rows = [
        (one.label, one.replicas, clock(one.peak_at, "UTC"), one.fewest, one.binding)
        for one in view_workloads(plan.workloads)
    ]
    return Card("Plan", summary, (("workload", "peak", "when (UTC)", "fewest", "binding"), rows))


def backtest_card(result: Backtest) -> Card:
    """The skill, and the scores of each origin."""
    low, high = result.skill_interval
    summary = (
        f"Skill {result.skill:.3f} (95 % {low:.3f} to {high:.3f}) beside the seasonal naive of {result.season_length} "
        f"steps; {100 * result.coverage[0.95]:.1f} % of steps at or under quantile 0.95."
    )
    table = result.by_origin()[["steps", "mase", "wape", "wql", "coverage_0.95"]].round(3)
    return Card("Backtest", summary, _frame(table))


def simulation_card(result: Simulation) -> Card:
    """The verdict, and the named policies side by side."""
    shown = ["overload_minutes", "cap_breach_minutes", "pod_hours", "over_clairvoyant", "starts_per_day"]
    table = result.to_frame().loc[[trial.name for trial in result.named], shown].round(3)
    return Card(f"Simulation of {result.name}", result.verdict, _frame(table))


def load_card(report: LoadReport) -> Card:
    """What was found of each resource."""
    summary = "; ".join(found.words for found in report.findings)
    rows = [_finding_row(found) for found in report.findings]
    columns = ("resource", "verdict", "points", "R²", "idle", "per sale per hour")
    return Card(f"Load of {report.name}", _capital(summary), (columns, rows))


def _finding_row(found: Finding) -> tuple[object, ...]:
    answer = found.response
    used = ("-", "-")
    if answer is not None:
        used = (_used(found.resource, answer.base), _used(found.resource, answer.per_sale_per_hour))
    return (found.resource, found.verdict, found.points, found.r2, *used)


def _used(resource: str, amount: float) -> str:
    """An amount of a resource with its unit."""
    if resource == "memory":
        return f"{amount / MIB:.4g} MiB"
    return f"{amount:.4g} cores" if resource == "cpu" else f"{amount:.4g}/s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def explanation_card(explanation: Explanation) -> Card:
    """The bars of the waterfall."""
    summary = (
        f"{explanation.floor} replicas for {clock(explanation.at, 'UTC')} UTC, determined by "
        f"{explanation.resource}. A floor set at that time must serve until "
        f"{clock(explanation.covered_until, 'UTC')} UTC: it is {explanation.covered_floor}."
    )
    rows = [(bar.name, f"{bar.replicas:+.3f}", bar.why) for bar in view_bars(explanation)]
    return Card(explanation.label, summary, (("part", "replicas", "why"), rows))


def demand_card(demand: Demand) -> Card:
    """The peak of each resource, at the highest quantile that was forecast."""
    known = {"CPU": demand.cpu, "memory": demand.memory, "requests": demand.requests, "sales": demand.sales}
    rows = []
    for name, forecast in known.items():
        if forecast is None:
            continue
        highest: Any = forecast.quantiles.iloc[:, -1]
        level = float(forecast.quantiles.columns[-1])
        rows.append((name, forecast.unit, f"{level:g}", float(highest.max()), highest.idxmax().to_pydatetime()))
    summary = (
        f"{len(demand.cpu.quantiles)} steps of {duration(demand.cpu.step)} after {clock(demand.cpu.origin, 'UTC')} UTC."
    )
    return Card("Demand", summary, (("of", "unit", "quantile", "highest", "at (UTC)"), rows))


def choice_card(choice: Choice) -> Card:
    """What is advised, and each policy with what it did."""
    from capacity.views.tables.simulation import choice_sheet

    sheet = choice_sheet(choice)
    shown = [place for place, column in enumerate(sheet.columns) if column in CHOICE_COLUMNS]
    rows = [tuple(row[place] for place in shown) for row in sheet.rows]
    columns = tuple(sheet.columns[place] for place in shown)
    return Card(f"Choice for {choice.namespace}/{choice.name}", _capital(sheet.footer[0]), (columns, rows))


def audit_card(audit: Audit) -> Card:
    """The score, and failures by rule."""
    span = ""
    if audit.first is not None and audit.last is not None:
        span = f" from {clock(audit.first, 'UTC')} to {clock(audit.last, 'UTC')} UTC"
    summary = f"{audit.passed:,} of {audit.rows:,} rows pass every rule{span}: {audit.verdict}."
    rows = [(rule, failed) for rule, failed in audit.failures.items()]
    return Card(f"Audit of {audit.source}", summary, (("rule", "failed"), rows), notes=(*audit.read, *audit.notes))


def result_card(result: PlanResult) -> Card:
    """The plan, and what could not be planned."""
    card = plan_card(result.plan)
    failed = (f"{namespace}/{name}: not planned: {why}" for (namespace, name), why in result.failures.items())
    return replace(card, notes=(*failed, *card.notes))


def pass_card(work: Any) -> Card:
    """What a pass works on."""
    plan = "no plan" if work.plan is None else f"a plan valid until {clock(work.plan.valid_until, 'UTC')} UTC"
    summary = f"{len(work.workloads)} workloads and {plan}, at {clock(work.now, 'UTC')} UTC."
    rows = [(one.namespace, one.name, one.floor, one.ceiling) for one in work.workloads]
    return Card("Reconciliation", summary, (("namespace", "workload", "floor", "ceiling"), rows))


def fields_card(noun: Any) -> Card:
    """A small noun: its fields that are not at their defaults."""
    rows = [(name, _plainly(name, value)) for name, value in given_fields(noun).items()]
    doc = str(type(noun).__doc__).strip().partition("\n")[0]
    return Card(type(noun).__name__, doc, (("field", "value"), rows))


def _plainly(name: str, value: object) -> object:
    """A duration in words, a time in UTC, memory in MiB or GiB, a nested noun as its fields."""
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, datetime):
        return f"{clock(value, 'UTC')} UTC"
    if is_dataclass(value):
        return ", ".join(f"{field}: {_plainly(field, inner)}" for field, inner in given_fields(value).items())
    if isinstance(value, int | float) and name.startswith("memory"):
        return f"{value / GIB:.4g} GiB" if value >= GIB else f"{value / MIB:.4g} MiB"
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, int) else str(value)


CARDS: Mapping[str, Callable[[Any], Card]] = {
    "Forecast": forecast_card,
    "Demand": demand_card,
    "WorkloadPlan": workload_card,
    "Plan": plan_card,
    "PlanResult": result_card,
    "Explanation": explanation_card,
    "LoadReport": load_card,
    "Backtest": backtest_card,
    "Simulation": simulation_card,
    "Choice": choice_card,
    "Audit": audit_card,
    "Reconciliation": pass_card,
}
Table = tuple[Sequence[str], Sequence[Sequence[object]]]  # names of the columns, rows


@dataclass(frozen=True, slots=True)
class Card:
    """A noun in few words: a title, a sentence, a table, and small notes."""

    title: str
    summary: str
    table: Table
    notes: Iterable[str] = ()


def card_for(noun: Any) -> Card:
    """The card of a noun; of one that has none of its own, its fields."""
    return CARDS.get(type(noun).__name__, fields_card)(noun)


def _frame(table: pd.DataFrame) -> Table:
    columns = [str(table.index.name or ""), *map(str, table.columns)]
    rows = [[key, *values] for key, values in zip(table.index, table.to_numpy().tolist(), strict=True)]
    return columns, rows


def html_of(noun: Any) -> str:
    """The card as HTML."""
    card = card_for(noun)
    columns, rows = card.table
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(value))}</td>' for value in row)}</tr>" for row in rows[:ROWS])
    more = [f"and {count(len(rows) - ROWS, 'more row')}: see to_frame()"] if len(rows) > ROWS else []
    small = "".join(f"<br><small>{escape(line)}</small>" for line in (*more, *card.notes) if line)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return f'<div style="{CARD}"><strong>{escape(card.title)}</strong><br>{escape(card.summary)}{table}{small}</div>'


def plain_text(noun: Any) -> str:
    """The card as a few lines of text; its notes are left out."""
    card = card_for(noun)
    columns, rows = card.table
    cells = [[str(name) for name in columns], *([_text(value) for value in row] for row in rows[:TEXT_ROWS])]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))[:WIDEST].rstrip()
        for row in (cells if rows else ())
    ]
    more = [f"... and {count(len(rows) - TEXT_ROWS, 'more row')}: see to_frame()"] if len(rows) > TEXT_ROWS else []
    return "\n".join([card.title, *wrap(card.summary, WIDEST), *lines, *more])


def one_line(noun: Any) -> str:
    """The title and the sentence of the card, shortened."""
    card = card_for(noun)
    return f"<{type(noun).__name__}: {shorten(f'{card.title}. {card.summary}', LINE, placeholder=' ...')}>"


def _text(value: object) -> str:
    """Four digits of a number, minutes of a time, nothing for what is not known."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value)
