"""`pool:`, `throughput:` and `autoscaler:` of a workload - what its replicas can promise and do by themselves."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from capacity.domain import DataError, Pool, Reactive, Throughput
from capacity.edge.fields import Duration, Share
from capacity.edge.settings.block import Settings


class PoolSettings(Settings):
    """How one replica serves; the utilization planned for is at most what its queue allows."""

    slots: int = Field(ge=1, description="Workers of one replica: threads, processes.")
    service_time: Duration = Field(description="Mean time to serve one request, e.g. 0.2s.")
    wait: Duration = Field(description="Longest wait that almost all requests see.")
    wait_level: float = Field(0.99, gt=0, lt=1, description="What almost all means.")
    variability: float = Field(1.0, gt=0, description="(Ca^2 + Cs^2) / 2 of arrivals and services; 1: random.")
    shared: bool = Field(False, description="One queue before all replicas, not one before each.")

    def noun(self) -> Pool:
        """The pool as a noun of the domain."""
        return Pool(self.slots, self.service_time, self.wait, self.wait_level, self.variability, self.shared)


class ThroughputSettings(Settings):
    """Requests per second that so many replicas reached in a load test; `history` instead learns them from usage."""

    points: tuple[tuple[Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0)]], ...] = Field(
        min_length=1, description="Pairs of replicas and requests per second at saturation."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            self.noun()
        except DataError as error:
            raise ValueError(str(error)) from error
        return self

    def noun(self) -> Throughput:
        """The Universal Scalability Law through the points."""
        from capacity.sizing import fit_throughput  # numpy: the controller, which reads these settings too, has none

        return fit_throughput(self.points)


class AutoscalerSettings(Settings):
    """What the autoscaler does by itself, above the floor."""

    target: int = Field(ge=1, description="averageUtilization of CPU, percent of the request.")
    tolerance: Annotated[Share, Field(ge=0, lt=1)] = Field(
        0.10, description="It does nothing within this of its target."
    )

    def noun(self) -> Reactive:
        """The autoscaler's own rule as a noun of the domain."""
        return Reactive(self.target, self.tolerance)
