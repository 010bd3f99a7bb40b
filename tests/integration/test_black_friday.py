"""Black Friday over the wire: nodes, a floor, the size of a database and its volume rise in time and come back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from capacity.cli import main
from capacity.model import FloorChange, Plan, write_plan
from capacity.model.headroom import Headroom, HeadroomChange
from capacity.model.volume import GIB, DaysLeft, SizeStep, VolumePlan
from tests.database import HOUR, START, Database, configured, plan_of_sizes, sizes_of
from tests.double import KubernetesDouble
from tests.double.actors import bind_claim, expand_claim, finish_resize, provision_buffer
from tests.double.buffers import capacity_buffer_definition
from tests.double.manifests import claim, storage_class
from tests.plans import workload_plan
from tests.shop import Shop, hpa

DAY = "2026-11-27T"
CLAIM, BUFFER = "data-db-0", "capacity-web"
CPU, MEMORY = [1000, 4000, 4000, *[1000] * 21], [2048, 4096, 4096, *[2048] * 21]


def volume() -> VolumePlan:
    """10 GiB that are to be 16 before the night's orders come."""
    left = DaysLeft(0.5, 1.0, 2.0)
    return VolumePlan(
        CLAIM,
        START - HOUR,
        START + timedelta(days=45),
        10 * GIB,
        10 * GIB,
        8 * GIB,
        (SizeStep(START + HOUR / 2, 16 * GIB),),
        left,
        left,
        0.8,
        0.95,
        timedelta(hours=6),
        timedelta(minutes=10),
    )


def nodes() -> Headroom:
    """Nodes for one pod more, and for five while the peak lasts."""
    changes = (HeadroomChange(0, 1), HeadroomChange(1, 5), HeadroomChange(3, 1))
    return Headroom(START, HOUR, 24, changes, 0.95, timedelta(minutes=4), 500, 2**29, None, ())


class Friday:
    """The shop's front, which scales out, and its database, which does not."""

    def __init__(self, api: KubernetesDouble, folder: Path) -> None:
        self.api, self.database, self.shop = api, Database(api, folder), Shop(api, folder)
        api.create(hpa())
        api.create(capacity_buffer_definition())
        api.create(storage_class())
        api.create(claim(CLAIM, namespace="shop"))
        bind_claim(api, "shop", CLAIM)
        front = {
            "namespace": "shop",
            "name": "web",
            "ceiling": 20,
            "load": {"cpu": {"base": "1"}, "memory": {"base": "1Gi"}},
            "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
            "headroom": {},
        }
        config: dict[str, Any] = {
            "sales": {"source": "orders.csv", "time": "at"},
            "volume_usage": {"source": "volumes.csv", "time": "at", "claim": "c", "used": "u", "capacity": "s"},
            "controller": {"step_down": "50%"},
            "workloads": [front, {**configured(), "volumes": [{"template": "data"}]}],
        }
        (folder / "capacity.yaml").write_text(json.dumps(config))
        floors = [FloorChange(0, 2, "PlanStart"), FloorChange(1, 9, "DemandRising"), FloorChange(3, 2, "DemandFalling")]
        web = workload_plan("web", start=START, steps=24, floor=tuple(floors), ceiling=20, safe_floor=9)
        web = replace(web, headroom=nodes())
        db = replace(plan_of_sizes(sizes_of(CPU, MEMORY)), volumes=(volume(),))
        write_plan(Plan(START, START, db.end, "test", {}, (web, db)), folder / "plan.json")

    def at(self, time: str) -> tuple[int, int, str, str]:
        """A pass at this time, with all measured: how it then stands. Nodes for the buffer come at once."""
        self.shop.measure()
        self.database.measure(f"{DAY}{time}:00Z")
        assert main(["apply", "--now", f"{DAY}{time}:00Z"]) in (0, 3)
        provision_buffer(self.api, "shop", BUFFER)
        return self.now

    @property
    def now(self) -> tuple[int, int, str, str]:
        """Pods for which nodes are ready, the floor, the CPU of the database's pod, the size of its claim."""
        size = self.api.get("PersistentVolumeClaim", "shop", CLAIM)["spec"]["resources"]["requests"]["storage"]
        ready = sum(one["spec"]["replicas"] for one in self.api.list("CapacityBuffer", "shop"))
        return ready, self.shop.floor(), self.database.size()[0], size


def test_all_rise_before_the_peak_and_come_back_after_it(
    kubernetes_double: KubernetesDouble, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    friday = Friday(kubernetes_double, tmp_path)
    assert friday.at("00:10") == (1, 2, "1", "10Gi"), "nothing is due yet"
    assert friday.at("00:58") == (5, 9, "4", "16Gi"), "all stand before the peak at one o'clock"
    for ordinal in range(3):
        finish_resize(kubernetes_double, "shop", f"db-{ordinal}")
    expand_claim(kubernetes_double, "shop", CLAIM)
    seen = [friday.at(time) for time in ("02:00", "03:30", "04:10", "04:50", "05:30", "06:10")]
    assert seen[0] == (5, 9, "4", "16Gi"), "they stand as long as the peak lasts"
    assert [floor for _, floor, _, _ in seen] == sorted((floor for _, floor, _, _ in seen), reverse=True)
    assert seen[-1][:2] == (1, 2)
    assert {size for _, _, _, size in seen} == {"16Gi"}, "a volume never shrinks"
    assert seen[-1][2] != "4", "the database's size comes down in steps"
    assert main(["restore", "--now", f"{DAY}07:00:00Z"]) == 0
    assert friday.now == (0, 2, "1", "16Gi")
    kinds = (("hpa", "web"), ("StatefulSet", "db"), ("pvc", CLAIM))
    left = [friday.api.get(kind, "shop", name)["metadata"].get("annotations", {}) for kind, name in kinds]
    assert [key for notes in left for key in notes if key.startswith("capacity/")] == []
