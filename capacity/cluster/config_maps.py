"""Plans in ConfigMaps, and the off switch that anybody on call can set."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any

from capacity.cluster.client import ABSENT, ClusterReader, ClusterWriter
from capacity.model import ClusterError, Plan, PlanError, WorkloadPlan
from capacity.model.plan_file import parse_plan, plan_text

NAME = "capacity-plan-{part}"
KEY = "plan.json"
WRITTEN_TO = "capacity/written-to"  # annotation: uid of the ConfigMap the plan was written to; a copy has another
PARTS = "capacity/parts"  # annotation: how many ConfigMaps make up the plan of this namespace
LARGEST = 900_000  # bytes of plan in one ConfigMap: the limit is 1 MiB for the whole object


def write_plan_maps(writer: ClusterWriter, plan: Plan) -> list[str]:
    """Write each namespace's share of the plan to its ConfigMaps; returns their names as namespace/name.

    Each then carries its own uid: a plan copied to another cluster is known by its wrong one.
    """
    written = []
    for namespace in sorted({workload.namespace for workload in plan.workloads}):
        shards = _shards(plan, [workload for workload in plan.workloads if workload.namespace == namespace])
        for part, shard in enumerate(shards):
            name = NAME.format(part=part)
            _write(writer, _document(namespace, name, shard, len(shards)))
            written.append(f"{namespace}/{name}")
    return written


def read_plan_maps(reader: ClusterReader, namespace: str, *, near: datetime | None = None) -> Plan:
    """The plan of one namespace, all parts of one making. Raises `PlanError` where parts are missing or mixed.

    `near`: keep only what the plan says of days around this time.
    """
    first = reader.configmap(namespace, NAME.format(part=0))
    parts = _parts(first, namespace)
    rest = (reader.configmap(namespace, NAME.format(part=part)) for part in range(1, parts))
    plans = [_parse(document, namespace, near) for document in chain([first], rest)]
    if len({plan.created for plan in plans}) != 1:
        raise PlanError(f"{namespace}: the parts of the plan are of different making: it is being written; try again")
    return replace(plans[0], workloads=tuple(workload for plan in plans for workload in plan.workloads))


def _write(writer: ClusterWriter, document: dict[str, Any]) -> None:
    """Twice: only the answer to the first tells the uid. Between the two the plan is whole, and unmarked."""
    metadata = document["metadata"]
    made = writer.apply_configmap(metadata["namespace"], metadata["name"], document)
    uid = made["metadata"].get("uid")
    if uid is not None:
        marked = {**metadata, "annotations": {**metadata["annotations"], WRITTEN_TO: uid}}
        writer.apply_configmap(metadata["namespace"], metadata["name"], {**document, "metadata": marked})


def _shards(plan: Plan, workloads: list[WorkloadPlan]) -> list[Plan]:
    """As many whole plans as the size limit asks for, halving until each fits."""
    shard = replace(plan, workloads=tuple(workloads))
    if len(workloads) == 1 or len(plan_text(shard).encode()) <= LARGEST:
        return [shard]
    half = len(workloads) // 2
    return _shards(plan, workloads[:half]) + _shards(plan, workloads[half:])


def _document(namespace: str, name: str, plan: Plan, parts: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "capacity"},
            "annotations": {PARTS: str(parts)},
        },
        "data": {KEY: plan_text(plan)},
    }


def _parts(document: dict[str, Any], namespace: str) -> int:
    text = (document["metadata"].get("annotations") or {}).get(PARTS, "1")
    if not str(text).isdecimal() or not 1 <= int(text) <= 1000:
        raise PlanError(f"{namespace}: annotation {PARTS} of the plan: expected a count from 1 to 1000, got {text!r}")
    return int(text)


def _parse(document: dict[str, Any], namespace: str, near: datetime | None) -> Plan:
    metadata = document["metadata"]
    name = f"{namespace}/{metadata['name']}"
    written_to = (metadata.get("annotations") or {}).get(WRITTEN_TO)
    if written_to not in (None, metadata.get("uid")):
        raise PlanError(
            f"ConfigMap {name}: expected a plan written here, got a copy made for another cluster; plan again"
        )
    text = (document.get("data") or {}).get(KEY)
    if text is None:
        raise PlanError(f"ConfigMap {name}: expected the key {KEY}, which is missing")
    plan = parse_plan(text, name, near=near)
    strangers = sorted({workload.namespace for workload in plan.workloads} - {namespace})
    if strangers:
        raise PlanError(
            f"ConfigMap {name}: expected workloads of {namespace}, got a plan for {', '.join(strangers[:3])}"
        )
    return plan


SWITCH_NAME, SWITCH_KEY = "capacity-switch", "enabled"
ON = ("true", "on", "yes", "1")


def read_switch(reader: ClusterReader, namespace: str) -> str | None:
    """Why nothing may move, None where all may. No ConfigMap, or no key in it: on. Any text but a clear yes: off."""
    try:
        found = reader.configmap(namespace, SWITCH_NAME)
    except ClusterError as error:
        if error.status == ABSENT:
            return None
        raise
    value = (found.get("data") or {}).get(SWITCH_KEY)
    if value is None or str(value).strip().lower() in ON:
        return None
    return f"ConfigMap {namespace}/{SWITCH_NAME} says {SWITCH_KEY}: {str(value)[:20]!r}"
