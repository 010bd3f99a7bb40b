"""Writes to an autoscaler: a decision as guarded patches, the Event that says why, and what restores it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from capacity.cluster.annotations import FLOOR, Baseline
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import CONFLICT, ClusterWriter
from capacity.cluster.kinds import Document, Kind
from capacity.cluster.lease import TRIES, micro_time
from capacity.cluster.metric_target import METRICS, baseline_owner, baseline_target, move_target, target_move
from capacity.decision import ControllerRules, lowest_floor
from capacity.decision.decide import LOWERED
from capacity.logs import LOGGER, current_run
from capacity.model import ClusterError, Decision, Observation, Workload
from capacity.model.outcome import Actuation, Outcome


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


def give_back(
    writer: ClusterWriter, workload: Workload, autoscaler: Autoscaler, policy: ControllerRules | None
) -> Outcome:
    """One object as it was before our first touch: at once, or (with a policy) a step towards it, held until there."""
    first = autoscaler.observation  # a try that ended half-way has moved the floor already: say from where
    for attempt in range(1, TRIES + 1):
        baseline, observed = autoscaler.notes.baseline, autoscaler.observation
        if baseline is None:
            detail = "never touched, or restored already"
            floor, ceiling = observed.floor, observed.ceiling
            return Outcome(workload, Decision(floor, ceiling, "NothingToRestore", floor, detail=detail))
        try:
            step = _towards_baseline(autoscaler, observed, policy)
            if step is not None:
                if step.changes:
                    write(writer, autoscaler, step, autoscaler.notes.expires)
                return Outcome(workload, step, done=step.changes)
            left = _returned(writer, workload, autoscaler, baseline)
        except ClusterError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise
            autoscaler = autoscaler.reread(writer.target(autoscaler.kind, workload.namespace, autoscaler.name))
            continue
        edited = first.edited_by is not None
        expected = observed.floor if edited else first.baseline_floor
        return Outcome(workload, _checked(left, expected, first), done=True)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _towards_baseline(autoscaler: Autoscaler, observed: Observation, policy: ControllerRules | None) -> Decision | None:
    """The next step of a ramp; None where the baseline is one step away, or there is no ramp to walk."""
    baseline = observed.baseline_floor
    if policy is None or baseline is None or observed.edited_by is not None or observed.floor <= baseline:
        return None
    lowest = lowest_floor(baseline, observed, autoscaler.now, policy)
    if lowest <= baseline:
        return None
    memory = observed.memory if lowest == observed.floor else replace(observed.memory, moved_at=autoscaler.now)
    detail = f"on the way to its baseline {baseline}"
    return Decision(
        lowest, observed.ceiling, "Restoring", observed.floor, observed.ceiling, detail, ("StepDown",), True, memory
    )


def _returned(writer: ClusterWriter, workload: Workload, autoscaler: Autoscaler, baseline: Baseline) -> Autoscaler:
    kind, namespace, name = autoscaler.kind, workload.namespace, autoscaler.name
    value = autoscaler.restored(baseline)
    if value is not None and kind.scaled:
        writer.scale_target(kind, namespace, name, value)
        autoscaler = autoscaler.reread(writer.target(kind, namespace, name))
    elif value is not None:
        autoscaler = autoscaler.reread(writer.merge_target(kind, namespace, name, value))
    metrics = []
    if baseline_target(autoscaler) is not None:
        metrics = [(METRICS, baseline_owner(autoscaler))]
        back = target_move(autoscaler, None)
        if back is not None and back.refused is None:
            autoscaler = autoscaler.reread(move_target(writer, autoscaler, back))
    return autoscaler.reread(writer.json_patch_target(kind, namespace, name, autoscaler.released(baseline, metrics)))


def _checked(left: Autoscaler, expected: int | None, observed: Observation) -> Decision:
    """The value must have survived the hand-over."""
    if left.floor != expected:
        raise ClusterError(f"restore: expected the floor {expected} to stay, got {left.floor}; set it by hand")
    return Decision(left.floor, left.ceiling, "Restored", observed.floor, observed.ceiling)
