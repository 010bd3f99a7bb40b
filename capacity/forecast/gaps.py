"""The steps of a history on the wall clock, its events there, and what is not demand: outages, which become gaps.

Histories of one index and request share their `Timeline`; outages, declared or found, become gaps before anything is
learned from a history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.forecast.uplift import Occurrence
from capacity.forecast.wallclock import WallClock, clock_at, on_slots
from capacity.model import MONTH, Event, ForecastRequest, require
from capacity.model.arrays import Array, Mask, Places
from capacity.series.calendar import calendar_days, refuse_contradictions
from capacity.series.outages import find_falls
from capacity.series.seasons import YEAR

OUTAGE = "outage"  # the kind of event whose steps are gaps, of any length
LATEST = 2200  # the year by which a horizon ends: times in nanoseconds go no further than 2262
LEAST_STEPS = 4  # fewer observations than this say nothing about the next one


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

    def out_of(self, values: Array, slots: Places) -> Array:
        """A history (steps,) with gaps where there were outages."""
        return _with_gaps(values, (*self.declared, *self.found), slots)

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
        return (*names, *seen, *ongoing, *(() if self.since is None else (_lasting(self.since, clock),)))


def find_gaps(values: Array, timeline: Timeline) -> Gaps:
    """The outages of a history (steps,). Raises `DataError` where they leave too little."""
    quiet = _with_gaps(values, timeline.declared, timeline.slots)
    seen = len(quiet) - int(np.isnan(quiet).sum())
    require(seen >= LEAST_STEPS, "sales: expected at least {} steps outside of outages, got {}", LEAST_STEPS, seen)
    row = on_slots(quiet, timeline.slots)
    falls = find_falls(np.where(timeline.told, np.nan, row), timeline.clock.step)
    found = [Occurrence(OUTAGE, OUTAGE, np.arange(*span), None) for span in _unknown(falls.outages, timeline)]
    goes_on = bool(found) and not np.nansum(row[int(found[-1].slots[-1]) + 1 :]) > 0
    return Gaps(timeline.declared, tuple(found), goes_on, falls.since)


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


def _lasting(since: int, clock: WallClock) -> str:
    return (
        f"since {clock.moment(since)} sales are far below the usual, for longer than most outages last: this is taken"
        f" for the new level. If it is not, an event of kind {OUTAGE} makes it a gap"
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
