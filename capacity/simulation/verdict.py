"""Which policy the replayed days speak for: the choice, the evidence for it, and its best rivals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from capacity.model import Workload, require
from capacity.model.choice import MONEY, Choice, Evidence, Reason
from capacity.model.policies import Tried
from capacity.model.policy import Objective
from capacity.simulation.choice import (
    ChoiceRule,
    Chosen,
    Scores,
    choose_daily,
    day_interval,
    settled_count,
    settled_plain,
)

RIVALS = 3
TARGET_POINTS = 2  # percent points: a target nearer than this to the advised one is not worth anybody's hand


def choose_policy(
    tried: Tried,
    workload: Workload,
    now: datetime,
    rule: ChoiceRule | None = None,
    *,
    advised: int | None = None,
) -> Choice:
    """The policy for the day to come, the evidence for it, and its best rivals; today's is the first that was tried.

    `advised`: the target that was advised last; another is advised only where it is `TARGET_POINTS` away or cheaper by
    the rule's hysteresis, since somebody has to set it by hand.
    """
    rule, objective, price = rule or ChoiceRule(), workload.objective, price_of(workload)
    scores = weighed_scores(tried, objective, price)
    places = choosable(tried)
    chosen = choose_daily(scores.of(places), rule)
    picked = places[chosen.next]
    by_hand = not tried.policies[picked].has_floors and not workload.manages_target
    known = chosen.kept[-1] and tried.scores.days >= rule.fewest
    if by_hand and known:
        picked = _as_advised(tried, scores, settled_plain(scores, picked), advised, rule)
    elif known and tried.policies[picked].floors == "static":
        picked = places[settled_count(scores.of(places), places.index(picked))]
    evidence = [_evidence(tried, at, price) for at in range(len(tried.policies))]
    return Choice(
        namespace=workload.namespace,
        name=workload.name,
        chosen_at=now,
        objective=objective,
        recommended=evidence[picked],
        today=evidence[0],
        meanwhile=_meanwhile(tried, scores, evidence, picked, rule),
        reason=_reason(tried, picked, chosen, rule, by_cost=objective.overload_cost is not None),
        rivals=tuple(evidence[at] for at in _rivals(tried, scores, picked)),
        unit="pod-hours" if price is None else MONEY,
        remarks=(*tried.remarks, *(() if chosen.kept[-1] else (_out_of_reach(objective, evidence, places),))),
    )


def _out_of_reach(objective: Objective, evidence: Sequence[Evidence], places: Sequence[int]) -> str:
    """That nothing keeps the minutes, what comes nearest and at which cost, and what would be needed."""
    nearest = min((evidence[at] for at in places), key=lambda one: (one.minutes_above, one.cost))
    return (
        f"{100 * objective.minutes:g} % of minutes allow {objective.allowed_minutes:g} a day above the target: nearest "
        f"comes {nearest.policy}, with {nearest.minutes_above:.1f} at a cost of {nearest.cost:,.1f} a day; for fewer, "
        "pods must start faster, the ceiling be higher, or orders be known in finer steps"
    )


def price_of(workload: Workload) -> float | None:
    """What a replica's hour costs; None where it is not known. Raises `DataError` where the objective needs it."""
    price = workload.costs.price_per_hour
    require(
        workload.objective.overload_cost is None or price is not None,
        "objective.overload_cost: expected costs.price_per_hour beside it, got none: what is a replica's hour worth?",
    )
    return price


def weighed_scores(tried: Tried, objective: Objective, price: float | None) -> Scores:
    """The scores as the choice weighs them: in pod-hours or money, with the cost of overload where it is given."""
    cost = tried.scores.paid_hours * (1.0 if price is None else price)
    floors = np.array([policy.has_floors for policy in tried.policies])
    if objective.overload_cost is None:
        return Scores(cost, tried.scores.above, floors, objective.allowed_minutes)
    return Scores(cost + tried.scores.overload / 60 * objective.overload_cost, tried.scores.above, floors, None)


def _meanwhile(
    tried: Tried, scores: Scores, evidence: Sequence[Evidence], picked: int, rule: ChoiceRule
) -> Evidence | None:
    """The best policy that needs nobody's hand, until what is advised stands; None where nothing has to be set."""
    if not _by_hand(tried, picked):
        return None
    places = [at for at in choosable(tried) if not _by_hand(tried, at)]
    return evidence[places[choose_daily(scores.of(places), rule).next]] if places else None


def _by_hand(tried: Tried, at: int) -> bool:
    """Whether somebody has to set its target or its number of replicas, or to remove `headroom`."""
    policy = tried.policies[at]
    fixed = policy.floors == "static"
    return policy.standing == "advised" or fixed or policy.headroom != tried.policies[0].headroom


def _as_advised(tried: Tried, scores: Scores, picked: int, advised: int | None, rule: ChoiceRule) -> int:
    """The target that was advised before, where it still keeps the minutes and the new one is hardly another."""
    target, ahead = tried.policies[picked].target, tried.policies[picked].headroom
    alike = [at for at, one in enumerate(tried.policies) if one.headroom == ahead and not one.has_floors]
    before = [at for at in alike if tried.policies[at].target == advised]
    if advised is None or target is None or not before or abs(target - advised) >= TARGET_POINTS:
        return picked
    cost, above = scores.cost.mean(axis=0), scores.above.mean(axis=0)
    keeps = scores.budget is None or above[before[0]] <= scores.budget
    return before[0] if keeps and cost[before[0]] * (1 - rule.hysteresis) <= cost[picked] else picked


def choosable(tried: Tried) -> list[int]:
    """The places of the policies that can be planned by: a learned schedule and a static peak are rivals only, and so
    are floors from a forecast without skill."""
    kinds = ("none", "forecast") if tried.has_skill else ("none",)
    return [at for at, one in enumerate(tried.policies) if at == 0 or one.floors in kinds]


def _reason(tried: Tried, picked: int, chosen: Chosen, rule: ChoiceRule, *, by_cost: bool) -> Reason:
    if tried.scores.days < rule.fewest:
        return "TooShort"
    if not chosen.kept[-1]:
        return "NothingKeepsTheMinutes"
    if by_cost:
        return "LeastExpectedCost"
    if tried.policies[picked].has_floors:
        return "FixedCountIsEnough" if tried.policies[picked].floors == "static" else "FloorsPay"
    tried_floors = tried.has_skill and any(policy.floors == "forecast" for policy in tried.policies)
    return "PlainHpaIsEnough" if tried_floors else "NoSkill"


def _rivals(tried: Tried, scores: Scores, picked: int) -> list[int]:
    """The best of each other kind: another plain HPA, floors from the forecast, the schedule, the static peak."""
    cost, above = scores.cost.mean(axis=0), scores.above.mean(axis=0)
    budget = np.inf if scores.budget is None else scores.budget
    order = sorted(
        range(len(cost)), key=lambda at: (above[at] > budget, cost[at] if above[at] <= budget else above[at])
    )
    best: dict[str, int] = {}
    mine = tried.policies[picked].floors
    for at in order:
        kind = tried.policies[at].floors
        if at in (0, picked) or kind in best or (kind == mine and kind != "none"):
            continue
        best[kind] = at
    return [*list(best.values())[:RIVALS], *_twin(tried, picked, best.values())]


def _twin(tried: Tried, picked: int, known: Collection[int]) -> list[int]:
    """The same policy with nodes that are kept ready where it has none, or without; none where it was not tried."""
    mine = tried.policies[picked]
    alike = [at for at, one in enumerate(tried.policies) if replace(one, headroom=mine.headroom) == mine]
    return [at for at in alike if at not in (0, picked, *known)]


def _evidence(tried: Tried, at: int, price: float | None) -> Evidence:
    scores, worth = tried.scores, 1.0 if price is None else price
    random = np.random.default_rng(at)
    cost, above, over = scores.paid_hours[:, at] * worth, scores.above[:, at], scores.overload[:, at]
    nodes = any(one.headroom is not None for one in tried.policies)
    return Evidence(
        policy=tried.policies[at],
        days=scores.days,
        cost=float(cost.mean()),
        minutes_above=float(above.mean()),
        overload_minutes=float(over.mean()),
        cost_interval=day_interval(cost, random),
        minutes_interval=day_interval(above, random),
        overload_interval=day_interval(over, random),
        node_waits=float(scores.waits[:, at].mean()) if nodes else None,
    )
