"""Rows judged and counted: a generated dirty shop against a slow count, rules, repairs, quarantine, gaps, groups."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from capacity.model import ConfigError, DataError
from capacity.model.settings import SalesSettings
from capacity.sources import OrderTable

Row = tuple[str, str, str, str]  # invoice, time, quantity, price
START = datetime(2026, 1, 5, tzinfo=UTC)
RULES = [
    {"name": "not_cancelled", "check": "invoice NOT LIKE 'C%'"},
    {"name": "positive_price", "check": "TRY_CAST(price AS DOUBLE) > 0"},
    {
        "name": "once",
        "check": "row_number() OVER (PARTITION BY invoice, ordered, quantity, price ORDER BY source_row) = 1",
    },
]


def table(text: str, timezone: str = "UTC", **settings: Any) -> OrderTable:
    path = Path("orders.csv")
    path.write_text(text, encoding="utf-8")
    chosen = {"source": str(path), "time": "ordered", **settings}
    return OrderTable.load(SalesSettings.model_validate(chosen), timezone)


def clean_rows() -> list[Row]:
    generator = np.random.default_rng(7)
    minutes = np.sort(generator.integers(0, 60 * 24 * 4, 300))
    return [
        (f"I{number // 2}", f"{START + timedelta(minutes=int(minute)):%Y-%m-%d %H:%M:%S}", str(1 + number % 5), "2.5")
        for number, minute in enumerate(minutes)
    ]


def dirty_rows() -> tuple[list[Row], dict[str, int]]:
    """The clean rows with faults added, and how many rows fail each rule."""
    rows = clean_rows()
    faults: list[Row] = [("C" + invoice, at, "-" + quantity, price) for invoice, at, quantity, price in rows[:7]]
    faults += [(invoice, at, quantity, "0") for invoice, at, quantity, _ in rows[10:15]]
    faults += [(invoice, "0000-00-00", quantity, price) for invoice, _, quantity, price in rows[20:23]]
    faults += [(invoice, "", quantity, price) for invoice, _, quantity, price in rows[30:32]]
    faults += [(invoice, at, word, price) for (invoice, at, _, price), word in zip(rows[40:44], WORDS, strict=True)]
    faults += rows[50:59]
    expected = {"not_cancelled": 7, "value_not_negative": 7, "positive_price": 5, "readable_time": 5}
    return rows + faults, {**expected, "readable_value": 4, "once": 9}


WORDS = ("", "NaN", "inf", "many")


def text_of(rows: list[Row], short_lines: int = 0) -> str:
    lines = [",".join(row) for row in [("invoice", "ordered", "quantity", "price"), *rows]]
    return "\n".join([*lines, *(f"I{number},2026-01-05 00:00:00" for number in range(short_lines))]) + "\n"


def slow_units(rows: list[Row]) -> dict[str, float]:
    units: Counter[str] = Counter()
    for _, at, quantity, _ in rows:
        units[at[:13]] += int(quantity)
    return dict(units)


def test_a_dirty_shop_counts_exactly_its_clean_rows() -> None:
    rows, failures = dirty_rows()
    with table(text_of(rows, short_lines=6), value={"sum": "quantity"}, rules=RULES) as orders:
        audit, sales = orders.audit(), orders.sales()
    assert audit.failures == {**failures, "readable_row": 6}
    assert (audit.rows, audit.passed) == (len(rows) + 6, len(clean_rows()))
    expected = slow_units(clean_rows())
    np.testing.assert_array_equal(sales, [expected.get(f"{at:%Y-%m-%d %H}", 0.0) for at in sales.index])
    assert sum(expected.values()) - sales.sum() == expected[max(expected)], "only the last, open hour is left out"


def test_orders_are_counted_once_though_they_have_many_lines() -> None:
    with table(text_of(clean_rows()), value={"count_distinct": "invoice"}, step="1d") as orders:
        sales = orders.sales()
    expected = [len({row[0] for row in clean_rows() if row[1][:10] == f"{at:%Y-%m-%d}"}) for at in sales.index]
    np.testing.assert_array_equal(sales, expected)


def test_the_quarantine_keeps_every_bad_row_with_its_rules() -> None:
    rows, failures = dirty_rows()
    with table(text_of(rows, short_lines=6), value={"sum": "quantity"}, rules=RULES) as orders:
        written = orders.write_quarantine(Path("bad.parquet"))
        assert written == orders.audit().quarantined
    relation = duckdb.sql("SELECT * FROM 'bad.parquet'")
    kept, names = relation.fetchall(), relation.columns
    assert len(kept) == written
    assert {"source", "failed_rules", "source_row", "quantity"} <= set(names)
    assert "source_text" not in names, "a line that no reader could split may hold anything"
    counted = Counter(rule for row in kept for rule in row[names.index("failed_rules")])
    assert dict(counted) == {**failures, "readable_row": 6}


def test_a_rule_that_no_row_fails_is_reported_with_zero() -> None:
    with table(text_of(clean_rows()), rules=RULES[:1]) as orders:
        assert orders.audit().failures == {"not_cancelled": 0}


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        pytest.param("quantity > 2", 2, id="a comparison"),
        pytest.param("nullif(quantity, 3) > 0", 2, id="NULL fails"),
        pytest.param("CAST(replace(code, 'b', '7') AS INT) > 0", 1, id="an error in a row fails the row"),
        pytest.param("sum(quantity) OVER (ORDER BY source_row) < 6", 2, id="a window over all rows"),
        pytest.param("'abc'", 0, id="what is no truth value fails"),
        pytest.param("list_contains(['a', 'b'], code)", 2, id="quotes and lists"),
    ],
)
def test_a_rule_is_any_predicate(check: str, passed: int) -> None:
    text = "ordered,quantity,code\n2026-01-05 00:00,2,a\n2026-01-05 01:00,3,b\n2026-01-05 02:00,4,c\n"
    with table(text, rules=[{"name": "rule", "check": check}]) as orders:
        audit = orders.audit()
    assert (audit.passed, audit.failures) == (passed, {"rule": 3 - passed})


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        pytest.param({"check": "nosuch > 0"}, "nosuch", id="a column that is not there"),
        pytest.param({"check": "quantity >> > 0"}, "does not run: .*syntax", id="no SQL"),
        pytest.param(
            {"check": "quantity > 0", "repair": "nosuch = 1"}, "repair 'nosuch = 1' does not run", id="repair"
        ),
        pytest.param({"check": "1 = 1); DROP TABLE orders; --"}, "rule rule", id="another statement in disguise"),
    ],
)
def test_a_rule_that_cannot_run_is_a_configuration_error(rule: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        table(text_of(clean_rows()), rules=[{"name": "rule", **rule}])


def test_a_repair_mends_what_fails_and_only_that() -> None:
    rule = {"name": "known", "check": "quantity BETWEEN 1 AND 9", "repair": "quantity = abs(quantity)"}
    text = "ordered,quantity\n2026-01-05 00:00,4\n2026-01-05 01:00,-3\n2026-01-05 02:00,-30\n2026-01-05 03:00,5\n"
    with table(text, value={"sum": "quantity"}, rules=[rule]) as orders:
        audit, sales = orders.audit(), orders.sales()
    assert (audit.repaired, audit.failures) == ({"known": 1}, {"known": 1})
    np.testing.assert_array_equal(sales, [4.0, 3.0, np.nan, 5.0])


def test_a_date_is_repaired_from_another_column() -> None:
    rule = {
        "name": "dated",
        "check": "try_strptime(CAST(ordered AS VARCHAR), '%Y%m%d') IS NOT NULL",
        "repair": "ordered = strftime(strptime(CAST(ship AS VARCHAR), '%Y%m%d') - INTERVAL 7 DAY, '%Y%m%d')::BIGINT",
    }
    text = "ordered,ship\n20260105,20260112\n0,20260113\n20260107,20260114\n"
    with table(text, time_format="%Y%m%d", step="1d", rules=[rule]) as orders:
        audit, sales = orders.audit(), orders.sales()
    assert (audit.score, audit.repaired) == (1.0, {"dated": 1})
    np.testing.assert_array_equal(sales, [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param(
            ["00:10", "00:50", "02:30", "03:20"], [2, 0, 1], id="an hour without orders is zero, an open one out"
        ),
        pytest.param(["00:00", "01:00", "03:00"], [1, 1, 0, 1], id="dates on the hour: the last one is whole"),
        pytest.param(["23:59", "00:00", "00:01"], [1], id="unsorted rows; the last hour is open"),
    ],
)
def test_steps_without_orders_are_zero(times: list[str], expected: list[float]) -> None:
    days = ["2026-01-06" if time < "12" and times[0] == "23:59" else "2026-01-05" for time in times]
    text = "ordered\n" + "".join(f"{day} {time}:00\n" for day, time in zip(days, times, strict=True))
    with table(text) as orders:
        np.testing.assert_array_equal(orders.sales(), expected)


def test_a_missing_measurement_is_a_gap_and_not_zero() -> None:
    text = "ordered,n\n2026-01-05 00:00,4\n2026-01-05 01:00,0\n2026-01-05 03:00,5\n"
    with table(text, value={"sum": "n"}) as orders:
        np.testing.assert_array_equal(orders.sales(), [4.0, 0.0, np.nan, 5.0])
        assert orders.audit().gaps == 1


def test_groups_are_columns_and_a_row_of_no_group_is_quarantined() -> None:
    rows = ("00:15,a", "00:45,b", "02:30,a", "01:00,", "03:00,b")
    text = "ordered,shop\n" + "".join(f"2026-01-05 {row}\n" for row in rows)
    with table(text, group="shop") as orders:
        sales, audit = orders.sales(), orders.audit()
    assert list(sales.columns) == ["a", "b"]
    np.testing.assert_array_equal(sales, [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    assert (audit.rows, audit.passed, audit.failures) == (5, 4, {"readable_group": 1})


def test_rows_of_no_group_at_all_leave_no_good_row() -> None:
    with table("ordered,shop\n2026-01-05 00:15,\n2026-01-05 01:15,\n", group="shop") as orders:
        assert orders.audit().passed == 0
        with pytest.raises(DataError, match="at least one good row, got none"):
            orders.sales()


def test_one_row_in_an_open_hour_is_audited_though_it_gives_no_step() -> None:
    with table("ordered\n2026-01-05 00:20:00\n") as orders:
        assert (orders.audit().rows, orders.audit().passed) == (1, 1)
        with pytest.raises(DataError, match="at least one whole step of 1:00:00, got none"):
            orders.sales()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"time": "when"}, r"no column 'when' \(sales.time\); its columns: ordered, n$", id="time"),
        pytest.param({"value": {"sum": "m"}}, r"no column 'm' \(sales.value\)", id="value"),
        pytest.param({"group": "shop"}, r"no column 'shop' \(sales.group\)", id="group"),
    ],
)
def test_a_missing_column_names_what_was_expected_and_what_is_there(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        table("ordered,n\n2026-01-05 00:00,4\n", **settings)


@pytest.mark.parametrize("text", ["", "ordered,n\n"], ids=["no byte", "a header only"])
def test_an_empty_source_is_a_data_error(text: str) -> None:
    with pytest.raises(DataError, match=r"orders\.csv: expected rows of orders, got an empty source"):
        table(text)


@pytest.mark.parametrize("name", ["moment", "value", "grp", "failed", 'a "b"', "größe", "select"])
def test_any_name_may_be_a_column(name: str) -> None:
    doubled = name.replace('"', '""')
    text = f'ordered,"{doubled}"\n2026-01-05 00:00,4\n2026-01-05 01:00,5\n'
    with table(text, value={"sum": name}, rules=[{"name": "r", "check": "ordered IS NOT NULL"}]) as orders:
        np.testing.assert_array_equal(orders.sales(), [4.0, 5.0])
        assert orders.audit().failures == {"r": 0}


def test_a_column_that_bears_the_name_of_ours_is_never_mistaken_for_it() -> None:
    with pytest.raises(DataError, match="source_row"):
        table("ordered,source_row\n2026-01-05 00:00,4\n2026-01-05 01:00,5\n", value={"sum": "source_row"})


def test_a_series_carries_utc_its_name_and_the_business_clock() -> None:
    with table(text_of(clean_rows()), "Europe/London") as orders:
        sales = orders.sales()
    assert (str(sales.index.tz), sales.name, sales.attrs["timezone"]) == ("UTC", "sales", "Europe/London")


@pytest.mark.parametrize("value", [{"value": {"sum": "quantity"}}, {"value": {"count_distinct": "invoice"}}, {}])
def test_the_total_is_the_sum_of_all_groups(value: dict[str, Any]) -> None:
    with table(text_of(dirty_rows()[0], short_lines=2), group="price", **value) as orders:
        groups, total = orders.sales(), orders.total()
    assert isinstance(groups, pd.DataFrame)
    assert len(groups.columns) > 1
    pd.testing.assert_series_equal(total, groups.sum(axis=1, min_count=1), check_names=False, check_freq=False)
