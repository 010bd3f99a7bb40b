"""`supply:` - what there is to run on: node types with their price, quotas, the cluster's whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from capacity.domain import NodeType, Quota, Supply
from capacity.edge.fields import Duration, Quantity
from capacity.edge.settings.block import Settings


class NodeSettings(Settings):
    """A type of node, as pods see it: allocatable, not what it says on the box."""

    name: str
    cpu: Annotated[Quantity, Field(gt=0)]
    memory: Annotated[Quantity, Field(gt=0)]
    price_per_hour: float = Field(0.0, ge=0, description="In the currency of the supply.")
    provisioning: Duration = Field(timedelta(0), description="From a pod that does not fit to a node that is Ready.")
    pods: int = Field(110, ge=1, description="Most pods on one node; the kubelet's default.")

    def noun(self) -> NodeType:
        """The node type as a noun of the domain."""
        return NodeType(self.name, self.cpu, self.memory, self.price_per_hour, self.provisioning, self.pods)


class QuotaSettings(Settings):
    """What may be requested together; None: as much as asked."""

    cpu: Annotated[Quantity, Field(gt=0)] | None = None
    memory: Annotated[Quantity, Field(gt=0)] | None = None
    pods: int | None = Field(None, ge=1)

    def noun(self) -> Quota:
        """The quota as a noun of the domain."""
        return Quota(self.cpu, self.memory, self.pods)


class SupplySettings(Settings):
    """What there is to run on; nothing of it is needed for a plan of replicas."""

    node_types: tuple[NodeSettings, ...] = Field((), description="The cheapest that takes every pod is planned with.")
    quotas: dict[str, QuotaSettings] = Field(default_factory=dict, description="By namespace: its ResourceQuota.")
    cluster: QuotaSettings | None = Field(None, description="What the whole cluster can give.")
    currency: str = Field("", description="Of every price, as it is printed: EUR.")

    def noun(self) -> Supply:
        """The supply as a noun of the domain."""
        quotas = {namespace: quota.noun() for namespace, quota in self.quotas.items()}
        cluster = None if self.cluster is None else self.cluster.noun()
        return Supply(tuple(node.noun() for node in self.node_types), quotas, cluster)
