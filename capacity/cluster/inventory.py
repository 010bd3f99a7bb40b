"""What a cluster runs behind its autoscalers: bounds, requests, limits and how long pods take to start. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from capacity.cluster.start_times import PODS, Starts, read_starts
from capacity.model import ClusterError
from capacity.model.fields import parse_quantity

ALL_HPAS = "/apis/autoscaling/v2/horizontalpodautoscalers"
HPAS = "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
Scaled = Literal["Deployment", "StatefulSet"]
SCALED: dict[Scaled, str] = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets",
}

Document = Mapping[str, Any]
Key = tuple[str, str]  # kind and name


class ObjectReader(Protocol):
    """What lists objects by their path: `ClusterReader` does."""

    def objects(self, path: str) -> Iterable[Document]:
        """Every object of a collection."""


@dataclass(frozen=True, slots=True)
class FoundWorkload:
    """An autoscaler and what it scales, as the cluster has them. Amounts are per replica; None where nothing is set."""

    namespace: str
    autoscaler: str
    kind: Scaled
    name: str
    floor: int
    ceiling: int
    keda: bool = False  # `autoscaler` is a ScaledObject, which makes and rewrites the HPA
    replicas: int = 0
    utilization: int | None = None  # percent of the CPU request that the autoscaler aims at
    requests: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    starts: Starts = field(default_factory=Starts)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What can be planned for, and what was left out with the reason."""

    found: tuple[FoundWorkload, ...]
    left_out: tuple[str, ...]


def read_inventory(reader: ObjectReader, namespaces: Iterable[str], now: datetime) -> Inventory:
    """Look at the autoscalers of these namespaces, or of all where none is given. Raises `ClusterError`."""
    paths = [HPAS.format(namespace=namespace) for namespace in namespaces] or [ALL_HPAS]
    autoscalers = [document for path in paths for document in reader.objects(path)]
    rooms = {name: _Room.read(reader, name, now) for name in sorted({_meta(one, "namespace") for one in autoscalers})}
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
    """A namespace: what its autoscalers may scale, and the starts of its pods."""

    scaled: Mapping[tuple[Scaled, str], Document]
    starts: Mapping[Key, Starts]

    @classmethod
    def read(cls, reader: ObjectReader, namespace: str, now: datetime) -> _Room:
        scaled = {
            (kind, _meta(one, "name")): one
            for kind, path in SCALED.items()
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
    """An autoscaler as a workload, or why it is left out."""
    where = f"{_meta(document, 'namespace')}/{_meta(document, 'name')}"
    maker = _maker(document)
    if maker and maker.get("kind") != "ScaledObject":
        return f"{where}: made and rewritten by {maker.get('kind')} {maker.get('name')}: its floor is set there"
    target = (document.get("spec") or {}).get("scaleTargetRef") or {}
    kind = next((kind for kind in SCALED if kind == target.get("kind")), None)
    if kind is None:
        return f"{where}: scales a {target.get('kind')}; expected a Deployment or a StatefulSet"
    key = (kind, str(target.get("name")))
    if key not in room.scaled:
        return f"{where}: scales {kind} {key[1]}, which is not there"
    return _found(document, key, room)


def _maker(document: Document) -> Document:
    """Who made the autoscaler and rewrites it; nothing where a person did."""
    owners = (document.get("metadata") or {}).get("ownerReferences") or []
    return next((one for one in owners if one.get("controller")), {})


def _found(document: Document, key: tuple[Scaled, str], room: _Room) -> FoundWorkload:
    """What the autoscaler, what it scales and the pods of that say together."""
    spec, scales, maker = document.get("spec") or {}, room.scaled[key], _maker(document)
    containers = list(_containers(scales))
    limits = _summed(containers, "limits")
    return FoundWorkload(
        namespace=_meta(document, "namespace"),
        autoscaler=str(maker.get("name") or _meta(document, "name")),
        keda=bool(maker),
        kind=key[0],
        name=key[1],
        floor=max(1, int(spec.get("minReplicas", 1))),
        ceiling=int(spec["maxReplicas"]),
        replicas=int((scales.get("status") or {}).get("readyReplicas") or 0),
        utilization=_utilization(spec),
        requests={**limits, **_summed(containers, "requests")},  # what has a limit only requests that much
        limits=limits,
        starts=room.starts.get(key, Starts()),
    )


def _containers(scales: Document) -> Iterator[Document]:
    """The containers that run beside each other: init containers that stay (sidecars) are among them."""
    pod = ((scales.get("spec") or {}).get("template") or {}).get("spec") or {}
    yield from pod.get("containers") or []
    yield from (one for one in pod.get("initContainers") or [] if one.get("restartPolicy") == "Always")


def _summed(containers: Iterable[Document], what: str) -> dict[str, float]:
    """CPU in cores and memory in bytes of all containers; a resource that one of them leaves open is left out."""
    given = [(one.get("resources") or {}).get(what) or {} for one in containers]
    return {
        resource: sum(parse_quantity(one[resource]) for one in given)
        for resource in ("cpu", "memory")
        if given and all(resource in one for one in given)
    }


def _utilization(spec: Document) -> int | None:
    for metric in spec.get("metrics") or []:
        resource = metric.get("resource") or {}
        target = (resource.get("target") or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and target is not None:
            return int(target)
    return None


def _meta(document: Document, key: str) -> str:
    return str((document.get("metadata") or {}).get(key))
