"""What each command prints: audits, forecasts and plans as sheets of named values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from capacity.audit import Audit
from capacity.backtest import Backtest
from capacity.domain import Demand, Forecast, WorkloadPlan
from capacity.edge.config import Config
from capacity.edge.planfile import plan_document, rfc3339
from capacity.edge.planner import Planned, source_document
from capacity.edge.screen import GIB, Sheet, clock, duration
from capacity.levels import find_shifts
from capacity.outlook import Growth, coming_growth, coming_peak, past_growth
from capacity.pipeline import Histories
from capacity.planning import floor_series
from capacity.seasonality import find_seasons, too_short_for

ROWS = 7  # of daily peaks in all: a week of them fits a screen with everything else
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def audit_sheet(audit: Audit, now: datetime, quarantine: str | None) -> Sheet:
    """Failures by rule, the score, and how fresh the newest row is."""
    rows: list[tuple[object, ...]] = [
        (rule, failed, f"{failed / audit.rows:.4%}", audit.repaired.get(rule, 0))
        for rule, failed in audit.failures.items()
    ]
    footer = [f"{audit.passed:,} of {audit.rows:,} rows pass every rule: score {audit.score:.4%}, {audit.verdict}"]
    if audit.first is not None and audit.last is not None:
        footer.append(f"from {rfc3339(audit.first)} to {rfc3339(audit.last)}; {audit.gaps} steps are gaps")
        footer.append(f"the newest row is {duration(now - audit.last)} old")
    if quarantine is not None:
        footer.append(f"{audit.quarantined:,} rows quarantined in {quarantine}")
    document = {
        **source_document(audit),
        "quarantined": audit.quarantined,
        "quarantine": quarantine,
        "failures": audit.failures,
        "repaired": audit.repaired,
        "gaps": audit.gaps,
        "quality": {"warn_below": audit.quality.warn_below, "refuse_below": audit.quality.refuse_below},
    }
    return Sheet(f"Audit of {audit.source}", ("rule", "failed", "share", "repaired"), rows, document, tuple(footer))


def seasons_sheet(sales: pd.Series, group: str | None, timezone: str) -> Sheet:
    """Which cycles are real and how strong, since when the level, and growth against the year before."""
    seasons, shifts, growth, short = find_seasons(sales), find_shifts(sales), past_growth(sales), too_short_for(sales)
    rows = [(season.name, season.season_length, f"{season.strength:.2f}") for season in seasons]
    footer = [] if seasons else ["no cycle stands out of the noise (strength 0.3; white noise scores 0.15 to 0.22)"]
    if short:
        footer.append(f"the history is short for a {' and a '.join(short)} cycle")
    footer += [f"level x {shift.ratio:.2f} since {clock(shift.at, timezone)}" for shift in shifts]
    footer.append(_growth_line("last 28 days", growth))
    document = {
        "group": group,
        "seasons": [dataclasses.asdict(season) for season in seasons],
        "too_short_for": list(short),
        "shifts": [{"at": rfc3339(shift.at), "before": shift.before, "after": shift.after} for shift in shifts],
        "growth": {"mean": growth.mean, "peak": growth.peak, "reason": growth.reason},
    }
    title = f"Seasonality of {group or 'sales'}"
    return Sheet(title, ("cycle", "steps", "strength"), rows, document, tuple(footer))


def _growth_line(what: str, growth: Growth) -> str:
    if growth.mean is None or growth.peak is None:
        return f"{what} against last year: not known, {growth.reason}"
    return f"{what} against last year: mean {growth.mean:+.0%}, peak {growth.peak:+.0%}"


def forecast_sheet(forecasts: Mapping[str | None, Forecast], histories: Histories, timezone: str) -> Sheet:
    """Each day's highest step with its quantiles; JSON and CSV carry every step."""
    rows: list[tuple[object, ...]] = []
    levels = [float(level) for level in next(iter(forecasts.values())).quantiles.columns]
    for group, forecast in forecasts.items():
        for at, values in _daily_peaks(forecast.quantiles, levels[-1]).iterrows():
            rows.append((group or "all", clock(_moment(at), timezone), *(f"{value:.4g}" for value in values)))
    footer = [f"{group or 'all'}: {forecast.model}; {forecast.unit}" for group, forecast in forecasts.items()]
    for group, forecast in forecasts.items():
        footer += [f"{group or 'all'}: {line}" for line in _outlook_lines(forecast, histories[group], timezone)]
    footer += [f"{group or 'all'}: {note}" for group, forecast in forecasts.items() for note in forecast.notes]
    document = [_forecast_document(group, forecast) for group, forecast in forecasts.items()]
    columns = ("sales of", f"highest step of each day ({timezone})", *(f"q{level:g}" for level in levels))
    return Sheet("Forecast of sales", columns, rows, document, tuple(footer))


def _outlook_lines(forecast: Forecast, history: pd.Series, timezone: str) -> list[str]:
    """What a planner asks first: the next peak, how sure, and against last year."""
    peak = coming_peak(forecast)
    return [
        f"next peak {clock(peak.at, timezone)}: {peak.expected:.4g} at quantile {peak.expected_level:g}, "
        f"{peak.high:.4g} at {peak.high_level:g}",
        _growth_line("forecast", coming_growth(history, forecast)),
    ]


def forecast_rows(forecasts: Mapping[str | None, Forecast]) -> Sheet:
    """Every step of every forecast, for CSV."""
    levels = [float(level) for level in next(iter(forecasts.values())).quantiles.columns]
    rows = [
        (group or "all", rfc3339(_moment(at)), *(round(float(value), 6) for value in values))
        for group, forecast in forecasts.items()
        for at, values in forecast.quantiles.iterrows()
    ]
    return Sheet("", ("group", "start", *(f"{level:g}" for level in levels)), rows, None)


def backtest_sheet(result: Backtest, name: str) -> Sheet:
    """The scores of the forecast beside the seasonal naive's, and what they mean."""
    scores = result.scores
    rows = [
        (
            "MASE",
            f"{scores.mase:.3f}",
            f"{result.naive_mase:.3f}",
            "error over that of the seasonal naive before",
        ),
        ("sMAPE", f"{scores.smape:.1f}", "", "symmetric percentage error, 0 to 200"),
        ("WAPE", f"{scores.wape:.3f}", "", "absolute error over all sales"),
        ("WQL", f"{scores.wql:.3f}", "", "weighted quantile loss"),
        ("MSIS", f"{scores.msis:.2f}", "", "95 % interval: width and misses"),
    ]
    rows += [
        (f"coverage {level:g}", f"{share:.3f}", "", f"share of steps at or under quantile {level:g}")
        for level, share in scores.coverage.items()
        if level > 0.5
    ]
    low, high = result.skill_interval
    verdict = "better than" if low > 0 else "no worse than" if result.skill >= 0 else "worse than"
    naive = f"the seasonal naive of {result.season_length} steps"
    footer = (
        f"skill {result.skill:.3f} (95 % {low:.3f} to {high:.3f}): {verdict} {naive}",
        f"model at the last origin: {result.models[-1]}",
    )
    document = {
        "name": name,
        "skill": round(result.skill, 6),
        "skill_interval": [round(low, 6), round(high, 6)],
        "season_length": result.season_length,
        "naive_mase": round(result.naive_mase, 6),
        "mase": round(scores.mase, 6),
        "smape": round(scores.smape, 6),
        "wape": round(scores.wape, 6),
        "wql": round(scores.wql, 6),
        "msis": round(scores.msis, 6),
        "pinball": {f"{level:g}": round(loss, 6) for level, loss in scores.pinball.items()},
        "coverage": {f"{level:g}": round(share, 6) for level, share in scores.coverage.items()},
        "by_horizon": _records(result.by_horizon()),
        "in_events": _records(result.in_events()),
        "models": list(result.models),
    }
    return Sheet(f"Backtest of {name}", ("score", "forecast", "naive", "means"), rows, document, footer)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.reset_index().to_json(orient="records", double_precision=6))
    return rows


def plan_sheet(planned: Planned, config: Config) -> Sheet:
    """Peaks first: when, what demand, how many replicas, and why. The workload's column goes where there is but one."""
    plans = sorted(planned.plan.workloads, key=lambda plan: -plan.peak.replicas)
    each = max(1, ROWS // len(plans))
    rows = [(plan.label, *row) for plan in plans for row in _peak_rows(plan, config.timezone, each)]
    columns: tuple[str, ...] = ("workload", f"when ({config.timezone})", "sales/h", "cores", "GiB", "replicas", "why")
    level = ", ".join(sorted({f"{plan.peak.quantile_level:g}" for plan in plans}))
    title = f"Plan, peak first; demand at quantile {level}"
    if len(plans) == 1:
        title, rows, columns = f"{plans[0].label}: {title}", [row[1:] for row in rows], columns[1:]
    return Sheet(title, columns, rows, plan_document(planned.plan), _plan_footer(planned, plans))


def _plan_footer(planned: Planned, plans: list[WorkloadPlan]) -> tuple[str, ...]:
    audit = planned.audit
    footer = [
        f"data: {audit.source}, {audit.passed:,} of {audit.rows:,} rows good, score {audit.score:.4f}: {audit.verdict}",
        f"plan: from {rfc3339(plans[0].start)} until {rfc3339(planned.plan.valid_until)}",
    ]
    for plan in plans:
        prefix = f"{plan.label}: " if len(plans) > 1 else ""
        footer += [f"{prefix}{remark}" for remark in _remarks(plan)]
    return tuple(dict.fromkeys(footer))


def _forecast_document(group: str | None, forecast: Forecast) -> dict[str, Any]:
    quantiles = forecast.quantiles
    return {
        "group": group,
        "origin": rfc3339(forecast.origin),
        "step": round(forecast.step.total_seconds()),
        "unit": forecast.unit,
        "model": forecast.model,
        "notes": list(forecast.notes),
        "start": [rfc3339(_moment(at)) for at in quantiles.index],
        "quantiles": {
            f"{level:g}": [round(float(value), 6) for value in quantiles[level]] for level in quantiles.columns
        },
    }


def _daily_peaks(quantiles: pd.DataFrame, level: float) -> pd.DataFrame:
    index: Any = quantiles.index
    highest = quantiles[level].groupby(index.floor("D")).idxmax()
    return quantiles.loc[sorted(highest)]


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
            f"{sales * rate:,.1f}",
            f"{cores:.2f}",
            f"{size / GIB:.2f}",
            replicas,
            _why(plan, cores, size, replicas),
        )
        for at, sales, cores, size, replicas in peaks[:count]
    ]


def _other_days(plan: WorkloadPlan, demand: Demand) -> list[tuple[datetime, float, float, float, int]]:
    level, floor = plan.peak.quantile_level, floor_series(plan)
    sales, cpu, size = (part.at(level) for part in (demand.sales, demand.cpu, demand.memory))
    load = cpu if plan.binding == "cpu" else size
    index: Any = load.index
    days = load.groupby(index.floor("D")).idxmax()
    found = [(_moment(at), float(sales[at]), float(cpu[at]), float(size[at]), int(floor[at])) for at in days]
    return sorted(found, key=lambda peak: (-peak[4], -peak[1]))


def _why(plan: WorkloadPlan, cores: float, size: float, replicas: int) -> str:
    """The division that gave the replicas, or the bound that replaced it."""
    explain, resources = plan.explain, plan.resources
    if replicas == int(explain["floor"]):
        return f"static floor {replicas}"
    cpu, memory = resources["cpu_request_millicores"] / 1000, resources["memory_request_bytes"] / GIB
    load, request = (cores, cpu) if plan.binding == "cpu" else (size / GIB, memory)
    text = f"{plan.binding} {load:.2f} / ({request:g} x {float(explain['target_utilization']):g})"
    if replicas == plan.ceiling and explain["steps_above_ceiling"]:
        return f"CeilingReached: {text}"
    return f"{text}, {explain['zones']} zones" if explain["zones"] > 1 else text


def _remarks(plan: WorkloadPlan) -> list[str]:
    explain = plan.explain
    remarks = [f"model: {explain['model']}", *(f"note: {note}" for note in explain["notes"])]
    if plan.step >= DAY:
        remarks.append(f"note: in steps of {duration(plan.step)} the peak within the day is not known")
    if explain["steps_above_ceiling"]:
        remarks.append(
            f"note: the ceiling {plan.ceiling} cuts {explain['steps_above_ceiling']} steps, by up to "
            f"{explain['replicas_short_of_need']} replicas: utilization will pass {explain['target_utilization']:.0%}"
        )
    return remarks


def _moment(at: Any) -> datetime:
    moment: datetime = pd.Timestamp(at).to_pydatetime()
    return moment
