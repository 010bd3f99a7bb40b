"""Orders in a database, through SQLAlchemy: counted there where its SQL can, else fetched in chunks of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from math import gcd
from pathlib import Path
from typing import Any

import duckdb

from capacity.model import ConfigError, DataError
from capacity.model.data_quality import UNREAD
from capacity.model.errors import hide_password
from capacity.model.settings import DatabaseSource, SalesSettings
from capacity.quality import Finding
from capacity.quality.column_roles import currency_names
from capacity.sources.columns import MYSQL, Kept, column, count_values, kept_columns, projections, refuse_our_names
from capacity.sources.findings import SAMPLE, repeated_in_database, several, several_finding
from capacity.sources.pushdown import STATEMENTS, Buckets
from capacity.sources.sql import one_line, quote

CONNECT_TIMEOUT = ("postgresql", "mysql", "mariadb")  # whose drivers know the argument connect_timeout
STATEMENT_TIMEOUT = {  # what a statement may take, in milliseconds or seconds
    "postgresql": "SET statement_timeout = {milliseconds}",
    "mysql": "SET SESSION max_execution_time = {milliseconds}",
    "mariadb": "SET SESSION max_statement_time = {seconds}",
}
KNOWN = "postgresql+psycopg://, mysql+pymysql:// or sqlite://"
DRIVER = "install one, such as psycopg for postgresql+psycopg:// or pymysql for mysql+pymysql://"
SYSTEM_SCHEMAS = r"information_schema$|pg_|mysql$|performance_schema$|sys$"  # of PostgreSQL and MySQL
CHUNK = 100_000  # rows in memory at a time: some tens of MB for orders of twenty columns
KINDS = {  # the kinds of value that a contract speaks of, by PostgreSQL's names of types; SQLite's columns have none
    **dict.fromkeys(("text", "character varying", "character", "uuid"), "text"),
    **dict.fromkeys(("smallint", "integer", "bigint"), "integer"),
    **dict.fromkeys(("numeric", "real", "double precision"), "number"),
    **dict.fromkeys(("timestamp with time zone", "timestamp without time zone", "date"), "time"),
    "boolean": "boolean",
}


@dataclass(frozen=True, slots=True)
class CountedColumns:
    """What was counted in the database: its columns and their kinds of value, and whether times name no zone.

    `findings` are those of columns beside what is counted.
    """

    columns: dict[str, str]
    naive: bool
    findings: tuple[Finding, ...] = ()


def count_in_database(
    database: duckdb.DuckDBPyConnection, source: DatabaseSource, settings: SalesSettings, timezone: str
) -> CountedColumns | None:
    """Fill `counted` with what the source's own database counted per step.

    None where the rows themselves are needed: for rules and selects (they are DuckDB's SQL), for a contract, for the
    time of availability, for times that are text in a format of their own, and for databases other than PostgreSQL
    and SQLite.
    """
    if settings.needs_rows():
        return None
    with _connected(source) as connection:
        statement = STATEMENTS.get(connection.dialect.name)
        columns = _columns(connection, source)
        _require(settings, list(columns))
        buckets = statement(settings, timezone, columns) if statement else None
        if buckets is None or _needs_reading(connection, source, buckets):
            return None
        rows = _executed(connection, source, buckets.query)
        names, values = list(rows.keys()), [tuple(row) for row in rows]
        findings = _several_currencies(connection, settings, list(columns))
        findings += _repeated_rows(connection, source, buckets, sum(row[names.index("row_count")] for row in values))
    database.execute("CREATE TABLE rejects (line BIGINT, text VARCHAR)")
    _fill(database, buckets, names, values)
    naive = columns[settings.time] in ("timestamp without time zone", "date")
    if not columns[settings.time]:  # SQLite, whose columns have no types
        naive = not any(row[names.index("zoned")] for row in values if row[names.index("start_at")] is not None)
    read = kept_columns(settings, tuple(columns)).read
    kinds = {name: KINDS.get(kind, "any") if name in read else UNREAD for name, kind in columns.items()}
    return CountedColumns(kinds, naive, findings)


def _several_currencies(connection: Any, settings: SalesSettings, columns: Sequence[str]) -> tuple[Finding, ...]:
    """Whether a column beside the amounts has several currencies, as the database counts them."""
    source, amount = settings.source, settings.value.sum
    if amount is None or not isinstance(source, DatabaseSource):
        return ()
    found: list[tuple[str, int]] = []
    for name in currency_names([name for name in columns if name != settings.group]):
        counts = _executed(connection, source, count_values(source.query, name))
        found = found or several(tuple(row) for row in counts)
    return several_finding(amount, found)


def _repeated_rows(connection: Any, source: DatabaseSource, buckets: Buckets, rows: int) -> tuple[Finding, ...]:
    """Whether whole hours of rows come twice, as the database counts them; a database that cannot say says nothing."""
    import pandas as pd

    part = max(1, rows // SAMPLE)
    while gcd(part, 60) > 1:  # times that are whole minutes are no less mixed by it
        part += 1
    try:
        found = _executed(connection, source, buckets.repeated.replace("{part}", str(part))).fetchall()
    except DataError:
        _begin_again(connection, source)
        return ()
    steps = pd.DataFrame([tuple(row) for row in found], columns=["n", "different", "first", "last", "twice"])
    return repeated_in_database(steps.astype({"twice": bool}), part, rows)


def _needs_reading(connection: Any, source: DatabaseSource, buckets: Buckets) -> bool:
    """Whether only reading every row can decide how the values are written: dates day first, amounts as text."""
    return buckets.unread is not None and bool((_executed(connection, source, buckets.unread).fetchone() or (0,))[0])


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched: the names of all columns of the query, and of those read the ones that hold text."""

    names: tuple[str, ...]
    texts: set[str]


Keep = Callable[[Sequence[str]], Kept]  # what is kept of a source with these columns


def fetch_rows(
    database: duckdb.DuckDBPyConnection, source: DatabaseSource, keep: Keep | None = None, most: int | None = None
) -> Fetched:
    """Create `raw` from the rows of the query, every column as text, a chunk at a time.

    Text holds every value whole: whatever the first rows are, no later identifier or amount is rounded. `keep` says
    which columns are asked for, and which hashes (None: all columns). `most`: how many rows are enough; no further
    chunk is asked for then.
    """
    import pandas as pd

    loaded, texts, every = 0, set[str](), tuple[str, ...]()
    for all_names, names, rows in _chunks(source, keep):
        if not loaded:
            every = all_names
            columns = "".join(f", {quote(name)} VARCHAR" for name in names)
            database.execute(f"CREATE TABLE IF NOT EXISTS raw (source_row BIGINT{columns})")
        texts |= {names[place] for row in rows for place, value in enumerate(row) if isinstance(value, str)}
        values = {f"c{place}": [as_text(row[place]) for row in rows] for place in range(len(names))}
        chunk = pd.DataFrame({"source_row": range(loaded + 1, loaded + 1 + len(rows)), **values})
        database.register("chunk", chunk)
        chosen = "".join(f", CAST(c{place} AS VARCHAR)" for place in range(len(names)))
        database.execute(f"INSERT INTO raw SELECT source_row{chosen} FROM chunk")
        database.unregister("chunk")
        loaded += len(rows)
        if most is not None and loaded >= most:
            break
    return Fetched(every, texts)


def table_names(url: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tables and views of a database as a query writes them: of the own schema, and of the others that it names.

    Raises `DataError` where the database does not answer.
    """
    import sqlalchemy

    source = DatabaseSource(url=url, query="")
    with _connected(source) as connection, _failing(source):
        inspector, prepared = sqlalchemy.inspect(connection), connection.dialect.identifier_preparer

        def names(schema: str | None) -> list[str]:
            found = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
            before = "" if schema is None else f"{prepared.quote(schema)}."
            return [f"{before}{prepared.quote(name)}" for name in found]

        schemas = [one for one in inspector.get_schema_names() if not re.match(SYSTEM_SCHEMAS, one)]
        others = [one for one in schemas if one != inspector.default_schema_name]
        return tuple(names(None)), tuple(name for schema in others for name in names(schema))


def as_text(value: Any) -> str | None:
    """A value as the text that an export of it would have."""
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.hex() if isinstance(value, bytes) else str(value)


def _check_names(names: Sequence[str]) -> None:
    refuse_our_names(names, "database")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"database: expected each column once, got {', '.join(repeated)} twice; name them in the query")


def without_password(url: str) -> tuple[str, bool]:
    """The URL as a file may hold it, and whether a password was left out."""
    import sqlalchemy

    found = sqlalchemy.make_url(url)
    return found.set(password=None).render_as_string(hide_password=False), bool(found.password)


def _chunks(
    source: DatabaseSource, keep: Keep | None
) -> Iterator[tuple[tuple[str, ...], list[str], list[tuple[Any, ...]]]]:
    """The names of all columns, of those that are kept, and some rows at a time; names alone where there are no rows.

    Where the database cannot nest the query, it is asked as it is, and what is not kept is dropped on arrival.
    """
    import sqlalchemy

    with _connected(source) as connection, _failing(source):
        every, statement = _kept_statement(connection, source, keep)
        result = connection.execution_options(stream_results=True).execute(sqlalchemy.text(statement or source.query))
        names = list(result.keys())
        if not every:
            every = tuple(names)
            _check_names(every)
        kept = set(keep(every).read) if keep is not None and statement is None else set(names)
        places = [place for place, name in enumerate(names) if name in kept]
        first = True
        while (rows := result.fetchmany(CHUNK)) or first:
            yield every, [names[place] for place in places], [tuple(row[place] for place in places) for row in rows]
            first = False


def _kept_statement(connection: Any, source: DatabaseSource, keep: Keep | None) -> tuple[tuple[str, ...], str | None]:
    """The names of the query's columns, and the first statement that asks for what is kept and that the database takes.

    No names and no statement where everything is kept, or where the query cannot be nested.
    """
    if keep is None:
        return (), None
    try:
        every = tuple(_names(connection, source))
    except DataError:
        _begin_again(connection, source)
        return (), None
    _check_names(every)
    for statement in projections(connection.dialect.name, source.query, every, keep(every)):
        try:
            _executed(connection, source, _no_rows(connection, statement))
        except DataError:
            _begin_again(connection, source)
            continue
        return every, statement
    return every, None


def _begin_again(connection: Any, source: DatabaseSource) -> None:
    """End the transaction in which a statement failed, and with it what was set in it."""
    connection.rollback()
    _prepare(connection, source)


def _names(connection: Any, source: DatabaseSource) -> list[str]:
    """The names of the query's columns, of which no row is read."""
    return list(_executed(connection, source, _no_rows(connection, source.query.rstrip().rstrip(";"))).keys())


def _no_rows(connection: Any, query: str) -> str:
    """The query without its rows; few databases say so other than by a condition."""
    end = "LIMIT 0" if connection.dialect.name in (*STATEMENTS, *MYSQL) else "WHERE 1 = 0"
    return f"SELECT * FROM ({query}\n) source {end}"


def _columns(connection: Any, source: DatabaseSource) -> dict[str, str]:
    """The columns of the query, with the database's own name of their types where it has such."""
    inner = source.query.rstrip().rstrip(";")
    names = _names(connection, source)
    if connection.dialect.name != "postgresql" or not names:
        return dict.fromkeys(names, "")
    asked = ", ".join(f"CAST(pg_typeof({column(name)}) AS text)" for name in names)
    query = f"SELECT {asked} FROM (SELECT 1) AS one LEFT JOIN ({inner}\n) AS source ON false"
    kinds = _executed(connection, source, query).fetchone()
    return dict(zip(names, kinds, strict=True))


def _executed(connection: Any, source: DatabaseSource, query: str) -> Any:
    import sqlalchemy

    with _failing(source):
        return connection.execute(sqlalchemy.text(query))


@contextmanager
def _connected(source: DatabaseSource) -> Iterator[Any]:
    import sqlalchemy

    try:
        url = database_url(source.url)
        patient = url.get_backend_name() not in CONNECT_TIMEOUT or "connect_timeout" in url.query
        waits = {} if patient else {"connect_timeout": int(source.connect_timeout.total_seconds())}
        engine = sqlalchemy.create_engine(url, connect_args=waits)
    except ImportError as error:
        raise ConfigError(f"sales.source.url: expected an installed driver, got none: {error}; {DRIVER}") from error
    except sqlalchemy.exc.NoSuchModuleError as error:
        raise ConfigError(
            f"sales.source.url: expected a database that SQLAlchemy knows, such as {KNOWN}, got {url.drivername}://"
        ) from error
    except sqlalchemy.exc.ArgumentError as error:
        raise ConfigError(f"sales.source.url: {hide_password(one_line(error), source.url)}") from error
    _require_file(url)
    try:
        with _failing(source, "cannot connect"):
            opened = engine.connect()
        with opened as connection, _failing(source):
            _prepare(connection, source)
            yield connection
    finally:
        engine.dispose()


def database_url(text: str) -> Any:
    """The SQLAlchemy URL that a text stands for, also where it is written as other clients take it.

    `postgres://` is PostgreSQL, whose driver is psycopg unless psycopg2 alone is installed.

    >>> database_url("postgres://reader@db/shop").drivername, database_url("sqlite:///shop.db").drivername
    ('postgresql+psycopg', 'sqlite')
    """
    import sqlalchemy

    url = sqlalchemy.make_url(text)
    if url.drivername not in ("postgres", "postgresql"):
        return url
    older = find_spec("psycopg") is None and find_spec("psycopg2") is not None
    return url.set(drivername=f"postgresql+{'psycopg2' if older else 'psycopg'}")


def _require_file(url: Any) -> None:
    """SQLite would create a file that is missing, and find no table in it. Raises `DataError`."""
    file = url.database or ""
    plain = url.get_backend_name() == "sqlite" and file not in ("", ":memory:") and not file.startswith("file:")
    if plain and not Path(file).is_file():
        raise DataError(f"database: expected an SQLite file, found none at {file}; check the path in the URL")


def _prepare(connection: Any, source: DatabaseSource) -> None:
    """No statement may run longer than it is waited for, and PostgreSQL's `infinity` is a text, not an error."""
    limit = time_limit(connection.dialect, source.timeout)
    if limit is not None:
        connection.exec_driver_sql(limit)
    driver = connection.connection.driver_connection
    if connection.dialect.name == "postgresql" and hasattr(driver, "adapters"):  # psycopg 3
        from psycopg.types.string import TextLoader

        for kind in ("date", "timestamp", "timestamptz"):
            driver.adapters.register_loader(kind, TextLoader)


def time_limit(dialect: Any, timeout: timedelta) -> str | None:
    """The statement that ends those after it when they take longer; None where the database has no such.

    A URL of mysql:// reaches MariaDB as well, which the dialect knows once it is connected.
    """
    backend = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    seconds = timeout.total_seconds()
    wanted = STATEMENT_TIMEOUT.get(backend)
    return None if wanted is None else wanted.format(seconds=seconds, milliseconds=int(1000 * seconds))


@contextmanager
def _failing(source: DatabaseSource, what: str = "the query failed") -> Iterator[None]:
    """Errors of the database as one line without the password."""
    import pandas as pd
    import sqlalchemy

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, pd.errors.DatabaseError) as error:
        cause = getattr(error, "orig", None) or error
        words = one_line(cause).removeprefix("connection failed: ")
        raise DataError(f"database: {what}: {hide_password(words, source.url)}") from error


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
