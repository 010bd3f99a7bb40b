"""What scheduler, kubelet and controllers do in a cluster, when a test wants it done: the double itself runs none.

run_pod(double, "shop", "db-0", node="node-1")        # scheduled, running, with the resources the kubelet gave it
...                                                   # capacity asks for a resize
defer_resize(double, "shop", "db-0") or finish_resize(double, "shop", "db-0")
bind_claim(double, "shop", "data-db-0"); expand_claim(double, "shop", "data-db-0")
provision_buffer(double, "shop", "web")
"""

from __future__ import annotations

from typing import Any

from tests.double.double import KubernetesDouble
from tests.double.status import JSON

CREATED = "2026-01-01T00:00:00Z"
KUBELET, CONTROLLERS = "kubelet", "kube-controller-manager"


def condition(kind: str, status: str = "True", **more: str) -> JSON:
    """Return a condition of a status."""
    return {"type": kind, "status": status, "lastTransitionTime": CREATED, **more}


def bind_pod(
    double: KubernetesDouble, namespace: str, name: str, *, node: str = "node-0", zone: str = "", at: str = CREATED
) -> None:
    """Schedule a pod: a binding, which no field manager is noted for."""
    pod = double.get("Pod", namespace, name)
    pod["spec"]["nodeName"] = node
    if zone:
        pod["metadata"].setdefault("labels", {})["topology.kubernetes.io/zone"] = zone
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": at}
    pod["status"].setdefault("conditions", []).append(scheduled)
    double.load(pod)


def run_pod(
    double: KubernetesDouble, namespace: str, name: str, *, node: str = "node-0", supports_resize: bool = True
) -> None:
    """Schedule a pod and let its kubelet report it ready; an old kubelet does not report resources."""
    bind_pod(double, namespace, name, node=node)
    pod = double.get("Pod", namespace, name)
    statuses = [_running(container, supports_resize) for container in pod["spec"]["containers"]]
    ready = [condition(kind) for kind in ("Initialized", "ContainersReady", "Ready")]
    _report(double, namespace, name, {"phase": "Running", "conditions": ready, "containerStatuses": statuses})


def _running(container: JSON, supports_resize: bool) -> JSON:
    status: dict[str, Any] = {
        "name": container["name"],
        "state": {"running": {"startedAt": CREATED}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": True,
    }
    resources = container.get("resources") or {}
    return status | (
        {"resources": resources, "allocatedResources": resources.get("requests", {})} if supports_resize else {}
    )


def _report(double: KubernetesDouble, namespace: str, name: str, status: JSON) -> None:
    how = {"subresource": "status", "type": "strategic", "manager": KUBELET}
    double.patch("Pod", namespace, name, {"status": status}, **how)


def finish_resize(double: KubernetesDouble, namespace: str, name: str) -> None:
    """Let the kubelet give a pod the size that was asked; a container restarts where its resizePolicy says so."""
    pod = double.get("Pod", namespace, name)
    before = {one["name"]: one for one in pod["status"].get("containerStatuses", [])}
    statuses = [_resized(container, before[container["name"]]) for container in pod["spec"]["containers"]]
    kept = [one for one in pod["status"].get("conditions", []) if not one["type"].startswith("PodResize")]
    status = {
        "containerStatuses": statuses,
        "conditions": [*kept, *_removed("PodResizePending", "PodResizeInProgress")],
    }
    _report(double, namespace, name, status | {"observedGeneration": pod["metadata"]["generation"]})


def _removed(*kinds: str) -> list[JSON]:
    return [{"type": kind, "$patch": "delete"} for kind in kinds]


def _resized(container: JSON, status: JSON) -> JSON:
    wanted, had = container.get("resources") or {}, status.get("resources") or {}
    restarting = {
        one["resourceName"] for one in container.get("resizePolicy", []) if one["restartPolicy"] == "RestartContainer"
    }
    changed = {
        name
        for part in ("requests", "limits")
        for name in restarting
        if (wanted.get(part) or {}).get(name) != (had.get(part) or {}).get(name)
    }
    return status | {
        "resources": wanted,
        "allocatedResources": wanted.get("requests", {}),
        "restartCount": status["restartCount"] + bool(changed),
    }


def defer_resize(
    double: KubernetesDouble, namespace: str, name: str, message: str = "Node didn't have enough resource: cpu"
) -> None:
    """Let the kubelet say that the node is too full for a resize now."""
    pending = condition("PodResizePending", reason="Deferred", message=message)
    _report(double, namespace, name, {"conditions": [pending]})


def refuse_resize(
    double: KubernetesDouble, namespace: str, name: str, message: str = "Node didn't have enough capacity: cpu"
) -> None:
    """Let the kubelet say that this node never has room for a resize."""
    pending = condition("PodResizePending", reason="Infeasible", message=message)
    _report(double, namespace, name, {"conditions": [pending]})


def note_generation(double: KubernetesDouble, kind: str, namespace: str, name: str) -> None:
    """Let the controller of a workload say which generation it has seen, as it does within milliseconds."""
    item = double.get(kind, namespace, name)
    seen = {"status": {**item.get("status", {}), "observedGeneration": item["metadata"]["generation"]}}
    double.patch(kind, namespace, name, seen, subresource="status", manager=CONTROLLERS)


def bind_claim(double: KubernetesDouble, namespace: str, name: str) -> None:
    """Bind a claim to a volume of the size it asks for."""
    claim = double.get("PersistentVolumeClaim", namespace, name)
    bound = {"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}}
    double.patch("PersistentVolumeClaim", namespace, name, bound, manager=CONTROLLERS)
    status = {
        "phase": "Bound",
        "accessModes": claim["spec"]["accessModes"],
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
    }
    _report_claim(double, namespace, name, status)


def expand_claim(double: KubernetesDouble, namespace: str, name: str) -> None:
    """Give the volume of a claim the size that was asked."""
    size = double.get("PersistentVolumeClaim", namespace, name)["spec"]["resources"]["requests"]["storage"]
    _report_claim(double, namespace, name, {"capacity": {"storage": size}})


def _report_claim(double: KubernetesDouble, namespace: str, name: str, status: JSON) -> None:
    how = {"subresource": "status", "manager": CONTROLLERS}
    double.patch("PersistentVolumeClaim", namespace, name, {"status": status}, **how)


def provision_buffer(double: KubernetesDouble, namespace: str, name: str, *, ready: bool = True) -> None:
    """Let the autoscaler say that the nodes of a buffer stand ready, or that it could not make them."""
    replicas = double.get("CapacityBuffer", namespace, name)["spec"].get("replicas", 0)
    accepted = condition("ReadyForProvisioning", reason="AttributesSetSuccessfully", message="ready")
    reason, message = ("CapacityReady", "ready") if ready else ("NoNodes", "no node group has room")
    provisioned = condition("Provisioning", "True" if ready else "False", reason=reason, message=message)
    status = {"replicas": replicas, "conditions": [accepted, provisioned]}
    how = {"subresource": "status", "manager": "cluster-autoscaler"}
    double.patch("CapacityBuffer", namespace, name, {"status": status}, **how)
