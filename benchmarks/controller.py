"""A pass over a thousand HPAs on loopback, against the project's own API server: its cost, its calls, its memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from capacity.model import Derivation, FloorChange, Peak, Plan, ReplicaNeed, TargetUtilization, WorkloadPlan, write_plan

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
    """Figures of `capacity apply` as it is shipped, in a process of its own, against a server in another one.

    Every floor raised, then nothing to do, then one HPA; at 1 ms and at 40 ms an answer.
    """
    del data
    count = 50 if quick else 1000
    fast, slow = (_figures(count, seconds) for seconds in (0.001, 0.040))
    passes = [*fast.values(), *slow.values()]
    return {
        **{f"{name}, 1 ms an answer": one for name, one in fast.items()},
        **{f"{name}, 40 ms an answer": one for name, one in slow.items()},
        "last_raise_seconds_1ms": fast[MOVES.format(count)]["last_raise_seconds"],
        "last_raise_seconds_40ms": slow[MOVES.format(count)]["last_raise_seconds"],
        "idle_cpu_seconds": fast[IDLE.format(count)]["cpu_seconds"],
        "cpu_seconds_to_first_patch": fast[ONE]["cpu_seconds"],
        "peak_rss_mib": max(one["peak_rss_mib"] for one in passes),
    }


MOVES, IDLE, ONE = "{} HPAs, every floor moves", "{} HPAs, nothing to do", "one HPA, its floor moves"


def _figures(count: int, seconds: float) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder), count, seconds)
        try:
            shop.configure([f"web-{place}" for place in range(count)], NAMESPACE)
            found = {MOVES.format(count): shop.apply(), IDLE.format(count): shop.apply()}
            shop.configure(["single"], "alone")
            return {**found, ONE: shop.apply()}
        finally:
            shop.close()


class Shop:
    """A server with HPAs, which takes so many seconds for an answer, and a folder with a plan and a configuration."""

    def __init__(self, folder: Path, count: int, seconds: float) -> None:
        self.folder, self.kubeconfig = folder, folder / "kubeconfig"
        words = [sys.executable, "-m", "benchmarks.api_server", str(count), str(self.kubeconfig), str(seconds)]
        self._server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._told()

    def close(self) -> None:
        """Stop the server."""
        self._server.communicate()

    def apply(self) -> dict[str, Any]:
        """One pass: its cost, the calls it made, and when the last floor was raised after it was started."""
        began = monotonic()
        cost = _process(self.folder, self.kubeconfig)
        assert self._server.stdin is not None
        self._server.stdin.write("\n")
        self._server.stdin.flush()
        told = self._told()
        last = told["last_raise"]
        return {
            "seconds": cost.seconds,
            "cpu_seconds": cost.cpu_seconds,
            "peak_rss_mib": cost.peak_mib,
            "last_raise_seconds": None if last is None else last - began,
            **{verb: told["calls"].get(verb, 0) for verb in ("list", "get", "patch", "create")},
        }

    def _told(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError("the benchmark's API server ended: run `python -m benchmarks.api_server` by hand")
        found: dict[str, Any] = json.loads(line)
        return found

    def configure(self, names: list[str], namespace: str) -> None:
        """A plan that wants more of each, and the configuration as it is shipped."""
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        plans = tuple(_plan(namespace, name, now) for name in names)
        write_plan(Plan(now, now, plans[0].end, "benchmark", {"name": "benchmark"}, plans), self.folder / "plan.json")
        defaults = {
            "load": {"cpu": {"base": "1"}, "memory": {"base": "1Gi"}},
            "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
            "floor": FLOOR,
            "ceiling": 20,
        }
        config = {
            "sales": {"source": "orders.csv", "time": "at"},
            "defaults": defaults,
            "workloads": [{"namespace": namespace, "name": name} for name in names],
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
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as the image is: not by each process again
    command = [sys.executable, "-c", APPLY]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, env=environment)
    text = process.stdout.read().decode() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"capacity apply ended with {process.returncode}")
    peak = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return Cost(perf_counter() - began, usage.ru_utime + usage.ru_stime, int(peak[1]) / 1024 if peak else float("nan"))
