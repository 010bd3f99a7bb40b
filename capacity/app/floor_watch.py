"""Between two passes of the loop: watch the autoscalers that we move, and wake the loop when others lower a floor.

An HPA acts on a lowered floor within 15 s: a pass a minute later would find the pods gone. A ScaledObject is watched
through the HPA that KEDA makes of it, with its annotations: that is what acts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from capacity.cluster.annotations import EXCLUDE, FLOOR, FREEZE
from capacity.cluster.autoscaler import made_by
from capacity.cluster.client import ClusterReader
from capacity.cluster.kinds import HPA, KINDS, SCALED_OBJECT, Kind
from capacity.logs import LOGGER
from capacity.model import ClusterError, Workload

SECONDS = 240  # of one watch; then it begins again with all objects, which shows what was missed in between
AGAIN = 5.0  # seconds from one watch to the next, where a server or a proxy ends it at once
REPAIRS, WITHIN = 5, 600.0  # repairs of one object in so many seconds: whoever lowers it more often waits for a pass
FORBIDDEN = (401, 403)
Key = tuple[str, str]  # namespace and name
Document = dict[str, Any]


def watched(workloads: Iterable[Workload]) -> list[tuple[str, Kind]]:
    """The namespaces to watch, and the kinds in each, of workloads whose floor is moved."""
    places = {(one.namespace, KINDS[one.target.kind]) for one in workloads if one.scaling == "horizontal"}
    through = {(namespace, HPA if kind is SCALED_OBJECT else kind) for namespace, kind in places}
    return sorted(through, key=lambda place: (place[0], place[1].name))


def lowered(document: Document, kind: Kind = HPA) -> bool:
    """Whether the floor stands below the one that we noted, and nobody asked to leave it alone.

    >>> lowered({"metadata": {"annotations": {"capacity/floor": "9"}}, "spec": {"minReplicas": 2}})
    True
    """
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    noted = str(annotations.get(FLOOR, ""))
    if not noted.isdecimal() or any(str(annotations.get(key)).lower() == "true" for key in (EXCLUDE, FREEZE)):
        return False
    floor = (document.get("spec") or {}).get(kind.floor)
    return (kind.absent_floor if floor is None else int(floor)) < int(noted)


def _target(document: Document) -> Key:
    """What a workload names as its target: the object, or the ScaledObject of which KEDA made it."""
    metadata, maker = document["metadata"], made_by(document)
    made = maker is not None and maker[0] == SCALED_OBJECT.name
    return str(metadata["namespace"]), str(maker[1] if made and maker is not None else metadata["name"])


@dataclass
class FloorWatch:
    """Watches namespaces and kinds, one thread each; `taken` returns the objects that the loop must repair now."""

    reader: ClusterReader
    places: Collection[tuple[str, Kind]]
    clock: Callable[[], float] = monotonic
    wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _found: set[Key] = field(default_factory=set)
    _repairs: dict[Key, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin to watch; the threads end with the process."""
        for namespace, kind in self.places:
            name = f"watch {namespace} {kind.plural}"
            threading.Thread(target=self._watch, args=(namespace, kind), name=name, daemon=True).start()

    def stop(self) -> None:
        """Stop watching, and wake the waiting loop."""
        self._stop.set()
        self.wake.set()

    def taken(self) -> frozenset[Key]:
        """The objects found since the last call, for the loop to repair."""
        with self._lock:
            found, self._found = frozenset(self._found), set()
            self.wake.clear()
        return found

    def note(self, document: Document, kind: Kind = HPA) -> bool:
        """Note an object whose floor others lowered. False if its floor is right, or was repaired too often lately."""
        key, now = _target(document), self.clock()
        if not lowered(document, kind):
            self._forget(key)
            return False
        with self._lock:
            repairs = self._repairs.setdefault(key, deque(maxlen=REPAIRS))
            if key in self._found:
                return True
            if len(repairs) == REPAIRS and now - repairs[0] < WITHIN:
                return False
            repairs.append(now)
            self._found.add(key)
            self.wake.set()
        return True

    def _forget(self, key: Key) -> None:
        """Forget an object whose floor is right again: for a Deployment we note the floor just before we scale it."""
        with self._lock:
            if key in self._found:
                self._found.remove(key)
                self._repairs[key].pop()

    def _watch(self, namespace: str, kind: Kind = HPA) -> None:
        """Watch until told to stop. A missing permission is logged once, and retried from time to time.

        An API server that has just started may briefly deny everything.
        """
        told = False
        while not self._stop.is_set():
            began, pause = self.clock(), AGAIN
            try:
                for document in self._objects(namespace, kind):
                    self.note(document, kind)
                    if self._stop.is_set():
                        return
            except ClusterError as error:
                level = LOGGER.debug
                if error.status in FORBIDDEN:
                    level, told, pause = (LOGGER.debug if told else LOGGER.warning), True, float(SECONDS)
                level("%s: %s are not watched; the next pass repairs lowered floors: %s", namespace, kind.plural, error)
            else:
                told = False
            self._stop.wait(max(0.0, began + pause - self.clock()))

    def _objects(self, namespace: str, kind: Kind) -> Iterator[Document]:
        for event in self.reader.watch(kind, namespace, SECONDS):
            found = event.get("object")
            if event.get("type") in ("ADDED", "MODIFIED") and isinstance(found, dict):
                yield found
