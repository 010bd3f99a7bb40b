"""Rows of orders from files and databases into DuckDB, unchanged; what no reader can split is kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd

from capacity.domain import ConfigError, DataError
from capacity.edge.settings import DatabaseSource


def quote(name: str) -> str:
    """An identifier in DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text literal in DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def load_rows(database: duckdb.DuckDBPyConnection, source: str | DatabaseSource) -> None:
    """Create `orders` (all columns, and source_row from 1) and `rejects` (lines no reader could split)."""
    database.execute("CREATE TABLE rejects (line BIGINT, text VARCHAR)")
    if isinstance(source, DatabaseSource):
        database.register("fetched", _query(source))
        _create_orders(database, "fetched", source)
    elif source.removesuffix("*").endswith((".parquet", ".pq")):
        _create_orders(database, f"read_parquet({literal(source)})", source)
    else:
        _create_orders(database, f"read_csv({literal(source)}, sample_size=-1, store_rejects=true)", source)
        lines = "SELECT line, any_value(csv_line) FROM reject_errors GROUP BY scan_id, file_id, line"
        database.execute(f"INSERT INTO rejects {lines}")


def _create_orders(database: duckdb.DuckDBPyConnection, rows: str, source: str | DatabaseSource) -> None:
    name = source_name(source)
    try:
        database.execute(f"CREATE TABLE orders AS SELECT row_number() OVER () AS source_row, * FROM {rows}")
    except duckdb.Error as error:
        kind = "Parquet" if rows.startswith("read_parquet") else "CSV"
        missing = "No files found" in str(error)
        reason = f"No files found that match {source}: expected orders there" if missing else one_line(error)
        raise DataError(f"{name}: cannot be read as {kind}: {reason}") from error
    columns = {column for column, *_ in database.execute("DESCRIBE orders").fetchall()}
    if "source_row_1" in columns:  # DuckDB renamed the source's own
        raise DataError(f"{name}: expected no column named source_row, which is ours, got one; rename it")


def _query(source: DatabaseSource) -> pd.DataFrame:
    import sqlalchemy  # heavy, and only this kind of source needs it

    try:
        engine = sqlalchemy.create_engine(source.url)
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        raise ConfigError(f"sales.source.url: {hide_password(one_line(error), source.url)}") from error
    try:
        with engine.connect() as connection:
            return pd.read_sql(sqlalchemy.text(source.query), connection)
    except (sqlalchemy.exc.SQLAlchemyError, pd.errors.DatabaseError) as error:
        raise DataError(f"database: the query failed: {hide_password(one_line(error), source.url)}") from error
    finally:
        engine.dispose()


def hide_password(text: str, url: str) -> str:
    """The text without the URL's secret parts.

    >>> hide_password("cannot reach postgresql://me:secret@db/x", "postgresql://me:secret@db/x")
    'cannot reach ***'
    """
    secret = url.split("://", 1)[-1].rpartition("@")[0].partition(":")[2]
    text = text.replace(url, "***")
    return text.replace(secret, "***") if secret else text


def source_name(source: str | DatabaseSource) -> str:
    """How a source is called in messages: its file name, never a URL."""
    return "database" if isinstance(source, DatabaseSource) else Path(source).name or source


def one_line(error: Exception) -> str:
    """An error's first sentences on one line, at most 300 characters."""
    lines: Sequence[str] = [line.strip() for line in str(error).split("\nLINE ")[0].splitlines() if line.strip()]
    return " ".join(lines)[:300]
