"""Observes pods that are resized in place: their sizes, usage and owners, and what else acts on their requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from capacity.cluster.annotations import read_wishes
from capacity.cluster.client import ABSENT, MANAGER, PODS, ClusterReader
from capacity.cluster.kinds import DEPLOYMENT, HPA, STATEFUL_SET, Document, Kind
from capacity.cluster.ownership import holds_path
from capacity.cluster.start_times import owner_of
from capacity.model import ClusterError, Workload
from capacity.model.fields import parse_quantity, parse_time, rfc3339, time_or_none
from capacity.model.pod_observation import (
    Amounts,
    ContainerState,
    Kept,
    ObservedPods,
    PodState,
    Resources,
    SizeMemory,
    SizeReason,
)
from capacity.model.pod_size import RESOURCES, UNIT, SizedResource, SizeKey

OWNERS = (STATEFUL_SET, DEPLOYMENT)
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
VPAS = "/apis/autoscaling.k8s.io/v1/namespaces/{namespace}/verticalpodautoscalers"
STALE = timedelta(minutes=5)  # metrics-server measures every 15 s, and keeps nothing older than a minute or two
CAPACITY = re.compile(r"capacity: (cpu|memory), requested: \d+, capacity: (\d+)")  # of the kubelet, in our units
Name = tuple[str, str]  # kind and name of an owner
SIZE_BASELINE = "capacity/size-baseline"  # requests and limits of the template at our first touch, as JSON
SIZE_EXPIRES = "capacity/size-expires"  # when nobody renews the sizes by then, any pass gives them back
SIZE_STATE = "capacity/size-state"  # what passes remember, as JSON
SIZE_NOTES = (SIZE_BASELINE, SIZE_EXPIRES, SIZE_STATE)
LARGEST = 65536  # characters of an annotation that we read
NOTHING = SizeMemory()


@dataclass(frozen=True, slots=True)
class PodOwner:
    """A Deployment or StatefulSet, cut to what a pass needs, since there may be thousands."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    annotations: Mapping[str, str]
    template: Mapping[str, Resources]

    @staticmethod
    def of(document: Document, kind: Kind) -> PodOwner:
        """From the API server's answer."""
        metadata = document["metadata"]
        notes = {
            key: str(text) for key, text in (metadata.get("annotations") or {}).items() if key.startswith("capacity/")
        }
        spec = ((document.get("spec") or {}).get("template") or {}).get("spec") or {}
        template = {str(one["name"]): resources_of(one.get("resources")) for one in spec.get("containers") or []}
        return PodOwner(kind, metadata["namespace"], metadata["name"], metadata.get("uid", ""), notes, template)

    @property
    def touched(self) -> bool:
        """Whether it has any of our annotations."""
        return any(key in self.annotations for key in SIZE_NOTES)

    def expired(self, now: datetime) -> bool:
        """Whether its sizes have expired, and no annotation asks to leave it alone."""
        expires = size_expiry(self.annotations)
        return expires is not None and now >= expires and read_wishes(self.annotations, now).excluded is None


@dataclass(frozen=True, slots=True)
class SizedPods:
    """The resized pods of one namespace. `blind`: why their usage is not known."""

    owners: Mapping[Name, PodOwner]
    pods: Mapping[Name, tuple[PodState, ...]]
    blind: str | None = None
    scalers: Mapping[Name, tuple[Scaler, ...]] = field(default_factory=dict)

    def observed(self, workload: Workload, now: datetime) -> ObservedPods:
        """The pods of one workload. Raises `ClusterError` if its owner or a container of it does not exist."""
        owner = self.owner(workload)
        vertical = workload.vertical
        keys = () if vertical is None else vertical.moved()
        missing = sorted({name for name, _ in keys} - set(owner.template))
        if missing:
            kinds = f"{owner.kind.name} {owner.name}"
            raise ClusterError(f"no container {missing[0]!r} in {kinds}; it has {sorted(owner.template)}")
        return ObservedPods(
            pods=self.pods.get((owner.kind.name, owner.name), ()),
            template=owner.template,
            blind=self.blind,
            refusal=self._refusal(owner, keys),
            wishes=read_wishes(owner.annotations, now),
            memory=read_size_state(owner.annotations.get(SIZE_STATE)),
            touched=SIZE_BASELINE in owner.annotations,
        )

    def owner(self, workload: Workload) -> PodOwner:
        """The workload's Deployment or StatefulSet. Raises `ClusterError` where there is none."""
        key = workload.target.kind, workload.target.name
        if key not in self.owners:
            names = sorted(name for kind, name in self.owners if kind == key[0])[:20]
            raise ClusterError(f"no {key[0]} {key[1]!r} in namespace {workload.namespace}; it has {names or 'none'}")
        return self.owners[key]

    def _refusal(self, owner: PodOwner, keys: Iterable[SizeKey]) -> tuple[SizeReason, str] | None:
        moved = {resource for _, resource in keys}
        for one in self.scalers.get((owner.kind.name, owner.name), ()):
            if one.resources & moved:
                return one.reason, one.detail
        return None


@dataclass(frozen=True, slots=True)
class Scaler:
    """Another controller that acts on the requests of an owner's pods, the resources, and the reason to hold them."""

    reason: SizeReason
    resources: frozenset[SizedResource]
    detail: str


def observe_pods(
    reader: ClusterReader, namespace: str, now: datetime, owners: Sequence[Name] | None = None
) -> SizedPods:
    """The pods of a namespace by owner: of the given owners, and of those that have our annotations.

    Raises `ClusterError` where owners, pods or autoscalers cannot be listed. Metrics may be missing: that is `blind`.
    """
    found = {
        (kind.name, one.name): one
        for kind in OWNERS
        for document in reader.targets(kind, namespace)
        if (one := PodOwner.of(document, kind)).touched or owners is None or (kind.name, one.name) in owners
    }
    used, blind = _used(reader, namespace, now)
    pods: dict[Name, list[PodState]] = {}
    for document in reader.objects(PODS.format(namespace=namespace)):
        owner = owner_of(document)
        if owner in found and _runs(document):
            pods.setdefault(owner, []).append(read_pod(document, used))
    ordered = {key: tuple(sorted(some, key=lambda pod: pod.name)) for key, some in pods.items()}
    return SizedPods(found, ordered, blind, _scalers(reader, namespace))


def _runs(pod: Document) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")


def read_pod(pod: Document, used: Mapping[str, Mapping[str, Amounts]] | None = None) -> PodState:
    """One pod from the API server's answer; `used`: its usage from the metrics, by pod and container."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or [] if one.get("status") == "True"}
    pending = conditions.get("PodResizePending")
    waits = {"Deferred": "Deferred", "Infeasible": "Infeasible"}.get(str((pending or {}).get("reason")))
    message = str((pending or {}).get("message", ""))
    name, mine = metadata["name"], (used or {}).get(metadata["name"], {})
    running = {one.get("name"): one.get("resources") for one in status.get("containerStatuses") or []}
    containers = [_container(one, running.get(one["name"]), mine.get(one["name"], {})) for one in spec["containers"]]
    return PodState(
        name=name,
        uid=metadata.get("uid", ""),
        node=str(spec.get("nodeName", "")),
        containers=(
            *containers,
            *(
                ContainerState(f"init {one['name']}", resources_of(one.get("resources")))
                for one in spec.get("initContainers") or []
            ),
        ),
        ready="Ready" in conditions,
        pending=waits,  # type: ignore[arg-type]
        message=message,
        progressing="PodResizeInProgress" in conditions,
        unseen=_unseen(metadata, status),
        room={resource: int(amount) for resource, amount in CAPACITY.findall(message)} if waits == "Infeasible" else {},
        edited_by=_editor(pod, [one.name for one in containers]),
        ours=frozenset(one.name for one in containers if _resized_by(pod, one.name, ours=True)),
        version=str(metadata.get("resourceVersion", "")),
    )


def _unseen(metadata: Document, status: Document) -> bool:
    """Whether the kubelet has not seen the newest spec of the pod; older kubelets do not report what they have seen."""
    observed, newest = status.get("observedGeneration"), metadata.get("generation")
    return isinstance(observed, int) and isinstance(newest, int) and 0 < observed < newest


def _container(spec: Document, running: Document | None, used: Amounts) -> ContainerState:
    restarts = {
        one.get("resourceName")
        for one in spec.get("resizePolicy") or []
        if one.get("restartPolicy") == "RestartContainer"
    }
    return ContainerState(
        name=spec["name"],
        asked=resources_of(spec.get("resources")),
        running=None if running is None else resources_of(running).requests,
        used=used,
        restarts=frozenset(resource for resource in RESOURCES if resource in restarts),
    )


def resources_of(document: Document | None) -> Resources:
    """Requests and limits in millicores and bytes; a limit without a request is its request, as the server defines."""
    requests, limits = (_amounts((document or {}).get(part)) for part in ("requests", "limits"))
    return Resources({**limits, **requests}, limits)


def _amounts(quantities: Mapping[str, Any] | None) -> dict[SizedResource, int]:
    found = quantities or {}
    return {
        resource: round(parse_quantity(found[resource]) / UNIT[resource]) for resource in RESOURCES if resource in found
    }


def _editor(pod: Document, containers: Sequence[str]) -> str | None:
    """Who resized a container of the pod since our last resize; None if nobody else did."""
    found = (_resized_by(pod, name, ours=False) for name in containers)
    return next((manager for manager in found if manager is not None), None)


def _resized_by(pod: Document, container: str, *, ours: bool) -> str | None:
    """The manager that owns a container's size through `resize`: we, or the first of the others."""
    path = "f:spec", "f:containers", f'k:{{"name":"{container}"}}', "f:resources"
    for entry in pod["metadata"].get("managedFields") or []:
        manager = str(entry.get("manager", "unknown"))
        mine = entry.get("subresource") == "resize" and (manager == MANAGER) == ours
        if mine and holds_path(entry.get("fieldsV1"), path):
            return manager
    return None


def _used(reader: ClusterReader, namespace: str, now: datetime) -> tuple[dict[str, dict[str, Amounts]], str | None]:
    """Usage by pod and container, and why it is not known; stale or invalid values are left out."""
    try:
        found: dict[str, dict[str, Amounts]] = {}
        for item in reader.objects(METRICS.format(namespace=namespace)):
            measured = datetime.fromisoformat(str(item["timestamp"]))
            if now - measured <= STALE:
                found[str(item["metadata"]["name"])] = {
                    str(one["name"]): _amounts(one["usage"]) for one in item["containers"]
                }
        return found, None
    except ClusterError as error:
        missing = "this cluster has no metrics.k8s.io: install metrics-server" if error.status == ABSENT else str(error)
        return {}, f"the pods' use is not known: {missing}"
    except (KeyError, TypeError, ValueError) as error:
        return {}, f"the pods' use is not known: {type(error).__name__} {error}"


def _scalers(reader: ClusterReader, namespace: str) -> dict[Name, tuple[Scaler, ...]]:
    found: dict[Name, tuple[Scaler, ...]] = {}
    for key, one in (*_hpas(reader, namespace), *_vpas(reader, namespace)):
        found[key] = (*found.get(key, ()), one)
    return found


def _hpas(reader: ClusterReader, namespace: str) -> Iterator[tuple[Name, Scaler]]:
    """HPAs that scale on utilization, a share of the request: a larger request would make them scale in."""
    for document in reader.targets(HPA, namespace):
        spec = document.get("spec") or {}
        metrics = spec.get("metrics") or []
        by = frozenset(
            resource for resource in RESOURCES if any(_by_utilization(metric, resource) for metric in metrics)
        )
        if by:
            name = document["metadata"]["name"]
            what = " and ".join(sorted(by))
            text = (
                f"HorizontalPodAutoscaler {name} scales on the utilization of {what}, which is a share of the request: "
                f"let it scale on AverageValue, or do not resize {what}"
            )
            yield _target(spec.get("scaleTargetRef")), Scaler("HeldByAutoscaler", by, text)


def _by_utilization(metric: Document, resource: str) -> bool:
    source = {"Resource": "resource", "ContainerResource": "containerResource"}.get(str(metric.get("type")), "")
    part = metric.get(source) or {}
    return part.get("name") == resource and (part.get("target") or {}).get("type") == "Utilization"


def _vpas(reader: ClusterReader, namespace: str) -> Iterator[tuple[Name, Scaler]]:
    """VPAs with any update mode but Off; none if the cluster has no VPA."""
    try:
        documents = list(reader.objects(VPAS.format(namespace=namespace)))
    except ClusterError as error:
        if error.status == ABSENT:
            return
        raise ClusterError(f"whether a VPA acts cannot be seen: {error}", error.status) from error
    for document in documents:
        spec = document.get("spec") or {}
        mode = (spec.get("updatePolicy") or {}).get("updateMode", "Recreate")
        if mode != "Off":
            name = document["metadata"]["name"]
            text = (
                f"VerticalPodAutoscaler {name} has the update mode {mode}: set it to Off, or remove scaling: vertical"
            )
            yield _target(spec.get("targetRef")), Scaler("HeldByVpa", frozenset(RESOURCES), text)


def _target(reference: Document | None) -> Name:
    found = reference or {}
    return str(found.get("kind", "Deployment")), str(found.get("name"))


def size_baseline(template: Mapping[str, Resources], now: datetime) -> str:
    """The baseline as an annotation. It is for people: a restore returns to what the template says then."""
    sizes = {name: {"requests": dict(one.requests), "limits": dict(one.limits)} for name, one in template.items()}
    return json.dumps({"containers": sizes, "noted": rfc3339(now)}, separators=(",", ":"))


def size_state(memory: SizeMemory) -> str:
    """The state that passes keep, as an annotation; unknown values are left out."""
    note: dict[str, Any] = {
        "moved": None if memory.moved_at is None else rfc3339(memory.moved_at),
        "held_since": None if memory.held_since is None else rfc3339(memory.held_since),
        "safe": {"/".join(key): amount for key, amount in memory.safe.items()},
        "used": {name: [[rfc3339(one.since), one.used] for one in kept] for name, kept in memory.used.items()},
        "rooms": {pod: [uid, dict(room)] for pod, (uid, room) in memory.rooms.items()},
        "unsupported": dict(memory.unsupported),
        "told": dict(memory.told),
    }
    return json.dumps({key: value for key, value in note.items() if value}, separators=(",", ":"))


def read_size_state(text: Any) -> SizeMemory:
    """The inverse of `size_state`. Others may have edited it: what cannot be read is ignored."""
    try:
        note = json.loads(str(text)[:LARGEST]) if text is not None else {}
        return SizeMemory(
            moved_at=_moment(note.get("moved")),
            held_since=_moment(note.get("held_since")),
            safe={_key(key): _amount(amount) for key, amount in note.get("safe", {}).items()},
            used={
                str(name): tuple(Kept(parse_time(at), _amount(used)) for at, used in kept)
                for name, kept in note.get("used", {}).items()
            },
            rooms={str(pod): (str(uid), _room(room)) for pod, (uid, room) in note.get("rooms", {}).items()},
            unsupported={str(pod): str(node) for pod, node in note.get("unsupported", {}).items()},
            told={str(pod): str(told) for pod, told in note.get("told", {}).items()},
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return NOTHING


def size_expiry(annotations: Mapping[str, Any]) -> datetime | None:
    """When the sizes expire unless they are renewed; None if that cannot be read."""
    return time_or_none(annotations.get(SIZE_EXPIRES))


def _moment(text: Any) -> datetime | None:
    return None if text is None else parse_time(str(text))


def _key(text: str) -> Any:
    container, _, resource = text.rpartition("/")
    if resource not in RESOURCES:
        raise ValueError(f"resource {resource!r}")
    return container, resource


def _room(room: Mapping[str, Any]) -> Any:
    return {name: _amount(amount) for name, amount in room.items() if name in RESOURCES}


def _amount(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError(f"amount {value!r}")
    return value
