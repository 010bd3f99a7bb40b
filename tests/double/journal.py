"""The journal: every request as it came over the wire, so that a test asserts the very bytes that were sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.double.calls import Place


@dataclass(frozen=True)
class Entry:
    """One request and the code it was answered with (0 when the connection was cut)."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: bytes
    user: str
    """Empty when the token was nobody's."""
    verb: str
    """The RBAC verb; empty for discovery and health."""
    place: Place | None
    code: int

    @property
    def json(self) -> Any:
        """Return the body, decoded."""
        return json.loads(self.body)

    @property
    def rule(self) -> tuple[str, str, str]:
        """Return (verb, group, resource with subresource): what an RBAC rule must allow."""
        if self.place is None:
            return (self.verb, "", "")
        resource = self.place.plural + (f"/{self.place.subresource}" if self.place.subresource else "")
        return (self.verb, self.place.group, resource)


class Journal:
    """All requests in order of their answers."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Write down a request."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget what was asked so far."""
        with self._lock:
            self._entries.clear()

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    @property
    def writes(self) -> list[Entry]:
        """Return the requests that could change something."""
        return [entry for entry in self if entry.method not in ("GET", "HEAD")]

    @property
    def rules_used(self) -> set[tuple[str, str, str]]:
        """Return what RBAC had to allow, to compare with a Role."""
        return {entry.rule for entry in self if entry.verb and entry.place is not None}
