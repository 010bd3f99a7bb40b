"""What a plan must keep to beside floor and ceiling, and what replicas cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import pairwise

from capacity.model.errors import require, require_aware


@dataclass(frozen=True, slots=True)
class Freeze:
    """No floor moves in ``[start, end)``: the floor for all of it stands before it begins."""

    start: datetime
    end: datetime
    name: str = "freeze"

    def __post_init__(self) -> None:
        for moment in (self.start, self.end):
            require_aware(f"freeze {self.name}", moment)
        require(self.start < self.end, "freeze {}: start {} must lie before end {}", self.name, self.start, self.end)


@dataclass(frozen=True, slots=True)
class ChangeHours:
    """Floors move only in ``[start, end)`` of each day on the clock of `timezone`; an earlier end is tomorrow's.

    >>> ChangeHours(time(22), time(6), "Europe/London").holds(time(23, 30))
    True
    """

    start: time
    end: time
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        require(self.start != self.end, "change hours must not be empty, got {} to {}", self.start, self.end)

    def holds(self, clock: time) -> bool:
        """Whether floors may move at this time of the day."""
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True, slots=True)
class Limits:
    """How floors may be set and moved; the defaults limit nothing but the number of changes a day.

    `allowed`: the only counts that may stand, ascending; `multiple_of`: counts are its multiples. `step_up`,
    `step_down`: most replicas one change adds or takes; `ramp_up`, `ramp_down`: most replicas an hour adds or takes.
    `hold`: no two changes closer than this. `budget`: most money a month of 30 days may cost, in the price's currency.
    """

    allowed: tuple[int, ...] = ()
    multiple_of: int = 1
    step_up: int | None = None
    step_down: int | None = None
    ramp_up: float | None = None
    ramp_down: float | None = None
    hold: timedelta = timedelta(0)
    freezes: tuple[Freeze, ...] = ()
    hours: tuple[ChangeHours, ...] = ()
    budget: float | None = None
    changes_a_day: int = 24  # one an hour: more is churn that nobody reads

    def __post_init__(self) -> None:
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


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of a plan in the time of one running replica, so that they hold in any currency.

    `start`: what one start costs; None is the lead time, in which a replica runs and serves nothing. `change`: what one
    change of the floor costs. `overload`: how many times dearer a replica that lacks is than one that idles; None
    leaves that to the quantile level. `price_per_hour`: the money that one replica costs an hour, None where not known.
    """

    start: timedelta | None = None
    change: timedelta = timedelta(0)
    overload: float | None = None
    price_per_hour: float | None = None

    def __post_init__(self) -> None:
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
    """One type of node: what pods may request of it (CPU in cores, memory in bytes), its price, its start.

    `provisioning` is the time from the first pod that does not fit to a node that is Ready; `pods` the kubelet's limit.
    """

    name: str
    cpu: float
    memory: float
    price_per_hour: float = 0.0
    provisioning: timedelta = timedelta(0)
    pods: int = 110  # the kubelet's default

    def __post_init__(self) -> None:
        for name in ("cpu", "memory", "pods"):
            value = getattr(self, name)
            require(0 < value < float("inf"), "node type {}: {} must be > 0, got {}", self.name, name, value)
        price = self.price_per_hour
        require(0 <= price < float("inf"), "node type {}: price_per_hour must be >= 0, got {}", self.name, price)
        require(self.provisioning >= timedelta(0), "node type {}: provisioning must be >= 0", self.name)


@dataclass(frozen=True, slots=True)
class Quota:
    """What a namespace or a cluster can give: requests in cores and bytes, and pods; None: as much as asked."""

    cpu: float | None = None
    memory: float | None = None
    pods: int | None = None

    def __post_init__(self) -> None:
        for name in ("cpu", "memory", "pods"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), "quota: {} must be > 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class Supply:
    """What there is to run on: node types, quotas by namespace, the cluster's whole; empty: no bound and no price."""

    node_types: tuple[NodeType, ...] = ()
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    cluster: Quota | None = None
