"""One workload's plan, and the plans of many: the floors, and how they were derived."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TypeVar

import numpy as np
import pandas as pd

from capacity.domain import (
    DataError,
    Demand,
    Derivation,
    Forecast,
    Peak,
    PeakSales,
    ReplicaNeed,
    RequestNeed,
    TargetUtilization,
    TrackRecord,
    Trust,
    Workload,
    WorkloadPlan,
)
from capacity.domain.arrays import Counts
from capacity.planning.budget import within_budget
from capacity.planning.changes import floor_changes, quiet_levels
from capacity.planning.draft import Draft, draft
from capacity.planning.floors import choose_floors
from capacity.planning.need import within_pool
from capacity.planning.optimum import run_starts
from capacity.planning.remarks import remarks_on, shortfall_of
from capacity.sizing import safe_target

Made = TypeVar("Made")
CHUNK = 256  # workloads at once: enough to share the arrays' overhead, few enough to stay in 100 MB


def plan_workload(demand: Demand, workload: Workload) -> WorkloadPlan:
    """The cheapest floors that keep CPU and memory at the quantile level under the target utilization.

    The demand is that of the maximum over the window that a floor covers, where the forecast has it. Floors lie within
    the workload's floor and ceiling and keep to its limits. Where the need passes the ceiling, an honored ceiling cuts
    it and the plan says by how much and for how long; a ceiling with a buffer rises to need x (1 + buffer).

    Raises `DataError` where the quantile level was not forecast, the need is beyond any cluster or beyond what scaling
    out can reach, or the limits cannot be met together.
    """
    made = next(plan_many([(demand, workload)]))
    if isinstance(made, DataError):
        raise made
    return made


def plan_many(pairs: Iterable[tuple[Demand, Workload]]) -> Iterator[WorkloadPlan | DataError]:
    """The plan of each pair of demand and workload in their order, or the error that stood in its way.

    Each is what `plan_workload` gives, at a third of its time. Pairs are taken in chunks: a generator of any length is
    planned in constant memory.
    """
    waiting = iter(pairs)
    while chunk := list(islice(waiting, CHUNK)):
        drafts = [_tried(draft, *pair) for pair in chunk]
        good = [one for one in drafts if isinstance(one, Draft)]
        chosen = iter(zip(good, choose_floors(good), strict=True))
        for one in drafts:
            yield one if isinstance(one, DataError) else _tried(_plan, *next(chosen))


def _tried(work: Callable[..., Made], *arguments: object) -> Made | DataError:
    """What the work makes, or why it cannot: one workload's failure never stops the others."""
    try:
        return work(*arguments)
    except DataError as error:
        return error


def floor_series(plan: WorkloadPlan) -> pd.Series:
    """The planned replicas, one value per step (UTC)."""
    steps = pd.date_range(plan.start, periods=plan.steps, freq=pd.Timedelta(plan.step))
    changes = pd.Series({steps[change.offset]: change.replicas for change in plan.floor})
    return changes.reindex(steps).ffill().astype(int)


def _plan(one: Draft, course: Counts) -> WorkloadPlan:
    workload, demand = one.workload, one.demand
    floors = within_budget(course, workload, one.step)
    peak = _peak_step(one)
    return WorkloadPlan(
        namespace=workload.namespace,
        name=workload.name,
        start=one.steps[0].to_pydatetime(),
        step=one.step,
        steps=len(floors),
        floor=floor_changes(floors, one.need.replicas, one.low, one.high),
        binding=one.need.binding(peak),
        peak=_peak(one, peak, int(floors[peak])),
        safe_floor=_safe_floor(floors, one.steps),
        ceiling=one.ceiling,
        lead_time=workload.lead_time,
        resources=_resources(workload),
        derivation=_derivation(one, floors, peak),
        quiet=quiet_levels(demand),
        demand=demand,
    )


def _peak_step(one: Draft) -> int:
    """The step that needs most replicas; of several, the one with the highest demand."""
    return int(np.lexsort((one.load.cpu, one.need.replicas))[-1])


def _peak(one: Draft, step: int, replicas: int) -> Peak:
    level, sales = one.workload.quantile_level, one.demand.sales
    return Peak(
        at=one.steps[step].to_pydatetime(),
        sales=None if sales is None else float(sales.at(level).iloc[step]),
        cpu_cores=float(one.load.cpu[step]),
        memory_bytes=float(one.load.memory[step]),
        replicas=replicas,
        quantile_level=level,
    )


def _safe_floor(floors: Counts, steps: pd.DatetimeIndex) -> int:
    """The median of the days' highest floors: serves an ordinary day's peak when there is no plan any more."""
    days = run_starts(np.asarray(steps.normalize().asi8))
    return int(np.ceil(np.median(np.maximum.reduceat(floors, days))))


def _resources(workload: Workload) -> dict[str, int]:
    return {
        "cpu_request_millicores": round(workload.replica.cpu_request * 1000),
        "memory_request_bytes": round(workload.replica.memory_request),
    }


def _derivation(one: Draft, floors: Counts, peak: int) -> Derivation:
    """The numbers of the peak, from sales to replicas."""
    workload, driver = one.workload, one.demand.sales or one.demand.cpu
    short, safe = shortfall_of(one, floors), safe_target(workload)
    return Derivation(
        cpu_millicores=round(float(one.load.cpu[peak]) * 1000),
        memory_bytes=round(float(one.load.memory[peak])),
        target=TargetUtilization(within_pool(workload).target_utilization, safe.bound, safe.why),
        need=ReplicaNeed(int(one.need.cpu[peak]), int(one.need.memory[peak]), _request_need(one, peak)),
        floor=workload.floor,
        ceiling=workload.ceiling,
        zones=workload.zones,
        shortfall=replace(short, cores=round(short.cores, 3)),
        window=driver.window,
        model=driver.model,
        notes=(*driver.notes, *remarks_on(one, floors, short)),
        sales=_peak_sales(one.demand.sales, workload.quantile_level, peak),
        track_record=_track_record(one, driver.trust),
    )


def _request_need(one: Draft, peak: int) -> RequestNeed | None:
    """The replicas that the peak's requests ask for, their rate, and who says how many replicas serve it."""
    replicas, rate, law = one.need.requests, one.load.requests, one.workload.law
    if replicas is None or rate is None or law is None:
        return None
    return RequestNeed(int(replicas[peak]), round(float(rate[peak]), 3), law.source)


def _track_record(one: Draft, trust: Trust | None) -> TrackRecord | None:
    """How right earlier forecasts were, and of what: a group of sales, or this workload's own usage."""
    if trust is None:
        return None
    subject = one.workload.group or "all" if one.demand.sales else f"{one.workload.namespace}/{one.workload.name}"
    coverage = tuple((level, round(share, 4)) for level, share in trust.coverage)
    return TrackRecord(subject, Trust(coverage, round(trust.skill, 4)))


def _peak_sales(sales: Forecast | None, level: float, step: int) -> PeakSales | None:
    if sales is None:
        return None
    known = 0.5 in sales.quantiles.columns
    median = round(float(sales.at(0.5).iloc[step]), 3) if known else None
    return PeakSales(median, round(float(sales.at(level).iloc[step]), 3))
