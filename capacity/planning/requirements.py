"""What a workload needs and may have at each step, before its floors are chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.load.throughput import replicas_for_requests
from capacity.model import DataError, Demand, Forecast, Limits, Resource, Workload, require
from capacity.model.arrays import Array, Counts, Mask, Places
from capacity.planning.optimum import DAY, EPOCH, Days
from capacity.planning.sizing import pool_utilization, replicas_needed
from capacity.stats import sliding_maxima


def planning_window(lead_time: timedelta, period: timedelta, step: timedelta) -> timedelta:
    """The steps that a floor set at any moment covers, ``[now, now + lead time + 2 periods]``, as a duration.

    >>> minute = timedelta(minutes=1)
    >>> planning_window(15 * minute, minute, 5 * minute)
    datetime.timedelta(seconds=1500)
    """
    reach = lead_time + 2 * period
    return step * (-(-reach // step) + 1)


def raise_to_windows(steps: Array, maxima: Array, width: int) -> Array:
    """Each window raises its own highest step to the window's quantile; the rest stays as it is.

    `steps` and `maxima` (..., steps): the quantile of each step, and of the maximum over the `width` steps from it on.
    Of the result every window's maximum is at least that window's quantile, and a step that is no window's highest is
    not raised.

    >>> raise_to_windows(np.array([1.0, 2.0, 5.0, 2.0]), np.array([2.5, 6.0, 6.0, 2.0]), 2).tolist()
    [1.0, 2.5, 6.0, 2.0]
    """
    count = steps.shape[-1]
    width = min(width, count)
    highest = sliding_maxima(steps, width)
    raised = steps.copy()
    for ahead in range(width):
        until = count - ahead
        its_highest = steps[..., ahead:] == highest[..., :until]
        part = raised[..., ahead:]
        np.maximum(part, maxima[..., :until], out=part, where=its_highest)
    return raised


def planned_demand(forecast: Forecast, quantile_level: float) -> Array:
    """What is planned for at each step (steps,): the level's quantile, raised to the windows' maxima where known."""
    steps = forecast.values_at(quantile_level)
    if forecast.window is None:
        return steps
    maxima = forecast.maxima_at(quantile_level)
    return raise_to_windows(steps, maxima, -(-forecast.window // forecast.step))


def allowed_above(need: Counts, limits: Limits) -> Counts:
    """The lowest count that may stand and serves each need; above the highest allowed one, that one.

    >>> allowed_above(np.array([1, 4, 7]), Limits(multiple_of=3)).tolist()
    [3, 6, 9]
    >>> allowed_above(np.array([1, 4, 9]), Limits(allowed=(2, 4, 8))).tolist()
    [2, 4, 8]
    """
    if not limits.allowed:
        return -(-need // limits.multiple_of) * limits.multiple_of
    counts = _counts(limits)
    return counts[np.minimum(np.searchsorted(counts, need), len(counts) - 1)]


def allowed_within(floor: int, ceiling: int, limits: Limits) -> tuple[int, int]:
    """Floor and ceiling moved inwards to counts that may stand. Raises `DataError` where none lies between.

    >>> allowed_within(2, 10, Limits(multiple_of=3))
    (3, 9)
    """
    if limits.counts_are_free:
        return floor, ceiling
    if limits.allowed:
        inside = [count for count in _counts(limits).tolist() if floor <= count <= ceiling]
    else:
        inside = [
            -(-floor // limits.multiple_of) * limits.multiple_of,
            ceiling // limits.multiple_of * limits.multiple_of,
        ]
    if not inside or inside[0] > inside[-1]:
        said = f"one of {list(limits.allowed)}" if limits.allowed else f"a multiple of {limits.multiple_of}"
        raise DataError(f"expected {said} between floor {floor} and ceiling {ceiling}, got none: widen one of them")
    return inside[0], inside[-1]


def _counts(limits: Limits) -> Counts:
    return np.array([count for count in limits.allowed if count % limits.multiple_of == 0], dtype=np.int64)


ROUNDING = 1e-9
SPARE = timedelta(minutes=2)  # a floor is raised up to two of the controller's minutes before its lead time


def block_starts(steps: pd.DatetimeIndex, limits: Limits, lead_time: timedelta) -> Places:
    """The steps at which the floor may change, the first of all among them (blocks,).

    A rise is carried out a lead time before its step and a fall at its step, so that a change may stand at a step only
    where none of that time is frozen. Holds are counted on the clock, not from the plan's start: two plans in a row
    move at the same moments.
    """
    free = np.ones(len(steps), dtype=bool)
    for freeze in limits.freezes:
        begin, end = pd.Timestamp(freeze.start), pd.Timestamp(freeze.end + lead_time + SPARE)
        free &= ~((steps >= begin) & (steps < end))
    if limits.hours:
        free &= _within_hours(steps, limits) & _within_hours(steps - lead_time - SPARE, limits)
    if limits.hold:
        turn = np.asarray((steps - EPOCH) // pd.Timedelta(limits.hold))
        free &= np.concatenate([[True], turn[1:] != turn[:-1]])
    free[0] = True
    return np.flatnonzero(free)


def _within_hours(moments: pd.DatetimeIndex, limits: Limits) -> Mask:
    inside = np.zeros(len(moments), dtype=bool)
    for hours in limits.hours:
        inside |= np.array([hours.holds(clock) for clock in moments.tz_convert(hours.timezone).time], dtype=bool)
    return inside


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """What is planned for at each step (steps,): cores, bytes, and requests per second where they limit."""

    cpu: Array
    memory: Array
    requests: Array | None = None

    @staticmethod
    def of(demand: Demand, workload: Workload) -> PlannedLoad:
        """The demand at the workload's level, raised to the maxima of its windows where they were forecast."""
        level = workload.quantile_level
        limited = workload.law is not None and demand.requests is not None
        return PlannedLoad(
            planned_demand(demand.cpu, level),
            planned_demand(demand.memory, level),
            planned_demand(demand.requests, level) if limited and demand.requests is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Need:
    """Replicas that CPU, memory and requests need at each step, before floor and ceiling: arrays (steps,).

    `memory_leads`: where memory asks for more before replicas are rounded up. Default nowhere.
    """

    cpu: Counts
    memory: Counts
    requests: Counts | None = None
    memory_leads: Mask | None = None

    @property
    def replicas(self) -> Counts:
        """The largest wins."""
        most = np.maximum(self.cpu, self.memory)
        return most if self.requests is None else np.maximum(most, self.requests)

    @property
    def by_memory(self) -> Mask:
        """Where memory needs more than CPU (steps,): more replicas, or of as many a larger part of the last one."""
        more: Mask = self.memory > self.cpu
        return more if self.memory_leads is None else more | ((self.memory == self.cpu) & self.memory_leads)

    def binding(self, step: int) -> Resource:
        """The resource that needs more at this step."""
        return "memory" if self.by_memory[step] else "cpu"


def need_of(load: PlannedLoad, workload: Workload) -> Need:
    """Replicas for the load at the safe utilization. Raises `DataError` where no number of replicas can serve it."""
    safe, replica = within_pool(workload), workload.replica
    return Need(
        replicas_needed(load.cpu, replica.cpu_request, safe),
        replicas_needed(load.memory, replica.memory_request, workload),
        _for_requests(load.requests, safe),
        load.memory / (replica.memory_request * workload.target_utilization)
        > load.cpu / (replica.cpu_request * safe.target_utilization) * (1 + ROUNDING),
    )


def within_pool(workload: Workload) -> Workload:
    """The workload at the utilization that its pool's queue allows; its own where there is no pool."""
    if workload.pool is None:
        return workload
    allowed = pool_utilization(workload.pool, workload.floor)
    return replace(workload, target_utilization=min(workload.target_utilization, allowed))


def _for_requests(requests: Array | None, workload: Workload) -> Counts | None:
    if requests is None or workload.law is None:
        return None
    at_target = replicas_for_requests(requests, workload.law, workload.target_utilization)
    if workload.zones == 1:
        return at_target
    surviving = replicas_for_requests(requests, workload.law, 1.0)
    zoned: Counts = workload.zones * -(-surviving // (workload.zones - 1))
    return np.maximum(at_target, zoned)


LONGEST = timedelta(days=28)  # the shortest month


@dataclass(frozen=True, slots=True)
class Requirement:
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
        index = self.demand.cpu.quantiles.index
        return index if isinstance(index, pd.DatetimeIndex) else pd.DatetimeIndex(index)

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


def requirement_of(demand: Demand, workload: Workload) -> Requirement:
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
    made = Requirement(workload, demand, load, need, low, high, ceiling, bounded)
    return made if workload.limits.moments_are_free else _blocked(made)


def _ceiling(need: Need, workload: Workload) -> int:
    highest = int(need.replicas.max())
    if workload.ceiling_buffer is None or highest <= workload.ceiling:
        return workload.ceiling
    raised = int(np.ceil(highest * (1 + workload.ceiling_buffer) - ROUNDING))
    return int(max(raised, allowed_above(np.array([highest]), workload.limits)[0]))


def _blocked(one: Requirement) -> Requirement:
    """Constant between the moments at which the floor may move."""
    starts = one.blocks()
    lengths = np.diff([*starts, len(one.bounded)])
    blocked = np.repeat(np.maximum.reduceat(one.bounded, starts), lengths)
    return replace(one, bounded=blocked)
