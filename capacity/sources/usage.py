"""Usage in: what workloads used, from wherever it is known, as one table per workload."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from pydantic import ValidationError

from capacity.model import ConfigError, DataError, Workload
from capacity.model.configuration import Config, describe
from capacity.model.settings import UsageSettings
from capacity.model.settings.usage import DAY, FINEST
from capacity.sources.sql import literal, one_line, quote

Key = tuple[str, str]
EVERYTHING = ""  # what rows without a workload's name are called inside
RESOURCES = ("cpu", "memory", "requests", "replicas")
TWICE = "SELECT called, moment, count(*) FROM measured GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"


def usage_of(config: Config) -> dict[Key, pd.DataFrame]:
    """Usage of the configured workloads, from the file under `usage:`; empty where none is configured.

    Each table has a regular UTC index and columns among cpu (cores), memory (bytes), requests (per second), NaN for
    gaps. A workload that the file does not know has no table. Raises `DataError` where the file cannot be read.
    """
    if config.usage is None:
        return {}
    workloads = config.workloads
    names = [one for workload in workloads for one in (f"{workload.namespace}/{workload.name}", workload.name)]
    return _by_workload(_read(config.usage, names), workloads, config.usage)


def known_usage(config: Config, now: datetime) -> tuple[dict[Key, pd.DataFrame], dict[Key, str]]:
    """Usage of the configured workloads, from their file, else from Prometheus, and why a workload has none.

    Raises `DataError` where the file cannot be read or Prometheus does not answer: absent is not zero.
    """
    if config.usage is not None or config.prometheus is None:
        return usage_of(config), {}
    from capacity.sources.prometheus.usage import read_usages

    settings = config.prometheus
    found = read_usages(settings, config.measured(), now - settings.history, now, now=now)
    tables = {
        key: table.dropna(axis="columns", how="all") for key, table in found.items() if isinstance(table, pd.DataFrame)
    }
    return tables, {key: str(error) for key, error in found.items() if isinstance(error, DataError)}


def usage_fingerprint(config: Config, now: datetime) -> str:
    """One text for all that usage says: of files their content, of Prometheus the hour; empty without usage.

    What Prometheus measures grows all the time: what was learned from it stands for an hour, then it is asked again.
    """
    if config.usage is None:
        return "" if config.prometheus is None else f"Prometheus in {now.astimezone(UTC):%Y-%m-%dT%H}"
    source = Path(config.usage.source)
    files = sorted(source.parent.glob(source.name)) if "*" in source.name else [source]
    return "-".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file())


def read_usage(source: str | Path, *, time: str, **columns: Any) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Usage per step from a CSV or Parquet file, or a glob of them: cpu (cores), memory (bytes), requests (per second).

    `columns` are the keys of `usage:` in capacity.yaml (`cpu`, `memory`, `requests`, `workload`, `timezone`, `step`).
    Rows are the whole workload's and are averaged over each step; a step without rows is a gap (NaN), never zero, and
    so is a value that is negative or no number. Returns a table, regular in UTC; with `workload` one per name.

    Raises `DataError` where the file cannot be read, `ConfigError` where a key is wrong.
    """
    try:
        settings = UsageSettings.model_validate({"source": str(source), "time": time, **columns})
    except ValidationError as error:
        raise ConfigError(describe(error)) from error
    tables = _read(settings)
    return tables if settings.workload else tables[EVERYTHING]


def _by_workload(
    tables: dict[str, pd.DataFrame], workloads: Sequence[Workload], settings: UsageSettings
) -> dict[Key, pd.DataFrame]:
    """Tables by namespace and name; a bare name is enough where only one workload has it."""
    if settings.workload is None:
        if len(workloads) != 1:
            raise ConfigError(f"usage.workload: {len(workloads)} workloads need a column that tells their rows apart")
        return {workloads[0].key: tables[EVERYTHING]}
    names = [workload.name for workload in workloads]
    found: dict[Key, pd.DataFrame] = {}
    for workload in workloads:
        called = [f"{workload.namespace}/{workload.name}"]
        called += [workload.name] if names.count(workload.name) == 1 else []
        table = next((tables[one] for one in called if one in tables), None)
        if table is not None:
            found[workload.key] = table
    return found


def _read(settings: UsageSettings, names: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """One regular table per workload's name; of these names alone, where some are given."""
    name = Path(settings.source).name
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        kinds = _load(database, settings, name)
        _measure(database, settings, kinds, names)
        if not database.execute("SELECT count(*) FROM measured").fetchall()[0][0]:
            return {}
        step = settings.step or _native_step(database, name)
        frame = database.execute(_steps_query(step)).df()
    return {str(called): _regular(rows, settings, step) for called, rows in frame.groupby("called", sort=True)}


def _load(database: duckdb.DuckDBPyConnection, settings: UsageSettings, name: str) -> dict[str, str]:
    """The file as the view `rows`; returns the kind of each column."""
    parquet = settings.source.removesuffix("*").endswith((".parquet", ".pq"))
    source = f"read_{'parquet' if parquet else 'csv'}({literal(settings.source)})"
    try:
        database.execute(f"CREATE VIEW rows AS FROM {source}")
        kinds = {column: kind for column, kind, *_ in database.execute("DESCRIBE rows").fetchall()}
    except duckdb.Error as error:
        raise DataError(f"{name}: usage cannot be read: {one_line(error)}") from error
    asked = {"time": settings.time, **settings.columns} | ({"workload": settings.workload} if settings.workload else {})
    for key, column in asked.items():
        if column not in kinds:
            raise DataError(f"{name}: no column {column!r} (usage.{key}); its columns: {', '.join(kinds)}")
    return kinds


def _measure(
    database: duckdb.DuckDBPyConnection, settings: UsageSettings, kinds: dict[str, str], names: Sequence[str]
) -> None:
    """The table `measured`: called, moment (seconds since 1970) and the resources, NULL for what is no measurement."""
    name, moment = Path(settings.source).name, _moment(settings, kinds[settings.time])
    try:
        database.execute(_measured_query(settings, moment, names))
        readable = database.execute(f"SELECT count(*) FROM rows WHERE {moment} IS NOT NULL").fetchone()
        repeated = database.execute(TWICE).fetchone()
    except duckdb.Error as error:
        raise DataError(f"{name}: usage cannot be read: {one_line(error)}") from error
    if readable == (0,):
        raise DataError(f"{name}: expected rows with a readable time in {settings.time!r}, got none")
    if repeated is not None:
        raise DataError(f"{name}: {_said_twice(*repeated)}")


def _measured_query(settings: UsageSettings, moment: str, names: Sequence[str]) -> str:
    called = f"trim(CAST({quote(settings.workload)} AS VARCHAR))" if settings.workload else f"{literal(EVERYTHING)}"
    values = [f"{_number(settings.columns.get(resource))} AS {resource}" for resource in RESOURCES]
    return (
        f"CREATE TABLE measured AS SELECT {called} AS called, epoch({moment}) AS moment, {', '.join(values)} FROM rows "
        f"WHERE {moment} IS NOT NULL AND {_asked(settings, called, names)}"
    )


def _said_twice(who: str, when: float, count: int) -> str:
    return (
        f"expected one row per workload and time, got {count} of {who or 'it'} at "
        f"{pd.Timestamp(when, unit='s', tz='UTC'):%Y-%m-%dT%H:%M:%SZ}: sum up the pods, or name the column in "
        "usage.workload"
    )


def _asked(settings: UsageSettings, called: str, names: Sequence[str]) -> str:
    """Which rows are asked for: those with a name, among `names` where some are given."""
    if settings.workload is None or not names:
        return f"{called} IS NOT NULL"
    return f"{called} IN ({', '.join(map(literal, names))})"


def _number(column: str | None) -> str:
    """A column as a number; NULL where it is none, negative or infinite."""
    if column is None:
        return "CAST(NULL AS DOUBLE)"
    number = f"TRY_CAST({quote(column)} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) AND {number} >= 0 THEN {number} END"


def _moment(settings: UsageSettings, kind: str) -> str:
    """The time column as an instant, NULL where it is none; plain numbers are seconds since 1970."""
    column, zone = quote(settings.time), literal(settings.timezone or "UTC")
    if kind.startswith("TIMESTAMP WITH TIME ZONE"):
        return column
    if settings.time_format is not None:
        return f"timezone({zone}, try_strptime(CAST({column} AS VARCHAR), {literal(settings.time_format)}))"
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"timezone({zone}, CAST({column} AS TIMESTAMP))"
    if kind == "VARCHAR":
        return f"timezone({zone}, TRY_CAST({column} AS TIMESTAMP))"
    return f"to_timestamp(CAST({column} AS DOUBLE))"


def _native_step(database: duckdb.DuckDBPyConnection, name: str) -> timedelta:
    """The usual distance of two rows, up to whole parts of a day and to five minutes."""
    gaps = "SELECT moment - lag(moment) OVER (PARTITION BY called ORDER BY moment) AS gap FROM measured"
    row = database.execute(f"SELECT median(gap) FROM ({gaps})").fetchone()
    if row is None or row[0] is None:
        raise DataError(f"{name}: expected at least two measurements of a workload, got one")
    usual = max(timedelta(seconds=round(float(row[0]))), FINEST)
    if usual >= DAY:
        return DAY
    return next(step for minutes in range(1, 1441) if not DAY % (step := timedelta(minutes=minutes)) and step >= usual)


def _steps_query(step: timedelta) -> str:
    seconds = int(step.total_seconds())
    means = ", ".join(f"avg({resource}) AS {resource}" for resource in RESOURCES)
    return (
        f"SELECT called, CAST(floor(moment / {seconds}) * {seconds} AS BIGINT) AS step_start, {means} FROM measured "
        "GROUP BY ALL ORDER BY ALL"
    )


def _regular(rows: pd.DataFrame, settings: UsageSettings, step: timedelta) -> pd.DataFrame:
    index = pd.to_datetime(rows["step_start"], unit="s", utc=True)
    table = rows[list(settings.columns)].astype(float).set_axis(pd.DatetimeIndex(index), axis=0)
    steps = pd.date_range(table.index[0], table.index[-1], freq=pd.Timedelta(step))
    return table.reindex(steps).rename_axis(index=None, columns=None)
