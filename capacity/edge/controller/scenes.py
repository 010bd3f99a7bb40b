"""Observe: every workload with the object that holds its floor, or with what stands in its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from capacity.domain import ClusterError, LoadModel, Replica, Target, Workload
from capacity.domain.workload import TargetKind
from capacity.edge.cluster.client import ABSENT, ClusterReader
from capacity.edge.cluster.kinds import HPA, KINDS, SCALED_OBJECT, Document
from capacity.edge.controller.targets.autoscaler import Autoscaler
from capacity.edge.controller.targets.owners import Scene

Seen = tuple[Workload, Scene, Autoscaler | ClusterError]


def read_scenes(reader: ClusterReader, workloads: Sequence[Workload]) -> dict[str, Scene | ClusterError]:
    """The autoscalers of each namespace, or why they cannot be read: one LIST per namespace page and kind in use."""
    found: dict[str, Scene | ClusterError] = {}
    for namespace in dict.fromkeys(workload.namespace for workload in workloads):
        kinds = {workload.target.kind for workload in workloads if workload.namespace == namespace}
        try:
            found[namespace] = _scene(reader, namespace, with_keda=kinds != {HPA.name})
        except ClusterError as error:
            found[namespace] = ClusterError(f"namespace {namespace}: {error}", error.status)
    return found


def look(
    reader: ClusterReader, workloads: Sequence[Workload], scenes: dict[str, Scene | ClusterError], now: datetime
) -> Iterator[Seen]:
    """Each workload, its scene, and its object, or the reason there is none."""
    for workload in workloads:
        scene = scenes[workload.namespace]
        if isinstance(scene, ClusterError):
            yield workload, Scene(workload.namespace), scene
            continue
        try:
            yield workload, scene, read_target(reader, workload, scene, now)
        except ClusterError as error:
            yield workload, scene, error


def read_target(reader: ClusterReader, workload: Workload, scene: Scene, now: datetime) -> Autoscaler:
    """The object that holds the workload's floor. Raises `ClusterError` where there is none."""
    kind, name = KINDS[workload.target.kind], workload.target.name
    if kind is not HPA and scene.unseen is not None:
        raise ClusterError(scene.unseen)
    if kind.scaled:
        return Autoscaler(reader.target(kind, workload.namespace, name), now, kind, limit=workload.ceiling)
    if kind is SCALED_OBJECT and scene.scaled_objects is None:
        raise ClusterError("KEDA is not installed: this cluster knows no ScaledObject")
    listed = scene.hpas if kind is HPA else scene.scaled_objects or {}
    if name not in listed:
        names = sorted(listed)[:20]
        raise ClusterError(f"no {kind.name} {name!r} in namespace {workload.namespace}; it has {names or 'none'}")
    return Autoscaler(listed[name], now, kind, hpa=scene.made_from(name) if kind is SCALED_OBJECT else None)


def forgotten(scenes: dict[str, Scene | ClusterError], workloads: Sequence[Workload], now: datetime) -> Iterator[Seen]:
    """Objects that carry our baseline though no workload names them any more."""
    named = {(workload.namespace, workload.target.kind, workload.target.name) for workload in workloads}
    for scene in scenes.values():
        if isinstance(scene, ClusterError):
            continue
        for kind, document in scene.touched():
            name = document["metadata"]["name"]
            if (scene.namespace, kind, name) not in named:
                made = scene.made_from(name) if kind == SCALED_OBJECT.name else None
                yield _nobody(scene.namespace, name, kind), scene, Autoscaler(document, now, KINDS[kind], hpa=made)


def _scene(reader: ClusterReader, namespace: str, *, with_keda: bool) -> Scene:
    """A namespace whose ScaledObjects may not be listed still shows its HPAs; 404: the cluster knows no such kind."""
    hpas = _by_name(reader.targets(HPA, namespace))
    if not with_keda:
        return Scene(namespace, hpas)
    try:
        return Scene(namespace, hpas, _by_name(reader.targets(SCALED_OBJECT, namespace)))
    except ClusterError as error:
        return Scene(namespace, hpas, unseen=None if error.status == ABSENT else str(error))


def _by_name(items: Iterator[Document]) -> dict[str, Document]:
    return {str(item["metadata"]["name"]): item for item in items}


def _nobody(namespace: str, name: str, kind: TargetKind) -> Workload:
    """A workload of which nothing is known but where it is."""
    load, replica = LoadModel(0, 0, 0, 0), Replica(1, 1)
    return Workload(namespace, name, load, replica, floor=1, ceiling=1, target=Target(name, kind))
