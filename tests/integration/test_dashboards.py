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
    "horizon": "0h",
    "cluster": ".*",
    "installation": ".*",
}
TIMES = "capacity_ahead_timestamp_seconds"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # of times in samples: long ago, so that passes are missed


def documents() -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, json.loads(path.read_text())) for path in BOARDS]


PANELS = [
    (f"{name}: {panel['title']}", panel)
    for name, board in documents()
    for panel in board["panels"]
    if panel["type"] != "text"
]


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
    for name in ("capacity_forecast_demand_cores", "capacity_ahead_demand_cores", "capacity_ahead_demand_bytes"):
        series[key(name, quantile="0.5")] = pd.Series(1.0, at)
    series |= {key(name, horizon="1h"): pd.Series(7.0, at) for name in METRICS if "horizon" in METRICS[name].labels}
    this_hour = end.floor("h").timestamp()
    series[key(TIMES)] = pd.Series(this_hour, at)
    series[key(TIMES, horizon="1h")] = pd.Series(this_hour + 3600, at)
    floors = series[key("capacity_floor_replicas")]
    floors.iloc[-1] = 2.0  # a move, just now
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
        expression = asked(target["expr"])
        assert any(server.query(expression, moment) for moment in (at, at - timedelta(minutes=1))), expression


def asked(expression: str) -> str:
    """The query as Grafana sends it, variables filled in."""
    return re.sub(r"\$(\w+)", lambda match: VALUES[match[1]], expression)


@pytest.mark.parametrize("name", ["capacity-workload", "capacity-fleet"])
def test_annotations_find_peaks_and_moves(name: str, filled: tuple[Prometheus, datetime]) -> None:
    server, at = filled
    peaks, moves = dict(documents())[name]["annotations"]["list"]
    (peak,) = server.query(asked(peaks["expr"]), at)
    assert (peaks["useValueForTime"], float(peak["value"][1])) == (True, BEGAN * 1000), "milliseconds, for Grafana"
    moments = [at - timedelta(seconds=seconds) for seconds in range(0, 600, 20)]
    assert any(server.query(asked(moves["expr"]), moment) for moment in moments)


def test_a_query_draws_the_coming_hours(filled: tuple[Prometheus, datetime]) -> None:
    server, _ = filled
    (replicas,) = (panel for panel in dict(documents())["capacity-workload"]["panels"] if panel["title"] == "Replicas")
    expression = asked(replicas["targets"][0]["expr"])
    drawn = {hours: server.query(expression, hour_of(server) + timedelta(hours=hours, minutes=30)) for hours in (1, 2)}
    assert [one["value"][1] for one in drawn[1]] == ["7"]
    assert drawn[2] == [], "beyond what the plan said"


def hour_of(server: Prometheus) -> datetime:
    """The hour in which the plan was made."""
    (found,) = server.query(key(TIMES), datetime.now(UTC))
    return datetime.fromtimestamp(float(found["value"][1]), UTC)


@pytest.mark.parametrize(("name", "board"), documents(), ids=[name for name, _ in documents()])
def test_a_board_opens_with_its_question_and_explains_each_panel(name: str, board: dict[str, Any]) -> None:
    first, *panels = board["panels"]
    assert first["type"] == "text"
    assert first["options"]["content"].startswith(f"### {board['description']}\n")
    assert board["description"].endswith("?")
    for panel in panels:
        title, config = panel["title"], panel["fieldConfig"]
        assert panel["description"].endswith("."), title
        values = [one["value"] for part in config["overrides"] for one in part["properties"] if one["id"] == "unit"]
        assert config["defaults"].get("unit") or values, f"{title}: no unit"
        assert panel["type"] != "table" or config["overrides"], title
    chosen = {one["name"]: one for one in board["templating"]["list"] if one["type"] == "query"}
    assert {"cluster", "installation"} <= set(chosen)
    assert all(one["includeAll"] and one["allValue"] == ".*" for one in chosen.values())
    for target in (target for panel in panels for target in panel["targets"]):
        assert 'cluster=~"$cluster"' in target["expr"], "one cluster, or all"


@pytest.mark.parametrize(("name", "board"), documents(), ids=[name for name, _ in documents()])
def test_a_board_is_one_that_grafana_takes(name: str, board: dict[str, Any]) -> None:
    assert board["uid"] == name
    assert board["schemaVersion"] >= 36
    assert {panel["id"] for panel in board["panels"]} == set(range(1, len(board["panels"]) + 1))
    cells = [cell for panel in board["panels"] for cell in _cells(panel["gridPos"])]
    assert len(cells) == len(set(cells)), "two panels overlap"
    assert all(0 <= x < 24 for x, _ in cells)
    known = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"]))) - {"__data"} <= known


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])]


def test_boards_and_rules_show_every_metric() -> None:
    text = "".join(path.read_text() for path in [*BOARDS, MONITORING / "rules.yaml"])
    unseen = {name for name in METRICS if name not in text}
    assert unseen <= {"capacity_plan_created_timestamp_seconds", "capacity_plan_valid_until_timestamp_seconds"}
