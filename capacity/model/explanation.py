"""Why a number is what it is: how the replicas of a plan's peak follow from sales, and one floor as a sum of parts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from capacity.model.errors import require, require_aware
from capacity.model.forecast import Trust
from capacity.shown import plot_noun, shows_itself

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class SalesParts:
    """The median of the sales of one step, taken apart: sales per step; what each part means stands in `why`."""

    level: float
    parts: tuple[tuple[str, float, str], ...]  # (name, sales per step, why)

    @property
    def total(self) -> float:
        """The median of the step."""
        return self.level + sum(value for _, value, _ in self.parts)


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a number: what it adds, in thousandths of a replica, and why."""

    name: str
    milli: int
    why: str


@shows_itself
@dataclass(frozen=True, slots=True)
class Explanation:
    """The planned floor of a workload at one step as a sum of bars; `covered_floor` is the highest within reach.

    A floor set at `at` must serve until the next one can be ready: that is `covered_floor`, until `covered_until`.
    `resource` is the one whose load the bars show; `tied`: CPU and memory ask for as many. `notes` are the plan's own.
    """

    namespace: str
    name: str
    at: datetime
    resource: str
    floor: int
    bars: tuple[Bar, ...]
    covered_floor: int
    covered_until: datetime
    notes: tuple[str, ...] = ()
    tied: bool = False

    def __post_init__(self) -> None:
        require_aware("explanation", self.at)
        total = sum(bar.milli for bar in self.bars)
        require(total == 1000 * self.floor, "explanation: bars add up to {} thousandths, not {}", total, self.floor)

    @property
    def label(self) -> str:
        """namespace/name, as people write it."""
        return f"{self.namespace}/{self.name}"

    @property
    def cause(self) -> str:
        """What determines the floor: a resource, both of them, or a limit."""
        names = {bar.name for bar in self.bars}
        if "floor" in names:
            return "the lowest floor allowed"
        if "ceiling" in names:
            return "the ceiling"
        if self.tied and self.resource != "requests":
            return "CPU and memory"
        return "CPU" if self.resource == "cpu" else self.resource

    def to_frame(self) -> pd.DataFrame:
        """One row per bar (index `part`): `replicas` it adds, `total` so far, `why`; the last total is the floor."""
        import pandas as pd

        return pd.DataFrame(
            {
                "replicas": [bar.milli / 1000 for bar in self.bars],
                "total": [sum(bar.milli for bar in self.bars[: place + 1]) / 1000 for place in range(len(self.bars))],
                "why": [bar.why for bar in self.bars],
            },
            index=pd.Index([bar.name for bar in self.bars], name="part"),
        )

    def plot(self, timezone: str = "UTC", *, theme: str = "light", ax: Any = None) -> Any:
        """Draw the waterfall; returns the Figure, or `ax` where that was given."""
        return plot_noun(self, timezone, theme=theme, ax=ax)


TargetBound = Literal["target", "pool", "zones"]


@dataclass(frozen=True, slots=True)
class PeakSales:
    """Sales per step at the peak: at the plan's quantile level, and the median (None where it was not forecast)."""

    median: float | None
    quantile: float


@dataclass(frozen=True, slots=True)
class TargetUtilization:
    """The utilization that the plan keeps to, in (0, 1]; what bounds it, and the sentence that says why."""

    utilization: float
    bound: TargetBound = "target"
    why: str = ""

    def __post_init__(self) -> None:
        require(0 < self.utilization <= 1, "target_utilization must lie in (0, 1], got {}", self.utilization)
        known = ("target", "pool", "zones")
        require(self.bound in known, "target_bound must be one of {}, got {!r}", known, self.bound)


@dataclass(frozen=True, slots=True)
class RequestNeed:
    """Replicas for `per_second` requests per second; `source` says who states what replicas serve."""

    replicas: int
    per_second: float
    source: str


@dataclass(frozen=True, slots=True)
class ReplicaNeed:
    """Replicas that each resource asks for at the peak; `requests` None where no throughput is known.

    >>> ReplicaNeed(cpu=4, memory=2, requests=RequestNeed(6, 812.0, "the load test")).bound_by_requests
    True
    """

    cpu: int
    memory: int
    requests: RequestNeed | None = None

    @property
    def tied(self) -> bool:
        """Whether CPU and memory ask for as many replicas: less of one of them alone saves none."""
        return self.cpu == self.memory

    @property
    def bound_by_requests(self) -> bool:
        """Whether requests ask for more replicas than CPU and memory do."""
        return self.requests is not None and self.requests.replicas > max(self.cpu, self.memory)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Where the floor stands below the need: how many steps and minutes, at worst how many replicas and cores."""

    steps: int = 0
    minutes: int = 0
    replicas: int = 0
    cores: float = 0.0


@dataclass(frozen=True, slots=True)
class QuotaCut:
    """How long a quota cuts the floor, and by how many replicas at worst."""

    minutes: int
    replicas: int


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """How right earlier forecasts were, and of what: `all` sales, a group, or a workload as namespace/name."""

    subject: str
    trust: Trust


@dataclass(frozen=True, slots=True)
class Derivation:
    """The numbers of a plan's peak, from sales to replicas, and what the history could not support.

    `sales`, `track_record` and `quota` are None where there are no sales, the history is too short to judge forecasts
    by, and no quota cuts the floor. The load is that of the maximum over `window`; None: of each step by itself.
    `zones`, `floor` and `ceiling` are as configured. `model` names the forecast; `notes` are sentences for the reader.

    >>> plain = Derivation(4000, 2**30, TargetUtilization(0.8), ReplicaNeed(10, 2), floor=2, ceiling=20)
    >>> plain.minutes_short, plain.replicas_short
    (0, 0)
    """

    cpu_millicores: int
    memory_bytes: int
    target: TargetUtilization
    need: ReplicaNeed
    floor: int
    ceiling: int
    zones: int = 1
    shortfall: Shortfall = Shortfall()
    window: timedelta | None = None
    model: str = ""
    notes: tuple[str, ...] = ()
    sales: PeakSales | None = None
    track_record: TrackRecord | None = None
    quota: QuotaCut | None = None

    @property
    def minutes_short(self) -> int:
        """The longer of the time below the need and the time that a quota cuts the floor, in minutes."""
        return max(self.shortfall.minutes, 0 if self.quota is None else self.quota.minutes)

    @property
    def replicas_short(self) -> int:
        """Replicas that the peak lacks at worst, by the workload's own bounds and by quotas together."""
        return self.shortfall.replicas + (0 if self.quota is None else self.quota.replicas)
