"""One workload's plan, and the plans of many: the floors, and the numbers that explain them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice

import numpy as np
import pandas as pd

from capacity.model import (
    DataError,
    Demand,
    Derivation,
    FloorChange,
    Forecast,
    LoadReport,
    Peak,
    PeakSales,
    Quiet,
    ReplicaNeed,
    RequestNeed,
    Shortfall,
    TargetUtilization,
    TrackRecord,
    Trust,
    Workload,
    WorkloadPlan,
)
from capacity.model.arrays import Counts, Places
from capacity.model.plan import Bound
from capacity.model.pod_size import PodSizes
from capacity.model.policy import Policy
from capacity.planning.finer import costs_of, finer_demand
from capacity.planning.floors import choose_floors
from capacity.planning.optimum import clock_places, run_starts
from capacity.planning.requirements import Requirement, allowed_within, requirement_of, within_pool
from capacity.planning.sizing import highest_target, highest_tolerated_utilization, safe_target
from capacity.planning.vertical import as_fixed, peak_requests, plan_sizes, size_remarks
from capacity.series.within import WithinStep

HOUR, MONTH = timedelta(hours=1), timedelta(days=30)


def within_budget(floors: Counts, workload: Workload, step: timedelta) -> Counts:
    """The floors cut at the highest level that the budget pays for: the peaks lose first, the everyday last.

    Raises `DataError` where not even the workload's own floor is paid for.
    """
    budget, price = workload.limits.budget, workload.costs.price_per_hour
    if budget is None:
        return floors
    if price is None:
        raise DataError("budget: expected costs.price_per_hour or priced node types beside it, got neither")
    replica_steps = budget * (len(floors) * step / MONTH) / (price * (step / HOUR)) if price else np.inf
    if floors.sum() <= replica_steps:
        return floors
    low, _ = allowed_within(workload.floor, max(int(floors.max()), workload.floor), workload.limits)
    if low * len(floors) > replica_steps:
        raise DataError(
            f"budget: expected at least {low * price * (MONTH / HOUR):.2f} a month for the floor of {low} replicas, "
            f"got {budget:.2f}"
        )
    levels = np.unique(np.concatenate([floors, np.arange(low, int(floors.max()) + 1)]))
    affordable = [level for level in levels.tolist() if np.minimum(floors, level).sum() <= replica_steps]
    _, cut = allowed_within(low, affordable[-1], workload.limits)
    return np.minimum(floors, cut)


def month_cost(floors: Counts, price_per_hour: float) -> float:
    """What these floors would cost over a month of 30 days, went every day on like these.

    >>> month_cost(np.array([2, 4]), 0.5)
    1080.0
    """
    return float(floors.mean()) * price_per_hour * (MONTH / HOUR)


BOUNDS: tuple[Bound, ...] = ("cpu", "memory", "requests", "floor", "ceiling")  # by number: one text for all steps
QUIET_LEVEL = 0.05  # one hour in twenty lies below: with the observed usage below it as well, something is wrong


def floor_changes(floors: Counts, need: Counts, low: int, high: int) -> tuple[FloorChange, ...]:
    """Runs of equal floors. A run that stands below its need is cut: by the ceiling, or by the budget under it."""
    starts = run_starts(floors)
    needed = np.maximum.reduceat(need, starts).tolist()
    changes: list[FloorChange] = []
    before = 0
    for at, wanted in zip(starts.tolist(), needed, strict=True):
        here = int(floors[at])
        moved = "DemandRising" if here > before else "DemandFalling"
        reason = _bound(here, wanted, low, high) or ("PlanStart" if at == 0 else moved)
        changes.append(FloorChange(at, here, reason))
        before = here
    return tuple(changes)


def _bound(floor: int, need: int, low: int, high: int) -> str | None:
    if need > floor:
        return "CeilingReached" if floor == high else "BudgetReached"
    return "StaticFloor" if floor == low and need < low else None


def bounds_of(one: Requirement, floors: Counts) -> tuple[Bound, ...]:
    """What determines the replicas that each step needs; what cuts them where the floor stands below."""
    need = one.need
    most, known = np.maximum(need.cpu, need.memory), np.where(need.by_memory, BOUNDS.index("memory"), 0)
    if need.requests is not None:
        known = np.where(need.requests > most, BOUNDS.index("requests"), known)
    cut = np.where(need.replicas > floors, BOUNDS.index("ceiling"), known)
    return tuple(map(BOUNDS.__getitem__, np.where(need.replicas < one.low, BOUNDS.index("floor"), cut).tolist()))


def quiet_levels(demand: Demand) -> tuple[Quiet, ...]:
    """The low quantile of CPU demand, the least of each hour, as changes; empty where it was not forecast."""
    cpu = demand.cpu
    if QUIET_LEVEL not in [float(level) for level in cpu.quantiles.columns.tolist()]:
        return ()
    millicores = np.floor(cpu.values_at(QUIET_LEVEL) * 1000).astype(np.int64)
    if cpu.step >= HOUR:
        return _quiet_changes(np.arange(len(millicores)), millicores)
    starts = run_starts(clock_places(cpu.quantiles.index[0], len(millicores), cpu.step, HOUR))
    return _quiet_changes(starts, np.minimum.reduceat(millicores, starts))


def _quiet_changes(starts: Places, millicores: Counts) -> tuple[Quiet, ...]:
    keep = run_starts(millicores)
    return tuple(map(Quiet, starts[keep].tolist(), millicores[keep].tolist()))


def shortfall_of(one: Requirement, floors: Counts) -> Shortfall:
    """How far the floors fall short of the need; the cores are those of the missing replicas at the target."""
    short = np.maximum(one.need.replicas - floors, 0)
    steps = int((short > 0).sum())
    most = int(short.max())
    cores = most * one.workload.replica.cpu_request * one.workload.target_utilization
    return Shortfall(steps, round(steps * one.step.total_seconds() / 60), most, cores)


def remarks_on(one: Requirement, floors: Counts, short: Shortfall) -> list[str]:
    """Sentences for the reader of the plan; none where there is nothing to say."""
    return [
        *_of_windows(one),
        *_of_skill(one),
        *_of_shortfall(one, floors, short),
        *_of_churn(one, floors),
        *_of_autoscaler(one),
    ]


def _of_windows(one: Requirement) -> list[str]:
    if one.demand.cpu.window is not None:
        return []
    return ["each step is planned for by itself: the forecast knows no quantile of a lead time's maximum"]


def _of_skill(one: Requirement) -> list[str]:
    trust = (one.demand.sales or one.demand.cpu).trust
    if trust is None or round(trust.skill, 2) >= 0:
        return []
    return [f"the forecast is worse than the seasonal naive on past origins: skill {trust.skill:.2f}"]


def _of_shortfall(one: Requirement, floors: Counts, short: Shortfall) -> list[str]:
    if not short.steps:
        return []
    by = f"{short.replicas} replicas ({short.cores:.2f} cores)"
    bound = "ceiling" if int(floors.max()) == one.high else "budget"
    return [f"the {bound} of {int(floors.max())} replicas is below the need for {short.minutes} min, by up to {by}"]


def _of_churn(one: Requirement, floors: Counts) -> list[str]:
    changes, days = one.days.changes(floors[None, :])[0], one.days
    if (changes <= days.most).all():
        return []
    worst = int((changes - days.most).argmax())
    return [f"steps and ramps ask for {changes[worst]} changes on one day, above {days.most[worst]}"]


def _of_autoscaler(one: Requirement) -> list[str]:
    """An autoscaler that lets its replicas idle above what we promise makes the promise alone in vain."""
    reactive = one.workload.reactive
    if reactive is None:
        return []
    tolerated = highest_tolerated_utilization(reactive.target, reactive.tolerance)
    promised = round(one.workload.target_utilization * 100)
    if tolerated < promised:  # an HPA cuts fractions off: 80 may be 80.99
        return []
    best = highest_target(promised, reactive.tolerance)
    return [
        f"the autoscaler's target {reactive.target} % with tolerance {reactive.tolerance:g} adds nothing up to "
        f"{tolerated} %: set its target to {best} % to stay under {promised} %"
    ]


CHUNK = 256  # workloads at once: enough to share the arrays' overhead, few enough to stay in 100 MB


def plan_workload(demand: Demand, workload: Workload) -> WorkloadPlan:
    """Plan the cheapest floors that keep CPU and memory at the quantile level under the target utilization.

    The demand of a step is that of the maximum over the window that a floor covers, where the forecast has it. Floors
    lie within the workload's floor and ceiling and keep to its limits. Where the need passes the ceiling, an honored
    ceiling cuts it and the plan says by how much and for how long; a ceiling with a buffer rises to need x (1 +
    buffer). Demand on longer steps is planned on quarters of an hour: on a smooth path that keeps the mean of each.

    Parameters
    ----------
    demand : Demand
        CPU (cores) and memory (bytes) of the whole workload per step, with the workload's `quantile_level` among its
        levels.
    workload : Workload
        What one replica requests, and what is promised and allowed.

    Returns
    -------
    WorkloadPlan
        The floor of every step, in replicas, and the numbers that explain its peak.

    Raises
    ------
    DataError
        The quantile level was not forecast, the need is beyond any cluster or beyond what scaling out can reach, or
        the limits cannot be met together.

    Examples
    --------
    >>> from capacity.model import LoadModel, Replica
    >>> index = pd.date_range("2026-11-27T01:00Z", periods=2, freq="h")
    >>> table = pd.DataFrame({0.95: [3.0, 8.0]}, index)
    >>> cpu = Forecast(index[0] - HOUR, HOUR, table, "cores")
    >>> demand = Demand(cpu, Forecast(index[0] - HOUR, HOUR, table * 2**28, "bytes"))
    >>> web = Workload("shop", "web", LoadModel(0, 0.1, 0, 0), Replica(1.0, 2**30), floor=2, ceiling=60)
    >>> plan_workload(demand, web).to_frame()["floor"].tolist()  # from 3 to 8 cores, over 0.8
    [3, 3, 5, 6, 8, 10, 11, 12]
    """
    made = next(plan_many([(on_floor_steps(demand, workload), workload)]))
    if isinstance(made, DataError):
        raise made
    return moved_as_orders(made, demand.cpu.step)


def on_floor_steps(
    demand: Demand, workload: Workload, within: WithinStep | None = None, report: LoadReport | None = None
) -> Demand:
    """The demand on the steps that floors are planned on; requests of pods are sized on those of the demand.

    `within`: what is known of the time within a step of orders; `report`: what was learned of the load, if it was.
    """
    if workload.vertical is not None:
        return demand
    model = workload.load if report is None else report.model
    found = {} if report is None else {name: report.finding(name) for name in ("cpu", "memory", "requests")}
    direct = {name for name, one in found.items() if one is not None and one.verdict == "direct"}
    return finer_demand(demand, within, costs_of(model, direct))


def moved_as_orders(plan: WorkloadPlan, before: timedelta) -> WorkloadPlan:
    """The plan of demand whose steps were as long as `before`, and may be divided since.

    Divided steps without a policy move as the orders' own do, without calm: on public traces of hourly orders calm
    would cost 2 to 7 % more at equal minutes over the target.
    """
    return replace(plan, calm=False) if plan.policy is None and plan.step < before else plan


def plan_many(pairs: Iterable[tuple[Demand, Workload]]) -> Iterator[WorkloadPlan | DataError]:
    """The plan of each pair of demand and workload in their order, or the error that stood in its way.

    Each is planned on the steps of its demand, where `plan_workload` first divides long ones. Pairs are taken in
    chunks: a generator of any length is planned in constant memory.
    """
    waiting = iter(pairs)
    while chunk := list(islice(waiting, CHUNK)):
        drafts = [_required(*pair) for pair in chunk]
        good = [one for one in drafts if isinstance(one, Requirement)]
        chosen = iter(zip(good, choose_floors(good), strict=True))
        for one in drafts:
            made: WorkloadPlan | DataError
            try:
                made = one if isinstance(one, DataError) else _plan(*next(chosen))
            except DataError as error:
                made = error
            yield made


def _required(demand: Demand, workload: Workload) -> Requirement | DataError:
    """What the workload needs, or why that is not known: one workload's failure never stops the others."""
    try:
        made = requirement_of(demand, workload)
        return made if workload.vertical is None else as_fixed(made)
    except DataError as error:
        return error


def floor_series(plan: WorkloadPlan) -> pd.Series:
    """The planned replicas, one value per step (UTC)."""
    return pd.Series(plan.replicas(), pd.date_range(plan.start, periods=plan.steps, freq=pd.Timedelta(plan.step)))


def _plan(one: Requirement, chosen: Counts) -> WorkloadPlan:
    workload, demand = one.workload, one.demand
    alone = workload.policy is not None and not workload.policy.has_floors
    floors = np.full_like(chosen, one.low) if alone else within_budget(chosen, workload, one.step)
    peak = _peak_step(one)
    made = WorkloadPlan(
        namespace=workload.namespace,
        name=workload.name,
        start=one.steps[0].to_pydatetime(),
        step=one.step,
        steps=len(floors),
        floor=floor_changes(floors, floors if alone else one.need.replicas, one.low, one.high),
        binding=one.need.binding(peak),
        peak=_peak(one, peak, int(floors[peak])),
        safe_floor=_safe_floor(floors, one.days.starts),
        ceiling=one.ceiling,
        lead_time=workload.lead_time,
        resources=_resources(workload),
        derivation=_derivation(one, floors, peak),
        quiet=quiet_levels(demand),
        demand=demand,
        bounds=bounds_of(one, floors),
        policy=workload.policy,
    )
    return made if workload.vertical is None else with_sizes(made, plan_sizes(one), workload)


def with_sizes(plan: WorkloadPlan, sizes: PodSizes, workload: Workload) -> WorkloadPlan:
    """The plan with these sizes of its pods, what they request at most, and what binds them."""
    requests = peak_requests(sizes, workload)
    resources = {
        "cpu_request_millicores": round(requests["cpu"] * 1000),
        "memory_request_bytes": round(requests["memory"]),
    }
    kept = [note for note in plan.derivation.notes if note not in size_remarks(plan.sizes or sizes)]
    derivation = replace(plan.derivation, notes=(*kept, *size_remarks(sizes)))
    return replace(plan, sizes=sizes, resources=resources, lead_time=sizes.lead_time, derivation=derivation)


def _peak_step(one: Requirement) -> int:
    """The step that needs most replicas; of several, the one with the highest demand."""
    busiest = np.flatnonzero(one.need.replicas == one.need.replicas.max())
    demand = one.load.cpu[busiest]
    return int(busiest[demand == demand.max()][-1])


def _peak(one: Requirement, step: int, replicas: int) -> Peak:
    level, sales = one.workload.quantile_level, one.demand.sales
    return Peak(
        at=one.steps[step].to_pydatetime(),
        sales=None if sales is None else float(sales.values_at(level)[step]),
        cpu_cores=float(one.load.cpu[step]),
        memory_bytes=float(one.load.memory[step]),
        replicas=replicas,
        quantile_level=level,
    )


def _safe_floor(floors: Counts, days: Places) -> int:
    """The median of the highest floors from each day's first step on: serves a usual day's peak without a plan."""
    return int(np.ceil(np.median(np.maximum.reduceat(floors, days))))


def _resources(workload: Workload) -> dict[str, int]:
    return {
        "cpu_request_millicores": round(workload.replica.cpu_request * 1000),
        "memory_request_bytes": round(workload.replica.memory_request),
    }


def _derivation(one: Requirement, floors: Counts, peak: int) -> Derivation:
    """The numbers of the peak, from sales to replicas."""
    workload, driver = one.workload, one.demand.sales or one.demand.cpu
    alone = workload.policy is not None and not workload.policy.has_floors
    short, safe = shortfall_of(one, one.need.replicas if alone else floors), safe_target(workload)
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
        notes=(*driver.notes, *(_of_policy(workload.policy) if alone else remarks_on(one, floors, short))),
        sales=_peak_sales(one.demand.sales, workload.quantile_level, peak),
        track_record=_track_record(one, driver.trust),
    )


def _of_policy(policy: Policy | None) -> list[str]:
    return [f"no floors are planned: by the replay of this workload's history the {policy} alone does best"]


def _request_need(one: Requirement, peak: int) -> RequestNeed | None:
    """The replicas that the peak's requests ask for, their rate, and who says how many replicas serve it."""
    replicas, rate, law = one.need.requests, one.load.requests, one.workload.law
    if replicas is None or rate is None or law is None:
        return None
    return RequestNeed(int(replicas[peak]), round(float(rate[peak]), 3), law.source)


def _track_record(one: Requirement, trust: Trust | None) -> TrackRecord | None:
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
    median = round(float(sales.values_at(0.5)[step]), 3) if known else None
    return PeakSales(median, round(float(sales.values_at(level)[step]), 3))
