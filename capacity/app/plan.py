"""Plans one workload or a hundred thousand: reads the orders, plans in chunks, then fits plans to shared limits."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from capacity.app.collector import uncollected
from capacity.app.fleet import Fleet, spread
from capacity.app.reading import (
    audit_measured,
    load_orders,
    read_ahead,
    read_usages,
    rows_of,
    sales_of,
    with_usage_doubts,
)
from capacity.app.shards import (
    Shard,
    StepFiles,
    fingerprint,
    is_done,
    joined,
    read_shard,
    shard_path,
    write_shard,
    write_steps,
)
from capacity.files import write_text
from capacity.model import ConfigError, DataError, Workload
from capacity.model.configuration import Config
from capacity.model.fields import parse_time, rfc3339
from capacity.planning.orders import Histories, KnownAhead, OrderData, require_quality
from capacity.planning.pipeline import PlanInputs, plan_alone, share_supply
from capacity.planning.result import PlanResult, busiest, coming_hours, demand_ahead
from capacity.planning.sizing import advise_workloads
from capacity.quality import Audit
from capacity.sources.audit_history import audit_orders
from capacity.version import VERSION

LIBRARIES = ("numpy", "pandas", "duckdb", "scikit-learn", "statsmodels")  # whose versions may move a last digit
MOST_SAID = 5  # different reasons in one error: one line has no room for a thousand
Progress = Callable[[int, int], None]  # chunks done, of how many


@dataclass(frozen=True, slots=True)
class Chunk:
    """Everything that is needed to plan some of the workloads: `config` names only those.

    `sales` are in memory, or lie in files that a worker reads; `audit` is None where the audit is that of usage.
    `settings_hash` is the whole configuration's. `run` is what shards must agree on to belong together, `shard` where
    the answer goes.
    """

    config: Config
    now: datetime
    settings_hash: str
    ahead: KnownAhead
    sales: Histories | StepFiles = field(default_factory=dict)
    audit: Audit | None = None
    past: bool = False
    number: int = 0
    run: str = ""
    shard: Path = Path()
    versions: str = ""
    rows: Histories = field(default_factory=dict)

    def failed(self, reason: str) -> Shard:
        """The shard of a chunk of which no workload could be planned."""
        return Shard(self.number, None, {(one.namespace, one.name): reason for one in self.config.workloads})


def plan_fleet(
    config: Config, now: datetime, fleet: Fleet | None = None, progress: Progress | None = None, *, past: bool = False
) -> PlanResult:
    """Plan every workload of a configuration from its orders and its usage.

    Equal data, settings and versions give equal plans to the last bit, whatever plans them and however often the run
    was interrupted.

    Parameters
    ----------
    config : Config
        As `read_config` returns it.
    now : datetime
        When the plan is made, with a time zone; the age of the newest row is judged by it.
    fleet : Fleet or None
        What workloads are planned on, and what is kept. Default: every core, keeping nothing. A single chunk, and a
        plan from usage alone, is made in this process.
    progress : callable or None
        Called with how many chunks are done, and of how many. Default none.
    past : bool
        Whether `now` lies in the past: rows of orders and steps of usage from then on are left out, so that the plan
        is the one that would have been made then. Default no.

    Returns
    -------
    PlanResult
        The plan, the audit of its data, and the reason for each workload that could not be planned.

    Raises
    ------
    QualityRefusedError
        The data are too bad to plan from.
    DataError
        Nothing can be planned.
    ClusterError
        The Dask cluster does not answer.

    Examples
    --------
    >>> from datetime import UTC
    >>> from capacity.app.configuration import read_config
    >>> from capacity.sources.sample import sample_config
    >>> planned = plan_fleet(read_config(sample_config()), datetime(2011, 12, 2, 12, tzinfo=UTC), past=True)
    >>> planned.plan.origin.isoformat(), planned.plan.workload("shop", "web").peak.replicas
    ('2011-12-02T11:45:00+00:00', 10)
    """
    fleet, (settings, blocks) = fleet or Fleet(), config.fingerprints()
    dealt, whole = deal(config.workloads, fleet.size), Chunk(config, now, settings, read_ahead(config), past=past)
    if config.sales is None or (len(dealt) == 1 and fleet.shards is None):
        return share_supply(plan_chunk(_in_memory(whole)), config, blocks=blocks)
    with folder_of(fleet.shards) as folder:
        chunks = chunks_of(whole, folder, dealt, refuse=True)
        with uncollected():
            planned = _joined(_shards(chunks, fleet, progress or _silent), chunks, config)
            return share_supply(planned, config, blocks=blocks)


def plan_chunk(chunk: Chunk) -> PlanResult:
    """The plans of a chunk's workloads, each for itself: what they share is known when all of them are there.

    On one thread: more would add up in another order and differ in last digits.

    Raises `DataError` where none of them can be planned.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        orders = orders_of(chunk)
        planned = plan_alone(PlanInputs.of(chunk.config, orders, chunk.now, chunk.settings_hash))
        if any(one.volumes for one in chunk.config.workloads):
            from capacity.app.volumes import add_volumes

            planned = add_volumes(planned, chunk.config, orders, chunk.now, past=chunk.past)
        counts_replicas = chunk.config.usage is not None and chunk.config.usage.replicas is not None
        return replace(planned, advice=advise_workloads(orders.usages) if counts_replicas else {})


def orders_of(chunk: Chunk) -> OrderData:
    """What the chunk is planned from; usage lies with its workloads and is read with them."""
    config = chunk.config
    usages, unmeasured = read_usages(config, chunk.now, past=chunk.past)
    audit = audit_measured(usages, config) if chunk.audit is None else chunk.audit
    groups = {one.group for one in config.workloads}
    sales = chunk.sales
    histories = sales.histories(chunk.number, groups) if isinstance(sales, StepFiles) else sales
    rows = sales.rows(chunk.number, groups) if isinstance(sales, StepFiles) else chunk.rows
    audit = with_usage_doubts(audit, usages, histories, config)
    return OrderData(histories, audit, usages, unmeasured, chunk.ahead, rows)


def deal(workloads: tuple[Workload, ...], size: int) -> list[tuple[Workload, ...]]:
    """The workloads in chunks, those of one group side by side: its sales are then forecast once, or twice.

    What fits one chunk stays in its order.
    """
    if len(workloads) <= size:
        return [workloads]
    ordered = sorted(workloads, key=lambda one: (one.group or "", one.namespace, one.name))
    return [tuple(ordered[at : at + size]) for at in range(0, len(ordered), size)]


def _in_memory(whole: Chunk) -> Chunk:
    """A chunk of all workloads with their sales."""
    config, now = whole.config, whole.now
    if config.sales is None:
        return whole
    with load_orders(config, now, past=whole.past) as table:
        table.steps()  # a source without one good row has failed: that says more than its score
        audit = require_quality(audit_orders(table, config).at(now))
        groups = {one.group for one in config.workloads}
        return replace(whole, sales=sales_of(table, groups), rows=rows_of(table, groups), audit=audit)


def chunks_of(
    whole: Chunk, folder: Path, dealt: Sequence[tuple[Workload, ...]], *, refuse: bool = False
) -> list[Chunk]:
    """Read and judge the orders, and write the steps of each part of the workloads: its chunk reads them there.

    `whole`: all workloads, without sales. `refuse`: raise `QualityRefusedError` where the data are too bad to plan
    from.
    """
    from capacity.sources.usage import usage_fingerprint

    config, now, past = whole.config, whole.now, whole.past
    with load_orders(config, now, past=past) as table:
        table.steps()
        audit = audit_orders(table, config).at(now)
        audit = require_quality(audit) if refuse else audit
        usage = f"{usage_fingerprint(config, now)}{f' before {rfc3339(now)}' if past else ''}"
        size = len(dealt[0])
        run = _run(config, whole.settings_hash, f"{fingerprint(table)} in chunks of {size}", usage)
        _forget_others(folder, run)
        groups = [sorted({one.group for one in part if one.group is not None}) for part in dealt]
        steps = write_steps(table, folder / f"steps-{run}", groups)
    created = _created(folder, run, now)
    first = replace(whole, now=created, sales=steps, audit=audit, run=run, shard=folder, versions=installed())
    return [
        replace(
            first,
            number=number,
            config=config.model_copy(update={"workloads": part}),
            shard=shard_path(folder, number),
        )
        for number, part in enumerate(dealt)
    ]


def work_on(chunk: Chunk) -> Shard:
    """Plan a chunk and write its shard; what cannot be planned is in the shard's failures, never an exception."""
    with uncollected():
        shard = _planned(chunk)
        write_shard(shard, chunk.shard, chunk.run)
    return replace(shard, plan=None)  # it lies in its file; a report is small enough for any wire


def _planned(chunk: Chunk) -> Shard:
    if chunk.versions != installed():
        return chunk.failed(f"expected a worker with {chunk.versions}, got {installed()}: results would differ")
    try:
        planned = plan_chunk(chunk)
    except DataError as error:
        return chunk.failed(str(error))
    starts = coming_hours(chunk.now)
    found = (demand_ahead(one, starts) for one in busiest(planned.plan.workloads))
    ahead = tuple(one for one in found if one is not None)
    return Shard(chunk.number, planned.plan, planned.failures, planned.demand, ahead, planned.advice)


def installed() -> str:
    """The versions that results depend on, as one text."""
    return ", ".join([f"capacity {VERSION}", *(f"{name} {version(name)}" for name in LIBRARIES)])


def _run(config: Config, settings: str, data: str, usage: str) -> str:
    """What shards must agree on to belong together: settings, orders, usage, calendar and versions."""
    own = [one.events for one in config.calendar.groups.values()]
    files = [Path(name) for name in (config.calendar.events, config.calendar.columns, *own) if name is not None]
    calendar = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    facts = [settings, data, installed(), usage, *calendar]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _created(folder: Path, run: str, now: datetime) -> datetime:
    """When this run began: a run that goes on keeps its first time, so that its plan is the one it would have been."""
    record = folder / f"run-{run}.txt"
    try:
        return parse_time(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or one that was cut off when it was written
        write_text(record, rfc3339(now))
    return now


def _forget_others(folder: Path, run: str) -> None:
    """Remove what other runs left in the folder: their steps and their records; shards are overwritten."""
    for path in folder.glob("steps-*"):
        if path.name != f"steps-{run}":
            shutil.rmtree(path)
    for path in folder.glob("run-*.txt"):
        if path.name != f"run-{run}.txt":
            path.unlink()


def _shards(chunks: Sequence[Chunk], fleet: Fleet, progress: Progress) -> list[Shard]:
    """Every chunk's shard, in order: those of this run that are there already, and the others once they are made.

    Each is read while the next ones are made: read after all of them, they would keep one core waiting.
    """
    found = {chunk.number: _read(chunk) for chunk in chunks if is_done(chunk.shard, chunk.run)}
    undone = [chunk for chunk in chunks if chunk.number not in found]
    progress(len(found), len(chunks))
    for chunk, answer in spread(work_on, undone, fleet):
        found[chunk.number] = _made(chunk, answer)
        progress(len(found), len(chunks))
    return [found[chunk.number] for chunk in chunks]


def _made(chunk: Chunk, answer: Shard | BaseException) -> Shard:
    if not isinstance(answer, BaseException):
        return _read(chunk)
    said = " ".join(str(answer).split())
    return chunk.failed(f"its chunk ended with {type(answer).__name__}: {said}")


def _silent(done: int, total: int) -> None:
    """Show no progress."""
    del done, total


def _read(chunk: Chunk) -> Shard:
    shard = read_shard(chunk.shard, chunk.number, chunk.run)
    if shard is not None:
        return shard
    return chunk.failed(f"no shard {chunk.shard}: expected the workers to write it; do they see this folder?")


def _joined(shards: Sequence[Shard], chunks: Sequence[Chunk], config: Config) -> PlanResult:
    failures = {key: reason for shard in shards for key, reason in shard.failures.items()}
    order = [(one.namespace, one.name) for one in config.workloads]
    plan, audit = joined([shard.plan for shard in shards if shard.plan is not None], order), chunks[0].audit
    if plan is None or audit is None:
        raise DataError("; ".join(list(dict.fromkeys(failures.values()))[:MOST_SAID]))
    demand = tuple(one for shard in shards for one in shard.demand)
    ahead = tuple(one for shard in shards for one in shard.ahead)
    advice = {key: found for shard in shards for key, found in shard.advice.items()}
    known = {key: failures[key] for key in order if key in failures}
    return PlanResult(plan, audit, known, demand, ahead, {key: advice[key] for key in order if key in advice})


@contextmanager
def folder_of(asked: Path | None) -> Iterator[Path]:
    """The folder of steps and shards: the one asked for, kept; else one for this run alone."""
    if asked is None:
        with tempfile.TemporaryDirectory(prefix="capacity-") as name:
            yield Path(name)
        return
    try:
        asked.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--shards: {asked} cannot be made: {error}") from error
    yield asked.resolve()
