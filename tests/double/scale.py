"""The `scale` subresource of workloads: replicas alone, owned as such (exchanges 62 to 67)."""

from __future__ import annotations

from tests.double.calls import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE, Call
from tests.double.copying import copied
from tests.double.decoding import Decoder, DecodingError
from tests.double.ownership import own_replicas, refuse_conflicts
from tests.double.policies import SCALE
from tests.double.status import (
    JSON,
    Target,
    bad_request,
    invalid,
    not_found,
    undecodable_patch,
    unsupported_patch,
)
from tests.double.store import Store
from tests.double.tracking import set_owners, stored_owners, writer
from tests.double.validation import check_replicas
from tests.double.writes import Answer, check_lock, patched

REPLICAS = frozenset({("f:spec", "f:replicas")})


def scale_of(item: JSON) -> JSON:
    """Return the Scale of a workload."""
    metadata, labels = item["metadata"], (item["spec"].get("selector") or {}).get("matchLabels", {})
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: JSON = {"replicas": item.get("status", {}).get("replicas", 0)}
    if labels:
        status["selector"] = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in names if name in metadata},
        "spec": {"replicas": item["spec"]["replicas"]} if item["spec"].get("replicas") else {},
        "status": status,
    }


class Scales:
    """Reads and writes of the scale subresource."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _live(self, call: Call) -> JSON:
        live = self._store.get(call.resource, call.place.namespace, call.place.name)
        if live is None:
            raise not_found(call.resource.target(call.place.name))
        return live

    def get(self, call: Call) -> Answer:
        """Answer a GET."""
        return Answer(200, scale_of(self._live(call)))

    def write(self, call: Call) -> Answer:
        """Answer a PUT or PATCH."""
        live = self._live(call)
        sent = _read(call, live)
        check_lock(call, live, sent)
        replicas = (sent.get("spec") or {}).get("replicas") or 0
        if problems := check_replicas(replicas):
            raise invalid(Target("autoscaling", "Scale", call.place.name), problems)
        if replicas != live["spec"]["replicas"]:
            live = self._store_replicas(call, live, replicas)
        return Answer(200, scale_of(live))

    def _store_replicas(self, call: Call, live: JSON, replicas: int) -> JSON:
        item, owners = copied(live), stored_owners(call, live, live)
        manager = writer(call)
        if manager.operation == "Apply" and not call.force:
            refuse_conflicts({one: share for one, share in owners.items() if one != manager}, REPLICAS)
        item["spec"]["replicas"] = replicas
        item["metadata"]["generation"] = live["metadata"].get("generation", 1) + 1
        set_owners(call.resource, item, own_replicas(owners, manager, call.view.api_version, replicas))
        return item if call.dry_run else self._store.put(call.resource, item)


def _read(call: Call, live: JSON) -> JSON:
    """Return the wanted Scale, or raise 400 (422 for a patched one)."""
    if call.verb == "update":
        sent = call.read_object()
    elif call.content_type in (MERGE_PATCH, STRATEGIC_MERGE, JSON_PATCH):
        sent = patched(call, scale_of(live), SCALE)
    elif call.content_type == APPLY_PATCH:
        sent = call.read_object()
    else:
        raise unsupported_patch()
    sent.setdefault("metadata", {})
    decoder = Decoder()
    try:
        read: JSON = decoder.read(sent, SCALE)
    except DecodingError as error:
        problem = str(error)
    else:
        problem = ", ".join(f'unknown field "{name}"' for name in decoder.unknown) if call.strict else ""
        if not problem:
            return read
        problem = f"strict decoding error: {problem}"
    if call.verb == "patch":
        raise undecodable_patch(sent, problem)
    raise bad_request(f'Scale in version "v1" cannot be handled as a Scale: {problem}')
