"""A simulation in the words of a person: what would have held, what it would have cost, where it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from capacity.simulation.misses import Miss
from capacity.simulation.scores import Score

COUNTS = ("no", "one", "two", "three", "four", "five", "six")
TOLD = 2  # misses that are described; the rest are counted


@dataclass(frozen=True, slots=True)
class Savings:
    """Shares of pod-hours saved against the best HPA with as many minutes over 100 %, and over the target."""

    overload: float
    cap: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The plan's score, the HPA's alone, and the savings against the best HPAs that harm as little."""

    plan: Score
    alone: Score
    savings: Savings
    target: float


def say_verdict(compared: Comparison, misses: Sequence[Miss]) -> str:
    """What held, against what, where not.

    The promise and its cost beside the HPA alone; then the cost of the best HPAs that break as little of it.
    """
    plan, alone = compared.plan, compared.alone
    held, cap = _percent(1 - plan.cap_breach_share), _whole(compared.target)
    cost = _cost(plan.pod_hours / alone.pod_hours - 1)
    first = (
        f"Over the last {_days(plan.days)} the plan would have kept utilization at or under {cap} for "
        f"{held} of minutes with {cost} your HPA, which kept it for {_percent(1 - alone.cap_breach_share)}; "
        f"{_misses(misses)}."
    )
    return f"{first} {_overload(plan, alone)} {_matched(compared.savings, cap)}"


def _days(days: float) -> str:
    return "day" if round(days) == 1 else f"{days:.0f} days"


def _percent(share: float) -> str:
    """Two decimals, rounded down: 100 % is said of what never failed.

    >>> _percent(0.99999), _percent(1.0)
    ('99.99 %', '100 %')
    """
    return "100 %" if share >= 1 else f"{int(share * 10_000) / 100:.2f} %"


def _whole(share: float) -> str:
    """A share as whole percent, as this project writes it."""
    return f"{100 * share:.0f} %"


def _cost(change: float) -> str:
    if round(abs(change), 2) == 0:
        return "as many pod-hours as"
    return f"{_whole(abs(change))} {'fewer' if change < 0 else 'more'} pod-hours than"


def _misses(misses: Sequence[Miss]) -> str:
    if not misses:
        return "it missed nowhere"
    worst = "; ".join(
        f"{miss.start:%a %Y-%m-%d %H:%MZ} for {miss.length.total_seconds() / 60:.0f} min, up to {_utilization(miss)}"
        + (", pods were starting" if miss.late else "")
        for miss in misses[:TOLD]
    )
    count = COUNTS[len(misses)] if len(misses) < len(COUNTS) else str(len(misses))
    noun = "miss" if len(misses) == 1 else "misses"
    return f"{count} {noun}{', the worst' if len(misses) > TOLD else ''}: {worst}"


def _utilization(miss: Miss) -> str:
    return _whole(miss.utilization) if miss.utilization < float("inf") else "no capacity at all"


def _overload(plan: Score, alone: Score) -> str:
    return f"Over 100 %: {plan.overload_minutes:.0f} min with the plan, {alone.overload_minutes:.0f} min without."


def _matched(savings: Savings, cap: str) -> str:
    return (
        f"The best HPA of all settings with as few minutes over {cap} would have cost {_more(savings.cap)}, "
        f"with as few over 100 % {_more(savings.overload)}."
    )


def _more(share: float) -> str:
    """What another costs over the plan, from the share that the plan saves.

    >>> _more(0.2), _more(-0.25), _more(0.0)
    ('25 % more', '20 % less', 'the same')
    """
    against = share / (1 - share)
    return "the same" if round(against, 2) == 0 else f"{_whole(abs(against))} {'more' if against > 0 else 'less'}"
