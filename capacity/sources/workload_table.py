"""Reads a table of workloads: one row each, with the keys of a workload as columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from capacity.model import ConfigError
from capacity.sources.sql import literal, one_line


def read_workload_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV or Parquet file as workloads; `load.cpu.base` is a key within keys, an empty cell is no key.

    Raises `ConfigError` where the file cannot be read.
    """
    reader = "read_parquet({})" if path.suffix in (".parquet", ".pq") else "read_csv({}, all_varchar = true)"
    try:
        with duckdb.connect() as database:
            answer = database.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {reader.format(literal(str(path)))}")
            names = [column for column, *_ in answer.description]
            rows = answer.fetchall()
    except duckdb.Error as error:
        raise ConfigError(f"workload_table: {path.name} cannot be read: {one_line(error)}") from error
    if not rows:
        raise ConfigError(f"workload_table: {path.name}: expected one workload a row, got none")
    keys = [name.split(".") for name in names]
    return [_nested(keys, row) for row in rows]


def _nested(keys: list[list[str]], row: tuple[str | None, ...]) -> dict[str, Any]:
    workload: dict[str, Any] = {}
    for (*outer, last), value in zip(keys, row, strict=True):
        if value is None or not value.strip():
            continue
        place = workload
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return workload
