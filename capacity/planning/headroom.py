"""Node headroom: pods for which nodes must be ready, because a node takes longer to come than a pod.

At a moment t the nodes must hold what the upper quantile of demand may need by the time that a node ordered at t could
serve: within the node's lead time and the pod's. What the floors already run, or demand at its median lets the
autoscaler run, needs no headroom. A floor may be raised at once for the next half an hour (`CALM`): the nodes for it
stand before the first moment at which it can be, and until the last.

Workloads that share nodes do not all err upwards at once. Where m is what runs in the middle and d the distance from
there to the upper quantile, the quantile of the sum is ``sum(m) + sqrt(d' R d)`` (exact for normal distributions), with
R the correlation of their forecasts' errors at past origins; never above the sum of the quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.forecast.totals import rank_correlations, sum_distance
from capacity.model import DataError, Demand, NodeType, Workload, WorkloadPlan
from capacity.model.arrays import Array, Counts, Places
from capacity.model.fields import AutoLeadTime
from capacity.model.headroom import ASSUMED_NODE_LEAD_TIME, Headroom, HeadroomChange, HeadroomNodes
from capacity.planning.optimum import run_starts
from capacity.planning.requirements import SPARE, planned_demand, within_pool
from capacity.planning.sizing import replicas_needed
from capacity.stats import close_gaps, sliding_maxima

GRID = timedelta(minutes=5)  # of the headroom: nodes take minutes, whatever the steps of the forecast
CALM = timedelta(minutes=30)  # of the controller: it moves once for so long; a buffer does not come down for less
ROUNDING = 1e-9
TOLERANCE = 0.10  # --horizontal-pod-autoscaler-tolerance, where the autoscaler was not observed
Key = tuple[str, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class Running:
    """What one workload runs over the steps of the headroom, in replicas (steps,).

    `planned`: by floors as late as they are raised, and by the autoscaler at the median demand. `middle` and `upper`:
    what it may need within the lead times of node and pod, with floors raised as early as they may be; at the median
    and at the headroom's level, never below `planned` nor above the ceiling.
    """

    workload: Workload
    demand: Demand
    planned: Counts
    middle: Counts
    upper: Counts


def node_lead_time(workload: Workload, types: Sequence[NodeType]) -> timedelta:
    """What is given for the workload or learned, else the longest that is given for a type of node, else 4 minutes."""
    rules = workload.headroom
    given = ASSUMED_NODE_LEAD_TIME if rules is None else rules.lead_time
    if given != ASSUMED_NODE_LEAD_TIME or not isinstance(given, AutoLeadTime):
        return given
    return max((node.provisioning for node in types), default=timedelta(0)) or given


def with_headroom(
    plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], types: Sequence[NodeType] = ()
) -> tuple[list[WorkloadPlan], dict[Key, str]]:
    """The plans with the headroom that their workloads ask for, and why it could not be planned where it could not.

    The plan of a group's first workload holds the headroom of all its workloads that are planned together. Plans must
    hold the demand that they were made from.
    """
    known = {one.key: one for one in workloads if one.headroom is not None}
    together: dict[tuple[str, str], list[WorkloadPlan]] = {}
    for plan in plans:
        if plan.key in known and plan.demand is not None:
            together.setdefault(group_of(known[plan.key]), []).append(plan)
    found: dict[Key, Headroom] = {}
    failures: dict[Key, str] = {}
    for members in together.values():
        try:
            found[members[0].key] = plan_headroom(members, [known[plan.key] for plan in members], types)
        except DataError as error:
            failures |= {plan.key: f"headroom: {error}" for plan in members}
    return [_told(plan, found[plan.key]) if plan.key in found else plan for plan in plans], failures


def _told(plan: WorkloadPlan, ahead: Headroom) -> WorkloadPlan:
    """The plan with its headroom, which its notes say in a sentence."""
    minutes = ahead.lead_time.total_seconds() / 60
    whose = f"group {ahead.group}: " if ahead.group else ""
    kind = f", at most {ahead.nodes[0].peak} {ahead.nodes[0].node_type} nodes" if ahead.nodes else ""
    pods = f"up to {ahead.peak} more pods at {ahead.level:g}"
    said = f"{whose}nodes are ready for {pods} ({minutes:g} min for a node{kind})"
    derived = replace(plan.derivation, notes=(*plan.derivation.notes, said, *ahead.notes))
    return replace(plan, headroom=ahead, derivation=derived)


def group_of(workload: Workload) -> tuple[str, str]:
    """Namespace and name of the group whose nodes it shares; a workload that shares with none is a group of its own."""
    rules = workload.headroom
    shared = None if rules is None else rules.group
    return workload.namespace, f"group {shared}" if shared else f"workload {workload.name}"


def plan_headroom(
    plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], types: Sequence[NodeType] = ()
) -> Headroom:
    """The headroom of workloads that share nodes, as pods that each take the room of the largest of them.

    Raises `DataError` where the level was not forecast, or a plan has no demand to plan from.
    """
    rules, first = workloads[0].headroom, plans[0]
    if rules is None:
        raise DataError(f"headroom: expected rules of {first.label}, got none")
    lead = max(node_lead_time(one, types) for one in workloads)
    begin, end = max(plan.start for plan in plans), min(plan.end for plan in plans)
    step = min(GRID, *(plan.step for plan in plans))
    if begin >= end:
        raise DataError("headroom: expected plans that share a time, got none in common: plan them together")
    moments = pd.date_range(begin, end - step, freq=pd.Timedelta(step))
    running = [running_of(plan, one, moments, lead) for plan, one in zip(plans, workloads, strict=True)]
    cpu, memory = (max(getattr(one.replica, f"{name}_request") for one in workloads) for name in ("cpu", "memory"))
    needed = np.maximum(_beyond(running, "cpu_request") / cpu, _beyond(running, "memory_request") / memory)
    pods = zoned(np.ceil(needed * (1 - ROUNDING)).astype(np.int64), max(one.zones for one in workloads))
    pods = close_gaps(pods[None, :], int(CALM // step))[0]
    starts = run_starts(pods)
    return Headroom(
        start=begin,
        step=step,
        steps=len(moments),
        changes=tuple(HeadroomChange(int(at), int(pods[at])) for at in starts),
        level=rules.level,
        lead_time=lead,
        cpu_millicores=max(1, round(cpu * 1000)),
        memory_bytes=max(1, round(memory)),
        group=rules.group,
        members=tuple(plan.name for plan in plans) if rules.group else (),
        nodes=nodes_for(pods, (cpu, memory), types),
        notes=_notes(running, rules.group),
    )


def running_of(plan: WorkloadPlan, workload: Workload, moments: pd.DatetimeIndex, node_lead: timedelta) -> Running:
    """What the workload runs at each moment, and may need by the time that a node ordered then could serve."""
    rules, demand = workload.headroom, plan.demand
    if rules is None or demand is None:
        raise DataError(f"headroom: expected the demand of {plan.label}, got none: plan it from its orders or usage")
    step = moments[1] - moments[0] if len(moments) > 1 else pd.Timedelta(plan.step)
    floors = _floors(plan, moments)
    middle = _need(demand, workload, _median_level(demand), moments)
    reach = workload.lead_time + SPARE
    stand, early = (sliding_maxima(floors, _steps(span, step)) for span in (reach, reach + CALM))
    planned, later = (np.minimum(np.maximum(one, middle), plan.ceiling) for one in (stand, early))
    upper = np.minimum(np.maximum(_need(demand, workload, rules.level, moments), later), plan.ceiling)
    width = _steps(node_lead + reach, step)
    ahead, most = sliding_maxima(later, width), sliding_maxima(upper, width)
    apart = np.hypot(most - ahead, planned - np.maximum(stand, _surely(planned, workload)))
    return Running(workload, demand, planned, ahead, np.minimum(ahead + np.ceil(apart).astype(np.int64), plan.ceiling))


def _surely(planned: Counts, workload: Workload) -> Counts:
    """What the autoscaler runs at the least where demand asks for so many: it does not act within its tolerance."""
    if workload.target.kind in ("Deployment", "StatefulSet"):
        return planned
    tolerance = TOLERANCE if workload.reactive is None else workload.reactive.tolerance
    return np.asarray(np.ceil(planned / (1 + tolerance) - ROUNDING), dtype=np.int64)


def _steps(span: timedelta, step: timedelta) -> int:
    """The steps that a span may overlap."""
    return int(-(-span // step)) + 1


def _median_level(demand: Demand) -> float:
    """The level nearest to the median from above: with a higher one less runs ahead of what may be needed."""
    levels = [float(level) for level in demand.cpu.quantiles.columns.tolist()]
    return min((level for level in levels if level >= 0.5), default=levels[-1])


def _need(demand: Demand, workload: Workload, level: float, moments: pd.DatetimeIndex) -> Counts:
    """Replicas for the demand at this level, at each moment that it covers; the nearest step's elsewhere."""
    cpu, memory = planned_demand(demand.cpu, level), planned_demand(demand.memory, level)
    needed = np.maximum(
        replicas_needed(cpu, workload.replica.cpu_request, within_pool(workload)),
        replicas_needed(memory, workload.replica.memory_request, workload),
    )
    return needed[_places(pd.DatetimeIndex(demand.cpu.quantiles.index), moments)]


def _floors(plan: WorkloadPlan, moments: pd.DatetimeIndex) -> Counts:
    """The floor in force at each moment."""
    starts = pd.DatetimeIndex([plan.start + change.offset * plan.step for change in plan.floor])
    counts = np.array([change.replicas for change in plan.floor], dtype=np.int64)
    return counts[_places(starts, moments)]


def _places(starts: pd.DatetimeIndex, moments: pd.DatetimeIndex) -> Places:
    return np.asarray(np.clip(starts.searchsorted(moments, side="right") - 1, 0, len(starts) - 1), dtype=np.intp)


def _beyond(running: Sequence[Running], resource: str) -> Array:
    """What may be needed beyond what is planned to run, of one resource over all workloads (steps,)."""
    sizes = np.array([getattr(one.workload.replica, resource) for one in running])[:, None]
    middle = sizes * np.stack([one.middle - one.planned for one in running])
    distance = sizes * np.stack([one.upper - one.middle for one in running])  # (workloads, steps)
    return np.asarray(middle.sum(axis=0) + sum_distance(distance, correlations(running)))


def correlations(running: Sequence[Running]) -> Array:
    """How the errors of the workloads' forecasts go together at past origins (workloads, workloads)."""
    return raised(*rank_correlations([_errors(one.demand) for one in running]))


def _errors(demand: Demand) -> pd.DataFrame | None:
    """The errors of what moves the load: sales where they do, else its own usage."""
    return demand.cpu.residuals if demand.sales is None else demand.sales.residuals


def raised(correlation: Array, origins: Places) -> Array:
    """Correlations (N, N) raised by their standard errors, none below 0: few origins see too little of what goes along.

    The standard error is that of as many pairs as there are shared origins, since the errors after one origin hang
    together (Fisher's z, ``1 / sqrt(n - 3)``).

    >>> raised(np.array([[1.0, 0.2], [0.2, 1.0]]), np.full((2, 2), 12)).round(2).tolist()
    [[1.0, 0.49], [0.49, 1.0]]
    """
    score = np.arctanh(np.clip(correlation, -1 + ROUNDING, 1 - ROUNDING))
    higher = np.clip(np.tanh(score + 1 / np.sqrt(np.maximum(origins - 3, 1))), 0.0, 1.0)
    np.fill_diagonal(higher, 1.0)
    return np.asarray(higher)


def zoned(pods: Counts, zones: int) -> Counts:
    """So many that what is left after losing the fullest of the zones is enough.

    >>> zoned(np.array([0, 1, 4, 5]), 3).tolist(), zoned(np.array([5]), 1).tolist()
    ([0, 3, 6, 9], [5])
    """
    return pods if zones == 1 else zones * -(-pods // (zones - 1))


def nodes_for(pods: Counts, size: tuple[float, float], types: Sequence[NodeType]) -> tuple[HeadroomNodes, ...]:
    """The nodes that so many pods (steps,) fill, by each type that takes one; the cheapest first."""
    found = []
    for node in types:
        each = pods_per_node(node, size)
        if each:
            nodes = -(-pods // each)
            found.append(HeadroomNodes(node.name, int(nodes.max()), float(nodes.mean()), node.price_per_hour))
    return tuple(sorted(found, key=lambda one: (one.mean * one.price_per_hour, one.mean)))


def pods_per_node(node: NodeType, size: tuple[float, float]) -> int:
    """How many pods of this size (cores, bytes) a node takes.

    >>> pods_per_node(NodeType("m8", 8, 2**35), (1.5, 2**30))
    5
    """
    cpu, memory = size
    return min(int(min(node.cpu / cpu, node.memory / memory) * (1 + ROUNDING)), node.pods)


def joined_headroom(plans: Sequence[WorkloadPlan]) -> list[WorkloadPlan]:
    """The plans of all chunks, each group's headroom in the plan of its first workload: parts are added up.

    How workloads of different chunks err together is not known: their parts are taken to err at the same time.
    """
    parts: dict[tuple[str, str], list[Headroom]] = {}
    for plan in plans:
        if plan.headroom is not None and plan.headroom.group is not None:
            parts.setdefault((plan.namespace, plan.headroom.group), []).append(plan.headroom)
    if all(len(some) == 1 for some in parts.values()):
        return list(plans)
    sums = {group: _sum(some) for group, some in parts.items()}
    return [
        plan
        if plan.headroom is None or plan.headroom.group is None
        else replace(plan, headroom=sums.pop((plan.namespace, plan.headroom.group), None))
        for plan in plans
    ]


def _sum(parts: Sequence[Headroom]) -> Headroom:
    """Several parts of a group as one, over the time that all of them know."""
    if len(parts) == 1:
        return parts[0]
    begin, end = max(one.start for one in parts), min(one.end for one in parts)
    step = min(one.step for one in parts)
    if begin >= end:
        return parts[0]
    moments = pd.date_range(begin, end - step, freq=pd.Timedelta(step))
    cpu, memory = max(one.cpu_millicores for one in parts), max(one.memory_bytes for one in parts)
    counts = [_counts(one, moments) for one in parts]
    cores = sum(count * one.cpu_millicores for count, one in zip(counts, parts, strict=True))
    sizes = sum(count * one.memory_bytes for count, one in zip(counts, parts, strict=True))
    pods = np.maximum(-(-np.asarray(cores) // cpu), -(-np.asarray(sizes) // memory))
    first = parts[0]
    kinds = [HeadroomNodes(one.node_type, sum(n), sum(m), one.price_per_hour) for one, n, m in _by_type(parts)]
    note = f"its workloads were planned in {len(parts)} parts, whose headrooms are added up"
    return replace(
        first,
        start=begin,
        step=step,
        steps=len(moments),
        changes=tuple(HeadroomChange(int(at), int(pods[at])) for at in run_starts(pods)),
        lead_time=max(one.lead_time for one in parts),
        cpu_millicores=cpu,
        memory_bytes=memory,
        members=tuple(name for one in parts for name in one.members),
        nodes=tuple(kinds),
        notes=(*first.notes, note),
    )


def _by_type(parts: Sequence[Headroom]) -> list[tuple[HeadroomNodes, list[int], list[float]]]:
    """Each type that every part knows, with the parts' peaks and means."""
    known = [{kind.node_type: kind for kind in one.nodes} for one in parts]
    shared = [kind for kind in parts[0].nodes if all(kind.node_type in one for one in known)]
    return [
        (kind, [one[kind.node_type].peak for one in known], [one[kind.node_type].mean for one in known])
        for kind in shared
    ]


def _counts(one: Headroom, moments: pd.DatetimeIndex) -> Counts:
    starts = pd.DatetimeIndex([one.start + change.offset * one.step for change in one.changes])
    counts: Counts = np.array([change.replicas for change in one.changes], dtype=np.int64)
    return np.asarray(counts[_places(starts, moments)])


def _notes(running: Sequence[Running], group: str | None) -> tuple[str, ...]:
    if group is None or len(running) < 2:
        return ()
    matrix = correlations(running)
    apart = [matrix[i, j] for i in range(len(running)) for j in range(i)]
    return (
        f"errors of its {len(running)} forecasts are taken to go together by {np.mean(apart):.2f} on average "
        "(1: all at once)",
    )
