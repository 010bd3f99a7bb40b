"""ResourceQuotas: how many objects, how much CPU and memory of pods, and how much storage a namespace may hold.

`staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`; a dry run is judged as the real thing.
What is used is counted from the objects that stand, where the real server reads what its controller counted last.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tests.double import builtin
from tests.double.calls import Call
from tests.double.claims import requested
from tests.double.quantities import read_quantity, total, write_quantity
from tests.double.resources import Resource
from tests.double.status import JSON, StatusError, forbidden_by
from tests.double.store import Store

SHORT = {"cpu": "requests.cpu", "memory": "requests.memory", "ephemeral-storage": "requests.ephemeral-storage"}
"""Quota names that mean requests."""
MUST_BE_SAID = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
"""What every container must say where a quota counts it."""
Usage = dict[str, Decimal]
"""Amounts by quota name."""
NOTHING = Decimal(0)


def check_quotas(store: Store, call: Call, item: JSON, live: JSON | None) -> None:
    """Raise 403 where a write would exceed a quota of the namespace, or does not say what a quota counts."""
    resource, namespace = call.resource, call.place.namespace
    quotas = list(store.items(builtin.QUOTAS, namespace)) if namespace else []
    if not quotas:
        return
    before, after = usage_of(resource, live) if live else {}, usage_of(resource, item)
    more = {name: amount - before.get(name, NOTHING) for name, amount in after.items()}
    used = _summed([usage_of(resource, one) for one in store.items(resource, namespace)])
    for quota in quotas:
        hard = (quota.get("spec") or {}).get("hard") or {}
        if resource is builtin.PODS and live is None:
            _refuse_unsaid(call, item, quota)
        asked = {name: amount for name, amount in more.items() if name in hard and amount > 0}
        over = {
            name: amount
            for name, amount in asked.items()
            if used.get(name, NOTHING) + amount > read_quantity(hard[name])
        }
        if over:
            raise _exceeded(call, item, quota, over, used)


def usage_of(resource: Resource, item: JSON) -> Usage:
    """Return what an object counts for in each quota."""
    counted = f"count/{resource.plural}" + (f".{resource.group}" if resource.group else "")
    usage = {counted: Decimal(1)}
    if resource is builtin.PODS and (item.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return usage
    usage[resource.plural] = Decimal(1)
    if resource is builtin.PODS:
        usage |= _compute(item)
    if resource is builtin.CLAIMS:
        size, name = read_quantity(requested(item)), item["spec"].get("storageClassName")
        usage["requests.storage"] = size
        usage |= {f"{name}.storageclass.storage.k8s.io/requests.storage": size} if name else {}
    return usage


def _compute(pod: JSON) -> Usage:
    resources = [one.get("resources") or {} for one in pod["spec"].get("containers", [])]
    amounts = {
        f"{part}.{name}": total((one.get(part) or {}).get(name) for one in resources)
        for part in ("requests", "limits")
        for name in SHORT
    }
    return amounts | {short: amounts[name] for short, name in SHORT.items()}


def _summed(usages: list[Usage]) -> Usage:
    names = set().union(*usages)
    return {name: sum((one.get(name, NOTHING) for one in usages), NOTHING) for name in names}


def _refuse_unsaid(call: Call, pod: JSON, quota: JSON) -> None:
    """Refuse a pod of which a container does not say what a quota of CPU or memory counts."""
    unsaid = []
    for name in (name for name in MUST_BE_SAID if name in (quota["spec"].get("hard") or {})):
        part, _, what = SHORT.get(name, name).partition(".")
        silent = sorted(one["name"] for one in pod["spec"]["containers"] if what not in _said(one, part))
        unsaid += [f"{name} for: {','.join(silent)}"] if silent else []
    if unsaid:
        problem = f"failed quota: {quota['metadata']['name']}: must specify {'; '.join(unsaid)}"
        raise forbidden_by(call.resource.target(pod["metadata"].get("name", "")), problem)


def _said(container: JSON, part: str) -> Mapping[str, str]:
    return (container.get("resources") or {}).get(part) or {}


def _exceeded(call: Call, item: JSON, quota: JSON, over: Usage, used: Usage) -> StatusError:
    hard, names = quota["spec"]["hard"], sorted(over)
    asked = ",".join(f"{name}={_text(over[name], hard[name])}" for name in names)
    has = ",".join(f"{name}={_text(used.get(name, NOTHING), hard[name])}" for name in names)
    limited = ",".join(f"{name}={hard[name]}" for name in names)
    problem = f"exceeded quota: {quota['metadata']['name']}, requested: {asked}, used: {has}, limited: {limited}"
    return forbidden_by(call.resource.target(item["metadata"].get("name", "")), problem)


def _text(number: Decimal, like: str) -> str:
    return write_quantity(number, binary=like.endswith("i"))
