"""One series at a time, the product's main path: skill over the seasonal naive and coverage on public traces."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from capacity.events import bridge_days, days_around, holiday_events
from capacity.forecast import Setting, forecast_batch, forecast_sales
from capacity.seasonality import calendar_seasons

Array = NDArray[np.float64]
LEVELS = (0.5, 0.9, 0.95, 0.99)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


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

    def read(self, data: Path) -> Array:
        """The values on a full grid, gaps as NaN."""
        frame = pd.read_csv(data / self.path)
        times = frame.iloc[:, 0]
        index = pd.to_datetime(times, unit="s") if pd.api.types.is_numeric_dtype(times) else pd.to_datetime(times)
        series = pd.Series(frame[self.column].to_numpy(dtype=float), pd.DatetimeIndex(index)).resample(self.step).mean()
        values: Array = series.to_numpy(dtype=np.float64)
        return values[: len(values) - self.drop]


RETAIL, AUGUST, END = (
    "online_retail/hourly_sales.csv.gz",
    "cloud_cluster/aug2024_5min.csv.gz",
    "cloud_cluster/aug26_31_1min.csv.gz",
)
WORLD_CUP, MINUTE, FIVE = "worldcup98/requests_per_minute.csv.gz", timedelta(minutes=1), timedelta(minutes=5)
TRACES = {
    "retail_hourly": Trace(RETAIL, "orders", HOUR, 14 * DAY, 14 * DAY, drop=12),
    "retail_daily": Trace("online_retail/daily_sales.csv", "orders", DAY, 28 * DAY, 14 * DAY, drop=1),
    "bikes_hourly": Trace("bike_sharing/hourly_rentals.csv.gz", "users", HOUR, 7 * DAY, 10 * DAY),
    "adventureworks_daily": Trace("adventureworks/daily_sales.csv", "orders", DAY, 14 * DAY, 14 * DAY, 24),
    "peyton_manning_daily": Trace(
        "wikipedia_pageviews/peyton_manning_daily.csv", "pageviews", DAY, 28 * DAY, 28 * DAY, 20
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


def measure(trace: Trace, values: Array, every: int = 1) -> dict[str, Any]:
    """Scores of one trace over its windows; the naive is the better one of day and week over the same windows."""
    steps, stride = int(trace.horizon / trace.step), int(trace.stride / trace.step)
    seasons = [season for season in calendar_seasons(trace.step) if 2 * season + steps + trace.origins <= len(values)]
    window = min(steps, max(1, round(DAY / trace.step)) if trace.step < DAY else steps)
    off, naive_off, covered, peaks, served = [], [], [], [], []
    began = time.process_time()
    for k in range(0, trace.origins, every):
        end = len(values) - steps - k * stride
        actual = values[end : end + steps]
        if end < 2 * seasons[0] or np.isnan(actual).mean() > 0.5:
            continue
        forecast = forecast_batch(values[None, :end], Setting(trace.step, steps, LEVELS, windows=(window,)))
        off.append(np.nanmean(np.abs(forecast.point[0] - actual)))
        naive_off.append([np.nanmean(np.abs(_naive(values[:end], season, steps) - actual)) for season in seasons])
        covered.append((actual[:, None] <= forecast.quantiles[0])[~np.isnan(actual)].mean(axis=0))
        peaks.append(_peaks_covered(actual, forecast.maxima[window][0], window))
        served.append(forecast.models[0])
    best = float(np.mean(naive_off, axis=0).min())
    return {
        "windows": len(off),
        "skill": 1 - float(np.mean(off)) / best,
        "coverage": dict(zip(map(str, LEVELS), np.mean(covered, axis=0).round(4).tolist(), strict=True)),
        "peaks_covered": np.concatenate(peaks).sum(axis=0).tolist(),
        "peaks": len(np.concatenate(peaks)),
        "seasonal_naive_served": sum(model.startswith("seasonal naive") for model in served),
        "cpu_ms_per_forecast": 1000 * (time.process_time() - began) / len(off),
    }


def _naive(known: Array, season: int, steps: int) -> Array:
    """The last season again, gaps filled with the mean."""
    last = known[len(known) - season :][np.arange(steps) % season] if len(known) >= season else np.full(steps, np.nan)
    return np.where(np.isnan(last), np.nanmean(known), last)


def _peaks_covered(actual: Array, maxima: Array, window: int) -> NDArray[np.bool_]:
    """For each whole window without gaps, whether its highest step stayed under each quantile: (windows, levels)."""
    highest = actual[: len(maxima) * window].reshape(len(maxima), window).max(axis=1)
    whole = ~np.isnan(highest)
    return np.asarray(highest[whole, None] <= maxima[whole])


def taxi_over_the_holidays(data: Path, every: int = 1) -> dict[str, float]:
    """A day ahead, 20 December to 30 January (Christmas, New Year, the blizzard), with and without holidays."""
    zone = ZoneInfo("America/New_York")
    frame = pd.read_csv(data / "nab" / "realKnownCause" / "nyc_taxi.csv")
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
    found = {name: trace for name, trace in TRACES.items() if (data / trace.path).exists()}
    answer: dict[str, Any] = {name: measure(trace, trace.read(data), every) for name, trace in found.items()}
    peaks = sum(result["peaks"] for result in answer.values())
    covered = np.sum([result["peaks_covered"] for result in answer.values()], axis=0) / max(peaks, 1)
    skills = [result["skill"] for result in answer.values()]
    answer["all"] = {
        "peak_coverage": dict(zip(map(str, LEVELS), covered.round(4).tolist(), strict=True)),
        "peaks": peaks,
        "geometric_mean_error_ratio": float(np.exp(np.mean(np.log1p(-np.array(skills))))),
        "worst_skill": min(skills),
    }
    answer["nyc_taxi_holidays"] = taxi_over_the_holidays(data, every)
    return answer
