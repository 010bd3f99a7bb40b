"""A cluster stepped through time: demand in, pods started and stopped, load served or lost. Lanes side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from capacity.domain import require
from capacity.domain.arrays import Array, Counts
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.nodes import NodePool, Nodes
from capacity.simulation.pods import Pods, Start
from capacity.simulation.reactive import Reactive, Rule, observed
from capacity.simulation.service import Service

EVICTION = timedelta(minutes=5)  # the default toleration of an unreachable node: only then are its pods replaced


@dataclass(frozen=True, slots=True)
class ZoneLoss:
    """One of `zones` fails `after` the beginning; its pods are replaced only when their nodes are given up."""

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
    """What happened: each array (ticks, lanes). `offered` is demand and what came back; `pods` cost, `ready` serve."""

    tick: timedelta
    offered: Array
    ready: Counts
    pods: Counts
    started: Counts
    service: Service

    def utilization_of(self, lane: int) -> Array:
        """Offered load over what ready replicas serve at 100 %, (ticks,); infinite where nothing is ready for it."""
        offered, capacity = self.offered[:, lane], self.service.capacity(self.ready[:, lane])
        idle = np.where(offered > 0, np.inf, 0.0)
        return np.asarray(np.divide(offered, capacity, out=idle, where=capacity > 0))

    def lost_of(self, lane: int) -> Array:
        """Load that nothing served, (ticks,)."""
        return np.asarray(np.maximum(self.offered[:, lane] - self.service.capacity(self.ready[:, lane]), 0.0))


def run_cluster(cluster: Cluster, demand: Array, floor: Counts, rules: list[Rule], random: np.random.Generator) -> Run:
    """Step every lane through `demand` and `floor`, both (ticks, lanes) of the HPA's sync period of 15 s.

    What runs at the beginning is the first floor, or where the lane's HPA would have settled. Equal arguments and an
    equal generator give an equal run.

    >>> demand = np.full((240, 1), 100.0)
    >>> floor = np.full((240, 1), 2)
    >>> run = run_cluster(Cluster(Service(10.0)), demand, floor, [Rule(target=50)], np.random.default_rng(1))
    >>> int(run.ready[-1, 0])
    20
    """
    ticks, lanes = demand.shape
    require(floor.shape == demand.shape, "expected floors of shape {}, got {}", demand.shape, floor.shape)
    require(len(rules) == lanes, "expected one rule for each of {} lanes, got {}", lanes, len(rules))
    stage = _Stage(cluster, _settled(cluster, demand[0], floor[0], rules), rules, random)
    record = _Record(demand)
    for at in range(ticks):
        stage.step(at, demand[at], floor[at], record)
    return Run(SYNC_PERIOD, record.offered, record.ready, record.pods, record.started, cluster.service)


def _settled(cluster: Cluster, demand: Array, floor: Counts, rules: list[Rule]) -> Counts:
    target = np.array([rule.target if rule.follows else np.inf for rule in rules])
    wanted = np.ceil(100 * demand / (cluster.service.replica_capacity * target)).astype(np.int64)
    settled: Counts = np.minimum(np.maximum(wanted, floor), [rule.ceiling for rule in rules])
    return settled


class _Record:
    """What is written down at every tick."""

    def __init__(self, demand: Array) -> None:
        self.offered = np.empty(demand.shape)
        self.ready, self.pods, self.started = (np.zeros(demand.shape, dtype=np.int64) for _ in range(3))


class _Stage:
    """The cluster at one moment."""

    def __init__(self, cluster: Cluster, first: Counts, rules: list[Rule], random: np.random.Generator) -> None:
        self._cluster, self._random = cluster, random
        nodes = None if cluster.nodes is None else Nodes(cluster.nodes, first, SYNC_PERIOD)
        self._pods = Pods(cluster.start, first, SYNC_PERIOD, nodes)
        self._hpa = Reactive(rules, SYNC_PERIOD, first)
        self._replicas = first.astype(np.int64)
        self._lag = round(cluster.metric_lag / SYNC_PERIOD)
        self._back = np.zeros(len(first))
        self._fails = [(round(loss.after / SYNC_PERIOD), 1 / loss.zones) for loss in cluster.losses]
        self._noticed = {at + round(EVICTION / SYNC_PERIOD) for at, _ in self._fails}

    def step(self, at: int, demand: Array, floor: Counts, record: _Record) -> None:
        self._pods.arrive(at)
        self._fail(at)
        offered = demand + self._back if self._cluster.retries else demand
        record.offered[at], record.ready[at], record.pods[at] = offered, self._pods.ready, self._pods.total
        if self._cluster.retries:
            served = self._cluster.service.capacity(self._pods.ready)
            self._back = self._cluster.retries * np.maximum(offered - served, 0.0)
        then = max(at - self._lag, 0)
        counted = np.minimum(record.ready[then], self._pods.ready)
        seen = observed(
            record.offered[then],
            self._cluster.service.capacity(record.ready[then]),
            counted,
            self._pods.total - counted,
        )
        self._replicas = self._hpa.wanted(self._replicas, floor, seen)
        record.started[at] = self._pods.scale(at, self._replicas, self._random)

    def _fail(self, at: int) -> None:
        for when, share in self._fails:
            if when == at:
                self._pods.lose(share)
        if at in self._noticed:
            self._pods.replace_lost()
