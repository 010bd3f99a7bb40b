"""What is simulated is what runs: plan and apply in a cluster, minute by minute, beside `simulate` on equal orders."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity import simulate
from capacity.app.configuration import read_config
from capacity.app.control import apply
from capacity.app.loop import make_pass
from capacity.app.plan import plan_fleet
from capacity.app.reading import read_orders
from capacity.cluster import ClusterWriter, write_plan_maps
from capacity.model import Decision
from capacity.model.configuration import Config
from capacity.model.policy import Cadence
from capacity.planning.orders import request_of
from capacity.planning.pipeline import planned_window
from capacity.simulation import Replay, Schedule
from capacity.simulation.lanes import HpaStatus
from capacity.simulation.replay import Steering
from tests.scale import times
from tests.shop import Shop, hpa

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAYS, TARGET = 21, 75
SUITE, PROOF = 3, 72  # hours
END = datetime(2026, 1, 26, 19, tzinfo=UTC)  # the hours before it fall from the peak: two looks, and step by step
PLANNER = Cadence().delay - MINUTE  # past the hour, as in k8s/base/planner.yaml
Pass = tuple[datetime, HpaStatus, Decision]


def write_shop(folder: Path, hours: int, **keys: Any) -> Config:
    """Hourly orders until `END`, highest in the early afternoon, and one workload."""
    index = pd.date_range(end=END, periods=24 * DAYS + hours + 1, freq="h", tz="UTC")[:-1]
    hour, random = index.hour.to_numpy(), np.random.default_rng(8)
    mean = 40 + 260 * np.sin((hour - 6) * np.pi / 14).clip(0)
    orders = random.poisson(mean * random.lognormal(0, 0.1, len(index)))
    frame = pd.DataFrame({"at": index.strftime("%Y-%m-%dT%H:%M:%SZ"), "orders": orders})
    frame.to_csv(folder / "orders.csv", index=False)
    web = {
        "namespace": "shop",
        "name": "web",
        "floor": 2,
        "ceiling": 90,
        "lead_time": "4m",
        "load": {"cpu": {"base": "500m", "per_sale_per_hour": "80m"}, "memory": {"base": "1Gi"}},
        "replica": {"cpu_request": "500m", "memory_request": "8Gi"},
        "autoscaler": {"target": TARGET},
    }
    config = {
        "sales": {"source": "orders.csv", "time": "at", "value": {"sum": "orders"}, "step": "1h"},
        "forecast": {"horizon": "5d"},
        "workloads": [web | keys],
    }
    (folder / "capacity.yaml").write_text(json.dumps(config), encoding="utf-8")
    return read_config(folder / "capacity.yaml")


def simulated(config: Config, hours: int, monkeypatch: pytest.MonkeyPatch) -> list[Pass]:
    """Every pass of the simulated controller: when, what it saw of the autoscaler, and its decision."""
    passes, decided = list[Pass](), Steering.decide

    def noted(self: Steering, now: datetime, status: HpaStatus) -> Decision:
        decision = decided(self, now, status)
        passes.append((now, status, decision))
        return decision

    monkeypatch.setattr(Steering, "decide", noted)
    orders, (workload,) = read_orders(config, END, past=True), config.workloads
    sales = orders.histories[None]
    request = replace(request_of(config, orders), window=planned_window(config, workload, sales))
    every = config.choice.refit if workload.policy is not None else Cadence().plan
    schedule = Schedule(every=every, pace=config.controller.policy())
    found = simulate(sales, workload, request=request, replay=Replay(days=hours / 24, schedule=schedule))
    floors = found.plan.lane.floor[:: MINUTE // found.tick]
    assert floors.tolist() == [decision.floor for _, _, decision in passes]
    return passes


def report(shop: Shop, status: HpaStatus, at: int) -> None:
    """The autoscaler reports what the simulated one did; the CPU in nanocores is never twice the same."""
    nanocores = int(1000 * 0.5 * status.share) * 10**6 + at
    current = {"name": "cpu", "current": {"averageUtilization": status.utilization, "averageValue": f"{nanocores}n"}}
    told = {
        "currentReplicas": max(status.current, 1),
        "desiredReplicas": status.desired,
        "conditions": [
            {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"},
            {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"},
        ],
        "currentMetrics": [{"type": "Resource", "resource": current}],
    }
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"status": told}, subresource="status")


def planned(config: Config, hour: datetime) -> None:
    """The planner's run in an hour: what was known by then, written to the cluster."""
    write_plan_maps(ClusterWriter(), plan_fleet(config, hour + PLANNER, past=True).plan)


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(None, id="a plan of every hour"),
        pytest.param(
            {"target": TARGET, "floors": "forecast", "quantile_level": 0.9}, id="floors as they were replayed"
        ),
        pytest.param(
            {"target": TARGET, "floors": "forecast", "quantile_level": 0.8, "calm": False}, id="floors without calm"
        ),
    ],
)
def test_floors_are_tick_by_tick_those_of_the_simulator(
    policy: dict[str, Any] | None, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = SUITE if times() == 1 else PROOF
    config = write_shop(tmp_path, hours, **({} if policy is None else {"policy": policy}))
    passes = simulated(config, hours, monkeypatch)
    document = hpa(ceiling=90)
    document["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] = TARGET
    shop.api.delete("HorizontalPodAutoscaler", "shop", "web")
    shop.api.create(document)
    writer, begin = ClusterWriter(), passes[0][0]
    planned(config, begin - HOUR)
    for at, (now, status, decision) in enumerate(passes):
        if now - begin >= PLANNER and (now - begin - PLANNER - MINUTE) % HOUR == timedelta(0):
            planned(config, now - PLANNER - MINUTE)
        report(shop, status, at)
        (outcome,) = apply(writer, make_pass(config, now, None, writer))
        assert outcome.error is None
        assert outcome.decision is not None
        assert (now, shop.floor(), outcome.decision.reason) == (now, decision.floor, decision.reason)
    assert len({decision.floor for _, _, decision in passes}) > 1, "floors that never move prove nothing"
