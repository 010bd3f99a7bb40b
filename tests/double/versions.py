"""Second versions of a resource: HPAs as autoscaling/v1, core events as events.k8s.io/v1, and back.

`pkg/apis/autoscaling/v1/conversion.go`, `pkg/apis/events/v1/conversion.go`; exchange 80.
"""

from __future__ import annotations

import json
from typing import Any

from tests.double.status import JSON

METRICS_NOTE = "autoscaling.alpha.kubernetes.io/metrics"
BEHAVIOR_NOTE = "autoscaling.alpha.kubernetes.io/behavior"
"""Annotations in which autoscaling/v1 carries what it has no field for."""
EVENT_NAMES = {
    "reportingController": "reportingComponent",
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}


def _is_cpu_utilization(metric: JSON) -> bool:
    resource = metric.get("resource", {})
    return resource.get("name") == "cpu" and "averageUtilization" in resource.get("target", {})


def autoscaler_as_v1(item: JSON) -> JSON:
    """Show an HPA as autoscaling/v1: one CPU target; other metrics and behavior in annotations."""
    spec, status, metadata = dict(item["spec"]), item.get("status", {}), dict(item["metadata"])
    metrics = spec.pop("metrics", [])
    notes: dict[str, Any] = {BEHAVIOR_NOTE: spec.pop("behavior", None)}
    for metric in metrics:
        if _is_cpu_utilization(metric):
            spec["targetCPUUtilizationPercentage"] = metric["resource"]["target"]["averageUtilization"]
    notes[METRICS_NOTE] = [metric for metric in metrics if not _is_cpu_utilization(metric)]
    found = {name: json.dumps(value, separators=(",", ":")) for name, value in notes.items() if value}
    if found:
        metadata["annotations"] = metadata.get("annotations", {}) | found
    counts = {name: status.get(name, 0) for name in ("currentReplicas", "desiredReplicas")}
    kept = {name: status[name] for name in ("observedGeneration", "lastScaleTime") if name in status}
    return {**item, "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": kept | counts}


def autoscaler_from_v1(item: JSON) -> JSON:
    """Read an autoscaling/v1 HPA into the stored version."""
    spec, metadata = dict(item.get("spec") or {}), dict(item.get("metadata") or {})
    notes = dict(metadata.get("annotations") or {})
    metrics = json.loads(notes.pop(METRICS_NOTE, "[]"))
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    if BEHAVIOR_NOTE in notes:
        spec["behavior"] = json.loads(notes.pop(BEHAVIOR_NOTE))
    if "annotations" in metadata:
        metadata["annotations"] = notes
    return {**item, "apiVersion": "autoscaling/v2", "metadata": metadata, "spec": spec}


def event_as_new(item: JSON) -> JSON:
    """Show a core event as events.k8s.io/v1."""
    names = {stored: new for new, stored in EVENT_NAMES.items()}
    return {**{names.get(name, name): value for name, value in item.items()}, "apiVersion": "events.k8s.io/v1"}


def event_from_new(item: JSON) -> JSON:
    """Read an events.k8s.io/v1 event into the stored version."""
    return {**{EVENT_NAMES.get(name, name): value for name, value in item.items()}, "apiVersion": "v1"}
