"""Notebook cards: a title, a sentence and a small table. Everything is escaped, and colours are the notebook's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from capacity.views.sheet import clock, duration
from capacity.views.view_models import view_bars, view_workload, view_workloads

if TYPE_CHECKING:
    import pandas as pd

    from capacity.forecast.backtest import Backtest
    from capacity.model import Explanation, Forecast, LoadReport, Plan, WorkloadPlan
    from capacity.simulation.result import Simulation

ROWS = 12  # of a table: what a cell of a notebook shows without scrolling
# No colour is named, so that light and dark notebooks show the card in their own.
CARD = "border-left: 3px solid currentColor; padding-left: .8em; line-height: 1.4"


def forecast_card(forecast: Forecast) -> str:
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
    return _card(f"Forecast, {forecast.unit}", summary, _frame(days), notes=(forecast.model, *forecast.notes))


def workload_card(plan: WorkloadPlan) -> str:
    """The peak, and the changes of the floor."""
    view = view_workload(plan)
    sales = "" if view.sales is None else f" for {view.sales:.4g} sales,"
    summary = (
        f"Peak {clock(view.peak_at, 'UTC')} UTC: {view.replicas} replicas{sales} {view.cores:.2f} cores, "
        f"{view.gib:.2f} GiB at quantile {view.quantile_level:g}. {len(plan.floor)} changes of the "
        f"floor in {duration(plan.step * plan.steps)}; ceiling {view.ceiling}, safe floor {plan.safe_floor}."
    )
    rows = [
        (clock(plan.start + plan.step * change.offset, "UTC"), change.replicas, change.reason) for change in plan.floor
    ]
    return _card(
        f"Plan of {plan.label}", summary, (("from (UTC)", "floor", "reason"), rows), notes=plan.derivation.notes
    )


def plan_card(plan: Plan) -> str:
    """Every workload's peak, the highest first."""
    nodes = "" if plan.nodes is None else f" Up to {plan.nodes.peak} nodes {plan.nodes.node_type}."
    count = len(plan.workloads)
    summary = f"{count} workload{'s' * (count != 1)}, valid until {clock(plan.valid_until, 'UTC')} UTC.{nodes}"
    rows = [
        (one.label, one.replicas, clock(one.peak_at, "UTC"), one.fewest, one.binding)
        for one in view_workloads(plan.workloads)
    ]
    return _card("Plan", summary, (("workload", "peak", "when (UTC)", "fewest", "binding"), rows))


def backtest_card(result: Backtest) -> str:
    """The skill, and the scores of each origin."""
    low, high = result.skill_interval
    summary = (
        f"Skill {result.skill:.3f} (95 % {low:.3f} to {high:.3f}) beside the seasonal naive of {result.season_length} "
        f"steps; {result.coverage[0.95]:.1%} of steps at or under quantile 0.95."
    )
    table = result.by_origin()[["steps", "mase", "wape", "wql", "coverage_0.95"]].round(3)
    return _card("Backtest", summary, _frame(table))


def simulation_card(result: Simulation) -> str:
    """The verdict, and the named policies side by side."""
    shown = ["overload_minutes", "cap_breach_minutes", "pod_hours", "over_clairvoyant", "starts_per_day"]
    table = result.to_frame().loc[[trial.name for trial in result.named], shown].round(3)
    return _card(f"Simulation of {result.name}", result.verdict, _frame(table))


def load_card(report: LoadReport) -> str:
    """What was found of each resource."""
    summary = " ".join(found.words for found in report.findings)
    table = report.to_frame()[["verdict", "points", "r2", "base", "per_sale_per_hour"]]
    return _card(f"Load of {report.name}", summary, _frame(table))


def explanation_card(explanation: Explanation) -> str:
    """The bars of the waterfall."""
    summary = (
        f"{explanation.floor} replicas for {clock(explanation.at, 'UTC')} UTC, bound by {explanation.resource}; "
        f"set then, the floor must serve until {clock(explanation.covered_until, 'UTC')} UTC: "
        f"{explanation.covered_floor}."
    )
    rows = [(bar.name, f"{bar.replicas:+.3f}", bar.why) for bar in view_bars(explanation)]
    return _card(explanation.label, summary, (("part", "replicas", "why"), rows))


CARDS: Mapping[str, Callable[[Any], str]] = {
    "Forecast": forecast_card,
    "WorkloadPlan": workload_card,
    "Plan": plan_card,
    "Explanation": explanation_card,
    "LoadReport": load_card,
    "Backtest": backtest_card,
    "Simulation": simulation_card,
}
Table = tuple[Sequence[str], Sequence[Sequence[object]]]  # names of the columns, rows


def _frame(table: pd.DataFrame) -> Table:
    columns = [str(table.index.name or ""), *map(str, table.columns)]
    rows = [[key, *values] for key, values in zip(table.index, table.to_numpy().tolist(), strict=True)]
    return columns, rows


def _card(title: str, summary: str, table: Table, *, notes: Iterable[str] = ()) -> str:
    columns, rows = table
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(value))}</td>' for value in row)}</tr>" for row in rows[:ROWS])
    more = [f"and {len(rows) - ROWS} more rows: see to_frame()"] if len(rows) > ROWS else []
    small = "".join(f"<br><small>{escape(line)}</small>" for line in (*more, *notes) if line)
    return (
        f'<div style="{CARD}"><strong>{escape(title)}</strong><br>{escape(summary)}'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{small}</div>"
    )


def _text(value: object) -> str:
    """Four digits of a number, minutes of a time, nothing for what is not known."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value)
