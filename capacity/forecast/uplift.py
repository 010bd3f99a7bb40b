"""What past events did to sales, learned with partial pooling, and what coming ones will do to a forecast.

Events are a group of their own for the calibration: what past events missed widens coming ones, ordinary days do not.
A kind of day that the calendar offers unasked is used where its effect foretold days that it was not learned from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from capacity.model.arrays import Array, Mask, Places
from capacity.stats import normal_quantiles, ordered_quantiles

WEEKS_AROUND = 4  # on each side: what a step would have sold is the mean of its neighbours in other weeks
FINE_DAY = 96  # steps in a day from which the hours around an event tell the level it stood on: quarters of an hour
LEAST_AROUND = 0.25  # of a day that must be known on both sides to say so
LEAST_FACTOR = 0.01  # a closed day is one hundredth, so that its logarithm stays finite
CLOSED = 0.02  # of what was expected: an event that sold no more was a closed day
CLOSED_CASES = 2  # closed days of a kind from which they are no accident
WILDEST_MISS = 1.0  # log units: one odd event does not make the next one uncertain beyond a factor of three
TRUST = 0.5  # events' worth of "no effect" against which a kind must show one
NAME_TRUST = 1.0  # events' worth of its kind that a name (Christmas Day) starts from
WEEKDAY_TRUST = 3.0  # events' worth of no difference between weekdays: most kinds have been seen once or twice on each
LAST = 30  # events of a kind whose misses count: older ones were another business
SERIES_TRUST = 2.0  # events' worth of the other series' mean effect in each series' own
SLOT_TRUST = 2.0  # events' worth of the kind's own factor in the factor of each slot of the day
START_HOURS = 1.5  # by which the start of a past event may differ from a coming one's before it counts .6
START_LEAST = 0.05  # weight of one at any other time
EVENTS_HALF_LIFE = 7.0  # later events after which one counts half: a crowd grows, and its habits change
WIDEST = 0.7  # log units; no kind of event is less certain than a factor of two
TYPICAL_SPREAD = 0.3  # log units by which events of one kind differ, worth one event; all there is for a new kind
ENOUGH = 5  # events of a kind from which it is a group of its own
MISSES_TRUST = 5.0  # events' worth of a log-normal spread that their own quantiles start from
LEAST_CASES = 4  # occurrences: of fewer, chance alone may look like an effect
GAIN = 0.02  # share by which the error must fall over all of them
DOUBT = 0.5  # standard errors by which the mean gain must stand clear of that, as for a course


Named = tuple[str, float]  # an event's name and log factor


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event on the grid of a history: its slots, and its given factor or None where it is to be learned."""

    name: str
    kind: str
    slots: Places
    uplift: float | None
    start: int | None = None  # where it begins, if its slots reach further back

    @property
    def begins(self) -> int:
        """The slot of its start."""
        return int(self.slots[0]) if self.start is None else self.start


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
    closed: frozenset[str] = frozenset()  # names of which every event was a closed day: the next one is, for certain
    always_closed: bool = False  # every event of the kind was: those of a new name are as well
    by_start: Mapping[int, Array] = field(default_factory=dict)  # `by_slot` of those that start at a slot of the day

    def closes(self, name: str) -> bool:
        """Whether an event of this name is a closed day."""
        return name in self.closed or (self.always_closed and name not in self.by_name)


def masked(values: Array, past: Sequence[Occurrence]) -> Array:
    """Histories (..., T) without the steps of their events: they are gaps for the normal shape."""
    answer = values.copy()
    for occurrence in past:
        answer[..., occurrence.slots[occurrence.slots < values.shape[-1]]] = np.nan
    return answer


def learn_effects(
    row: Array, past: Sequence[Occurrence], day: int, week: int, coming: Sequence[Occurrence] = ()
) -> dict[str, Effect]:
    """The effect of every kind of event seen in a history (T,), against the same slots of the weeks around.

    Of kinds whose events last less than a day, also that of one that starts when a `coming` one does.
    """
    normal = masked(row, past)
    kinds = sorted({occurrence.kind for occurrence in past})
    effects = {}
    for kind in kinds:
        mine = [occurrence for occurrence in past if occurrence.kind == kind]
        known = [case for occurrence in mine if (case := case_of(row, normal, occurrence, week)) is not None]
        if known:
            effect = _beyond(_effect(known, day, week), _usual_miss(normal, mine, week))
            starts = {occurrence.begins % day for occurrence in coming if occurrence.kind == kind}
            effects[kind] = replace(effect, by_start=_by_start(known, starts, day))
    return effects


def _by_start(cases: Sequence[Case], starts: Collection[int], day: int) -> dict[int, Array]:
    """The log factor on each slot of the day of an event that starts at each of these slots of the day.

    Past ones tell it at the same distance from their start, the more the later they were and the nearer to this time of
    the day they began.
    """
    if any(len(case.slots) >= day for case in cases):
        return {}
    begun, logs = np.array([case.start % day for case in cases]), np.array([case.log_factor for case in cases])
    late = 0.5 ** (np.arange(len(cases))[::-1] / EVENTS_HALF_LIFE)
    answer = {}
    for start in starts:
        apart = np.minimum((begun - start) % day, (start - begun) % day) * 24 / day
        weights = late * (np.exp(-0.5 * (apart / START_HOURS) ** 2) + START_LEAST)
        overall = float(weights @ logs / (weights.sum() + TRUST))
        moved = [replace(case, slots=case.slots - case.start + start) for case in cases]
        answer[start] = _by_slot(moved, overall, day, weights)
    return answer


def _usual_miss(normal: Array, events: Sequence[Occurrence], week: int) -> float:
    """How far (log units) the same steps were off a week before and after each event; 0 where nothing is known."""
    moved = [replace(event, slots=event.slots + shift) for event in events[-LAST:] for shift in (-week, week)]
    inside = [event for event in moved if event.slots[0] >= 0 and event.slots[-1] < len(normal)]
    cases = [case_of(normal, normal, event, week) for event in inside]
    misses = [np.clip(case.log_factor, -WILDEST_MISS, WILDEST_MISS) for case in cases if case is not None]
    return float(np.sqrt(np.mean(np.square(misses)))) if misses else 0.0


def _beyond(effect: Effect, usual: float) -> Effect:
    """The effect, its misses and spread as far as they go beyond those of ordinary days, which are forecast already."""
    squares = ((effect.misses**2).sum() + TYPICAL_SPREAD**2) / (len(effect.misses) + 1)
    share = float(np.sqrt(max(0.0, 1.0 - usual**2 / squares)))
    return replace(effect, misses=share * effect.misses, spread=share * effect.spread)


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
        frozenset.intersection(*(effect.closed for effect in effects)),
        all(effect.always_closed for effect in effects),
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
        own.closed,
        own.always_closed,
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A past event: its name, the slot of its start, and what its slots sold beside what they would have without it."""

    name: str
    start: int
    slots: Places
    actual: Array
    expected: Array

    @property
    def sold(self) -> float:
        """The share of what was expected."""
        return float(self.actual.sum() / self.expected.sum())

    @property
    def log_factor(self) -> float:
        """The logarithm of that share, finite for a closed day too."""
        return float(np.log(max(self.sold, LEAST_FACTOR)))


def case_of(row: Array, normal: Array, occurrence: Occurrence, week: int) -> Case | None:
    """A past event against the same slots of the weeks around in `normal` (T,); None where too few are known."""
    slots = occurrence.slots[occurrence.slots < len(row)]
    weeks = np.concatenate([np.arange(-WEEKS_AROUND, 0), np.arange(1, WEEKS_AROUND + 1)]) * week
    neighbours = _at(normal, slots[:, None] + weeks) * _growth_since(normal, slots, week // 7, weeks)
    known = ~np.isnan(neighbours)
    count = known.sum(axis=1)
    expected = np.where(known, neighbours, 0.0).sum(axis=1) / np.maximum(count, 1)
    usable = (count >= 2) & ~np.isnan(row[slots])
    if not usable.any() or expected[usable].sum() <= 0:
        return None
    return Case(occurrence.name, occurrence.begins, slots[usable], row[slots][usable], expected[usable])


def _growth_since(normal: Array, slots: Places, day: int, weeks: Places) -> Array:
    """How much higher sales stood in the hours around an event than around its neighbours in other weeks (weeks,).

    A crowd that comes for a season of events grows from one to the next: without this its growth would count twice, in
    the level and as the events' effect. Only steps within the day tell: quarters of an hour, or longer ones beside an
    event of half a day at most. 1 where too few are known on both sides.
    """
    if day < FINE_DAY and 2 * len(slots) > day:
        return np.ones(len(weeks))
    around = np.arange(slots[0] - day // 2, slots[-1] + day // 2 + 1)
    here, there = _at(normal, around)[:, None], _at(normal, around[:, None] + weeks)
    both = ~np.isnan(here) & ~np.isnan(there)
    now, then = (np.broadcast_to(side, both.shape).sum(axis=0, where=both) for side in (here, there))
    told = (both.sum(axis=0) >= LEAST_AROUND * day) & (now > 0) & (then > 0)
    return np.where(told, now / np.where(told, then, 1.0), 1.0)


def _at(values: Array, slots: Places) -> Array:
    """Values at slots, NaN outside of what is known."""
    inside = (slots >= 0) & (slots < len(values))
    return np.where(inside, values[np.where(inside, slots, 0)], np.nan)


def _effect(every: Sequence[Case], day: int, week: int) -> Effect:
    """The effect of a kind's events; closed days are known by name, and say nothing about those that were not."""
    closed = _closed_names(every)
    cases = [case for case in every if case.name not in closed] or list(every)
    named = [(case.name, case.log_factor) for case in cases]
    logs = np.array([log for _, log in named])
    overall = float(logs.sum() / (len(logs) + TRUST))
    by_name = {name: _name_offset(named, name, overall) for name in {name for name, _ in named}}
    variance = (((logs - logs.mean()) ** 2).sum() + TYPICAL_SPREAD**2) / len(logs)
    usual = {name: overall + offset for name, offset in by_name.items()}
    spread = float(np.sqrt(min(variance, WIDEST**2)))
    weekdays = _by_weekday(cases, usual, day) if week == 7 * day else np.zeros(7)  # longer steps have none
    misses = np.array([log - told for log, told in zip(logs.tolist(), _foretold(named), strict=True)])[-LAST:]
    misses = np.clip(misses, -WILDEST_MISS, WILDEST_MISS)
    return Effect(
        by_slot=_by_slot(cases, overall, day),
        by_name=by_name,
        by_weekday=weekdays,
        spread=spread,
        seen=len(every),
        misses=misses,
        closed=closed,
        always_closed=len(every) > CLOSED_CASES and len(closed) == len({case.name for case in every}),
    )


def _closed_names(cases: Sequence[Case]) -> frozenset[str]:
    """Names whose events were closed days each time; one closed day alone may have been an accident."""
    names = {case.name for case in cases}
    sold = {name: [case.sold for case in cases if case.name == name] for name in names}
    closed = [name for name in names if max(sold[name]) <= CLOSED]
    return frozenset(closed if sum(len(sold[name]) for name in closed) >= CLOSED_CASES else ())


def _foretold(named: Sequence[Named]) -> list[float]:
    """What a kind's other events say of each of them, as it would have been forecast without it: log factors."""
    told = []
    for place, (name, _) in enumerate(named):
        others = [*named[:place], *named[place + 1 :]]
        overall = sum(log for _, log in others) / (len(others) + TRUST)
        told.append(overall + _name_offset(others, name, overall))
    return told


def _name_offset(named: Sequence[Named], name: str, overall: float) -> float:
    own = [log - overall for other, log in named if other == name]
    return sum(own) / (len(own) + NAME_TRUST)


def _by_weekday(cases: Sequence[Case], usual: dict[str, float], day: int) -> Array:
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


def _by_slot(cases: Sequence[Case], overall: float, day: int, weights: Array | None = None) -> Array:
    """The kind's log factor on each slot of the day: its own shape, shrunk to flat, around the overall effect."""
    actual, expected = np.zeros(day), np.zeros(day)
    weights = np.ones(len(cases)) if weights is None else weights
    for case, weight in zip(cases, weights, strict=True):
        np.add.at(actual, case.slots % day, weight * case.actual)
        np.add.at(expected, case.slots % day, weight * case.expected)
    flat = max(actual.sum() / expected.sum(), LEAST_FACTOR)
    prior = SLOT_TRUST * expected.sum() / (day * weights.sum())
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
    if effect.closes(occurrence.name):
        return np.full(len(slots), -np.inf), 0.0
    day = len(effect.by_slot)
    shape = effect.by_start.get(occurrence.begins % day, effect.by_slot)
    shift = shape[slots % day] + effect.by_weekday[slots // day % 7]
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


@dataclass(frozen=True, slots=True)
class EventsAhead:
    """Coming events on the slots of a horizon: their factor and spread there, and the effects these come from."""

    slots: Places  # (H,)
    coming: tuple[Occurrence, ...]
    effects: dict[str, Effect]
    factor: Array  # (H,)
    spread: Array  # (H,)


def events_ahead(slots: Places, coming: Sequence[Occurrence], effects: dict[str, Effect]) -> EventsAhead:
    """What coming events do to a horizon."""
    factor, spread = coming_effect(slots, coming, effects)
    return EventsAhead(slots, tuple(coming), effects, factor, spread)


def widen_events(point: Array, quantiles: Array, levels: tuple[float, ...], ahead: EventsAhead) -> Array:
    """Quantiles (H, Q) widened on the slots of coming events, each kind by its own misses, by all kinds' where few."""
    every = np.concatenate([effect.misses for effect in ahead.effects.values()]) if ahead.effects else np.zeros(0)
    left = np.ones(len(point), dtype=bool)
    for kind in dict.fromkeys(event.kind for event in ahead.coming):
        taken = np.concatenate([event.slots for event in ahead.coming if event.kind == kind])
        here = np.isin(ahead.slots, taken) & left
        own = ahead.effects[kind].misses if kind in ahead.effects else every
        quantiles = widened(point, quantiles, levels, ahead.spread * here, own if len(own) >= ENOUGH else every)
        left &= ~here
    return quantiles


def widened(point: Array, quantiles: Array, levels: tuple[float, ...], spread: Array, misses: Array) -> Array:
    """Quantiles (H, Q) around the point (H,), widened where `spread` (H,) is not 0 by what events missed.

    `misses` are log factors of past events that the others did not foretell. Of n, the quantile at level
    p is the one at p (n + 1) / n; with few of them the log-normal spread keeps its say.

    >>> ten = np.full((1, 2), 10.0)
    >>> widened(ten[0, :1], ten, (0.5, 0.95), np.array([0.3]), np.linspace(-1, 1, 30)).round(1)
    array([[10. , 24.9]])
    """
    usual = spread_out(point, quantiles, levels, spread)
    if not len(misses) or not spread.any():
        return usual
    wanted = np.clip((np.asarray(levels) - 0.5) * (len(misses) + 1) / len(misses) + 0.5, 0.0, 1.0)
    few = 1.0 + 2.0 / max(len(misses), 2)  # as for the windows of ordinary steps
    extra = few * point[:, None] * np.expm1(np.quantile(misses - np.median(misses), wanted))  # (H, Q)
    own = combined(point, quantiles, levels, np.where(spread[:, None] > 0, extra, 0.0))
    say = len(misses) / (len(misses) + MISSES_TRUST)
    mixed = np.where(spread[:, None] > 0, say * own + (1 - say) * usual, usual)
    return ordered_quantiles(mixed)


def proven_kinds(row: Array, past: Sequence[Occurrence], kinds: frozenset[str], week: int) -> frozenset[str]:
    """Of `kinds`, those whose held-out occurrences in a history (T,) came nearer by what the others of the kind say.

    What a step would have sold is the mean of the same step in the weeks around; steps of all other events are left out
    of it.

    >>> days = np.tile(10.0 + np.arange(7), 20)
    >>> days[[10, 24, 38, 52, 66, 80]] *= 2
    >>> paydays = [Occurrence("payday", "payday", np.array([slot]), None) for slot in (10, 24, 38, 52, 66, 80)]
    >>> month_ends = [Occurrence("month end", "month end", np.array([slot]), None) for slot in (3, 33, 63, 93, 123)]
    >>> sorted(proven_kinds(days, [*paydays, *month_ends], frozenset({"payday", "month end"}), 7))
    ['payday']
    """
    normal = masked(row, past)
    cases: dict[str, list[Case]] = {kind: [] for kind in kinds}
    for event in past:
        if event.kind in kinds and (case := case_of(row, normal, event, week)) is not None:
            cases[event.kind].append(case)
    return frozenset(kind for kind in kinds if _proven(cases[kind]))


def _proven(cases: Sequence[Case]) -> bool:
    """Whether the other cases foretell each one better than "no effect" does."""
    if len(cases) < LEAST_CASES:
        return False
    told = _foretold([(case.name, case.log_factor) for case in cases])
    factors = [(1.0, float(np.exp(log))) for log in told]
    errors = np.array(
        [
            [np.abs(case.actual - case.expected * factor).mean() for factor in pair]
            for case, pair in zip(cases, factors, strict=True)
        ]
    )
    tiny = 1e-3 * errors.mean() + 1e-300
    ratio = np.log((errors[:, 1] + tiny) / (errors[:, 0] + tiny))
    doubt = DOUBT * ratio.std(ddof=1) / np.sqrt(len(ratio))
    plain, told = errors.sum(axis=0)
    return bool(ratio.mean() + doubt < np.log(1 - GAIN) and told < (1 - GAIN) * plain)
