"""The actuator that resizes pods in place: the writes due for each pod, and those that restore its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Final

from capacity.app.actuation import ActuatorSteps, Due, Situation, Write
from capacity.cluster.client import ClusterReader, ClusterWriter
from capacity.cluster.observe import unknown_workload
from capacity.cluster.pod_sizes import PodOwner, SizedPods, observe_pods
from capacity.cluster.resize import NoResizeSupportError, OwnerNotes, PodGoneError, forget, resize
from capacity.decision.pod_sizing import return_size
from capacity.decision.vertical import decide_sizes
from capacity.model import CapacityError, Workload
from capacity.model.outcome import Actuation
from capacity.model.pod_observation import ObservedPods, PodDecision, PodState, Resources, SizeDecision
from capacity.model.pod_size import RESOURCES, UNIT, SizedResource
from capacity.model.workload import TargetKind

OWNER_KINDS: dict[str, TargetKind] = {"Deployment": "Deployment", "StatefulSet": "StatefulSet"}
ACTUATOR: Final = "vertical"


def observe(reader: ClusterReader, situation: Situation) -> Iterator[Due]:
    """The writes due for the pods of every vertically scaled workload, and for expired pods that no workload names."""
    for namespace, workloads in _by_namespace(situation).items():
        try:
            seen = observe_pods(reader, namespace, situation.now, [_name(one) for one in workloads])
        except CapacityError as error:
            yield from (_failed(one, error) for one in workloads)
            continue
        for workload in workloads:
            yield from _isolated(workload, seen, situation)
        yield from _expired(seen, workloads, situation)


def give_back(reader: ClusterReader, situation: Situation) -> Iterator[Due]:
    """The writes that return every pod we resized to the size of its template, and remove our annotations."""
    for namespace, workloads in _by_namespace(situation).items():
        try:
            seen = observe_pods(reader, namespace, situation.now, [_name(one) for one in workloads])
        except CapacityError as error:
            yield from (_failed(one, error) for one in workloads)
            continue
        named = {_name(one): one for one in workloads}
        for key, owner in seen.owners.items():
            workload = named.get(key) or unknown_workload(namespace, owner.name, OWNER_KINDS[key[0]])
            yield from _returned(owner, seen, workload, situation)


VERTICAL = ActuatorSteps(observe, give_back)


def _by_namespace(situation: Situation) -> dict[str, list[Workload]]:
    """The workloads by namespace, only where one scales vertically: elsewhere we may not be allowed to read pods."""
    found: dict[str, list[Workload]] = {}
    for workload in situation.workloads:
        if workload.vertical is not None:
            found.setdefault(workload.namespace, []).append(workload)
    return found


def _name(workload: Workload) -> tuple[str, str]:
    return workload.target.kind, workload.target.name


def _failed(workload: Workload, error: Exception) -> Due:
    text = str(error) if isinstance(error, CapacityError) else f"unexpected answer: {type(error).__name__} {error}"
    kind, name = _name(workload)
    return Due(workload, Actuation(ACTUATOR, "apps/v1", kind, name, {}, {}, "Error", error=text))


def _isolated(workload: Workload, seen: SizedPods, situation: Situation) -> list[Due]:
    """The due writes of one workload; an error affects only this workload. Objects of others may lack any key."""
    try:
        return _dues(workload, seen, situation)
    except (CapacityError, KeyError, TypeError, ValueError, AttributeError) as error:
        return [_failed(workload, error)]


def _dues(workload: Workload, seen: SizedPods, situation: Situation) -> list[Due]:
    owner, observed = seen.owner(workload), seen.observed(workload, situation.now)
    decision = decide_sizes(situation.plans.get(workload.key), workload, observed, situation.now, situation.rules)
    decision = _by_server_time(decision, observed, situation)
    notes = OwnerNotes(owner, decision.memory, situation.now, situation.expires(workload))
    noted = observed.wishes.excluded is None and observed.refusal is None and (decision.notes or notes.overdue)
    pods = [_pod_due(workload, one, partial(_resized, notes, one)) for one in decision.pods]
    return pods if pods and not noted else [*pods, _owner_due(workload, owner, decision, notes if noted else None)]


def _by_server_time(decision: SizeDecision, observed: ObservedPods, situation: Situation) -> SizeDecision:
    """With a wrong clock no times are noted, except those of resizes, by the server's clock."""
    if situation.server_time is None:
        return decision
    moved_at = situation.server_time if decision.changes else observed.memory.moved_at
    memory = replace(observed.memory, moved_at=moved_at, told=decision.memory.told)
    return replace(decision, memory=memory, notes=memory != observed.memory)


def _pod_due(workload: Workload, one: PodDecision, write: Write) -> Due:
    return Due(workload, actuation_of(one, workload), write if one.changes else None, tells=one.news)


def actuation_of(one: PodDecision, workload: Workload) -> Actuation:
    """The pod's decision as shown: the sum of the requests of its resized containers, before and after."""
    moved = {name for name, _ in workload.vertical.moved()} if workload.vertical else {*one.resources}
    return Actuation(
        actuator=ACTUATOR,
        api_version="v1",
        kind="Pod",
        name=one.pod.name,
        before=_together(one.pod, moved, {}),
        after=_together(one.pod, moved, one.resources),
        reason=one.reason,
        detail=one.detail,
        held=one.held,
        uid=one.pod.uid,
    )


def _together(pod: PodState, names: set[str], changed: Mapping[str, Resources]) -> dict[str, float]:
    sizes = [changed.get(one.name, one.asked).requests for one in pod.containers if one.name in names]
    return {
        resource: sum(size.get(resource, 0) for size in sizes) * UNIT[resource]
        for resource in RESOURCES
        if any(resource in size for size in sizes)
    }


def _resized(notes: OwnerNotes, one: PodDecision, writer: ClusterWriter) -> Actuation | None:
    """Write our annotations, then resize the pod. A node that cannot resize is noted once; a deleted pod is fine."""
    notes.ensure(writer)
    try:
        resize(writer, notes.owner.namespace, one.pod, one.resources)
    except NoResizeSupportError as error:
        notes.add_unsupported(writer, one.pod)
        return _stayed(one, "NoResizeSupport", str(error))
    except PodGoneError as error:
        return _stayed(one, one.reason, str(error))
    return None


def _stayed(one: PodDecision, reason: str, detail: str) -> Actuation:
    before: dict[str, float] = {name: amount * UNIT[name] for name in RESOURCES if (amount := _asked(one.pod, name))}
    return Actuation(ACTUATOR, "v1", "Pod", one.pod.name, before, before, reason, detail, uid=one.pod.uid)


def _asked(pod: PodState, resource: SizedResource) -> int:
    return sum(one.asked.requests.get(resource, 0) for one in pod.containers)


def _owner_due(workload: Workload, owner: PodOwner, decision: SizeDecision, notes: OwnerNotes | None) -> Due:
    """The annotations of the owner. They are not reported, since the pods are."""
    detail = decision.detail if decision.pods else "no pod of it runs"
    noted = Actuation(
        ACTUATOR, owner.kind.api_version, owner.kind.name, owner.name, {}, {}, decision.reason, detail, decision.held
    )
    return Due(workload, noted, None if notes is None else partial(_noted, notes, noted))


def _noted(notes: OwnerNotes, actuation: Actuation, writer: ClusterWriter) -> Actuation:
    """Write the annotations. They resize nothing, so nothing counts as changed."""
    notes.ensure(writer)
    return actuation


def _expired(seen: SizedPods, workloads: Sequence[Workload], situation: Situation) -> Iterator[Due]:
    named = {_name(one) for one in workloads}
    for key, owner in seen.owners.items():
        if key not in named and owner.expired(situation.now):
            yield from _returned(
                owner, seen, unknown_workload(owner.namespace, owner.name, OWNER_KINDS[key[0]]), situation
            )


def _returned(owner: PodOwner, seen: SizedPods, workload: Workload, situation: Situation) -> list[Due]:
    """The writes due for each pod, and for our annotations once every pod has the size of its template."""
    if not owner.touched:
        return []
    key, expired = (owner.kind.name, owner.name), owner.expired(situation.now)
    may_restart = workload.vertical is not None and workload.vertical.allow_restart
    decisions = _one_restart(seen.pods.get(key, ()), owner, may_restart=may_restart)
    left = _Left(owner, sum(one.changes or one.reason == "Restoring" for one in decisions))
    pods = [
        Due(workload, actuation_of(one, workload), partial(left.resized, one) if one.changes else None, expired)
        for one in decisions
    ]
    if left.pods:
        return pods
    gone = Actuation(ACTUATOR, owner.kind.api_version, owner.kind.name, owner.name, {}, {}, "Restored", uid=owner.uid)
    return [*pods, Due(workload, gone, left.forget, expired)]


def _one_restart(pods: Sequence[PodState], owner: PodOwner, *, may_restart: bool) -> list[PodDecision]:
    """In each pass, containers are restarted in only one pod, the last, and only while all pods serve."""
    turn = None if any(pod.may_restart_soon for pod in pods) or not may_restart else _last_to_restart(pods, owner)
    return [return_size(pod, owner.template, may_restart=pod.name == turn) for pod in pods]


def _last_to_restart(pods: Sequence[PodState], owner: PodOwner) -> str | None:
    waiting = [pod.name for pod in pods if return_size(pod, owner.template).reason == "Restoring"]
    return max(waiting, default=None)


@dataclass(slots=True)
class _Left:
    """Counts the pods to restore before our annotations are removed."""

    owner: PodOwner
    pods: int
    _lock: Lock = field(default_factory=Lock)

    def resized(self, one: PodDecision, writer: ClusterWriter) -> None:
        """Resize a pod, and remove our annotations after the last one. A deleted pod needs no restore."""
        with suppress(PodGoneError, NoResizeSupportError):
            resize(writer, self.owner.namespace, one.pod, one.resources)
        with self._lock:
            self.pods -= one.reason != "Restoring"
            last = self.pods == 0
        if last:
            self.forget(writer)

    def forget(self, writer: ClusterWriter) -> None:
        """Remove our annotations."""
        forget(writer, self.owner)
