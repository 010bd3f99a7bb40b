"""One floor taken apart where its load was learned from usage: every bar is the share of the load that it names."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.cli import main

HOURS = pd.date_range("2026-03-02", periods=24 * 28, freq="h", tz="UTC")
BASE, SLOPE, REQUEST = 0.5, 0.02, 0.5  # cores idle, cores per sale per hour, cores of one replica


def write_history(minutes: int) -> None:
    """Four weeks of orders by hours, and of usage by so many minutes, in which load swings within the hour."""
    rng = np.random.default_rng(5)
    weekday = np.where(HOURS.day_of_week < 5, 1, 0.7)
    orders = pd.Series(rng.poisson((120 + 100 * np.sin((HOURS.hour - 8) / 12 * np.pi)) * weekday), HOURS)
    steps = pd.date_range(HOURS[0], HOURS[-1] + pd.Timedelta("59min"), freq=f"{minutes}min")
    within = 1 + 0.3 * np.sin(steps.minute.to_numpy() / 30 * np.pi) if minutes < 60 else np.ones(len(steps))
    load = SLOPE * orders.reindex(steps, method="ffill").to_numpy() * within
    usage = {
        "cpu": BASE + load * rng.gamma(300, 1 / 300, len(steps)),
        "mem": 2**30 + rng.normal(0, 2**20, len(steps)),
    }
    pd.DataFrame({"n": orders}).rename_axis("at").to_csv("orders.csv")
    pd.DataFrame(usage, steps).rename_axis("at").to_csv("usage.csv")


def configure(**changed: Any) -> None:
    web = {
        "namespace": "shop",
        "name": "web",
        "floor": 2,
        "ceiling": 60,
        "lead_time": "5m",
        "load": {"cpu": {"base": "4", "per_sale_per_hour": "500m"}, "memory": {"base": "1Gi"}},
        "replica": {"cpu_request": "500m", "memory_request": "1Gi"},
        **changed,
    }
    document = {
        "timezone": "Europe/London",
        "sales": {"source": "orders.csv", "time": "at", "value": {"sum": "n"}},
        "usage": {"source": "usage.csv", "time": "at", "cpu": "cpu", "memory": "mem"},
        "forecast": {"horizon": "1d"},
        "workloads": [web],
    }
    Path("capacity.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    capsys.readouterr()
    assert main(list(argv)) == 0
    return capsys.readouterr().out


def floor_at(at: str) -> int:
    """What `plan.json` says for the step at this time."""
    (plan,) = json.loads(Path("plan.json").read_text(encoding="utf-8"))["workloads"]
    start, moment = (datetime.fromisoformat(text) for text in (plan["start"], at))
    offset = (moment - start).total_seconds() // plan["step"]
    return int(next(replicas for begin, replicas, _ in reversed(plan["floor"]) if begin <= offset))


@pytest.mark.parametrize(
    ("minutes", "changed", "clamps"),
    [
        pytest.param(60, {}, [], id="usage by hours"),
        pytest.param(10, {"zones": 3, "ceiling": 11}, ["zones", "ceiling"], id="usage by minutes"),
    ],
)  # fmt: skip
def test_the_bars_of_a_learned_load_are_its_own_and_add_up(
    minutes: int, changed: dict[str, Any], clamps: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_history(minutes)
    configure(**changed)
    printed(capsys, "plan")
    explained = json.loads(printed(capsys, "explain", "web", "--output", "json", "--picture", "web.svg"))
    bars = {bar["name"]: bar["milli_replicas"] for bar in explained["bars"]}
    assert sum(bars.values()) == 1000 * explained["floor"] == 1000 * floor_at(explained["at"])
    (learned,) = json.loads(printed(capsys, "load", "--output", "json"))
    cpu = learned["resources"][0]
    assert (cpu["base"], cpu["per_sale_per_hour"]) == pytest.approx((BASE, SLOPE), rel=0.03)
    assert bars["idle load"] == round(1000 * cpu["base"] / REQUEST)
    sales = sum(
        float(bar["why"].split()[0].replace(",", "")) for bar in explained["bars"] if " sales/h: " in bar["why"]
    )
    per_sale = 1000 * cpu["per_sale_per_hour"] / REQUEST
    driven = sum(bars.get(name, 0) for name in ("level", "model", "day", "week", "year", "events"))
    assert driven == pytest.approx(per_sale * sales, rel=0.01)
    assert {"level", "day", "quantile margin", "lead-time window", "headroom", "rounding", *clamps} <= bars.keys()
    before = [milli for name, milli in bars.items() if name not in ("headroom", "rounding", *clamps)]
    assert bars["headroom"] == pytest.approx(sum(before) / 4, abs=1), "80 % of a replica is planned for"
    assert 0 <= bars["rounding"] < 1000
    picture = Path("web.svg").read_text(encoding="utf-8")
    assert all(f"{bar['name']} {bar['milli_replicas'] / 1000:+.2f}" in picture for bar in explained["bars"])


def test_the_table_runs_up_to_the_floor(capsys: pytest.CaptureFixture[str]) -> None:
    write_history(60)
    configure()
    rows = printed(capsys, "explain", "shop/web", "--at", "2026-03-30T07:40", "--output", "csv").splitlines()
    assert rows[0] == "part,replicas,sum,why"
    sums = [float(row.split(",")[2]) for row in rows[1:] if row.startswith(("idle load", "rounding"))]
    assert sums[0] == pytest.approx(BASE / REQUEST, abs=0.02)
    assert sums[1] == round(sums[1])
    table = printed(capsys, "explain", "shop/web", "--at", "2026-03-30T07:40")
    assert f"shop/web: {sums[1]:.0f} replicas for Mon 2026-03-30 07:30 (Europe/London), by cpu" in table
