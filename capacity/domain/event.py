"""Something known ahead that moves sales."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from capacity.domain.errors import require, require_aware


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
