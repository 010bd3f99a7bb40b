"""What the server refuses of a HorizontalPodAutoscaler: bounds, target, metrics and behavior.

`pkg/apis/autoscaling/validation/validation.go`; exchanges 76 and 77 pin the words.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.double.quantities import read_quantity
from tests.double.status import JSON, Cause, forbidden_value, missing_value, unsupported_value, wrong_value

LONGEST_WINDOW = 3600
"""Seconds an HPA may look back (MaxStabilizationWindowSeconds)."""
LONGEST_PERIOD = 1800
"""Seconds a scaling policy may span (MaxPeriodSeconds)."""
SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
TARGETS = ("Utilization", "Value", "AverageValue")


def check_autoscaler(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse bad bounds (floor over ceiling is reported on the ceiling), targets, metrics and behavior."""
    spec = item["spec"]
    target, path = spec["scaleTargetRef"], "spec.scaleTargetRef"
    problems = [*_bounds(spec), *_reference(target, path)]
    version = target.get("apiVersion", "")
    if "/" not in version and target.get("kind") != "ReplicationController":
        problems.append(wrong_value(f"{path}.apiVersion", version, "apiVersion must specify API group"))
    metrics = spec.get("metrics", [])
    for index, metric in enumerate(metrics):
        problems += _metric(metric, f"spec.metrics[{index}]")
    if spec["minReplicas"] == 0 and not any(name in metric for metric in metrics for name in ("object", "external")):
        rule = "must specify at least one Object or External metric to support scaling to zero replicas"
        problems.append(forbidden_value("spec.metrics", rule))
    for way in ("scaleUp", "scaleDown"):
        if way in spec.get("behavior", {}):
            problems += _scaling_rules(spec["behavior"][way], f"spec.behavior.{way}")
    return problems


def _bounds(spec: JSON) -> Iterator[Cause]:
    floor, ceiling = spec["minReplicas"], spec["maxReplicas"]
    if floor < 1:
        yield wrong_value("spec.minReplicas", floor, "must be greater than or equal to 1")
    if ceiling == 0:
        yield missing_value("spec.maxReplicas", "must be set and greater than 0")
    if ceiling < 0:
        yield wrong_value("spec.maxReplicas", ceiling, "must be greater than or equal to 1")
    if ceiling < floor:
        yield wrong_value("spec.maxReplicas", ceiling, "must be greater than or equal to `minReplicas`")


def _reference(reference: JSON, path: str) -> Iterator[Cause]:
    for name in ("kind", "name"):
        if not reference.get(name):
            yield missing_value(f"{path}.{name}")
        elif "/" in reference[name]:
            yield wrong_value(f"{path}.{name}", reference[name], "may not contain '/'")
    version = reference.get("apiVersion", "")
    if version.count("/") > 1:
        yield wrong_value(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")


def _metric(metric: JSON, path: str) -> Iterator[Cause]:
    kind = metric.get("type", "")
    if not kind:
        yield missing_value(f"{path}.type", "must specify a metric source type")
    if kind not in SOURCES:
        yield unsupported_value(f"{path}.type", kind, sorted(SOURCES))
    present = [name for name in SOURCES.values() if name in metric]
    if present:
        yield from _source(present[0], metric[present[0]], f"{path}.{present[0]}")
    wanted = SOURCES.get(kind, "")
    if wanted and wanted not in metric:
        yield missing_value(f"{path}.{wanted}", "must populate information for the given metric source")
    if len(present) > 1:
        for name in sorted(set(present) - {wanted}):
            yield forbidden_value(f"{path}.{name}", "must populate the given metric source only")


def _source(kind: str, source: JSON, path: str) -> Iterator[Cause]:
    target = source.get("target") or {}
    if kind == "object":
        yield from _reference(source.get("describedObject") or {}, f"{path}.describedObject")
    if kind in ("object", "external", "pods"):
        name = (source.get("metric") or {}).get("name", "")
        if not name:
            yield missing_value(f"{path}.metric.name", "must specify a metric name")
        elif "/" in name:
            yield wrong_value(f"{path}.metric.name", name, "may not contain '/'")
    elif not source.get("name"):
        yield missing_value(f"{path}.name", "must specify a resource name")
    if kind == "containerResource" and not source.get("container"):
        yield missing_value(f"{path}.container", "must specify a container")
    yield from _target(target, f"{path}.target")
    yield from _amount(kind, target, f"{path}.target")


def _target(target: JSON, path: str) -> Iterator[Cause]:
    kind = target.get("type", "")
    if not kind:
        yield missing_value(f"{path}.type", "must specify a metric target type")
    if kind not in TARGETS:
        yield wrong_value(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        if name in target and read_quantity(target[name]) <= 0:
            yield wrong_value(f"{path}.{name}", target[name], "must be positive")
    if target.get("averageUtilization", 1) < 1:
        yield wrong_value(f"{path}.averageUtilization", target["averageUtilization"], "must be greater than 0")


def _amount(kind: str, target: JSON, path: str) -> Iterator[Cause]:
    """Refuse a target without the amount that its source is compared with, or with two of them."""
    if kind == "pods":
        if "averageValue" not in target or read_quantity(target["averageValue"]) <= 0:
            yield missing_value(f"{path}.averageValue", "must specify a positive target averageValue")
    elif kind == "object":
        if not {"value", "averageValue"} & set(target):
            yield missing_value(f"{path}.averageValue", "must set either a target value or averageValue")
    elif kind == "external":
        both = {"value", "averageValue"} & set(target)
        if not both:
            rule = "must set either a target value for metric or a per-pod target"
            yield missing_value(f"{path}.averageValue", rule)
        if len(both) == 2:
            rule = "may not set both a target value for metric and a per-pod target"
            yield forbidden_value(f"{path}.value", rule)
    else:
        both = {"averageUtilization", "averageValue"} & set(target)
        if not both:
            rule = "must set either a target raw value or a target utilization"
            yield missing_value(f"{path}.averageUtilization", rule)
        if len(both) == 2:
            yield forbidden_value(
                f"{path}.averageValue", "may not set both a target raw value and a target utilization"
            )


def _scaling_rules(rules: JSON, path: str) -> Iterator[Cause]:
    window = rules.get("stabilizationWindowSeconds", 0)
    if window < 0:
        yield wrong_value(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window > LONGEST_WINDOW:
        rule = f"must be less than or equal to {LONGEST_WINDOW}"
        yield wrong_value(f"{path}.stabilizationWindowSeconds", window, rule)
    if rules.get("selectPolicy", "Max") not in ("Disabled", "Max", "Min"):
        yield unsupported_value(f"{path}.selectPolicy", rules["selectPolicy"], ("Disabled", "Max", "Min"))
    for index, policy in enumerate(rules.get("policies", [])):
        yield from _policy(policy, f"{path}.policies[{index}]")
    if "tolerance" in rules and read_quantity(rules["tolerance"]) < 0:
        yield wrong_value(f"{path}.tolerance", rules["tolerance"], "must be greater than or equal to 0")


def _policy(policy: JSON, path: str) -> Iterator[Cause]:
    if policy.get("type") not in ("Pods", "Percent"):
        yield unsupported_value(f"{path}.type", policy.get("type", ""), ("Percent", "Pods"))
    for name in ("value", "periodSeconds"):
        if policy.get(name, 0) <= 0:
            yield wrong_value(f"{path}.{name}", policy.get(name, 0), "must be greater than zero")
    if policy.get("periodSeconds", 0) > LONGEST_PERIOD:
        rule = f"must be less than or equal to {LONGEST_PERIOD}"
        yield wrong_value(f"{path}.periodSeconds", policy["periodSeconds"], rule)
