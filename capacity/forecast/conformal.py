"""Calibrated quantiles: errors of the rolling origins, scaled by series, slot of the season and distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capacity.forecast.gate import Served
from capacity.forecast.origins import Origins
from capacity.forecast.setting import Array

POOLED = 0.7  # share of the pooled shape in each quantile; the rest is the series' own
SHRINK = 10.0  # errors' worth of the series' own scale in the scale of each slot
SLOTS = 24  # at most so many scales per season: minutes share theirs
LEVEL_POWER = 0.5  # between additive (0) and multiplicative (1) errors, as counts have it: near nominal on traces and M4
STEEPEST = 0.5  # errors grow with distance at most like a random walk's


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of the rolling origins made comparable: `shape` = (actual - past) / past_scale, NaN where unknown."""

    shape: Array  # (N, K, scored)
    past: Array  # (N, K, scored), what was forecast from each rolling origin
    past_scale: Array  # (N, K, scored)
    scale: Array  # (N, H), of the forecast from the real origin


def comparable_errors(served: Served, actuals: Array, origins: Origins, season_length: int) -> Errors:
    """Divide what came minus what was forecast by its usual size for this series, level, slot and distance."""
    scored = actuals.shape[2]
    level = _levels(served, scored)  # (N, K)
    surprise = (actuals - served.past) / level[:, :, None]
    groups = _groups(origins, season_length)  # (K + 1, H)
    scales = _slot_scales(surprise, groups[1:, :scored], int(groups.max()) + 1)  # (N, groups)
    growth = _growth(surprise, scales[:, groups[1:, :scored]], origins.horizon)  # (H,)
    past_scale = scales[:, groups[1:, :scored]] * growth[:scored] * level[:, :, None]
    return Errors((actuals - served.past) / past_scale, served.past, past_scale, scales[:, groups[0]] * growth)


def _levels(served: Served, scored: int) -> Array:
    """How high each past forecast stood, relative to the one from the real origin: errors grow with what is forecast."""
    now = served.point[:, :scored].mean(axis=1, keepdims=True)
    then = served.past.mean(axis=2)  # (N, K)
    tiny = 1e-3 * np.maximum(now, then.max(axis=1, keepdims=True)) + 1e-300
    return np.asarray(((then + tiny) / (now + tiny)) ** LEVEL_POWER)


def add_quantiles(point: Array, errors: Errors, levels: tuple[float, ...]) -> Array:
    """Quantiles around the point forecast (N, H): (N, H, Q), in order and not negative."""
    flat = errors.shape.reshape(len(point), -1)
    pooled = np.nanquantile(flat, levels)  # (Q,)
    own = np.nanquantile(flat, levels, axis=1).T  # (N, Q)
    offsets = (POOLED * pooled + (1 - POOLED) * own) * inflation(errors.shape.shape[1])
    quantiles = point[:, :, None] + errors.scale[:, :, None] * offsets[:, None, :]
    return np.maximum(np.maximum.accumulate(quantiles, axis=2), 0.0)


def inflation(origins: int) -> float:
    """Few windows see too little, so their quantiles are stretched: 8 windows by 1.25, 14 by 1.14 (M4 training windows)."""
    return 1.0 + 2.0 / max(origins, 2)


def _groups(origins: Origins, season_length: int) -> NDArray[np.intp]:
    position = (origins.ends[:, None] + np.arange(origins.horizon)) % season_length
    return np.asarray(position * min(SLOTS, season_length) // season_length)


def _slot_scales(surprise: Array, groups: NDArray[np.intp], count: int) -> Array:
    size = np.abs(surprise)
    overall = np.nanmean(size, axis=(1, 2))
    scales = np.empty((len(surprise), count))
    for group in range(count):
        here = size[:, groups == group]
        scales[:, group] = (np.nansum(here, axis=1) + SHRINK * overall) / ((~np.isnan(here)).sum(axis=1) + SHRINK)
    floor = 1e-9 * np.maximum(scales.max(axis=1, keepdims=True), 1e-300)
    return np.maximum(scales, floor)


def _growth(surprise: Array, scales: Array, horizon: int) -> Array:
    """How errors grow with distance, as a power between none and a random walk's, over all series: (H,)."""
    size = np.nanmean(np.abs(surprise) / scales, axis=(0, 1))  # (scored,)
    distance = np.arange(1, horizon + 1, dtype=np.float64)
    x = np.log(distance[: len(size)]) - np.log(distance[: len(size)]).mean()
    y = np.log(np.maximum(size, 1e-12))
    slope = float((x * (y - y.mean())).sum() / max((x * x).sum(), 1e-12))
    power = float(np.clip(slope, 0.0, STEEPEST))
    return np.asarray((distance / np.exp(np.log(distance[: len(size)]).mean())) ** power)
