"""Held-out origins decide: a course is used only where it would have brought the forecast nearer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from capacity.forecast.batch import LEAST_STEPS, forecast_batch
from capacity.forecast.course import Course, Kind, after, flat, growth_course, level_course, yearly_course
from capacity.forecast.setting import Array, Setting
from capacity.forecast.uplift import spread_out
from capacity.levels import daily_means
from capacity.seasonality import DAY, WEEK, YEAR

ORIGINS = 16  # held-out origins, spread over up to two years: each season of the year has a say
LEAST_ORIGINS = 3  # fewer prove nothing
WIDEST_STRIDE = timedelta(days=46)
SETTLED = timedelta(days=14)  # after a shift it is known; from then on its course can be tried
HALF_YEAR = timedelta(days=183)
SPAN = timedelta(days=42)  # that held-out origins cover at least; a longer horizon must fit in twice
GAIN = 0.02  # share by which the error must fall: less is within what chance brings on eight origins
DOUBT = 0.5  # standard errors by which the mean gain must stand clear of nothing
MEMBER_ORIGINS = 6  # rolling origins inside each trial: enough to rank members, half the cost
BAND = (0.05, 0.5, 0.95)
SPREADS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)  # log units tried for what the distance adds
LONG = timedelta(days=28)  # horizons from which the rolling origins, all of one season, may know too little


def find_course(row: Array, setting: Setting) -> Course:
    """The course of a history (T,) that held-out origins support: first its level, then its year and growth."""
    days, coarse = on_days(row, setting)
    level = level_course if _level_helps(days, coarse) else flat
    base = level(row, setting.step, setting.horizon) or flat(row, setting.step, setting.horizon)
    ends = _season_ends(len(days), coarse)
    if len(ends) < LEAST_ORIGINS:
        return base
    kinds = [level, after(level, yearly_course)]
    if setting.horizon * setting.step >= LONG:  # nearer, growth is what the forecast follows by itself
        kinds += [after(level, growth_course), after(kinds[1], growth_course)]
    errors, scores = _tried(days, coarse, kinds, ends)
    best = _best(errors)
    answer = kinds[best](row, setting.step, setting.horizon) or base
    return replace(answer, spread=np.hypot(answer.spread, _distance_spread(scores[best], setting)))


def on_days(row: Array, setting: Setting) -> tuple[Array, Setting]:
    """The history on days (longer steps: as it is) and the same question asked of it: the slow course shows there."""
    per_day = max(1, round(DAY / setting.step))
    seasons = tuple(season // per_day for season in setting.seasons or () if season >= 2 * per_day)
    horizon = -(-setting.horizon // per_day)
    coarse = Setting(max(DAY, setting.step), horizon, BAND, seasons, MEMBER_ORIGINS)
    return daily_means(row, per_day), coarse


def _level_helps(days: Array, setting: Setting) -> bool:
    """A shift just found is followed; one that has been tried since must not have made the forecast worse."""
    course = level_course(days, setting.step, 1)
    if course is None:
        return False
    horizon = min(setting.horizon, max(1, round(SETTLED / setting.step)))
    since = int(np.flatnonzero(np.diff(course.past))[-1]) + 1
    stride = max(1, round(WEEK / setting.step))
    first = since + max(1, round(SETTLED / setting.step))
    ends = [end for end in range(len(days) - horizon, first, -stride)][:ORIGINS]
    if len(ends) < LEAST_ORIGINS:
        return True
    errors, _ = _tried(days, replace(setting, horizon=horizon), (flat, level_course), ends)
    return _best(errors) == 1


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


def _tried(
    days: Array, setting: Setting, kinds: Sequence[Kind], ends: Sequence[int]
) -> tuple[Array, list[list[tuple[Array, Array]]]]:
    """Relative errors (origins, kinds), and for each kind its (quantiles, actuals) of each origin."""
    errors, scores = [], [[] for _ in kinds]
    for end in ends:
        known, actual = days[:end], days[end : end + setting.horizon]
        if (~np.isnan(known)).sum() < LEAST_STEPS or np.isnan(actual).all():
            continue
        courses = [kind(known, setting.step, setting.horizon) or flat(known, setting.step, setting.horizon) for kind in kinds]
        batch = forecast_batch(np.stack([known / course.past for course in courses]), setting)
        quantiles = [
            spread_out(q[:, 1] * c.ahead, q * c.ahead[:, None], BAND, c.spread)
            for q, c in zip(batch.quantiles, courses, strict=True)
        ]
        usual = np.nanmean(actual) + np.nanmean(known) * 1e-3 + 1e-300
        errors.append([float(np.nanmean(np.abs(q[:, 1] - actual)) / usual) for q in quantiles])
        for place, q in enumerate(quantiles):
            scores[place].append((q / usual, actual / usual))
    return np.array(errors).reshape(-1, len(kinds)), scores


def _best(errors: Array) -> int:
    """The kind with the least error if its gain is clear, in sum and origin by origin; otherwise the first."""
    if len(errors) < LEAST_ORIGINS:
        return 0
    total = errors.sum(axis=0)
    ratio = np.log((errors + 1e-9) / (errors[:, :1] + 1e-9))  # (origins, kinds)
    doubt = DOUBT * ratio.std(axis=0, ddof=1) / np.sqrt(len(errors))
    usable = (ratio.mean(axis=0) + doubt < np.log(1 - GAIN)) & (total < (1 - GAIN) * total[0])
    return int(np.where(usable, total, np.inf).argmin()) if usable.any() else 0


def _distance_spread(scores: list[tuple[Array, Array]], setting: Setting) -> Array:
    """What the distance adds to the spread (H,): the deviation with the least quantile loss on the held-out origins."""
    if setting.horizon * setting.step < LONG or len(scores) < LEAST_ORIGINS:
        return np.zeros(setting.horizon)
    far = np.sqrt(np.arange(1, len(scores[0][0]) + 1) / len(scores[0][0]))
    losses = [sum(_loss(q, actual, spread * far) for q, actual in scores) for spread in SPREADS]
    best = SPREADS[int(np.argmin(losses))]
    return best * np.sqrt(np.arange(1, setting.horizon + 1) / setting.horizon)


def _loss(quantiles: Array, actual: Array, spread: Array) -> float:
    """Quantile loss of the band's edges after widening."""
    wide = spread_out(quantiles[:, 1], quantiles, BAND, spread)
    losses = [np.maximum(level * (actual - wide[:, k]), (level - 1) * (actual - wide[:, k])) for k, level in ((0, BAND[0]), (2, BAND[2]))]
    return float(np.nanmean(losses))
