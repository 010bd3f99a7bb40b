"""The definition of CapacityBuffer (autoscaling.x-k8s.io), as far as its recorded answers show it, and one of a VPA.

Installed with `double.create(capacity_buffer_definition())`; with `"v1alpha1"` alone, as Karpenter's first releases
serve it; without it, as clusters have it that know no buffers.
"""

from __future__ import annotations

from typing import Any

from tests.double.manifests import INTEGER
from tests.double.status import JSON

GROUP = "autoscaling.x-k8s.io"
ACTIVE = "buffer.x-k8s.io/active-capacity"
NAME = {"type": "string", "minLength": 1}
COUNT = {**INTEGER, "minimum": 0}
BOTH = {
    "v1beta1": "You must define either PodTemplateRef or ScalableRef, but not both",
    "v1alpha1": "You must define both PodTemplateRef and ScalableRef",
}
"""The refusal of a buffer with two references, in each version; the second says the opposite of what it means."""
CONDITION = {
    "type": "object",
    "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    "properties": {
        **{name: {"type": "string"} for name in ("lastTransitionTime", "message", "reason", "type")},
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "observedGeneration": {"type": "integer"},
    },
}


def capacity_buffer_definition(*versions: str) -> JSON:
    """Return the CustomResourceDefinition that serves these versions, the first of them stored; both by default."""
    served = versions or ("v1beta1", "v1alpha1")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"capacitybuffers.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "CapacityBuffer",
                "plural": "capacitybuffers",
                "singular": "capacitybuffer",
                "shortNames": ["cb"],
            },
            "versions": [_version(name, stored=name == served[0], newest=served[0]) for name in served],
        },
    }


def _version(name: str, *, stored: bool, newest: str) -> JSON:
    return {
        "name": name,
        "served": True,
        "storage": stored,
        **({"deprecated": True} if name != newest else {}),
        "subresources": {"status": {}},
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "required": ["spec"],
                "properties": {"spec": _spec(name), "status": _status()},
            }
        },
    }


def _spec(version: str) -> JSON:
    target = {"apiGroup": {"type": "string"}, "kind": NAME, "name": NAME}
    return {
        "type": "object",
        "properties": {
            "scalableRef": {"type": "object", "required": ["kind", "name"], "properties": target},
            "podTemplateRef": {"type": "object", "required": ["name"], "properties": {"name": NAME}},
            "replicas": COUNT,
            "percentage": COUNT,
            "limits": {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}},
            "provisioningStrategy": {"type": "string", "default": ACTIVE},
        },
        "x-kubernetes-validations": [
            {"rule": "!(has(self.scalableRef) && has(self.podTemplateRef))", "message": BOTH[version]},
            {
                "rule": "has(self.replicas) || has(self.limits) || !has(self.podTemplateRef)",
                "message": "If X is set, replicas or limits must also be set",
            },
        ],
    }


def _status() -> JSON:
    conditions: dict[str, Any] = {
        "type": "array",
        "items": CONDITION,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    }
    return {
        "type": "object",
        "properties": {
            "conditions": conditions,
            "replicas": INTEGER,
            "podTemplateRef": {"type": "object", "properties": {"name": NAME}},
            "podTemplateGeneration": {"type": "integer"},
            "provisioningStrategy": {"type": "string"},
        },
    }


def capacity_buffer(
    name: str = "web", *, replicas: int = 3, namespace: str = "default", version: str = "v1beta1"
) -> JSON:
    """Return a buffer for pods like those of the Deployment of the same name."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "CapacityBuffer",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": name}, "replicas": replicas},
    }
