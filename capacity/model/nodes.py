"""Nodes over time, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from capacity.model.errors import require, require_aware

HOURS_A_MONTH = 720  # 30 days


@dataclass(frozen=True, slots=True)
class NodeChange:
    """From `hour` hours after the start on, the plans fill so many nodes."""

    hour: int
    nodes: int

    def __post_init__(self) -> None:
        whole = type(self.hour) is int and type(self.nodes) is int
        require(whole and self.hour >= 0 and self.nodes >= 0, "a node change is (hour, nodes) >= 0, got {}", self)


@dataclass(frozen=True, slots=True)
class NodePlan:
    """The nodes of one type that all plans together fill, as changes by the hour; and their money.

    `fewest`: no packing of the peak needs fewer. `today`: the nodes that what runs now fills around the clock; where
    that is not known (`today_known` false), what the plans' highest floors fill: the price of not scaling ahead.
    """

    node_type: str
    price_per_hour: float
    start: datetime
    changes: tuple[NodeChange, ...]
    hours: int
    peak: int
    fewest: int
    today: int
    today_known: bool

    def __post_init__(self) -> None:
        require_aware("node plan", self.start)
        hours = [change.hour for change in self.changes]
        require(hours[:1] == [0] and hours == sorted(set(hours)), "node changes must ascend from 0, got {}", hours)
        require(hours[-1] < self.hours, "a node change lies beyond the last hour")
        require(0 <= self.price_per_hour < float("inf"), "price_per_hour must be >= 0, got {}", self.price_per_hour)

    @property
    def mean(self) -> float:
        """Nodes on average over the plan."""
        ends = [*(change.hour for change in self.changes[1:]), self.hours]
        return (
            sum((end - change.hour) * change.nodes for change, end in zip(self.changes, ends, strict=True)) / self.hours
        )

    @property
    def cost_per_hour(self) -> float:
        """Money an hour, on average."""
        return self.mean * self.price_per_hour

    @property
    def cost_at_peak(self) -> float:
        """Money in the dearest hour."""
        return self.peak * self.price_per_hour

    @property
    def cost_per_month(self) -> float:
        """Money a month of 30 days, went every hour on like the plan's on average."""
        return self.cost_per_hour * HOURS_A_MONTH

    @property
    def cost_per_month_today(self) -> float:
        """Money a month for what runs today."""
        return self.today * self.price_per_hour * HOURS_A_MONTH
