"""What the controller observes of an autoscaler, and the decision it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from capacity.model.errors import require, require_aware
from capacity.shown import shows_briefly, with_card


@dataclass(frozen=True, slots=True)
class Readings:
    """What the autoscaler's own metrics say. `blind` names why they cannot be trusted; None: they can.

    `wanted`: replicas these metrics ask for, before the autoscaler's bounds. `cpu_millicores`, `memory_bytes`: usage of
    all replicas together. `mark`: text that hardly ever stays the same over several looks while somebody measures.
    None: not known, or no such text. `measured_at`: the time stamp of the newest measurement; None: not known.
    """

    wanted: int | None = None
    cpu_millicores: int | None = None
    memory_bytes: int | None = None
    blind: str | None = None
    mark: str | None = None
    measured_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.measured_at is not None:
            require_aware("measured_at", self.measured_at)
        for name in ("wanted", "cpu_millicores", "memory_bytes"):
            value = getattr(self, name)
            require(value is None or value >= 0, "readings: {} must be >= 0, got {}", name, value)


# What keeps replicas from being ready. Those of SLOW only take their time, which a longer lead time allows for.
Cause = Literal["autoscaler", "quota", "refused", "nodes", "image", "crash", "probe", "starting", "unknown"]
CAUSES: tuple[Cause, ...] = get_args(Cause)
SLOW: tuple[Cause, ...] = ("nodes", "starting", "unknown")


@dataclass(frozen=True, slots=True)
class Readiness:
    """How many replicas of a workload are ready now, and what keeps the others from it. `cause` None: nothing does.

    >>> Readiness(6, "quota", "exceeded quota: shop").cause
    'quota'
    """

    ready: int
    cause: Cause | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        require(self.ready >= 0, "ready replicas must be >= 0, got {}", self.ready)
        require(self.cause is None or self.cause in CAUSES, "expected a cause of {}, got {!r}", CAUSES, self.cause)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people wrote on the object. Each text says why; None: no such wish.

    `excluded`: leave it alone. `frozen`: the floor stays. `unclear`: a wish that cannot be read: the floor stays.
    `no_rise`: the floor may not rise. `floor`: this floor, whatever the plan says. `rehearsed`: at least this floor,
    while a rehearsal runs.
    """

    excluded: str | None = None
    frozen: str | None = None
    unclear: str | None = None
    no_rise: str | None = None
    floor: int | None = None
    rehearsed: int | None = None

    def __post_init__(self) -> None:
        require(self.floor is None or self.floor >= 1, "a forced floor must be >= 1, got {}", self.floor)
        require(self.rehearsed is None or self.rehearsed >= 1, "a rehearsal needs >= 1, got {}", self.rehearsed)


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier passes noted on the object: all the state there is.

    `moved_at`: our last move of the floor. `safe_floor`: of the last plan that was read. `held_since`: since when
    there is no plan to follow, or the brake is on, as `held_for` says. `mark`: of the readings at `looked_at`;
    `looked_first`: when the first look of this wait for a step was made; `alike`: how many looks since the last one
    found the same; `still_since`: since when they are known to stand still. `short_since`: when the floor was set that
    is not reached in time, `short_for` what keeps replicas from it. `slow_start`: how long the last rise took that was
    reached late, noted at `slow_at`.
    """

    moved_at: datetime | None = None
    safe_floor: int | None = None
    held_for: str | None = None
    held_since: datetime | None = None
    mark: str | None = None
    looked_at: datetime | None = None
    looked_first: datetime | None = None
    alike: int = 0
    still_since: datetime | None = None
    short_since: datetime | None = None
    short_for: Cause | None = None
    slow_start: timedelta | None = None
    slow_at: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("moved_at", "held_since", "looked_at", "looked_first", "still_since", "short_since", "slow_at"):
            moment = getattr(self, name)
            if moment is not None:
                require_aware(name, moment)
        require(self.alike >= 0, "alike must be >= 0, got {}", self.alike)
        require(self.safe_floor is None or self.safe_floor >= 1, "safe_floor must be >= 1, got {}", self.safe_floor)


@shows_briefly
@dataclass(frozen=True, slots=True)
class Observation:
    """What the cluster shows now of one autoscaler: replica counts, and its bounds before we first changed it.

    Parameters
    ----------
    floor, ceiling : int
        minReplicas and maxReplicas as they stand.
    current : int
        Replicas that exist. 0 means scaled to zero: the HPA is idle and a floor does not wake it.
    desired : int
        Replicas that the autoscaler asks for.
    baseline_floor, baseline_ceiling : int or None
        Its bounds before our first change. Default none: it was never changed.
    edited_by : str or None
        Who changed the floor after our last write. Default none: nobody did.
    lowered_from : int or None
        The floor that stood before that change lowered it. Default none: it did not.
    readings : Readings or None
        The autoscaler's own metrics. Default none: it has none to ask (a Deployment without one), so they bind
        nothing.
    wishes : Wishes
        What people wrote on the object. Default nothing.
    memory : Memory
        What earlier passes noted on the object. Default nothing.
    readiness : Readiness or None
        How many replicas are ready, and what keeps the others from it. Default none: nobody looked.

    Raises
    ------
    DataError
        A count is negative, or the floor lies above the ceiling.

    Examples
    --------
    >>> Observation(floor=4, ceiling=60, current=5, desired=5).wishes.frozen is None
    True
    """

    floor: int
    ceiling: int
    current: int
    desired: int
    baseline_floor: int | None = None
    baseline_ceiling: int | None = None
    edited_by: str | None = None
    lowered_from: int | None = None
    readings: Readings | None = None
    wishes: Wishes = field(default_factory=Wishes)
    memory: Memory = field(default_factory=Memory)
    readiness: Readiness | None = None

    def __post_init__(self) -> None:
        counts = (self.floor, self.ceiling, self.current, self.desired)
        require(min(counts) >= 0, "replica counts must be >= 0, got {}", counts)
        require(self.floor <= self.ceiling, "observed floor {} is above ceiling {}", self.floor, self.ceiling)


Cut = Literal["CeilingReached", "BudgetReached", "QuotaReached"]  # the floor stands below the need
Clamp = Literal[Cut, "StepUp", "StepDown", "AutoscalerNeeds", "RisePaused"]  # what a floor was kept by
Wish = Literal["Forced", "Rehearsing", "Excluded", "Frozen", "ScaledToZero", "SwitchedOff", "HeldChangeWindow"]
Planless = Literal["HeldNoPlan", "HeldPlanNotStarted", "HeldPlanExpired", "PlanExpired"]
Doubt = Literal["HeldEdited", "HeldNoMetrics", "HeldFrozenMetrics", "HeldTrafficVanished"]  # it may not come down
Owned = Literal["HeldForeignOwner", "HeldTwoOwners"]  # somebody else moves the replicas or writes the field
Guarded = Literal["HeldBrake", "HeldClockSkew", "HeldUnclearWish", "HeldByOtherWriter", "SecondLook"]
Given = Literal["Restored", "Restoring", "NothingToRestore"]  # of a restore
Followed = Literal["AsPlanned", "DemandRising", "DemandFalling", "FloorLoweredByOthers", "FloorNotReached"]
Reason = Literal[Followed, Clamp, Wish, Planless, Doubt, Owned, Guarded, Given]  # meanings: docs/plan-file.md
REASONS: tuple[Reason, ...] = get_args(Reason)
CUTS: tuple[Cut, ...] = get_args(Cut)


@with_card
@dataclass(frozen=True, slots=True)
class Decision:
    """The floor and ceiling to set now, the reason, and what was clamped by what.

    Parameters
    ----------
    floor, ceiling : int
        minReplicas and maxReplicas to set.
    reason : str
        One of `capacity.model.REASONS`.
    before : int
        The floor as it stands.
    before_ceiling : int or None
        The ceiling as it stands. Default none: it is left alone.
    detail : str
        The reason in a sentence. Default empty.
    clamps : tuple of str
        What kept the floor from where the plan wants it. Default none.
    held : bool
        Whether the floor is held for safety. Default no.
    memory : Memory
        What to note on the object with the change. Default nothing.
    notes : bool
        Whether `memory` must be noted even without a change. Default no.

    Raises
    ------
    DataError
        The reason is not known, or the floor lies above the ceiling.

    Examples
    --------
    >>> Decision(9, 60, "DemandRising", before=4).changes
    True
    """

    floor: int
    ceiling: int
    reason: Reason
    before: int
    before_ceiling: int | None = None
    detail: str = ""
    clamps: tuple[Clamp, ...] = ()
    held: bool = False
    memory: Memory = field(default_factory=Memory)
    notes: bool = False

    def __post_init__(self) -> None:
        require(self.reason in REASONS, "a decision needs a reason that is known, got {!r}", self.reason)
        require(
            0 <= self.floor <= self.ceiling, "a decision needs floor <= ceiling, got {}", (self.floor, self.ceiling)
        )

    @property
    def changes(self) -> bool:
        """True where floor or ceiling move."""
        return self.floor != self.before or self.before_ceiling not in (None, self.ceiling)

    @property
    def cut(self) -> bool:
        """True where the floor stands below the need: a ceiling, a budget or a quota allows no more."""
        return self.reason in CUTS

    @property
    def falls(self) -> bool:
        """True where the floor comes down."""
        return self.floor < self.before
