"""What past events did to sales, learned with partial pooling, and what coming ones will do to a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.model.arrays import Array, Mask, Places
from capacity.stats import normal_quantiles, ordered_quantiles

WEEKS_AROUND = 4  # on each side: what a step would have sold is the mean of its neighbours in other weeks
FINE_DAY = 96  # steps in a day from which the hours around an event tell the level it stood on: quarters of an hour
LEAST_AROUND = 0.25  # of a day that must be known on both sides to say so
LEAST_FACTOR = 0.01  # a closed day is one hundredth, so that its logarithm stays finite
TRUST = 0.5  # events' worth of "no effect" against which a kind must show one
NAME_TRUST = 1.0  # events' worth of its kind that a name (Christmas Day) starts from
WEEKDAY_TRUST = 3.0  # events' worth of no difference between weekdays: most kinds have been seen once or twice on each
LAST = 30  # events of a kind whose misses count: older ones were another business
SERIES_TRUST = 2.0  # events' worth of the other series' mean effect in each series' own
SLOT_TRUST = 2.0  # events' worth of the kind's own factor in the factor of each slot of the day
WIDEST = 0.7  # log units; no kind of event is less certain than a factor of two
TYPICAL_SPREAD = 0.3  # log units by which events of one kind differ, worth one event; all there is for a new kind


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event on the grid of a history: its slots, and its given factor or None where it is to be learned."""

    name: str
    kind: str
    slots: Places
    uplift: float | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a kind of event does: log factor per slot of the day; per name and weekday beside it; how events differ.

    Weekdays are counted from that of the history's first day; the factor is already against the same weekday.
    """

    by_slot: Array  # (season_length,)
    by_name: dict[str, float]
    by_weekday: Array  # (7,)
    spread: float
    seen: int
    misses: Array  # log factors that the other events of the kind did not foretell, of the last ones


def masked(values: Array, past: Sequence[Occurrence]) -> Array:
    """Histories (..., T) without the steps of their events: they are gaps for the normal shape."""
    answer = values.copy()
    for occurrence in past:
        answer[..., occurrence.slots[occurrence.slots < values.shape[-1]]] = np.nan
    return answer


def learn_effects(row: Array, past: Sequence[Occurrence], day: int, week: int) -> dict[str, Effect]:
    """The effect of every kind of event seen in a history (T,), against the same slots of the weeks around."""
    normal = masked(row, past)
    kinds = sorted({occurrence.kind for occurrence in past})
    effects = {}
    for kind in kinds:
        cases = [_case(row, normal, occurrence, week) for occurrence in past if occurrence.kind == kind]
        known = [case for case in cases if case is not None]
        if known:
            effects[kind] = _effect(known, day, week)
    return effects


def event_cases(
    row: Array, normal: Array, past: Sequence[Occurrence], kind: str, week: int
) -> list[tuple[str, Array, Array]]:
    """Past occurrences of a kind as (name, actual, expected without it); those with too few neighbours are left out."""
    cases = [_case(row, normal, occurrence, week) for occurrence in past if occurrence.kind == kind]
    return [(case.name, case.actual, case.expected) for case in cases if case is not None]


def foretold_factor(cases: Sequence[tuple[str, Array, Array]], place: int) -> float:
    """The factor that the other cases of a kind would have given one of them."""
    known = [_Case(name, np.arange(len(actual)), actual, expected) for name, actual, expected in cases]
    return float(np.exp(_foretold(known, place)))


def pooled_effects(rows: Sequence[dict[str, Effect]]) -> list[dict[str, Effect]]:
    """Effects of many series, each leaning on the mean of all for what it has seen little of itself."""
    kinds = sorted({kind for effects in rows for kind in effects})
    pooled = {kind: _mean_effect([effects[kind] for effects in rows if kind in effects]) for kind in kinds}
    return [{kind: _leaning(effects.get(kind), pooled[kind]) for kind in kinds} for effects in rows]


def _mean_effect(effects: Sequence[Effect]) -> Effect:
    names = {name for effect in effects for name in effect.by_name}
    by_name = {name: float(np.mean([effect.by_name.get(name, 0.0) for effect in effects])) for name in names}
    return Effect(
        np.mean([effect.by_slot for effect in effects], axis=0),
        by_name,
        np.mean([effect.by_weekday for effect in effects], axis=0),
        float(np.mean([effect.spread for effect in effects])),
        0,
        np.concatenate([effect.misses for effect in effects]),
    )


def _leaning(own: Effect | None, pooled: Effect) -> Effect:
    if own is None:
        return pooled
    say = own.seen / (own.seen + SERIES_TRUST)
    names = own.by_name.keys() | pooled.by_name.keys()
    return Effect(
        say * own.by_slot + (1 - say) * pooled.by_slot,
        {name: say * own.by_name.get(name, 0.0) + (1 - say) * pooled.by_name.get(name, 0.0) for name in names},
        say * own.by_weekday + (1 - say) * pooled.by_weekday,
        say * own.spread + (1 - say) * pooled.spread,
        own.seen,
        own.misses,
    )


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    slots: Places
    actual: Array
    expected: Array

    @property
    def log_factor(self) -> float:
        return float(np.log(max(self.actual.sum() / self.expected.sum(), LEAST_FACTOR)))


def _case(row: Array, normal: Array, occurrence: Occurrence, week: int) -> _Case | None:
    slots = occurrence.slots[occurrence.slots < len(row)]
    weeks = np.concatenate([np.arange(-WEEKS_AROUND, 0), np.arange(1, WEEKS_AROUND + 1)]) * week
    neighbours = _at(normal, slots[:, None] + weeks) * _growth_since(normal, slots, week // 7, weeks)
    count = (~np.isnan(neighbours)).sum(axis=1)
    expected = np.nansum(neighbours, axis=1) / np.maximum(count, 1)
    usable = (count >= 2) & ~np.isnan(row[slots])
    if not usable.any() or expected[usable].sum() <= 0:
        return None
    return _Case(occurrence.name, slots[usable], row[slots][usable], expected[usable])


def _growth_since(normal: Array, slots: Places, day: int, weeks: Places) -> Array:
    """How much higher sales stood in the hours around an event than around its neighbours in other weeks (weeks,).

    A crowd that comes for a season of events grows from one to the next: without this its growth would count twice, in
    the level and as the events' effect. Only steps within the day tell; 1 where too few are known on both sides.
    """
    around = np.arange(slots[0] - day // 2, slots[-1] + day // 2 + 1)
    here, there = _at(normal, around)[:, None], _at(normal, around[:, None] + weeks)
    both = ~np.isnan(here) & ~np.isnan(there)
    now, then = (np.broadcast_to(side, both.shape).sum(axis=0, where=both) for side in (here, there))
    told = (both.sum(axis=0) >= LEAST_AROUND * day) & (now > 0) & (then > 0)
    return np.where(told, now / np.where(told, then, 1.0), 1.0) if day >= FINE_DAY else np.ones(len(weeks))


def _at(values: Array, slots: Places) -> Array:
    """Values at slots, NaN outside of what is known."""
    inside = (slots >= 0) & (slots < len(values))
    return np.where(inside, values[np.clip(slots, 0, len(values) - 1)], np.nan)


def _effect(cases: Sequence[_Case], day: int, week: int) -> Effect:
    logs = np.array([case.log_factor for case in cases])
    overall = float(logs.sum() / (len(logs) + TRUST))
    names = {case.name for case in cases}
    by_name = {name: _name_offset(cases, name, overall) for name in names}
    variance = (((logs - logs.mean()) ** 2).sum() + TYPICAL_SPREAD**2) / len(logs)
    usual = {name: overall + offset for name, offset in by_name.items()}
    spread = float(np.sqrt(min(variance, WIDEST**2)))
    weekdays = _by_weekday(cases, usual, day) if week == 7 * day else np.zeros(7)  # longer steps have none
    misses = np.array([case.log_factor - _foretold(cases, place) for place, case in enumerate(cases)])[-LAST:]
    return Effect(_by_slot(cases, overall, day), by_name, weekdays, spread, len(cases), misses)


def _foretold(cases: Sequence[_Case], place: int) -> float:
    """What a kind's other events say of one of them, as it would have been forecast without it."""
    others = [case for at, case in enumerate(cases) if at != place]
    overall = sum(case.log_factor for case in others) / (len(others) + TRUST)
    return overall + _name_offset(others, cases[place].name, overall)


def _name_offset(cases: Sequence[_Case], name: str, overall: float) -> float:
    own = [case.log_factor - overall for case in cases if case.name == name]
    return sum(own) / (len(own) + NAME_TRUST)


def _by_weekday(cases: Sequence[_Case], usual: dict[str, float], day: int) -> Array:
    """How much more or less an event does on each weekday than events of its name usually do, shrunk: (7,)."""
    off, seen = np.zeros(7), np.zeros(7)
    for case in cases:
        weekday = case.slots // day % 7
        actual, expected = (np.bincount(weekday, values, 7) for values in (case.actual, case.expected))
        here = expected > 0
        logs = np.log(np.maximum(actual[here] / expected[here], LEAST_FACTOR))
        off[here] += logs - usual[case.name]
        seen += here
    return off / (seen + WEEKDAY_TRUST)


def _by_slot(cases: Sequence[_Case], overall: float, day: int) -> Array:
    """The kind's log factor on each slot of the day: its own shape, shrunk to flat, around the overall effect."""
    actual, expected = np.zeros(day), np.zeros(day)
    for case in cases:
        np.add.at(actual, case.slots % day, case.actual)
        np.add.at(expected, case.slots % day, case.expected)
    flat = max(actual.sum() / expected.sum(), LEAST_FACTOR)
    prior = SLOT_TRUST * expected.sum() / (day * len(cases))
    shape = (actual + prior * flat) / (expected + prior) / flat
    return np.asarray(overall + np.log(np.maximum(shape, LEAST_FACTOR)))


def coming_effect(slots: Places, coming: Sequence[Occurrence], effects: dict[str, Effect]) -> tuple[Array, Array]:
    """Factor and log spread on each slot (H,) of a horizon; of several events of one kind the first one counts."""
    log, variance = np.zeros(len(slots)), np.zeros(len(slots))
    done: dict[str, Mask] = {}
    for occurrence in coming:
        before = done.get(occurrence.kind, np.zeros(len(slots), dtype=bool))
        here = np.isin(slots, occurrence.slots) & ~before
        shift, spread = _expected(occurrence, slots[here], effects)
        log[here] += shift
        variance[here] += spread**2
        done[occurrence.kind] = before | here
    return np.exp(log), np.sqrt(variance)


def _expected(occurrence: Occurrence, slots: Places, effects: dict[str, Effect]) -> tuple[Array, float]:
    if occurrence.uplift is not None:
        return np.full(len(slots), np.log(max(occurrence.uplift, LEAST_FACTOR))), 0.0
    effect = effects.get(occurrence.kind)
    if effect is None:
        return np.zeros(len(slots)), TYPICAL_SPREAD
    day = len(effect.by_slot)
    shift = effect.by_slot[slots % day] + effect.by_weekday[slots // day % 7]
    return shift + effect.by_name.get(occurrence.name, 0.0), effect.spread


def spread_out(point: Array, quantiles: Array, levels: tuple[float, ...], spread: Array) -> Array:
    """Widen quantiles (H, Q) around the point (H,) by a log-normal spread (H,), as independent of what they hold.

    >>> spread_out(np.array([10.0]), np.array([[10.0, 10.0]]), (0.5, 0.95), np.array([0.3])).round(2)
    array([[10.  , 16.38]])
    """
    extra = point[:, None] * (np.exp(spread[:, None] * normal_quantiles(levels)) - 1.0)
    return combined(point, quantiles, levels, extra)


def combined(point: Array, quantiles: Array, levels: tuple[float, ...], extra: Array) -> Array:
    """Quantiles (H, Q) whose distance from the point is joined with an independent `extra` one; 0 adds nothing."""
    up = np.asarray(levels) >= 0.5
    own = quantiles - point[:, None]
    far = np.sqrt(own**2 + extra**2)
    wide = point[:, None] + np.where(up, np.maximum(far, own), -far)
    same_side = np.sign(own) * np.where(up, 1.0, -1.0) >= 0
    wide = np.where(extra != 0, np.where(same_side, wide, quantiles + extra), quantiles)
    return ordered_quantiles(wide)
