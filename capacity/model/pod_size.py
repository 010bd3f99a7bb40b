"""The size of pods that are resized in place: how a workload asks for it, and the plan of it over time.

CPU is in millicores and memory in bytes, both whole numbers; capacity.yaml writes them as Kubernetes quantities.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from capacity.model.errors import require, require_aware
from capacity.model.fields import NAME, STRICT, Duration, Quantity, Share

SizedResource = Literal["cpu", "memory"]
SizeKey = tuple[str, SizedResource]  # container and resource
RESOURCES: tuple[SizedResource, ...] = get_args(SizedResource)
LimitRule = Literal["proportional", "fixed"]
ContainerName = Annotated[str, Field(pattern=NAME, max_length=63)]
MIB = 2**20
DEFAULT_STEP: Mapping[SizedResource, float] = {"cpu": 0.1, "memory": 128 * MIB}  # finer is churn that nobody can see
UNIT: Mapping[SizedResource, float] = {"cpu": 0.001, "memory": 1.0}  # of the whole numbers inside
LEAST_MEMORY = 4 * MIB  # bytes: no container starts in less, so a smaller number is in another unit
MOST_CORES = 10_000.0  # more than any machine has: bytes by mistake
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SizeRange:
    """The requests of one resource of a container that may be asked for: cores, or bytes.

    Parameters
    ----------
    min, max : float
        Lowest and highest request.
    step : float or None
        Requests between them are multiples of this. Default none: 100m of CPU, 128Mi of memory.

    Raises
    ------
    DataError
        `min` is above `max`, or a value is not above 0.

    Examples
    --------
    >>> SizeRange(0.5, 8).units("cpu")
    (500, 8000, 100)
    """

    __pydantic_config__ = STRICT

    min: Annotated[Quantity, Field(gt=0, description="Lowest request.")]
    max: Annotated[Quantity, Field(gt=0, description="Highest request.")]
    step: Annotated[
        Annotated[Quantity, Field(gt=0)] | None,
        Field(description="Requests are multiples of this. None: 100m of CPU, 128Mi of memory."),
    ] = None

    def __post_init__(self) -> None:
        for name in ("min", "max", "step"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), "size: {} must be > 0, got {}", name, value)
        require(self.min <= self.max, "size: min {} is above max {}", self.min, self.max)

    def units(self, resource: SizedResource) -> tuple[int, int, int]:
        """Lowest, highest and step in whole millicores or bytes."""
        step = DEFAULT_STEP[resource] if self.step is None else self.step
        low, high, by = (round(value / UNIT[resource]) for value in (self.min, self.max, step))
        return low, high, max(1, by)


@dataclass(frozen=True, slots=True)
class SizedContainer:
    """A container whose requests move; a resource that is not named stays as its template says.

    `part`: the share of the pod's demand that this container carries. None: an equal part of what the others leave.
    """

    __pydantic_config__ = STRICT

    cpu: Annotated[SizeRange | None, Field(description="Cores.")] = None
    memory: Annotated[SizeRange | None, Field(description="Bytes.")] = None
    part: Annotated[
        Share | None, Field(gt=0, le=1, description="Of the pod's demand. None: an equal part of what is left.")
    ] = None

    def __post_init__(self) -> None:
        require(self.cpu is not None or self.memory is not None, "container: expected cpu or memory, got neither")
        memory = self.memory is None or self.memory.max >= LEAST_MEMORY
        require(
            memory, "container: expected memory in bytes or as 4Gi, got a max of {}", self.memory and self.memory.max
        )
        cpu = self.cpu is None or self.cpu.max <= MOST_CORES
        require(cpu, "container: expected cpu in cores or as 500m, got a max of {}", self.cpu and self.cpu.max)
        require(self.part is None or 0 < self.part <= 1, "container: part must lie in (0, 1], got {}", self.part)

    def range_of(self, resource: SizedResource) -> SizeRange | None:
        """The range of a resource; None where it does not move."""
        return self.cpu if resource == "cpu" else self.memory


@dataclass(frozen=True, slots=True)
class Vertical:
    """How the pods of a workload are resized in place.

    Parameters
    ----------
    containers : mapping of str to SizedContainer
        The containers that are resized, by name.
    share : float or None
        Share of the workload's demand that its busiest pod carries, in (0, 1]. Default none: the demand is spread
        evenly over `floor` pods. A primary with standbys carries 100 %.
    limits : {"proportional", "fixed"}
        Whether limits keep the template's ratio to requests, as the VPA does, or stay. Default proportional.
    allow_restart : bool
        Whether a container may be restarted where its resizePolicy asks for it. Default no.
    lead_time : timedelta
        From the patch to a pod of the new size. Default 5 minutes: seconds where the node has room.
    step_down : float
        Most of a request that one change takes, as a share. Default 0.25.
    step_every : timedelta
        Least time between two changes of which the second one lowers. Default 30 minutes.
    memory_keep : timedelta
        Memory is not lowered below what was used in this time. Default 24 hours.
    memory_half_life : timedelta
        After that time, a peak of memory in use counts half as much after each half-life. Default 24 hours, as in the
        VPA.

    Raises
    ------
    DataError
        No container is named, or a value lies outside of its range.

    Examples
    --------
    >>> Vertical({"postgres": SizedContainer(cpu=SizeRange(0.5, 8))}).parts()
    {'postgres': 1.0}
    """

    __pydantic_config__ = STRICT

    containers: Annotated[Mapping[ContainerName, SizedContainer], Field(description="By name.")]
    share: Annotated[
        Share | None,
        Field(gt=0, le=1, description="Of the demand, on the busiest pod. None: spread evenly over `floor` pods."),
    ] = None
    limits: Annotated[
        LimitRule, Field(description="proportional: limits keep the template's ratio to requests; fixed: they stay.")
    ] = "proportional"
    allow_restart: Annotated[
        bool, Field(description="Restart containers whose resizePolicy asks for it: one pod at a time, in no freeze.")
    ] = False
    lead_time: Annotated[Duration, Field(description="From the patch to a pod of the new size.")] = timedelta(minutes=5)
    step_down: Annotated[Share, Field(gt=0, le=1, description="Most of a request that one change takes.")] = 0.25
    step_every: Annotated[Duration, Field(description="Least time from any change to one that lowers.")] = timedelta(
        minutes=30
    )
    memory_keep: Annotated[Duration, Field(description="Memory is not lowered below what was used in this time.")] = DAY
    memory_half_life: Annotated[
        Duration, Field(description="After memory_keep, a peak of memory counts half as much after each of these.")
    ] = DAY

    def __post_init__(self) -> None:
        require(bool(self.containers), "vertical: expected at least one container, got none")
        require(self.share is None or 0 < self.share <= 1, "vertical: share must lie in (0, 1], got {}", self.share)
        require(0 < self.step_down <= 1, "vertical: step_down must lie in (0, 1], got {}", self.step_down)
        for name in ("lead_time", "step_every", "memory_keep"):
            require(getattr(self, name) >= timedelta(0), "vertical: {} must be >= 0, got {}", name, getattr(self, name))
        half_life = self.memory_half_life
        require(half_life > timedelta(0), "vertical: memory_half_life must be > 0, got {}", half_life)
        given = sum(one.part or 0.0 for one in self.containers.values())
        room = given < 1 or all(one.part is not None for one in self.containers.values())
        require(given <= 1 + 1e-9 and room, "vertical: the parts of the containers add up to {:g}, above 1", given)

    def parts(self) -> dict[str, float]:
        """The share of the pod's demand that each container carries."""
        given = sum(one.part or 0.0 for one in self.containers.values())
        open_ = sum(one.part is None for one in self.containers.values())
        return {name: (1 - given) / open_ if one.part is None else one.part for name, one in self.containers.items()}

    def moved(self) -> tuple[SizeKey, ...]:
        """Container and resource of every request that moves."""
        return tuple(
            (container, resource)
            for container, sized in self.containers.items()
            for resource in RESOURCES
            if sized.range_of(resource) is not None
        )

    def units(self, key: SizeKey) -> tuple[int, int, int]:
        """Lowest and highest request and their step, in millicores or bytes. Raises `DataError` for no such key."""
        sized = self.containers.get(key[0])
        within = None if sized is None else sized.range_of(key[1])
        require(within is not None, "{}: {} does not move", *key)
        assert within is not None  # noqa: S101 - required above
        return within.units(key[1])


SizeBinding = Literal["demand", "min", "max", "memory kept", "node", "quota"]
SIZE_BINDINGS: tuple[SizeBinding, ...] = get_args(SizeBinding)


@dataclass(frozen=True, slots=True)
class SizeChange:
    """From `offset` steps after the plan's start on, the request is `amount`, which `binding` determines."""

    offset: int
    amount: int
    binding: SizeBinding

    def __post_init__(self) -> None:
        whole = type(self.offset) is int and type(self.amount) is int and self.offset >= 0 and self.amount >= 1
        if not whole or self.binding not in SIZE_BINDINGS:
            given = (self.offset, self.amount, self.binding)
            require(False, "a size change is (offset >= 0, amount >= 1, one of {}), got {}", SIZE_BINDINGS, given)


def _offset(change: SizeChange) -> int:
    return change.offset


@dataclass(frozen=True, slots=True)
class PlannedSize:
    """The request of one resource of one container over the steps of a plan, as changes; the first at offset 0.

    `safe`: what serves an ordinary day's peak, to go to when there is no plan any more.

    >>> PlannedSize("app", "cpu", (SizeChange(0, 500, "min"), SizeChange(7, 900, "demand")), 900).highest(3, 8)
    SizeChange(offset=7, amount=900, binding='demand')
    """

    container: str
    resource: SizedResource
    changes: tuple[SizeChange, ...]
    safe: int

    def __post_init__(self) -> None:
        where = f"size of {self.container}"
        require(self.resource in RESOURCES, "{}: expected cpu or memory, got {!r}", where, self.resource)
        offsets = [change.offset for change in self.changes]
        require(offsets[:1] == [0], "{}: the first change must stand at offset 0, got {}", where, offsets[:1])
        require(offsets == sorted(set(offsets)), "{}: changes must ascend, got {}", where, offsets)
        require(self.safe >= 1, "{}: safe must be >= 1, got {}", where, self.safe)

    @property
    def key(self) -> SizeKey:
        """Container and resource."""
        return self.container, self.resource

    def highest(self, first: int, last: int) -> SizeChange:
        """The change that set the highest request of the steps from `first` to `last`, both included."""
        low = bisect_right(self.changes, max(first, 0), key=_offset) - 1
        high = max(bisect_right(self.changes, last, key=_offset), low + 1)
        return max(self.changes[low:high], key=lambda change: change.amount)

    @property
    def peak(self) -> SizeChange:
        """The first change to the highest request."""
        return max(self.changes, key=lambda change: change.amount)


@dataclass(frozen=True, slots=True)
class PodSizes:
    """Requests of one pod's containers over time.

    Parameters
    ----------
    start : datetime
        Start of the first step; kept in UTC.
    step : timedelta
        Length of a step.
    steps : int
        How many steps there are.
    sizes : tuple of PlannedSize
        Each container's resource once.
    lead_time : timedelta
        From the patch to a pod of the new size.

    Raises
    ------
    DataError
        A value is impossible, such as a resource that is named twice.

    Examples
    --------
    >>> size = PlannedSize("app", "cpu", (SizeChange(0, 500, "min"), SizeChange(7, 900, "demand")), 900)
    >>> sizes = PodSizes(datetime(2026, 11, 27, tzinfo=UTC), timedelta(hours=1), 24, (size,), timedelta(minutes=5))
    >>> sizes.between(sizes.start, sizes.start + timedelta(hours=6))
    {('app', 'cpu'): SizeChange(offset=0, amount=500, binding='min')}
    """

    start: datetime
    step: timedelta
    steps: int
    sizes: tuple[PlannedSize, ...]
    lead_time: timedelta

    def __post_init__(self) -> None:
        require_aware("sizes", self.start)
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        require(self.step > timedelta(0) and self.steps > 0, "sizes: need at least one step")
        require(self.lead_time >= timedelta(0), "sizes: lead_time must be >= 0, got {}", self.lead_time)
        keys = [one.key for one in self.sizes]
        require(bool(keys) and len(keys) == len(set(keys)), "sizes: expected each resource once, got {}", keys)
        last = max(one.changes[-1].offset for one in self.sizes)
        require(last < self.steps, "sizes: a change lies beyond the last step")

    @property
    def end(self) -> datetime:
        """The end of the last step; from here on they say nothing."""
        return self.start + self.step * self.steps

    def between(self, begin: datetime, end: datetime) -> dict[SizeKey, SizeChange]:
        """The highest request of the steps that overlap `[begin, end]`; empty where no step does."""
        if end < self.start or begin >= self.end:
            return {}
        first = max(0, (begin - self.start) // self.step)
        last = min(self.steps - 1, (end - self.start) // self.step)
        return {one.key: one.highest(first, last) for one in self.sizes}

    def requests(self) -> dict[str, list[float]]:
        """What one pod requests at each step: `cpu_request` in cores, `memory_request` in bytes, where they move."""
        found: dict[str, list[float]] = {}
        for resource in RESOURCES:
            own = [one for one in self.sizes if one.resource == resource]
            if own:
                steps = range(self.steps)
                found[f"{resource}_request"] = [
                    sum(one.highest(at, at).amount for one in own) * UNIT[resource] for at in steps
                ]
        return found


def sizes_document(sizes: PodSizes) -> dict[str, Any]:
    """The sizes as JSON values: times RFC 3339 in UTC, durations in seconds, CPU in millicores, memory in bytes."""
    begin, step = sizes.start.isoformat().replace("+00:00", "Z"), round(sizes.step.total_seconds())
    return {
        "start": begin,
        "step": step,
        "steps": sizes.steps,
        "lead_time": round(sizes.lead_time.total_seconds()),
        "sizes": [
            {
                "container": one.container,
                "resource": one.resource,
                "start": begin,  # once more, so that a reader may cut these changes without knowing where they stand
                "step": step,
                "changes": [[change.offset, change.amount, change.binding] for change in one.changes],
                "safe": one.safe,
            }
            for one in sizes.sizes
        ],
    }


def parse_sizes(document: dict[str, Any]) -> PodSizes:
    """The inverse of `sizes_document`. Raises `KeyError`, `TypeError` or `ValueError` for what is not one."""
    return PodSizes(
        start=datetime.fromisoformat(document["start"]),
        step=timedelta(seconds=document["step"]),
        steps=int(document["steps"]),
        lead_time=timedelta(seconds=document["lead_time"]),
        sizes=tuple(
            PlannedSize(
                container=str(one["container"]),
                resource=one["resource"],
                changes=tuple(SizeChange(*change) for change in one["changes"]),
                safe=int(one["safe"]),
            )
            for one in document["sizes"]
        ),
    )
