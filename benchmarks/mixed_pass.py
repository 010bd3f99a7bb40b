"""A pass over a thousand mixed targets: floors, buffers of nodes, pods resized in place, and volumes.

`python -m benchmarks.mixed_pass PARTS KUBECONFIG` is the API server of it, until its input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.controller import _process
from capacity.model import Plan, WorkloadPlan, write_plan
from capacity.model.headroom import Headroom, HeadroomChange
from capacity.model.volume import GIB, DaysLeft, SizeStep, VolumePlan
from tests.database import POD_METRICS, SMALL, VPA, configured, plan_of_sizes, sizes_of, start_pod
from tests.double import KubernetesDouble
from tests.double.actors import bind_claim
from tests.double.buffers import capacity_buffer_definition
from tests.double.manifests import autoscaler, claim, storage_class
from tests.plans import workload_plan

NAMESPACE, HOUR = "shop", timedelta(hours=1)


def mixed_figures(data: Path, quick: bool) -> dict[str, Any]:
    """The pass in which everything moves, and the one after it: wall and CPU seconds, and memory, of a process."""
    del data
    parts = 5 if quick else 200  # of two floors, a buffer, a database's pod and a volume each
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kubeconfig = folder / "kubeconfig"
        words = [sys.executable, "-m", "benchmarks.mixed_pass", str(parts), str(kubeconfig)]
        server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            server.stdout.readline()
            _configure(folder, parts)
            moved, still = _process(folder, kubeconfig), _process(folder, kubeconfig)
        finally:
            server.communicate()
    return {
        f"{5 * parts} mixed targets, everything moves": {"seconds": moved.seconds, "cpu_seconds": moved.cpu_seconds},
        f"{5 * parts} mixed targets, nothing to do": {"seconds": still.seconds, "cpu_seconds": still.cpu_seconds},
        "pass_seconds_1000_mixed": still.seconds,
        "pass_seconds_1000_mixed_all_move": moved.seconds,
        "pass_peak_rss_mib_1000_mixed": max(moved.peak_mib, still.peak_mib),
    }


def _configure(folder: Path, parts: int) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    front = {
        "namespace": NAMESPACE,
        "ceiling": 20,
        "load": {"cpu": {"base": "1"}, "memory": {"base": "1Gi"}},
        "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
    }
    workloads: list[dict[str, Any]] = []
    plans: list[WorkloadPlan] = []
    for place in range(parts):
        volumes = [{"claim": f"data-{place}"}]
        workloads += [
            {**front, "name": f"web-{place}", "headroom": {}, "volumes": volumes},
            {**front, "name": f"api-{place}"},
            {**configured(f"db-{place}"), "floor": 1, "ceiling": 1},
        ]
        web = workload_plan(f"web-{place}", start=start, steps=24)
        ahead = Headroom(start, HOUR, 24, (HeadroomChange(0, 3),), 0.95, timedelta(minutes=4), 500, 2**29)
        sized = plan_of_sizes(sizes_of([4000] * 24, start=start), f"db-{place}")
        floor = (replace(sized.floor[0], replicas=1),)
        plans += [
            replace(web, headroom=ahead, volumes=(_volume(f"data-{place}", start),)),
            workload_plan(f"api-{place}", start=start, steps=24),
            replace(sized, floor=floor, ceiling=1, safe_floor=1),
        ]
    write_plan(Plan(start, start, plans[0].end, "benchmark", {}, tuple(plans)), folder / "plan.json")
    config = {
        "sales": {"source": "orders.csv", "time": "at"},
        "volume_usage": {"source": "volumes.csv", "time": "at", "claim": "c", "used": "u", "capacity": "s"},
        "workloads": workloads,
    }
    (folder / "capacity.yaml").write_text(json.dumps(config), encoding="utf-8")


def _volume(name: str, start: datetime) -> VolumePlan:
    """10 GiB that are to be 16 now."""
    left = DaysLeft(0.5, 1.0, 2.0)
    return VolumePlan(
        name,
        start - HOUR,
        start + timedelta(days=45),
        10 * GIB,
        10 * GIB,
        8 * GIB,
        (SizeStep(start, 16 * GIB),),
        left,
        left,
        0.8,
        0.95,
        timedelta(hours=6),
        timedelta(minutes=10),
    )


def serve(parts: int, kubeconfig: Path) -> None:
    """A namespace with everything that the pass moves, until the input ends."""
    with KubernetesDouble() as api:
        for made in (capacity_buffer_definition(), POD_METRICS, VPA, storage_class()):
            api.create(made)
        for place in range(parts):
            for name in (f"web-{place}", f"api-{place}"):
                api.create(autoscaler(name, namespace=NAMESPACE))
            start_pod(api, api.create(_database(f"db-{place}")), 0)
            api.create(claim(f"data-{place}", namespace=NAMESPACE))
            bind_claim(api, NAMESPACE, f"data-{place}")
        api.kubeconfig(kubeconfig)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


def _database(name: str) -> dict[str, Any]:
    containers = [{"name": "app", "image": "img:1", "resources": SMALL}]
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
