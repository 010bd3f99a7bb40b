"""Volumes: how a workload asks for room ahead, the plan of a claim over time, and what the cluster shows of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from capacity.model.errors import require, require_aware
from capacity.model.fields import NAME, STRICT, Duration, Quantity, Share, parse_time, rfc3339
from capacity.model.observation import Wishes

GIB = 2**30
Unit = Literal["bytes", "inodes"]
Shortage = Literal["max", "quota", ""]  # what keeps the plan from the size it needs


def _claim(value: object) -> object:
    if isinstance(value, str) and "/" in value:
        raise ValueError(f"expected a claim in the workload's own namespace, got {value!r}: give its name alone")
    return value


@dataclass(frozen=True, slots=True)
class VolumeRules:
    """How a claim, or each claim of a StatefulSet's template, gets room ahead; an item of a workload's `volumes:`.

    Parameters
    ----------
    claim : str or None
        Name of a PersistentVolumeClaim in the workload's namespace. Default none: `template` names several.
    template : str or None
        Name of a claim template of the StatefulSet: its claims are called TEMPLATE-WORKLOAD-0, -1, and so on.
    max : float or None
        Largest size ever asked for, in bytes. Default none: any.
    target : float
        Share of the volume that may be in use, in (0, 1]. Default 0.80.
    probability : float
        Chance with which a size lasts until the next one, in (0, 1). Default 0.95.
    lasts : timedelta
        How long each size is to last. Default 14 days.
    step : float
        Sizes grow by at least this, and by multiples of it, in bytes. Default 1 GiB.
    cooldown : timedelta
        Shortest time between two expansions of a volume that its class allows. Default 6 hours.
    lead_time : timedelta
        From the request to the larger file system. Default 10 minutes.

    Raises
    ------
    DataError
        A value lies outside of its range, or not exactly one of claim and template is given.

    Examples
    --------
    >>> VolumeRules(template="data", max=500 * GIB).matches("data-db-0", "db"), VolumeRules("logs").target
    (True, 0.8)
    """

    __pydantic_config__ = STRICT

    claim: Annotated[
        Annotated[str, Field(pattern=NAME, max_length=253), BeforeValidator(_claim)] | None,
        Field(description="Name of a PersistentVolumeClaim of the workload's namespace."),
    ] = None
    template: Annotated[
        Annotated[str, Field(pattern=NAME, max_length=253)] | None,
        Field(description="Claim template of the StatefulSet, for all claims TEMPLATE-WORKLOAD-NUMBER."),
    ] = None
    max: Annotated[
        Annotated[Quantity, Field(gt=0)] | None, Field(description="Largest size ever asked for. None: any.")
    ] = None
    target: Annotated[Share, Field(gt=0, le=1, description="Share that may be in use. Default 80 %.")] = 0.80
    probability: Annotated[
        Share, Field(gt=0, lt=1, description="Chance with which a size lasts until the next. Default 95 %.")
    ] = 0.95
    lasts: Annotated[Duration, Field(description="How long each size is to last.")] = timedelta(days=14)
    step: Annotated[Quantity, Field(gt=0, description="Sizes grow by at least this, and by multiples of it.")] = GIB
    cooldown: Annotated[
        Duration, Field(description="Shortest time between two expansions; some clouds allow one in six hours.")
    ] = timedelta(hours=6)
    lead_time: Annotated[Duration, Field(description="From the request to the larger file system.")] = timedelta(
        minutes=10
    )

    def __post_init__(self) -> None:
        where = f"volume {self.claim or self.template or ''}".strip()
        given = [one for one in (self.claim, self.template) if one]
        require(len(given) == 1, "volumes: expected exactly one of claim and template, got {}", given or "neither")
        require(0 < self.target <= 1, "{}: target must lie in (0, 1], got {}", where, self.target)
        require(0 < self.probability < 1, "{}: probability must lie in (0, 1), got {}", where, self.probability)
        require(self.max is None or 0 < self.max < float("inf"), "{}: max must be > 0, got {}", where, self.max)
        require(0 < self.step < float("inf"), "{}: step must be > 0, got {}", where, self.step)
        room = self.max is None or self.max >= self.step
        require(
            room, "{}: expected max of at least one step of {:.3g} GiB, got {} bytes", where, self.step / GIB, self.max
        )
        for name in ("lasts", "cooldown", "lead_time"):
            require(getattr(self, name) >= timedelta(0), "{}: {} must be >= 0", where, name)

    def matches(self, claim: str, workload: str) -> bool:
        """Whether a claim is the one that is named, or one of the template's."""
        if self.claim is not None:
            return claim == self.claim
        return re.fullmatch(f"{re.escape(f'{self.template}-{workload}')}-[0-9]+", claim) is not None


@dataclass(frozen=True, slots=True)
class SizeStep:
    """From `at` on the claim is to ask for `size` bytes."""

    at: datetime
    size: int

    def __post_init__(self) -> None:
        require_aware("volume size", self.at)
        require(type(self.size) is int and self.size > 0, "a volume's size must be > 0 bytes, got {}", self.size)


@dataclass(frozen=True, slots=True)
class DaysLeft:
    """Days until a bound is reached: early, middle and late (5 %, half and 95 % of the futures); None: not in sight."""

    early: float | None
    middle: float | None
    late: float | None

    def __post_init__(self) -> None:
        known = [one for one in (self.early, self.middle, self.late) if one is not None]
        require(all(0 <= one < float("inf") for one in known), "days must be >= 0, got {}", known)
        require(known == sorted(known), "days must ascend from early to late, got {}", known)


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """The size of one claim over the coming days, and how long it lasts as it is.

    Parameters
    ----------
    claim : str
        Name of the claim.
    start : datetime
        When the plan was made from; kept in UTC.
    until : datetime
        How far it looks.
    size : int
        Bytes that the claim asks for at the start.
    capacity, used : int
        Of the file system at the start, in bytes.
    steps : tuple of SizeStep
        Sizes to come, each larger than the one before. Empty: the size lasts.
    until_target, until_full : DaysLeft
        Days until the target share and all of the volume are in use, if it stays as it is.
    target, probability : float
        As asked.
    cooldown, lead_time : timedelta
        As asked.
    binding : {"bytes", "inodes"}
        Which of both runs out first.
    short_by : {"max", "quota", ""}
        What keeps the plan from the size that it needs. Default "": nothing.
    per_sale : float or None
        Bytes written per sale, where sales explain the writes. Default none.
    notes : tuple of str
        Sentences for the reader. Default none.

    Raises
    ------
    DataError
        A value is impossible, such as a size that is smaller than the one before.

    Examples
    --------
    >>> day = datetime(2026, 11, 27, tzinfo=UTC)
    >>> left = DaysLeft(3.5, 4.0, 6.0)
    >>> plan = VolumePlan("data-db-0", day, day + timedelta(days=60), 10 * GIB, 10 * GIB, 7 * GIB,
    ...                   (SizeStep(day + timedelta(days=2), 14 * GIB),), left, left, 0.8, 0.95,
    ...                   timedelta(hours=6), timedelta(minutes=10))
    >>> plan.size_at(day) // GIB, plan.size_at(day + timedelta(days=2)) // GIB
    (10, 14)
    """

    claim: str
    start: datetime
    until: datetime
    size: int
    capacity: int
    used: int
    steps: tuple[SizeStep, ...]
    until_target: DaysLeft
    until_full: DaysLeft
    target: float
    probability: float
    cooldown: timedelta
    lead_time: timedelta
    binding: Unit = "bytes"
    short_by: Shortage = ""
    per_sale: float | None = None
    notes: tuple[str, ...] = ()
    curve: Any = field(default=None, repr=False, compare=False)  # behind the plan, for its picture; not in its file

    def __post_init__(self) -> None:
        where = f"volume {self.claim}"
        for name in ("start", "until"):
            require_aware(f"{where}: {name}", getattr(self, name))
            object.__setattr__(self, name, getattr(self, name).astimezone(UTC))
        require(self.start < self.until, "{}: start must lie before until", where)
        sizes = [self.size, *(step.size for step in self.steps)]
        require(self.size > 0 and sizes == sorted(set(sizes)), "{}: sizes must grow, got {}", where, sizes)
        moments = [step.at for step in self.steps]
        require(moments == sorted(set(moments)), "{}: steps must ascend, got {}", where, moments)
        require(self.capacity > 0 and self.used >= 0, "{}: capacity must be > 0 and used >= 0", where)
        require(0 < self.target <= 1 and 0 < self.probability < 1, "{}: target or probability out of range", where)
        require(min(self.cooldown, self.lead_time) >= timedelta(0), "{}: durations must be >= 0", where)

    def size_at(self, moment: datetime) -> int:
        """Bytes that the claim is to ask for at a moment."""
        return max([self.size, *(step.size for step in self.steps if step.at <= moment)])

    @property
    def next_step(self) -> SizeStep | None:
        """The next size; None where this one lasts."""
        return self.steps[0] if self.steps else None


@dataclass(frozen=True, slots=True)
class ClaimObservation:
    """What the cluster shows of a claim.

    Parameters
    ----------
    name : str
        Of the claim.
    phase : str
        `Bound`, `Pending` or `Lost`.
    asked : int
        Bytes that it asks for.
    capacity : int
        Bytes that it has; 0 where it is not bound.
    storage_class : str
        Name of its class; empty: none.
    expandable : bool or None
        Whether the class allows expansion. None: the class could not be read.
    class_found : bool
        Whether the class exists, where it could be asked for. Default yes.
    resizing : str or None
        Why an earlier expansion is not over. Default none: none is under way.
    infeasible : str or None
        Why an earlier expansion failed for good. Default none.
    moved_at : datetime or None
        Our last change. Default none.
    wishes : Wishes
        What people wrote on the claim. Default nothing.

    Raises
    ------
    DataError
        A size is negative.

    Examples
    --------
    >>> ClaimObservation("data", "Bound", 10 * GIB, 10 * GIB, "fast", True).resizing is None
    True
    """

    name: str
    phase: str
    asked: int
    capacity: int
    storage_class: str
    expandable: bool | None
    class_found: bool = True
    resizing: str | None = None
    infeasible: str | None = None
    moved_at: datetime | None = None
    wishes: Wishes = field(default_factory=Wishes)

    def __post_init__(self) -> None:
        require(self.asked >= 0 and self.capacity >= 0, "claim {}: sizes must be >= 0", self.name)


VolumeReason = Literal[
    "VolumeLasts",  # its size lasts until the next pass and longer
    "VolumeFillsUp",  # it grows ahead
    "VolumeAtLimit",  # it stands at the size that max or quota allow, and needs more
    "HeldNoPlan",
    "HeldPlanExpired",
    "HeldNotBound",
    "HeldClassFixed",
    "HeldClassUnknown",
    "HeldResizing",
    "HeldInfeasible",
    "HeldCooldown",
    "HeldNewClaim",
    "HeldUnclearWish",
    "Excluded",
    "Frozen",
]


@dataclass(frozen=True, slots=True)
class VolumeDecision:
    """The size to ask for now, and why; it is never smaller than what stands.

    >>> VolumeDecision(10 * GIB, 14 * GIB, "VolumeFillsUp").changes
    True
    """

    before: int
    size: int
    reason: VolumeReason
    detail: str = ""
    held: bool = False

    def __post_init__(self) -> None:
        require(self.size >= self.before, "a volume never shrinks, got {} after {}", self.size, self.before)

    @property
    def changes(self) -> bool:
        """Whether the claim is to be expanded."""
        return self.size > self.before


def volume_document(plan: VolumePlan) -> dict[str, Any]:
    """The plan of a volume as JSON values: times RFC 3339 in UTC, durations in seconds, sizes in bytes."""
    return {
        "claim": plan.claim,
        "from": rfc3339(plan.start),
        "until": rfc3339(plan.until),
        "size": plan.size,
        "capacity": plan.capacity,
        "used": plan.used,
        "sizes": [[rfc3339(step.at), step.size] for step in plan.steps],
        "days_until_target": _days(plan.until_target),
        "days_until_full": _days(plan.until_full),
        "target": plan.target,
        "probability": plan.probability,
        "cooldown": round(plan.cooldown.total_seconds()),
        "lead_time": round(plan.lead_time.total_seconds()),
        "binding": plan.binding,
        "short_by": plan.short_by,
        "bytes_per_sale": None if plan.per_sale is None else round(plan.per_sale),
        "notes": list(plan.notes),
    }


def parse_volume(document: Mapping[str, Any]) -> VolumePlan:
    """The inverse of `volume_document`. Raises `KeyError`, `TypeError` or `ValueError` for what is not one."""
    binding, short_by = document["binding"], document["short_by"]
    if binding not in ("bytes", "inodes") or short_by not in ("max", "quota", ""):
        raise ValueError(f"volume: expected binding bytes or inodes and short_by max or quota, got {binding!r}")
    return VolumePlan(
        claim=str(document["claim"]),
        start=parse_time(document["from"]),
        until=parse_time(document["until"]),
        size=_whole(document["size"]),
        capacity=_whole(document["capacity"]),
        used=_whole(document["used"]),
        steps=tuple(SizeStep(parse_time(at), _whole(size)) for at, size in document["sizes"]),
        until_target=DaysLeft(*map(_number, document["days_until_target"])),
        until_full=DaysLeft(*map(_number, document["days_until_full"])),
        target=float(document["target"]),
        probability=float(document["probability"]),
        cooldown=timedelta(seconds=_whole(document["cooldown"])),
        lead_time=timedelta(seconds=_whole(document["lead_time"])),
        binding=binding,
        short_by=short_by,
        per_sale=_number(document["bytes_per_sale"]),
        notes=tuple(map(str, document["notes"])),
    )


def _days(left: DaysLeft) -> list[float | None]:
    return [None if one is None else round(one, 3) for one in (left.early, left.middle, left.late)]


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"volume: expected a whole number, got {value!r}")
    return value
