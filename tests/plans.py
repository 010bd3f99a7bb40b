"""Parts of plans that a test needs but does not look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from capacity.model import (
    DataError,
    Demand,
    Derivation,
    FloorChange,
    LoadModel,
    Peak,
    Replica,
    ReplicaNeed,
    TargetUtilization,
    Workload,
    WorkloadPlan,
)
from capacity.planning import plan_many


def derivation(**chosen: Any) -> Derivation:
    """How a peak of 4 cores and 1 GiB was sized: 10 replicas of half a core at 80 %."""
    usual = {"cpu_millicores": 4000, "memory_bytes": 2**30, "target": TargetUtilization(0.8)}
    return Derivation(**{**usual, "need": ReplicaNeed(10, 3), "floor": 2, "ceiling": 20, **chosen})


def workload_of(name: str, **chosen: Any) -> Workload:
    """A workload of namespace `shop` whose replicas request half a core and 512 MiB, 2 to 20 of them."""
    usual = {"load": LoadModel(0.5, 0.1, 0.0, 0.0), "replica": Replica(0.5, 2**29), "floor": 2, "ceiling": 20}
    return Workload("shop", name, **{**usual, **chosen})


def workload_plan(name: str, **chosen: Any) -> WorkloadPlan:
    """Its plan: four replicas for a day of hours from 2026-11-27."""
    start, hour = datetime(2026, 11, 27, tzinfo=UTC), timedelta(hours=1)
    usual = {
        "start": start,
        "step": hour,
        "steps": 24,
        "floor": (FloorChange(0, 4, "PlanStart"),),
        "binding": "cpu",
        "peak": Peak(start, None, 4.0, 2.0**30, 4, 0.95),
        "safe_floor": 4,
        "ceiling": 20,
        "lead_time": timedelta(minutes=5),
        "derivation": derivation(),
        "resources": {"cpu_request_millicores": 500, "memory_request_bytes": 2**29},
    }
    return WorkloadPlan("shop", name, **{**usual, **chosen})


def planned(demand: Demand, workload: Workload) -> WorkloadPlan:
    """The plan on the very steps of the demand."""
    made = next(plan_many([(demand, workload)]))
    if isinstance(made, DataError):
        raise made
    return made
