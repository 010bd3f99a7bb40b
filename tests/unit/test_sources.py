"""Sources: formats, encodings, several files, databases; clocks that change, half-hour zones, daily steps."""

from __future__ import annotations

import gzip
import io
import re
import sqlite3
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from capacity.model import ConfigError, DataError
from capacity.model.errors import hide_password
from capacity.model.settings import SalesSettings
from capacity.quality import Audit
from capacity.sources import OrderTable, audit_sales, read_sales
from capacity.sources.columns import kept_columns
from capacity.sources.database import time_limit

LINES = ["at,n", "2026-01-05 00:00:00,1", "2026-01-05 01:00:00,2", "2026-01-05 02:00:00,3"]
TEXT = "\n".join(LINES) + "\n"


def written(name: str, content: str | bytes) -> Path:
    path = Path(name).absolute()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(name: str, query: str) -> Path:
    duckdb.sql(f"COPY ({query}) TO '{name}' (FORMAT parquet)")
    return Path(name).absolute()


FORMATS: dict[str, tuple[str, bytes]] = {
    "CSV": ("a.csv", TEXT.encode()),
    "CSV, gzipped": ("a.csv.gz", gzip.compress(TEXT.encode(), mtime=0)),
    "semicolons": ("a.csv", TEXT.replace(",", ";").encode()),
    "tabs": ("a.tsv", TEXT.replace(",", "\t").encode()),
    "a byte order mark": ("a.csv", b"\xef\xbb\xbf" + TEXT.encode()),
    "lines of Windows": ("a.csv", TEXT.replace("\n", "\r\n").encode()),
    "no last line end": ("a.csv", TEXT.rstrip().encode()),
    "quoted values": ("a.csv", "\n".join('"' + line.replace(",", '","') + '"' for line in LINES).encode()),
    "an extension nobody knows": ("a.orders", TEXT.encode()),
}


@pytest.mark.parametrize(("name", "content"), FORMATS.values(), ids=FORMATS)
def test_a_text_file_is_read_whatever_its_dialect(name: str, content: bytes) -> None:
    sales = read_sales(written(name, content), time="at", value={"sum": "n"})
    np.testing.assert_array_equal(sales, [1.0, 2.0, 3.0])
    assert sales.index[0] == pd.Timestamp("2026-01-05T00:00Z")


def test_column_names_of_any_language() -> None:
    path = written("bestellungen.csv", "Bestelltag;Stückzahl;Straße\n2026-01-05 00:00;1;Ä\n2026-01-05 01:00;2;ß\n")
    sales = read_sales(path, time="Bestelltag", value={"sum": "Stückzahl"}, group="Straße")
    assert list(sales.columns) == ["Ä", "ß"]


@pytest.mark.parametrize(
    "kind", ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_NS", "TIMESTAMPTZ", "VARCHAR"], ids=lambda kind: f"times as {kind}"
)
def test_parquet_is_read_with_times_of_every_kind(kind: str) -> None:
    rows = "SELECT CAST(TIMESTAMP '2026-01-05' + INTERVAL (i) HOUR AS {}) AS at, i + 1 AS n FROM range(3) t(i)"
    with closing(duckdb.connect()) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"COPY ({rows.format(kind)}) TO 'a.parquet' (FORMAT parquet)")
    np.testing.assert_array_equal(read_sales("a.parquet", time="at", value={"sum": "n"}), [1.0, 2.0, 3.0])


def test_dates_in_parquet_are_days() -> None:
    path = parquet("d.parquet", "SELECT DATE '2026-01-05' + CAST(i AS INT) AS at FROM range(3) t(i)")
    np.testing.assert_array_equal(read_sales(path, time="at", step="1d", timezone="Asia/Tokyo"), [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    "second",
    [
        pytest.param("at,n\n2026-01-05 03:00:00,4\n", id="the same columns"),
        pytest.param("n,at\n4,2026-01-05 03:00:00\n", id="in another order"),
        pytest.param("at,n,note\n2026-01-05 03:00:00,4,x\n", id="with one more"),
        pytest.param("at,n\n2026-01-05 03:00:00,4.0\n", id="of another number type"),
    ],
)
def test_several_files_are_one_source(second: str) -> None:
    written("orders-1.csv", TEXT)
    written("orders-2.csv", second)
    written("other.csv", "at,n\n2026-01-05 04:00:00,99\n")
    audit = audit_sales("orders-*.csv", time="at", value={"sum": "n"})
    np.testing.assert_array_equal(read_sales("orders-*.csv", time="at", value={"sum": "n"}), [1.0, 2.0, 3.0, 4.0])
    assert (audit.rows, audit.passed, audit.source) == (4, 4, "orders-*.csv")


def test_bad_lines_of_every_file_are_counted() -> None:
    for number in (1, 2):
        written(f"p{number}.csv", TEXT + "2026-01-05 03:00:00\n2026-01-05 04:00:00,5,extra\n")
    audit = audit_sales("p*.csv", time="at", value={"sum": "n"})
    assert (audit.rows, audit.passed, audit.failures) == (10, 6, {"readable_row": 4})


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("none.csv", None, "none.csv: expected a file with orders, found none", id="no file"),
        pytest.param("none-*.csv", None, r"none-\*.csv: expected files that match the pattern", id="a glob of nothing"),
        pytest.param("none.parquet", None, "none.parquet: expected a file with orders", id="no Parquet file"),
        pytest.param("a.parquet", b"PAR1 broken", "a.parquet: cannot be read as Parquet", id="a broken Parquet file"),
        pytest.param("a.csv.gz", b"\x1f\x8b\x08\x00 broken", "a.csv.gz: cannot be read as CSV", id="a broken gzip"),
        pytest.param("a.csv", bytes(range(256)) * 9, "a.csv: ", id="no text at all"),
    ],
)
def test_what_cannot_be_read_is_a_data_error_on_one_line(name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        written(name, content)
    with pytest.raises(DataError, match=words) as caught:
        read_sales(name, time="at")
    assert "\n" not in str(caught.value)
    assert "source_row" not in str(caught.value), "our own SQL is no help to anybody"


AUTUMN = ["2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 01:30", "2026-10-25 02:30", "2026-10-25 03:00"]
SPRING = ["2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 02:30", "2026-03-29 03:30", "2026-03-29 04:00"]


@pytest.mark.parametrize(
    ("times", "zone", "first", "expected"),
    [
        pytest.param(AUTUMN, "Europe/London", "2026-10-24T23:00Z", [1, 1, 1, 1], id="the hour shown twice, in order"),
        pytest.param(SPRING, "Europe/London", "2026-03-29T00:00Z", [1, 2, 1], id="the hour skipped is the one after"),
        pytest.param(
            [*SPRING, "soon"], "Europe/London", "2026-03-29T00:00Z", [1, 2, 1], id="also where one is no time"
        ),
        pytest.param(SPRING, "UTC", "2026-03-29T00:00Z", [1, 1, 1, 1], id="UTC knows no change"),
        pytest.param(SPRING, "Asia/Kolkata", "2026-03-28T19:00Z", [1, 1, 1], id="half an hour off the grid"),
        pytest.param(AUTUMN, "Asia/Kathmandu", "2026-10-24T18:00Z", [1, 2, 1], id="three quarters off the grid"),
    ],
)
def test_times_without_zone_are_on_the_business_clock(
    times: list[str], zone: str, first: str, expected: list[float]
) -> None:
    sales = read_sales(written("a.csv", "at\n" + "".join(f"{time}:00\n" for time in times)), time="at", timezone=zone)
    assert sales.index[0] == pd.Timestamp(first)
    np.testing.assert_array_equal(sales, expected)


def test_times_with_offsets_tell_the_two_hours_apart() -> None:
    times = ["2026-10-25T01:30:00+01:00", "2026-10-25T01:30:00+00:00", "2026-10-25T02:00:00+00:00"]
    sales = read_sales(written("a.csv", "at\n" + "\n".join(times)), time="at", timezone="Europe/London")
    assert list(sales.index) == list(pd.date_range("2026-10-25T00:00Z", periods=2, freq="h"))
    np.testing.assert_array_equal(sales, [1.0, 1.0])


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-10-25", 25), ("2026-03-29", 23), ("2026-01-05", 24)], ids=["autumn", "spring", "winter"]
)
@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Asia/Kolkata"])
def test_a_business_day_holds_every_order_of_its_own_clock(day: str, hours: int, zone: str) -> None:
    start = pd.Timestamp(day, tz=zone)
    moments = pd.date_range(start, start + pd.DateOffset(days=1), freq="h", inclusive="left")
    assert len(moments) == (hours if zone == "Europe/London" else 24)
    lines = [moment.isoformat() for moment in [*moments, start + pd.DateOffset(days=1)]]
    sales = read_sales(written("a.csv", "at\n" + "\n".join(lines)), time="at", timezone=zone, step="1d")
    assert sales.index[0] == pd.Timestamp(day, tz="UTC"), "a day is named by its date"
    assert sales.iloc[0] == len(moments)


def test_weeks_begin_on_monday() -> None:
    path = written("a.csv", "at\n2026-01-04\n2026-01-05\n2026-01-11\n2026-01-12\n")
    sales = read_sales(path, time="at", step="1w")
    assert [day.day_name() for day in sales.index] == ["Monday"] * 3
    np.testing.assert_array_equal(sales, [1.0, 2.0, 1.0])


def test_integer_dates_are_known_and_bad_ones_are_counted() -> None:
    path = written("a.csv", "at,n\n20260105,1\n20260106,2\n0,9\n32154,9\n20260108,4\n")
    chosen: dict[str, Any] = {"time": "at", "value": {"sum": "n"}, "step": "1d"}
    for form in ({}, {"time_format": "%Y%m%d"}):
        audit = audit_sales(path, **form, **chosen)
        assert (audit.passed, audit.failures) == (3, {"readable_time": 2})
        np.testing.assert_array_equal(read_sales(path, **form, **chosen), [1.0, 2.0, np.nan, 4.0])


@pytest.fixture
def database() -> str:
    with closing(sqlite3.connect("orders.db")) as connection:
        connection.execute("CREATE TABLE o (at TEXT, n INTEGER)")
        rows = [("2026-01-05 00:00:00", 1), ("2026-01-05 01:00:00", None), ("2026-01-05 02:00:00", 3)]
        connection.executemany("INSERT INTO o VALUES (?, ?)", rows)
        connection.commit()
    return f"sqlite:///{Path('orders.db').absolute()}"


def queried(url: str, query: str) -> tuple[pd.Series | pd.DataFrame, Audit]:
    source = {"source": {"url": url, "query": query}, "time": "at", "value": {"sum": "n"}}
    with OrderTable.load(SalesSettings.model_validate(source), "UTC") as orders:
        return orders.sales(), orders.audit()


def test_a_database_is_a_source_like_any_other(database: str) -> None:
    sales, audit = queried(database, "SELECT * FROM o WHERE at LIKE '2026%'")
    np.testing.assert_array_equal(sales, [1.0, np.nan, 3.0])
    assert (audit.source, audit.rows, audit.failures) == ("database", 3, {"readable_value": 1})


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("SELECT * FROM o WHERE 1 = 0", "expected rows of orders, got an empty source", id="no row"),
        pytest.param("SELECT * FROM nowhere", "database: the query failed: .*nowhere", id="no table"),
        pytest.param("SELEC", "database: the query failed", id="no SQL"),
    ],
)
def test_a_query_that_gives_nothing_is_a_data_error(database: str, query: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        queried(database, query)


@pytest.mark.parametrize("url", ["nosuch://me:secret@db/x", "me:secret at db"], ids=["no dialect", "no URL"])
def test_a_wrong_url_is_a_configuration_error_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"sales\.source\.url: ") as caught:
        queried(url, "SELECT 1")
    assert "secret" not in str(caught.value)
    assert hide_password("no driver for x://me:secret@db; secret", "x://me:secret@db") == "no driver for ***; ***"


@pytest.mark.parametrize(
    ("url", "server", "limit"),
    [
        ("postgresql://", {}, "SET statement_timeout = 90000"),
        ("mysql://", {}, "SET SESSION max_execution_time = 90000"),
        ("mysql://", {"is_mariadb": True}, "SET SESSION max_statement_time = 90.0"),
        ("sqlite://", {}, None),
    ],
    ids=["PostgreSQL", "MySQL", "MariaDB behind a URL of MySQL", "SQLite"],
)
def test_each_database_is_told_how_long_a_statement_may_take(
    url: str, server: dict[str, bool], limit: str | None
) -> None:
    from sqlalchemy import make_url  # heavy, and every process that collects tests would pay for it

    dialect = make_url(url).get_dialect()()
    for name, value in server.items():  # what the dialect learns from the server once it is connected
        setattr(dialect, name, value)
    assert time_limit(dialect, timedelta(seconds=90)) == limit


def test_a_wrong_key_or_zone_of_the_library_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="step: expected a duration such as 90s"):
        read_sales("a.csv", time="at", step="soon")
    with pytest.raises(ConfigError, match=r"IANA time zone .*, got 'Mars/Olympus'"):
        read_sales("a.csv", time="at", timezone="Mars/Olympus")


def shards(folder: str) -> None:
    for number, day in enumerate(("05", "06"), start=1):
        Path(folder, f"day={number}").mkdir(parents=True)
        rows = f"SELECT TIMESTAMP '2026-01-{day}' + INTERVAL (i) HOUR AS at, i AS n FROM range(24) t(i)"
        parquet(f"{folder}/day={number}/part.parquet", rows)


def test_a_directory_is_all_its_files() -> None:
    shards("lake")
    written("lake/_SUCCESS", "")
    sales = read_sales("lake", time="at", value={"sum": "n"})
    np.testing.assert_array_equal(sales, [*range(24), *range(24)])
    Path("csv").mkdir()
    written("csv/a.csv", TEXT)
    written("csv/b.csv", TEXT.replace("01-05", "01-06"))
    assert audit_sales("csv", time="at", value={"sum": "n"}).rows == 6


@pytest.mark.parametrize(
    ("names", "words"),
    [
        pytest.param([], "expected a directory with files of one kind, got none among 0 files", id="empty"),
        pytest.param(["a.csv", "b.parquet"], r"got \.csv and \.parquet; give a glob", id="of two kinds"),
        pytest.param(["notes.md"], "got none among 1 files", id="of no known kind"),
    ],
)
def test_a_directory_of_anything_else_is_refused(names: list[str], words: str) -> None:
    Path("mixed").mkdir()
    for name in names:
        written(f"mixed/{name}", "x")
    with pytest.raises(DataError, match=words):
        read_sales("mixed", time="at")


def test_parquet_is_counted_where_it_lies() -> None:
    shards("lake")
    chosen = SalesSettings.model_validate({"source": "lake", "time": "at"})
    with OrderTable.load(chosen, "UTC") as table:
        kinds = dict(table.database.execute("SELECT table_name, table_type FROM information_schema.tables").fetchall())
    assert (kinds["orders"], kinds["counted"]) == ("VIEW", "BASE TABLE")


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.99], ids=lambda share: f"to {share:.0%}")
def test_one_file_of_many_cut_short_is_named(cut: float) -> None:
    shards("lake")
    file = Path("lake/day=2/part.parquet")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * cut)])
    with pytest.raises(
        DataError, match=r"lake: cannot be read (as Parquet|to its end): .*day=2/part.parquet"
    ) as caught:
        read_sales("lake", time="at", value={"sum": "n"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_column_renamed_overnight_is_named(suffix: str) -> None:
    for day, name in (("05", "at"), ("06", "ordered_at")):
        rows = f"SELECT TIMESTAMP '2026-01-{day}' + INTERVAL (i) HOUR AS {name}, i AS n FROM range(24) t(i)"
        duckdb.sql(f"COPY ({rows}) TO 'orders-{day}.{suffix}'")
    with pytest.raises(DataError, match=r"orders-\*: |orders-\*\.") as caught:
        read_sales(f"orders-*.{suffix}", time="at", value={"sum": "n"})
    assert "06" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("form", "scale"), [("epoch", 1), ("epoch_ms", 1000)])
@pytest.mark.parametrize("kind", ["BIGINT", "DOUBLE", "VARCHAR"])
def test_seconds_and_milliseconds_since_1970_are_utc(form: str, scale: int, kind: str) -> None:
    first = int(pd.Timestamp("2026-10-25T00:00Z").timestamp())
    rows = f"SELECT CAST(({first} + 3600 * i) * {scale} AS {kind}) AS at, i AS n FROM range(3) t(i)"
    path = parquet("e.parquet", f"{rows} UNION ALL SELECT CAST({10**18} AS {kind}), 9")
    chosen: dict[str, Any] = {"time": "at", "time_format": form, "timezone": "Europe/London", "value": {"sum": "n"}}
    sales = read_sales(path, **chosen)
    assert sales.index[0] == pd.Timestamp("2026-10-25T00:00Z")
    np.testing.assert_array_equal(sales, [0.0, 1.0, 2.0])
    assert audit_sales(path, **chosen).failures == {"readable_time": 1}


def test_text_that_says_its_offset_is_not_read_on_the_business_clock() -> None:
    times = ["2026-07-01 12:00:00+02:00", "2026-07-01T11:00:00Z", "2026-07-01 12:30:00", "soon"]
    sales = read_sales(written("a.csv", "at\n" + "\n".join(times)), time="at", timezone="Europe/London")
    assert sales.index[0] == pd.Timestamp("2026-07-01T10:00Z")
    np.testing.assert_array_equal(sales, [1.0])


def test_late_rows_land_in_their_step_and_steps_they_may_reach_are_left_out() -> None:
    early = "".join(f"2026-01-05 {hour:02}:30:00,1\n" for hour in range(10))
    path = written("late.csv", "at,n\n" + early + "2026-01-05 07:45:00,5\n")
    every: dict[str, Any] = {"time": "at", "value": {"sum": "n"}}
    assert read_sales(path, **every).tolist() == [1.0] * 7 + [6.0, 1.0]
    assert read_sales(path, late="2h", **every).tolist() == [1.0] * 7
    with pytest.raises(DataError, match="at least one whole step"):
        read_sales(path, late="1d", **every)


def test_rows_that_do_not_fit_in_memory_spill_to_disk() -> None:
    rows = "SELECT TIMESTAMP '2026-01-05' + INTERVAL (i) SECOND AS at, hash(i) AS id, 'x' || hash(i) AS note"
    duckdb.sql(f"COPY ({rows} FROM range(1_000_000) t(i)) TO 'large.csv'")
    assert Path("large.csv").stat().st_size > 50e6
    chosen: dict[str, Any] = {"time": "at", "value": {"count_distinct": "id"}, "memory_limit": "150Mi"}
    assert read_sales("large.csv", **chosen).sum() == 277 * 3600
    assert list(Path().iterdir()) == [Path("large.csv")], "nothing is left behind"


@pytest.mark.parametrize("url", ["s3://me:s3cret@bucket/orders/*.parquet", "s3://bucket/o.csv"])
def test_an_object_store_without_its_extension_says_how_to_get_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path("nobody").absolute()))  # where DuckDB keeps its extensions
    with pytest.raises(ConfigError, match=r"sales\.source: s3:// needs DuckDB's extension httpfs, .*INSTALL httpfs"):
        read_sales(url, time="at")


@pytest.mark.parametrize("source", ["postgresql://me:s3cret@db/x", "s3cret://me:s3cret@x/*.parquet"])
def test_a_url_where_a_file_is_expected_is_not_printed(source: str) -> None:
    with pytest.raises(DataError) as caught:
        read_sales(source, time="at")
    assert "me:s3cret" not in str(caught.value)


MAIL = "jane.canary@example.org"
PEOPLE = [f"2026-01-05 {n // 60:02}:{n % 60:02}:00,{n},o{n},{MAIL},{'ab'[n % 2]}" for n in range(400)]


def held(table: OrderTable) -> str:
    """All that is held of the rows, as text."""
    found = table.database.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    return str(
        [table.database.execute(f'SELECT CAST(COLUMNS(*) AS VARCHAR) FROM "{name}"').fetchall() for (name,) in found]
    )


@pytest.mark.parametrize("kind", ["csv", "parquet", "DataFrame"])
@pytest.mark.parametrize("rows", ["seen", "whole"])
def test_only_columns_that_are_needed_are_kept_of_a_file(kind: str, rows: str) -> None:
    broken = [*PEOPLE, f"2026-01-05,{MAIL},1,2,3,4,5,6,7"]
    written("people.csv", "\n".join(["at,n,order_id,Mail Address,shop", *(broken if kind == "csv" else PEOPLE)]))
    source = "people.csv"
    if kind == "parquet":
        source = str(parquet("people.parquet", "SELECT * FROM 'people.csv'"))
    rules = [{"name": "rule", "check": "shop != 'Mail Address' AND n >= 0"}]
    keys = {"source": source, "time": "at", "value": {"sum": "n"}, "rules": rules, "quarantine": {"rows": rows}}
    frame = pd.read_csv("people.csv") if kind == "DataFrame" else None
    with OrderTable.load(SalesSettings.model_validate(keys), "UTC", held=frame) as table:
        audit, kept = table.audit(), {name for name, *_ in table.database.execute("DESCRIBE orders").fetchall()}
        assert (MAIL in held(table)) == (rows == "whole" and kind != "parquet")
    assert audit.passed == 400
    assert list(audit.columns) == ["at", "n", "order_id", "Mail Address", "shop"]
    assert audit.columns["Mail Address"] == ("text" if rows == "whole" else "unread")
    wanted = {"source_row", "at", "n", "shop", "capacity_hash", "capacity_hash of order_id"}
    assert kept == (wanted if rows == "seen" else {"source_row", *audit.columns, "capacity_hash"})


@pytest.mark.parametrize(
    ("rule", "read"),
    [
        ({"check": "n > 0"}, set()),
        ({"check": "lower(\"MAIL address\") != 'shop'"}, {"Mail Address"}),
        ({"check": "SHOP = 'a'"}, {"shop"}),
        ({"check": "n > 0", "repair": "order_id = upper(shop)"}, {"order_id", "shop"}),
        ({"check": "COLUMNS(*) IS NOT NULL"}, {"order_id", "Mail Address", "shop"}),
        ({"check": "n IN (SELECT max(n) FROM orders)"}, {"order_id", "Mail Address", "shop"}),
        ({"not_null": ["shop", "order_id"]}, {"shop", "order_id"}),
        ({"regex": {"column": "Mail Address", "pattern": ".*"}}, {"Mail Address"}),
    ],
)
def test_a_rule_reads_the_columns_that_it_names(rule: dict[str, Any], read: set[str]) -> None:
    keys = {"source": "a.csv", "time": "at", "value": {"sum": "n"}, "rules": [{"name": "rule", **rule}]}
    columns = ("at", "n", "order_id", "Mail Address", "shop")
    assert set(kept_columns(SalesSettings.model_validate(keys), columns).read) == {"at", "n", *read}


def test_rows_are_told_apart_by_columns_that_are_not_kept() -> None:
    rows = [line.replace(MAIL, f"{place}@example.org") for place, line in enumerate(PEOPLE)]
    overlap = rows[120:300]
    other = [line.replace("@", "@mail.") for line in overlap]
    found = {}
    for name, more in (("twice", overlap), ("once", [line.replace(",o", ",p") for line in other]), ("changed", other)):
        written("people.csv", "\n".join(["at,n,order_id,mail,shop", *rows, *more]))
        audit = audit_sales("people.csv", time="at", value="n")
        found[name] = [finding.message for finding in audit.findings if finding.rule == "repeated_rows"]
    assert "180 rows equal another in every column" in found["twice"][0]
    assert not found["once"]
    assert "have the time and the order_id of another" in found["changed"][0]


@pytest.mark.parametrize(
    ("again", "said"),
    [
        pytest.param([], None, id="each row once"),
        pytest.param(slice(0, None, 15), "27 of 427 rows equal another in every column", id="some rows again"),
        pytest.param(slice(0, None, 40), None, id="too few to matter"),
        pytest.param("other mail", None, id="other lines of some orders"),
        pytest.param("all shops", "the order_id and the n of another, in every step", id="a total of all shops"),
    ],
)  # fmt: skip
def test_single_rows_and_orders_that_come_again(again: Any, said: str | None) -> None:
    rows = [line.replace(MAIL, f"{place}@example.org") for place, line in enumerate(PEOPLE)]
    more = rows[again] if isinstance(again, slice) else []
    more += [line.replace("@", "@mail.") for line in rows[::15]] if again == "other mail" else []
    more += [f"{line.rpartition(',')[0]},all" for line in rows] if again == "all shops" else []
    written("people.csv", "\n".join(["at,n,order_id,mail,shop", *rows, *more]))
    audit = audit_sales("people.csv", time="at", value="n")
    found = [finding.message for finding in audit.findings if finding.rule == "repeated_rows"]
    assert (said in found[0]) if said else not found


def archive(*names: str) -> bytes:
    with io.BytesIO() as out:
        with zipfile.ZipFile(out, "w") as packed:
            for name in names:
                packed.writestr(name, TEXT)
        return out.getvalue()


WIDE = "".join(f"{line},\n" for line in LINES[1:])
NEW_FORMATS = {
    "an archive of one file": ("a.zip", archive("orders/a.csv", "__MACOSX/._a.csv")),
    "gzip that its name does not tell": ("a.csv", gzip.compress(TEXT.encode(), mtime=0)),
    "a name of gzip that is none": ("a.csv.gz", TEXT.encode()),
    "zero bytes at its end, as after a crash": ("a.csv", TEXT.encode() + bytes(4096)),
    "two carriage returns": ("a.csv", TEXT.replace("\n", "\r\r\n").encode()),
    "carets": ("a.csv", TEXT.replace(",", "^").encode()),
    "the separator of Hive": ("a.csv", TEXT.replace(",", "\x01").encode()),
    "a name over two lines": ("a.csv", f'at,n,"net\n(EUR)"\n{WIDE}'.encode()),
    "separators of lines in values": ("a.csv", f"at,n,no\x85te\u2028\n{WIDE}".encode()),
}


@pytest.mark.parametrize(("name", "content"), NEW_FORMATS.values(), ids=NEW_FORMATS)
def test_a_text_file_is_read_however_it_is_packed(name: str, content: bytes) -> None:
    sales = read_sales(written(name, content), time="at", value={"sum": "n"})
    np.testing.assert_array_equal(sales, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.zip", archive("a.csv", "b.csv"), "an archive of one file, got 2 files"),
        (
            "a.csv.gz",
            gzip.compress(TEXT.encode(), mtime=0)[:-9],
            "a whole compressed file, got one that is cut off; copy it again",
        ),
        ("a.csv", TEXT.replace("2", "2\x00").encode(), "expected text, got zero bytes within it"),
        ("a.csv", bytes(300), "got an empty source: is the export complete?"),
        ("a.csv.xz", b"\xfd7zXZ\x00abc", "got xz; unpack it"),
        ("a.db", b"SQLite format 3\x00" + bytes(90), "got an SQLite database; give {url: sqlite:///"),
        ("a.csv", b"PAR1\x15\x04", "got Parquet; give the file a name that ends with .parquet"),
        ("a.duckdb", bytes(8) + b"DUCK" + bytes(90), "got a DuckDB database; copy the table to Parquet"),
        ("a.csv", b"\xef\xbb\xbf<!DOCTYPE html><p>Bad gateway", "got HTML or XML, as error pages are"),
        ("a.csv", b"%PDF-1.4", "got PDF; export it as CSV"),
        ("a.csv", TEXT.replace("at,n", "at,n,n").encode(), "each column once, got 'n' twice"),
        ("a.csv", "\n".join(f"{line}%" for line in LINES).replace("at,n%", "at,n").encode(), "for example '1%' in 'n'"),
    ],
)
def test_what_is_refused_is_named(name: str, content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        read_sales(written(name, content), time="at", value={"sum": "n"})


@pytest.mark.parametrize("written_as", ["1.234,--", "CHF 1'234.-", '"=""1234"""', "1.234,—"])
def test_amounts_of_shops_and_spreadsheets(written_as: str) -> None:
    lines = "\n".join(f"{line[:19]};{written_as}" for line in LINES[1:])
    assert read_sales(written("a.csv", f"at;n\n{lines}\n"), time="at", value="n").sum() == 3 * 1234


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_an_infinite_time_is_no_time(kind: str) -> None:
    rows = f"CAST(CASE WHEN i = 5 THEN 'infinity' ELSE '2026-01-05 00:00:00' END AS {kind}) + INTERVAL (i) HOUR"
    path = parquet("a.parquet", f"SELECT {rows} AS at, 1 AS n FROM range(9) t(i)")
    assert audit_sales(path, time="at", value="n").failures["readable_time"] == 1
