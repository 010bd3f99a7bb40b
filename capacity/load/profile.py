"""How load differs between slots of the week, and how daily and sub-daily forecasts are reconciled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.load.alignment import HOUR, Grid, slots_in_week, week_slots, weeks
from capacity.model.arrays import Array, Places
from capacity.stats import block_means, nan_median, row_quantiles, variances

LEAST_WEEKS = 2.0  # a slot seen less often is taken from the same time on other days
NIGHT = 0.05  # quantile of hourly usage that idle load cannot exceed


@dataclass(frozen=True, slots=True)
class Shapes:
    """Arrays (W, slots of a week) of `Shape`, and `shrunk`, how much one week's value weighs in its own slot."""

    weights: Array
    own: Array
    shrunk: Array


def weekly_medians(values: Array, grid: Grid, steps: str = "usage") -> tuple[Array, Array]:
    """The usual value of every slot of the week, drawn towards the same time on all days as far as weeks disagree.

    The share of a slot's own median is n / (n + k), with k the variance between weeks over the variance between days
    (empirical Bayes, Efron and Morris 1975). Returns it and the weight of one week's value in it: twice (W, slots).
    """
    moments, step = (grid.steps, grid.step) if steps == "usage" else (grid.sales_steps, grid.sales_step)
    slots = slots_in_week(step)
    week, slot = weeks(moments, step, grid.timezone), week_slots(moments, step, grid.timezone)
    cube = _by_week(values, week, slot, slots)
    own, count = _medians(cube)
    pooled = _pooled(cube, slots, own)
    apart = cube - own[:, None, :]
    within = variances(apart.reshape(len(cube), -1)) * (1 + 1 / np.maximum(count.max(axis=1) - 1, 1))
    known = np.where(count > 0, own - pooled, np.nan)
    between = np.maximum(variances(known) - within / np.maximum(count.mean(axis=1), 1), 1e-12 * (within + 1e-300))
    k = (within / np.maximum(between, 1e-300))[:, None]
    share = np.where(count >= LEAST_WEEKS, count / np.maximum(count + k, 1e-300), 0.0)
    answer = np.where(share > 0, share * np.nan_to_num(own) + (1 - share) * pooled, pooled)
    return answer, np.where(count > 0, share / np.maximum(count, 1), 0.0)


def _by_week(values: Array, week: Places, slot: Places, slots: int) -> Array:
    """Rows (W, T) as (W, weeks, slots), NaN where nothing was seen; of a repeated hour the later one stays."""
    answer = np.full((len(values), int(week[-1]) + 1, slots), np.nan)
    answer[:, week, slot] = values
    return answer


def _medians(cube: Array) -> tuple[Array, Array]:
    """The median over the weeks of (W, weeks, slots), NaN of nothing, and how many were seen: twice (W, slots)."""
    return nan_median(cube, axis=1), (~np.isnan(cube)).sum(axis=1).astype(np.float64)


def _pooled(cube: Array, slots: int, own: Array) -> Array:
    """The median of the same time on all days, of everything where no day saw it: (W, slots)."""
    rows, seen_weeks, _ = cube.shape
    days = 7 if slots % 7 == 0 and slots > 7 else 1
    daily = cube.reshape(rows, seen_weeks * days, slots // days)
    median, count = _medians(daily)
    overall, _ = _medians(cube.reshape(rows, -1, 1))
    return np.tile(np.where(count > 0, np.nan_to_num(median), np.nan_to_num(overall)), (1, days)).reshape(own.shape)


def residual_season(rest: Array, grid: Grid) -> Array:
    """Share of the variance of `rest` (W, S) that the slot of the week explains, without what chance explains: (W,)."""
    slots = slots_in_week(grid.sales_step)
    moments = grid.sales_steps
    cube = _by_week(
        rest, weeks(moments, grid.sales_step, grid.timezone), week_slots(moments, grid.sales_step, grid.timezone), slots
    )
    count = (~np.isnan(cube)).sum(axis=1)
    mean = np.nan_to_num(cube).sum(axis=1) / np.maximum(count, 1)
    apart = np.where(np.isnan(cube), np.nan, cube - mean[:, None, :])
    free = np.maximum(count.sum(axis=1) - (count > 0).sum(axis=1), 1)
    within = np.nansum(apart**2, axis=(1, 2)) / free
    total = variances(rest)
    twice = (count >= LEAST_WEEKS).any(axis=1)
    return np.asarray(np.where(twice & (total > 0), np.clip(1 - within / np.maximum(total, 1e-300), 0.0, 1.0), 0.0))


def idle_limit(usage: Array, step: timedelta) -> Array:
    """The load of the quietest hours, which idle load cannot exceed; by hours, so that noise is none of it: (W,)."""
    width = max(1, round(HOUR / step))
    means = block_means(usage[:, : usage.shape[1] // width * width], width)
    limit = row_quantiles(means, np.array([NIGHT]))[:, 0]
    return np.asarray(np.where(np.isnan(limit), np.inf, limit))


def learn_shapes(usage: Array, base: Array, volume: Array, grid: Grid) -> Shapes:
    """How the load beyond idle falls on the slots of the week.

    `usage` (W, T); `base` (W,) idle load; `volume` (W, T) what sales say each step's mean load beyond idle is. The
    weight of a slot is the median over the weeks of load beyond idle over that mean.
    """
    known = volume > 1e-9 * np.maximum(np.nanmax(volume, axis=1, initial=0.0), 1e-300)[:, None]
    ratio = np.where(known, (usage - base[:, None]) / np.where(known, volume, 1.0), np.nan)
    weights, shrunk = weekly_medians(ratio, grid)
    own, _ = weekly_medians(usage, grid)
    return Shapes(np.maximum(weights, 0.0), np.maximum(own, 0.0), shrunk)


def even_weights(weights: Array, parents: Places, size: int) -> Array:
    """Weights (W, T) scaled so that their mean over each step of sales is one; even where all of them are zero."""
    inside = parents >= 0
    total, count = np.zeros((len(weights), size)), np.bincount(parents[inside], minlength=size)
    starts = np.flatnonzero(np.diff(parents[inside], prepend=-1))
    if len(starts):
        total[:, parents[inside][starts]] = np.add.reduceat(weights[:, inside], starts, axis=1)
    mean = (total / np.maximum(count, 1))[:, np.maximum(parents, 0)]
    return np.asarray(np.where(mean > 0, weights / np.where(mean > 0, mean, 1.0), 1.0))


@dataclass(frozen=True, slots=True)
class Parts:
    """Forecasts of T parts (load by minutes) of S wholes (its mean over a day), from usage alone.

    Their errors: `noise` of each part (T,), independent; and one common factor per whole, `level_variance` (S,),
    that moves its parts in proportion to `moves` (T,), whose mean over each whole is one.
    """

    forecast: Array  # (T,)
    noise: Array  # (T,)
    moves: Array  # (T,)
    level_variance: Array  # (S,)
    parents: Places  # (T,), ascending from 0, every whole has parts

    def mean(self, values: Array) -> Array:
        """The mean over each whole: (S,)."""
        size = len(self.level_variance)
        count = np.bincount(self.parents, minlength=size)
        return np.asarray(np.bincount(self.parents, values, size) / np.maximum(count, 1))


def reconcile(parts: Parts, wholes: Array, whole_variance: Array) -> Array:
    """Parts (T,) moved so that parts and `wholes` (S,) agree, at least total variance, none negative.

    MinT, ``S (S' W^-1 S)^-1 S' W^-1 y``, for one level of aggregation reduces to: each part takes its share
    ``cov(part, mean of parts) / (var(mean of parts) + var(whole))`` of the difference between whole and mean of parts
    (Wickramasuriya, Athanasopoulos, Hyndman 2019; Sherman-Morrison). What would fall below zero is cut to zero and
    its whole's other parts give the same amount.

    >>> parts = Parts(np.array([1.0, 3.0]), np.ones(2), np.ones(2), np.zeros(1), np.zeros(2, dtype=np.intp))
    >>> reconcile(parts, np.array([3.0]), np.array([0.0])).tolist()
    [2.0, 4.0]
    """
    moved = parts.forecast + gains(parts, whole_variance) * (wholes - parts.mean(parts.forecast))[parts.parents]
    cut = np.maximum(moved, 0.0)
    lost, left = parts.mean(cut - moved), parts.mean(cut)
    return np.asarray(
        cut * np.where(left > 0, np.maximum(left - lost, 0.0) / np.where(left > 0, left, 1.0), 0.0)[parts.parents]
    )


def gains(parts: Parts, whole_variance: Array) -> Array:
    """How much of the difference between whole and mean of parts each part takes: (T,)."""
    count = np.bincount(parts.parents, minlength=len(whole_variance))
    with_mean = parts.noise / count[parts.parents] + parts.level_variance[parts.parents] * parts.moves
    return np.asarray(with_mean / np.maximum(mean_variance(parts) + whole_variance, 1e-300)[parts.parents])


def mean_variance(parts: Parts) -> Array:
    """The variance of the mean of the parts of each whole: (S,)."""
    count = np.bincount(parts.parents, minlength=len(parts.level_variance))
    return np.asarray(parts.mean(parts.noise) / count + parts.level_variance)
