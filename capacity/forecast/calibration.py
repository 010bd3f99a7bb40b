"""Calibrated quantiles: errors of the rolling origins, scaled by series, slot of the season and distance.

Quantile tracking (Angelopoulos, Candes and Tibshirani, 2023): after each window an offset moves up by what was missed
and down by what was covered too much, so that no drift of the errors can keep the coverage off for long. Slots at which
a business sells nothing are forecast from their own history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.forecast.blend import Served
from capacity.forecast.history import Origins
from capacity.model.arrays import Array, Places
from capacity.stats import nan_mean, normal_quantiles, ordered_quantiles, student_quantiles

MIDDLE = 0.5
POOLED = 0.8  # share of the pooled shape in each quantile; the rest is the series' own (M4 training windows)
TAIL, SEEN_LEVEL = 12.0, 0.9  # degrees of freedom of the tail, and the level from which it is heavier than was seen
SHRINK = 10.0  # errors' worth of the series' own scale in the scale of each slot
SLOTS = 24  # at most so many scales per season: minutes share theirs
LEVEL_POWER = (
    0.5  # between additive (0) and multiplicative (1) errors, as of counts; 0.3 suits 5 minutes, 0.6 single ones
)
LEAST_LEVEL = 0.07  # of the highest forecast, added to each: beside a closed week, no error is a hundred times its size
LATELY = 6.0  # origins until an error counts half in today's scale
FOLLOW = (0.5, 2.5)  # how far the scale may follow: a few origins are noisy themselves
NEIGHBOUR = 0.25  # of a slot's scale is each neighbour's: the size of errors changes smoothly over a day
MANY_SLOTS = 12  # slots from which neighbours are alike; the days of a week are not
STEEPEST = 0.5  # errors grow with distance at most like a random walk's
TRACKING_RATE = (
    0.2  # of an offset per window and unit of missed coverage: .1 to .5 are level on traces and M4 training windows
)
LEAST_OFFSET = 0.5  # errors (root mean square) added to the offset that moves, so that one near zero can leave it
RARELY_SOLD = 0.05  # of its cycles at which a slot may have sold and still count as closed
CLOSED_CYCLES = 104  # looked back at: two years of weeks, as many as the 0.99 level asks for
LATEST_CYCLES = 2  # cycles whose sales open a slot again at once: new opening hours must not wait for a year to pass


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of the rolling origins made comparable: `shape` = (actual - past) / past_scale, NaN where unknown."""

    shape: Array  # (N, K, scored)
    past: Array  # (N, K, scored), what was forecast from each rolling origin
    past_scale: Array  # (N, K, scored)
    scale: Array  # (N, H), of the forecast from the real origin
    span: int  # steps from the first past window's beginning to the last one's end


def comparable_errors(served: Served, values: Array, origins: Origins, season_length: int) -> Errors:
    """Divide what came minus what was forecast by its usual size for this series, level, slot and distance."""
    actuals = origins.actuals(values)
    scored = origins.scored
    level = _levels(served, scored)  # (N, K)
    surprise = (actuals - served.past) / level[:, :, None]
    groups = _groups(origins, season_length)  # (K + 1, H)
    count, usual = min(SLOTS, season_length), _usual_change(values, season_length)
    scales = _slot_scales(surprise, groups[1:, :scored], count, usual) * _unevenness(surprise)[:, None]  # (N, count)
    growth = _growth(surprise, scales[:, groups[1:, :scored]], origins.horizon)  # (H,)
    past_scale = scales[:, groups[1:, :scored]] * growth[:scored] * level[:, :, None]
    shape = (actuals - served.past) / past_scale
    scale = scales[:, groups[0]] * growth * _lately(shape)[:, None]
    span = int(origins.ends[1] - origins.ends[-1]) + scored
    return Errors(shape, served.past, past_scale, scale, span)


def add_quantiles(point: Array, errors: Errors, offsets: Array) -> Array:
    """Quantiles around the point forecast (N, H) at offsets (N, Q): (N, H, Q), in order and not negative."""
    quantiles = point[:, :, None] + errors.scale[:, :, None] * offsets[:, None, :]
    return ordered_quantiles(quantiles)


def mixed_offsets(shape: Array, origins: int, levels: tuple[float, ...]) -> Array:
    """Quantiles of comparable errors (N, n), pooled and own, stretched for the few origins behind them: (N, Q).

    A series without a single scored error takes the pooled shape; without any at all, a Gaussian one.
    """
    asked = (MIDDLE, *levels)  # the stretch is around the middle: around 0 it would move a bias as well
    gaussian = 1.25 * normal_quantiles(asked)  # mean |x| = 1, as the scales have it
    gaps = np.isnan(shape)
    scored, whole = ~gaps.all(axis=1), ~gaps.any(axis=1)
    pooled = np.quantile(shape if whole.all() else shape[~gaps], asked) if scored.any() else gaussian
    own = np.tile(pooled, (len(shape), 1))
    if whole.any():
        own[whole] = np.quantile(shape[whole], asked, axis=1).T
    for row in np.flatnonzero(scored & ~whole):  # what `numpy.nanquantile` would do with every row
        own[row] = np.quantile(shape[row][~gaps[row]], asked)
    mixed = POOLED * pooled + (1 - POOLED) * own
    return np.asarray(mixed[:, :1] + (mixed[:, 1:] - mixed[:, :1]) * inflation(origins) * heavier(levels))


def heavier(levels: tuple[float, ...]) -> Array:
    """By what factor high quantiles lie further out than a few origins show, in which the worst was hardly met: (Q,).

    1 up to 0.9; above as Student's t beside the normal distribution. Demand surges more often than it collapses.

    >>> heavier((0.5, 0.9, 0.95, 0.99)).round(3)
    array([1.   , 1.   , 1.024, 1.089])
    """
    high = np.maximum(levels, SEEN_LEVEL)
    return np.asarray(beside_normal(tuple(high)) / beside_normal((SEEN_LEVEL,)))


def beside_normal(levels: tuple[float, ...]) -> Array:
    """How much further out than those of the normal distribution the quantiles of a heavy tail lie (Q,); 1 at 0.5."""
    normal = normal_quantiles(levels)
    return np.asarray(np.divide(student_quantiles(levels, TAIL), normal, out=np.ones(len(levels)), where=normal != 0))


def _lately(shape: Array) -> Array:
    """How large the last origins' errors were among all (N,): where calm or storm has come, the quantiles follow."""
    size, seen = np.nan_to_num(np.abs(shape)), ~np.isnan(shape)
    recency = (0.5 ** (np.arange(shape.shape[1]) / LATELY))[:, None]  # the first rolling origin is the latest
    recent = (size * recency).sum(axis=(1, 2)) / np.maximum((seen * recency).sum(axis=(1, 2)), 1e-12)
    overall = size.sum(axis=(1, 2)) / np.maximum(seen.sum(axis=(1, 2)), 1)
    return np.where(overall > 0, np.clip(recent / np.maximum(overall, 1e-300), *FOLLOW), 1.0)


def _levels(served: Served, scored: int) -> Array:
    """How high each past forecast stood, relative to the real origin's: errors grow with what is forecast."""
    now = served.point[:, :scored].mean(axis=1, keepdims=True)
    then = served.past.mean(axis=2)  # (N, K)
    tiny = LEAST_LEVEL * np.maximum(now, then.max(axis=1, keepdims=True)) + 1e-300
    return np.asarray(((then + tiny) / (now + tiny)) ** LEVEL_POWER)


def inflation(origins: int) -> float:
    """Few windows see too little, so quantiles are stretched: 8 windows by 1.25, 14 by 1.14 (M4 training windows)."""
    return 1.0 + 2.0 / max(origins, 2)


def _groups(origins: Origins, season_length: int) -> Places:
    position = (origins.ends[:, None] + np.arange(origins.horizon)) % season_length
    return np.asarray(position * min(SLOTS, season_length) // season_length)


MOST_CELLS = 1_000_000  # series x steps whose changes are held at once: 8 MiB


def _usual_change(values: Array, season_length: int) -> Array:
    """The mean absolute change over a season (N,): the scale of a series none of whose origins could be scored."""
    length = season_length if season_length < values.shape[1] else 1
    parts = np.array_split(values, -(-values.size // MOST_CELLS))
    mean = np.concatenate([nan_mean(np.abs(part[:, length:] - part[:, :-length]), 1) for part in parts])
    spread = np.nanmax(values, axis=1) - np.nanmin(values, axis=1)
    return np.asarray(np.where(np.isnan(mean), spread, mean))


def _slot_scales(surprise: Array, groups: Places, count: int, usual: Array) -> Array:
    size = np.abs(surprise)
    seen = ~np.isnan(size)
    mean = nan_mean(size, (1, 2))
    size = np.where(seen, size, 0.0)
    overall = np.where(np.isnan(mean), usual, mean)
    scales = np.empty((len(surprise), count))
    for group in range(count):
        here = groups == group
        scales[:, group] = (size[:, here].sum(axis=1) + SHRINK * overall) / (seen[:, here].sum(axis=1) + SHRINK)
    if count >= MANY_SLOTS:
        around = np.roll(scales, 1, axis=1) + np.roll(scales, -1, axis=1)
        scales = (1 - 2 * NEIGHBOUR) * scales + NEIGHBOUR * around
    return np.maximum(scales, 1e-12 * np.maximum(usual[:, None], 1e-290))


def _unevenness(surprise: Array) -> Array:
    """The root mean square of a series' errors (N, K, H) over their mean size, 1 where nothing is known: (N,).

    The slots of a series differ by the mean size of their errors, which few large ones hardly move. Between series the
    root mean square counts: where some err seldom but far and others evenly, it makes their high quantiles alike.
    """
    mean = nan_mean(np.abs(surprise), (1, 2))[:, None, None]
    relative = np.divide(surprise, mean, out=np.ones_like(surprise), where=mean > 0)
    return np.sqrt(nan_mean(relative**2, (1, 2)))


def _growth(surprise: Array, scales: Array, horizon: int) -> Array:
    """How errors grow with distance, as a power between none and a random walk's, over all series: (H,)."""
    size = np.abs(surprise) / scales
    count = (~np.isnan(size)).sum(axis=(0, 1))  # (scored,)
    mean = np.nansum(size, axis=(0, 1)) / np.maximum(count, 1)
    distance = np.arange(1, horizon + 1, dtype=np.float64)
    usable = mean > 0
    if usable.sum() < 3:
        return np.ones(horizon)
    x, y = np.log(distance[: len(mean)][usable]), np.log(mean[usable])
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    return np.asarray((distance / np.exp(x.mean())) ** np.clip(slope, 0.0, STEEPEST))


@dataclass(frozen=True, slots=True)
class Tracked:
    """Offsets after the last window, and the share of all windows' steps that stayed under them on the way."""

    offsets: Array  # (N, Q)
    coverage: Array  # (N, Q), NaN where nothing was scored


def track(shape: Array, offsets: Array, levels: tuple[float, ...], rate: float = TRACKING_RATE) -> Tracked:
    """Follow the coverage of comparable errors (N, K, n), latest window first, from starting offsets (N, Q).

    `rate` is the share of an offset that it moves by, per window and unit of missed coverage.

    >>> always_higher = np.full((1, 14, 10), 2.0)
    >>> tracked = track(always_higher, np.array([[1.0]]), (0.9,))
    >>> tracked.offsets.round(2), tracked.coverage.round(2)
    (array([[2.08]]), array([[0.64]]))
    """
    wanted, now = np.asarray(levels), offsets.copy()
    seen = ~np.isnan(shape)
    steps = seen.sum(axis=2)  # (N, K)
    pace = rate * (np.abs(offsets) + LEAST_OFFSET)
    total = np.zeros_like(offsets)
    for k in range(shape.shape[1] - 1, -1, -1):
        under = (shape[:, k, None] <= now[:, :, None]).sum(axis=2)
        total += under
        missed = np.where(steps[:, k, None] > 0, wanted - under / np.maximum(steps[:, k, None], 1), 0.0)
        now = now + pace * missed
    every = steps.sum(axis=1, keepdims=True)
    return Tracked(now, np.where(every > 0, total / np.maximum(every, 1), np.nan))


def closed_slots(quantiles: Array, values: Array, season_length: int, levels: tuple[float, ...]) -> Array:
    """Quantiles (N, H, Q), lowered to a closed slot's own quantiles over its past cycles; other slots are untouched.

    `values` (N, T) end where the quantiles begin. Errors around a forecast know nothing of closing times: they would
    give a closed Saturday the spread of a busy Friday. A slot that n cycles have seen says nothing about levels above
    n / (n + 1).

    >>> week = np.array([4.0, 4, 4, 4, 4, 0, 4])
    >>> usual = np.full((1, 7, 1), 5.0)
    >>> closed_slots(usual, np.tile(week, (1, 30)), 7, (0.95,))[0, :, 0]
    array([5., 5., 5., 5., 5., 0., 5.])
    """
    cycles = min(CLOSED_CYCLES, values.shape[1] // season_length)
    if cycles <= LATEST_CYCLES:
        return quantiles
    past = values[:, -cycles * season_length :].reshape(len(values), cycles, season_length)
    seen = (~np.isnan(past)).sum(axis=1)  # (N, S)
    sold = past > 0
    closed = (seen > 0) & (sold.sum(axis=1) <= RARELY_SOLD * seen) & ~sold[:, -LATEST_CYCLES:].any(axis=1)  # (N, S)
    some = np.flatnonzero(closed.any(axis=1))  # series with a closed slot: few, and only they cost memory
    if not len(some):
        return quantiles
    own = _own_quantiles(past[some], levels)  # (n, S, Q)
    known = np.asarray(levels) <= (seen[some] / (seen[some] + 1))[:, :, None]
    slots = np.arange(quantiles.shape[1]) % season_length
    binding = (closed[some][:, :, None] & known)[:, slots]
    lowered = quantiles.copy()
    lowered[some] = np.where(binding, np.minimum(quantiles[some], own[:, slots]), quantiles[some])
    return lowered


def _own_quantiles(past: Array, levels: tuple[float, ...]) -> Array:
    """Quantiles over the cycles (axis 1), never interpolated downwards; a gap counts as a cycle that sold nothing."""
    ranked = np.quantile(np.nan_to_num(past), levels, axis=1, method="higher")  # (Q, N, S)
    return np.asarray(np.moveaxis(ranked, 0, -1))
