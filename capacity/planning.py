"""Demand -> plan: how many replicas each coming step needs, what binds, and why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.domain import Demand, FloorChange, Forecast, Peak, Resource, Workload, WorkloadPlan
from capacity.sizing import replicas_needed

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Need:
    """Replicas that CPU and memory need at each step, before floor and ceiling: two arrays (steps,)."""

    cpu: Counts
    memory: Counts

    @property
    def replicas(self) -> Counts:
        """The larger of the two wins."""
        return np.maximum(self.cpu, self.memory)

    def binding(self, step: int) -> Resource:
        """The resource that needs more replicas at this step; CPU where they agree."""
        return "memory" if self.memory[step] > self.cpu[step] else "cpu"


def plan_workload(demand: Demand, workload: Workload) -> WorkloadPlan:
    """The floor at every step that keeps CPU and memory at the quantile level under the target utilization.

    The floor lies within the workload's floor and ceiling. Where the need passes the ceiling, an honored ceiling cuts
    it and the plan says by how much and for how long; a ceiling with a buffer rises to need x (1 + buffer).

    Raises `DataError` where the quantile level was not forecast or the need is beyond any cluster.
    """
    need = _need(demand, workload)
    ceiling = _ceiling(need, workload)
    floor = need.replicas.clip(workload.floor, ceiling)
    peak = _peak_step(demand, need, workload)
    return WorkloadPlan(
        namespace=workload.namespace,
        name=workload.name,
        start=demand.cpu.quantiles.index[0].to_pydatetime(),
        step=demand.cpu.step,
        steps=len(floor),
        floor=_changes(floor, need, workload, ceiling),
        binding=need.binding(peak),
        peak=_peak(demand, workload, peak, int(floor[peak])),
        safe_floor=_safe_floor(floor, pd.DatetimeIndex(demand.cpu.quantiles.index)),
        ceiling=ceiling,
        lead_time=workload.lead_time,
        resources=_resources(workload),
        explain=_explain(demand, need, workload, peak),
        demand=demand,
    )


def floor_series(plan: WorkloadPlan) -> pd.Series:
    """The planned replicas, one value per step (UTC)."""
    steps = pd.date_range(plan.start, periods=plan.steps, freq=pd.Timedelta(plan.step))
    changes = pd.Series({steps[change.offset]: change.replicas for change in plan.floor})
    return changes.reindex(steps).ffill().astype(int)


def _peak_step(demand: Demand, need: Need, workload: Workload) -> int:
    """The step that needs most replicas; of several, the one with the highest demand."""
    cpu = demand.cpu.at(workload.quantile_level).to_numpy(dtype=float)
    return int(np.lexsort((cpu, need.replicas))[-1])


def _need(demand: Demand, workload: Workload) -> Need:
    level, replica = workload.quantile_level, workload.replica
    cpu = demand.cpu.at(level).to_numpy(dtype=float)
    memory = demand.memory.at(level).to_numpy(dtype=float)
    return Need(
        replicas_needed(cpu, replica.cpu_request, workload),
        replicas_needed(memory, replica.memory_request, workload),
    )


def _ceiling(need: Need, workload: Workload) -> int:
    highest = int(need.replicas.max())
    if workload.ceiling_buffer is None or highest <= workload.ceiling:
        return workload.ceiling
    return int(np.ceil(highest * (1 + workload.ceiling_buffer) - 1e-9))


def _changes(floor: Counts, need: Need, workload: Workload, ceiling: int) -> tuple[FloorChange, ...]:
    """Runs of equal floors, each with the reason it begins."""
    starts = [0, *(np.flatnonzero(np.diff(floor)) + 1).tolist()]
    changes = [FloorChange(0, int(floor[0]), _bound(need.replicas[0], workload, ceiling) or "PlanStart")]
    for before, at in pairwise(starts):
        moved = "DemandRising" if floor[at] > floor[before] else "DemandFalling"
        reason = _bound(need.replicas[at], workload, ceiling) or moved
        changes.append(FloorChange(at, int(floor[at]), reason))
    return tuple(changes)


def _bound(need: int, workload: Workload, ceiling: int) -> str | None:
    if need > ceiling:
        return "CeilingReached"
    return "StaticFloor" if need < workload.floor else None


def _peak(demand: Demand, workload: Workload, step: int, replicas: int) -> Peak:
    level = workload.quantile_level
    return Peak(
        at=demand.cpu.quantiles.index[step].to_pydatetime(),
        sales=None if demand.sales is None else float(demand.sales.at(level).iloc[step]),
        cpu_cores=float(demand.cpu.at(level).iloc[step]),
        memory_bytes=float(demand.memory.at(level).iloc[step]),
        replicas=replicas,
        quantile_level=level,
    )


def _safe_floor(floor: Counts, steps: pd.DatetimeIndex) -> int:
    """The median of the days' highest floors: serves an ordinary day's peak when there is no plan any more."""
    return int(np.ceil(pd.Series(floor, steps).groupby(steps.floor("D")).max().median()))


def _resources(workload: Workload) -> dict[str, int]:
    return {
        "cpu_request_millicores": round(workload.replica.cpu_request * 1000),
        "memory_request_bytes": round(workload.replica.memory_request),
    }


def _explain(demand: Demand, need: Need, workload: Workload, peak: int) -> dict[str, Any]:
    """The numbers of the peak, from sales to replicas, in the order they were computed."""
    level, driver = workload.quantile_level, demand.sales or demand.cpu
    short = (
        np.maximum(need.replicas - workload.ceiling, 0)
        if workload.ceiling_buffer is None
        else np.zeros(1, dtype=np.int64)
    )
    return {
        **_sales_of(demand.sales, level, peak),
        "cpu_millicores": round(float(demand.cpu.at(level).iloc[peak]) * 1000),
        "memory_bytes": round(float(demand.memory.at(level).iloc[peak])),
        "target_utilization": workload.target_utilization,
        "replicas_for_cpu": int(need.cpu[peak]),
        "replicas_for_memory": int(need.memory[peak]),
        "zones": workload.zones,
        "floor": workload.floor,
        "ceiling": workload.ceiling,
        "steps_above_ceiling": int((short > 0).sum()),
        "replicas_short_of_need": int(short.max()),
        "model": driver.model,
        "notes": list(driver.notes),
    }


def _sales_of(sales: Forecast | None, level: float, step: int) -> dict[str, float | None]:
    if sales is None:
        return {}
    known = 0.5 in sales.quantiles.columns
    median = round(float(sales.at(0.5).iloc[step]), 3) if known else None
    return {"sales_median": median, "sales_quantile": round(float(sales.at(level).iloc[step]), 3)}
