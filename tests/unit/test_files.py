"""How files are written: encodings, delimiters, titles, totals, numbers of many countries; types from all rows."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from capacity.model import ConfigError, DataError
from capacity.model.settings import SalesSettings
from capacity.quality import Audit
from capacity.sources import OrderTable, audit_sales, read_sales, read_usage

ROWS = "".join(f"Jörg;2026-01-05 0{hour}:00:00;{hour + 1}\n" for hour in range(4))
TEXT = "name;at;n\n" + ROWS
FILES: dict[str, bytes] = {
    "latin-1": TEXT.encode("latin-1"),
    "latin-1 far down": (b"name;at;n\n" + b"Bob;2026-01-04 23:00:00;0\n" * 20_000 + ROWS.encode("latin-1")),
    "utf-8 with a mark": TEXT.encode("utf-8-sig"),
    "utf-16": TEXT.encode("utf-16"),
    "utf-16 without a mark": TEXT.encode("utf-16-le"),
    "utf-16, gzipped": gzip.compress(TEXT.encode("utf-16")),
    "sep=;": ("sep=;\r\n" + TEXT).encode(),
    "title lines": ("Orders, report\nGenerated 2026-05-01\n\n" + TEXT).encode(),
    "mixed line ends": ("name;at;n\r\n" + ROWS).encode(),
    "old Mac line ends": TEXT.replace("\n", "\r").encode(),
    "a line of totals": (TEXT + "Total;;10\n").encode(),
    "a short line of totals": (TEXT + "Summe: 10\n").encode(),
    "a delimiter at each end": ("name;at;n\n" + ROWS.replace("\n", ";\n")).encode(),
    "single quotes": TEXT.replace("Jörg", "'Jörg; jun.'").replace("name", "'name'").encode(),
    "blanks around names": TEXT.replace("name;at;n", "name ; at ; n").encode(),
    "tabs": TEXT.replace(";", "\t").encode(),
}


def written(content: bytes, name: str = "a.csv") -> str:
    Path(name).write_bytes(content)
    return name


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_file_is_read_however_it_is_written(content: bytes) -> None:
    audit = audit_sales(written(content), time="at", value={"sum": "n"})
    assert audit.passed == audit.rows, audit.failures
    np.testing.assert_array_equal(read_sales("a.csv", time="at", value={"sum": "n"}).iloc[-4:], [1, 2, 3, 4])


def test_the_audit_reports_what_was_taken() -> None:
    audit = audit_sales(written(("Report\n" + TEXT).encode("utf-16")), time="at", value={"sum": "n"})
    assert "encoding utf-16, delimiter ';', 1 lines before the header" in audit.read


def test_what_is_given_is_not_detected() -> None:
    path = written(b"# at;n\nat;n\n2026-01-05 00:00:00;1,5\n")
    keys: dict[str, Any] = {"time": "at", "value": {"sum": "n"}, "step": "1h"}
    read = {"encoding": "latin-1", "delimiter": ";", "skip": 1, "quote": '"', "decimal": ","}
    assert audit_sales(path, read=read, **keys).passed == 1
    with pytest.raises(ConfigError, match=r"read.encoding: a.csv is not klingon"):
        audit_sales(path, read={"encoding": "klingon"}, **keys)


def test_a_name_that_begins_with_a_hash_is_no_comment() -> None:
    path = written(b"Name,at\n#1001,2026-01-05 00:00:00\n#1002,2026-01-05 00:00:00\n")
    assert audit_sales(path, time="at").passed == 2


NUMBERS: dict[str, tuple[list[str], list[float]]] = {
    "German": (["1.234,50", "999", "12,5"], [1234.5, 999.0, 12.5]),
    "English": (["1,234.50", "7"], [1234.5, 7.0]),
    "Swiss": (["1'234.50", "1’000"], [1234.5, 1000.0]),
    "Indian": (["1,23,456.50", "5"], [123456.5, 5.0]),
    "French": (["1\u202f234,50", "2,5"], [1234.5, 2.5]),
    "currencies": (["€ 1.234,50", "3,00 EUR"], [1234.5, 3.0]),
    "reais": (["R$ 1.234,50", "3,00"], [1234.5, 3.0]),
    "dollars of Australia": (["A$1,234.50", "A$3.00"], [1234.5, 3.0]),
    "won": (["₩1,234,567", "₩30"], [1234567.0, 30.0]),
    "forints": (["1 234,50 Ft", "3,00 Ft"], [1234.5, 3.0]),
    "dollars": (["$1,234.50", "USD 7.25"], [1234.5, 7.25]),
    "millions with dots": (["1.234.567", "5"], [1234567.0, 5.0]),
    "kilograms": (["0.250", "1.234"], [0.25, 1.234]),
}


@pytest.mark.parametrize(("texts", "values"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_read_as_their_country_writes_them(texts: list[str], values: list[float]) -> None:
    lines = "".join(f'2026-01-05 0{hour}:00:00;"{text}"\n' for hour, text in enumerate(texts))
    path = written(("at;n\n" + lines).encode())
    np.testing.assert_allclose(read_sales(path, time="at", value={"sum": "n"}), values)
    assert audit_sales(path, time="at", value={"sum": "n"}).verdict == "ok"


@pytest.mark.parametrize(("decimal", "total"), [(",", 2233.0), (".", 1000.234)])
def test_three_digits_behind_every_point_are_refused_until_the_sign_is_given(decimal: str, total: float) -> None:
    path = written(b"at;n\n2026-01-05 00:00:00;1.234\n2026-01-05 01:00:00;999\n")
    keys: dict[str, Any] = {"time": "at", "value": {"sum": "n"}}
    audit = audit_sales(path, **keys)
    assert audit.verdict == "refuse"
    assert "thousands or parts?" in audit.findings[0].message
    assert read_sales(path, read={"decimal": decimal}, **keys).sum() == pytest.approx(total)
    assert audit_sales(path, read={"decimal": decimal}, **keys).verdict == "ok"


def test_points_and_commas_in_one_column_are_refused() -> None:
    path = written(b"at;n\n2026-01-05 00:00:00;1.234,50\n2026-01-05 01:00:00;1,234.50\n")
    audit = audit_sales(path, time="at", value={"sum": "n"})
    assert audit.verdict == "refuse"
    assert "expected one way to write numbers" in audit.findings[0].message


HOUR = "TIMESTAMP '2024-01-01' + i * INTERVAL 1 HOUR"


def partitions(first: str, second: str) -> str:
    Path("p").mkdir()
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        for name, columns, rows in (("a", first, "0, 336"), ("b", second, "336, 672")):
            database.execute(f"COPY (SELECT {columns} FROM range({rows}) t(i)) TO 'p/{name}.parquet' (FORMAT parquet)")
    return "p/*.parquet"


@pytest.mark.parametrize(
    ("one", "two", "total"),
    [
        pytest.param("2::BIGINT", "2.4::DOUBLE", 1478.4, id="whole amounts, then cents"),
        pytest.param("2::DECIMAL(10,0)", "2.4::DECIMAL(10,2)", 1478.4, id="decimals of two scales"),
        pytest.param("NULL::INT", "2.4::DOUBLE", 806.4, id="a day without amounts"),
        pytest.param("2::BIGINT", "'2.4'", 1478.4, id="numbers, then text"),
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned"])
def test_partitions_have_the_type_that_holds_all_values(one: str, two: str, total: float, turned: bool) -> None:
    columns = [f"{HOUR} AS at, {value} AS n" for value in (one, two)]
    source = partitions(*(columns[::-1] if turned else columns))
    assert read_sales(source, time="at", value={"sum": "n"}).sum() == pytest.approx(total)


@pytest.mark.parametrize("turned", [False, True], ids=["naive first", "zoned first"])
def test_partitions_with_and_without_a_zone_are_told_apart(turned: bool) -> None:
    columns = [f"{HOUR} AS at", f"timezone('America/New_York', {HOUR}) AS at"]
    audit = audit_sales(partitions(*(columns[::-1] if turned else columns)), time="at", timezone="America/New_York")
    assert audit.last == datetime(2024, 1, 29, 4, tzinfo=UTC)


@pytest.mark.parametrize("ids", ["{:022d}", "{}.0", "A{}"], ids=["22 digits", "floats", "text"])
def test_identifiers_stay_text(ids: str) -> None:
    rows = "".join(f"{ids.format(2**53 + n)},2026-01-05 00:{n % 60:02}:00\n" for n in range(600))
    path = written(("id,at\n" + rows + "last,2026-01-05 01:00:00\n").encode())
    assert read_sales(path, time="at", value={"count_distinct": "id"}).iloc[0] == 600


def test_identifiers_that_a_spreadsheet_rounded_are_refused() -> None:
    rows = "".join(f"{4.5e12 + n:.2E},2026-01-05 00:{n % 60:02}:00\n" for n in range(600))
    audit = audit_sales(written(("id,at\n" + rows).encode()), time="at", value={"count_distinct": "id"})
    assert (audit.verdict, audit.findings[0].rule) == ("refuse", "rounded_ids")
    source = partitions(f"{HOUR} AS at, (2^53 + i)::DOUBLE AS id", f"{HOUR} AS at, (2^53 + i)::DOUBLE AS id")
    assert audit_sales(source, time="at", value={"count_distinct": "id"}).verdict == "refuse"


def test_usage_after_an_idle_workload_is_not_rounded() -> None:
    times = [1767571200 + 300 * number for number in range(23_000)]
    idle, web = ("".join(f"{at},{name},{cpu}\n" for at in times) for name, cpu in (("batch", "0"), ("web", "0.35")))
    written(("at,who,cpu\n" + idle + web).encode())
    tables = read_usage("a.csv", time="at", cpu="cpu", workload="who")
    assert isinstance(tables, dict)
    assert tables["web"]["cpu"].max() == 0.35


def test_usage_in_quantities_of_kubernetes() -> None:
    written(b"at,cpu,mem\n2026-01-05 00:00:00,250m,512Mi\n2026-01-05 01:00:00,1.5,2Gi\n")
    table = read_usage("a.csv", time="at", cpu="cpu", memory="mem")
    assert isinstance(table, pd.DataFrame)
    assert table["cpu"].tolist() == [0.25, 1.5]
    assert table["memory"].tolist() == [512 * 2**20, 2 * 2**30]


def shop(*more: str) -> Audit:
    moments = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=5 * number) for number in range(4000)]
    rows = "".join(f"A{number},{at:%Y-%m-%d %H:%M:%S}\n" for number, at in enumerate(moments))
    written(("order,at\n" + rows + "".join(f"X,{time}\n" for time in more)).encode())
    return audit_sales("a.csv", time="at")


@pytest.mark.parametrize(
    "time",
    ["2031-01-01 10:00:00", "2024-02-11 10:00:00", "1970-01-01 00:00:00", "2038-01-19 03:14:07", "9999-12-31 23:59:59"],
)
def test_one_row_far_from_the_others_decides_nothing(time: str) -> None:
    audit = shop(time)
    assert (audit.passed, audit.failures) == (4000, {"plausible_time": 1})
    assert audit.last == datetime(2024, 1, 14, 21, 15, tzinfo=UTC)
    assert any(time[:10] in note for note in audit.notes)
    assert read_sales("a.csv", time="at").index[-1] == pd.Timestamp("2024-01-14T20:00Z")
    with OrderTable.load(SalesSettings.model_validate({"source": "a.csv", "time": "at"}), "UTC") as table:
        assert table.write_quarantine(Path("bad.parquet")) == 1


def test_rows_ahead_of_the_clock_leave_freshness_alone() -> None:
    shop("2024-01-15 18:00:00")
    now = datetime(2024, 1, 15, tzinfo=UTC)
    with OrderTable.load(SalesSettings.model_validate({"source": "a.csv", "time": "at"}), "UTC", now) as table:
        audit = table.audit()
    assert audit.failures == {}, "less than a day ahead"
    assert audit.age(now) == timedelta(hours=2, minutes=45)
    assert [finding.rule for finding in audit.at(now + timedelta(days=4)).findings] == ["freshness"]


def test_a_shop_that_opens_again_after_years_keeps_both_parts() -> None:
    days = [*pd.date_range("2019-01-01", periods=300), *pd.date_range("2022-01-01", periods=200)]
    path = written(("at\n" + "".join(f"{day:%Y-%m-%d}\n" for day in days)).encode())
    assert audit_sales(path, time="at", step="1d").passed == 500


def test_overlapping_exports_are_a_finding() -> None:
    rows = [f"A{n},{datetime(2024, 1, 1) + timedelta(minutes=7 * n)}\n" for n in range(3000)]  # noqa: DTZ001
    for name, part in (("a", rows[:2000]), ("b", rows[1000:])):
        written(("order,at\n" + "".join(part)).encode(), f"m-{name}.csv")
    audit = audit_sales("m-*.csv", time="at")
    assert [finding.rule for finding in audit.findings] == ["repeated_rows"]
    assert audit.findings[0].message.startswith("995 rows equal another"), "but for the hours that are not whole"
    once = {"rules": [{"name": "once", "unique": "order"}], "quality": {"refuse_below": 0}}
    assert not audit_sales("m-*.csv", time="at", **once).findings


def test_overlapping_exports_whose_rows_changed_in_between_are_a_finding() -> None:
    moments = [f"{datetime(2024, 1, 1) + timedelta(minutes=7 * n)}" for n in range(3000)]  # noqa: DTZ001
    for name, part, status in (("a", range(2000), "pending"), ("b", range(1000, 3000), "paid")):
        rows = "".join(f"A{n},{moments[n]},{status},{n % 90}\n" for n in part)
        written(f"order_id,at,status,total\n{rows}".encode(), f"m-{name}.csv")
    for value in ({"rows": True}, {"sum": "total"}):
        (finding,) = audit_sales("m-*.csv", time="at", value=value).findings
        assert finding.message.startswith("995 rows have the time and the order_id of another")
        assert "`value: {count_distinct: order_id}`" in finding.message
    assert not audit_sales("m-*.csv", time="at", value={"count_distinct": "order_id"}).findings
    latest = {"name": "latest", "check": "source_row = max(source_row) OVER (PARTITION BY order_id)"}
    assert audit_sales("m-*.csv", time="at", select=[latest]).passed == 3000


@pytest.mark.parametrize(
    ("name", "per_row"),
    [
        pytest.param("order_id", lambda n: (n // 2, n // 2), id="two lines an order"),
        pytest.param("product", lambda n: (n % 50, n), id="a column that is no number of an order"),
        pytest.param("order_id", lambda n: (n % 40, n // 3), id="numbers that come again"),
        pytest.param("order_id", lambda n: (n // (1 + n // 20 % 2), n // 2), id="orders of one line and of two"),
    ],
)
def test_lines_that_share_a_time_are_no_overlap(name: str, per_row: Callable[[int], tuple[int, int]]) -> None:
    begin = datetime(2024, 1, 1)  # noqa: DTZ001
    told = [per_row(n) for n in range(3000)]
    rows = "".join(f"A{number},{begin + timedelta(minutes=7 * at)},{n}\n" for n, (number, at) in enumerate(told))
    assert not audit_sales(written(f"{name},at,line\n{rows}".encode()), time="at").findings


@pytest.mark.parametrize(
    ("name", "head", "message"),
    [
        ("a.xlsx", b"PK\x03\x04", "a.xlsx: expected CSV or Parquet, got a workbook"),
        ("a.json", b"[{}", "a.json: cannot be read as JSON: .*Malformed JSON"),
    ],
)
def test_files_of_other_kinds_are_refused_with_what_to_do(name: str, head: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        audit_sales(written(head + b"xx\n", name), time="at")


def test_rows_that_are_equal_by_chance_are_no_overlap() -> None:
    sales = np.random.default_rng(1).integers(0, 40, 5000)
    rows = "".join(f"{'abc'[n % 3]},2024-01-{1 + n // 500:02} {hour % 24:02}:00:00\n" for n, hour in enumerate(sales))
    assert not audit_sales(written(("sku,at\n" + rows).encode()), time="at").findings


def test_what_is_missing_in_one_of_many_files_is_named() -> None:
    written(b"at,n\n2026-01-05 00:00:00,1\n", "m-1.csv")
    written(b"when,n\n2026-01-05 00:00:00,1\n", "m-2.csv")
    with pytest.raises(DataError, match=r"no column 'at' \(sales.time\) in m-2.csv; its columns: when, n"):
        read_sales("m-*.csv", time="at")
