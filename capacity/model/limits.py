"""Limits that a plan must keep to, what replicas cost, and the nodes and quotas there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from capacity.model.errors import require, require_aware
from capacity.model.fields import STRICT, Duration, Quantity, TimeZone, duration, moment, quantity, settle
from capacity.shown import with_card

HOURS_A_MONTH = 720  # 30 days


@dataclass(frozen=True, slots=True)
class Freeze:
    """No floor moves in ``[start, end)``: the floor for all of it stands before it begins."""

    __pydantic_config__ = STRICT

    start: Annotated[datetime, Field(description="First moment; without a zone, on the business's clock.")]
    end: Annotated[datetime, Field(description="First moment after it.")]
    name: str = "freeze"

    def __post_init__(self) -> None:
        settle(self, f"freeze {self.name}", moment, "start", "end")
        for at in (self.start, self.end):
            require_aware(f"freeze {self.name}", at)
        require(self.start < self.end, "freeze {}: start {} must lie before end {}", self.name, self.start, self.end)


@dataclass(frozen=True, slots=True)
class ChangeHours:
    """Floors move only in ``[start, end)`` of each day on the clock of `timezone`; an earlier end is tomorrow's.

    >>> ChangeHours(time(22), time(6), "Europe/London").holds(time(23, 30))
    True
    """

    __pydantic_config__ = STRICT

    start: Annotated[time, Field(description="For instance 06:00; quoted, as YAML takes 06:00 for a number.")]
    end: time
    timezone: Annotated[TimeZone, Field(description="In capacity.yaml the business's clock by default.")] = "UTC"

    def __post_init__(self) -> None:
        require(self.start != self.end, "change hours must not be empty, got {} to {}", self.start, self.end)

    def holds(self, clock: time) -> bool:
        """Whether floors may move at this time of the day."""
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@with_card
@dataclass(frozen=True, slots=True)
class Limits:
    """How floors may be set and moved. The defaults limit nothing but the number of changes a day.

    Parameters
    ----------
    allowed : tuple of int
        The only replica counts, ascending. Default empty: any.
    multiple_of : int
        Counts are multiples of this. Default 1.
    step_up, step_down : int or None
        Most replicas that one change adds or takes. Default none: any number.
    ramp_up, ramp_down : float or None
        Most replicas that an hour adds or takes; rises begin earlier. Default none: any number.
    hold : timedelta or str
        No two changes are closer than this. Default 0.
    freezes : tuple of Freeze
        Times in which no floor moves. Default none.
    hours : tuple of ChangeHours
        Hours in which floors may move. Default empty: all.
    budget : float or None
        Most money that a month of 30 days may cost; peaks are cut first. Default none.
    changes_a_day : int
        Most changes of the floor on one day (UTC); a part of a day has its part of them. Default 24.

    Raises
    ------
    DataError
        A value lies outside of its range, or steps cannot reach from one allowed count to the next.

    Examples
    --------
    >>> Limits(allowed=(3, 6, 9), step_up=3).counts_are_free
    False
    """

    __pydantic_config__ = STRICT

    allowed: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(alias="allowed_replicas", description="The only counts, ascending."),
    ] = ()
    multiple_of: Annotated[int, Field(ge=1, description="Counts are multiples of this.")] = 1
    step_up: Annotated[int | None, Field(ge=1, description="Most replicas that one change adds.")] = None
    step_down: Annotated[int | None, Field(ge=1, description="Most replicas that one change takes.")] = None
    ramp_up: Annotated[
        float | None, Field(gt=0, description="Most replicas that an hour adds: rises begin earlier.")
    ] = None
    ramp_down: Annotated[float | None, Field(gt=0, description="Most replicas that an hour takes.")] = None
    hold: Annotated[Duration, Field(description="No two changes closer than this.")] = timedelta(0)
    freezes: Annotated[tuple[Freeze, ...], Field(description="Times in which no floor moves.")] = ()
    hours: Annotated[tuple[ChangeHours, ...], Field(description="Hours in which floors may move; none: all.")] = ()
    budget: Annotated[
        float | None, Field(gt=0, description="Most money a month (30 days) may cost; peaks are cut first.")
    ] = None
    changes_a_day: Annotated[  # one an hour: more is churn that nobody reads
        int,
        Field(ge=1, description="Most changes of the floor on one day (UTC); a part of a day has its part of them."),
    ] = 24

    def __post_init__(self) -> None:
        settle(self, "limits", duration, "hold")
        require(self.multiple_of >= 1, "multiple_of must be >= 1, got {}", self.multiple_of)
        require(
            list(self.allowed) == sorted(set(self.allowed)), "allowed replicas must ascend, got {}", list(self.allowed)
        )
        require(all(count >= 1 for count in self.allowed), "allowed replicas must be >= 1, got {}", list(self.allowed))
        for name in ("step_up", "step_down", "ramp_up", "ramp_down", "budget"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), "{} must be > 0, got {}", name, value)
        require(self.hold >= timedelta(0), "hold must be >= 0, got {}", self.hold)
        require(self.changes_a_day >= 1, "changes_a_day must be >= 1, got {}", self.changes_a_day)
        self._require_steps_reach_counts()

    def _require_steps_reach_counts(self) -> None:
        """A step that is smaller than the gap between two allowed counts can never be taken."""
        counts = [count for count in self.allowed if count % self.multiple_of == 0]
        require(
            bool(counts) or not self.allowed,
            "no allowed replicas {} is a multiple of {}",
            list(self.allowed),
            self.multiple_of,
        )
        gap = max((high - low for low, high in pairwise(counts)), default=self.multiple_of)
        for name in ("step_up", "step_down"):
            step = getattr(self, name)
            fits = step is None or step >= gap
            require(fits, "{} of {} cannot cross the gap of {} between the counts that are allowed", name, step, gap)

    @property
    def counts_are_free(self) -> bool:
        """Whether any count may stand."""
        return not self.allowed and self.multiple_of == 1

    @property
    def moments_are_free(self) -> bool:
        """Whether floors may move at any step."""
        return not self.hold and not self.freezes and not self.hours

    @property
    def moves_are_free(self) -> bool:
        """Whether a change may be of any size."""
        return all(getattr(self, name) is None for name in ("step_up", "step_down", "ramp_up", "ramp_down"))


@with_card
@dataclass(frozen=True, slots=True)
class Costs:
    """What starting, changing and lacking replicas costs, in the time of one running replica, so in any currency.

    Parameters
    ----------
    start : timedelta, str or None
        What a start costs. Default none: the lead time, in which a replica runs and serves nothing.
    change : timedelta or str
        What one change of the floor costs. Default 0.
    overload : float or None
        How many times dearer a lacking replica is than an idle one, above 1. Default none: the quantile level decides.
    price_per_hour : float or None
        What one replica costs per hour, in the currency of the supply. Default none: from the node types, else not
        known.

    Raises
    ------
    DataError
        A value lies outside of its range.

    Examples
    --------
    >>> Costs(price_per_hour=0.04).change
    datetime.timedelta(0)
    """

    __pydantic_config__ = STRICT

    start: Annotated[Duration | None, Field(description="What a start costs; None: the lead time.")] = None
    change: Annotated[Duration, Field(description="What one change of the floor costs.")] = timedelta(0)
    overload: Annotated[
        float | None, Field(gt=1, description="How many times dearer a lacking replica is than an idle one.")
    ] = None
    price_per_hour: Annotated[float | None, Field(ge=0, description="Of one replica; None: from the node types.")] = (
        None
    )

    def __post_init__(self) -> None:
        settle(self, "costs", duration, "start", "change")
        require(self.start is None or self.start >= timedelta(0), "costs: start must be >= 0, got {}", self.start)
        require(self.change >= timedelta(0), "costs: change must be >= 0, got {}", self.change)
        require(
            self.overload is None or 1 < self.overload < float("inf"),
            "costs: overload must be above 1 (an idle replica), got {}",
            self.overload,
        )
        price = self.price_per_hour
        require(price is None or 0 <= price < float("inf"), "costs: price_per_hour must be >= 0, got {}", price)


@dataclass(frozen=True, slots=True)
class NodeType:
    """A type of node, as pods see it: allocatable, not what it says on the box."""

    __pydantic_config__ = STRICT

    name: str
    cpu: Annotated[Quantity, Field(gt=0, description="Cores that pods may request.")]
    memory: Annotated[Quantity, Field(gt=0, description="Bytes that pods may request.")]
    price_per_hour: Annotated[float, Field(ge=0, description="In the currency of the supply.")] = 0.0
    provisioning: Annotated[Duration, Field(description="From a pod that does not fit to a node that is Ready.")] = (
        timedelta(0)
    )
    pods: Annotated[int, Field(ge=1, description="Most pods on one node; the kubelet's default.")] = 110
    limit: Annotated[int | None, Field(ge=1, description="Most nodes of this type there can be. None: any.")] = None

    def __post_init__(self) -> None:
        settle(self, f"node type {self.name}", quantity, "cpu", "memory")
        settle(self, f"node type {self.name}", duration, "provisioning")
        for name in ("cpu", "memory", "pods"):
            value = getattr(self, name)
            require(0 < value < float("inf"), "node type {}: {} must be > 0, got {}", self.name, name, value)
        require(
            self.limit is None or self.limit >= 1, "node type {}: limit must be >= 1, got {}", self.name, self.limit
        )
        price = self.price_per_hour
        require(0 <= price < float("inf"), "node type {}: price_per_hour must be >= 0, got {}", self.name, price)
        require(self.provisioning >= timedelta(0), "node type {}: provisioning must be >= 0", self.name)


@dataclass(frozen=True, slots=True)
class Quota:
    """What may be requested together, in a namespace or in the cluster; None: as much as asked."""

    __pydantic_config__ = STRICT

    cpu: Annotated[Annotated[Quantity, Field(gt=0)] | None, Field(description="Cores.")] = None
    memory: Annotated[Annotated[Quantity, Field(gt=0)] | None, Field(description="Bytes.")] = None
    pods: Annotated[int | None, Field(ge=1)] = None
    storage: Annotated[
        Annotated[Quantity, Field(gt=0)] | None, Field(description="Bytes that claims request: requests.storage.")
    ] = None

    def __post_init__(self) -> None:
        settle(self, "quota", quantity, "cpu", "memory", "storage")
        for name in ("cpu", "memory", "pods", "storage"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), "quota: {} must be > 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class Supply:
    """What there is to run on; empty: no bound and no price. Nothing of it is needed for a plan of replicas."""

    __pydantic_config__ = STRICT

    node_types: Annotated[
        tuple[NodeType, ...], Field(description="The cheapest that takes every pod is planned with.")
    ] = ()
    quotas: Annotated[Mapping[str, Quota], Field(description="By namespace: its ResourceQuota.")] = field(
        default_factory=dict
    )
    cluster: Annotated[Quota | None, Field(description="What the whole cluster can give.")] = None
    currency: Annotated[str, Field(description="Of every price, as it is printed: EUR.")] = ""


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
