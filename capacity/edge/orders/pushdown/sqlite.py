"""SQLite knows no time zones: it counts quarters of an hour as they are written, and DuckDB knows whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from capacity.edge.orders.builtin import EPOCHS, NEWEST, OLDEST
from capacity.edge.orders.pushdown.buckets import SPLIT, Buckets, Casts, Judged, column, source_rows
from capacity.edge.orders.steps import DAY, on_step, step_start
from capacity.edge.settings import SalesSettings
from capacity.edge.sql import literal

QUARTER = 900  # seconds: every clock change since 1972 lies on a quarter of an hour
ISO_TIME = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
CASTS = Casts("{}", "CAST({} AS TEXT)")  # its columns have no types: each value is looked at
FINITE = "typeof(amount) IN ('integer', 'real') AND abs(amount) < 9e999"


def sqlite(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> Buckets | None:
    """The statement; None where time is neither ISO text nor an epoch, and where values cannot be added up later."""
    del columns
    grain = _grain(settings, timezone)
    if grain is None or settings.time_format not in (None, *EPOCHS):
        return None
    time = _epoch(settings) if settings.time_format in EPOCHS else _iso_text(settings)
    more = (f"{time.zoned} AS zoned", f"{time.fraction} AS fraction")
    start = f"(moment - (moment % {grain} + {grain}) % {grain})"  # SQLAlchemy's floor() for SQLite fails on NULL
    exact = f"fraction = 0 AND moment = {start}"
    rows = source_rows(settings, time.moment, CASTS, *more)
    judged = Judged(rows, start, exact, "moment + fraction", FINITE, zoned="zoned")
    return Buckets(judged.counted(settings), _counted(settings, timezone), _unread(settings, time))


def _unread(settings: SalesSettings, time: _Time) -> str:
    """Whether most times are no plain ISO text, or amounts are text: then the form is decided from all rows."""
    name = column(settings.time)
    inner = settings.source.query.rstrip().rstrip(";") if not isinstance(settings.source, str) else ""
    strange = f"2 * count(CASE WHEN {time.moment} IS NOT NULL AND NOT {_other(settings)} THEN 1 END) < count({name})"
    amount = settings.value.sum
    texts = "" if amount is None else f" OR max(typeof({column(amount)}) = 'text')"
    return f"SELECT {strange}{texts} FROM ({inner}\n) AS source"


def _other(settings: SalesSettings) -> str:
    """Text that SQLite reads differently than DuckDB does: with a blank before its offset."""
    name = column(settings.time)
    return "0" if settings.time_format in EPOCHS else f"coalesce(instr(substr({name}, 12), ' ') > 0, 0)"


def _grain(settings: SalesSettings, timezone: str) -> int | None:
    """Seconds that are counted together; None where distinct values would have to be added up over them."""
    step = int(settings.step.total_seconds())
    if settings.value.count_distinct is None:
        return gcd(step, QUARTER)
    return step if {timezone, settings.timezone or timezone} == {"UTC"} and step <= DAY else None


def _counted(settings: SalesSettings, timezone: str) -> str:
    """DuckDB adds the quarters up to steps, each at the instant that its clock meant."""
    zone = settings.timezone or timezone
    moved = (
        f"SELECT {_instant('start_at', zone)} AS moment, {_instant('first_at', zone)} AS first, "
        f"{_instant('last_at', zone)} AS last, grp, {SPLIT} AS failed, value, row_count, exact FROM buckets"
    )
    return (
        f"SELECT {step_start('moment', settings, timezone)} AS step_start, grp, failed, sum(value) AS value, "
        "CAST(sum(row_count) AS BIGINT) AS row_count, min(first) AS first, max(last) AS last, "
        f"bool_and(exact AND {on_step('moment', settings, timezone)}) AS on_step FROM ({moved}) GROUP BY ALL"
    )


def _instant(seconds: str, timezone: str) -> str:
    local = f"timezone({literal(timezone)}, make_timestamp(CAST({seconds} * 1000000 AS BIGINT)))"
    return f"CASE WHEN zoned THEN to_timestamp({seconds}) ELSE {local} END"


@dataclass(frozen=True, slots=True)
class _Time:
    """Whether the time says its zone, its whole seconds since 1970 (NULL: no time), and the part of a second."""

    zoned: str
    moment: str
    fraction: str


def _epoch(settings: SalesSettings) -> _Time:
    name = column(settings.time)
    since = f"({name} / {float(EPOCHS[settings.time_format or 'epoch'])})"
    sound = f"typeof({name}) IN ('integer', 'real') AND {since} BETWEEN {OLDEST} AND {NEWEST}"
    floored = f"(CAST({since} AS INTEGER) - ({since} < CAST({since} AS INTEGER)))"
    return _Time("1", f"CASE WHEN {sound} THEN {floored} END", f"({since} - {floored})")


def _iso_text(settings: SalesSettings) -> _Time:
    name = column(settings.time)
    day = f"substr({name}, 1, 10)"
    sound = f"typeof({name}) = 'text' AND {day} GLOB '{ISO_TIME}' AND date({day}, '+0 days') = {day}"
    zoned = f"(substr({name}, 12) GLOB '*[-+][0-9][0-9]:[0-9][0-9]' OR {name} LIKE '%Z')"
    whole = f"CASE WHEN {sound} THEN CAST(strftime('%s', {name}) AS INTEGER) END"
    return _Time(f"CASE WHEN {zoned} THEN 1 ELSE 0 END", whole, f"(strftime('%f', {name}) % 1.0)")
