"""Node headroom in a pass: observe each buffer, decide, and return the writes that are due; or restore everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from capacity.app.actuation import ActuatorSteps, Due, Situation
from capacity.cluster.annotations import read_wishes
from capacity.cluster.buffers import (
    BufferPlace,
    BufferWrite,
    SeenBuffers,
    buffer_of,
    buffer_state,
    is_ours,
    read_buffers,
    read_ours,
    remove_buffer,
)
from capacity.cluster.client import ClusterReader, ClusterWriter
from capacity.cluster.kinds import Document
from capacity.decision.headroom import decide_headroom
from capacity.model import ClusterError, Workload
from capacity.model.headroom import Headroom
from capacity.model.outcome import Actuation


def observe_headroom(reader: ClusterReader, situation: Situation) -> list[Due]:
    """The writes due for each buffer: one buffer for each workload that asks for headroom, one for each group."""
    places = buffer_places(situation)
    if not places:
        return []
    try:
        seen = read_buffers(reader, places)
    except ClusterError as error:
        return [_failed(place, str(error)) for place in places]
    return [*(_due(place, seen, situation) for place in places), *_forgotten(seen, places, situation)]


def _forgotten(seen: SeenBuffers, places: Sequence[BufferPlace], situation: Situation) -> Iterator[Due]:
    """Our buffers that no workload names any more and that were not renewed in time."""
    named = {place.key for place in places}
    for key, document in seen.documents.items():
        if key in named or not is_ours(document):
            continue
        own = [one for one in situation.workloads if one.namespace == key[0]]
        due = _returned(own, document, seen.templates.get(key), situation)
        if due.expired:
            yield due


def buffer_places(situation: Situation) -> list[BufferPlace]:
    """The buffers of a situation, each once."""
    found: dict[tuple[str, str], BufferPlace] = {}
    for workload in situation.workloads:
        if workload.headroom is not None:
            place = BufferPlace(workload, workload.headroom, situation.made_by(workload))
            found.setdefault(place.key, place)
    return list(found.values())


def planned_headroom(place: BufferPlace, situation: Situation) -> tuple[Workload, Headroom | None]:
    """The headroom plan of a buffer, and the workload whose plan contains it (for a group, any of its workloads)."""
    group = place.rules.group
    members = [
        one
        for one in situation.workloads
        if one.key == place.workload.key
        or (group is not None and one.headroom is not None and one.headroom.group == group)
    ]
    for one in members:
        plan = situation.plans.get(one.key)
        if plan is not None and plan.headroom is not None and plan.headroom.group == group:
            return one, plan.headroom
    return place.workload, None


def _due(place: BufferPlace, seen: SeenBuffers, situation: Situation) -> Due:
    """Decide one buffer; an error affects only this buffer. Objects written by others may lack any key."""
    try:
        holder, plan = planned_headroom(place, situation)
        state = buffer_state(seen, place, situation.now)
        decision = decide_headroom(plan, state, situation.now, situation.rules)
        expires = situation.expires(holder) if plan is not None else None
        write = BufferWrite(place, seen, decision, situation.server_time or situation.now, plan, expires)
        actuation = Actuation(
            "headroom",
            write.api_version,
            write.kind,
            place.name,
            before=_amount(state.replicas),
            after=_amount(decision.replicas),
            reason=decision.reason,
            detail=decision.detail,
            held=decision.held,
            uid=str(((write.document or {}).get("metadata") or {}).get("uid", "")),
        )
        left_alone = any((state.foreign, state.wishes.excluded, state.wishes.frozen, state.wishes.unclear))
        ours = not left_alone and state.refused is None
        return Due(place.workload, actuation, write.make if ours and write.due else None, tells=write.tells)
    except (ClusterError, KeyError, TypeError, ValueError, AttributeError) as error:
        text = str(error) if isinstance(error, ClusterError) else f"unexpected answer: {type(error).__name__} {error}"
        return _failed(place, text)


def _amount(replicas: int | None) -> dict[str, float]:
    return {} if replicas is None else {"replicas": float(replicas)}


def _failed(place: BufferPlace, error: str) -> Due:
    kind = "CapacityBuffer" if place.rules.buffer == "CapacityBuffer" else "Deployment"
    return Due(place.workload, Actuation("headroom", "", kind, place.name, {}, {}, "Error", error=error))


def give_back_headroom(reader: ClusterReader, situation: Situation) -> Iterator[Due]:
    """Remove all our buffers of the kinds still in use, including those of workloads that no longer ask for one.

    If no workload asks for headroom, nothing is looked up: the controller then has no permission to.
    """
    asked = sorted({one.headroom.buffer for one in situation.workloads if one.headroom is not None})
    for namespace in dict.fromkeys(one.namespace for one in situation.workloads if asked):
        own = [one for one in situation.workloads if one.namespace == namespace]
        for kind in asked:
            try:
                found = read_ours(reader, namespace, [kind])
            except ClusterError as error:
                yield Due(own[0], Actuation("headroom", "", kind, "all", {}, {}, "Error", error=str(error)))
                continue
            yield from (_returned(own, document, template, situation) for document, template in found)


def _returned(own: Sequence[Workload], document: Document, template: Document | None, situation: Situation) -> Due:
    name, replicas, expires = buffer_of(document)
    workload = next((one for one in own if one.name == name), own[0])
    metadata = document["metadata"]
    actuation = Actuation(
        "headroom",
        str(document["apiVersion"]),
        str(document["kind"]),
        str(metadata["name"]),
        before={"replicas": float(replicas)},
        after={},
        reason="Restored",
        uid=str(metadata.get("uid", "")),
    )
    wishes = read_wishes(metadata.get("annotations") or {}, situation.now)
    expired = expires is not None and situation.now >= expires and wishes.excluded is None
    return Due(workload, actuation, partial(_remove, document, template), expired)


def _remove(document: Document, template: Document | None, writer: ClusterWriter) -> None:
    remove_buffer(writer, document, template)


HEADROOM = ActuatorSteps(observe_headroom, give_back_headroom)
