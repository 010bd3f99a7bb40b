"""Pods as the HPA sees them, and which of their samples it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from capacity.domain import require

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of the workload with its newest sample of one metric; requests and usage in milli-units.

    `ready` None: the pod has no Ready condition. `started` None: no start time yet. `usage` None: no sample. `request`
    None: a container without a request. For a metric of one container both are that container's.
    """

    phase: Phase = "Running"
    deleting: bool = False
    ready: bool | None = True
    started: datetime | None = None
    transition: datetime | None = None
    request: int | None = None
    usage: int | None = None
    sampled: datetime | None = None
    window: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        require(self.ready is None or self.transition is not None, "a Ready condition carries its transition time")
        require(self.usage is None or self.sampled is not None, "a sample carries its time")


@dataclass(frozen=True, slots=True)
class Readiness:
    """When a young pod's CPU counts: the two flags of kube-controller-manager."""

    cpu_initialization: timedelta = timedelta(minutes=5)
    initial_delay: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class PodGroups:
    """Pods by what the HPA does with them: `counted`, `unready` (0 on the way up), `missing` a sample.

    Deleted and failed pods are in none of the groups.
    """

    counted: tuple[Pod, ...]
    unready: tuple[Pod, ...]
    missing: tuple[Pod, ...]


def group_pods(pods: Sequence[Pod], *, cpu: bool, readiness: Readiness, now: datetime) -> PodGroups:
    """Sort the pods. Readiness is judged for CPU alone: a starting pod burns CPU, its memory is what it is."""
    counted, unready, missing = [], [], []
    for pod in pods:
        if pod.deleting or pod.phase == "Failed":
            continue
        if pod.phase == "Pending":
            unready.append(pod)
        elif pod.usage is None:
            missing.append(pod)
        elif cpu and _is_unready(pod, readiness, now):
            unready.append(pod)
        else:
            counted.append(pod)
    return PodGroups(tuple(counted), tuple(unready), tuple(missing))


def _is_unready(pod: Pod, readiness: Readiness, now: datetime) -> bool:
    """Young: unready, or its sample does not lie whole after the last change. Older: it has never been ready."""
    if pod.ready is None or pod.started is None or pod.transition is None or pod.sampled is None:
        return True
    if pod.started + readiness.cpu_initialization > now:
        return not pod.ready or pod.sampled < pod.transition + pod.window
    return not pod.ready and pod.started + readiness.initial_delay > pod.transition
