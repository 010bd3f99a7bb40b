"""One history on the wall clock, with its events: masked where they were, applied where they come."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.forecast.analogs import find_analogs
from capacity.forecast.course import LevelShift
from capacity.forecast.covariates import Columns
from capacity.forecast.eventgroup import events_ahead, widen_events
from capacity.forecast.history import without_spikes
from capacity.forecast.influence import find_influence
from capacity.forecast.peaks import highest_quantiles, over_steps
from capacity.forecast.proof import proven_kinds
from capacity.forecast.setting import BatchForecast, Setting
from capacity.forecast.steady import LEAST_STEPS, supported_seasons
from capacity.forecast.trial import find_course
from capacity.forecast.uplift import Effect, Occurrence, learn_effects, masked, spread_out
from capacity.forecast.wallclock import WallClock
from capacity.model import Event, Trust
from capacity.model.arrays import Array

USUAL = 0.3  # of the history: a kind of event that covers more is not an exception but how business goes
OFFERED = frozenset({"before holiday", "after holiday"})  # kinds that come with holidays: used where they foretell


@dataclass(frozen=True, slots=True)
class RowForecast:
    """Quantiles of one history on the slots after it, and the reason for them."""

    quantiles: Array  # (H, Q)
    maxima: Array | None  # (H, Q), None where no window was asked for
    model: str
    notes: tuple[str, ...]
    trust: Trust | None  # None where no past origin could be scored
    unskilled: bool  # whether the model showed no skill over the seasonal naive
    shift: LevelShift | None = None  # the change of level that the history was brought over


@dataclass(frozen=True, slots=True)
class Question:
    """A steady history (T,) that waits for its forecast, and what is asked of it."""

    history: Array
    setting: Setting


def occurrences(events: Sequence[Event], clock: WallClock, end: pd.Timestamp) -> list[Occurrence]:
    """The events on the slots of a wall clock, from its first step to `end`; others are left out."""
    found = []
    for event in sorted(events, key=lambda event: (event.start, event.name)):
        start, stop = (pd.Timestamp(moment).tz_convert("UTC") for moment in (event.start, event.end))
        if start >= end or stop <= clock.first:
            continue
        found.append(Occurrence(event.name, event.kind, clock.span(start, min(stop, end)), event.uplift))
    return found


def row_work(
    row: Array, setting: Setting, events: Sequence[Occurrence], columns: Columns | None = None
) -> Generator[Question, BatchForecast, RowForecast]:
    """Forecast a history (T,) whose events and columns lie on its slots and on the `setting.horizon` slots after it.

    It pauses where it needs the matrix path: it yields its steady rest, is sent the forecast of it (N = 1), and returns
    its answer. One series is served at once, many are asked together: `forecast.work`.

    What is known to move sales is taken out first (events are gaps, columns and the slow course divided by), the
    steady rest is forecast, and what is known ahead is put back.
    """
    past = [event for event in events if event.slots[0] < len(row)]
    usual = _usual_kinds(row, past)
    past = [event for event in past if event.kind not in usual]
    unproven = _unproven(row, past, setting)
    past = [event for event in past if event.kind not in unproven]
    quiet = masked(row, past)
    influence = find_influence(without_spikes(quiet[None, :])[0], setting, columns)
    course = find_course(without_spikes((quiet / influence.past)[None, :])[0], setting)
    known = influence.past * course.past
    batch = yield Question(quiet / known, setting)
    effects = learn_effects(
        row / known, past, _steps(setting.step, timedelta(days=1)), _steps(setting.step, timedelta(days=7))
    )
    slots = np.arange(len(row), len(row) + setting.horizon)
    coming = [event for event in events if event.slots[-1] >= len(row) and event.kind not in usual | unproven]
    ahead = events_ahead(slots, coming, effects)
    factor = ahead.factor * course.ahead * influence.ahead
    point, quantiles = batch.point[0] * factor, batch.quantiles[0] * factor[:, None]
    quantiles = widen_events(point, quantiles, setting.quantile_levels, ahead)
    quantiles = spread_out(point, quantiles, setting.quantile_levels, np.hypot(course.spread, influence.spread))
    said = (*course.notes, *influence.notes, *_event_notes(coming, effects, usual))
    trust = _trust(batch, setting)
    notes = (*_history_notes(row, setting), *batch.notes[0], *said, *_coverage_note(trust))
    maxima = None if batch.maxima is None else _maxima(batch, quantiles, setting.window)
    analogs = find_analogs(row, events, setting)
    if analogs is not None:
        (quantiles, maxima), notes = analogs.over(quantiles, maxima), (*notes, analogs.note)
    return RowForecast(quantiles, maxima, batch.models[0], notes, trust, bool(batch.unskilled[0]), course.shift)


def _maxima(batch: BatchForecast, quantiles: Array, window: int) -> Array:
    """Maxima (H, Q) over the final quantiles of their steps by as much as over those of the steady rest."""
    excess = over_steps(batch.maxima, batch.quantiles, window)
    return np.asarray(np.maximum.accumulate((highest_quantiles(quantiles[None], window) * excess)[0], axis=1))


def _trust(batch: BatchForecast, setting: Setting) -> Trust | None:
    """What the quantiles covered on the rolling origins, as they stood at the time, and the skill there."""
    covered = zip(setting.quantile_levels, batch.coverage[0].tolist(), strict=True)
    known = tuple((level, share) for level, share in covered if np.isfinite(share))
    return Trust(known, float(batch.skill[0])) if known else None


def _coverage_note(trust: Trust | None) -> tuple[str, ...]:
    said = ", ".join(f"{level:g}: {share:.1%}" for level, share in (trust.coverage if trust else ()) if level >= 0.5)
    return (f"coverage on past origins at {said}",) if said else ()


def _steps(step: timedelta, cycle: timedelta) -> int:
    return max(1, round(cycle / step))


def _usual_kinds(row: Array, past: Sequence[Occurrence]) -> set[str]:
    """Kinds that cover too much of the history to be kept out of it, or all of what is known."""
    kinds = {event.kind for event in past}
    slots = {kind: np.unique(np.concatenate([event.slots for event in past if event.kind == kind])) for kind in kinds}
    usual = {kind for kind in kinds if (slots[kind] < len(row)).sum() > USUAL * len(row)}
    quiet = masked(row, [event for event in past if event.kind not in usual])
    return usual if (~np.isnan(quiet)).sum() >= LEAST_STEPS else kinds


def _unproven(row: Array, past: Sequence[Occurrence], setting: Setting) -> frozenset[str]:
    """Kinds of days that the calendar offers unasked and that did nothing to this series."""
    kinds = OFFERED & {event.kind for event in past}
    week = _steps(setting.step, timedelta(days=7))
    return OFFERED - proven_kinds(without_spikes(row[None, :])[0], past, kinds, week) if kinds else OFFERED


def _history_notes(row: Array, setting: Setting) -> tuple[str, ...]:
    notes = []
    kept = supported_seasons(setting.seasons or (), len(row))
    dropped = [season for season in setting.seasons or () if season not in kept]
    if dropped:
        notes.append(f"history of {len(row)} steps is short for a season of {max(dropped)} steps; two are needed")
    if setting.horizon > len(row):
        notes.append(f"the horizon of {setting.horizon} steps is longer than the history of {len(row)}")
    return tuple(notes)


def _event_notes(coming: Sequence[Occurrence], effects: dict[str, Effect], usual: set[str]) -> tuple[str, ...]:
    learned = {event.kind for event in coming if event.uplift is None}
    known = [
        f"{kind}: uplift {np.exp(effects[kind].by_slot.mean()):.2f} learned from {effects[kind].seen} past events"
        for kind in sorted(learned & set(effects))
    ]
    new = [f"{kind}: never seen before, no uplift assumed" for kind in sorted(learned - set(effects))]
    common = [
        f"{kind}: covers more than {USUAL:.0%} of the history and counts as normal" for kind in sorted(usual - OFFERED)
    ]
    return (*known, *new, *common)
