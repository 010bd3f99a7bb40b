"""Reads the time column of a source: one form, decided from all rows by DuckDB, as one expression."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from capacity.model import ConfigError, DataError
from capacity.quality import Finding
from capacity.quality.time_forms import (
    ASCII_DIGITS,
    CLEAR,
    DIRECTIONS,
    EXPLICIT,
    FOREIGN_DIGITS,
    JSON_DATE,
    NAIVE,
    NUMBER_FORMS,
    ORDERS,
    PAIR,
    SLOT,
    WRITTEN,
    Fit,
    NumberForm,
    Reading,
    chosen_order,
    english_words,
    plain_digits,
    readings,
    shape_of,
    swapped_days,
    unbracketed,
    unreadable,
)
from capacity.sources.sql import EPOCHS, NEWEST, OLDEST, literal

DIGITS = ("0123456789", "9" * 10)
BLANKS = "' ' || chr(9) || chr(160) || chr(8239)"  # what exports put around values
MOST_SHAPES = 5000  # rows of rarer shapes are words, not times
OFFSET = r"(?:Z|[+](?:0\d|1[0-4])|-(?:0[1-9]|1[0-2]|00(?::?00)?$))(?::?(?:00|15|30|45))?$"  # that a place on earth has
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINY", "USMALL", "UINT", "UBIG", "UHUGE", "DECIMAL")
FLOATS = ("FLOAT", "DOUBLE")


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A column with times: its name in SQL, its type, the relation it is in, and how it is called in messages.

    `zone` is the zone of times that name none; `form` is the time_format that was given.
    """

    name: str
    kind: str
    relation: str
    where: str
    zone: str
    form: str | None = None


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How a column of times is read: `instant` is SQL (TIMESTAMP WITH TIME ZONE, NULL for what is no time).

    `read_as` describes the form for people; `local`: every row is on the clock of the zone (none names its own).
    `findings` say why no form was chosen; `unordered` is the instant where the order of rows has no part in it.
    `own_zone` is SQL that tells rows which name their zone, where some do and some do not.
    """

    instant: str
    read_as: str
    local: bool = False
    findings: tuple[Finding, ...] = ()
    unordered: str | None = None
    own_zone: str | None = None


def time_form(database: duckdb.DuckDBPyConnection, column: TimeColumn) -> TimeForm:
    """The one form of a column, from all its rows.

    Raises `DataError` where two forms read every row; the remedy is to give time_format.
    """
    zone = f"times without a zone are read in {column.zone}"
    if column.kind.startswith(("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")):
        moment = f"CAST({column.name} AS TIMESTAMPTZ)"
        return TimeForm(f"CASE WHEN isfinite({moment}) THEN {moment} END", "timestamps, each with its zone")
    if column.kind.startswith(("TIMESTAMP", "DATE")):
        moment = f"CAST({column.name} AS TIMESTAMP)"
        finite = f"CASE WHEN isfinite({moment}) THEN {moment} END"
        return TimeForm(_in_zone(finite, column), f"timestamps; {zone}", local=True)
    if column.form in EXPLICIT:
        return _number_form(column, EXPLICIT[column.form])
    if column.form is not None and column.form.replace("_", " ") not in ORDERS:
        return _requested_format(database, column)
    if column.kind.startswith((*NUMBERS, *FLOATS)):
        return _numeric_form(database, column)
    if column.kind == "VARCHAR":
        return _text_form(database, *_interval_starts(database, column))
    raise ConfigError(f"{column.where}: expected times, got a column of type {column.kind}")


def _requested_format(database: duckdb.DuckDBPyConnection, column: TimeColumn) -> TimeForm:
    """The strptime format that was asked for; where it reads a zone, that zone counts."""
    text, form = f"CAST({column.name} AS VARCHAR)", column.form or ""
    parsed = f"try_strptime(trim({text}), {literal(form)})"
    try:
        database.execute(f"SELECT try_strptime('', {literal(form)})")
    except duckdb.Error as error:
        raise ConfigError(f"{column.where}: expected a strptime format in time_format, got {form!r}") from error
    if re.search(r"(?<!%)(?:%%)*%[zZ]", form):
        return TimeForm(parsed, f"format {form}")
    return TimeForm(_in_zone(parsed, column), f"format {form}; read in {column.zone}", local=True)


def _numeric_form(database: duckdb.DuckDBPyConnection, column: TimeColumn) -> TimeForm:
    """Numbers: epochs, digits of dates and serials differ in size; the form that most rows have is the file's."""
    asked = ", ".join(f"count(*) FILTER (WHERE {_matches_form(column, form)})" for form in NUMBER_FORMS)
    query = f"SELECT min({column.name}), count({column.name}), {asked} FROM {column.relation}"
    example, rows, *counts = database.execute(query).fetchone() or (None, 0)
    best = max(range(len(NUMBER_FORMS)), key=lambda place: counts[place])
    epochs = [form for form, count in zip(NUMBER_FORMS, counts, strict=True) if count and form.name in EPOCHS]
    if NUMBER_FORMS[best] in epochs and len(epochs) > 1:
        return _epochs_by_size(column, epochs)
    if rows and not counts[best]:
        raise DataError(
            f"{column.where}: expected epochs since 1998, spreadsheet days or dates of digits, year first, got "
            f"{str(example)!r}; say how it is written in time_format, for example epoch_ms or %d%m%Y"
        )
    return _number_form(column, NUMBER_FORMS[best] if rows else EXPLICIT["epoch"])


def _epochs_by_size(column: TimeColumn, epochs: Sequence[NumberForm]) -> TimeForm:
    """Epochs in several units, as joined exports have them: their sizes differ so much that each has one reading."""
    number = f"TRY_CAST({column.name} AS DOUBLE)"
    cases = " ".join(
        f"WHEN {_matches_form(column, form)} THEN to_timestamp({number} / {form.unit!r})" for form in epochs
    )
    return TimeForm(f"CASE {cases} END", " and ".join(form.name for form in epochs) + ", each by its size")


def _matches_form(column: TimeColumn, form: NumberForm) -> str:
    number = f"TRY_CAST({column.name} AS DOUBLE)"
    fits = f"{number} >= {form.low!r} AND {number} < {form.high!r}"
    return f"{fits} AND {_digits(column, form)} IS NOT NULL" if form.format else fits


def _digits(column: TimeColumn, form: NumberForm) -> str:
    """The timestamp in the digits of a whole number."""
    whole = f"TRY_CAST(TRY_CAST({column.name} AS DOUBLE) AS BIGINT)"
    return f"try_strptime(CAST({whole} AS VARCHAR), {literal(form.format)})"


def _number_form(column: TimeColumn, form: NumberForm) -> TimeForm:
    number = f"TRY_CAST({column.name} AS DOUBLE)"
    if form.format:
        parsed = f"CASE WHEN {number} >= {form.low!r} AND {number} < {form.high!r} THEN {_digits(column, form)} END"
        return TimeForm(_in_zone(parsed, column), f"{form.describe()}, read in {column.zone}", local=True)
    seconds = f"({number} / {form.unit!r} + {form.origin})"
    sound = f"{seconds} BETWEEN {OLDEST} AND {NEWEST}"
    if not form.local:
        return TimeForm(f"CASE WHEN {sound} THEN to_timestamp({seconds}) END", form.describe())
    shown = f"make_timestamp(CAST(round({seconds}) * 1000000 AS BIGINT))"
    read_as = f"{form.describe()}, read in {column.zone}"
    if form is NUMBER_FORMS[0]:
        read_as += "; a workbook that counts from 1904 needs time_format: serial_1904"
    return TimeForm(_in_zone(f"CASE WHEN {sound} THEN {shown} END", column), read_as, local=True)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Times that are written alike: how many rows, one of them, and how they can be read by order of their numbers."""

    text: str
    rows: int
    example: str
    readings: dict[str, Reading]


def _interval_starts(database: duckdb.DuckDBPyConnection, column: TimeColumn) -> tuple[TimeColumn, str]:
    """The column as it is; of intervals, such as `2026-10-01 00:00-00:15`, their starts, which name steps."""
    name, ends = column.name, r"\d\s*[-–—]\s*\d{1,2}:\d{2}|[\dZ]/\d{4}-|\d (-|–|—|to|bis) \d"
    query = (
        f"SELECT count({name}), count(*) FILTER (WHERE regexp_matches({name}, {literal(ends)})) FROM {column.relation}"
    )
    rows, like = database.execute(query).fetchone() or (0, 0)
    if not rows or like < (1 - CLEAR) * rows:
        return column, ""
    for pattern, fits in ((PAIR, _written_alike(name)), (SLOT, None)):
        matched = f"regexp_full_match({name}, {literal(pattern)})"
        where = matched if fits is None else f"{matched} AND {fits}"
        count = (database.execute(f"SELECT count(*) FROM {column.relation} WHERE {where}").fetchone() or (0,))[0]
        if count >= (1 - CLEAR) * rows and (fits is not None or _same_length(database, column, matched)):
            start = f"regexp_extract({name}, {literal(f'^{pattern}$')}, 1)"
            return replace(column, name=start), "start of each interval: "
    return column, ""


def _written_alike(name: str) -> str:
    """Whether both parts of a pair have the same shape."""
    first, second = (
        f"translate(regexp_extract({name}, {literal(f'^{PAIR}$')}, {part}), {literal(DIGITS[0])}, {literal(DIGITS[1])})"
        for part in (1, 2)
    )
    return f"{first} = {second}"


def _same_length(database: duckdb.DuckDBPyConnection, column: TimeColumn, matched: str) -> bool:
    """Whether two times of a day are equally far apart in all rows, and differ: an offset is no end, and stays."""
    start, end = (f"regexp_extract({column.name}, {literal(f'^{SLOT}$')}, {part})" for part in (2, 3))
    minutes = " - ".join(
        f"(60 * CAST(split_part({text}, ':', 1) AS INTEGER) + CAST(left(split_part({text}, ':', 2), 2) AS INTEGER))"
        for text in (end, start)
    )
    length = f"(({minutes}) % 720 + 720) % 720"  # whether times are of twelve hours or of 24
    query = (
        f"SELECT (SELECT count(DISTINCT {end}) FROM {column.relation} WHERE {matched}), max(n) / sum(n) FROM "
        f"(SELECT {length} AS length, count(*) AS n FROM {column.relation} WHERE {matched} GROUP BY 1)"
    )
    ends, share = database.execute(query).fetchone() or (0, 0.0)
    return bool(ends > 1 and share >= 1 - CLEAR)


def _text_form(database: duckdb.DuckDBPyConnection, column: TimeColumn, prefix: str = "") -> TimeForm:
    """Text: plain ISO times by DuckDB's own cast, everything else by the shapes that there are."""
    form = _shaped_form(database, column)
    return replace(form, read_as=f"{prefix}{form.read_as}")


def _shaped_form(database: duckdb.DuckDBPyConnection, column: TimeColumn) -> TimeForm:
    iso, zoned = is_iso(column.name), is_zoned(column.name)
    query = (
        f"SELECT count({column.name}), count(*) FILTER (WHERE {iso}), count(*) FILTER (WHERE {iso} AND {zoned}) "
        f"FROM {column.relation}"
    )
    rows, plain, named = database.execute(query).fetchone() or (0, 0, 0)
    parts = [(plain, iso_instant(column, plain, named))] if plain else []
    own_zone = zoned if 0 < named < rows else None
    if rows == plain:
        instant = parts[0][1] if parts else _in_zone("CAST(NULL AS TIMESTAMP)", column)
        return TimeForm(instant, *_describe(column, plain, named), own_zone=own_zone)
    shapes = _shapes(database, column, iso)
    if any(plain_digits(shape.text) != shape.text for shape in shapes):
        plain = f"translate({column.name}, {literal(FOREIGN_DIGITS + DIRECTIONS)}, {literal(ASCII_DIGITS)})"
        return _text_form(database, replace(column, name=plain))
    if sum(shape.rows for shape in shapes if re.fullmatch(JSON_DATE, shape.text)) > rows / 2:
        milliseconds = f"regexp_extract({column.name}, {literal(f'^{JSON_DATE}$')}, 1)"
        return _number_form(replace(column, name=milliseconds), EXPLICIT["epoch_ms"])
    if sum(shape.rows for shape in shapes if _is_number(shape.text)) > rows / 2:
        return _numeric_form(database, column)
    if not parts and not any(shape.readings for shape in shapes):
        _refuse_unreadable(column, shapes)
    text = _cleaned(column, shapes)
    order = _order(database, column, shapes, (text, rows))
    used = _count_readings(shapes, order)
    ordered = sorted(used.items(), key=lambda one: ("%y" not in one[0].format, -one[1]))  # %Y would read two digits too
    parts += [(count, _as_instant(text, reading, column)) for reading, count in ordered]
    named += sum(count for reading, count in used.items() if reading.zone != NAIVE)
    form = (
        f"coalesce({', '.join(part for _, part in parts)}, NULL)"
        if parts
        else _in_zone("CAST(NULL AS TIMESTAMP)", column)
    )
    form_names = _form_names(plain, used, order)
    described = _describe(column, plain + sum(used.values()), named, form_names)
    return TimeForm(form, *described, own_zone=own_zone)


def is_iso(name: str) -> str:
    """Whether text begins with a date in ISO form and is a time to DuckDB."""
    ends = f"right({name}, 1)"
    return (
        f"({name} LIKE '____-__-__%' AND ({ends} = 'Z' OR {ends} BETWEEN '0' AND '9') "
        f"AND NOT contains(substr({name}, 12), ' ') "  # before an offset: DuckDB drops the offset
        f"AND TRY_CAST({name} AS TIMESTAMP) IS NOT NULL)"
    )


def is_zoned(name: str) -> str:
    """Whether text in ISO form names its zone."""
    return f"(right({name}, 1) = 'Z' OR contains(substr({name}, 11), '+') OR contains(substr({name}, 11), '-'))"


def iso_instant(column: TimeColumn, plain: int, named: int) -> str:
    """Text in ISO form as an instant; a zone that is written counts."""
    name = column.name
    local = _in_zone(f"TRY_CAST({name} AS TIMESTAMP)", column)
    own = f"CASE WHEN regexp_matches({name}, {literal(OFFSET)}) THEN TRY_CAST({name} AS TIMESTAMPTZ) END"
    chosen = (
        own if named == plain else local if not named else f"CASE WHEN {is_zoned(name)} THEN {own} ELSE {local} END"
    )
    return f"CASE WHEN {is_iso(name)} THEN {chosen} END"


def _shapes(database: duckdb.DuckDBPyConnection, column: TimeColumn, iso: str) -> list[_Shape]:
    """Every way in which the other times are written, the most frequent first."""
    shape = f"translate({column.name}, {literal(DIGITS[0])}, {literal(DIGITS[1])})"
    query = (
        f"SELECT {shape} AS shape, count(*), min({column.name}) FROM {column.relation} WHERE {column.name} IS NOT NULL "
        f"AND NOT {iso} GROUP BY shape ORDER BY count(*) DESC, shape LIMIT {MOST_SHAPES}"
    )
    found = database.execute(query).fetchall()
    return [
        _Shape(text, rows, example.strip(), readings(unbracketed(shape_of(text)), column.zone))
        for text, rows, example in found
    ]


def _is_number(shape: str) -> bool:
    return re.fullmatch(r"9+(\.9+)?", shape.strip()) is not None


def _refuse_unreadable(column: TimeColumn, shapes: Sequence[_Shape]) -> None:
    for shape in shapes[:1]:
        name = unreadable(shape_of(shape.text))
        why = f": {name}" if name else "; say how they are written in time_format (--time-format)"
        raise DataError(f"{column.where}: expected times, got {shape.example[:40]!r}{why}")


def _cleaned(column: TimeColumn, shapes: Sequence[_Shape]) -> str:
    """The text without blanks around it and without blanks of other widths, where there are such."""
    name = column.name
    if any("\u202f" in shape.text or "\xa0" in shape.text for shape in shapes):
        name = f"translate({name}, chr(160) || chr(8239), '  ')"
    words: dict[str, str] = {}
    for shape in shapes:
        words |= english_words(shape.text.replace("\u202f", " ").replace("\xa0", " ")) if shape.readings else {}
    for word in sorted(words, key=len, reverse=True):
        name = f"replace({name}, {literal(word)}, {literal(words[word])})"
    if all(shape.text.strip().startswith("[") for shape in shapes if shape.readings):
        name = f"trim({name}, {BLANKS} || '[]')"
    return f"trim({name}, {BLANKS})" if any(shape.text != shape.text.strip() for shape in shapes) else name


def _order(
    database: duckdb.DuckDBPyConnection, column: TimeColumn, shapes: Sequence[_Shape], text_rows: tuple[str, int]
) -> str:
    """The order of day, month and year that the file has; empty where its times do not need one."""
    text, rows = text_rows
    open_shapes = [shape for shape in shapes if len(shape.readings) > 1]
    if column.form is not None:
        return column.form.replace("_", " ")
    certain = {order for shape in shapes if len(shape.readings) == 1 for order in shape.readings} & set(ORDERS)
    if not open_shapes:
        return next(iter(certain), "")
    fits = {
        order: _fit(database, column, open_shapes, text, order)
        for order in ORDERS
        if any(order in shape.readings for shape in open_shapes)
    }
    count = sum(shape.rows for shape in open_shapes)
    try:
        order = chosen_order(fits, column.where, open_shapes[0].example)
    except DataError:
        if count <= CLEAR * rows:  # so few rows decide nothing: they fail, and the others are read
            return next(iter(certain), "")
        raise
    _refuse_swapped(database, column, _in_order(open_shapes, text, order), order)
    return order


def _refuse_swapped(database: duckdb.DuckDBPyConnection, column: TimeColumn, parsed: str, order: str) -> None:
    """Refuse a file that changes the order of day and month, where the rows before and after it tell."""
    query = f"SELECT CAST({parsed} AS DATE) AS day, count(*) FROM {column.relation} WHERE day IS NOT NULL GROUP BY 1"
    swapped = swapped_days(dict(database.execute(query).fetchall()))
    if swapped is not None and order != "year first":
        rows, example = swapped
        raise DataError(
            f"{column.where}: expected one form of time, got {rows:,} rows such as {example}, read {order}, that lie "
            "months away from the others, and among them with day and month swapped; write them alike"
        )


def _in_order(shapes: Sequence[_Shape], text: str, order: str) -> str:
    """The times of these shapes as this order reads them; NULL for all others."""
    found = dict.fromkeys(shape.readings[order] for shape in shapes if order in shape.readings)
    ranked = sorted(found, key=lambda reading: "%y" not in reading.format)
    calls = [f"try_strptime({text}, {literal(reading.format)})" for reading in ranked]
    return f"coalesce({', '.join(f'CAST({call} AS TIMESTAMP)' for call in calls)}, NULL)" if calls else "NULL"


def _fit(
    database: duckdb.DuckDBPyConnection,
    column: TimeColumn,
    shapes: Sequence[_Shape],
    text: str,
    order: str,
) -> Fit:
    """How many rows an order reads, how many of them no other order reads, and the years that it gives."""

    this_order = _in_order(shapes, text, order)
    others = [_in_order(shapes, text, other) for other in ORDERS if other not in (order, "year first")]
    alone = " AND ".join(f"{other} IS NULL" for other in others) or "true"
    query = (
        f"SELECT count(mine), count(*) FILTER (WHERE mine IS NOT NULL AND alone), min(year(mine)), max(year(mine)) "
        f"FROM (SELECT {this_order} AS mine, {alone} AS alone FROM {column.relation})"
    )
    rows, single, low, high = database.execute(query).fetchone() or (0, 0, 0, 0)
    return Fit(rows, single, low or 0, high or 0)


def _count_readings(shapes: Sequence[_Shape], order: str) -> dict[Reading, int]:
    """The readings of the file, each with its rows."""
    used: dict[Reading, int] = {}
    for shape in shapes:
        reading = shape.readings.get(order) or shape.readings.get("")
        if reading is not None:
            used[reading] = used.get(reading, 0) + shape.rows
    return used


def _as_instant(text: str, reading: Reading, column: TimeColumn) -> str:
    parsed = f"try_strptime({text}, {literal(reading.format)})"
    if reading.zone == WRITTEN:
        return parsed
    if reading.zone == NAIVE:
        return _in_zone(parsed, column)
    return f"timezone('UTC', {parsed}) - INTERVAL ({reading.zone}) SECOND"


def _in_zone(local: str, column: TimeColumn) -> str:
    return f"timezone({literal(column.zone)}, {local})"


def _form_names(plain: int, used: dict[Reading, int], order: str) -> str:
    most = sorted(used, key=lambda reading: -used[reading])[:3]
    names = (["ISO 8601"] if plain else []) + [f"{reading.format!r}" for reading in most]
    listed = " and ".join(names) + (" and more" if len(used) > 3 else "")
    return f"{order}: {listed}" if order else listed


def _describe(column: TimeColumn, rows: int, named: int, form: str = "ISO 8601") -> tuple[str, bool]:
    """The form in words, and whether every row is on the clock of the zone."""
    if not rows:
        return "no times", False
    if named == rows:
        return f"{form}, each with its zone", False
    if not named:
        return f"{form}, without a zone, read in {column.zone}", True
    return f"{form}; {named:,} rows name their zone, {rows - named:,} do not and are read in {column.zone}", False
