"""Events that are known ahead and move sales, and what-if scenarios."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from capacity.model.errors import require, require_aware
from capacity.model.fields import moment
from capacity.shown import with_card


@with_card
@dataclass(frozen=True, slots=True)
class Event:
    """Something known ahead that moves sales: a promotion, a holiday, an outage.

    Parameters
    ----------
    name : str
        What people call it.
    start : datetime or str
        When it begins, with a time zone, or text such as ``"2026-11-27"`` or ``"2026-11-27 18:00"``.
    end : datetime or str
        When it is over: it lasts over ``[start, end)``. A date alone means the end of that day.
    kind : str
        What its effect is learned and shared by, such as "promotion" (default), "holiday" or "outage".
    uplift : float or None
        The expected factor on sales (1.5: half as much again). Default none: learned from past events of the same
        kind.
    timezone : str
        The zone of times that name none. Default UTC.

    Raises
    ------
    DataError
        A time has no zone, `end` does not follow `start`, or `uplift` is negative or infinite.

    Examples
    --------
    >>> sale = Event("sale", "2026-11-27", "2026-11-27", "promotion", 2.0, timezone="Europe/Berlin")
    >>> sale.start.isoformat(), sale.end - sale.start
    ('2026-11-27T00:00:00+01:00', datetime.timedelta(days=1))
    """

    name: str
    start: datetime
    end: datetime
    kind: str = "promotion"
    uplift: float | None = None
    timezone: InitVar[str] = field(default="UTC", kw_only=True)

    if TYPE_CHECKING:

        def __init__(
            self,
            name: str,
            start: datetime | date | str,
            end: datetime | date | str,
            kind: str = "promotion",
            uplift: float | None = None,
            *,
            timezone: str = "UTC",
        ) -> None: ...

    def __post_init__(self, timezone: str) -> None:
        if not (isinstance(self.start, datetime) and isinstance(self.end, datetime)):
            for name in ("start", "end"):
                where, given = f"event {self.name}: {name}", getattr(self, name)
                object.__setattr__(self, name, moment(where, given, timezone, end=name == "end"))
        require_aware(f"event {self.name}: start", self.start)
        require_aware(f"event {self.name}: end", self.end)
        require(self.start < self.end, "event {}: expected start < end, got {} and {}", self.name, self.start, self.end)
        if self.uplift is not None:
            require(0 <= self.uplift < float("inf"), "event {}: uplift must be >= 0, got {}", self.name, self.uplift)


@with_card
@dataclass(frozen=True, slots=True)
class Scenario:
    """A named what-if: growth of all sales, promotions, a lost zone, cancelled events, or several of these.

    Parameters
    ----------
    name : str
        What to call it in tables.
    growth : float
        The share by which all sales grow (0.2: a fifth more), above -1. Default 0.
    promotions : tuple of Event
        Further events, each with its uplift. Default none.
    lost_zone : bool
        Whether one of each workload's zones is lost. Default no.
    cancelled : tuple of str
        Names of events that do not take place. Default none.

    Raises
    ------
    DataError
        `growth` is -1 or less, or a promotion has no uplift.

    Examples
    --------
    >>> Scenario("a fifth more", growth=0.2).growth
    0.2
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
