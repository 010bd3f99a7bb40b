"""Pods: what the server adds to a new one, what may change, and the `resize` subresource.

`pkg/registry/core/pod/strategy.go`, `ValidatePodUpdate` and `ValidatePodResize` of `pkg/apis/core/validation`.
"""

from __future__ import annotations

from typing import Any

from tests.double.copying import copied
from tests.double.quantities import read_quantity
from tests.double.status import JSON, Cause, forbidden_value, missing_value, wrong_value

COMPUTE = ("cpu", "memory")
"""What can be resized."""
PATIENCE = 300
"""Seconds a pod stays on a node that is not ready or not reachable (DefaultTolerationSeconds)."""
MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def admit_pod(item: JSON) -> None:
    """Fill in what admission adds to a new pod, which nobody owns: account, tolerations, priority."""
    spec = item["spec"]
    spec["serviceAccountName"] = spec["serviceAccount"] = spec.get("serviceAccountName") or "default"
    there = {toleration.get("key") for toleration in spec.get("tolerations", [])}
    for state in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{state}"
        if key not in there:
            patient = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": PATIENCE}
            spec.setdefault("tolerations", []).append(patient)


def begin_pod(item: JSON) -> None:
    """Give a new pod its first status."""
    item["status"] = {"phase": "Pending", "qosClass": qos_class(item["spec"])}


def qos_class(spec: JSON) -> str:
    """Return the quality of service of a pod: BestEffort, Burstable or Guaranteed (ComputePodQOS).

    >>> qos_class({"containers": [{"resources": {"requests": {"cpu": "1"}}}]})
    'Burstable'
    """
    containers = [
        one.get("resources") or {} for one in [*(spec.get("containers") or []), *spec.get("initContainers", [])]
    ]
    asked = [{name: (one.get(part) or {}).get(name) for name in COMPUTE} for one in containers for part in PARTS]
    if not any(value and read_quantity(value) for amounts in asked for value in amounts.values()):
        return "BestEffort"
    guaranteed = all(
        limit is not None and request is not None and read_quantity(limit) == read_quantity(request)
        for one in containers
        for limit, request in (
            ((one.get("limits") or {}).get(name), (one.get("requests") or {}).get(name)) for name in COMPUTE
        )
    )
    return "Guaranteed" if guaranteed else "Burstable"


PARTS = ("requests", "limits")


def check_new_pod(spec: JSON, path: str) -> list[Cause]:
    """Refuse a pod without containers, a container without name or image, and requests over limits."""
    if not spec.get("containers"):
        return [missing_value(f"{path}.containers")]
    problems = []
    for index, container in enumerate(spec["containers"]):
        here = f"{path}.containers[{index}]"
        problems += [missing_value(f"{here}.{name}") for name in ("name", "image") if not container.get(name)]
        problems += _check_resources(container.get("resources") or {}, f"{here}.resources")
    return problems


def _check_resources(resources: JSON, path: str) -> list[Cause]:
    problems, limits = [], resources.get("limits") or {}
    for part in PARTS:
        for name, value in (resources.get(part) or {}).items():
            if read_quantity(value) < 0:
                rule = "must be greater than or equal to 0"
                problems.append(wrong_value(f"{path}.{part}[{name}]", value, rule))
    for name, value in (resources.get("requests") or {}).items():
        if name in limits and read_quantity(value) > read_quantity(limits[name]):
            rule = f"must be less than or equal to {name} limit of {limits[name]}"
            problems.append(wrong_value(f"{path}.requests", value, rule))
    return problems


def check_pod_update(item: JSON, old: JSON) -> list[Cause]:
    """Refuse a change of anything but images, deadlines and tolerations that are added."""
    new, before = _unchangeable(item["spec"]), _unchangeable(old["spec"])
    tolerations, there = item["spec"].get("tolerations", []), old["spec"].get("tolerations", [])
    if new == before and all(one in tolerations for one in there):
        return []
    return [forbidden_value("spec", MUTABLE)]


def _unchangeable(spec: JSON) -> JSON:
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
    kept = {name: part for name, part in spec.items() if name not in free}
    for name in ("containers", "initContainers"):
        if name in kept:
            kept[name] = [{key: part for key, part in one.items() if key != "image"} for one in kept[name]]
    return kept


def keep_all_but_resources(live: JSON, item: JSON) -> None:
    """Drop, without a word, what the `resize` subresource cannot set; added or removed containers stay, to be refused.

    The body of a resize is a whole pod (exchanges 14 and 18).
    """
    sent = item["spec"].get("containers") or []
    kept = {name: copied(part) for name, part in live.items() if name != "metadata"}
    names = [container["name"] for container in live["spec"]["containers"]]
    if len(sent) == len(names):
        by_name = {container["name"]: container for container in live["spec"]["containers"]}
        sent = [_resized(by_name.get(one.get("name")), one) for one in sent]
    kept["spec"]["containers"] = sent
    owners = item["metadata"].get("managedFields")
    revision = item["metadata"].get("resourceVersion")
    item.clear()
    item |= kept | {"metadata": copied(live["metadata"])}
    for name, value in (("managedFields", owners), ("resourceVersion", revision)):
        item["metadata"].pop(name, None)
        if value is not None:
            item["metadata"][name] = value


def _resized(live: JSON | None, sent: JSON) -> JSON:
    if live is None:
        return sent
    kept = {name: copied(part) for name, part in live.items() if name not in ("resources", "resizePolicy")}
    return kept | {name: sent[name] for name in ("resources", "resizePolicy") if name in sent}


def check_resize(item: JSON, old: JSON) -> list[Cause]:
    """Refuse a resize in the words of the real server (exchanges 9 to 31)."""
    problems = check_new_pod(item["spec"], "spec")
    if not node_supports_resize(old):
        problems.append(forbidden_value("spec", "Pod running on node without support for resize"))
    names = [[one.get("name") for one in pod["spec"].get("containers", [])] for pod in (item, old)]
    if len(names[0]) != len(names[1]):
        rule = "containers may not be added or removed on resize"
        return [*problems, forbidden_value("spec.containers", rule)]
    if names[0] != names[1]:
        return [*problems, forbidden_value("spec.containers", "containers may not be renamed or reordered on resize")]
    problems += _removed(item, old)
    if qos_class(item["spec"]) != qos_class(old["spec"]):
        rule = "Pod QOS Class may not change as a result of resizing"
        problems.append(wrong_value("spec", qos_class(item["spec"]), rule))
    if _without_compute(item["spec"]) != _without_compute(old["spec"]):
        problems.append(forbidden_value("spec", "only cpu and memory resources are mutable"))
    return problems


def _removed(item: JSON, old: JSON) -> list[Cause]:
    problems = []
    for index, (new, before) in enumerate(zip(item["spec"]["containers"], old["spec"]["containers"], strict=True)):
        for part in PARTS:
            gone = set((before.get("resources") or {}).get(part) or {}) - set(
                (new.get("resources") or {}).get(part) or {}
            )
            if gone & set(COMPUTE):
                where = f"spec.containers[{index}].resources.{part}"
                problems.append(forbidden_value(where, f"resource {part} cannot be removed"))
    return problems


def _without_compute(spec: JSON) -> JSON:
    kept: dict[str, Any] = copied(spec)
    for container in kept["containers"]:
        for amounts in (container.get("resources") or {}).values():
            if isinstance(amounts, dict):
                for name in COMPUTE:
                    amounts.pop(name, None)
        container["resources"] = {name: part for name, part in (container.get("resources") or {}).items() if part}
    return kept


def node_supports_resize(pod: JSON) -> bool:
    """Tell whether the kubelet reports the resources of what runs (isPodResizeRequestSupported)."""
    running = [
        one for one in (pod.get("status") or {}).get("containerStatuses", []) if "running" in one.get("state", {})
    ]
    return not running or "resources" in running[0]
