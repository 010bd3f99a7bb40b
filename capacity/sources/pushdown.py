"""Builds the SELECT by which a database counts its orders itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd

from capacity.model.settings import SalesSettings
from capacity.sources.columns import ROWS, column
from capacity.sources.sql import (
    DAY,
    EPOCHS,
    GROUP,
    MONDAY,
    NEWEST,
    NOT_NEGATIVE,
    OLDEST,
    TIME,
    VALUE,
    literal,
    on_step,
    step_start,
)
from capacity.sources.within_step import UNTOLD, from_quarters, quarters_of, rows_by_part

FAILED = "string_split(rtrim(failed, ','), ',')"
SPLIT = f"CASE WHEN failed = '' THEN []::VARCHAR[] ELSE {FAILED} END"  # DuckDB: the names in `failed` as a list


@dataclass(frozen=True, slots=True)
class Buckets:
    """What to ask the database (`query`), and how DuckDB makes `counted` of the answer, registered as `buckets`.

    `unread` asks first whether the rows must be read one by one (None: they need not). `repeated` asks of each hour how
    many rows it has, how many different ones, its first and last time, and whether each row is there two or three
    times; `{part}` is to be replaced: of rows at seconds that are no multiple of it, none is read.
    """

    query: str
    counted: str
    unread: str | None = None
    repeated: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A database's SQL for what it knows of each of the `rows` (moment, amount, item, grp).

    `start` is that of the row's step, in seconds since 1970, `exact` whether its moment is just that; `since` is the
    moment in seconds; `finite` whether its amount is a number at all; `zoned` is 1 where the moment says its own zone.
    `divides`: whether rows are also counted by the quarters of an hour of their step.
    """

    rows: str
    start: str
    exact: str
    since: str
    finite: str
    zoned: str = "1"
    divides: bool = False

    def _quarters(self, settings: SalesSettings) -> str:
        """Columns with the rows of each quarter of an hour of the step, where the database tells them apart."""
        begin, count = f"{self.since} - {self.start}", quarters_of(int(settings.step.total_seconds()))
        cases = [f"CASE WHEN floor(({begin}) / {QUARTER}) = {at} THEN 1 ELSE 0 END" for at in range(count)]
        return "".join(f", sum({case}) AS quarter_{at}" for at, case in enumerate(cases)) if self.divides else ""

    def counted(self, settings: SalesSettings) -> str:
        """The SELECT, one row per bucket: start_at, zoned, grp, failed, value, row_count, first_at, last_at, exact."""
        failed = _failures(settings, self.finite)
        return (
            f"SELECT {self.start} AS start_at, {self.zoned} AS zoned, grp, {failed} AS failed, "
            f"{_total(settings)} AS value, count(*) AS row_count, "
            f"min({self.since}) AS first_at, max({self.since}) AS last_at, "
            f"min(CASE WHEN {self.exact} THEN 1 ELSE 0 END) AS exact{self._quarters(settings)} "
            f"FROM ({self.rows}) AS judged GROUP BY 1, 2, 3, 4"
        )


@dataclass(frozen=True, slots=True)
class Casts:
    """How a database makes a number and a text of a column, with `{}` for its name."""

    number: str
    text: str


def source_rows(settings: SalesSettings, moment: str, casts: Casts, *more: str) -> str:
    """The source's rows with their moment, amount, item and group, and `more` columns."""
    value = settings.value
    chosen = [f"{moment} AS moment"]
    chosen.append(f"{casts.number.format(column(value.sum))} AS amount" if value.sum else "1 AS amount")
    chosen.append(f"{column(value.count_distinct)} AS item" if value.count_distinct else "1 AS item")
    chosen.append(f"{casts.text.format(column(settings.group))} AS grp" if settings.group else "'' AS grp")
    return f"SELECT {', '.join([*chosen, *more])} FROM ({_inner(settings)}\n) AS source"


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


NUMBERS = {"smallint", "integer", "bigint", "numeric", "real", "double precision"}
CASTS = Casts("CAST({} AS double precision)", "CAST({} AS text)")
FINITE = "amount NOT IN ('NaN', 'Infinity', '-Infinity')"
COUNTED = (
    f"SELECT CAST(start_at AS BIGINT) AS step_start, grp, {SPLIT} AS failed, value, row_count, "
    "to_timestamp(first_at) AS first, to_timestamp(last_at) AS last, exact AS on_step, {} AS parts FROM buckets"
)


def postgresql(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> Buckets | None:
    """The statement for columns of these types; None where times or amounts are text."""
    moment, amount = _moment(settings, timezone, columns), settings.value.sum
    if moment is None or (amount is not None and columns[amount] not in NUMBERS):
        return None
    start, exact = _step(settings, timezone)
    rows, since = source_rows(settings, moment, CASTS), "extract(epoch FROM moment)"
    judged = Judged(rows, start, exact, since, FINITE, divides=True)
    seconds = int(settings.step.total_seconds())
    quarters = [f"quarter_{at}" for at in range(quarters_of(seconds))]
    counted = COUNTED.replace("{}", from_quarters(seconds, "exact", quarters))
    whole = f"CAST(floor(extract(epoch FROM {moment})) AS bigint)"
    repeated = _repeated(
        f"SELECT at, count(*) AS n FROM (SELECT {whole} AS at, md5(CAST({ROWS} AS text)) AS same "
        f"FROM ({_inner(settings)}\n) AS {ROWS}) AS timed WHERE mod(at, {{part}}) = 0 GROUP BY at, same",
        "CASE WHEN max(mod(n, 2)) = 0 OR max(mod(n, 3)) = 0 THEN 1 ELSE 0 END",
    )
    return Buckets(judged.counted(settings), counted, repeated=repeated)


def _repeated(equal: str, twice: str) -> str:
    """The hours of rows that are grouped by what tells them apart, each group with its whole second and its rows."""
    return (
        f"SELECT sum(n) AS n, count(*) AS different, min(at) AS first_at, max(at) AS last_at, {twice} AS twice "
        f"FROM ({equal}) AS equal GROUP BY at / 3600"
    )


def _inner(settings: SalesSettings) -> str:
    return "" if isinstance(settings.source, str) else settings.source.query.rstrip().rstrip(";")


def _step(settings: SalesSettings, timezone: str) -> tuple[str, str]:
    """The start of a moment's step, and whether the moment is that start."""
    seconds = int(settings.step.total_seconds())
    if seconds < DAY:
        since = "extract(epoch FROM moment)"
        return f"floor({since} / {seconds}) * {seconds}", f"mod({since}, {seconds}) = 0"
    local = f"(moment AT TIME ZONE {literal(timezone)})"
    day = f"extract(epoch FROM date_trunc('day', {local}))"
    return f"floor(({day} - {MONDAY}) / {seconds}) * {seconds} + {MONDAY}", f"date_trunc('day', {local}) = {local}"


def _moment(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> str | None:
    name, kind = column(settings.time), columns[settings.time]
    if kind == "timestamp with time zone":
        return f"CASE WHEN isfinite({name}) THEN {name} END"
    if kind in ("timestamp without time zone", "date"):
        local = f"CAST({name} AS timestamp) AT TIME ZONE {literal(settings.timezone or timezone)}"
        return f"CASE WHEN isfinite({name}) THEN {local} END"
    if settings.time_format in EPOCHS and kind in NUMBERS:
        since = f"CAST({name} AS double precision) / {EPOCHS[settings.time_format]}"
        return f"CASE WHEN {since} BETWEEN {OLDEST} AND {NEWEST} THEN to_timestamp({since}) END"
    return None


QUARTER = 900  # seconds: every clock change since 1972 lies on a quarter of an hour
ISO_TIME = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
SQLITE_CASTS = Casts("{}", "CAST({} AS TEXT)")  # its columns have no types: each value is looked at
SQLITE_FINITE = "typeof(amount) IN ('integer', 'real') AND abs(amount) < 9e999"


def sqlite(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> Buckets | None:
    """The statement; None where time is neither ISO text nor an epoch, and where values cannot be added up later."""
    grain = _grain(settings, timezone)
    if grain is None or settings.time_format not in (None, *EPOCHS):
        return None
    time = _epoch(settings) if settings.time_format in EPOCHS else _iso_text(settings)
    more = (f"{time.zoned} AS zoned", f"{time.fraction} AS fraction")
    start = f"(moment - (moment % {grain} + {grain}) % {grain})"  # SQLAlchemy's floor() for SQLite fails on NULL
    exact = f"fraction = 0 AND moment = {start}"
    rows = source_rows(settings, time.moment, SQLITE_CASTS, *more)
    judged = Judged(rows, start, exact, "moment + fraction", SQLITE_FINITE, zoned="zoned")
    repeated = _repeated(
        f"SELECT {time.moment} AS at, count(*) AS n FROM ({_inner(settings)}\n) AS {ROWS} "
        f"WHERE {time.moment} % {{part}} = 0 GROUP BY {', '.join(map(column, columns))}",
        "max(n % 2) = 0 OR max(n % 3) = 0",
    )
    return Buckets(judged.counted(settings), _counted(settings, timezone), _unread(settings, time), repeated)


def _unread(settings: SalesSettings, time: _Time) -> str:
    """Whether most times are no plain ISO text, or amounts are text: then the form is decided from all rows."""
    name = column(settings.time)
    strange = f"2 * count(CASE WHEN {time.moment} IS NOT NULL AND NOT {_other(settings)} THEN 1 END) < count({name})"
    amount = settings.value.sum
    texts = "" if amount is None else f" OR max(typeof({column(amount)}) = 'text')"
    return f"SELECT {strange}{texts} FROM ({_inner(settings)}\n) AS source"


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
    divided = (
        UNTOLD if settings.value.count_distinct else rows_by_part("moment", settings, timezone, "true", "row_count")
    )
    return (
        f"SELECT {step_start('moment', settings, timezone)} AS step_start, grp, failed, sum(value) AS value, "
        "CAST(sum(row_count) AS BIGINT) AS row_count, min(first) AS first, max(last) AS last, "
        f"bool_and(exact AND {on_step('moment', settings, timezone)}) AS on_step, {divided} AS parts FROM ({moved}) "
        "GROUP BY ALL"
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


STATEMENTS: dict[str, Callable[[SalesSettings, str, dict[str, str]], Buckets | None]] = {
    "postgresql": postgresql,
    "sqlite": sqlite,
}
