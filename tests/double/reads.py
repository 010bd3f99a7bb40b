"""Get and list: one object, or a page of those that a selector chooses.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from tests.double.bodies import served
from tests.double.calls import Call
from tests.double.status import EXPIRED_LIST, JSON, bad_request, expired, not_found
from tests.double.store import Store
from tests.double.writes import Answer


@dataclass(frozen=True)
class Token:
    """Where a list goes on: the revision of its first page and the key after which the next one starts."""

    revision: int
    start: str

    def text(self) -> str:
        """Return the opaque `continue` text, in the encoding of the real server (exchange 111)."""
        content = {"v": "meta.k8s.io/v1", "rv": self.revision, "start": self.start + "\0"}
        encoded = json.dumps(content, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(encoded).decode().rstrip("=")


def read_token(text: str) -> Token:
    """Return what a `continue` text says, or raise 400."""
    try:
        content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return Token(int(content["rv"]), content["start"].rstrip("\0"))
    except (ValueError, KeyError, TypeError):
        raise bad_request("continue key is not valid: invalid continue token") from None


class Reads:
    """The answers that change nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, call: Call) -> Answer:
        """Answer a GET of one object."""
        item = self._store.get(call.resource, call.place.namespace, call.place.name)
        if item is None:
            raise not_found(call.resource.target(call.place.name))
        return Answer(200, served(call.resource, call.view, item))

    def selected(self, call: Call) -> list[JSON]:
        """Return the served objects a list is about, by namespace and name."""
        shown = (
            served(call.resource, call.view, item) for item in self._store.items(call.resource, call.place.namespace)
        )
        return [item for item in shown if call.selector.matches(item)]

    def list(self, call: Call) -> Answer:
        """Answer a GET of a collection."""
        items, revision = self.selected(call), self._store.revision
        if text := call.query.get("continue"):
            token = read_token(text)
            if token.revision < self._store.oldest:
                raise expired(EXPIRED_LIST, Token(revision, token.start).text())
            revision = token.revision
            items = [item for item in items if _place(call, item) > token.start]
        metadata: JSON = {"resourceVersion": str(revision)}
        if call.resource.custom:
            metadata["continue"] = ""
        limit = int(call.query.get("limit") or 0)
        if limit and len(items) > limit:
            metadata["continue"] = Token(revision, _place(call, items[limit - 1])).text()
            if call.selector.labels == call.selector.fields == "":
                metadata["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        if not call.resource.custom:
            items = [
                {name: part for name, part in item.items() if name not in ("kind", "apiVersion")} for item in items
            ]
        kind, version = call.resource.kind + "List", call.view.api_version
        return Answer(200, {"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})


def _place(call: Call, item: JSON) -> str:
    """Return the key by which a list is ordered: the part of the etcd key below the listed prefix."""
    metadata = item["metadata"]
    return str(metadata["name"]) if call.place.namespace else f"{metadata.get('namespace', '')}/{metadata['name']}"
