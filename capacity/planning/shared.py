"""Demands in, plans out: each workload for itself, its next days as they were replayed, then what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf

import numpy as np
import pandas as pd

from capacity.model import (
    DataError,
    Demand,
    Derivation,
    FloorChange,
    Forecast,
    NodePlan,
    Quota,
    QuotaCut,
    Supply,
    Workload,
    WorkloadPlan,
)
from capacity.model.arrays import Counts
from capacity.planning.nodes import plan_nodes, replica_price
from capacity.planning.optimum import run_starts
from capacity.planning.reactive import compare_reactive, reactive_remark
from capacity.planning.requirements import allowed_within
from capacity.planning.vertical import fit_node, fit_quota
from capacity.planning.workload import plan_many, with_sizes

CUT = "QuotaReached"
MINUTE = timedelta(minutes=1)


def within_quota(
    plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], quota: Quota, name: str
) -> list[WorkloadPlan]:
    """The plans of workloads that share a quota, cut where together they ask for more than there is.

    What lies above each workload's own floor is cut by the same share; a floor is never cut. A plan that was cut says
    so, with `QuotaReached` as the reason of its changes.
    """
    moments = sorted({plan.start + change.offset * plan.step for plan in plans for change in plan.floor})
    moments = sorted({*moments, *(plan.start for plan in plans), *(plan.end for plan in plans)})
    floors = np.stack([_floors_at(plan, moments) for plan in plans])  # (plans, moments)
    sizes = np.array([[one.replica.cpu_request, one.replica.memory_request, 1.0] for one in workloads])  # (plans, 3)
    given = np.array([inf if value is None else float(value) for value in (quota.cpu, quota.memory, quota.pods)])
    lowest = np.minimum(floors, np.array([[one.floor] for one in workloads]))
    spare = given[:, None] - sizes.T @ lowest  # (3, moments): what is left above the floors
    wanted = sizes.T @ (floors - lowest)
    share = np.where(wanted > spare, np.maximum(spare, 0.0) / np.where(wanted > 0, wanted, 1.0), 1.0).min(axis=0)
    cut = lowest + np.floor((floors - lowest) * share + 1e-9).astype(np.int64)
    return [
        _Cut.of(plan, workload, moments, row).made(name) if (row < before).any() else plan
        for plan, workload, before, row in zip(plans, workloads, floors, cut, strict=True)
    ]


def _floors_at(plan: WorkloadPlan, moments: Sequence[datetime]) -> Counts:
    """The floor from each moment on; 0 where the plan says nothing."""
    found = [plan.floor_between(at, at) if plan.start <= at < plan.end else None for at in moments]
    return np.array([0 if one is None else one for one in found], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Cut:
    """The floors of a plan by the step (steps,), before and after a quota."""

    plan: WorkloadPlan
    before: Counts
    after: Counts

    @staticmethod
    def of(plan: WorkloadPlan, workload: Workload, moments: Sequence[datetime], most: Counts) -> _Cut:
        """At most at `most` from each moment on; a step that several cuts touch takes the lowest."""
        ends = [*(change.offset for change in plan.floor[1:]), plan.steps]
        lengths = [end - change.offset for change, end in zip(plan.floor, ends, strict=True)]
        before = np.repeat([change.replicas for change in plan.floor], lengths)
        after = before.copy()
        for begin, until, given in zip(moments, moments[1:], most.tolist(), strict=False):
            if plan.start <= begin < plan.end:
                first = (begin - plan.start) // plan.step
                last = -(-(min(until, plan.end) - plan.start) // plan.step)
                allowed = allowed_within(workload.floor, max(given, workload.floor), workload.limits)[1]
                np.minimum(after[first:last], allowed, out=after[first:last])
        return _Cut(plan, before, after)

    @property
    def changes(self) -> tuple[FloorChange, ...]:
        """What is left of the plan's changes, each with its reason."""
        known = {change.offset: change.reason for change in self.plan.floor}
        starts = run_starts(self.after).tolist()
        return tuple(FloorChange(at, int(self.after[at]), self._reason(at, known.get(at))) for at in starts)

    def _reason(self, at: int, known: str | None) -> str:
        if self.after[at] < self.before[at]:
            return CUT
        if known is not None or at == 0:
            return known or "PlanStart"
        return "DemandRising" if self.after[at] > self.after[at - 1] else "DemandFalling"

    def made(self, name: str) -> WorkloadPlan:
        """The plan that is left, which says what cut it."""
        plan, peak = self.plan, (self.plan.peak.at - self.plan.start) // self.plan.step
        return replace(
            plan,
            floor=self.changes,
            peak=replace(plan.peak, replicas=int(self.after[peak])),
            safe_floor=min(plan.safe_floor, int(self.after.max())),
            derivation=self._derivation(name),
        )

    def _derivation(self, name: str) -> Derivation:
        short, known = self.before - self.after, self.plan.derivation
        minutes, most = round(int((short > 0).sum()) * (self.plan.step / MINUTE)), int(short.max())
        note = f"{name} is too small for {minutes} min, by up to {most} replicas"
        before = known.quota or QuotaCut(0, 0)
        quota = QuotaCut(max(minutes, before.minutes), most + before.replicas)
        return replace(known, quota=quota, notes=(*known.notes, note))


Key = tuple[str, str]  # namespace and name
PastLoad = Callable[[Workload], pd.Series | None]  # past CPU demand (cores) of a workload; None where not known


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans that could be made, the nodes they fill, and why others could not be made."""

    plans: tuple[WorkloadPlan, ...]
    nodes: NodePlan | None = None
    failures: dict[Key, str] = field(default_factory=dict)


def plan_demands(
    demands: Mapping[Key, Demand | DataError],
    workloads: Sequence[Workload],
    supply: Supply | None = None,
    usage: PastLoad = lambda _: None,
) -> Plans:
    """The plan of every workload with a demand, each for itself; one failure never stops the others.

    `supply` gives replicas their price where they have none; `usage` tells whether looking ahead pays.
    """
    failures = {key: str(demand) for key, demand in demands.items() if isinstance(demand, DataError)}
    pairs = [
        (demand, priced(one, supply or Supply())) for one in workloads if isinstance(demand := demands[one.key], Demand)
    ]
    plans: list[WorkloadPlan] = []
    for made, (_, workload) in zip(plan_many(pairs), pairs, strict=True):
        if isinstance(made, DataError):
            failures[workload.key] = str(made)
        else:
            plans.append(_judged(made, workload, usage))
    return Plans(tuple(plans), failures=failures)


def share(plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], supply: Supply) -> Plans:
    """The plans within the quotas and the cluster, with the time that nodes take, and the nodes they fill.

    A pod that fits on no node type is a failure that is said; the plans stand.
    """
    known = {one.key: one for one in workloads}
    mine = [known[plan.key] for plan in plans]
    kept = _within(_sized(plans, mine, supply), mine, supply)
    try:
        nodes = plan_nodes(kept, supply.node_types, [one.today for one in mine]) if supply.node_types else None
    except DataError as error:
        return Plans(tuple(kept), failures={("supply", "node_types"): str(error)})
    return Plans(tuple(_with_provisioning(kept, nodes, supply)), nodes)


def priced(workload: Workload, supply: Supply) -> Workload:
    """The workload with the price of a replica: its own, else its share of the cheapest node type it fits."""
    if workload.costs.price_per_hour is not None or not supply.node_types:
        return workload
    price = replica_price(workload.replica.cpu_request, workload.replica.memory_request, supply.node_types)
    return replace(workload, costs=replace(workload.costs, price_per_hour=price))


def _judged(plan: WorkloadPlan, workload: Workload, usage: PastLoad) -> WorkloadPlan:
    """Says so where an autoscaler alone would do as well."""
    if plan.sizes is not None or not plan.unskilled:
        return plan
    past = usage(workload)
    if past is None:
        return plan
    remark = reactive_remark(compare_reactive(past, plan, workload), plan)
    return plan if remark is None else _noted(plan, remark)


def _sized(plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], supply: Supply) -> list[WorkloadPlan]:
    """The plans with pod sizes that fit on the largest node, and together within quotas and cluster."""
    kept = list(plans)
    quotas = [*supply.quotas.items(), *([(None, supply.cluster)] if supply.cluster else [])]
    for place, (plan, workload) in enumerate(zip(plans, workloads, strict=True)):
        if plan.sizes is not None and supply.node_types:
            kept[place] = with_sizes(plan, fit_node((plan.sizes, workload), supply.node_types), workload)
    for namespace, quota in quotas:
        sized = {at: one for at, plan in enumerate(kept) if namespace in (None, plan.namespace) and (one := plan.sizes)}
        counted = [
            workloads[at] for at, plan in enumerate(kept) if at not in sized and namespace in (None, plan.namespace)
        ]
        cut = fit_quota([(one, workloads[at]) for at, one in sized.items()], _beyond_floors(counted, quota))
        for at, sizes in zip(sized, cut, strict=True):
            kept[at] = with_sizes(kept[at], sizes, workloads[at])
    return kept


def _beyond_floors(workloads: Sequence[Workload], quota: Quota) -> Quota:
    """What the floors of workloads that are counted leave of a quota."""
    taken = {
        "cpu": sum(one.floor * one.replica.cpu_request for one in workloads),
        "memory": sum(one.floor * one.replica.memory_request for one in workloads),
        "pods": float(sum(one.floor for one in workloads)),
    }
    return _less(quota, taken)


def _left_for_counts(plans: Sequence[WorkloadPlan], quota: Quota) -> Quota:
    """What pods that are resized leave of a quota at their peaks: they cannot be served by fewer of them."""
    taken = {"cpu": 0.0, "memory": 0.0, "pods": 0.0}
    for plan in plans:
        if plan.sizes is not None:
            pods = plan.floor[0].replicas
            taken["cpu"] += pods * plan.resources["cpu_request_millicores"] / 1000
            taken["memory"] += pods * plan.resources["memory_request_bytes"]
            taken["pods"] += pods
    return _less(quota, taken)


def _less(quota: Quota, taken: Mapping[str, float]) -> Quota:
    """The quota without what is taken of it: next to nothing where all is, since a quota is never 0."""
    cpu, memory, pods = quota.cpu, quota.memory, quota.pods
    return Quota(
        cpu=None if cpu is None else max(cpu - taken["cpu"], 1e-3),
        memory=None if memory is None else max(memory - taken["memory"], 1.0),
        pods=None if pods is None else max(pods - int(taken["pods"]), 1),
    )


def _within(plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], supply: Supply) -> list[WorkloadPlan]:
    kept = list(plans)
    for namespace, quota in supply.quotas.items():
        places = [place for place, plan in enumerate(kept) if plan.namespace == namespace]
        kept = _cut(kept, workloads, places, (quota, f"the quota of {namespace}"))
    if supply.cluster is not None:
        kept = _cut(kept, workloads, range(len(kept)), (supply.cluster, "the cluster"))
    return kept


def _cut(
    plans: list[WorkloadPlan], workloads: Sequence[Workload], places: Sequence[int], bound: tuple[Quota, str]
) -> list[WorkloadPlan]:
    bound = _left_for_counts([plans[place] for place in places], bound[0]), bound[1]
    places = [place for place in places if plans[place].sizes is None]
    if not places:
        return plans
    cut = within_quota([plans[place] for place in places], [workloads[place] for place in places], *bound)
    kept = list(plans)
    for place, plan in zip(places, cut, strict=True):
        kept[place] = plan
    return kept


def _with_provisioning(plans: Sequence[WorkloadPlan], nodes: NodePlan | None, supply: Supply) -> list[WorkloadPlan]:
    """Lead times with the time that a node takes to come, where the plans ask for more nodes than at first."""
    more = 0 if nodes is None else nodes.peak - nodes.changes[0].nodes
    wait = next((one.provisioning for one in supply.node_types if nodes and one.name == nodes.node_type), timedelta(0))
    if more <= 0 or not wait:
        return list(plans)
    note = f"lead time includes {wait.total_seconds() / 60:g} min for nodes: the plans need up to {more} more"
    return [_noted(replace(plan, lead_time=plan.lead_time + wait), note) for plan in plans]


def _noted(plan: WorkloadPlan, note: str) -> WorkloadPlan:
    return replace(plan, derivation=replace(plan.derivation, notes=(*plan.derivation.notes, note)))


def with_near_floors(
    plans: Sequence[WorkloadPlan],
    demands: Mapping[tuple[str, str], Demand | DataError],
    workloads: Sequence[Workload],
    horizon: timedelta,
) -> list[WorkloadPlan]:
    """The plans with the floors of their first `horizon` planned alone, where these follow a policy.

    Floors of one day depend on those of all others, by the changes that they may have together: planned for themselves
    they are those that were replayed.
    """
    known = {one.key: one for one in workloads if one.policy is not None and one.policy.floors == "forecast"}
    asked = {one.key: demands[one.key] for one in plans if one.key in known}
    near = [(_until(one, horizon), known[key]) for key, one in asked.items() if isinstance(one, Demand)]
    made = {one.key: one for one in plan_many(near) if isinstance(one, WorkloadPlan)}
    return [_spliced(made[one.key], one) if one.key in made else one for one in plans]


def _until(demand: Demand, horizon: timedelta) -> Demand:
    return Demand(
        cpu=_first_steps(demand.cpu, horizon),
        memory=_first_steps(demand.memory, horizon),
        sales=None if demand.sales is None else _first_steps(demand.sales, horizon),
        requests=None if demand.requests is None else _first_steps(demand.requests, horizon),
    )


def _first_steps(forecast: Forecast, horizon: timedelta) -> Forecast:
    steps = max(1, horizon // forecast.step)
    maxima = None if forecast.maxima is None else forecast.maxima.iloc[:steps]
    return replace(forecast, quantiles=forecast.quantiles.iloc[:steps], maxima=maxima)


def _spliced(near: WorkloadPlan, far: WorkloadPlan) -> WorkloadPlan:
    """The floors of the one, then those of the other."""
    if near.steps >= far.steps or near.start != far.start or near.step != far.step:
        return far
    later = [change for change in far.floor if change.offset > near.steps]
    stands = [change for change in far.floor if change.offset <= near.steps][-1]
    if stands.replicas != near.floor[-1].replicas:
        rises = stands.replicas > near.floor[-1].replicas
        later.insert(0, FloorChange(near.steps, stands.replicas, "DemandRising" if rises else "DemandFalling"))
    elif later and later[0].replicas == stands.replicas:
        later = later[1:]
    return replace(far, floor=(*near.floor, *later))
