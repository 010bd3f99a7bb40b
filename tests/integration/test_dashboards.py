"""Every panel of every dashboard finds data in a real Prometheus that holds the metrics of capacity."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from capacity.edge.telemetry import METRICS
from tests.peers import Prometheus, openmetrics, running_prometheus

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
}
BEGAN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # of times in samples: long ago, so that passes are missed


def documents() -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, json.loads(path.read_text())) for path in BOARDS]


PANELS = [(f"{name}: {panel['title']}", panel) for name, board in documents() for panel in board["panels"]]


def key(name: str, **other: str) -> str:
    labels = ",".join(f'{label}="{other.get(label, VALUES[label])}"' for label in METRICS[name].labels)
    return f"{name}{{{labels}}}" if labels else name


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Two hours of every metric up to now, and the recording rules at work on them.

    The history ends in the past: where it has a sample, a rule can write none.
    """
    end = pd.Timestamp.now("UTC").floor("1min")
    at = pd.date_range(end - pd.Timedelta("2h"), end, freq="1min")
    series = {key(name): pd.Series(BEGAN if "timestamp" in name else 1.0, at) for name in METRICS}
    for name in ("capacity_forecast_demand_cores", "capacity_forecast_demand_bytes"):
        series[key(name, quantile="0.5")] = pd.Series(1.0, at)
    rules = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    config = {"global": {"evaluation_interval": "1s"}}
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder, history=openmetrics(series), rules=rules, config=config) as server:
        _wait(lambda: bool(server.query("capacity:restore_seconds:mean_30d", datetime.now(UTC))))
        _wait(lambda: bool(server.query('ALERTS{alertstate="firing"}', datetime.now(UTC))))
        yield server


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "the recording rules gave nothing in 30 s"
        time.sleep(0.2)


@pytest.mark.parametrize("panel", [panel for _, panel in PANELS], ids=[name for name, _ in PANELS])
def test_every_query_of_a_panel_finds_series(panel: dict[str, Any], filled: Prometheus) -> None:
    for target in panel["targets"]:
        expression = re.sub(r"\$(\w+)", lambda match: VALUES[match[1]], target["expr"])
        moments = (datetime.now(UTC), datetime.now(UTC) - timedelta(minutes=1))
        assert any(filled.query(expression, moment) for moment in moments), expression


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
