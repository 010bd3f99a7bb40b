"""`workloads:` - what is planned for, and the autoscaler whose floor is moved."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from capacity.domain import LoadModel, Replica, Workload
from capacity.domain.workload import TargetKind
from capacity.edge.fields import ASSUMED_LEAD_TIME, LeadTime, Share
from capacity.edge.settings.block import NAME, Settings
from capacity.edge.settings.load import LoadSettings, ReplicaSettings


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
    target_utilization: float = Field(0.80, gt=0, le=1, description="Utilization planned for. Default 0.80.")
    quantile_level: float = Field(0.95, gt=0, lt=1, description="Quantile of demand served at that utilization.")
    lead_time: LeadTime = Field(ASSUMED_LEAD_TIME, description="From patch to ready replicas. auto: 5m is assumed.")
    zones: int = Field(1, ge=1, description="With more than one, losing a zone leaves utilization at most 100 %.")

    def workload(self) -> Workload:
        """The workload as a noun of the domain."""
        increase = self.ceiling_policy.increase if isinstance(self.ceiling_policy, IncreasePolicy) else None
        cpu, memory = self.load.cpu, self.load.memory
        return Workload(
            namespace=self.namespace,
            name=self.name,
            load=LoadModel(cpu.base, cpu.per_sale_per_hour, memory.base, memory.per_sale_per_hour),
            replica=Replica(self.replica.cpu_request, self.replica.memory_request),
            floor=self.floor,
            ceiling=self.ceiling,
            target=self.target.name if self.target else self.name,
            target_kind=self.target.kind if self.target else "HorizontalPodAutoscaler",
            ignored_by=self.target.ignored_by if self.target else (),
            target_utilization=self.target_utilization,
            quantile_level=self.quantile_level,
            lead_time=self.lead_time,
            zones=self.zones,
            ceiling_buffer=increase.buffer if increase else None,
            group=self.group,
        )
