"""What is not demand: outages, declared or found, become gaps before anything is learned from a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.forecast.uplift import Occurrence, masked
from capacity.forecast.wallclock import WallClock
from capacity.model import Event, ForecastRequest, require
from capacity.model.arrays import Array
from capacity.series.calendar import calendar_days
from capacity.series.outages import find_outages

OUTAGE = "outage"  # the kind of event whose steps are gaps, of any length
LEAST_STEPS = 4  # fewer observations than this say nothing about the next one


@dataclass(frozen=True, slots=True)
class Gaps:
    """Spans in which business stood still, declared or found; and the events that are left to be learned."""

    declared: tuple[Occurrence, ...]
    found: tuple[Occurrence, ...]
    events: tuple[Occurrence, ...]

    def out_of(self, sales: pd.Series, clock: WallClock) -> pd.Series:
        """The series with gaps where there were outages."""
        return _with_gaps(sales, (*self.declared, *self.found), clock)

    def notes(self, last: pd.Timestamp, clock: WallClock) -> tuple[str, ...]:
        """What is said of them; the last step of the history begins at `last`."""
        known = clock.slots(pd.DatetimeIndex([last]))[0]
        told = [event for event in self.declared if event.slots[0] <= known]
        names = [f"{_span(event, clock)} is a declared outage: a gap, not zero" for event in told]
        seen = [
            f"{_span(event, clock)} looks like an outage and is a gap: an event of kind {OUTAGE} confirms it, one of"
            " another kind denies it"
            for event in self.found
        ]
        return (*names, *seen)


def find_gaps(sales: pd.Series, request: ForecastRequest, clock: WallClock, end: pd.Timestamp) -> Gaps:
    """The outages of a series, and its other events up to `end`. Raises `DataError` where outages leave too little."""
    outages = [event for event in request.events if event.kind == OUTAGE]
    declared = occurrences(outages, clock, end)
    quiet = _with_gaps(sales, declared, clock)
    seen = int(quiet.notna().sum())
    require(seen >= LEAST_STEPS, "sales: expected at least {} steps outside of outages, got {}", LEAST_STEPS, seen)
    calendar = calendar_days(request.holidays, clock.first, end, clock.timezone)
    told = [event for event in request.events if event.kind != OUTAGE or event.uplift is not None]
    events = occurrences((*told, *calendar), clock, end)
    found = _undeclared(clock.row(quiet), events, clock.step)
    return Gaps(tuple(declared), tuple(found), tuple(events))


def _undeclared(row: Array, events: Sequence[Occurrence], step: timedelta) -> list[Occurrence]:
    """Outages that nobody declared; the days of events and holidays are not looked at, nor what touches them."""
    margin = [replace(event, slots=event.slots + 1) for event in events]  # a step more on each side
    known = np.isnan(masked(np.zeros(len(row) + 2), margin))
    spans = [span for span in find_outages(masked(row, events), step) if not known[span[0] : span[1] + 2].any()]
    return [Occurrence(OUTAGE, OUTAGE, np.arange(start, stop), None) for start, stop in spans]


def _with_gaps(sales: pd.Series, outages: Sequence[Occurrence], clock: WallClock) -> pd.Series:
    if not outages:
        return sales
    down = np.isin(clock.slots(pd.DatetimeIndex(sales.index)), np.concatenate([event.slots for event in outages]))
    return sales.mask(down)


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


def _is_gap(event: Event) -> bool:
    """Whether a declared outage says no more than that its steps tell nothing; one with a given uplift is expected."""
    return event.kind == OUTAGE and event.uplift is None
