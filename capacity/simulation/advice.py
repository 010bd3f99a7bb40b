"""Every candidate policy replayed on a workload's own history, and the one that does best on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import log

import numpy as np
import pandas as pd

from capacity.decision import CALM, ControllerRules
from capacity.forecast import forecast_as_asked
from capacity.model import DataError, Forecast, ForecastRequest, Workload, require
from capacity.model.arrays import Array, Counts
from capacity.model.choice import MONEY, Choice, Evidence, PaysFrom, Reason
from capacity.model.fields import AutoLevel
from capacity.model.policy import Cadence, Objective, Policy
from capacity.model.replayed import DIGITS, Advised, Tried
from capacity.planning import planning_window
from capacity.planning.orders import near_horizon
from capacity.series.within import PART, OrderTimes, WithinStep, served_path, smooth_path
from capacity.simulation.candidates import (
    FLOOR_TARGETS,
    KNOWN,
    LEVELS,
    Past,
    Plans,
    candidate_policies,
    decided_floors,
    keeps_its_target,
    own_target,
    plans_of,
    static_floors,
    weekly_floors,
)
from capacity.simulation.choice import (
    ChoiceRule,
    Chosen,
    Scores,
    choose_daily,
    day_interval,
    settled_count,
    settled_plain,
)
from capacity.simulation.days import PER_MINUTE, WARM_UP, Candidate, Days, Task
from capacity.simulation.grid import on_grid
from capacity.simulation.headroom import alone, decided_buffer, headroom_of
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import Rule
from capacity.simulation.pods import P95, NodePool, Start
from capacity.simulation.stepping import Cluster, Service
from capacity.simulation.together import Replaying, finish
from capacity.version import VERSION

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FEWEST_DAYS = 7  # of replay: fewer say nothing about a share of half a percent of minutes
TRAINING = timedelta(days=7)  # known before the first replayed day
RIVALS = 3
TARGET_POINTS = 2  # percent points: a target nearer than this to the advised one is not worth anybody's hand


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


Progress = Callable[[int, int], None]  # parts done, of how many


def advising(
    sales: pd.Series,
    workload: Workload,
    request: ForecastRequest,
    now: datetime,
    settings: ReplaySettings | None = None,
    *,
    measured: pd.Series | None = None,
    times: OrderTimes | None = None,
    before: Advised | None = None,
    progress: Progress | None = None,
) -> Replaying[Advised]:
    """Replay every candidate policy on the last days of a history of sales, and choose one.

    Where floors do not pay, also with which start time they would. Demand is what the workload's load model says of the
    sales that came, on a path within each step that keeps its total. Forecasts are made as production makes them, from
    rolling origins and from what came before each; gaps in the history stay gaps to them. It is work for
    `finish_together`, which replays what many workloads wait for at once.

    Parameters:
        sales: sales per step, UTC, a regular index; short gaps are bridged for what is served.
        workload: what serves them; its `quantile_level`, where it was given, fixes that of the floors.
        request: holidays, events and clock that every origin knew.
        now: when the choice is made.
        settings: how many days, how often forecasts are fitted. Default: 28 days, as in production.
        measured: what was used, in replicas at 100 % utilization, on finer steps than those of the sales: replayed in
            place of what sales stand for. Default None.
        before: what was chosen last. Only days after those that it was made from are replayed, and a target that it
            advised is advised again while it is as good. Default None.
        progress: called with how many of how many parts are done.

    Raises `DataError` for a history too short to replay a day of, or with a gap of more than a day.
    """
    price_of(workload)  # said before the work, not after it
    settings, report = settings or ReplaySettings(), progress or _silent
    replay = _Replay(sales, workload, request, settings, measured, times, report)
    last = None if before is None else before.choice
    if before is None or before.tried is None or not replay.extends(before.tried):
        return (yield from replay.anew(now, last))
    return (yield from replay.onwards(before.tried, before.choice, now))


@dataclass(frozen=True, slots=True)
class _Replay:
    """What the replay of one workload works on."""

    sales: pd.Series
    workload: Workload
    request: ForecastRequest
    settings: ReplaySettings
    measured: pd.Series | None
    times: OrderTimes | None
    report: Progress

    @property
    def under(self) -> str:
        """The conditions of this replay."""
        return conditions_of(self.workload, self.settings, self.request, self.measured is not None, self.times)

    def extends(self, kept: Tried) -> bool:
        """Whether later days may join these."""
        return kept.under == self.under and kept.scores.days >= FEWEST_DAYS

    def anew(self, now: datetime, last: Choice | None) -> Replaying[Advised]:
        """The choice from every day, replayed now."""
        history = History.of(self.sales, self.workload, self.settings, self.measured, self.times)
        forecasts = past_forecasts(history, self.request, self.report)
        tried = replace((yield from _each_policy(history, forecasts)), under=self.under)
        choice = choose_policy(tried, self.workload, now, advised=None if last is None else last.policy.target)
        if choice.reason == "PlainHpaIsEnough":
            choice = replace(choice, pays_from=(yield from _pays_from(history, forecasts)))
        self.report(1, 1)
        return Advised(choice, tried)

    def onwards(self, kept: Tried, last: Choice, now: datetime) -> Replaying[Advised]:
        """The choice from the days kept and the whole ones that came since; anew where the candidates changed."""
        step, grid, _ = on_grid(self.sales)
        later = (grid.index[-1].to_pydatetime() + step - kept.end) // DAY
        if later >= self.settings.days:
            return (yield from self.anew(now, last))
        tried = kept if later < 1 else (yield from self._later(kept, later))
        if tried is None:
            return (yield from self.anew(now, last))
        choice = choose_policy(tried, self.workload, now, advised=last.policy.target)
        same = choice.reason == last.reason == "PlainHpaIsEnough"
        self.report(1, 1)
        return Advised(replace(choice, pays_from=last.pays_from if same else None), tried)

    def _later(self, kept: Tried, days: int) -> Replaying[Tried | None]:
        """The days kept and `days` more; None where these have other candidates."""
        end = kept.end + days * DAY
        sales = self.sales.loc[self.sales.index < end]
        measured = None if self.measured is None else self.measured.loc[self.measured.index < end]
        asked = replace(self.settings, days=days)
        history = History.of(sales, self.workload, asked, measured, self.times)
        found = yield from _each_policy(history, past_forecasts(history, self.request, self.report))
        new = replace(found, under=kept.under, remarks=kept.remarks)
        return new.after(kept, self.settings.days) if new.continues(kept) else None


def conditions_of(
    workload: Workload,
    settings: ReplaySettings,
    request: ForecastRequest,
    measured: bool,
    times: OrderTimes | None = None,
) -> str:
    """What replayed days must have in common to be compared: the workload, the replay, the version; 16 digits.

    What a policy is chosen by may change without a new replay. Start times that were learned anew count as equal
    within a quarter.
    """
    served = replace(
        workload,
        lead_time=timedelta(0),
        objective=Objective(target=workload.objective.target),
        policy=None,
        today=None,
        target=type(workload.target)("", workload.target.kind),
    )
    lead = round(log(max(workload.lead_time, SYNC_PERIOD) / SYNC_PERIOD) / log(1.25))
    level = None if isinstance(workload.quantile_level, AutoLevel) else workload.quantile_level
    calendar = (request.holidays, request.timezone, request.window)
    more: tuple[object, ...] = () if settings.nodes is None else (settings.nodes,)
    more += () if times is None or times.rows is None else ("times",)
    facts = (served, level, lead, settings.cadence, settings.rules, settings.seed, calendar, measured, VERSION, *more)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


SLOWER = (3, 9)  # times as long as pods take to start now
SLOW_LEVELS = (0.8, 0.95)  # enough to see whether floors pay at all
SLOW_TARGETS = (30, 40, 50, 60, 65, 68, 70, 73, 80)


def _pays_from(history: History, forecasts: Mapping[datetime, Forecast]) -> Replaying[PaysFrom]:
    """From which start time on floors would pay, on the same days and forecasts, and how steep demand is for pods so
    slow."""
    lead, found = max(history.workload.lead_time, SYNC_PERIOD), None
    for factor in SLOWER:
        if (yield from _floors_pay(_slower(history, factor), forecasts)):
            found = factor
            break
    most = (found or SLOWER[-1]) * lead
    return PaysFrom(lead, most, found is not None, _rise(history.ticks, lead), _rise(history.ticks, most))


def _slower(history: History, factor: int) -> History:
    """The same history of pods that take so many times as long to start."""
    lead = factor * max(history.workload.lead_time, SYNC_PERIOD)
    return replace(history, workload=replace(history.workload, lead_time=lead))


def _rise(demand: Array, span: timedelta) -> float:
    """The most that demand rises within a span on an ordinary day, as a share of that day's highest: a median of days.

    >>> round(_rise(np.tile(np.linspace(0.0, 1.0, DAY // SYNC_PERIOD), 2), HOUR), 2)
    0.04
    """
    ticks, day = span // SYNC_PERIOD, DAY // SYNC_PERIOD
    days = demand[len(demand) % day :].reshape(-1, day)
    rises = (days[:, ticks:] - days[:, :-ticks]).max(axis=1) if 0 < ticks < day else days.max(axis=1)
    highest = days.max(axis=1)
    return float(np.median(np.divide(rises, highest, out=np.zeros_like(rises), where=highest > 0)))


def _floors_pay(history: History, forecasts: Mapping[datetime, Forecast]) -> Replaying[bool]:
    """Whether floors keep the minutes for less than every plain target that does, or where no target does."""
    levels = [level for level in SLOW_LEVELS if all(level in one.quantiles.columns for one in forecasts.values())]
    own = [own_target(history.workload)] if keeps_its_target(history.workload) else None
    policies = [Policy(target) for target in own or SLOW_TARGETS]
    policies += [Policy(target, "forecast", level, calm=False) for level in levels for target in own or FLOOR_TARGETS]
    rules = history.workload.headroom
    if rules is not None:
        policies = [replace(one, headroom=rules.level) for one in policies]
    tried = yield from _replayed(history, forecasts, policies)
    cost, above = tried.scores.paid_hours.mean(axis=0), tried.scores.above.mean(axis=0)
    good = above <= history.workload.objective.allowed_minutes
    floors = np.array([policy.has_floors for policy in policies])
    best, alone = (np.where(good & kind, cost, np.inf).min() for kind in (floors, ~floors))
    return bool(best <= alone * (1 - ChoiceRule().margin) and np.isfinite(best))


def replay_policies(history: History, forecasts: Mapping[datetime, Forecast]) -> Tried:
    """Every candidate on every day, with floors from these forecasts: by the moment at which each came into force.

    Floors are replayed also where the forecast has no skill now: days kept from then on can be compared.
    """
    return finish(_each_policy(history, forecasts))


def _each_policy(history: History, forecasts: Mapping[datetime, Forecast]) -> Replaying[Tried]:
    workload = history.workload
    policies = candidate_policies(workload, _levels(workload) if forecasts else ())
    return (yield from _replayed(history, forecasts, policies))


def _replayed(history: History, forecasts: Mapping[datetime, Forecast], policies: Sequence[Policy]) -> Replaying[Tried]:
    workload = history.workload
    floors, made, schedules = _Floors(history, forecasts), list[Counts](), dict[tuple[object, ...], int]()
    candidates = []
    for policy in policies:
        key = (policy.floors, policy.quantile_level, policy.calm)
        if key not in schedules:
            schedules[key] = len(made)
            made.append(floors.of(policy))
        candidates.append(Candidate(rule_of(policy, workload), schedules[key]))
    ahead = _ahead(floors, policies)
    candidates = [
        one if policy.headroom is None else replace(one, ahead=list(ahead).index(_room_level(policy)))
        for one, policy in zip(candidates, policies, strict=True)
    ]
    scores = yield history.task(made, candidates, list(ahead.values()))
    rounded = scores.each(lambda values: values.round(DIGITS))
    return Tried(tuple(policies), rounded, history.begin, _skill(forecasts), history.remarks)


def _ahead(floors: _Floors, policies: Sequence[Policy]) -> dict[float | None, Counts]:
    """Pods for which nodes stand ready, per minute, by the quantile level of the floors beside them."""
    asked = dict.fromkeys(_room_level(one) for one in policies if one.headroom is not None)
    return {level: floors.ahead_of(level) for level in asked}


def _room_level(policy: Policy) -> float | None:
    """The quantile level of the planned floors beside which headroom is planned; None: beside the autoscaler alone."""
    return policy.quantile_level if policy.floors == "forecast" else None


def _silent(done: int, total: int) -> None:
    """Nobody watches."""


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
        known = end - grid.index[0].to_pydatetime() - TRAINING - WARM_UP
        days = min(asked.days, int(known / DAY))
        require(
            days >= 1,
            "advise: expected at least {} days of history to replay one of them, got {:.1f}",
            TRAINING.days + 2,
            (end - grid.index[0].to_pydatetime()) / DAY,
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

        `ahead`: pods per minute for which nodes stand ready, of which a candidate may have one. Default none.
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


def _remarks(history: History, *, measured: bool) -> Iterator[str]:
    """What the figures of a replay cannot show by themselves."""
    workload, days, highest = history.workload, history.settings.days, float(history.ticks.max())
    if days < FEWEST_DAYS:
        yield (
            f"only {days} of at least {FEWEST_DAYS} days could be replayed: half a percent of minutes cannot be "
            "checked on so few, the autoscaler stays as it stands"
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


def _levels(workload: Workload) -> tuple[float, ...]:
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
        quantile_levels=tuple(sorted({0.5, *_levels(workload), *_headroom_level(workload)})),
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


def _skill(forecasts: Mapping[datetime, Forecast]) -> float | None:
    if not forecasts:
        return None
    last = forecasts[max(forecasts)]
    if last.unskilled:
        return min(0.0, 0.0 if last.trust is None else last.trust.skill)
    return None if last.trust is None else last.trust.skill


class _Floors:
    """The floors of each policy per minute from the warm-up on (minutes,); plans of a level are made once."""

    def __init__(self, history: History, forecasts: Mapping[datetime, Forecast]) -> None:
        self._history, self._forecasts = history, forecasts
        self._plans: dict[float, Plans] = {}
        self._within = history.within_at(forecasts)

    def of(self, policy: Policy) -> Counts:
        history = self._history
        if policy.floors == "none":
            return np.full(history.passes, history.workload.floor, dtype=np.int64)
        if policy.floors == "forecast":
            return self._decided(policy)
        lead = history.cluster.start.p95
        found = (
            weekly_floors(history.past, history.needed, lead)
            if policy.floors == "weekly"
            else static_floors(history.past, history.needed)
        )
        return np.repeat(found, PART // MINUTE)[: history.passes]

    def ahead_of(self, level: float | None) -> Counts:
        """Pods for which nodes stand ready beside floors of a quantile level, or beside the autoscaler alone."""
        history, workload = self._history, self._history.workload
        if level is None:
            workload = alone(workload)
            plans = plans_of(self._forecasts, workload, workload.quantile_level, self._within)
        else:
            plans = self._planned(level)
        return decided_buffer(headroom_of(plans, workload), history.begin - WARM_UP, history.passes)

    def _planned(self, level: float) -> Plans:
        if level not in self._plans:
            self._plans[level] = plans_of(self._forecasts, self._history.workload, level, self._within)
        return self._plans[level]

    def _decided(self, policy: Policy) -> Counts:
        history, level = self._history, policy.quantile_level or 0.0
        rules = history.settings.rules
        rules = replace(rules, period=MINUTE, calm=rules.calm if policy.calm else timedelta(0))
        return decided_floors(self._planned(level), history.workload, rules, history.begin - WARM_UP, history.passes)


def rule_of(policy: Policy, workload: Workload) -> Rule:
    """The autoscaler of a policy, within the workload's ceiling and with its tolerance."""
    tolerance = 0.10 if workload.reactive is None else workload.reactive.tolerance
    if policy.target is None:
        return Rule(ceiling=workload.ceiling, follows=False)
    return Rule(policy.target, policy.stabilization, workload.ceiling, tolerance=tolerance)


def choose_policy(
    tried: Tried,
    workload: Workload,
    now: datetime,
    rule: ChoiceRule | None = None,
    *,
    advised: int | None = None,
) -> Choice:
    """The policy for the day to come, the evidence for it, and its best rivals; today's is the first that was tried.

    `advised`: the target that was advised last; another is advised only where it is `TARGET_POINTS` away or cheaper by
    the rule's hysteresis, since somebody has to set it by hand.
    """
    rule, objective, price = rule or ChoiceRule(), workload.objective, price_of(workload)
    scores = weighed_scores(tried, objective, price)
    places = choosable(tried)
    chosen = choose_daily(scores.of(places), rule)
    picked = places[chosen.next]
    by_hand = not tried.policies[picked].has_floors and not workload.manages_target
    known = chosen.kept[-1] and tried.scores.days >= rule.fewest
    if by_hand and known:
        picked = _as_advised(tried, scores, settled_plain(scores, picked), advised, rule)
    elif known and tried.policies[picked].floors == "static":
        picked = places[settled_count(scores.of(places), places.index(picked))]
    evidence = [_evidence(tried, at, price) for at in range(len(tried.policies))]
    return Choice(
        namespace=workload.namespace,
        name=workload.name,
        chosen_at=now,
        objective=objective,
        recommended=evidence[picked],
        today=evidence[0],
        meanwhile=_meanwhile(tried, scores, evidence, picked, rule),
        reason=_reason(tried, picked, chosen, rule, by_cost=objective.overload_cost is not None),
        rivals=tuple(evidence[at] for at in _rivals(tried, scores, picked)),
        unit="pod-hours" if price is None else MONEY,
        remarks=(*tried.remarks, *(() if chosen.kept[-1] else (_out_of_reach(objective, evidence, places),))),
    )


def _out_of_reach(objective: Objective, evidence: Sequence[Evidence], places: Sequence[int]) -> str:
    """That nothing keeps the minutes, what comes nearest and at which cost, and what would be needed."""
    nearest = min((evidence[at] for at in places), key=lambda one: (one.minutes_above, one.cost))
    return (
        f"{100 * objective.minutes:g} % of minutes allow {objective.allowed_minutes:g} a day above the target: nearest "
        f"comes {nearest.policy}, with {nearest.minutes_above:.1f} at a cost of {nearest.cost:,.1f} a day; for fewer, "
        "pods must start faster, the ceiling be higher, or orders be known in finer steps"
    )


def price_of(workload: Workload) -> float | None:
    """What a replica's hour costs; None where it is not known. Raises `DataError` where the objective needs it."""
    price = workload.costs.price_per_hour
    require(
        workload.objective.overload_cost is None or price is not None,
        "objective.overload_cost: expected costs.price_per_hour beside it, got none: what is a replica's hour worth?",
    )
    return price


def weighed_scores(tried: Tried, objective: Objective, price: float | None) -> Scores:
    """The scores as the choice weighs them: in pod-hours or money, with the cost of overload where it is given."""
    cost = tried.scores.paid_hours * (1.0 if price is None else price)
    floors = np.array([policy.has_floors for policy in tried.policies])
    if objective.overload_cost is None:
        return Scores(cost, tried.scores.above, floors, objective.allowed_minutes)
    return Scores(cost + tried.scores.overload / 60 * objective.overload_cost, tried.scores.above, floors, None)


def _meanwhile(
    tried: Tried, scores: Scores, evidence: Sequence[Evidence], picked: int, rule: ChoiceRule
) -> Evidence | None:
    """The best policy that needs nobody's hand, until what is advised stands; None where nothing has to be set."""
    if not _by_hand(tried, picked):
        return None
    places = [at for at in choosable(tried) if not _by_hand(tried, at)]
    return evidence[places[choose_daily(scores.of(places), rule).next]] if places else None


def _by_hand(tried: Tried, at: int) -> bool:
    """Whether somebody has to set its target or its number of replicas, or to remove `headroom`."""
    policy = tried.policies[at]
    fixed = policy.floors == "static"
    return policy.standing == "advised" or fixed or policy.headroom != tried.policies[0].headroom


def _as_advised(tried: Tried, scores: Scores, picked: int, advised: int | None, rule: ChoiceRule) -> int:
    """The target that was advised before, where it still keeps the minutes and the new one is hardly another."""
    target, ahead = tried.policies[picked].target, tried.policies[picked].headroom
    alike = [at for at, one in enumerate(tried.policies) if one.headroom == ahead and not one.has_floors]
    before = [at for at in alike if tried.policies[at].target == advised]
    if advised is None or target is None or not before or abs(target - advised) >= TARGET_POINTS:
        return picked
    cost, above = scores.cost.mean(axis=0), scores.above.mean(axis=0)
    keeps = scores.budget is None or above[before[0]] <= scores.budget
    return before[0] if keeps and cost[before[0]] * (1 - rule.hysteresis) <= cost[picked] else picked


def choosable(tried: Tried) -> list[int]:
    """The places of the policies that can be planned by: a learned schedule and a static peak are rivals only, and so
    are floors from a forecast without skill."""
    kinds = ("none", "forecast") if tried.has_skill else ("none",)
    return [at for at, one in enumerate(tried.policies) if at == 0 or one.floors in kinds]


def _reason(tried: Tried, picked: int, chosen: Chosen, rule: ChoiceRule, *, by_cost: bool) -> Reason:
    if tried.scores.days < rule.fewest:
        return "TooShort"
    if not chosen.kept[-1]:
        return "NothingKeepsTheMinutes"
    if by_cost:
        return "LeastExpectedCost"
    if tried.policies[picked].has_floors:
        return "FixedCountIsEnough" if tried.policies[picked].floors == "static" else "FloorsPay"
    tried_floors = tried.has_skill and any(policy.floors == "forecast" for policy in tried.policies)
    return "PlainHpaIsEnough" if tried_floors else "NoSkill"


def _rivals(tried: Tried, scores: Scores, picked: int) -> list[int]:
    """The best of each other kind: another plain HPA, floors from the forecast, the schedule, the static peak."""
    cost, above = scores.cost.mean(axis=0), scores.above.mean(axis=0)
    budget = np.inf if scores.budget is None else scores.budget
    order = sorted(
        range(len(cost)), key=lambda at: (above[at] > budget, cost[at] if above[at] <= budget else above[at])
    )
    best: dict[str, int] = {}
    mine = tried.policies[picked].floors
    for at in order:
        kind = tried.policies[at].floors
        if at in (0, picked) or kind in best or (kind == mine and kind != "none"):
            continue
        best[kind] = at
    return [*list(best.values())[:RIVALS], *_twin(tried, picked, best.values())]


def _twin(tried: Tried, picked: int, known: Collection[int]) -> list[int]:
    """The same policy with nodes that stand ready where it has none, or without; none where it was not tried."""
    mine = tried.policies[picked]
    alike = [at for at, one in enumerate(tried.policies) if replace(one, headroom=mine.headroom) == mine]
    return [at for at in alike if at not in (0, picked, *known)]


def _evidence(tried: Tried, at: int, price: float | None) -> Evidence:
    scores, worth = tried.scores, 1.0 if price is None else price
    random = np.random.default_rng(at)
    cost, above, over = scores.paid_hours[:, at] * worth, scores.above[:, at], scores.overload[:, at]
    nodes = any(one.headroom is not None for one in tried.policies)
    return Evidence(
        policy=tried.policies[at],
        days=scores.days,
        cost=float(cost.mean()),
        minutes_above=float(above.mean()),
        overload_minutes=float(over.mean()),
        cost_interval=day_interval(cost, random),
        minutes_interval=day_interval(above, random),
        overload_interval=day_interval(over, random),
        node_waits=float(scores.waits[:, at].mean()) if nodes else None,
    )
