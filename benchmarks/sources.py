"""A hundred million order rows counted and audited; usage of a thousand workloads fetched from a real Prometheus."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from benchmarks.datasets import find
from capacity.model.settings import Measured, PrometheusSettings
from capacity.sources.prometheus import read_usages
from tests.peers.prometheus import openmetrics, running_prometheus

ROWS = 100_000_000
ORDERS = "online_retail/raw_lines.parquet"
RULES = [
    {"name": "not_cancelled", "check": "Invoice NOT LIKE 'C%'"},
    {"name": "positive_quantity", "check": "Quantity > 0"},
    {"name": "positive_price", "check": "Price > 0"},
]
VALUES: dict[str, dict[str, Any]] = {"rows": {"rows": True}, "orders": {"count_distinct": "Invoice"}}
LIMIT = "3Gi"  # what DuckDB may use; the process as a whole stays under 4 GiB
WORKLOADS, DAYS = 1000, 14
SCRAPE = timedelta(minutes=15)  # of the made history: a minute would take longer to write than to read
START = datetime(2026, 11, 2, tzinfo=UTC)


def run(data: Path, quick: bool) -> dict[str, Any]:
    """Seconds (wall and CPU) and peak memory of both; quick: a tenth of the rows, a tenth of the workloads."""
    figures: dict[str, Any] = {}
    orders = find(data, ORDERS, "orders")
    with tempfile.TemporaryDirectory(prefix="capacity-bench-") as name:
        folder = Path(name)
        if orders is not None:
            rows = repeated(orders, folder / "orders", ROWS // 10 if quick else ROWS)
            for value, setting in VALUES.items():
                figures[f"{rows:,} rows, audited, {value} per hour"] = counted(folder / "orders", setting)
        if shutil.which("prometheus"):
            figures |= fetched(folder, WORKLOADS // 10 if quick else WORKLOADS)
        else:
            sys.stderr.write("usage: skipped, no prometheus on the path\n")
    return figures


def repeated(orders: Path, folder: Path, rows: int) -> int:
    """Real order lines again and again, each time a week later and with invoices of its own; returns how many."""
    folder.mkdir()
    with duckdb.connect() as database:
        (once,) = database.execute(f"SELECT count(*) FROM '{orders}'").fetchone() or (0,)
        repeats = ceil(rows / once)
        for number in range(repeats):
            query = (
                f"SELECT Invoice || '-{number}' AS Invoice, StockCode, Quantity, Price, "
                f"InvoiceDate + INTERVAL {7 * number} DAY AS InvoiceDate FROM '{orders}'"
            )
            database.execute(f"COPY ({query}) TO '{folder}/{number:03}.parquet' (FORMAT parquet)")
    return int(once * repeats)


def counted(folder: Path, value: dict[str, Any]) -> dict[str, Any]:
    """One process that reads, judges and counts."""
    settings = {"source": str(folder), "time": "InvoiceDate", "value": value, "rules": RULES, "memory_limit": LIMIT}
    began = perf_counter()
    words = [sys.executable, "-m", "benchmarks.sources", json.dumps(settings)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"counting ended with {process.returncode}")
    return {
        "seconds": round(perf_counter() - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mib": round(usage.ru_maxrss / 1024),
        **json.loads(output),
    }


def count(settings: dict[str, Any]) -> dict[str, Any]:
    """What the process does: the audit and the sales of one source."""
    from capacity.model.settings import SalesSettings
    from capacity.sources import OrderTable

    with OrderTable.load(SalesSettings.model_validate(settings), "Europe/London") as table:
        audit, sales = table.audit(), table.sales()
    return {"score": round(audit.score, 4), "steps": len(sales)}


def fetched(folder: Path, number: int) -> dict[str, Any]:
    """Fourteen days of a thousand workloads per hour: everything, again from the cache, and an hour later."""
    at = pd.date_range(START, START + timedelta(days=DAYS), freq=SCRAPE)
    wave = 2 + np.sin(np.arange(len(at)) * 2 * np.pi * (SCRAPE / timedelta(days=1)))
    total = pd.Series(np.round(np.cumsum(wave) * SCRAPE.total_seconds(), 1), at)
    memory = pd.Series(wave * 2**30, at)
    series = {}
    for place in range(number):
        labels = f'namespace="n{place % 5}",container="app",pod="w{place}-5d4f8c7b9-bcdfg"'
        series[f"container_cpu_usage_seconds_total{{{labels}}}"] = total
        series[f"container_memory_working_set_bytes{{{labels}}}"] = memory
    server_folder = folder / "prometheus"
    server_folder.mkdir()
    workloads = [Measured(f"n{place % 5}", f"w{place}") for place in range(number)]
    with running_prometheus(server_folder, history=openmetrics(series)) as server:
        settings = PrometheusSettings(
            url=server.url, step=timedelta(hours=1), scrape_interval=SCRAPE, cache=str(folder / "kept")
        )
        end = START + timedelta(days=DAYS)
        begin, before = end - timedelta(days=DAYS), end - timedelta(hours=1)
        return {
            f"{number} workloads x {DAYS} days, first": asked(settings, workloads, begin, before),
            f"{number} workloads x {DAYS} days, again": asked(settings, workloads, begin, before),
            f"{number} workloads x {DAYS} days, an hour later": asked(settings, workloads, begin, end),
        }


def asked(settings: PrometheusSettings, workloads: list[Measured], begin: datetime, end: datetime) -> dict[str, Any]:
    """One fetch: all seconds, and our own of CPU."""
    began, mine = perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    found = read_usages(settings, workloads, begin, end, now=end)
    own = resource.getrusage(resource.RUSAGE_SELF)
    values = sum(int(usage.notna().to_numpy().sum()) for usage in found.values() if isinstance(usage, pd.DataFrame))
    return {
        "seconds": round(perf_counter() - began, 2),
        "cpu_seconds": round(own.ru_utime + own.ru_stime - mine.ru_utime - mine.ru_stime, 2),
        "values": values,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(count(json.loads(sys.argv[1]))))
