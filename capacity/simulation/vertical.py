"""A pod resized in place through its own history, as in production, beside rivals on the same use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.decision import ControllerRules
from capacity.decision.vertical import decide_sizes
from capacity.forecast import forecast_as_asked
from capacity.model import DataError, Demand, Forecast, ForecastRequest, Workload, WorkloadPlan, require
from capacity.model.arrays import Array
from capacity.model.pod_observation import ContainerState, ObservedPods, PodState, Resources, SizeMemory
from capacity.model.pod_size import RESOURCES, UNIT
from capacity.planning import plan_workload, planning_window
from capacity.planning.vertical import pod_share, vertical_of
from capacity.simulation.case import on_grid

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GIB = 2**30
CORE_IN_GIB = 7.5  # GiB of memory that cost as much as a core: list prices of custom machine types
TRAINING = 7 * DAY  # known before the first replayed day
PLAN, STATIC, VPA, AUTOPILOT = "capacity", "static peak", "VPA percentile", "Autopilot-like"


@dataclass(frozen=True, slots=True)
class SizeReplay:
    """How sizes are replayed: the last `days`; a plan every `every`, in force `delay` after its data end."""

    days: int = 14
    every: timedelta = DAY
    delay: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        require(self.days >= 1, "days must be >= 1, got {}", self.days)
        require(self.every > timedelta(0) and self.delay >= timedelta(0), "expected a positive time between plans")


@dataclass(frozen=True, slots=True)
class SizeScore:
    """What a policy cost, and how often the pod was busier than its target.

    `cost`: mean price of the requests in cores, `CORE_IN_GIB` GiB of memory counting as one. `over_target`: the share
    of time in which CPU or memory in use was above the target utilization of what was requested. `over_request`: above
    the request itself. `resizes_a_day`: changes of any request.
    """

    name: str
    cost: float
    over_target: float
    over_request: float
    resizes_a_day: float

    def __post_init__(self) -> None:
        require(0 <= self.over_request <= self.over_target <= 1, "shares must lie in [0, 1], got {}", self)


@dataclass(frozen=True, slots=True)
class _History:
    """What a pod used on a regular grid, cores and bytes (steps, 2), and the first step that is judged."""

    index: pd.DatetimeIndex
    step: timedelta
    used: Array  # (steps, 2): of the busiest pod
    begin: int
    workload: Workload

    @property
    def target(self) -> float:
        """The utilization that is planned for."""
        return self.workload.target_utilization

    def steps_in(self, span: timedelta) -> int:
        """How many steps a span has, at least one."""
        return max(1, round(span / self.step))


def replay_sizes(
    cpu: pd.Series, memory: pd.Series, workload: Workload, replay: SizeReplay | None = None
) -> list[SizeScore]:
    """Replay the end of what a workload used: plans from what was known then, a decision at each step.

    Sizes are planned by `plan_workload` and decided by `decide_sizes`, the functions of production, with the step of
    the usage in the place of the controller's period. A resize is in force at the next step. The same use meets a
    static size for the highest use before, the VPA's percentiles, and rules as Autopilot's.

    Parameters
    ----------
    cpu, memory : Series
        What the workload used, in cores and bytes: a regular UTC index of at most an hour a step, and the same for
        both. It is served as measured; short gaps are bridged.
    workload : Workload
        With its block `vertical`, of which one container is replayed: the first.
    replay : SizeReplay or None
        Default: 14 days, a plan a day.

    Returns
    -------
    list of SizeScore
        The plan's first, then its rivals'.

    Raises
    ------
    DataError
        The history is shorter than a week before the replayed days, or no plan could be made.
    """
    asked = replay or SizeReplay()
    history = _history(cpu, memory, workload, asked)
    plans = _plans(history, (cpu, memory), asked)
    require(bool(plans), "replay: no plan could be made of this usage; see `capacity forecast` for the reason")
    courses = {
        PLAN: _decided(history, plans),
        STATIC: _static(history),
        VPA: _vpa(history),
        AUTOPILOT: _autopilot(history),
    }
    return [_score(name, history, course) for name, course in courses.items()]


def replay_sizes_of_sales(sales: pd.Series, workload: Workload, replay: SizeReplay | None = None) -> list[SizeScore]:
    """`replay_sizes` on what the workload's load model says of the sales that came."""
    step, grid, _ = on_grid(sales)
    per_hour, load = grid * (HOUR / step), workload.load
    cpu = load.cpu_base + load.cpu_per_sale_per_hour * per_hour
    memory = load.memory_base + load.memory_per_sale_per_hour * per_hour
    return replay_sizes(cpu, memory, workload, replay)


def _history(cpu: pd.Series, memory: pd.Series, workload: Workload, replay: SizeReplay) -> _History:
    step, grid, cores = on_grid(cpu)
    _, _, size = on_grid(memory)
    require(grid.index.equals(size.index), "replay: expected CPU and memory on the same steps")
    require(step <= HOUR, "replay: expected steps of at most an hour, got {}", step)
    begin = len(grid) - round(replay.days * DAY / step)
    known = begin * step
    require(known >= TRAINING, "replay: expected a week before the {} days replayed, got {}", replay.days, known)
    used = np.stack([cores.to_numpy(dtype=float), size.to_numpy(dtype=float)], axis=1) * pod_share(workload)
    return _History(pd.DatetimeIndex(grid.index), step, used, begin, workload)


def _plans(
    history: _History, usage: tuple[pd.Series, pd.Series], replay: SizeReplay
) -> list[tuple[datetime, WorkloadPlan]]:
    """The plans from each origin, by when they come into force."""
    found = []
    lead_time = vertical_of(history.workload).lead_time
    request = ForecastRequest(
        horizon=2 * replay.every + DAY,
        quantile_levels=tuple(sorted({0.5, history.workload.quantile_level})),
        window=planning_window(lead_time, history.step, history.step),
    )
    for origin in range(history.begin - 1, len(history.index), history.steps_in(replay.every)):
        try:
            cpu, memory = (forecast_as_asked(one.iloc[:origin], request) for one in usage)
            plan = plan_workload(Demand(cpu, _on_steps(memory, cpu)), history.workload)
        except DataError:
            continue
        found.append((history.index[origin].to_pydatetime() + replay.delay, plan))
    return found


def _on_steps(memory: Forecast, cpu: Forecast) -> Forecast:
    require(memory.origin == cpu.origin, "replay: expected forecasts of one origin, got {}", memory.origin)
    return memory


@dataclass(slots=True)
class _Pod:
    """One simulated pod: what it asks for, and what our notes say."""

    name: str
    asked: Resources
    memory: SizeMemory = field(default_factory=SizeMemory)

    def seen(self, used: Array) -> ObservedPods:
        """As a pass sees it, with the use of the step before."""
        amounts = {name: round(value / UNIT[name]) for name, value in zip(RESOURCES, used.tolist(), strict=True)}
        container = ContainerState(self.name, self.asked, self.asked.requests, amounts)
        pod = PodState("pod-0", "1", "node", (container,))
        return ObservedPods((pod,), {self.name: self.asked}, memory=self.memory, touched=True)


def _decided(history: _History, plans: Sequence[tuple[datetime, WorkloadPlan]]) -> Array:
    """What the pod requests at each judged step (steps, 2): decided at the step before."""
    workload, rules = history.workload, ControllerRules(period=history.step)
    name = next(iter(vertical_of(workload).containers))
    static = _static(history)[0]
    pod = _Pod(
        name, Resources({one: round(value / UNIT[one]) for one, value in zip(RESOURCES, static.tolist(), strict=True)})
    )
    found = []
    for at, plan in _with_plans(history, plans):
        found.append([pod.asked.requests.get(one, 0) * UNIT[one] for one in RESOURCES])
        decision = decide_sizes(plan, workload, pod.seen(history.used[at]), history.index[at].to_pydatetime(), rules)
        pod.memory = decision.memory
        pod.asked = decision.pods[0].resources.get(name, pod.asked)
    return np.array(found)


def _with_plans(
    history: _History, plans: Sequence[tuple[datetime, WorkloadPlan]]
) -> Iterator[tuple[int, WorkloadPlan | None]]:
    """Each judged step, with the plan that is in force."""
    waiting, plan = list(plans), None
    for at in range(history.begin, len(history.index)):
        while waiting and waiting[0][0] <= history.index[at]:
            plan = waiting.pop(0)[1]
        yield at, plan


def _static(history: _History) -> Array:
    """The size for the highest use before the judged days, at all times."""
    most = history.used[: history.begin].max(axis=0) / history.target
    return np.tile(_within(history, most), (len(history.index) - history.begin, 1))


def _within(history: _History, wanted: Array) -> Array:
    """Requests within the ranges of the workload's first container, in its steps."""
    vertical = vertical_of(history.workload)
    name, sized = next(iter(vertical.containers.items()))
    found = wanted.copy()
    for place, resource in enumerate(RESOURCES):
        if sized.range_of(resource) is not None:
            low, high, by = vertical.units((name, resource))
            found[place] = float(np.clip(np.ceil(wanted[place] / UNIT[resource] / by) * by, low, high)) * UNIT[resource]
    return found


Recommended = Callable[[int], tuple[Array, Array, Array]]  # at a step: the size, and the range that it may stand in
MARGIN = 0.15  # of the VPA's recommender, and of Autopilot
KEPT = 8 * DAY  # of history that the VPA's recommender looks at
CHANGE = 0.10  # of a request by which another is worth a resize, and
LIFE = 12 * HOUR  # how long a size stands before that: pod-lifetime-update-threshold of the VPA's updater


def _vpa(history: _History) -> Array:
    """The VPA's percentiles: 0.9 of decayed CPU, 0.9 of decayed daily peaks of memory, both and 15 %.

    A size changes where it leaves the range of the percentiles 0.5 and 0.95, or is 10 % off for twelve hours.
    """
    day = history.steps_in(DAY)

    def recommended(at: int) -> tuple[Array, Array, Array]:
        used = history.used[max(0, at - history.steps_in(KEPT)) : at]
        starts = np.arange(len(used) % day, len(used), day)
        peaks = np.maximum.reduceat(used[:, 1], starts)
        found = [
            (_decayed_quantile(used[:, 0], day, level), _decayed_quantile(peaks, 1, level))
            for level in (0.9, 0.5, 0.95)
        ]
        days = at * history.step / DAY
        sizes = np.array(found) * (1 + MARGIN)
        return sizes[0], sizes[1] * (1 + 0.001 / days) ** -2, sizes[2] * (1 + 1 / days)

    return _followed(history, recommended)


def _autopilot(history: _History) -> Array:
    """As Autopilot's rules: the usage below which 95 % of the decayed load ran, the highest memory of three days."""
    half_life = history.steps_in(12 * HOUR)

    def recommended(at: int) -> tuple[Array, Array, Array]:
        used = history.used[max(0, at - history.steps_in(KEPT)) : at]
        cpu = _decayed_quantile(used[:, 0], half_life, 0.95, by_load=True)
        size = np.array([cpu, used[-history.steps_in(3 * DAY) :, 1].max()]) * (1 + MARGIN)
        return size, size * (1 - 2 * CHANGE), size * (1 + 2 * CHANGE)

    return _followed(history, recommended)


def _followed(history: _History, recommended: Recommended) -> Array:
    """The requests of a recommender that is asked every hour (steps, 2)."""
    found, since, current = [], history.begin, np.zeros(2)
    for at in range(history.begin, len(history.index)):
        if (at - history.begin) % history.steps_in(HOUR) == 0:
            target, low, high = recommended(at)
            outside = bool(((current < low) | (current > high)).any())
            if outside or (_off(target, current) and at - since >= history.steps_in(LIFE)):
                current, since = _within(history, target), at
        found.append(current)
    return np.array(found)


def _off(target: Array, current: Array) -> bool:
    return bool((np.abs(target - current) > CHANGE * current).any())


def _decayed_quantile(values: Array, half_life: float, level: float, *, by_load: bool = False) -> float:
    """A quantile of values whose weight halves in `half_life` steps; `by_load`: a value weighs what it is, too."""
    weights = np.exp2((np.arange(len(values)) - len(values) + 1) / half_life) * (values if by_load else 1.0)
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, level * total[-1])]])


def _score(name: str, history: _History, requests: Array) -> SizeScore:
    used = history.used[history.begin :]
    busy = (used / np.maximum(requests, 1e-12)).max(axis=1)
    days = len(used) * history.step / DAY
    moves = int((np.diff(requests, axis=0) != 0).any(axis=1).sum())
    cost = requests[:, 0] + requests[:, 1] / GIB / CORE_IN_GIB
    return SizeScore(
        name,
        float(cost.mean()),
        float((busy > history.target * (1 + 1e-9)).mean()),
        float((busy > 1.0).mean()),
        moves / days,
    )
