"""Robust linear regression of load on sales: the fit, breaks in it, saturation, and the spread of errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.model.arrays import Array, Mask, Places
from capacity.stats import HUBER, NORMAL_MAD, autocorrelation, huber_weights, row_quantiles

MEDIAN = np.array([0.5])
ROUNDS, CLOSE = 50, 1e-8  # reweighting ends when no line moves by more than this share


@dataclass(frozen=True, slots=True)
class Lines:
    """W fitted lines. `slope` may be negative; `weights` are Huber's, 0 where a value is missing."""

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
    errors are Huber's, widened for autocorrelation of errors and sales (first order, Bartlett 1946).

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
    """The largest change of any line, as a share of its height."""
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
    """The newest regime of `y` (W, S) over `x` (S,); a regime has at least `least` observed steps."""
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
    """The rows (W, S) from the `start` of each on; NaN before it."""
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
    """The change of the load at median and high sales, as a share; and at high sales, as a ratio."""
    seen = np.where(np.isnan(y), np.nan, x)
    usual = row_quantiles(seen, np.array([0.5, 0.95]))  # (W, 2)
    new = np.maximum(np.nan_to_num(after.at(usual)), 0.0)
    old = np.maximum(np.nan_to_num(before.at(usual)), 1e-6 * new.max(axis=1, keepdims=True) + 1e-300)
    return np.asarray(np.abs(new / old - 1).max(axis=1)), np.asarray(new[:, 1] / old[:, 1])


def _sup_wald(x: Array, y: Array, least: int) -> tuple[Array, Places]:
    """The largest Wald statistic over all possible breaks, and the step of that break: twice (W,)."""
    seen = ~np.isnan(y) & ~np.isnan(x)
    count = np.cumsum(seen, axis=1).astype(np.float64)
    xs, ys = _standard(np.broadcast_to(x, y.shape), seen), _standard(y, seen)
    sums = [np.cumsum(part, axis=1) for part in (xs, ys, xs * xs, xs * ys, ys * ys)]
    left = _squares(count, sums)
    right = _squares(count[:, -1:] - count, [total[:, -1:] - total for total in sums])
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


def _squares(count: Array, sums: Sequence[Array]) -> Array:
    """Squared errors of the least squares line through the steps that the sums cover: of x, y, xx, xy and yy."""
    n, (x, y, xx, xy, yy) = np.maximum(count, 1.0), sums
    power, together = xx - x * x / n, xy - x * y / n
    explained = np.where(power > 1e-9 * n, together**2 / np.where(power > 1e-9 * n, power, 1.0), 0.0)
    return np.asarray(np.maximum(yy - y * y / n - explained, 0.0))


HALVES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # of high sales: where half of the effect may be lost
BENT = 4.0  # standard errors of curvature before a bent answer is looked at
SATURATION_BETTER = 0.95  # of the robust squared error must remain at most


def effective(rates: Array, saturation: Array, highest: Array) -> Array:
    """Effective sales per hour after saturation: x / (1 + x / saturation), continued by its tangent beyond `highest`.

    >>> effective(np.array([10.0, 30.0]), np.array([10.0]), np.array([10.0])).tolist()
    [5.0, 10.0]
    """
    inside = np.minimum(rates, highest)
    bend = 1 + inside / saturation
    return np.asarray(inside / bend + np.maximum(rates - highest, 0.0) / bend**2)


def find_saturation(x: Array, y: Array, lines: Lines) -> tuple[Array, Lines]:
    """The saturation of each row (infinite: none), and the lines over the effective sales."""
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
    won = (best > 0) & (np.min(loss, axis=0) < SATURATION_BETTER * loss[0])
    answer[rows[won]] = np.array([np.inf, *HALVES])[best[won]] * high[won]
    return answer, fit_lines(x / (1 + x / answer[:, None]), y)


def _loss(y: Array, fitted: Array, scale: Array) -> Array:
    error = np.nan_to_num(np.abs(y - fitted))
    limit = 3 * np.maximum(scale, 1e-300)[:, None]
    return np.asarray((np.minimum(error, limit) ** 2).sum(axis=1))


def _curvature(x: Array, y: Array, lines: Lines) -> Array:
    """The t statistic of a square term added to the straight line, for autocorrelated errors: (W,)."""
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


LEVELS = np.array(
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.998, 0.999, 0.9995]
)  # closest where plans are made; between them the quantiles are interpolated


def growth_power(rest: Array, fitted: Array) -> Array:
    """The power of the load with which errors grow, 0 to 1: least squares on logarithms of (W, T), (W,)."""
    known = ~np.isnan(rest) & (fitted > 0) & (np.abs(np.nan_to_num(rest)) > 0)
    x = np.log(np.where(known, fitted, 1.0))
    y = np.log(np.where(known, np.abs(rest), 1.0))
    count = np.maximum(known.sum(axis=1), 1)
    apart = np.where(known, x - ((x * known).sum(axis=1) / count)[:, None], 0.0)
    power = (apart**2).sum(axis=1)
    slope = (apart * y * known).sum(axis=1) / np.where(power > 0, power, 1.0)
    return np.asarray(np.where(power > 1e-9 * count, np.clip(slope, 0.0, 1.0), 0.0))


def spreads(rest: Array, fitted: Array) -> tuple[Array, Array, Array]:
    """Quantiles of errors, scaled to the typical load: excess (W, levels), typical (W,), power (W,).

    Of n errors the quantile at level q is their order statistic at q (n + 1), as conformal prediction has it: the
    next error exceeds it with the stated chance (Vovk et al., 2005). Beyond the sample the largest one stands.
    """
    usual = row_quantiles(np.where(np.isnan(rest), np.nan, fitted), MEDIAN)[:, 0]
    typical = np.maximum(np.nan_to_num(usual), 1e-300)
    power = growth_power(rest, fitted)
    factor = (np.maximum(fitted, 0.05 * typical[:, None]) / typical[:, None]) ** power[:, None]
    scaled = rest / factor
    count = (~np.isnan(scaled)).sum(axis=1)[:, None]
    ranks = np.clip((LEVELS * (count + 1) - 1) / np.maximum(count - 1, 1), 0.0, 1.0)
    return np.nan_to_num(row_quantiles(scaled, ranks)), typical, power
