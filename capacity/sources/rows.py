"""Rows of orders from files and databases into DuckDB, unchanged; what no reader can split is kept apart."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import duckdb

from capacity.model import ConfigError, DataError
from capacity.model.secrets import hide_secrets
from capacity.model.settings import DatabaseSource
from capacity.sources.database import fetch_rows
from capacity.sources.sql import literal, one_line

PARQUET, TEXT = (".parquet", ".pq"), (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")  # what a directory is searched for
REMOTE = ("s3://", "s3a://", "gs://", "gcs://", "r2://", "http://", "https://", "hf://")


def open_database(memory_limit: float | None) -> duckdb.DuckDBPyConnection:
    """An empty database in memory that spills to the system's temporary folder, never to the working directory.

    Nothing is installed behind the user's back: an extension that is not there is an error that says so.
    """
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'; SET autoinstall_known_extensions = false")
    with suppress(duckdb.InvalidInputException):  # a notebook without widgets has no bar, and refuses to say so
        database.execute("SET enable_progress_bar = false")  # it would be drawn into the results on stdout
    database.execute(f"SET temp_directory = {literal(str(Path(tempfile.gettempdir()) / 'capacity-spill'))}")
    if memory_limit is not None:
        database.execute(f"SET memory_limit = '{int(memory_limit)}B'")
    return database


def load_rows(database: duckdb.DuckDBPyConnection, source: str | DatabaseSource) -> None:
    """Create `orders` (all columns, and source_row from 1) and `rejects` (lines no reader could split).

    Parquet is left where it lies: `orders` is a view, and a question reads only the columns that it needs. Text is
    read once into a table, so that each line that cannot be split is counted once.
    """
    database.execute("CREATE TABLE IF NOT EXISTS rejects (line BIGINT, text VARCHAR)")
    if isinstance(source, DatabaseSource):
        fetch_rows(database, source)
        return
    if source.startswith(REMOTE):
        _load_httpfs(database, source)
    found = _files(source)
    if _is_parquet(found):
        _create_orders(database, "VIEW", f"read_parquet({literal(found)})", source)
    else:
        _create_orders(database, "TABLE", f"read_csv({literal(found)}, sample_size=-1, store_rejects=true)", source)
        lines = "SELECT line, any_value(csv_line) FROM reject_errors GROUP BY scan_id, file_id, line"
        database.execute(f"INSERT INTO rejects {lines}")


def materialise(database: duckdb.DuckDBPyConnection) -> None:
    """Make `orders` a table of our own, so that rows can be repaired; the source stays as it is."""
    query = "SELECT table_type FROM information_schema.tables WHERE table_name = 'orders'"
    if database.execute(query).fetchone() == ("VIEW",):
        database.execute("CREATE TABLE own AS FROM orders; DROP VIEW orders; ALTER TABLE own RENAME TO orders")


def _create_orders(database: duckdb.DuckDBPyConnection, kind: str, rows: str, source: str | DatabaseSource) -> None:
    name = source_name(source)
    try:
        database.execute(f"CREATE {kind} orders AS SELECT row_number() OVER () AS source_row, * FROM {rows}")
    except duckdb.Error as error:
        reader = "Parquet" if rows.startswith("read_parquet") else "CSV"
        missing = "No files found" in str(error)
        found = f"No files found that match {hide_secrets(str(source))}: expected orders there"
        reason = found if missing else hide_secrets(one_line(error))
        raise DataError(f"{name}: cannot be read as {reader}: {reason}") from error
    columns = {column for column, *_ in database.execute("DESCRIBE orders").fetchall()}
    if "source_row_1" in columns:  # DuckDB renamed the source's own
        raise DataError(f"{name}: expected no column named source_row, which is ours, got one; rename it")


def _is_parquet(source: str) -> bool:
    return source.removesuffix("*").endswith(PARQUET)


def _files(source: str) -> str:
    """The glob of a directory's files, at any depth, all of one kind; anything else as it is."""
    folder = Path(source)
    if source.startswith(REMOTE) or not folder.is_dir():
        return source
    names = [path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_"))]
    kinds = sorted({kind for kind in (*PARQUET, *TEXT) for name in names if name.endswith(kind)})
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
    """How a source is called in messages: its file name, never a URL."""
    return "database" if isinstance(source, DatabaseSource) else Path(source).name or source
