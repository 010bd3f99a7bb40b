"""Orders counted in their own database: the same audit and sales as DuckDB's from the same rows, in SQLite and
PostgreSQL, whatever the clock, the step and the dirt."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from capacity.model import ConfigError, DataError
from capacity.model.configuration import Config
from capacity.model.settings import SalesSettings
from capacity.quality import Audit
from capacity.sources import OrderTable, audit_orders, read_sales
from tests.peers import Postgres

Fill = Callable[[list[tuple[Any, ...]], str], str]  # rows and the type of their time: the URL of a database with them
QUERY = "SELECT * FROM orders -- of the shop"


def dirty_rows(times: list[str | None]) -> list[tuple[Any, ...]]:
    """Time, amount, shop, invoice: every sixth row has a fault of its own."""
    generator = np.random.default_rng(11)
    rows: list[tuple[Any, ...]] = []
    for number, time in enumerate(times):
        amount: float | None = float(generator.integers(1, 9))
        shop: str | None = "ab"[number % 2]
        fault = number % 18
        amount = None if fault == 0 else -amount if fault == 6 else amount
        shop = None if fault == 12 else shop
        rows.append((time, amount, shop, f"I{number // 3}" if fault != 3 else None))
    return rows


def local_times(zone: str) -> list[str | None]:
    """Minutes around both changes of the clock, each shown as the clock on the wall shows it, and one of no time."""
    starts = [datetime(2026, 3, 28, 20, tzinfo=UTC), datetime(2026, 10, 24, 20, tzinfo=UTC)]
    moments = [start + timedelta(minutes=7 * number) for start in starts for number in range(200)]
    shown: list[str | None] = [f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}" for moment in moments]
    return [*shown, None]


def sqlalchemy_url(server: Postgres) -> str:
    return server.url.replace("postgresql", "postgresql+psycopg", 1)


def in_sqlite(rows: list[tuple[Any, ...]], kind: str) -> str:
    path = Path("orders.db").absolute()
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE orders (ordered {kind}, amount REAL, shop TEXT, invoice TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    return f"sqlite:///{path}"


def in_postgresql(server: Postgres) -> Fill:
    def fill(rows: list[tuple[Any, ...]], kind: str) -> str:
        psycopg = pytest.importorskip("psycopg")

        with psycopg.connect(server.url) as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS orders")
            cursor.execute(f"CREATE TABLE orders (ordered {kind}, amount float8, shop text, invoice text)")
            cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s)", rows)
        return sqlalchemy_url(server)

    return fill


@pytest.fixture(params=["sqlite", "postgresql"])
def fill(request: pytest.FixtureRequest) -> Fill:
    return in_sqlite if request.param == "sqlite" else in_postgresql(request.getfixturevalue("postgres"))


def loaded(source: Any, timezone: str, **settings: Any) -> tuple[pd.DataFrame | pd.Series, Audit, bool]:
    chosen = SalesSettings.model_validate({"source": source, "time": "ordered", **settings})
    with OrderTable.load(chosen, timezone) as table:
        tables = {name for (name,) in table.database.execute("SHOW TABLES").fetchall()}
        return table.sales(), table.audit(), "orders" not in tables


def in_parquet(rows: list[tuple[Any, ...]], kind: str) -> str:
    """The rows in no order, as a database has them: the hour that a clock shows twice is of neither showing."""
    order = np.random.default_rng(5).permutation(len(rows))
    frame = pd.DataFrame([rows[place] for place in order], columns=["ordered", "amount", "shop", "invoice"])
    import duckdb

    with closing(duckdb.connect()) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("frame", frame)
        query = f"SELECT CAST(ordered AS {kind}) AS ordered, * EXCLUDE ordered FROM frame"
        database.execute(f"COPY ({query}) TO 'orders.parquet' (FORMAT parquet)")
    return str(Path("orders.parquet").absolute())


def same(got: tuple[Any, Audit, bool], expected: tuple[Any, Audit, bool]) -> None:
    pd.testing.assert_index_equal(got[0].index, expected[0].index, exact=False)
    np.testing.assert_allclose(got[0], expected[0])
    audits = [
        replace(audit, source="", read=(), columns=dict.fromkeys(audit.columns)) for audit in (got[1], expected[1])
    ]
    assert audits[0] == audits[1]


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("step", ["5m", "1h", "1d", "1w"])
def test_sums_are_counted_in_the_database(fill: Fill, zone: str, step: str) -> None:
    rows = dirty_rows(local_times(zone))
    settings: dict[str, Any] = {"step": step, "value": {"sum": "amount"}, "group": "shop"}
    got = loaded({"url": fill(rows, "timestamp"), "query": QUERY}, zone, **settings)
    assert got[2], "no row was fetched"
    same(got, loaded(in_parquet(rows, "TIMESTAMP"), zone, **settings))


@pytest.mark.parametrize("value", [{"count_distinct": "invoice"}, {"rows": True}], ids=["orders", "rows"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/London"])
def test_orders_and_rows_are_counted_too(fill: Fill, zone: str, value: dict[str, Any]) -> None:
    rows = dirty_rows(local_times(zone))
    got = loaded({"url": fill(rows, "timestamp"), "query": QUERY}, zone, value=value)
    same(got, loaded(in_parquet(rows, "TIMESTAMP"), zone, value=value))
    assert got[1].failures["readable_time"] == 1


@pytest.mark.parametrize(("form", "scale"), [("epoch", 1), ("epoch_ms", 1000)])
def test_epochs_are_counted_in_the_database(fill: Fill, form: str, scale: int) -> None:
    times: list[Any] = [
        int(datetime(2026, 3, 28, 20, 0, number, tzinfo=UTC).timestamp()) * scale for number in range(40)
    ]
    rows = dirty_rows([*times, 10**17])
    settings: dict[str, Any] = {"time_format": form, "value": {"sum": "amount"}, "step": "1m", "late": None}
    with_end = [*rows, (times[0] + 120 * scale, 1.0, "a", "I")]
    got = loaded({"url": fill(with_end, "bigint"), "query": QUERY}, "Europe/London", **settings)
    assert got[2]
    same(got, loaded(in_parquet(with_end, "BIGINT"), "Europe/London", **settings))
    assert got[1].failures["readable_time"] == 1, "milliseconds of the year 5138 are no order"


def test_moments_with_a_zone_are_counted_in_postgresql(postgres: Postgres) -> None:
    rows = dirty_rows([None if time is None else time + "+02:00" for time in local_times("UTC")])
    settings: dict[str, Any] = {"value": {"count_distinct": "invoice"}, "step": "1d"}
    url = in_postgresql(postgres)(rows, "timestamptz")
    got = loaded({"url": url, "query": QUERY}, "Asia/Tokyo", **settings)
    assert got[2]
    same(got, loaded(in_parquet(rows, "TIMESTAMPTZ"), "Asia/Tokyo", **settings))


def test_text_with_offsets_is_counted_in_sqlite() -> None:
    texts: list[str | None] = [
        *("2026-10-25T01:30:00+01:00", "2026-10-25T01:30:00Z", "2026-10-25 01:30:00.500", "2026-02-31 00:00:00"),
        *("soon", "12:00", "2026-10-25 04:00:00"),
    ]
    rows = [(text, 1.0, "a", f"I{number}") for number, text in enumerate(texts)]
    got = loaded({"url": in_sqlite(rows, "text"), "query": QUERY}, "Europe/London", value={"sum": "amount"})
    assert got[2]
    assert got[1].failures == {"readable_time": 3}
    same(got, loaded(in_parquet(rows, "VARCHAR"), "Europe/London", value={"sum": "amount"}))
    np.testing.assert_array_equal(got[0], [1.0, 2.0, 0.0, 0.0, 1.0][: len(got[0])])


def test_columns_counted_in_postgresql_have_the_kinds_that_their_rows_have(postgres: Postgres) -> None:
    rows, value = dirty_rows(local_times("UTC")), {"sum": "amount"}
    got = loaded({"url": in_postgresql(postgres)(rows, "timestamp"), "query": QUERY}, "UTC", value=value)
    assert got[2]
    assert got[1].columns == loaded(in_parquet(rows, "TIMESTAMP"), "UTC", value=value)[1].columns
    assert got[1].columns == {"ordered": "time", "amount": "number", "shop": "unread", "invoice": "unread"}


def test_freshness_and_anomalies_are_judged_of_what_the_database_counted(fill: Fill) -> None:
    hours = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=number) for number in range(24 * 21)]
    rows = [(f"{hour:%Y-%m-%d %H:%M:%S}", 5.0 + hour.hour, "a", f"I{hour}") for hour in hours]
    rows += [(f"{hour:%Y-%m-%d %H:%M:%S}", 900.0, "a", "I") for hour in hours[-9:-3]]
    sales = {"time": "ordered", "value": {"sum": "amount"}, "freshness": {"within": "1h"}, "anomalies": {}}
    audits = []
    for source in ({"url": fill(rows, "timestamp"), "query": QUERY}, in_parquet(rows, "TIMESTAMP")):
        config = Config.model_validate({"sales": {"source": source, **sales}})
        with OrderTable.load(config.orders(), "UTC") as table:
            audits.append(audit_orders(table, config).at(hours[-1] + timedelta(hours=2)))
    assert [finding.rule for finding in audits[0].findings] == ["row_anomalies", "value_anomalies", "freshness"]
    assert audits[0].findings == audits[1].findings
    assert audits[0].counts == audits[1].counts


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"select": [{"name": "kept", "check": "amount < 8"}]}, id="select"),
        pytest.param({"contract": {"columns": {"amount": "number", "price": "any"}}}, id="contract"),
        pytest.param({"available_at": "ordered"}, id="available_at"),
    ],
)
def test_what_only_rows_can_tell_is_told_by_the_rows(fill: Fill, asked: dict[str, Any]) -> None:
    rows, settings = dirty_rows(local_times("UTC")), {"value": {"sum": "amount"}, **asked}
    got = loaded({"url": fill(rows, "timestamp"), "query": QUERY}, "UTC", **settings)
    assert not got[2], "the rows were fetched"
    same(got, loaded(in_parquet(rows, "TIMESTAMP"), "UTC", **settings))
    assert got[1].set_aside or got[1].findings or got[1].latency


def test_rules_need_the_rows_and_chunks_agree_with_a_file(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.sources.database.CHUNK", 37)
    rows = dirty_rows(local_times("UTC"))
    rows[:40] = [(time, None, None, invoice) for time, _, _, invoice in rows[:40]]
    settings: dict[str, Any] = {
        "value": {"sum": "amount"},
        "rules": [{"name": "small", "check": "amount < 8"}, {"name": "known", "check": "invoice LIKE 'I%'"}],
    }
    got = loaded({"url": fill(rows, "timestamp"), "query": QUERY}, "UTC", **settings)
    assert not got[2], "the rows were fetched"
    same(got, loaded(in_parquet(rows, "TIMESTAMP"), "UTC", **settings))


def test_bad_rows_are_fetched_for_the_quarantine(fill: Fill) -> None:
    rows = dirty_rows(local_times("UTC"))
    source = {"url": fill(rows, "timestamp"), "query": QUERY}
    chosen = SalesSettings.model_validate({"source": source, "time": "ordered", "value": {"sum": "amount"}})
    with OrderTable.load(chosen, "UTC") as table:
        assert table.write_quarantine(Path("bad.parquet")) == table.audit().quarantined > 0


def test_integer_dates_are_fetched(fill: Fill) -> None:
    rows = [(20260105, 1.0, "a", "I"), (20260106, 2.0, "a", "I"), (0, 9.0, "a", "I")]
    url = fill(rows, "integer")
    settings: dict[str, Any] = {"time_format": "%Y%m%d", "value": {"sum": "amount"}, "step": "1d"}
    sales, audit, _ = loaded({"url": url, "query": QUERY}, "UTC", **settings)
    np.testing.assert_array_equal(sales, [1.0, 2.0])
    assert audit.failures == {"readable_time": 1}


def test_infinite_times_and_money_are_alike_counted_and_fetched(postgres: Postgres) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS orders")
        cursor.execute("CREATE TABLE orders (ordered timestamptz, price money, amount float8)")
        cursor.execute(
            "INSERT INTO orders VALUES ('2026-01-05 10:00:00+00', '1,234.50', 1), ('infinity', '1', 1), "
            "('-infinity', '1', 1), ('2026-01-05 11:30:00+00', '2.25', 2), ('2026-01-05 12:00:00+00', '3', 3)"
        )
    source = {"url": sqlalchemy_url(postgres), "query": "SELECT * FROM orders"}
    all_rows = [{"name": "any", "check": "true"}]
    counted = loaded(source, "UTC", value={"sum": "amount"})
    fetched = loaded(source, "UTC", value={"sum": "amount"}, rules=all_rows)
    assert (counted[2], fetched[2]) == (True, False)
    np.testing.assert_array_equal(counted[0], fetched[0])
    assert counted[1].failures == {"readable_time": 2}
    assert fetched[1].failures == {"readable_time": 2, "any": 0}
    money = loaded(source, "UTC", value={"sum": "price"})
    np.testing.assert_allclose(money[0], [1234.50, 2.25][: len(money[0])])


def test_a_statement_is_not_waited_for_longer_than_its_timeout(postgres: Postgres) -> None:
    source = {"url": sqlalchemy_url(postgres), "query": "SELECT now() AS ordered, pg_sleep(60)", "timeout": "1s"}
    with pytest.raises(DataError, match="statement timeout"):
        loaded(source, "UTC")


def test_a_password_is_in_no_message(postgres: Postgres) -> None:
    address = sqlalchemy_url(postgres).partition("@")[2]
    for place in (address.partition("/")[0] + "/none", "127.0.0.1:1/x"):
        url = f"postgresql+psycopg://me:s3cr%2Ft@{place}"
        with pytest.raises(DataError, match="database: cannot connect") as caught:
            loaded({"url": url, "query": QUERY}, "UTC")
        assert "s3cr" not in str(caught.value)
    for source in ("postgresql://me:s3cret@db/x", ["postgresql://me:s3cret@db/x"], {"url": "x://me:s3cret@db", "q": 1}):
        with pytest.raises((DataError, ConfigError)) as refused:
            read_sales(source, time="ordered")  # type: ignore[arg-type]
        assert "s3cret" not in str(refused.value)


def test_a_renamed_column_names_what_is_there(fill: Fill) -> None:
    url = fill(dirty_rows(local_times("UTC")), "timestamp")
    with pytest.raises(DataError, match=r"no column 'ordered' \(sales.time\); its columns: ordered_at, amount"):
        loaded({"url": url, "query": "SELECT ordered AS ordered_at, amount FROM orders"}, "UTC")


MAIL = "jane.canary@example.org"


@pytest.fixture
def people(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A table whose rows carry addresses and currencies: the URL of a database with it."""
    rows = [(f"2026-03-{1 + n % 28:02} 10:{n % 60:02}:00", 2.0, MAIL, n, ("EUR", "USD")[n % 2]) for n in range(120)]
    columns = "amount float, mail text, order_id integer, currency text"

    def url(kind: str) -> str:
        if kind == "postgresql":
            server = request.getfixturevalue("postgres")
            psycopg = pytest.importorskip("psycopg")
            with psycopg.connect(server.url) as connection, connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS orders; CREATE TABLE orders (at timestamp, {columns})")
                cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s, %s)", rows)
            return sqlalchemy_url(server)
        with closing(sqlite3.connect("people.db")) as connection:
            connection.execute(f"CREATE TABLE orders (at text, {columns})")
            connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
            connection.commit()
        return f"sqlite:///{Path('people.db').absolute()}"

    return url


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "asked",
    [{}, {"rules": [{"name": "paid", "check": "amount > 0 AND 'mail' != ''"}]}],
    ids=["counted there", "fetched for a rule"],
)
def test_the_values_of_other_columns_never_leave_the_database(
    people: Callable[[str], str], kind: str, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    seen: list[Any] = []
    for method in ("fetchmany", "fetchone", "fetchall", "__iter__"):
        plain = getattr(sqlalchemy.engine.CursorResult, method)

        def recorded(result: Any, *words: Any, plain: Any = plain) -> Any:
            rows = plain(result, *words)
            rows = list(rows) if rows is not None and not isinstance(rows, sqlalchemy.Row) else rows
            seen.append(rows)
            return iter(rows) if plain.__name__ == "__iter__" else rows

        monkeypatch.setattr(sqlalchemy.engine.CursorResult, method, recorded)
    statements: list[str] = []
    sqlalchemy.event.listen(
        sqlalchemy.engine.Engine, "before_cursor_execute", listener := lambda *words: statements.append(words[2])
    )
    try:
        source = {"url": people(kind), "query": QUERY}
        settings = SalesSettings.model_validate(
            {"source": source, "time": "at", "value": {"sum": "amount"}, "anomalies": None, **asked}
        )
        with OrderTable.load(settings, "UTC") as table:
            audit, held = table.audit(), in_tables(table)
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "before_cursor_execute", listener)
    assert audit.passed == 120
    assert list(audit.columns) == ["at", "amount", "mail", "order_id", "currency"]
    assert audit.columns["mail"] == "unread"
    assert [finding.rule for finding in audit.findings if finding.rule != "freshness"] == ["currencies"]
    assert MAIL not in str(seen)
    assert "EUR" in str(seen)
    assert MAIL not in held
    whole = [text for text in statements if text.startswith("SELECT *")]
    assert all(text.endswith("LIMIT 0") for text in whole)
    outer = [text.split(" FROM (")[0].split("dense_rank", maxsplit=1)[0] for text in statements if text not in whole]
    assert not [text for text in outer if '"mail"' in text.replace('CAST(pg_typeof("mail") AS text)', "")]


def in_tables(table: OrderTable) -> str:
    """All that is held of the rows, as text."""
    found = table.database.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    return str(
        [table.database.execute(f'SELECT CAST(COLUMNS(*) AS VARCHAR) FROM "{name}"').fetchall() for (name,) in found]
    )


@pytest.mark.parametrize(
    "query", ["PRAGMA table_info(orders)", "SELECT at, amount, mail FROM orders WHERE mail LIKE '%canary%';"]
)
def test_a_query_that_cannot_be_nested_is_asked_as_it_is(people: Callable[[str], str], query: str) -> None:
    settings = SalesSettings.model_validate(
        {"source": {"url": people("sqlite"), "query": query}, "time": "name" if "PRAGMA" in query else "at"}
    )
    rules = [{"name": "any", "check": "true"}]
    with OrderTable.load(SalesSettings.model_validate({**settings.model_dump(), "rules": rules}), "UTC") as table:
        assert table.audit().rows == (5 if "PRAGMA" in query else 120)
        assert MAIL not in in_tables(table)


@pytest.mark.parametrize("kind", ["daily totals", "longer totals"])
def test_totals_among_rows_are_found_where_they_are_counted_in_the_database(fill: Fill, kind: str) -> None:
    hours = pd.date_range("2026-02-02", periods=30 * 24, freq="h")
    load = pd.Series(20.0 + hours.hour, hours)
    days = load.resample("D").sum()
    parts = pd.concat([days, load]) if kind == "daily totals" else pd.concat([days[:10], load["2026-02-12":]])
    rows = [(str(at), float(value), "a", "I") for at, value in parts.items()]
    settings: dict[str, Any] = {"value": {"sum": "amount"}}
    got = loaded({"url": fill(rows, "timestamp"), "query": QUERY}, "UTC", **settings)
    assert got[2], "no row was fetched"
    expected = loaded(in_parquet(rows, "TIMESTAMP"), "UTC", **settings)
    assert next(finding.rule for finding in got[1].findings) == "granularity"
    same(got, expected)


DISTINCT_TIMES = [
    f"{moment:%Y-%m-%d %H:%M:%S}"
    for moment in pd.date_range("2026-03-02", periods=1200, freq="7min37s").to_pydatetime()
]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("SELECT * FROM orders", "", id="each row once"),
        pytest.param("SELECT * FROM orders UNION ALL SELECT * FROM orders", "1,200 rows equal another", id="all twice"),
        pytest.param("SELECT * FROM orders, (VALUES (1), (2), (3)) AS many", "", id="rows that differ in a column"),
        pytest.param("SELECT o.* FROM orders o, (VALUES (1), (2), (3)) AS many", "2,400 rows", id="a join"),
        pytest.param("SELECT * FROM orders UNION ALL SELECT * FROM orders WHERE ordered >= '2026-03-05 00:00' AND "
                     "ordered < '2026-03-06 00:00'", "189 rows equal another", id="a day again"),
        pytest.param("SELECT * FROM orders UNION ALL SELECT * FROM orders WHERE amount > 9999", "", id="nothing again"),
    ],
)  # fmt: skip
def test_rows_that_come_twice_are_found_where_the_database_counts_them(fill: Fill, query: str, said: str) -> None:
    rows: list[tuple[Any, ...]] = [(time, 2.5, "a", f"I{place}") for place, time in enumerate(DISTINCT_TIMES)]
    url = fill(rows, "timestamp")
    settings = SalesSettings.model_validate(
        {"source": {"url": url, "query": query}, "time": "ordered", "value": {"sum": "amount"}}
    )
    with OrderTable.load(settings, "UTC") as table:
        assert table.judgement is None
        found = [finding.message for finding in table.audit().findings if finding.rule == "repeated_rows"]
    assert (said in found[0]) if said else not found
