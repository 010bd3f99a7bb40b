"""What an HPA's status says about its metrics: what they ask for, the CPU in use, or why they cannot be trusted."""

from __future__ import annotations

from math import isfinite
from typing import Any

from capacity.decision.reading import moves, replicas_asked
from capacity.model import Readings
from capacity.model.fields import parse_quantity

Document = dict[str, Any]
SOURCES = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


def read_metrics(hpa: Document) -> Readings:
    """The readings of an HPA (autoscaling/v2)."""
    spec, status = hpa.get("spec") or {}, hpa.get("status") or {}
    blind = _blind(status)
    if blind is not None:
        return Readings(blind=blind)
    try:
        wanted, cores, memory = _wanted(spec, status), _used(status, "cpu"), _used(status, "memory")
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        return Readings(blind=f"a metric cannot be read ({type(error).__name__}: {str(error)[:80]})")
    return Readings(
        wanted,
        cpu_millicores=None if cores is None else round(cores * 1000),
        memory_bytes=None if memory is None else round(memory),
        mark=_mark(status),
    )


def _mark(status: Document) -> str | None:
    """What is used per replica, as text; None where it may stand still though it is measured."""
    replicas = max(1, int(status["currentReplicas"]))
    cores, memory = _average(status, "cpu"), _average(status, "memory")
    known = [None if value is None else _number(value) for value in (cores, memory)]
    if not moves(known[0], known[1], replicas):
        return None
    return str(cores) if memory is None else f"{cores} {memory}"


def scaled_to_zero(hpa: Document) -> bool:
    """Whether the HPA rests because its workload has 0 replicas."""
    conditions = (hpa.get("status") or {}).get("conditions") or []
    return any(item.get("type") == "ScalingActive" and item.get("reason") == "ScalingDisabled" for item in conditions)


def _blind(status: Document) -> str | None:
    conditions = {item.get("type"): item for item in status.get("conditions") or []}
    for name in ("ScalingActive", "AbleToScale"):
        condition = conditions.get(name)
        if condition is None and name == "ScalingActive":
            return "its autoscaler has not reported ScalingActive"
        if condition is not None and condition.get("status") != "True":
            return f"its autoscaler says {name}={condition.get('status')} {condition.get('reason', '')}".strip()
    return None if status.get("currentMetrics") else "its autoscaler has no current metrics"


def _wanted(spec: Document, status: Document) -> int:
    """The most that any metric asks for, as the HPA computes it; every metric must have been read."""
    replicas, ratios = int(status["currentReplicas"]), []
    metrics, current = spec.get("metrics") or [], status["currentMetrics"]
    if len(metrics) != len(current):
        raise ValueError(f"{len(current)} of {len(metrics)} metrics reported")
    for metric, reported in zip(metrics, current, strict=True):
        if metric["type"] != reported.get("type"):
            raise ValueError(f"no value for the metric of type {metric['type']}")
        part = SOURCES[metric["type"]]
        ratios.append(_ratio(metric[part]["target"], reported[part]["current"]))
    return replicas_asked(ratios, replicas, int(status.get("desiredReplicas") or 0), int(spec.get("minReplicas", 1)))


def _ratio(target: Document, current: Document) -> float:
    field = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}[target["type"]]
    ratio = _number(current[field]) / _number(target[field])
    if ratio < 0:
        raise ValueError(f"{field} {current[field]}")
    return ratio


def _used(status: Document, resource: str) -> float | None:
    """What all replicas use together, in cores or bytes; None where no metric of the autoscaler tells."""
    value = _average(status, resource)
    return None if value is None else _number(value) * int(status["currentReplicas"])


def _average(status: Document, resource: str) -> Any:
    """What a replica uses on average, as the autoscaler reports it."""
    for item in status["currentMetrics"]:
        if item.get("type") == "Resource" and item["resource"].get("name") == resource:
            return item["resource"]["current"].get("averageValue")
    return None


def _number(value: Any) -> float:
    number = parse_quantity(value)
    if not isfinite(number):
        raise ValueError(f"{value} is no number")
    return number
