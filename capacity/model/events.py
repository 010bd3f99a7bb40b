"""What is known ahead that moves sales, and what-if changes to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from capacity.model.errors import require, require_aware


@dataclass(frozen=True, slots=True)
class Event:
    """Something known ahead that moves sales: a promotion, a holiday, an outage.

    `uplift` is the expected factor on sales (1.5: half as much again); None: learn it from past events of its kind.

    >>> from datetime import UTC
    >>> Event("sale", datetime(2026, 11, 27, tzinfo=UTC), datetime(2026, 11, 28, tzinfo=UTC), "promotion", 2.0).uplift
    2.0
    """

    name: str
    start: datetime
    end: datetime
    kind: str = "promotion"
    uplift: float | None = None

    def __post_init__(self) -> None:
        require_aware(f"event {self.name}: start", self.start)
        require_aware(f"event {self.name}: end", self.end)
        require(self.start < self.end, "event {}: expected start < end, got {} and {}", self.name, self.start, self.end)
        if self.uplift is not None:
            require(0 <= self.uplift < float("inf"), "event {}: uplift must be >= 0, got {}", self.name, self.uplift)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named what-if: growth of all sales, promotions with their uplift, a lost zone, cancelled events; or several.

    `growth` is a share (0.2: a fifth more).
    """

    name: str
    growth: float = 0.0
    promotions: tuple[Event, ...] = ()
    lost_zone: bool = False
    cancelled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(-1 < self.growth < float("inf"), "scenario {}: growth must be above -1, got {}", self.name, self.growth)
        for event in self.promotions:
            require(event.uplift is not None, "scenario {}: promotion {} needs an uplift", self.name, event.name)
