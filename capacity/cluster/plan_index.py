"""The index of a plan in a namespace: which of two slots holds the plan in force, and what each of its parts must be.

The index is one small ConfigMap, so replacing it is atomic: readers see the old plan or the new one, never a mixture.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

from capacity.model import PlanError

INDEX = "capacity-plan"
SLOTS = ("a", "b")
MOST_PARTS = 10  # the Role names the ConfigMaps of each slot one by one
INDEX_KEY, PART_KEY = "index.json", "plan.json.gz"
SCHEMA = "capacity.plan-index/v1"
WRITTEN_TO = "capacity/written-to"  # annotation: uid of the ConfigMap the plan was written to; a copy has another
WRITING = "capacity/writing"  # annotation: the planner that writes the next plan now
LARGEST = 64 * 2**20  # bytes of one part after decompression: ten times what a part of 700 kB usually unpacks to
LABELS = {"app.kubernetes.io/part-of": "capacity"}
Document = dict[str, Any]


def part_name(slot: str, number: int) -> str:
    """The ConfigMap of a part.

    >>> part_name("b", 3)
    'capacity-plan-b-3'
    """
    return f"{INDEX}-{slot}-{number}"


def names() -> list[str]:
    """Every ConfigMap that a plan of a namespace may use, the index first.

    >>> names()[:3], len(names())
    (['capacity-plan', 'capacity-plan-a-0', 'capacity-plan-a-1'], 21)
    """
    return [INDEX, *(part_name(slot, number) for slot in SLOTS for number in range(MOST_PARTS))]


@dataclass(frozen=True, slots=True)
class PlanIndex:
    """The slot in force, the SHA-256 of each of its parts, and how many parts the other slot still holds."""

    slot: str
    digests: tuple[str, ...]
    spare_parts: int = 0

    def __post_init__(self) -> None:
        if self.slot not in SLOTS or not 1 <= len(self.digests) <= MOST_PARTS:
            raise PlanError(
                f"index of the plan: expected slot a or b with 1 to {MOST_PARTS} parts, "
                f"got slot {self.slot!r} with {len(self.digests)}; plan again"
            )

    @property
    def spare(self) -> str:
        """The slot that no reader uses: the next plan is written there."""
        return SLOTS[1 - SLOTS.index(self.slot)]

    def text(self) -> str:
        """The index as JSON."""
        note = {"schema": SCHEMA, "slot": self.slot, "sha256": list(self.digests), "spare_parts": self.spare_parts}
        return json.dumps(note, separators=(",", ":"))


def read_index(document: Document, namespace: str) -> PlanIndex:
    """The index in its ConfigMap. Raises `PlanError` where it cannot be read or was copied from another cluster."""
    metadata, where = document["metadata"], f"ConfigMap {namespace}/{INDEX}"
    refuse_copy(metadata, where)
    try:
        note = json.loads((document.get("data") or {})[INDEX_KEY])
        if note["schema"] != SCHEMA:
            raise ValueError(f"schema {note['schema']!r}")
        digests = tuple(str(digest) for digest in note["sha256"])
        return PlanIndex(str(note["slot"]), digests, min(MOST_PARTS, max(0, int(note.get("spare_parts", 0)))))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, PlanError):
            raise
        reason = f"{type(error).__name__} {error}"
        raise PlanError(f"{where}: expected {SCHEMA} in {INDEX_KEY}, got {reason[:80]}; plan again") from error


def refuse_copy(metadata: Document, where: str) -> None:
    """Raise `PlanError` for a ConfigMap that carries the uid of another one: it was copied from another cluster."""
    written_to = (metadata.get("annotations") or {}).get(WRITTEN_TO)
    if written_to not in (None, metadata.get("uid")):
        raise PlanError(f"{where}: expected a plan written here, got a copy made for another cluster; plan again")


def index_document(namespace: str, index: PlanIndex, found: Document | None) -> Document:
    """The ConfigMap of the index; guarded by the version that was read, where there was one."""
    metadata = {"name": INDEX, "namespace": namespace, "labels": LABELS}
    if found is not None:
        old = found["metadata"]
        metadata |= {"annotations": {WRITTEN_TO: old["uid"]}, "resourceVersion": old["resourceVersion"]}
    data = {INDEX_KEY: index.text()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def claimed(found: Document, writer: str) -> Document:
    """The index as it stands, with the name of the planner that writes now: its resourceVersion changes with it."""
    annotations = {key: text for key, text in _annotations(found).items() if key == WRITTEN_TO}
    metadata = {key: found["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata, "labels": LABELS, "annotations": {**annotations, WRITING: writer}},
        "data": found.get("data") or {},
    }


def _annotations(document: Document) -> Document:
    return document["metadata"].get("annotations") or {}


def part_document(namespace: str, name: str, packed: bytes, version: str | None, writer: str) -> Document:
    """The ConfigMap of a part; guarded by a resourceVersion where it is there already.

    It names its writer: without that, writing the same part again would change nothing, not even its resourceVersion.
    """
    annotations = {WRITING: writer}
    metadata: Document = {"name": name, "namespace": namespace, "labels": LABELS, "annotations": annotations}
    if version is not None:
        metadata["resourceVersion"] = version
    data = {PART_KEY: base64.b64encode(packed).decode()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}


def packed_text(text: str) -> bytes:
    """The gzip of a text; the same text always gives the same bytes.

    >>> unpacked_text(packed_text("plan"), "here")
    'plan'
    """
    press = zlib.compressobj(wbits=31)
    return press.compress(text.encode()) + press.flush()


def unpacked_text(packed: bytes, where: str) -> str:
    """The text of a gzip. Raises `PlanError` for what is no gzip, is cut off, or unpacks to more than `LARGEST`."""
    press = zlib.decompressobj(wbits=31)
    try:
        found = press.decompress(packed, LARGEST)
        if not press.eof:
            raise ValueError("it is cut off or too large")
        return found.decode()
    except (zlib.error, ValueError) as error:
        raise PlanError(f"{where}: expected the gzip of a plan, got something else ({error}); plan again") from error


def digest(packed: bytes) -> str:
    """The SHA-256 of a part, in hexadecimal."""
    return hashlib.sha256(packed).hexdigest()


def read_part(document: Document, where: str) -> bytes:
    """The bytes of a part. Raises `PlanError` where there are none."""
    text = (document.get("binaryData") or {}).get(PART_KEY)
    try:
        return base64.b64decode(str(text), validate=True) if text is not None else b""
    except binascii.Error as error:
        raise PlanError(f"{where}: expected base64 in {PART_KEY}, got something else; plan again") from error
