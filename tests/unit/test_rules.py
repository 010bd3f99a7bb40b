"""Rules of every kind against what they should fail, row by row; errors that name rule and owner; rows set aside."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from capacity.app import read_config
from capacity.model import ConfigError, DataError
from capacity.model.settings import SalesSettings
from capacity.sources import OrderTable
from tests.scale import examples

TEXT = (
    "ordered,code,price,mail\n"
    "2026-01-05 00:10,A1,5,a@x.eu\n"
    "2026-01-05 01:10,A2,-1,b@x.eu\n"
    "2026-01-05 02:10,B7,101,nobody\n"
    "2026-01-05 03:10,,20,\n"
    "2026-01-05 04:10,A1,,c@x.eu\n"
)


def table(text: str = TEXT, **chosen: Any) -> OrderTable:
    Path("orders.csv").write_text(text, encoding="utf-8")
    return OrderTable.load(SalesSettings.model_validate({"source": "orders.csv", "time": "ordered", **chosen}), "UTC")


def failing(rule: dict[str, Any], text: str = TEXT) -> list[int]:
    """The source rows that a rule puts into quarantine."""
    with table(text, rules=[{"name": "rule", **rule}]) as orders:
        orders.write_quarantine(Path("bad.parquet"))
    return [row for (row,) in duckdb.sql("SELECT source_row FROM 'bad.parquet'").fetchall()]


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        pytest.param({"check": "price > 0"}, [2, 5], id="a predicate: false and NULL fail"),
        pytest.param(
            {"check": "strptime(code, '%Y') IS NOT NULL"},
            [1, 2, 3, 4, 5],
            id="an error in a row",
        ),
        pytest.param({"not_null": "code"}, [4], id="not null"),
        pytest.param({"not_null": ["code", "price"]}, [4, 5], id="not null, several columns"),
        pytest.param({"range": {"column": "price", "min": 0, "max": 100}}, [2, 3], id="a range; a gap passes"),
        pytest.param({"range": {"column": "price", "max": 100}}, [3], id="a range open below"),
        pytest.param({"range": {"column": "price", "min": -1, "max": 101}}, [], id="the bounds are in the range"),
        pytest.param({"range": {"column": "ordered", "min": "2026-01-05 02:00"}}, [1, 2], id="a range of times"),
        pytest.param({"regex": {"column": "mail", "pattern": ".+@.+"}}, [3], id="a pattern for the whole value"),
        pytest.param({"regex": {"column": "code", "pattern": "A"}}, [1, 2, 3, 5], id="a part of the value is no match"),
        pytest.param({"unique": "code"}, [5], id="unique: the first of several passes, and so does a missing value"),
        pytest.param({"unique": ["code", "price"]}, [], id="unique in two columns"),
        pytest.param({"reference": {"column": "code", "file": "known.csv"}}, [3], id="a reference"),
        pytest.param({"reference": {"column": "code", "file": "known.csv", "key": "other"}}, [1, 2, 5], id="a key"),
    ],
)
def test_each_kind_of_rule_fails_exactly_these_rows(rule: dict[str, Any], rows: list[int]) -> None:
    Path("known.csv").write_text("code,other\nA1,B7\nA2,B8\n", encoding="utf-8")
    assert failing(rule) == rows


@examples(12)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), st.integers(-3, 3)), min_size=1, max_size=12))
def test_rules_agree_with_a_slow_look_at_every_row(rows: list[tuple[str, int]]) -> None:
    lines = [f"2026-01-05 00:{place:02},{code},{n}" for place, (code, n) in enumerate(rows)]
    text = "\n".join(["ordered,code,n", *lines, ""])
    rules = [
        {"name": "known", "not_null": "code"},
        {"name": "inside", "range": {"column": "n", "min": -1, "max": 2}},
        {"name": "once", "unique": ["code", "n"]},
    ]
    seen = [(code, n) in rows[:place] and code != "" for place, (code, n) in enumerate(rows)]
    expected = {
        "known": sum(code == "" for code, _ in rows),
        "inside": sum(not -1 <= n <= 2 for _, n in rows),
        "once": sum(seen),
    }
    bad = sum(code == "" or not -1 <= n <= 2 or twice for (code, n), twice in zip(rows, seen, strict=True))
    with table(text, rules=rules) as orders:
        audit = orders.audit()
    assert (audit.failures, audit.quarantined) == (expected, bad)


@pytest.mark.parametrize(
    ("rule", "kind", "words"),
    [
        pytest.param({"check": "price >"}, ConfigError, "rule rule: check 'price >' does not run", id="no SQL"),
        pytest.param({"check": "nosuch > 1"}, ConfigError, "rule rule: .*nosuch", id="SQL on a missing column"),
        pytest.param({"not_null": "Mail_"}, DataError, "no column 'Mail_' .rule rule.*renamed to 'mail'", id="renamed"),
        pytest.param({"regex": {"column": "code", "pattern": "("}}, ConfigError, "rule rule: ", id="no pattern"),
        pytest.param({"reference": {"column": "code", "file": "no.csv"}}, DataError, "rule rule: no.csv", id="no file"),
    ],
)
def test_a_rule_that_cannot_run_is_one_line_that_names_the_owner(
    rule: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        table(owner="orders@example.com", rules=[{"name": "rule", **rule}])
    assert "(owner: orders@example.com)" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "rule",
    [{}, {"check": "true", "not_null": "code"}, {"range": {"column": "price"}}],
    ids=["no kind", "two kinds", "a range without bounds"],
)
def test_a_rule_is_of_one_kind(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="expected"):
        table(rules=[{"name": "rule", **rule}])


def test_rows_that_are_no_orders_are_set_aside_counted_and_not_judged() -> None:
    chosen = [{"name": "priced", "not_null": "price"}, {"name": "positive", "check": "price > 0"}]
    with table(select=chosen, rules=[{"name": "coded", "not_null": "code"}]) as orders:
        audit, written = orders.audit(), orders.write_quarantine(Path("bad.parquet"))
        sales = orders.sales()
    assert audit.set_aside == {"priced": 1, "positive": 1}
    assert (audit.rows, audit.passed, audit.failures, written) == (3, 2, {"coded": 1}, 1)
    assert sales.sum() == 1.0, "of two good orders the last lies in the open hour"


def test_the_quarantine_shows_a_row_as_the_source_has_it_not_as_a_repair_left_it() -> None:
    rule = {"name": "sane", "range": {"column": "price", "min": 0, "max": 50}, "repair": "price = abs(price)"}
    with table(rules=[rule]) as orders:
        audit = orders.audit()
        orders.write_quarantine(Path("bad.parquet"))
    assert (audit.repaired, audit.failures) == ({"sane": 1}, {"sane": 1})
    assert duckdb.sql("SELECT failed_rules, source_row, price FROM 'bad.parquet'").fetchall() == [(["sane"], 3, 101)]


def test_two_repairs_of_one_column_follow_each_other() -> None:
    rules = [
        {"name": "positive", "check": "price >= 0", "repair": "price = -price"},
        {"name": "small", "check": "price <= 100", "repair": "price = price / 101"},
        {"name": "known", "not_null": "price", "repair": "price = 7"},
    ]
    with table(rules=rules, value={"sum": "price"}) as orders:
        audit, sales = orders.audit(), orders.sales()
    assert audit.repaired == {"positive": 2, "small": 2, "known": 1}, "a missing price fails all until the last repair"
    assert (audit.score, audit.failures) == (1.0, {"positive": 0, "small": 0, "known": 0})
    np.testing.assert_array_equal(sales, [5.0, 1.0, 1.0, 20.0])


def test_a_sum_is_the_same_to_the_last_bit_in_whatever_order_the_rows_come() -> None:
    generator = np.random.default_rng(3)
    amounts = generator.lognormal(0, 3, 5000)
    sums = set()
    for order in (np.arange(5000), generator.permutation(5000), np.argsort(amounts)):
        pd.DataFrame({"ordered": "2026-01-05 00:00:00", "n": amounts[order]}).to_csv("orders.csv", index=False)
        chosen = {"source": "orders.csv", "time": "ordered", "value": {"sum": "n"}}
        with OrderTable.load(SalesSettings.model_validate(chosen), "UTC") as orders:
            sums.add(float(orders.sales().iloc[0]))
    (total,) = sums
    assert total == pytest.approx(amounts.sum(), rel=1e-12)


def test_latency_is_from_the_event_to_its_availability() -> None:
    text = "ordered,loaded\n" + "".join(f"2026-01-05 00:{at:02}:00,2026-01-05 01:{at:02}:00\n" for at in range(60))
    with table(text, available_at="loaded") as orders:
        latency = orders.audit().latency
    assert latency is not None
    assert (latency.median, latency.p95, latency.highest) == (timedelta(hours=1),) * 3


def test_a_contract_tells_what_was_renamed_retyped_removed_and_added() -> None:
    promised = {"ordered": "time", "Code_": "text", "price": "boolean", "gone_for_good": "integer"}
    with table(contract={"columns": promised, "added": "warn"}) as orders:
        audit = orders.audit()
    assert audit.verdict == "refuse"
    assert {(finding.severity, finding.message) for finding in audit.findings} == {
        ("refuse", "contract: column 'Code_' is gone, 'code' came: renamed?"),
        ("refuse", "contract: column 'price': expected boolean, got integer"),
        ("refuse", "contract: column 'gone_for_good' is gone"),
        ("warn", "contract: column 'mail' came"),
    }


def test_the_files_that_rules_refer_to_lie_beside_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "known.csv").write_text("code\nA1\n", encoding="utf-8")
    (folder / "orders.csv").write_text(TEXT, encoding="utf-8")
    known = "{column: code, file: known.csv}"
    lists = f"select: [{{name: a, reference: {known}}}], rules: [{{name: b, reference: {known}}}]"
    (folder / "capacity.yaml").write_text(f"sales: {{source: orders.csv, time: ordered, {lists}}}\n", encoding="utf-8")
    config = read_config(folder / "capacity.yaml")
    with OrderTable.load(config.orders(), config.timezone) as orders:
        audit = orders.audit()
    assert (audit.rows, audit.set_aside, audit.failures) == (3, {"a": 2}, {"b": 0})
