"""Whether load flattens as sales rise (caches, batching, or a limit that was hit), and how far."""

from __future__ import annotations

import numpy as np

from capacity.domain.arrays import Array
from capacity.load.line import Lines, fit_lines
from capacity.stats import autocorrelation, row_quantiles

HALVES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # of high sales: where half of the effect may be lost
BENT = 4.0  # standard errors of curvature before a bent answer is looked at
BETTER = 0.95  # of the robust squared error must remain at most


def effective(rates: Array, saturation: Array, highest: Array) -> Array:
    """Sales per hour as the load feels them: x / (1 + x / saturation), straight on (its tangent) beyond `highest`.

    >>> effective(np.array([10.0, 30.0]), np.array([10.0]), np.array([10.0])).tolist()
    [5.0, 10.0]
    """
    inside = np.minimum(rates, highest)
    bend = 1 + inside / saturation
    return np.asarray(inside / bend + np.maximum(rates - highest, 0.0) / bend**2)


def find_saturation(x: Array, y: Array, lines: Lines) -> tuple[Array, Lines]:
    """Where each row's load flattens (infinite: nowhere), and the lines over sales as the load then feels them."""
    answer = np.full(len(y), np.inf)
    rows = np.flatnonzero(_curvature(x, y, lines) < -BENT)
    if not len(rows):
        return answer, lines
    part = y[rows]
    high = row_quantiles(np.where(np.isnan(part), np.nan, x), np.array([0.95]))[:, 0]
    loss = [_loss(part, lines.at(x[None, :])[rows], lines.scale[rows])]
    for half in HALVES:
        bent = x / (1 + x / np.maximum(half * high, 1e-300)[:, None])
        loss.append(_loss(part, fit_lines(bent, part).at(bent), lines.scale[rows]))
    best = np.argmin(loss, axis=0)
    won = (best > 0) & (np.min(loss, axis=0) < BETTER * loss[0])
    answer[rows[won]] = np.array([np.inf, *HALVES])[best[won]] * high[won]
    return answer, fit_lines(x / (1 + x / answer[:, None]), y)


def _loss(y: Array, fitted: Array, scale: Array) -> Array:
    error = np.nan_to_num(np.abs(y - fitted))
    limit = 3 * np.maximum(scale, 1e-300)[:, None]
    return np.asarray((np.minimum(error, limit) ** 2).sum(axis=1))


def _curvature(x: Array, y: Array, lines: Lines) -> Array:
    """The t statistic of a square term over the straight line, for errors that hang together: (W,)."""
    rest = y - lines.at(x[None, :])
    weights = np.where(np.isnan(rest), 0.0, lines.weights)
    mass = np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    xs = np.where(np.isnan(x), 0.0, x)
    apart = xs - (weights * xs).sum(axis=1, keepdims=True) / mass
    square = apart**2 - (weights * apart**2).sum(axis=1, keepdims=True) / mass
    power = np.maximum((weights * apart**2).sum(axis=1, keepdims=True), 1e-300)
    bend = square - (weights * square * apart).sum(axis=1, keepdims=True) / power * apart
    tied = autocorrelation(rest)
    size = np.sqrt((weights * bend**2).sum(axis=1) * (1 + tied) / (1 - tied)) * np.maximum(lines.scale, 1e-300)
    return np.asarray((weights * np.nan_to_num(rest) * bend).sum(axis=1) / np.maximum(size, 1e-300))
