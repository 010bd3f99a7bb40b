"""The floors of many workloads at once: bounds, counts, moments; the cheapest course; ramps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.domain import Demand, Workload
from capacity.planning.churn import Prices, calm_floors, days_of
from capacity.planning.counts import allowed_above, allowed_within
from capacity.planning.moments import block_starts
from capacity.planning.moves import ramped
from capacity.planning.need import Need, PlannedLoad, need_of
from capacity.planning.optimum import close_gaps
from capacity.planning.overload import overload_floors

Counts = npt.NDArray[np.int64]
HOUR = timedelta(hours=1)
ROUNDING = 1e-9


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

    def blocks(self) -> npt.NDArray[np.intp]:
        """The steps at which the floor may change."""
        return block_starts(self.steps, self.workload.limits, self.workload.lead_time)


def draft(demand: Demand, workload: Workload) -> Draft:
    """The need of a workload within its bounds. Raises `DataError` where no floor can be chosen."""
    load = PlannedLoad.of(demand, workload)
    need = need_of(load, workload)
    ceiling = _ceiling(need, workload)
    low, high = allowed_within(workload.floor, ceiling, workload.limits)
    bounded = allowed_above(need.replicas.clip(low, high), workload.limits)
    made = Draft(workload, demand, load, need, low, high, ceiling, bounded)
    return made if workload.limits.moments_are_free else _blocked(made)


def choose_floors(drafts: Sequence[Draft]) -> list[Counts]:
    """The floors of each draft (steps,): the cheapest course over its need, within its limits.

    Drafts of equal steps and prices are planned together; the result is that of each alone.
    """
    chosen: dict[int, Counts] = {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(drafts):
        if one.workload.costs.overload is not None:
            chosen[place] = overload_floors(one.demand, one.bounded, one.blocks(), one.workload, one.high)
        else:
            groups.setdefault(_alike(one), []).append(place)
    for places in groups.values():
        found = _calm([drafts[place] for place in places])
        chosen.update(zip(places, found, strict=True))
    return [_finished(one, chosen[place]) for place, one in enumerate(drafts)]


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
    return Draft(one.workload, one.demand, one.load, one.need, one.low, one.high, one.ceiling, blocked)


def _alike(one: Draft) -> tuple[object, ...]:
    steps = one.steps
    change = one.workload.costs.change / one.step
    return steps[0], len(steps), one.step, one.start_cost, change, one.workload.limits.changes_a_day


def _calm(drafts: Sequence[Draft]) -> list[Counts]:
    first = drafts[0]
    need = np.stack([one.bounded for one in drafts])  # (n, steps)
    closed = close_gaps(need, int(first.start_cost + ROUNDING))
    prices = Prices(first.start_cost, first.workload.costs.change / first.step, first.workload.limits.changes_a_day)
    return list(calm_floors(closed, days_of(first.steps), prices))


def _finished(one: Draft, floors: Counts) -> Counts:
    limits = one.workload.limits
    if not limits.moves_are_free:
        starts = one.blocks()
        hours = np.diff(starts) * (one.step / HOUR)
        lengths = np.diff([*starts, len(floors)])
        floors = np.repeat(ramped(floors[starts], hours, limits), lengths)
    return floors
