"""The objects most tests need: HPAs, workloads, pods, claims, nodes, KEDA's ScaledObject and its definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.double.status import JSON


def autoscaler(name: str = "web", *, floor: int = 2, ceiling: int = 20, **metadata: Any) -> JSON:
    """Return an HPA of the Deployment of the same name, on 60 % CPU."""
    target = {"type": "Utilization", "averageUtilization": 60}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {
            "minReplicas": floor,
            "maxReplicas": ceiling,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def deployment(name: str = "web", *, replicas: int = 3, **metadata: Any) -> JSON:
    """Return a Deployment with one container, `app`."""
    containers = [{"name": "app", "image": "img:1", "resources": {"requests": {"cpu": "500m"}}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}},
        },
    }


def scaled_object(name: str = "web", *, floor: int = 2, ceiling: int = 10, **metadata: Any) -> JSON:
    """Return a ScaledObject as in the recording (exchange 81)."""
    schedule = {"timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "5"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": floor,
            "maxReplicaCount": ceiling,
            "triggers": [{"type": "cron", "metadata": schedule}],
        },
    }


def pod(name: str = "web-0", *, namespace: str = "default", requests: JSON | None = None, **spec: Any) -> JSON:
    """Return a pod with one container, `app`, that asks for half a core and 1 GiB."""
    asked = {"cpu": "500m", "memory": "1Gi"} if requests is None else requests
    resources = {"resources": {"requests": asked}} if asked else {}
    containers = [{"name": "app", "image": "img:1", **resources}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name.rpartition("-")[0] or name}},
        "spec": {"containers": containers, **spec},
    }


def claim(name: str = "data", *, namespace: str = "default", size: str = "10Gi", storage_class: str = "fast") -> JSON:
    """Return a claim of one pod at a time."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": size}},
        },
    }


def storage_class(name: str = "fast", *, expands: bool = True) -> JSON:
    """Return a class whose volumes can grow, or not."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "example.com/csi",
        "allowVolumeExpansion": expands,
    }


def priority_class(name: str = "placeholder", *, value: int = -10) -> JSON:
    """Return a priority below that of all pods that name none."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
    }


def node(name: str = "node-0", *, cpu: str = "8", memory: str = "32Gi", zone: str = "zone-a") -> JSON:
    """Return a ready node."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    amounts = {"cpu": cpu, "memory": memory, "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
        "spec": {},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]},
    }


INTEGER = {"type": "integer", "format": "int32"}
NOT_NEGATIVE, AT_LEAST_ONE = {**INTEGER, "minimum": 0}, {**INTEGER, "minimum": 1}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SCALE_TARGET: Mapping[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "kind": {"type": "string"},
        "apiVersion": {"type": "string"},
        "envSourceContainerName": {"type": "string"},
    },
}
SCALE_TRIGGER: Mapping[str, Any] = {
    **OPEN,
    "required": ["type", "metadata"],
    "properties": {
        "type": {"type": "string"},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
SCALED_OBJECT_SPEC: Mapping[str, Any] = {
    "type": "object",
    "required": ["scaleTargetRef", "triggers"],
    "properties": {
        "scaleTargetRef": SCALE_TARGET,
        "minReplicaCount": NOT_NEGATIVE,
        "maxReplicaCount": AT_LEAST_ONE,
        "idleReplicaCount": NOT_NEGATIVE,
        "pollingInterval": AT_LEAST_ONE,
        "cooldownPeriod": NOT_NEGATIVE,
        "initialCooldownPeriod": NOT_NEGATIVE,
        "fallback": OPEN,
        "advanced": OPEN,
        "triggers": {"type": "array", "minItems": 1, "items": SCALE_TRIGGER},
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.minReplicaCount) || "
            "self.minReplicaCount <= (has(self.maxReplicaCount) ? self.maxReplicaCount : 100)",
            "message": "minReplicaCount must be less than or equal to maxReplicaCount",
        }
    ],
}
SCALED_OBJECT_DEFINITION: Mapping[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {
        "group": "keda.sh",
        "scope": "Namespaced",
        "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject", "shortNames": ["so"]},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {"spec": SCALED_OBJECT_SPEC, "status": OPEN},
                    }
                },
            }
        ],
    },
}
"""What KEDA's definition of 2026-08 says of a floor: bounds, and a rule; without a ceiling KEDA scales to 100."""
