"""Guesses how a source that nobody has described is read: time, value and step, from a sample of its rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from glob import glob, has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
from pydantic import ValidationError

from capacity.model import ConfigError, DataError
from capacity.model.configuration import describe
from capacity.model.errors import hide_secrets
from capacity.model.fields import duration_text
from capacity.model.settings import DatabaseSource, SalesSettings
from capacity.model.settings.planning import ReadSettings
from capacity.quality.column_roles import (
    Column,
    Counting,
    Guess,
    Rhythm,
    hour_columns,
    how_to_count,
    state_column,
    time_columns,
    time_of_day_column,
    written_offsets,
)
from capacity.sources.columns import Marks, NumberColumn, amount_form, typed
from capacity.sources.data_frames import NAME, HeldRows
from capacity.sources.database import fetch_rows, table_names
from capacity.sources.rows import JSON, PARQUET, REMOTE, Wanted, load_held, load_rows, open_database, source_name, timed
from capacity.sources.sql import is_ours, literal, one_line, quote
from capacity.sources.text_files import as_utf8, detect, likely_columns
from capacity.sources.time_columns import TimeColumn, time_form

SAMPLE = 20_000  # rows that show how a file is written; what is counted is read from all rows
NAMED, WIDE = 12, 60  # columns that a message names; from here on a file may have a column for each time
SHOWN = 60  # values of a column that are looked at one by one
DAY, HOUR, MONTH = timedelta(days=1), timedelta(hours=1), timedelta(days=28)
TIMES = ("TIMESTAMP", "DATE")
NUMBERS = ("TINY", "SMALL", "INT", "BIG", "HUGE", "UTINY", "USMALL", "UINT", "UBIG", "UHUGE", "FLOAT", "DOUBLE", "DECI")
ORDER_TABLES = r"order|sale|bestell|transaction|invoice|purchase|booking|checkout"


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody said about the source; None: to be guessed.

    `value` is `rows`, the name of a column to sum up, or `distinct:` and the name of a column whose values are counted.
    `query` is for a database. The other fields are keys of `sales:` in capacity.yaml.
    """

    time: str | None = None
    value: str | None = None
    step: timedelta | None = None
    time_format: str | None = None
    decimal: str | None = None
    query: str | None = None

    def keys(self) -> dict[str, Any]:
        """The keys of `sales:` that are said."""
        said: dict[str, Any] = {"time": self.time, "step": self.step, "time_format": self.time_format}
        said |= {"value": None if self.value is None else parse_value(self.value)}
        said |= {"read": None if self.decimal is None else {"decimal": self.decimal}}
        return {key: value for key, value in said.items() if value is not None}


def parse_value(text: str) -> dict[str, Any]:
    """How orders are counted, as people write it: rows, COLUMN (its sum) or distinct:COLUMN.

    >>> parse_value("orders"), parse_value("distinct:invoice"), parse_value("rows")
    ({'sum': 'orders'}, {'count_distinct': 'invoice'}, {'rows': True})
    """
    if text == "rows":
        return {"rows": True}
    how, _, column = text.partition(":")
    if how in ("distinct", "sum") and column:
        return {"count_distinct" if how == "distinct" else "sum": column}
    return {"sum": text}


def guess_sales(source: str | HeldRows, given: Given | None = None) -> Guess:
    """Guess which column holds the time of an order and how orders are counted, from a sample of the rows.

    Parameters:
        source: a file, a glob, a folder, the URL of a database, or rows in memory.
        given: what is known already; it is taken as it is.

    Raises `DataError` where the source cannot be read or shows no times, `ConfigError` where what is given is wrong.
    """
    given = given or Given()
    place = NAME if isinstance(source, HeldRows) else place_of(source, given)
    name = source_name(place)
    if isinstance(place, DatabaseSource) and given.query is None:
        name = f"{name}: {place.query}"
    with open_database(None) as database:
        read = ReadSettings.model_validate(given.keys().get("read", {}))
        if isinstance(source, HeldRows):
            load_held(database, source.table.head(SAMPLE), Wanted({}, read))
        else:
            _load_sample(database, place, read)
        columns = sampled_columns(database)
        if given.value is None and (hours := hour_columns(columns)):
            raise DataError(
                f"{name}: expected one row for each time, got {len(hours)} columns of hours, {hours[0]!r} to "
                f"{hours[-1]!r}: write them below each other, with a column for the time and one for the value"
            )
        times = time_columns(columns)
        time = given.time or (times[0] if times else None)
        if time is None:
            raise DataError(_no_time(name, columns))
        _require_column(name, time, "time", columns)
        rhythm = _rhythm(database, columns, time, given, name)
        clock = _time_of_day(database, columns, time, rhythm)
        if clock is not None:
            rhythm = _rhythm(database, columns, time, given, name)
        sample = _Sample(place, columns, time, rhythm, clock, name)
        counting = _counting(sample, given)
    return Guess(
        _settings(sample, counting, given),
        counting,
        rhythm,
        tuple(one for one in times if one not in (time, clock)),
        state_column(columns),
        written_offsets(next(column.values for column in columns if column.name == time)),
    )


def place_of(source: str, given: Given) -> str | DatabaseSource:
    """The source as the settings have it; of a database with its query."""
    if not is_database(source):
        return source
    return DatabaseSource(url=source, query=given.query or f"SELECT * FROM {_table(source)}")


def is_database(source: str) -> bool:
    """Whether this is the URL of a database.

    >>> is_database("sqlite:///shop.db"), is_database("https://host/orders.csv")
    (True, False)
    """
    return "://" in source and not source.startswith(REMOTE)


def _table(url: str) -> str:
    """The table with the orders, where its name says so or there is no other; one of the own schema first."""
    own, others = table_names(url)
    names = (*own, *others)
    likely = [[name for name in some if re.search(ORDER_TABLES, name, re.IGNORECASE)] for some in (own, others)]
    found = sorted(likely[0] or likely[1], key=len)[:1] or (names if len(names) == 1 else ())
    if not found:
        listed = ", ".join(names[:20]) or "none"
        raise DataError(
            f"database: expected a table of orders, got {listed}; give the rows as query (--query 'SELECT * FROM T')"
        )
    return found[0]


def _load_sample(database: duckdb.DuckDBPyConnection, source: str | DatabaseSource, read: ReadSettings) -> None:
    """The first rows of a source as the relation `orders`. Raises `DataError`."""
    if isinstance(source, DatabaseSource):
        fetch_rows(database, source, most=SAMPLE)
        _cut(database)
        return
    files = _text_files(source)
    if files is None:
        load_rows(database, source, Wanted({}, read))
        return
    try:
        with TemporaryDirectory(prefix="capacity-") as folder:
            file = detect(files[0], read, likely_columns(files[0], read))
            if not file.columns:
                raise DataError(f"{source_name(source)}: expected rows of orders, got an empty source")
            query = file.query([as_utf8(file, Path(folder))])
            database.execute(
                f"CREATE TABLE raw AS SELECT row_number() OVER () AS source_row, * FROM {query} LIMIT {SAMPLE}"
            )
    except duckdb.Error as error:
        raise DataError(f"{source_name(source)}: cannot be read as CSV: {hide_secrets(one_line(error))}") from error
    _cut(database)


def _cut(database: duckdb.DuckDBPyConnection) -> None:
    """`orders`: the sample with the types of its columns."""
    database.execute(f"CREATE VIEW orders AS {typed(database, 'raw', set(), {})}")


def _text_files(source: str) -> list[str] | None:
    """The files of text that a source names; None where it names something else, which its reader finds out."""
    plain = source.removesuffix("*").removesuffix(".gz")
    if source.startswith(REMOTE) or Path(source).is_dir() or plain.endswith((*PARQUET, *JSON)):
        return None
    found = sorted(glob(source, recursive=True)) if has_magic(source) and not Path(source).exists() else [source]  # noqa: PTH207
    return found if found and Path(found[0]).is_file() else None


def sampled_columns(database: duckdb.DuckDBPyConnection) -> list[Column]:
    """What `orders` shows of each of its columns; at most `SAMPLE` rows are looked at."""
    rows = f"(SELECT * FROM orders LIMIT {SAMPLE})"
    described = database.execute("DESCRIBE orders").fetchall()
    return [_column(database, name, kind, rows) for name, kind, *_ in described if not is_ours(name)]


def _column(database: duckdb.DuckDBPyConnection, name: str, kind: str, rows: str) -> Column:
    cell = quote(name)
    number = f"TRY_CAST({cell} AS DOUBLE)" if kind.startswith(NUMBERS) else "CAST(NULL AS DOUBLE)"
    query = f"SELECT count({cell}), count(DISTINCT {cell}), min({number}), max({number}) FROM {rows}"
    filled, distinct, low, high = database.execute(query).fetchone() or (0, 0, None, None)
    if kind == "VARCHAR":
        amounts = _amounts_of_text(database, name, rows)
        if amounts is not None:
            return Column(name, "number", filled, distinct, *amounts)
    seen = f"SELECT DISTINCT CAST({cell} AS VARCHAR) FROM {rows} WHERE {cell} IS NOT NULL LIMIT {SHOWN}"
    values = tuple(value for (value,) in database.execute(seen).fetchall() if value.strip())
    form = "time" if kind.startswith(TIMES) else "number" if kind.startswith(NUMBERS) else "text"
    return Column(name, form, filled, distinct, low, high, values, typed=form == "time")  # type: ignore[arg-type]


def _amounts_of_text(database: duckdb.DuckDBPyConnection, name: str, rows: str) -> tuple[float, float] | None:
    """Lowest and highest of a column whose text is amounts, such as 1.234,50 or $12; else None."""
    cell = quote(name)
    filled = f"SELECT count(nullif(trim({cell}), '')) FROM {rows}"
    with suppress(DataError, duckdb.Error):
        form = amount_form(database, NumberColumn(cell, "VARCHAR", rows, name), Marks())
        query = f"SELECT count({form.number}), min({form.number}), max({form.number}), ({filled}) FROM {rows}"
        read, low, high, there = database.execute(query).fetchone() or (0, None, None, 0)
        if there and read >= 0.99 * there and not _has_leading_zeros(database, cell, rows):
            return float(low), float(high)
    return None


def _has_leading_zeros(database: duckdb.DuckDBPyConnection, cell: str, rows: str) -> bool:
    """Whether numbers begin with a zero, as identifiers do."""
    found = database.execute(f"SELECT bool_or(regexp_matches({cell}, '^0[0-9]')) FROM {rows}").fetchone()
    return bool(found and found[0])


def _rhythm(
    database: duckdb.DuckDBPyConnection, columns: Sequence[Column], time: str, given: Given, name: str
) -> Rhythm:
    """How the times of the sample lie. Raises `DataError` where they cannot be read."""
    kinds = {column: kind for column, kind, *_ in database.execute("DESCRIBE orders").fetchall()}
    rows = f"(SELECT * FROM orders LIMIT {SAMPLE})"
    where = f"{name}: {time}"
    read = TimeColumn(quote(time), kinds[time], rows, where, "UTC", given.time_format)
    try:
        instant = time_form(database, read).instant
    except DataError:
        if given.time_format is not None:
            raise
        instant = time_form(database, TimeColumn(quote(time), kinds[time], rows, where, "UTC", "day_first")).instant
    found = database.execute(f"SELECT epoch({instant}) AS at FROM {rows}").fetchnumpy()["at"]
    seconds = np.ma.filled(np.ma.asarray(found, dtype=np.float64), np.nan)
    seconds = seconds[np.isfinite(seconds)]
    if not len(seconds):
        example = next((value for column in columns if column.name == time for value in column.values), "nothing")
        raise DataError(
            f"{where}: expected times, got {example!r}; give another column as time (--time), or "
            "its form as time_format (--time-format)"
        )
    return Rhythm.of(seconds)


@dataclass(frozen=True, slots=True)
class _Sample:
    """What the first rows of a source show: its columns, which of them have the times, and how these lie.

    `name` is what messages call the source.
    """

    place: str | DatabaseSource
    columns: Sequence[Column]
    time: str
    rhythm: Rhythm
    time_of_day: str | None
    name: str


def _time_of_day(
    database: duckdb.DuckDBPyConnection, columns: Sequence[Column], time: str, rhythm: Rhythm
) -> str | None:
    """The column with the time of day beside dates in a file; `orders` then has both in the time."""
    raw = [column for column, *_ in database.execute("DESCRIBE raw").fetchall()] if _has_raw(database) else []
    clock = time_of_day_column(columns, time) if rhythm.whole_days else None
    if clock is None or clock not in raw:
        return None
    joined = timed("raw", raw, Wanted({}, time=time, time_of_day=clock))
    database.execute(f"CREATE TABLE joined AS SELECT * FROM {joined}; DROP VIEW orders")
    database.execute("DROP TABLE raw; ALTER TABLE joined RENAME TO raw")
    _cut(database)
    return clock


def _has_raw(database: duckdb.DuckDBPyConnection) -> bool:
    found = database.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'raw'").fetchone()
    return bool(found and found[0])


def _counting(sample: _Sample, given: Given) -> Counting:
    """How orders are counted, given or guessed. Raises `DataError` where neither is possible."""
    columns, time = sample.columns, sample.time
    guessed = how_to_count(columns, time, sample.rhythm, max(column.filled for column in columns))
    if given.value is None:
        if guessed is None:
            raise DataError(
                f"{sample.name}: one row at each time of {time!r} is a total, but no column of numbers was found to "
                f"sum up; give value (--value); its columns: {_listed(columns)}"
            )
        return guessed
    asked: dict[Any, Any] = parse_value(given.value)
    ((how, column),) = asked.items()
    ways = () if guessed is None else dict.fromkeys((guessed.written, *guessed.others))
    others = tuple(way for way in ways if parse_value(way) != asked)
    if how == "rows":
        return Counting("rows", None, "given", others)
    _require_column(sample.name, column, "value", columns)
    return Counting(how, column, "given", others)


def _require_column(name: str, column: str, flag: str, columns: Sequence[Column]) -> None:
    if column not in [one.name for one in columns]:
        raise DataError(f"{name}: no column {column!r} for {flag}; its columns: {_listed(columns)}")


def _listed(columns: Sequence[Column]) -> str:
    """The names of columns, the first ones where there are many."""
    names = [column.name for column in columns]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _no_time(name: str, columns: Sequence[Column]) -> str:
    if len(columns) > WIDE:
        return (
            f"{name}: expected one row for each time, got {len(columns)} columns and none with times: if each time is "
            f"a column, turn them into rows first (pandas: melt); its columns: {_listed(columns)}"
        )
    odd = next((one for one in columns if one.kind == "number" and one.lowest == 0 and "time" in one.words), None)
    hint = f" ({odd.name!r} counts from 0, so it names no date)" if odd else ""
    named = _listed(columns)
    return f"{name}: expected a column with times, got none{hint}; give its name as time (--time); its columns: {named}"


def _step(rhythm: Rhythm, name: str) -> timedelta:
    """An hour; of totals of a longer time, and of dates without a time of day, that time."""
    if rhythm.step is not None and rhythm.step >= MONTH:
        raise DataError(
            f"{name}: its rows are {rhythm.step.days} days apart, expected orders or totals by hour, day or week: "
            "ask for a finer export"
        )
    if rhythm.whole_days:
        week = rhythm.step is not None and rhythm.step >= 7 * DAY and rhythm.together <= 1.01
        return 7 * DAY if week else DAY
    if rhythm.step is not None and rhythm.step > HOUR and DAY % rhythm.step == timedelta(0):
        return rhythm.step
    return HOUR


def _zone_in(column: str) -> str | None:
    """The zone that the name of a column states, as in `Created (UTC)`."""
    return "UTC" if re.search(r"\b(utc|gmt)\b", column.replace("_", " "), re.IGNORECASE) else None


def _settings(sample: _Sample, counting: Counting, given: Given) -> SalesSettings:
    """The keys of `sales:`, guessed or given. Raises `ConfigError`."""
    value: Mapping[str, Any] = {counting.how: True if counting.how == "rows" else counting.column}
    step = given.step or _step(sample.rhythm, sample.name)
    guessed = {
        "source": sample.place,
        "time": sample.time,
        "time_of_day": sample.time_of_day,
        "timezone": _zone_in(sample.time),
    }
    try:
        return SalesSettings.model_validate({**guessed, **given.keys(), "value": value, "step": step})
    except ValidationError as error:
        raise ConfigError(f"{literal(sample.name)}: {describe(error)} ({duration_text(step)})") from error
