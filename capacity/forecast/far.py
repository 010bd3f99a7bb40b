"""Any horizon: the matrix path as far as its recursion carries, then the last season again and again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from capacity.forecast.peaks import highest_quantiles, over_steps, share_left
from capacity.forecast.setting import BatchForecast, Setting
from capacity.forecast.steady import forecast_steady, supported_seasons
from capacity.model.arrays import Array, Places

REACH = timedelta(days=28)  # four weeks: beyond, an autoregression feeds on itself and may drift away
REACH_SEASONS = 2  # and at least so many of the longest season


def forecast_far(histories: Array, setting: Setting) -> BatchForecast:
    """`forecast_steady` for any horizon: beyond four weeks (two seasons, if longer) its last season is repeated.

    Nothing can explode that is repeated; how much less is known out there is for the caller to add.

    >>> week = 10 + np.arange(7.0)
    >>> forecast_far(np.tile(week, (1, 8)), Setting(timedelta(days=1), 370)).quantiles[0, -3:, 0].round(6)
    array([13., 14., 15.])
    """
    seasons = supported_seasons(setting.seasons or (), histories.shape[1])
    longest = seasons[-1] if seasons else 1
    reach = max(REACH_SEASONS * longest, round(REACH / setting.step), 1)
    if setting.horizon <= reach:
        return forecast_steady(histories, setting)
    near = forecast_steady(histories, replace(setting, horizon=reach))
    beyond = reach - longest + np.arange(setting.horizon - reach) % longest
    slots = np.concatenate([np.arange(reach), beyond])
    quantiles = near.quantiles[:, slots]
    maxima = None if near.maxima is None else _repeated_maxima(near, quantiles, slots, setting.window)
    return replace(near, point=near.point[:, slots], quantiles=quantiles, maxima=maxima)


def _repeated_maxima(near: BatchForecast, quantiles: Array, slots: Places, window: int) -> Array:
    """Maxima over the whole horizon, above the highest quantile of each window by as much as nearby."""
    above = over_steps(near.maxima, near.quantiles, window) - 1.0
    whole = max(1, near.quantiles.shape[1] - window + 1)
    kept = above[:, np.where(slots < whole, slots, slots % whole)] * share_left(len(slots), window)[:, None]
    return np.maximum.accumulate(highest_quantiles(quantiles, window) * (1.0 + kept), axis=2)
