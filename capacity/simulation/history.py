"""The history that candidate policies are replayed on: sales, demand per tick, and the forecasts of its past days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from capacity.decision import CALM, ControllerRules
from capacity.forecast import forecast_as_asked
from capacity.model import DataError, Forecast, ForecastRequest, Workload, require
from capacity.model.arrays import Array, Counts
from capacity.model.fields import AutoLevel
from capacity.model.policy import Cadence
from capacity.planning import planning_window
from capacity.planning.orders import near_horizon
from capacity.series.within import PART, OrderTimes, WithinStep, served_path, smooth_path
from capacity.simulation.candidates import (
    KNOWN,
    LEVELS,
    Past,
    own_target,
)
from capacity.simulation.case import on_grid
from capacity.simulation.days import PER_MINUTE, WARM_UP, Candidate, Days, Task
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.pods import P95, NodePool, Start
from capacity.simulation.stepping import Cluster, Service

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FEWEST_DAYS = 7  # of replay: fewer say nothing about a share of half a percent of minutes
TRAINING = timedelta(days=7)  # known before the first replayed day

Progress = Callable[[int, int], None]  # parts done, of how many


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """How candidates are replayed: the last `days`, at this cadence, under a `seed` for starts and for the spread.

    Forecasts are fitted every `cadence.refit`, as they are for the floors of a chosen policy; the plans that are made
    between two fits are equal. `nodes`: those under a workload with headroom. Default none: there is always room.
    """

    days: int = 28
    cadence: Cadence = field(default_factory=Cadence)
    rules: ControllerRules = field(default_factory=lambda: ControllerRules(calm=CALM))
    seed: int = 7
    nodes: NodePool | None = None

    def __post_init__(self) -> None:
        require(self.days >= 1, "days must be >= 1, got {}", self.days)


@dataclass(frozen=True, slots=True)
class History:
    """Sales and demand of the replayed days, and of the hours before them."""

    sales: pd.Series  # with its gaps, on the full grid
    filled: pd.Series
    step: timedelta
    workload: Workload
    settings: ReplaySettings
    begin: datetime
    ticks: Array  # demand in replicas at 100 %, from WARM_UP before the begin on
    past: Past  # the same on quarters of an hour, of the whole history that matters
    remarks: tuple[str, ...]
    times: OrderTimes = field(default_factory=OrderTimes)

    @staticmethod
    def of(
        sales: pd.Series,
        workload: Workload,
        settings: ReplaySettings | None = None,
        measured: pd.Series | None = None,
        times: OrderTimes | None = None,
    ) -> History:
        """The history on its grid, cut to what is replayed. Raises `DataError` where it is too short, or has long gaps.

        `measured`, where there is any, must reach back to the warm-up before the first replayed day.
        """
        step, grid, filled = on_grid(sales)
        asked = settings or ReplaySettings()
        end = grid.index[-1].to_pydatetime() + step
        days = min(asked.days, _replayable(grid, step))
        require(
            days >= 1,
            "advise: expected at least {} days of history to replay one of them, got {:.1f}: until then "
            "leave the autoscaler as it stands; {} days are enough to choose, and `capacity plan` works with fewer",
            TRAINING.days + 2,
            (end - grid.index[0].to_pydatetime()) / DAY,
            TRAINING.days + 1 + FEWEST_DAYS,
        )
        begin = end - days * DAY
        times = times or OrderTimes()
        path = _demand_ticks(filled.loc[pd.Timestamp(begin - KNOWN) :], step, workload, times.within(grid), asked.seed)
        if measured is not None:
            path = _measured_ticks(measured, end, begin - WARM_UP)
        first = end - len(path) * SYNC_PERIOD
        skipped = (begin - WARM_UP - first) // SYNC_PERIOD
        quarter = PART // SYNC_PERIOD
        cut = len(path) % quarter
        past = Past(path[cut:].reshape(-1, quarter).mean(axis=1), PART, (begin - WARM_UP - first) // PART)
        settled = replace(asked, days=days)
        history = History(grid, filled, step, workload, settled, begin, path[skipped:], past, (), times)
        return replace(history, remarks=tuple(_remarks(history, measured=measured is not None)))

    def task(self, floors: Sequence[Counts], candidates: Sequence[Candidate], ahead: Sequence[Counts] = ()) -> Task:
        """The candidates on every day, each over one of these floors per minute (minutes,) from the warm-up on.

        `ahead`: pods per minute for which nodes are ready, of which a candidate may have one. Default none.
        """
        return Task(Days.of(self.ticks, floors, self.target, ahead), candidates, self.cluster, self.settings.seed)

    def within_at(self, moments: Iterable[datetime]) -> dict[datetime, WithinStep]:
        """What was known of the time within a step when each plan came in force."""
        since = self.settings.cadence.delay + self.step
        known = {at: self.sales.loc[self.sales.index <= pd.Timestamp(at - since)] for at in moments}
        return {moment: self.times.within(sales) for moment, sales in known.items()}

    @property
    def target(self) -> float:
        """The utilization that a minute must not exceed."""
        return self.workload.objective.target or self.workload.target_utilization

    @property
    def passes(self) -> int:
        """Minutes from the warm-up on."""
        return len(self.ticks) // PER_MINUTE

    @property
    def cluster(self) -> Cluster:
        """Pods that start within the workload's lead time, 19 of 20 of them, where they have a node."""
        start = Start(max(self.workload.lead_time, SYNC_PERIOD) / P95)
        return Cluster(Service(1.0), start, nodes=self.settings.nodes)

    def needed(self, demand: Array) -> Counts:
        """Replicas that keep this demand at the target, within floor and ceiling."""
        whole = np.ceil(demand / self.target * (1 - 1e-9)).astype(np.int64)
        return whole.clip(self.workload.floor, self.workload.ceiling)


def _replayable(sales: pd.Series, step: timedelta) -> int:
    """The last days that forecasts have enough history before."""
    return int((sales.index[-1] - sales.index[0] + step - TRAINING - WARM_UP) / DAY)


def _more_days(history: History) -> str:
    """What to do where too few days were replayed."""
    missing = FEWEST_DAYS - _replayable(history.sales, history.step)
    if missing <= 0:
        return f"replay at least {FEWEST_DAYS} (--days)"
    return f"advise again in {missing} {'day' if missing == 1 else 'days'}, when the history is long enough to choose"


def _remarks(history: History, *, measured: bool) -> Iterator[str]:
    """What the figures of a replay cannot show by themselves."""
    workload, days, highest = history.workload, history.settings.days, float(history.ticks.max())
    if days < FEWEST_DAYS:
        yield (
            f"only {days} of at least {FEWEST_DAYS} days could be replayed: half a percent of minutes cannot be "
            f"checked on so few, so keep the autoscaler as it is; {_more_days(history)}"
        )
    needed = int(np.ceil(highest / history.target * (1 - 1e-9)))
    if needed > workload.ceiling:
        yield (
            f"the highest demand needs {needed} replicas at {100 * history.target:g} % and the ceiling is "
            f"{workload.ceiling}: no policy keeps those minutes under it until the ceiling is raised"
        )
    if not measured and own_target(workload) is not None and _memory_leads(workload, highest):
        yield (
            "at the highest demand memory asks for more replicas than CPU: the replay is of an autoscaler that watches "
            "both, and a target applies to its metric of memory too"
        )


def _memory_leads(workload: Workload, demand: float) -> bool:
    """Whether a demand, in replicas at 100 % of CPU or memory, is that of memory."""
    load, replica = workload.load, workload.replica
    per_sale = load.cpu_per_sale_per_hour / replica.cpu_request, load.memory_per_sale_per_hour / replica.memory_request
    base = load.cpu_base / replica.cpu_request, load.memory_base / replica.memory_request
    if max(per_sale) == 0:
        return base[1] > base[0]
    sales = min((demand - fixed) / each for fixed, each in zip(base, per_sale, strict=True) if each > 0)
    return bool(base[1] + sales * per_sale[1] > base[0] + sales * per_sale[0])


def _demand_ticks(sales: pd.Series, step: timedelta, workload: Workload, within: WithinStep, seed: int) -> Array:
    """Demand in replicas at 100 % per tick: of CPU or memory, the larger."""
    per_hour = served_path(sales, SYNC_PERIOD, within, np.random.default_rng(seed)) * (HOUR / step)
    load, replica = workload.load, workload.replica
    cpu = (load.cpu_base + load.cpu_per_sale_per_hour * per_hour) / replica.cpu_request
    memory = (load.memory_base + load.memory_per_sale_per_hour * per_hour) / replica.memory_request
    return np.asarray(np.maximum(cpu, memory))


def _measured_ticks(measured: pd.Series, end: datetime, since: datetime) -> Array:
    """Measured demand per tick until `end`, smooth through its steps; it must begin at `since` or earlier."""
    step, _, filled = on_grid(measured)
    filled = filled.loc[: pd.Timestamp(end) - pd.Timedelta(step)]
    last, first = filled.index[-1].to_pydatetime() + step, filled.index[0].to_pydatetime()
    require(last == end, "measured: expected steps until {}, got them until {}", end, last)
    require(first <= since, "measured: expected steps from {} on, got them from {} on", since, first)
    return smooth_path(filled.to_numpy(dtype=np.float64), step // SYNC_PERIOD)


def levels_of(workload: Workload) -> tuple[float, ...]:
    """The quantile levels to try: the workload's own where it was given."""
    level = workload.quantile_level
    return LEVELS if isinstance(level, AutoLevel) else (level,)


def _headroom_level(workload: Workload) -> tuple[float, ...]:
    return () if workload.headroom is None else (workload.headroom.level,)


def past_forecasts(history: History, request: ForecastRequest, report: Progress) -> dict[datetime, Forecast]:
    """The forecasts from past origins, by the moment at which a plan of each came into force.

    Each is fitted on whole spans of `refit` and reaches as far as production's (`near_horizon`). Where `request.window`
    is given, it is what floors must cover.
    """
    cadence, workload, step = history.settings.cadence, history.workload, history.step
    asked = replace(
        request,
        horizon=max(near_horizon(cadence.refit), step),
        quantile_levels=tuple(sorted({0.5, *levels_of(workload), *_headroom_level(workload)})),
        window=request.window or planning_window(workload.lead_time, cadence.controller, step),
    )
    origins = list(_origins(history))
    found: dict[datetime, Forecast] = {}
    for done, origin in enumerate(origins):
        report(done, len(origins) + 1)
        try:
            made = forecast_as_asked(history.sales.loc[history.sales.index < origin], asked)
        except DataError:
            continue
        found[origin + cadence.delay] = made
    return found


def _origins(history: History) -> Iterator[datetime]:
    """Whole spans of `refit` from the last one before the warm-up on, as far as a plan may come into force."""
    refit, first = history.settings.cadence.refit, history.sales.index[0].to_pydatetime()
    begin, end = history.begin - WARM_UP, history.begin + history.settings.days * DAY
    at = EPOCH + (begin - history.settings.cadence.delay - EPOCH) // refit * refit
    while at <= end:
        if at > first:
            yield at
        at += refit
