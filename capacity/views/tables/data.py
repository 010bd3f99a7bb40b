"""Tables of data: an audit and audits over time, seasonality, forecasts and backtests."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from capacity.forecast.backtest import Backtest
from capacity.model import Forecast
from capacity.model.fields import rfc3339
from capacity.planning.orders import Histories, source_document
from capacity.quality import Audit
from capacity.quality.report import AuditHistory
from capacity.series.growth import coming_growth, coming_peak, past_growth
from capacity.series.levels import find_shifts
from capacity.series.seasons import find_seasons, too_short_for, unproven_of
from capacity.views.sheet import Sheet, clock, count, duration, moment

SPARSE = 0.5  # of the usual rows of a step: below, the step is named as incomplete
MOST_NAMED = 5  # incomplete steps that the table names; the JSON has them all


def audit_sheet(audit: Audit, now: datetime, quarantine: str | None) -> Sheet:
    """Failures by rule, the score, and how fresh the newest row is."""
    rows: list[tuple[object, ...]] = [
        (rule, failed, f"{100 * failed / audit.rows:.4f} %", audit.repaired.get(rule, 0))
        for rule, failed in audit.failures.items()
    ]
    title = f"Audit of {audit.source}" + (f", owner {audit.owner}" if audit.owner else "")
    columns = ("rule", "failed", "share", "repaired")
    return Sheet(title, columns, rows, _document(audit, now, quarantine), tuple(_footer(audit, now, quarantine)))


def _document(audit: Audit, now: datetime, quarantine: str | None) -> dict[str, Any]:
    return {
        **source_document(audit),
        "row_verdict": audit.row_verdict,
        "safe_to_plan": audit.safe_to_plan,
        "owner": audit.owner,
        "quarantined": audit.quarantined,
        "quarantine": quarantine,
        "failures": audit.failures,
        "repaired": audit.repaired,
        "set_aside": audit.set_aside,
        "gaps": audit.gaps,
        "quality": {"warn_below": audit.quality.warn_below, "refuse_below": audit.quality.refuse_below},
        "findings": [
            {"rule": finding.rule, "severity": finding.severity, "message": finding.message}
            for finding in audit.findings
        ],
        "columns": audit.columns,
        "counts": [_count(count) for count in audit.counts],
        "figures": audit.figures(now),
        "notes": list(audit.notes),
    }


def history_sheet(history: AuditHistory) -> Sheet:
    """One line per audit, oldest first, and where the score is going."""
    audits: list[Any] = history.audits.to_dict("records")
    columns = ("audited", "source", "score", "verdict", "rows", "quarantined", "repaired", "worst rule")
    footer = [*_trend(audits), *(f"{name} is no whole audit and was left out" for name in history.broken)]
    return Sheet("Audits", columns, list(map(_past_row, audits)), list(map(_past_document, audits)), tuple(footer))


def _past_row(audit: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{audit['audited_at']:%Y-%m-%d %H:%M}Z",
        audit["source"],
        f"{100 * audit['score']:.4f} %",
        audit["verdict"],
        f"{audit['rows']:,}",
        f"{audit['rows'] - audit['passed']:,}",
        f"{audit['repaired']:,}",
        _worst(audit["failures"]),
    )


def _past_document(audit: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("source", "owner", "verdict", "score", "rows", "passed", "set_aside", "repaired")
    return {
        "audited_at": rfc3339(audit["audited_at"].to_pydatetime()),
        **{key: audit[key] for key in kept},
        "failures": json.loads(audit["failures"]),
        "reasons": list(audit["reasons"]),
    }


def _footer(audit: Audit, now: datetime, quarantine: str | None) -> list[str]:
    footer = [
        f"{audit.passed:,} of {audit.rows:,} rows pass every rule: score {100 * audit.score:.4f} %, {audit.verdict}"
    ]
    footer += [f"{count(rows, 'row')} set aside: {rule}" for rule, rows in audit.set_aside.items() if rows]
    footer += [*_times(audit, now), *(f"read {form}" for form in audit.read), *_sparse(audit)]
    footer += [f"{finding.severity}: {finding.message}" for finding in audit.findings]
    footer += [f"note: {note}" for note in audit.notes]
    if quarantine is not None:
        footer.append(f"{count(audit.quarantined, 'row')} quarantined in {quarantine}")
    return footer


def _times(audit: Audit, now: datetime) -> list[str]:
    """From when to when there are rows, how old the newest is, and how late rows come."""
    times = []
    if audit.first is not None and audit.last is not None:
        gaps = "1 step is a gap" if audit.gaps == 1 else f"{audit.gaps:,} steps are gaps"
        times.append(f"from {rfc3339(audit.first)} to {rfc3339(audit.last)}; {gaps}")
        ahead = audit.last > now
        times.append(f"the newest row is {duration(abs(now - audit.last))} {'ahead of the clock' if ahead else 'old'}")
    if audit.latency is not None:
        late = audit.latency
        spans = (duration(late.median), duration(late.p95), duration(late.highest))
        times.append("available after {} (median), {} (95 %), {} at most".format(*spans))
    return times


def _sparse(audit: Audit) -> list[str]:
    """The newest steps that have far fewer rows than is usual, but for the last, which may still be filling."""
    sparse = [count for count in audit.counts[:-1] if count.completeness is not None and count.completeness < SPARSE]
    lines = [
        f"step {rfc3339(count.start)}: {count.rows} rows, {count.usual:g} are usual" for count in sparse[:MOST_NAMED]
    ]
    if len(sparse) > MOST_NAMED:
        lines.append(f"and {len(sparse) - MOST_NAMED} more of the newest steps have less than half of their rows")
    return lines


def _count(count: Any) -> dict[str, Any]:
    return {
        "start": rfc3339(count.start),
        "rows": count.rows,
        "passed": count.passed,
        "usual": count.usual,
        "completeness": count.completeness,
    }


def _worst(failures: str) -> str:
    counts: dict[str, int] = json.loads(failures)
    rule = max(counts, key=counts.__getitem__, default="")
    return f"{rule} {counts[rule]:,}" if rule and counts[rule] else "-"


def _trend(audits: list[Any]) -> list[str]:
    """Per source: how often which verdict, and the mean score of the later half beside the earlier one."""
    lines = []
    for source in sorted({audit["source"] for audit in audits}):
        own = [audit for audit in audits if audit["source"] == source]
        verdicts = Counter(audit["verdict"] for audit in own)
        summary = ", ".join(
            f"{verdicts[verdict]} {verdict}" for verdict in ("ok", "warn", "refuse") if verdicts[verdict]
        )
        lowest = min(audit["score"] for audit in own)
        line = f"{source}: {count(len(own), 'audit')}: {summary}; lowest score {100 * lowest:.4f} %"
        if len(own) >= 2:
            half = len(own) // 2
            early, late = (
                sum(audit["score"] for audit in part) / len(part) for part in (own[:half], own[len(own) - half :])
            )
            line += f"; earlier half {100 * early:.4f} %, later half {100 * late:.4f} %"
        lines.append(line)
    return lines


def seasons_sheet(sales: pd.Series, group: str | None, timezone: str, holidays: Sequence[str] = ()) -> Sheet:
    """Which cycles are real and how strong, since when the level, and growth against the year before."""
    seasons, shifts, short = find_seasons(sales), find_shifts(sales), too_short_for(sales)
    growth = past_growth(sales, holidays)
    rows = [(season.name, season.season_length, f"{season.strength:.2f}") for season in seasons]
    footer = [] if seasons else ["no cycle stands out of the noise (strength 0.3; white noise scores 0.15 to 0.22)"]
    footer += [f"history: {words}" for words in unproven_of(sales)]
    footer += [f"level x {shift.ratio:.2f} since {clock(shift.at, timezone)}" for shift in shifts]
    footer.append(f"growth over the last 28 days: {growth.words}")
    document = {
        "group": group,
        "seasons": [dataclasses.asdict(season) for season in seasons],
        "too_short_for": list(short),
        "shifts": [{"at": rfc3339(shift.at), "before": shift.before, "after": shift.after} for shift in shifts],
        "growth": {key: getattr(growth, key) for key in ("change", "low", "high", "reason")},
    }
    title = f"Seasonality of {group or 'sales'}"
    return Sheet(title, ("cycle", "steps", "strength"), rows, document, tuple(footer))


NOTHING = 1e-4  # of the highest value: a person reads less as zero, and 7.736e-05 as noise; JSON and CSV keep it


def forecast_sheet(
    forecasts: Mapping[str | None, Forecast],
    histories: Histories,
    timezone: str,
    holidays_of: Callable[[str | None], Sequence[str]],
) -> Sheet:
    """Each day's highest step with its quantiles; JSON and CSV carry every step."""
    rows: list[tuple[object, ...]] = []
    levels = [float(level) for level in next(iter(forecasts.values())).quantiles.columns]
    for group, forecast in forecasts.items():
        least = NOTHING * float(forecast.quantiles.to_numpy().max())
        for at, values in _daily_peaks(forecast.quantiles, levels[-1]).iterrows():
            shown = (f"{value:.4g}" if value > least else "0" for value in values)
            rows.append((group or "all", clock(moment(at), timezone), *shown))
    footer = [f"{group or 'all'}: {forecast.model}; {forecast.unit}" for group, forecast in forecasts.items()]
    for group, forecast in forecasts.items():
        lines = _outlook_lines(forecast, histories[group], timezone, holidays_of(group))
        footer += [f"{group or 'all'}: {line}" for line in lines]
    footer += [f"{group or 'all'}: {note}" for group, forecast in forecasts.items() for note in forecast.notes]
    document = [_forecast_document(group, forecast) for group, forecast in forecasts.items()]
    columns = ("sales of", f"highest step of each day ({timezone})", *(f"q{level:g}" for level in levels))
    return Sheet("Forecast of sales", columns, rows, document, tuple(footer))


def _outlook_lines(forecast: Forecast, history: pd.Series, timezone: str, holidays: Sequence[str]) -> list[str]:
    """What a planner asks first: the next peak, how sure, and against last year."""
    peak = coming_peak(forecast)
    return [
        f"next peak {clock(peak.at, timezone)}: {peak.expected:.4g} at quantile {peak.expected_level:g}, "
        f"{peak.high:.4g} at {peak.high_level:g}",
        f"growth: {coming_growth(history, forecast, holidays).words}",
    ]


def forecast_rows(forecasts: Mapping[str | None, Forecast]) -> Sheet:
    """Every step of every forecast, for CSV."""
    levels = [float(level) for level in next(iter(forecasts.values())).quantiles.columns]
    rows = [
        (group or "all", rfc3339(moment(at)), *(round(float(value), 6) for value in values))
        for group, forecast in forecasts.items()
        for at, values in forecast.quantiles.iterrows()
    ]
    return Sheet("", ("group", "start", *(f"{level:g}" for level in levels)), rows, None)


def _forecast_document(group: str | None, forecast: Forecast) -> dict[str, Any]:
    quantiles = forecast.quantiles
    return {
        "group": group,
        "origin": rfc3339(forecast.origin),
        "step": round(forecast.step.total_seconds()),
        "unit": forecast.unit,
        "model": forecast.model,
        "notes": list(forecast.notes),
        "start": [rfc3339(moment(at)) for at in quantiles.index],
        "quantiles": {
            f"{level:g}": [round(float(value), 6) for value in quantiles[level]] for level in quantiles.columns
        },
    }


def _daily_peaks(quantiles: pd.DataFrame, level: float) -> pd.DataFrame:
    index: Any = quantiles.index
    highest = quantiles[level].groupby(index.floor("D")).idxmax()
    return quantiles.loc[sorted(highest)]


def backtest_sheet(result: Backtest, name: str) -> Sheet:
    """The scores of the forecast beside the seasonal naive's, and what they mean."""
    columns = ("score", "forecast", "naive", "means")
    return Sheet(
        f"Backtest of {name}", columns, _rows(result), _backtest_document(result, name), _backtest_footer(result)
    )


def _rows(result: Backtest) -> list[tuple[str, str, str, str]]:
    scores = result.scores
    return [
        ("MASE", f"{scores.mase:.3f}", f"{result.naive_mase:.3f}", "error / in-sample error of the seasonal naive"),
        ("sMAPE", f"{scores.smape:.1f}", "", "symmetric percentage error, 0 to 200"),
        ("WAPE", f"{scores.wape:.3f}", "", "absolute error / total sales"),
        ("WQL", f"{scores.wql:.3f}", "", "weighted quantile loss"),
        ("MSIS", f"{scores.msis:.2f}", "", "95 % interval: width and misses"),
        *(
            (f"coverage {level:g}", f"{share:.3f}", "", f"share of steps at or under quantile {level:g}")
            for level, share in scores.coverage.items()
            if level > 0.5
        ),
    ]


def _backtest_footer(result: Backtest) -> tuple[str, str]:
    low, high = result.skill_interval
    verdict = "better than" if low > 0 else "no worse than" if result.skill >= 0 else "worse than"
    naive = f"the seasonal naive of {result.season_length} steps"
    return (
        f"skill {result.skill:.3f} (95 % {low:.3f} to {high:.3f}): {verdict} {naive}",
        f"model at the last origin: {result.models[-1]}",
    )


def _backtest_document(result: Backtest, name: str) -> dict[str, Any]:
    scores = result.scores
    return {
        "name": name,
        "skill": round(result.skill, 6),
        "skill_interval": [round(bound, 6) for bound in result.skill_interval],
        "season_length": result.season_length,
        "naive_mase": round(result.naive_mase, 6),
        **{score: round(getattr(scores, score), 6) for score in ("mase", "smape", "wape", "wql", "msis")},
        "pinball": {f"{level:g}": round(loss, 6) for level, loss in scores.pinball.items()},
        "coverage": {f"{level:g}": round(share, 6) for level, share in scores.coverage.items()},
        "by_horizon": _records(result.by_horizon()),
        "in_events": _records(result.in_events()),
        "models": list(result.models),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.reset_index().to_json(orient="records", double_precision=6))
    return rows
