"""What a run keeps on disk: steps of sales per chunk, and the shards of the plan."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from capacity.model import DataError, Plan, PlanError
from capacity.model.arrays import Array
from capacity.model.plan_file import read_plan, write_plan
from capacity.monitoring.metrics import Sample
from capacity.planning.pipeline import Histories
from capacity.sources.judging import UNIT
from capacity.sources.sql import literal, one_line
from capacity.sources.table import GOOD, OrderTable

TOTAL = "total.parquet"  # sales of all groups together, for workloads that name none


@dataclass(frozen=True, slots=True)
class Steps:
    """Where the steps lie, which steps there are (the same for every group), and what a step without rows means."""

    folder: Path
    index: pd.DatetimeIndex
    timezone: str
    measured: bool

    def histories(self, chunk: int, *, total: bool) -> Histories:
        """Sales per step of the groups of one chunk, in their order; with `total`, of all groups together as None.

        A step without rows is zero where rows are single orders, and a gap (NaN) in measurements.
        """
        with duckdb.connect() as database:
            database.execute("SET threads = 1")
            files = sorted((self.folder / f"chunk={chunk}").glob("*.parquet"))
            found: dict[str | None, pd.Series] = {}
            if total:
                found[None] = self._series(database, [self.folder / TOTAL]).popitem()[1]
            return found | self._series(database, files) if files else found

    def _series(self, database: duckdb.DuckDBPyConnection, files: list[Path]) -> dict[str | None, pd.Series]:
        names = ", ".join(literal(str(file)) for file in files)
        rows = f"read_parquet([{names}], hive_partitioning = false)"
        coded = f"SELECT grp, row_number() OVER (ORDER BY grp) - 1 AS code FROM (SELECT DISTINCT grp FROM {rows})"
        try:
            groups = [name for name, _ in database.execute(f"{coded} ORDER BY code").fetchall()]
            query = f"SELECT code, step_start, value FROM {rows} JOIN ({coded}) USING (grp)"
            found = database.execute(query).fetchnumpy()
        except duckdb.Error as error:
            raise DataError(f"{files[0].name}: steps cannot be read: {one_line(error)}") from error
        starts = self.index.as_unit("s").asi8
        seconds = int(starts[1] - starts[0]) if len(starts) > 1 else 1
        place = (np.asarray(found["step_start"]) - starts[0]) // seconds
        within = place < len(starts)  # the newest step may still be filling up
        table = np.full((len(groups), len(starts)), np.nan if self.measured else 0.0)
        table[np.asarray(found["code"])[within], place[within]] = np.asarray(found["value"])[within]
        return {group: self._named(row) for group, row in zip(groups, table, strict=True)}

    def _named(self, values: Array) -> pd.Series:
        series = pd.Series(values, self.index, name="sales")
        series.attrs["timezone"] = self.timezone
        return series


def fingerprint(table: OrderTable) -> str:
    """One text for all steps and values of a source, whatever the order: equal steps, equal text."""
    seen = table.database.execute(
        "SELECT count(*), bit_xor(hash(grp, step_start, value)), sum(CAST(hash(value, step_start, grp) AS HUGEINT)) "
        f"FROM counted WHERE {GOOD}"
    ).fetchone()
    return "-".join(map(str, seen or ()))


def write_steps(table: OrderTable, folder: Path, groups: Sequence[Sequence[str]]) -> Steps:
    """Write the steps of each chunk's groups, and of all groups together: whole, or not under this name."""
    steps = Steps(folder, table.steps(), table.timezone, table.is_measurement())
    if folder.is_dir():
        return steps
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        _write(table.database, part, groups)
        part.replace(folder)
    except (duckdb.Error, OSError) as error:
        raise DataError(f"{folder}: steps cannot be written: {one_line(error)}") from error
    return steps


def _write(database: duckdb.DuckDBPyConnection, folder: Path, groups: Sequence[Sequence[str]]) -> None:
    good = f"SELECT grp, step_start, value FROM counted WHERE {GOOD}"
    total = f"sum(CAST(value * {UNIT} AS HUGEINT)) / {UNIT}"  # exact in any order
    database.execute(
        f"COPY (SELECT '' AS grp, step_start, {total} AS value FROM ({good}) GROUP BY step_start) "
        f"TO {literal(str(folder / TOTAL))} (FORMAT parquet)"
    )
    pairs = [(group, number) for number, names in enumerate(groups) for group in names]
    if not pairs:
        return
    wanted = pd.DataFrame(pairs, columns=["grp", "chunk"])
    database.register("wanted", wanted)
    database.execute(
        f"COPY (SELECT chunk, good.* FROM ({good}) AS good JOIN wanted USING (grp)) "
        f"TO {literal(str(folder))} (FORMAT parquet, PARTITION_BY (chunk), OVERWRITE_OR_IGNORE)"
    )
    database.unregister("wanted")


Key = tuple[str, str]  # namespace and name of a workload
DONE = "capacity.shard/v2"


@dataclass(frozen=True, slots=True)
class Shard:
    """What became of one chunk: its part of the plan (None: nothing, or it lies in its file), and its failures.

    `demand` is that of the current step as metrics: a plan file holds floors, not the forecasts they come from.
    """

    number: int
    plan: Plan | None
    failures: dict[Key, str]
    demand: tuple[Sample, ...] = ()


def shard_path(folder: Path, number: int) -> Path:
    """Where the plan of a chunk lies: a plan file that `capacity apply --plan` takes as it is."""
    return folder / f"plan-{number:05}.json"


def write_shard(shard: Shard, path: Path, run: str) -> None:
    """Write a shard; the record that it is done comes last, so that half a shard is no shard."""
    done = _record(path)
    done.unlink(missing_ok=True)
    if shard.plan is None:
        path.unlink(missing_ok=True)
    else:
        write_plan(shard.plan, path)
    failures = [[*key, reason] for key, reason in shard.failures.items()]
    demand = [[sample.name, sample.value, sample.labels] for sample in shard.demand]
    record = {"schema": DONE, "run": run, "planned": shard.plan is not None, "failures": failures, "demand": demand}
    _write_whole(done, record)


def read_shard(path: Path, number: int, run: str) -> Shard | None:
    """A shard that is done and belongs to this run; None where there is none."""
    record = _read_record(_record(path))
    if record is None or record.get("schema") != DONE or record.get("run") != run:
        return None
    failures = {(namespace, name): reason for namespace, name, reason in record["failures"]}
    if not record["planned"]:
        return Shard(number, None, failures)
    try:
        return Shard(number, read_plan(path), failures, _demand(record))
    except PlanError:  # gone or cut short since: it is made again
        return None


def is_done(path: Path, run: str) -> bool:
    """Whether a shard of this run is there, without reading its plan."""
    record = _read_record(_record(path))
    return record is not None and record.get("run") == run and (path.exists() or not record["planned"])


def joined(plans: Sequence[Plan], order: Sequence[Key]) -> Plan | None:
    """One plan of all shards' plans, its workloads in the order of the configuration; None of no plan."""
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


def _demand(record: dict[str, Any]) -> tuple[Sample, ...]:
    return tuple(Sample(name, value, tuple(labels)) for name, value, labels in record["demand"])


def _record(path: Path) -> Path:
    return path.with_name(f"{path.stem.replace('plan', 'done')}.json")


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _write_whole(path: Path, document: dict[str, Any]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    Path(name).replace(path)
