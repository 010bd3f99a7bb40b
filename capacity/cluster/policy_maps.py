"""Chosen policies in ConfigMaps beside the plan: each part whole in itself, so that none needs an index."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from capacity.cluster.client import ClusterReader, ClusterWriter
from capacity.cluster.config_maps import find_configmap, remove_configmap
from capacity.cluster.plan_index import LABELS, MOST_PARTS, packed_text, unpacked_text
from capacity.logs import LOGGER
from capacity.model import PlanError
from capacity.model.policies import Advised, Policies, parse_policies, policies_text

KEY = "policies.json.gz"
LARGEST = 700_000  # bytes of one compressed part: in base64 it stays below the 1 MiB that a ConfigMap may hold


def part_name(number: int) -> str:
    """The ConfigMap of a part.

    >>> part_name(3)
    'capacity-policies-3'
    """
    return f"capacity-policies-{number}"


def names() -> list[str]:
    """Every ConfigMap that the policies of a namespace may use."""
    return [part_name(number) for number in range(MOST_PARTS)]


def read_policy_maps(reader: ClusterReader, namespaces: Sequence[str]) -> Policies:
    """The policies kept in these namespaces; none where there are none.

    Raises `ClusterError` where they cannot be read. A damaged part counts as none, with a warning: its
    workloads are chosen for anew.
    """
    found = Policies()
    for namespace in namespaces:
        for name in names():
            document = find_configmap(reader, namespace, name)
            if document is None:
                break
            try:
                found |= _read(document, f"ConfigMap {namespace}/{name}")
            except PlanError as error:
                LOGGER.warning("%s", error)
    return found


def write_policy_maps(writer: ClusterWriter, policies: Iterable[Advised]) -> list[str]:
    """Write each namespace's policies, and remove parts that are no longer used; returns them as namespace/name."""
    known, written = list(policies), list[str]()
    for namespace in sorted({one.choice.namespace for one in known}):
        parts = _parts([one for one in known if one.choice.namespace == namespace], namespace)
        for name, packed in zip(names(), parts, strict=False):
            writer.apply_configmap(namespace, name, _document(namespace, name, packed))
            written.append(f"{namespace}/{name}")
        for name in names()[len(parts) :]:
            if not remove_configmap(writer, namespace, name):
                break
    return written


def _parts(policies: Sequence[Advised], namespace: str) -> list[bytes]:
    """The policies, compressed, in parts that fit; without the replayed days where there are too many of them."""
    parts = list(_packed(policies))
    if len(parts) <= MOST_PARTS:
        return parts
    LOGGER.warning("%s: too many policies to keep their days: each choice replays them all", namespace)
    parts = list(_packed([replace(one, tried=None) for one in policies]))
    if len(parts) > MOST_PARTS:
        raise PlanError(f"{namespace}: expected policies of at most {MOST_PARTS} ConfigMaps, got {len(parts)}")
    return parts


def _packed(policies: Sequence[Advised]) -> Iterable[bytes]:
    packed = packed_text(policies_text(policies))
    if len(packed) <= LARGEST or len(policies) < 2:
        return [packed]
    size = -(-len(policies) // -(-len(packed) * 5 // (4 * LARGEST)))
    size = min(size, len(policies) - 1)
    chunks = (policies[at : at + size] for at in range(0, len(policies), size))
    return [part for chunk in chunks for part in _packed(chunk)]


def _document(namespace: str, name: str, packed: bytes) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": LABELS}
    data = {KEY: base64.b64encode(packed).decode()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}


def _read(document: dict[str, Any], where: str) -> Policies:
    text = (document.get("binaryData") or {}).get(KEY)
    try:
        packed = base64.b64decode(str(text), validate=True)
    except ValueError as error:
        raise PlanError(f"{where}: expected base64 in {KEY}, got something else; run `capacity advise`") from error
    return parse_policies(unpacked_text(packed, where), where)
