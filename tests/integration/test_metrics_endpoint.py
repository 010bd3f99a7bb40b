"""`capacity run` over a real socket: /metrics is what promtool accepts, and what a real Prometheus scrapes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from capacity.model import write_plan
from tests.conftest import PlanOf
from tests.peers import HttpPeer, Prometheus, binary
from tests.peers.http import on
from tests.peers.process import came_up, free_port, started, stop
from tests.shop import Shop
from tests.waiting import until


def checked(text: str) -> str:
    """What promtool finds wrong with metrics; empty where nothing is."""
    words = [binary("promtool"), "check", "metrics"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def running(shop: Shop, kubeconfig: Path, plan_of: PlanOf) -> Iterator[HttpPeer]:
    """The loop as a pod runs it, after its first pass."""
    write_plan(plan_of(web=[9] * 24), shop.folder / "plan.json")
    port, log = free_port(), shop.folder / "log"
    words = [str(Path(sys.executable).parent / "capacity"), "run", "--health-port", str(port)]
    process = started(["env", f"KUBECONFIG={kubeconfig}", *words], log)
    try:
        assert came_up(process, lambda port: "capacity_pass_timestamp_seconds" in metrics(port), port), log.read_text()
        yield on(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0, log.read_text()
    finally:
        stop(process)


def metrics(port: int) -> str:
    try:
        return on(port).text("/metrics")
    except OSError:
        return ""


def test_the_loop_serves_metrics_that_promtool_accepts(running: HttpPeer) -> None:
    text = running.text("/metrics")
    assert checked(text) == ""
    assert 'capacity_floor_replicas{namespace="shop",workload="web"}' in text
    assert "capacity_pass_total{" in text
    assert checked("# TYPE capacity_x counter\ncapacity_x 1\n") != "", "promtool would have said something"


def test_a_real_prometheus_scrapes_them(running: HttpPeer, prometheus: Callable[..., Prometheus]) -> None:
    target = running.url.removeprefix("http://")
    job = {"job_name": "capacity", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    server = prometheus(config={"scrape_configs": [job]})
    asked = 'capacity_build_info and on (job, instance) up{job="capacity"} == 1'
    until(lambda: server.query(asked, datetime.now(UTC)), lambda: server.text("/api/v1/targets"))
