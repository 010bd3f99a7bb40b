"""The slow course of a series: its level after shifts, its year, its growth. Taken out before, put back after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.year import fit_year
from capacity.model.arrays import Array
from capacity.series.levels import shift_slots
from capacity.series.seasons import WEEK

FULL_DISTANCE = 13.0  # weeks ahead at which a yearly factor is as uncertain as it gets: a quarter of its cycle


@dataclass(frozen=True, slots=True)
class LevelShift:
    """The last change of level: from `slot` on sales stand at `ratio` of what they were."""

    slot: int
    ratio: float


@dataclass(frozen=True, slots=True)
class Course:
    """What a history is divided by, what its forecast is multiplied with, and how sure that is.

    `past` covers the slots of the history, `ahead` those of the horizon, both 1 at today's level; `spread` is the
    log-normal deviation that the course itself adds.
    """

    past: Array  # (T,)
    ahead: Array  # (H,)
    spread: Array  # (H,)
    notes: tuple[str, ...] = ()
    shift: LevelShift | None = None

    def then(self, other: Course) -> Course:
        """Both courses, one after the other."""
        return Course(
            self.past * other.past,
            self.ahead * other.ahead,
            np.hypot(self.spread, other.spread),
            self.notes + other.notes,
            self.shift or other.shift,
        )


Kind = Callable[[Array, timedelta, int], Course | None]  # history (T,), step, horizon -> its course, None where none


def flat(row: Array, step: timedelta, horizon: int) -> Course:  # noqa: ARG001 - the step of a Kind
    """No course: nothing is changed."""
    return Course(np.ones(len(row)), np.ones(horizon), np.zeros(horizon))


def level_course(row: Array, step: timedelta, horizon: int) -> Course | None:
    """Earlier levels brought to the level after the last shift; None where the level never shifted."""
    shifts = [(slot, old, new) for slot, old, new in shift_slots(row, step) if old > 0 and new > 0]
    if not shifts:
        return None
    past = np.ones(len(row))
    for slot, old, new in shifts:
        past[:slot] *= old / new
    slot, old, new = shifts[-1]
    return replace(flat(row, step, horizon), past=past, shift=LevelShift(slot, new / old))


def yearly_course(row: Array, step: timedelta, horizon: int) -> Course | None:
    """A smooth yearly factor, relative to today's; None below one year."""
    year = fit_year(row, step)
    if year is None or year.cycles < 1:
        return None
    today = year.factor(-1.0 + np.zeros(1))
    past = year.factor(np.arange(-len(row), 0.0)) / today
    weeks = np.arange(1, horizon + 1) * (step / WEEK)
    spread = year.noise / np.sqrt(year.cycles) * np.minimum(1.0, weeks / FULL_DISTANCE)
    return Course(
        past, year.factor(np.arange(0.0, horizon)) / today, spread, (f"yearly factor from {year.cycles:.1f} cycles",)
    )


def growth_course(row: Array, step: timedelta, horizon: int) -> Course | None:
    """Damped growth at the trend's last slope, as uncertain as it is large; None below half a year."""
    year = fit_year(row, step)
    if year is None:
        return None
    ahead = year.growth(horizon)
    percent = 100 * np.expm1(year.slope * 52)
    return Course(np.ones(len(row)), ahead, np.abs(np.log(ahead)), (f"damped growth from {percent:+.0f} % a year",))


def after(first: Kind, second: Kind) -> Kind:
    """The second kind of course, found in what the first one leaves; None where there is no second."""

    def both(row: Array, step: timedelta, horizon: int) -> Course | None:
        base = first(row, step, horizon) or flat(row, step, horizon)
        more = second(row / base.past, step, horizon)
        return None if more is None else base.then(more)

    return both


def partly(kind: Kind, share: float) -> Kind:
    """A share (in logs) of a kind of course, with its whole uncertainty."""

    def some(row: Array, step: timedelta, horizon: int) -> Course | None:
        full = kind(row, step, horizon)
        if full is None:
            return None
        notes = tuple(f"{share:.0%} of the {note}" for note in full.notes)
        return Course(full.past**share, full.ahead**share, full.spread, notes)

    return some
