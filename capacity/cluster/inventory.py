"""Lists the workloads behind a cluster's autoscalers: bounds, requests, limits, start times of pods. It only reads."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from capacity.cluster.annotations import read_notes
from capacity.cluster.client import MANAGER, PODS
from capacity.cluster.kinds import HPA
from capacity.cluster.ownership import NOTHING, advice, owners
from capacity.cluster.start_times import Starts, read_starts
from capacity.model import ClusterError
from capacity.model.fields import parse_quantity

ALL_HPAS = "/apis/autoscaling/v2/horizontalpodautoscalers"
HPAS = "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
Scaled = Literal["Deployment", "StatefulSet", "Rollout"]
SCALED: dict[Scaled, str] = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets",
    "Rollout": "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts",  # Argo Rollouts', where it is installed
}

PODS_LIKE: dict[Scaled, Literal["Deployment", "StatefulSet"]] = {
    "Deployment": "Deployment",
    "StatefulSet": "StatefulSet",
    "Rollout": "Deployment",  # the pods of a Rollout are named as those of a Deployment
}

Document = Mapping[str, Any]
Key = tuple[str, str]  # kind and name


class ObjectReader(Protocol):
    """Lists objects by their path; `ClusterReader` does."""

    def objects(self, path: str) -> Iterable[Document]:
        """Every object of a collection."""


@dataclass(frozen=True, slots=True)
class FoundWorkload:
    """An autoscaler and its workload, as they are in the cluster. Amounts are per replica; None if not set."""

    namespace: str
    autoscaler: str
    kind: Scaled
    name: str
    floor: int
    ceiling: int
    managed: bool = False  # `capacity` moves its floor already: `floor` is the one from before
    container: str | None = None  # the only one that the autoscaler looks at; requests and limits are then its own
    owner: str | None = None  # what the tool that set the floor does at its next run, and what to change there
    keda: bool = False  # `autoscaler` is a ScaledObject, which makes and rewrites the HPA
    replicas: int = 0
    utilization: int | None = None  # percent of the CPU request that the autoscaler aims at
    requests: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    starts: Starts = field(default_factory=Starts)

    @property
    def pods_like(self) -> Literal["Deployment", "StatefulSet"]:
        """The kind that determines how its pods are named."""
        return PODS_LIKE[self.kind]


@dataclass(frozen=True, slots=True)
class Inventory:
    """The workloads to plan for, and those left out, with the reason."""

    found: tuple[FoundWorkload, ...]
    left_out: tuple[str, ...]


def read_inventory(reader: ObjectReader, chosen: Iterable[str], now: datetime) -> Inventory:
    """Read the autoscalers of these namespaces, or of all if none is given. Raises `ClusterError`."""
    paths = [HPAS.format(namespace=namespace) for namespace in chosen] or [ALL_HPAS]
    autoscalers = [document for path in paths for document in reader.objects(path)]
    kinds = {str(_target(one).get("kind")) for one in autoscalers}
    namespaces = sorted({_meta(one, "namespace") for one in autoscalers})
    rooms = {name: _Room.read(reader, name, now, kinds) for name in namespaces}
    found: list[FoundWorkload] = []
    left_out: list[str] = []
    for document in sorted(autoscalers, key=lambda one: (_meta(one, "namespace"), _meta(one, "name"))):
        one = _look(document, rooms[_meta(document, "namespace")])
        if isinstance(one, str):
            left_out.append(one)
        elif any((other.namespace, other.name) == (one.namespace, one.name) for other in found):
            left_out.append(f"{one.namespace}/{one.autoscaler}: another autoscaler has a workload named {one.name} too")
        else:
            found.append(one)
    return Inventory(tuple(found), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Room:
    """A namespace: the objects that its autoscalers may scale, and the start times of its pods."""

    scaled: Mapping[tuple[Scaled, str], Document]
    starts: Mapping[Key, Starts]

    @classmethod
    def read(cls, reader: ObjectReader, namespace: str, now: datetime, kinds: Container[str]) -> _Room:
        scaled = {
            (kind, _meta(one, "name")): one
            for kind, path in SCALED.items()
            if kind != "Rollout" or kind in kinds  # most clusters do not know that kind
            for one in reader.objects(path.format(namespace=namespace))
        }
        try:
            starts = read_starts(reader.objects(PODS.format(namespace=namespace)), now)
        except ClusterError as error:
            if error.status is None:
                raise
            starts = {}  # not ours to see: lead times stay `auto`
        return cls(scaled, starts)


def _look(document: Document, room: _Room) -> FoundWorkload | str:
    """The workload of an autoscaler, or why it is left out."""
    where = f"{_meta(document, 'namespace')}/{_meta(document, 'name')}"
    maker = _maker(document)
    if maker and maker.get("kind") != "ScaledObject":
        return f"{where}: made and rewritten by {maker.get('kind')} {maker.get('name')}: its floor is set there"
    target = _target(document)
    kind = next((kind for kind in SCALED if kind == target.get("kind")), None)
    if kind is None:
        return f"{where}: scales a {target.get('kind')}; expected a Deployment, a StatefulSet or a Rollout"
    key = (kind, str(target.get("name")))
    if key not in room.scaled:
        return f"{where}: scales {kind} {key[1]}, which is not there"
    return _found(document, key, room)


def _target(document: Document) -> Document:
    return (document.get("spec") or {}).get("scaleTargetRef") or {}


def _maker(document: Document) -> Document:
    """The controller that made the autoscaler and rewrites it; nothing if a person made it."""
    owners = (document.get("metadata") or {}).get("ownerReferences") or []
    return next((one for one in owners if one.get("controller")), {})


def _found(document: Document, key: tuple[Scaled, str], room: _Room) -> FoundWorkload:
    """The workload, from the autoscaler, the object that it scales, and its pods."""
    spec, scales, maker = document.get("spec") or {}, room.scaled[key], _maker(document)
    only, utilization = _cpu_target(spec)
    containers = [one for one in _containers(scales) if only is None or one.get("name") == only]
    baseline = _baseline_floor(document)
    return FoundWorkload(
        namespace=_meta(document, "namespace"),
        autoscaler=str(maker.get("name") or _meta(document, "name")),
        keda=bool(maker),
        kind=key[0],
        name=key[1],
        floor=max(1, int(spec.get("minReplicas", 1)) if baseline is None else baseline),
        managed=baseline is not None,
        container=only,
        owner=_floor_owner(document),
        ceiling=int(spec["maxReplicas"]),
        replicas=int((scales.get("status") or {}).get("readyReplicas") or 0),
        utilization=utilization,
        requests=_summed([_requested(one) for one in containers]),
        limits=_summed([_resources(one, "limits") for one in containers]),
        starts=room.starts.get((PODS_LIKE[key[0]], key[1]), Starts()),
    )


def _floor_owner(document: Document) -> str | None:
    """The tool that set the floor; None if nobody did, or a person by hand."""
    found = [one for one in owners(dict(document), HPA.floor_path) if one.manager != MANAGER]
    told = advice(found[0], HPA, _meta(document, "name")) if found else None
    return None if told is None or told.cure == NOTHING else str(told)


def _baseline_floor(document: Document) -> int | None:
    """The floor before `capacity` first moved it; None if it never did."""
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    try:
        baseline = read_notes(annotations, _meta(document, "name")).baseline
    except ClusterError:
        return None
    return None if baseline is None else baseline.floor or 1


def _containers(scales: Document) -> Iterator[Document]:
    """The containers that run at the same time, including sidecars (init containers that keep running)."""
    pod = ((scales.get("spec") or {}).get("template") or {}).get("spec") or {}
    yield from pod.get("containers") or []
    yield from (one for one in pod.get("initContainers") or [] if one.get("restartPolicy") == "Always")


def _requested(container: Document) -> Document:
    """The effective requests of a container: a limit without a request is also its request."""
    return {**_resources(container, "limits"), **_resources(container, "requests")}


def _resources(container: Document, what: str) -> Document:
    return (container.get("resources") or {}).get(what) or {}


def _summed(given: Sequence[Document]) -> dict[str, float]:
    """CPU in cores and memory in bytes of all containers; a resource that any of them does not set is left out."""
    return {
        resource: sum(parse_quantity(one[resource]) for one in given)
        for resource in ("cpu", "memory")
        if given and all(resource in one for one in given)
    }


def _cpu_target(spec: Document) -> tuple[str | None, int | None]:
    """The container that the autoscaler measures (None: all), and its target in percent of the CPU request."""
    for metric in spec.get("metrics") or []:
        resource = metric.get("resource") or metric.get("containerResource") or {}
        target = (resource.get("target") or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and target is not None:
            return resource.get("container"), int(target)
    return None, None


def _meta(document: Document, key: str) -> str:
    return str((document.get("metadata") or {}).get(key))
