"""A StatefulSet of the double whose pods are resized in place, and eyes on what becomes of them."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from capacity.cli import main
from capacity.model import Plan, WorkloadPlan, write_plan
from capacity.model.pod_size import PlannedSize, PodSizes, SizeBinding, SizeChange, SizedResource
from tests.double import KubernetesDouble
from tests.double.actors import run_pod
from tests.double.manifests import deployment
from tests.plans import workload_plan

START = datetime(2026, 11, 27, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIB = 2**20
SMALL = {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}
Document = dict[str, Any]
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(group: str, version: str, kind: str, plural: str) -> Document:
    """A definition of any content, for what the double does not know."""
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": OPEN}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }


POD_METRICS = definition("metrics.k8s.io", "v1beta1", "PodMetrics", "pods")
VPA = definition("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler", "verticalpodautoscalers")


def planned(resource: SizedResource, amounts: Sequence[int], binding: SizeBinding = "demand") -> PlannedSize:
    """The size of container `app` by the hour."""
    starts = [at for at in range(len(amounts)) if at == 0 or amounts[at] != amounts[at - 1]]
    changes = tuple(SizeChange(at, amounts[at], binding) for at in starts)
    return PlannedSize("app", resource, changes, sorted(amounts)[len(amounts) // 2])


def sizes_of(cpu: Sequence[int], memory: Sequence[int] = (), start: datetime = START) -> PodSizes:
    """Millicores, and MiB, by the hour."""
    memory = [amount * MIB for amount in memory] or [2048 * MIB]
    sizes = (planned("cpu", cpu), planned("memory", memory))
    return PodSizes(start, HOUR, max(len(cpu), len(memory)), sizes, timedelta(minutes=5))


def plan_of_sizes(sizes: PodSizes | None, name: str = "db") -> WorkloadPlan:
    """The plan of a workload of three pods with these sizes."""
    steps = 24 if sizes is None else sizes.steps
    start = START if sizes is None else sizes.start
    floor = replace(workload_plan(name).floor[0], replicas=3, reason="PlanStart")
    return workload_plan(name, start=start, steps=steps, floor=(floor,), ceiling=3, safe_floor=3, sizes=sizes)


def configured(name: str = "db", **vertical: Any) -> Document:
    """The workload as capacity.yaml has it."""
    ranges = {"cpu": {"min": "500m", "max": "8"}, "memory": {"min": "1Gi", "max": "16Gi"}}
    return {
        "namespace": "shop",
        "name": name,
        "scaling": "vertical",
        "floor": 3,
        "ceiling": 3,
        "target": {"kind": "StatefulSet"},
        "load": {"cpu": {"base": "3"}, "memory": {"base": "3Gi"}},
        "replica": {"cpu_request": "1", "memory_request": "2Gi"},
        "vertical": {"containers": {"app": ranges}, **vertical},
    }


def start_pod(api: KubernetesDouble, owner: Document, ordinal: int, *, supports_resize: bool = True) -> None:
    """A pod as its StatefulSet's template has it, running."""
    template, about = owner["spec"]["template"], owner["metadata"]
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "controller": True}
    reference |= {"name": about["name"], "uid": about["uid"]}
    name = f"{about['name']}-{ordinal}"
    metadata = {"name": name, "namespace": about["namespace"], "ownerReferences": [reference], **template["metadata"]}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    run_pod(api, about["namespace"], name, supports_resize=supports_resize)


class Database:
    """StatefulSet `db` with pods db-0 to db-2, their metrics, a configuration and a plan."""

    def __init__(self, api: KubernetesDouble, folder: Path) -> None:
        self.api, self.folder = api, folder
        api.create(POD_METRICS)
        api.create(VPA)
        self.own(SMALL)
        for ordinal in range(3):
            self.start(f"db-{ordinal}")
        self.configure()

    def own(self, resources: Document, name: str = "db", **container: Any) -> None:
        """The StatefulSet, with one container of these resources."""
        containers = [{"name": "app", "image": "img:1", "resources": resources, **container}]
        spec = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
        self.owner = self.api.create(
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": {"name": name, "namespace": "shop"},
                "spec": {
                    "replicas": 3,
                    "serviceName": name,
                    "selector": {"matchLabels": {"app": name}},
                    "template": spec,
                },
            }
        )

    def start(self, name: str, *, supports_resize: bool = True) -> None:
        """A pod as its template has it, running."""
        start_pod(self.api, self.owner, int(name.rpartition("-")[2]), supports_resize=supports_resize)

    def add_deployment(self, name: str) -> None:
        """A Deployment with one pod of the same size, which a ReplicaSet made."""
        containers = [{"name": "app", "image": "img:1", "resources": SMALL}]
        item = deployment(name, namespace="shop", replicas=1)
        item["spec"]["template"]["spec"]["containers"] = containers
        self.api.create(item)
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-1a2b", "uid": "1", "controller": True}
        labels = {"app": name, "pod-template-hash": "1a2b"}
        pod = f"{name}-1a2b-x"
        metadata = {"name": pod, "namespace": "shop", "ownerReferences": [owner], "labels": labels}
        self.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}})
        run_pod(self.api, "shop", pod)

    def restart(self, name: str, **how: Any) -> None:
        """The pod goes, and another one of the template's size comes."""
        self.api.delete("Pod", "shop", name)
        self.start(name, **how)

    def configure(self, *others: Document, **vertical: Any) -> None:
        config = {"sales": {"source": "orders.csv", "time": "at"}, "workloads": [configured(**vertical), *others]}
        (self.folder / "capacity.yaml").write_text(json.dumps(config))

    def plan(self, cpu: Sequence[int] = (), memory: Sequence[int] = (), *others: WorkloadPlan) -> None:
        """The plan by the hour, from midnight of 2026-11-27 on; empty: the plan names no size."""
        made = plan_of_sizes(sizes_of(cpu or [1000], memory) if cpu or memory else None)
        write_plan(Plan(START, START, made.end, "test", {}, (made, *others)), self.folder / "plan.json")

    def measure(self, at: str, cpu: str = "100m", memory: str = "1Gi") -> None:
        """Every pod uses as much, measured at this time."""
        for pod in self.api.list("Pod", "shop"):
            name = pod["metadata"]["name"]
            usage = [{"name": "app", "usage": {"cpu": cpu, "memory": memory}}]
            item = {
                "metadata": {"name": name, "namespace": "shop"},
                "timestamp": at,
                "window": "15s",
                "containers": usage,
            }
            kind = {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics"}
            if any(one["metadata"]["name"] == name for one in self.api.list("PodMetrics", "shop")):
                self.api.patch("PodMetrics", "shop", name, {"timestamp": at, "containers": usage})
            else:
                self.api.create({**kind, **item})

    def decide(self, verb: str = "apply", at: str = "2026-11-27T00:00:00Z", *options: str) -> Document:
        """One pass: its exit code, and what it did by object."""
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            code = main([verb, "--now", at, "--json-lines", *options])
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        found = {one["name"]: one for line in lines for one in line.get("actuations", ())}
        return {"code": code, "lines": lines, **found}

    def resources(self, name: str = "db-0") -> Document:
        found: Document = self.api.get("Pod", "shop", name)["spec"]["containers"][0]["resources"]
        return found

    def size(self, name: str = "db-0") -> tuple[str, str]:
        """What the pod requests of CPU and memory."""
        requests = self.resources(name)["requests"]
        return requests["cpu"], requests["memory"]

    def notes(self) -> Document:
        notes: Document = self.api.get("StatefulSet", "shop", "db")["metadata"].get("annotations") or {}
        return {key: text for key, text in notes.items() if key.startswith("capacity/")}

    def events(self) -> list[Document]:
        return [entry.json for entry in self.api.journal.writes if entry.path.endswith("/events")]

    def resizes(self) -> list[Document]:
        return [entry.json for entry in self.api.journal.writes if entry.path.endswith("/resize")]
