"""Speed: 10,000 hourly series of 60 days, eight rolling origins, quantiles two days ahead, on one core."""

from __future__ import annotations

import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from capacity.forecast import Setting, forecast_batch
from capacity.model.arrays import Array

STEPS, HORIZON = 60 * 24, 48
SERIES, QUICK_SERIES = 10_000, 500


def made_up_fleet(series: int, rng: np.random.Generator) -> Array:
    """Counts with a daily and a weekly shape, a level and a trend of their own each: (series, STEPS)."""
    hours = np.arange(STEPS)
    day = 1 + 0.8 * np.sin(2 * np.pi * (hours / 24 + rng.random((series, 1))))
    week = 1 + 0.4 * np.sin(2 * np.pi * (hours / 168 + rng.random((series, 1))))
    level = np.exp(rng.normal(3, 1, (series, 1))) * (1 + rng.normal(0, 0.3, (series, 1)) * hours / STEPS).clip(0.1)
    return np.asarray(rng.poisson(level * day * week), dtype=np.float64)


def peak_rss_mib() -> float:
    """The most memory this process has held (Linux counts kibibytes, macOS bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def run(data: Path, quick: bool = False) -> dict[str, Any]:  # noqa: ARG001  # every benchmark takes the data's directory
    """Wall and CPU seconds and peak memory; `quick` forecasts 500 series."""
    series = QUICK_SERIES if quick else SERIES
    histories = made_up_fleet(series, np.random.default_rng(1))
    began, cpu = time.perf_counter(), time.process_time()
    forecast_batch(histories, Setting(timedelta(hours=1), HORIZON, origins=8))
    return {
        "series": series,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_rss_mib": peak_rss_mib(),
    }
