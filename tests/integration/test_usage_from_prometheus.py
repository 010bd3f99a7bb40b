"""Load learned from a real Prometheus through the command; when it is down, the last plan stays in force."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.cli import main
from tests.peers import Prometheus, openmetrics

HOURS = pd.date_range(pd.Timestamp(datetime.now(UTC)).floor("h") - pd.Timedelta(days=15), periods=15 * 24, freq="h")


def write_orders() -> pd.Series:
    """Orders of fifteen days until now, a wave a day; returns how many per hour."""
    sales = pd.Series(np.round(60 + 40 * np.sin(2 * np.pi * HOURS.hour.to_numpy() / 24)), HOURS)
    lines = [f"{hour:%Y-%m-%d %H}:{minute:02}:30" for hour, count in sales.items() for minute in range(int(count) % 60)]
    lines += [f"{hour:%Y-%m-%d %H}:30:00" for hour, count in sales.items() for _ in range(int(count) // 60 * 60)]
    Path("orders.csv").write_text("ordered_at\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return sales


def write_config(url: str) -> None:
    workload = {
        "namespace": "shop",
        "ceiling": 50,
        "lead_time": "5m",
        "load": {"cpu": {"base": 1, "per_sale_per_hour": 1}, "memory": {"base": "1Gi"}},
        "replica": {"cpu_request": "500m", "memory_request": "1Gi"},
    }
    document = {
        "sales": {"source": "orders.csv", "time": "ordered_at"},
        "prometheus": {"url": url, "step": "1h", "retries": 0, "cache": "kept"},
        "forecast": {"horizon": "1d"},
        "workloads": [{"name": "web", **workload}, {"name": "ghost", **workload}],
    }
    Path("capacity.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def test_what_a_sale_costs_is_learned_from_prometheus(
    prometheus: Callable[..., Prometheus], capsys: pytest.CaptureFixture[str]
) -> None:
    minutes = pd.date_range(HOURS[0], HOURS[-1] + pd.Timedelta("1h"), freq="1min")
    cores = 0.4 + 0.02 * write_orders().reindex(minutes, method="ffill")
    labels = 'namespace="shop",container="app",pod="web-5d4f8c7b9-bcdfg"'
    series = {
        f"container_cpu_usage_seconds_total{{{labels}}}": (cores * 60).cumsum(),
        f"container_memory_working_set_bytes{{{labels}}}": 0 * cores + 2.0**31,
    }
    write_config(prometheus(history=openmetrics(series)).url)
    assert main(["load", "--output", "json"]) == 0
    text = capsys.readouterr().out
    assert "shop/ghost: expected usage in Prometheus between" in text, "a workload nobody measured keeps its costs"
    assert main(["plan", "--quiet", "--output", "json"]) == 0
    capsys.readouterr()
    plans = {one["name"]: one for one in json.loads(Path("plan.json").read_text(encoding="utf-8"))["workloads"]}
    cores_at_peak = plans["web"]["peak"]["cpu_cores"]
    assert 0.4 + 0.02 * 85 < cores_at_peak < 0.4 + 0.02 * 135, "not the configured core for every sale"
    assert plans["ghost"]["peak"]["cpu_cores"] > 60


def test_without_prometheus_the_last_plan_stays(capsys: pytest.CaptureFixture[str]) -> None:
    write_orders()
    write_config("http://127.0.0.1:1")
    Path("plan.json").write_text("the last one", encoding="utf-8")
    assert main(["plan"]) == 1
    line = capsys.readouterr().err
    assert "Prometheus at http://127.0.0.1:1: no answer: " in line
    assert line.count("\n") == 1
    assert Path("plan.json").read_text(encoding="utf-8") == "the last one"
    assert HOURS[-1] > pd.Timestamp(datetime.now(UTC)) - timedelta(days=2)
