"""What exports call time zones in a column of their own, as a name that the zone database has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from capacity.quality.column_roles import Column
from capacity.quality.time_forms import zone_offset

COLUMNS = r"\b(tz|time ?zone|utc offset|gmt offset|tz offset|zeitzone|fuseau|huso)\b"
SPOKEN: Final = {  # what Square, Windows and people call zones, in lower case without "time" and what is in parentheses
    "eastern": "America/New_York",
    "central": "America/Chicago",
    "mountain": "America/Denver",
    "arizona": "America/Phoenix",
    "us mountain": "America/Phoenix",
    "pacific": "America/Los_Angeles",
    "alaska": "America/Anchorage",
    "alaskan": "America/Anchorage",
    "hawaii": "Pacific/Honolulu",
    "hawaiian": "Pacific/Honolulu",
    "atlantic": "America/Halifax",
    "newfoundland": "America/St_Johns",
    "e. south america": "America/Sao_Paulo",
    "brasilia": "America/Sao_Paulo",
    "gmt": "Europe/London",
    "edinburgh": "Europe/London",
    "greenwich mean": "Europe/London",
    "w. europe": "Europe/Berlin",
    "romance": "Europe/Paris",
    "central europe": "Europe/Budapest",
    "central european": "Europe/Warsaw",
    "e. europe": "Europe/Chisinau",
    "gtb": "Europe/Athens",
    "fle": "Europe/Helsinki",
    "turkey": "Europe/Istanbul",
    "russian": "Europe/Moscow",
    "arabian": "Asia/Dubai",
    "india": "Asia/Kolkata",
    "china": "Asia/Shanghai",
    "beijing": "Asia/Shanghai",
    "osaka": "Asia/Tokyo",
    "aus eastern": "Australia/Sydney",
    "e. australia": "Australia/Brisbane",
    "aus central": "Australia/Darwin",
    "cen. australia": "Australia/Adelaide",
    "w. australia": "Australia/Perth",
    "canberra": "Australia/Sydney",
    "new zealand": "Pacific/Auckland",
    "wellington": "Pacific/Auckland",
}
CLOCKS: Final = {  # abbreviations that stand in all rows of a file, in summer and winter
    **dict.fromkeys(("est", "edt", "et"), "America/New_York"),
    **dict.fromkeys(("cst", "cdt", "ct"), "America/Chicago"),
    **dict.fromkeys(("mst", "mdt", "mt"), "America/Denver"),
    **dict.fromkeys(("pst", "pdt", "pt"), "America/Los_Angeles"),
    **dict.fromkeys(("cet", "cest", "mez", "mesz"), "Europe/Berlin"),
    **dict.fromkeys(("eet", "eest"), "Europe/Helsinki"),
    **dict.fromkeys(("aest", "aedt"), "Australia/Sydney"),
    "bst": "Europe/London",
}
PARTS = {"+05:30": "Asia/Kolkata", "+05:45": "Asia/Kathmandu", "+09:30": "Australia/Darwin", "+06:30": "Asia/Yangon"}


def zone_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Those of some columns' names that a column of time zones has.

    >>> zone_columns(["Date", "Time", "Time Zone", "amount"])
    ('Time Zone',)
    """
    return tuple(name for name in names if re.search(COLUMNS, Column(name, "text", 1, 1).words))


def named_zone(text: str) -> str | None:
    """The zone that a cell names, as the zone database calls it; None where nobody can say.

    >>> [named_zone(cell) for cell in ("Europe/Berlin", "Eastern Time (US & Canada)", "Tokyo", "-04:00", "EDT", "UTC")]
    ['Europe/Berlin', 'America/New_York', 'Asia/Tokyo', 'Etc/GMT+4', 'America/New_York', 'UTC']
    >>> named_zone("store 7")
    """
    plain = text.strip()
    if plain.lower() in CLOCKS:
        return CLOCKS[plain.lower()]
    if plain.lower() in _zones():
        return _zones()[plain.lower()]
    bare = re.sub(r"\s*\([^)]*\)|\b(standard|daylight|summer|time)\b", "", plain.lower()).strip()
    city = bare.replace(" ", "_")
    return SPOKEN.get(bare) or _zones().get(city) or _fixed(plain)


def _fixed(text: str) -> str | None:
    """The zone of an offset or of an abbreviation that stands for one."""
    found = re.fullmatch(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", text, re.IGNORECASE)
    if found is None:
        seconds = zone_offset(text)
        return None if seconds is None or seconds % 3600 else _whole(seconds // 3600)
    sign, hours, minutes = found[1], int(found[2]), int(found[3] or 0)
    if minutes:
        return PARTS.get(f"{sign}{hours:02}:{minutes:02}")
    return _whole(hours if sign == "+" else -hours)


def _whole(hours: int) -> str | None:
    """The zone so many hours ahead of UTC, whose name has the other sign."""
    return "UTC" if not hours else f"Etc/GMT{-hours:+d}" if -12 <= hours <= 14 else None


@cache
def _zones() -> dict[str, str]:
    """The names of all zones, and of cities that have one, in lower case."""
    names = sorted(available_timezones())
    places = {name.rpartition("/")[2].lower(): name for name in names if "/" in name and not name.startswith("Etc/")}
    return {**places, **{name.lower(): name for name in names}, "gmt": "UTC", "z": "UTC"}
