"""Plans in ConfigMaps: written beside the plan in force, then put in force by one write of a small index.

A planner that ends anywhere in between, over quota or refused, leaves the plan in force as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

from capacity.cluster.client import ABSENT, CONFLICT, ClusterReader, ClusterWriter
from capacity.cluster.lease import identity
from capacity.cluster.plan_index import (
    INDEX,
    MOST_PARTS,
    SLOTS,
    PlanIndex,
    claimed,
    digest,
    index_document,
    packed_text,
    part_document,
    part_name,
    read_index,
    read_part,
    refuse_copy,
    unpacked_text,
)
from capacity.logs import LOGGER
from capacity.model import ClusterError, Plan, PlanError, WorkloadPlan
from capacity.model.plan_file import parse_plan, plan_text

LARGEST = 700_000  # bytes of one compressed part: in base64 it stays below the 1 MiB that a ConfigMap may hold
READS = 4  # of the index, by a reader whose parts are replaced meanwhile
FIRST_PLAN = "capacity-plan-{part}"  # version 0.1 wrote its plan there, uncompressed and without an index
FIRST_KEY = "plan.json"
FIRST_PARTS = "capacity/parts"  # annotation: how many ConfigMaps make up a plan of version 0.1
Document = dict[str, Any]


def write_plan_maps(writer: ClusterWriter, plan: Plan) -> list[str]:
    """Write each namespace's share of the plan and put it in force; returns the parts as namespace/name.

    The server is asked first, by a dry run of every write, whether rights and space suffice. Raises `ClusterError` or
    `PlanError` after all namespaces were tried: where a write failed, the former plan stays in force.
    """
    written: list[str] = []
    failed: list[ClusterError | PlanError] = []
    for namespace in sorted({workload.namespace for workload in plan.workloads}):
        own = [workload for workload in plan.workloads if workload.namespace == namespace]
        try:
            written += _Write.begin(writer, namespace, _packed(plan, own)).finish(writer)
        except (ClusterError, PlanError) as error:
            failed.append(_explained(error, namespace))
    if len(failed) > 1:
        raise ClusterError("; ".join(str(error) for error in failed))
    if failed:
        raise failed[0]
    return written


def read_plan_maps(reader: ClusterReader, namespace: str, *, near: datetime | None = None) -> Plan:
    """The plan in force in one namespace. Raises `PlanError` if its parts are missing or changed.

    `near`: keep only what the plan says of days around this time. A plan that version 0.1 wrote is read as well.
    """
    for attempt in range(1, READS + 1):
        found = find_configmap(reader, namespace, INDEX)
        if found is None:
            return _first_plan(reader, namespace, near)
        index = read_index(found, namespace)
        try:
            return _joined([_part(reader, namespace, index, number, near) for number in range(len(index.digests))])
        except PlanError:
            if attempt == READS or _unchanged(reader, namespace, found):
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class _Write:
    """The write of one plan in a namespace: `found` is the index to replace, `versions` are those of the parts."""

    namespace: str
    parts: Sequence[bytes]
    index: PlanIndex
    found: Document | None
    versions: Sequence[str | None]

    @classmethod
    def begin(cls, writer: ClusterWriter, namespace: str, parts: Sequence[bytes]) -> _Write:
        """Ask the server whether each write would be accepted. Nothing is changed."""
        if len(parts) > MOST_PARTS:
            raise PlanError(
                f"{namespace}: expected a plan of at most {MOST_PARTS} ConfigMaps, got {len(parts)}; "
                "plan for a shorter horizon, or split the namespace"
            )
        found = find_configmap(writer, namespace, INDEX)
        index = _next_index(found, namespace, [digest(part) for part in parts])
        versions = []
        for number, part in enumerate(parts):
            name = part_name(index.slot, number)
            document = part_document(namespace, name, part, None, "dry run")
            answer = writer.apply_configmap(namespace, name, document, dry_run=True)
            versions.append(answer["metadata"].get("resourceVersion"))
        writer.apply_configmap(namespace, INDEX, index_document(namespace, index, found), dry_run=True)
        return cls(namespace, parts, index, found, versions)

    def finish(self, writer: ClusterWriter) -> list[str]:
        """Write the parts, then the index; then remove parts that no reader uses any more."""
        names = self._written(writer)
        _tidy(writer, self.namespace, self.index.slot, len(self.parts))
        return [f"{self.namespace}/{name}" for name in names]

    def _written(self, writer: ClusterWriter) -> list[str]:
        """The claim makes any other planner fail at its own index; the versions make us fail at parts it has written.

        Only a namespace that never had an index lacks both: nothing is in force there that could be lost.
        """
        found = self.found
        who = identity()
        if found is not None:
            found = writer.apply_configmap(self.namespace, INDEX, claimed(found, who))
        names = [part_name(self.index.slot, number) for number in range(len(self.parts))]
        for name, part, version in zip(names, self.parts, self.versions, strict=True):
            writer.apply_configmap(self.namespace, name, part_document(self.namespace, name, part, version, who))
        made = writer.apply_configmap(self.namespace, INDEX, index_document(self.namespace, self.index, found))
        if found is None:  # only this answer tells its uid: until the next write the plan is in force, and unmarked
            writer.apply_configmap(self.namespace, INDEX, index_document(self.namespace, self.index, made))
        return names


def _explained(error: ClusterError | PlanError, namespace: str) -> ClusterError | PlanError:
    """The error, explained if it is a conflict: that means another planner is writing."""
    if not isinstance(error, ClusterError) or error.status != CONFLICT:
        return error
    message = f"{namespace}: another planner is writing; its plan, or the previous one, stays in force ({error})"
    return ClusterError(message, CONFLICT)


def _next_index(found: Document | None, namespace: str, digests: Sequence[str]) -> PlanIndex:
    """The index of the next plan: in the slot that is not in force."""
    if found is None:
        return PlanIndex(SLOTS[0], tuple(digests))
    try:
        former = read_index(found, namespace)
    except PlanError:  # a broken index has nothing in force that could be lost
        return PlanIndex(SLOTS[0], tuple(digests), MOST_PARTS)
    return PlanIndex(former.spare, tuple(digests), len(former.digests))


def _tidy(writer: ClusterWriter, namespace: str, slot: str, parts: int) -> None:
    """Remove parts that no reader uses: of this slot those above the plan's own, and a plan of version 0.1.

    The plan in force is whole without this: a failure is a warning, and the next plan tries again.
    """
    try:
        for number in range(parts, MOST_PARTS):
            if not remove_configmap(writer, namespace, part_name(slot, number)):
                break
        first = find_configmap(writer, namespace, FIRST_PLAN.format(part=0))
        count = 0 if first is None else _first_parts(first, namespace)
        for number in reversed(range(count)):  # the first goes last: it says how many there are
            remove_configmap(writer, namespace, FIRST_PLAN.format(part=number))
    except (ClusterError, PlanError) as error:
        LOGGER.warning("%s: the plan is in force, but its former ConfigMaps were not removed: %s", namespace, error)


def remove_configmap(writer: ClusterWriter, namespace: str, name: str) -> bool:
    """Remove a ConfigMap. Returns whether it existed."""
    try:
        writer.delete_configmap(namespace, name)
    except ClusterError as error:
        if error.status != ABSENT:
            raise
        return False
    return True


def _packed(plan: Plan, workloads: list[WorkloadPlan]) -> list[bytes]:
    """The compressed parts of a plan, each a whole plan: halved until every part fits the size limit."""
    packed = packed_text(plan_text(replace(plan, workloads=tuple(workloads))))
    if len(workloads) == 1 or len(packed) <= LARGEST:
        return [packed]
    parts = -(-len(packed) // LARGEST)
    size = -(-len(workloads) // parts)
    if size == len(workloads):
        size = len(workloads) // 2
    chunks = [workloads[at : at + size] for at in range(0, len(workloads), size)]
    return [part for chunk in chunks for part in _packed(plan, chunk)]


def _part(reader: ClusterReader, namespace: str, index: PlanIndex, number: int, near: datetime | None) -> Plan:
    name = part_name(index.slot, number)
    where = f"ConfigMap {namespace}/{name}"
    document = find_configmap(reader, namespace, name)
    packed = b"" if document is None else read_part(document, where)
    if digest(packed) != index.digests[number]:
        got = "none" if document is None else "another"
        raise PlanError(f"{where}: expected the part that the index names, got {got}; plan again")
    return _parsed(unpacked_text(packed, where), namespace, where, near)


def _unchanged(reader: ClusterReader, namespace: str, found: Document) -> bool:
    """Whether the index is still the one that was read: if so, a part that does not match is damaged, not replaced."""
    now = find_configmap(reader, namespace, INDEX)
    return now is not None and (now.get("data") or {}) == (found.get("data") or {})


def find_configmap(reader: ClusterReader, namespace: str, name: str) -> Document | None:
    """A ConfigMap; None where it does not exist."""
    try:
        return reader.configmap(namespace, name)
    except ClusterError as error:
        if error.status != ABSENT:
            raise
        return None


def _joined(plans: Sequence[Plan]) -> Plan:
    if len({plan.created for plan in plans}) != 1:
        raise PlanError("the parts of the plan were made at different times: it is being written; try again")
    return replace(plans[0], workloads=tuple(workload for plan in plans for workload in plan.workloads))


def _first_plan(reader: ClusterReader, namespace: str, near: datetime | None) -> Plan:
    """A plan of version 0.1: one or more ConfigMaps of plain JSON, each with its own uid."""
    first = find_configmap(reader, namespace, FIRST_PLAN.format(part=0))
    if first is None:
        raise PlanError(f"{namespace}: expected the ConfigMap {INDEX} with a plan, got none (404); run the planner")
    parts = _first_parts(first, namespace)
    rest = (reader.configmap(namespace, FIRST_PLAN.format(part=part)) for part in range(1, parts))
    try:
        return _joined([_first_part(document, namespace, near) for document in chain([first], rest)])
    except PlanError as error:
        raise PlanError(f"{namespace}: {error}") from error


def _first_parts(document: Document, namespace: str) -> int:
    text = (document["metadata"].get("annotations") or {}).get(FIRST_PARTS, "1")
    if not str(text).isdecimal() or not 1 <= int(text) <= 1000:
        raise PlanError(
            f"{namespace}: annotation {FIRST_PARTS} of the plan: expected a count from 1 to 1000, got {text!r}"
        )
    return int(text)


def _first_part(document: Document, namespace: str, near: datetime | None) -> Plan:
    metadata = document["metadata"]
    where = f"ConfigMap {namespace}/{metadata['name']}"
    refuse_copy(metadata, where)
    text = (document.get("data") or {}).get(FIRST_KEY)
    if text is None:
        raise PlanError(f"{where}: expected the key {FIRST_KEY}, which is missing")
    return _parsed(text, namespace, where, near)


def _parsed(text: str, namespace: str, where: str, near: datetime | None) -> Plan:
    plan = parse_plan(text, where.removeprefix("ConfigMap "), near=near)
    strangers = sorted({workload.namespace for workload in plan.workloads} - {namespace})
    if strangers:
        raise PlanError(f"{where}: expected workloads of {namespace}, got a plan for {', '.join(strangers[:3])}")
    return plan
