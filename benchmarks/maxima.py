"""Coverage of the highest step of a window, one series at a time: an hour, a day and a week ahead on public traces."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import find
from benchmarks.traces import TRACES, Trace
from capacity.forecast import forecast_sales, window_steps
from capacity.model.arrays import Array
from capacity.series.seasons import calendar_seasons
from capacity.stats import pinball

LEVELS = (0.5, 0.9, 0.95, 0.99)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
WINDOWS = {"1 h": HOUR, "24 h": DAY, "7 d": WEEK}
ORIGINS = 20  # of each trace, a window apart
ENOUGH = 20  # windows from which a trace is shown by itself


def judged(trace: Trace, series: pd.Series, window: timedelta, every: int) -> Array:
    """Whether the first window after each origin stayed under each quantile, and its loss: (windows, 2, levels)."""
    steps = window_steps(window, trace.step)
    values = series.to_numpy(dtype=np.float64)
    least = 3 * max(calendar_seasons(trace.step), default=1)
    rows = []
    for k in range(0, ORIGINS, every):
        end = len(values) - steps - k * max(steps, window_steps(min(DAY, window * 11), trace.step))
        actual = values[end : end + steps] if end >= least else np.empty(0)
        if not len(actual) or np.isnan(actual).any():
            continue
        known = series.iloc[:end].dropna()
        ahead = series.index[end - 1] - known.index[-1] + window
        maxima = forecast_sales(known, horizon=ahead, quantile_levels=LEVELS, window=window).maxima
        assert maxima is not None
        told, highest = maxima.loc[series.index[end]].to_numpy(dtype=np.float64), actual.max()
        scale = float(known.diff().abs().mean()) or 1.0
        rows.append([highest <= told, pinball(highest, told, np.array(LEVELS)) / scale])
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2, len(LEVELS))


def summed(rows: Array) -> dict[str, float]:
    """Windows, and coverage and mean pinball loss (over the mean change of a step) at each level."""
    answer: dict[str, float] = {"windows": len(rows)}
    for place, level in enumerate(LEVELS):
        answer[f"{level} coverage"] = round(float(rows[:, 0, place].mean()), 4)
        answer[f"{level} pinball"] = round(float(rows[:, 1, place].mean()), 4)
    return answer


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """Every window length over all traces whose step it holds, and each trace with enough windows by itself."""
    answer: dict[str, Any] = {}
    sought = {name: find(data, trace.path, f"maxima {name}") for name, trace in TRACES.items()}
    series = {name: TRACES[name].read(file) for name, file in sought.items() if file is not None}
    for label, window in WINDOWS.items():
        fitting = [name for name in series if TRACES[name].step <= window <= 400 * TRACES[name].step]
        found = {name: judged(TRACES[name], series[name], window, 5 if quick else 1) for name in fitting}
        found = {name: rows for name, rows in found.items() if len(rows)}
        if found:
            answer[label] = summed(np.concatenate(list(found.values())))
        answer |= {f"{label} {name}": summed(rows) for name, rows in found.items() if len(rows) >= ENOUGH}
    return answer
