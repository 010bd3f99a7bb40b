"""One series at a time, the product's main path: skill over the seasonal naive and coverage on public traces."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from benchmarks.datasets import SKIPPED, find
from capacity.forecast import forecast_sales, window_steps
from capacity.model.arrays import Array
from capacity.planning import planning_window
from capacity.series import bridge_days, calendar_seasons, days_around, holiday_events

LEVELS = (0.5, 0.9, 0.95, 0.99)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOWS = (HOUR, DAY)  # lead times whose windows' maxima are judged


@dataclass(frozen=True, slots=True)
class Trace:
    """One series and how it is cut: `origins` windows of `horizon`, the last ones, `stride` apart."""

    path: str
    column: str
    step: timedelta
    horizon: timedelta
    stride: timedelta
    origins: int = 12
    drop: int = 0  # last steps that are only partly filled

    def read(self, file: Path) -> pd.Series:
        """The values on a full grid, gaps as NaN; the local clock of the file is taken for UTC."""
        frame = pd.read_csv(file)
        times = frame.iloc[:, 0]
        index = pd.to_datetime(times, unit="s") if pd.api.types.is_numeric_dtype(times) else pd.to_datetime(times)
        series = pd.Series(frame[self.column].to_numpy(dtype=float), pd.DatetimeIndex(index)).resample(self.step).mean()
        return series.tz_localize("UTC").iloc[: len(series) - self.drop]


RETAIL, AUGUST, END = (
    "online_retail/hourly_sales.csv.gz",
    "cloud_cluster/aug2024_5min.csv.gz",
    "cloud_cluster/aug26_31_1min.csv.gz",
)
WORLD_CUP, MINUTE, FIVE = "worldcup98/requests_per_minute.csv.gz", timedelta(minutes=1), timedelta(minutes=5)
TAXI = "nab/realKnownCause/nyc_taxi.csv"
TRACES = {
    "retail_hourly": Trace(RETAIL, "orders", HOUR, 14 * DAY, 14 * DAY, drop=12),
    "retail_daily": Trace("online_retail/daily_sales.csv", "orders", DAY, 28 * DAY, 14 * DAY, drop=1),
    "retail_daily_quarter_ahead": Trace("online_retail/daily_sales.csv", "orders", DAY, 90 * DAY, 30 * DAY, 8, drop=1),
    "bikes_hourly": Trace("bike_sharing/hourly_rentals.csv.gz", "users", HOUR, 7 * DAY, 10 * DAY),
    "adventureworks_daily": Trace("adventureworks/daily_sales.csv", "orders", DAY, 14 * DAY, 14 * DAY, 24),
    "peyton_manning_daily": Trace(
        "wikipedia_pageviews/peyton_manning_daily.csv", "pageviews", DAY, 28 * DAY, 28 * DAY, 20
    ),
    "bikes_daily_quarter_ahead": Trace("bike_sharing/hourly_rentals.csv.gz", "users", DAY, 90 * DAY, 30 * DAY, 8),
    "peyton_manning_daily_quarter_ahead": Trace(
        "wikipedia_pageviews/peyton_manning_daily.csv", "pageviews", DAY, 90 * DAY, 90 * DAY, 10
    ),
    "worldcup_minutes_hour_ahead": Trace(WORLD_CUP, "requests", MINUTE, HOUR, 11 * HOUR, 20),
    "worldcup_minutes_day_ahead": Trace(WORLD_CUP, "requests", MINUTE, DAY, DAY, 10),
    "worldcup_hourly": Trace(WORLD_CUP, "requests", HOUR, DAY, DAY, 20, drop=1),
    "nasa_5min": Trace("nasa_http/requests_per_minute_july.csv.gz", "requests", FIVE, DAY, DAY, drop=1),
    "azure_5min": Trace("dc_traces/azure_v2_2019_5min.csv.gz", "cpu_usage", FIVE, DAY, DAY, 10),
    "google_5min": Trace("dc_traces/google2019_5min.csv.gz", "avg_cpu", FIVE, DAY, DAY, 10),
    "cluster2_5min": Trace(AUGUST, "cluster2", FIVE, DAY, DAY, 8),
    "cluster9_5min": Trace(AUGUST, "cluster9", FIVE, DAY, DAY, 8),
    **{f"cluster{n}_1min": Trace(END, f"cluster{n}", MINUTE, 4 * HOUR, 3 * HOUR, 10) for n in (10, 12, 15, 18)},
}


def measure(trace: Trace, series: pd.Series, every: int = 1) -> dict[str, Any]:
    """Scores of one trace over its windows; the naive is the better one of day and week over the same windows."""
    steps, stride = int(trace.horizon / trace.step), int(trace.stride / trace.step)
    values: Array = series.to_numpy(dtype=np.float64)
    seasons = [season for season in calendar_seasons(trace.step) if 2 * season + steps + trace.origins <= len(values)]
    off, naive_off, covered, served, spent = [], [], [], [], 0.0
    peaks: dict[timedelta, list[Array]] = {length: [] for length in WINDOWS}
    for k in range(0, trace.origins, every):
        end = len(values) - steps - k * stride
        actual = series.iloc[end : end + steps]
        if end < 2 * seasons[0] or actual.isna().mean() > 0.5:
            continue
        known = series.iloc[:end].dropna()
        ahead = series.index[end - 1] - known.index[-1] + trace.horizon
        for length in WINDOWS:
            window = planning_window(length, timedelta(0), trace.step)
            began = time.process_time()
            forecast = forecast_sales(known, horizon=ahead, quantile_levels=LEVELS, window=window)
            spent += (time.process_time() - began) / len(WINDOWS)
            peaks[length].append(_covered(forecast.maxima, actual, window_steps(window, trace.step)))
        off.append((forecast.at(0.5).reindex(actual.index) - actual).abs().mean())
        naive_off.append([np.nanmean(np.abs(_naive(values[:end], season, steps) - actual)) for season in seasons])
        covered.append(_covered(forecast.quantiles, actual, 1))
        served.append(forecast.model)
    best = float(np.mean(naive_off, axis=0).min())
    return {
        "windows": len(off),
        "skill": 1 - float(np.mean(off)) / best,
        "coverage": _by_level(covered),
        **{f"maxima {window / HOUR:g} h": _by_level(shares) for window, shares in peaks.items()},
        "seasonal_naive_served": sum(model.startswith("seasonal naive") for model in served),
        "cpu_ms_per_forecast": 1000 * spent / len(off),
    }


def _by_level(shares: Sequence[Array]) -> dict[str, float]:
    mean = np.nanmean(np.array(shares), axis=0)
    return {str(level): round(float(share), 4) for level, share in zip(LEVELS, mean, strict=True)}


def _naive(known: Array, season: int, steps: int) -> Array:
    """The last season again, gaps filled with the mean."""
    last = known[len(known) - season :][np.arange(steps) % season] if len(known) >= season else np.full(steps, np.nan)
    return np.where(np.isnan(last), np.nanmean(known), last)


def _covered(quantiles: pd.DataFrame | None, actual: pd.Series, window: int) -> Array:
    """The share of windows without gaps whose highest actual stayed under each quantile: (levels,)."""
    assert quantiles is not None
    whole = min(window, len(actual))
    highest = actual.iloc[::-1].rolling(whole, min_periods=whole).max().iloc[::-1].dropna()
    if highest.empty:
        return np.full(len(LEVELS), np.nan)
    under = highest.to_numpy()[:, None] <= quantiles.reindex(highest.index).to_numpy()
    return np.asarray(under.mean(axis=0))


def taxi_over_the_holidays(file: Path, every: int = 1) -> dict[str, float]:
    """A day ahead, 20 December to 30 January (Christmas, New Year, the blizzard), with and without holidays."""
    zone = ZoneInfo("America/New_York")
    frame = pd.read_csv(file)
    local = pd.DatetimeIndex(pd.to_datetime(frame["timestamp"])).tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    series = pd.Series(frame["value"].to_numpy(dtype=float), local)[local.notna()].tz_convert("UTC")
    hourly = series.resample("1h").sum(min_count=2)
    holidays = holiday_events(["US"], hourly.index[0].to_pydatetime(), hourly.index[-1].to_pydatetime(), str(zone))
    known = [*holidays, *days_around(holidays, str(zone)), *bridge_days(holidays, str(zone))]
    errors: dict[str, list[float]] = {
        "mase_without_holidays": [],
        "mase_with_holidays": [],
        "mase_with_days_around": [],
    }
    for origin in pd.date_range("2014-12-20", "2015-01-30", freq=every * DAY, tz=zone).tz_convert("UTC"):
        past, actual = hourly[: origin - HOUR], hourly[origin : origin + 23 * HOUR]
        scale = float(past.diff(24).abs().mean())
        for name, events in zip(errors, ([], holidays, known), strict=True):
            point = forecast_sales(past, horizon=DAY, events=events, timezone=str(zone)).at(0.5)
            errors[name].append(float((point - actual).abs().mean()) / scale)
    return {name: float(np.mean(values)) for name, values in errors.items()}


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """Every trace that is there, the coverage of window maxima over all of them, and the taxi's holidays."""
    every = 4 if quick else 1
    found = {name: find(data, trace.path, f"traces {name}") for name, trace in TRACES.items()}
    answer: dict[str, Any] = {
        name: measure(TRACES[name], TRACES[name].read(file), every) for name, file in found.items() if file is not None
    }
    skills = [result["skill"] for result in answer.values()]
    answer["all"] = {
        **{
            name: {
                str(level): round(float(np.mean([row[name][str(level)] for row in answer.values()])), 4)
                for level in LEVELS
            }
            for name in ("coverage", *(f"maxima {window / HOUR:g} h" for window in WINDOWS))
        },
        "geometric_mean_error_ratio": float(np.exp(np.mean(np.log1p(-np.array(skills))))),
        "worst_skill": min(skills),
    }
    answer |= {name: SKIPPED for name, file in found.items() if file is None}
    taxi = find(data, TAXI, "traces nyc_taxi_holidays")
    answer["nyc_taxi_holidays"] = SKIPPED if taxi is None else taxi_over_the_holidays(taxi, every)
    return answer
