"""Held-out origins decide: a course is used only where it would have brought the forecast nearer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.course import Course, Kind, after, flat, growth_course, level_course, partly, yearly_course
from capacity.forecast.distance import BAND, LONG, distance_spread
from capacity.forecast.far import forecast_far
from capacity.forecast.setting import Setting
from capacity.forecast.steady import LEAST_STEPS
from capacity.forecast.uplift import spread_out
from capacity.model.arrays import Array
from capacity.series.seasons import DAY, WEEK, YEAR
from capacity.stats import block_means

ORIGINS = 16  # held-out origins, spread over up to two years: each season of the year has a say
LEAST_ORIGINS = 3  # fewer prove nothing
WIDEST_STRIDE = timedelta(days=46)
SETTLED = timedelta(days=14)  # after a shift it is known; from then on its course can be tried
HALF_YEAR = timedelta(days=183)
SPAN = timedelta(days=42)  # that held-out origins cover at least; a longer horizon must fit in twice
HALF = 0.5  # of the yearly factor: between none and all, where the season moves about
GAIN = 0.02  # share by which the error must fall: less is within what chance brings on so few origins
DOUBT = 0.5  # standard errors by which the mean gain must stand clear of that: 1 forgoes half of the real gains
MEMBER_ORIGINS = 6  # rolling origins inside each trial: enough to rank members, half the cost


@dataclass(frozen=True, slots=True)
class Trial:
    """What kinds of course would have forecast: relative errors, and bands and actuals over the usual actual."""

    errors: Array  # (origins, kinds)
    bands: Array  # (origins, kinds, H, 3)
    actuals: Array  # (origins, H)

    def best(self) -> int:
        """The kind with the least error if its gain is clear, in sum and origin by origin; otherwise the first.

        >>> band = np.zeros((4, 2, 1, 3))
        >>> Trial(np.array([[1.0, 0.8], [1.0, 0.9], [1.0, 0.7], [1.0, 0.8]]), band, band[:, 0, :, 0]).best()
        1
        """
        if len(self.errors) < LEAST_ORIGINS:
            return 0
        total = self.errors.sum(axis=0)
        ratio = np.log((self.errors + 1e-9) / (self.errors[:, :1] + 1e-9))
        doubt = DOUBT * ratio.std(axis=0, ddof=1) / np.sqrt(len(self.errors))
        clear = (ratio.mean(axis=0) + doubt < np.log(1 - GAIN)) & (total < (1 - GAIN) * total[0])
        return int(np.where(clear, total, np.inf).argmin()) if clear.any() else 0


def find_course(row: Array, setting: Setting) -> Course:
    """The course of a history (T,) that held-out origins support: first its level, then its year and growth.

    Where the history is too short to hold origins out, a level shift is followed, a year or growth is not.
    """
    days, coarse = on_days(row, setting)
    level = level_course if _level_helps(days, coarse) else flat
    kinds = _kinds(level, coarse)
    ends = _season_ends(len(days), coarse)
    trial = hold_out(days, coarse, kinds, ends) if len(ends) >= LEAST_ORIGINS else None
    best = trial.best() if trial else 0
    answer = course_of(kinds[best], row, setting)
    spread, note = distance_spread(trial.bands[:, best] if trial else None, trial.actuals if trial else None, coarse)
    far = np.repeat(spread, max(1, round(DAY / setting.step)))[: setting.horizon]
    return replace(answer, spread=np.hypot(answer.spread, far), notes=(*answer.notes, *note))


def on_days(row: Array, setting: Setting) -> tuple[Array, Setting]:
    """The history on days (longer steps: as it is) and the same question asked of it: the slow course shows there."""
    per_day = max(1, round(DAY / setting.step))
    seasons = tuple(season // per_day for season in setting.seasons or () if season >= 2 * per_day)
    coarse = Setting(max(DAY, setting.step), -(-setting.horizon // per_day), BAND, seasons, MEMBER_ORIGINS)
    return block_means(row, per_day), coarse


def course_of(kind: Kind, row: Array, setting: Setting) -> Course:
    """The course of this kind, or a flat one where there is none."""
    question = (row, setting.step, setting.horizon)
    return kind(*question) or flat(*question)


def hold_out(days: Array, setting: Setting, kinds: Sequence[Kind], ends: Sequence[int]) -> Trial:
    """Forecast from each end with each kind of course, knowing nothing after it, and compare with what came."""
    errors, bands, actuals = [], [], []
    for end in ends:
        known, actual = days[:end], days[end : end + setting.horizon]
        if (~np.isnan(known)).sum() < LEAST_STEPS or np.isnan(actual).all() or not np.nanmean(known) > 0:
            continue
        usual = np.nanmean(actual) + 1e-3 * np.nanmean(known)
        band = _bands(known, setting, [course_of(kind, known, setting) for kind in kinds])
        errors.append(np.nanmean(np.abs(band[:, :, 1] - actual), axis=1) / usual)
        bands.append(band / usual)
        actuals.append(actual / usual)
    shape = (len(errors), len(kinds))
    return Trial(
        np.array(errors).reshape(shape),
        np.array(bands).reshape(*shape, setting.horizon, len(BAND)),
        np.array(actuals).reshape(len(errors), setting.horizon),
    )


def _bands(known: Array, setting: Setting, courses: Sequence[Course]) -> Array:
    """Low, middle and high quantile under each course: (kinds, H, 3)."""
    batch = forecast_far(np.stack([known / course.past for course in courses]), setting)
    scaled = batch.quantiles * np.stack([course.ahead for course in courses])[:, :, None]
    wide = [spread_out(q[:, 1], q, BAND, course.spread) for q, course in zip(scaled, courses, strict=True)]
    return np.stack(wide)


def _kinds(level: Kind, setting: Setting) -> list[Kind]:
    yearly = after(level, yearly_course)
    kinds = [level, after(level, partly(yearly_course, HALF)), yearly]
    if setting.horizon * setting.step >= LONG:  # nearer, growth is what the forecast follows by itself
        kinds += [after(level, growth_course), after(yearly, growth_course)]
    return kinds


def _level_helps(days: Array, setting: Setting) -> bool:
    """A shift just found is followed; once it can be tried, it must have made the forecast better."""
    course = level_course(days, setting.step, 1)
    if course is None or course.shift is None:
        return False
    settled = max(1, round(SETTLED / setting.step))
    near = replace(setting, horizon=min(setting.horizon, settled))
    stride = max(1, round(WEEK / setting.step))
    ends = range(len(days) - near.horizon, course.shift.slot + settled, -stride)[:ORIGINS]
    return len(ends) < LEAST_ORIGINS or hold_out(days, near, (flat, level_course), ends).best() == 1


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
