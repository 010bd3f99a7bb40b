"""Any horizon: the matrix path as far as its recursion carries, then the last season again and again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from capacity.forecast.batch import forecast_batch, supported_seasons
from capacity.forecast.setting import Array, BatchForecast, Setting

REACH = timedelta(days=28)  # four weeks: beyond, an autoregression feeds on itself and may drift away
REACH_SEASONS = 2  # and at least so many of the longest season


def forecast_far(histories: Array, setting: Setting) -> BatchForecast:
    """`forecast_batch` for any horizon: beyond four weeks (two seasons, if longer) its last season is repeated.

    Nothing can explode that is repeated; how much less is known out there is for the caller to add.

    >>> week = 10 + np.arange(7.0)
    >>> forecast_far(np.tile(week, (1, 8)), Setting(timedelta(days=1), 370)).quantiles[0, -3:, 0].round(6)
    array([13., 14., 15.])
    """
    seasons = supported_seasons(setting.seasons or (), histories.shape[1])
    longest = seasons[-1] if seasons else 1
    reach = max(REACH_SEASONS * longest, round(REACH / setting.step), 1)
    if setting.horizon <= reach:
        return forecast_batch(histories, setting)
    near = forecast_batch(histories, replace(setting, horizon=reach, windows=()))
    beyond = reach - longest + np.arange(setting.horizon - reach) % longest
    slots = np.concatenate([np.arange(reach), beyond])
    return replace(near, point=near.point[:, slots], quantiles=near.quantiles[:, slots])
