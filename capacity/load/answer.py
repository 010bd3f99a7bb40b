"""One resource's learned answer to a course of sales: its quantiles, and those of the maximum over a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.domain import Response, Shape
from capacity.domain.arrays import Array, Places
from capacity.load.course import Course
from capacity.load.grid import week_slots
from capacity.load.hierarchy import Parts, gains, mean_variance, reconcile
from capacity.load.saturation import effective
from capacity.load.week import even_weights
from capacity.stats import nearest_level, normal_quantiles, ordered_quantiles, sliding_maxima

QUIET = 0.05  # of the typical load: below it errors shrink no further


@dataclass(frozen=True, slots=True)
class _Centre:
    """The load expected at each step (T,), how much of a move in sales' load it takes (T,), and its own doubt (T,)."""

    load: Array
    share: Array
    doubt: Array


def answer_quantiles(course: Course, response: Response) -> Array:
    """Quantiles of the load at each step: (T, Q)."""
    return _combined(course, response, course.rates, 1)


def answer_maxima(course: Course, response: Response) -> Array:
    """Quantiles of the maximum of the load over the window from each step on, never below a step in it: (T, Q).

    The maximum of n errors stays below their quantile at ``level^(1/n)`` at least as often as the level says, whether
    they are independent or rise together (Slepian, 1962). Sales over the window have quantiles of their own.
    """
    count = course.window_steps
    wide = course.maxima is not None and (not course.fine or count * course.step > course.sales_step)
    steps = _combined(course, response, course.rates, count)
    answer = sliding_maxima(np.maximum(steps, answer_quantiles(course, response)), count, axis=0)
    if wide and course.maxima is not None:
        together = _combined(course, response, course.maxima, count)
        answer = np.maximum(answer, sliding_maxima(together, count, axis=0) if course.fine else together)
    return np.maximum.accumulate(answer, axis=1)


def _combined(course: Course, response: Response, rates: Array, errors: int) -> Array:
    """Quantiles (T, Q): the centre, and distances from it combined; `errors` steps share one maximum."""
    levels = np.array(course.levels)
    middle = nearest_level(levels)
    felt = effective(course.at(rates, response.lag), _saturation(response), np.array([response.highest or np.inf]))
    centre = _centre(course, response, felt, middle)
    slope = response.per_sale_per_hour
    by_sales = centre.share[:, None] * slope * (felt - felt[:, middle : middle + 1])
    size = np.maximum(centre.load, QUIET * response.spread.typical) / response.spread.typical
    growth = (size**response.spread.power)[:, None]
    excess, usual = _excess(response, levels ** (1 / errors)), _excess(response, np.array([0.5]))
    normal = normal_quantiles(levels)
    apart = felt[:, middle] - response.center
    own = np.sqrt(response.level_error**2 + (response.slope_error * apart) ** 2) * centre.share
    by_line = np.sqrt(own**2 + centre.doubt**2)[:, None] * normal
    if abs(levels[middle] - 0.5) > 1e-9:  # no median to measure from: the sum is on the safe side
        return ordered_quantiles(centre.load[:, None] + by_sales + growth * excess + by_line)
    by_rest = growth * (excess - usual)
    root = np.sqrt(by_sales**2 + by_rest**2 + by_line**2)
    up = np.where(levels >= 0.5, 1.0, -1.0)
    if errors > 1:
        up = np.where(by_rest >= 0, 1.0, up)
    return ordered_quantiles(centre.load[:, None] + growth * usual + up * root)


def _saturation(response: Response) -> Array:
    return np.array([response.saturation or np.inf])


def _excess(response: Response, levels: Array) -> Array:
    """The error's quantiles at any levels, linear between those known on the scale of a normal distribution."""
    known, asked = normal_quantiles(response.spread.levels), normal_quantiles(np.minimum(levels, 1 - 1e-12))
    return np.asarray(np.interp(asked, known, response.spread.excess))


def _centre(course: Course, response: Response, felt: Array, middle: int) -> _Centre:
    load = response.base + response.per_sale_per_hour * felt[:, middle]
    even = np.ones(len(load))
    if response.shape is not None:
        return _shaped(course, response, response.shape, felt)
    if response.extra is not None:
        slot = week_slots(course.steps, response.extra.step, response.extra.timezone)
        load = np.maximum(load + response.extra.values[slot], 0.0)
    return _Centre(load, even, np.zeros(len(load)))


def volume_share(course: Course, response: Response, shape: Shape) -> Array:
    """How each step's load beyond idle lies to its mean over the step of sales: (T,), mean one."""
    slot = week_slots(course.steps, shape.step, shape.timezone)
    weights = even_weights(shape.weights[None, slot], course.parents(response.lag), len(course.index))
    return np.asarray(weights[0], dtype=np.float64)


def _shaped(course: Course, response: Response, shape: Shape, felt: Array) -> _Centre:
    """Volume from sales, shape from usage, reconciled; far from what usage knows, sales are believed.

    What usage alone says of a level weeks ahead may be wrong by a whole yearly season, of which weeks of metrics know
    nothing: its variance is at least the squared difference to what sales say, less sales' own (method of moments).
    """
    slot = week_slots(course.steps, shape.step, shape.timezone)
    share = volume_share(course, response, shape)
    parents = _from_zero(course.parents(response.lag))
    size = int(parents.max()) + 1
    firsts = np.flatnonzero(np.diff(parents, prepend=-1))
    levels = np.array(course.levels)
    middle = nearest_level(levels)
    wholes = response.base + response.per_sale_per_hour * felt[firsts]  # (S, Q)
    doubt = shape.total_variance + _sales_variance(wholes, levels, middle)
    own = Parts(shape.own[slot], shape.noise[slot], share, np.zeros(size), parents)
    usual = own.mean(own.forecast)
    level = np.maximum(shape.level_variance * usual**2, (wholes[:, middle] - usual) ** 2 - doubt)
    parts = Parts(own.forecast, own.noise, share, level, parents)
    load = reconcile(parts, wholes[:, middle], doubt)
    whole_gain = mean_variance(parts) / np.maximum(mean_variance(parts) + doubt, 1e-300)
    left = ((1 - whole_gain) * np.sqrt(shape.level_variance) * usual)[parents] * share
    return _Centre(load, gains(parts, doubt), left)


def _from_zero(parents: Places) -> Places:
    return np.asarray(np.cumsum(np.diff(parents, prepend=parents[0]) > 0), dtype=np.intp)


def _sales_variance(wholes: Array, levels: Array, middle: int) -> Array:
    """The variance of the load that sales bring, from the quantile next to 0.9: (S,)."""
    place = nearest_level(levels, 0.9)
    if place == middle:
        return np.zeros(len(wholes))
    above, at = normal_quantiles(levels[[place, middle]])
    return np.asarray(((wholes[:, place] - wholes[:, middle]) / (above - at)) ** 2)
