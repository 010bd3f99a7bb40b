"""The verbs plan and explain on files of one's own: requests advised, scenarios compared, one number explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.cli import main

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
    assert main(["plan", "-o", "json"]) == 0
    (advice,) = json.loads(capsys.readouterr().out)["request_advice"]
    assert main(["load", "--requests-patch", "requests.yaml"]) == 0
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
    assert main(["load", "--requests-patch", "requests.yaml"]) == 2
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


EVENTS = """name,start,end,kind,uplift
old,2026-01-10,2026-01-11,promotion,2
one,2026-01-26T09:00,2026-01-26T12:00,promotion,1.5
two,2026-01-26T11:00,2026-01-26T14:00,press,2
"""
PAST = "promotion old lies in the past, it ended 2026-01-11: its uplift of 2 is not used"
BOTH = "promotion one and press two overlap: their uplifts of 1.5 and 2 multiply"


def test_promotions_that_overlap_or_lie_in_the_past_are_said_wherever_the_plan_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.csv").write_text(EVENTS, encoding="utf-8")
    (tmp_path / "capacity.yaml").write_text(f"{CONFIG}calendar: {{events: events.csv}}\n", encoding="utf-8")
    for verb in ("plan", "explain"):
        assert main([verb]) == 0
        assert {f"note: {PAST}", f"note: {BOTH}"} <= set(capsys.readouterr().out.splitlines())
    notes = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["workloads"][0]["explain"]["notes"]
    assert {PAST, BOTH} <= set(notes)
    assert main(["explain", "-o", "json"]) == 0
    assert {PAST, BOTH} <= set(json.loads(capsys.readouterr().out)["notes"])
    assert main(["plan", "--scenario", "promotion=2026-01-26T11:00/2026-01-26T15:00:+50%"]) == 0
    again = "promotion 2026-01-26T11:00/2026-01-26T15:00 comes on top of press two, which is forecast"
    assert f"note: {again}" in capsys.readouterr().out.splitlines()
    assert main(["plan", "--scenario", "promotion=2025-01-26/2025-01-27:+50%"]) == 1
    assert "promotion 2025-01-26/2025-01-27: expected a time from 2026-01-26" in capsys.readouterr().err


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
    assert all(
        len(line) <= 80 for line in capsys.readouterr().out.splitlines() if not line.startswith(("shop/web", "note: "))
    )
    assert main(["explain", "api"]) == 2
    assert main(["explain", "web", "--at", "soon"]) == 2
    assert main(["explain", "web", "--at", "2020-01-01T00:00Z"]) == 1


@pytest.mark.parametrize(
    ("step", "spread", "season", "said"),
    [
        pytest.param("1h", 0.02, 0.0, True, id="sales that wander: nothing beats their last value"),
        pytest.param("1h", 0.0005, 0.5, False, id="a season that a forecast sees coming"),
        pytest.param("1d", 0.05, 0.0, True, id="steps of a day"),
    ],
)
def test_where_looking_ahead_does_not_pay_the_plan_recommends_the_autoscalers_target(
    step: str, spread: float, season: float, said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    index = pd.date_range("2025-01-06", periods=24 * 28 if step == "1h" else 200, freq=step.upper().replace("H", "h"))
    wave = season * np.sin(np.arange(len(index)) * 2 * np.pi / 24)
    sales = 100 * np.exp(wave + np.cumsum(rng.normal(0, spread, len(index))))
    pd.DataFrame({"at": index, "n": sales.round(3)}).to_csv(tmp_path / "orders.csv", index=False)
    alone = CONFIG.replace(USAGE_LINE, "")
    alone = (
        alone.replace("n}}\n", f"n}}, step: {step}}}\n", 1).replace("ceiling: 40", "ceiling: 99").replace("1d,", "7d,")
    )
    (tmp_path / "capacity.yaml").write_text(alone, encoding="utf-8")
    assert main(["plan"]) == 0
    printed = capsys.readouterr().out
    assert ("note: an autoscaler alone is enough: the forecast does not beat the seasonal naive" in printed) == said
    assert ("may hide faster rises" in printed) == said


def as_it_is(table: pd.DataFrame) -> pd.DataFrame:
    return table


def long_ago(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(at=pd.to_datetime(table["at"]) - pd.Timedelta(days=90))


def falling(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(cores=6 - table["cores"])


USAGE_LINE = "usage: {source: usage.csv, time: at, cpu: cores, memory: bytes, replicas: pods}\n"
NO_NODE = "supply/node_types: not planned: expected a node type that a pod of shop/web fits on (0.5 cores, 0.5 GiB)"
BAD = [
    pytest.param({}, long_ago, 0, "note: usage ends 2160 h before sales do", id="usage without overlap with sales"),
    pytest.param({}, falling, 0, "note: CPU falls as sales rise: they do not drive it", id="a negative slope"),
    pytest.param(
        {USAGE_LINE: "", "{sum: n}": "{sum: one}"}, as_it_is, 0, "the history shows no variation", id="constant sales"
    ),
    pytest.param({"500m, mem": "0, mem"}, as_it_is, 2, "cpu_request: Input should be greater than 0", id="no request"),
    pytest.param({"ceiling: 40": "ceiling: 5"}, as_it_is, 0, "replicas is below the need for", id="a low ceiling"),
    pytest.param({"cpu: 4, mem": "cpu: 0.25, mem"}, as_it_is, 3, NO_NODE, id="no node type that fits"),
]


@pytest.mark.parametrize(("settings", "used", "code", "words"), BAD)
def test_bad_input_is_planned_as_far_as_it_goes_and_said(
    settings: dict[str, str],
    used: Callable[[pd.DataFrame], pd.DataFrame],
    code: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = CONFIG
    for old, new in settings.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "capacity.yaml").write_text(text, encoding="utf-8")
    pd.read_csv(tmp_path / "orders.csv").assign(one=20).to_csv(tmp_path / "orders.csv", index=False)
    used(pd.read_csv(tmp_path / "usage.csv")).to_csv(tmp_path / "usage.csv", index=False)
    assert main(["plan"]) == code
    captured = capsys.readouterr()
    assert words in captured.out + captured.err


def test_a_past_plan_uses_what_was_known_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--now", "2026-01-20T12:00Z"]) == 0
    plan = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert (plan["created"], plan["origin"]) == ("2026-01-20T12:00:00Z", "2026-01-20T11:45:00Z")
    assert plan["source"]["last"] == "2026-01-20T11:00:00Z"
    frame = pd.read_csv(tmp_path / "orders.csv")
    frame.loc[frame["at"] >= "2026-01-20 12:00", "n"] *= 90
    frame.to_csv(tmp_path / "orders.csv", index=False)
    assert main(["plan", "--now", "2026-01-20T12:00Z"]) == 0
    again = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert again["workloads"] == plan["workloads"], "orders of the days after changed nothing"
    assert main(["plan", "--now", "2999-01-20T12:00Z"]) == 2
    assert "--now: expected a time that has passed" in capsys.readouterr().err
