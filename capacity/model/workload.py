"""Workloads: their autoscaler, their load, and their targets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from capacity.model.errors import require
from capacity.model.fields import (
    ASSUMED_LEAD_TIME,
    ASSUMED_LEVEL,
    NAME,
    STRICT,
    LeadTime,
    Quantity,
    Share,
    WrittenAs,
    duration,
    quantity,
    settle,
)
from capacity.model.headroom import HeadroomRules
from capacity.model.limits import Costs, Limits
from capacity.model.load import GivenLoad
from capacity.model.pod_size import Vertical
from capacity.model.policy import Objective, Policy
from capacity.model.serving import GivenThroughput, Pool, Reactive, Throughput
from capacity.model.volume import VolumeRules
from capacity.shown import shows_briefly, with_card

TargetKind = Literal["HorizontalPodAutoscaler", "ScaledObject", "Deployment", "StatefulSet"]
Managed = Literal["floor", "target"]


@with_card
@dataclass(frozen=True, slots=True)
class Replica:
    """What one replica requests, and at 100 % utilization serves.

    Parameters
    ----------
    cpu_request : float or str
        Cores, above 0, or a quantity such as ``"500m"``. Kept as a float.
    memory_request : float or str
        Bytes, above 0, or a quantity such as ``"512Mi"``. Kept as a float.

    Raises
    ------
    DataError
        A request is not above 0.

    Examples
    --------
    >>> Replica(cpu_request="500m", memory_request="512Mi").cpu_request
    0.5
    """

    __pydantic_config__ = STRICT

    cpu_request: Annotated[Quantity, Field(gt=0, description="Cores.")]
    memory_request: Annotated[Quantity, Field(gt=0, description="Bytes.")]

    if TYPE_CHECKING:

        def __init__(self, cpu_request: float | str, memory_request: float | str) -> None: ...

    def __post_init__(self) -> None:
        settle(self, "replica", quantity, "cpu_request", "memory_request")
        for name in ("cpu_request", "memory_request"):
            value = getattr(self, name)
            require(0 < value < float("inf"), "replica: {} must be > 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class Target:
    """The object whose floor is moved: an autoscaler, or the workload itself where it has none."""

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(pattern=NAME, max_length=253, description="Default: the workload's name.")] = ""
    kind: Annotated[
        TargetKind,
        Field(description="ScaledObject is KEDA's; Deployment and StatefulSet are workloads without an autoscaler."),
    ] = "HorizontalPodAutoscaler"
    ignored_by: Annotated[
        tuple[str, ...], Field(description="Field managers (Argo CD, Flux) set up to leave the floor alone.")
    ] = ()
    take: Annotated[
        bool,
        Field(description="Take the floor by force from who applied it server-side (Helm 4, kubectl, Terraform)."),
    ] = False


def _lead_time(where: str, text: str) -> timedelta:
    return ASSUMED_LEAD_TIME if text == "auto" else duration(where, text)


def _expression(pods: str | None) -> str | None:
    try:
        re.compile(pods or "")
    except re.error as error:
        raise ValueError(f"expected a regular expression such as web-.+, got {pods!r}: {error}") from error
    return pods


@dataclass(frozen=True, slots=True)
class Metrics:
    """Which Prometheus series belong to this workload. A custom query must return exactly one series.

    In a query `$window` stands for the duration that one value covers, e.g. rate(x[$window]).
    """

    __pydantic_config__ = STRICT

    kind: Annotated[
        Literal["Deployment", "StatefulSet", "Rollout"],
        Field(description="What makes the pods: gives names. Rollout is that of Argo."),
    ] = "Deployment"
    pods: Annotated[
        str | None,
        AfterValidator(_expression),
        Field(description="Regular expression of the pods' names. None: from name and kind."),
    ] = None
    cpu: Annotated[str | None, Field(description="PromQL for CPU cores of the whole workload. None: generated.")] = None
    memory: Annotated[str | None, Field(description="PromQL for bytes of memory in use. None: generated.")] = None
    requests: Annotated[
        str | None, Field(description="PromQL for requests per second. None: from prometheus.requests.")
    ] = None
    replicas: Annotated[
        str | None,
        Field(description="PromQL for ready replicas, asked for throughput: history. None: from kube-state-metrics."),
    ] = None


@dataclass(frozen=True, slots=True)
class Increase:
    """The ceiling may rise to the need and this much more; 0 % is exactly the need."""

    __pydantic_config__ = STRICT

    buffer: Annotated[Share, Field(ge=0, le=1)] = 0.0


@dataclass(frozen=True, slots=True)
class IncreasePolicy:
    """`ceiling_policy: {increase: {buffer: 10%}}`."""

    __pydantic_config__ = STRICT

    increase: Increase


def _buffer(policy: IncreasePolicy | Literal["honor"]) -> float | None:
    return None if policy == "honor" else policy.increase.buffer


CeilingBuffer = Annotated[float | None, WrittenAs(Literal["honor"] | IncreasePolicy, _buffer)]


@shows_briefly
@dataclass(frozen=True, slots=True)
class Workload:
    """One workload of the cluster, and its targets; in capacity.yaml an item of `workloads:`.

    Parameters
    ----------
    namespace, name : str
        As in the cluster.
    load : LoadModel
        What sales cost: demand as a function of sales per hour.
    replica : Replica
        What one replica requests.
    floor, ceiling : int
        Fewest and most replicas ever planned.
    target : Target
        The object whose floor is moved. Default: the HorizontalPodAutoscaler of the workload's name.
    target_utilization : float
        Utilization planned for, in (0, 1]. Default 0.80.
    quantile_level : float
        Quantile of demand that is served at that utilization, in (0, 1). Default 0.95, in place of which `advise`
        tries several.
    objective : Objective
        What a policy is chosen by. Default: the cheapest that keeps 99.5 % of minutes under the target.
    lead_time : timedelta or str
        From the patch to ready replicas, such as ``"90s"``. Default 5 minutes; in capacity.yaml `auto`, which learns it
        from the pods.
    zones : int
        With more than one, the loss of one zone at the planned peak leaves utilization at most 100 %. Default 1.
    ceiling_buffer : float or None
        A share (0.1) lets the ceiling rise to need x (1 + share). Default none: the ceiling is honored.
    group : str or None
        Value of `sales.group` that drives this workload. Default none: all sales.
    limits : Limits
        How floors may be set and moved. Default: any way, but for the number of changes a day.
    costs : Costs
        What starting, changing and lacking replicas costs.
    pool : Pool or None
        Workers and waits, which bound the utilization planned for. Default none.
    throughput : Throughput, "history" or None
        What scaling out can serve; "history" stands for what is still to be learned from usage. Default none.
    reactive : Reactive or None
        What its autoscaler does by itself. Default none: not known.
    today : int or None
        Replicas that run around the clock now, to compare costs with. Default none.
    policy : Policy or None
        The policy to plan by. Default none: the one that `capacity advise` chose, if any.
    manage : tuple of str
        What the controller sets: its "floor", and with "target" also the averageUtilization of its CPU where the
        chosen policy has another. Default: the floor; a target is then only advised.
    metrics : Metrics
        Which series of Prometheus are its own. Default: found by name and kind.
    headroom : HeadroomRules or None
        How nodes are kept ready for it. Default none: they are not.
    scaling : {"horizontal", "vertical"}
        Whether the number of pods moves, or their size in place. Default "horizontal".
    vertical : Vertical or None
        How pods are resized; needed for vertical scaling. Default none.
    volumes : tuple of VolumeRules
        Its claims that get room ahead. Default none.

    Raises
    ------
    DataError
        A value lies outside of its range, or the floor above the ceiling.

    Examples
    --------
    >>> from capacity.model import LoadModel
    >>> web = Workload("shop", "web", LoadModel(0.5, 0.12, 0, 0), Replica(0.5, 2**29), floor=2, ceiling=60)
    >>> web.target.name, web.target_utilization
    ('web', 0.8)
    """

    __pydantic_config__ = STRICT

    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    name: Annotated[str, Field(pattern=NAME, max_length=253)]
    load: Annotated[GivenLoad, Field(description="What sales cost: demand as a function of sales per hour.")]
    replica: Replica
    floor: Annotated[int, Field(1, ge=1, description="Fewest replicas ever planned.")]
    ceiling: Annotated[int, Field(ge=1, description="Most replicas ever planned.")]
    target: Annotated[Target, Field(description="Default: the HorizontalPodAutoscaler of the workload's name.")] = (
        Target()
    )
    target_utilization: Annotated[float, Field(gt=0, le=1, description="Utilization planned for. Default 0.80.")] = 0.80
    quantile_level: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            json_schema_extra={"default": 0.95},
            description="Quantile of demand served at that utilization; forecast, listed or not. Unset, `advise` tries "
            "several.",
        ),
    ] = field(default_factory=lambda: ASSUMED_LEVEL)
    objective: Annotated[
        Objective,
        Field(description="What a policy is chosen by: {target: 0.80, minutes: 99.5%}, or {overload_cost: 500 EUR/h}."),
    ] = field(default_factory=Objective)
    lead_time: Annotated[
        LeadTime,
        Field(
            json_schema_extra={"default": "auto"},
            description="From patch to ready replicas. auto: learned from the pods by plan --to-cluster, else 5m.",
        ),
    ] = field(default_factory=lambda: ASSUMED_LEAD_TIME)  # no plain default: a schema cannot show it
    zones: Annotated[
        int, Field(ge=1, description="With more than one, losing a zone leaves utilization at most 100 %.")
    ] = 1
    ceiling_buffer: Annotated[
        CeilingBuffer,
        Field(
            alias="ceiling_policy",
            description="honor, or {increase: {buffer: 10%}}: how far above the need the ceiling may rise.",
        ),
    ] = None
    group: Annotated[
        str | None, Field(description="Value of sales.group that drives this workload; None: all of them.")
    ] = None
    limits: Annotated[Limits, Field(description="How floors may be set and moved.")] = field(default_factory=Limits)
    costs: Annotated[Costs, Field(description="What starts, changes and lacks cost.")] = field(default_factory=Costs)
    pool: Annotated[Pool | None, Field(description="Workers and waits: bounds the utilization planned for.")] = None
    throughput: Annotated[
        GivenThroughput,
        Field(
            description="What scaling out can serve: a load test's points, or history, from replicas, requests and CPU."
        ),
    ] = None
    reactive: Annotated[
        Reactive | None, Field(alias="autoscaler", description="The autoscaler's own target, to be judged.")
    ] = None
    today: Annotated[
        int | None, Field(ge=0, description="Replicas that run around the clock now: what cost is held against.")
    ] = None
    policy: Annotated[
        Policy | None, Field(description="The policy to plan by. None: the one that `capacity advise` chose, if any.")
    ] = None
    manage: Annotated[
        tuple[Managed, ...],
        Field(
            description="[floor], or [floor, target]: the controller also sets the CPU target of a "
            "HorizontalPodAutoscaler that the chosen policy has; else it is only advised."
        ),
    ] = ("floor",)
    metrics: Annotated[Metrics, Field(description="Which of Prometheus' series are its own.")] = field(
        default_factory=Metrics
    )
    headroom: Annotated[
        HeadroomRules | None, Field(description="Nodes that are kept ready before its pods need them. None: none do.")
    ] = None
    scaling: Annotated[
        Literal["horizontal", "vertical"],
        Field(description="horizontal: the number of pods moves; vertical: their requests and limits, in place."),
    ] = "horizontal"
    vertical: Annotated[Vertical | None, Field(description="How pods are resized; for scaling: vertical.")] = None
    volumes: Annotated[
        tuple[VolumeRules, ...], Field(description="Claims that get room ahead, each by its name or its template.")
    ] = ()

    def __post_init__(self) -> None:
        where = f"workload {self.namespace}/{self.name}"
        settle(self, where, _lead_time, "lead_time")
        if not self.target.name:
            object.__setattr__(self, "target", replace(self.target, name=self.name))
        require(self.floor >= 1, "{}: floor must be >= 1, got {}", where, self.floor)
        require(self.floor <= self.ceiling, "{}: floor {} is above ceiling {}", where, self.floor, self.ceiling)
        require(
            0 < self.target_utilization <= 1,
            "{}: target_utilization must lie in (0, 1] (0.8 is 80 %), got {}",
            where,
            self.target_utilization,
        )
        require(0 < self.quantile_level < 1, "{}: quantile_level must lie in (0, 1)", where)
        require(self.lead_time >= timedelta(0), "{}: lead_time must be >= 0, got {}", where, self.lead_time)
        require(self.zones >= 1, "{}: zones must be >= 1, got {}", where, self.zones)
        require(self.today is None or self.today >= 0, "{}: today must be >= 0, got {}", where, self.today)
        planned = self.policy is None or self.policy.floors in ("none", "forecast")
        require(planned, "{}: policy.floors: expected none or forecast, got {}", where, self.policy)
        told = self.policy is None or self.policy.headroom is None
        require(told, "{}: policy.headroom: expected none; write `headroom` of the workload itself", where)
        require("floor" in self.manage, "{}: manage: expected floor, or floor and target, got {}", where, self.manage)
        managed = not self.manages_target or self.target.kind == "HorizontalPodAutoscaler"
        require(managed, "{}: manage: only a HorizontalPodAutoscaler has a target, got {}", where, self.target.kind)
        external = self.reactive is not None and self.reactive.external
        require(not (self.manages_target and external), "{}: manage: an external autoscaler has no CPU target", where)
        require(self.ceiling_buffer is None or self.ceiling_buffer >= 0, "{}: buffer must be >= 0", where)
        self._require_one_scaling(where)

    def _require_one_scaling(self, where: str) -> None:
        """A workload scales by the number of its pods or by their size: a resized workload may have no autoscaler."""
        vertical, kind = self.scaling == "vertical", self.target.kind
        given = self.vertical is not None
        require(given == vertical, "{}: expected vertical: with scaling: vertical, and only with it", where)
        owner = not vertical or kind in ("Deployment", "StatefulSet")
        require(owner, "{}: scaling: vertical needs target.kind Deployment or StatefulSet, got {}", where, kind)
        fixed, counts = not vertical or self.floor == self.ceiling, (self.floor, self.ceiling)
        require(fixed, "{}: scaling: vertical keeps the number of pods: floor and ceiling differ, {}", where, counts)
        planned = not vertical or self.policy is None
        require(planned, "{}: scaling: vertical has no policy: remove it", where)
        still = not vertical or self.headroom is None
        require(still, "{}: scaling: vertical adds no pods that need nodes: remove headroom", where)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name, which identify it in a plan and in the configuration."""
        return self.namespace, self.name

    @property
    def manages_target(self) -> bool:
        """Whether the controller sets the autoscaler's target."""
        return "target" in self.manage

    @property
    def law(self) -> Throughput | None:
        """The throughput to plan with; None where it is not given, or still to be learned."""
        return self.throughput if isinstance(self.throughput, Throughput) else None
