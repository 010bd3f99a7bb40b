"""Load models: the time to learn 10,000 workloads of 28 days by hours, and how near they come to the truth."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.forecast_fleet import peak_rss_mib
from benchmarks.served import figures
from capacity.load.alignment import Grid
from capacity.load.estimation import Learned, learn_rows
from capacity.load.regression import LEVELS
from capacity.model.arrays import Array

HOURS, HELD_OUT = 28 * 24, 14 * 24
WORKLOADS, QUICK = 10_000, 500
HISTORIES, FEW = 400, 40  # whose throughput is learned
LAGS = (0, 1, 2)  # hours
NOISE = 0.1  # gamma, relative
SHOWN = (0.5, 0.9, 0.95, 0.99)


def made_up_sales(rng: np.random.Generator) -> pd.Series:
    """Orders by hours of six weeks, counts with a daily and a weekly shape."""
    steps = pd.date_range("2026-03-02", periods=HOURS + HELD_OUT, freq="h", tz="UTC")
    wave = 1 + 0.8 * np.sin((steps.hour.to_numpy() - 8) / 24 * 2 * np.pi)
    return pd.Series(rng.poisson(200 * wave * np.where(steps.day_of_week < 5, 1.0, 0.6)).astype(float), steps)


def made_up_usage(sales: pd.Series, truth: dict[str, NDArray[Any]], rng: np.random.Generator) -> Array:
    """Usage (workloads, hours): idle load and slope of each workload, its lag, a deploy for one in ten, noise."""
    lagged = np.stack([sales.shift(lag).bfill().to_numpy() for lag in LAGS])[truth["lag"]]
    after = np.arange(lagged.shape[1]) >= truth["deploy"][:, None]
    slope = truth["slope"][:, None] * np.where(after, 1.0, truth["before"][:, None])
    load = truth["base"][:, None] + slope * lagged
    return np.asarray(load * rng.gamma(1 / NOISE**2, NOISE**2, load.shape))


def made_up_truth(count: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """What each workload costs, when it was deployed (0: never) and what a sale cost before that, as a share."""
    deployed = rng.random(count) < 0.1
    return {
        "base": np.exp(rng.normal(0, 1, count)),
        "slope": np.exp(rng.normal(-4, 1, count)),
        "lag": rng.integers(0, len(LAGS), count),
        "deploy": np.where(deployed, rng.integers(HOURS // 4, 3 * HOURS // 4, count), 0),
        "before": np.where(deployed, rng.choice([0.6, 1.7], count), 1.0),
    }


def run(data: Path, quick: bool = False) -> dict[str, Any]:  # noqa: ARG001  # every benchmark takes the data's directory
    """CPU seconds, errors of slope and lag, deploys found, coverage on two weeks held out; `quick`: 500 workloads."""
    count, rng = QUICK if quick else WORKLOADS, np.random.default_rng(1)
    sales, truth = made_up_sales(rng), made_up_truth(count, rng)
    usage = made_up_usage(sales, truth, rng)
    past = sales.iloc[:HOURS]
    grid = Grid(past, timedelta(hours=1), pd.DatetimeIndex(past.index), "UTC")
    began = time.process_time()
    learned = list(learn_rows(grid, usage[:, :HOURS]))
    spent = time.process_time() - began
    slope = np.array([one.response.per_sale_per_hour for one in learned]) / truth["slope"] - 1
    lags = np.array([round(one.response.lag / timedelta(hours=1)) for one in learned])
    found = np.array([one.drift is not None for one in learned])
    deployed = truth["deploy"] > 0
    seen = np.abs(truth["slope"] * 200 * (1 - truth["before"])) > 0.25 * (truth["base"] + 200 * truth["slope"])
    return {
        "workloads": count,
        "cpu_seconds": spent,
        "peak_rss_mib": peak_rss_mib(),
        "slope_error_median": float(np.median(np.abs(slope))),
        "slope_error_p95": float(np.quantile(np.abs(slope), 0.95)),
        "slope_in_its_95_interval": _inside(learned, truth["slope"]),
        "lag_right": float((lags == truth["lag"]).mean()),
        "deploys_of_a_quarter_found": float(found[deployed & seen].mean()),
        "false_deploys": float(found[~deployed].mean()),
        "coverage_held_out": _coverage(learned, sales, usage),
        **figures(FEW if quick else HISTORIES, rng),
    }


def _inside(learned: list[Learned], slope: NDArray[Any]) -> float:
    ends = np.array([one.response.slope_interval for one in learned])
    return float(((ends[:, 0] <= slope) & (slope <= ends[:, 1])).mean())


def _coverage(learned: list[Learned], sales: pd.Series, usage: Array) -> dict[str, float]:
    """Share of held-out usage at or below each quantile of the load, its sales known."""
    places = [int(np.abs(LEVELS - level).argmin()) for level in SHOWN]
    below = np.zeros(len(SHOWN))
    for row, one in enumerate(learned):
        response = one.response
        rate = sales.shift(round(response.lag / timedelta(hours=1))).bfill().to_numpy()[HOURS:]
        load = response.base + response.per_sale_per_hour * rate
        spread = response.spread
        growth = (np.maximum(load, 0.05 * spread.typical) / spread.typical) ** spread.power
        below += [(usage[row, HOURS:] <= load + growth * spread.excess[place]).mean() for place in places]
    return {f"{level:g}": float(value) for level, value in zip(SHOWN, below / len(learned), strict=True)}
