"""From pods and their metrics to a number of replicas, as `replica_calculator.go` counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, inf
from typing import Literal

from capacity.model import DataError, require

DEFAULT = 0.1  # --horizontal-pod-autoscaler-tolerance


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The band around ratio 1 within which nothing moves, `down` below it and `up` above it.

    `symmetric` is the rule of Kubernetes before 1.33 (KEP-4951): ``|1 - ratio| <= up``. The two differ where floating
    point does: at a target of 80, utilization 88 was acted on before and is tolerated now.

    >>> Tolerance().holds(88 / 80), Tolerance(symmetric=True).holds(88 / 80)
    (True, False)
    """

    down: float = DEFAULT
    up: float = DEFAULT
    symmetric: bool = False

    def __post_init__(self) -> None:
        require(self.down >= 0 and self.up >= 0, "tolerances must be >= 0, got {} and {}", self.down, self.up)
        require(not self.symmetric or self.down == self.up, "the older rule has one tolerance, got {}", self)

    def holds(self, ratio: float) -> bool:
        """Whether this ratio of usage to target moves nothing."""
        if self.symmetric:
            return abs(1.0 - ratio) <= self.up
        return 1.0 - self.down <= ratio <= 1.0 + self.up


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


WHOLE = 100  # percent


class MetricInvalidError(DataError):
    """The metric gives no number: nothing to measure, or no request to measure it by."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for, and the reading that status shows: percent for Utilization, milli-units otherwise."""

    replicas: int
    reading: int


@dataclass(frozen=True, slots=True)
class Question:
    """What the calculator knows beside the pods: replicas in the spec, the band, the flags, the time."""

    replicas: int
    tolerance: Tolerance
    readiness: Readiness
    now: datetime


def utilization_replicas(pods: Sequence[Pod], target: int, asked: Question, *, cpu: bool = True) -> Proposal:
    """Replicas for a target of utilization, in whole percent of the request.

    ``utilization = trunc(100 x usage / request)`` over the counted pods, ``ceil(utilization / target x pods)``. On the
    way down a pod without a sample counts as using all it requests (or the target above 100 %), on the way up as 0.

    Raises `MetricInvalidError` where no pod has a sample that counts, or any pod lacks a request.
    """
    groups = _groups(pods, asked, cpu=cpu)
    if any(pod.request is None for pod in pods):
        raise MetricInvalidError("missing request: the utilization of a pod without one is unknown")
    counted = [(_known(pod.usage), _known(pod.request)) for pod in groups.counted]
    reading = _utilization(counted)
    ratio = reading / target
    if ratio < 1.0:
        share = max(WHOLE, target)
        counted += [(_known(pod.request) * share // WHOLE, _known(pod.request)) for pod in groups.missing]
    elif ratio > 1.0:
        counted += [(0, _known(pod.request)) for pod in (*groups.missing, *groups.unready)]
    second = _utilization(counted) / target
    return Proposal(_replicas(ratio, second, len(counted), groups, asked), reading)


def average_replicas(pods: Sequence[Pod], target: int, asked: Question, *, cpu: bool = True) -> Proposal:
    """Replicas for a target of the mean over pods (AverageValue of a resource, or a Pods metric), in milli-units.

    On the way down a pod without a sample counts as at its target, on the way up as 0.

    Raises `MetricInvalidError` where no pod has a sample that counts.
    """
    groups = _groups(pods, asked, cpu=cpu)
    counted = [_known(pod.usage) for pod in groups.counted]
    reading = _mean(counted)
    ratio = reading / target
    if ratio < 1.0:
        counted += [target for _ in groups.missing]
    elif ratio > 1.0:
        counted += [0 for _ in (*groups.missing, *groups.unready)]
    second = _mean(counted) / target
    return Proposal(_replicas(ratio, second, len(counted), groups, asked), reading)


def value_replicas(total: int, target: int, pods: Sequence[Pod], asked: Question) -> Proposal:
    """Replicas for an Object or External metric with a target of type Value, in milli-units.

    ``ceil(total / target x ready pods)``; from 0 replicas ``ceil(total / target)`` without a tolerance.
    """
    ratio = total / target
    if asked.replicas == 0:
        return Proposal(ceil(ratio), total)
    if asked.tolerance.holds(ratio):
        return Proposal(asked.replicas, total)
    if not pods:
        raise MetricInvalidError("no pods returned by selector while calculating replica count")
    ready = sum(pod.phase == "Running" and pod.ready is True for pod in pods)
    return Proposal(ceil(ratio * ready), total)


def shared_replicas(total: int, target: int, running: int, tolerance: Tolerance) -> Proposal:
    """Replicas for an Object or External metric with a target of type AverageValue, in milli-units.

    `running` are the replicas in the scale's status. Within tolerance they stay; otherwise ``ceil(total / target)``.
    """
    share = target * float(running)
    ratio = total / share if share else inf if total else float("nan")
    replicas = running if tolerance.holds(ratio) else ceil(total / target)
    return Proposal(replicas, ceil(total / running) if running else total)


def _groups(pods: Sequence[Pod], asked: Question, *, cpu: bool) -> PodGroups:
    if not pods:
        raise MetricInvalidError("no pods returned by selector while calculating replica count")
    groups = group_pods(pods, cpu=cpu, readiness=asked.readiness, now=asked.now)
    if not groups.counted:
        raise MetricInvalidError("did not receive metrics for targeted pods (pods might be unready)")
    return groups


def _replicas(ratio: float, second: float, counted: int, groups: PodGroups, asked: Question) -> int:
    """The first ratio where every pod was measured; else the second, unless it is in doubt which way to go."""
    guessed = bool(groups.missing) or (bool(groups.unready) and ratio > 1.0)
    if not guessed:
        return asked.replicas if asked.tolerance.holds(ratio) else ceil(ratio * len(groups.counted))
    turned = (ratio < 1.0 < second) or (second < 1.0 < ratio)
    if asked.tolerance.holds(second) or turned:
        return asked.replicas
    replicas = ceil(second * counted)
    against = (second < 1.0 and replicas > asked.replicas) or (second > 1.0 and replicas < asked.replicas)
    return asked.replicas if against else replicas


def _utilization(counted: Sequence[tuple[int, int]]) -> int:
    usage, request = sum(used for used, _ in counted), sum(asked for _, asked in counted)
    if request == 0:
        raise MetricInvalidError("no metrics returned matched known pods")
    return usage * WHOLE // request


def _mean(counted: Sequence[int]) -> int:
    return sum(counted) // len(counted)


def _known(quantity: int | None) -> int:
    if quantity is None:
        raise MetricInvalidError("a pod that is counted has a sample and a request")
    return quantity
