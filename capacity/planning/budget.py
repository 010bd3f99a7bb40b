"""What a plan costs in money, and the highest floors that a budget pays for."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from capacity.domain import DataError, Workload
from capacity.domain.arrays import Counts
from capacity.planning.counts import allowed_within

HOUR, MONTH = timedelta(hours=1), timedelta(days=30)


def within_budget(floors: Counts, workload: Workload, step: timedelta) -> Counts:
    """The floors cut at the highest level that the budget pays for: the peaks lose first, the everyday last.

    Raises `DataError` where not even the workload's own floor is paid for.
    """
    budget, price = workload.limits.budget, workload.costs.price_per_hour
    if budget is None:
        return floors
    if price is None:
        raise DataError("budget: expected costs.price_per_hour or priced node types beside it, got neither")
    replica_steps = budget * (len(floors) * step / MONTH) / (price * (step / HOUR)) if price else np.inf
    if floors.sum() <= replica_steps:
        return floors
    low, _ = allowed_within(workload.floor, max(int(floors.max()), workload.floor), workload.limits)
    if low * len(floors) > replica_steps:
        raise DataError(
            f"budget: expected at least {low * price * (MONTH / HOUR):.2f} a month for the floor of {low} replicas, "
            f"got {budget:.2f}"
        )
    levels = np.unique(np.concatenate([floors, np.arange(low, int(floors.max()) + 1)]))
    affordable = [level for level in levels.tolist() if np.minimum(floors, level).sum() <= replica_steps]
    _, cut = allowed_within(low, affordable[-1], workload.limits)
    return np.minimum(floors, cut)


def month_cost(floors: Counts, price_per_hour: float) -> float:
    """What these floors would cost over a month of 30 days, went every day on like these.

    >>> month_cost(np.array([2, 4]), 0.5)
    1080.0
    """
    return float(floors.mean()) * price_per_hour * (MONTH / HOUR)
