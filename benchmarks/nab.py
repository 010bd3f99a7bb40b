"""Numenta Anomaly Benchmark, real series made hourly: a day ahead from each of the last seven days, 35 days known.

The published gate counts 22 series; `series` says how many files here are long enough, and figures are of those alone.
"""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import BUNDLED
from capacity.forecast import Setting, forecast_batch
from capacity.model.arrays import Array

HORIZON, CONTEXT, ORIGINS = 24, 35 * 24, 7
LEVELS = (0.5, 0.9, 0.95, 0.99)


def read_hourly(path: Path) -> Array:
    """One file as hourly means; a missing hour is NaN."""
    frame = pd.read_csv(path, parse_dates=["timestamp"])
    hourly: Array = frame.set_index("timestamp")["value"].resample("1h").mean().to_numpy(dtype=np.float64)
    return hourly


def cuts(series: dict[str, Array]) -> tuple[list[str], Array, Array]:
    """Names, histories (windows, context) and actuals (windows, horizon) of the last days of every long series."""
    names, histories, actuals = [], [], []
    for name, values in series.items():
        for day in range(ORIGINS, 0, -1) if len(values) >= CONTEXT + ORIGINS * HORIZON else ():
            end = len(values) - day * HORIZON
            names.append(name)
            histories.append(values[end - CONTEXT : end])
            actuals.append(values[end : end + HORIZON])
    return names, np.array(histories), np.array(actuals)


def mase(histories: Array, actuals: Array, point: Array) -> Array:
    """Mean absolute error over the in-sample one of the daily seasonal naive: (windows,)."""
    scale = np.nanmean(np.abs(histories[:, 24:] - histories[:, :-24]), axis=1)
    return np.asarray(np.nanmean(np.abs(point - actuals), axis=1) / np.maximum(scale, 1e-12))


def daily_naive(histories: Array) -> Array:
    """Yesterday again, gaps from the day before."""
    day, before = histories[:, -24:], histories[:, -48:-24]
    return np.where(np.isnan(day), np.where(np.isnan(before), np.nanmean(histories, axis=1)[:, None], before), day)


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """MASE, coverage and CPU time over every series in `nab/` that is long enough; `quick` takes each third window."""
    paths = {path.stem: path for folder in (BUNDLED, data) for path in (folder / "nab").glob("real*/*.csv")}
    names, histories, actuals = cuts({name: read_hourly(path) for name, path in sorted(paths.items())})
    every = slice(None, None, 3 if quick else 1)
    names, histories, actuals = names[every], histories[every], actuals[every]
    began = time.process_time()
    forecasts = [forecast_batch(row[None, :], Setting(timedelta(hours=1), HORIZON, LEVELS)) for row in histories]
    spent = 1000 * (time.process_time() - began) / len(forecasts)
    point = np.concatenate([forecast.point for forecast in forecasts])
    quantiles = np.concatenate([forecast.quantiles for forecast in forecasts])
    scored, naive = mase(histories, actuals, point), mase(histories, actuals, daily_naive(histories))
    seen = ~np.isnan(actuals)
    return {
        "series": len(set(names)),
        "windows": len(names),
        "mase": float(scored.mean()),
        "mase_median": float(np.median(scored)),
        "seasonal_naive_mase": float(naive.mean()),
        "coverage": {str(level): float((actuals <= quantiles[:, :, k])[seen].mean()) for k, level in enumerate(LEVELS)},
        "mase_per_series": {name: float(scored[np.array(names) == name].mean()) for name in sorted(set(names))},
        "cpu_ms_per_series": spent,
    }
