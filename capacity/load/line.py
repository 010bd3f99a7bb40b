"""Robust lines: load = base + slope x sales per hour for many workloads at once, by Huber's M-estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.domain.arrays import Array
from capacity.stats import HUBER, NORMAL_MAD, autocorrelation, huber_weights, row_quantiles

MEDIAN = np.array([0.5])
ROUNDS, CLOSE = 50, 1e-8  # reweighting ends when no line moves by more than this share


@dataclass(frozen=True, slots=True)
class Lines:
    """W lines. `slope` is as it was found, also below zero; `weights` are Huber's, 0 where nothing was seen."""

    base: Array  # (W,)
    slope: Array  # (W,)
    center: Array  # (W,), mean sales per hour
    slope_error: Array  # (W,)
    level_error: Array  # (W,), of the load at `center`
    scale: Array  # (W,)
    weights: Array  # (W, S)

    def at(self, x: Array) -> Array:
        """Load at `x` (W or 1, n): (W, n)."""
        return np.asarray(self.base[:, None] + self.slope[:, None] * x)


def fit_lines(x: Array, y: Array, *, positive: bool = True, size: Array | None = None) -> Lines:
    """Fit W lines to `y` (W, S) over `x` ((S,) or (W, S)); NaN on either side is left out. Base is held >= 0.

    `size` (W, S): how large errors usually are at each step, up to a factor; None: the same everywhere.

    Iteratively reweighted least squares with Huber's weights and the median absolute deviation as scale. Standard
    errors are Huber's, widened for errors and sales that hang together (first-order, Bartlett 1946).

    >>> lines = fit_lines(np.arange(8.0), np.array([[1.0, 3.0, 5.0, 7.0, 90.0, 11.0, 13.0, 15.0]]))
    >>> lines.base.round(2).tolist(), lines.slope.round(2).tolist()
    ([1.0], [2.0])
    """
    spread = np.broadcast_to(x, y.shape)
    seen = ~np.isnan(y) & ~np.isnan(spread)
    xs, ys = np.where(seen, spread, 0.0), np.where(seen, y, 0.0)
    by_size = np.ones_like(ys) if size is None else 1.0 / np.where(seen, size, 1.0)
    weights = seen.astype(np.float64)
    base, slope = _weighted(xs, ys, weights * by_size**2, positive)
    scale = np.zeros(len(y))
    for _ in range(ROUNDS):
        rest = np.where(seen, (ys - base[:, None] - slope[:, None] * xs) * by_size, np.nan)
        scale = row_quantiles(np.abs(rest), MEDIAN)[:, 0] / NORMAL_MAD
        scale = np.where(np.isfinite(scale), scale, 0.0)
        limit = HUBER * np.maximum(scale, 1e-12 * np.abs(ys * by_size).max(axis=1, initial=0.0))[:, None]
        weights = huber_weights(np.nan_to_num(np.abs(rest)), limit) * seen
        before = base, slope
        base, slope = _weighted(xs, ys, weights * by_size**2, positive)
        if _moved(before, (base, slope), xs) < CLOSE:
            break
    rest = np.where(seen, ys - base[:, None] - slope[:, None] * xs, np.nan)
    return _with_errors(xs, rest, weights, by_size, (base, slope, scale))


def _moved(before: tuple[Array, Array], after: tuple[Array, Array], x: Array) -> float:
    """The most that any line moved, as a share of its own height."""
    top = x.max(axis=1, initial=0.0)
    height = np.abs(after[0]) + np.abs(after[1]) * top
    change = np.abs(after[0] - before[0]) + np.abs(after[1] - before[1]) * top
    return float((change / np.maximum(height, 1e-300)).max(initial=0.0))


def _weighted(x: Array, y: Array, weights: Array, positive: bool) -> tuple[Array, Array]:
    """Weighted least squares, through the origin where the base would be negative."""
    mass = np.maximum(weights.sum(axis=1), 1e-300)
    mean_x, mean_y = (weights * x).sum(axis=1) / mass, (weights * y).sum(axis=1) / mass
    apart = x - mean_x[:, None]
    power = (weights * apart**2).sum(axis=1)
    known = power > 1e-20 * np.maximum(mass * mean_x**2, 1e-300)
    slope = np.where(known, (weights * apart * (y - mean_y[:, None])).sum(axis=1) / np.where(known, power, 1.0), 0.0)
    base = mean_y - slope * mean_x
    if not positive:
        return base, slope
    squares = np.maximum((weights * x**2).sum(axis=1), 1e-300)
    through_origin = (weights * x * y).sum(axis=1) / squares
    return np.maximum(base, 0.0), np.where(base < 0, through_origin, slope)


def _with_errors(x: Array, rest: Array, weights: Array, by_size: Array, fit: tuple[Array, Array, Array]) -> Lines:
    base, slope, scale = fit
    seen = ~np.isnan(rest)
    precision = seen * by_size**2
    mass = np.maximum(precision.sum(axis=1), 1e-300)
    center = (precision * x).sum(axis=1) / mass
    apart = np.where(seen, x - center[:, None], np.nan)
    count = np.maximum(seen.sum(axis=1), 1)
    psi = np.nan_to_num(weights * rest * by_size)  # Huber's psi times the scale
    inside = np.maximum((seen & (weights >= 1.0)).sum(axis=1) / count, 0.1)
    variance = (psi**2).sum(axis=1) / np.maximum(count - 2, 1) / inside**2
    tied, tied_x = autocorrelation(rest * by_size), autocorrelation(apart * by_size)
    power = (precision * np.nan_to_num(apart) ** 2).sum(axis=1)
    varied = power > 1e-300
    product = np.minimum(tied * tied_x, 0.95)
    slope_error = np.sqrt(variance / np.where(varied, power, 1.0) * (1 + product) / (1 - product))
    level_error = np.sqrt(variance / mass * (1 + tied) / (1 - tied))
    return Lines(base, slope, center, np.where(varied, slope_error, 0.0), level_error, scale, weights)
