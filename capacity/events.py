"""What is known about days to come: public holidays as events, and which steps an event covers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.domain import ConfigError, Event


def holiday_events(codes: Iterable[str], start: datetime, end: datetime, timezone: str = "UTC") -> list[Event]:
    """Public holidays of countries and states (`GB`, `GB-ENG`, `US-CA`) that touch `[start, end)`, as whole local days.

    An observed day counts as the holiday's. Raises `ConfigError` for a code that nobody knows.

    >>> from datetime import UTC
    >>> eve, after = datetime(2026, 12, 24, tzinfo=UTC), datetime(2026, 12, 28, tzinfo=UTC)
    >>> [event.name for event in holiday_events(["GB-ENG"], eve, after)]
    ['Christmas Day', 'Boxing Day']
    """
    zone = ZoneInfo(timezone)
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    days: dict[date, str] = {}
    for code in codes:
        for day, name in _calendar(code, range(first.year, last.year + 1)).items():
            if first <= day <= last:
                days.setdefault(day, name)
    return [_whole_day(name, day, zone) for day, name in sorted(days.items())]


def _calendar(code: str, years: range) -> dict[date, str]:
    import holidays  # 0.06 s, and only a calendar needs it

    country, _, state = code.partition("-")
    try:
        return dict(holidays.country_holidays(country, subdiv=state or None, years=years, language="en_US"))
    except NotImplementedError as error:
        raise ConfigError(
            f"calendar.holidays: expected a country or state such as GB, GB-ENG or US-CA, got {code!r}"
        ) from error


def _whole_day(name: str, day: date, zone: ZoneInfo) -> Event:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    next_day = day + timedelta(days=1)
    end = datetime(next_day.year, next_day.month, next_day.day, tzinfo=zone)
    return Event(name.removesuffix(" (observed)"), midnight, end, "holiday")


def covered(event: Event, steps: pd.DatetimeIndex, step: timedelta) -> npt.NDArray[np.bool_]:
    """Which steps `[t, t + step)` the event overlaps: one truth value per step."""
    start, end = pd.Timestamp(event.start).tz_convert("UTC"), pd.Timestamp(event.end).tz_convert("UTC")
    return np.asarray((steps < end) & (steps + step > start), dtype=bool)


def overlapping(events: Sequence[Event]) -> list[tuple[Event, Event]]:
    """Pairs of events of one kind that overlap and whose given uplifts contradict each other."""
    ordered = sorted((event for event in events if event.uplift is not None), key=lambda event: event.start)
    return [
        (early, late)
        for index, early in enumerate(ordered)
        for late in ordered[index + 1 :]
        if late.start < early.end and late.kind == early.kind and late.uplift != early.uplift
    ]
