"""Resizes pods in place: first our annotations on their owner, then each pod; then checks what the server returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock

from capacity.cluster.client import ABSENT, CONFLICT, ClusterWriter
from capacity.cluster.kinds import Document
from capacity.cluster.lease import TRIES
from capacity.cluster.pod_sizes import (
    SIZE_BASELINE,
    SIZE_EXPIRES,
    SIZE_NOTES,
    SIZE_STATE,
    PodOwner,
    read_pod,
    size_baseline,
    size_expiry,
    size_state,
)
from capacity.model import ClusterError
from capacity.model.fields import rfc3339
from capacity.model.pod_observation import Amounts, PodDecision, PodState, Resources, SizeMemory
from capacity.model.pod_size import MIB

UNSUPPORTED = "node without support for resize"  # of the API server's 422, where the node does not declare it


class NoResizeSupportError(ClusterError):
    """The pod's node cannot resize pods: it is older, or runs another container runtime. The pass does not fail."""


class PodGoneError(ClusterError):
    """The pod was deleted during the pass; the next pass sizes its replacement."""


@dataclass(slots=True)
class OwnerNotes:
    """Our annotations on the owner of pods, written once, by any thread, before the first pod is resized."""

    owner: PodOwner
    memory: SizeMemory
    now: datetime
    expires: datetime | None = None
    _written: bool = False
    _lock: Lock = field(default_factory=Lock)

    @property
    def overdue(self) -> bool:
        """Whether the expiry must be renewed because less than half of its time is left."""
        noted, expires = size_expiry(self.owner.annotations), self.expires
        if expires is None or expires <= self.now or not self.owner.touched:
            return False
        return noted is None or (noted < expires and noted - self.now < (expires - self.now) / 2)

    def ensure(self, writer: ClusterWriter) -> None:
        """Write them if they are not written yet. No pod is resized without its baseline."""
        with self._lock:
            if not self._written:
                self._write(writer)
                self._written = True

    def add_unsupported(self, writer: ClusterWriter, pod: PodState) -> None:
        """Note that a pod's node cannot resize, so that it is tried and reported once."""
        with self._lock:
            told = {**self.memory.told, pod.name: PodDecision(pod, {}, "NoResizeSupport", pod.unsupported).told}
            unsupported = {**self.memory.unsupported, pod.name: pod.uid}
            self.memory = replace(self.memory, unsupported=unsupported, told=told)
            self._write(writer)

    def _write(self, writer: ClusterWriter) -> None:
        baseline = self.owner.annotations.get(SIZE_BASELINE) or size_baseline(self.owner.template, self.now)
        expiry = {SIZE_EXPIRES: rfc3339(self.expires.replace(microsecond=0))} if self.expires else {}
        _annotate(writer, self.owner, {SIZE_BASELINE: baseline, SIZE_STATE: size_state(self.memory), **expiry})


def forget(writer: ClusterWriter, owner: PodOwner) -> None:
    """Remove our annotations from an owner whose pods have the template's size again."""
    _annotate(writer, owner, dict.fromkeys((key for key in SIZE_NOTES if key in owner.annotations), None))


def _annotate(writer: ClusterWriter, owner: PodOwner, notes: Mapping[str, str | None]) -> None:
    """Merge-patch the annotations only: the template does not change, so no rollout starts."""
    body = {"metadata": {"annotations": dict(notes)}}
    for attempt in range(1, TRIES + 1):  # it contains only our own keys, so concurrent changes by others do not matter
        try:
            writer.merge_target(owner.kind, owner.namespace, owner.name, body)
        except ClusterError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise
        else:
            return


def resize(writer: ClusterWriter, namespace: str, pod: PodState, resources: Mapping[str, Resources]) -> None:
    """Set these requests and limits, and compare them with the server's answer.

    Raises `NoResizeSupportError` if the node cannot resize, `PodGoneError` if the pod is gone, and `ClusterError` if
    the server refuses, returns another size than requested, or somebody else resized the pod meanwhile.
    """
    for attempt in range(1, TRIES + 1):
        try:
            answer = writer.resize_pod(namespace, pod.name, resize_body(pod, resources))
        except ClusterError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise _meant(error, pod) from error
            pod = _read_again(writer, namespace, pod)
            continue
        _require_taken(read_pod(answer), resources)
        return
    raise AssertionError("unreachable: the last attempt returns or raises")


def resize_body(pod: PodState, resources: Mapping[str, Resources]) -> Document:
    """The patch: only what changes in each container, guarded by the resourceVersion that was decided on."""
    asked = {one.name: one.asked for one in pod.containers}
    containers = []
    for name, after in resources.items():
        parts = {
            "requests": _changed(asked[name].requests, after.requests),
            "limits": _changed(asked[name].limits, after.limits),
        }
        containers.append({"name": name, "resources": {part: amounts for part, amounts in parts.items() if amounts}})
    return {"metadata": {"resourceVersion": pod.version}, "spec": {"containers": containers}}


def _changed(before: Amounts, after: Amounts) -> dict[str, str]:
    return {name: quantity(name, amount) for name, amount in after.items() if before.get(name) != amount}


def quantity(resource: str, amount: int) -> str:
    """Millicores or bytes as Kubernetes writes them.

    >>> quantity("cpu", 1500), quantity("memory", 3 * 2**29), quantity("memory", 1000)
    ('1500m', '1536Mi', '1000')
    """
    if resource == "cpu":
        return f"{amount}m"
    return f"{amount // MIB}Mi" if amount and amount % MIB == 0 else str(amount)


def _meant(error: ClusterError, pod: PodState) -> ClusterError:
    if UNSUPPORTED in str(error):
        return NoResizeSupportError(pod.unsupported, error.status)
    if error.status == ABSENT:
        return PodGoneError(f"pod {pod.name} is gone: the one in its place is sized in the next pass", ABSENT)
    return error


def _read_again(writer: ClusterWriter, namespace: str, pod: PodState) -> PodState:
    """The newest version of the pod. Raises `ClusterError` if somebody else resized it."""
    try:
        fresh = read_pod(writer.pod(namespace, pod.name))
    except ClusterError as error:
        raise _meant(error, pod) from error
    same = fresh.uid == pod.uid and [one.asked for one in fresh.containers] == [one.asked for one in pod.containers]
    if not same:
        raise ClusterError(
            f"pod {pod.name} was changed by somebody else meanwhile: the next pass decides again", CONFLICT
        )
    return fresh


def _require_taken(after: PodState, resources: Mapping[str, Resources]) -> None:
    """Raise unless the answer has the requested sizes: the server silently drops what it cannot resize."""
    kept = {one.name: one.asked for one in after.containers}
    for name, asked in resources.items():
        for part in ("requests", "limits"):
            for resource, amount in getattr(asked, part).items():
                got = getattr(kept.get(name, Resources()), part).get(resource)
                if got != amount:
                    said = "nothing" if got is None else quantity(resource, got)
                    raise ClusterError(
                        f"{after.name}/{name}: expected {part} of {quantity(resource, amount)} {resource} to be taken, "
                        f"got {said}: a policy or another controller changed it"
                    )
