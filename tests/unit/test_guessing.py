"""A file that nobody has described: which column is the time, how orders are counted, how long a step is."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from capacity.model import DataError
from capacity.quality.column_roles import Rhythm
from capacity.sources.guessing import Given, guess_sales
from capacity.sources.orders import audit_sales, read_sales

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
HOURS = pd.date_range("2025-09-01", periods=24 * 14, freq="h")
DAYS = pd.date_range("2025-01-01", periods=90, freq="D")
RANDOM = np.random.default_rng(5)
MOMENTS = pd.DatetimeIndex(np.sort(HOURS[0] + pd.to_timedelta(RANDOM.integers(0, 14 * 86_400, 250), "s")))
NUMBERS = np.arange(len(MOMENTS)) + 1000


def twice(values: object) -> np.ndarray:
    """Every order has two lines."""
    return np.repeat(np.asarray(values), 2)


EXPORTS = {
    "shopify": (
        {
            "Name": twice([f"#{n}" for n in NUMBERS]),
            "Financial Status": twice(RANDOM.choice(["paid", "refunded"], len(MOMENTS))),
            "Paid at": twice((MOMENTS + HOUR).strftime("%Y-%m-%d %H:%M:%S -0500")),
            "Created at": twice(MOMENTS.strftime("%Y-%m-%d %H:%M:%S -0500")),
            "Lineitem quantity": 1,
            "Total": twice(RANDOM.uniform(5, 99, len(MOMENTS)).round(2)),
        },
        ("Created at", "distinct:Name", HOUR),
    ),
    "sales of stores, each row with its id": (
        {
            "id": range(90),
            "date": np.repeat(pd.date_range("2026-01-01", periods=30).strftime("%Y-%m-%d"), 3),
            "store_nbr": [1, 2, 3] * 30,
            "sales": RANDOM.uniform(5, 99, 90).round(3),
        },
        ("date", "sales", DAY),
    ),
    "woocommerce": (
        {
            "Order Number": NUMBERS,
            "Order Status": "Completed",
            "Order Date": MOMENTS.strftime("%Y-%m-%d %H:%M"),
            "Order Total Amount": 9.5,
        },
        ("Order Date", "rows", HOUR),
    ),
    "stripe": (
        {
            "id": [f"ch_{n:x}" for n in NUMBERS],
            "Created date (UTC)": MOMENTS.strftime("%Y-%m-%d %H:%M:%S"),
            "Amount": RANDOM.uniform(5, 99, len(MOMENTS)).round(2),
            "Customer ID": "cus_1",
        },
        ("Created date (UTC)", "rows", HOUR),
    ),
    "daily totals": (
        {
            "Day": DAYS.strftime("%Y-%m-%d"),
            "Orders": RANDOM.poisson(50, len(DAYS)),
            "Gross sales": RANDOM.uniform(1, 9, len(DAYS)),
        },
        ("Day", "Orders", DAY),
    ),
    "hourly totals": (
        {"hour": HOURS.strftime("%Y-%m-%d %H:00"), "count": RANDOM.poisson(9, len(HOURS))},
        ("hour", "count", HOUR),
    ),
    "weekly totals": (
        {"Week": DAYS[::7].strftime("%Y-%m-%d"), "Searches": RANDOM.poisson(9, len(DAYS[::7]))},
        ("Week", "Searches", WEEK),
    ),
    "epoch": (
        {"ts": MOMENTS.as_unit("ms").asi8, "amount_cents": RANDOM.integers(100, 999, len(MOMENTS))},
        ("ts", "rows", HOUR),
    ),
    "order lines by day": (
        {
            "SalesOrderNumber": twice([f"SO{n}" for n in NUMBERS]),
            "OrderDate": twice(MOMENTS.strftime("%d-%b-%Y")),
            "OrderQuantity": twice(RANDOM.integers(1, 5, len(MOMENTS))),
        },
        ("OrderDate", "distinct:SalesOrderNumber", DAY),
    ),
    "american clock": (
        {"Order Date": MOMENTS.strftime("%m/%d/%Y %I:%M %p"), "Customer": "A", "Qty": 1, "Total": "$12.50"},
        ("Order Date", "rows", HOUR),
    ),
    "spreadsheet serial": (
        {"Date": (MOMENTS - pd.Timestamp("1899-12-30")) / pd.Timedelta("1D"), "Qty": 1},
        ("Date", "rows", HOUR),
    ),
    "digits": (
        {
            "sls_ord_num": twice(NUMBERS),
            "sls_order_dt": twice(MOMENTS.strftime("%Y%m%d")),
            "sls_ship_dt": twice((MOMENTS + WEEK).strftime("%Y%m%d")),
        },
        ("sls_order_dt", "distinct:sls_ord_num", DAY),
    ),
    "taxi": (
        {
            "VendorID": 1,
            "tpep_dropoff_datetime": MOMENTS + pd.Timedelta("9min"),
            "tpep_pickup_datetime": MOMENTS,
            "passenger_count": RANDOM.integers(1, 4, len(MOMENTS)),
        },
        ("tpep_pickup_datetime", "rows", HOUR),
    ),
    "orders that follow each other by the minute": (
        {
            "Nummer": np.arange(20 * len(HOURS)),
            "Bestellt am": (np.repeat(HOURS, 20) + pd.to_timedelta(np.tile(np.arange(20), len(HOURS)), "min")).strftime(
                "%d.%m.%Y %H:%M"
            ),
            "Betrag": "1.234,50",
        },
        ("Bestellt am", "rows", HOUR),
    ),
    "totals with the id of a row": (
        {"id": np.arange(len(HOURS)), "hour": HOURS, "requests": RANDOM.poisson(9, len(HOURS))},
        ("hour", "requests", HOUR),
    ),
    "stores": (
        {
            "date": np.repeat(DAYS.strftime("%m/%d/%y"), 3),
            "store": np.tile([1, 2, 3], len(DAYS)),
            "sales": RANDOM.poisson(50, 3 * len(DAYS)),
        },
        ("date", "sales", DAY),
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_of_common_shapes(name: str) -> None:
    columns, expected = EXPORTS[name]
    pd.DataFrame(columns).to_csv("orders.csv", index=False)
    guess = guess_sales("orders.csv")
    assert (guess.settings.time, guess.counting.written, guess.settings.step) == expected
    assert guess.settings.timezone == ("UTC" if name == "stripe" else None)
    if name != "digits":
        counted = read_sales("orders.csv")
        assert counted.sum() == pytest.approx(read_sales(pd.DataFrame(columns)).sum())


def test_titles_filled_up_with_delimiters_are_no_header_and_tickets_come_before_money() -> None:
    days = pd.date_range("2026-01-01", periods=60)
    rows = "".join(f"{day:%d.%m.%Y};{day:%a};{200 + day.day};{4600 + day.day},50;23,00\n" for day in days)
    head = "Daily Sales;;;;\nStore 12;;;;\n\nBusiness Date;Weekday;Tickets;Net Sales;Avg Ticket\n"
    Path("pos.csv").write_text(f"{head}{rows}Total;;12945;276000,00;\n", encoding="utf-8")
    guess = guess_sales("pos.csv")
    assert (guess.settings.time, guess.counting.written, guess.counting.others) == (
        "Business Date",
        "Tickets",
        ("rows", "Net Sales"),
    )
    assert read_sales("pos.csv", value="Tickets", step=DAY).sum() == sum(200 + day.day for day in days)


@pytest.mark.parametrize(
    ("amounts", "certain"),
    [
        pytest.param([*range(900, 1100)], True, id="every long number has the mark, no short one"),
        pytest.param([*range(1000, 1200)], False, id="no number is too short for it"),
        pytest.param([*range(990, 1030)], False, id="too few"),
    ],
)
@pytest.mark.parametrize("mark", [",", "."])
def test_marks_of_thousands_are_certain_where_short_numbers_have_none(
    amounts: list[int], certain: bool, mark: str
) -> None:
    times = pd.date_range("2026-01-01", periods=len(amounts), freq="h", tz="UTC")
    written = [f"{amount:,}".replace(",", mark) for amount in amounts]
    pd.DataFrame({"at": times, "n": written}).to_csv("n.csv", sep=";", index=False)
    audit = audit_sales("n.csv", value="n")
    assert [one.rule for one in audit.findings if one.severity == "refuse"] == ([] if certain else ["number_form"])
    if certain:
        assert read_sales("n.csv", value="n").sum() == sum(amounts)


def test_the_offset_that_times_are_written_with_is_known() -> None:
    pd.DataFrame({"Created at": [f"2026-06-0{n} 10:00:01 -0400" for n in range(1, 9)]}).to_csv("a.csv", index=False)
    assert guess_sales("a.csv").offsets == ("-04:00",)


def test_a_german_export_with_a_title_and_a_total() -> None:
    rows = "".join(f"{n};{at:%d.%m.%Y %H:%M};19,90;bezahlt\n" for n, at in zip(NUMBERS, MOMENTS, strict=True))
    text = f"Auswertung\nStand 01.11.2025\n\nNummer;Bestellt am;Betrag;Status\n{rows}Summe;;99,00;\n"
    Path("export.csv").write_text(text, encoding="cp1252")
    guess = guess_sales("export.csv")
    assert (guess.settings.time, guess.counting.written) == ("Bestellt am", "rows")
    assert read_sales("export.csv", timezone="Europe/Berlin").sum() >= len(MOMENTS) - 2  # the last hour is open


SHAPES = {
    "analytics by hour": ("%Y%m%d", "%H", "Date,Hour,Sessions,Transactions"),
    "a bank's day and time": ("%d.%m.%Y", "%H:%M:%S", "Buchungstag,Uhrzeit,Sessions,Transactions"),
    "a day of a database": ("%Y-%m-%d 00:00:00", "%I:%M %p", "day,order time,Sessions,Transactions"),
}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_date_and_its_time_of_day_in_two_columns(name: str, suffix: str) -> None:
    day, clock, header = SHAPES[name]
    table = pd.DataFrame({"d": HOURS.strftime(day), "t": HOURS.strftime(clock), "s": 40, "n": HOURS.hour + 1})
    table.columns = pd.Index(header.split(","))
    if suffix == "csv":
        table.to_csv("orders.csv", index=False)
    else:
        table.to_json("orders.jsonl", orient="records", lines=True)
    settings = guess_sales(f"orders.{suffix}").settings
    assert (settings.time, settings.time_of_day, settings.step) == (*header.split(",")[:2], HOUR)
    counted = read_sales(f"orders.{suffix}", value=header.split(",")[3], timezone="Europe/Berlin")
    assert counted.index[0] == HOURS[0].tz_localize("Europe/Berlin")
    assert counted.tolist() == (HOURS.hour + 1).tolist()[: len(counted)]


def test_rows_of_one_order_that_changes_its_status_are_one_order() -> None:
    rows = {"increment_id": twice(NUMBERS), "created_at": twice(MOMENTS.strftime("%Y-%m-%d %H:%M:%S")), "status": "new"}
    pd.DataFrame(rows).to_csv("orders.csv", index=False)
    assert guess_sales("orders.csv").counting.written == "distinct:increment_id"


def test_lines_of_json_are_read_as_those_of_csv() -> None:
    rows = [
        {"id": f"o-{n}", "createdAt": f"{at:%Y-%m-%dT%H:%M:%S}+02:00", "items": [{"sku": "a"}], "total": 9.5}
        for n, at in zip(NUMBERS, MOMENTS, strict=True)
    ]
    Path("orders.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    Path("orders.json").write_text(json.dumps(rows), encoding="utf-8")
    pd.DataFrame(rows).to_csv("orders.csv", index=False)
    assert guess_sales("orders.jsonl").counting.written == "rows"
    expected = read_sales("orders.csv")
    for name in ("orders.jsonl", "orders.json"):
        pd.testing.assert_series_equal(read_sales(name), expected)
    Path("orders.jsonl").write_text('{"createdAt": \n', encoding="utf-8")
    with pytest.raises(DataError, match=r"orders\.jsonl: cannot be read as JSON"):
        guess_sales("orders.jsonl")


def test_nanoseconds_of_a_zone_stay_that_instant() -> None:
    """As pandas writes its usual times with a zone."""
    with duckdb.connect() as engine:
        moments = f"SELECT unnest(range(TIMESTAMPTZ '{HOURS[0]}+00', '{HOURS[-1]}+00', INTERVAL 1 HOUR)) AS moment"
        rows = f"SELECT moment::TIMESTAMPTZ_NS AS moment, row_number() OVER () AS orders FROM ({moments})"
        engine.execute(f"COPY ({rows}) TO 'orders.parquet'")
    assert read_sales("orders.parquet", timezone="Asia/Tokyo").index[0] == HOURS[0].tz_localize("UTC")


def test_a_database_and_a_glob_of_parquet_files() -> None:
    orders = pd.DataFrame({"id": NUMBERS, "created_at": MOMENTS.strftime("%Y-%m-%d %H:%M:%S"), "total": 9.5})
    with sqlite3.connect("shop.db") as database:
        orders.to_sql("orders", database, index=False)
        orders.head(1).to_sql("customers", database, index=False)
    database.close()
    guess = guess_sales("sqlite:///shop.db")
    assert (guess.settings.time, guess.counting.written) == ("created_at", "rows")
    assert guess.settings.source.query == "SELECT * FROM orders"
    typed = orders.assign(created_at=MOMENTS)
    with duckdb.connect() as engine:
        engine.register("typed", typed)
        for name in ("orders-1", "orders-2"):
            engine.execute(f"COPY typed TO '{name}.parquet' (FORMAT parquet)")
    assert guess_sales("orders-*.parquet").settings.time == "created_at"


def test_what_is_said_is_taken() -> None:
    pd.DataFrame(EXPORTS["shopify"][0]).to_csv("orders.csv", index=False)
    guess = guess_sales("orders.csv", Given("Paid at", "Total", DAY))
    assert (guess.settings.time, guess.settings.value.sum, guess.settings.step) == ("Paid at", "Total", DAY)
    assert "rows" in guess.counting.others


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        ("a,b\nx,1\ny,2\n", Given(), "expected a column with times, got none; give its name as time"),
        (
            ",".join(["id", *(f"d_{day}" for day in range(1, 71))]) + "\n" + ",".join(["a"] + ["3"] * 70) + "\n",
            Given(),
            "turn them into rows first (pandas: melt); its columns: id, d_1, d_2, d_3, d_4, d_5, d_6, d_7, d_8, d_9, "
            "d_10, d_11 and 59 more",
        ),
        ("timestamp,b\n0,1\n300,2\n", Given(), "'timestamp' counts from 0, so it names no date"),
        ("day,b\n2026-01-01,x\n2026-01-02,y\n", Given(), "no column of numbers was found to sum up; give value"),
        ("day,b\n2026-01-01,1\n2026-01-02,2\n", Given("when"), "no column 'when' for time; its columns: day, b"),
        ("day,b\n2026-01-01,1\n2026-01-02,2\n", Given(value="c"), "no column 'c' for value"),
        (
            "day,b\n2026-01-01,1\n2026-02-01,2\n2026-03-01,3\n",
            Given(),
            "expected orders or totals by hour, day or week",
        ),
    ],
)
def test_what_cannot_be_guessed_says_what_to_give(text: str, given: Given, words: str) -> None:
    Path("orders.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        guess_sales("orders.csv", given)
    assert words in str(caught.value)


def test_dates_that_can_be_read_two_ways_name_the_flag() -> None:
    rows = "".join(f"0{day}/05/2025 {hour:02}:00,{hour}\n" for day in range(1, 10) for hour in range(24))
    Path("orders.csv").write_text(f"ordered,orders\n{rows}", encoding="utf-8")
    with pytest.raises(DataError, match=r"time_format: day_first or month_first \(--time-format\)"):
        read_sales("orders.csv")
    assert read_sales("orders.csv", time_format="day_first").index[-1] == pd.Timestamp("2025-05-09T23:00Z")


@pytest.mark.parametrize(
    ("seconds", "step", "whole"),
    [
        (np.arange(9) * 3600.0, HOUR, False),
        (np.arange(9) * 86_400.0, DAY, True),
        (np.array([0, 1, 3600, 3601, 7200, 7201]) * 1.0, None, False),
        (np.sort(RANDOM.integers(0, 10**6, 99)) * 1.0, None, False),
    ],
)
def test_the_rhythm_of_times(seconds: np.ndarray, step: timedelta | None, whole: bool) -> None:
    rhythm = Rhythm.of(seconds)
    assert (rhythm.step, rhythm.whole_days) == (step, whole)


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("MTU (CET/CEST);Load", "%d.%m.%Y %H:00 - %d.%m.%Y %H:59"),
        ("time;bytes", "[%d/%b/%Y:%H:00:00 +0000]"),
        ("dateHour;transactions", "%Y%m%d%H"),
        ("week;orders", "%G-W%V-%u %H:00"),
    ],
)
def test_times_of_exports_are_found(header: str, line: str, tmp_path: Path) -> None:
    lines = [f"{at.strftime(line)};{10 + at.hour}.5" for at in pd.date_range("2026-10-01", periods=240, freq="h")]
    file = tmp_path / "a.csv"
    file.write_text("\n".join([header, *lines]), encoding="utf-8")
    assert guess_sales(str(file)).settings.time == header.split(";")[0]
