"""What the cluster says now: the counts, what the autoscaler's metrics say, what people wish, what we noted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from capacity.domain.errors import require, require_aware


@dataclass(frozen=True, slots=True)
class Readings:
    """What the autoscaler's own metrics say. `blind` names why they cannot be trusted; None: they can.

    `wanted`: replicas these metrics ask for, before the autoscaler's bounds. `cpu_millicores`, `memory_bytes`: usage of
    all replicas together. `mark`: text that differs between any two looks at a workload that is measured. None: not
    known.
    """

    wanted: int | None = None
    cpu_millicores: int | None = None
    memory_bytes: int | None = None
    blind: str | None = None
    mark: str | None = None

    def __post_init__(self) -> None:
        for name in ("wanted", "cpu_millicores", "memory_bytes"):
            value = getattr(self, name)
            require(value is None or value >= 0, "readings: {} must be >= 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people wrote on the object. Each text says why; None: no such wish.

    `excluded`: leave it alone. `frozen`: the floor stays. `unclear`: a wish that cannot be read: the floor stays.
    `no_rise`: the floor may not rise. `floor`: this floor, whatever the plan says.
    """

    excluded: str | None = None
    frozen: str | None = None
    unclear: str | None = None
    no_rise: str | None = None
    floor: int | None = None

    def __post_init__(self) -> None:
        require(self.floor is None or self.floor >= 1, "a forced floor must be >= 1, got {}", self.floor)


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier passes noted on the object: all the state there is.

    `moved_at`: our last move of the floor. `safe_floor`: of the last plan that was read. `held_since`: since when
    there is no plan to follow, or the brake is on, as `held_for` says. `mark`: of the readings at `looked_at`.
    """

    moved_at: datetime | None = None
    safe_floor: int | None = None
    held_for: str | None = None
    held_since: datetime | None = None
    mark: str | None = None
    looked_at: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("moved_at", "held_since", "looked_at"):
            moment = getattr(self, name)
            if moment is not None:
                require_aware(name, moment)
        require(self.safe_floor is None or self.safe_floor >= 1, "safe_floor must be >= 1, got {}", self.safe_floor)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the cluster says now about one autoscaler: replica counts, and its bounds before we first touched it.

    `current` 0 means scaled to zero: the HPA is idle and a floor does not wake it. A baseline of None: never touched.
    `edited_by`: who changed the floor after our last write, None where nobody did. `readings` None: the autoscaler
    has no metrics of its own to ask (a Deployment without one), so they bind nothing.
    """

    floor: int
    ceiling: int
    current: int
    desired: int
    baseline_floor: int | None = None
    baseline_ceiling: int | None = None
    edited_by: str | None = None
    readings: Readings | None = None
    wishes: Wishes = Wishes()
    memory: Memory = Memory()

    def __post_init__(self) -> None:
        counts = (self.floor, self.ceiling, self.current, self.desired)
        require(min(counts) >= 0, "replica counts must be >= 0, got {}", counts)
        require(self.floor <= self.ceiling, "observed floor {} is above ceiling {}", self.floor, self.ceiling)
