"""What is known about days to come: holidays, bridge days, paydays, month ends; and what past ones did to sales.

And which hours a clock shows twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import combinations
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from capacity.model import ConfigError, DataError, Event
from capacity.model.arrays import Mask

ONE_DAY = timedelta(days=1)
SATURDAY = 5  # date.weekday()


def holiday_events(codes: Iterable[str], start: datetime, end: datetime, timezone: str = "UTC") -> list[Event]:
    """List the public holidays of countries and states as events of whole local days.

    Moving feasts and observed days are included; an observed day counts as the holiday's.

    Parameters
    ----------
    codes : iterable of str
        Countries and states such as `GB`, `GB-ENG`, `US-CA`.
    start, end : datetime
        Holidays that touch ``[start, end)`` are listed; both carry a time zone.
    timezone : str
        The clock of the days. Default UTC.

    Returns
    -------
    list of Event
        In order of time, of the kind "holiday".

    Raises
    ------
    ConfigError
        A code is not known.

    Examples
    --------
    >>> from datetime import UTC
    >>> start, end = datetime(2026, 12, 24, tzinfo=UTC), datetime(2026, 12, 28, tzinfo=UTC)
    >>> [event.name for event in holiday_events(["GB-ENG"], start, end)]
    ['Christmas Day', 'Boxing Day']
    """
    zone = ZoneInfo(timezone)
    first, last = start.astimezone(zone).date(), (end - timedelta(microseconds=1)).astimezone(zone).date()
    days: dict[date, str] = {}
    for code in codes:
        for day, name in _calendar(code, range(first.year, last.year + 1)).items():
            if first <= day <= last:
                days.setdefault(day, name)
    return [_whole_day(name.removesuffix(" (observed)"), day, zone, "holiday") for day, name in sorted(days.items())]


def days_off(codes: Iterable[str], start: datetime, end: datetime, timezone: str = "UTC") -> list[Event]:
    """Public holidays and the bridge days they make: what a calendar code means to a forecast.

    >>> from datetime import UTC
    >>> start, end = datetime(2026, 5, 13, tzinfo=UTC), datetime(2026, 5, 17, tzinfo=UTC)
    >>> [(event.start.day, event.kind) for event in days_off(["DE"], start, end)]
    [(14, 'holiday'), (15, 'bridge')]
    """
    holidays = holiday_events(codes, start, end, timezone)
    bridges = [bridge for bridge in bridge_days(holidays, timezone) if bridge.start < end and start < bridge.end]
    return [*holidays, *bridges]


@lru_cache(maxsize=64)  # series of one business are forecast over the same days
def calendar_days(codes: tuple[str, ...], start: datetime, end: datetime, timezone: str = "UTC") -> tuple[Event, ...]:
    """Days off, and the days before and after holidays: all that a calendar code offers to a forecast.

    >>> from datetime import UTC
    >>> start, end = datetime(2026, 5, 13, tzinfo=UTC), datetime(2026, 5, 17, tzinfo=UTC)
    >>> [(event.start.day, event.kind) for event in calendar_days(("DE",), start, end)]
    [(14, 'holiday'), (15, 'bridge'), (13, 'before holiday')]
    """
    known = days_off(codes, start, end, timezone)
    off = {event.start for event in known}
    around = days_around([event for event in known if event.kind == "holiday"], timezone)
    return (*known, *(day for day in around if day.start not in off and day.start < end and start < day.end))


def bridge_days(holidays: Sequence[Event], timezone: str = "UTC") -> list[Event]:
    """Working days between a holiday and a weekend: the Friday after a Thursday, the Monday before a Tuesday.

    >>> from datetime import UTC
    >>> ascension = Event("Ascension", datetime(2026, 5, 14, tzinfo=UTC), datetime(2026, 5, 15, tzinfo=UTC), "holiday")
    >>> [str(event.start.date()) for event in bridge_days([ascension])]
    ['2026-05-15']
    """
    zone = ZoneInfo(timezone)
    days = sorted(event.start.astimezone(zone).date() for event in holidays)
    bridges = {day + ONE_DAY for day in days if day.weekday() == 3} | {
        day - ONE_DAY for day in days if day.weekday() == 1
    }
    return [_whole_day("bridge day", day, zone, "bridge") for day in sorted(bridges - set(days))]


def days_around(holidays: Sequence[Event], timezone: str = "UTC") -> list[Event]:
    """The days before and after each run of holidays, as kinds "before holiday" and "after holiday".

    >>> from datetime import UTC
    >>> noel = Event("Christmas", datetime(2026, 12, 25, tzinfo=UTC), datetime(2026, 12, 26, tzinfo=UTC), "holiday")
    >>> [(event.kind, event.start.day) for event in days_around([noel])]
    [('before holiday', 24), ('after holiday', 26)]
    """
    zone = ZoneInfo(timezone)
    days = {event.start.astimezone(zone).date(): event.name for event in holidays}
    before = {day - ONE_DAY: name for day, name in days.items() if day - ONE_DAY not in days}
    after = {day + ONE_DAY: name for day, name in days.items() if day + ONE_DAY not in days}
    return [
        *(_whole_day(f"before {name}", day, zone, "before holiday") for day, name in sorted(before.items())),
        *(_whole_day(f"after {name}", day, zone, "after holiday") for day, name in sorted(after.items())),
    ]


def paydays(start: datetime, end: datetime, timezone: str = "UTC", day: int = 25) -> list[Event]:
    """The payday of every month that touches `[start, end)`: the `day`, or the last working day before it.

    >>> from datetime import UTC
    >>> [event.start.day for event in paydays(datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 30, tzinfo=UTC))]
    [24, 25]
    """
    zone = ZoneInfo(timezone)
    dates = (_at_most(month, day) for month in _months(start.astimezone(zone).date(), end.astimezone(zone).date()))
    working = [moment - ONE_DAY * max(0, moment.weekday() - SATURDAY + 1) for moment in dates]
    events = [_whole_day("payday", moment, zone, "payday") for moment in working]
    return [event for event in events if start < event.end and event.start < end]


def month_ends(start: datetime, end: datetime, timezone: str = "UTC") -> list[Event]:
    """The last day of every month that touches `[start, end)`.

    >>> from datetime import UTC
    >>> [event.start.day for event in month_ends(datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))]
    [31, 28]
    """
    zone = ZoneInfo(timezone)
    months = _months(start.astimezone(zone).date(), end.astimezone(zone).date())
    events = [_whole_day("month end", _at_most(month, 31), zone, "month end") for month in months]
    return [event for event in events if start < event.end and event.start < end]


def covered(event: Event, steps: pd.DatetimeIndex, step: timedelta) -> Mask:
    """Which steps `[t, t + step)` the event overlaps: one truth value per step."""
    start, end = pd.Timestamp(event.start).tz_convert("UTC"), pd.Timestamp(event.end).tz_convert("UTC")
    return np.asarray((steps < end) & (steps + step > start), dtype=bool)


def overlapping(events: Sequence[Event]) -> list[tuple[Event, Event]]:
    """Pairs of events of one kind that overlap and whose given uplifts contradict each other."""
    given = sorted((event for event in events if event.uplift is not None), key=lambda event: (event.kind, event.start))
    return [
        (early, late)
        for index, early in enumerate(given)
        for late in given[index + 1 :]
        if late.kind == early.kind and late.start < early.end and late.uplift != early.uplift
    ]


def refuse_contradictions(events: Sequence[Event]) -> None:
    """Raise `DataError` where two events of one kind overlap with different uplifts."""
    for early, late in overlapping(events):
        what = f"{early.name} ({early.uplift}) and {late.name} ({late.uplift})"
        raise DataError(
            f"events: expected one uplift at a time, got {what}, which overlap; give them two kinds, or one uplift"
        )


def uplift_notes(events: Sequence[Event], start: datetime, end: datetime) -> tuple[str, ...]:
    """What must be said of events with a given uplift for a forecast of `[start, end)`: past ones, and overlaps.

    >>> from datetime import UTC
    >>> days = [datetime(2026, 11, day, tzinfo=UTC) for day in (20, 21, 27, 28, 29)]
    >>> early, late = Event("early", days[0], days[1], uplift=2.0), Event("sale", days[2], days[4], uplift=2.0)
    >>> for note in uplift_notes([early, late, Event("visit", days[2], days[3], "press", 1.5)], days[1], days[4]):
    ...     print(note)
    promotion early lies in the past, it ended 2026-11-20: its uplift of 2 is not used
    promotion sale and press visit overlap: their uplifts of 2 and 1.5 multiply
    """
    given = [event for event in events if event.uplift is not None]
    past = sorted((event for event in given if event.end <= start), key=lambda event: event.end)
    coming = [event for event in given if event.end > start and event.start < end]
    pairs = ((one, two) for one, two in combinations(coming, 2) if one.start < two.end and two.start < one.end)
    return (*_past_note(past), *(_overlap_note(one, two) for one, two in pairs))


def _overlap_note(one: Event, two: Event) -> str:
    """What two overlapping events with given uplifts do together: of one kind, one of them counts."""
    both = f"{one.kind} {one.name} and {two.kind} {two.name} overlap"
    if one.kind == two.kind:
        return f"{both}: an uplift of {one.uplift:g} counts once"
    return f"{both}: their uplifts of {one.uplift:g} and {two.uplift:g} multiply"


def _past_note(past: Sequence[Event]) -> list[str]:
    """One line on the latest of them, and how many there are."""
    if not past:
        return []
    last = past[-1]
    more = f" (and {len(past) - 1} more before it)" if len(past) > 1 else ""
    ended = f"it ended {last.end - timedelta(microseconds=1):%Y-%m-%d}"
    return [f"{last.kind} {last.name} lies in the past{more}, {ended}: its uplift of {last.uplift:g} is not used"]


def _calendar(code: str, years: range) -> dict[date, str]:
    import holidays

    country, _, state = code.partition("-")
    try:
        return dict(holidays.country_holidays(country, subdiv=state or None, years=years, language="en_US"))
    except NotImplementedError as error:
        raise ConfigError(
            f"calendar.holidays: expected a country or state such as GB, GB-ENG or US-CA, got {code!r}"
        ) from error


def _whole_day(name: str, day: date, zone: ZoneInfo, kind: str) -> Event:
    midnights = [datetime(at.year, at.month, at.day, tzinfo=zone) for at in (day, day + ONE_DAY)]
    return Event(name, midnights[0], midnights[1], kind)


def _months(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month + timedelta(days=32)).replace(day=1)


def _at_most(month: date, day: int) -> date:
    """The `day` of a month, or its last."""
    last = (month + timedelta(days=32)).replace(day=1) - ONE_DAY
    return month.replace(day=min(day, last.day))


@dataclass(frozen=True, slots=True)
class Fold:
    """An hour that a clock shows twice: the second showing is `[start, end)`, the first one lies `width` earlier."""

    start: datetime
    end: datetime
    width: timedelta


def folds(zone: str, first: datetime, last: datetime) -> list[Fold]:
    """The hours that the clock of a zone shows twice between two times (UTC).

    >>> [(one.start.hour, one.width) for one in folds("Europe/Berlin", datetime(2024, 1, 1), datetime(2025, 1, 1))]
    [(1, datetime.timedelta(seconds=3600))]
    """
    place, day, found = ZoneInfo(zone), timedelta(days=1), []
    moment, end = max(first.replace(tzinfo=UTC), _EARLIEST), min(last.replace(tzinfo=UTC), _LATEST)
    before = _offset(place, moment - day)
    moment -= day
    while moment <= end + day:
        after = _offset(place, moment + day)
        if after < before:
            change = _change(place, moment, moment + day)
            found.append(Fold(change, change + (before - after), before - after))
        before, moment = after, moment + day
    return found


_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The minute between two times at which the zone's offset changes."""
    before = _offset(zone, low)
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) // 2
        middle = middle.replace(second=0, microsecond=0)
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high.replace(second=0, microsecond=0)
