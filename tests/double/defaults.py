"""What the server fills in: the defaults of the built-in types, applied when an object is read.

`pkg/apis/{autoscaling,apps,core}/v1*/defaults.go`; exchanges 0, 3 and 22 show them.
"""

from __future__ import annotations

from typing import Any

from tests.double.status import JSON

DEFAULT_METRIC = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
SCALE_UP: JSON = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
SCALE_DOWN: JSON = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def default_autoscaler(item: JSON) -> None:
    """A floor of 1, CPU at 80 %, and the missing parts of a `behavior` that is there."""
    spec = item["spec"]
    spec.setdefault("minReplicas", 1)
    spec.setdefault("metrics", [DEFAULT_METRIC])
    if "behavior" in spec:
        spec["behavior"]["scaleUp"] = SCALE_UP | spec["behavior"].get("scaleUp", {})
        spec["behavior"]["scaleDown"] = SCALE_DOWN | spec["behavior"].get("scaleDown", {})


def default_deployment(item: JSON) -> None:
    """One replica, a rolling update by quarters, ten old revisions, ten minutes to progress."""
    spec = item["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    default_pod(spec["template"])


def default_stateful_set(item: JSON) -> None:
    """One replica, ordered pods, volumes kept, ten old revisions."""
    spec = item["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"})
    strategy = spec["updateStrategy"]
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    for claim in spec.get("volumeClaimTemplates", []):
        claim |= {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
        default_claim(claim)
    default_pod(spec["template"])


def default_pod(item: JSON) -> None:
    """The parts of a pod (or pod template) that every pod has."""
    spec = item["spec"]
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for container in [*(spec.get("containers") or []), *spec.get("initContainers", [])]:
        _default_container(container)


def default_whole_pod(item: JSON) -> None:
    """A pod itself: the parts of every pod, and conditions that always have their times."""
    default_pod(item)
    item["spec"].setdefault("enableServiceLinks", True)
    for container in [*(item["spec"].get("containers") or []), *item["spec"].get("initContainers", [])]:
        resources = container["resources"]  # a template keeps what it does not say
        if "limits" in resources:
            resources["requests"] = resources["limits"] | resources.get("requests", {})
    for condition in item["status"].get("conditions", []):
        for name in ("lastProbeTime", "lastTransitionTime"):
            condition.setdefault(name, None)


def default_pod_template(item: JSON) -> None:
    """A PodTemplate: the parts of its pod."""
    default_pod(item["template"])


def default_claim(item: JSON) -> None:
    """A file system, not yet bound."""
    item["spec"].setdefault("volumeMode", "Filesystem")
    item.setdefault("status", {}).setdefault("phase", "Pending")


def default_storage_class(item: JSON) -> None:
    """Volumes go with their claims, and are bound at once."""
    item.setdefault("reclaimPolicy", "Delete")
    item.setdefault("volumeBindingMode", "Immediate")


def default_priority_class(item: JSON) -> None:
    """Pods that may push others out."""
    item.setdefault("preemptionPolicy", "PreemptLowerPriority")


def default_limit_range(item: JSON) -> None:
    """A container's default limit is its maximum, its default request the limit, else the minimum."""
    for limit in item["spec"].get("limits", []):
        if limit.get("type") == "Container":
            default = limit.get("max", {}) | limit.get("default", {})
            request = limit.get("min", {}) | default | limit.get("defaultRequest", {})
            limit |= {name: part for name, part in (("default", default), ("defaultRequest", request)) if part}


def default_mutating_policy(item: JSON) -> None:
    """Errors refuse, every form of a resource is matched, and nothing is asked twice."""
    spec = item["spec"]
    spec.setdefault("failurePolicy", "Fail")
    _default_match(spec.setdefault("matchConstraints", {}))


def default_mutating_binding(item: JSON) -> None:
    """Every form of a resource is matched."""
    if "matchResources" in item["spec"]:
        _default_match(item["spec"]["matchResources"])


def _default_match(match: JSON) -> None:
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for rule in [*match.get("resourceRules", []), *match.get("excludeResourceRules", [])]:
        rule.setdefault("scope", "*")


def _default_container(container: JSON) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image", "")))
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")


def _pull_policy(image: str) -> str:
    """Return Always for `latest` and for no tag, else IfNotPresent."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def default_namespace(item: JSON) -> None:
    """Active, labelled with its own name."""
    item["spec"].setdefault("finalizers", ["kubernetes"])
    item["status"].setdefault("phase", "Active")
    labels: dict[str, Any] = item["metadata"].setdefault("labels", {})
    labels.setdefault("kubernetes.io/metadata.name", item["metadata"].get("name", ""))


def default_binding(item: JSON) -> None:
    """Users and groups, and the role, are of the RBAC group."""
    group = "rbac.authorization.k8s.io"
    if not item["roleRef"].get("apiGroup"):
        item["roleRef"]["apiGroup"] = group
    for subject in item.get("subjects", []):
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", group)


def default_definition(item: JSON) -> None:
    """Fill in the derived names of a custom resource and say that it is served."""
    names = item["spec"]["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", names["kind"] + "List")
    item["spec"].setdefault("conversion", {"strategy": "None"})
    served = {"status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    item["status"]["conditions"] = [
        {"type": "NamesAccepted", "reason": "NoConflicts", "message": "no conflicts found", **served},
        {
            "type": "Established",
            "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted",
            **served,
        },
    ]
    item["status"] |= {"acceptedNames": names, "storedVersions": [item["spec"]["versions"][0]["name"]]}
