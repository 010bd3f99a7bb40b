"""Watches: the changes of a collection as they happen, resumed from a resourceVersion.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.double.bodies import served
from tests.double.calls import Call
from tests.double.status import JSON, bad_request, expired
from tests.double.store import Change, Store

LONGEST = 300.0
"""Seconds a watch lasts that names no timeoutSeconds; the real server picks 30 to 60 minutes."""
PATIENCE = 0.25
"""Seconds between two looks at whether the server is stopping."""


class Watch:
    """One watch: an iterator of events that ends when its time is over."""

    def __init__(self, store: Store, call: Call, stopping: Callable[[], bool]) -> None:
        self._store = store
        self._call = call
        self._stopping = stopping
        self._revision = _revision(call.query.get("resourceVersion", ""))
        self._end = time.monotonic() + float(call.query.get("timeoutSeconds") or LONGEST)

    def events(self) -> Iterator[JSON]:
        """Yield the events; a resourceVersion that is too old gives one ERROR event inside a 200 answer."""
        with self._store.changed:
            oldest = self._store.oldest
            existing = list(self._existing()) if self._revision == 0 else []
        if existing or self._revision == 0:
            yield from existing
        elif self._revision < oldest:
            problem = expired(f"too old resource version: {self._revision} ({oldest})")
            yield {"type": "ERROR", "object": problem.as_object()}
            return
        while not self._stopping() and time.monotonic() < self._end:
            yield from self._next()

    def _existing(self) -> Iterator[JSON]:
        """Return what there is, as ADDED, and go on from now."""
        self._revision = self._store.revision
        call = self._call
        for item in self._store.items(call.resource, call.place.namespace):
            if call.selector.matches(item):
                yield self._event("ADDED", item)

    def _next(self) -> list[JSON]:
        with self._store.changed:
            changes = self._store.changes_after(self._revision, self._call.resource)
            if not changes:
                self._store.changed.wait(max(0.0, min(PATIENCE, self._end - time.monotonic())))
                return []
            self._revision = changes[-1].revision
        return [event for change in changes if (event := self._seen(change))]

    def _seen(self, change: Change) -> JSON | None:
        """Return what this watch sees of a change: entering or leaving the selection is ADDED or DELETED."""
        namespace = self._call.place.namespace
        if namespace and change.item["metadata"].get("namespace") != namespace:
            return None
        was = change.before is not None and self._call.selector.matches(change.before)
        now = change.type != "DELETED" and self._call.selector.matches(change.item)
        if not was and not now:
            return None
        return self._event("MODIFIED" if was and now else "ADDED" if now else "DELETED", change.item)

    def _event(self, kind: str, item: JSON) -> JSON:
        return {"type": kind, "object": served(self._call.resource, self._call.view, item)}


def _revision(text: str) -> int:
    if text and not text.isdigit():
        raise bad_request(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text or 0)
