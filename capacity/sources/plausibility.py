"""Finds rows whose times are implausible together: ahead of the clock, far from all others, or in a doubled hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import duckdb

from capacity.quality import Finding
from capacity.quality.time_forms import EXPLICIT, LONE, LONE_SHARE
from capacity.series.calendar import Fold, folds
from capacity.sources.judging import Judgement, Span
from capacity.sources.sql import GOOD, PLAUSIBLE, literal, quote

SERIAL = EXPLICIT["serial"]
LATER_1904 = timedelta(days=1462)  # four years and a day: how much later the same number is if it counts from 1904
CALENDARS = {"Buddhist": (2443, 2643), "Persian or Islamic": (1320, 1500)}  # years that are recent ones there
AHEAD = timedelta(days=1)  # how far ahead of the clock a row may be: a time zone read wrongly is less than a day
YEAR = 366 * 86400.0
FEW_OF_ALL = 0.01  # share of rows that, a year or more away from all others, are not believed
FAR, FAR_TIMES = 3 * 86400.0, 10.0  # far: days, and many times the longest gap between the other rows
LEAST = 50  # good rows below which nothing is far from the others


def mark_implausible_times(database: duckdb.DuckDBPyConnection, span: Span) -> tuple[Span, tuple[str, ...]]:
    """Mark in `counted` the rows whose time is not plausible; gives the span of the others and notes that name them.

    Rows ahead of the clock are marked already where they were judged one by one.
    """
    _mark(database, f"epoch(first) > {span.last!r}")
    rows = database.execute(
        f"SELECT epoch(min(first)), epoch(max(last)), sum(row_count) FROM counted WHERE {GOOD} "
        "AND step_start IS NOT NULL GROUP BY step_start ORDER BY step_start"
    ).fetchall()
    low, high = plausible_range([(float(first), float(last), int(count)) for first, last, count in rows])
    low = span.first if low is None else low
    if low is not None:
        _mark(database, f"epoch(last) < {low!r}")
    if high is not None:
        _mark(database, f"epoch(first) > {high!r}")
    ends = [bound for bound in (high, span.last) if bound is not None]
    return Span(low, min(ends) if ends else None), _implausible_notes(database)


def workbook_findings(judgement: Judgement, now: datetime) -> tuple[Finding, ...]:
    """Whether serials of a spreadsheet may count from 1904: read from 1900, they are then four years too old.

    Both readings are dates; the other one ends within a year before `now`, which old rows seldom do by chance.
    """
    if judgement.settings.time_format is not None or not judgement.time.read_as.startswith(SERIAL.describe()):
        return ()
    newest = judgement.source.database.execute(f"SELECT max(epoch(last)) FROM counted WHERE {GOOD}").fetchone()
    if newest is None or newest[0] is None:
        return ()
    end = datetime.fromtimestamp(float(newest[0]), UTC)
    if not now - timedelta(days=366) <= end + LATER_1904 <= now + AHEAD:
        return ()
    said = (
        f"{judgement.settings.time}: expected to know from which year its days count, got serials that end on "
        f"{end:%Y-%m-%d} if from 1900 and on {end + LATER_1904:%Y-%m-%d} if from 1904, as workbooks of a Mac do: set "
        "time_format: serial or serial_1904"
    )
    return (Finding("ambiguous_times", "refuse", said),)


def _mark(database: duckdb.DuckDBPyConnection, where: str) -> None:
    database.execute(f"UPDATE counted SET failed = list_append(failed, {literal(PLAUSIBLE)}) WHERE {GOOD} AND {where}")


def _implausible_notes(database: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Notes on the rows whose time is not plausible."""
    query = (
        "SELECT sum(row_count), epoch(min(first)), epoch(max(last)) FROM counted "
        f"WHERE aside = 0 AND list_contains(failed, {literal(PLAUSIBLE)})"
    )
    count, first, last = database.execute(query).fetchone() or (None, None, None)
    if not count:
        return ()
    return (f"{implausible_text(int(count), first, last)}: left out of the sales",)


def implausible_text(count: int, first: float, last: float) -> str:
    """How many rows have implausible times, in words; the first and the last of them in seconds since 1970.

    >>> implausible_text(1, 0.0, 0.0)
    '1 row has a time ahead of the clock or far from all others (1970-01-01T00:00:00Z)'
    """
    times = " to ".join(dict.fromkeys(_time_text(seconds) for seconds in (first, last)))
    rows = "1 row has a time" if count == 1 else f"{count:,} rows have times"
    return f"{rows} ahead of the clock or far from all others ({times}{_other_calendar(first)})"


def _other_calendar(seconds: float) -> str:
    """In which other calendar a time may be, in words; empty where it is in none that is much in use."""
    year = 1970 + seconds / YEAR
    found = [f"; years of the {name} calendar?" for name, (low, high) in CALENDARS.items() if low <= year < high]
    return found[0] + " Export them in the Gregorian one" if found else ""


def _time_text(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s since 1970"


def plausible_range(steps: Sequence[tuple[float, float, int]]) -> tuple[float | None, float | None]:
    """From when to when the rows are that belong together; None where nothing is apart on that side.

    `steps` are first time, last time and rows of each step, in order of time.
    """
    total = sum(count for _, _, count in steps)
    if total < LEAST:
        return None, None
    low, high = 0, len(steps)
    while True:
        kept = _without_outer_group(steps[low:high], total)
        if kept == (0, high - low):
            break
        low, high = low + kept[0], low + kept[1]
    return steps[low][0] if low else None, steps[high - 1][1] if high < len(steps) else None


def _without_outer_group(steps: Sequence[tuple[float, float, int]], total: int) -> tuple[int, int]:
    """The steps without one group at an end that is apart from all others: from and up to which."""
    gaps = [(later[0] - earlier[1], place) for place, (earlier, later) in enumerate(pairwise(steps), 1)]
    if not gaps:
        return 0, len(steps)
    ordered = sorted(gaps, reverse=True)
    for gap, place in ordered[:4]:
        for first in (True, False):
            group = steps[:place] if first else steps[place:]
            others = [other for other, at in gaps if (at > place if first else at < place)]
            if _is_apart(group, gap, max(others, default=0.0), total):
                return (place, len(steps)) if first else (0, place)
    return 0, len(steps)


def _is_apart(group: Sequence[tuple[float, float, int]], gap: float, longest: float, total: int) -> bool:
    count = sum(rows for _, _, rows in group)
    if gap >= YEAR and (count <= FEW_OF_ALL * total or (group[-1][1] - group[0][0] < 86400 and count < total / 2)):
        return True
    return count <= max(LONE, LONE_SHARE * total) and gap >= FAR and gap >= FAR_TIMES * longest


def resolve_repeated_hours(judgement: Judgement) -> tuple[dict[Fold, str], tuple[Fold, ...]]:
    """Which rows of the hour that the clock shows twice are of its first showing, as a condition on their place.

    Known where the rows of that night are in order but for one step back; the others are unclear, as in a database.
    """
    if not judgement.time.local:
        return {}, ()
    database, zone = judgement.source.database, judgement.time_zone()
    moment = judgement.time.instant
    if not folds(zone, datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)):
        return {}, ()
    column = judgement.settings.time
    plain = judgement.source.columns[column].startswith(("TIMESTAMP", "DATE"))
    shown = f"CAST({quote(column)} AS TIMESTAMP)" if plain else f"timezone({literal(zone)}, {moment})"
    first, last = database.execute(f"SELECT epoch(min({shown})), epoch(max({shown})) FROM orders").fetchone() or (0, 0)
    if first is None:
        return {}, ()
    first_showings: dict[Fold, str] = {}
    unclear = []
    hours = folds(zone, *(_as_datetime(seconds) for seconds in (first, last)))
    found = _repeated_hour_rows(judgement, shown, hours)
    newest_first = bool(found) and _newest_first(judgement, shown)
    for fold, times in found:
        if len(times) == 1:  # one row is of one showing: nothing is doubled
            continue
        times = times[::-1] if newest_first else times
        row = _step_back(times) if isinstance(judgement.settings.source, str) else None  # a table has no order
        if row is None:
            unclear.append(fold)
        else:
            first_showings[fold] = f"source_row {'>' if newest_first else '<'} {row}"
    return first_showings, tuple(unclear)


def repeated_hours(database: duckdb.DuckDBPyConnection, zone: str) -> tuple[Fold, ...]:
    """The doubled hours in which a database, whose rows have no order, counted rows without a zone."""
    steps = "SELECT epoch(first), epoch(last) FROM counted WHERE first IS NOT NULL"
    spans = database.execute(steps).fetchall()
    if not spans:
        return ()
    hours = folds(zone, _as_datetime(min(first for first, _ in spans)), _as_datetime(max(last for _, last in spans)))
    return tuple(
        fold
        for fold in hours
        if any(first < fold.end.timestamp() and last >= fold.start.timestamp() for first, last in spans)
    )


def _as_datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0.0), 4e9), UTC)


def _newest_first(judgement: Judgement, shown: str) -> bool:
    """Whether the file begins with its newest rows, as many exports do; a row of another century decides nothing."""
    half = "(SELECT (min(source_row) + max(source_row)) / 2 FROM orders)"
    query = (
        f"SELECT median({shown}) FILTER (WHERE source_row <= {half}) > "
        f"median({shown}) FILTER (WHERE source_row > {half}) FROM orders"
    )
    return judgement.source.database.execute(query).fetchone() == (True,)


def _repeated_hour_rows(
    judgement: Judgement, shown: str, hours: Sequence[Fold]
) -> list[tuple[Fold, list[tuple[int, float]]]]:
    """The rows (number and time) of each doubled hour that has any, in the order of the file."""
    if not hours:
        return []
    found = []
    database, zone = judgement.source.database, ZoneInfo(judgement.time_zone())
    spans = [(fold.start.astimezone(zone).replace(tzinfo=None), fold.end - fold.start) for fold in hours]
    window = " OR ".join(
        f"({shown} >= TIMESTAMP '{start.isoformat(' ')}' AND {shown} < TIMESTAMP '{(start + length).isoformat(' ')}')"
        for start, length in spans
    )
    if database.execute(f"SELECT count(*) FROM orders WHERE {window}").fetchone() == (0,):
        return []  # without the number of each row, which DuckDB would have to count through
    query = f"SELECT source_row, epoch({judgement.time.instant}) FROM orders WHERE {window} ORDER BY 1"
    rows = database.execute(query).fetchall()
    for fold in hours:
        times = [(row, at) for row, at in rows if fold.start.timestamp() <= at < fold.end.timestamp()]
        if times:
            found.append((fold, times))
    return found


def _step_back(times: Sequence[tuple[int, float]]) -> int | None:
    """The first row of the second showing; None where the order of the rows does not tell.

    Without a step back all rows could be of either showing, but for one measurement of each: two equal times.
    """
    pairs = list(pairwise(times))
    back = [later[0] for earlier, later in pairs if later[1] < earlier[1]]
    if len(back) == 1:
        return back[0]
    if not back and len(times) == 2 and times[0][1] == times[1][1]:
        return times[1][0]
    return None


def unclear_note(fold: Fold, zone: str) -> str:
    """What is said of a doubled hour whose rows could be of either showing."""
    return (
        f"the clock in {zone} shows the hour before {fold.end:%Y-%m-%dT%H:%MZ} twice, and the rows do not tell "
        "which is meant: both hours are gaps"
    )
