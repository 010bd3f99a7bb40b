"""Nodes that stand ready before pods need them: how a workload asks for them, and the plan of them over time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from capacity.model.errors import require, require_aware
from capacity.model.fields import NAME, STRICT, AutoLeadTime, LeadTime, Share, parse_duration
from capacity.model.observation import Wishes

BufferKind = Literal["CapacityBuffer", "placeholder"]
ACTIVE = "buffer.x-k8s.io/active-capacity"
# From a pod that fits on no node to a node that is Ready, of a managed cluster; used where nothing else is known.
ASSUMED_NODE_LEAD_TIME = AutoLeadTime(minutes=4)
QUALIFIED = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"  # a label's name


def _node_lead_time(value: object) -> timedelta:
    return ASSUMED_NODE_LEAD_TIME if value == "auto" else parse_duration(value)


@dataclass(frozen=True, slots=True)
class HeadroomRules:
    """How nodes are kept ready for a workload; in capacity.yaml its block `headroom:`.

    Parameters
    ----------
    buffer : {"CapacityBuffer", "placeholder"}
        What keeps the nodes: an object that the node autoscaler serves, or a Deployment of pause pods that real pods
        preempt. Default "CapacityBuffer".
    level : float
        Quantile of demand for which nodes are ready, in (0, 1). Default 0.95.
    lead_time : timedelta
        From a pod that fits on no node to a node that is Ready. Default 4 minutes; in capacity.yaml `auto`, which
        learns it from the nodes where they can be read.
    group : str or None
        Workloads of one namespace that name the same group share their nodes and one buffer. Default none: a buffer of
        its own.
    strategy : str
        The provisioning strategy of the CapacityBuffer. Default active capacity.
    node_selector : mapping of str to str
        Labels of the nodes, for a group's pod template and for placeholders. Default none: any node.
    priority_class : str
        PriorityClass of placeholders, whose value must be negative. Default "capacity-placeholder".
    image : str
        Image of placeholders. Default the pause image of Kubernetes.
    standby_price : float
        What a node costs that stands ready and runs nothing, as a share of the full price, in [0, 1]; below 1 for a
        strategy with stopped nodes. Only the choice of a policy and `simulate` read it. Default 1.

    Raises
    ------
    DataError
        A value lies outside of its range.

    Examples
    --------
    >>> HeadroomRules(level=0.99).lead_time
    AutoLeadTime(seconds=240)
    """

    __pydantic_config__ = STRICT

    buffer: Annotated[
        BufferKind,
        Field(description="CapacityBuffer, or placeholder: pause pods, where the cluster has no CapacityBuffer."),
    ] = "CapacityBuffer"
    level: Annotated[
        float, Field(gt=0, lt=1, description="Quantile of demand for which nodes are ready; forecast, listed or not.")
    ] = 0.95
    lead_time: Annotated[
        LeadTime,
        BeforeValidator(_node_lead_time),
        Field(
            json_schema_extra={"default": "auto"},
            description="From a pod that fits on no node to a Ready node. auto: learned from nodes by plan "
            "--to-cluster, else from supply.node_types, else 4m.",
        ),
    ] = field(default_factory=lambda: ASSUMED_NODE_LEAD_TIME)
    group: Annotated[
        str | None,
        Field(pattern=NAME, max_length=63, description="Workloads of one namespace that share nodes and one buffer."),
    ] = None
    strategy: Annotated[
        str,
        Field(pattern=QUALIFIED, max_length=253, description="provisioningStrategy of the CapacityBuffer."),
    ] = ACTIVE
    node_selector: Annotated[
        Mapping[str, str], Field(description="Labels of the nodes, of a group's pods and of placeholders.")
    ] = field(default_factory=dict)
    priority_class: Annotated[
        str, Field(pattern=NAME, max_length=253, description="Of placeholders; its value must be negative.")
    ] = "capacity-placeholder"
    image: Annotated[str, Field(min_length=1, description="Of placeholders.")] = "registry.k8s.io/pause:3.10"
    standby_price: Annotated[
        Share,
        Field(ge=0, le=1, description="Of a node that is kept ready and runs nothing, as a share of the full price."),
    ] = 1.0

    def __post_init__(self) -> None:
        require(0 <= self.standby_price <= 1, "headroom: standby_price must lie in [0, 1], got {}", self.standby_price)
        require(0 < self.level < 1, "headroom: level must lie in (0, 1), got {}", self.level)
        require(self.lead_time >= timedelta(0), "headroom: lead_time must be >= 0, got {}", self.lead_time)


def buffer_name(workload: str, group: str | None) -> str:
    """The name of the object that keeps headroom: of a workload, or of the group whose nodes it shares.

    >>> buffer_name("web", None), buffer_name("web", "edge")
    ('capacity-web', 'capacity-group-edge')
    """
    return f"capacity-{workload}" if group is None else f"capacity-group-{group}"


@dataclass(frozen=True, slots=True)
class HeadroomChange:
    """From `offset` steps after the start on, nodes for `replicas` more pods stand ready."""

    offset: int
    replicas: int

    def __post_init__(self) -> None:
        whole = type(self.offset) is int and type(self.replicas) is int
        require(whole and self.offset >= 0 and self.replicas >= 0, "headroom is (offset, replicas) >= 0, got {}", self)


def _offset(change: HeadroomChange) -> int:
    return change.offset


@dataclass(frozen=True, slots=True)
class HeadroomNodes:
    """What the headroom takes of one type of node: the most nodes beside those that the floors fill, and their price.

    `mean`: nodes on average over the plan. `price_per_hour`: of one node.
    """

    node_type: str
    peak: int
    mean: float
    price_per_hour: float

    def __post_init__(self) -> None:
        require(self.peak >= 0 and 0 <= self.mean <= self.peak, "headroom nodes: mean must lie in [0, peak]: {}", self)
        require(0 <= self.price_per_hour < float("inf"), "headroom nodes: price must be >= 0, got {}", self)


@dataclass(frozen=True, slots=True)
class Headroom:
    """Pods for which nodes are ready beyond what is planned to run, of one workload or of a group, as changes.

    Parameters
    ----------
    start : datetime
        Start of the first step; kept in UTC.
    step : timedelta
        Length of a step.
    steps : int
        How many steps there are.
    changes : tuple of HeadroomChange
        Pods from an offset in steps on; the first at offset 0.
    level : float
        The quantile of demand for which nodes are ready.
    lead_time : timedelta
        From a pod that fits on no node to a Ready node.
    cpu_millicores, memory_bytes : int
        What one such pod requests: the workload's replica; of a group the larger of each resource.
    group : str or None
        The group whose headroom this is; the plan of its first workload holds it. Default none: the workload's own.
    members : tuple of str
        Names of the group's workloads. Default none.
    nodes : tuple of HeadroomNodes
        By each type of node that takes the pods, the cheapest first. Default none: no types are known.
    notes : tuple of str
        Sentences for the reader. Default none.

    Raises
    ------
    DataError
        A value is impossible, such as changes that do not ascend.

    Examples
    --------
    >>> day = datetime(2026, 11, 27, tzinfo=UTC)
    >>> changes = HeadroomChange(0, 2), HeadroomChange(8, 5)
    >>> ahead = Headroom(day, timedelta(hours=1), 24, changes, 0.95, timedelta(minutes=4), 500, 2**29)
    >>> ahead.between(day + timedelta(hours=7, minutes=30), day + timedelta(hours=7, minutes=40)), ahead.peak
    (2, 5)
    """

    start: datetime
    step: timedelta
    steps: int
    changes: tuple[HeadroomChange, ...]
    level: float
    lead_time: timedelta
    cpu_millicores: int
    memory_bytes: int
    group: str | None = None
    members: tuple[str, ...] = ()
    nodes: tuple[HeadroomNodes, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_aware("headroom", self.start)
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        require(self.step > timedelta(0) and self.steps > 0, "headroom: needs at least one step")
        require(0 < self.level < 1, "headroom: level must lie in (0, 1), got {}", self.level)
        require(self.lead_time >= timedelta(0), "headroom: lead_time must be >= 0, got {}", self.lead_time)
        offsets = [change.offset for change in self.changes]
        require(offsets[:1] == [0] and offsets == sorted(set(offsets)), "headroom must ascend from 0, got {}", offsets)
        require(offsets[-1] < self.steps, "headroom: a change lies beyond the last step")
        require(min(self.cpu_millicores, self.memory_bytes) > 0, "headroom: a pod must request something")

    @property
    def end(self) -> datetime:
        """The end of the last step; from here on it says nothing."""
        return self.start + self.step * self.steps

    @property
    def peak(self) -> int:
        """The most pods at once."""
        return max(change.replicas for change in self.changes)

    def between(self, begin: datetime, end: datetime) -> int | None:
        """The most pods in the steps that overlap `[begin, end]`; None where no step does."""
        if end < self.start or begin >= self.end:
            return None
        first = max(0, (begin - self.start) // self.step)
        last = min(self.steps - 1, (end - self.start) // self.step)
        low = bisect_right(self.changes, first, key=_offset) - 1
        return max(change.replicas for change in self.changes[low : bisect_right(self.changes, last, key=_offset)])


def headroom_document(one: Headroom) -> dict[str, Any]:
    """The headroom as JSON values: times RFC 3339 in UTC, durations in seconds."""
    return {
        "start": one.start.isoformat().replace("+00:00", "Z"),
        "step": round(one.step.total_seconds()),
        "steps": one.steps,
        "changes": [[change.offset, change.replicas] for change in one.changes],
        "level": one.level,
        "lead_time": round(one.lead_time.total_seconds()),
        "cpu_millicores": one.cpu_millicores,
        "memory_bytes": one.memory_bytes,
        **({} if one.group is None else {"group": one.group, "members": list(one.members)}),
        "nodes": [[kind.node_type, kind.peak, round(kind.mean, 4), kind.price_per_hour] for kind in one.nodes],
        "notes": list(one.notes),
    }


def parse_headroom(document: dict[str, Any]) -> Headroom:
    """The inverse of `headroom_document`. Raises `KeyError`, `TypeError` or `ValueError` for what is not one."""
    return Headroom(
        start=datetime.fromisoformat(document["start"]),
        step=timedelta(seconds=document["step"]),
        steps=int(document["steps"]),
        changes=tuple(HeadroomChange(*change) for change in document["changes"]),
        level=float(document["level"]),
        lead_time=timedelta(seconds=document["lead_time"]),
        cpu_millicores=int(document["cpu_millicores"]),
        memory_bytes=int(document["memory_bytes"]),
        group=document.get("group"),
        members=tuple(map(str, document.get("members", ()))),
        nodes=tuple(HeadroomNodes(*kind) for kind in document["nodes"]),
        notes=tuple(map(str, document["notes"])),
    )


HeadroomReason = Literal[
    "AsPlanned",
    "PeakAhead",
    "PeakPassed",
    "BufferNotProvisioned",
    "HeldNoPlan",
    "HeldPlanNotStarted",
    "HeldPlanExpired",
    "PlanExpired",
    "HeldEdited",
    "HeldForeignOwner",
    "NoDefinition",
    "NoPriorityClass",
    "Excluded",
    "Frozen",
    "HeldUnclearWish",
    "Restored",
]
HEADROOM_REASONS: tuple[HeadroomReason, ...] = get_args(HeadroomReason)


@dataclass(frozen=True, slots=True)
class BufferState:
    """What the cluster shows of a buffer.

    Parameters
    ----------
    replicas : int or None
        What it asks for. None: there is no such object.
    foreign : str or None
        Who made it, where we did not. Default none.
    edited : bool
        Whether somebody changed its replicas since our last write. Default no.
    wishes : Wishes
        What people wrote on it. Default nothing.
    provisioned : bool
        Whether the nodes for it stand ready. Default no.
    message : str
        What its conditions say where they do not. Default empty.
    moved_at : datetime or None
        Our last change of its replicas. Default none.
    expires : datetime or None
        When it is given back unless somebody renews it. Default none.
    refused : tuple of (str, str) or None
        Why it cannot be made at all, as reason and sentence. Default none.

    Raises
    ------
    DataError
        A count is negative.
    """

    replicas: int | None = None
    foreign: str | None = None
    edited: bool = False
    wishes: Wishes = field(default_factory=Wishes)
    provisioned: bool = False
    message: str = ""
    moved_at: datetime | None = None
    expires: datetime | None = None
    refused: tuple[HeadroomReason, str] | None = None

    def __post_init__(self) -> None:
        require(self.replicas is None or self.replicas >= 0, "a buffer has replicas >= 0, got {}", self.replicas)


@dataclass(frozen=True, slots=True)
class HeadroomDecision:
    """The pods for which nodes are to stand ready now, and why; None: no buffer is to stand."""

    replicas: int | None
    reason: HeadroomReason
    detail: str = ""
    held: bool = False

    def __post_init__(self) -> None:
        require(self.reason in HEADROOM_REASONS, "expected a reason that is known, got {!r}", self.reason)
        require(self.replicas is None or self.replicas >= 0, "headroom must be >= 0, got {}", self.replicas)
