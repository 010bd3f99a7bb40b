"""The files of a run of many workloads: the steps of sales of each chunk, and the shards of the plan."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from capacity.app.reading import ALL_TOGETHER, GOOD_ROWS, StepIndex
from capacity.files import write_text
from capacity.model import DataError, Plan, PlanError
from capacity.model.forecast import CurrentDemand, DemandAhead
from capacity.model.plan_file import read_plan, write_plan
from capacity.planning.orders import Histories, Key
from capacity.planning.sizing import RequestAdvice
from capacity.sources.sql import GOOD, literal, one_line
from capacity.sources.table import OrderTable
from capacity.sources.within_step import parts_query, rows_in, together

TOTAL = "total.parquet"  # sales of all groups together, for workloads that name none
ROWS = "rows"  # the folder of rows within their steps, laid out as sales are


@dataclass(frozen=True, slots=True)
class StepFiles:
    """The folder with the steps of sales, which steps there are, and what a step without rows means."""

    folder: Path
    steps: StepIndex

    def histories(self, chunk: int, groups: Container[str | None]) -> Histories:
        """Sales per step of the groups of one chunk, in their order; where None is asked for, of all together too."""
        found: dict[str | None, pd.Series] = {}
        with duckdb.connect() as database:
            database.execute("SET threads = 1")
            if None in groups:
                found[None] = self.steps.sales(database, _parquet([self.folder / TOTAL])).popitem()[1]
            files = sorted((self.folder / f"chunk={chunk}").glob("*.parquet"))
            named = self.steps.sales(database, _parquet(files)) if files else {}
        return found | {group: sales for group, sales in named.items() if group in groups}

    def rows(self, chunk: int, groups: Container[str | None]) -> Histories:
        """Rows in each part of the last steps of these groups; empty where none were told apart."""
        folder, found = self.folder / ROWS, dict[str | None, pd.Series]()
        if not folder.is_dir() or len(self.steps.index) < 2:
            return found
        step = (self.steps.index[1] - self.steps.index[0]).to_pytimedelta()
        with duckdb.connect() as database:
            database.execute("SET threads = 1")
            if None in groups:
                found[None] = rows_in(database, f"SELECT * FROM {_parquet([folder / TOTAL])}", step).popitem()[1]
            files = sorted((folder / f"chunk={chunk}").glob("*.parquet"))
            named = rows_in(database, f"SELECT * FROM {_parquet(files)}", step) if files else {}
        return found | {group: rows for group, rows in named.items() if group in groups}


def _parquet(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], hive_partitioning = false)"


def fingerprint(table: OrderTable) -> str:
    """A hash of all steps and values of a source: equal steps give an equal text, in any order."""
    seen = table.database.execute(
        "SELECT count(*), bit_xor(hash(grp, step_start, value)), sum(CAST(hash(value, step_start, grp) AS HUGEINT)) "
        f"FROM counted WHERE {GOOD}"
    ).fetchone()
    return "-".join(map(str, seen or ()))


def write_steps(table: OrderTable, folder: Path, groups: Sequence[Sequence[str]]) -> StepFiles:
    """Write the steps of each chunk's groups, and of all groups together: whole, or not under this name."""
    steps = StepFiles(folder, StepIndex.of(table))
    if folder.is_dir():
        return steps
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        _write(table.database, part, groups, ALL_TOGETHER, GOOD_ROWS)
        rows = None if steps.steps.measured else parts_query(table.database, GOOD, table.settings.step)
        if rows is not None:
            (part / ROWS).mkdir()
            _write(table.database, part / ROWS, groups, f"({together(rows)})", f"({rows})")
        for file in part.rglob("*.parquet"):
            with file.open("rb") as written:
                os.fsync(written.fileno())
        part.replace(folder)
    except (duckdb.Error, OSError) as error:
        raise DataError(f"{folder}: steps cannot be written: {one_line(error)}") from error
    return steps


def _write(
    database: duckdb.DuckDBPyConnection, folder: Path, groups: Sequence[Sequence[str]], total: str, each: str
) -> None:
    """Write what belongs to all groups together, and to each of them, by the chunk that it is planned in."""
    database.execute(f"COPY {total} TO {literal(str(folder / TOTAL))} (FORMAT parquet)")
    pairs = [(group, number) for number, names in enumerate(groups) for group in names]
    if not pairs:
        return
    wanted = pd.DataFrame(pairs, columns=["grp", "chunk"])
    database.register("wanted", wanted)
    database.execute(
        f"COPY (SELECT chunk, good.* FROM {each} AS good JOIN wanted USING (grp)) "
        f"TO {literal(str(folder))} (FORMAT parquet, PARTITION_BY (chunk), OVERWRITE_OR_IGNORE)"
    )
    database.unregister("wanted")


DONE = "capacity.shard/v4"


@dataclass(frozen=True, slots=True)
class Shard:
    """The result of one chunk: its part of the plan (None: no plan, or it is in its file), and its failures.

    `demand`, `ahead` and `advice` are those of `PlanResult`: a plan file holds floors, not what they come from.
    """

    number: int
    plan: Plan | None
    failures: Mapping[Key, str]
    demand: tuple[CurrentDemand, ...] = ()
    ahead: tuple[DemandAhead, ...] = ()
    advice: Mapping[Key, RequestAdvice | DataError] = field(default_factory=dict)


def shard_path(folder: Path, number: int) -> Path:
    """The plan file of a chunk; `capacity apply --plan` accepts it as it is."""
    return folder / f"plan-{number:05}.json"


def write_shard(shard: Shard, path: Path, run: str) -> None:
    """Write a shard. The record that it is complete comes last, so that half a shard does not count."""
    done = _record(path)
    done.unlink(missing_ok=True)
    if shard.plan is None:
        path.unlink(missing_ok=True)
    else:
        write_plan(shard.plan, path)
    record = {
        "schema": DONE,
        "run": run,
        "planned": shard.plan is not None,
        "failures": [[*key, reason] for key, reason in shard.failures.items()],
        "demand": [
            {"namespace": one.namespace, "name": one.name, "cpu": one.cpu, "memory": one.memory} for one in shard.demand
        ],
        "ahead": [
            {"namespace": one.namespace, "name": one.name, "levels": one.levels, "need": one.need}
            for one in shard.ahead
        ],
        "advice": [[*key, _advice_document(found)] for key, found in shard.advice.items()],
    }
    write_text(done, json.dumps(record))


def read_shard(path: Path, number: int, run: str) -> Shard | None:
    """A complete shard of this run; None if there is none."""
    record = _done(path, run)
    if record is None:
        return None
    failures = {(namespace, name): reason for namespace, name, reason in record["failures"]}
    if not record["planned"]:
        return Shard(number, None, failures)
    advice = {(namespace, name): _advice(found) for namespace, name, found in record["advice"]}
    try:
        demand, ahead = tuple(map(_demand, record["demand"])), tuple(map(_ahead, record["ahead"]))
        return Shard(number, read_plan(path), failures, demand, ahead, advice)
    except PlanError:  # gone or cut short since
        return None


def is_done(path: Path, run: str) -> bool:
    """Whether there is a complete shard of this run, without reading its plan."""
    record = _done(path, run)
    return record is not None and (path.exists() or not record["planned"])


def joined(plans: Sequence[Plan], order: Sequence[Key]) -> Plan | None:
    """The plans of all shards as one plan, workloads in the order of the configuration; None if there are none."""
    if not plans:
        return None
    place = {key: number for number, key in enumerate(order)}
    workloads = sorted(
        (one for plan in plans for one in plan.workloads), key=lambda one: place[one.namespace, one.name]
    )
    return replace(
        plans[0],
        origin=min(plan.origin for plan in plans),
        valid_until=min(plan.valid_until for plan in plans),
        workloads=tuple(workloads),
    )


def _demand(record: dict[str, Any]) -> CurrentDemand:
    cpu, memory = (tuple((level, value) for level, value in record[name]) for name in ("cpu", "memory"))
    return CurrentDemand(record["namespace"], record["name"], cpu, memory)


def _ahead(record: dict[str, Any]) -> DemandAhead:
    levels = tuple((level, tuple(cores), tuple(memory)) for level, cores, memory in record["levels"])
    return DemandAhead(record["namespace"], record["name"], levels, tuple(record["need"]))


def _advice_document(found: RequestAdvice | DataError) -> dict[str, Any]:
    return {"error": str(found)} if isinstance(found, DataError) else asdict(found)


def _advice(record: dict[str, Any]) -> RequestAdvice | DataError:
    return DataError(record["error"]) if "error" in record else RequestAdvice(**record)


def _done(path: Path, run: str) -> dict[str, Any] | None:
    """The record that a shard of this run is complete; None if there is none, or only part of one."""
    record = _read_record(_record(path))
    return record if record is not None and record.get("schema") == DONE and record.get("run") == run else None


def _record(path: Path) -> Path:
    return path.with_name(f"{path.stem.replace('plan', 'done')}.json")


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
