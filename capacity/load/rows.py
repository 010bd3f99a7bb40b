"""Medians, quantiles and weekly medians of many rows at once, with NaN for what was not seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


def row_quantiles(values: Array, levels: Array) -> Array:
    """Quantiles of what is there in each row (W, n), linear between order statistics: (W, levels); NaN of nothing.

    >>> row_quantiles(np.array([[3.0, 1.0, np.nan, 2.0]]), np.array([0.5, 1.0])).tolist()
    [[2.0, 3.0]]
    """
    ordered = np.sort(values, axis=1)  # NaN goes to the end
    count = (~np.isnan(values)).sum(axis=1)[:, None]
    at = np.asarray(levels) * np.maximum(count - 1, 0)
    low = np.take_along_axis(ordered, np.floor(at).astype(np.intp), axis=1)
    high = np.take_along_axis(ordered, np.ceil(at).astype(np.intp), axis=1)
    return np.asarray(low + (at - np.floor(at)) * (high - low))


def row_median(values: Array) -> Array:
    """The median of what is there in each row (W, n): (W,)."""
    return row_quantiles(values, np.array([0.5]))[:, 0]


def by_week(values: Array, week: Places, slot: Places, slots: int) -> Array:
    """Rows (W, T) as (W, weeks, slots), NaN where nothing was seen; of a repeated hour the later one stays."""
    answer = np.full((len(values), int(week[-1]) + 1, slots), np.nan)
    answer[:, week, slot] = values
    return answer


def slot_medians(cube: Array, axis: int = 1) -> tuple[Array, Array]:
    """The median over the weeks of (W, weeks, slots), NaN of nothing, and how many were seen: twice (W, slots)."""
    ordered = np.sort(cube, axis=axis)
    count = (~np.isnan(cube)).sum(axis=axis)
    low = np.take_along_axis(ordered, np.expand_dims(np.maximum(count - 1, 0) // 2, axis), axis)
    high = np.take_along_axis(ordered, np.expand_dims(np.minimum(count // 2, cube.shape[axis] - 1), axis), axis)
    return np.squeeze((low + high) / 2, axis), count.astype(np.float64)


def variances(values: Array) -> Array:
    """The variance of what is there in each row (W, n), zero of nothing: (W,)."""
    seen = ~np.isnan(values)
    count = np.maximum(seen.sum(axis=1), 1)
    mean = np.nan_to_num(values).sum(axis=1) / count
    return np.asarray(np.where(seen, (np.nan_to_num(values) - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)


def autocorrelation(values: Array) -> Array:
    """Correlation of neighbours in each row (W, n), between 0 and 0.95: (W,)."""
    centered = np.nan_to_num(
        values - (np.nansum(values, axis=1) / np.maximum((~np.isnan(values)).sum(axis=1), 1))[:, None]
    )
    power = (centered**2).sum(axis=1)
    return np.asarray(np.clip((centered[:, 1:] * centered[:, :-1]).sum(axis=1) / np.maximum(power, 1e-300), 0.0, 0.95))
