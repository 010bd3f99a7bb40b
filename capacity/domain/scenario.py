"""What if: a change to the world that a plan is made for."""

from __future__ import annotations

from dataclasses import dataclass

from capacity.domain.errors import require
from capacity.domain.event import Event


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
