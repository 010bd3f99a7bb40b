"""A chunk: a few hundred workloads that one process plans on its own, from their steps to a shard of the plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from capacity.audit import Audit
from capacity.domain import DataError, Workload
from capacity.edge.config import Config
from capacity.edge.planning.fleet.shards import Shard, write_shard
from capacity.edge.planning.fleet.steps import Steps
from capacity.edge.planning.planner import Ahead, Basis, Orders, Planned, plan_alone
from capacity.edge.telemetry.samples import demand_samples
from capacity.edge.usage import known_usage
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


def plan_chunk(chunk: Chunk) -> Planned:
    """The plans of a chunk's workloads, each for itself: what they share is known when all of them are there.

    On one thread: more would add up in another order and differ in last digits.

    Raises `DataError` where none of them can be planned.
    """
    from threadpoolctl import threadpool_limits

    groups = {one.group for one in chunk.config.workloads}
    with threadpool_limits(1):
        histories = chunk.steps.histories(chunk.number, total=None in groups)
        known = {group: histories[group] for group in histories if group in groups}
        orders = Orders(known, chunk.audit, *known_usage(chunk.config, chunk.now), chunk.ahead)
        return plan_alone(Basis.of(chunk.config, orders, chunk.now, chunk.settings_hash))


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
