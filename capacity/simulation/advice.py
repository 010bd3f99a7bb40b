"""Every candidate policy replayed on the histories of many workloads together, and the one that does best on each."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import log
from typing import Generic, TypeVar

import numpy as np
import pandas as pd

from capacity.model import DataError, Forecast, ForecastRequest, Workload
from capacity.model.arrays import Array, Counts
from capacity.model.choice import Choice, PaysFrom
from capacity.model.fields import AutoLevel
from capacity.model.policies import DIGITS, Advised, DailyScores, Tried
from capacity.model.policy import Objective, Policy
from capacity.series.within import PART, OrderTimes
from capacity.simulation.candidates import (
    FLOOR_TARGETS,
    Plans,
    candidate_policies,
    decided_floors,
    keeps_its_target,
    own_target,
    plans_of,
    static_floors,
    weekly_floors,
)
from capacity.simulation.case import on_grid
from capacity.simulation.choice import ChoiceRule, choose_policy, price_of
from capacity.simulation.days import MOST_LANES, WARM_UP, Candidate, Task, replay_together
from capacity.simulation.headroom import alone, decided_buffer, headroom_of
from capacity.simulation.history import FEWEST_DAYS, History, Progress, ReplaySettings, levels_of, past_forecasts
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import Rule
from capacity.version import VERSION

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
T = TypeVar("T")
Replaying = Generator[Task, DailyScores, T]  # yields what is to be replayed, is sent its scores, returns the answer


def silent(done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class PolicyReplay:
    """What candidate policies are replayed on: the history of one workload, and what was known of it on each day.

    Parameters
    ----------
    sales : Series
        Sales per step, UTC, a regular index; short gaps are bridged for what is served.
    workload : Workload
        What serves them; its `quantile_level`, where it was given, fixes that of the floors.
    request : ForecastRequest
        Holidays, events and clock that every origin knew.
    settings : ReplaySettings
        How many days, how often forecasts are fitted. Default: 28 days, as in production.
    measured : Series or None
        What was used, in replicas at 100 % utilization, on finer steps than those of the sales: replayed in place of
        what sales stand for. Default none.
    times : OrderTimes or None
        What orders tell of the time within their steps. Default none.
    progress : callable
        Called with how many of how many parts are done. Default: nobody watches.
    """

    sales: pd.Series
    workload: Workload
    request: ForecastRequest
    settings: ReplaySettings = field(default_factory=ReplaySettings)
    measured: pd.Series | None = None
    times: OrderTimes | None = None
    progress: Progress = silent

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
        forecasts = past_forecasts(history, self.request, self.progress)
        tried = replace((yield from each_policy(history, forecasts)), under=self.under)
        choice = choose_policy(tried, self.workload, now, advised=None if last is None else last.policy.target)
        if choice.reason == "PlainHpaIsEnough":
            choice = replace(choice, pays_from=(yield from _pays_from(history, forecasts)))
        self.progress(1, 1)
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
        self.progress(1, 1)
        return Advised(replace(choice, pays_from=last.pays_from if same else None), tried)

    def _later(self, kept: Tried, days: int) -> Replaying[Tried | None]:
        """The days kept and `days` more; None where these have other candidates."""
        end = kept.end + days * DAY
        sales = self.sales.loc[self.sales.index < end]
        measured = None if self.measured is None else self.measured.loc[self.measured.index < end]
        asked = replace(self.settings, days=days)
        history = History.of(sales, self.workload, asked, measured, self.times)
        found = yield from each_policy(history, past_forecasts(history, self.request, self.progress))
        new = replace(found, under=kept.under, remarks=kept.remarks)
        return new.after(kept, self.settings.days) if new.continues(kept) else None


def advising(replay: PolicyReplay, now: datetime, before: Advised | None = None) -> Replaying[Advised]:
    """Replay every candidate policy on the last days of a history of sales, and choose one.

    Where floors do not pay, also with which start time they would. Demand is what the workload's load model says of the
    sales that came, on a path within each step that keeps its total. Forecasts are made as production makes them, from
    rolling origins and from what came before each; gaps in the history stay gaps to them. It is work for
    `finish_together`, which replays what many workloads wait for at once.

    Parameters:
        replay: the history, and what was known of it.
        now: when the choice is made.
        before: what was chosen last. Only days after those that it was made from are replayed, and a target that it
            advised is advised again while it is as good. Default None.

    Raises `DataError` for a history too short to replay a day of, or with a gap of more than a day.
    """
    price_of(replay.workload)  # said before the work, not after it
    last = None if before is None else before.choice
    if before is None or before.tried is None or not replay.extends(before.tried):
        return (yield from replay.anew(now, last))
    return (yield from replay.onwards(before.tried, before.choice, now))


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


def each_policy(history: History, forecasts: Mapping[datetime, Forecast]) -> Replaying[Tried]:
    """Every candidate on every day, with floors from these forecasts: by the moment at which each came into force.

    Floors are replayed also where the forecast has no skill now: days kept from then on can be compared.
    """
    workload = history.workload
    policies = candidate_policies(workload, levels_of(workload) if forecasts else ())
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
    """Pods for which nodes are ready, per minute, by the quantile level of the floors beside them."""
    asked = dict.fromkeys(_room_level(one) for one in policies if one.headroom is not None)
    return {level: floors.ahead_of(level) for level in asked}


def _room_level(policy: Policy) -> float | None:
    """The quantile level of the planned floors beside which headroom is planned; None: beside the autoscaler alone."""
    return policy.quantile_level if policy.floors == "forecast" else None


def _skill(forecasts: Mapping[datetime, Forecast]) -> float | None:
    """The mean over the replayed forecasts, as far as it is known; one of them is judged on a few origins only."""
    told = [skill for one in forecasts.values() if (skill := _claimed(one)) is not None]
    return float(np.mean(told)) if told else None


def _claimed(forecast: Forecast) -> float | None:
    if forecast.unskilled:
        return min(0.0, 0.0 if forecast.trust is None else forecast.trust.skill)
    return None if forecast.trust is None else forecast.trust.skill


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
        """Pods for which nodes are ready beside floors of a quantile level, or beside the autoscaler alone."""
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


def finish(work: Replaying[T]) -> T:
    """The answer of one work, each of its tasks replayed alone. Raises what the work raises."""
    found = finish_together([work])[0]
    if isinstance(found, DataError):
        raise found
    return found


def finish_together(works: Iterable[Replaying[T]]) -> list[T | DataError]:
    """The answer of each work, or the error that ended it; equal to what `finish` gives of each.

    A work is begun only when those before it wait for a replay; replays begin once enough lanes wait.
    """
    found, waiting = dict[int, T | DataError](), list[_Waiting[T]]()
    for place, work in enumerate(works):
        waiting += _until_next(place, work, None, found)
        if sum(one.task.lanes for one in waiting) >= MOST_LANES:
            waiting = _replayed_together(waiting, found)
    while waiting:
        waiting = _replayed_together(waiting, found)
    return [found[place] for place in sorted(found)]


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    """A work that waits for the scores of a task."""

    place: int
    work: Replaying[T]
    task: Task


def _replayed_together(waiting: list[_Waiting[T]], found: dict[int, T | DataError]) -> list[_Waiting[T]]:
    """Those that wait again, once each has got its scores."""
    scores = replay_together([one.task for one in waiting])
    return [
        again
        for one, its in zip(waiting, scores, strict=True)
        for again in _until_next(one.place, one.work, its, found)
    ]


def _until_next(
    place: int, work: Replaying[T], scores: DailyScores | None, found: dict[int, T | DataError]
) -> list[_Waiting[T]]:
    """The work, waiting for its next replay; none where it has ended: its answer is then found."""
    try:
        return [_Waiting(place, work, next(work) if scores is None else work.send(scores))]
    except StopIteration as end:
        found[place] = end.value
    except DataError as error:
        found[place] = error
    return []
