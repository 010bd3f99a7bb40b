"""The policies that are compared, side by side on one case, and the frontier of those that are swept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array, Counts, Mask
from capacity.simulation.case import (
    Case,
    Lane,
    Score,
    clairvoyant,
    lane_of,
    score,
    started,
)
from capacity.simulation.hpa.spec import DOWNSCALE_STABILIZATION, SYNC_PERIOD
from capacity.simulation.lanes import Rule, Steer
from capacity.simulation.stepping import run_cluster
from capacity.stats import sliding_maxima

ONE_HOUR, ONE_DAY, ONE_WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
OPTIMUM = "clairvoyant"
TARGETS = tuple(range(30, 91, 5))  # percent: the sweep of the HPA frontier
STABILIZATIONS = tuple(timedelta(minutes=minutes) for minutes in (0, 5, 15, 60))


@dataclass(frozen=True, slots=True)
class Policy:
    """A name, the floor at every judged sync (ticks,), and the HPA above it (`rule.follows` False: none).

    `swept`: one of the many plain HPAs that span the frontier, not a policy to show by itself. `steer` returns a
    function that decides the floor at each sync from the HPA's status; `floor` is then the initial one.
    """

    name: str
    floor: Counts
    rule: Rule
    swept: bool = False
    steer: Callable[[], Steer] | None = None


def hpa_sweep(case: Case) -> list[Policy]:
    """Plain HPAs at every target and stabilization: their undominated points are the frontier to beat."""
    lowest = np.full(case.judged_ticks, case.promise.floor)
    return [
        Policy(
            f"HPA at {target} %, {window // timedelta(minutes=1)} min", lowest, _rule(case, target, window), swept=True
        )
        for target in TARGETS
        for window in STABILIZATIONS
    ]


def static_peak(case: Case) -> Policy:
    """A constant number of replicas: what the highest earlier demand would have needed."""
    return _static(case, "static peak", float(case.demand[: case.begin].max()))


def cron_schedule(case: Case, target: int = 70) -> Policy:
    """A schedule that a person would write, above an HPA: the highest need of each hour of the week in four weeks."""
    known = case.demand[max(0, case.begin - case.steps_in(4 * ONE_WEEK)) : case.begin]
    season = case.steps_in(ONE_WEEK if len(known) >= case.steps_in(2 * ONE_WEEK) else ONE_DAY)
    hour = case.steps_in(ONE_HOUR)
    phases = (np.arange(case.begin - len(known), len(case.demand)) % season) // hour
    highest = np.zeros(phases.max() + 1)
    np.maximum.at(highest, phases[: len(known)], known)
    return Policy("HPA + cron", case.held(case.ahead(case.needed(highest[phases[len(known) :]]))), _rule(case, target))


def aws_like(case: Case, target: int = 70) -> Policy:
    """As AWS documents predictive scaling: hourly means of 14 days, forecast anew every 6 hours, never below reactive.

    An hour is forecast as the mean of the same hours of the week, or of the day while there is no week yet.
    """
    planned = _rolling(case, 6 * ONE_HOUR, lambda origin, steps: _hourly_means(case, origin, steps))
    return Policy("AWS-like", case.held(case.ahead(case.needed(planned))), _rule(case, target))


def ahpa_like(case: Case, target: int = 70, quantile_level: float = 0.9) -> Policy:
    """As AHPA is described: a day ahead from the same minutes of 7 days, at a quantile, shifted by the start time."""

    def forecast(origin: int, steps: int) -> Array:
        day, days = case.steps_in(ONE_DAY), min(7, origin // case.steps_in(ONE_DAY))
        if days == 0:
            return np.zeros(steps)
        same = case.demand[origin - days * day : origin].reshape(days, day)
        return np.asarray(np.quantile(same, quantile_level, axis=0)[np.arange(steps) % day])

    return Policy(
        "AHPA-like", case.held(case.ahead(case.needed(_rolling(case, ONE_DAY, forecast)))), _rule(case, target)
    )


def autopilot_like(case: Case, quantile_level: float = 0.95, delay: timedelta = 2 * ONE_DAY) -> Policy:
    """As Autopilot scales horizontally: a quantile of the last 72 hours, lowered only after `delay`; no HPA."""
    every, window = case.steps_in(5 * timedelta(minutes=1)), case.steps_in(3 * ONE_DAY)
    reach = case.steps_in(delay)
    origins = np.arange(max(1, case.begin - reach), len(case.demand), every)
    seen = [np.quantile(case.demand[max(0, at - window) : at], quantile_level) for at in origins]
    recommended = np.repeat(case.needed(np.array(seen)), every)[: len(case.demand) - origins[0]]
    held = sliding_maxima(recommended[::-1], reach + 1)[::-1]  # of the last `delay`
    return Policy(
        "Autopilot-like", case.held(held[case.begin - origins[0] :]), Rule(ceiling=case.ceiling, follows=False)
    )


def seasonal_naive(case: Case, quantile_level: float = 0.95, target: int = 70) -> Policy:
    """Last week's demand (yesterday's while there is no week yet) times a quantile of how far that was off lately."""

    def forecast(origin: int, steps: int) -> Array:
        season = case.steps_in(ONE_WEEK if origin >= case.steps_in(2 * ONE_WEEK) else ONE_DAY)
        if origin < 2 * season:
            return np.zeros(steps)
        last = case.demand[origin - season : origin]
        before = case.demand[origin - 2 * season : origin - season]
        known = before > 0
        factor = float(np.quantile(last[known] / before[known], quantile_level)) if known.any() else 1.0
        return np.asarray(last[np.arange(steps) % season] * factor)

    name = f"seasonal naive q{quantile_level:g}"
    return Policy(name, case.held(case.ahead(case.needed(_rolling(case, ONE_DAY, forecast)))), _rule(case, target))


def _static(case: Case, name: str, demand: float) -> Policy:
    replicas = np.repeat(case.needed(np.array([demand])), len(case.judged))
    return Policy(name, case.held(replicas), Rule(ceiling=case.ceiling, follows=False))


def _rule(case: Case, target: int, window: timedelta = DOWNSCALE_STABILIZATION) -> Rule:
    return Rule(target, window, case.ceiling)


def _rolling(case: Case, every: timedelta, forecast: Callable[[int, int], Array]) -> Array:
    """Forecasts from successive origins, each used until the next: (judged steps,)."""
    stride = case.steps_in(every)
    origins = range(case.begin, len(case.demand), stride)
    return np.concatenate([forecast(origin, min(stride, len(case.demand) - origin)) for origin in origins])


def _hourly_means(case: Case, origin: int, steps: int) -> Array:
    hour, known = case.steps_in(ONE_HOUR), case.demand[max(0, origin - case.steps_in(14 * ONE_DAY)) : origin]
    season = case.steps_in(ONE_WEEK if len(known) >= case.steps_in(ONE_WEEK) else ONE_DAY)
    phases = np.arange(origin - len(known), origin + steps) % season // hour
    counts = np.bincount(phases[: len(known)], minlength=phases.max() + 1)
    totals = np.bincount(phases[: len(known)], known, minlength=phases.max() + 1)
    means = np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)
    return np.asarray(means[phases[len(known) :]])


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
    rules = [one.rule if one.steer is None else replace(one.rule, steer=one.steer()) for one in policies]
    run = run_cluster(case.cluster, spread, floor, rules, np.random.default_rng(seed))
    lanes = [lane_of(run, spread, place) for place in range(len(policies))]
    return [Trial(policy, lane, judge(case, lane)) for policy, lane in zip(policies, lanes, strict=True)]


def optimum_trial(case: Case) -> Trial:
    """The clairvoyant bound: replicas are ready when needed, and pods are paid for from their start; no cluster."""
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


@dataclass(frozen=True, slots=True)
class Frontier:
    """The undominated points of a swept policy: pod-hours ascending, violations descending, both (points,)."""

    pod_hours: Array
    violations: Array

    def cost_at(self, violations: float) -> float:
        """Least pod-hours at which the swept policy violates no more than this, interpolated between its points.

        Infinite if none of its points violates so little.

        >>> Frontier(np.array([100.0, 140.0]), np.array([20.0, 0.0])).cost_at(10.0)
        120.0
        """
        if violations < self.violations[-1]:
            return float("inf")
        return float(np.interp(-violations, -self.violations, self.pod_hours))


def frontier(pod_hours: Array, violations: Array) -> Frontier:
    """The undominated points among all of a sweep.

    >>> frontier(np.array([120.0, 100.0, 130.0]), np.array([5.0, 9.0, 6.0])).pod_hours.tolist()
    [100.0, 120.0]
    """
    require(len(pod_hours) == len(violations) > 0, "expected points of a sweep, got {}", len(pod_hours))
    order = np.lexsort((violations, pod_hours))
    best = np.minimum.accumulate(violations[order])
    kept = np.concatenate([[True], np.diff(best) < 0])
    return Frontier(pod_hours[order][kept], violations[order][kept])


def saving(policy: tuple[float, float], swept: Frontier) -> float:
    """Share of pod-hours saved at equal violations by a policy of (pod-hours, violations).

    If the swept policy never violates so little, it is compared at its fewest violations, which understates the saving.

    >>> saving((90.0, 10.0), Frontier(np.array([100.0, 140.0]), np.array([20.0, 0.0])))
    0.25
    """
    matched = max(policy[1], float(swept.violations[-1]))
    return 1 - policy[0] / swept.cost_at(matched)
