"""ResourceQuotas as far as these tests need them: how many objects of a kind a namespace may hold.

`staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`; a dry run is judged as the real thing.
"""

from __future__ import annotations

from tests.double import builtin
from tests.double.calls import Call
from tests.double.status import JSON, forbidden_by
from tests.double.store import Store


def check_quotas(store: Store, call: Call, item: JSON) -> None:
    """Raise 403 where one more object would exceed a quota of the namespace."""
    resource, namespace = call.resource, call.place.namespace
    if not namespace:
        return
    names = {f"count/{resource.plural}" + (f".{resource.group}" if resource.group else ""), resource.plural}
    used = sum(1 for _ in store.items(resource, namespace))
    for quota in store.items(builtin.QUOTAS, namespace):
        for name, most in ((quota.get("spec") or {}).get("hard") or {}).items():
            if name in names and used + 1 > int(most):
                problem = f"exceeded quota: {quota['metadata']['name']}, requested: {name}=1, used: {name}={used}, "
                raise forbidden_by(resource.target(item["metadata"]["name"]), f"{problem}limited: {name}={most}")
