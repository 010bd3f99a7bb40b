"""Act: a decision as patches, each guarded by the resourceVersion it was decided on; and the Event that says why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from capacity.cluster.annotations import FLOOR
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import CONFLICT, ClusterWriter
from capacity.cluster.kinds import Document, Kind
from capacity.cluster.lease import TRIES, micro_time
from capacity.decision.decide import LOWERED
from capacity.logs import LOGGER, current_run
from capacity.model import ClusterError, Decision, Workload
from capacity.model.actuation import Actuation
from capacity.model.outcome import Outcome


def write(writer: ClusterWriter, autoscaler: Autoscaler, decision: Decision, expires: datetime | None) -> Document:
    """Carry a decision out: floor, ceiling and our notes in one patch. Returns the object as it is then.

    Replicas of a Deployment travel through its `scale`: our notes first, so that no move is ever without its baseline.
    """
    kind, body = autoscaler.kind, autoscaler.written(decision, expires)
    namespace, name = autoscaler.document["metadata"]["namespace"], autoscaler.name
    if kind.applied:
        return writer.apply_target(kind, namespace, name, body)
    if not kind.scaled:
        return writer.merge_target(kind, namespace, name, body)
    return _write_replicas(writer, autoscaler, body)


def _write_replicas(writer: ClusterWriter, autoscaler: Autoscaler, body: Document) -> Document:
    """Notes, then replicas; the new floor is noted with a rise only once it stands, else it would look lowered."""
    kind, namespace, name = autoscaler.kind, autoscaler.document["metadata"]["namespace"], autoscaler.name
    replicas, notes = body.pop("spec", None), body["metadata"]["annotations"]
    floor = notes[FLOOR]
    rises = replicas is not None and int(floor) > autoscaler.floor
    if rises:
        notes[FLOOR] = str(autoscaler.floor)
    noted = writer.merge_target(kind, namespace, name, body)
    if replicas is None:
        return noted
    _scale(writer, kind, noted, replicas)
    if not rises:
        return writer.target(kind, namespace, name)
    return writer.merge_target(kind, namespace, name, {"metadata": {"annotations": {FLOOR: floor}}})


def _scale(writer: ClusterWriter, kind: Kind, noted: Document, replicas: Document) -> None:
    """Guarded by the version of our notes: the cluster's own controller answers them at once with a status."""
    namespace, name = noted["metadata"]["namespace"], noted["metadata"]["name"]
    for attempt in range(1, TRIES + 1):
        version = {"resourceVersion": noted["metadata"]["resourceVersion"]}
        try:
            writer.scale_target(kind, namespace, name, {"metadata": version, "spec": replicas})
        except ClusterError as error:
            found = writer.target(kind, namespace, name) if error.status == CONFLICT and attempt < TRIES else None
            if found is None or _asked_for(found) != _asked_for(noted):
                raise
            noted = found
        else:
            return


def _asked_for(document: Document) -> tuple[object, ...]:
    """What people and tools ask of an object: all of it but its status."""
    metadata = document["metadata"]
    return document.get("spec"), metadata.get("annotations"), metadata.get("uid"), metadata.get("deletionTimestamp")


def announce(writer: ClusterWriter, outcome: Outcome, autoscaler: Autoscaler) -> tuple[str, ...]:
    """Write the Event; the floor is moved already, so a failure to say so is only a warning."""
    try:
        writer.create_event(outcome.workload.namespace, _event(outcome, autoscaler))
    except ClusterError as error:
        return (f"{outcome.where}: moved, but no Event written: {error}",)
    return ()


def announce_actuation(writer: ClusterWriter, workload: Workload, actuation: Actuation, now: datetime) -> None:
    """Write the Event of an actuator's change; that it is made already counts more than the Event, which may fail."""
    regarding = {
        "apiVersion": actuation.api_version,
        "kind": actuation.kind,
        "namespace": workload.namespace,
        "name": actuation.name,
        "uid": actuation.uid,
    }
    event = {
        **_event_head(actuation.name, workload.namespace, now),
        "action": "Actuate",
        "reason": actuation.reason,
        "regarding": regarding,
        "note": cut(str(actuation), NOTE),
        "type": "Warning" if actuation.held else "Normal",
    }
    try:
        writer.create_event(workload.namespace, event)
    except ClusterError as error:
        where = f"{workload.namespace}/{actuation.name}"
        LOGGER.warning("%s: %s changed, but no Event written: %s", where, actuation.kind, error)


NOTE = 1024  # bytes of an Event's note that the server takes


def cut(text: str, most: int) -> str:
    """The text within `most` bytes of UTF-8, which is how the server counts.

    >>> cut("Müller", 3)
    'Mü'
    """
    return text.encode()[:most].decode(errors="ignore")


def _event(outcome: Outcome, autoscaler: Autoscaler) -> dict[str, Any]:
    decision, metadata = outcome.decision, autoscaler.document["metadata"]
    assert decision is not None  # noqa: S101 - only what was decided is announced
    regarding = {
        "apiVersion": autoscaler.kind.api_version,
        "kind": autoscaler.kind.name,
        "namespace": outcome.workload.namespace,
        "name": autoscaler.name,
        "uid": metadata.get("uid", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    return {
        **_event_head(autoscaler.name, outcome.workload.namespace, autoscaler.now),
        "action": "MoveFloor" if decision.changes else "HoldFloor",
        "reason": decision.reason,
        "regarding": regarding,
        "note": cut(str(outcome), NOTE),
        "type": "Warning" if decision.held or decision.cut or decision.reason == LOWERED else "Normal",
    }


def _event_head(name: str, namespace: str, now: datetime) -> dict[str, Any]:
    """What every Event of ours begins with."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{name[:200]}-", "namespace": namespace},
        "eventTime": micro_time(now),
        "reportingController": "capacity",
        "reportingInstance": f"capacity-{current_run().id}".rstrip("-"),
    }
