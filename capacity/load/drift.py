"""Since when the answer to sales is what it is: a deploy changes the slope, and only what came after it counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.domain.arrays import Array, Mask, Places
from capacity.load.line import Lines, fit_lines
from capacity.stats import autocorrelation, row_quantiles

CLEAR = 20.0  # sup-Wald statistic of two coefficients; 16.4 is its 1 % point at 15 % trimming (Andrews, 1993)
CHANGE = 0.12  # of the load at usual or high sales: smaller changes are within the spread that is planned for
BETTER = 0.9  # of the squared error must go: a seasonal misfit is no deploy
TRIM = 0.1  # of the history on both sides cannot be told from an end
OUTLIER = 4.0  # scales beyond which an error is cut
MOST = 3  # breaks looked for, each within the newest regime


@dataclass(frozen=True, slots=True)
class Regimes:
    """`start`: the step of sales from which the newest regime of each row holds, 0 where it always did: (W,).

    `ratio`: load at high sales since then, over the one before: (W,).
    """

    start: Places
    ratio: Array


def newest_regimes(x: Array, y: Array, least: int) -> Regimes:
    """The newest regime of `y` (W, S) over `x` (S,); a regime has at least `least` seen steps."""
    start, ratio = np.zeros(len(y), dtype=np.intp), np.ones(len(y))
    rows = np.arange(len(y))
    for _ in range(MOST):
        part = since(y[rows], start[rows])
        place, change = _breaks(x, part, least)
        found = place > 0
        rows = rows[found]
        if not len(rows):
            break
        start[rows], ratio[rows] = place[found], change[found]
    return Regimes(start, ratio)


def since(y: Array, start: Places) -> Array:
    """The rows (W, S) from each one's `start` on; before it nothing was seen."""
    return np.where(np.arange(y.shape[1]) >= start[:, None], y, np.nan)


def _breaks(x: Array, y: Array, least: int) -> tuple[Places, Array]:
    """The clearest change of each row, 0 where there is none, and the ratio of the load across it."""
    whole = fit_lines(x, y, positive=False)
    error = y - whole.at(x[None, :])
    limit = OUTLIER * np.maximum(whole.scale, 1e-300)[:, None]
    calm = whole.at(x[None, :]) + np.clip(error, -limit, limit)
    wald, place = _sup_wald(x, calm, least)
    ahead = np.arange(y.shape[1]) >= place[:, None]
    before = fit_lines(x, np.where(ahead, np.nan, y), positive=False)
    after = fit_lines(x, np.where(ahead, y, np.nan), positive=False)
    rest = np.where(ahead, y - after.at(x[None, :]), y - before.at(x[None, :]))
    tied = autocorrelation(np.clip(rest, -limit, limit))
    gain = _robust_power(rest, limit) < BETTER * _robust_power(error, limit)
    change, ratio = _change(x, y, before, after)
    found = (wald > CLEAR * (1 + tied) / (1 - tied)) & (change > CHANGE) & gain & (place > 0)
    return np.where(found, place, 0), ratio


def _robust_power(error: Array, limit: Array) -> Array:
    return np.asarray((np.nan_to_num(np.clip(error, -limit, limit)) ** 2).sum(axis=1))


def _change(x: Array, y: Array, before: Lines, after: Lines) -> tuple[Array, Array]:
    """How far the load at median and high sales moved, as a share; and at high sales, as a ratio."""
    seen = np.where(np.isnan(y), np.nan, x)
    usual = row_quantiles(seen, np.array([0.5, 0.95]))  # (W, 2)
    new = np.maximum(np.nan_to_num(after.at(usual)), 0.0)
    old = np.maximum(np.nan_to_num(before.at(usual)), 1e-6 * new.max(axis=1, keepdims=True) + 1e-300)
    return np.asarray(np.abs(new / old - 1).max(axis=1)), np.asarray(new[:, 1] / old[:, 1])


def _sup_wald(x: Array, y: Array, least: int) -> tuple[Array, Places]:
    """The largest Wald statistic of a break over all places, and its place: twice (W,)."""
    seen = ~np.isnan(y) & ~np.isnan(x)
    count = np.cumsum(seen, axis=1).astype(np.float64)
    xs, ys = _standard(np.broadcast_to(x, y.shape), seen), _standard(y, seen)
    sums = [np.cumsum(part, axis=1) for part in (xs, ys, xs * xs, xs * ys, ys * ys)]
    left = _squares(count, *sums)
    right = _squares(count[:, -1:] - count, *(total[:, -1:] - total for total in sums))
    total = left[:, -1]
    split = np.maximum(left + right, 1e-9 * np.maximum(count[:, -1:], 1.0))
    wald = (total[:, None] - split) / split * np.maximum(count[:, -1:] - 4, 1)
    edge = np.maximum(least, TRIM * count[:, -1:])
    allowed = (count >= edge) & (count[:, -1:] - count >= edge)
    wald = np.where(allowed, wald, 0.0)
    place = wald.argmax(axis=1)
    return np.take_along_axis(wald, place[:, None], axis=1)[:, 0], np.where(wald.max(axis=1) > 0, place + 1, 0)


def _standard(values: Array, seen: Mask) -> Array:
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    mean = np.where(seen, values, 0.0).sum(axis=1, keepdims=True) / count
    apart = np.where(seen, values - mean, 0.0)
    spread = np.sqrt((apart**2).sum(axis=1, keepdims=True) / count)
    return np.asarray(apart / np.where(spread > 0, spread, 1.0))


def _squares(count: Array, x: Array, y: Array, xx: Array, xy: Array, yy: Array) -> Array:
    """Squared errors of the least squares line through the steps that the sums cover."""
    n = np.maximum(count, 1.0)
    power, together = xx - x * x / n, xy - x * y / n
    explained = np.where(power > 1e-9 * n, together**2 / np.where(power > 1e-9 * n, power, 1.0), 0.0)
    return np.asarray(np.maximum(yy - y * y / n - explained, 0.0))
