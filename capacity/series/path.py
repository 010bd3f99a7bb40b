"""Demand within a step: a smooth path that keeps every step's total, and where orders are counted, their spread."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array

PART = timedelta(minutes=15)  # orders are spread over parts of this length; within a part load moves smoothly
VISITS = 50  # behind one order: shops sell to about two visits of a hundred, and visits are what loads a service


def smooth_path(means: Array, parts: int) -> Array:
    """The mean of each of `parts` equal parts of every step (..., steps x parts), from those of the steps (..., steps).

    The running total is a cubic Hermite curve whose slope between two steps is the mean of both, bounded by three
    times the lower so that it never falls (Fritsch and Carlson, 1980): the path is continuous, never negative, straight
    where the steps rise evenly, level at both ends, and the mean of a step's parts is the mean of the step. Every
    policy that is simulated meets this path.

    Parameters:
        means: mean of each step, >= 0, in any unit, without gaps: (..., steps).
        parts: parts of a step, at least 1.

    >>> smooth_path(np.array([1.0, 2.0, 3.0, 4.0]), 2)[2:6].tolist()
    [1.75, 2.25, 2.75, 3.25]
    """
    require(parts >= 1, "expected at least one part in a step, got {}", parts)
    if not (means >= 0).all():
        require(False, "expected means >= 0 without gaps, got {}", means[~(means >= 0)][:3])
    if parts == 1 or means.shape[-1] < 2:
        return np.repeat(means, parts, axis=-1)
    lower = np.minimum(means[..., :-1], means[..., 1:])
    knots = np.minimum((means[..., :-1] + means[..., 1:]) / 2, 3 * lower)
    ends = np.maximum(
        1.5 * means[..., [0, -1]] - 0.5 * knots[..., [0, -1]], 0.0
    )  # level where the path begins and ends
    slopes = np.concatenate([ends[..., :1], knots, ends[..., 1:]], axis=-1)
    before, after = slopes[..., :-1], slopes[..., 1:]
    path = np.empty((*means.shape, parts))
    reached = before * 0.0
    for part, at in enumerate(np.linspace(0, 1, parts + 1)[1:].tolist()):
        rest, square = 1 - at, at * at
        running = before * at * (rest * rest) + means * square * (3 - 2 * at) - after * square * rest
        np.maximum((running - reached) * parts, 0.0, out=path[..., part])
        reached = running
    return path.reshape(*means.shape[:-1], means.shape[-1] * parts)


def are_counts(totals: Array) -> bool:
    """Whether these totals (steps,) are whole numbers, as counts of orders are."""
    known = totals[np.isfinite(totals)]
    return bool(len(known)) and bool((known == np.round(known)).all())


def spread_counts(totals: Array, parts: int, random: np.random.Generator) -> Array:
    """Counts in each part of every step (steps x parts,), that add up to the step's total: (steps,) whole numbers.

    Orders come one by one (Poisson): given the total of a step, its parts are multinomial, with the shares of the
    smooth path.

    >>> spread_counts(np.array([4.0, 9.0]), 2, np.random.default_rng(1)).reshape(2, 2).sum(axis=1).tolist()
    [4.0, 9.0]
    """
    shares = smooth_path(totals, parts).reshape(len(totals), parts)
    whole = shares.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1 / parts)
    shares = np.where(whole > 0, shares / np.where(whole > 0, whole, 1.0), even)
    return random.multinomial(totals.astype(np.int64), shares).astype(np.float64).reshape(-1)


def sales_path(sales: Array, step: timedelta, tick: timedelta, random: np.random.Generator) -> Array:
    """Sales per tick, as totals of a step's length (steps x ticks of a step,), from the totals per step (steps,).

    The mean over a step's ticks is its total. Of counts the visits behind them are first spread over quarters of an
    hour; sums of money and loads, whose spread within a step is not known, move smoothly.

    Parameters:
        sales: total of each step, >= 0, without gaps: (steps,).
        step: length of a step, whole ticks.
        tick: length of a tick.
        random: where the spread of counts comes from; equal generators, equal paths.

    >>> minute = timedelta(minutes=1)
    >>> sales_path(np.array([60.0, 60.0]), 60 * minute, minute, np.random.default_rng(1)).reshape(2, 60).mean(axis=1)
    array([60., 60.])
    """
    ticks, parts = step // tick, step // PART
    require(step % tick == timedelta(0) and ticks >= 1, "a step must be whole ticks of {}, got {}", tick, step)
    if parts < 2 or ticks % parts or not are_counts(sales):
        return smooth_path(sales, ticks)
    return smooth_path(spread_counts(sales * VISITS, parts, random) * (parts / VISITS), ticks // parts)
