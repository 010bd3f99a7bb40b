"""What replicas cost: to run, to start, to change, to lack; and what there is to run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from capacity.domain.errors import require
from capacity.domain.fields import STRICT, Duration, Quantity


@dataclass(frozen=True, slots=True)
class Costs:
    """What starting, changing and lacking replicas costs, in the time of one running replica: in any currency.

    `start` None is the lead time, in which a replica runs and serves nothing; `overload` None leaves it to the quantile
    level how many times dearer a lacking replica is; `price_per_hour` None: the money that it costs is not known.
    """

    __pydantic_config__ = STRICT

    start: Annotated[Duration | None, Field(description="What a start costs; None: the lead time.")] = None
    change: Annotated[Duration, Field(description="What one change of the floor costs.")] = timedelta(0)
    overload: Annotated[
        float | None, Field(gt=1, description="How many times dearer a lacking replica is than an idle one.")
    ] = None
    price_per_hour: Annotated[float | None, Field(ge=0, description="Of one replica; None: from the node types.")] = (
        None
    )

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
    """A type of node, as pods see it: allocatable, not what it says on the box."""

    __pydantic_config__ = STRICT

    name: str
    cpu: Annotated[Quantity, Field(gt=0, description="Cores that pods may request.")]
    memory: Annotated[Quantity, Field(gt=0, description="Bytes that pods may request.")]
    price_per_hour: Annotated[float, Field(ge=0, description="In the currency of the supply.")] = 0.0
    provisioning: Annotated[Duration, Field(description="From a pod that does not fit to a node that is Ready.")] = (
        timedelta(0)
    )
    pods: Annotated[int, Field(ge=1, description="Most pods on one node; the kubelet's default.")] = 110

    def __post_init__(self) -> None:
        for name in ("cpu", "memory", "pods"):
            value = getattr(self, name)
            require(0 < value < float("inf"), "node type {}: {} must be > 0, got {}", self.name, name, value)
        price = self.price_per_hour
        require(0 <= price < float("inf"), "node type {}: price_per_hour must be >= 0, got {}", self.name, price)
        require(self.provisioning >= timedelta(0), "node type {}: provisioning must be >= 0", self.name)


@dataclass(frozen=True, slots=True)
class Quota:
    """What may be requested together, in a namespace or in the cluster; None: as much as asked."""

    __pydantic_config__ = STRICT

    cpu: Annotated[Annotated[Quantity, Field(gt=0)] | None, Field(description="Cores.")] = None
    memory: Annotated[Annotated[Quantity, Field(gt=0)] | None, Field(description="Bytes.")] = None
    pods: Annotated[int | None, Field(ge=1)] = None

    def __post_init__(self) -> None:
        for name in ("cpu", "memory", "pods"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), "quota: {} must be > 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class Supply:
    """What there is to run on; empty: no bound and no price. Nothing of it is needed for a plan of replicas."""

    __pydantic_config__ = STRICT

    node_types: Annotated[
        tuple[NodeType, ...], Field(description="The cheapest that takes every pod is planned with.")
    ] = ()
    quotas: Annotated[Mapping[str, Quota], Field(description="By namespace: its ResourceQuota.")] = field(
        default_factory=dict
    )
    cluster: Annotated[Quota | None, Field(description="What the whole cluster can give.")] = None
    currency: Annotated[str, Field(description="Of every price, as it is printed: EUR.")] = ""
