"""The objects most tests need: an HPA, the Deployment it scales, KEDA's ScaledObject and its definition."""

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


INTEGER = {"type": "integer", "format": "int32"}
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
SCALED_OBJECT_SPEC: Mapping[str, Any] = {
    "type": "object",
    "required": ["scaleTargetRef", "triggers"],
    "properties": {
        "scaleTargetRef": SCALE_TARGET,
        "minReplicaCount": INTEGER,
        "maxReplicaCount": INTEGER,
        "idleReplicaCount": INTEGER,
        "pollingInterval": INTEGER,
        "cooldownPeriod": INTEGER,
        "initialCooldownPeriod": INTEGER,
        "fallback": OPEN,
        "advanced": OPEN,
        "triggers": {"type": "array", "items": OPEN},
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.minReplicaCount) || !has(self.maxReplicaCount) || "
            "self.minReplicaCount <= self.maxReplicaCount",
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
"""KEDA's definition, cut to what a floor is about; since 2026-08 it refuses a floor over the ceiling by a rule."""
