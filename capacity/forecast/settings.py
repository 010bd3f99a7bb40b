"""What is asked of a batch forecast, and what comes back: the two nouns of the matrix path."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from capacity.model import DEFAULT_LEVELS, require, require_levels
from capacity.model.arrays import Array, Mask, Places
from capacity.series.seasons import calendar_seasons

FINE = timedelta(minutes=15)  # the longest step of which the last one still says where sales stand
ORIGINS = 14  # eight rank the members as well; fourteen cover .954 where eight cover .935 (M4 Hourly, training windows)


@dataclass(frozen=True, slots=True)
class Setting:
    """How to forecast a batch: `horizon` steps of length `step`, at `quantile_levels`.

    `seasons` are season lengths in steps, ascending; None takes the calendar of the step. `origins` is the number of
    rolling origins that rank the members and calibrate the quantiles. `window`, in steps, asks for the quantiles of
    the maximum over ``[t, t + window)`` from every step t; 0 for none. `global_layer` corrects the forecast by one
    model trained over all series, from 10 series up; None: where that came nearer at the origins, up to 200 series.
    `seed` is its randomness.

    >>> Setting(timedelta(hours=1), 48).seasons
    (24, 168)
    """

    step: timedelta
    horizon: int
    quantile_levels: tuple[float, ...] = DEFAULT_LEVELS
    seasons: tuple[int, ...] | None = None
    origins: int = ORIGINS
    window: int = 0
    global_layer: bool | None = False
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.step > timedelta(0), "step must be positive, got {}", self.step)
        require(self.horizon >= 1, "horizon must be at least one step, got {}", self.horizon)
        require(self.origins >= 2, "expected at least 2 rolling origins, got {}", self.origins)
        require_levels(self.quantile_levels)
        if self.seasons is None:
            object.__setattr__(self, "seasons", calendar_seasons(self.step))
        seasons = self.seasons or ()
        require(list(seasons) == sorted(set(seasons)), "seasons must ascend without repeats, got {}", seasons)
        require(all(season >= 2 for season in seasons), "a season has at least 2 steps, got {}", seasons)
        require(self.window >= 0, "window must be 0 (none) or a number of steps, got {}", self.window)

    @property
    def year(self) -> int:
        """Steps in a year of 52 whole weeks, so that weekdays meet; 0 above a day, where the season is the year."""
        return round(timedelta(days=364) / self.step) if self.step <= timedelta(days=1) else 0


NEAREST = 48  # steps after each rolling origin whose errors are kept: two days of hours, a few kB a series


@dataclass(frozen=True, slots=True)
class Residuals:
    """Errors (actual minus forecast) of the rolling origins over their usual size, NaN where nothing came.

    `back`: how many columns each origin's known history ends before that of the real one.
    """

    errors: NDArray[np.float32]  # (N, K, up to NEAREST)
    back: Places  # (K,)

    def only(self, place: int) -> Residuals:
        """Those of one series, without the memory of the others."""
        return Residuals(self.errors[place : place + 1].copy(), self.back)


@dataclass(frozen=True, slots=True)
class BatchForecast:
    """Quantiles of N series over H steps, with the reason for each.

    `point` is the centre (the median of the calibrated errors is added in `quantiles`), `models` names what was
    served, `notes` says what was found or could not be supported. `maxima` are the quantiles of the maximum over
    ``[t, t + window)``, shorter at the horizon's end, None where no window was asked for. `coverage` is the share of
    the rolling origins' steps under each quantile as it stood at the time, NaN where none could be scored. `skill` is
    1 - mean absolute error / the seasonal naive's, on the same origins. `unskilled`: the model showed no skill over the
    seasonal naive there, which is at least a part of what is served. `residuals`: errors of the rolling origins in
    their usual size, of the steps nearest to each; None where none were kept.
    """

    point: Array  # (N, H)
    quantiles: Array  # (N, H, Q)
    models: tuple[str, ...]
    notes: tuple[tuple[str, ...], ...]
    maxima: Array | None  # (N, H, Q)
    coverage: Array  # (N, Q)
    skill: Array  # (N,)
    unskilled: Mask  # (N,)
    residuals: Residuals | None = None

    def only(self, place: int) -> BatchForecast:
        """One series of the batch, as a batch of one."""
        at = slice(place, place + 1)
        maxima = None if self.maxima is None else self.maxima[at]
        return BatchForecast(
            self.point[at],
            self.quantiles[at],
            self.models[at],
            self.notes[at],
            maxima,
            self.coverage[at],
            self.skill[at],
            self.unskilled[at],
            None if self.residuals is None else self.residuals.only(place),
        )
