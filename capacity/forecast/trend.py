"""The trend of a series: its level after shifts, its yearly factor, its growth. Taken out before, put back after.

And how much less is known far ahead: what distance adds to an interval that was calibrated nearby.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.settings import Setting
from capacity.forecast.uplift import spread_out
from capacity.model.arrays import Array
from capacity.series.growth import percent
from capacity.series.levels import shift_slots
from capacity.series.seasons import WEEK, YEAR
from capacity.stats import block_means, pinball, robust_deviation, robust_ridge

FULL_DISTANCE = 13.0  # weeks ahead at which a yearly factor is as uncertain as it gets: a quarter of its cycle
WAVES = 6  # of the year from three cycles on: a shape no finer than a month
FEW_WAVES = 3  # with less: no finer than two months, so that one promotion does not become a season
WAVE_PENALTY = 1.0  # weeks' worth of "no season" per wave, growing with its square: smooth shapes are likelier
BEND_PENALTY = 20.0  # weeks' worth of "no change" per changepoint of the trend
BEND_EVERY = 13.0  # weeks between the places where the trend may bend
BEND_ROWS = 2.9  # steps between them at least: a quarter of months has three, and years need no more bends than steps
YEAR_TRUST = 1.0  # years' worth of "no season": one year carries half of its factor, two carry two thirds
TREND_TRUST = 2.0  # years' worth of "no trend": in a year or two a trend and a season look alike
DAMPING_WEEKS = 13.0  # half-life of the trend ahead: growth of a quarter says little about next year
STEEPEST_GROWTH = np.log(3) / 52  # per week: growth beyond three times a year is not extrapolated
LOG_FLOOR = 0.02  # of the mean, added before the logarithm: a closed week stays finite
LEAST_WEEKS = 26  # of data: from less, a trend of the business cannot be told from its season
BAND = (0.05, 0.5, 0.95)  # the quantiles that a trial forecasts: the interval's edges and its middle
LONG = timedelta(days=28)  # horizons from which the rolling origins, all of one season, may know too little
QUARTER = timedelta(days=91)
SPREADS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)  # log units that are tried
RISE = 1 / 3  # power of the distance with which they grow: half of a year's is there after six weeks
LEAST_HELD_OUT = 3
FURTHEST = 0.6  # log units by which levels move at most by what they did before: what moved further did so once
WANDER = 0.4  # log units a quarter ahead that levels of a business wander by, as a random walk
WANDER_GROWTH = 0.1  # log units by which growth that nobody knows changes the level in each quarter: it adds up
PRIOR_WINDOWS = 2.0  # windows' worth of these two in what a history's own windows tell, of those that do not overlap


@dataclass(frozen=True, slots=True)
class LevelShift:
    """The last change of level: from `slot` on sales stand at `ratio` of what they were."""

    slot: int
    ratio: float


@dataclass(frozen=True, slots=True)
class Trend:
    """What a history is divided by, what its forecast is multiplied with, and how sure that is.

    `past` covers the slots of the history, `ahead` those of the horizon, both 1 at today's level; `spread` is the
    log-normal deviation that the trend itself adds.
    """

    past: Array  # (T,)
    ahead: Array  # (H,)
    spread: Array  # (H,)
    notes: tuple[str, ...] = ()
    shift: LevelShift | None = None

    def then(self, other: Trend) -> Trend:
        """Both trends, one after the other."""
        return Trend(
            self.past * other.past,
            self.ahead * other.ahead,
            np.hypot(self.spread, other.spread),
            self.notes + other.notes,
            self.shift or other.shift,
        )

    def partly(self, share: float) -> Trend:
        """A share (in logs) of it, with its whole uncertainty."""
        notes = tuple(f"{100 * share:.0f} % of the {note}" for note in self.notes)
        return Trend(self.past**share, self.ahead**share, self.spread, notes)


TrendModel = Callable[[Array, timedelta, int], Trend | None]  # history (T,), step, horizon -> trend, None where none


def no_trend(row: Array, step: timedelta, horizon: int) -> Trend:  # noqa: ARG001 - the step of a TrendModel
    """No trend: nothing is changed."""
    return Trend(np.ones(len(row)), np.ones(horizon), np.zeros(horizon))


def level_trend(row: Array, step: timedelta, horizon: int) -> Trend | None:
    """Earlier levels brought to the level after the last shift; None where the level never shifted."""
    shifts = [(slot, old, new) for slot, old, new in shift_slots(row, step) if old > 0 and new > 0]
    if not shifts:
        return None
    past = np.ones(len(row))
    for slot, old, new in shifts:
        past[:slot] *= old / new
    slot, old, new = shifts[-1]
    return replace(no_trend(row, step, horizon), past=past, shift=LevelShift(slot, new / old))


def yearly_trend(row: Array, step: timedelta, horizon: int) -> Trend | None:
    """A smooth yearly factor, relative to today's; None below one year."""
    year = fit_year(row, step)
    if year is None or year.cycles < 1:
        return None
    today = year.factor(-1.0 + np.zeros(1))
    past = year.factor(np.arange(-len(row), 0.0)) / today
    weeks = np.arange(1, horizon + 1) * (step / WEEK)
    spread = year.noise / np.sqrt(year.cycles) * np.minimum(1.0, weeks / FULL_DISTANCE)
    return Trend(
        past, year.factor(np.arange(0.0, horizon)) / today, spread, (f"yearly factor from {year.cycles:.1f} cycles",)
    )


def growth_trend(row: Array, step: timedelta, horizon: int) -> Trend | None:
    """Damped growth at the trend's last slope, as uncertain as it is large; None below half a year."""
    year = fit_year(row, step)
    if year is None:
        return None
    ahead = year.growth(horizon)
    note = f"damped growth from {percent(float(np.expm1(year.slope * 52)))} a year"
    return Trend(np.ones(len(row)), ahead, np.abs(np.log(ahead)), (note,))


Kind = tuple[tuple[TrendModel, float], ...]  # each model is found in what those before it leave, and how much is used


def trend_of(kind: Kind, row: Array, step: timedelta, horizon: int) -> Trend | None:
    """The models of a kind, one after the other; None where the last one finds nothing.

    What finds nothing before another takes nothing out.

    >>> trend_of(((no_trend, 1.0), (level_trend, 1.0)), np.ones(60), timedelta(days=1), 2) is None
    True
    """
    found: Trend | None = None
    for model, share in kind:
        base = found or no_trend(row, step, horizon)
        more = model(row / base.past, step, horizon)
        found = None if more is None else base.then(more if share == 1.0 else more.partly(share))
    return found


@dataclass(frozen=True, slots=True)
class Year:
    """The fitted trend: log yearly factor and slope per week, as seen from the last slot of the history.

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
    """Fit the trend of a history (T,), NaN for gaps, by a robust ridge on weekly log levels (longer steps: as is).

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
    waves = fitted[-2 * WAVES :] * cycles / (cycles + YEAR_TRUST)
    slope = float(fitted[1 : -2 * WAVES].sum()) * cycles / (cycles + TREND_TRUST)
    return Year(waves, float(np.clip(slope, -STEEPEST_GROWTH, STEEPEST_GROWTH)), noise, cycles, step)


def weekly_logs(row: Array, step: timedelta) -> tuple[Array, Array]:
    """Log means of whole weeks counted back from the end, and their middles in weeks before the end (negative)."""
    width = max(1, round(WEEK / step))
    level = block_means(row, width)
    mean = np.nanmean(row) if np.isfinite(row).any() else 0.0
    logs = np.log(level / mean + LOG_FLOOR) if mean > 0 else np.full(len(level), np.nan)
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
    apart = max(BEND_EVERY, BEND_ROWS * weeks_per_row)
    bends = np.arange(weeks[0] + apart, -apart / 2, apart)
    ramps = np.maximum(weeks[:, None] - bends, 0.0)
    columns = np.concatenate([np.ones((len(weeks), 1)), weeks[:, None], ramps, _angles(weeks * (WEEK / YEAR))], axis=1)
    waves = np.tile(WAVE_PENALTY * np.arange(1, WAVES + 1) ** 2, 2)
    bending = np.full(len(bends), BEND_PENALTY * apart**2)
    return columns, np.concatenate([[1e-9, 1e-9], bending, waves]) / weeks_per_row


def distance_spread(
    bands: Array | None, actuals: Array | None, setting: Setting, windows: float = 0.0
) -> tuple[Array, tuple[str, ...]]:
    """The log-normal deviation (H,) that distance adds, and its note; nothing for horizons below four weeks.

    `bands` (origins, H, 3) at `BAND` and `actuals` (origins, H) come from held-out origins, over `windows` horizons
    that do not overlap: the deviation with the least quantile loss there, mixed with that of businesses in general,
    which alone is taken without them.

    >>> spread, notes = distance_spread(None, None, Setting(timedelta(days=7), 52))
    >>> spread[[3, 12, 51]].round(2), notes
    (array([0.  , 0.34, 0.85]), ('no origin could be held out so far ahead',))
    """
    steps = np.arange(1, setting.horizon + 1)
    if setting.horizon * setting.step < LONG:
        return np.zeros(setting.horizon), ()
    quarters = np.clip((steps - LONG / setting.step) / (QUARTER / setting.step), 0.0, 4.0)
    general = np.hypot(WANDER * np.sqrt(quarters), WANDER_GROWTH * quarters)
    if bands is None or actuals is None or len(bands) < LEAST_HELD_OUT:
        return general, ("no origin could be held out so far ahead",)
    shape = (steps / setting.horizon) ** RISE
    losses = [_edge_loss(bands, actuals, spread * shape) for spread in SPREADS]
    own = SPREADS[int(np.argmin(losses))] * shape
    spread = np.sqrt((windows * own**2 + PRIOR_WINDOWS * general**2) / (windows + PRIOR_WINDOWS))
    return spread, (
        f"interval widened by {100 * spread[-1]:.0f} % at the end of the horizon, as held-out origins ask for",
    )


def usual_moves(row: Array, setting: Setting) -> Array:
    """How far weekly levels moved over each distance ahead (root mean square, log units): (H,).

    Distances are seen up to half of the history; beyond it a level is taken to move no further.
    """
    logs, _ = weekly_logs(row, setting.step)
    weeks = np.arange(1, setting.horizon + 1) * (setting.step / WEEK)
    lags = np.arange(1, len(logs) // 2 + 1)
    apart = [(logs[lag:] - logs[:-lag]) ** 2 for lag in lags.tolist()]
    moves = [float(np.sqrt(np.nanmean(one))) if np.isfinite(one).any() else np.nan for one in apart]
    if not moves or not np.isfinite(moves).all():
        return np.zeros(setting.horizon)
    seen = np.minimum(np.maximum.accumulate(moves), FURTHEST)
    return np.asarray(np.interp(weeks, lags * max(1.0, setting.step / WEEK), seen))


def _edge_loss(bands: Array, actuals: Array, spread: Array) -> float:
    """Quantile loss of the interval's edges after widening."""
    wide = np.stack([spread_out(band[:, 1], band, BAND, spread) for band in bands])
    return float(np.nanmean(pinball(actuals[:, :, None], wide, np.array(BAND))[:, :, ::2]))
