"""What a user has before the first `apply`: HPAs, a configuration, a plan; and eyes on what the API server was told."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from capacity.cli import main
from tests.double import Entry, KubernetesDouble
from tests.double.faults import refusal

NOON = "2026-11-27T02:30:00Z"
CONFLICT = refusal(409, "Conflict", "the object has been modified")
CPU = {"type": "Utilization", "averageUtilization": 60}
Document = dict[str, Any]


def hpa(name: str = "web", floor: int = 2, ceiling: int = 20) -> Document:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "minReplicas": floor,
            "maxReplicas": ceiling,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": CPU}}],
        },
    }


class Shop:
    """A namespace `shop` with HPAs, a configuration and a plan: what a user has before the first `apply`."""

    def __init__(self, api: KubernetesDouble, folder: Path) -> None:
        self.api, self.folder = api, folder

    def configure(self, *names: str, **keys: Any) -> None:
        controller = {"step_down": keys.pop("step_down", "10%"), **keys.pop("controller", {})}
        workloads = [{"namespace": "shop", "name": name, "ceiling": 20, **keys} for name in names]
        defaults = {
            "load": {"cpu": {"base": "1"}, "memory": {"base": "1Gi"}},
            "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
        }
        config: Document = {
            "sales": {"source": "orders.csv", "time": "at"},
            "defaults": defaults,
            "workloads": workloads,
        }
        config["controller"] = controller
        (self.folder / "capacity.yaml").write_text(json.dumps(config))

    def hpa(self, name: str = "web") -> Document:
        return self.api.get("HorizontalPodAutoscaler", "shop", name)

    def floor(self, name: str = "web") -> int:
        return int(self.hpa(name)["spec"]["minReplicas"])

    def writes(self) -> list[str]:
        return [entry.method for entry in self.api.journal if entry.method != "GET"]

    def patches(self) -> list[Entry]:
        return [entry for entry in self.api.journal.writes if entry.place and entry.place.plural.startswith("horiz")]

    def events(self) -> list[Document]:
        return [entry.json for entry in self.api.journal.writes if entry.path.endswith("/events")]

    def measure(self, name: str = "web", *, millicores: int = 5) -> None:
        """The HPA reports its CPU, far below its target: it asks for one replica, and runs its minimum."""
        replicas = self.floor(name)
        current = {"name": "cpu", "current": {"averageUtilization": 2, "averageValue": f"{millicores}m"}}
        status = {
            "currentReplicas": replicas,
            "desiredReplicas": replicas,
            "conditions": [
                {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"},
                {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"},
            ],
            "currentMetrics": [{"type": "Resource", "resource": current}],
        }
        self.api.patch("HorizontalPodAutoscaler", "shop", name, {"status": status}, subresource="status")

    def annotate(self, **texts: str | None) -> None:
        """Annotations of a person on the HPA: `force_floor="12"` is capacity/force-floor; None takes one away."""
        notes = {f"capacity/{key.replace('_', '-')}": text for key, text in texts.items()}
        self.api.patch(
            "HorizontalPodAutoscaler", "shop", "web", {"metadata": {"annotations": notes}}, manager="kubectl"
        )

    def decide(self, verb: str = "apply", *options: str, now: str = NOON) -> Document:
        """One pass, and what it said of its first workload."""
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            code = main([verb, "--now", now, "--json-lines", *options])
        found: Document = json.loads(stream.getvalue().splitlines()[0])
        return {**found, "code": code}

    def owners(self, name: str = "web") -> set[tuple[str, str]]:
        entries = self.hpa(name)["metadata"]["managedFields"]
        return {
            (entry["manager"], entry["operation"])
            for entry in entries
            if "f:minReplicas" in entry["fieldsV1"].get("f:spec", {})
        }
