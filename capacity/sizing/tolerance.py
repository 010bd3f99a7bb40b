"""How busy an autoscaler lets its replicas be before it acts: its target, and its tolerance on top."""

from __future__ import annotations

from typing import Literal

Rule = Literal["band", "distance"]


def highest_tolerated_utilization(target: int, tolerance: float = 0.10, rule: Rule = "band") -> int:
    """The highest utilization (whole percent of the request, as an HPA measures it) at which the HPA adds nothing.

    `band` is the rule since per-HPA tolerances (KEP-4951): ``ratio <= 1 + tolerance``; `distance` the one before:
    ``|1 - ratio| <= tolerance``. In floating point the two differ at the edge, which is part of the behaviour.

    >>> [highest_tolerated_utilization(target) for target in (70, 72, 73, 75, 80)]
    [77, 79, 80, 82, 88]
    >>> [highest_tolerated_utilization(target, rule="distance") for target in (70, 72, 73, 75, 80)]
    [76, 79, 80, 82, 87]
    """
    utilization = target
    while _tolerated((utilization + 1) / target, tolerance, rule):
        utilization += 1
    return utilization


def highest_target(percent: int, tolerance: float = 0.10) -> int:
    """The highest target whose tolerance stays under so many percent, fractions that an HPA cuts off included.

    >>> highest_target(80), highest_target(80, tolerance=0.0)
    (72, 79)
    """
    fitting = (one for one in range(percent, 0, -1) if highest_tolerated_utilization(one, tolerance) < percent)
    return next(fitting, 1)


def _tolerated(ratio: float, tolerance: float, rule: Rule) -> bool:
    return ratio <= 1.0 + tolerance if rule == "band" else abs(1.0 - ratio) <= tolerance
