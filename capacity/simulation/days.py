"""Many policies on many days at once: each day of each policy is a lane of its own, so that a day costs no loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array, Counts
from capacity.model.replayed import SCORES, DailyScores
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import Rule
from capacity.simulation.pods import Nodes
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

        `ahead`: pods per minute for which nodes stand ready, as floors. Default none.

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


def replay_days(days: Days, candidates: Sequence[Candidate], cluster: Cluster, seed: int) -> DailyScores:
    """Replay every candidate on every day: the HPA as `run_cluster` steps it, tick by tick, all lanes at once.

    A day begins with what an HPA that has settled would run, `WARM_UP` before midnight. Starts of pods are drawn from
    `seed`; equal arguments, equal scores.
    """
    require(bool(candidates), "expected at least one candidate, got none")
    count = len(days.demand)
    each = max(1, MOST_LANES // count)
    parts = [
        _replayed(days, candidates[at : at + each], cluster, np.random.default_rng((seed, at)))
        for at in range(0, len(candidates), each)
    ]
    return DailyScores(*(np.concatenate([getattr(part, name) for part in parts], axis=1) for name in SCORES))


def _replayed(
    days: Days, candidates: Sequence[Candidate], cluster: Cluster, random: np.random.Generator
) -> DailyScores:
    count, many = len(days.demand), len(candidates)
    demand = np.ascontiguousarray(np.tile(days.demand, (many, 1)).T)  # (ticks, lanes), candidate by candidate
    schedules = days.floors[[one.schedule for one in candidates]]  # (candidates, days, minutes)
    floor = np.ascontiguousarray(schedules.reshape(many * count, -1).T)  # (minutes, lanes)
    rules = [one.rule for one in candidates for _ in range(count)]
    ahead = _ahead(days, candidates)

    def kept(at: int) -> Counts | None:
        return None if ahead is None else np.asarray(ahead[at // PER_MINUTE])

    stage = Stage(cluster, settled(cluster, demand[0], floor[0], rules), rules, random, kept(0))
    for at in range(WARM_TICKS):
        stage.step(at, demand[at], floor[at // PER_MINUTE], kept(at))
    tally = _Tally(demand[WARM_TICKS:].sum(axis=0), days.target, stage.nodes)
    for at in range(WARM_TICKS, len(demand)):
        tally.add(stage.step(at, demand[at], floor[at // PER_MINUTE], kept(at)), cluster)
        if (at + 1) % PER_MINUTE == 0:
            tally.close_minute()
    return tally.scores(many, count)


def _ahead(days: Days, candidates: Sequence[Candidate]) -> Counts | None:
    """For how many pods nodes stand ready, minute by minute (minutes, lanes); None where no candidate keeps any."""
    if days.ahead is None or all(one.ahead is None for one in candidates):
        return None
    none = np.zeros_like(days.ahead[0])
    each = np.stack([none if one.ahead is None else days.ahead[one.ahead] for one in candidates])
    return np.ascontiguousarray(each.reshape(len(candidates) * len(days.demand), -1).T)


class _Tally:
    """The sums of every lane so far, and of the minute that is not over."""

    def __init__(self, load: Array, target: float, nodes: Nodes | None) -> None:
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

    def scores(self, candidates: int, days: int) -> DailyScores:
        """Lanes candidate by candidate as (days, candidates)."""
        lost = self._lost / np.maximum(self._load, TINY)
        hours = SYNC_PERIOD / HOUR
        waits = np.zeros(len(lost))
        if self._nodes is not None:
            waits += self._nodes.misses - self._missed
        sums = (self._pods * hours, self._above, self._overload, lost, self._starts, self._room * hours, waits)
        return DailyScores(*(one.reshape(candidates, days).T.copy() for one in sums))
