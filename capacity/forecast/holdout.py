"""Held-out origins decide: a trend or a column is used only where it would have brought the forecast nearer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.batch import LEAST_STEPS, forecast_steady
from capacity.forecast.covariates import ColumnEffect, Columns, learn_columns, spoken
from capacity.forecast.settings import Setting
from capacity.forecast.trend import (
    BAND,
    LONG,
    QUARTER,
    Kind,
    Trend,
    distance_spread,
    growth_trend,
    level_trend,
    no_trend,
    trend_of,
    usual_moves,
    yearly_trend,
)
from capacity.forecast.uplift import spread_out
from capacity.model.arrays import Array
from capacity.series.seasons import DAY, WEEK, YEAR
from capacity.stats import block_means

ORIGINS = 16  # held-out origins, spread over up to two years: each season of the year has a say
LEAST_ORIGINS = 3  # fewer prove nothing
WIDEST_STRIDE = timedelta(days=46)
SETTLED = timedelta(days=14)  # after a shift it is known; from then on its trend can be tried
HALF_YEAR = timedelta(days=183)
SPAN = timedelta(days=42)  # that held-out origins cover at least; a longer horizon must fit in twice
HALF = 0.5  # of the yearly factor: between none and all, where the season moves about
GAIN = 0.02  # share by which the error must fall: less is within what chance brings on so few origins
DOUBT = 0.5  # standard errors by which the mean gain must stand clear of that: 1 forgoes half of the real gains
MEMBER_ORIGINS = 6  # rolling origins inside each trial: enough to rank members, half the cost
FLAT: Kind = ((no_trend, 1.0),)
LEVELLED: Kind = ((level_trend, 1.0),)
LEVEL, YEARLY, GROWTH, YEARLY_GROWTH = 0, 2, 3, 4  # places among the kinds of trend that are tried
COLUMN_ORIGINS = 8  # held-out origins, a horizon apart
COLUMN_GAIN = 0.01  # share by which the error must fall over all of them


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What kinds of trend would have forecast: relative errors, and bands and actuals over the usual actual."""

    errors: Array  # (origins, kinds)
    bands: Array  # (origins, kinds, H, 3)
    actuals: Array  # (origins, H)

    def best(self) -> int:
        """The kind with the least error if its gain is clear, in sum and origin by origin; otherwise the first.

        >>> band = np.zeros((4, 2, 1, 3))
        >>> HeldOut(np.array([[1.0, 0.8], [1.0, 0.9], [1.0, 0.7], [1.0, 0.8]]), band, band[:, 0, :, 0]).best()
        1
        """
        if len(self.errors) < LEAST_ORIGINS:
            return 0
        total = self.errors.sum(axis=0)
        ratio = np.log((self.errors + 1e-9) / (self.errors[:, :1] + 1e-9))
        doubt = DOUBT * ratio.std(axis=0, ddof=1) / np.sqrt(len(self.errors))
        clear = (ratio.mean(axis=0) + doubt < np.log(1 - GAIN)) & (total < (1 - GAIN) * total[0])
        return int(np.where(clear, total, np.inf).argmin()) if clear.any() else 0


def find_trend(row: Array, setting: Setting) -> Trend:
    """The trend of a history (T,) that held-out origins support: first its level, then its year and growth.

    Where the history is too short to hold origins out, a level shift is followed, a year or growth is not.
    """
    days, coarse = on_days(row, setting)
    level = LEVELLED if _level_helps(days, coarse, level_trend(days, coarse.step, 1)) else FLAT
    kinds = _kinds(level, coarse)
    tried = _tried(len(days), coarse)
    ends = _season_ends(len(days), tried) if tried else []
    trial = hold_out(days, tried, kinds, ends) if tried else None
    best = trial.best() if trial else 0
    answer = _with_untried_year(kinds, best, row, setting) if _year_is_untried(len(days), tried, coarse) else None
    answer = answer or trend_of(kinds[best], row, setting.step, setting.horizon)
    answer = answer or no_trend(row, setting.step, setting.horizon)
    if trial is not None and tried == coarse:
        apart = 1.0 + (ends[0] - ends[-1]) / coarse.horizon
        spread, note = distance_spread(trial.bands[:, best], trial.actuals, coarse, apart)
    else:  # nothing was held out so far ahead: as much as levels moved over as long a time before
        spread, note = distance_spread(None, None, coarse)
        spread = np.maximum(spread, usual_moves(days, coarse)) if spread.any() else spread
    far = np.repeat(spread, max(1, round(DAY / setting.step)))[: setting.horizon]
    return replace(answer, spread=np.hypot(answer.spread, far), notes=(*answer.notes, *note))


def _tried(length: int, setting: Setting) -> Setting | None:
    """The question as it is tried on the past: of a horizon too long for that, its first half year or quarter."""
    for reach in (setting.horizon, *(round(part / setting.step) for part in (2 * QUARTER, QUARTER))):
        nearer = replace(setting, horizon=min(setting.horizon, max(1, reach)))
        if len(_season_ends(length, nearer)) >= LEAST_ORIGINS:
            return nearer
    return None


def _year_is_untried(length: int, tried: Setting | None, setting: Setting) -> bool:
    """Whether a year is known that no held-out origin knew, and is asked for more than a season of it ahead."""
    if setting.horizon * setting.step < QUARTER:
        return False
    return not any(end * setting.step >= YEAR for end in (_season_ends(length, tried) if tried else ()))


def _with_untried_year(kinds: Sequence[Kind], best: int, row: Array, setting: Setting) -> Trend | None:
    """The best kind with a yearly factor; None where there is none.

    A year that could not be tried is likelier to come again than not: a quarter and half a year after 380 to 550 known
    days the error falls by 8 and 13 % on one half of fourteen daily series, by 11 and 15 % on the other.
    """
    with_year = {LEVEL: YEARLY, GROWTH: YEARLY_GROWTH}
    return trend_of(kinds[with_year[best]], row, setting.step, setting.horizon) if best in with_year else None


def on_days(row: Array, setting: Setting) -> tuple[Array, Setting]:
    """The history on days (longer steps: as it is) and the same question asked of it: the trend shows there."""
    per_day = max(1, round(DAY / setting.step))
    seasons = tuple(season // per_day for season in setting.seasons or () if season >= 2 * per_day)
    coarse = Setting(max(DAY, setting.step), -(-setting.horizon // per_day), BAND, seasons, MEMBER_ORIGINS)
    return block_means(row, per_day), coarse


def hold_out(days: Array, setting: Setting, kinds: Sequence[Kind], ends: Sequence[int]) -> HeldOut:
    """Forecast from each end with each kind of trend, knowing nothing after it, and compare with what came."""
    errors, bands, actuals = [], [], []
    for end in ends:
        known, actual = days[:end], days[end : end + setting.horizon]
        if (~np.isnan(known)).sum() < LEAST_STEPS or np.isnan(actual).all() or not np.nanmean(known) > 0:
            continue
        usual = np.nanmean(actual) + 1e-3 * np.nanmean(known)
        trends, rests = [], []
        for kind in kinds:
            question = (known, setting.step, setting.horizon)
            trend = trend_of(kind, *question) or no_trend(*question)
            trends.append(trend)
            rests.append(known / trend.past)
        batch = forecast_steady(np.stack(rests), setting)
        band = batch.quantiles * np.stack([trend.ahead for trend in trends])[:, :, None]  # (kinds, H, 3)
        for place, trend in enumerate(trends):
            band[place] = spread_out(band[place][:, 1], band[place], BAND, trend.spread)
        errors.append(np.nanmean(np.abs(band[:, :, 1] - actual), axis=1) / usual)
        bands.append(band / usual)
        actuals.append(actual / usual)
    shape = (len(errors), len(kinds))
    return HeldOut(
        np.array(errors).reshape(shape),
        np.array(bands).reshape(*shape, setting.horizon, len(BAND)),
        np.array(actuals).reshape(len(errors), setting.horizon),
    )


def _kinds(level: Kind, setting: Setting) -> list[Kind]:
    yearly, growth = (*level, (yearly_trend, 1.0)), (growth_trend, 1.0)
    kinds = [level, (*level, (yearly_trend, HALF)), yearly]
    if setting.horizon * setting.step >= LONG:  # nearer, growth is what the forecast follows by itself
        kinds += [(*level, growth), (*yearly, growth)]
    return kinds


def _level_helps(days: Array, setting: Setting, trend: Trend | None) -> bool:
    """A shift just found is followed; once it can be tried, it must have made the forecast better."""
    if trend is None or trend.shift is None:
        return False
    settled = max(1, round(SETTLED / setting.step))
    near = replace(setting, horizon=min(setting.horizon, settled))
    stride = max(1, round(WEEK / setting.step))
    ends = range(len(days) - near.horizon, trend.shift.slot + settled, -stride)[:ORIGINS]
    return len(ends) < LEAST_ORIGINS or hold_out(days, near, (FLAT, LEVELLED), ends).best() == 1


def _season_ends(length: int, setting: Setting) -> list[int]:
    """Held-out origins after a first year, or after half a one where there is no more; latest first."""
    horizon = setting.horizon * setting.step
    for need in (YEAR + DAY, HALF_YEAR):
        room = length - setting.horizon - -(-need // setting.step)
        if room * setting.step >= max(SPAN, horizon):
            least = max(WEEK, horizon / 6) / setting.step
            stride = max(1, round(min(max(room / (ORIGINS - 1), least), WIDEST_STRIDE / setting.step)))
            return [length - setting.horizon - stride * k for k in range(min(ORIGINS, room // stride + 1))]
    return []


@dataclass(frozen=True, slots=True)
class UsedColumns:
    """The factors that are used on history and horizon, and what is said about the columns."""

    past: Array  # (T,)
    ahead: Array  # (H,)
    spread: Array  # (H,)
    notes: tuple[str, ...] = ()


def use_columns(row: Array, setting: Setting, columns: Columns | None) -> UsedColumns:
    """The effect of columns on a history (T,) without its events, if it earns its place."""
    none = UsedColumns(np.ones(len(row)), np.ones(setting.horizon), np.zeros(setting.horizon))
    if columns is None:
        return none
    effect = learn_columns(row, columns, _per_week(setting))
    helps = bool(effect.slopes.any()) and _columns_help(row, setting, columns)
    notes = spoken(columns, effect.slopes, helps)
    return UsedColumns(effect.past, effect.ahead, effect.spread, notes) if helps else replace(none, notes=notes)


def _per_week(setting: Setting) -> int:
    return max(1, round(WEEK / setting.step))


def _columns_help(row: Array, setting: Setting, columns: Columns) -> bool:
    horizon = max(1, min(setting.horizon, len(row) // 8))
    stride = max(horizon, round(timedelta(days=3) / setting.step))
    ends = range(len(row) - horizon, len(row) // 2, -stride)[:COLUMN_ORIGINS]
    errors = np.array([_column_errors(row, end, replace(setting, horizon=horizon), columns) for end in ends]).reshape(
        -1, 2
    )
    errors = errors[np.isfinite(errors).all(axis=1)]
    plain, told = errors.sum(axis=0)
    return len(errors) >= LEAST_ORIGINS and told < (1 - COLUMN_GAIN) * plain


def _column_errors(row: Array, end: int, setting: Setting, columns: Columns) -> tuple[float, float]:
    """Mean absolute error of one held-out window without and with the columns; NaN where it cannot be told."""
    known, actual = row[:end], row[end : end + setting.horizon]
    if (~np.isnan(known)).sum() < LEAST_STEPS or np.isnan(actual).all():
        return float("nan"), float("nan")
    effect: ColumnEffect = learn_columns(known, columns.until(end, setting.horizon), _per_week(setting))
    quick = replace(setting, quantile_levels=(0.5,), origins=MEMBER_ORIGINS, window=0)
    batch = forecast_steady(np.stack([known, known / effect.past]), quick)
    plain, told = batch.quantiles[0, :, 0], batch.quantiles[1, :, 0] * effect.ahead
    return float(np.nanmean(np.abs(plain - actual))), float(np.nanmean(np.abs(told - actual)))
