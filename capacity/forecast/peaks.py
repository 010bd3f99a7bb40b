"""Quantiles of the highest step of a window: what a planner buys is the peak, not every hour's own quantile."""

from __future__ import annotations

import numpy as np

from capacity.forecast.conformal import Errors, mixed_offsets
from capacity.forecast.setting import Array

FEW = 3.0  # one series of 14 origins: by 1.21 (traces cover .946 at .95, unstretched .915); a fleet: by next to none


def window_maxima(values: Array, window: int) -> Array:
    """The maximum over consecutive whole windows along the last axis: (..., H) -> (..., H // window).

    >>> window_maxima(np.array([[1.0, 5.0, 2.0, 3.0, 9.0]]), 2)
    array([[5., 3.]])
    """
    count = values.shape[-1] // window
    return np.asarray(values[..., : count * window].reshape(*values.shape[:-1], count, window).max(axis=-1))


def maximum_quantiles(quantiles: Array, point: Array, errors: Errors, window: int, levels: tuple[float, ...]) -> Array:
    """Quantiles of the maximum over each window: (N, H, Q) -> (N, H // window, Q).

    The highest actual of each past window is compared with the highest forecast, in units of the scale at that step;
    a maximum is never below any of its own steps' quantiles.
    """
    scale = window_maxima(errors.scale, window)  # (N, W)
    surprise = _past_surprise(errors, min(window, errors.shape.shape[2]))
    stretch = 1.0 + FEW / (errors.shape.shape[0] * errors.shape.shape[1])
    offsets = mixed_offsets(surprise, errors.shape.shape[1], levels) * stretch
    direct = window_maxima(point, window)[:, :, None] + scale[:, :, None] * offsets[:, None, :]
    floor = window_maxima(quantiles.transpose(0, 2, 1), window).transpose(0, 2, 1)
    return np.maximum.accumulate(np.maximum(direct, floor), axis=2)


def _past_surprise(errors: Errors, window: int) -> Array:
    """(highest actual - highest forecast) / highest scale of every past window: (N, K * windows), NaN where unknown."""
    past_scale = window_maxima(errors.past_scale, window)
    highest = window_maxima(errors.past + errors.shape * errors.past_scale, window)
    surprise = (highest - window_maxima(errors.past, window)) / past_scale
    return np.asarray(surprise.reshape(len(surprise), -1))
