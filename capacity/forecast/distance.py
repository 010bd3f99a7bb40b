"""How much less is known far ahead: what distance adds to an interval calibrated nearby."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from capacity.forecast.setting import Setting
from capacity.forecast.uplift import spread_out
from capacity.model.arrays import Array
from capacity.stats import pinball

BAND = (0.05, 0.5, 0.95)  # the quantiles that a trial forecasts: the interval's edges and its middle
LONG = timedelta(days=28)  # horizons from which the rolling origins, all of one season, may know too little
QUARTER = timedelta(days=91)
SPREADS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)  # log units that are tried
LEAST_ORIGINS = 3
UNKNOWN = 0.3  # log units a quarter ahead, where no origin could be held out: a retailer swings by 0.9 in a year


def distance_spread(bands: Array | None, actuals: Array | None, setting: Setting) -> tuple[Array, tuple[str, ...]]:
    """The log-normal deviation (H,) that distance adds, and its note; nothing for horizons below four weeks.

    `bands` (origins, H, 3) at `BAND` and `actuals` (origins, H) come from held-out origins: the deviation with the
    least quantile loss there is taken. Without them it grows from four weeks on by 0.3 a quarter, like a random walk.
    """
    steps = np.arange(1, setting.horizon + 1)
    if setting.horizon * setting.step < LONG:
        return np.zeros(setting.horizon), ()
    if bands is None or actuals is None or len(bands) < LEAST_ORIGINS:
        beyond = np.maximum(steps - LONG / setting.step, 0.0) / (QUARTER / setting.step)
        return UNKNOWN * np.sqrt(np.minimum(beyond, 4.0)), ("no origin could be held out so far ahead",)
    shape = np.sqrt(steps / setting.horizon)
    losses = [_loss(bands, actuals, spread * shape) for spread in SPREADS]
    best = SPREADS[int(np.argmin(losses))]
    note = f"interval widened by {best:.0%} at the end of the horizon, as held-out origins ask for"
    return best * shape, (note,) if best else ()


def _loss(bands: Array, actuals: Array, spread: Array) -> float:
    """Quantile loss of the interval's edges after widening."""
    wide = np.stack([spread_out(band[:, 1], band, BAND, spread) for band in bands])
    return float(np.nanmean(pinball(actuals[:, :, None], wide, np.array(BAND))[:, :, ::2]))
