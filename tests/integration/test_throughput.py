"""`throughput: history` through the command: reported, planned with, explained, refused where nothing is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from capacity.app import read_config
from capacity.cli import main
from capacity.model import ConfigError, Throughput
from tests.served import World

USAGE = {"source": "usage.csv", "time": "at", "cpu": "cpu", "requests": "requests", "replicas": "replicas"}
LAW = Throughput(100.0, 0.02)  # busy in the past, planned for half of that: more replicas, that hinder each other more


def configure(usage: dict[str, Any] | None = None, **changed: Any) -> None:
    web = {
        "namespace": "shop",
        "name": "web",
        "ceiling": 90,
        "throughput": "history",
        "target_utilization": 0.5,
        "load": {"cpu": {"base": "1", "per_sale_per_hour": "1m"}, "memory": {"base": "1Gi"}},
        "replica": {"cpu_request": "500m", "memory_request": "1Gi"},
    }
    document = {
        "sales": {"source": "orders.csv", "time": "at", "value": {"sum": "n"}},
        "usage": USAGE if usage is None else usage,
        "forecast": {"horizon": "1d"},
        "workloads": [web],
    }
    document |= changed
    known = {key: block for key, block in document.items() if block}
    Path("capacity.yaml").write_text(yaml.safe_dump(known), encoding="utf-8")


@pytest.fixture
def history() -> None:
    """Four weeks of one order for every ten requests, and of the usage that they cost."""
    usage = World(LAW, noise=0.03, target=1.0).usage()
    orders = usage["requests"].mul(360).round().astype(int).rename("n")
    orders.rename_axis("at").to_csv("orders.csv")
    usage.rename_axis("at").to_csv("usage.csv")


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    capsys.readouterr()
    assert main(list(argv)) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("history")
def test_what_replicas_serve_reaches_report_plan_and_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    (report,) = json.loads(printed(capsys, "load", "--output", "json", "--picture", "load.svg"))
    served = report["throughput"]
    assert served["rate"] == pytest.approx(LAW.rate, rel=0.03)
    assert served["contention"] == pytest.approx(LAW.contention, rel=0.1)
    assert served["bound_rate"] < served["rate"]
    assert served["words"] in Path("load.svg").read_text(encoding="utf-8")
    table = printed(capsys, "load")
    assert "one replica serves" in table
    assert f"shop/web: throughput: {served['words']}" in table

    (web,) = json.loads(printed(capsys, "plan", "--output", "json"))["workloads"]
    known = web["explain"]
    assert known["requests_bound"] == "history (its 95 % lower bound)"
    assert f"throughput: {served['words']}" in known["notes"]
    bound = Throughput(served["bound_rate"], served["contention"], served["coherence"])
    needed = next(count for count in range(1, 90) if bound.at(count) * 0.5 >= known["requests_per_second"])
    assert needed == known["replicas_for_requests"] > known["replicas_for_cpu"]

    explained = json.loads(printed(capsys, "explain", "--output", "json"))
    assert explained["resource"] == "requests"
    bars = {bar["name"]: bar for bar in explained["bars"]}
    assert sum(bar["milli_replicas"] for bar in bars.values()) == 1000 * explained["floor"] == 1000 * needed
    assert bars["requests"]["milli_replicas"] == 1000 * (needed - known["replicas_for_cpu"])
    assert "requests/s by history (its 95 % lower bound) ask for more" in bars["requests"]["why"]
    assert "requests by history (its 95 % lower bound)" in printed(capsys, "plan")


@pytest.mark.usefixtures("history")
def test_a_history_that_does_not_tell_is_said_and_cpu_and_memory_are_planned_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pd.read_csv("usage.csv").assign(replicas="").to_csv("usage.csv", index=False)
    configure()
    (web,) = json.loads(printed(capsys, "plan", "--output", "json"))["workloads"]
    words = (
        "throughput: not known: history: expected at least 24 steps with replicas, requests and cpu, got 0; replicas"
    )
    assert any(words in note for note in web["explain"]["notes"])
    assert "replicas_for_requests" not in web["explain"]


@pytest.mark.usefixtures("history")
def test_a_plan_beyond_what_scaling_out_reaches_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    usage = World(Throughput(100.0, 0.0, 0.01), noise=0.03, target=1.0, counts=(2, 12)).usage()
    usage.rename_axis("at").to_csv("usage.csv")
    configure()
    capsys.readouterr()
    assert main(["plan"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "requests/s (0.5 of the" in said
    assert "that scaling out reaches by history (its 95 % lower bound), at" in said
    assert "scale-out cannot serve this; shard it or shed load" in said


@pytest.mark.usefixtures("history")
def test_one_point_of_a_load_test_is_planned_with_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    document = yaml.safe_load(Path("capacity.yaml").read_text(encoding="utf-8"))
    document["workloads"][0]["throughput"] = {"points": [[4, 200.0]]}
    Path("capacity.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (web,) = json.loads(printed(capsys, "plan", "--output", "json"))["workloads"]
    known = web["explain"]
    assert known["requests_bound"] == "the load test, linear from 4 replicas"
    assert known["replicas_for_requests"] == pytest.approx(known["requests_per_second"] / (50 * 0.5), abs=1)


@pytest.mark.parametrize(
    ("usage", "prometheus", "words"),
    [
        pytest.param({**USAGE, "replicas": None}, None, "history needs usage.replicas, got none", id="no replicas"),
        pytest.param({**USAGE, "cpu": None}, None, "history needs usage.cpu, got none", id="no CPU"),
        pytest.param({}, None, "history needs usage or prometheus, got none", id="no usage"),
        pytest.param({}, {"url": "http://p:9090"}, "needs prometheus.requests or metrics.requests", id="no counter"),
    ],
)  # fmt: skip
def test_a_history_that_nothing_measures_is_refused(usage: dict[str, Any], prometheus: Any, words: str) -> None:
    configure(usage, prometheus=prometheus)
    with pytest.raises(ConfigError, match=f"workload shop/web: throughput: .*{words}"):
        read_config("capacity.yaml")


def test_another_word_than_history_is_refused() -> None:
    configure()
    file = Path("capacity.yaml")
    file.write_text(file.read_text(encoding="utf-8").replace("throughput: history", "throughput: guess"))
    with pytest.raises(ConfigError, match=r"throughput: expected history, or \{points: .*\}, got 'guess'"):
        read_config(file)
