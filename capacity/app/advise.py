"""Chooses the best policy on each workload's own history, many in shards. policies.json keeps it, and plans read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from capacity.app.fleet import Fleet, spread
from capacity.app.plan import Chunk, chunks_of, deal, folder_of, installed, orders_of
from capacity.app.reading import read_ahead, read_orders
from capacity.model import DataError, Workload
from capacity.model.choice import MONEY, Choice
from capacity.model.configuration import Config
from capacity.model.policies import Advised, Policies, read_policies
from capacity.model.policy import Cadence
from capacity.planning.orders import OrderData, request_of
from capacity.planning.pipeline import planned_window
from capacity.planning.result import PlanResult
from capacity.series.within import OrderTimes

if TYPE_CHECKING:
    from capacity.simulation.advice import Replaying

Progress = Callable[[int, int], None]  # parts done, of how many
PARTS = 100  # of one workload, as a progress bar counts them
SIZE = 8  # workloads: a chunk is then about a minute of replay, and a lost one no more
NEXT_DAY = 32  # workloads of which only one day is new: together they fill the lanes of a replay
FOLDER = "policies"  # within the folder of shards: the steps of plans lie beside it


@dataclass(frozen=True, slots=True)
class Advice:
    """The choice for each workload, in the order of the configuration, and why there is none for the others.

    Parameters
    ----------
    choices : tuple of Choice
        One for each workload that could be replayed.
    failures : mapping of (str, str) to str
        By namespace and name, why there is none. Default none.
    policies : mapping of (str, str) to Advised
        The choices with the days that they were made from, as policies.json keeps them. Default none.
    """

    choices: tuple[Choice, ...]
    failures: Mapping[tuple[str, str], str] = field(default_factory=dict)
    policies: Policies = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AdviceRequest:
    """The request: when the choice is made, on how many days, for which workloads, after which earlier choices.

    The parameters are those of `advise`.
    """

    now: datetime
    days: int = 28
    workloads: Sequence[Workload] | None = None
    known: Policies = field(default_factory=dict)
    past: bool = False

    def of(self, config: Config) -> tuple[Workload, ...]:
        """The workloads asked for; by default those of the configuration that have an autoscaler."""
        if self.workloads is not None:
            return tuple(self.workloads)
        return tuple(one for one in config.workloads if one.scaling == "horizontal")


def advise(
    config: Config,
    now: datetime,
    *,
    days: int = 28,
    workloads: Sequence[Workload] | None = None,
    known: Policies | None = None,
    progress: Progress | None = None,
    past: bool = False,
) -> Advice:
    """Replay every candidate policy on the history of each workload, and choose one.

    Parameters
    ----------
    config : Config
        The configuration; its orders are read once.
    now : datetime
        When the choice is made, with a time zone.
    days : int
        How many of the last days are replayed. Default 28; fewer where the history is short.
    workloads : sequence of Workload or None
        Those to advise. Default: all of the configuration that have an autoscaler.
    known : mapping or None
        Earlier choices: of the days that they were made from only later ones are replayed, and a target that was
        advised is advised again while it is as good. Default none.
    progress : callable or None
        Called with how many parts are done, and of how many. Default none.
    past : bool
        Whether `now` lies in the past: orders and usage from then on are left out. Default False.

    Returns
    -------
    Advice
        The choice for each workload, and the reason for each that cannot be replayed.

    Raises
    ------
    DataError
        The orders cannot be read.
    """
    asked = AdviceRequest(now, days, workloads, known or {}, past)
    return advise_on(config, read_orders(config, now, past=past), asked, progress)


def advise_on(
    config: Config,
    orders: OrderData,
    asked: AdviceRequest,
    progress: Progress | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Advice:
    """`advise` on orders that were read already; on one thread, as plans are made: more would move last digits.

    `stop`: whether to begin no further workload; those chosen so far are returned.
    """
    from threadpoolctl import threadpool_limits

    from capacity.simulation.advice import finish_together

    workloads, report = asked.of(config), None if progress is None else _forward(progress)
    works = (
        _advising(config, orders, workload, asked, _part(report, place, len(workloads)))
        for place, workload in takewhile(lambda _: not stop(), enumerate(workloads))
    )
    with threadpool_limits(1):
        answers = dict(zip((one.key for one in workloads), finish_together(works), strict=False))
    currency = config.supply.currency
    found = {key: _priced_in(one, currency) for key, one in answers.items() if not isinstance(one, DataError)}
    failures = {key: str(error) for key, error in answers.items() if isinstance(error, DataError)}
    return Advice(tuple(one.choice for one in found.values()), failures, found)


def _priced_in(advised: Advised, currency: str) -> Advised:
    """The choice with the currency of the prices as the unit of its costs, if one is configured."""
    if advised.choice.unit != MONEY or not currency:
        return advised
    return replace(advised, choice=replace(advised.choice, unit=currency))


def _forward(progress: Progress) -> Progress:
    """Never less than was done before: workloads whose replays are made together end after later ones began."""
    most = 0

    def report(done: int, total: int) -> None:
        nonlocal most
        most = max(most, done)
        progress(most, total)

    return report


def _part(progress: Progress | None, place: int, many: int) -> Progress | None:
    """The progress of one workload as a part of that of all."""
    if progress is None:
        return None
    return lambda done, total: progress(PARTS * place + PARTS * done // total, PARTS * many)


def _advising(
    config: Config, orders: OrderData, workload: Workload, asked: AdviceRequest, progress: Progress | None
) -> Replaying[Advised]:
    from capacity.simulation.advice import PolicyReplay, advising, silent  # a plan does without
    from capacity.simulation.headroom import pool_for, with_node_lead_time
    from capacity.simulation.history import ReplaySettings

    sales = orders.histories.get(workload.group)
    if sales is None:
        raise DataError(f"no sales of group {workload.group!r}: a policy is chosen on orders, there are none")
    cadence = Cadence(refit=config.choice.refit, controller=config.controller.period)
    pool = None if workload.headroom is None else pool_for(workload, config.supply.node_types)
    settings = ReplaySettings(asked.days, cadence, config.controller.policy(), nodes=pool)
    known = replace(workload, load=replace(workload.load, cpu=None, memory=None, requests=None))
    known = with_node_lead_time(known, config.supply.node_types)
    measured = measured_demand(orders.usages.get(workload.key), workload, sales, asked.days)
    request = replace(request_of(config, orders, workload.group), window=planned_window(config, workload, sales))
    times = OrderTimes(orders.rows.get(workload.group), request.timezone or config.timezone)
    replay = PolicyReplay(sales, known, request, settings, measured, times, progress or silent)
    return (yield from advising(replay, asked.now, asked.known.get(workload.key)))


def measured_demand(usage: pd.DataFrame | None, workload: Workload, sales: pd.Series, days: int) -> pd.Series | None:
    """What a workload used, in replicas at 100 %: of CPU or memory, the larger; None where it is not finer than sales.

    It must reach as far as the sales do, and back over the replayed `days`; else what sales stand for is taken.
    """
    from capacity.simulation.days import WARM_UP

    if usage is None or len(usage) < 2 or not {"cpu", "memory"} <= set(usage.columns):
        return None
    step, coarse = usage.index[1] - usage.index[0], sales.index[1] - sales.index[0]
    end = sales.index[-1] + coarse
    if step >= coarse or coarse % step != pd.Timedelta(0) or usage.index[-1] + step < end:
        return None
    if usage.index[0] > end - pd.Timedelta(days, "D") - WARM_UP:
        return None
    replica = workload.replica
    used: pd.Series = (usage["cpu"] / replica.cpu_request).combine(usage["memory"] / replica.memory_request, max)
    return used.loc[: end - step].dropna()


def known_policies(path: Path) -> Policies:
    """The policies of a file; none where there is no file. Raises `PlanError` where it cannot be read."""
    return read_policies(path) if path.exists() else {}


def outdated(config: Config, known: Policies, now: datetime) -> list[Workload]:
    """The workloads without a policy, then those whose policy is older than `choice.period`, the oldest first.

    A policy that the configuration names is not chosen, and without a period nothing is.
    """
    period = config.choice.period
    if period is None or config.sales is None:
        return []
    ages = {one.key: now - known[one.key].choice.chosen_at for one in config.workloads if one.key in known}
    due = [one for one in config.workloads if one.policy is None and ages.get(one.key, period) >= period]
    return sorted(due, key=lambda one: ages.get(one.key, timedelta.max), reverse=True)


def with_policies(config: Config, policies: Policies) -> Config:
    """The configuration with the chosen policy of each workload that names none, and the levels they need.

    A choice from too short a history does not count: such a workload is planned as before.
    """
    workloads = tuple(_following(one, policies.get(one.key)) for one in config.workloads)
    levels = sorted({*config.forecast.quantile_levels, *(one.quantile_level for one in workloads)})
    forecast = config.forecast.model_copy(update={"quantile_levels": tuple(levels)})
    return config.model_copy(update={"workloads": workloads, "forecast": forecast})


def _following(workload: Workload, advised: Advised | None) -> Workload:
    settled = workload.policy is not None or workload.vertical is not None
    if advised is None or settled or advised.choice.reason == "TooShort":
        return workload
    policy = replace(advised.choice.in_force, headroom=None)  # what is planned follows the workload's own headroom
    if policy.floors not in ("none", "forecast"):
        return workload
    return replace(workload, policy=policy, quantile_level=policy.quantile_level or workload.quantile_level)


def with_evidence(planned: PlanResult, policies: Policies) -> PlanResult:
    """The same plan, each workload's with the choice it follows."""
    choices = {key: one.choice for key, one in policies.items()}
    plans = tuple(
        one if one.sizes or one.choice is choices.get(one.key) else replace(one, choice=choices.get(one.key))
        for one in planned.plan.workloads
    )
    return replace(planned, plan=replace(planned.plan, workloads=plans))


def target_patch(workload: Workload, choice: Choice) -> str | None:
    """A kubectl command that sets the autoscaler to the advised target; None if it has this target already.

    The JSON patch has a test, so it changes nothing if the first metric is not CPU. None for a ScaledObject, whose
    operator owns the autoscaler.
    """
    target = choice.policy.target
    if target is None or choice.policy.standing != "advised" or workload.target.kind == "ScaledObject":
        return None
    patch: list[dict[str, Any]] = [
        {"op": "test", "path": "/spec/metrics/0/resource/name", "value": "cpu"},
        {"op": "replace", "path": "/spec/metrics/0/resource/target/averageUtilization", "value": target},
    ]
    where = f"--namespace {workload.namespace} patch hpa {workload.target.name}"
    return f"kubectl {where} --type json --patch '{json.dumps(patch)}'"


def target_snippet(workload: Workload, choice: Choice) -> str | None:
    """The advised target as one line of YAML for the object's spec in Git; None if none is advised."""
    target = choice.policy.target
    if target is None or choice.policy.standing != "advised":
        return None
    if workload.target.kind == "ScaledObject":
        trigger = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": str(target)}}
        spec: dict[str, Any] = {"triggers": [trigger]}
    else:
        value = {"type": "Utilization", "averageUtilization": target}
        spec = {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": value}}]}
    return yaml.safe_dump(spec, sort_keys=False, default_flow_style=True, width=200).strip()[1:-1]


@dataclass(frozen=True, slots=True)
class Part:
    """The workloads of one chunk, and the request for them."""

    chunk: Chunk
    asked: AdviceRequest


def advise_fleet(
    config: Config,
    asked: AdviceRequest,
    fleet: Fleet | None = None,
    progress: Progress | None = None,
) -> Advice:
    """`advise`, with chunks of workloads on the processes or the Dask cluster of `fleet`; the choices are the same.

    Parameters
    ----------
    config : Config
        The configuration; its orders are read once.
    asked : AdviceRequest
        When the choice is made, with a time zone, for which workloads, and on how many days.
    fleet : Fleet or None
        What workloads are replayed on. Default: every core. A single chunk is replayed in this process.
    progress : callable or None
        Called with how many parts are done, and of how many; of several chunks they are the parts. Default none.

    Returns
    -------
    Advice
        The choice for each workload, and the reason for each that cannot be replayed.

    Raises
    ------
    DataError
        The orders cannot be read.
    ClusterError
        The Dask cluster does not answer.
    """
    fleet, workloads = fleet or Fleet(), asked.of(config)
    if config.sales is None or (len(workloads) <= SIZE and fleet.cluster is None):
        orders = read_orders(config, asked.now, past=asked.past)
        return advise_on(config, orders, replace(asked, workloads=workloads), progress)
    wanted = config.model_copy(update={"workloads": workloads})
    with folder_of(None if fleet.shards is None else fleet.shards / FOLDER) as folder:
        size = NEXT_DAY if all(one.key in asked.known for one in workloads) else SIZE
        whole = Chunk(wanted, asked.now, wanted.settings_hash(), read_ahead(wanted), past=asked.past)
        chunks = chunks_of(whole, folder, deal(workloads, size))
        parts = [Part(chunk, _of(chunk, asked)) for chunk in chunks]
        answers = _answers(parts, fleet, progress)
    return _joined(answers, workloads)


def _of(chunk: Chunk, asked: AdviceRequest) -> AdviceRequest:
    """What is asked for the workloads of a chunk."""
    known = {one.key: asked.known[one.key] for one in chunk.config.workloads if one.key in asked.known}
    return replace(asked, workloads=None, known=known)


def work_on(part: Part) -> Advice:
    """Choose for the workloads of a part; what cannot be replayed is in its failures."""
    chunk = part.chunk
    if chunk.versions != installed():
        return _failed(part, f"expected a worker with {chunk.versions}, got {installed()}: results would differ")
    try:
        return advise_on(chunk.config, orders_of(chunk), part.asked)
    except DataError as error:
        return _failed(part, str(error))


def _failed(part: Part, reason: str) -> Advice:
    return Advice((), {one.key: reason for one in part.chunk.config.workloads})


def _answers(parts: Sequence[Part], fleet: Fleet, progress: Progress | None) -> list[Advice]:
    answers: list[Advice] = []
    for part, answer in spread(work_on, parts, fleet):
        if isinstance(answer, BaseException):
            said = " ".join(str(answer).split())
            answer = _failed(part, f"its chunk ended with {type(answer).__name__}: {said}")
        answers.append(answer)
        if progress is not None:
            progress(len(answers), len(parts))
    return answers


def _joined(answers: Sequence[Advice], asked: Sequence[Workload]) -> Advice:
    """One answer, in the order of the configuration."""
    found = {key: one for answer in answers for key, one in answer.policies.items()}
    failures = {key: reason for answer in answers for key, reason in answer.failures.items()}
    policies = {one.key: found[one.key] for one in asked if one.key in found}
    choices = tuple(one.choice for one in policies.values())
    return Advice(choices, {one.key: failures[one.key] for one in asked if one.key in failures}, policies)
