"""The year of a business: its slow course on weeks, as a smooth yearly factor and a damped trend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.model.arrays import Array
from capacity.series.seasons import WEEK, YEAR
from capacity.stats import block_means, robust_deviation, robust_ridge

WAVES = 6  # of the year from three cycles on: a shape no finer than a month
FEW_WAVES = 3  # with less: no finer than two months, so that one promotion does not become a season
WAVE_PENALTY = 1.0  # weeks' worth of "no season" per wave, growing with its square: smooth shapes are likelier
BEND_PENALTY = 20.0  # weeks' worth of "no change" per changepoint of the trend
BEND_EVERY = 13.0  # weeks between the places where the trend may bend
TRUST = 1.0  # years' worth of "no season": one year carries half of its factor, two carry two thirds
TREND_TRUST = 2.0  # years' worth of "no trend": in a year or two a trend and a season look alike
DAMPING_WEEKS = 13.0  # half-life of the trend ahead: growth of a quarter says little about next year
STEEPEST = np.log(3) / 52  # per week: growth beyond three times a year is not extrapolated
FLOOR = 0.02  # of the mean, added before the logarithm: a closed week stays finite
LEAST_WEEKS = 26  # of data: from less, a trend of the business cannot be told from its season


@dataclass(frozen=True, slots=True)
class Year:
    """The fitted course: log yearly factor and slope per week, as seen from the last slot of the history.

    `waves` holds sine and cosine coefficients (2 * WAVES,), `slope` the trend's last one in log units per week,
    `noise` the robust deviation of weeks from both, `cycles` the years behind it.
    """

    waves: Array
    slope: float
    noise: float
    cycles: float
    step: timedelta

    def factor(self, slots: Array) -> Array:
        """The yearly factor on slots counted from the end of the history (-1 is its last), 1 on average of a year."""
        return np.asarray(np.exp(_angles((slots + 0.5) * (self.step / YEAR)) @ self.waves))

    def growth(self, horizon: int) -> Array:
        """The damped growth on each slot ahead, 1 at the origin: (H,)."""
        damping = 0.5 ** (1 / DAMPING_WEEKS)
        weeks = np.arange(1, horizon + 1) * (self.step / WEEK)
        return np.asarray(np.exp(self.slope * (1 - damping**weeks) / -np.log(damping)))


def fit_year(row: Array, step: timedelta) -> Year | None:
    """Fit the course of a history (T,), NaN for gaps, by a robust ridge on weekly log levels (longer steps: as is).

    The factor needs a whole year and is 1 below it; the trend needs half a year, below it there is None.
    """
    logs, position = weekly_logs(row, step)  # weeks counted back from the end
    seen = ~np.isnan(logs)
    cycles = len(row) * (step / YEAR)
    if seen.sum() * max(1.0, step / WEEK) < LEAST_WEEKS:
        return None
    design, penalty = _design(position, max(1.0, step / WEEK))
    design[:, -2 * WAVES :] *= _supported(cycles)
    fit = robust_ridge(design[seen], logs[seen], penalty, deviation=lambda errors: max(robust_deviation(errors), 1e-9))
    fitted, noise = fit.coefficients, robust_deviation(fit.errors)
    waves = fitted[-2 * WAVES :] * cycles / (cycles + TRUST)
    slope = float(fitted[1 : -2 * WAVES].sum()) * cycles / (cycles + TREND_TRUST)
    return Year(waves, float(np.clip(slope, -STEEPEST, STEEPEST)), noise, cycles, step)


def weekly_logs(row: Array, step: timedelta) -> tuple[Array, Array]:
    """Log means of whole weeks counted back from the end, and their middles in weeks before the end (negative)."""
    width = max(1, round(WEEK / step))
    level = block_means(row, width)
    mean = np.nanmean(row)
    logs = np.log(level / mean + FLOOR) if mean > 0 else np.full(len(level), np.nan)
    middles = (np.arange(-len(level), 0) + 0.5) * width * (step / WEEK)
    return np.asarray(logs, dtype=np.float64), np.asarray(middles, dtype=np.float64)


def _supported(cycles: float) -> Array:
    """Which waves so many years can tell, one or nothing for each column."""
    highest = 0 if cycles < 1 else FEW_WAVES if cycles < 3 else WAVES
    return np.tile(np.arange(1, WAVES + 1) <= highest, 2).astype(np.float64)


def _angles(years: Array) -> Array:
    turns = 2 * np.pi * years[:, None] * np.arange(1, WAVES + 1)
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=1)  # (n, 2 * WAVES)


def _design(weeks: Array, weeks_per_row: float) -> tuple[Array, Array]:
    """Columns: level, slope, bends of the slope, waves; and the penalty of each in rows."""
    bends = np.arange(weeks[0] + BEND_EVERY, -BEND_EVERY / 2, BEND_EVERY)
    ramps = np.maximum(weeks[:, None] - bends, 0.0)
    columns = np.concatenate([np.ones((len(weeks), 1)), weeks[:, None], ramps, _angles(weeks * (WEEK / YEAR))], axis=1)
    waves = np.tile(WAVE_PENALTY * np.arange(1, WAVES + 1) ** 2, 2)
    bending = np.full(len(bends), BEND_PENALTY * BEND_EVERY**2)
    return columns, np.concatenate([[1e-9, 1e-9], bending, waves]) / weeks_per_row
