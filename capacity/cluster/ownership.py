"""Who owns a field of an object (managedFields), whether we may take it, and how to give it back."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Path = tuple[str, ...]

RECONCILERS = (
    "argocd",
    "argo-cd",
    "flux",
    "kustomize-controller",
    "helm-controller",
    "keda-operator",
    "fleet",
    "rancher",
)
RECONCILER_ENDINGS = ("-controller", "-operator", "-reconciler")  # names by which controllers of others sign


@dataclass(frozen=True, slots=True)
class Owner:
    """A field manager and how it wrote: `Apply` (server-side) or `Update`."""

    manager: str
    operation: str

    @property
    def reconciles(self) -> bool:
        """Whether it writes again by itself: taking its field would start a fight. kubectl, Helm, Terraform do not."""
        name = self.manager.lower()
        return name.startswith(RECONCILERS) or name.endswith(RECONCILER_ENDINGS)


def owners(document: Document, path: Path) -> list[Owner]:
    """Everyone who owns the field, in the server's order."""
    return [_owner(entry) for entry in _entries(document) if holds_path(entry.get("fieldsV1"), path)]


def owns(document: Document, manager: str, path: Path) -> bool:
    """Whether this manager is among the field's owners."""
    return any(owner.manager == manager for owner in owners(document, path))


def handed_over(
    document: Document, manager: str, heirs: Iterable[tuple[Path, Owner | None]], time: str
) -> list[Document]:
    """managedFields without any entry of `manager`, each path given to its heir; None: to nobody, the value stays.

    kubectl rewrites managedFields the same way when it moves from client-side to server-side apply.
    """
    entries = [copy.deepcopy(entry) for entry in _entries(document) if entry.get("manager") != manager]
    for path, heir in heirs:
        if heir is not None and not any(holds_path(entry.get("fieldsV1"), path) for entry in entries):
            _give(_entry_of(entries, heir, str(document.get("apiVersion")), time), path)
    return entries or [{}]  # an empty list means "leave as they are", one empty entry clears them


def _entries(document: Document) -> list[Document]:
    entries = (document.get("metadata") or {}).get("managedFields")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _owner(entry: Document) -> Owner:
    return Owner(str(entry.get("manager", "unknown")), str(entry.get("operation", "Update")))


def holds_path(fields: Any, path: Path) -> bool:
    """Whether a tree of managed fields (`fieldsV1`) has this path."""
    for key in path:
        if not isinstance(fields, dict) or key not in fields:
            return False
        fields = fields[key]
    return True


def _entry_of(entries: list[Document], heir: Owner, api_version: str, time: str) -> Document:
    for entry in entries:
        if _owner(entry) == heir and not entry.get("subresource"):
            return entry
    fresh = {
        "manager": heir.manager,
        "operation": heir.operation,
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": {},
    }
    entries.append(fresh)
    return fresh


def _give(entry: Document, path: Path) -> None:
    fields = entry.setdefault("fieldsV1", {})
    for key in path:
        fields = fields.setdefault(key, {})
