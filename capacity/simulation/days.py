"""Many policies on many days at once: each day of each policy is a lane of its own, so that a day costs no loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array, Counts, Places
from capacity.model.policies import SCORES, DailyScores
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import Rule
from capacity.simulation.pods import Nodes, Starts
from capacity.simulation.stepping import Cluster, Moment, Stage, settled

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
WARM_UP = timedelta(hours=3)  # far longer than an HPA remembers: what ran the day before no longer shows
DAY_TICKS, WARM_TICKS, PER_MINUTE = DAY // SYNC_PERIOD, WARM_UP // SYNC_PERIOD, MINUTE // SYNC_PERIOD
TINY, ROUNDING = 1e-12, 1e-9
MOST_LANES = 6000  # at once: some forty arrays of so many lanes stay in the cache of a core


@dataclass(frozen=True, slots=True)
class Days:
    """What is replayed: the demand of each day with the hours before it, and the floors that are tried.

    `demand` (days, ticks) in replicas at 100 % utilization; `floors` (schedules, days, minutes); both begin `WARM_UP`
    before their day. `target` is the utilization that a minute must not exceed. `ahead`: pods for which nodes stand
    ready, shaped like `floors`. Default none.
    """

    demand: Array
    floors: Counts
    target: float
    ahead: Counts | None = None

    def __post_init__(self) -> None:
        ticks, minutes = WARM_TICKS + DAY_TICKS, (WARM_TICKS + DAY_TICKS) // PER_MINUTE
        require(self.demand.shape[1:] == (ticks,), "expected days of {} ticks, got {}", ticks, self.demand.shape)
        shape = (len(self.demand), minutes)
        require(self.floors.shape[1:] == shape, "expected floors of {} minutes, got {}", shape, self.floors.shape)
        require(0 < self.target <= 1, "target must lie in (0, 1], got {}", self.target)

    @staticmethod
    def of(demand: Array, floors: Sequence[Counts], target: float, ahead: Sequence[Counts] = ()) -> Days:
        """From demand per tick (ticks,) and floors per minute (minutes,) over whole days and the warm-up before them.

        `ahead`: pods per minute for which nodes are ready, as floors. Default none.

        >>> whole = np.ones(WARM_TICKS + 2 * DAY_TICKS)
        >>> Days.of(whole, [np.ones(len(whole) // 4, dtype=np.int64)], 0.8).demand.shape
        (2, 6480)
        """
        count = (len(demand) - WARM_TICKS) // DAY_TICKS
        require(count >= 1, "expected at least one whole day and {} before it", WARM_UP)
        return Days(
            np.stack([demand[day * DAY_TICKS : (day + 1) * DAY_TICKS + WARM_TICKS] for day in range(count)]),
            _daily(floors, count),
            target,
            _daily(ahead, count) if ahead else None,
        )


def _daily(schedules: Sequence[Counts], count: int) -> Counts:
    """Each schedule (minutes,) by the day, with its warm-up: (schedules, days, minutes)."""
    minutes, warm = DAY_TICKS // PER_MINUTE, WARM_TICKS // PER_MINUTE
    return np.stack(
        [np.stack([one[day * minutes : (day + 1) * minutes + warm] for day in range(count)]) for one in schedules]
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """The autoscaler of a candidate, which of the floor schedules stands under it, and which of nodes that are ready.

    `ahead` None: nodes are ordered only when pods do not fit.
    """

    rule: Rule
    schedule: int
    ahead: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be replayed: candidates on days, on a cluster; starts of pods are drawn from `seed`."""

    days: Days
    candidates: Sequence[Candidate]
    cluster: Cluster
    seed: int

    def __post_init__(self) -> None:
        require(bool(self.candidates), "expected at least one candidate, got none")

    @property
    def lanes(self) -> int:
        """Each day of each candidate."""
        return len(self.candidates) * len(self.days.demand)


def replay_together(tasks: Sequence[Task]) -> list[DailyScores]:
    """The scores of every candidate of each task on every day: the HPA as `run_cluster` steps it, all lanes at once.

    A day begins with what an HPA that has settled would run, `WARM_UP` before midnight. Starts of pods are drawn from
    the task's seed; equal tasks, equal scores, and none changes those of another. A tick costs nearly as much for sixty
    lanes as for a thousand, so that one day of many workloads is replayed together: as many as stay in the cache.
    """
    parts = [part for task in tasks for part in _parts(task)]
    found = [scores for batch in _batches(parts) for scores in _replayed(batch)]
    answers, at = [], 0
    for task in tasks:
        count = len(_parts(task))
        mine, at = found[at : at + count], at + count
        answers.append(DailyScores(*(np.concatenate([getattr(one, name) for one in mine], axis=1) for name in SCORES)))
    return answers


@dataclass(frozen=True, slots=True)
class _Part:
    """Some candidates of a task, with the random numbers of their own."""

    days: Days
    candidates: Sequence[Candidate]
    cluster: Cluster
    random: np.random.Generator

    @property
    def lanes(self) -> int:
        return len(self.candidates) * len(self.days.demand)


def _parts(task: Task) -> list[_Part]:
    each = max(1, MOST_LANES // len(task.days.demand))
    return [
        _Part(task.days, task.candidates[at : at + each], task.cluster, np.random.default_rng((task.seed, at)))
        for at in range(0, len(task.candidates), each)
    ]


def _batches(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Neighbours on clusters that differ in how pods start alone, at most `MOST_LANES`; on nodes each alone."""
    batch: list[_Part] = []
    for part in parts:
        same = bool(batch) and replace(part.cluster, start=batch[0].cluster.start) == batch[0].cluster
        alike = not batch or (same and part.cluster.nodes is None)
        if batch and not (alike and sum(one.lanes for one in batch) + part.lanes <= MOST_LANES):
            yield batch
            batch = []
        batch.append(part)
    if batch:
        yield batch


class _Lanes:
    """The lanes of a batch, part by part and candidate by candidate: what demand and floor each has at a tick.

    Candidates share days and schedules: only where a lane finds its own is kept for each.
    """

    def __init__(self, batch: Sequence[_Part]) -> None:
        self._demand = np.ascontiguousarray(np.concatenate([part.days.demand for part in batch]).T)  # (ticks, days)
        floors = [part.days.floors.reshape(-1, part.days.floors.shape[2]) for part in batch]
        self._floor = np.ascontiguousarray(np.concatenate(floors).T)  # (minutes, schedules x days)
        days, schedules = _before(map(len, (part.days.demand for part in batch))), _before(map(len, floors))
        self._day = np.concatenate([first + _days(part) for first, part in zip(days, batch, strict=True)])
        self._schedule = np.concatenate([first + _places(part) for first, part in zip(schedules, batch, strict=True)])
        self.rules = [one.rule for part in batch for one in part.candidates for _ in part.days.demand]
        self.load = np.concatenate([part.days.demand[:, WARM_TICKS:].sum(axis=1) for part in batch])[self._day]
        self.target = np.repeat([part.days.target for part in batch], [part.lanes for part in batch])
        self._ahead = _ahead(batch[0])  # a part on nodes stands alone

    @property
    def ticks(self) -> int:
        return len(self._demand)

    def demand(self, at: int) -> Array:
        return np.asarray(self._demand[at].take(self._day))

    def floor(self, at: int) -> Counts:
        return np.asarray(self._floor[at // PER_MINUTE].take(self._schedule))

    def ahead(self, at: int) -> Counts | None:
        return None if self._ahead is None else np.asarray(self._ahead[at // PER_MINUTE])


def _ahead(part: _Part) -> Counts | None:
    """For how many pods nodes are ready, minute by minute (minutes, lanes); None where no candidate keeps any."""
    known = part.days.ahead
    if known is None or all(one.ahead is None for one in part.candidates):
        return None
    each = np.stack([np.zeros_like(known[0]) if one.ahead is None else known[one.ahead] for one in part.candidates])
    return np.ascontiguousarray(each.reshape(part.lanes, -1).T)


def _before(counts: Iterable[int]) -> list[int]:
    """Where each begins that has so many."""
    return [0, *accumulate(counts)][:-1]


def _days(part: _Part) -> Places:
    return np.tile(np.arange(len(part.days.demand)), len(part.candidates))


def _places(part: _Part) -> Places:
    """Of each lane's floors among schedules x days."""
    count = len(part.days.demand)
    schedules = np.repeat([one.schedule for one in part.candidates], count)
    return np.asarray(schedules * count + _days(part))


def _replayed(batch: Sequence[_Part]) -> list[DailyScores]:
    """The scores of each part."""
    lanes, cluster = _Lanes(batch), batch[0].cluster
    starts = Starts([(part.lanes, part.cluster.start, part.random) for part in batch], SYNC_PERIOD)
    first = settled(cluster, lanes.demand(0), lanes.floor(0), lanes.rules)
    stage = Stage(cluster, first, lanes.rules, starts, lanes.ahead(0))
    for at in range(WARM_TICKS):
        stage.step(at, lanes.demand(at), lanes.floor(at), lanes.ahead(at))
    tally = _Tally(lanes.load, lanes.target, stage.nodes)
    for at in range(WARM_TICKS, lanes.ticks):
        tally.add(stage.step(at, lanes.demand(at), lanes.floor(at), lanes.ahead(at)), cluster)
        if (at + 1) % PER_MINUTE == 0:
            tally.close_minute()
    firsts = _before(part.lanes for part in batch)
    return [tally.scores(first, part) for first, part in zip(firsts, batch, strict=True)]


class _Tally:
    """The sums of every lane so far, and of the minute that is not over."""

    def __init__(self, load: Array, target: Array, nodes: Nodes | None) -> None:
        self._target, self._load, self._nodes = target, load, nodes
        self._room, self._missed = np.zeros(len(load)), 0 if nodes is None else nodes.misses.copy()
        self._usage, self._pods, self._above, self._overload = (np.zeros(len(load)) for _ in range(4))
        self._lost, self._starts = (np.zeros(len(load)) for _ in range(2))

    def add(self, moment: Moment, cluster: Cluster) -> None:
        capacity = cluster.service.capacity(moment.ready)
        self._usage += moment.offered / np.maximum(capacity, TINY)
        self._pods += moment.pods
        self._starts += moment.started
        self._lost += np.maximum(moment.offered - capacity, 0.0)
        if self._nodes is not None:
            self._room += self._nodes.beyond(moment.pods)

    def close_minute(self) -> None:
        self._above += self._usage > PER_MINUTE * (self._target + ROUNDING)
        self._overload += self._usage > PER_MINUTE * (1.0 + ROUNDING)
        self._usage[:] = 0.0

    def scores(self, first: int, part: _Part) -> DailyScores:
        """Those of a part, whose lanes begin at `first`, candidate by candidate: as (days, candidates)."""
        lost = self._lost / np.maximum(self._load, TINY)
        hours, waits = SYNC_PERIOD / HOUR, np.zeros(len(lost))
        if self._nodes is not None:
            waits += self._nodes.misses - self._missed
        sums = (self._pods * hours, self._above, self._overload, lost, self._starts, self._room * hours, waits)
        shape, own = (len(part.candidates), len(part.days.demand)), slice(first, first + part.lanes)
        return DailyScores(*(one[own].reshape(shape).T.copy() for one in sums))
