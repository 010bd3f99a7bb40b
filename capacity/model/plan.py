"""Plans: the floor of each workload over the coming steps, and the numbers that explain it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from capacity.model.choice import Choice
from capacity.model.errors import DataError, require, require_aware
from capacity.model.explanation import Derivation
from capacity.model.headroom import Headroom
from capacity.model.limits import NodePlan
from capacity.model.pod_size import PodSizes
from capacity.model.policy import Policy
from capacity.model.volume import VolumePlan
from capacity.shown import plot_noun, shows_itself

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from capacity.model.forecast import Demand, Forecast

PLAN_SCHEMA = "capacity.plan/v1"
Resource = Literal["cpu", "memory"]
Bound = Literal["cpu", "memory", "requests", "floor", "ceiling"]


@dataclass(frozen=True, slots=True)
class FloorChange:
    """From `offset` steps after the plan's start on, the floor is `replicas`, because of `reason`."""

    offset: int
    replicas: int
    reason: str

    def __post_init__(self) -> None:
        whole = type(self.offset) is int and type(self.replicas) is int and isinstance(self.reason, str)
        if (
            whole and self.offset >= 0 and self.replicas >= 1 and self.reason.isidentifier()
        ):  # no text is made: hundreds
            return
        require(
            whole, "a floor change is (offset, replicas, reason), got {}", (self.offset, self.replicas, self.reason)
        )
        require(self.offset >= 0, "a floor change's offset must be >= 0, got {}", self.offset)
        require(self.replicas >= 1, "a floor must be >= 1, got {}", self.replicas)
        require(self.reason.isprintable(), "a floor's reason must be printable, got {!r}", self.reason[:40])


def _offset(change: FloorChange) -> int:
    return change.offset


@dataclass(frozen=True, slots=True)
class Quiet:
    """From `offset` steps after the plan's start on, CPU usage below `cpu_millicores` is an incident, not a saving."""

    offset: int
    cpu_millicores: int

    def __post_init__(self) -> None:
        offset, level = self.offset, self.cpu_millicores
        whole = type(offset) is int and type(level) is int
        if whole and offset >= 0 and level >= 0:  # there are hundreds a plan: no text is made
            return
        require(whole, "a quiet level is (offset, cpu_millicores), got {}", (self.offset, self.cpu_millicores))
        require(self.offset >= 0 and self.cpu_millicores >= 0, "a quiet level must be >= 0, got {}", self)


@dataclass(frozen=True, slots=True)
class Peak:
    """The step that needs the most replicas: quantities at the plan's quantile level; sales None where not known."""

    at: datetime
    sales: float | None
    cpu_cores: float
    memory_bytes: float
    replicas: int
    quantile_level: float

    def __post_init__(self) -> None:
        require_aware("peak", self.at)
        for name in ("sales", "cpu_cores", "memory_bytes"):
            value = getattr(self, name)
            known = value is not None and 0 <= value < float("inf")
            require(known or (name == "sales" and value is None), "peak: {} must be a number >= 0, got {}", name, value)
        require(self.replicas >= 1, "peak: replicas must be >= 1, got {}", self.replicas)
        require(0 < self.quantile_level < 1, "peak: quantile_level must lie in (0, 1), got {}", self.quantile_level)


@shows_itself
@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    """The floor of one workload over the coming steps, as changes.

    Parameters
    ----------
    namespace, name : str
        Which workload.
    start : datetime
        Start of the first step; kept in UTC.
    step : timedelta
        Length of a step.
    steps : int
        How many steps the plan has.
    floor : tuple of FloorChange
        The floor in replicas from an offset in steps on, and the reason; the first at offset 0.
    binding : {"cpu", "memory"}
        The resource that asks for the most replicas at the peak; of as many, for more before they are rounded up.
    peak : Peak
        The step that needs the most replicas.
    safe_floor : int
        Replicas to hold when there is no plan to follow.
    ceiling : int
        Most replicas.
    lead_time : timedelta
        From the patch to ready replicas.
    derivation : Derivation
        How the replicas of the peak follow from sales.
    resources : dict of str to int
        What one replica requests: `cpu_request_millicores` and `memory_request_bytes`.
    quiet : tuple of Quiet
        The low quantile of CPU demand in millicores, as changes. Observed usage below it holds the floor: traffic that
        vanished is an incident. Default empty: none was planned.
    choice : Choice or None
        The policy that was chosen for the workload, and its evidence. Default none: none was.
    policy : Policy or None
        The policy that floors were planned by. Default none: the plan was made without one.
    calm : bool
        Whether the controller may leave out moves of a floor (`controller.calm`), where no policy says so. Default yes;
        no where steps of orders were divided, which have few moves.
    headroom : Headroom or None
        Pods for which nodes are ready; of a group of workloads, in the plan of the first. Default none.
    sizes : PodSizes or None
        The size of its pods over time, where it scales vertically. Default none.
    volumes : tuple of VolumePlan
        The sizes of its volumes over time. Default none.
    demand : Demand or None
        What the plan was made from. Default none: plan files do not hold it.
    bounds : tuple of str
        What determines the replicas that each step needs: a resource, the lowest `floor` allowed, or the `ceiling`
        (or budget) that cuts them. Default empty: plan files do not hold it.

    Raises
    ------
    DataError
        A value is impossible, such as a floor above the ceiling.
    """

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
    derivation: Derivation
    resources: dict[str, int] = field(default_factory=dict)
    quiet: tuple[Quiet, ...] = ()
    choice: Choice | None = None
    policy: Policy | None = None
    calm: bool = True
    headroom: Headroom | None = None
    sizes: PodSizes | None = None
    volumes: tuple[VolumePlan, ...] = ()
    demand: Demand | None = field(default=None, repr=False, compare=False)  # behind the plan; not in its file
    bounds: tuple[Bound, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        where = f"plan of {self.namespace}/{self.name}"
        require(where.isprintable(), "a plan's names must be printable, got {!r}", where[:80])
        require_aware(where, self.start)
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        require(self.step > timedelta(0) and self.steps > 0, "{}: needs at least one step", where)
        require(self.lead_time >= timedelta(0), "{}: lead_time must be >= 0, got {}", where, self.lead_time)
        self._require_an_end(where)
        offsets = [change.offset for change in self.floor]
        require(bool(offsets) and offsets[0] == 0, "{}: the first floor must stand at offset 0", where)
        require(offsets == sorted(set(offsets)), "{}: floor changes must ascend, got {}", where, offsets)
        require(offsets[-1] < self.steps, "{}: a floor change lies beyond the last step", where)
        quiet = [level.offset for level in self.quiet]
        require(quiet == sorted(set(quiet)) and quiet[:1] in ([], [0]), "{}: quiet levels must ascend from 0", where)
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
    def peak_rate(self) -> float | None:
        """Sales an hour at the peak, at the plan's quantile level; None where not known."""
        return None if self.peak.sales is None else self.peak.sales * (timedelta(hours=1) / self.step)

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
        change = self.highest_between(begin, end)
        return None if change is None else change.replicas

    def highest_between(self, begin: datetime, end: datetime) -> FloorChange | None:
        """The change that set the highest floor of the steps that overlap `[begin, end]`; None where no step does."""
        if end < self.start or begin >= self.end:
            return None
        first = max(0, (begin - self.start) // self.step)
        last = min(self.steps - 1, (end - self.start) // self.step)
        low = bisect_right(self.floor, first, key=_offset) - 1
        return max(self.floor[low : bisect_right(self.floor, last, key=_offset)], key=lambda change: change.replicas)

    def rise_to(self, at: datetime) -> datetime | None:
        """When the controller starts to raise the floor to that of `at`, a lead time ahead; None where it stands."""
        step = (at - self.start) // self.step
        place = bisect_right(self.floor, step, key=_offset) - 1
        while place > 0 and self.floor[place - 1].replicas < self.floor[place].replicas:
            place -= 1
        first = place + 1  # the lowest floor before stands at `place`
        if first >= len(self.floor) or self.floor[first].offset > step:
            return None
        return self.start + self.floor[first].offset * self.step - self.lead_time

    def quiet_at(self, moment: datetime) -> int | None:
        """The CPU usage (millicores) below which traffic has vanished at this moment; None where it is not known."""
        if not self.quiet or not self.start <= moment < self.end:
            return None
        step = (moment - self.start) // self.step
        return next(level.cpu_millicores for level in reversed(self.quiet) if level.offset <= step)

    def to_frame(self) -> pd.DataFrame:
        """One row per step (index `start`, UTC): `floor` in replicas and the `reason` that set it.

        Where the plan was just made, also the demand behind it at the plan's quantile level: `sales` (per step, where
        known), `cpu_cores`, `memory_bytes`, and the `utilization` that the floor then has, the higher of the two.
        Where pods are resized, also what one pod requests: `cpu_request` in cores, `memory_request` in bytes.
        """
        import pandas as pd

        steps = pd.date_range(self.start, periods=self.steps, freq=pd.Timedelta(self.step), name="start")
        columns = self.columns()
        return pd.DataFrame({**columns, **self._loads(columns)}, steps)

    def columns(self) -> dict[str, list[Any]]:
        """The columns of `to_frame` that a plan file holds, a value per step: floor, reason, requests of one pod."""
        ends = [*(change.offset for change in self.floor[1:]), self.steps]
        runs = [(change, end - change.offset) for change, end in zip(self.floor, ends, strict=True)]
        standing = [change for change, length in runs for _ in range(length)]
        requests = {} if self.sizes is None else self.sizes.requests()
        return {"floor": [one.replicas for one in standing], "reason": [one.reason for one in standing], **requests}

    def loads(self) -> dict[str, NDArray[np.float64]]:
        """The columns of `to_frame` that a plan file does not hold, a value per step: demand, and what it utilizes.

        At the plan's quantile level; NaN where the demand does not reach. Empty where the demand is not known.
        """
        return self._loads({} if self.sizes is None else self.sizes.requests())

    def _loads(self, requests: Mapping[str, list[Any]]) -> dict[str, NDArray[np.float64]]:
        import numpy as np

        if self.demand is None:
            return {}
        names = {"sales": self.demand.sales, "cpu_cores": self.demand.cpu, "memory_bytes": self.demand.memory}
        found = {name: self.on_steps(one, self.peak.quantile_level) for name, one in names.items() if one is not None}
        cores = np.array(requests.get("cpu_request", self.resources["cpu_request_millicores"] / 1000), dtype=float)
        size = np.array(requests.get("memory_request", self.resources["memory_request_bytes"]), dtype=float)
        cpu, memory = found["cpu_cores"] / cores, found["memory_bytes"] / size
        return {**found, "utilization": np.where(memory > cpu, memory, cpu) / self.replicas()}

    def on_steps(self, forecast: Forecast, level: float) -> NDArray[np.float64]:
        """A quantile of the demand behind the plan on the steps of the plan (steps,), NaN where it does not reach."""
        import pandas as pd

        if forecast.step == self.step and forecast.origin + self.step == self.start:
            values = forecast.values_at(level)
            if len(values) == self.steps:
                return values
        steps = pd.date_range(self.start, periods=self.steps, freq=pd.Timedelta(self.step))
        return forecast.at(level).reindex(steps).to_numpy(dtype=float)

    def replicas(self) -> NDArray[np.int64]:
        """The floor of each step in replicas (steps,)."""
        import numpy as np

        offsets = [change.offset for change in self.floor]
        standing = np.array([change.replicas for change in self.floor], dtype=np.int64)
        return np.repeat(standing, np.diff([*offsets, self.steps]))

    @property
    def mean_floor(self) -> float:
        """The planned floor on average over the plan, in replicas."""
        ends = [*(change.offset for change in self.floor[1:]), self.steps]
        return sum((end - one.offset) * one.replicas for one, end in zip(self.floor, ends, strict=True)) / self.steps

    @property
    def unskilled(self) -> bool:
        """Whether what is served is the seasonal naive, or no better than it on past origins."""
        record, demand = self.derivation.track_record, self.demand
        naive = demand is not None and (demand.sales or demand.cpu).unskilled
        return naive or (record is not None and record.trust.skill <= 0.0)

    def plot(self, timezone: str = "UTC", *, theme: str = "light", ax: Any = None) -> Any:
        """Draw the planned floor and, where this plan was just made, the demand that it serves and the past before it.

        Returns the Figure, or `ax` where that was given.
        """
        return plot_noun(self, timezone, theme=theme, ax=ax)


@shows_itself
@dataclass(frozen=True, slots=True)
class Plan:
    """The floors of many workloads, where they came from, until when they hold, and the nodes they fill, if asked.

    Parameters
    ----------
    created : datetime
        When the plan was made.
    origin : datetime
        The last step of data that it knew.
    valid_until : datetime
        From here on the plan is not followed.
    settings_hash : str
        A hash of the configuration behind it.
    source : dict
        Which data it was made from and how good they are, as JSON values.
    workloads : tuple of WorkloadPlan
        Each workload once.
    nodes : NodePlan or None
        Nodes that the replicas fill. Default none: no node types were given.
    blocks : dict of str to str
        A hash of each block of the configuration behind it, to tell which of them changed. Default none.

    Raises
    ------
    DataError
        A time has no zone, or a workload is named twice.

    Examples
    --------
    >>> day = datetime(2026, 11, 27, tzinfo=UTC)
    >>> Plan(day, day, day + timedelta(days=14), "", {}, ()).workload("shop", "web") is None
    True
    """

    created: datetime
    origin: datetime
    valid_until: datetime
    settings_hash: str
    source: dict[str, Any]
    workloads: tuple[WorkloadPlan, ...]
    nodes: NodePlan | None = None
    blocks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("created", "origin", "valid_until"):
            require_aware(name, getattr(self, name))
        keys = [workload.key for workload in self.workloads]
        require(len(keys) == len(set(keys)), "a plan names each workload once, got {}", sorted(keys))

    def workload(self, namespace: str, name: str) -> WorkloadPlan | None:
        """The plan of one workload, or None where this plan does not know it."""
        return next((plan for plan in self.workloads if plan.key == (namespace, name)), None)

    def to_frame(self) -> pd.DataFrame:
        """Every workload's steps in one long frame: index `start` (UTC), columns `namespace`, `name`, then as there."""
        import pandas as pd

        require(bool(self.workloads), "a plan without workloads has no frame")
        table = pd.concat([plan.to_frame() for plan in self.workloads])
        each = [plan for plan in self.workloads for _ in range(plan.steps)]
        table.insert(0, "namespace", [plan.namespace for plan in each])
        table.insert(1, "name", [plan.name for plan in each])
        return table

    def plot(self, timezone: str = "UTC", *, theme: str = "light", ax: Any = None) -> Any:
        """Draw the plans with the highest peaks, four at most.

        Returns the Figure, or `ax` where that was given: an array with one of the axes for each workload drawn.
        """
        return plot_noun(self, timezone, theme=theme, ax=ax)
