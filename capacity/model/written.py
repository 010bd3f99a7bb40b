"""Values as people write them in Python ("500m", "5m", "2026-11-27"), turned into numbers and times as a noun is built.

Only text is turned; a value that is a number, a duration or a time already stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from capacity.model.errors import DataError
from capacity.model.fields import parse_duration, parse_quantity

DATE = r"\d{4}-\d{2}-\d{2}"


def settle(noun: object, where: str, read: Callable[[str, Any], Any], *names: str) -> None:
    """Turn fields that were given as text into values, while a frozen noun is being built. Raises `DataError`."""
    for name in names:
        value = getattr(noun, name)
        if isinstance(value, str):
            object.__setattr__(noun, name, read(f"{where}: {name}", value))


def quantity(where: str, value: Any) -> float:
    """Cores or bytes from a Kubernetes quantity.

    >>> quantity("replica: cpu_request", "500m")
    0.5
    """
    try:
        return parse_quantity(value)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def duration(where: str, value: Any) -> timedelta:
    """A duration from text.

    >>> duration("lead_time", "5m")
    datetime.timedelta(seconds=300)
    """
    try:
        return parse_duration(value)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def moment(where: str, value: Any, timezone: str = "UTC", *, end: bool = False) -> Any:
    """A time with a zone, from a date or a time with or without one; a date alone as an `end` is the end of that day.

    >>> moment("start", "2026-11-27", "Europe/Berlin").isoformat(), moment("end", "2026-11-27", end=True).isoformat()
    ('2026-11-27T00:00:00+01:00', '2026-11-28T00:00:00+00:00')
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        value = value.isoformat()
    try:
        read = datetime.fromisoformat(str(value).strip())
        zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
    except (ValueError, ZoneInfoNotFoundError) as error:
        expected = "expected a date or time such as 2026-11-27 or 2026-11-27T18:00"
        raise DataError(f"{where}: {expected}, got {value!r} in {timezone}") from error
    if end and re.fullmatch(DATE, str(value).strip()):
        read += timedelta(days=1)
    return read if read.tzinfo is not None else read.replace(tzinfo=zone)
