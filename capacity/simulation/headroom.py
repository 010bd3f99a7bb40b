"""Nodes under pods that an autoscaler adds as demand comes, with and without headroom: who waited for a node, and cost.

The nodes' headroom is planned and decided as production does it, a plan a day from what was known then, a decision a
minute. Pods are those of a simulation, or follow demand at the autoscaler's target where floors play no part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.decision import ControllerRules
from capacity.decision.headroom import CALM, decide_headroom
from capacity.forecast import forecast_as_asked
from capacity.model import DataError, Demand, ForecastRequest, NodeType, Workload, require
from capacity.model.arrays import Array, Counts
from capacity.model.headroom import BufferState, Headroom, HeadroomRules
from capacity.model.policy import DEFAULT_STABILIZATION, Policy
from capacity.planning import plan_workload
from capacity.planning.headroom import node_lead_time, plan_headroom, pods_per_node
from capacity.planning.sizing import replicas_needed
from capacity.simulation.grid import on_grid
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.pods import LONGEST, P95, SPREAD, NodePool
from capacity.simulation.result import Simulation
from capacity.stats import sliding_maxima

TICK, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
KNOWN = timedelta(days=42)  # of history that each plan is made from
ASSUMED_PODS = 8  # on a node, where no type of node is known


@dataclass(frozen=True, slots=True)
class HeadroomReplay:
    """How headroom is replayed: the last `days` of a history, on nodes of this pool, under a `seed`."""

    pool: NodePool = field(default_factory=lambda: NodePool(ASSUMED_PODS))
    days: int = 14
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.days >= 1, "a replay needs at least a day, got {}", self.days)


@dataclass(frozen=True, slots=True)
class HeadroomScore:
    """What became of pods and nodes in a replay; `name` says whose pods, on which nodes.

    `misses`: times at which pods began to wait for a node. `waiting_minutes`: minutes in which any pod did.
    `waited`: pod-minutes of it. `node_hours`: of nodes that run pods or stand ready. `cost`: in hours of a full node.
    """

    misses: int
    waiting_minutes: int
    waited: float
    node_hours: float
    cost: float
    days: float
    name: str = ""


def replay_headroom(
    usage: pd.Series, workload: Workload, replay: HeadroomReplay | None = None
) -> tuple[HeadroomScore, HeadroomScore]:
    """Replay the past CPU usage of a workload (cores, even steps, UTC) with its headroom, and without.

    Both see the same demand, pods and luck of nodes. Raises `DataError` where the workload asks for no headroom or the
    history is too short to plan from.
    """
    replay = replay or HeadroomReplay()
    if workload.headroom is None:
        raise DataError(f"workload {workload.namespace}/{workload.name}: expected headroom to replay, got none")
    begin = usage.index[-1] - pd.Timedelta(days=replay.days) + (usage.index[1] - usage.index[0])
    pods = pods_of(usage, workload)
    pods = pods[pods.index >= begin]
    ahead = decided_headroom(usage, _alone(workload), pd.DatetimeIndex(pods.index))
    kept = replay_nodes(pods.to_numpy(), ahead, replay)
    bare = replay_nodes(pods.to_numpy(), np.zeros_like(ahead), replay)
    return kept, bare


def replay_nodes_of(
    result: Simulation, sales: pd.Series, workload: Workload, replay: HeadroomReplay
) -> list[HeadroomScore]:
    """The nodes under the pods of a simulation: of the autoscaler alone and of the plan, without headroom and with it.

    `sales` are those that were simulated; headroom is planned a day ahead from what the load model says of them. Raises
    `DataError` where no day can be planned from them.
    """
    step, grid, _ = on_grid(sales)
    usage = workload.load.cpu_base + workload.load.cpu_per_sale_per_hour * grid * (HOUR / step)
    level = HeadroomRules().level if workload.headroom is None else workload.headroom.level
    each = TICK // result.tick
    found = []
    for trial, planned in ((result.alone, _alone(workload)), (result.plan, workload)):
        pods = trial.lane.pods[: len(trial.lane.pods) // each * each].reshape(-1, each).max(axis=1)
        minutes = pd.date_range(result.begin, periods=len(pods), freq=pd.Timedelta(TICK))
        ahead = decided_headroom(usage, planned, minutes)
        found.append(replay_nodes(pods, np.zeros_like(ahead), replay, trial.name))
        found.append(replay_nodes(pods, ahead, replay, f"{trial.name}, nodes ready at {level:g}"))
    return found


def pods_of(usage: pd.Series, workload: Workload) -> pd.Series:
    """The pods that an autoscaler at the workload's target asks for, minute by minute: up at once, down calmly."""
    minutes = pd.date_range(usage.index[0], usage.index[-1], freq=pd.Timedelta(TICK))
    cores = usage.reindex(minutes).ffill().to_numpy(dtype=np.float64)
    needed = replicas_needed(cores, workload.replica.cpu_request, workload).clip(workload.floor, workload.ceiling)
    window = int(DEFAULT_STABILIZATION // TICK)
    back = sliding_maxima(np.concatenate([np.repeat(needed[0], window - 1), needed]), window)[: len(needed)]
    return pd.Series(back, minutes)


def decided_headroom(usage: pd.Series, workload: Workload, minutes: pd.DatetimeIndex) -> Counts:
    """What the buffer asks for at each minute: a plan a day, a decision a minute."""
    plans = dict(_plans(usage, workload, minutes))
    if not plans:
        raise DataError("headroom: expected a history that a day can be planned from, got a shorter one")
    return decided_buffer(plans, minutes[0].to_pydatetime(), len(minutes))


def decided_buffer(plans: Mapping[datetime, Headroom], begin: datetime, passes: int) -> Counts:
    """What a buffer asks for after each pass of a minute from `begin` on (passes,), 0 before the first plan.

    `plans`: by the moment at which each came into force. A pass that sees no other step of its plan than the one
    before it is not asked.
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
    """The first moment at which a decision sees another step of the plan, or its end."""
    reach = 2 * ControllerRules().period
    seen = [now + plan.step - (now + ahead - plan.start) % plan.step for ahead in (timedelta(0), reach, reach + CALM)]
    return min(*seen, plan.end if now < plan.end else now + TICK)


def _plans(usage: pd.Series, workload: Workload, minutes: pd.DatetimeIndex) -> Iterator[tuple[datetime, Headroom]]:
    """The headroom of each day, planned from the usage before it."""
    step = usage.index[1] - usage.index[0]
    rules = workload.headroom
    levels = tuple(sorted({0.05, 0.5, workload.quantile_level, *([] if rules is None else [rules.level])}))
    request = ForecastRequest(DAY + 2 * HOUR, levels, window=max(HOUR, step.to_pytimedelta()))
    for day in range(-(-len(minutes) // (DAY // TICK))):
        moment = minutes[day * (DAY // TICK)]
        known = usage.loc[moment - pd.Timedelta(KNOWN) : moment - step]
        cpu = forecast_as_asked(known, request)
        memory = replace(cpu, quantiles=cpu.quantiles * 0 + 1.0, maxima=None, window=None, unit="bytes")
        plan = plan_workload(Demand(cpu, memory), workload)
        yield moment.to_pydatetime(), plan_headroom([plan], [workload])


def _alone(workload: Workload) -> Workload:
    """The workload as its autoscaler alone runs it."""
    return replace(workload, policy=Policy(round(100 * workload.target_utilization)), quantile_level=0.95)


def pool_for(workload: Workload, types: Sequence[NodeType] = ()) -> NodePool:
    """The nodes under a workload with headroom: as many pods on each as the type that takes them for the least holds.

    Where no type is known, 8 fit. 19 of 20 nodes join within the node lead time. The workload has its nodes alone.
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


def replay_nodes(pods: Counts, ahead: Counts, replay: HeadroomReplay, name: str = "") -> HeadroomScore:
    """Nodes minute by minute: ordered when pods and headroom (ticks,) ask for more, gone after standing idle.

    The k-th node ordered takes as long in every replay of a seed, so that two can be compared.

    >>> calm = replay_nodes(np.array([8, 8, 16, 16, 16, 16]), np.full(6, 8), HeadroomReplay(NodePool(8)))
    >>> calm.misses, round(calm.node_hours * 60)
    (0, 16)
    """
    pool, each = replay.pool, replay.pool.pods_per_node
    random = np.random.default_rng(replay.seed)
    idle = round(pool.idle / TICK)
    up = int(-(-(pods[0] + ahead[0]) // each))
    coming: list[float] = []
    waiting, running, standing = np.zeros(len(pods)), 0.0, 0.0
    spare = 0
    for tick, (asked, room) in enumerate(zip(pods.tolist(), ahead.tolist(), strict=True)):
        up += sum(arrives <= tick for arrives in coming)
        coming = [arrives for arrives in coming if arrives > tick]
        wanted = -(-(asked + room) // each)
        for _ in range(wanted - up - len(coming)):
            coming.append(tick + _delay(pool, random))
        spare = spare + 1 if wanted < up else 0
        if spare > idle:
            up, spare = wanted, 0
        waiting[tick] = max(0, asked - up * each)
        used = min(up, -(-asked // each))
        running += used
        standing += up - used + len(coming)
    return replace(_score(waiting, running, standing, replay), name=name)


def _delay(pool: NodePool, random: np.random.Generator) -> float:
    """Minutes until a node has joined: lognormal, its 95th percentile twice its median."""
    drawn = float(np.exp(SPREAD * random.standard_normal()))
    return pool.median / TICK * min(drawn, float(LONGEST))


def _score(waiting: Array, running: float, standing: float, replay: HeadroomReplay) -> HeadroomScore:
    began = (waiting > 0) & (np.concatenate([[0.0], waiting[:-1]]) == 0)
    return HeadroomScore(
        misses=int(began.sum()),
        waiting_minutes=int((waiting > 0).sum()),
        waited=float(waiting.sum()),
        node_hours=(running + standing) * (TICK / HOUR),
        cost=(running + replay.pool.standby * standing) * (TICK / HOUR),
        days=len(waiting) * (TICK / DAY),
    )
