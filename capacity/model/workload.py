"""What serves the load, what it costs, and what we promise for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from capacity.model.errors import require
from capacity.model.limits import Costs, Limits
from capacity.model.load import LoadModel
from capacity.model.serving import Pool, Reactive, Throughput

TargetKind = Literal["HorizontalPodAutoscaler", "ScaledObject", "Deployment", "StatefulSet"]


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

    `target` is the name of its autoscaler, by default its own (of itself, where `target_kind` is a Deployment's or
    StatefulSet's);
    `ignored_by` names field managers that leave that autoscaler's floor alone.
    `floor` and `ceiling` bound every plan; `target_utilization` in (0, 1]; `quantile_level` in (0, 1).
    With `zones` > 1 the loss of one zone at the planned peak leaves utilization at most 100 %.
    `ceiling_buffer`: None honors the ceiling; a share (0.1) lets the ceiling rise to need x (1 + share).
    `limits` and `costs` shape the plan between them; `pool` and `throughput` say what a replica can promise;
    `reactive` is what its autoscaler does by itself; `today` how many replicas run around the clock now.
    """

    namespace: str
    name: str
    load: LoadModel
    replica: Replica
    floor: int
    ceiling: int
    target: str = ""
    target_kind: TargetKind = "HorizontalPodAutoscaler"
    ignored_by: tuple[str, ...] = ()
    target_utilization: float = 0.80
    quantile_level: float = 0.95
    lead_time: timedelta = timedelta(minutes=5)
    zones: int = 1
    ceiling_buffer: float | None = None
    group: str | None = None
    limits: Limits = field(default_factory=Limits)
    costs: Costs = field(default_factory=Costs)
    pool: Pool | None = None
    throughput: Throughput | None = None
    reactive: Reactive | None = None
    today: int | None = None

    def __post_init__(self) -> None:
        where = f"workload {self.namespace}/{self.name}"
        object.__setattr__(self, "target", self.target or self.name)
        require(self.floor >= 1, "{}: floor must be >= 1, got {}", where, self.floor)
        require(self.floor <= self.ceiling, "{}: floor {} is above ceiling {}", where, self.floor, self.ceiling)
        require(0 < self.target_utilization <= 1, "{}: target_utilization must lie in (0, 1]", where)
        require(0 < self.quantile_level < 1, "{}: quantile_level must lie in (0, 1)", where)
        require(self.lead_time >= timedelta(0), "{}: lead_time must be >= 0, got {}", where, self.lead_time)
        require(self.zones >= 1, "{}: zones must be >= 1, got {}", where, self.zones)
        require(self.today is None or self.today >= 0, "{}: today must be >= 0, got {}", where, self.today)
        require(self.ceiling_buffer is None or self.ceiling_buffer >= 0, "{}: buffer must be >= 0", where)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name: what a plan and a config agree on."""
        return self.namespace, self.name
