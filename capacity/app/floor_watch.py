"""Between two passes of the loop: watch the autoscalers that we move, and wake the loop when others lower a floor.

An HPA acts on a lowered floor within 15 s: a pass a minute later would find the pods gone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from capacity.cluster.annotations import EXCLUDE, FLOOR, FREEZE
from capacity.cluster.client import ClusterReader
from capacity.cluster.kinds import HPA
from capacity.logs import LOGGER
from capacity.model import ClusterError

SECONDS = 240  # of one watch; then it begins anew with all objects, which shows what was missed in between
AGAIN = 5.0  # seconds until a watch that broke is tried again
REPAIRS, WITHIN = 5, 600.0  # repairs of one object in so many seconds: whoever lowers it more often waits for a pass
FORBIDDEN = (401, 403)
Key = tuple[str, str]  # namespace and name
Document = dict[str, Any]


def lowered(document: Document) -> bool:
    """Whether the floor stands below the one that we noted, and nobody asked to leave it alone.

    >>> lowered({"metadata": {"annotations": {"capacity/floor": "9"}}, "spec": {"minReplicas": 2}})
    True
    """
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    noted = str(annotations.get(FLOOR, ""))
    if not noted.isdecimal() or any(str(annotations.get(key)).lower() == "true" for key in (EXCLUDE, FREEZE)):
        return False
    floor = (document.get("spec") or {}).get(HPA.floor)
    return (HPA.absent_floor if floor is None else int(floor)) < int(noted)


@dataclass
class FloorWatch:
    """Watches of some namespaces, one thread each; `lowered` collects what the loop must put right now."""

    reader: ClusterReader
    namespaces: Collection[str]
    clock: Callable[[], float] = monotonic
    wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _found: set[Key] = field(default_factory=set)
    _repairs: dict[Key, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin to watch; the threads end with the process."""
        for namespace in self.namespaces:
            name = f"watch {namespace}"
            threading.Thread(target=self._watch, args=(namespace,), name=name, daemon=True).start()

    def stop(self) -> None:
        """Watch no more, and wake who waits."""
        self._stop.set()
        self.wake.set()

    def taken(self) -> frozenset[Key]:
        """What was found since the last call; the loop puts it right."""
        with self._lock:
            found, self._found = frozenset(self._found), set()
            self.wake.clear()
        return found

    def note(self, document: Document) -> bool:
        """Note an object whose floor others lowered; False where it is not, or was put right too often lately."""
        if not lowered(document):
            return False
        key, now = (str(document["metadata"]["namespace"]), str(document["metadata"]["name"])), self.clock()
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

    def _watch(self, namespace: str) -> None:
        while not self._stop.is_set():
            try:
                for document in self._objects(namespace):
                    self.note(document)
                    if self._stop.is_set():
                        return
            except ClusterError as error:
                if error.status in FORBIDDEN:
                    LOGGER.warning("%s: floors are not watched, a pass puts them right: %s", namespace, error)
                    return
                LOGGER.debug("%s: %s", namespace, error)
                self._stop.wait(AGAIN)

    def _objects(self, namespace: str) -> Iterator[Document]:
        for event in self.reader.watch(HPA, namespace, SECONDS):
            found = event.get("object")
            if event.get("type") in ("ADDED", "MODIFIED") and isinstance(found, dict):
                yield found
