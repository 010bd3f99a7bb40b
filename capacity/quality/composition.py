"""What a day's rows consist of, against what earlier days' rows consisted of: shares, ratios and values never seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array
from capacity.quality.usual import LEAST_DAYS, WEEK, WEEKS, usual_limits

Kind = Literal["share", "ratio", "mean", "number"]
LEAST_ROWS = 30.0  # of a day: fewer say nothing of what a day consists of
LEAST_SURPRISE = 5.0  # standard deviations of a share: some fifty statistics are looked at every day
FREQUENT = 0.02  # share of rows over past days from which a value has a share of its own to be watched
MOST_VALUES = 20  # of one column: the most frequent ones
OTHER = "other values"


@dataclass(frozen=True, slots=True)
class Statistic:
    """One quantity of each day's rows, oldest first: `part` over `whole`; days without rows have a whole of 0.

    A `share` lies in [0, 1]; a `ratio` is above zero and changes by factors; a `mean` may be anything; a `number` is
    the part alone, and changes by factors. `least` is the change (of a ratio and a number: in the logarithm) below
    which it does not matter.
    """

    name: str
    kind: Kind
    part: Array
    whole: Array
    least: float

    def __post_init__(self) -> None:
        require(len(self.part) == len(self.whole), "statistic {}: expected as many parts as wholes", self.name)


@dataclass(frozen=True, slots=True)
class Change:
    """A statistic of the newest day that is not what it usually is."""

    name: str
    kind: Kind
    actual: float
    usual: float
    beyond: float

    def __str__(self) -> str:
        if self.kind == "share":
            return f"{self.name}: {100 * self.actual:.1f} % of rows, usually {100 * self.usual:.1f} %"
        return f"{self.name}: {self.actual:.4g}, usually {self.usual:.4g}"


def find_changes(statistics: Iterable[Statistic]) -> tuple[Change, ...]:
    """The statistics whose newest day is beyond what past days allow, the furthest first.

    >>> days = np.full(40, 1000.0)
    >>> nulls = np.zeros(40); nulls[-1] = 100
    >>> print(*find_changes([Statistic("price is empty", "share", nulls, days, 0.01)]))
    price is empty: 10.0 % of rows, usually 0.0 %
    """
    found = [change for one in statistics if (change := _change(one)) is not None]
    return tuple(sorted(found, key=lambda one: -one.beyond))


def _change(statistic: Statistic) -> Change | None:
    whole = statistic.whole
    if not len(whole):
        return None
    enough = whole >= min(LEAST_ROWS, float(np.median(whole)))
    if not enough[-1] or whole[-1] < LEAST_ROWS / 3 or enough[:-1].sum() < LEAST_DAYS:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = statistic.part if statistic.kind == "number" else statistic.part / whole
    value = np.where(enough, plain, np.nan)
    stable = _stable(statistic, value)
    middle = _middles(stable)
    scale = {"share": 2 * np.sqrt(whole), "number": np.ones(len(whole))}.get(statistic.kind, np.sqrt(whole))
    surprise = (stable - middle) * scale
    limits = usual_limits(surprise[:-1], LEAST_SURPRISE if statistic.kind == "share" else 0.0, beyond=1.5)
    usual = _back(statistic.kind, float(middle[-1]))
    actual = float(value[-1])
    by_factors = statistic.kind in ("ratio", "number")
    moved = float(stable[-1] - middle[-1]) if by_factors else actual - usual
    if limits is None or not limits.outside(float(surprise[-1])) or abs(moved) < statistic.least:
        return None
    room = limits.high - limits.middle if surprise[-1] > limits.middle else limits.middle - limits.low
    return Change(
        statistic.name, statistic.kind, actual, usual, abs(float(surprise[-1]) - limits.middle) / max(room, 1e-9)
    )


def _stable(statistic: Statistic, value: Array) -> Array:
    """The value on the scale on which it varies alike wherever it lies."""
    if statistic.kind == "share":
        stable: Array = np.arcsin(np.sqrt(np.clip(value, 0, 1)))
        return stable
    if statistic.kind == "number":
        return np.log1p(value)
    if statistic.kind == "ratio":
        return np.where(value > 0, np.log(np.where(value > 0, value, 1)), np.nan)
    return value


def _back(kind: Kind, stable: float) -> float:
    if kind == "share":
        return float(np.sin(stable) ** 2)
    return float(np.exp(stable)) if kind == "ratio" else float(np.expm1(stable)) if kind == "number" else stable


def _middles(stable: Array) -> Array:
    """What each day's value usually is: the median of the same weekdays before it, drawn to that of all days.

    Where weekdays differ the first one counts, where they do not, the second, which few days make uncertain less.
    """
    days = len(stable)
    middles = np.full(days, np.nan)
    for day in range(WEEK, days):
        recent = stable[max(0, day - WEEKS * WEEK) : day]
        same = stable[max(day % WEEK, day - WEEKS * WEEK) : day : WEEK]
        recent, same = recent[np.isfinite(recent)], same[np.isfinite(same)]
        if len(recent) < WEEK:
            continue
        overall = float(np.median(recent))
        spread = 1.4826 * float(np.median(np.abs(recent - overall)))
        if len(same) >= 4:
            own = float(np.median(same))
            trust = (own - overall) ** 2 / ((own - overall) ** 2 + spread**2 + 1e-12)
            overall += trust * (own - overall)
        middles[day] = overall
    return middles


def value_statistics(column: str, counts: Mapping[str, Array], whole: Array) -> list[Statistic]:
    """The share of each frequent value of a column, of values that no earlier day had, and of all others together.

    `counts` is the number of rows of each value on each day, oldest first; `whole` all rows of each day.
    """
    past = float(whole[:-1].sum())
    if past <= 0:
        return []
    shares = {value: float(days[:-1].sum()) / past for value, days in counts.items()}
    frequent = sorted((value for value in shares if shares[value] >= FREQUENT), key=lambda one: -shares[one])
    found = [
        Statistic(f"{column} is {shown(value)}", "share", counts[value], whole, 0.04)
        for value in frequent[:MOST_VALUES]
    ]
    nothing = np.zeros(len(whole))
    rest = sum((counts[value] for value in shares if value not in frequent[:MOST_VALUES]), nothing)
    found.append(Statistic(f"{column} has {OTHER}", "share", rest, whole, 0.04))
    present = sum(((days > 0).astype(float) for days in counts.values()), nothing)
    return [
        *found,
        Statistic(f"different values of {column}", "number", present, whole, 0.5),
        Statistic(f"{column} has values never seen before", "share", _new(counts, nothing), whole, 0.03),
    ]


def _new(counts: Mapping[str, Array], nothing: Array) -> Array:
    """Rows of each day whose value no earlier day had."""
    fresh = nothing.copy()
    for days in counts.values():
        first = int(np.argmax(days > 0))
        fresh[first] += days[first]
    fresh[:WEEK] = 0  # at the beginning everything is new
    return fresh


def shown(value: str, most: int = 24) -> str:
    """A value as a message shows it: cut, without control characters, never more.

    >>> shown("a very long name of a customer group")
    "'a very long name of a c...'"
    """
    plain = "".join(sign if sign.isprintable() else "?" for sign in value)
    return repr(plain if len(plain) <= most else plain[: most - 1] + "...")
