"""Five hourly series, a day ahead from each of the last seven days, 20 days known, beside statsforecast and Prophet."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import find
from benchmarks.nab import mase
from benchmarks.peers import hourly_peers
from capacity.forecast import Setting, forecast_batch
from capacity.model.arrays import Array

HORIZON, CONTEXT, ORIGINS = 24, 20 * 24, 7
LEVELS = (0.025, 0.5, 0.95, 0.975)
SERIES = {
    "bikes": ("bike_sharing/hourly_rentals.csv.gz", "users"),
    "azure": ("dc_traces/azure_v2_2019_5min.csv.gz", "cpu_usage"),
    "google": ("dc_traces/google2019_5min.csv.gz", "avg_cpu"),
    "nasa": ("nasa_http/requests_per_minute_july.csv.gz", "requests"),
    "taxi": ("nab/realKnownCause/nyc_taxi.csv", "value"),
}


def read(path: Path, column: str) -> Array:
    """One file as hourly means of whole hours."""
    frame = pd.read_csv(path)
    times = frame.iloc[:, 0]
    index = pd.to_datetime(times, unit="s") if pd.api.types.is_numeric_dtype(times) else pd.to_datetime(times)
    hourly = pd.Series(frame[column].to_numpy(dtype=float), pd.DatetimeIndex(index)).resample("1h").mean()
    values: Array = hourly.to_numpy(dtype=np.float64)[:-1]
    return values


def windows(values: Array, every: int) -> tuple[Array, Array]:
    """Histories (windows, context) and actuals (windows, horizon) before the last days, one day apart."""
    ends = [len(values) - day * HORIZON for day in range(1, ORIGINS + 1, every)]
    return np.array([values[end - CONTEXT : end] for end in ends]), np.array(
        [values[end : end + HORIZON] for end in ends]
    )


def ours(history: Array) -> tuple[Array, Array]:
    """Median and 0.95 quantile (H,) each."""
    forecast = forecast_batch(history[None, :], Setting(timedelta(hours=1), HORIZON, LEVELS))
    return forecast.point[0], forecast.quantiles[0, :, LEVELS.index(0.95)]


def theirs(model: Any, history: Array) -> tuple[Array, Array]:
    """The same of a peer: the upper edge of its central 90 % interval is its 0.95 quantile."""
    known = pd.Series(history).interpolate().bfill().to_numpy(dtype=np.float64)
    answer = model.forecast(y=known, h=HORIZON, level=[90])
    return np.asarray(answer["mean"]), np.asarray(answer["hi-90"])


def score(histories: Array, actuals: Array, answers: list[tuple[Array, Array]]) -> tuple[float, float]:
    """Mean MASE, and mean pinball loss at 0.95 over MASE's scale."""
    point, upper = (np.stack(part) for part in zip(*answers, strict=True))
    scale = np.nanmean(np.abs(histories[:, 24:] - histories[:, :-24]), axis=1)
    short = actuals - upper
    loss = np.nanmean(np.maximum(0.95 * short, -0.05 * short), axis=1) / scale
    return float(mase(histories, actuals, point).mean()), float(loss.mean())


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """MASE of every series, geometric means of MASE and pinball loss, CPU time; `quick` takes each third day."""
    sought = {name: find(data, path, f"hourly {name}") for name, (path, _) in SERIES.items()}
    found = {name: path for name, path in sought.items() if path is not None}
    cut = {name: windows(read(path, SERIES[name][1]), 3 if quick else 1) for name, path in found.items()}
    answer: dict[str, Any] = {"series": len(cut), "days_each": len(range(1, ORIGINS + 1, 3 if quick else 1))}
    models = {"capacity": None, **hourly_peers()}
    for name, model in models.items():
        if model is None and name != "capacity":
            answer[name] = {"skipped": "not installed"}
            continue
        began, scores = time.process_time(), {}
        for series, (histories, actuals) in cut.items():
            answers = [ours(history) if model is None else theirs(model, history) for history in histories]
            scores[series] = score(histories, actuals, answers)
        spent = time.process_time() - began
        answer[name] = {
            "geometric_mase": float(np.exp(np.mean([np.log(value) for value, _ in scores.values()]))),
            "geometric_pinball_0.95": float(np.exp(np.mean([np.log(loss) for _, loss in scores.values()]))),
            **{f"mase {series}": value for series, (value, _) in scores.items()},
            "cpu_ms_per_forecast": 1000 * spent / sum(len(histories) for histories, _ in cut.values()),
        }
    return answer
