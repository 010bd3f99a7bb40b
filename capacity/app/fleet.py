"""The pipeline over many workloads: chunks in processes of this machine, or on Dask; one workload is one chunk."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from capacity.app.shards import (
    Shard,
    Steps,
    fingerprint,
    is_done,
    joined,
    read_shard,
    shard_path,
    write_shard,
    write_steps,
)
from capacity.app.workers import cores, in_processes, on_cluster
from capacity.model import ConfigError, DataError, Workload
from capacity.model.configuration import Config
from capacity.model.plan_file import parse_time, rfc3339
from capacity.monitoring.samples import demand_samples
from capacity.planning.planner import (
    Ahead,
    OrderData,
    PlanInputs,
    PlanResult,
    make_plan,
    plan_alone,
    read_orders,
    require_quality,
    share_supply,
)
from capacity.quality import Audit
from capacity.sources.audit_history import audit_orders
from capacity.sources.table import OrderTable
from capacity.sources.usage import known_usage, usage_fingerprint
from capacity.version import VERSION

SIZE = 250  # workloads: their arrays stay in some hundred MB, and a lost chunk is a few seconds of work
LIBRARIES = ("numpy", "pandas", "duckdb", "scikit-learn", "statsmodels")  # whose versions may move a last digit


@dataclass(frozen=True, slots=True)
class Chunk:
    """Everything that one process needs to plan some of the workloads: `config` names only those.

    `settings_hash` is the whole configuration's; `run` is what shards must agree on to belong together; `shard` is
    where the answer goes, None to keep it in memory.
    """

    number: int
    config: Config
    steps: Steps
    audit: Audit
    now: datetime
    settings_hash: str
    ahead: Ahead
    run: str = ""
    shard: Path | None = None
    versions: str = ""

    def failed(self, reason: str) -> Shard:
        """The shard of a chunk that came to nothing as a whole."""
        return Shard(self.number, None, {(one.namespace, one.name): reason for one in self.config.workloads})


def deal(workloads: tuple[Workload, ...], size: int = SIZE) -> list[tuple[Workload, ...]]:
    """The workloads in chunks, those of one group side by side: its sales are then forecast once, or twice.

    What fits one chunk stays in its order.
    """
    if len(workloads) <= size:
        return [workloads]
    ordered = sorted(workloads, key=lambda one: (one.group or "", one.namespace, one.name))
    return [tuple(ordered[at : at + size]) for at in range(0, len(ordered), size)]


def plan_chunk(chunk: Chunk) -> PlanResult:
    """The plans of a chunk's workloads, each for itself: what they share is known when all of them are there.

    On one thread: more would add up in another order and differ in last digits.

    Raises `DataError` where none of them can be planned.
    """
    from threadpoolctl import threadpool_limits

    groups = {one.group for one in chunk.config.workloads}
    with threadpool_limits(1):
        histories = chunk.steps.histories(chunk.number, total=None in groups)
        known = {group: histories[group] for group in histories if group in groups}
        orders = OrderData(known, chunk.audit, *known_usage(chunk.config, chunk.now), chunk.ahead)
        return plan_alone(PlanInputs.of(chunk.config, orders, chunk.now, chunk.settings_hash))


def work_on(chunk: Chunk) -> Shard:
    """Plan a chunk and write its shard; what cannot be planned is in the shard's failures, never an exception."""
    if chunk.versions != installed():
        shard = chunk.failed(f"expected a worker with {chunk.versions}, got {installed()}: results would differ")
    else:
        try:
            planned = plan_chunk(chunk)
            demand = tuple(demand_samples(planned.plan.workloads, chunk.now))
            shard = Shard(chunk.number, planned.plan, planned.failures, demand)
        except DataError as error:
            shard = chunk.failed(str(error))
    if chunk.shard is None:
        return shard
    write_shard(shard, chunk.shard, chunk.run)
    return replace(shard, plan=None)  # it lies in its file; a report is small enough for any wire


def installed() -> str:
    """The versions that results depend on, as one text."""
    return ", ".join([f"capacity {VERSION}", *(f"{name} {version(name)}" for name in LIBRARIES)])


Progress = Callable[[int, int], None]  # chunks done, of how many
MOST_SAID = 5  # different reasons in one error: one line has no room for a thousand


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many workloads are planned: on `workers` processes of this machine, or on the Dask `cluster` at an address.

    `shards` is the folder that keeps steps and shards, so that a run that was cut off goes on where it stopped; None
    keeps nothing. On a cluster it must be a folder that every worker sees under the same path. `size` is how many
    workloads are a chunk: series of one chunk are forecast in one array, so that it belongs to the settings of a run.
    """

    workers: int | None = None
    cluster: str | None = None
    shards: Path | None = None
    size: int = SIZE

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers: expected 1 or more, got {self.workers}")
        if self.cluster is not None and self.shards is None:
            raise ConfigError("--cluster needs --shards DIR: a folder that every worker sees under the same path")
        if self.cluster is not None and self.workers is not None:
            raise ConfigError("expected --workers (processes here) or --cluster, got both")


def plan_fleet(config: Config, now: datetime, fleet: Fleet, progress: Progress | None = None) -> PlanResult:
    """The plan of every workload. Raises `QualityRefusedError` on bad data, `DataError` if nothing can be planned.

    Equal data, settings and versions give equal plans to the last bit, whatever plans them and however often it was
    cut off; only a single chunk is planned in this process.
    """
    if config.sales is None:  # usage lies with its workload: there are no steps of orders to deal out
        return make_plan(PlanInputs.of(config, read_orders(config), now))
    with _folder(fleet.shards) as folder:
        chunks, audit = _chunks(config, now, folder, fleet.size)
        if len(chunks) == 1 and fleet.shards is None:
            return share_supply(plan_chunk(chunks[0]), config)
        shards = _shards(chunks, fleet, progress or _silent)
        return share_supply(_planned(shards, config, audit), config)


def _chunks(config: Config, now: datetime, folder: Path, size: int) -> tuple[list[Chunk], Audit]:
    """Read and judge the orders, write their steps, and cut the workloads into chunks."""
    dealt, settings = deal(config.workloads, size), config.settings_hash()
    with OrderTable.load(config.orders(), config.timezone, now) as table:
        table.steps()  # a source without one good row has failed: that says more than its score
        audit = require_quality(audit_orders(table, config).at(now))
        run = _run(config, settings, f"{fingerprint(table)} in chunks of {size}", usage_fingerprint(config, now))
        _forget_others(folder, run)
        groups = [sorted({one.group for one in part if one.group is not None}) for part in dealt]
        steps = write_steps(table, folder / f"steps-{run}", groups)
    created, ahead = _created(folder, run, now), Ahead.read(config)
    first = Chunk(0, config, steps, audit, created, settings, ahead, run, folder, installed())
    return [
        replace(
            first,
            number=number,
            config=config.model_copy(update={"workloads": part}),
            shard=shard_path(folder, number),
        )
        for number, part in enumerate(dealt)
    ], audit


def _run(config: Config, settings: str, data: str, usage: str) -> str:
    """What shards must agree on to belong together: settings, orders, usage, calendar and versions."""
    files = [Path(name) for name in (config.calendar.events, config.calendar.columns) if name is not None]
    calendar = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    facts = [settings, data, installed(), usage, *calendar]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _created(folder: Path, run: str, now: datetime) -> datetime:
    """When this run began: a run that goes on keeps its first time, so that its plan is the one it would have been."""
    record = folder / f"run-{run}.txt"
    if not record.exists():
        record.write_text(rfc3339(now), encoding="utf-8")
    return parse_time(record.read_text(encoding="utf-8"))


def _forget_others(folder: Path, run: str) -> None:
    """Remove what other runs left in the folder: their steps and their records; shards are overwritten."""
    for path in folder.glob("steps-*"):
        if path.name != f"steps-{run}":
            shutil.rmtree(path)
    for path in folder.glob("run-*.txt"):
        if path.name != f"run-{run}.txt":
            path.unlink()


def _shards(chunks: Sequence[Chunk], fleet: Fleet, progress: Progress) -> list[Shard]:
    """Every chunk's shard, in order: those of this run that are there already, and the others once they are made."""
    undone = [chunk for chunk in chunks if not is_done(_place(chunk), chunk.run)]
    done = len(chunks) - len(undone)
    lost: dict[int, Shard] = {}
    progress(done, len(chunks))
    for chunk, answer in _worked_on(undone, fleet):
        if isinstance(answer, BaseException):
            said = " ".join(str(answer).split())
            lost[chunk.number] = chunk.failed(f"its chunk ended with {type(answer).__name__}: {said}")
        done += 1
        progress(done, len(chunks))
    return [lost.get(chunk.number) or _read(chunk) for chunk in chunks]


def _worked_on(chunks: Sequence[Chunk], fleet: Fleet) -> Iterator[tuple[Chunk, Shard | BaseException]]:
    if not chunks:
        return iter(())
    if fleet.cluster is not None:
        return on_cluster(fleet.cluster, work_on, chunks)
    workers = min(fleet.workers or cores(), len(chunks))
    return in_processes(work_on, chunks, workers)


def _silent(done: int, total: int) -> None:
    """Nobody looks."""
    del done, total


def _place(chunk: Chunk) -> Path:
    if chunk.shard is None:
        raise AssertionError("a chunk of many has a place for its shard")
    return chunk.shard


def _read(chunk: Chunk) -> Shard:
    shard = read_shard(_place(chunk), chunk.number, chunk.run)
    if shard is not None:
        return shard
    return chunk.failed(f"no shard {_place(chunk)}: expected the workers to write it; do they see this folder?")


def _planned(shards: Sequence[Shard], config: Config, audit: Audit) -> PlanResult:
    failures = {key: reason for shard in shards for key, reason in shard.failures.items()}
    order = [(one.namespace, one.name) for one in config.workloads]
    plan = joined([shard.plan for shard in shards if shard.plan is not None], order)
    if plan is None:
        raise DataError("; ".join(list(dict.fromkeys(failures.values()))[:MOST_SAID]))
    demand = tuple(sample for shard in shards for sample in shard.demand)
    return PlanResult(plan, audit, {key: failures[key] for key in order if key in failures}, demand)


@contextmanager
def _folder(asked: Path | None) -> Iterator[Path]:
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
