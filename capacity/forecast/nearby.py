"""The next hours of short steps: sales now times how past days went on from the same minute, where that was better.

The blend is weighed by its errors over the whole horizon; what happens in the next minutes is told best by where sales
stand now. Both are compared on the rolling origins, and each series gets as much of one as it was better by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.conformal import Errors
from capacity.forecast.origins import Origins
from capacity.forecast.paths import ratios_after
from capacity.forecast.peaks import highest_quantiles
from capacity.forecast.setting import FINE, BatchForecast, Setting
from capacity.model.arrays import Array, Places
from capacity.stats import nan_mean, nearest_level, pinball, sliding_maxima, weighted_quantiles

REACH = timedelta(hours=4)  # full weight over the first half, fading over the second
DAYS = 42  # looked back at
HALF_LIFE = 7.0  # days
OTHER_WEEKDAY = 0.5  # weight of a day that is not the same weekday
AROUND = np.exp(-0.5 * (np.arange(-3, 4) / 3.0) ** 2)  # weights of the slots around the same minute
BETTER, MUCH_BETTER = 0.85, 0.65  # of the blend's loss: from where past days have a say, and the whole of it
OFTEN = 0.7  # of the rolling origins at which they must have been better: one storm is no reason


@dataclass(frozen=True, slots=True)
class Nearby:
    """How the next steps may go on: quantiles and maxima over windows (N, R, Q), from the last value on."""

    quantiles: Array
    maxima: Array


def with_nearby(
    batch: BatchForecast, values: Array, past: tuple[Origins, Errors, Array], setting: Setting
) -> BatchForecast:
    """The forecast with its next steps as past days (N, T) went on, as far as that was better at the rolling origins.

    `past` are these origins, the blend's errors from them and the offsets (N, Q) of its quantiles. Steps of more than a
    quarter of an hour, and series without a daily season, stay as they are.
    """
    origins, errors, offsets = past
    day, reach = round(timedelta(days=1) / setting.step), min(REACH // setting.step, setting.horizon)
    if setting.step > FINE or values.shape[1] < 3 * day or origins.scored < 2:
        return batch
    share = _share(values, origins, errors, offsets, setting)  # (N,)
    if not share.any():
        return batch
    now = nearby(values, day, reach, setting)
    known = np.isfinite(now.quantiles).all(axis=(1, 2))
    weight = np.where(known, share, 0.0)[:, None, None] * np.clip(2 - 2 * np.arange(reach) / reach, 0, 1)[:, None]
    return _mixed(batch, now, weight, setting)


def nearby(values: Array, day: int, reach: int, setting: Setting) -> Nearby:
    """Quantiles of the ratios to the last value on past days, times the last value (N, 1); NaN where it is not known.

    >>> day = np.tile(np.arange(1.0, 289.0), (1, 8))[:, :-144]
    >>> nearby(2 * day, 288, 3, Setting(timedelta(minutes=5), 3, (0.5,))).quantiles[0, :, 0].round()
    array([290., 292., 294.])
    """
    window, last = max(setting.window, 1), values[:, -1]
    moments, weights = _moments(values.shape[1], day)
    ratios = ratios_after(values, moments, reach + window - 1)  # (N, n, reach + window - 1)
    highest = sliding_maxima(ratios, window)[:, :, :reach]
    levels = np.asarray(setting.quantile_levels)
    found = [
        weighted_quantiles(part, weights, levels) * last[:, None, None] for part in (ratios[:, :, :reach], highest)
    ]
    return Nearby(*found)


def _moments(length: int, day: int) -> tuple[Places, Array]:
    """The slots at this time of the day on past days, and around it; and what each counts (n,)."""
    ago = np.arange(1, min(DAYS, (length - 4) // day) + 1)
    weight = 0.5 ** (ago / HALF_LIFE) * np.where(ago % 7 == 0, 1.0, OTHER_WEEKDAY)
    moments = (length - ago * day)[:, None] + np.arange(-3, 4)
    return moments.ravel(), (weight[:, None] * AROUND).ravel()


def _share(values: Array, origins: Origins, errors: Errors, offsets: Array, setting: Setting) -> Array:
    """How much of the next steps past days may tell (N,): by the losses of both at the rolling origins."""
    day = round(timedelta(days=1) / setting.step)
    judged = min(origins.scored, max(1, REACH // setting.step // 2))
    actual = origins.actuals(values)[:, :, :judged]
    levels = np.asarray(setting.quantile_levels)
    blend = errors.past[..., None] + errors.past_scale[..., None] * offsets[:, None, None, :]
    asked = replace(setting, window=1)
    days = np.stack([nearby(values[:, :end], day, judged, asked).quantiles for end in origins.ends[1:]], axis=1)
    known = ~np.isnan(actual)[..., None] & ~np.isnan(days)
    told = (np.where(known, days, np.nan), np.where(known, np.maximum(blend[:, :, :judged], 0.0), np.nan))
    mine, others = (_losses(actual, quantiles, levels) for quantiles in told)  # (N, K)
    ratio = np.nansum(mine, axis=1) / np.maximum(np.nansum(others, axis=1), 1e-300)
    often = (mine < others).sum(axis=1) >= OFTEN * np.maximum((~np.isnan(mine)).sum(axis=1), 1)
    return np.where(often, np.clip((BETTER - ratio) / (BETTER - MUCH_BETTER), 0.0, 1.0), 0.0)


def _losses(actual: Array, told: Array, levels: Array) -> Array:
    """The mean quantile (pinball) loss of (N, K, R, Q) at each origin (N, K), NaN where nothing is known."""
    return nan_mean(pinball(actual[..., None], told, levels), (2, 3))


def _mixed(batch: BatchForecast, now: Nearby, weight: Array, setting: Setting) -> BatchForecast:
    """The first steps of a forecast drawn towards what is nearby by `weight` (N, R, 1)."""
    reach = weight.shape[1]
    quantiles = batch.quantiles.copy()
    quantiles[:, :reach] += weight * np.nan_to_num(now.quantiles - quantiles[:, :reach])
    middle = nearest_level(setting.quantile_levels)
    point = batch.point.copy()
    if setting.quantile_levels[middle] == 0.5:
        point[:, :reach] += weight[:, :, 0] * np.nan_to_num(now.quantiles[:, :, middle] - point[:, :reach])
    maxima = None
    if batch.maxima is not None:
        maxima = batch.maxima.copy()
        maxima[:, :reach] += weight * np.nan_to_num(now.maxima - maxima[:, :reach])
        maxima = np.maximum(maxima, highest_quantiles(quantiles, setting.window))
    return replace(batch, point=point, quantiles=quantiles, maxima=maxima)
