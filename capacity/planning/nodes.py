"""Replicas on nodes: how many of a type they fill over time, and what those cost.

Packing is first-fit decreasing. With two resources it needs at most 7/3 of the fewest nodes possible (Garey, Graham,
Johnson, Yao 1976: d + 1/3 for d resources); what it really is off is stated by the lower bound beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

import numpy as np
import pandas as pd

from capacity.model import DataError, NodeChange, NodePlan, NodeType, WorkloadPlan
from capacity.planning.optimum import run_starts

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Pods:
    """So many pods of one size: requests in cores and bytes."""

    name: str
    cpu: float
    memory: float
    count: int


@dataclass(slots=True)
class _Bins:
    """So many nodes with the same room left."""

    cpu: float
    memory: float
    pods: int
    count: int

    def fits(self, pods: Pods) -> int:
        """How many of these pods one such node still takes."""
        by_size = min(self.cpu / pods.cpu, self.memory / pods.memory) * (1 + ROUNDING)
        return min(int(by_size), self.pods)


def pack(groups: Sequence[Pods], node: NodeType) -> int:
    """How many nodes of this type the pods fill, first-fit decreasing by the share of a node that one takes.

    Equal pods are placed together, which changes nothing in the result and makes it fast. Raises `DataError` where a
    pod fits on no such node.

    >>> pack([Pods("web", 0.5, 2**30, 7), Pods("db", 3.0, 2**33, 2)], NodeType("m", 4.0, 2**34))
    3
    """
    bins: list[_Bins] = []
    for pods in sorted(groups, key=lambda one: -_share(one, node)):
        _require_fit(pods, node)
        left = pods.count
        for place in range(len(bins)):
            left = _fill(bins, place, pods, left)
        fresh = _Bins(node.cpu, node.memory, node.pods, 0)
        each = fresh.fits(pods)
        full, rest = divmod(left, each)
        bins += [_after(fresh, pods, taken, nodes) for taken, nodes in ((each, full), (rest, 1)) if taken and nodes]
    return sum(one.count for one in bins)


def fewest_possible(groups: Sequence[Pods], node: NodeType) -> int:
    """No packing at all needs fewer nodes: the total of each resource over what a node has of it."""
    cpu = sum(pods.cpu * pods.count for pods in groups) / node.cpu
    memory = sum(pods.memory * pods.count for pods in groups) / node.memory
    count = sum(pods.count for pods in groups) / node.pods
    return ceil(max(cpu, memory, count) * (1 - ROUNDING))


def plan_nodes(plans: Sequence[WorkloadPlan], types: Sequence[NodeType], today: Sequence[int | None]) -> NodePlan:
    """The nodes that all plans together fill, hour by hour, of the type that is cheapest over the time they share.

    `today`: the replicas of each plan that run around the clock now; None stands for its highest floor, as those
    who do not scale ahead must provide it always. Raises `DataError` where no type takes every pod.
    """
    floors = _hourly(plans)  # (plans, hours)
    choices = {node.name: _course(plans, floors, node) for node in types if _takes_all(plans, node)}
    if not choices:
        raise DataError(_no_type(plans, types))
    node = min((node for node in types if node.name in choices), key=lambda one: _cost(one, choices[one.name]))
    course = choices[node.name]
    most = int(course.argmax())
    static = [int(row.max()) if given is None else given for row, given in zip(floors, today, strict=True)]
    starts = run_starts(course)
    return NodePlan(
        node_type=node.name,
        price_per_hour=node.price_per_hour,
        start=min(plan.start for plan in plans),
        changes=tuple(NodeChange(int(at), int(course[at])) for at in starts),
        hours=len(course),
        peak=int(course[most]),
        fewest=fewest_possible(_pods(plans, floors[:, most].tolist()), node),
        today=pack(_pods(plans, static), node),
        today_known=all(given is not None for given in today),
    )


def replica_price(workload_cpu: float, workload_memory: float, types: Sequence[NodeType]) -> float | None:
    """What one replica costs an hour: the part of the cheapest node type it takes, by its scarcer resource."""
    pods = Pods("replica", workload_cpu, workload_memory, 1)
    prices = [_share(pods, node) * node.price_per_hour for node in types if node.price_per_hour > 0]
    return min(prices, default=None)


def _share(pods: Pods, node: NodeType) -> float:
    return max(pods.cpu / node.cpu, pods.memory / node.memory)


def _require_fit(pods: Pods, node: NodeType) -> None:
    if _share(pods, node) > 1 + ROUNDING:
        raise DataError(
            f"expected pods of {pods.name} to fit on a node {node.name} ({node.cpu:g} cores, "
            f"{node.memory / 2**30:g} GiB), got {pods.cpu:g} cores, {pods.memory / 2**30:g} GiB"
        )


def _fill(bins: list[_Bins], place: int, pods: Pods, left: int) -> int:
    """Put what fits into one kind of node, splitting off those that got some; returns what is left to place."""
    here = bins[place]
    each = min(here.fits(pods), left)
    if not each:
        return left
    full = min(here.count, left // each)
    rest = min(left - full * each, here.fits(pods)) if full < here.count else 0
    untouched = here.count - full - (1 if rest else 0)
    filled = _after(here, pods, each, full)
    if rest:
        bins.append(_after(here, pods, rest, 1))
    if untouched:
        bins.append(_Bins(here.cpu, here.memory, here.pods, untouched))
    bins[place] = filled
    return left - full * each - rest


def _after(room: _Bins, pods: Pods, taken: int, nodes: int) -> _Bins:
    return _Bins(room.cpu - taken * pods.cpu, room.memory - taken * pods.memory, room.pods - taken, nodes)


def _pods(plans: Sequence[WorkloadPlan], replicas: Sequence[int]) -> list[Pods]:
    return [
        Pods(plan.label, plan.resources["cpu_request_millicores"] / 1000, plan.resources["memory_request_bytes"], count)
        for plan, count in zip(plans, replicas, strict=True)
    ]


def _hourly(plans: Sequence[WorkloadPlan]) -> np.ndarray:
    """The highest floor of each plan in each hour of the time that all of them together span (plans, hours)."""
    first, last = min(plan.start for plan in plans), max(plan.end for plan in plans)
    hours = pd.date_range(pd.Timestamp(first).floor("h"), pd.Timestamp(last), freq="h", inclusive="left")
    rows = []
    for plan in plans:
        ends = [*(change.offset for change in plan.floor[1:]), plan.steps]
        row = np.zeros(len(hours), dtype=np.int64)
        for change, end in zip(plan.floor, ends, strict=True):
            begin = (pd.Timestamp(plan.start + change.offset * plan.step) - hours[0]) / pd.Timedelta("1h")
            until = (pd.Timestamp(plan.start + end * plan.step) - hours[0]) / pd.Timedelta("1h")
            part = row[int(begin) : ceil(until)]
            np.maximum(part, change.replicas, out=part)
        rows.append(row)
    return np.stack(rows)


def _course(plans: Sequence[WorkloadPlan], floors: np.ndarray, node: NodeType) -> np.ndarray:
    """Nodes in each hour (hours,): packed once for each combination of floors."""
    known: dict[tuple[int, ...], int] = {}
    course = np.empty(floors.shape[1], dtype=np.int64)
    for hour, replicas in enumerate(floors.T.tolist()):
        key = tuple(replicas)
        if key not in known:
            known[key] = pack(_pods(plans, replicas), node)
        course[hour] = known[key]
    return course


def _cost(node: NodeType, course: np.ndarray) -> tuple[float, float]:
    return float(course.sum()) * node.price_per_hour, float(course.sum())


def _takes_all(plans: Sequence[WorkloadPlan], node: NodeType) -> bool:
    return all(_share(pods, node) <= 1 + ROUNDING for pods in _pods(plans, [1] * len(plans)))


def _no_type(plans: Sequence[WorkloadPlan], types: Sequence[NodeType]) -> str:
    largest = max(
        _pods(plans, [1] * len(plans)), key=lambda pods: min((_share(pods, node) for node in types), default=inf)
    )
    offered = ", ".join(f"{node.name} ({node.cpu:g} cores, {node.memory / 2**30:g} GiB)" for node in types)
    return (
        f"expected a node type that a pod of {largest.name} fits on ({largest.cpu:g} cores, "
        f"{largest.memory / 2**30:g} GiB), got {offered or 'none'}"
    )
