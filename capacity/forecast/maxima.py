"""Quantiles of the highest step of a window: what a planner buys is the peak, not every hour's own quantile."""

from __future__ import annotations

import numpy as np

from capacity.forecast.calibration import (
    MIDDLE,
    MOST_CELLS,
    TRACKING_RATE,
    Errors,
    beside_normal,
    closed_slots,
    mixed_offsets,
    track,
)
from capacity.forecast.settings import Setting
from capacity.model.arrays import Array
from capacity.stats import nan_mean, running_maxima, sliding_maxima, student_quantiles

PRIOR = 40.0  # windows' worth of a normal sample's prediction interval in each quantile; 60 scores the same
SERIES_PRIOR = 40.0  # windows' worth of the other series' mean and spread in each series' own
SHORTER, SHORTER_PRIOR = 4, 4.0  # windows' worth of the spread of windows a fourth as long in that of long ones
NEXT_TO_NOTHING = 1e-3  # of a window's maximum: a quantile of steps below tells nothing of how the maximum moves
MOST_MOVED = 10.0  # times, of a maximum by what is known ahead where its steps tell nothing
FEW = 0.5  # one series of 14 origins is stretched by 1.04, a fleet by next to none (coverage over the traces)
FEW_WINDOWS = 0.8  # the same where so few windows do not overlap: of weeks, 1.5 covers a point more at 1 % more loss
FEW_APART = 0.4  # of weeks in three weeks of hours, 1.7 points of coverage at 0.9 at 2 % more loss; twice that, 6 %


def maximum_quantiles(quantiles: Array, point: Array, errors: Errors, window: int, levels: tuple[float, ...]) -> Array:
    """Quantiles of the maximum over ``[t, t + window)`` from every step of the horizon: (N, H, Q) as `quantiles`.

    The highest actual of each past window is compared with the highest forecast, in units of the largest scale in it;
    a maximum is never below any of its own steps' quantiles. Near the end, where less than a window is left, it goes
    from a window's to a step's with the logarithm of the length, as maxima of noise do.
    """
    offsets = _offsets(errors, min(window, errors.shape.shape[2]), levels)  # (N, Q)
    floor = highest_quantiles(quantiles, window)
    direct = sliding_maxima(point, window)[:, :, None]
    direct = direct + sliding_maxima(errors.scale, window)[:, :, None] * offsets[:, None, :]
    share = share_left(point.shape[1], window)
    return running_maxima(floor + share[:, None] * np.maximum(direct - floor, 0.0), 2)


def share_left(horizon: int, window: int) -> Array:
    """How much of what a window adds to a step is left at each step of a horizon: all of it but near the end, (H,).

    Of a window longer than the horizon, the first step sees the whole horizon.

    >>> share_left(4, 3).round(2), share_left(4, 9).round(2)
    (array([1.  , 1.  , 0.63, 0.  ]), array([1.  , 0.79, 0.5 , 0.  ]))
    """
    window = min(window, horizon)
    if window == 1:
        return np.zeros(horizon)
    return np.asarray(np.log(np.minimum(window, np.arange(horizon, 0, -1))) / np.log(window))


def highest_quantiles(quantiles: Array, window: int) -> Array:
    """The highest quantile of any step in ``[t, t + window)``, level by level: (N, H, Q)."""
    return sliding_maxima(quantiles.transpose(0, 2, 1), window).transpose(0, 2, 1)


def closed_windows(maxima: Array, quantiles: Array, values: Array, setting: Setting, season_length: int) -> Array:
    """Maxima (N, H, Q), lowered where past windows at this slot of the season sold nothing, as `closed_slots` are.

    `values` (N, T) end where the steps' `quantiles` (N, H, Q) begin. What open windows were off by tells nothing of
    closed ones; of n closed Saturdays, their hours together tell as much as each hour does.

    >>> from datetime import timedelta
    >>> week = np.tile([4.0, 4, 4, 4, 4, 0, 0], (1, 30))
    >>> usual, never = np.full((1, 7, 1), 5.0), np.zeros((1, 7, 1))
    >>> closed_windows(usual, never, week, Setting(timedelta(days=1), 7, (0.95,), window=2), 7)[0, :, 0]
    array([5., 5., 5., 5., 5., 0., 5.])
    """
    highest = highest_quantiles(quantiles, setting.window)
    rows = np.flatnonzero((highest < NEXT_TO_NOTHING * maxima).any(axis=(1, 2)))
    if not len(rows):
        return maxima
    lowered = maxima.copy()
    for some in np.array_split(rows, -(-len(rows) * values.shape[1] // MOST_CELLS)):
        past = sliding_maxima(values[some], setting.window)
        past[:, max(0, past.shape[1] - setting.window + 1) :] = np.nan  # the last windows are not over yet
        lowered[some] = closed_slots(maxima[some], past, season_length, setting.quantile_levels)
    return np.maximum(lowered, highest)


def over_highest(maxima: Array, quantiles: Array, window: int) -> Array:
    """Maxima (H, Q) that no step's quantile in their window exceeds: a clock change or a new step may have left one."""
    return np.asarray(np.maximum(maxima, highest_quantiles(quantiles[None], window)[0]))


def carried_over(maxima: Array, steady: Array, quantiles: Array, window: int) -> Array:
    """Maxima over windows of `steady` quantiles, for `quantiles` that differ by what is known ahead: (N, H, Q).

    An event or growth moves the steps, and the windows' maxima with them: each stays by the same factor above the
    highest of its steps. Where that is next to 0 (steps that mostly sell nothing in a window that mostly sells), the
    maximum moves as the highest level does, up to tenfold.

    >>> steps, twice = np.array([[[0.0, 2.0]]]), np.array([[[0.0, 4.0]]])
    >>> carried_over(np.array([[[1.0, 3.0]]]), steps, twice, 1)
    array([[[2., 6.]]])
    """
    before, after = highest_quantiles(steady, window), highest_quantiles(quantiles, window)
    told = before > NEXT_TO_NOTHING * maxima
    ratio = np.divide(after, before, out=np.ones_like(before), where=told)
    factor = np.where(told, ratio, np.minimum(ratio[:, :, -1:], MOST_MOVED))
    return running_maxima(np.maximum(maxima * factor, after), 2)


def _offsets(errors: Errors, window: int, levels: tuple[float, ...]) -> Array:
    """How far, in scales, the highest actual of a window lies above its highest forecast: (N, Q)."""
    surprise, apart = _surprises(errors, window), _apart(errors, window)
    flat, asked = surprise.reshape(len(surprise), -1), (MIDDLE, *levels)
    seen = mixed_offsets(flat, errors.shape.shape[1], asked)
    foretold = _foretold(_pooled_moments(flat, _short_variance(errors, window), apart), apart, asked)
    middle, offsets = np.split(_with_prior(seen, foretold, apart), [1], axis=1)
    news = min(1.0, apart / errors.shape.shape[1])  # of each origin: windows that overlap tell the same twice
    tracked = track(surprise, offsets, levels, TRACKING_RATE * news).offsets
    return middle + (tracked - middle) * _stretch(errors, apart, levels)


def _stretch(errors: Errors, windows: float, levels: tuple[float, ...]) -> Array:
    """By what factor quantiles lie further from the middle than the past has shown: more for fewer windows (Q,)."""
    series, count, _ = errors.shape.shape
    few = 1.0 + (FEW / count + FEW_WINDOWS / max(windows, count) + FEW_APART / windows) / series
    return np.asarray(few * beside_normal(levels))  # the highest of a window is off by more, and more often


def _surprises(errors: Errors, window: int) -> Array:
    """How far, in scales, the highest actual of each past window lay above its highest forecast: (N, K, windows)."""
    whole = slice(0, errors.shape.shape[2] - window + 1)
    past_scale = sliding_maxima(errors.past_scale, window)[:, :, whole]
    highest = sliding_maxima(errors.past + errors.shape * errors.past_scale, window)[:, :, whole]
    return np.asarray((highest - sliding_maxima(errors.past, window)[:, :, whole]) / past_scale)


def _short_variance(errors: Errors, window: int) -> Array:
    """The variance of the surprises of shorter windows, of which the past holds more: (N,)."""
    surprise = _surprises(errors, max(1, window // SHORTER))
    surprise = surprise.reshape(len(surprise), -1)
    return nan_mean((surprise - nan_mean(surprise, 1)[:, None]) ** 2, 1)


def _apart(errors: Errors, window: int) -> float:
    """How many windows of this length the past holds that do not overlap."""
    _, origins, scored = errors.shape.shape
    return float(min(origins * max(1.0, scored / window), max(1.0, errors.span / window)))


def _with_prior(seen: Array, foretold: Array, windows: float) -> Array:
    """Offsets (N, Q) as `seen` in few windows, mixed with those foretold by their mean and spread: (N, Q).

    A dozen windows do not tell a quantile of 0.99. `windows` is how many of them do not overlap.
    """
    known = ~np.isnan(foretold).any(axis=1, keepdims=True)
    say = windows / (windows + PRIOR)
    return np.where(known, say * seen + (1.0 - say) * foretold, seen)


def _foretold(moments: tuple[Array, Array], windows: float, levels: tuple[float, ...]) -> Array:
    """The prediction interval of a normal sample with this mean and deviation (Student's t): (N, Q)."""
    mean, spread = moments
    width = student_quantiles(levels, max(windows - 1.0, 3.0)) * np.sqrt(1.0 + 1.0 / windows)
    return np.asarray(mean[:, None] + spread[:, None] * width)


def _pooled_moments(surprise: Array, shorter: Array, windows: float) -> tuple[Array, Array]:
    """Mean and deviation of each series' surprises (N, n), each leaning on those of all series: (N,) each.

    Two or three windows do not tell their own spread: that of `shorter` windows (N,) stands in for it.
    """
    mean = nan_mean(surprise, 1)
    variance = nan_mean((surprise - mean[:, None]) ** 2, 1) * windows / max(windows - 1.0, 1.0)
    variance = (windows * variance + SHORTER_PRIOR * shorter) / (windows + SHORTER_PRIOR)
    own = windows / (windows + SERIES_PRIOR)
    mean_of_all, variance_of_all = nan_mean(mean, 0), nan_mean(variance, 0)
    return own * mean + (1 - own) * mean_of_all, np.sqrt(own * variance + (1 - own) * variance_of_all)
