"""How a policy is judged: minutes over capacity, load lost, pods paid for, pods started, elasticity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.domain import require
from capacity.domain.arrays import Array, Counts, Mask
from capacity.simulation.cluster import Run
from capacity.simulation.optimum import clairvoyant, started

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Promise:
    """What utilization means: `target` is planned for and promised (the cap), `queue` is where waiting grows too long.

    `floor`: fewest replicas that anyone may run. `start` is how long a pod takes, what a start costs the clairvoyant.
    """

    target: float = 0.80
    queue: float = 0.79  # Objective().highest_utilization(): 16 slots, p99 of the wait within one service time
    floor: int = 1
    start: timedelta = timedelta(minutes=3)

    def needed(self, demand: Array, replica_capacity: float) -> Counts:
        """Fewest replicas that keep each demand at or under the target, never fewer than the floor."""
        whole = np.ceil(demand / (replica_capacity * self.target) * (1 - 1e-9))
        return np.maximum(whole, self.floor).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Elasticity:
    """The SPEC cloud group's measures, in percent (Herbst et al., 2016): accuracy, share of time, instability.

    `accuracy_under` is the mean of missing replicas over those needed, `accuracy_over` of spare ones; `time_under` and
    `time_over` are the shares of time; `instability` is the share of time in which need and supply move apart.
    """

    accuracy_under: float
    accuracy_over: float
    time_under: float
    time_over: float
    instability: float


@dataclass(frozen=True, slots=True)
class Score:
    """One policy on one demand. Minutes and pod-hours are totals over `days`; shares are of all minutes or load.

    `clairvoyant` are the pod-hours of the optimum that knew the demand, its starts paid for; `lead_misses` counts
    stretches over 100 % in which pods were already starting: the decision was right and came too late.
    """

    days: float
    overload_minutes: float
    cap_breach_minutes: float
    slo_minutes: float
    lost_share: float
    pod_hours: float
    clairvoyant: float
    starts_per_day: float
    floor_changes_per_day: float
    lead_misses: int
    elasticity: Elasticity

    @property
    def overload_share(self) -> float:
        """Share of time over 100 % utilization."""
        return self.overload_minutes / (self.days * (DAY / MINUTE))

    @property
    def cap_breach_share(self) -> float:
        """Share of time over the target utilization."""
        return self.cap_breach_minutes / (self.days * (DAY / MINUTE))

    @property
    def over_clairvoyant(self) -> float:
        """Pod-hours over those of the optimum."""
        return self.pod_hours / self.clairvoyant


@dataclass(frozen=True, slots=True)
class Lane:
    """What happened in one lane, each array (ticks,)."""

    demand: Array
    offered: Array
    utilization: Array
    ready: Counts
    pods: Counts
    started: Counts
    floor: Counts


def lane_of(run: Run, demand: Array, floor: Counts, lane: int) -> Lane:
    """One lane of a run, with its demand and floor, both (ticks, lanes)."""
    return Lane(
        demand=demand[:, lane],
        offered=run.offered[:, lane],
        utilization=run.utilization_of(lane),
        ready=run.ready[:, lane],
        pods=run.pods[:, lane],
        started=run.started[:, lane],
        floor=floor[:, lane],
    )


def score(lane: Lane, promise: Promise, replica_capacity: float, tick: timedelta, within: Mask | None = None) -> Score:
    """Judge one lane; `within` (ticks,) restricts everything but the optimum's course to some ticks, such as events."""
    chosen = np.ones(len(lane.demand), dtype=bool) if within is None else within
    require(bool(chosen.any()), "expected at least one tick to judge, got none")
    minutes, days = tick / MINUTE, float(chosen.sum() * (tick / DAY))
    needed = promise.needed(lane.demand, replica_capacity)
    over = lane.utilization > 1.0 + 1e-9
    missing = np.maximum(lane.offered - replica_capacity * lane.ready, 0.0)
    return Score(
        days=days,
        overload_minutes=float((over & chosen).sum() * minutes),
        cap_breach_minutes=float(((lane.utilization > promise.target + 1e-9) & chosen).sum() * minutes),
        slo_minutes=float(((lane.utilization > promise.queue) & chosen).sum() * minutes),
        lost_share=float((missing * chosen).sum() / max(lane.offered[chosen].sum(), 1e-12)),
        pod_hours=float(lane.pods[chosen].sum() * (tick / HOUR)),
        clairvoyant=optimum_pod_hours(needed, promise, tick, chosen),
        starts_per_day=float(lane.started[chosen].sum() / days),
        floor_changes_per_day=float((np.diff(lane.floor, prepend=lane.floor[:1]) != 0)[chosen].sum() / days),
        lead_misses=_lead_misses(over & chosen, lane),
        elasticity=_elasticity(needed, lane, chosen),
    )


def optimum_pod_hours(needed: Counts, promise: Promise, tick: timedelta, chosen: Mask) -> float:
    """Pod-hours of the clairvoyant over the chosen ticks; the pods it starts are paid while they start, as all are.

    What runs at the beginning is not started: no policy pays for that either.
    """
    start_ticks = promise.start / tick
    replicas = clairvoyant(needed, start_ticks)
    begun = started(replicas)
    begun[0] = 0
    return float((replicas + start_ticks * begun)[chosen].sum() * (tick / HOUR))


def _lead_misses(over: Mask, lane: Lane) -> int:
    """Stretches over 100 % during which pods were starting."""
    starting = lane.pods > lane.ready
    return sum(bool(starting[begin:end].any()) for begin, end in stretches(over))


def stretches(chosen: Mask) -> list[tuple[int, int]]:
    """Runs of chosen ticks, as half-open ranges.

    >>> stretches(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def _elasticity(needed: Counts, lane: Lane, chosen: Mask) -> Elasticity:
    gap = (needed - lane.ready)[chosen]
    size = np.maximum(needed[chosen], 1)
    apart = np.sign(np.diff(needed)) != np.sign(np.diff(lane.ready))
    return Elasticity(
        accuracy_under=100 * float((np.maximum(gap, 0) / size).mean()),
        accuracy_over=100 * float((np.maximum(-gap, 0) / size).mean()),
        time_under=100 * float((gap > 0).mean()),
        time_over=100 * float((gap < 0).mean()),
        instability=100 * float(apart[chosen[1:]].mean()) if len(chosen) > 1 else 0.0,
    )
