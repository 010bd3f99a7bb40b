"""What a pass sees of pods that are resized in place, what it remembers of them, and what it decides for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from capacity.model.errors import require, require_aware
from capacity.model.observation import Wishes
from capacity.model.pod_size import SizedResource, SizeKey

Amounts = Mapping[SizedResource, int]  # millicores and bytes

SizeFollowed = Literal["AsPlanned", "DemandRising", "DemandFalling"]
SizeClamp = Literal["StepDown", "MemoryKept", "UsageNeeds", "MaxReached", "LimitReached", "QosKept"]
SizeWish = Literal["Excluded", "Frozen", "HeldUnclearWish", "SwitchedOff", "HeldChangeWindow", "HeldClockSkew"]
SizePlanless = Literal["HeldNoPlan", "HeldPlanNotStarted", "HeldPlanExpired", "PlanExpired", "HeldByOtherWriter"]
SizeDoubt = Literal["HeldNoMetrics", "HeldTrafficVanished", "HeldEdited"]  # it may not come down
SizeOwned = Literal["HeldByAutoscaler", "HeldByVpa"]  # somebody else scales by this request, or sets it
Kubelet = Literal["ResizeDeferred", "ResizeInfeasible", "NoResizeSupport", "RestartRefused", "RestartInTurn"]
SizeGiven = Literal["Restored", "Restoring", "NothingToRestore"]
SizeReason = Literal[
    SizeFollowed, SizeClamp, SizeWish, SizePlanless, SizeDoubt, SizeOwned, Kubelet, SizeGiven
]  # meanings: docs/plan-file.md
SIZE_REASONS: tuple[SizeReason, ...] = get_args(SizeReason)

SHOWN = 200  # characters of what was reported of a pod


@dataclass(frozen=True, slots=True)
class Resources:
    """Requests and limits of one container; what is not set is not there."""

    requests: Amounts = field(default_factory=dict)
    limits: Amounts = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = [*self.requests.values(), *self.limits.values()]
        require(all(value >= 0 for value in values), "requests and limits must be >= 0, got {}", values)


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container of a pod: what its spec asks for, what runs, what it uses, and which change restarts it.

    `running`: requests that are in force. None: the kubelet has not said. `used`: empty where it is not measured.
    """

    name: str
    asked: Resources
    running: Amounts | None = None
    used: Amounts = field(default_factory=dict)
    restarts: frozenset[SizedResource] = frozenset()


@dataclass(frozen=True, slots=True)
class PodState:
    """One running pod; `containers` holds all of them, init containers as well, since all make its QoS class.

    `pending`: why the kubelet has not begun with its new size, in `message`; None where it has, or none is asked for.
    `unseen`: whether the kubelet has not even looked at it.
    `room`: what the whole pod may request on its node, as far as the kubelet said. `edited_by`: who resized it since.
    `ours`: the containers that we resized. `version`: the resourceVersion that all of this is of.
    """

    name: str
    uid: str
    node: str
    containers: tuple[ContainerState, ...]
    ready: bool = True
    pending: Literal["Deferred", "Infeasible"] | None = None
    message: str = ""
    progressing: bool = False
    unseen: bool = False
    room: Amounts = field(default_factory=dict)
    edited_by: str | None = None
    ours: frozenset[str] = frozenset()
    version: str = field(default="", compare=False)

    @property
    def busy(self) -> bool:
        """Whether it is not serving, or a resize is under way."""
        return not self.ready or self.progressing or self.pending is not None

    @property
    def may_restart_soon(self) -> bool:
        """Whether it is not serving, or may soon not be: then no other pod of its owner is restarted."""
        return self.busy or self.unseen

    @property
    def unsupported(self) -> str:
        """Why it stays as it is where its node cannot resize."""
        return f"node {self.node} does not support resizes in place"


@dataclass(frozen=True, slots=True)
class Kept:
    """The highest use of a container's memory in the hours from `since` on, in bytes."""

    since: datetime
    used: int


@dataclass(frozen=True, slots=True)
class SizeMemory:
    """What earlier passes noted on the owner of the pods.

    `moved_at`: our last resize. `safe`: sizes of the last plan that was read. `held_since`: since when there is none.
    `used`: memory in use by container. `rooms`: by pod its uid and what fits on its node. `unsupported`: by pod its uid
    where its node cannot resize. `told`: by pod what was reported of it last.
    """

    moved_at: datetime | None = None
    safe: Mapping[SizeKey, int] = field(default_factory=dict)
    held_since: datetime | None = None
    used: Mapping[str, tuple[Kept, ...]] = field(default_factory=dict)
    rooms: Mapping[str, tuple[str, Amounts]] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("moved_at", "held_since"):
            moment = getattr(self, name)
            if moment is not None:
                require_aware(name, moment)


@dataclass(frozen=True, slots=True)
class ObservedPods:
    """The running pods of one workload, and what their owner says.

    Parameters
    ----------
    pods : tuple of PodState
        Running pods, in the order of their names.
    template : mapping of str to Resources
        Each container as the owner's template has it.
    blind : str or None
        Why usage is not known. Default none: it is.
    refusal : tuple of (str, str) or None
        Reason and detail where an autoscaler acts on what would be resized. Default none.
    wishes : Wishes
        What people wrote on the owner. Default nothing.
    memory : SizeMemory
        What earlier passes noted on the owner. Default nothing.
    touched : bool
        Whether it carries our baseline. Default no.

    Examples
    --------
    >>> ObservedPods((), {}).touched
    False
    """

    pods: tuple[PodState, ...]
    template: Mapping[str, Resources]
    blind: str | None = None
    refusal: tuple[SizeReason, str] | None = None
    wishes: Wishes = field(default_factory=Wishes)
    memory: SizeMemory = field(default_factory=SizeMemory)
    touched: bool = False

    def cpu_used(self) -> int | None:
        """Millicores that all pods use together; None where not every pod is measured."""
        used = [sum(one.used.get("cpu", 0) for one in pod.containers) for pod in self.pods if _measured(pod)]
        return sum(used) if used and len(used) == len(self.pods) else None


def _measured(pod: PodState) -> bool:
    return any("cpu" in one.used for one in pod.containers)


@dataclass(frozen=True, slots=True)
class PodDecision:
    """What one pod's containers are to request and be limited to, why, and whether somebody should look.

    `resources`: every container that changes, whole. `news`: whether the reason was not reported before.
    """

    pod: PodState
    resources: Mapping[str, Resources]
    reason: SizeReason
    detail: str = ""
    held: bool = False
    news: bool = False

    def __post_init__(self) -> None:
        require(self.reason in SIZE_REASONS, "a decision needs a reason that is known, got {!r}", self.reason)

    @property
    def changes(self) -> bool:
        """Whether the pod is to be patched."""
        return bool(self.resources)

    @property
    def told(self) -> str:
        """What is noted of it, so that it is reported once."""
        return f"{self.reason} {self.detail}"[:SHOWN]


@dataclass(frozen=True, slots=True)
class SizeDecision:
    """The decision for each pod of a workload, and what to note on their owner (`notes`: whether it must be)."""

    pods: tuple[PodDecision, ...]
    memory: SizeMemory
    notes: bool = False
    reason: SizeReason = "AsPlanned"
    detail: str = ""
    held: bool = False

    @property
    def changes(self) -> bool:
        """Whether any pod is to be patched."""
        return any(one.changes for one in self.pods)
