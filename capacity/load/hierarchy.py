"""Days meet minutes: forecasts of whole steps and of their parts, reconciled by minimum trace (MinT) in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.domain.arrays import Array, Places


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
