"""M4 Hourly: 414 series, the official last 48 hours, the competition's own metrics."""

from __future__ import annotations

import csv
import gzip
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import find
from benchmarks.peers import hourly_peers
from capacity.forecast import BatchForecast, Setting, forecast_batch, forecast_many
from capacity.model import Forecast, ForecastRequest
from capacity.model.arrays import Array

TRAIN, TEST = "m4_hourly/Hourly-train.csv.gz", "m4_hourly/Hourly-test.csv.gz"
HORIZON, SEASON = 48, 24
NAIVE2_SMAPE, NAIVE2_MASE = 18.383, 2.395  # published, Mcompetitions/M4-methods "Evaluation and Ranks.xlsx"
LEVELS = (0.025, 0.5, 0.9, 0.95, 0.975, 0.99)


def read(path: Path) -> list[Array]:
    """The rows of an M4 file, without id and header."""
    with gzip.open(path, "rt", newline="") as file:
        rows = [[cell for cell in row[1:] if cell] for row in csv.reader(file)]
    return [np.array(row, dtype=np.float64) for row in rows if row and row[0][0].isdigit()]


def right_aligned(rows: list[Array]) -> Array:
    """Histories of unequal length as one matrix that ends at the origin; what is before a series is NaN."""
    width = max(len(row) for row in rows)
    return np.stack([np.pad(row, (width - len(row), 0), constant_values=np.nan) for row in rows])


def mase_scale(histories: Array) -> Array:
    """The in-sample mean absolute error of the seasonal naive, per series (M4's MASE denominator)."""
    return np.asarray(np.nanmean(np.abs(histories[:, SEASON:] - histories[:, :-SEASON]), axis=1))


def scores(actual: Array, point: Array, scale: Array) -> dict[str, float]:
    """sMAPE, MASE and OWA as in M4."""
    miss = np.abs(actual - point)
    smape = float((200 * miss / (np.abs(actual) + np.abs(point))).mean())
    mase = float((miss.mean(axis=1) / scale).mean())
    return {"smape": smape, "mase": mase, "owa": (smape / NAIVE2_SMAPE + mase / NAIVE2_MASE) / 2}


def interval_scores(actual: Array, quantiles: Array, scale: Array) -> dict[str, float]:
    """MSIS and coverage of the central 95 % interval, as in M4; coverage of the upper quantiles."""
    low, high = quantiles[:, :, LEVELS.index(0.025)], quantiles[:, :, LEVELS.index(0.975)]
    penalty = 2 / 0.05 * (np.maximum(low - actual, 0) + np.maximum(actual - high, 0))
    upper = {
        f"coverage_q{level}": float((actual <= quantiles[:, :, place]).mean()) for place, level in enumerate(LEVELS)
    }
    return {
        "msis": float(((high - low + penalty).mean(axis=1) / scale).mean()),
        "cov95": float(((actual >= low) & (actual <= high)).mean()),
        **{name: upper[name] for name in ("coverage_q0.9", "coverage_q0.95", "coverage_q0.99")},
    }


def measure(histories: Array, actual: Array, global_layer: bool) -> dict[str, float]:
    """Forecast every series once; CPU time of calibration included."""
    setting = Setting(timedelta(hours=1), HORIZON, LEVELS, global_layer=global_layer, window=24)
    began = time.process_time()
    forecast: BatchForecast = forecast_batch(histories, setting)
    spent = 1000 * (time.process_time() - began) / len(histories)
    assert forecast.maxima is not None
    scale = mase_scale(histories)
    peak = actual.reshape(len(actual), -1, 24).max(axis=2)
    covered = {
        f"peak_coverage_q{level}": float((peak <= forecast.maxima[:, ::24, place]).mean())
        for place, level in enumerate(LEVELS)
        if level >= 0.9
    }
    return {
        **scores(actual, forecast.point, scale),
        **interval_scores(actual, forecast.quantiles, scale),
        **covered,
        "cpu_ms_per_series": spent,
    }


def measure_public(rows: list[Array], actual: Array) -> dict[str, float]:
    """The public path without a layer: each series with the seasons that it shows; the median is the point."""
    times = [pd.date_range("2024-01-01", periods=len(row), freq="h", tz="UTC") for row in rows]
    request = ForecastRequest(timedelta(hours=HORIZON), LEVELS)
    asked = {place: (pd.Series(row, times[place]), request) for place, row in enumerate(rows)}
    began = time.process_time()
    found = forecast_many(asked, global_layer=False)
    spent = 1000 * (time.process_time() - began) / len(rows)
    forecasts = [one for one in found.values() if isinstance(one, Forecast)]
    assert len(forecasts) == len(rows)
    quantiles = np.stack([one.quantiles.to_numpy(dtype=np.float64) for one in forecasts])
    scale = mase_scale(right_aligned(rows))
    return {
        **scores(actual, quantiles[:, :, LEVELS.index(0.5)], scale),
        **interval_scores(actual, quantiles, scale),
        "cpu_ms_per_series": spent,
    }


def measure_peers(histories: Array, actual: Array) -> dict[str, Any]:
    """Peers at their defaults on the same series, one process; those that are not installed are named."""
    ours = measure(histories, actual, global_layer=False)
    peers = hourly_peers()
    measured = {name: _measure_peer(peer, histories, actual) for name, peer in peers.items() if peer is not None}
    missing = {name: {"skipped": "not installed"} for name, peer in peers.items() if peer is None}
    return {"capacity": ours} | {name: row | ratios(row, ours) for name, row in measured.items()} | missing


def ratios(peer: dict[str, float], ours: dict[str, float]) -> dict[str, float]:
    """How many times ours a peer's error and cost are, measured in the same run."""
    return {f"{key}_over_ours": peer[key] / ours[key] for key in ("mase", "msis", "cpu_ms_per_series")}


def _measure_peer(model: Any, histories: Array, actual: Array) -> dict[str, float]:
    began = time.process_time()
    answers = [model.forecast(y=row[~np.isnan(row)], h=HORIZON, level=[95]) for row in histories]
    spent = 1000 * (time.process_time() - began) / len(histories)
    point, low, high = (np.stack([answer[key] for answer in answers]) for key in ("mean", "lo-95", "hi-95"))
    scale = mase_scale(histories)
    quantiles = np.stack([low, point, point, point, high, high], axis=2)  # in the order of LEVELS; only the band counts
    band = interval_scores(actual, quantiles, scale)
    return {
        **scores(actual, point, scale),
        "msis": band["msis"],
        "cov95": band["cov95"],
        "cpu_ms_per_series": spent,
    }


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """The official window, as a batch, with the global layer and by the public path; peers on every tenth series.

    `quick` takes every tenth series and no peers.
    """
    every = 10 if quick else 1
    train, test = find(data, TRAIN, "m4_hourly"), find(data, TEST, "m4_hourly")
    if train is None or test is None:
        return {}
    rows = read(train)[::every]
    histories = right_aligned(rows)
    actual = np.stack(read(test)[::every])
    answer: dict[str, Any] = {"series": len(histories), "default": measure(histories, actual, global_layer=False)}
    answer["public"] = measure_public(rows, actual)
    if not quick:
        answer["global"] = measure(histories, actual, global_layer=True)
        answer["peers"] = {"series": len(histories[::10]), **measure_peers(histories[::10], actual[::10])}
    return answer
