"""What a workload needs and may have, before its floors are chosen: the need within bounds, counts and moments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.domain import Demand, Workload, require
from capacity.domain.arrays import Counts, Places
from capacity.planning.counts import allowed_above, allowed_within
from capacity.planning.days import DAY, Days
from capacity.planning.moments import block_starts
from capacity.planning.need import Need, PlannedLoad, need_of

ROUNDING = 1e-9
LONGEST = timedelta(days=28)  # the shortest month


@dataclass(frozen=True, slots=True)
class Draft:
    """What a workload needs and may have, before its floors are chosen."""

    workload: Workload
    demand: Demand
    load: PlannedLoad
    need: Need
    low: int  # the lowest floor that may stand
    high: int  # the highest
    ceiling: int  # of the autoscaler
    bounded: Counts  # (steps,): the need within low and high, at counts that may stand, constant where none may move

    @property
    def steps(self) -> pd.DatetimeIndex:
        """The starts of the steps."""
        return pd.DatetimeIndex(self.demand.cpu.quantiles.index)

    @property
    def step(self) -> timedelta:
        """The length of a step."""
        return self.demand.cpu.step

    @property
    def start_cost(self) -> float:
        """What a start costs, in steps of a running replica; the lead time where nothing else is said."""
        start = self.workload.costs.start
        return (self.workload.lead_time if start is None else start) / self.step

    @property
    def change_cost(self) -> float:
        """What a change costs, in steps of a running replica."""
        return self.workload.costs.change / self.step

    @property
    def days(self) -> Days:
        """The days of the steps, and how many changes each may have."""
        return Days.of(self.steps, self.step, self.workload.limits.changes_a_day)

    def blocks(self) -> Places:
        """The steps at which the floor may change."""
        return block_starts(self.steps, self.workload.limits, self.workload.lead_time)


def draft(demand: Demand, workload: Workload) -> Draft:
    """The need of a workload within its bounds. Raises `DataError` where no floor can be chosen."""
    require(
        demand.cpu.step < LONGEST,
        "plans are made on hours or days: a month's mean hides its peaks, got steps of {} days; forecast sales by hour "
        "or day",
        f"{demand.cpu.step / DAY:.0f}",
    )
    load = PlannedLoad.of(demand, workload)
    need = need_of(load, workload)
    ceiling = _ceiling(need, workload)
    low, high = allowed_within(workload.floor, ceiling, workload.limits)
    bounded = allowed_above(need.replicas.clip(low, high), workload.limits)
    made = Draft(workload, demand, load, need, low, high, ceiling, bounded)
    return made if workload.limits.moments_are_free else _blocked(made)


def _ceiling(need: Need, workload: Workload) -> int:
    highest = int(need.replicas.max())
    if workload.ceiling_buffer is None or highest <= workload.ceiling:
        return workload.ceiling
    raised = int(np.ceil(highest * (1 + workload.ceiling_buffer) - ROUNDING))
    return int(max(raised, allowed_above(np.array([highest]), workload.limits)[0]))


def _blocked(one: Draft) -> Draft:
    """Constant between the moments at which the floor may move."""
    starts = one.blocks()
    lengths = np.diff([*starts, len(one.bounded)])
    blocked = np.repeat(np.maximum.reduceat(one.bounded, starts), lengths)
    return replace(one, bounded=blocked)
