"""The verbs plan and explain on files of one's own: requests advised, scenarios compared, one number explained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.edge.cli import main

CONFIG = """
sales: {source: orders.csv, time: at, value: {sum: n}}
usage: {source: usage.csv, time: at, cpu: cores, memory: bytes, replicas: pods}
forecast: {horizon: 1d, quantile_levels: [0.5, 0.95]}
supply:
  currency: EUR
  node_types: [{name: m, cpu: 4, memory: 16Gi, price_per_hour: 0.2, provisioning: 3m}]
  quotas: {shop: {cpu: 50}}
workloads:
  - {namespace: shop, name: web, floor: 2, ceiling: 40, zones: 3, replica: {cpu_request: 500m, memory_request: 512Mi},
     autoscaler: {target: 70}, load: {cpu: {base: 500m, per_sale_per_hour: 50m}, memory: {base: 1Gi}}}
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    """Three weeks of orders, and usage that follows them on four replicas."""
    index = pd.date_range("2026-01-05", periods=24 * 21, freq="h")
    sales = 10.0 + index.hour.to_numpy()
    pd.DataFrame({"at": index, "n": sales}).to_csv(tmp_path / "orders.csv", index=False)
    noise = np.random.default_rng(1).normal(0, 0.02, len(index))
    used = {"at": index, "cores": 0.5 + 0.05 * sales + noise, "bytes": 2**31 + 2**20 * sales, "pods": 4}
    pd.DataFrame(used).to_csv(tmp_path / "usage.csv", index=False)
    (tmp_path / "capacity.yaml").write_text(CONFIG, encoding="utf-8")


def test_requests_are_advised_with_every_plan_and_written_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan"]) == 0
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if line.startswith("requests: shop/web: CPU "))
    assert "(now 500m)" in line
    assert "the autoscaler's 70 % would be" in line
    assert not (tmp_path / "requests.yaml").exists()
    assert main(["plan", "--requests-patch", "requests.yaml", "-o", "json"]) == 0
    (advice,) = json.loads(capsys.readouterr().out)["request_advice"]
    patch = yaml.safe_load((tmp_path / "requests.yaml").read_text(encoding="utf-8"))
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    assert (patch["kind"], patch["metadata"], container["name"]) == (
        "Deployment",
        {"namespace": "shop", "name": "web"},
        "web",
    )
    assert container["resources"]["requests"]["cpu"] == f"{advice['cpu_request_millicores']}m"
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    assert 500 < advice["cpu_request_millicores"] < 600, "the busiest hours use 2.15 cores on four replicas"
    assert advice["out_of_memory"] == 0.0


def test_without_replicas_there_is_no_advice_and_a_patch_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "capacity.yaml").write_text(CONFIG.replace(", replicas: pods", ""), encoding="utf-8")
    assert main(["plan"]) == 0
    assert "requests: " not in capsys.readouterr().out
    assert main(["plan", "--requests-patch", "requests.yaml"]) == 2
    assert "--requests-patch: expected usage with cpu, memory and replicas" in capsys.readouterr().err


def test_scenarios_stand_side_by_side_and_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--scenario", "growth=+100%", "--scenario", "lost-zone", "-o", "json"]) == 0
    names = {one["name"]: one["plan"] for one in json.loads(capsys.readouterr().out)["scenarios"]}
    assert list(names) == ["as forecast", "growth=+100%", "lost-zone"]
    base, grown, lost = (plan["workloads"][0]["peak"]["replicas"] for plan in names.values())
    assert lost < base < grown
    assert not (tmp_path / "plan.json").exists()
    assert main(["plan", "--scenario", "lost-zone"]) == 0
    printed = capsys.readouterr().out
    assert "with one of 3 zones lost at the peak: CPU at" in printed
    assert "EUR a month" in printed


def test_a_plan_carries_its_nodes_and_their_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 0
    printed = capsys.readouterr().out
    assert "nodes: up to" in printed
    assert "a month against" in printed
    document = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert document["workloads"][0]["explain"]["window_seconds"] == 7200, "10 minutes may touch two hours"
    nodes = document["nodes"]
    assert nodes["type"] == "m"
    assert nodes["cost_per_month"] <= nodes["cost_per_month_today"]


def test_a_floor_is_explained_as_table_json_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "web", "--at", "2026-01-26T20:00", "--picture", "why.png", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sum(bar["milli_replicas"] for bar in document["bars"]) == 1000 * document["floor"]
    assert (tmp_path / "why.png").stat().st_size > 10_000
    assert main(["explain"]) == 0
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines() if not line.startswith("shop/web"))
    assert main(["explain", "api"]) == 2
    assert main(["explain", "web", "--at", "soon"]) == 2
    assert main(["explain", "web", "--at", "2020-01-01T00:00Z"]) == 1
