"""Delete one object or a collection, with preconditions and finalizers."""

from __future__ import annotations

from tests.double import builtin
from tests.double.bodies import served
from tests.double.calls import Call
from tests.double.claims import PROTECTION
from tests.double.options import delete_options
from tests.double.reads import Reads
from tests.double.resources import Catalogue
from tests.double.status import JSON, conflict, not_found
from tests.double.store import Store
from tests.double.tracking import now
from tests.double.writes import Answer

PRECONDITIONS = {"resourceVersion": "ResourceVersion", "uid": "UID"}


class Deletions:
    """The changes that end objects."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    def delete(self, call: Call) -> Answer:
        """Answer a DELETE of one object."""
        options = delete_options(call)
        item = self._store.get(call.resource, call.place.namespace, call.place.name)
        if item is None:
            raise not_found(call.resource.target(call.place.name))
        _check_preconditions(call, item, options)
        dry_run = bool(options["dryRun"])
        if item["metadata"].get("finalizers") and not self._is_released(call, item):
            return self._mark(call, item, dry_run=dry_run)
        if not dry_run:
            self._remove(call, item)
        if call.resource is builtin.NAMESPACES:
            return Answer(200, {**served(call.resource, call.view, item), "status": {"phase": "Terminating"}})
        if call.resource.returns_deleted:
            return Answer(200, served(call.resource, call.view, item))
        details = call.resource.target(call.place.name).details(uid=item["metadata"]["uid"])
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return Answer(200, status)

    def delete_collection(self, call: Call) -> Answer:
        """Answer a DELETE of all selected objects with the list of them."""
        dry_run = bool(delete_options(call)["dryRun"])
        answer = Reads(self._store).list(call)
        for item in answer.body["items"]:
            namespace = item["metadata"].get("namespace", "")
            stored = self._store.get(call.resource, namespace, item["metadata"]["name"])
            if stored and not dry_run:
                self._remove(call, stored)
        return answer

    def _mark(self, call: Call, item: JSON, *, dry_run: bool) -> Answer:
        """Only mark an object with finalizers; whoever empties them ends it."""
        item["metadata"].setdefault("deletionTimestamp", now())
        item["metadata"].setdefault("deletionGracePeriodSeconds", 0)
        if not dry_run:
            item = self._store.put(call.resource, item)
        return Answer(200, served(call.resource, call.view, item))

    def _is_released(self, call: Call, item: JSON) -> bool:
        """Tell whether a claim is used by no pod: its controller then empties the finalizers at once."""
        if call.resource is not builtin.CLAIMS or item["metadata"]["finalizers"] != [PROTECTION]:
            return False
        pods = self._store.items(builtin.PODS, call.place.namespace)
        used = {
            (volume.get("persistentVolumeClaim") or {}).get("claimName")
            for pod in pods
            for volume in pod["spec"].get("volumes", [])
        }
        return item["metadata"]["name"] not in used

    def _remove(self, call: Call, item: JSON) -> None:
        self._store.delete(call.resource, item)
        if call.resource is builtin.DEFINITIONS:
            self._catalogue.undefine(item)
        if call.resource is builtin.NAMESPACES:
            self._empty(item["metadata"]["name"])

    def _empty(self, namespace: str) -> None:
        """End everything in a namespace, at once where the real server takes its time."""
        for resource in self._catalogue:
            if resource.namespaced:
                for item in self._store.items(resource, namespace):
                    self._store.delete(resource, item)


def _check_preconditions(call: Call, item: JSON, options: JSON) -> None:
    """Refuse with 409 when the object is not the one meant (exchange 150, which names the kind and not the plural)."""
    for name, word in PRECONDITIONS.items():
        wanted, found = (options.get("preconditions") or {}).get(name), item["metadata"][name]
        if wanted and wanted != found:
            problem = (
                f"the {word} in the precondition ({wanted}) does not match the {word} in record ({found}). "
                "The object might have been modified"
            )
            raise conflict(call.resource.kind_target(call.place.name), problem)
