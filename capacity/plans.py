"""Demands in, plans out: each workload for itself, then what they share - nodes, quotas, the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pandas as pd

from capacity.domain import DataError, Demand, NodePlan, Quota, Supply, Workload, WorkloadPlan
from capacity.planning import plan_many, plan_nodes, reactive_case, reactive_remark, replica_price, within_quota

Key = tuple[str, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans that could be made, the nodes they fill, and why others could not be made."""

    plans: tuple[WorkloadPlan, ...]
    nodes: NodePlan | None
    failures: dict[Key, str]


def plan_demands(
    demands: Mapping[Key, Demand | DataError],
    workloads: Sequence[Workload],
    supply: Supply | None = None,
    usage: Mapping[Key, pd.Series] | None = None,
) -> Plans:
    """The plan of every workload with a demand, within what they share; one failure never stops the others.

    `usage`: past CPU demand (cores) by workload, where known: it tells whether looking ahead pays.
    """
    supply = supply or Supply()
    failures = {key: str(demand) for key, demand in demands.items() if isinstance(demand, DataError)}
    priced = [_priced(workload, supply) for workload in workloads if workload.key not in failures]
    made = _planned(priced, demands, failures)
    made = _with_provisioning(made, demands, supply, failures)
    kept = _shared([plan for plan, _ in made], [workload for _, workload in made], supply)
    kept = [
        _judged(plan, workload, (usage or {}).get(plan.key)) for plan, (_, workload) in zip(kept, made, strict=True)
    ]
    nodes = _nodes(kept, [workload for _, workload in made], supply, failures)
    return Plans(tuple(kept), nodes, failures)


Made = list[tuple[WorkloadPlan, Workload]]


def _priced(workload: Workload, supply: Supply) -> Workload:
    if workload.costs.price_per_hour is not None or not supply.node_types:
        return workload
    price = replica_price(workload.replica.cpu_request, workload.replica.memory_request, supply.node_types)
    return replace(workload, costs=replace(workload.costs, price_per_hour=price))


def _planned(
    workloads: Sequence[Workload], demands: Mapping[Key, Demand | DataError], failures: dict[Key, str]
) -> Made:
    pairs = [(demands[workload.key], workload) for workload in workloads]
    known = [(demand, workload) for demand, workload in pairs if isinstance(demand, Demand)]
    made: Made = []
    for plan, (_, workload) in zip(plan_many(known), known, strict=True):
        if isinstance(plan, DataError):
            failures[workload.key] = str(plan)
        else:
            made.append((plan, workload))
    return made


def _with_provisioning(
    made: Made, demands: Mapping[Key, Demand | DataError], supply: Supply, failures: dict[Key, str]
) -> Made:
    """Planned again with the time a node takes to come, where the plans together ask for more nodes than at first."""
    nodes = _nodes([plan for plan, _ in made], [workload for _, workload in made], supply, {})
    if nodes is None or nodes.peak <= nodes.changes[0].nodes:
        return made
    wait = next(node.provisioning for node in supply.node_types if node.name == nodes.node_type)
    if not wait:
        return made
    later = [replace(workload, lead_time=workload.lead_time + wait) for _, workload in made]
    note = f"lead time includes {wait} for nodes: the plans need up to {nodes.peak - nodes.changes[0].nodes} more"
    return [(_noted(plan, note), workload) for plan, workload in _planned(later, demands, failures)]


def _shared(plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], supply: Supply) -> list[WorkloadPlan]:
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


def _judged(plan: WorkloadPlan, workload: Workload, usage: pd.Series | None) -> WorkloadPlan:
    """Says so where an autoscaler alone would do as well."""
    remark = None if usage is None else reactive_remark(reactive_case(usage, plan, workload), plan)
    return plan if remark is None else _noted(plan, remark)


def _noted(plan: WorkloadPlan, note: str) -> WorkloadPlan:
    return replace(plan, explain={**plan.explain, "notes": [*plan.explain.get("notes", []), note]})


def _nodes(
    plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], supply: Supply, failures: dict[Key, str]
) -> NodePlan | None:
    """The nodes of all plans; a pod that no type takes is a failure that is said, its plan stands."""
    if not plans or not supply.node_types:
        return None
    try:
        return plan_nodes(plans, supply.node_types, [workload.today for workload in workloads])
    except DataError as error:
        failures[("cluster", "nodes")] = str(error)
        return None


def reach_of(workloads: Sequence[Workload], supply: Supply, period: timedelta) -> dict[str | None, timedelta]:
    """How long a floor must serve, by group of sales: the longest lead time, with a node's, and two passes."""
    wait = max((node.provisioning for node in supply.node_types), default=timedelta(0))
    reach: dict[str | None, timedelta] = {}
    for workload in workloads:
        mine = workload.lead_time + wait + 2 * period
        reach[workload.group] = max(reach.get(workload.group, mine), mine)
    return reach
