"""A cluster on paper: the few calls of a pass over a dictionary, with faults, for tens of thousands of passes."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from capacity.cluster.kinds import Kind
from capacity.model import ClusterError

Document = dict[str, Any]


class Killed(BaseException):
    """kill -9, as far as Python can be killed: nothing of ours runs after it."""


class Paper:
    """Stands where a `ClusterWriter` stands. `before` is called with each call's name and may raise."""

    def __init__(self, before: Callable[[str], None]) -> None:
        self.autoscalers: dict[str, Document] = {}
        self.configmaps: dict[str, Document] = {}
        self.leases: dict[str, Document] = {}
        self.events: list[Document] = []
        self.server_time: datetime | None = None
        self.answered_at: float | None = None
        self._before, self._version = before, 0

    def targets(self, kind: Kind, namespace: str) -> Iterator[Document]:
        self._before("list")
        return iter([_copied(item) for item in self.autoscalers.values()])

    def target(self, kind: Kind, namespace: str, name: str) -> Document:
        self._before("get")
        return _copied(_found(self.autoscalers, name))

    def objects(self, path: str, labels: str = "", *, limit: int = 0, fields: str = "") -> Iterator[Document]:
        """Nothing else is in this cluster."""
        self._before("list")
        return iter(())

    def configmap(self, namespace: str, name: str) -> Document:
        self._before("configmap")
        return _found(self.configmaps, name)

    def lease(self, namespace: str, name: str) -> Document:
        self._before("lease")
        return _copied(_found(self.leases, name))

    def create_lease(self, namespace: str, body: Document) -> Document:
        self._before("lease")
        self.leases[body["metadata"]["name"]] = self._stamped(_copied(body))
        return body

    def merge_lease(self, namespace: str, name: str, body: Document) -> Document:
        self._before("lease")
        self._locked(self.leases[name], body)
        self.leases[name]["spec"].update(body["spec"])
        return self._stamped(self.leases[name])

    def apply_target(self, kind: Kind, namespace: str, name: str, body: Document) -> Document:
        self._before("patch")
        item = self.write(name, body, "capacity")
        self._before("answer")
        return _copied(item)

    def create_event(self, namespace: str, body: Document) -> Document:
        self._before("event")
        self.events.append(body)
        return body

    def write(self, name: str, body: Document, manager: str) -> Document:
        """Fields and annotations of one writer, who owns what he wrote from then on."""
        item = _found(self.autoscalers, name)
        self._locked(item, body)
        item["spec"].update(body.get("spec") or {})
        item["metadata"].setdefault("annotations", {}).update(body.get("metadata", {}).get("annotations") or {})
        if body.get("spec"):
            fields = {f"f:{key}": {} for key in body["spec"]}
            item["metadata"]["managedFields"] = [
                {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": fields}}
            ]
        return self._stamped(item)

    def _locked(self, item: Document, body: Document) -> None:
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, item["metadata"]["resourceVersion"]):
            raise ClusterError("409 the object has been modified", 409)

    def _stamped(self, item: Document) -> Document:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        return item


def _copied(item: Document) -> Document:
    """A copy of plain values, many times faster than `deepcopy`."""
    made: Document = marshal.loads(marshal.dumps(item))
    return made


def _found(where: dict[str, Document], name: str) -> Document:
    if name not in where:
        raise ClusterError(f"404 {name} not found", 404)
    return where[name]
