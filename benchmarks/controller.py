"""A pass over a thousand HPAs on loopback, against the project's own API server: its cost, its calls, its memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from capacity.model import Derivation, FloorChange, Peak, Plan, ReplicaNeed, TargetUtilization, WorkloadPlan, write_plan
from tests.double import KubernetesDouble
from tests.double.manifests import autoscaler

NAMESPACE = "shop"
FLOOR = 9

# The kernel counts the memory of a parent to its child's maximum; its own high water mark does not.
APPLY = """
import sys
from capacity.cli import main
code = main(["apply", "--quiet"])
print(open("/proc/self/status").read())
sys.exit(code)
"""


@dataclass(frozen=True)
class Cost:
    """What one process cost: wall and CPU seconds, peak resident MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def run(data: Path, quick: bool) -> dict[str, Any]:
    """Figures of `capacity apply` as a process of its own: every floor raised, then nothing to do, then one HPA."""
    del data
    count = 50 if quick else 1000
    with tempfile.TemporaryDirectory() as folder, KubernetesDouble() as api:
        shop = Shop(api, Path(folder))
        shop.fill(count)
        return {
            f"{count} HPAs, every floor moves": shop.apply(),
            f"{count} HPAs, nothing to do": shop.apply(),
            "one HPA, its floor moves": shop.one(),
        }


class Shop:
    """A namespace of HPAs with a plan and a configuration for each."""

    def __init__(self, api: KubernetesDouble, folder: Path) -> None:
        self.api, self.folder = api, folder

    def fill(self, count: int) -> None:
        """Make the HPAs, a plan that wants more of each, and the configuration."""
        for place in range(count):
            self.api.create(autoscaler(f"web-{place}", namespace=NAMESPACE))
        self._write([f"web-{place}" for place in range(count)])

    def one(self) -> dict[str, float]:
        """From process start to the first patch and its Event, and out."""
        self.api.create(autoscaler("single", namespace="alone"))
        self._write(["single"], "alone")
        return self.apply()

    def apply(self) -> dict[str, float]:
        """One pass: its cost, and the calls it made."""
        self.api.journal.clear()
        cost = _process(self.folder, self.api.kubeconfig(self.folder / "kubeconfig"))
        calls = Counter(entry.verb for entry in self.api.journal)
        return {
            "seconds": cost.seconds,
            "cpu_seconds": cost.cpu_seconds,
            "peak_rss_mib": cost.peak_mib,
            **{verb: calls[verb] for verb in ("list", "get", "patch", "create")},
        }

    def _write(self, names: list[str], namespace: str = NAMESPACE) -> None:
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        plans = tuple(_plan(namespace, name, now) for name in names)
        write_plan(Plan(now, now, plans[0].end, "benchmark", {"name": "benchmark"}, plans), self.folder / "plan.json")
        defaults = {
            "load": {"cpu": {"base": "1"}, "memory": {"base": "1Gi"}},
            "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
            "ceiling": 20,
        }
        config = {
            "sales": {"source": "orders.csv", "time": "at"},
            "defaults": defaults,
            "workloads": [{"namespace": namespace, "name": name} for name in names],
            "controller": {"requests_per_second": 10_000},  # the cost of the work, not of the politeness
        }
        (self.folder / "capacity.yaml").write_text(json.dumps(config), encoding="utf-8")


def _plan(namespace: str, name: str, start: datetime) -> WorkloadPlan:
    """Two weeks of hours, as the planner writes them."""
    floors = tuple(FloorChange(hour, FLOOR + hour % 2, "DemandRising") for hour in range(24 * 14))
    return WorkloadPlan(
        namespace=namespace,
        name=name,
        start=start,
        step=timedelta(hours=1),
        steps=len(floors),
        floor=floors,
        binding="cpu",
        peak=Peak(start, 40.0, 4.0, 1e9, FLOOR, 0.95),
        safe_floor=FLOOR,
        ceiling=20,
        lead_time=timedelta(minutes=5),
        derivation=Derivation(4000, 2**30, TargetUtilization(0.8), ReplicaNeed(10, 3), floor=FLOOR, ceiling=20),
    )


def _process(folder: Path, kubeconfig: Path) -> Cost:
    began = perf_counter()
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    command = [sys.executable, "-c", APPLY]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, env=environment)
    text = process.stdout.read().decode() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"capacity apply ended with {process.returncode}")
    peak = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return Cost(perf_counter() - began, usage.ru_utime + usage.ru_stime, int(peak[1]) / 1024 if peak else float("nan"))
