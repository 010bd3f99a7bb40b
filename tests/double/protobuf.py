"""Bodies in protobuf, as typed Go clients send: Helm's Secrets, kubectl's ConfigMaps, options of deletion. No more.

https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding and
https://protobuf.dev/programming-guides/encoding/; field numbers from `generated.proto` of the API types.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tests.double.status import JSON

PROTOBUF = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
METADATA = {1: "name", 2: "generateName", 3: "namespace", 5: "uid", 6: "resourceVersion"}
METADATA_MAPS = {11: "labels", 12: "annotations"}


def read_protobuf(body: bytes) -> JSON | None:
    """The Secret, ConfigMap or DeleteOptions in a body, as the JSON that says the same; None for any other kind."""
    if not body.startswith(MAGIC):
        return None
    envelope = dict(_fields(body[len(MAGIC) :]))
    about = dict(_fields(envelope.get(1, b"")))
    version, kind = (about.get(number, b"").decode() for number in (1, 2))
    read = {"Secret": _secret, "ConfigMap": _config_map, "DeleteOptions": _options}.get(kind)
    return None if read is None else {"apiVersion": version, "kind": kind, **read(envelope.get(2, b""))}


def _secret(message: bytes) -> JSON:
    item: JSON = {"metadata": {}, "data": {}}
    for number, value in _fields(message):
        if number == 1:
            item["metadata"] = _metadata(value)
        elif number == 2:
            key, content = _pair(value)
            item["data"][key] = base64.b64encode(content).decode()
        elif number == 3:
            item["type"] = value.decode()
    return item


def _config_map(message: bytes) -> JSON:
    item: JSON = {"metadata": {}, "data": {}}
    for number, value in _fields(message):
        if number == 1:
            item["metadata"] = _metadata(value)
        elif number == 2:
            key, content = _pair(value)
            item["data"][key] = content.decode()
    return item


def _options(message: bytes) -> JSON:
    policy = dict(_fields(message)).get(4)
    return {"propagationPolicy": policy.decode()} if policy else {}


def _metadata(message: bytes) -> JSON:
    found: JSON = {}
    for number, value in _fields(message):
        if number in METADATA and value:
            found[METADATA[number]] = value.decode()
        elif number in METADATA_MAPS:
            key, content = _pair(value)
            found.setdefault(METADATA_MAPS[number], {})[key] = content.decode()
    return found


def _pair(entry: bytes) -> tuple[str, bytes]:
    """An entry of a map: key and value; an empty value may be left out."""
    fields = dict(_fields(entry))
    return fields[1].decode(), fields.get(2, b"")


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Each field of a message: its number, and its bytes or integer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == BYTES:
            size, at = _varint(message, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"expected wire types 0, 1, 2 and 5, got {wire}")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first; and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
