"""What is simulated, a history on its full grid among it, and how a policy is judged on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.forecast import regular_step
from capacity.model import Event, require
from capacity.model.arrays import Array, Counts, Mask
from capacity.model.errors import require_aware
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.stepping import Cluster, Run, Service
from capacity.stats import close_gaps, sliding_maxima


def clairvoyant(needed: Counts, start_cost: float) -> Counts:
    """The cheapest replicas (ticks,) with ``replicas >= needed`` at every tick, in pod-ticks.

    Minimises ``sum replicas + start_cost x pods started``, the first pods included. Level by level the choice is
    alone: a pod that is not needed for a gap of g ticks is kept where ``g <= start_cost``. Over all levels that is the
    grayscale closing of `needed` by a window of ``floor(start_cost) + 1`` ticks (Lu, Chen and Andrew, 2013).

    >>> clairvoyant(np.array([3, 1, 1, 3, 0, 0, 0, 0, 2]), start_cost=2).tolist()
    [3, 3, 3, 3, 0, 0, 0, 0, 2]
    """
    require(needed.ndim == 1, "expected needed replicas of one workload (ticks,), got {}", needed.shape)
    require(start_cost >= 0, "start_cost must be >= 0, got {}", start_cost)
    return close_gaps(needed, min(int(start_cost), len(needed)))


def cost(replicas: Counts, start_cost: float) -> float:
    """Pod-ticks of these replicas (ticks,) and of the pods started for them.

    >>> cost(np.array([3, 3, 0, 2]), start_cost=2)
    18.0
    """
    return float(replicas.sum() + start_cost * started(replicas).sum())


def started(replicas: Counts) -> Counts:
    """Pods started at each tick (ticks, ...), those of the first tick included."""
    return np.maximum(np.diff(replicas, axis=0, prepend=np.zeros_like(replicas[:1])), 0)


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


def lane_of(run: Run, demand: Array, lane: int) -> Lane:
    """One lane of a run, with its demand (ticks, lanes)."""
    return Lane(
        demand=demand[:, lane],
        offered=run.offered[:, lane],
        utilization=run.utilization_of(lane),
        ready=run.ready[:, lane],
        pods=run.pods[:, lane],
        started=run.started[:, lane],
        floor=run.floor[:, lane],
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


@dataclass(frozen=True, slots=True)
class Miss:
    """A stretch `[start, start + length)` over the target, its highest utilization, and whether pods were starting."""

    start: datetime
    length: timedelta
    utilization: float
    late: bool

    @property
    def overload(self) -> bool:
        """Over 100 %: load was lost or waited."""
        return self.utilization > 1.0 + 1e-9


def find_misses(lane: Lane, target: float, begin: datetime, tick: timedelta) -> tuple[Miss, ...]:
    """Stretches over the target utilization, the highest first."""
    found = [
        Miss(
            start=begin + first * tick,
            length=(last - first) * tick,
            utilization=float(lane.utilization[first:last].max()),
            late=bool((lane.pods > lane.ready)[first:last].any()),
        )
        for first, last in stretches(lane.utilization > target + 1e-9)
    ]
    return tuple(sorted(found, key=lambda miss: -miss.utilization))


@dataclass(frozen=True, slots=True)
class Case:
    """Demand per step (steps,) without gaps, the first step's start, and from which step on policies are judged.

    `ceiling` bounds every policy. What policies know of the future is nothing: at step t they see ``demand[:t]``.
    """

    demand: Array
    start: datetime
    step: timedelta
    begin: int
    cluster: Cluster
    promise: Promise
    ceiling: int = 1_000_000
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        require_aware("start", self.start)
        require(self.demand.ndim == 1, "expected demand of one workload (steps,), got {}", self.demand.shape)
        require(bool(np.isfinite(self.demand).all()), "demand must have no gaps: fill them, or cut the history")
        require(bool((self.demand >= 0).all()), "demand must be >= 0")
        inside = 0 < self.begin < len(self.demand)
        require(inside, "begin must leave steps before and after, got {} of {}", self.begin, len(self.demand))
        whole = self.step % SYNC_PERIOD == timedelta(0) and self.step > timedelta(0)
        require(whole, "a step must be whole syncs of {}, got {}", SYNC_PERIOD, self.step)

    @property
    def service(self) -> Service:
        """What replicas serve."""
        return self.cluster.service

    @property
    def judged(self) -> Array:
        """Demand of the steps that are judged."""
        return self.demand[self.begin :]

    @property
    def lead(self) -> timedelta:
        """How early a policy acts: by then 19 of 20 pods are ready."""
        return self.cluster.start.p95

    def steps_in(self, span: timedelta) -> int:
        """Whole steps in a span, at least one."""
        return max(1, round(span / self.step))

    def needed(self, demand: Array) -> Counts:
        """Replicas that keep this demand under the target, within floor and ceiling."""
        return np.minimum(self.promise.needed(demand, self.service.replica_capacity), self.ceiling)

    def ahead(self, planned: Counts) -> Counts:
        """For every step the most of those until pods started now are ready: (steps,) in, (steps,) out."""
        reach = -(-self.lead // self.step) + 1
        return sliding_maxima(planned, reach)

    def moment(self, step: int) -> datetime:
        """When a step starts."""
        return self.start + step * self.step

    def ticks(self, values: Array) -> Array:
        """Demand per step as demand per sync: straight lines between the middles of the steps."""
        each = self.step // SYNC_PERIOD
        if each == 1:
            return values
        middles = (np.arange(len(values)) + 0.5) * each - 0.5
        return np.interp(np.arange(len(values) * each), middles, values)

    def held(self, counts: Counts) -> Counts:
        """Floors per step as floors per sync: each holds for its step."""
        return np.repeat(counts, self.step // SYNC_PERIOD)

    @property
    def judged_ticks(self) -> int:
        """Syncs that are judged."""
        return (len(self.demand) - self.begin) * (self.step // SYNC_PERIOD)


def on_grid(sales: pd.Series) -> tuple[timedelta, pd.Series, pd.Series]:
    """The step; the history on its full grid with gaps as NaN; and the same with short gaps bridged, to be served.

    Only what is served is bridged, in straight lines: forecasts see the gaps, so that nothing after an origin reaches
    it. Raises `DataError` for a gap of more than a day.

    >>> hours = pd.Series([1.0, None, 3.0, 4.0, 5.0], pd.date_range("2026-01-01", periods=5, freq="h", tz="UTC"))
    >>> step, known, served = on_grid(hours)
    >>> known.isna().tolist(), served.tolist()
    ([False, True, False, False, False], [1.0, 2.0, 3.0, 4.0, 5.0])
    """
    step = regular_step(sales)
    steps = pd.date_range(sales.index[0], sales.index[-1], freq=pd.Timedelta(step))
    grid = sales.reindex(steps)
    grid.attrs = dict(sales.attrs)
    filled = grid.interpolate(limit=max(1, int(DAY / step)), limit_area="inside")
    gaps = filled.index[filled.isna()]
    first = f"{gaps[0]:%Y-%m-%dT%H:%MZ}" if len(gaps) else "none"
    require(gaps.empty, "expected no gap longer than a day, got one at {}", first)
    return step, grid, filled


BUSIEST = 0.01  # of all ticks, those of the highest demand


def busy_ticks(case: Case, events: Sequence[Event]) -> Mask:
    """Which of the judged ticks (ticks,) are among the busiest hundredth, or lie within an event or a lead time of it.

    >>> from datetime import UTC
    >>> begin = datetime(2026, 3, 2, tzinfo=UTC)
    >>> case = Case(np.arange(200.0), begin, timedelta(minutes=1), 100, Cluster(Service(1.0)), Promise())
    >>> int(busy_ticks(case, ()).sum())
    4
    """
    demand: Array = case.ticks(case.demand)[-case.judged_ticks :]
    count = max(1, round(BUSIEST * len(demand)))
    busy: Mask = np.zeros(len(demand), dtype=bool)
    busy[np.argsort(demand, kind="stable")[-count:]] = True
    for event in events:
        busy[_tick(case, event.start - case.lead) : _tick(case, event.end)] = True
    return busy


def _tick(case: Case, moment: datetime) -> int:
    """The judged tick at a moment, the nearest there is."""
    return int(np.clip((moment - case.moment(case.begin)) // SYNC_PERIOD, 0, case.judged_ticks))
