"""Observes every workload: the object that has its floor, or why there is none, and when its metrics were measured.

The right to read when metrics were measured is an overlay (`k8s/components/metric-times`), and
`controller.metric_times` asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from capacity.cluster.annotations import BASELINE
from capacity.cluster.autoscaler import Autoscaler, made_by
from capacity.cluster.client import ABSENT, ClusterReader
from capacity.cluster.kinds import HPA, KINDS, SCALED_OBJECT, Document
from capacity.model import ClusterError, LoadModel, Owned, Replica, Target, Workload
from capacity.model.fields import time_or_none
from capacity.model.workload import TargetKind

Movers = dict[tuple[str, str], set[str]]  # kind and name of a workload -> kind/name of what moves its replicas
POD_METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"


@dataclass(frozen=True, slots=True)
class Autoscalers:
    """The autoscalers of one namespace. `scaled_objects` None: not looked for, or KEDA is not installed.

    `unseen`: why its ScaledObjects could not be listed; None where they could, or need not be.
    """

    namespace: str
    hpas: dict[str, Document] = field(default_factory=dict)
    scaled_objects: dict[str, Document] | None = None
    unseen: str | None = None
    movers: Movers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "movers", _movers(self.hpas, self.scaled_objects or {}))

    def made_from(self, scaled_object: str) -> Document | None:
        """The HPA that KEDA made of a ScaledObject."""
        owner = (SCALED_OBJECT.name, scaled_object)
        return next((hpa for hpa in self.hpas.values() if made_by(hpa) == owner), None)

    def touched(self) -> Iterable[tuple[TargetKind, Document]]:
        """Kind and document of every object with our baseline."""
        kinds: list[tuple[TargetKind, dict[str, Document]]] = [
            ("HorizontalPodAutoscaler", self.hpas),
            ("ScaledObject", self.scaled_objects or {}),
        ]
        for kind, found in kinds:
            for document in found.values():
                if made_by(document) is None and BASELINE in (document["metadata"].get("annotations") or {}):
                    yield kind, document


def other_owner(workload: Workload, document: Document, autoscalers: Autoscalers) -> tuple[Owned, str] | None:
    """Who else moves the same replicas, or made and rewrites this object, as reason and detail; None: nobody."""
    maker = made_by(document) if workload.target.kind == HPA.name else None
    if maker is not None:
        return "HeldForeignOwner", _made(*maker)
    movers = autoscalers.movers.get(scaled_by(workload, document), set())
    others = sorted(movers - {f"{workload.target.kind}/{workload.target.name}"})
    if not others:
        return None
    if workload.target.kind in (HPA.name, SCALED_OBJECT.name):
        names = ", ".join([f"{workload.target.kind}/{workload.target.name}", *others])
        return "HeldTwoOwners", f"{names} move the same replicas; keep one of them"
    return "HeldForeignOwner", f"its replicas are moved by {', '.join(others)}: name that as the target"


def _made(kind: str, name: str) -> str:
    if kind == SCALED_OBJECT.name:
        return f"made and rewritten by {kind}/{name}: set target: {{kind: {kind}, name: {name}}}"
    return f"made and rewritten by {kind}/{name}: its floor is set there, not here"


def scaled_by(workload: Workload, document: Document) -> tuple[str, str]:
    """Kind and name of the scaled object."""
    if workload.target.kind not in (HPA.name, SCALED_OBJECT.name):
        return workload.target.kind, workload.target.name
    reference = (document.get("spec") or {}).get("scaleTargetRef") or {}
    return str(reference.get("kind") or "Deployment"), str(reference.get("name"))


def _movers(hpas: dict[str, Document], scaled_objects: dict[str, Document]) -> Movers:
    """Every autoscaler by the workload it moves; an HPA that another object made counts as that object."""
    found: Movers = {}
    for kind, documents in ((HPA, hpas), (SCALED_OBJECT, scaled_objects)):
        for name, document in documents.items():
            reference = (document.get("spec") or {}).get("scaleTargetRef") or {}
            scaled = (str(reference.get("kind") or "Deployment"), str(reference.get("name")))
            maker = made_by(document) if kind is HPA else None
            found.setdefault(scaled, set()).add("/".join(maker) if maker else f"{kind.name}/{name}")
    return found


Seen = tuple[Workload, Autoscalers, Autoscaler | ClusterError]


def list_autoscalers(reader: ClusterReader, workloads: Sequence[Workload]) -> dict[str, Autoscalers | ClusterError]:
    """The autoscalers of each namespace, or why they cannot be read: one LIST per namespace page and kind in use."""
    found: dict[str, Autoscalers | ClusterError] = {}
    for namespace in dict.fromkeys(workload.namespace for workload in workloads):
        kinds = {workload.target.kind for workload in workloads if workload.namespace == namespace}
        try:
            found[namespace] = _list(reader, namespace, with_keda=kinds != {HPA.name})
        except ClusterError as error:
            found[namespace] = ClusterError(f"namespace {namespace}: {error}", error.status)
    return found


def observe_workloads(
    reader: ClusterReader,
    workloads: Sequence[Workload],
    by_namespace: dict[str, Autoscalers | ClusterError],
    now: datetime,
) -> Iterator[Seen]:
    """Each workload, the autoscalers of its namespace, and its own one, or the reason there is none."""
    for workload in workloads:
        autoscalers = by_namespace[workload.namespace]
        if isinstance(autoscalers, ClusterError):
            yield workload, Autoscalers(workload.namespace), autoscalers
            continue
        try:
            yield workload, autoscalers, read_target(reader, workload, autoscalers, now)
        except ClusterError as error:
            yield workload, autoscalers, error


def read_target(reader: ClusterReader, workload: Workload, autoscalers: Autoscalers, now: datetime) -> Autoscaler:
    """The object that has the workload's floor. Raises `ClusterError` if there is none."""
    kind, name = KINDS[workload.target.kind], workload.target.name
    if kind is not HPA and autoscalers.unseen is not None:
        raise ClusterError(autoscalers.unseen)
    if kind.scaled:
        return Autoscaler(reader.target(kind, workload.namespace, name), now, kind, limit=workload.ceiling)
    if kind is SCALED_OBJECT and autoscalers.scaled_objects is None:
        raise ClusterError("KEDA is not installed: this cluster knows no ScaledObject")
    listed = autoscalers.hpas if kind is HPA else autoscalers.scaled_objects or {}
    if name not in listed:
        names = sorted(listed)[:20]
        raise ClusterError(f"no {kind.name} {name!r} in namespace {workload.namespace}; it has {names or 'none'}")
    return Autoscaler(listed[name], now, kind, hpa=autoscalers.made_from(name) if kind is SCALED_OBJECT else None)


def forgotten(
    by_namespace: dict[str, Autoscalers | ClusterError], workloads: Sequence[Workload], now: datetime
) -> Iterator[Seen]:
    """Objects with our baseline that no workload names any more."""
    named = {(workload.namespace, workload.target.kind, workload.target.name) for workload in workloads}
    for autoscalers in by_namespace.values():
        if isinstance(autoscalers, ClusterError):
            continue
        for kind, document in autoscalers.touched():
            name = document["metadata"]["name"]
            if (autoscalers.namespace, kind, name) not in named:
                made = autoscalers.made_from(name) if kind == SCALED_OBJECT.name else None
                yield (
                    unknown_workload(autoscalers.namespace, name, kind),
                    autoscalers,
                    Autoscaler(document, now, KINDS[kind], hpa=made),
                )


def _list(reader: ClusterReader, namespace: str, *, with_keda: bool) -> Autoscalers:
    """The autoscalers of a namespace. If ScaledObjects may not be listed, its HPAs still are; 404: there is no KEDA."""
    hpas = _by_name(reader.targets(HPA, namespace))
    if not with_keda:
        return Autoscalers(namespace, hpas)
    try:
        return Autoscalers(namespace, hpas, _by_name(reader.targets(SCALED_OBJECT, namespace)))
    except ClusterError as error:
        return Autoscalers(namespace, hpas, unseen=None if error.status == ABSENT else str(error))


def _by_name(items: Iterator[Document]) -> dict[str, Document]:
    return {str(item["metadata"]["name"]): item for item in items}


def unknown_workload(namespace: str, name: str, kind: TargetKind) -> Workload:
    """A workload of which nothing is known but where it is."""
    load, replica = LoadModel(0, 0, 0, 0), Replica(1, 1)
    return Workload(namespace, name, load, replica, floor=1, ceiling=1, target=Target(name, kind))


def with_times(reader: ClusterReader, seen: Sequence[Seen]) -> list[Seen]:
    """The same targets, each with the time of the newest measurement in its namespace, where we may read it."""
    namespaces = dict.fromkeys(workload.namespace for workload, _, _ in seen)
    newest = {namespace: newest_measurement(reader, namespace) for namespace in namespaces}
    return [
        (workload, autoscalers, found if isinstance(found, ClusterError) else _timed(found, newest[workload.namespace]))
        for workload, autoscalers, found in seen
    ]


def _timed(found: Autoscaler, newest: datetime | None) -> Autoscaler:
    return replace(found, measured_at=newest)


def newest_measurement(reader: ClusterReader, namespace: str) -> datetime | None:
    """The newest time stamp of any pod's metrics; None where there is none, or we may not look."""
    try:
        stamps = [time_or_none(one.get("timestamp")) for one in reader.objects(POD_METRICS.format(namespace=namespace))]
    except ClusterError:
        return None
    return max((stamp for stamp in stamps if stamp is not None), default=None)
