"""Which policy to follow tomorrow, from what each did on the days before, and the evidence for it: pure arithmetic."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from capacity.model import Workload, require
from capacity.model.arrays import Array, Counts, Mask
from capacity.model.choice import MONEY, Choice, Evidence, Reason
from capacity.model.policies import Tried
from capacity.model.policy import Objective

RESAMPLES = 1000
CONFIDENCE = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class ChoiceRule:
    """How days are weighed, and when a policy is left.

    Parameters:
        window: days that count. Default 28.
        half_life: days after which a day counts half. Default 14; 10 to 20 did alike. With 4, one bad day among ten
            drove services that burst far above the cost of the best fixed policy (`python -m benchmarks policies`).
        hysteresis: share by which another policy must be cheaper before the present one is left. Default 4 %.
        fewest: days that must be known before anything but the first policy is chosen. Default 7.
        margin: share by which floors must be cheaper than the best plain autoscaler. Default 1 %.
        catch_up: days over which minutes used too many, or left, are made up for. Default 14. With 7
            and a hysteresis of 3 %, the services tuned on cost 2 % more.
        least, most: bounds of what one day may have, as multiples of the budget. Default 0.8 and 1.5. With 0.5, one
            bad day of a bursty service was followed by a week that cost half as much again as the best fixed policy.
        shortfall: where nothing keeps the minutes, how many hours of the present cost an hour over the target is worth.
            Default 100, as a quantile of 0.99 would have it.
    """

    window: int = 28
    half_life: float = 14.0
    hysteresis: float = 0.04
    fewest: int = 7
    margin: float = 0.01
    catch_up: float = 14.0
    least: float = 0.8
    most: float = 1.5
    shortfall: float = 100.0

    def __post_init__(self) -> None:
        require(
            self.window >= self.fewest >= 1, "expected 1 <= fewest <= window, got {} and {}", self.fewest, self.window
        )
        for name in ("half_life", "catch_up", "shortfall"):
            require(getattr(self, name) > 0, "choice: {} must be > 0, got {}", name, getattr(self, name))
        require(
            0 <= self.least <= 1 <= self.most, "choice: expected least <= 1 <= most, got {}", (self.least, self.most)
        )
        require(0 <= self.hysteresis < 1 and 0 <= self.margin < 1, "choice: shares must lie in [0, 1)")


@dataclass(frozen=True, slots=True)
class Scores:
    """What is weighed: `cost` and minutes `above` the target, both (days, candidates); which candidates have floors.

    `budget`: minutes of a day that may lie above; None where cost is all that counts.
    """

    cost: Array
    above: Array
    floors: Mask
    budget: float | None

    def __post_init__(self) -> None:
        require(self.cost.shape == self.above.shape, "expected one shape (days, candidates)")
        require(self.floors.shape == self.cost.shape[1:], "expected one mark of floors for each candidate")
        require(self.budget is None or self.budget >= 0, "budget must be >= 0 minutes, got {}", self.budget)

    def of(self, candidates: Sequence[int]) -> Scores:
        """Some of the candidates, in this order."""
        chosen = list(candidates)
        return Scores(self.cost[:, chosen], self.above[:, chosen], self.floors[chosen], self.budget)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The candidate of each day and, last, of the day to come (days + 1,); and whether it keeps the minutes.

    `kept` is False where no candidate does: then it is the one of the least expected cost.
    """

    candidates: Counts
    kept: Mask

    @property
    def next(self) -> int:
        """The candidate of the day to come."""
        return int(self.candidates[-1])


def choose_daily(scores: Scores, rule: ChoiceRule | None = None, first: int = 0) -> Chosen:
    """Every day the cheapest candidate that kept its minutes on the days before, and the one for the day to come.

    Days count less the older they are. Minutes that the choices so far have used too many are made up for, those left
    may be used. A choice is kept until another is cheaper by the hysteresis, and left at once when it breaks the
    budget. Floors are chosen only where they are cheaper than the cheapest plain autoscaler that keeps the minutes.

    Parameters:
        scores: costs and minutes above the target of each candidate on each day.
        rule: weights and margins. Default `ChoiceRule()`.
        first: the candidate that stands until enough days are known.

    >>> cost = np.tile([[10.0, 8.0, 6.0]], (9, 1))
    >>> above = np.tile([[0.0, 5.0, 60.0]], (9, 1))
    >>> choose_daily(Scores(cost, above, np.zeros(3, dtype=bool), 7.2)).candidates.tolist()
    [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    """
    rule = rule or ChoiceRule()
    days, candidates = scores.cost.shape
    require(0 <= first < candidates, "expected one of {} candidates first, got {}", candidates, first)
    chosen, kept = np.full(days + 1, first, dtype=np.int64), np.ones(days + 1, dtype=bool)
    for day in range(rule.fewest, days + 1):
        chosen[day], kept[day] = _choice(scores, rule, day, chosen)
    return Chosen(chosen, kept)


def settled_plain(scores: Scores, picked: int) -> int:
    """The cheapest plain autoscaler that kept the minutes over all days together; `picked` where none did.

    A target that people set by hand should not follow the last days: it is judged by all of them alike.
    """
    return _settled(scores, picked, ~scores.floors)


def settled_count(scores: Scores, picked: int) -> int:
    """The cheapest candidate that kept the minutes over all days together; `picked`, a fixed count, where none did.

    A number of replicas that people set by hand is no remedy for one bad day of floors that keep the minutes otherwise.
    """
    return _settled(scores, picked, np.ones_like(scores.floors))


def _settled(scores: Scores, picked: int, among: Mask) -> int:
    cost, above = scores.cost.mean(axis=0), scores.above.mean(axis=0)
    good = among & (True if scores.budget is None else above <= scores.budget + 1e-9)
    return int(np.where(good, cost, np.inf).argmin()) if good.any() else picked


def _choice(scores: Scores, rule: ChoiceRule, day: int, chosen: Counts) -> tuple[int, bool]:
    rows = slice(max(0, day - rule.window), day)
    cost, above = _weighed(scores.cost[rows], rule), _weighed(scores.above[rows], rule)
    now = int(chosen[day - 1])
    if scores.budget is None:
        return _stay_or(int(cost.argmin()), now, cost, rule), True
    allowed = _allowed(scores, rule, day, chosen)
    good = above <= allowed + 1e-9
    if not good.any():
        expected = cost + rule.shortfall * cost[0] / 24 * above / 60
        return _stay_or(int(expected.argmin()), now, expected, rule), False
    best = _cheapest(cost, good, scores.floors, rule)
    return (_stay_or(best, now, cost, rule) if good[now] else best), True


def _stay_or(best: int, now: int, cost: Array, rule: ChoiceRule) -> int:
    return now if cost[now] * (1 - rule.hysteresis) <= cost[best] else best


def _cheapest(cost: Array, good: Mask, floors: Mask, rule: ChoiceRule) -> int:
    """The cheapest that is good; floors only where they are clearly cheaper than every plain autoscaler that is."""
    best = int(np.where(good, cost, np.inf).argmin())
    plain = good & ~floors
    if not floors[best] or not plain.any():
        return best
    alone = int(np.where(plain, cost, np.inf).argmin())
    return best if cost[best] <= cost[alone] * (1 - rule.margin) else alone


def _weighed(values: Array, rule: ChoiceRule) -> Array:
    """The mean over the days (days, candidates), the last day counting most: (candidates,)."""
    weights = 0.5 ** (np.arange(len(values))[::-1] / rule.half_life)
    mean: Array = weights @ values / weights.sum()
    return mean


def _allowed(scores: Scores, rule: ChoiceRule, day: int, chosen: Counts) -> float:
    """Minutes that tomorrow may have: the budget, and what the choices of the window left or used too many."""
    budget = scores.budget or 0.0
    days = np.arange(max(rule.fewest, day - rule.window), day)
    left = budget * len(days) - float(scores.above[days, chosen[days]].sum())
    return float(np.clip(budget + left / rule.catch_up, rule.least * budget, rule.most * budget))


def day_interval(values: Array, random: np.random.Generator) -> tuple[float, float]:
    """Central 95 % of the mean of days (days,), each drawn as a block: what happens within a day hangs together.

    >>> day_interval(np.array([2.0, 2.0]), np.random.default_rng(1))
    (2.0, 2.0)
    """
    drawn = values[random.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, CONFIDENCE)
    return float(low), float(high)


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
