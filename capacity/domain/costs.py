"""What replicas cost: to run, to start, to change, to lack; and what there is to run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from capacity.domain.errors import require


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
