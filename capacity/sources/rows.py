"""Loads rows of orders from files and databases into DuckDB, unchanged; lines that cannot be split are kept apart."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from glob import glob, has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from capacity.model import ConfigError, DataError
from capacity.model.errors import hide_secrets
from capacity.model.settings import DatabaseSource
from capacity.model.settings.planning import ReadSettings
from capacity.quality import Finding
from capacity.sources.columns import (
    AmountForm,
    Kept,
    Marks,
    NumberColumn,
    amount_form,
    projected,
    refuse_our_names,
    typed,
)
from capacity.sources.data_frames import load_frame
from capacity.sources.database import fetch_rows
from capacity.sources.sql import ROW_HASH, literal, one_line, quote
from capacity.sources.text_files import TextFile, as_utf8, detect, in_cp1252

if TYPE_CHECKING:
    import pandas as pd

PARQUET = (".parquet", ".pq")  # what a directory is searched for
JSON = (".json", ".jsonl", ".ndjson")
TEXT = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst", ".txt")
TOTALS = (
    "total",
    "grand total",
    "subtotal",
    "sum:",
    "summe",
    "gesamt",
    "totale",
    "totaal",
    "somme",
    "suma",
    "итого",
    "合計",
)
TOTAL = "capacity_total"  # whether a line of a file sums others up
REMOTE = ("s3://", "s3a://", "gs://", "gcs://", "r2://", "http://", "https://", "hf://")


def open_database(memory_limit: float | None) -> duckdb.DuckDBPyConnection:
    """An empty database in memory that spills to the system's temporary folder, never to the working directory.

    Nothing is installed behind the user's back: an extension that is not there is an error that says so.
    """
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'; SET autoinstall_known_extensions = false")
    with suppress(duckdb.InvalidInputException):  # a notebook without widgets has no bar, and refuses to say so
        database.execute("SET enable_progress_bar = false")  # it would be drawn into the results on stdout
    spill = tempfile.mkdtemp(prefix="capacity-spill-")  # its owner's alone, and gone with the database
    weakref.finalize(database, shutil.rmtree, spill, ignore_errors=True)
    database.execute(f"SET temp_directory = {literal(spill)}")
    if memory_limit is not None:
        database.execute(f"SET memory_limit = '{int(memory_limit)}B'")
    return database


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of a source: how its text is written, and the columns that have a part.

    `columns` is what every file must have, by the key that names it; `ids` stay text; `amount` is a column of numbers.
    `time_of_day` is a column whose text follows the date in that of `time`.
    `keep` says what is kept of a source with these columns (None: everything).
    """

    columns: Mapping[str, str]
    read: ReadSettings = field(default_factory=ReadSettings)
    ids: tuple[str, ...] = ()
    amount: str | None = None
    time: str | None = None
    zone: str = "UTC"
    keep: Callable[[Sequence[str]], Kept] | None = None
    time_of_day: str | None = None

    def kept(self, columns: Sequence[str]) -> Kept | None:
        """What is kept of these columns; None: everything."""
        kept = self.keep(columns) if self.keep else None
        return None if kept is None or set(kept.read) == set(columns) else kept


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was taken of a source: how its files are written, what is not certain about them, and all its columns."""

    read_as: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def load_held(database: duckdb.DuckDBPyConnection, table: pd.DataFrame, wanted: Wanted) -> Loaded:
    """The same from a frame in memory, whose times and numbers are what they are; text is read as that of a file is."""
    database.execute("CREATE TABLE IF NOT EXISTS rejects (line BIGINT, text VARCHAR)")
    names = tuple(map(str, table.columns))
    texts = load_frame(database, table, set(wanted.ids), wanted.kept(names))
    known = {name: quote(name) for name in names if name not in texts}
    asked = replace(wanted, time=None, amount=wanted.amount if wanted.amount in texts else None)
    return replace(_type_rows(database, "DataFrame", asked, known), columns=names)


def load_rows(database: duckdb.DuckDBPyConnection, source: str | DatabaseSource, wanted: Wanted) -> Loaded:
    """Create `orders` (what is kept of each row, and source_row from 1) and `rejects` (lines no reader could split).

    Parquet is left where it lies: `orders` is a view, and a question reads only the columns that it needs. Text is
    read once into a table of text, so that each line that cannot be split is counted once; the types of its columns
    are those that all of its rows have.
    """
    database.execute("CREATE TABLE IF NOT EXISTS rejects (line BIGINT, text VARCHAR)")
    if isinstance(source, DatabaseSource):
        if wanted.time_of_day is not None:
            raise ConfigError("sales.time_of_day: expected files, got a database; join both columns in `query`")
        fetched = fetch_rows(database, source, wanted.keep)
        asked = wanted if wanted.amount in fetched.texts else replace(wanted, amount=None)
        return replace(_type_rows(database, "database", asked), columns=fetched.names)
    if source.startswith(REMOTE):
        _load_httpfs(database, source)
    found = _files(source)
    if _is_parquet(found):
        return load_parquet(database, found, source_name(source), wanted)
    if found.removesuffix(".gz").endswith(JSON):
        return _load_json(database, found, source_name(source), wanted)
    load_text = _load_remote if found.startswith(REMOTE) else _load_files
    files = load_text(database, found, source_name(source), wanted)
    loaded = _type_rows(database, source_name(source), wanted)
    return replace(loaded, read_as=(*files.read_as, *loaded.read_as), columns=files.columns)


def _load_files(database: duckdb.DuckDBPyConnection, pattern: str, name: str, wanted: Wanted) -> Loaded:
    paths = sorted(glob(pattern, recursive=True)) if has_magic(pattern) and not Path(pattern).exists() else [pattern]  # noqa: PTH207
    if not paths or not Path(paths[0]).exists():
        raise DataError(_missing(name, pattern))
    files = [detect(path, wanted.read, tuple(wanted.columns.values())) for path in paths]
    files = [file for file in files if file.columns]
    if not files:
        raise DataError(f"{name}: expected rows of orders, got an empty source: is the export complete?")
    for file in files if len(files) > 1 else ():
        for key, column in wanted.columns.items():
            if column not in file.columns and any(column in other.columns for other in files):
                names = ", ".join(file.columns)
                raise DataError(f"{name}: no column {column!r} ({key}) in {Path(file.path).name}; its columns: {names}")
    with TemporaryDirectory(prefix="capacity-") as folder:
        try:
            columns = _create_raw(database, files, Path(folder), wanted)
            later = _not_utf8(database, files)
            if later:
                files = [in_cp1252(file) if file.path in later else file for file in files]
                _create_raw(database, files, Path(folder), wanted)
        except duckdb.Error as error:
            raise DataError(f"{name}: cannot be read as CSV: {hide_secrets(one_line(error))}") from error
    _keep_rejects(database)
    return Loaded(tuple(dict.fromkeys(read_as for file in files if (read_as := file.describe()))), columns=columns)


def _keep_rejects(database: duckdb.DuckDBPyConnection) -> None:
    """The lines that could not be split, each once, and nothing else of the reader's errors."""
    lines = "SELECT line, any_value(csv_line) FROM reject_errors GROUP BY scan_id, file_id, line"
    database.execute(f"INSERT INTO rejects {lines}; DROP TABLE reject_errors; DROP TABLE reject_scans")


def _create_raw(
    database: duckdb.DuckDBPyConnection, files: Sequence[TextFile], folder: Path, wanted: Wanted
) -> tuple[str, ...]:
    """The table `raw`: what is kept of each row as text, rows in the order of the files; gives all columns' names."""
    database.execute("DROP TABLE IF EXISTS raw; DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
    parts: dict[tuple[object, ...], list[str]] = {}
    first: dict[tuple[object, ...], TextFile] = {}
    for file in files:
        first.setdefault(file.alike(), file)
        parts.setdefault(file.alike(), []).append(as_utf8(file, folder))
    queries = [
        f"SELECT * FROM {timed(first[alike].query(paths), first[alike].columns, wanted)}"
        for alike, paths in parts.items()
    ]
    rows = " UNION ALL BY NAME ".join(queries)
    refuse_our_names([name for file in files for name in file.columns], Path(files[0].path).name)
    columns = tuple(dict.fromkeys(name for file in first.values() for name in file.columns))
    database.execute(_raw_query(f"({rows})", columns, wanted))
    return columns


def timed(rows: str, columns: Sequence[str], wanted: Wanted) -> str:
    """SQL of these rows, in which the time of day that has a column of its own follows the date."""
    if wanted.time_of_day is None or wanted.time not in columns or wanted.time_of_day not in columns:
        return rows
    time, clock = quote(str(wanted.time)), f"trim(CAST({quote(wanted.time_of_day)} AS VARCHAR))"
    date = f"regexp_replace(trim(CAST({time} AS VARCHAR)), '[ T]00:00(:00([.]0+)?)?$', '')"
    text = f"CASE WHEN regexp_full_match({clock}, '[0-9]{{1,2}}') THEN lpad({clock}, 2, '0') || ':00' ELSE {clock} END"
    return f"(SELECT * REPLACE ({date} || 'T' || nullif({text}, '') AS {time}) FROM {rows})"


def _raw_query(rows: str, columns: Sequence[str], wanted: Wanted) -> str:
    """The statement that makes `raw` of rows of text; whether a line is a total needs columns that are not kept."""
    total = "" if wanted.time not in columns else f", {_is_total(columns, str(wanted.time))} AS {TOTAL}"
    chosen = projected(columns, wanted.kept(columns))
    return f"CREATE TABLE raw AS SELECT row_number() OVER () AS source_row, {chosen}{total} FROM {rows}"


def _not_utf8(database: duckdb.DuckDBPyConnection, files: Sequence[TextFile]) -> set[str]:
    """The files in UTF-8 by their first lines that have other bytes later on."""
    query = (
        "SELECT DISTINCT file_path FROM reject_errors JOIN reject_scans USING (scan_id, file_id) "
        "WHERE CAST(error_type AS VARCHAR) IN ('INVALID ENCODING', 'INVALID UNICODE')"
    )
    broken = {path for (path,) in database.execute(query).fetchall()}
    return {file.path for file in files if file.path in broken}


def _load_json(database: duckdb.DuckDBPyConnection, pattern: str, name: str, wanted: Wanted) -> Loaded:
    """Objects of JSON, one a line or in an array: each key a column of text, as if it had been written as CSV."""
    rows = f"read_json({literal(pattern)}, maximum_depth = 1, sample_size = -1, union_by_name = true)"
    try:
        described = database.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()
        columns = tuple(column for column, *_ in described)
        refuse_our_names(columns, name)
        texts = ", ".join(f"{quote(column)} ->> '$' AS {quote(column)}" for column in columns)
        database.execute(_raw_query(timed(f"(SELECT {texts} FROM {rows})", columns, wanted), columns, wanted))
    except duckdb.Error as error:
        if "No files found" in str(error):
            raise DataError(_missing(name, pattern)) from error
        cut = "; is the file cut off? Copy or export it again" if "unexpected end" in str(error) else ""
        raise DataError(f"{name}: cannot be read as JSON: {hide_secrets(one_line(error))}{cut}") from error
    return replace(_type_rows(database, name, wanted), columns=columns)


def _load_remote(database: duckdb.DuckDBPyConnection, pattern: str, name: str, wanted: Wanted) -> Loaded:
    """Text in an object store, whose dialect DuckDB finds."""
    rows = f"read_csv({literal(pattern)}, all_varchar = true, store_rejects = true, union_by_name = true, comment = '')"
    try:
        columns = tuple(column for column, *_ in database.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall())
        refuse_our_names(columns, name)
        database.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
        database.execute(_raw_query(timed(rows, columns, wanted), columns, wanted))
    except duckdb.Error as error:
        raise DataError(f"{name}: cannot be read as CSV: {hide_secrets(one_line(error))}") from error
    _keep_rejects(database)
    return Loaded(columns=columns)


def _type_rows(
    database: duckdb.DuckDBPyConnection, name: str, wanted: Wanted, known: Mapping[str, str] | None = None
) -> Loaded:
    """`orders`, a view of `raw` with the types of its columns; lines of totals are taken out first.

    `known` are columns, by the SQL of their values, whose types are certain already.
    """
    names = [column for column, *_ in database.execute("DESCRIBE raw").fetchall() if column != "source_row"]
    notes = _without_totals(database, names, wanted)
    columns = [name for name in names if name != TOTAL and not name.startswith(ROW_HASH)]
    ids = {column for column in wanted.ids if column in columns}
    amount, made = AmountForm(""), dict(known or {})
    if wanted.amount in columns:
        column = quote(str(wanted.amount))
        where = f"{name}: {wanted.amount}"
        marks = Marks(wanted.read.decimal, wanted.read.thousands)
        with suppress(DataError):  # the judgement of the rows meets it again, and reports it
            amount = amount_form(database, NumberColumn(column, "VARCHAR", "raw", where), marks)
        if amount.read_as and _all_read(database, column, amount.number):
            made[str(wanted.amount)] = amount.number
    rows = typed(database, "raw", ids, made)
    if ROW_HASH not in names:
        rows = f"SELECT *, hash({', '.join(map(quote, columns))}) AS {ROW_HASH} FROM ({rows})"
    database.execute(f"CREATE VIEW orders AS {rows}")
    read_as = (f"{wanted.amount}: {amount.read_as}",) if amount.read_as else ()
    return Loaded(read_as, amount.findings, notes)


def _all_read(database: duckdb.DuckDBPyConnection, column: str, number: str) -> bool:
    row = database.execute(f"SELECT count({column}) = count({number}) FROM raw").fetchone()
    return row == (True,)


def _without_totals(database: duckdb.DuckDBPyConnection, columns: Sequence[str], wanted: Wanted) -> tuple[str, ...]:
    """Take out lines that sum the file up, which spreadsheets and reports put below the rows; a note says how many.

    Of lines that could not be split nothing but their number is kept, unless all of every row is.
    """
    if wanted.time not in columns:
        return ()
    here = TOTAL if TOTAL in columns else _is_total(columns, str(wanted.time))
    removed = database.execute(f"DELETE FROM raw WHERE {here}").fetchone()
    lines = f"{_begins_as_total('text')} OR trim(text) IN ('', chr(26))"
    rejected = database.execute(f"DELETE FROM rejects WHERE {lines}").fetchone()
    if TOTAL in columns:
        database.execute(f"ALTER TABLE raw DROP COLUMN {TOTAL}")
    if wanted.kept(columns) is not None or ROW_HASH in columns:
        database.execute("UPDATE rejects SET text = NULL")
    count = int((removed or (0,))[0]) + int((rejected or (0,))[0])
    lines = "1 line of totals is" if count == 1 else f"{count} lines of totals are"
    return (f"{lines} left out",) if count else ()


def _is_total(columns: Sequence[str], time: str) -> str:
    """Whether a line of text sums others up: by its first column and its time, as SQL."""
    first, moment = quote(columns[0]), quote(time)
    if first == moment:
        return _begins_as_total(first)
    here = f"{_begins_as_total(first)} AND ({moment} IS NULL OR {moment} = {first})"
    return f"coalesce(({here}) OR {_begins_as_total(moment)}, false)"


def _begins_as_total(text: str) -> str:
    words = " OR ".join(f"starts_with(lower({text}), '{word}')" for word in TOTALS)
    return f"(length({text}) < 40 AND ({words}))"


def load_parquet(database: duckdb.DuckDBPyConnection, pattern: str, name: str, wanted: Wanted) -> Loaded:
    """Parquet files as one view: columns by name, each with the type that holds the values of all files."""
    try:
        kinds = _parquet_kinds(database, pattern)
        rows = f"read_parquet({literal(pattern)}, union_by_name = true)"
        if len(kinds) > 1:
            rows = _united(kinds, wanted, name)
        columns = tuple(column for column, *_ in database.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall())
        refuse_our_names(columns, name)
        chosen, rows = projected(columns, wanted.kept(columns) or Kept(columns)), timed(rows, columns, wanted)
        database.execute(f"CREATE VIEW orders AS SELECT row_number() OVER () AS source_row, {chosen} FROM {rows}")
    except duckdb.Error as error:
        if "No files found" in str(error):
            raise DataError(_missing(name, pattern)) from error
        raise DataError(f"{name}: cannot be read as Parquet: {hide_secrets(one_line(error))}") from error
    return Loaded(columns=columns)


def _missing(name: str, pattern: str) -> str:
    """What is said where nothing is to be read."""
    expected = "files that match the pattern" if has_magic(pattern) else "a file with orders"
    return f"{name}: expected {expected}, found none at {hide_secrets(pattern)}; check the path"


def _parquet_kinds(database: duckdb.DuckDBPyConnection, pattern: str) -> dict[tuple[tuple[str, str], ...], list[str]]:
    """The files by their columns and types, in their order."""
    query = (
        "SELECT file_name, list(struct_pack(n := name, k := concat_ws(' ', type, duckdb_type, logical_type)) "
        f"ORDER BY column_id) FROM parquet_schema({literal(pattern)}) GROUP BY file_name ORDER BY file_name"
    )
    kinds: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for file, columns in database.execute(query).fetchall():
        alike = tuple((column["n"], column["k"]) for column in columns[1:])
        kinds.setdefault(alike, []).append(file)
    return kinds


def _united(kinds: Mapping[tuple[tuple[str, str], ...], list[str]], wanted: Wanted, name: str) -> str:
    """Files of several schemas: every part with the types that hold the values of all."""
    parts = []
    for alike, files in kinds.items():
        there = {column for column, _ in alike}
        for key, column in wanted.columns.items():
            if column not in there and any(column in dict(other) for other in kinds):
                shown, place = ", ".join(column for column, _ in alike), "/".join(Path(files[0]).parts[-2:])
                raise DataError(f"{name}: no column {column!r} ({key}) in {place}; its columns: {shown}")
        changed = [f"{_as_text(column)} AS {quote(column)}" for column in wanted.ids if column in there]
        changed += [  # DuckDB's common type of FLOAT and of whole numbers is FLOAT, which holds seven digits
            f"CAST({quote(column)} AS DOUBLE) AS {quote(column)}"
            for column, kind in alike
            if kind.startswith("FLOAT") and column not in (*wanted.ids, wanted.time)
        ]
        if wanted.time in there and wanted.time not in wanted.ids:
            changed.append(f"{_as_instant(str(wanted.time), dict(alike)[str(wanted.time)], wanted, kinds)}")
        chosen = f"* REPLACE ({', '.join(changed)})" if changed else "*"
        listed = ", ".join(map(literal, files))
        parts.append(f"SELECT {chosen} FROM read_parquet([{listed}], union_by_name = true)")
    return f"({' UNION ALL BY NAME '.join(parts)})"


def _as_text(column: str) -> str:
    """An identifier as text: 7 and 7.0 are one."""
    text = f"CAST({quote(column)} AS VARCHAR)"
    return f"CASE WHEN right({text}, 2) = '.0' THEN left({text}, -2) ELSE {text} END"


def _as_instant(time: str, kind: str, wanted: Wanted, kinds: Mapping[tuple[tuple[str, str], ...], list[str]]) -> str:
    """A time that other files have with a zone and this one without: on the clock of its zone."""
    several = {dict(alike).get(time, "") for alike in kinds}
    zoned = {found for found in several if _is_instant(found)}
    column = quote(time)
    if zoned and len(several) > len(zoned) and not _is_instant(kind) and "BYTE_ARRAY" not in kind:
        return f"timezone({literal(wanted.zone)}, CAST({column} AS TIMESTAMP)) AS {column}"
    if any("BYTE_ARRAY" in found for found in several) and "BYTE_ARRAY" not in kind:
        return f"CAST({column} AS VARCHAR) AS {column}"
    return f"{column} AS {column}"


def _is_instant(kind: str) -> bool:
    return "WITH TIME ZONE" in kind or "isAdjustedToUTC=1" in kind or "isAdjustedToUTC=true" in kind


def _is_parquet(source: str) -> bool:
    return source.removesuffix("*").endswith(PARQUET)


def _files(source: str) -> str:
    """The glob of a directory's files, at any depth, all of one kind; anything else as it is."""
    folder = Path(source)
    if source.startswith(REMOTE) or not folder.is_dir():
        return source
    names = [path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_"))]
    kinds = sorted({kind for kind in (*PARQUET, *TEXT, *JSON) for name in names if name.endswith(kind)})
    if len(kinds) != 1:
        got = " and ".join(kinds) if kinds else f"none among {len(names)} files"
        raise DataError(f"{source_name(source)}: expected a directory with files of one kind, got {got}; give a glob")
    return f"{folder}/**/*{kinds[0]}"


def _load_httpfs(database: duckdb.DuckDBPyConnection, source: str) -> None:
    try:
        database.execute("LOAD httpfs")
    except duckdb.Error as error:
        scheme = source.split("://", 1)[0]
        raise ConfigError(
            f"sales.source: {scheme}:// needs DuckDB's extension httpfs, which is not installed here; install it with "
            "`python -c \"import duckdb; duckdb.sql('INSTALL httpfs')\"`, or give a local path"
        ) from error


def source_name(source: str | DatabaseSource) -> str:
    """How a source is called in messages: the last part of its path; of a URL never its host, user or query.

    >>> source_name("https://host/day/orders.csv?X-Amz-Signature=abc"), source_name("sales/orders*.csv")
    ('orders.csv', 'orders*.csv')
    """
    if isinstance(source, DatabaseSource):
        return "database"
    if source.startswith(REMOTE):
        path = source.split("://", 1)[1].partition("?")[0].partition("#")[0].rstrip("/")
        return path.rpartition("/")[2] if "/" in path else "object store"
    return Path(source).name or source
