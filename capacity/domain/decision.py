"""What to set, why, and what to note beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from capacity.domain.errors import require
from capacity.domain.observation import Memory

Cut = Literal["CeilingReached", "BudgetReached", "QuotaReached"]  # the floor stands below the need
Clamp = Literal[Cut, "StepUp", "StepDown", "AutoscalerNeeds", "RisePaused"]  # what a floor was kept by
Wish = Literal["Forced", "Excluded", "Frozen", "ScaledToZero", "SwitchedOff", "HeldChangeWindow"]
Planless = Literal["HeldNoPlan", "HeldPlanNotStarted", "HeldPlanExpired", "PlanExpired"]
Doubt = Literal["HeldEdited", "HeldNoMetrics", "HeldFrozenMetrics", "HeldTrafficVanished"]  # it may not come down
Owned = Literal["HeldForeignOwner", "HeldTwoOwners"]  # somebody else moves the replicas or writes the field
Guarded = Literal["HeldBrake", "HeldClockSkew", "HeldUnclearWish", "HeldByOtherWriter", "SecondLook"]
Given = Literal["Restored", "Restoring", "NothingToRestore"]  # of a restore
Followed = Literal["AsPlanned", "DemandRising", "DemandFalling"]
Reason = Literal[Followed, Clamp, Wish, Planless, Doubt, Owned, Guarded, Given]  # meanings: docs/plan-file.md
REASONS: tuple[Reason, ...] = get_args(Reason)
CUTS: tuple[Cut, ...] = get_args(Cut)


@dataclass(frozen=True, slots=True)
class Decision:
    """The floor and ceiling to set now, the reason, and what was clamped by what.

    `memory`: what to note on the object with the move; `notes` where it must be noted even without a move.

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
