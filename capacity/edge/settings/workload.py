"""`workloads:` - what is planned for, and the autoscaler whose floor is moved."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, field_validator

from capacity.domain import Workload
from capacity.domain.workload import TargetKind
from capacity.edge.fields import ASSUMED_LEAD_TIME, LeadTime, Share
from capacity.edge.settings.block import NAME, Settings
from capacity.edge.settings.limits import LimitSettings, SwitchingSettings
from capacity.edge.settings.load import LoadSettings, ReplicaSettings
from capacity.edge.settings.prometheus import USAGE, Measured, MetricsSettings
from capacity.edge.settings.serving import AutoscalerSettings, PoolSettings, ThroughputSettings


class TargetSettings(Settings):
    """The object whose floor is moved: an autoscaler, or the workload itself where it has none."""

    kind: TargetKind = Field(
        "HorizontalPodAutoscaler",
        description="Or ScaledObject (KEDA), Deployment, StatefulSet: replicas of a workload without an autoscaler.",
    )
    name: str = Field(pattern=NAME, max_length=253)
    ignored_by: tuple[str, ...] = Field(
        (), description="Field managers (Argo CD, Flux) set up to leave the floor alone."
    )


class IncreaseSettings(Settings):
    """The ceiling may rise to the need and this much more; 0% is exactly the need."""

    buffer: Annotated[Share, Field(ge=0, le=1)] = 0.0


class IncreasePolicy(Settings):
    """`ceiling_policy: {increase: {buffer: 10%}}`."""

    increase: IncreaseSettings


class WorkloadSettings(Settings):
    """One workload; any of its keys may stand under `defaults` instead."""

    namespace: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    name: str = Field(pattern=NAME, max_length=253)
    target: TargetSettings | None = Field(
        None, description="Default: the HorizontalPodAutoscaler of the workload's name."
    )
    group: str | None = Field(None, description="Value of sales.group that drives this workload; None: all of them.")
    floor: int = Field(1, ge=1, description="Fewest replicas ever planned.")
    ceiling: int = Field(ge=1, description="Most replicas ever planned.")
    ceiling_policy: Literal["honor"] | IncreasePolicy = "honor"
    load: LoadSettings
    replica: ReplicaSettings
    metrics: MetricsSettings = Field(MetricsSettings(), description="Which of Prometheus' series are its own.")
    target_utilization: float = Field(0.80, gt=0, le=1, description="Utilization planned for. Default 0.80.")
    quantile_level: float = Field(0.95, gt=0, lt=1, description="Quantile of demand served at that utilization.")
    lead_time: LeadTime = Field(
        "auto", description="From patch to ready replicas. auto: learned from the pods by plan --to-cluster, else 5m."
    )
    zones: int = Field(1, ge=1, description="With more than one, losing a zone leaves utilization at most 100 %.")

    limits: LimitSettings = Field(LimitSettings(), description="How floors may be set and moved.")
    costs: SwitchingSettings = Field(SwitchingSettings(), description="What starts, changes and lacks cost.")
    pool: PoolSettings | None = Field(None, description="Workers and waits: bounds the utilization planned for.")
    throughput: ThroughputSettings | Literal["history"] | None = Field(
        None,
        description="What scaling out can serve: a load test's points, or history, from replicas, requests and CPU.",
    )
    autoscaler: AutoscalerSettings | None = Field(None, description="The autoscaler's own target, to be judged.")
    today: int | None = Field(
        None, ge=0, description="Replicas that run around the clock now: what cost is held against."
    )

    @field_validator("throughput", mode="before")
    @classmethod
    def _known_throughput(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "history":
            raise ValueError(f"expected history, or {{points: [[replicas, requests per second], ...]}}, got {value!r}")
        return value

    _learned: timedelta | None = PrivateAttr(None)  # no setting: a plan's hash does not change with it

    def learned(self, lead_time: timedelta | None) -> Self:
        """The same settings with a lead time learned from the cluster in place of `auto`."""
        copy = self.model_copy()
        copy._learned = lead_time
        return copy

    def measured(self) -> Measured:
        """The workload as Prometheus is asked for it: for its replicas too where its history says what they serve."""
        counted = self.throughput == "history" or self.metrics.replicas is not None
        return Measured(self.namespace, self.name, self.metrics, (*USAGE, "replicas") if counted else USAGE)

    def workload(self, timezone: str = "UTC") -> Workload:
        """The workload as a noun of the domain; `timezone` is the business's clock."""
        target = self.target or TargetSettings(name=self.name)
        return Workload(
            namespace=self.namespace,
            name=self.name,
            load=self.load.noun(),
            replica=self.replica.noun(),
            floor=self.floor,
            ceiling=self.ceiling,
            target=target.name,
            target_kind=target.kind,
            ignored_by=target.ignored_by,
            target_utilization=self.target_utilization,
            quantile_level=self.quantile_level,
            lead_time=self._learned or ASSUMED_LEAD_TIME if self.lead_time == "auto" else self.lead_time,
            zones=self.zones,
            ceiling_buffer=None if self.ceiling_policy == "honor" else self.ceiling_policy.increase.buffer,
            group=self.group,
            limits=self.limits.noun(timezone),
            costs=self.costs.noun(),
            today=self.today,
            **self._serving(),
        )

    def _serving(self) -> dict[str, Any]:
        """How its replicas serve, as far as that is written down."""
        return {
            "pool": self.pool.noun() if self.pool else None,
            "throughput": self.throughput.noun() if isinstance(self.throughput, ThroughputSettings) else None,
            "reactive": self.autoscaler.noun() if self.autoscaler else None,
        }
