"""A quarter, half a year and a year ahead on daily series of two years and more, beside statsforecast and Prophet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import find
from benchmarks.peers import daily_peers
from capacity.forecast import forecast_sales
from capacity.model.arrays import Array

DAY, SEASON = timedelta(days=1), 7
DISTANCES = {"91": 91, "182": 182, "364": 364}  # days ahead
LEVELS = (0.025, 0.5, 0.95, 0.975)
LEAST_KNOWN = 365  # days before an origin
STRIDE = 61
ORIGINS = 6
SERIES = {
    "retail": ("online_retail/daily_sales.csv", "orders"),
    "bikes": ("bike_sharing/hourly_rentals.csv.gz", "users"),
    "adventureworks": ("adventureworks/daily_sales.csv", "orders"),
    "peyton_manning": ("wikipedia_pageviews/peyton_manning_daily.csv", "pageviews"),
}
Model = Callable[[pd.Series, int], tuple[Array, Array]]  # history, days -> median and 0.95 quantile of each day


def read(path: Path, column: str) -> pd.Series:
    """One file as whole days in UTC."""
    frame = pd.read_csv(path)
    index = pd.DatetimeIndex(pd.to_datetime(frame.iloc[:, 0]))
    daily = pd.Series(frame[column].to_numpy(dtype=float), index).resample("1D").sum(min_count=1)
    return daily.tz_localize("UTC").iloc[:-1]


def ours(history: pd.Series, days: int) -> tuple[Array, Array]:
    """Median and 0.95 quantile of each day."""
    forecast = forecast_sales(history, horizon=days * DAY, quantile_levels=LEVELS)
    return forecast.at(0.5).to_numpy(dtype=np.float64), forecast.at(0.95).to_numpy(dtype=np.float64)


def peer(model: Any) -> Model:
    """A peer of the same interface: the upper edge of its central 90 % interval is its 0.95 quantile."""

    def forecast(history: pd.Series, days: int) -> tuple[Array, Array]:
        answer = model.forecast(y=history.interpolate().bfill().to_numpy(dtype=np.float64), h=days, level=[90])
        return np.asarray(answer["mean"]), np.asarray(answer["hi-90"])

    return forecast


def naive(history: pd.Series, days: int) -> tuple[Array, Array]:
    """The last week again."""
    week = history.ffill().to_numpy(dtype=np.float64)[-SEASON:]
    again = week[np.arange(days) % SEASON]
    return again, again


def judged(model: Model, series: pd.Series, days: int, origins: int) -> list[tuple[float, float]]:
    """MASE and coverage of the 0.95 quantile from each origin, a stride apart, latest first."""
    rows = []
    for k in range(origins):
        end = len(series) - days - k * STRIDE
        if end < LEAST_KNOWN:
            break
        known, actual = series.iloc[:end], series.iloc[end : end + days].to_numpy(dtype=np.float64)
        point, upper = model(known, days)
        scale = float(known.diff(SEASON).abs().mean())
        seen = ~np.isnan(actual)
        rows.append((float(np.abs(point - actual)[seen].mean()) / scale, float((actual <= upper)[seen].mean())))
    return rows


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """Geometric mean of MASE over series, and coverage over all windows, for each distance; `quick`: two origins."""
    sought = {name: find(data, path, f"long_range {name}") for name, (path, _) in SERIES.items()}
    series = {name: read(file, SERIES[name][1]) for name, file in sought.items() if file is not None}
    peers = {name: model for name, model in daily_peers().items() if model is not None}
    models: dict[str, Model] = {"capacity": ours, "seasonal naive 7": naive, **{n: peer(m) for n, m in peers.items()}}
    answer: dict[str, Any] = {}
    for label, days in DISTANCES.items():
        rows = {
            name: [found for one in series.values() if (found := judged(model, one, days, 2 if quick else ORIGINS))]
            for name, model in models.items()
        }
        scored = {
            name: {
                "mase": float(np.exp(np.mean([np.log(np.mean([mase for mase, _ in found])) for found in parts]))),
                "coverage95": float(np.mean([covered for found in parts for _, covered in found])),
            }
            for name, parts in rows.items()
            if parts
        }
        if "capacity" in scored:
            mine = scored.pop("capacity")
            answer[label] = {"windows": sum(map(len, rows["capacity"])), **mine, "peers": scored}
    return answer
