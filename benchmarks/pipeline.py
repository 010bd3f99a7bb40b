"""From the raw order file to plan.json and plan.png, as a user runs it: a process of its own for each data set."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.datasets import find

EXAMPLES = Path(__file__).parent.parent / "examples"
SETS = {
    "online_retail": ("online_retail/raw_lines.parquet", "online_retail.yaml"),
    "adventureworks": ("adventureworks/sales_details.csv", "adventureworks.yaml"),
}
REPEATS = 3


def run(data: Path, quick: bool) -> dict[str, Any]:
    """Median seconds and highest peak memory (MiB) of three runs (quick: one) of `capacity plan` per data set."""
    figures: dict[str, Any] = {}
    for name, (orders, config) in SETS.items():
        source = find(data, orders, f"pipeline of {name}")
        if source is None:
            continue
        runs = [_plan(source, EXAMPLES / config) for _ in range(1 if quick else REPEATS)]
        figures[name] = {
            "seconds": round(median(seconds for seconds, _ in runs), 2),
            "peak_rss_mib": round(max(peak for _, peak in runs)),
        }
    return figures


def _plan(source: Path, config: Path) -> tuple[float, float]:
    """Wall seconds and peak resident MiB of one process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "capacity", "plan", str(source), "-c", str(config), "--quiet"]
        began = perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"capacity plan {source.name} ended with {process.returncode}")
        return perf_counter() - began, usage.ru_maxrss / 1024
