"""Admission: what the server's own plugins and the cluster's policies add to a write, and what they refuse.

The order is that of the real server: owners are tracked before anything is added, validation comes in between, and
quotas are asked last.
"""

from __future__ import annotations

from tests.double import builtin
from tests.double.calls import Call
from tests.double.claims import DEFAULT_CLASS, PROTECTION, refusal_to_grow
from tests.double.limits import add_defaults, refusals
from tests.double.mutation import mutate
from tests.double.pods import admit_pod
from tests.double.quotas import check_quotas
from tests.double.status import JSON, StatusError, forbidden_by
from tests.double.store import Store


def admit(store: Store, call: Call, item: JSON, live: JSON | None) -> None:
    """Change what is written as plugins and policies do; nobody owns what they add."""
    if live is None and call.resource is builtin.PODS:
        _admit_pod(store, call, item)
    if live is None and call.resource is builtin.CLAIMS:
        _admit_claim(store, item)
    mutate(store, call, item, live)


def _admit_pod(store: Store, call: Call, item: JSON) -> None:
    add_defaults(store.items(builtin.LIMIT_RANGES, call.place.namespace), item)
    builtin.PODS.begin(item)
    admit_pod(item)
    spec = item["spec"]
    classes = {one["metadata"]["name"]: one for one in store.items(builtin.PRIORITY_CLASSES)}
    default = next((name for name, one in classes.items() if one.get("globalDefault")), "")
    name = spec.get("priorityClassName") or default
    if name and name not in classes:
        raise forbidden_by(
            call.resource.target(item["metadata"].get("name", "")), f"no PriorityClass with name {name} was found"
        )
    if name:
        spec["priorityClassName"] = name
    spec["priority"] = classes[name]["value"] if name else 0
    spec["preemptionPolicy"] = classes[name]["preemptionPolicy"] if name else "PreemptLowerPriority"


def _admit_claim(store: Store, item: JSON) -> None:
    """Protect a claim while pods use it, and give it the default class (DefaultStorageClass)."""
    item["metadata"].setdefault("finalizers", []).append(PROTECTION)
    if "storageClassName" in item["spec"]:
        return
    for one in store.items(builtin.STORAGE_CLASSES):
        if (one["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true":
            item["spec"]["storageClassName"] = one["metadata"]["name"]


def refuse(store: Store, call: Call, item: JSON, live: JSON | None) -> None:
    """Raise 403 where a plugin or a quota forbids the write."""
    if call.place.subresource in ("", "resize"):
        _refuse_growth(store, call, item, live)
        _refuse_limits(store, call, item, live)
        check_quotas(store, call, item, live)


def _refuse_growth(store: Store, call: Call, item: JSON, live: JSON | None) -> None:
    if call.resource is not builtin.CLAIMS or live is None:
        return
    name = item["spec"].get("storageClassName", "")
    problem = refusal_to_grow(item, live, store.get(builtin.STORAGE_CLASSES, "", name) if name else None)
    if problem:
        raise _forbidden(call, item, problem)


def _refuse_limits(store: Store, call: Call, item: JSON, live: JSON | None) -> None:
    """Ask LimitRanges of new pods and claims, and of resized pods."""
    if live is not None and call.place.subresource != "resize":
        return
    known = ((builtin.PODS, "Pod"), (builtin.CLAIMS, "PersistentVolumeClaim"))
    kind = next((kind for resource, kind in known if call.resource is resource), None)
    problems = refusals(store.items(builtin.LIMIT_RANGES, call.place.namespace), kind, item) if kind else []
    if problems:
        raise _forbidden(call, item, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


def _forbidden(call: Call, item: JSON, problem: str) -> StatusError:
    return forbidden_by(call.resource.target(item["metadata"].get("name", "")), problem)
