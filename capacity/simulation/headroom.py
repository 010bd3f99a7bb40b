"""Nodes under pods that an autoscaler adds as demand comes, with and without headroom: who waited for a node, and cost.

Floors play no part: pods follow demand at the autoscaler's target, and the nodes' headroom is planned and decided as
production does it, a plan a day from what was known then, a decision a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.decision.headroom import decide_headroom
from capacity.forecast import forecast_as_asked
from capacity.model import DataError, Demand, ForecastRequest, Workload, require
from capacity.model.arrays import Array, Counts
from capacity.model.headroom import BufferState, Headroom
from capacity.model.policy import DEFAULT_STABILIZATION, Policy
from capacity.planning import plan_workload
from capacity.planning.headroom import plan_headroom
from capacity.planning.sizing import replicas_needed
from capacity.simulation.pods import LONGEST, SPREAD, NodePool
from capacity.stats import sliding_maxima

TICK, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
KNOWN = timedelta(days=42)  # of history that each plan is made from


@dataclass(frozen=True, slots=True)
class HeadroomReplay:
    """How headroom is replayed: the last `days` of a history, on nodes of this pool, under a `seed`.

    `standby`: the price of a node that stands ready and runs nothing, as a share of the full price: below 1 for a
    provisioning strategy with stopped nodes.
    """

    pool: NodePool = field(default_factory=lambda: NodePool(8))
    days: int = 14
    standby: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.days >= 1, "a replay needs at least a day, got {}", self.days)
        require(0 <= self.standby <= 1, "standby must lie in [0, 1], got {}", self.standby)


@dataclass(frozen=True, slots=True)
class HeadroomScore:
    """What became of pods and nodes in a replay.

    `misses`: times at which pods began to wait for a node. `waiting_minutes`: minutes in which any pod did.
    `waited`: pod-minutes of it. `node_hours`: of nodes that run pods or stand ready. `cost`: in hours of a full node.
    """

    misses: int
    waiting_minutes: int
    waited: float
    node_hours: float
    cost: float
    days: float


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
    ahead = decided_headroom(usage, workload, pd.DatetimeIndex(pods.index))
    kept = replay_nodes(pods.to_numpy(), ahead, replay)
    bare = replay_nodes(pods.to_numpy(), np.zeros_like(ahead), replay)
    return kept, bare


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
    found = np.zeros(len(minutes), dtype=np.int64)
    state, plan = BufferState(), None
    for place, moment in enumerate(minutes.to_pydatetime()):
        plan = plans.get(moment, plan)
        decision = decide_headroom(plan, state, moment)
        state = replace(state, replicas=decision.replicas, provisioned=True)
        found[place] = decision.replicas or 0
    return found


def _plans(usage: pd.Series, workload: Workload, minutes: pd.DatetimeIndex) -> Iterator[tuple[datetime, Headroom]]:
    """The headroom of each day, planned from the usage before it."""
    step = usage.index[1] - usage.index[0]
    rules = workload.headroom
    levels = tuple(sorted({0.05, 0.5, 0.95, *([] if rules is None else [rules.level])}))
    request = ForecastRequest(DAY + 2 * HOUR, levels, window=HOUR)
    alone = replace(workload, policy=Policy(round(100 * workload.target_utilization)), quantile_level=0.95)
    for day in range(len(minutes) // (DAY // TICK)):
        moment = minutes[day * (DAY // TICK)]
        known = usage.loc[moment - pd.Timedelta(KNOWN) : moment - step]
        cpu = forecast_as_asked(known, request)
        memory = replace(cpu, quantiles=cpu.quantiles * 0 + 1.0, maxima=None, window=None, unit="bytes")
        plan = plan_workload(Demand(cpu, memory), alone)
        yield moment.to_pydatetime(), plan_headroom([plan], [alone])


def replay_nodes(pods: Counts, ahead: Counts, replay: HeadroomReplay) -> HeadroomScore:
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
    return _score(waiting, running, standing, replay)


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
        cost=(running + replay.standby * standing) * (TICK / HOUR),
        days=len(waiting) * (TICK / DAY),
    )
