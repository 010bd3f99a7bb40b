"""Every panel of every dashboard finds data in a real Prometheus that holds the metrics of capacity."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from capacity.monitoring import METRICS
from tests.peers import Prometheus, openmetrics, running_prometheus
from tests.waiting import until

MONITORING = Path(__file__).resolve().parents[2] / "k8s" / "monitoring"
BOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
VALUES = {
    "namespace": "shop",
    "workload": "web",
    "source": "orders.csv",
    "result": "passed",
    "rule": "price",
    "group": "all",
    "outcome": "done",
    "reason": "AsPlanned",
    "resource": "cpu",
    "version": "0",
    "quantile": "0.95",
    "manager": "helm",
    "claim": "data-0",
    "actuator": "volumes",
    "object": "PersistentVolumeClaim/data-0",
    "cause": "quota",
}
BEGAN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # of times in samples: long ago, so that passes are missed


def documents() -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, json.loads(path.read_text())) for path in BOARDS]


PANELS = [(f"{name}: {panel['title']}", panel) for name, board in documents() for panel in board["panels"]]


def key(name: str, **other: str) -> str:
    labels = ",".join(f'{label}="{other.get(label, VALUES[label])}"' for label in METRICS[name].labels)
    return f"{name}{{{labels}}}" if labels else name


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, datetime]]:
    """Two hours of every metric up to now, the recording rules at work on them, and a moment when all had run.

    The history ends in the past: where it has a sample, a rule can write none. A sample counts for a day, so that it is
    no matter how long the server takes to start.
    """
    end = pd.Timestamp.now("UTC").floor("1min")
    at = pd.date_range(end - pd.Timedelta("2h"), end, freq="1min")
    series = {key(name): pd.Series(BEGAN if "timestamp" in name else 1.0, at) for name in METRICS}
    for name in ("capacity_forecast_demand_cores", "capacity_forecast_demand_bytes"):
        series[key(name, quantile="0.5")] = pd.Series(1.0, at)
    rules = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    config = {"global": {"evaluation_interval": "1s"}}
    folder = tmp_path_factory.mktemp("prometheus")
    given = {"history": openmetrics(series), "rules": rules, "config": config, "flags": ["--query.lookback-delta=1d"]}
    with running_prometheus(folder, **given) as server:
        until(
            lambda: server.query("capacity:restore_seconds:mean_30d", datetime.now(UTC)), "no recording rule gave one"
        )
        until(lambda: server.query('ALERTS{alertstate="firing"}', datetime.now(UTC)), "no alert fired")
        fired = datetime.now(UTC)
        until(lambda: all(one > fired for one in evaluated(server)), "a group of rules is not evaluated")
        yield server, datetime.now(UTC)


def evaluated(server: Prometheus) -> list[datetime]:
    """When each group of rules was last evaluated."""
    return [datetime.fromisoformat(one["lastEvaluation"]) for one in server.json("/api/v1/rules")["data"]["groups"]]


@pytest.mark.parametrize("panel", [panel for _, panel in PANELS], ids=[name for name, _ in PANELS])
def test_every_query_of_a_panel_finds_series(panel: dict[str, Any], filled: tuple[Prometheus, datetime]) -> None:
    server, at = filled
    for target in panel["targets"]:
        expression = re.sub(r"\$(\w+)", lambda match: VALUES[match[1]], target["expr"])
        assert any(server.query(expression, moment) for moment in (at, at - timedelta(minutes=1))), expression


@pytest.mark.parametrize(("name", "board"), documents(), ids=[name for name, _ in documents()])
def test_a_board_is_one_that_grafana_takes(name: str, board: dict[str, Any]) -> None:
    assert board["uid"] == name
    assert board["schemaVersion"] >= 36
    assert {panel["id"] for panel in board["panels"]} == set(range(1, len(board["panels"]) + 1))
    cells = [cell for panel in board["panels"] for cell in _cells(panel["gridPos"])]
    assert len(cells) == len(set(cells)), "two panels overlap"
    assert all(0 <= x < 24 for x, _ in cells)
    known = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"]))) <= known


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])]


def test_boards_and_rules_show_every_metric() -> None:
    text = "".join(path.read_text() for path in [*BOARDS, MONITORING / "rules.yaml"])
    unseen = {name for name in METRICS if name not in text}
    assert unseen <= {"capacity_build_info", "capacity_plan_created_timestamp_seconds",
                      "capacity_plan_valid_until_timestamp_seconds", "capacity_forecast_skill_ratio"}  # fmt: skip
