"""Get and list: one object, or a page of those that a selector chooses.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from tests.double.bodies import served
from tests.double.calls import Call
from tests.double.options import check_list_options, check_revision, unreadable_revision
from tests.double.selectors import field_terms, label_requirements
from tests.double.status import EXPIRED_LIST, JSON, bad_request, expired, internal, not_found
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
        revision = call.query.get("resourceVersion", "")
        if revision and not revision.isdigit():
            raise internal(unreadable_revision(revision))
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
        limit = _limit(call.query.get("limit"))
        check_list(call)
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
        if limit > 0 and len(items) > limit:
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


def check_list(call: Call) -> None:
    """Refuse what selects nothing or fits to no list or watch, in the order of the real server."""
    label_requirements(call.selector.labels)
    terms = field_terms(call.selector.fields)
    check_list_options(call)
    for name, _, _ in terms:
        if name not in ("metadata.name", "metadata.namespace", *call.resource.fields):
            known = '"metadata.name", "metadata.namespace"'
            named = call.resource.fields or call.resource.custom
            problem = f'"{name}" is not a known field selector: only {known}'
            raise bad_request(f"field label not supported: {name}" if named else problem)
    check_revision(call)


def _limit(text: str | None) -> int:
    """Return how many objects a page has; none, 0 and less mean all."""
    try:
        return 0 if text is None else int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _place(call: Call, item: JSON) -> str:
    """Return the key by which a list is ordered: the part of the etcd key below the listed prefix."""
    metadata = item["metadata"]
    return str(metadata["name"]) if call.place.namespace else f"{metadata.get('namespace', '')}/{metadata['name']}"
