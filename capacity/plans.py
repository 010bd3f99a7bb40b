"""Demands in, plans out: each workload for itself; then what they share: quotas, the cluster, nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pandas as pd

from capacity.domain import DataError, Demand, NodePlan, Quota, Supply, Workload, WorkloadPlan
from capacity.planning import plan_many, plan_nodes, reactive_case, reactive_remark, replica_price, within_quota

Key = tuple[str, str]  # namespace and name


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
    usage: Mapping[Key, pd.Series] | None = None,
) -> Plans:
    """The plan of every workload with a demand, each for itself; one failure never stops the others.

    `supply` gives replicas their price where they have none; `usage`, past CPU demand (cores) by workload where known,
    tells whether looking ahead pays.
    """
    failures = {key: str(demand) for key, demand in demands.items() if isinstance(demand, DataError)}
    pairs = [
        (demand, _priced(one, supply or Supply()))
        for one in workloads
        if isinstance(demand := demands[one.key], Demand)
    ]
    plans: list[WorkloadPlan] = []
    for made, (_, workload) in zip(plan_many(pairs), pairs, strict=True):
        if isinstance(made, DataError):
            failures[workload.key] = str(made)
        else:
            plans.append(_judged(made, workload, (usage or {}).get(workload.key)))
    return Plans(tuple(plans), failures=failures)


def share(plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], supply: Supply) -> Plans:
    """The plans within the quotas and the cluster, with the time that nodes take, and the nodes they fill.

    A pod that fits on no node type is a failure that is said; the plans stand.
    """
    known = {one.key: one for one in workloads}
    mine = [known[plan.key] for plan in plans]
    kept = _within(plans, mine, supply)
    try:
        nodes = plan_nodes(kept, supply.node_types, [one.today for one in mine]) if supply.node_types else None
    except DataError as error:
        return Plans(tuple(kept), failures={("supply", "node_types"): str(error)})
    return Plans(tuple(_with_provisioning(kept, nodes, supply)), nodes)


def reach_of(workloads: Sequence[Workload], supply: Supply, period: timedelta) -> dict[str | None, timedelta]:
    """How long a floor must serve, by group of sales: the longest lead time, with a node's, and two passes."""
    wait = max((node.provisioning for node in supply.node_types), default=timedelta(0))
    reach: dict[str | None, timedelta] = {}
    for workload in workloads:
        mine = workload.lead_time + wait + 2 * period
        reach[workload.group] = max(reach.get(workload.group, mine), mine)
    return reach


def _priced(workload: Workload, supply: Supply) -> Workload:
    if workload.costs.price_per_hour is not None or not supply.node_types:
        return workload
    price = replica_price(workload.replica.cpu_request, workload.replica.memory_request, supply.node_types)
    return replace(workload, costs=replace(workload.costs, price_per_hour=price))


def _judged(plan: WorkloadPlan, workload: Workload, usage: pd.Series | None) -> WorkloadPlan:
    """Says so where an autoscaler alone would do as well."""
    remark = None if usage is None else reactive_remark(reactive_case(usage, plan, workload), plan)
    return plan if remark is None else _noted(plan, remark)


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
