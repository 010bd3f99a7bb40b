"""Which policy to follow tomorrow, from what each did on the days before: pure arithmetic on scores per day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array, Counts, Mask

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
