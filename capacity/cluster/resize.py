"""Resize pods in place: our notes on their owner first, then each pod, and what came back against what was asked."""

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
    """The pod's node cannot resize pods: it is older, or runs another container runtime. No error of a pass."""


class PodGoneError(ClusterError):
    """The pod went while the pass was under way: the one in its place is looked at in the next."""


@dataclass(slots=True)
class OwnerNotes:
    """Our notes on the owner of some pods, written once before the first of them is resized, by whichever thread."""

    owner: PodOwner
    memory: SizeMemory
    now: datetime
    expires: datetime | None = None
    _written: bool = False
    _lock: Lock = field(default_factory=Lock)

    @property
    def overdue(self) -> bool:
        """Whether the noted expiry must be renewed: less than half of its time is left."""
        noted, expires = size_expiry(self.owner.annotations), self.expires
        if expires is None or expires <= self.now or not self.owner.touched:
            return False
        return noted is None or (noted < expires and noted - self.now < (expires - self.now) / 2)

    def ensure(self, writer: ClusterWriter) -> None:
        """Write them unless they are written. No pod is ever resized without its baseline."""
        with self._lock:
            if not self._written:
                self._write(writer)
                self._written = True

    def add_unsupported(self, writer: ClusterWriter, pod: PodState) -> None:
        """Note that a pod's node cannot resize, so that it is asked and told once."""
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
    """Remove our notes from an owner whose pods have the template's size again."""
    _annotate(writer, owner, dict.fromkeys((key for key in SIZE_NOTES if key in owner.annotations), None))


def _annotate(writer: ClusterWriter, owner: PodOwner, notes: Mapping[str, str | None]) -> None:
    """A merge patch of annotations alone: the template is not touched, so nothing rolls."""
    body = {"metadata": {"annotations": dict(notes)}}
    for attempt in range(1, TRIES + 1):  # only our own keys are in it: what others change meanwhile is no matter
        try:
            writer.merge_target(owner.kind, owner.namespace, owner.name, body)
        except ClusterError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise
        else:
            return


def resize(writer: ClusterWriter, namespace: str, pod: PodState, resources: Mapping[str, Resources]) -> None:
    """Ask for these requests and limits, and compare what came back.

    Raises `NoResizeSupportError` where the node cannot, `PodGoneError` where the pod went, and `ClusterError` where the
    server refuses, keeps another size than was asked for, or somebody else resized the pod meanwhile.
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
    """The patch: of each container only what changes, guarded by the version that was decided on."""
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
    """The pod in its newer version, where nobody else resized it."""
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
    """The server drops what it does not resize without a word: only what came back counts."""
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
