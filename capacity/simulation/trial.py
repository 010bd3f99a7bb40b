"""Policies side by side on one case: the same demand, the same cluster, each judged by the same scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.domain import require
from capacity.domain.arrays import Mask
from capacity.simulation.case import Case
from capacity.simulation.cluster import run_cluster
from capacity.simulation.frontier import Daily, Frontier, frontier
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.optimum import clairvoyant, started
from capacity.simulation.policies import OPTIMUM, Policy
from capacity.simulation.reactive import Rule
from capacity.simulation.scores import DAY, HOUR, MINUTE, Lane, Score, lane_of, score
from capacity.stats import sliding_maxima


@dataclass(frozen=True, slots=True)
class Trial:
    """What one policy did on a case, and its score."""

    policy: Policy
    lane: Lane
    score: Score

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.name

    @property
    def swept(self) -> bool:
        """Whether its policy is one of the sweep."""
        return self.policy.swept


def try_policies(case: Case, policies: Sequence[Policy], seed: int) -> list[Trial]:
    """Run every policy on the judged steps of a case; equal seeds, equal trials."""
    require(bool(policies), "expected at least one policy, got none")
    demand = case.ticks(case.demand)[-case.judged_ticks :]
    spread = np.broadcast_to(demand[:, None], (len(demand), len(policies)))
    floor = np.stack([policy.floor for policy in policies], axis=1)
    rules = [policy.rule for policy in policies]
    run = run_cluster(case.cluster, spread, floor, rules, np.random.default_rng(seed))
    lanes = [lane_of(run, spread, floor, place) for place in range(len(policies))]
    return [Trial(policy, lane, judge(case, lane)) for policy, lane in zip(policies, lanes, strict=True)]


def optimum_trial(case: Case) -> Trial:
    """The clairvoyant's bound: replicas are there when needed, pods are paid for from their start on; no cluster."""
    demand = case.ticks(case.demand)[-case.judged_ticks :]
    ahead = max(1, round(case.promise.start / SYNC_PERIOD))
    ready = clairvoyant(case.needed(demand), ahead)
    pods = sliding_maxima(ready, ahead + 1)
    utilization = demand / case.service.capacity(ready)
    lane = Lane(demand, demand, utilization, ready, pods, started(ready), ready)
    return Trial(Policy(OPTIMUM, ready, Rule(follows=False)), lane, judge(case, lane))


def judge(case: Case, lane: Lane, within: Mask | None = None) -> Score:
    """The score of one lane, of all its ticks or of those chosen."""
    return score(lane, case.promise, case.service.replica_capacity, SYNC_PERIOD, within)


def swept(trials: Sequence[Trial], *, of_cap: bool = False) -> Frontier:
    """The frontier of pod-hours against overload minutes that these trials span; `of_cap`: minutes over the target."""
    scores = [trial.score for trial in trials]
    return frontier(
        np.array([score.pod_hours for score in scores]),
        np.array([score.cap_breach_minutes if of_cap else score.overload_minutes for score in scores]),
    )


def by_day(trials: Sequence[Trial]) -> Daily:
    """Pod-hours and overload minutes of every trial on every day, the last one perhaps not whole: (days, trials)."""
    pods = np.stack([trial.lane.pods for trial in trials], axis=1) * (SYNC_PERIOD / HOUR)
    over = np.stack([trial.lane.utilization > 1.0 + 1e-9 for trial in trials], axis=1) * (SYNC_PERIOD / MINUTE)
    starts = np.arange(0, len(pods), round(DAY / SYNC_PERIOD))
    return Daily(np.add.reduceat(pods, starts), np.add.reduceat(over, starts))
