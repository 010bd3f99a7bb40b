"""The objects, their resourceVersions and the history that watches replay: etcd's part of the double."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from tests.double.copying import copied
from tests.double.resources import Resource
from tests.double.status import JSON

FIRST_REVISION = 100
Key = tuple[str, str]
"""Namespace (empty for cluster-wide objects) and name."""


@dataclass(frozen=True)
class Change:
    """One step of history: what happened to an object, and what it was before."""

    revision: int
    type: str
    resource: tuple[str, str]
    item: JSON
    before: JSON | None


class Store:
    """Everything stored; callers hold `changed` (a condition and lock) around what must be one step."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.revision = FIRST_REVISION
        self.oldest = FIRST_REVISION
        """The revision before which history is forgotten; older watches and list tokens get 410."""
        self._objects: dict[tuple[str, str], dict[Key, JSON]] = {}
        self._history: list[Change] = []

    def _of(self, resource: Resource) -> dict[Key, JSON]:
        return self._objects.setdefault((resource.group, resource.plural), {})

    def get(self, resource: Resource, namespace: str, name: str) -> JSON | None:
        """Return a copy of an object, or None."""
        return copied(self._of(resource).get((namespace, name)))

    def items(self, resource: Resource, namespace: str = "") -> Iterator[JSON]:
        """Yield a resource's objects by namespace and name, to read only; an empty namespace means all."""
        for key, item in sorted(self._of(resource).items(), key=lambda pair: pair[0]):
            if namespace in ("", key[0]):
                yield item

    def put(self, resource: Resource, item: JSON) -> JSON:
        """Store an object under the next resourceVersion and return it."""
        key = _key(item)
        before = self._of(resource).get(key)
        stored = self._stamped(item)
        self._of(resource)[key] = stored
        self._record("MODIFIED" if before else "ADDED", resource, stored, before)
        return copied(stored)

    def delete(self, resource: Resource, item: JSON) -> None:
        """Remove an object; the last event about it carries a resourceVersion of its own."""
        before = self._of(resource).pop(_key(item))
        self._record("DELETED", resource, self._stamped(before), before)

    def _stamped(self, item: JSON) -> JSON:
        self.revision += 1
        stamped = copied(item)
        stamped["metadata"]["resourceVersion"] = str(self.revision)
        return stamped

    def _record(self, kind: str, resource: Resource, item: JSON, before: JSON | None) -> None:
        self._history.append(Change(self.revision, kind, (resource.group, resource.plural), item, before))
        self.changed.notify_all()

    def changes_after(self, revision: int, resource: Resource) -> list[Change]:
        """Return what happened to a resource after a revision."""
        mine = (resource.group, resource.plural)
        first = bisect.bisect_right(self._history, revision, key=lambda change: change.revision)
        return [change for change in self._history[first:] if change.resource == mine]

    def forget_history(self) -> None:
        """Compact: new watches and list tokens from before now are too old; watches that run miss nothing."""
        self.revision += 1
        self.oldest = self.revision


def _key(item: JSON) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
