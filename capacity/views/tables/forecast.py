"""Tables of seasonality, forecasts and backtests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from capacity.forecast.backtest import Backtest
from capacity.model import Forecast
from capacity.model.fields import rfc3339
from capacity.planning.orders import Histories
from capacity.series.growth import coming_growth, coming_peak, past_growth
from capacity.series.levels import find_shifts
from capacity.series.seasons import find_seasons, too_short_for, unproven_of
from capacity.views.sheet import Sheet, clock, moment


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
    return Sheet(f"Backtest of {name}", columns, _rows(result), _document(result, name), _footer(result))


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


def _footer(result: Backtest) -> tuple[str, str]:
    low, high = result.skill_interval
    verdict = "better than" if low > 0 else "no worse than" if result.skill >= 0 else "worse than"
    naive = f"the seasonal naive of {result.season_length} steps"
    return (
        f"skill {result.skill:.3f} (95 % {low:.3f} to {high:.3f}): {verdict} {naive}",
        f"model at the last origin: {result.models[-1]}",
    )


def _document(result: Backtest, name: str) -> dict[str, Any]:
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
