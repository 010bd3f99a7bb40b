"""`load:` and `replica:` of a workload - what sales cost, what one replica requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from capacity.domain import LoadModel, Replica
from capacity.edge.fields import Quantity
from capacity.edge.settings.block import Settings


class CostSettings(Settings):
    """Demand of the whole workload for one resource: base + slope x sales per hour."""

    base: Quantity = Field(0.0, description="Demand without any sale.")
    per_sale_per_hour: Quantity = Field(0.0, description="Demand that one more sale per hour adds.")


class LoadSettings(Settings):
    """What sales cost in CPU and memory."""

    cpu: CostSettings
    memory: CostSettings

    def noun(self) -> LoadModel:
        """The costs as a noun of the domain."""
        cpu, memory = self.cpu, self.memory
        return LoadModel(cpu.base, cpu.per_sale_per_hour, memory.base, memory.per_sale_per_hour)


class ReplicaSettings(Settings):
    """What one replica requests."""

    cpu_request: Annotated[Quantity, Field(gt=0)]
    memory_request: Annotated[Quantity, Field(gt=0)]

    def noun(self) -> Replica:
        """The requests as a noun of the domain."""
        return Replica(self.cpu_request, self.memory_request)
