"""The needs of the coming twelve months, each with an interval; and when today's limits are reached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from capacity.model.errors import require


@dataclass(frozen=True, slots=True)
class Interval:
    """Low, middle and high: the quantiles at 0.05, 0.5 and 0.95.

    >>> Interval(1.0, 2.0, 4.0) + Interval(1.0, 1.0, 1.0)
    Interval(low=2.0, middle=3.0, high=5.0)
    """

    low: float
    middle: float
    high: float

    def __post_init__(self) -> None:
        ordered = 0 <= self.low <= self.middle <= self.high < float("inf")
        require(ordered, "an interval must ascend from 0, got {}", (self.low, self.middle, self.high))

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.middle + other.middle, self.high + other.high)


@dataclass(frozen=True, slots=True)
class MonthNeed:
    """The need of one calendar month at its peak, and its total cost. None: not known.

    `sales` is the month's total, `nodes` count the cheapest type that fits every pod, `cost` is in the currency of the
    supply. `storage` (bytes) is what claims request at the end of the month.
    """

    month: date
    replicas: Interval
    cores: Interval
    memory: Interval
    sales: Interval | None = None
    storage: Interval | None = None
    nodes: Interval | None = None
    cost: Interval | None = None


@dataclass(frozen=True, slots=True)
class OutlookPart:
    """The months of one group of sales, or of everything together."""

    name: str
    months: tuple[MonthNeed, ...]

    def __post_init__(self) -> None:
        require(bool(self.months), "an outlook needs at least one month, got none")


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A present limit, its value and unit, and the first month that exceeds it: at 0.95, and at the median."""

    limit: str
    value: float
    unit: str
    early: date | None
    middle: date | None


@dataclass(frozen=True, slots=True)
class LookBack:
    """The error of forecasts of a month's peak, made `days` before, over `windows` months of one group.

    `error` is the mean absolute error over the actual peak, `bias` the mean of the signed one (above 0: forecast too
    high), `covered` the share of peaks at or under the 0.95 quantile.
    """

    name: str
    days: int
    windows: int
    error: float
    bias: float
    covered: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """Twelve months ahead in one scenario: by group and in total, the limits reached, and the track record."""

    scenario: str
    parts: tuple[OutlookPart, ...]
    total: OutlookPart
    limits: tuple[LimitReached, ...] = ()
    track_record: tuple[LookBack, ...] = ()
    notes: tuple[str, ...] = ()


def outlook_document(outlook: Outlook) -> dict[str, Any]:
    """The outlook as JSON values: months as 2026-11, memory and storage in bytes."""
    return {
        "scenario": outlook.scenario,
        "groups": {part.name: [_month(need) for need in part.months] for part in outlook.parts},
        "total": [_month(need) for need in outlook.total.months],
        "limits": [
            {
                "limit": one.limit,
                "value": one.value,
                "unit": one.unit,
                "early": _named(one.early),
                "middle": _named(one.middle),
            }
            for one in outlook.limits
        ],
        "track_record": [
            {
                "group": one.name,
                "days_ahead": one.days,
                "windows": one.windows,
                "error": round(one.error, 4),
                "bias": round(one.bias, 4),
                "covered_at_0.95": round(one.covered, 4),
            }
            for one in outlook.track_record
        ],
        "notes": list(outlook.notes),
    }


def _month(need: MonthNeed) -> dict[str, Any]:
    names = ("sales", "replicas", "cores", "memory", "storage", "nodes", "cost")
    known = {name: getattr(need, name) for name in names}
    return {"month": _named(need.month), **{name: _plain(value) for name, value in known.items() if value is not None}}


def _plain(interval: Interval) -> dict[str, float]:
    return {name: round(getattr(interval, name), 3) for name in ("low", "middle", "high")}


def _named(month: date | None) -> str | None:
    return None if month is None else f"{month:%Y-%m}"
