"""Replays the nodes of a workload: which ones its headroom keeps ready, which pods wait for a node, and the cost.

Headroom is planned and decided as production does it: from the plans in force, a decision a minute. `advise` and
`simulate` step pods and nodes together, so that a pod without a node is missed by its service and its autoscaler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

import numpy as np

from capacity.decision import ControllerRules
from capacity.decision.headroom import CALM, decide_headroom
from capacity.model import NodeType, Workload, WorkloadPlan
from capacity.model.arrays import Counts
from capacity.model.headroom import BufferState, Headroom
from capacity.model.policy import Policy as Followed
from capacity.planning.headroom import node_lead_time, plan_headroom, pods_per_node
from capacity.simulation.case import Case
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.pods import P95, NodePool, Nodes, Starts
from capacity.simulation.policies import Policy
from capacity.simulation.stepping import Stage, settled

TICK, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PER_MINUTE = TICK // SYNC_PERIOD
ASSUMED_PODS = 8  # on a node, where no type of node is known


@dataclass(frozen=True, slots=True)
class HeadroomScore:
    """The score of one policy on nodes in a replay; `name` says which pods, on which nodes.

    `misses`: how often pods began to wait for a node. `waiting_minutes`: minutes in which any pod waited.
    `node_hours`: of nodes that run pods, are kept ready or were requested. `cost`: in hours of a full node; ready nodes
    that run nothing count at the price of standby.
    """

    name: str
    misses: int
    waiting_minutes: int
    node_hours: float
    cost: float
    days: float


def alone(workload: Workload) -> Workload:
    """The workload without floors: only its autoscaler scales it, and its plan is made at the headroom's level."""
    level = workload.quantile_level if workload.headroom is None else workload.headroom.level
    return replace(workload, policy=Followed(round(100 * workload.target_utilization)), quantile_level=level)


def headroom_of(plans: Mapping[datetime, WorkloadPlan], workload: Workload) -> dict[datetime, Headroom]:
    """The headroom of each plan, by the time from which it was in force. Raises `DataError` as `plan_headroom` does."""
    return {moment: plan_headroom([plan], [workload]) for moment, plan in plans.items()}


def decided_buffer(plans: Mapping[datetime, Headroom], begin: datetime, passes: int) -> Counts:
    """The pods that a buffer asks for after each pass, one a minute from `begin` on (passes,); 0 before the first plan.

    `plans`: by the time from which each was in force. A pass within the same step of the plan decides nothing new.
    """
    found = np.zeros(passes, dtype=np.int64)
    arrivals, current, state, at = sorted(plans.items()), None, BufferState(), 0
    while at < passes:
        now = begin + at * TICK
        while arrivals and arrivals[0][0] <= now:
            current = arrivals.pop(0)[1]
        replicas = decide_headroom(current, state, now).replicas
        due = now + TICK if current is None else _next_step(current, now)
        due = min(due, arrivals[0][0]) if arrivals else due
        span = max(1, -(-(due - now) // TICK)) if replicas == state.replicas else 1
        state = replace(state, replicas=replicas, provisioned=True)
        found[at : at + span] = replicas or 0
        at += span
    return found


def _next_step(plan: Headroom, now: datetime) -> datetime:
    """The first time at which a decision depends on another step of the plan, or on its end."""
    reach = 2 * ControllerRules().period
    seen = [now + plan.step - (now + ahead - plan.start) % plan.step for ahead in (timedelta(0), reach, reach + CALM)]
    return min(*seen, plan.end if now < plan.end else now + TICK)


def with_node_lead_time(workload: Workload, types: Sequence[NodeType]) -> Workload:
    """The workload with the lead time of its nodes in its headroom, as in production."""
    rules = workload.headroom
    if rules is None:
        return workload
    return replace(workload, headroom=replace(rules, lead_time=node_lead_time(workload, types)))


def pool_for(workload: Workload, types: Sequence[NodeType] = ()) -> NodePool:
    """The nodes of a workload with headroom; each holds as many pods as the cheapest node type that fits them.

    If no type is known, 8 pods fit. 19 of 20 nodes join within the node lead time. No other workload uses the nodes.
    """
    size = workload.replica.cpu_request, workload.replica.memory_request
    each = {node.name: pods_per_node(node, size) for node in types}
    fitting = [node for node in types if each[node.name]]
    cheapest = min(fitting, key=lambda node: node.price_per_hour / each[node.name], default=None)
    rules = workload.headroom
    return NodePool(
        ASSUMED_PODS if cheapest is None else each[cheapest.name],
        median=max(node_lead_time(workload, types), SYNC_PERIOD) / P95,
        standby=1.0 if rules is None else rules.standby_price,
    )


@dataclass(frozen=True, slots=True)
class OnNodes:
    """A policy on its own nodes; `ahead`: pods for which nodes are kept ready at every judged sync (ticks,)."""

    name: str
    policy: Policy
    ahead: Counts


def replay_on_nodes(case: Case, lanes: Sequence[OnNodes], pool: NodePool, seed: int) -> tuple[HeadroomScore, ...]:
    """Simulate policies on a case whose nodes join late: a pod starts when its node has joined.

    Each policy has its own nodes, and starts with the replicas that its autoscaler would have settled on. Equal seeds
    give equal scores.
    """
    demand = case.ticks(case.demand)[-case.judged_ticks :]
    policies = [lane.policy for lane in lanes]
    floor, ahead = np.stack([one.floor for one in policies], axis=1), np.stack([one.ahead for one in lanes], axis=1)
    load = np.broadcast_to(demand[:, None], floor.shape)
    rules, cluster = [one.rule for one in policies], replace(case.cluster, nodes=pool)
    starts = Starts([(len(lanes), cluster.start, np.random.default_rng(seed))], SYNC_PERIOD)
    stage = Stage(cluster, settled(cluster, load[0], floor[0], rules), rules, starts, ahead[0])
    stage.look(load[0])
    steered = {at: one.steer() for at, one in enumerate(policies) if one.steer is not None}
    tally = _Tally(cast(Nodes, stage.nodes), pool, len(lanes))
    for at in range(len(demand)):
        for lane, steer in steered.items():
            floor[at, lane] = steer(at, stage.status_of(lane))
        moment = stage.step(at, load[at], floor[at], ahead[at])
        tally.add(at, moment.pods + moment.started)
    return tally.scores([lane.name for lane in lanes], len(demand))


class _Tally:
    """The sums of the nodes of every lane so far, in slots for pods, and of the current minute."""

    def __init__(self, nodes: Nodes, pool: NodePool, lanes: int) -> None:
        self._nodes, self._each = nodes, pool.pods_per_node
        self._slots, self._paid = np.zeros(lanes), np.zeros(lanes)
        self._minutes, self._waited = np.zeros(lanes, dtype=np.int64), np.zeros(lanes, dtype=bool)

    def add(self, at: int, pods: Counts) -> None:
        self._slots += self._nodes.slots
        self._paid += pods + self._nodes.beyond(pods)
        self._waited |= self._nodes.waiting(at)
        if (at + 1) % PER_MINUTE == 0:
            self._minutes += self._waited
            self._waited[:] = False

    def scores(self, names: Sequence[str], ticks: int) -> tuple[HeadroomScore, ...]:
        hours, days = SYNC_PERIOD / HOUR / self._each, ticks * (SYNC_PERIOD / DAY)
        return tuple(
            HeadroomScore(
                name=name,
                misses=int(self._nodes.misses[lane]),
                waiting_minutes=int(self._minutes[lane]),
                node_hours=float(self._slots[lane]) * hours,
                cost=float(self._paid[lane]) * hours,
                days=days,
            )
            for lane, name in enumerate(names)
        )
