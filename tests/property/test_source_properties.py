"""Data means one thing: row order, file order, file split and format give equal sums, counts and sales."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.model.settings import SalesSettings
from capacity.sources import OrderTable, read_sales
from tests.peers import Postgres

Row = tuple[str, str, str, str]  # time, amount, identifier, shop
START = datetime(2026, 1, 5)  # noqa: DTZ001 - exports have times without a zone
AMOUNTS = st.one_of(
    st.integers(0, 5000).map(str), st.integers(1, 500_000).map(lambda cents: f"{cents / 100:.2f}"), st.just("0")
)
IDS = st.one_of(st.integers(0, 9).map("{:04d}".format), st.integers(2**53, 2**53 + 9).map(str), st.sampled_from("abc"))
ROWS = st.lists(st.tuples(st.integers(0, 600), AMOUNTS, IDS, st.sampled_from(["1", "2", "x"])), min_size=3, max_size=40)
VALUES: tuple[dict[str, Any], ...] = ({"sum": "n"}, {"count_distinct": "id"}, {"rows": True})


def rows_of(drawn: Sequence[tuple[int, str, str, str]]) -> list[Row]:
    moments = [(f"{START + timedelta(minutes=minute)}", *rest) for minute, *rest in drawn]
    return [*moments, (f"{START + timedelta(hours=12)}", "1", "last", "1")]  # type: ignore[list-item]


def csv_files(folder: Path, parts: Sequence[Sequence[Row]]) -> str:
    folder.mkdir()
    for place, part in enumerate(parts):
        lines = ["at,n,id,shop", *(",".join(row) for row in part)]
        (folder / f"{place}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{folder}/*.csv"


def parquet_files(folder: Path, parts: Sequence[Sequence[Row]]) -> str:
    """Each part with the narrowest type that holds its own amounts and identifiers, as pandas writes them."""
    folder.mkdir()
    for place, part in enumerate(parts):
        amount = "BIGINT" if all(row[1].isdigit() for row in part) else "DOUBLE"
        number = "BIGINT" if all(row[2].isdigit() and row[2][0] != "0" for row in part) else "VARCHAR"
        values = ", ".join(f"('{at}', '{n}', '{key}', '{shop}')" for at, n, key, shop in part)
        query = (
            f'SELECT CAST("at" AS TIMESTAMP) AS "at", CAST(n AS {amount}) AS n, CAST(id AS {number}) AS id, shop '
            f'FROM (VALUES {values}) AS t("at", n, id, shop)'
        )
        duckdb.sql(f"COPY ({query}) TO '{folder}/{place}.parquet' (FORMAT parquet)")
    return f"{folder}/*.parquet"


def sqlite_table(folder: Path, rows: Sequence[Row]) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "orders.db")) as connection:
        connection.execute("CREATE TABLE o (at TEXT, n REAL, id TEXT, shop TEXT)")
        connection.executemany("INSERT INTO o VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    return {"url": f"sqlite:///{folder}/orders.db", "query": "SELECT * FROM o"}


def means(source: Any, value: dict[str, Any]) -> tuple[Any, ...]:
    keys: dict[str, Any] = {"time": "at", "value": value, "group": "shop"}
    chosen = SalesSettings.model_validate({"source": source, **keys})
    with OrderTable.load(chosen, "UTC", datetime(2026, 2, 1, tzinfo=UTC)) as table:
        audit, sales = table.audit(), table.sales()
    return audit.rows, audit.passed, audit.failures, audit.first, audit.last, sales


ROUNDED = 1e-9  # sums are of whole 1 / 2**40, in any order alike; SQLite sums amounts as they are


def same(got: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    assert got[:-1] == expected[:-1]
    assert list(got[-1].columns) == list(expected[-1].columns)
    assert list(got[-1].index) == list(expected[-1].index)
    np.testing.assert_allclose(got[-1].to_numpy(), expected[-1].to_numpy(), rtol=1e-12, atol=ROUNDED)


@settings(max_examples=5, deadline=None)
@given(drawn=ROWS, seed=st.integers(0, 999), value=st.sampled_from(VALUES), cut=st.integers(1, 3))
def test_order_split_and_format_change_nothing(
    drawn: list[tuple[int, str, str, str]], seed: int, value: dict[str, Any], cut: int
) -> None:
    rows = rows_of(drawn)
    mixed = random.Random(seed).sample(rows, len(rows))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = means(csv_files(folder / "one", [rows]), value)
        parts = [mixed[:cut], mixed[cut:]]
        same(means(csv_files(folder / "mixed", [mixed]), value), expected)
        same(means(csv_files(folder / "parts", parts), value), expected)
        same(means(csv_files(folder / "turned", parts[::-1]), value), expected)
        same(means(parquet_files(folder / "parquet", parts), value), expected)
        same(means(parquet_files(folder / "backwards", parts[::-1]), value), expected)
        same(means(sqlite_table(folder, mixed), value), expected)


@pytest.mark.parametrize("value", VALUES, ids=["sum", "orders", "rows"])
def test_postgresql_gives_what_its_export_gives(postgres: Postgres, value: dict[str, Any]) -> None:
    psycopg = pytest.importorskip("psycopg")
    generator = random.Random(3)
    drawn = [
        (
            generator.randrange(600),
            f"{generator.randrange(9**5) / 100:.2f}",
            f"{generator.randrange(40):04d}",
            "ab"[n % 2],
        )
        for n in range(300)
    ]
    rows = rows_of(drawn)
    with psycopg.connect(postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS o; CREATE TABLE o (at timestamp, n numeric(22, 2), id text, shop text)")
        cursor.executemany("INSERT INTO o VALUES (%s, %s, %s, %s)", rows)
    url = postgres.url.replace("postgresql", "postgresql+psycopg", 1)
    expected = means(csv_files(Path("one").absolute(), [rows]), value)
    same(means({"url": url, "query": "SELECT * FROM o"}, value), expected)
    fetched = {"rules": [{"name": "all", "check": "true"}]}
    keys: dict[str, Any] = {"time": "at", "value": value, "group": "shop", **fetched}
    sales = read_sales({"url": url, "query": "SELECT * FROM o"}, **keys)
    np.testing.assert_allclose(sales.to_numpy(), expected[-1].to_numpy(), rtol=1e-12)
