"""Observes PersistentVolumeClaims, and makes patches for them. Their fields may have been written by anybody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from capacity.cluster.annotations import BASELINE, STATE, read_wishes
from capacity.cluster.client import ABSENT, CLAIMS, MANAGER, ClusterReader
from capacity.cluster.kinds import Document
from capacity.cluster.ownership import owners
from capacity.model import ClusterError
from capacity.model.fields import parse_quantity, parse_time, rfc3339
from capacity.model.volume import GIB, ClaimObservation, VolumeDecision

FORBIDDEN = 403
SIZE_PATH = ("f:spec", "f:resources", "f:requests", "f:storage")
PROGRESS = ("Resizing", "FileSystemResizePending")
LARGEST = 4096  # characters of an annotation that we read


@dataclass(frozen=True, slots=True)
class StorageClass:
    """Whether a class exists and allows expansion; both None if it may not be read."""

    found: bool | None
    expandable: bool | None


@dataclass(frozen=True)
class ObservedClaims:
    """The claims of one namespace by name, and the classes that they name."""

    namespace: str
    documents: Mapping[str, Document] = field(default_factory=dict)
    classes: Mapping[str, StorageClass] = field(default_factory=dict)

    def observation(self, name: str, now: datetime) -> ClaimObservation:
        """The observation of one claim. Raises `ClusterError` if it does not exist or has an invalid quantity."""
        if name not in self.documents:
            names = sorted(self.documents)[:20]
            raise ClusterError(f"no claim {name!r} in namespace {self.namespace}; it has {names or 'none'}")
        return observe_claim(self.documents[name], self.classes, now)


def observe_claims(reader: ClusterReader, namespace: str, wanted: set[str]) -> ObservedClaims:
    """Read the claims of a namespace, one LIST a page, and each class of those wanted once.

    A class may not be readable here, as it belongs to the cluster: then the server's own refusal tells.
    """
    documents = {str(item["metadata"]["name"]): item for item in reader.objects(CLAIMS.format(namespace=namespace))}
    names = {_class_of(documents[name]) for name in wanted & set(documents)} - {""}
    return ObservedClaims(namespace, documents, {name: _read_class(reader, name) for name in sorted(names)})


def _read_class(reader: ClusterReader, name: str) -> StorageClass:
    try:
        document = reader.storage_class(name)
    except ClusterError as error:
        if error.status == ABSENT:
            return StorageClass(found=False, expandable=False)
        if error.status == FORBIDDEN:
            return StorageClass(found=None, expandable=None)
        raise
    return StorageClass(found=True, expandable=document.get("allowVolumeExpansion") is True)


def observe_claim(document: Document, classes: Mapping[str, StorageClass], now: datetime) -> ClaimObservation:
    """The observation of one claim. Raises `ClusterError` if it has an invalid quantity."""
    name, status = str(document["metadata"]["name"]), document.get("status") or {}
    asked = asked_bytes(document)
    capacity = _bytes((status.get("capacity") or {}).get("storage", "0"), name)
    known = classes.get(_class_of(document), StorageClass(found=False, expandable=False))
    return ClaimObservation(
        name=name,
        phase=str(status.get("phase") or ""),
        asked=asked,
        capacity=capacity,
        storage_class=_class_of(document),
        expandable=known.expandable,
        class_found=known.found is not False,
        resizing=_progress(status, asked, capacity),
        infeasible=_infeasible(status),
        moved_at=_moved_at(document),
        wishes=read_wishes(document["metadata"].get("annotations") or {}, now),
    )


def asked_bytes(document: Document) -> int:
    """The bytes that a claim requests. Raises `ClusterError` if they cannot be read."""
    return _bytes(_requests(document).get("storage"), str(document["metadata"]["name"]))


def foreign_owner(document: Document, ignored: tuple[str, ...]) -> str | None:
    """Another controller that sets this claim's size and would set it back; None if there is none."""
    found = [owner for owner in owners(document, SIZE_PATH) if owner.reconciles]
    return next((one.manager for one in found if one.manager not in (MANAGER, *ignored)), None)


def expanded(document: Document, decision: VolumeDecision, now: datetime) -> Document:
    """The merge patch that requests a larger size and notes when; the original size is noted once.

    With the resourceVersion in it, a claim that changed since is not touched.
    """
    metadata = document["metadata"]
    noted = metadata.get("annotations") or {}
    moved = rfc3339(now.replace(microsecond=0))
    first = noted.get(BASELINE) or json.dumps({"size": _requests(document).get("storage")}, separators=(",", ":"))
    return {
        "metadata": {
            "resourceVersion": str(metadata["resourceVersion"]),
            "annotations": {BASELINE: first, STATE: json.dumps({"moved": moved}, separators=(",", ":"))},
        },
        "spec": {"resources": {"requests": {"storage": quantity(decision.size)}}},
    }


def released(document: Document) -> Document | None:
    """The merge patch that removes our annotations; None if there are none. The size stays: a volume cannot shrink."""
    noted = [key for key in (BASELINE, STATE) if key in (document["metadata"].get("annotations") or {})]
    if not noted:
        return None
    version = {"resourceVersion": str(document["metadata"]["resourceVersion"])}
    return {"metadata": {**version, "annotations": dict.fromkeys(noted)}}


def quantity(size: int) -> str:
    """Bytes as a Kubernetes quantity.

    >>> quantity(12 * 2**30), quantity(1500)
    ('12Gi', '1500')
    """
    return f"{size // GIB}Gi" if size % GIB == 0 else str(size)


def _requests(document: Document) -> Document:
    found = ((document.get("spec") or {}).get("resources") or {}).get("requests")
    return found if isinstance(found, dict) else {}


def _class_of(document: Document) -> str:
    return str((document.get("spec") or {}).get("storageClassName") or "")


def _bytes(value: Any, name: str) -> int:
    try:
        return round(parse_quantity(value))
    except (ValueError, OverflowError) as error:
        raise ClusterError(f"claim {name}: its size cannot be read: {error}") from error


def _progress(status: Document, asked: int, capacity: int) -> str | None:
    """What a current expansion waits for; None if there is none."""
    conditions = [
        one for one in status.get("conditions") or [] if isinstance(one, dict) and one.get("status") == "True"
    ]
    for one in conditions:
        if one.get("type") in PROGRESS:
            return " ".join(f"{one['type']}: {one.get('message') or 'in progress'}".split())[:200]
    return f"it asks for {quantity(asked)} and has {quantity(capacity)}" if 0 < capacity < asked else None


def _infeasible(status: Document) -> str | None:
    found = (status.get("allocatedResourceStatuses") or {}).get("storage")
    return str(found) if str(found).endswith("Infeasible") else None


def _moved_at(document: Document) -> datetime | None:
    """When we last requested a larger size; a note that cannot be read counts as none."""
    text = (document["metadata"].get("annotations") or {}).get(STATE)
    try:
        moved = json.loads(str(text)[:LARGEST])["moved"] if text is not None else None
        return None if moved is None else parse_time(str(moved)[:64])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
