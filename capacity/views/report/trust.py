"""The sections on trust: past forecasts, data quality, and service-level objectives."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup

from capacity.forecast.backtest import Backtest
from capacity.model import Forecast
from capacity.stats import nearest_level
from capacity.views.report.review import ReportData
from capacity.views.report.section import Section, Table, picture
from capacity.views.sheet import clock, duration, moment
from capacity.views.tables.status import KEPT, status_sheet

DRAWN = 2  # groups


def trust_section(review: ReportData) -> Section:
    """Skill and coverage of each group in words, and the calibration."""
    words: list[str] = []
    points: list[str] = []
    tables: list[Table] = []
    pictures: list[Markup] = []
    for group, result in review.backtests.items():
        name = group or "sales"
        if not isinstance(result, Backtest):
            points.append(f"{name}: the past could not be forecast: {result}")
            continue
        words.append(skill_sentence(name, result))
        if len(pictures) < DRAWN:
            from capacity.views.plots.forecast import plot_calibration

            pictures.append(picture(plot_calibration(result, review.timezone), f"calibration{len(pictures)}"))
            tables.append(_table(name, result))
    notes = [
        "The forecast was repeated from several past times with the data known then, and compared with what happened. "
        "It is better than repeating the previous season by as much as its error is smaller.",
        "95 of 100 steps should stay at or under the 0.95 quantile. A bar in the picture is the share of steps exactly "
        "at the quantile, such as hours without a sale; the line may cross it at any height.",
    ]
    return Section("How far to trust it", words or ["Not known yet."], points, tables, pictures, notes)


def skill_sentence(name: str, result: Backtest) -> str:
    """The skill against repeating the last season, and the coverage of the quantile that is planned for."""
    low, high = (100 * bound for bound in result.skill_interval)
    held = f"{100 * result.coverage[0.95]:.1f} %"
    better = "better" if result.skill >= 0 else "worse"
    sure = "" if low > 0 or high < 0 else ", which may be chance"
    weeks = len(result.models)
    return (
        f"Over the last {weeks} weeks the forecast of {name} was {abs(100 * result.skill):.0f} % {better} than "
        f"repeating the previous season ({low:.0f} to {high:.0f} %{sure}). {held} of "
        "steps stayed at or under the 0.95 quantile."
    )


def _table(name: str, result: Backtest) -> Table:
    rows = [
        (f"quantile {level:g}", f"{100 * level:g} %", f"{100 * share:.1f} %")
        for level, share in result.coverage.items()
        if level >= 0.9  # what plans are made at; lower ones are often exactly nothing, at night
    ]
    return Table((name, "level", "observed"), rows, frozenset({1, 2}))


def outcome_section(review: ReportData) -> Section | None:
    """Actual sales of the month against the forecast of its first day; None if there are no sales yet."""
    words, rows = [], []
    for group, sales in review.actual.items():
        forecast = review.forecasts.get(group)
        if review.request.month is None or not isinstance(forecast, Forecast) or not sales.notna().any():
            continue
        row = _outcome(sales.dropna(), forecast, review.timezone)
        rows.append((group or "sales", *row))
        words.append(
            f"{group or 'sales'}: {row[0]} actual, {row[1]} expected ({row[2]}). The highest step was {row[3]} on "
            f"{row[4]}; {row[5]} of the steps stayed at or under the highest quantile forecast."
        )
    if not words:
        return None
    head = ("", "came", "expected", "difference", "highest step", "on", "at or under")
    return Section("What came of it", words, (), [Table(head, rows, frozenset({1, 2, 3, 4, 6}))])


def _outcome(sales: pd.Series, forecast: Forecast, timezone: str) -> tuple[str, str, str, str, str, str]:
    quantiles = forecast.quantiles.reindex(sales.index).dropna()
    seen = sales.reindex(quantiles.index)
    levels = [float(level) for level in quantiles.columns]
    middle = nearest_level(levels)
    expected, total = float(quantiles.iloc[:, middle].sum()), float(seen.sum())
    share = float((seen <= quantiles.iloc[:, -1]).mean())
    change = f"{100 * (total / expected - 1):+.1f} %" if expected > 0 else ""
    top = clock(moment(seen.idxmax()), timezone)
    return f"{total:,.0f}", f"{expected:,.0f}", change, f"{seen.max():,.4g}", top, f"{100 * share:.1f} %"


LISTED = 8  # audits, the newest
MEANING = {"ok": "good", "warn": "usable, with a warning", "refuse": "not good enough to plan with"}


def quality_section(review: ReportData) -> Section:
    """The score in words, failures by rule, and the latest audits."""
    audit, timezone = review.audit, review.timezone
    words = [
        f"{audit.passed:,} of {audit.rows:,} rows of {audit.source} pass every rule ({100 * audit.score:.2f} %): "
        f"{MEANING[audit.verdict]}."
    ]
    if audit.first is not None and audit.last is not None:
        gaps = f"{audit.gaps:,} steps are gaps" if audit.gaps else "no step is missing"
        words.append(
            f"They cover {clock(audit.first, timezone)} to {clock(audit.last, timezone)} ({timezone}, "
            f"{duration(audit.last - audit.first)}); {gaps}."
        )
    rows = [
        (rule, f"{failed:,}", f"{100 * failed / audit.rows:.3f} %", audit.repaired.get(rule, 0))
        for rule, failed in audit.failures.items()
    ]
    tables = [Table(("rule", "failed", "share", "repaired"), rows, frozenset({1, 2, 3}))] if rows else []
    points = [f"{count:,} rows set aside, no orders at all: {rule}" for rule, count in audit.set_aside.items() if count]
    history = _history(review)
    return Section("What it rests on", words, points, [*tables, *history], (), audit.notes)


def _history(review: ReportData) -> list[Table]:
    kept = review.request.audits
    if kept is None or kept.audits.empty:
        return []
    own = kept.audits[kept.audits["source"] == review.audit.source].tail(LISTED)
    audits: list[Any] = own.to_dict("records")
    rows = [
        (
            clock(one["audited_at"].to_pydatetime(), review.timezone),
            f"{100 * one['score']:.2f} %",
            one["verdict"],
            f"{one['rows']:,}",
        )
        for one in audits
    ]
    return (
        [Table((f"audited ({review.timezone})", "score", "verdict", "rows"), rows, frozenset({1, 3}))] if rows else []
    )


COLUMNS = 6  # of the sheet: promise, target, value, kept, budget, source


def objectives_section(review: ReportData) -> Section | None:
    """How many objectives are met, missed or unknown; then each with its figure. None if no source is configured."""
    status = review.request.status
    if status is None or all(objective.value is None for objective in status.objectives):
        return None
    kept = [objective.kept for objective in status.objectives]
    broken = [objective.target.name for objective in status.objectives if objective.kept is False]
    named = f" ({', '.join(broken)})" if broken else ""
    words = [
        f"Of {len(kept)} objectives over the last {duration(status.window)}: met {kept.count(True)}, "
        f"missed {kept.count(False)}{named}, not known {kept.count(None)}."
    ]
    sheet = status_sheet(status, review.timezone)
    head = [name or "state" for name in sheet.columns[:COLUMNS]]
    notes = [f"{objective.target.name}: {objective.target.figure}" for objective in status.objectives]
    return Section("Whether objectives are met", words, (), [Table(head, sheet.rows, frozenset({1, 2, 4}))], (), notes)


def broken_objectives(review: ReportData) -> list[str]:
    """One line about each missed objective."""
    status = review.request.status
    broken = [] if status is None else [one.target.name for one in status.objectives if one.kept is False]
    return [f"The objective for {name} is {KEPT[False].lower()}: see below." for name in broken]
