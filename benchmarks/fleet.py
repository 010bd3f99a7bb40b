"""Ten thousand workloads from the rows to the plan: read, judged, forecast, planned, written, as a user does it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from benchmarks.forecast_fleet import STEPS, made_up_fleet

SIZES, QUICK_SIZES = (1_000, 10_000), (500,)
CONFIG = """
timezone: Europe/London
sales: {source: usage.parquet, time: at, value: {sum: n}, group: shop, memory_limit: 2Gi}
calendar: {holidays: [GB-ENG]}
forecast: {horizon: 14d}
workload_table: workloads.csv
defaults:
  floor: 2
  ceiling: 400
  load: {cpu: {base: 500m, per_sale_per_hour: 20m}, memory: {base: 1Gi, per_sale_per_hour: 8Mi}}
  replica: {cpu_request: 500m, memory_request: 512Mi}
"""


def run(data: Path, quick: bool = False) -> dict[str, Any]:  # noqa: ARG001  # every benchmark takes the data's directory
    """Per number of workloads: wall and CPU seconds of all processes, highest memory of all together, MiB of plan."""
    return {f"{size} workloads": _run(size) for size in (QUICK_SIZES if quick else SIZES)}


def _run(size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder, size)
        command = [sys.executable, "-m", "capacity", "plan", "--workers", "2", "--quiet", "--output", "csv"]
        began, before = perf_counter(), os.times()
        with (folder / "out.csv").open("wb") as out:
            process = subprocess.Popen([*command, "--shards", "shards"], cwd=folder, stdout=out)
            peak = _watched(process)
        if process.returncode:
            raise RuntimeError(f"capacity plan of {size} workloads ended with {process.returncode}")
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return {
            "rows": size * STEPS,
            "seconds": perf_counter() - began,
            "cpu_seconds": cpu,
            "cpu_milliseconds_each": 1000 * cpu / size,
            "peak_rss_mib": peak,
            "plan_mib": (folder / "plan.json").stat().st_size / 2**20,
        }


def _make(folder: Path, size: int) -> None:
    histories = made_up_fleet(size, np.random.default_rng(1))
    times = pd.date_range("2026-01-01", periods=STEPS, freq="h").to_numpy()
    names = pd.Index([f"shop{number:06}" for number in range(size)])
    frame = pd.DataFrame({"at": np.tile(times, size), "n": histories.ravel().astype(np.int64)})
    frame["shop"] = pd.Categorical.from_codes(np.repeat(np.arange(size), STEPS), categories=names)
    with duckdb.connect() as database:
        database.register("frame", frame)
        query = 'SELECT "at", n, CAST(shop AS VARCHAR) AS shop FROM frame'
        database.execute(f"COPY ({query}) TO '{folder / 'usage.parquet'}' (FORMAT parquet)")
    rows = "".join(f"shop,{name},{name}\n" for name in names)
    (folder / "workloads.csv").write_text(f"namespace,name,group\n{rows}", encoding="utf-8")
    (folder / "capacity.yaml").write_text(CONFIG, encoding="utf-8")


def _watched(process: subprocess.Popen[bytes]) -> float:
    """The most memory that the process and its children held together, in MiB, looked at twice a second (Linux)."""
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid) / 1024)
        sleep(0.5)
    return peak


def _resident(pid: int) -> float:
    """Resident KiB of a process and all its descendants; 0 of one that has ended meanwhile."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        threads = Path(f"/proc/{pid}/task").glob("*/children")  # a child belongs to the thread that started it
        children = [child for thread in threads for child in thread.read_text(encoding="utf-8").split()]
    except OSError:
        return 0.0
    own = next((float(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0.0)
    return own + sum(_resident(int(child)) for child in children)
