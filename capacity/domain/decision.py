"""What the cluster says now, and what to set."""

from __future__ import annotations

from dataclasses import dataclass

from capacity.domain.errors import require


@dataclass(frozen=True, slots=True)
class Observation:
    """What the cluster says now about one autoscaler: replica counts, and its bounds before we first touched it.

    `current` 0 means scaled to zero: the HPA is idle and a floor does not wake it. A baseline of None: never touched.
    `edited_by`: who changed the floor after our last write, None where nobody did.
    """

    floor: int
    ceiling: int
    current: int
    desired: int
    baseline_floor: int | None = None
    baseline_ceiling: int | None = None
    edited_by: str | None = None

    def __post_init__(self) -> None:
        counts = (self.floor, self.ceiling, self.current, self.desired)
        require(min(counts) >= 0, "replica counts must be >= 0, got {}", counts)
        require(self.floor <= self.ceiling, "observed floor {} is above ceiling {}", self.floor, self.ceiling)


@dataclass(frozen=True, slots=True)
class Decision:
    """The floor and ceiling to set now, the reason, and what was clamped by what.

    >>> Decision(9, 60, "DemandRising", before=4).changes
    True
    """

    floor: int
    ceiling: int
    reason: str
    before: int
    before_ceiling: int | None = None
    detail: str = ""
    clamps: tuple[str, ...] = ()
    held: bool = False

    def __post_init__(self) -> None:
        require(
            0 <= self.floor <= self.ceiling, "a decision needs floor <= ceiling, got {}", (self.floor, self.ceiling)
        )

    @property
    def changes(self) -> bool:
        """True where a patch is due."""
        return self.floor != self.before or self.before_ceiling not in (None, self.ceiling)
