"""Orders in a database, through SQLAlchemy: counted there where its SQL can, else fetched row by row in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from capacity.model import ConfigError, DataError
from capacity.model.secrets import hide_password
from capacity.model.settings import DatabaseSource, SalesSettings
from capacity.sources.pushdown import STATEMENTS, Buckets
from capacity.sources.sql import one_line, quote

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 100_000  # rows in memory at a time: some tens of MB for orders of twenty columns
KINDS = {  # the kinds of value that a contract speaks of, by PostgreSQL's names of types; SQLite's columns have none
    **dict.fromkeys(("text", "character varying", "character", "uuid"), "text"),
    **dict.fromkeys(("smallint", "integer", "bigint"), "integer"),
    **dict.fromkeys(("numeric", "real", "double precision"), "number"),
    **dict.fromkeys(("timestamp with time zone", "timestamp without time zone", "date"), "time"),
    "boolean": "boolean",
}


def count_there(database: duckdb.DuckDBPyConnection, settings: SalesSettings, timezone: str) -> dict[str, str] | None:
    """Fill `counted` with what the source's own database counted per step; gives its columns and their kinds of value.

    None where the rows themselves are needed: for rules and selects (they are DuckDB's SQL), for a contract, for the
    time of availability, for times that are text in a format of their own, and for databases other than PostgreSQL
    and SQLite.
    """
    source = settings.source
    if not isinstance(source, DatabaseSource) or settings.needs_rows():
        return None
    with _connected(source) as connection:
        statement = STATEMENTS.get(connection.dialect.name)
        columns = _columns(connection, source)
        _require(settings, list(columns))
        buckets = statement(settings, timezone, columns) if statement else None
        if buckets is None:
            return None
        rows = _executed(connection, source, buckets.query)
        names, values = list(rows.keys()), [tuple(row) for row in rows]
    database.execute("CREATE TABLE rejects (line BIGINT, text VARCHAR)")
    _fill(database, buckets, names, values)
    return {name: KINDS.get(kind, "any") for name, kind in columns.items()}


def fetch_rows(database: duckdb.DuckDBPyConnection, source: DatabaseSource) -> None:
    """Create `orders` from the rows of the query, a chunk at a time."""
    database.execute("CREATE TABLE orders (source_row BIGINT)")
    loaded = 0
    names: list[str] = []
    for chunk in _chunks(source):
        if not names:
            names = list(chunk.columns)
            _check_names(names)
        chunk.insert(0, "source_row", range(loaded + 1, loaded + 1 + len(chunk)))
        _append(database, chunk.dropna(axis="columns", how="all"))
        loaded += len(chunk)
    known = _types(database, "FROM orders")
    for name in names:
        if name not in known:  # NULL in every row
            database.execute(f"ALTER TABLE orders ADD COLUMN {quote(name)} VARCHAR")


def _append(database: duckdb.DuckDBPyConnection, chunk: pd.DataFrame) -> None:
    """Add a chunk; its columns may be new (NULL until now) or of a wider type than before."""
    database.register("chunk", chunk)
    known, coming = _types(database, "FROM orders"), _types(database, "FROM chunk")
    for name, kind in coming.items():
        if name not in known:
            database.execute(f"ALTER TABLE orders ADD COLUMN {quote(name)} {kind}")
        elif known[name] != kind:
            both = f"SELECT {quote(name)} FROM orders UNION ALL SELECT {quote(name)} FROM chunk"
            wider = _types(database, both)[name]
            database.execute(f"ALTER TABLE orders ALTER COLUMN {quote(name)} TYPE {wider}")
    database.execute("INSERT INTO orders BY NAME FROM chunk")
    database.unregister("chunk")


def _types(database: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in database.execute(f"DESCRIBE {query}").fetchall()}


def _check_names(names: list[str]) -> None:
    if "source_row" in names:
        raise DataError("database: expected no column named source_row, which is ours, got one; rename it in the query")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"database: expected each column once, got {', '.join(repeated)} twice; name them in the query")


def _chunks(source: DatabaseSource) -> Iterator[pd.DataFrame]:
    import pandas as pd
    import sqlalchemy

    with _connected(source) as connection, _failing(source):
        streamed = connection.execution_options(stream_results=True)
        yield from pd.read_sql(sqlalchemy.text(source.query), streamed, chunksize=CHUNK)


def _columns(connection: Any, source: DatabaseSource) -> dict[str, str]:
    """The columns of the query, with the database's own name of their types where it has such."""
    inner = source.query.rstrip().rstrip(";")
    names = list(_executed(connection, source, f"SELECT * FROM ({inner}\n) AS source LIMIT 0").keys())
    if connection.dialect.name != "postgresql" or not names:
        return dict.fromkeys(names, "")
    asked = ", ".join(f"CAST(pg_typeof({_quoted(name)}) AS text)" for name in names)
    query = f"SELECT {asked} FROM (SELECT 1) AS one LEFT JOIN ({inner}\n) AS source ON false"
    kinds = _executed(connection, source, query).fetchone()
    return dict(zip(names, kinds, strict=True))


def _quoted(name: str) -> str:
    return quote(name).replace(":", "\\:")


def _executed(connection: Any, source: DatabaseSource, query: str) -> Any:
    import sqlalchemy

    with _failing(source):
        return connection.execute(sqlalchemy.text(query))


@contextmanager
def _connected(source: DatabaseSource) -> Iterator[Any]:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(source.url)
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        raise ConfigError(f"sales.source.url: {hide_password(one_line(error), source.url)}") from error
    try:
        with _failing(source), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _failing(source: DatabaseSource) -> Iterator[None]:
    """Errors of the database as one line without the password."""
    import pandas as pd
    import sqlalchemy

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, pd.errors.DatabaseError) as error:
        cause = getattr(error, "orig", None) or error
        raise DataError(f"database: the query failed: {hide_password(one_line(cause), source.url)}") from error


def _require(settings: SalesSettings, columns: list[str]) -> None:
    value = settings.value.sum or settings.value.count_distinct
    for key, name in (("time", settings.time), ("value", value), ("group", settings.group)):
        if name is not None and name not in columns:
            raise DataError(f"database: no column {name!r} (sales.{key}); its columns: {', '.join(columns)}")


def _fill(
    database: duckdb.DuckDBPyConnection, buckets: Buckets, names: list[str], values: list[tuple[Any, ...]]
) -> None:
    """Turn the database's buckets into `counted`."""
    import pandas as pd

    if not values:
        raise DataError("database: expected rows of orders, got an empty source")
    frame = pd.DataFrame(values, columns=names)
    for name in ("start_at", "value", "first_at", "last_at"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce").astype(float)
    frame["row_count"] = frame["row_count"].astype("int64")
    frame[["exact", "zoned"]] = frame[["exact", "zoned"]].fillna(0).astype(bool)
    frame[["grp", "failed"]] = frame[["grp", "failed"]].astype(object).where(frame[["grp", "failed"]].notna(), None)
    database.register("buckets", frame)
    database.execute(f"CREATE TABLE counted AS {buckets.counted}")
    database.unregister("buckets")
