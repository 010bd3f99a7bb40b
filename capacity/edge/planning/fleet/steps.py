"""Sales per step of many groups as Parquet, partitioned by chunk: written once, read where a chunk is worked on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from capacity.domain import DataError
from capacity.domain.arrays import Array
from capacity.edge.orders.judging import UNIT
from capacity.edge.orders.table import GOOD, OrderTable
from capacity.edge.sql import literal, one_line
from capacity.pipeline import Histories

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
