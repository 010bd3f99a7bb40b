"""Quantiles from the errors the model made on rolling origins: split conformal, scaled by the phase of the season."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.forecast.history import Array, History
from capacity.forecast.mstl import forecast_median, log_scale

ORIGINS = 6  # refits: enough errors for the 0.99 level, few enough to stay in seconds
SHRINK = 10.0  # pseudo-errors that pull a phase's scale towards the scale of all
SMALL_SAMPLE = 1.1  # origins share their history, so their errors understate the next one's


def calibrated_quantiles(history: History, steps: int, seasons: tuple[int, ...], levels: list[float]) -> pd.DataFrame:
    """Quantiles of sales over the coming steps, one column per level: the model plus its own past errors.

    Each phase of the shortest season has its own error scale (shrunk to the common one); the standardised errors of
    all origins give the quantiles, at rank ``ceil((n + 1) level)`` (Vovk, Gammerman and Shafer, 2005).
    """
    scale, cycle = log_scale(history), min(seasons, default=1)
    ahead = history.ahead(steps)
    median = np.log1p(np.expm1(forecast_median(history, steps, seasons)))
    errors, phases = _past_errors(history, steps, seasons, cycle)
    spread = _spread(errors, phases, cycle)
    shape = _ranked(errors / spread[phases], levels)  # (levels,)
    growth = _growth(steps, len(history.sales))
    widths = spread[history.wall_clock(ahead) % cycle][:, None] * growth[:, None] * shape[None, :]  # (steps, levels)
    values = np.expm1(median[:, None] + widths).clip(min=0.0) * scale
    return pd.DataFrame(np.maximum.accumulate(values, axis=1), index=ahead, columns=levels)


def _past_errors(
    history: History, steps: int, seasons: tuple[int, ...], cycle: int
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Actual minus forecast on the log scale at rolling origins, with the phase of each: two arrays (errors,)."""
    known = len(history.sales)
    reach = min(steps, max(1, known // (2 * ORIGINS)))
    errors, phases = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for back in range(ORIGINS, 0, -1):
        cut = known - back * reach
        if cut < max(2, 2 * max(seasons, default=1) + 1):
            continue
        past = history.until(cut)
        actual = np.log1p(history.sales.iloc[cut : cut + reach].to_numpy(dtype=float) / log_scale(past))
        errors.append(actual - forecast_median(past, reach, seasons))
        phases.append(history.wall_clock(history.index[cut : cut + reach]) % cycle)
    flat, where = np.concatenate(errors), np.concatenate(phases)
    kept = np.isfinite(flat)
    return (flat[kept], where[kept]) if kept.any() else _changes(history, cycle)


def _changes(history: History, cycle: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """Where the history is too short for origins: its own changes from step to step, both ways."""
    values = history.sales.dropna()
    change = np.abs(np.diff(np.log1p(values.to_numpy(dtype=float) / log_scale(history))))
    where = history.wall_clock(pd.DatetimeIndex(values.index[1:])) % cycle
    return np.concatenate([change, -change]), np.concatenate([where, where])


def _spread(errors: Array, phases: npt.NDArray[np.int64], cycle: int) -> Array:
    """Root mean square error of each phase, shrunk towards that of all: (cycle,), > 0."""
    common = float(np.mean(errors**2))
    counts = np.bincount(phases, minlength=cycle)
    sums = np.bincount(phases, weights=errors**2, minlength=cycle)
    return np.asarray(np.sqrt((sums + SHRINK * common) / (counts + SHRINK)) + 1e-12)


def _ranked(errors: Array, levels: list[float]) -> Array:
    ordered = np.sort(errors)
    ranks = [min(len(ordered), max(1, int(np.ceil((len(ordered) + 1) * level)))) - 1 for level in levels]
    offsets = ordered[ranks]
    above = np.array(levels) > 0.5
    return np.where(
        above, np.maximum(offsets * SMALL_SAMPLE, 0.0), np.where(np.isclose(levels, 0.5), 0.0, np.minimum(offsets, 0.0))
    )


def _growth(steps: int, known: int) -> Array:
    """Errors were measured over a part of the horizon: beyond it they grow with the square root of time."""
    reach = min(steps, max(1, known // (2 * ORIGINS)))
    return np.asarray(np.sqrt(np.maximum(1.0, np.arange(1, steps + 1) / reach)))
