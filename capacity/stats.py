"""One copy of each statistic: medians and quantiles with gaps, sliding maxima, robust fits, and scores of forecasts.

Every function is pure and takes arrays. NaN stands for a value that was not seen. Sliding maxima and closings are not
taken from `scipy.ndimage`, whose filters do not propagate NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from capacity.model.arrays import Array, Counts

Number = TypeVar("Number", np.float64, np.int64)

HUBER = 1.345  # Huber's k, in standard deviations: 95 % efficient where errors are normal (Robust Statistics, 1981)
BISQUARE = 4.685  # Tukey's c, in standard deviations: 95 % efficient where errors are normal
NORMAL_MAD = 0.6744897501960817  # median absolute deviation of a standard normal
MAD_TO_DEVIATION = 1.4826  # its inverse, rounded as in the literature; the exact one would change forecasts slightly
FEW = 8  # values side by side up to which exchanges of neighbours are faster than to sort
RIDGE_ROUNDS = 5  # reweighted ridge fits; the weights stand still by then
ROUNDS, CLOSE = 50, 1e-6  # reweighted least squares ends when no weight moves by more than this
STANDARD = NormalDist()


# Medians and means, with gaps


def nan_median(values: Array, axis: int, least: int = 1) -> Array:
    """The median of the values that are there along an axis.

    Parameters
    ----------
    values : any shape, any unit; NaN for what was not seen.
    axis : the axis to reduce.
    least : how many values must be there (default 1).

    Returns
    -------
    `values` without `axis`; NaN where fewer than `least` values are there. `numpy.nanmedian` gives the same, but warns
    of a row without a value.

    Examples
    --------
    >>> nan_median(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]]), 1)
    array([ 2., nan])
    """
    length = values.shape[axis]
    if values.ndim > 1 and least <= length <= FEW and not np.isnan(values).any():
        return _median_of_few(np.moveaxis(values, axis, 0))
    ordered = np.sort(values, axis=axis)  # NaN goes to the end
    if least <= length and not np.isnan(ordered.take(-1, axis)).any():  # all are there
        low, high = ordered.take((length - 1) // 2, axis), ordered.take(length // 2, axis)
        return np.asarray((low + high) / 2)
    count = np.expand_dims((~np.isnan(values)).sum(axis=axis), axis)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis)
    high = np.take_along_axis(ordered, np.minimum(count // 2, length - 1), axis)
    return np.squeeze(np.where(count >= least, (low + high) / 2, np.nan), axis)


def _median_of_few(values: Array) -> Array:
    """The median over the first axis, without gaps: neighbours change places until all are in order (Knuth, 5.2.2).

    Each exchange is one pass over all other axes, which for so few is several times faster than to sort each of them.
    """
    rows, spare = list(values.copy()), np.empty_like(values[0])
    for turn in range(len(rows)):
        for at in range(turn % 2, len(rows) - 1, 2):
            np.minimum(rows[at], rows[at + 1], out=spare)
            np.maximum(rows[at], rows[at + 1], out=rows[at + 1])
            rows[at], spare = spare, rows[at]
    return np.asarray((rows[(len(rows) - 1) // 2] + rows[len(rows) // 2]) / 2)


def median(values: Array) -> float:
    """The median of the values of one row that are there: `nan_median` at a third of its cost.

    Parameters
    ----------
    values : (T,), any unit; NaN for what was not seen.

    Returns
    -------
    The median in the unit of `values`; NaN where nothing is there.

    Examples
    --------
    >>> median(np.array([1.0, np.nan, 3.0]))
    2.0
    """
    ordered = np.sort(values)  # NaN goes to the end
    count = len(ordered) - int(np.count_nonzero(ordered != ordered))
    return float((ordered[(count - 1) // 2] + ordered[count // 2]) / 2) if count else float("nan")


def lower_quantiles(values: Array, level: float) -> Array:
    """The quantile of each row at a level, and of the two values beside it the lower one; NaN is left out.

    Parameters
    ----------
    values : (N, T), any unit; NaN for what was not seen, not all of a row.
    level : in [0, 1].

    Returns
    -------
    (N,), the unit of `values`, what `numpy.nanquantile` gives by its method `lower`.

    Examples
    --------
    >>> lower_quantiles(np.array([[1.0, 2.0, 3.0, np.nan]]), 0.9)
    array([2.])
    """
    ordered = np.sort(values, axis=1)  # NaN goes to the end
    count = ordered.shape[1] - np.count_nonzero(ordered != ordered, axis=1)
    places = np.floor((count - 1) * level).astype(np.intp)
    return np.asarray(ordered[np.arange(len(ordered)), places])


def nan_mean(values: Array, axis: int | tuple[int, ...]) -> Array:
    """The mean of the values that are there along some axes.

    Parameters
    ----------
    values : any shape, any unit; NaN for what was not seen.
    axis : the axis or axes to reduce.

    Returns
    -------
    `values` without these axes; NaN, without a warning, where nothing is there.

    Examples
    --------
    >>> nan_mean(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]]), 1)
    array([ 2., nan])
    """
    if values.size and not np.isnan(values).any():
        return np.asarray(values.mean(axis=axis))
    count = (~np.isnan(values)).sum(axis=axis)
    return np.where(count > 0, np.nansum(values, axis=axis) / np.maximum(count, 1), np.nan)


def block_means(values: Array, width: int) -> Array:
    """Means over blocks of `width` steps, counted back from the end: the last block is whole, a rest is left out.

    Parameters
    ----------
    values : (..., T), any unit; NaN for what was not seen.
    width : steps in a block, >= 1.

    Returns
    -------
    (..., T // width), the unit of `values`; NaN where less than half of a block was seen.

    Examples
    --------
    >>> block_means(np.array([9.0, 1.0, 3.0, 5.0, np.nan]), 2)
    array([2., 5.])
    """
    if width == 1:
        return values
    *rows, steps = values.shape
    blocks = values[..., steps % width :].reshape(*rows, steps // width, width)
    seen = (~np.isnan(blocks)).sum(axis=-1)
    return np.where(2 * seen >= width, np.nansum(blocks, axis=-1) / np.maximum(seen, 1), np.nan)


def running_totals(values: Array) -> Array:
    """The sum of all steps before each step: the sum over ``[a, b)`` is ``totals[:, b] - totals[:, a]``.

    Parameters
    ----------
    values : (N, T), any unit, without gaps.

    Returns
    -------
    (N, T + 1), the unit of `values`; the first column is zero.

    Examples
    --------
    >>> running_totals(np.array([[1.0, 2.0, 4.0]]))
    array([[0., 1., 3., 7.]])
    """
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


# Spread and autocorrelation


def robust_deviation(errors: Array) -> float:
    """The standard deviation of normal noise that has this median absolute error; outliers hardly move it.

    Parameters
    ----------
    errors : any shape, around zero, any unit; NaN is left out.

    Returns
    -------
    1.4826 times the median absolute error, in the unit of `errors`.

    Examples
    --------
    >>> robust_deviation(np.array([1.0, -1.0, 1.0, 100.0]))
    1.4826
    """
    return MAD_TO_DEVIATION * median(np.abs(errors).reshape(-1))


def variances(values: Array) -> Array:
    """The variance of the values that are there in each row.

    Parameters
    ----------
    values : (W, n), any unit; NaN for what was not seen.

    Returns
    -------
    (W,), the squared unit of `values`; zero where nothing is there.

    Examples
    --------
    >>> variances(np.array([[1.0, 3.0, np.nan], [np.nan, np.nan, np.nan]]))
    array([1., 0.])
    """
    seen = ~np.isnan(values)
    count = np.maximum(seen.sum(axis=1), 1)
    mean = np.nan_to_num(values).sum(axis=1) / count
    return np.asarray(np.where(seen, (np.nan_to_num(values) - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)


def autocorrelation(values: Array) -> Array:
    """The correlation of neighbours in each row, for standard errors of what hangs together (Bartlett, 1946).

    Parameters
    ----------
    values : (W, n), any unit; NaN for what was not seen.

    Returns
    -------
    (W,), held between 0 and 0.95.

    Examples
    --------
    >>> autocorrelation(np.array([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]]))
    array([0.25, 0.  ])
    """
    centered = np.nan_to_num(
        values - (np.nansum(values, axis=1) / np.maximum((~np.isnan(values)).sum(axis=1), 1))[:, None]
    )
    power = (centered**2).sum(axis=1)
    return np.asarray(np.clip((centered[:, 1:] * centered[:, :-1]).sum(axis=1) / np.maximum(power, 1e-300), 0.0, 0.95))


# Quantiles


def row_quantiles(values: Array, levels: Array) -> Array:
    """Quantiles of the values that are there in each row, linear between order statistics as numpy's.

    Parameters
    ----------
    values : (W, n), any unit; NaN for what was not seen.
    levels : (Q,), or (W, Q) for levels of each row's own, in [0, 1].

    Returns
    -------
    (W, Q), the unit of `values`; NaN where nothing is there.

    Examples
    --------
    >>> row_quantiles(np.array([[3.0, 1.0, np.nan, 2.0]]), np.array([0.5, 1.0])).tolist()
    [[2.0, 3.0]]
    """
    ordered = np.sort(values, axis=1)  # NaN goes to the end
    count = (~np.isnan(values)).sum(axis=1)[:, None]
    at = np.asarray(levels) * np.maximum(count - 1, 0)
    low = np.take_along_axis(ordered, np.floor(at).astype(np.intp), axis=1)
    high = np.take_along_axis(ordered, np.ceil(at).astype(np.intp), axis=1)
    return np.asarray(low + (at - np.floor(at)) * (high - low))


def weighted_quantiles(values: Array, weights: Array, levels: Array, rounding: float = 1e-9) -> Array:
    """Weighted quantiles: the smallest value up to which the weights sum to a level's share of all weights.

    Parameters
    ----------
    values : (N, n, h), any unit; the quantiles are taken over axis 1. NaN for what is not known.
    weights : (n,), >= 0: what each of the n counts. What is not known, and what weighs nothing, does not count.
    levels : (Q,) or (h, Q), in [0, 1].
    rounding : by how much the share may miss a level and still reach it (default 1e-9: sums of weights are rounded).

    Returns
    -------
    (N, h, Q), the unit of `values`; NaN where nothing is known.

    Examples
    --------
    >>> values = np.array([[[1.0], [2.0], [30.0]]])
    >>> weighted_quantiles(values, np.array([1.0, 2.0, 1.0]), np.array([0.5, 0.9])).tolist()
    [[[2.0, 30.0]]]
    """
    if not values.shape[1]:
        return np.full((len(values), values.shape[2], np.shape(levels)[-1]), np.nan)
    total = np.where(np.isnan(values), 0.0, weights[:, None]).sum(axis=1, keepdims=True)
    order = np.argsort(values, axis=1)  # NaN last
    ranked = np.take_along_axis(values, order, axis=1)
    weight = np.where(np.isnan(ranked), 0.0, weights[order])
    share = np.cumsum(weight, axis=1) / np.where(total > 0, total, 1.0)
    place = (share[..., None] < levels - rounding).sum(axis=1)  # (N, h, Q)
    last = np.maximum((weight > 0).sum(axis=1) - 1, 0)[..., None]
    return np.take_along_axis(ranked.transpose(0, 2, 1), np.minimum(place, last), axis=2)


def nearest_level(levels: Sequence[float] | Array, level: float = 0.5) -> int:
    """The place of the quantile level that is nearest to one that is asked for.

    Parameters
    ----------
    levels : (Q,), quantile levels in any order.
    level : the one asked for (default 0.5, the median).

    Returns
    -------
    The place in `levels`, the first one of equally near ones.

    Examples
    --------
    >>> nearest_level((0.1, 0.4, 0.6, 0.9))
    1
    """
    return min(range(len(levels)), key=lambda place: abs(float(levels[place]) - level))


def normal_quantiles(levels: Sequence[float] | Array) -> Array:
    """Quantiles of the standard normal distribution.

    Parameters
    ----------
    levels : (Q,), in (0, 1).

    Returns
    -------
    (Q,), standard deviations; Wichura's algorithm AS 241 (1988), as `statistics.NormalDist` has it.

    Examples
    --------
    >>> normal_quantiles((0.5, 0.975)).round(2)
    array([0.  , 1.96])
    """
    return np.array(list(map(STANDARD.inv_cdf, levels)))


def student_quantiles(levels: Sequence[float] | Array, degrees: float) -> Array:
    """Quantiles of Student's t distribution, by its expansion around the normal one.

    Parameters
    ----------
    levels : (Q,), in (0, 1).
    degrees : degrees of freedom, >= 3: below, the expansion falls short.

    Returns
    -------
    (Q,), standard deviations of the normal distribution behind it. (Abramowitz and Stegun, 1964, 26.7.5; at 0.99 within
    2 % from 3 degrees up.)

    Examples
    --------
    >>> student_quantiles((0.5, 0.95, 0.99), 12.0).round(2)
    array([0.  , 1.78, 2.68])
    """
    z = normal_quantiles(levels)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return np.asarray(z + first / degrees + second / degrees**2 + third / degrees**3)


def ordered_quantiles(quantiles: Array) -> Array:
    """Quantiles that do not cross and are not negative: each is raised to the highest of the lower levels.

    Parameters
    ----------
    quantiles : (..., Q), any unit, levels ascending along the last axis.

    Returns
    -------
    The same shape and unit.

    Examples
    --------
    >>> ordered_quantiles(np.array([-1.0, 3.0, 2.0, 4.0]))
    array([0., 3., 3., 4.])
    """
    return np.asarray(np.maximum(running_maxima(quantiles, -1), 0.0))


def running_maxima(values: Array, axis: int) -> Array:
    """The highest value up to each place along a short axis, such as that of the quantile levels.

    Parameters
    ----------
    values : any shape, any unit.
    axis : along which the values run: few places, since each is one pass over all others.

    Returns
    -------
    The same shape and unit; what `numpy.maximum.accumulate` gives, at a tenth of its cost for five levels.

    Examples
    --------
    >>> running_maxima(np.array([[1.0, 3.0, 2.0]]), 1)
    array([[1., 3., 3.]])
    """
    highest = values.copy(order="K")
    places = highest.swapaxes(axis, 0)
    for place in range(1, len(places)):
        np.maximum(places[place - 1], places[place], out=places[place, ...])  # a view also of one value
    return highest


# Windows


def sliding_maxima(values: NDArray[Number], window: int, axis: int = -1) -> NDArray[Number]:
    """The maximum over ``[t, t + window)`` for every t, over what is left near the end; NaN wherever one is inside.

    Parameters
    ----------
    values : any shape, any unit.
    window : steps, >= 1; a longer one than the axis ends with it.
    axis : the axis of time (default the last).

    Returns
    -------
    The same shape and unit, in about log2(window) passes.

    Examples
    --------
    >>> sliding_maxima(np.array([1.0, 5.0, 2.0, 3.0]), 2)
    array([5., 5., 3., 3.])
    """
    answer = values.copy(order="K")
    _slide(answer.swapaxes(axis, -1), window, np.maximum)
    return answer


def close_gaps(values: Counts, gap: int) -> Counts:
    """Grayscale closing: a valley of at most `gap` steps is filled to its lower shore (Serra, 1982).

    Parameters
    ----------
    values : (..., steps), counts.
    gap : steps; 0 or less changes nothing.

    Returns
    -------
    The same shape, nowhere below `values`.

    Examples
    --------
    >>> close_gaps(np.array([3, 1, 1, 2, 0, 0, 0, 2]), 2).tolist()
    [3, 2, 2, 2, 0, 0, 0, 2]
    """
    if gap <= 0:
        return values.copy()
    count = values.shape[-1]
    pad = [(0, 0)] * (values.ndim - 1) + [(gap, gap)]
    wide = np.pad(values, pad, constant_values=np.iinfo(values.dtype).min)
    _slide(wide, gap + 1, np.maximum)
    dilated = wide[..., : count + gap]  # the highest of the last gap + 1 steps
    _slide(dilated, gap + 1, np.minimum)
    return np.ascontiguousarray(dilated[..., :count])


def _slide(values: NDArray[Number], window: int, extreme: np.ufunc) -> None:
    """Put the extreme over ``[t, t + window)`` in the place of every t along the last axis, by doubling the reach."""
    reach = 1
    while reach < min(window, values.shape[-1]):
        ahead = min(reach, window - reach)
        extreme(values[..., :-ahead], values[..., ahead:], out=values[..., :-ahead])
        reach += ahead


# Robust fits


def huber_weights(errors: Array, limit: float | Array) -> Array:
    """Huber's weights: 1 up to a limit, beyond it falling with the error (Huber, 1964).

    Parameters
    ----------
    errors : any shape, absolute errors in any unit.
    limit : where the weight begins to fall, in the same unit; broadcasts with `errors`. Usually `HUBER` deviations.

    Returns
    -------
    The shape of both, in (0, 1].

    Examples
    --------
    >>> huber_weights(np.array([0.5, 2.0, 4.0]), 2.0)
    array([1. , 1. , 0.5])
    """
    far = errors > limit
    return np.where(far, limit / np.where(far, errors, 1.0), 1.0)


def bisquare_weights(errors: Array, limit: float) -> Array:
    """Tukey's weights: falling from 1, and zero from a limit on (Beaton and Tukey, 1974).

    Parameters
    ----------
    errors : any shape, in any unit.
    limit : from where on an error counts for nothing, in the same unit. Usually `BISQUARE` deviations.

    Returns
    -------
    The same shape, in [0, 1].

    Examples
    --------
    >>> bisquare_weights(np.array([0.0, 1.0, -2.0, 3.0]), 2.0)
    array([1.    , 0.5625, 0.    , 0.    ])
    """
    return np.asarray(np.maximum(1 - (errors / limit) ** 2, 0.0) ** 2)


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A robust ridge regression: what was fitted, and what its standard errors come from."""

    coefficients: Array  # (p,)
    errors: Array  # (n,), absolute, unit of the target
    weights: Array  # (n,), what each row counts after the last fit
    gram: Array  # (p, p), with the penalty on its diagonal


def robust_ridge(
    design: Array,
    target: Array,
    penalty: Array,
    *,
    deviation: Callable[[Array], float],
    weights: Array | None = None,
) -> RidgeFit:
    """Ridge regression by five rounds of reweighting with Huber's weights.

    Parameters
    ----------
    design : (n, p), without gaps.
    target : (n,), any unit, without gaps.
    penalty : (p,), what is added to the diagonal of the Gram matrix: rows' worth of a coefficient of zero.
    deviation : the deviation of normal errors, from the absolute errors (n,) of a round; it must be positive.
    weights : (n,), what each row counts before outliers do less (default: all the same).

    Returns
    -------
    The fit of the last round.

    Examples
    --------
    >>> x = np.arange(8.0)
    >>> y = np.where(x == 3, 90.0, 2 * x)
    >>> fit = robust_ridge(
    ...     x[:, None], y, np.array([1e-9]), deviation=lambda errors: max(robust_deviation(errors), 1e-9))
    >>> fit.coefficients.round(1)
    array([2.])
    """
    base = np.ones(len(target)) if weights is None else weights
    here = base
    for _ in range(RIDGE_ROUNDS):
        turned = (design * here[:, None]).T
        gram = turned @ design + np.diag(penalty)
        coefficients = np.linalg.solve(gram, turned @ target)
        errors = np.abs(target - design @ coefficients)
        here = base * huber_weights(errors, HUBER * deviation(errors))
    return RidgeFit(np.asarray(coefficients, dtype=np.float64), errors, here, gram)


def reweighted_least_squares(
    design: Array, target: Array, weigh: Callable[[Array], Array], weights: Array
) -> tuple[Array, Array]:
    """Least squares, reweighted by how far off each row is until the weights stand still (at most 50 rounds).

    Parameters
    ----------
    design : (n, p), without gaps; columns may be of very different size.
    target : (n,), any unit, without gaps, not zero throughout.
    weigh : weights (n,) from errors (n,) in deviations, for instance `huber_weights` of their size.
    weights : (n,), those of the first round.

    Returns
    -------
    The coefficients (p,), and how many deviations off each row is (n,). The deviation is that of normal errors with
    their median absolute error, at least a billionth of the largest target.

    Examples
    --------
    >>> x = np.arange(8.0)
    >>> fitted, off = reweighted_least_squares(
    ...     x[:, None], np.where(x == 3, 90.0, 2 * x), lambda off: huber_weights(np.abs(off), HUBER), np.ones(8))
    >>> fitted.round(3), bool(off[3] > 5)
    (array([2.]), True)
    """
    scale = column_sizes(design)
    for _ in range(ROUNDS):
        root = np.sqrt(weights)
        coefficients = np.linalg.lstsq(design / scale * root[:, None], target * root)[0] / scale
        rest = target - design @ coefficients
        spread = max(float(np.median(np.abs(rest))) / NORMAL_MAD, 1e-9 * float(np.abs(target).max()))
        before, weights = weights, weigh(rest / spread)
        if np.abs(weights - before).max() < CLOSE:
            break
    return coefficients, rest / spread


def column_sizes(design: Array) -> Array:
    """The largest absolute value of each column, to count in; 1 where there is none but zero.

    Parameters
    ----------
    design : (n, p), n >= 1.

    Returns
    -------
    (p,), > 0, each in the unit of its column.

    Examples
    --------
    >>> column_sizes(np.array([[1.0, 0.0], [-4.0, 0.0]]))
    array([4., 1.])
    """
    largest = np.abs(design).max(axis=0)
    return np.asarray(np.where(largest > 0, largest, 1.0))


# Scores of forecasts


def pinball(actual: Array, quantile: Array, quantile_level: float | Array) -> Array:
    """The loss whose mean is least at the true quantile: level x shortfall + (1 - level) x excess.

    Parameters
    ----------
    actual, quantile : what came and what was forecast, in one unit; they broadcast.
    quantile_level : in (0, 1); an array of levels broadcasts along the last axis.

    Returns
    -------
    One loss, >= 0, for each step, in the unit of `actual`; NaN where either is. (Koenker and Bassett, 1978;
    `sklearn.metrics.mean_pinball_loss` is its mean.)

    Examples
    --------
    >>> pinball(np.array([10.0, 10.0]), np.array([8.0, 12.0]), 0.9)
    array([1.8, 0.2])
    """
    short = actual - quantile
    return np.maximum(quantile_level * short, (quantile_level - 1) * short)


def smape(actual: Array, point: Array) -> float:
    """The symmetric mean absolute percentage error, as the M4 competition defines it.

    Parameters
    ----------
    actual, point : (n,), what came and what was forecast, in one unit.

    Returns
    -------
    Percent, 0 to 200; a step on which both are 0 counts as 0.

    Examples
    --------
    >>> smape(np.array([100.0, 0.0]), np.array([50.0, 0.0])).__round__(3)
    33.333
    """
    total = np.abs(actual) + np.abs(point)
    return float((200 * np.abs(point - actual) / np.where(total > 0, total, 1.0)).mean())


def interval_score(actual: Array, low: Array, high: Array, coverage: float) -> Array:
    """The width of an interval plus 2 / (1 - coverage) times what lies outside (Gneiting and Raftery, 2007).

    Parameters
    ----------
    actual, low, high : (n,), what came and the interval that was forecast, in one unit.
    coverage : the share of steps that the interval means to hold, in (0, 1).

    Returns
    -------
    (n,), in the unit of `actual`; M4's MSIS before scaling.

    Examples
    --------
    >>> interval_score(np.array([5.0, 11.0]), np.array([0.0, 0.0]), np.array([10.0, 10.0]), 0.95).round(6)
    array([10., 50.])
    """
    outside = np.maximum(low - actual, 0.0) + np.maximum(actual - high, 0.0)
    return np.asarray(high - low + 2 / (1 - coverage) * outside)
