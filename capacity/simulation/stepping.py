"""Simulates a cluster over time, many lanes at once: demand arrives, pods start and stop, load is served or lost."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from math import log

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array, Counts
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import HpaStatus, Reactive, Rule, observed
from capacity.simulation.pods import NodePool, Nodes, Pods, Start, Starts

LATE = 0.01  # one request of a hundred waits longer than the 99th percentile


@dataclass(frozen=True, slots=True)
class Service:
    """What many replicas serve; `replica_capacity` is the demand that one replica serves at 100 %.

    Universal Scalability Law: ``X(n) = capacity x n / (1 + contention (n - 1) + coherence n (n - 1))`` (Gunther, 2007).

    >>> Service(10.0).capacity(np.array([0, 1, 4])).tolist()
    [0.0, 10.0, 40.0]
    >>> Service(10.0, contention=0.1).capacity(np.array([11])).tolist()
    [55.0]
    """

    replica_capacity: float
    contention: float = 0.0
    coherence: float = 0.0

    def __post_init__(self) -> None:
        require(self.replica_capacity > 0, "replica_capacity must be > 0, got {}", self.replica_capacity)
        require(0 <= self.contention < 1, "contention must lie in [0, 1), got {}", self.contention)
        require(self.coherence >= 0, "coherence must be >= 0, got {}", self.coherence)

    def capacity(self, ready: Array | Counts) -> Array:
        """Demand served by `ready` replicas (any shape)."""
        linear: Array = self.replica_capacity * np.asarray(ready, dtype=np.float64)
        if self.contention == 0 and self.coherence == 0:
            return linear
        others = np.maximum(ready - 1, 0)
        return np.asarray(linear / (1 + self.contention * others + self.coherence * ready * others))


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective for waiting: the 99th percentile of the wait stays within `wait` mean service times.

    `slots`: requests served at once by what shares one queue (the workers of a pod where each pod has its own queue).
    `variability`: ``(Ca^2 + Cs^2) / 2``, 1 for Poisson arrivals and exponential service.
    """

    slots: int = 16
    wait: float = 1.0
    variability: float = 1.0

    def highest_utilization(self) -> float:
        """The highest utilization at which the objective is met, by Erlang C and Allen-Cunneen.

        >>> [round(Objective(slots, 1.0).highest_utilization(), 2) for slots in (4, 8, 16, 64)]
        [0.42, 0.64, 0.79, 0.94]
        """
        low, high = 0.0, 1.0
        while high - low > 1e-4:  # a hundredth of a percent: far finer than any measurement of utilization
            middle = (low + high) / 2
            kept = self.variability * p99_wait(self.slots, middle) <= self.wait
            low, high = (middle, high) if kept else (low, middle)
        return low


def erlang_c(slots: int, utilization: float) -> float:
    """Probability that a request waits, M/M/c with c = `slots`, by the stable recursion of Erlang B.

    >>> [round(erlang_c(slots, 0.8), 2) for slots in (1, 4, 8, 16, 32)]
    [0.8, 0.6, 0.46, 0.3, 0.16]
    """
    offered, blocked = slots * utilization, 1.0
    for servers in range(1, slots + 1):
        blocked = offered * blocked / (servers + offered * blocked)
    return blocked / (1 - utilization * (1 - blocked))


def p99_wait(slots: int, utilization: float) -> float:
    """99th percentile of the wait in mean service times, M/M/c; infinite from 100 % on.

    >>> round(p99_wait(8, 0.8), 1)
    2.4
    """
    if utilization >= 1:
        return float("inf")
    waits = erlang_c(slots, utilization)
    return 0.0 if waits <= LATE else log(waits / LATE) / (slots * (1 - utilization))


EVICTION = timedelta(minutes=5)  # the default toleration of an unreachable node: only then are its pods replaced


@dataclass(frozen=True, slots=True)
class ZoneLoss:
    """One of `zones` fails `after` the beginning; its pods are replaced only after their eviction."""

    after: timedelta
    zones: int = 3

    def __post_init__(self) -> None:
        require(self.zones >= 2, "losing one of {} zones loses everything", self.zones)


@dataclass(frozen=True, slots=True)
class Cluster:
    """How pods start, what they serve, how late metrics are, and what goes wrong.

    `metric_lag`: age of the sample an HPA acts on. `retries`: share of the lost load that comes back with the next
    tick; near 1 an overload feeds itself. `nodes` None: there is always room.
    """

    service: Service
    start: Start = field(default_factory=Start)
    metric_lag: timedelta = timedelta(seconds=45)  # metrics-server scrapes every 15 s, a sample spans 30 s
    nodes: NodePool | None = None
    retries: float = 0.0
    losses: tuple[ZoneLoss, ...] = ()

    def __post_init__(self) -> None:
        require(0 <= self.retries <= 1, "retries must lie in [0, 1], got {}", self.retries)
        require(self.metric_lag >= timedelta(0), "metric_lag must be >= 0, got {}", self.metric_lag)


@dataclass(frozen=True, slots=True)
class Run:
    """The history of a run: each array (ticks, lanes). `offered` is demand with retries; `pods` cost, `ready` serve.

    `floor` is the one in force; for steered lanes, the decided one.
    """

    tick: timedelta
    offered: Array
    ready: Counts
    pods: Counts
    started: Counts
    floor: Counts
    service: Service

    def utilization_of(self, lane: int) -> Array:
        """Offered load over what ready replicas serve at 100 %, (ticks,); infinite where nothing is ready for it."""
        offered, capacity = self.offered[:, lane], self.service.capacity(self.ready[:, lane])
        idle = np.where(offered > 0, np.inf, 0.0)
        return np.asarray(np.divide(offered, capacity, out=idle, where=capacity > 0))


def run_cluster(
    cluster: Cluster,
    demand: Array,
    floor: Counts,
    rules: list[Rule],
    random: np.random.Generator,
) -> Run:
    """Step every lane through `demand` and `floor`, both (ticks, lanes) of the HPA's sync period of 15 s.

    A lane starts with the first floor, or with the replicas that its HPA would have settled on. Equal arguments and an
    equal generator give an equal run. Where a lane's rule decides the floor at each tick, `floor` only begins it.

    >>> demand = np.full((240, 1), 100.0)
    >>> floor = np.full((240, 1), 2)
    >>> run = run_cluster(Cluster(Service(10.0)), demand, floor, [Rule(target=50)], np.random.default_rng(1))
    >>> int(run.ready[-1, 0])
    20
    """
    ticks, lanes = demand.shape
    require(floor.shape == demand.shape, "expected floors of shape {}, got {}", demand.shape, floor.shape)
    require(len(rules) == lanes, "expected one rule for each of {} lanes, got {}", lanes, len(rules))
    starts = Starts([(lanes, cluster.start, random)], SYNC_PERIOD)
    stage = Stage(cluster, settled(cluster, demand[0], floor[0], rules), rules, starts)
    stage.look(demand[0])
    record, floor = _Record(demand), floor.copy()
    steered = [(lane, rule.steer) for lane, rule in enumerate(rules) if rule.steer is not None]
    for at in range(ticks):
        for lane, steer in steered:
            floor[at, lane] = steer(at, stage.status_of(lane))
        record.write(at, stage.step(at, demand[at], floor[at]))
    return Run(SYNC_PERIOD, record.offered, record.ready, record.pods, record.started, floor, cluster.service)


def settled(cluster: Cluster, demand: Array, floor: Counts, rules: list[Rule]) -> Counts:
    """The replicas that each lane's HPA settles on for a constant demand, at least the floor, all (lanes,)."""
    target = np.array([rule.target if rule.follows else np.inf for rule in rules])
    wanted = np.ceil(100 * demand / (cluster.service.replica_capacity * target)).astype(np.int64)
    found: Counts = np.minimum(np.maximum(wanted, floor), [rule.ceiling for rule in rules])
    return found


@dataclass(frozen=True, slots=True)
class Moment:
    """All lanes at one tick, each (lanes,): `ready` and `pods` before the HPA acted, `started` by what it asked for."""

    offered: Array
    ready: Counts
    pods: Counts
    started: Counts


class _Record:
    """The record of every tick."""

    def __init__(self, demand: Array) -> None:
        self.offered = np.empty(demand.shape)
        self.ready, self.pods, self.started = (np.zeros(demand.shape, dtype=np.int64) for _ in range(3))

    def write(self, at: int, moment: Moment) -> None:
        self.offered[at], self.ready[at] = moment.offered, moment.ready
        self.pods[at], self.started[at] = moment.pods, moment.started


class Stage:
    """The cluster at one moment, with as much of the past as the HPA's metrics lag behind."""

    def __init__(
        self, cluster: Cluster, first: Counts, rules: list[Rule], starts: Starts, ahead: Counts | None = None
    ) -> None:
        self._cluster = cluster
        standing = first if ahead is None else first + ahead
        self.nodes = None if cluster.nodes is None else Nodes(cluster.nodes, standing, SYNC_PERIOD, starts.random)
        self._pods = Pods(starts, first, self.nodes)
        self._hpa = Reactive(rules, SYNC_PERIOD, first)
        self._replicas = first.astype(np.int64)
        self._current = self._replicas
        self._served = np.zeros(len(first)), np.ones(len(first))  # load and capacity when metrics were taken
        self._late: deque[tuple[Array, Counts]] = deque(maxlen=round(cluster.metric_lag / SYNC_PERIOD) + 1)
        self._back = np.zeros(len(first))
        self._fails = [(round(loss.after / SYNC_PERIOD), 1 / loss.zones) for loss in cluster.losses]
        self._noticed = {at + round(EVICTION / SYNC_PERIOD) for at, _ in self._fails}

    def look(self, demand: Array) -> None:
        """Measure a demand (lanes,) that the present pods serve."""
        self._served = demand, self._cluster.service.capacity(self._pods.ready)

    def status_of(self, lane: int) -> HpaStatus:
        """What one lane's HPA reports after its last sync."""
        load, capacity = (float(values[lane]) for values in self._served)
        share = load / capacity if capacity > 0 else 0.0
        return HpaStatus(int(self._current[lane]), int(self._replicas[lane]), int(100 * share + 1e-9), share)

    def step(self, at: int, demand: Array, floor: Counts, ahead: Counts | None = None) -> Moment:
        """Pods become ready, demand meets them, the HPA looks at what was measured a while ago and acts.

        `ahead`: for how many pods more nodes are kept ready (lanes,). Default none.
        """
        self._pods.arrive(at)
        self._fail(at)
        offered = demand + self._back if self._cluster.retries else demand
        ready, pods = self._pods.ready.copy(), self._pods.total
        if self._cluster.retries:
            self._back = self._cluster.retries * np.maximum(offered - self._cluster.service.capacity(ready), 0.0)
        self._late.append((offered, ready))
        then_offered, then_ready = self._late[0]
        counted = np.minimum(then_ready, ready)
        capacity = self._cluster.service.capacity(then_ready)
        seen = observed(then_offered, capacity, counted, pods - counted)
        self._current, self._served = pods, (then_offered, capacity)
        self._replicas = self._hpa.wanted(self._replicas, floor, seen)
        return Moment(offered, ready, pods, self._pods.scale(at, self._replicas, ahead))

    def _fail(self, at: int) -> None:
        for when, share in self._fails:
            if when == at:
                self._pods.lose(share)
        if at in self._noticed:
            self._pods.replace_lost()
