"""A hundred million real order lines judged and counted per hour: seconds and memory, two threads."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.datasets import find
from capacity.model.settings import SalesSettings
from capacity.sources import OrderTable

LINES = "online_retail/raw_lines.parquet"
REPEATS, QUICK_REPEATS = 94, 5  # of 1,067,371 lines
THREADS, MEMORY = 2, "3Gi"
RULES: list[dict[str, Any]] = [
    {"name": "invoice", "not_null": ["Invoice", "StockCode"]},
    {"name": "positive_quantity", "range": {"column": "Quantity", "min": 1, "max": 100_000}},
    {"name": "positive_price", "check": "Price > 0"},
    {"name": "stock_code", "regex": {"column": "StockCode", "pattern": "[0-9]{5}[A-Za-z]*"}},
    {"name": "known_country", "reference": {"column": "Country", "file": "countries.csv"}},
]


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """Seconds and peak memory of one pass, in a process of its own; the big file is made before and deleted after."""
    source = find(data, LINES, "governance")
    if source is None:
        return {}
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
        repeats = QUICK_REPEATS if quick else REPEATS
        pool.apply(_make, (source, Path(folder), repeats))
        pool.close()
        with multiprocessing.get_context("spawn").Pool(1) as fresh:
            figures: dict[str, Any] = fresh.apply(_judge, (Path(folder),))
    return figures


def _make(source: Path, folder: Path, repeats: int) -> None:
    """The real lines again and again, each row in a place of its own, and the countries that are known."""
    with duckdb.connect() as database:
        database.execute(
            f"SET preserve_insertion_order = false; SET threads = {THREADS}; SET enable_progress_bar = false"
        )
        rows = f"SELECT lines.* FROM '{source}' AS lines, range({repeats})"
        database.execute(f"COPY ({rows}) TO '{folder / 'big.parquet'}' (FORMAT parquet)")
        database.execute(f"COPY (SELECT DISTINCT Country FROM '{source}') TO '{folder / 'countries.csv'}' (HEADER)")


def _judge(folder: Path) -> dict[str, Any]:
    rules = [
        rule | {"reference": rule["reference"] | {"file": str(folder / "countries.csv")}}
        if "reference" in rule
        else rule
        for rule in RULES
    ]
    settings = SalesSettings.model_validate(
        {
            "source": str(folder / "big.parquet"),
            "time": "InvoiceDate",
            "value": {"count_distinct": "Invoice"},
            "select": [{"name": "not_cancelled", "check": "Invoice NOT LIKE 'C%'"}],
            "rules": rules,
            "memory_limit": MEMORY,
        }
    )
    began, cpu = time.perf_counter(), time.process_time()
    with OrderTable.load(settings, "Europe/London") as table:
        audit, sales = table.audit(), table.sales()
    return {
        "rows": audit.rows + sum(audit.set_aside.values()),
        "hours": len(sales),
        "score": audit.score,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
