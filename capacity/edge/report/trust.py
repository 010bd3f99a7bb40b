"""How far to trust it: what the last weeks' forecasts would have been worth; and what came, where a month is past."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from capacity.backtest import Backtest
from capacity.domain import Forecast
from capacity.edge.report.review import ORIGINS, Review
from capacity.edge.report.section import Section, Table, picture
from capacity.edge.screen import clock, moment
from capacity.stats import nearest_level

DRAWN = 2  # groups


def trust_section(review: Review) -> Section:
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
            from capacity.edge.plots import plot_calibration

            pictures.append(picture(plot_calibration(result, review.timezone), f"calibration{len(pictures)}"))
            tables.append(_table(name, result))
    notes = [
        f"From each of {ORIGINS} origins in the past the forecast was made again, knowing nothing later, and held "
        "against what came. Skill: by how much its error is below that of repeating the last season as it was.",
        "Quantile 0.95: the amount that 95 of 100 steps should stay at or under. In the picture a bar is the share of "
        "steps exactly at the quantile, such as hours without a sale: the line may cross it anywhere.",
    ]
    return Section("How far to trust it", words or ["Not known yet."], points, tables, pictures, notes)


def skill_sentence(name: str, result: Backtest) -> str:
    """Better or worse than repeating the last season, and whether the quantile that is planned for kept its word."""
    low, high = (100 * bound for bound in result.skill_interval)
    held = f"{100 * result.coverage[0.95]:.1f} %"
    better = "better" if result.skill >= 0 else "worse"
    sure = "" if low > 0 or high < 0 else ", which may be chance"
    return (
        f"Over the last {ORIGINS} weeks the forecast of {name} was {abs(100 * result.skill):.0f} % {better} than "
        f"repeating the season before ({low:.0f} to {high:.0f} %{sure}). {held} of "
        "steps stayed at or under the quantile that promises 95 %."
    )


def _table(name: str, result: Backtest) -> Table:
    rows = [
        (f"quantile {level:g}", f"{100 * level:g} %", f"{100 * share:.1f} %")
        for level, share in result.coverage.items()
        if level >= 0.9  # what plans are made at; lower ones are often exactly nothing, at night
    ]
    return Table((name, "promised", "came true"), rows, frozenset({1, 2}))


def outcome_section(review: Review) -> Section | None:
    """What came in the month against what was forecast on its first day; None where nothing came yet."""
    words, rows = [], []
    for group, sales in review.came.items():
        forecast = review.forecasts.get(group)
        if review.question.month is None or not isinstance(forecast, Forecast) or not sales.notna().any():
            continue
        row = _outcome(sales.dropna(), forecast, review.timezone)
        rows.append((group or "sales", *row))
        words.append(
            f"{group or 'sales'}: {row[0]} came, {row[1]} were expected ({row[2]}). The highest step was {row[3]} on "
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
