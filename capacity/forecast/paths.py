"""What followed past moments, over the value before them, and weighted quantiles of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capacity.forecast.setting import Array


def ratios_after(values: Array, moments: NDArray[np.intp], length: int) -> Array:
    """The `length` values (N, T) from each moment on, over the value before it (N, n, length); NaN where not known.

    >>> ratios_after(np.array([[2.0, 4, 6, 9]]), np.array([1, 3]), 2)
    array([[[2. , 3. ],
            [1.5, nan]]])
    """
    at, last = moments[:, None] + np.arange(-1, length), values.shape[1] - 1
    paths = np.where((at >= 0) & (at <= last), values[:, np.clip(at, 0, last)], np.nan)
    first = paths[:, :, :1]
    return np.asarray(paths[:, :, 1:] / np.where(first > 0, first, np.nan))


def weighted_quantiles(values: Array, weights: Array, levels: Array) -> Array:
    """Weighted quantiles over axis 1 of (N, n, h), at levels (Q,) or (h, Q): (N, h, Q).

    What is not known, and what weighs nothing, does not count; where nothing is known the answer is NaN.
    """
    if not values.shape[1]:
        return np.full((len(values), values.shape[2], np.shape(levels)[-1]), np.nan)
    order = np.argsort(values, axis=1)  # NaN last
    ranked = np.take_along_axis(values, order, axis=1)
    weight = np.where(np.isnan(ranked), 0.0, weights[order])
    total = weight.sum(axis=1, keepdims=True)
    share = np.cumsum(weight, axis=1) / np.where(total > 0, total, 1.0)
    place = (share[..., None] < levels - 1e-9).sum(axis=1)  # (N, h, Q)
    last = np.maximum((weight > 0).sum(axis=1) - 1, 0)[..., None]
    return np.take_along_axis(ranked.transpose(0, 2, 1), np.minimum(place, last), axis=2)
