"""The counting of orders as one SELECT for the database that holds them: one row per step, never one per order.

Each statement returns start_at, zoned, grp, failed, value, row_count, first_at, last_at and exact. What a good row is,
is said here a second time in another SQL; the tests hold it against DuckDB's own verdict on the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd

from capacity.edge.orders.sql import literal, quote
from capacity.edge.settings import SalesSettings

READABLE = "readable_row"  # the CSV reader could not split the line into the file's columns
GROUP = "readable_group"  # the group column is empty: the row would be in no series
TIME = "readable_time"  # the time column is empty, or not a time in the given format
VALUE = "readable_value"  # the value column is empty, not a number, or not finite
NOT_NEGATIVE = "value_not_negative"  # a negative amount cancels demand that was served: it is not demand
EPOCHS = {"epoch": 1, "epoch_ms": 1000}  # sales.time_format: parts of a second since 1970
OLDEST, NEWEST = -2208988800, 7258118400  # 1900 and 2200: milliseconds read as seconds are no time at all
DAY, MONDAY = 86400, 345600  # seconds; weeks begin on Monday, and 1970-01-05 was one
QUARTER = 900  # seconds: every clock change since 1972 lies on a quarter of an hour
NUMBERS = {"smallint", "integer", "bigint", "numeric", "real", "double precision"}
ISO_TIME = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"

FAILED = "string_split(rtrim(failed, ','), ',')"
SPLIT = f"CASE WHEN failed = '' THEN []::VARCHAR[] ELSE {FAILED} END"


@dataclass(frozen=True, slots=True)
class Buckets:
    """What to ask the database (`query`), and how DuckDB makes `counted` of the answer, registered as `buckets`."""

    query: str
    counted: str


def step_start(moment: str, settings: SalesSettings, timezone: str) -> str:
    """DuckDB's SQL for the start of the step that holds a moment, in seconds since 1970."""
    seconds = int(settings.step.total_seconds())
    if seconds < DAY:
        return f"CAST(floor(epoch({moment}) / {seconds}) * {seconds} AS BIGINT)"
    # Steps of days are business days, named by the date; weeks begin on Monday.
    local_day = f"epoch(date_trunc('day', timezone({literal(timezone)}, {moment})))"
    return f"CAST(floor(({local_day} - {MONDAY}) / {seconds}) * {seconds} + {MONDAY} AS BIGINT)"


def on_step(moment: str, settings: SalesSettings, timezone: str) -> str:
    """DuckDB's SQL for whether a moment is the start of its step: a date without a time, or one measurement."""
    seconds = int(settings.step.total_seconds())
    if seconds < DAY:
        return f"epoch({moment}) % {seconds} = 0"
    local = f"timezone({literal(timezone)}, {moment})"
    return f"date_trunc('day', {local}) = {local}"


def postgresql(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> Buckets | None:
    """PostgreSQL counts whole steps, on the business's clock. None where times or amounts are text."""
    moment = _postgresql_moment(settings, timezone, columns)
    amount = settings.value.sum
    if moment is None or (amount is not None and columns[amount] not in NUMBERS):
        return None
    seconds = int(settings.step.total_seconds())
    local = f"(moment AT TIME ZONE {literal(timezone)})"
    if seconds < DAY:
        start = f"floor(extract(epoch FROM moment) / {seconds}) * {seconds}"
        exact = f"mod(extract(epoch FROM moment), {seconds}) = 0"
    else:
        day = f"extract(epoch FROM date_trunc('day', {local}))"
        start = f"floor(({day} - {MONDAY}) / {seconds}) * {seconds} + {MONDAY}"
        exact = f"date_trunc('day', {local}) = {local}"
    finite = "amount NOT IN ('NaN', 'Infinity', '-Infinity')"
    query = (
        f"SELECT {start} AS start_at, 1 AS zoned, grp, {_failures(settings, finite)} AS failed, "
        f"{_total(settings)} AS value, count(*) AS row_count, "
        "extract(epoch FROM min(moment)) AS first_at, extract(epoch FROM max(moment)) AS last_at, "
        f"CASE WHEN bool_and({exact}) THEN 1 ELSE 0 END AS exact "
        f"FROM ({_rows(settings, moment, 'CAST({} AS double precision)', 'CAST({} AS text)')}) AS judged "
        "GROUP BY 1, 3, 4"
    )
    return Buckets(
        query,
        f"SELECT CAST(start_at AS BIGINT) AS step_start, grp, {SPLIT} AS failed, value, row_count, "
        "to_timestamp(first_at) AS first, to_timestamp(last_at) AS last, exact AS on_step FROM buckets",
    )


def _postgresql_moment(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> str | None:
    column, kind = _name(settings.time), columns[settings.time]
    if kind == "timestamp with time zone":
        return f"CASE WHEN isfinite({column}) THEN {column} END"
    if kind in ("timestamp without time zone", "date"):
        local = f"CAST({column} AS timestamp) AT TIME ZONE {literal(timezone)}"
        return f"CASE WHEN isfinite({column}) THEN {local} END"
    if settings.time_format in EPOCHS and kind in NUMBERS:
        since = f"CAST({column} AS double precision) / {EPOCHS[settings.time_format]}"
        return f"CASE WHEN {since} BETWEEN {OLDEST} AND {NEWEST} THEN to_timestamp({since}) END"
    return None


def sqlite(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> Buckets | None:
    """SQLite knows no time zones: it counts quarters of an hour as they are written, and DuckDB knows whose they are.

    None where time is neither ISO text nor an epoch, and where distinct values cannot be added up over those quarters.
    """
    del columns  # SQLite's columns have no types: each value is looked at
    step = int(settings.step.total_seconds())
    if settings.time_format not in (None, *EPOCHS):
        return None
    if settings.value.count_distinct is None:
        grain = gcd(step, QUARTER)
    elif timezone == "UTC" and step <= DAY:
        grain = step
    else:
        return None
    zoned, moment, fraction = _sqlite_time(settings)
    rows = _rows(settings, moment, "{}", "CAST({} AS TEXT)", f"{zoned} AS zoned, {fraction} AS fraction")
    floored = f"(moment - (moment % {grain} + {grain}) % {grain})"  # SQLAlchemy's floor() for SQLite fails on NULL
    exact = f"min(CASE WHEN fraction = 0 AND moment = {floored} THEN 1 ELSE 0 END)"
    finite = "typeof(amount) IN ('integer', 'real') AND abs(amount) < 9e999"
    query = (
        f"SELECT {floored} AS start_at, zoned, grp, {_failures(settings, finite)} AS failed, "
        f"{_total(settings)} AS value, count(*) AS row_count, {exact} AS exact, "
        "min(moment + fraction) AS first_at, max(moment + fraction) AS last_at "
        f"FROM ({rows}) AS judged GROUP BY 1, 2, 3, 4"
    )
    zone = literal(timezone)

    def instant(seconds: str) -> str:
        local = f"timezone({zone}, make_timestamp(CAST({seconds} * 1000000 AS BIGINT)))"
        return f"CASE WHEN zoned THEN to_timestamp({seconds}) ELSE {local} END"

    moved = (
        f"SELECT {instant('start_at')} AS moment, {instant('first_at')} AS first, {instant('last_at')} AS last, grp, "
        f"{SPLIT} AS failed, value, row_count, exact FROM buckets"
    )
    return Buckets(
        query,
        f"SELECT {step_start('moment', settings, timezone)} AS step_start, grp, failed, sum(value) AS value, "
        "CAST(sum(row_count) AS BIGINT) AS row_count, min(first) AS first, max(last) AS last, "
        f"bool_and(exact AND {on_step('moment', settings, timezone)}) AS on_step FROM ({moved}) GROUP BY ALL",
    )


def _sqlite_time(settings: SalesSettings) -> tuple[str, str, str]:
    """Whether the time says its zone, its whole seconds since 1970 (NULL: no time), and the part of a second."""
    column = _name(settings.time)
    if settings.time_format in EPOCHS:
        since = f"({column} / {float(EPOCHS[settings.time_format])})"
        sound = f"typeof({column}) IN ('integer', 'real') AND {since} BETWEEN {OLDEST} AND {NEWEST}"
        floored = f"(CAST({since} AS INTEGER) - ({since} < CAST({since} AS INTEGER)))"
        return "1", f"CASE WHEN {sound} THEN {floored} END", f"({since} - {floored})"
    day = f"substr({column}, 1, 10)"
    sound = f"typeof({column}) = 'text' AND {day} GLOB '{ISO_TIME}' AND date({day}, '+0 days') = {day}"
    digits = f"(substr({column}, 12) GLOB '*[-+][0-9][0-9]:[0-9][0-9]' OR {column} LIKE '%Z')"
    whole = f"CASE WHEN {sound} THEN CAST(strftime('%s', {column}) AS INTEGER) END"
    return f"CASE WHEN {digits} THEN 1 ELSE 0 END", whole, f"(strftime('%f', {column}) % 1.0)"


STATEMENTS: dict[str, Callable[[SalesSettings, str, dict[str, str]], Buckets | None]] = {
    "postgresql": postgresql,
    "sqlite": sqlite,
}


def _rows(settings: SalesSettings, moment: str, number: str, text: str, *more: str) -> str:
    """The source's rows with their moment, amount, item and group."""
    value = settings.value
    chosen = [f"{moment} AS moment"]
    chosen.append(f"{number.format(_name(value.sum))} AS amount" if value.sum else "1 AS amount")
    chosen.append(f"{_name(value.count_distinct)} AS item" if value.count_distinct else "1 AS item")
    chosen.append(f"{text.format(_name(settings.group))} AS grp" if settings.group else "'' AS grp")
    inner = settings.source.query.rstrip().rstrip(";") if not isinstance(settings.source, str) else ""
    return f"SELECT {', '.join([*chosen, *more])} FROM ({inner}\n) AS source"


def _failures(settings: SalesSettings, finite: str) -> str:
    """The names of the built-in rules that a row fails, each followed by a comma."""
    checks = [(TIME, "moment IS NULL")]
    if settings.value.sum:
        checks.append((VALUE, f"amount IS NULL OR NOT ({finite})"))
        checks.append((NOT_NEGATIVE, "coalesce(amount < 0, false)"))
    elif settings.value.count_distinct:
        checks.append((VALUE, "item IS NULL"))
    if settings.group:
        checks.append((GROUP, "grp IS NULL"))
    return " || ".join(f"CASE WHEN {failed} THEN '{name},' ELSE '' END" for name, failed in checks)


def _total(settings: SalesSettings) -> str:
    value = settings.value
    return "sum(amount)" if value.sum else "count(DISTINCT item)" if value.count_distinct else "count(*)"


def _name(column: str | None) -> str:
    return quote(column or "").replace(":", "\\:")  # SQLAlchemy takes a colon for a parameter
