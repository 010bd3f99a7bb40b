"""What the server refuses: the rules of the built-in types that `capacity` can break.

`pkg/apis/{autoscaling,apps,core}/validation/validation.go`; exchanges 76 and 77 pin the words.
"""

from __future__ import annotations

import base64
from typing import Any

from tests.double.names import problems_of_data_key, problems_of_key, problems_of_label, problems_of_subdomain
from tests.double.pods import check_new_pod, check_pod_update
from tests.double.status import JSON, Cause, forbidden_value, missing_value, too_long, wrong_value

IMMUTABLE = "field is immutable"
EVENT_TEXT = 128
"""Bytes of an event's action, reason or instance."""
EVENT_NOTE = 1024
"""Bytes of an event's note (NoteLengthLimit)."""
LARGEST_DATA = 2**20
"""Bytes of a config map's data (MaxSecretSize)."""
LARGEST_ANNOTATIONS = 256 * 2**10
"""Bytes of an object's annotations (TotalAnnotationSizeLimitB)."""

HIGHEST_PRIORITY = 1_000_000_000
STATEFUL_SET_FREE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
STATEFUL_SET_FIXED = (
    f"updates to statefulset spec for fields other than {', '.join(repr(name) for name in STATEFUL_SET_FREE[:-1])} and "
    f"'{STATEFUL_SET_FREE[-1]}' are forbidden"
)


def check_name(metadata: JSON, group: str) -> list[Cause]:
    """Refuse a name, or the beginning of one, that is no DNS subdomain; RBAC objects may have any path segment."""
    name, base = metadata.get("name", ""), metadata.get("generateName", "")
    if not name:
        return [missing_value("metadata.name", "name or generateName is required")]
    if group == "rbac.authorization.k8s.io":
        return []
    whole = f"{base[:-2]}a" if base.endswith("-") and len(base) > 1 else base
    problems = problems_of_subdomain(whole) if base else ()
    found = [wrong_value("metadata.generateName", base, problem) for problem in problems]
    return found + [wrong_value("metadata.name", name, problem) for problem in problems_of_subdomain(name)]


def check_workload(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a negative count, a selector that misses its pods or moves, and a pod without containers."""
    spec = item["spec"]
    problems = check_replicas(spec["replicas"])
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    if not spec.get("selector"):
        problems.append(missing_value("spec.selector"))
    elif any(labels.get(name) != value for name, value in wanted.items()):
        rule = "`selector` does not match template `labels`"
        problems.append(wrong_value("spec.template.metadata.labels", labels, rule))
    if old and old["spec"].get("selector") != spec.get("selector"):
        problems.append(wrong_value("spec.selector", spec.get("selector"), IMMUTABLE))
    return problems + check_new_pod(spec["template"]["spec"], "spec.template.spec")


def check_stateful_set(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse what a workload may not be, and a change of what is fixed: selector, service, claim templates."""
    problems = check_workload(item, None)
    if old and _fixed(item["spec"]) != _fixed(old["spec"]):
        problems.append(forbidden_value("spec", STATEFUL_SET_FIXED))
    return problems


def _fixed(spec: JSON) -> JSON:
    return {name: part for name, part in spec.items() if name not in STATEFUL_SET_FREE}


def check_pod(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a pod without containers, and a change of what is fixed."""
    return check_new_pod(item["spec"], "spec") + (check_pod_update(item, old) if old else [])


def check_pod_template(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a template whose pod would be refused."""
    return check_new_pod(item["template"]["spec"], "template.spec")


def check_priority_class(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a priority that only system classes have, and another one than before."""
    if item["value"] > HIGHEST_PRIORITY:
        rule = f"maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}"
        return [forbidden_value("value", rule)]
    if old and old["value"] != item["value"]:
        return [forbidden_value("value", "may not be changed in an update.")]
    return []


def check_replicas(count: int) -> list[Cause]:
    """Refuse fewer than no replicas, of a workload and of its scale."""
    if count >= 0:
        return []
    return [wrong_value("spec.replicas", count, "must be greater than or equal to 0")]


def check_lease(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a lease of no time at all."""
    seconds = item["spec"].get("leaseDurationSeconds")
    if seconds is None or seconds > 0:
        return []
    return [wrong_value("spec.leaseDurationSeconds", seconds, "must be greater than 0")]


def check_config_map(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a change of an immutable config map, and more than 1 MiB of data (base64 counts as what it decodes to)."""
    if old and old.get("immutable") and item.get("data") != old.get("data"):
        return [Cause("data", f"Forbidden: {IMMUTABLE} when `immutable` is set", "FieldValueForbidden")]
    problems = [
        wrong_value(f"{part}[{key}]", key, problem)
        for part in ("data", "binaryData")
        for key in item.get(part) or {}
        for problem in problems_of_data_key(key)
    ]
    size = sum(len(text.encode()) for text in (item.get("data") or {}).values())
    size += sum(len(base64.b64decode(text)) for text in (item.get("binaryData") or {}).values())
    for key in (item.get("binaryData") or {}).keys() & (item.get("data") or {}).keys():
        problems.append(wrong_value(f"data[{key}]", key, "duplicate of key present in binaryData"))
    return [*problems, too_long("", LARGEST_DATA)] if size > LARGEST_DATA else problems


def check_metadata(item: JSON) -> list[Cause]:
    """Refuse labels that are none, and more than 256 KiB of annotations, keys and values together."""
    metadata = item["metadata"]
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    problems = []
    for key, value in labels.items():
        problems += [wrong_value("metadata.labels", key, problem) for problem in problems_of_key(key)]
        problems += [wrong_value("metadata.labels", value, problem) for problem in problems_of_label(str(value))]
    for key in notes:  # the case of an annotation's key does not matter
        problems += [wrong_value("metadata.annotations", key, problem) for problem in problems_of_key(key.lower())]
    size = sum(len(key.encode()) + len(str(text).encode()) for key, text in notes.items())
    if size > LARGEST_ANNOTATIONS:
        problems.append(too_long("metadata.annotations", LARGEST_ANNOTATIONS))
    return problems


def check_role(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a rule that allows nothing, or that says of resources and of paths at once."""
    problems = []
    for index, rule in enumerate(item.get("rules") or []):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            problems.append(missing_value(f"{path}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
                mixed = "rules cannot apply to both regular resources and non-resource URLs"
                problems.append(wrong_value(f"{path}.nonResourceURLs", rule["nonResourceURLs"], mixed))
            continue
        for name, word in (("apiGroups", "api group"), ("resources", "resource")):
            if not rule.get(name):
                problems.append(missing_value(f"{path}.{name}", f"resource rules must supply at least one {word}"))
    return problems


def check_binding(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a binding to another role than before."""
    if old and old["roleRef"] != item["roleRef"]:
        return [wrong_value("roleRef", item["roleRef"], "cannot change roleRef")]
    return []


def check_legacy_event(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse what the core group refuses of an event: foreign namespaces, and half a new-style event."""
    return check_event(item, "reportingComponent")


def check_event(item: JSON, controller_field: str) -> list[Cause]:
    """Refuse an event whose object lives elsewhere or, with an eventTime, whose reporter is unknown."""
    namespace, about = item["metadata"].get("namespace", ""), item["involvedObject"].get("namespace", "")
    problems = []
    allowed = ("default", "kube-system") if item.get("eventTime") else ("default",)
    if about != namespace and (about or namespace not in allowed) and not (about and item.get("eventTime")):
        problems.append(wrong_value("involvedObject.namespace", about, "does not match event.namespace"))
    if not item.get("eventTime"):
        return problems
    reporter = item.get("reportingComponent") or ""
    if not reporter:
        problems.append(missing_value(controller_field))
    problems += [wrong_value(controller_field, reporter, problem) for problem in problems_of_key(reporter)]
    for name in ("reportingInstance", "action", "reason"):
        if not item.get(name):
            problems.append(missing_value(name))
        elif len(item[name].encode()) > EVENT_TEXT:  # Go counts bytes, whatever its message says
            problems.append(wrong_value(name, "", f"can have at most {EVENT_TEXT} characters"))
    if len((item.get("message") or "").encode()) > EVENT_NOTE:
        problems.append(wrong_value("message", "", f"can have at most {EVENT_NOTE} characters"))
    if "series" in item:
        if item["series"].get("count", 0) < 2:
            problems.append(wrong_value("series.count", "", "should be at least 2"))
        if not item["series"].get("lastObservedTime"):
            problems.append(missing_value("series.lastObservedTime"))
    return problems


def check_new_event(item: JSON) -> list[Cause]:
    """Refuse what events.k8s.io refuses beyond that when an event is created (ValidateEventCreate)."""
    problems = check_event(item, "reportingController")
    if not item.get("eventTime"):
        problems.append(missing_value("eventTime"))
    if item.get("type") not in ("Normal", "Warning"):
        problems.append(wrong_value("type", "", f"has invalid value: {item.get('type', '')}"))
    legacy: dict[str, Any] = {name: item.get(name) for name in ("firstTimestamp", "lastTimestamp", "count", "source")}
    problems += [wrong_value(name, "", "needs to be unset") for name, value in legacy.items() if value]
    return problems
