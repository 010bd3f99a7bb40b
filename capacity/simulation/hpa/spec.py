"""What a person writes into an HPA (autoscaling/v2), with the defaults that the API fills in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from capacity.model import require
from capacity.simulation.hpa.replicas import DEFAULT, Readiness, Tolerance

SYNC_PERIOD = timedelta(seconds=15)  # --horizontal-pod-autoscaler-sync-period
DOWNSCALE_STABILIZATION = timedelta(minutes=5)  # --horizontal-pod-autoscaler-downscale-stabilization
Source = Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
TargetKind = Literal["Utilization", "AverageValue", "Value"]
KINDS: dict[str, tuple[TargetKind, ...]] = {
    "Resource": ("Utilization", "AverageValue"),
    "ContainerResource": ("Utilization", "AverageValue"),
    "Pods": ("AverageValue",),
    "Object": ("Value", "AverageValue"),
    "External": ("Value", "AverageValue"),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric and its target: whole percent for Utilization, milli-units otherwise.

    >>> Metric().kind, Metric().target
    ('Utilization', 80)
    """

    source: Source = "Resource"
    name: str = "cpu"
    kind: TargetKind = "Utilization"
    target: int = 80

    def __post_init__(self) -> None:
        kinds = KINDS[self.source]
        require(self.kind in kinds, "metric {}: expected a target of {}, got {}", self.name, kinds, self.kind)
        require(self.target > 0, "metric {}: target must be > 0, got {}", self.name, self.target)


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """At most `value` pods, or percent of the replicas at the start of the period, within `period`."""

    kind: Literal["Pods", "Percent"]
    value: int
    period: timedelta

    def __post_init__(self) -> None:
        require(self.value > 0, "a rate policy's value must be > 0, got {}", self.value)
        require(self.period > timedelta(0), "a rate policy's period must be > 0, got {}", self.period)


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """One direction of `behavior`. `window` None: the controller's flag. `tolerance` None: the cluster's."""

    window: timedelta | None
    policies: tuple[RatePolicy, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"
    tolerance: float | None = None

    @property
    def longest_period(self) -> timedelta:
        """How long an event still counts for one of the policies."""
        return max((policy.period for policy in self.policies), default=timedelta(0))


DEFAULT_UP = ScalingRules(timedelta(0), (RatePolicy("Pods", 4, SYNC_PERIOD), RatePolicy("Percent", 100, SYNC_PERIOD)))
DEFAULT_DOWN = ScalingRules(None, (RatePolicy("Percent", 100, SYNC_PERIOD),))


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions; what is left out takes the API's defaults."""

    scale_up: ScalingRules = DEFAULT_UP
    scale_down: ScalingRules = DEFAULT_DOWN


@dataclass(frozen=True, slots=True)
class Hpa:
    """The spec of one HPA, and the flags of its controller. `behavior` None: the controller's own rule applies.

    >>> Hpa(floor=2, ceiling=20).metrics[0].name
    'cpu'
    """

    floor: int = 1
    ceiling: int = 10
    metrics: tuple[Metric, ...] = field(default=(Metric(),))
    behavior: Behavior | None = None
    tolerance: float = DEFAULT
    symmetric_tolerance: bool = False  # the rule before KEP-4951
    downscale_stabilization: timedelta = DOWNSCALE_STABILIZATION
    readiness: Readiness = field(default_factory=Readiness)

    def __post_init__(self) -> None:
        require(0 <= self.floor <= self.ceiling, "expected 0 <= floor <= ceiling, got {}, {}", self.floor, self.ceiling)
        require(self.ceiling >= 1, "ceiling must be >= 1, got {}", self.ceiling)
        require(bool(self.metrics), "an HPA needs at least one metric, got none")

    @property
    def band(self) -> Tolerance:
        """The tolerance in force: of each direction of `behavior` where it has one, else the cluster's."""
        if self.symmetric_tolerance or self.behavior is None:
            return Tolerance(self.tolerance, self.tolerance, self.symmetric_tolerance)
        down, up = self.behavior.scale_down.tolerance, self.behavior.scale_up.tolerance
        return Tolerance(self.tolerance if down is None else down, self.tolerance if up is None else up)
