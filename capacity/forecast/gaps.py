"""The steps of a history on the wall clock, its events there and how far they reach, and outages, which become gaps.

Histories of one index and request share their `Timeline`; outages, declared or found, become gaps before anything is
learned from a history. People come before a kick-off and stay after it, whatever the calendar says: otherwise what
happened around past events would count as the normal shape of the day, and other days be expected to have its bumps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.forecast.uplift import LAST, Case, Occurrence, case_of, masked
from capacity.forecast.wallclock import WallClock, clock_at, on_slots
from capacity.model import MONTH, Event, ForecastRequest, require
from capacity.model.arrays import Array, Mask, Places
from capacity.series.calendar import calendar_days, refuse_contradictions
from capacity.series.outages import find_falls, is_closed
from capacity.series.seasons import YEAR

OUTAGE = "outage"  # the kind of event whose steps are gaps, of any length
LATEST = 2200  # the year by which a horizon ends: times in nanoseconds go no further than 2262
LEAST_STEPS = 4  # fewer observations than this say nothing about the next one
MINUTE = timedelta(minutes=1)
BEFORE, AFTER = timedelta(hours=2), timedelta(hours=4)  # at most
PART = timedelta(minutes=30)  # judged as one
LONGEST_STEP = timedelta(hours=1)
LONGEST = timedelta(hours=12)  # an event of whole days has its days around told by the calendar
LEAST_CASES = 4  # events of a kind: around fewer, chance alone may look like an effect
LEAST_EFFECT = 0.1  # log units, of the event and of a part
SHARE = 0.4  # of the event's effect: with .3, days of World Cup 98 were forecast a tenth worse
OFTEN = 0.7  # of the events around which the part must have shown the effect


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps of a history and of its horizon on the wall clock, and the events on them."""

    clock: WallClock
    slots: Places  # (steps,) of the history
    last: datetime  # the start of its last step
    ahead: pd.DatetimeIndex  # (H,), the starts of the steps of the horizon
    ahead_slots: Places  # (H,)
    declared: tuple[Occurrence, ...]  # outages
    events: tuple[Occurrence, ...]  # all others, up to the end of the horizon
    told: Mask  # (slots,): of events
    near_told: Mask  # (slots + 2,): of events and what touches them, from the slot before the first on

    @staticmethod
    def of(index: pd.DatetimeIndex, request: ForecastRequest, timezone: str | None) -> Timeline:
        """That of a checked index. Raises `DataError` where its steps are on no grid or the request contradicts itself.

        `timezone`: the business's; None takes UTC.
        """
        refuse_contradictions(request.events)
        clock = clock_at(index, timezone)
        steps = steps_ahead(request.horizon, clock.step)
        end_year = index[-1].year + steps * clock.step / YEAR
        require(end_year <= LATEST, "horizon: expected one that ends by {}, got {}", LATEST, request.horizon)
        ahead = clock.after(index[-1], steps)
        end = ahead[-1] + clock.step
        outages = [event for event in request.events if event.kind == OUTAGE]
        told = [event for event in request.events if event.kind != OUTAGE or event.uplift is not None]
        calendar = calendar_days(request.holidays, clock.first, end, clock.timezone)
        events, slots = occurrences((*told, *calendar), clock, end), clock.slots(index)
        count = int(slots.max()) + 1
        return Timeline(
            clock=clock,
            slots=slots,
            last=index[-1].to_pydatetime(),
            ahead=ahead,
            ahead_slots=clock.slots(ahead),
            declared=tuple(occurrences(outages, clock, end)),
            events=tuple(events),
            told=_touched(events, 0, count),
            near_told=_touched(events, 1, count + 2),
        )

    @property
    def end(self) -> pd.Timestamp:
        """Where the horizon ends."""
        return self.ahead[-1] + self.clock.step


def _touched(events: Sequence[Occurrence], shift: int, count: int) -> Mask:
    """Which of `count` slots belong to an event, its slots counted so many later."""
    touched = np.zeros(count, dtype=bool)
    for event in events:
        slots = event.slots + shift
        touched[slots[slots < count]] = True
    return touched


def steps_ahead(horizon: timedelta, step: timedelta) -> int:
    """Whole steps in a horizon; of months, as many as come nearest to it.

    >>> steps_ahead(timedelta(days=14), timedelta(hours=6)), steps_ahead(timedelta(days=365), MONTH)
    (56, 12)
    """
    steps = round(horizon / step) if step % MONTH == timedelta(0) else int(horizon // step)
    require(steps >= 1, "horizon: expected at least one step of {}, got {}", step, horizon)
    return steps


@dataclass(frozen=True, slots=True)
class Gaps:
    """Spans in which business stood still, declared or found."""

    declared: tuple[Occurrence, ...]
    found: tuple[Occurrence, ...]
    goes_on: bool = False  # the last one found: nothing was sold since
    since: int | None = None  # the slot from which a fall has lasted for longer than an outage
    closed: bool = False  # next to nothing was sold at its end: the business may open again any day

    def out_of(self, values: Array, slots: Places) -> Array:
        """A history (steps,) with gaps where there were outages."""
        return _with_gaps(values, (*self.declared, *self.found), slots)

    def with_closure(self, end: int) -> Gaps:
        """The same with the fall that lasts, up to the slot `end`, as one more gap."""
        if self.since is None:
            return self
        closure = Occurrence(OUTAGE, OUTAGE, np.arange(self.since, end), None)
        return replace(self, found=(*self.found, closure), since=None, closed=False)

    def notes(self, timeline: Timeline) -> tuple[str, ...]:
        """What is said of them."""
        clock, known = timeline.clock, timeline.slots[-1]
        told = [event for event in self.declared if event.slots[0] <= known]
        names = [f"{_span(event, clock)} is a declared outage: a gap, not zero" for event in told]
        seen = [
            f"{_span(event, clock)} looks like an outage and is a gap: an event of kind {OUTAGE} confirms it, one of"
            " another kind denies it"
            for event in self.found[: len(self.found) - self.goes_on]
        ]
        ongoing = [_ongoing(event, clock) for event in self.found[len(seen) :]]
        return (
            *names,
            *seen,
            *ongoing,
            *(() if self.since is None else (_lasting(self.since, clock, closed=self.closed),)),
        )


def find_gaps(values: Array, timeline: Timeline) -> Gaps:
    """The outages of a history (steps,). Raises `DataError` where they leave too little."""
    quiet = _with_gaps(values, timeline.declared, timeline.slots)
    seen = len(quiet) - int(np.isnan(quiet).sum())
    require(seen >= LEAST_STEPS, "sales: expected at least {} steps outside of outages, got {}", LEAST_STEPS, seen)
    row = on_slots(quiet, timeline.slots)
    falls = find_falls(np.where(timeline.told, np.nan, row), timeline.clock.step)
    found = [Occurrence(OUTAGE, OUTAGE, np.arange(*span), None) for span in _unknown(falls.outages, timeline)]
    goes_on = bool(found) and not np.nansum(row[int(found[-1].slots[-1]) + 1 :]) > 0
    since, step = falls.since, timeline.clock.step
    closed = since is not None and is_closed(on_slots(values, timeline.slots), since, step)
    return Gaps(timeline.declared, tuple(found), goes_on, since, closed)


def _unknown(spans: Sequence[tuple[int, int]], timeline: Timeline) -> list[tuple[int, int]]:
    """Outages that nobody declared, without those on the days of events and holidays and what touches these."""
    return [span for span in spans if not timeline.near_told[span[0] : span[1] + 2].any()]


def _with_gaps(values: Array, outages: Sequence[Occurrence], slots: Places) -> Array:
    if not outages:
        return values
    return np.where(np.isin(slots, np.concatenate([event.slots for event in outages])), np.nan, values)


def _ongoing(event: Occurrence, clock: WallClock) -> str:
    return (
        f"since {clock.moment(int(event.slots[0]))} sales are far below the usual: this is taken for an outage that"
        f" ends soon, and is a gap. After two days it counts as the new level, unless an event of kind {OUTAGE}"
        " covers it"
    )


def _lasting(since: int, clock: WallClock, *, closed: bool) -> str:
    otherwise = ", though the upper quantiles hold the usual one. An" if closed else ". If it is not, an"
    return (
        f"since {clock.moment(since)} sales are far below the usual, for longer than most outages last: this is taken"
        f" for the new level{otherwise} event of kind {OUTAGE} makes it a gap"
    )


def _span(event: Occurrence, clock: WallClock) -> str:
    return f"{clock.moment(int(event.slots[0]))} to {clock.moment(int(event.slots[-1]) + 1)}"


def occurrences(events: Sequence[Event], clock: WallClock, end: pd.Timestamp) -> list[Occurrence]:
    """The events on the slots of a wall clock, from its first step to `end`; others are left out."""
    found = []
    for event in sorted(events, key=lambda event: (event.start, event.name)):
        start, stop = (pd.Timestamp(moment).tz_convert("UTC") for moment in (event.start, event.end))
        if start >= end or stop <= clock.first:
            continue
        found.append(Occurrence(event.name, event.kind, clock.span(start, min(stop, end)), event.uplift))
    return found


@dataclass(frozen=True, slots=True)
class Reach:
    """By how many steps the events of a kind move sales before their start and after their end."""

    before: int = 0
    after: int = 0

    def note(self, kind: str, step: timedelta) -> str:
        """What a forecast says of it."""
        before, after = (int(steps * step / MINUTE) for steps in (self.before, self.after))
        return f"{kind}: moves sales from {before} min before its start to {after} min after its end"


def with_reach(row: Array, events: Sequence[Occurrence], step: timedelta) -> tuple[list[Occurrence], dict[str, Reach]]:
    """The events of a history (T,) and its horizon, short ones as long as past ones of their kind moved sales.

    A part of half an hour belongs to a kind if most of its events moved it in their own direction, typically by two
    fifths of what they did themselves, and if so did every part between. No event loses its own time: between two, what
    leads to the second is the second's. A coming event whose uplift is given keeps its times.

    >>> hours = np.tile(np.where(np.arange(24) < 8, 5.0, 10.0), 40)
    >>> matches = [Occurrence("", "match", np.arange(at, at + 2), None) for at in range(24 * 20 + 18, 960, 72)]
    >>> for match in matches:
    ...     hours[match.slots[0] - 1 : match.slots[-1] + 2] *= 3
    >>> longer, found = with_reach(hours, matches, timedelta(hours=1))
    >>> found["match"], longer[0].slots - matches[0].slots[0]
    (Reach(before=1, after=1), array([-1,  0,  1,  2]))
    """
    found = dict[str, Reach]()
    for kind in sorted({event.kind for event in events}) if step <= LONGEST_STEP else ():
        own = [event for event in events if event.kind == kind]
        past = [event for event in own if event.slots[0] < len(row)]
        if len(past) >= LEAST_CASES and max(len(event.slots) for event in own) * step <= LONGEST:
            reach = _reach(row, events, past[-LAST:], step)
            if reach != Reach():
                found[kind] = reach
    return _longer(events, found, len(row)), found


def _reach(row: Array, events: Sequence[Occurrence], past: Sequence[Occurrence], step: timedelta) -> Reach:
    """How far the past events of a kind reach."""
    cases = list(_cases(row, events, past, step))
    effect = _typical([_log(case, int(event.slots[0]), int(event.slots[-1]) + 1) for event, case in cases])
    if effect is None or abs(effect) < LEAST_EFFECT:
        return Reach()
    part, before, after = max(1, PART // step), 0, 0
    while before < BEFORE // step and _belongs(
        [_log(case, int(event.slots[0]) - before - part, int(event.slots[0]) - before) for event, case in cases], effect
    ):
        before += part
    while after < AFTER // step and _belongs(
        [
            _log(case, int(event.slots[-1]) + 1 + after, int(event.slots[-1]) + 1 + after + part)
            for event, case in cases
        ],
        effect,
    ):
        after += part
    return Reach(before, after)


def _cases(
    row: Array, events: Sequence[Occurrence], past: Sequence[Occurrence], step: timedelta
) -> Iterator[tuple[Occurrence, Case]]:
    """Each past event with what happened as far around it as it may reach, without the time of others."""
    kind, most, week = past[0].kind, Reach(BEFORE // step, AFTER // step), round(timedelta(weeks=1) / step)
    widest = [replace(event, slots=_around(event, most)) if event.kind == kind else event for event in events]
    normal, taken = masked(row, widest), _slots(events)
    for event in past:
        slots = np.union1d(np.setdiff1d(_around(event, most), taken), event.slots)
        case = case_of(row, normal, replace(event, slots=slots), week)
        if case is not None:
            yield event, case


def _belongs(logs: Sequence[float], effect: float) -> bool:
    """Whether a part with these log factors belongs to events with this one."""
    told, known = _typical(logs), [one for one in logs if np.isfinite(one)]
    if told is None or told * np.sign(effect) < max(LEAST_EFFECT, SHARE * abs(effect)):
        return False
    return bool((np.sign(known) == np.sign(effect)).mean() >= OFTEN)


def _typical(logs: Sequence[float]) -> float | None:
    """The median of enough cases; None of fewer."""
    known = [one for one in logs if np.isfinite(one)]
    return float(np.median(known)) if len(known) >= LEAST_CASES else None


def _log(case: Case, first: int, end: int) -> float:
    """The log factor of a case on some slots; NaN where they are not known."""
    here = (case.slots >= first) & (case.slots < end)
    actual, expected = case.actual[here].sum(), case.expected[here].sum()
    return float(np.log(actual / expected)) if actual > 0 and expected > 0 else float("nan")


def _slots(events: Sequence[Occurrence]) -> Places:
    return np.unique(np.concatenate([event.slots for event in events])) if events else np.zeros(0, dtype=np.intp)


def _around(event: Occurrence, reach: Reach) -> Places:
    """The slots of an event and those it reaches."""
    return np.arange(max(0, int(event.slots[0]) - reach.before), int(event.slots[-1]) + 1 + reach.after)


def _longer(events: Sequence[Occurrence], found: Mapping[str, Reach], known: int) -> list[Occurrence]:
    """The events with what they reach, as far as nobody else has it; `known` slots lie in the past."""
    if not found:
        return list(events)
    last = max(int(event.slots[-1]) for event in events) + max(reach.after for reach in found.values())
    own, led = np.zeros(last + 1, dtype=bool), np.zeros(last + 1, dtype=bool)
    grows = [event.kind in found and (event.uplift is None or event.slots[-1] < known) for event in events]
    for event, grow in zip(events, grows, strict=True):
        own[event.slots] = True
        led[_around(event, replace(found[event.kind], after=0)) if grow else event.slots] = True
    return [
        _grown(event, found[event.kind], own, led) if grow else event for event, grow in zip(events, grows, strict=True)
    ]


def _grown(event: Occurrence, reach: Reach, own: Mask, led: Mask) -> Occurrence:
    """An event with what it reaches: before it what is no event's own time, after it what leads to none either."""
    slots = _around(event, reach)
    early, late = slots[slots < event.slots[0]], slots[slots > event.slots[-1]]
    more = np.concatenate([early[~own[early]], event.slots, late[~led[late]]])
    return replace(event, slots=more, start=event.begins)
