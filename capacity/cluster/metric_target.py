"""Moves the CPU target of an HPA by a JSON patch that tests what it replaces, notes the original, and restores it.

`spec.metrics` is one field to server-side apply: applying another target would take the whole list, and metrics that
are left out would be gone.
"""

from __future__ import annotations

import json
from typing import Any

from capacity.cluster.annotations import BASELINE, TARGET, TARGET_BASELINE, baseline_text
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import ClusterWriter
from capacity.cluster.kinds import HPA, Document
from capacity.cluster.ownership import Owner, advice, owners
from capacity.model import ClusterError
from capacity.model.outcome import TargetMove

METRICS = ("f:spec", "f:metrics")
NO_CPU = "it has no metric of CPU by utilization: only its floor can be managed"


def target_move(autoscaler: Autoscaler, wanted: int | None, *, take: bool = False) -> TargetMove | None:
    """The move of the target that is due; None if it is as desired, or is not ours and need not be.

    `wanted` None: it goes back to where it stood before us. Who writes the metrics again by himself, edited the target
    since, or applied it server-side (unless `take`) keeps it: then the move says why it is refused.
    """
    if autoscaler.kind is not HPA:
        return None
    found, noted = cpu_target(autoscaler.document), baseline_target(autoscaler)
    after = noted if wanted is None else wanted
    if after is None:
        return None
    if found is None:
        return TargetMove(None, after, NO_CPU)
    if found == after and (wanted is not None or noted is None):
        return None
    return TargetMove(found, after, _refusal(autoscaler, found, take=take), back=wanted is None)


def _refusal(autoscaler: Autoscaler, found: int, *, take: bool) -> str | None:
    """Why we may not set the target; None if we may."""
    others = [one for one in owners(autoscaler.document, METRICS) if one.manager != autoscaler.manager]
    controllers = sorted({one.manager for one in others if one.reconciles})
    if controllers:
        return f"{', '.join(controllers)} sets spec.metrics back by itself: set the target in Git"
    noted = _noted(autoscaler)
    if noted is not None and noted != found:
        return (
            f"somebody set it to {found} since it was set to {noted}: remove the annotation {TARGET} to manage it again"
        )
    appliers = [one for one in others if one.operation == "Apply"]
    if appliers and noted is None and not take:
        return f"{advice(appliers[0], autoscaler.kind, autoscaler.name)}; until then set target.take: true"
    return None


def move_target(writer: ClusterWriter, autoscaler: Autoscaler, move: TargetMove) -> Document:
    """Set the target, and note the previous one. Returns the updated object.

    Guarded by the version that was read: 409 where somebody wrote in between.
    """
    namespace = autoscaler.document["metadata"]["namespace"]
    return writer.json_patch_target(autoscaler.kind, namespace, autoscaler.name, _operations(autoscaler, move))


def _operations(autoscaler: Autoscaler, move: TargetMove) -> list[Document]:
    document = autoscaler.document
    at = _cpu_place(document)
    if at is None or move.before is None:
        raise ClusterError(f"{autoscaler.name}: {NO_CPU}")
    resource = f"/spec/metrics/{at}/resource"
    value = f"{resource}/target/averageUtilization"
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": document["metadata"]["resourceVersion"]},
        {"op": "test", "path": f"{resource}/name", "value": "cpu"},
        {"op": "test", "path": value, "value": move.before},
        {"op": "replace", "path": value, "value": move.after},
        *_notes(autoscaler, move),
    ]


def _notes(autoscaler: Autoscaler, move: TargetMove) -> list[Document]:
    """The annotations of a move: the original target and the last one set; none once it is restored."""
    known = autoscaler.annotations
    if move.back:
        return [{"op": "remove", "path": _path(key)} for key in (TARGET_BASELINE, TARGET) if key in known]
    texts = {TARGET: str(move.after)}
    if TARGET_BASELINE not in known:
        first = next((one for one in owners(autoscaler.document, METRICS) if one.manager != autoscaler.manager), None)
        owner = None if first is None else [first.manager, first.operation]
        texts[TARGET_BASELINE] = json.dumps({"target": move.before, "owner": owner}, separators=(",", ":"))
    if BASELINE not in known:  # by this a restore finds the object
        texts[BASELINE] = baseline_text(autoscaler.first_touch(), autoscaler.now)
    empty = [] if known else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    return [*empty, *({"op": "add", "path": _path(key), "value": text} for key, text in texts.items())]


def _path(annotation: str) -> str:
    return "/metadata/annotations/" + annotation.replace("/", "~1")


def cpu_target(document: Document) -> int | None:
    """The averageUtilization of CPU; None if no metric has one."""
    at = _cpu_place(document)
    if at is None:
        return None
    return int(document["spec"]["metrics"][at]["resource"]["target"]["averageUtilization"])


def _cpu_place(document: Document) -> int | None:
    metrics: Any = (document.get("spec") or {}).get("metrics") or []
    for at, metric in enumerate(metrics):
        resource = metric.get("resource") or {} if metric.get("type") == "Resource" else {}
        if resource.get("name") == "cpu" and "averageUtilization" in (resource.get("target") or {}):
            return at
    return None


def baseline_target(autoscaler: Autoscaler) -> int | None:
    """The target before our first move; None if we never moved it, or the annotation cannot be read."""
    note = _baseline_note(autoscaler)
    target = note.get("target")
    return target if type(target) is int and 1 <= target <= 1000 else None


def baseline_owner(autoscaler: Autoscaler) -> Owner | None:
    """Who owned the metrics before our first move."""
    owner = _baseline_note(autoscaler).get("owner")
    if not isinstance(owner, list) or len(owner) != 2 or owner[1] not in ("Apply", "Update"):
        return None
    return Owner(str(owner[0])[:128], str(owner[1]))


def _baseline_note(autoscaler: Autoscaler) -> dict[str, Any]:
    try:
        note = json.loads(str(autoscaler.annotations.get(TARGET_BASELINE, "{}"))[:4096])
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _noted(autoscaler: Autoscaler) -> int | None:
    text = str(autoscaler.annotations.get(TARGET, ""))
    return int(text) if text.isdecimal() and len(text) <= 4 else None
