"""The nouns of capacity: frozen values, checked when they are built, and the errors they raise.

Errors, as a tree::

    CapacityError
    ├── ConfigError    a setting or a flag cannot be used            (exit code 2)
    ├── DataError      the input cannot carry what is asked of it    (exit code 1)
    ├── PlanError      a plan is unreadable or of another schema     (exit code 1)
    └── ClusterError   the cluster refused or did not answer         (exit code 1)

Times are timezone-aware; a step is named by its start and is half open, ``[t, t + step)``.
This module imports no heavy library, so that the controller can start in a fraction of a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

PLAN_SCHEMA = "capacity.plan/v1"
Resource = Literal["cpu", "memory"]


class CapacityError(Exception):
    """Anything that stops this program with one line: what was expected, what was got, what to do."""


class ConfigError(CapacityError):
    """A setting or a flag cannot be used; nothing has been read or written yet."""


class DataError(CapacityError):
    """The input cannot carry what is asked of it."""


class PlanError(CapacityError):
    """A plan cannot be read, or is written in a schema this version does not know."""


class ClusterError(CapacityError):
    """The cluster refused a call or did not answer it; `status` is the HTTP status, None where there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def require(condition: bool, message: str, *values: object) -> None:
    """Raise `DataError` with the message (``str.format`` of the values) unless the condition holds."""
    if not condition:
        raise DataError(message.format(*values))


def _require_aware(name: str, moment: datetime) -> None:
    require(moment.tzinfo is not None, "{} must carry a time zone, got the naive time {}", name, moment)


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
        _require_aware(f"event {self.name}: start", self.start)
        _require_aware(f"event {self.name}: end", self.end)
        require(self.start < self.end, "event {}: expected start < end, got {} and {}", self.name, self.start, self.end)
        if self.uplift is not None:
            require(0 <= self.uplift < float("inf"), "event {}: uplift must be >= 0, got {}", self.name, self.uplift)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles of a quantity over the coming steps.

    `quantiles` has one row per step (UTC, the first one step after `origin`) and one column per quantile level in
    (0, 1), ascending; values are finite, not negative and do not cross. `origin` is the last step the forecast knew.
    """

    origin: datetime
    step: timedelta
    quantiles: pd.DataFrame  # (steps, levels)
    unit: str
    model: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_steps(self.origin, self.step, self.quantiles)
        _check_levels([float(level) for level in self.quantiles.columns])
        _check_values(self.quantiles)

    def at(self, quantile_level: float) -> pd.Series:
        """The quantile at this level, one value per step; a level that was not forecast is refused."""
        levels = [float(level) for level in self.quantiles.columns]
        require(quantile_level in levels, "quantile level {} was not forecast; these were: {}", quantile_level, levels)
        return self.quantiles.iloc[:, levels.index(quantile_level)]

    def plot(self, history: pd.Series | None = None) -> Any:
        """Draw the median, the bands between the quantiles and the end of the history if given; returns the Figure."""
        from capacity.edge.plots import plot_forecast  # a noun may show itself: docs/decisions/0007

        return plot_forecast(self, history)


def _check_steps(origin: datetime, step: timedelta, quantiles: pd.DataFrame) -> None:
    index: Any = quantiles.index
    require(len(index) > 0, "a forecast needs at least one step, got none")
    require(str(getattr(index, "tz", None)) == "UTC", "steps must be in UTC, got {}", getattr(index, "tz", None))
    _require_aware("origin", origin)
    require(step > timedelta(0), "step must be positive, got {}", step)
    starts = index.to_pydatetime()
    require(
        starts[0] == origin + step, "the first step must start at origin + step, {}, got {}", origin + step, starts[0]
    )
    gaps = {late - early for early, late in pairwise(starts)}
    require(gaps <= {step}, "steps must be {} apart without gaps, got {}", step, sorted(gaps))


def _check_levels(levels: list[float]) -> None:
    require(len(levels) > 0, "a forecast needs at least one quantile level, got none")
    require(all(0 < level < 1 for level in levels), "quantile levels must lie in (0, 1), got {}", levels)
    require(levels == sorted(set(levels)), "quantile levels must ascend without repeats, got {}", levels)


def _check_values(quantiles: pd.DataFrame) -> None:
    values = quantiles.to_numpy(dtype=float)  # (steps, levels)
    require(bool((values >= 0).all()), "quantiles must be numbers >= 0, got a negative value or NaN")
    require(bool((values < float("inf")).all()), "quantiles must be finite, got infinity")
    require(bool((values[:, 1:] >= values[:, :-1]).all()), "quantiles must not cross")


@dataclass(frozen=True, slots=True)
class Demand:
    """The load a workload must serve, independent of our actions: CPU in cores, memory in bytes, same steps."""

    cpu: Forecast
    memory: Forecast
    sales: Forecast

    def __post_init__(self) -> None:
        for name, forecast in (("memory", self.memory), ("sales", self.sales)):
            same = forecast.step == self.cpu.step and forecast.quantiles.index.equals(self.cpu.quantiles.index)
            require(same, "CPU and {} demand must share their steps", name)


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Demand = base + slope x sales per hour, for the whole workload: CPU in cores, memory in bytes."""

    cpu_base: float
    cpu_per_sale_per_hour: float
    memory_base: float
    memory_per_sale_per_hour: float

    def __post_init__(self) -> None:
        for name in ("cpu_base", "cpu_per_sale_per_hour", "memory_base", "memory_per_sale_per_hour"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), "load: {} must be >= 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class Replica:
    """What one replica requests, and at 100 % utilization serves: CPU in cores, memory in bytes."""

    cpu_request: float
    memory_request: float

    def __post_init__(self) -> None:
        for name in ("cpu_request", "memory_request"):
            value = getattr(self, name)
            require(0 < value < float("inf"), "replica: {} must be > 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class Workload:
    """One Deployment or StatefulSet behind a HorizontalPodAutoscaler, and what we promise for it.

    `target` is the name of its autoscaler; `ignored_by` names field managers that leave that autoscaler's floor alone.
    `floor` and `ceiling` bound every plan; `target_utilization` in (0, 1]; `quantile_level` in (0, 1).
    With `zones` > 1 the loss of one zone at the planned peak leaves utilization at most 100 %.
    `ceiling_buffer`: None honors the ceiling; a share (0.1) lets the ceiling rise to need x (1 + share).
    """

    namespace: str
    name: str
    load: LoadModel
    replica: Replica
    floor: int
    ceiling: int
    target: str = ""
    ignored_by: tuple[str, ...] = ()
    target_utilization: float = 0.80
    quantile_level: float = 0.95
    lead_time: timedelta = timedelta(minutes=5)
    zones: int = 1
    ceiling_buffer: float | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        where = f"workload {self.namespace}/{self.name}"
        require(self.floor >= 1, "{}: floor must be >= 1, got {}", where, self.floor)
        require(self.floor <= self.ceiling, "{}: floor {} is above ceiling {}", where, self.floor, self.ceiling)
        require(0 < self.target_utilization <= 1, "{}: target_utilization must lie in (0, 1]", where)
        require(0 < self.quantile_level < 1, "{}: quantile_level must lie in (0, 1)", where)
        require(self.lead_time >= timedelta(0), "{}: lead_time must be >= 0, got {}", where, self.lead_time)
        require(self.zones >= 1, "{}: zones must be >= 1, got {}", where, self.zones)
        require(self.ceiling_buffer is None or self.ceiling_buffer >= 0, "{}: buffer must be >= 0", where)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name: what a plan and a config agree on."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class FloorChange:
    """From `offset` steps after the plan's start on, the floor is `replicas`, because of `reason`."""

    offset: int
    replicas: int
    reason: str

    def __post_init__(self) -> None:
        whole = type(self.offset) is int and type(self.replicas) is int and isinstance(self.reason, str)
        require(
            whole, "a floor change is (offset, replicas, reason), got {}", (self.offset, self.replicas, self.reason)
        )
        require(self.offset >= 0, "a floor change's offset must be >= 0, got {}", self.offset)
        require(self.replicas >= 1, "a floor must be >= 1, got {}", self.replicas)


@dataclass(frozen=True, slots=True)
class Peak:
    """The step that needs the most replicas: quantities at the plan's quantile level."""

    at: datetime
    sales: float
    cpu_cores: float
    memory_bytes: float
    replicas: int
    quantile_level: float

    def __post_init__(self) -> None:
        _require_aware("peak", self.at)
        for name in ("sales", "cpu_cores", "memory_bytes"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), "peak: {} must be a number >= 0, got {}", name, value)
        require(self.replicas >= 1, "peak: replicas must be >= 1, got {}", self.replicas)
        require(0 < self.quantile_level < 1, "peak: quantile_level must lie in (0, 1), got {}", self.quantile_level)


@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    """The floor of one workload over the coming steps, as changes; and the numbers that explain it."""

    namespace: str
    name: str
    start: datetime
    step: timedelta
    steps: int
    floor: tuple[FloorChange, ...]
    binding: Resource
    peak: Peak
    safe_floor: int
    ceiling: int
    lead_time: timedelta
    resources: dict[str, int] = field(default_factory=dict)
    explain: dict[str, Any] = field(default_factory=dict)
    demand: Demand | None = field(default=None, repr=False, compare=False)  # behind the plan; not in its file

    def __post_init__(self) -> None:
        where = f"plan of {self.namespace}/{self.name}"
        _require_aware(where, self.start)
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        require(self.step > timedelta(0) and self.steps > 0, "{}: needs at least one step", where)
        require(self.lead_time >= timedelta(0), "{}: lead_time must be >= 0, got {}", where, self.lead_time)
        self._require_an_end(where)
        offsets = [change.offset for change in self.floor]
        require(bool(offsets) and offsets[0] == 0, "{}: the first floor must stand at offset 0", where)
        require(offsets == sorted(set(offsets)), "{}: floor changes must ascend, got {}", where, offsets)
        require(offsets[-1] < self.steps, "{}: a floor change lies beyond the last step", where)
        highest = max(self.safe_floor, *(change.replicas for change in self.floor))
        require(self.safe_floor >= 1, "{}: safe_floor must be >= 1", where)
        require(highest <= self.ceiling, "{}: floor {} is above ceiling {}", where, highest, self.ceiling)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def label(self) -> str:
        """namespace/name, as people write it."""
        return f"{self.namespace}/{self.name}"

    @property
    def end(self) -> datetime:
        """The end of the last step; from here on the plan says nothing."""
        return self.start + self.step * self.steps

    def _require_an_end(self, where: str) -> None:
        try:
            _ = self.end
        except OverflowError as error:
            raise DataError(f"{where}: {self.steps} steps of {self.step} end beyond the calendar") from error

    def floor_between(self, begin: datetime, end: datetime) -> int | None:
        """The highest floor of the steps that overlap `[begin, end]`; None where no step does."""
        if end < self.start or begin >= self.end:
            return None
        first = max(0, (begin - self.start) // self.step)
        last = min(self.steps - 1, (end - self.start) // self.step)
        ends = [*(change.offset for change in self.floor[1:]), self.steps]
        spans = zip(self.floor, ends, strict=True)
        return max(change.replicas for change, stop in spans if change.offset <= last and stop > first)

    def plot(self) -> Any:
        """Draw the planned replicas and, where this plan was just made, the demand behind them; returns the Figure."""
        from capacity.edge.plots import plot_plan  # a noun may show itself: docs/decisions/0007

        return plot_plan(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """The floors of many workloads, where they came from, and until when they hold."""

    created: datetime
    origin: datetime
    valid_until: datetime
    settings_hash: str
    source: dict[str, Any]
    workloads: tuple[WorkloadPlan, ...]

    def __post_init__(self) -> None:
        for name in ("created", "origin", "valid_until"):
            _require_aware(name, getattr(self, name))
        keys = [workload.key for workload in self.workloads]
        require(len(keys) == len(set(keys)), "a plan names each workload once, got {}", sorted(keys))

    def workload(self, namespace: str, name: str) -> WorkloadPlan | None:
        """The plan of one workload, or None where this plan does not know it."""
        return next((plan for plan in self.workloads if plan.key == (namespace, name)), None)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the cluster says now about one autoscaler: replica counts, and its bounds before we first touched it.

    `current` 0 means scaled to zero: the HPA is idle and a floor does not wake it. A baseline of None: never touched.
    `edited_by`: who changed the floor after our last write, None where nobody did.
    """

    floor: int
    ceiling: int
    current: int
    desired: int
    baseline_floor: int | None = None
    baseline_ceiling: int | None = None
    edited_by: str | None = None

    def __post_init__(self) -> None:
        counts = (self.floor, self.ceiling, self.current, self.desired)
        require(min(counts) >= 0, "replica counts must be >= 0, got {}", counts)
        require(self.floor <= self.ceiling, "observed floor {} is above ceiling {}", self.floor, self.ceiling)


@dataclass(frozen=True, slots=True)
class Decision:
    """The floor and ceiling to set now, the reason, and what was clamped by what.

    >>> Decision(9, 60, "DemandRising", before=4).changes
    True
    """

    floor: int
    ceiling: int
    reason: str
    before: int
    before_ceiling: int | None = None
    detail: str = ""
    clamps: tuple[str, ...] = ()
    held: bool = False

    def __post_init__(self) -> None:
        require(
            0 <= self.floor <= self.ceiling, "a decision needs floor <= ceiling, got {}", (self.floor, self.ceiling)
        )

    @property
    def changes(self) -> bool:
        """True where a patch is due."""
        return self.floor != self.before or self.before_ceiling not in (None, self.ceiling)
