"""Reads what workloads used, from a file or from Prometheus, as one table per workload."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from pydantic import ValidationError

from capacity.logs import LOGGER
from capacity.model import ConfigError, DataError, Workload
from capacity.model.configuration import Config, describe
from capacity.model.settings import UsageSettings
from capacity.model.settings.usage import DAY, FINEST, VolumeUsageSettings
from capacity.quality.usage import MANY_GAPS, unbelievable, zero_by_fault
from capacity.quality.usage_units import FEW_BYTES, doubtful_usage, unit_in_name, unlikely_units
from capacity.series.calendar import folds
from capacity.sources.columns import Kept, Marks, NumberColumn, amount_form
from capacity.sources.plausibility import AHEAD, implausible_text, plausible_range
from capacity.sources.rows import Wanted, load_rows, open_database
from capacity.sources.sql import literal, one_line, quote
from capacity.sources.time_columns import TimeColumn, time_form

Key = tuple[str, str]
Measurements = UsageSettings | VolumeUsageSettings
MOST_NAMES = 10_000  # names of a file among which those of workloads are looked for
MOST_MISSING = 20  # workloads without rows of which something is said
POD = r"[0-9]{1,3}|(?:[bcdf-hj-np-tv-xz2456789]{6,10}-)?[bcdf-hj-np-tv-xz2456789]{5}"  # how Kubernetes ends names
EVERYTHING = ""  # what rows without a workload's name are called inside
UNITS = {  # Kubernetes' suffixes, as `kubectl top` writes them
    **dict(zip("numkMGTP", (1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e12, 1e15), strict=True)),
    **{f"{sign}i": 1024.0**power for power, sign in enumerate("KMGTP", start=1)},
    "µ": 1e-6,
}
RATES = {"K": 1e3, "Mil": 1e6, "Bil": 1e9, **dict.fromkeys(("req/s", "reqps", "rps", "ops/s", "ops"), 1.0)}
BYTES = {  # as Grafana writes them
    "B": 1.0,
    "KB": 1e3,
    **{f"{sign}B": 1000.0**power for power, sign in enumerate("kMGTP", start=1)},
    **{f"{sign}iB": 1024.0**power for power, sign in enumerate("KMGTP", start=1)},
}
OWN_UNITS = {
    "cpu": {"core": 1.0, "cores": 1.0},
    "requests": RATES,
    **dict.fromkeys(("memory", "used", "capacity"), BYTES),
}
BYTE_COLUMNS = ("memory", "used", "capacity", "size")
NO_VALUE = ("", "nan", "inf", "infinity", "null", "none", "na", "n/a")  # how exports write that nothing was measured
FEW_UNREADABLE = 0.05  # share of rows whose time cannot be read, up to which they are left out
QUANTITY = r"^\s*([0-9][0-9.,'\s]*?)\s*({})\s*$"
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
    return _by_workload(read_measurements(config.usage, names), workloads, config.usage)


def known_usage(config: Config, now: datetime) -> tuple[dict[Key, pd.DataFrame], dict[Key, str]]:
    """Usage of the configured workloads, from their file, else from Prometheus, and why a workload has none.

    Raises `DataError` where the file cannot be read or Prometheus does not answer: absent is not zero.
    """
    if config.usage is not None or config.prometheus is None:
        return _until(usage_of(config), now), {}
    from capacity.sources.prometheus.usage import read_usages

    settings = config.prometheus
    found = read_usages(settings, config.measured(), now - settings.history, now, now=now)
    tables = {
        key: table.dropna(axis="columns", how="all") for key, table in found.items() if isinstance(table, pd.DataFrame)
    }
    tables = without_faults(_until(tables, now), "Prometheus")
    return tables, {key: str(error) for key, error in found.items() if isinstance(error, DataError)}


def _until(tables: dict[Key, pd.DataFrame], now: datetime) -> dict[Key, pd.DataFrame]:
    """The tables without steps that are more than a day ahead of the clock, which nobody can have measured."""
    end = now + AHEAD
    ahead = [key for key, table in tables.items() if len(table) and table.index[-1] > end]
    if ahead:
        last = tables[ahead[0]].index[-1]
        LOGGER.warning(
            "usage%s: expected steps up to now, got some up to %s: left out", _of(ahead[0]), f"{last:%Y-%m-%dT%H:%MZ}"
        )
    return {key: table.loc[table.index <= end] if key in ahead else table for key, table in tables.items()}


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
    r"""Read what workloads used, per step, from files. Rows are those of the whole workload, not of a pod.

    Rows are averaged over each step. A step without rows is a gap (NaN), never zero, and so is a value that is
    negative or no number.

    Parameters
    ----------
    source : str or Path
        A CSV or Parquet file (also compressed), or a glob of them.
    time : str
        The column with the time of the measurement; times without a zone are UTC unless `timezone` is given.
    **columns
        Further keys of `usage:` in capacity.yaml: the columns `cpu` (cores), `memory` (bytes), `requests` (per
        second), `replicas` and `workload`, and `timezone`, `time_format`, `step` (default: that of the file, at least
        5 minutes). At least one of `cpu`, `memory` and `requests` is needed.

    Returns
    -------
    DataFrame or dict of str to DataFrame
        A table with a regular UTC index and the columns that were given; with `workload`, one table per name.

    Raises
    ------
    DataError
        The file cannot be read.
    ConfigError
        A key is wrong.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "usage.csv"
    ...     _ = file.write_text("at,cores\n2026-01-05T00:00Z,1.5\n2026-01-05T01:00Z,2.5\n")
    ...     read_usage(file, time="at", cpu="cores")["cpu"].tolist()
    [1.5, 2.5]
    """
    try:
        settings = UsageSettings.model_validate({"source": str(source), "time": time, **columns})
    except ValidationError as error:
        raise ConfigError(describe(error)) from error
    tables = read_measurements(settings)
    return tables if settings.workload else tables[EVERYTHING]


def _by_workload(
    tables: dict[str, pd.DataFrame], workloads: Sequence[Workload], settings: Measurements
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


def read_measurements(settings: Measurements, names: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """One regular table per name of a workload or claim; of these names alone, where some are given.

    Raises `DataError` where the file cannot be read.
    """
    name = Path(settings.source).name
    with open_database(None) as database:
        kinds = _load(database, settings, name)
        _measure(database, settings, kinds, names)
        if not database.execute("SELECT count(*) FROM measured").fetchall()[0][0]:
            _tell_other_names(database, settings, names)
            return {}
        _tell_other_names(database, settings, names)
        step = settings.step or _native_step(database, name)
        frame = database.execute(_steps_query(step, settings)).df()
    tables = {str(called): _regular(rows, settings, step) for called, rows in frame.groupby("called", sort=True)}
    for called, table in tables.items():
        for problem in unlikely_units(table, settings.units):
            raise DataError(f"{name}: {'' if called == EVERYTHING else f'{called}: '}{_in_block(problem, settings)}")
    _tell_gaps(tables, name)
    return without_faults(tables, name) if isinstance(settings, UsageSettings) else tables


def _tell_other_names(database: duckdb.DuckDBPyConnection, settings: Measurements, names: Sequence[str]) -> None:
    """Warn of rows under a name that is nearly that of a workload without rows, or of its pods: they are not read."""
    if settings.workload is None or not names:
        return
    column = f"trim(CAST({quote(settings.workload)} AS VARCHAR))"
    query = f"SELECT DISTINCT {column} FROM orders WHERE {column} IS NOT NULL ORDER BY 1 LIMIT {MOST_NAMES}"
    there = [str(name) for (name,) in database.execute(query).fetchall()]
    asked = set(names)
    found = {one.rpartition("/")[2] for one in there if one in asked}
    missing = [name for name in dict.fromkeys(names) if "/" not in name and name not in found]
    for name in missing[:MOST_MISSING]:
        alike = next((one for one in there if _stands_for(one, name)), None)
        if alike is not None:
            LOGGER.warning(
                "%s: expected rows of %s in %r, got none; those of %r are left out: rename them, or sum up the pods",
                *(Path(settings.source).name, name, settings.workload, alike),
            )


def _stands_for(found: str, name: str) -> bool:
    """Whether a name is that of a workload in other letters, or one of its pods.

    >>> [_stands_for(found, "web") for found in ("Web", "deployment/web", "web-7d9f8b6c5-x2x4z", "web-0", "web-api")]
    [True, True, True, True, False]
    """
    bare = found.rpartition("/")[2].lower()
    return bare == name or re.fullmatch(rf"{re.escape(name)}-({POD})", bare) is not None


def _tell_gaps(tables: Mapping[str, pd.DataFrame], name: str) -> None:
    """Warn of columns that often have no value between the first and the last of a workload."""
    found = []
    for called, table in tables.items():
        for column in table.columns:
            values = table[column].loc[table[column].first_valid_index() : table[column].last_valid_index()]
            missing = int(values.isna().sum()) if table[column].notna().any() else 0
            if missing > MANY_GAPS * len(values):
                found.append(f"{column}{f' of {called}' if called else ''} in {missing:,} of {len(values):,} steps")
    if found:
        more = f", and {len(found) - 1} more columns with gaps" if len(found) > 1 else ""
        LOGGER.warning(
            "%s: expected a value for each step, got none of %s%s: they are gaps; is the export complete? Where "
            "nothing ran, write 0",
            name,
            found[0],
            more,
        )


def without_faults(tables: Mapping[Any, pd.DataFrame], name: str) -> dict[Any, pd.DataFrame]:
    """The tables with a gap for each value that is no measurement: zero, frozen or immense by fault; warnings tell."""
    clean = dict(tables)
    for faults, said in FAULTS:
        found = {called: wrong for called, table in clean.items() if (wrong := faults(table)).to_numpy().any()}
        for called, wrong in found.items():
            clean[called] = clean[called].mask(wrong)
        if found:
            called, wrong = next(iter(found.items()))
            at = wrong.index[wrong.any(axis=1)]
            LOGGER.warning(
                "%s: %s%s from %s to %s%s: these values are gaps",
                name,
                said,
                _of(called),
                f"{at[0]:%Y-%m-%dT%H:%MZ}",
                f"{at[-1]:%Y-%m-%dT%H:%MZ}",
                f", and of {len(found) - 1} more workloads" if len(found) > 1 else "",
            )
    for called, table in clean.items():
        for doubt in doubtful_usage(table):
            LOGGER.warning(
                "%s: expected cores and bytes that were used%s, got other values: %s", name, _of(called), doubt
            )
    return clean


def _of(called: Any) -> str:
    who = "/".join(called) if isinstance(called, tuple) else str(called)
    return f" of {who}" if who else ""


FAULTS = (
    (
        zero_by_fault,
        "expected usage above zero, as at the same times of other days, got zero, as where scraping fails,",
    ),
    (unbelievable, "expected usage like that of other times, got values far above it, or one and the same for hours,"),
)


def _in_block(problem: str, settings: Measurements) -> str:
    """A problem whose remedy names the block of the configuration."""
    return problem.replace("set units:", f"set {settings.block}.units:")


def _load(database: duckdb.DuckDBPyConnection, settings: Measurements, name: str) -> dict[str, str]:
    """The file as the view `orders`, whose types hold for all of its rows; returns the kind of each column."""
    asked = {"time": settings.time, **settings.columns} | ({"workload": settings.workload} if settings.workload else {})
    wanted = Wanted(
        {f"{settings.block}.{key}": column for key, column in asked.items()},
        settings.read,
        ids=() if settings.workload is None else (settings.workload,),
        time=settings.time,
        zone=settings.timezone or "UTC",
        keep=lambda columns: Kept(tuple(name for name in columns if name in asked.values()), rows=False),
    )
    try:
        loaded = load_rows(database, settings.source, wanted)
        kinds = {column: kind for column, kind, *_ in database.execute("DESCRIBE orders").fetchall()}
    except (duckdb.Error, DataError) as error:
        reason = one_line(error).removeprefix(f"{name}: ")
        raise DataError(f"{name}: usage cannot be read: {reason}") from error
    listed = ", ".join(loaded.columns)
    for key, column in asked.items():
        if column not in kinds:
            raise DataError(f"{name}: no column {column!r} ({settings.block}.{key}); its columns: {listed}")
    return kinds


def _measure(
    database: duckdb.DuckDBPyConnection, settings: Measurements, kinds: dict[str, str], names: Sequence[str]
) -> None:
    """The table `measured`: called, moment (seconds since 1970) and the resources, NULL for what is no measurement."""
    name, zone = Path(settings.source).name, settings.timezone or "UTC"
    column = TimeColumn(
        quote(settings.time), kinds[settings.time], "orders", f"{name}: {settings.time}", zone, settings.time_format
    )
    try:
        time = time_form(database, column)
        _refuse_unreadable_times(database, time.instant, settings)
        database.execute(_measured_query(database, settings, kinds, time.instant, names))
        _drop_implausible_times(database, name)  # first: they say nothing of the order of rows, nor of doubled hours
        if time.local:
            _resolve_repeated_hour(database, zone)
        repeated = database.execute(TWICE).fetchone()
        unsaid = time.local and settings.timezone is None
    except duckdb.Error as error:
        raise DataError(f"{name}: usage cannot be read: {one_line(error)}") from error
    if repeated is not None:
        who, when, count = repeated
        clock = f"; if its clock was set back, give {settings.block}.timezone" if unsaid else ""
        raise DataError(f"{name}: {_duplicate_text(who, when, count, settings)}{clock}")


def _refuse_unreadable_times(database: duckdb.DuckDBPyConnection, moment: str, settings: Measurements) -> None:
    """Refuse a file of which many rows have no readable time; a few are told."""
    name, column = Path(settings.source).name, quote(settings.time)
    query = (
        f"SELECT count({moment}), count(*), min(CAST({column} AS VARCHAR)) FILTER (WHERE {moment} IS NULL) FROM orders"
    )
    read, rows, example = database.execute(query).fetchone() or (0, 0, None)
    if rows and read == rows:
        return
    said = f"{name}: expected rows with a readable time in {settings.time!r}, got "
    got = f"{rows - read:,} of {rows:,} rows without one, such as {str(example or '')[:40]!r}"
    if read < (1 - FEW_UNREADABLE) * rows or not rows:
        raise DataError(f"{said}{got if rows else 'none'}; say how times are written in {settings.block}.time_format")
    LOGGER.warning("%s%s: left out of the usage", said, got)


def _drop_implausible_times(database: duckdb.DuckDBPyConnection, name: str) -> None:
    """Remove the rows that are far from all others: one of 1970 would make a history of half a century."""
    query = "SELECT min(moment), max(moment), count(*) FROM measured GROUP BY floor(moment / 3600) ORDER BY 1"
    low, high = plausible_range(database.execute(query).fetchall())
    bounds = [f"moment < {low!r}"] * (low is not None) + [f"moment > {high!r}"] * (high is not None)
    if not bounds:
        return
    away = " OR ".join(bounds)
    count, first, last = database.execute(
        f"SELECT count(*), min(moment), max(moment) FROM measured WHERE {away}"
    ).fetchone() or (0, 0.0, 0.0)
    database.execute(f"DELETE FROM measured WHERE {away}")
    LOGGER.warning("%s: %s: left out of the usage", name, implausible_text(count, first, last))


def _resolve_repeated_hour(database: duckdb.DuckDBPyConnection, zone: str) -> None:
    """Give the rows of the hour that the clock shows twice their place, by their order for each workload.

    Where a workload's rows of that night are not in order but for one step back, both hours are a gap.
    """
    limits = database.execute("SELECT min(moment), max(moment) FROM measured").fetchone() or (None, None)
    if limits[0] is None:
        return
    ends = "SELECT arg_min(moment, source_row) > arg_max(moment, source_row) AS turned FROM measured GROUP BY called"
    turned = database.execute(f"SELECT avg(CAST(turned AS INTEGER)) > 0.5 FROM ({ends})").fetchone() == (True,)
    order = "source_row DESC" if turned else "source_row"
    first, last = (datetime.fromtimestamp(min(max(seconds, 0.0), 4e9), UTC) for seconds in limits)
    for fold in folds(zone, first, last):
        low, high, width = fold.start.timestamp(), fold.end.timestamp(), fold.width.total_seconds()
        night = f"moment >= {low!r} AND moment < {high!r}"
        database.execute(
            "CREATE OR REPLACE TEMP TABLE showings AS SELECT *, max(showing) OVER (PARTITION BY called) AS most, "
            "count(*) OVER (PARTITION BY called) AS shown FROM ("
            f"SELECT called, source_row, sum(CAST(back AS INTEGER)) OVER (PARTITION BY called ORDER BY {order}) AS "
            "showing FROM (SELECT called, source_row, coalesce(moment <= lag(moment) OVER (PARTITION BY called "
            f"ORDER BY {order}), false) AS back FROM measured WHERE {night}))"
        )
        database.execute(
            f"UPDATE measured SET moment = moment - {width!r} FROM showings WHERE showings.source_row = "
            "measured.source_row AND showings.most = 1 AND showings.showing = 0"
        )
        database.execute(
            "DELETE FROM measured USING showings WHERE showings.source_row = measured.source_row "
            "AND most != 1 AND shown > 1"
        )


def _measured_query(
    database: duckdb.DuckDBPyConnection,
    settings: Measurements,
    kinds: dict[str, str],
    moment: str,
    names: Sequence[str],
) -> str:
    called = f"trim(CAST({quote(settings.workload)} AS VARCHAR))" if settings.workload else f"{literal(EVERYTHING)}"
    values = [f"{_number(database, settings, kinds, resource)} AS {resource}" for resource in settings.columns]
    return (
        f"CREATE TABLE measured AS SELECT source_row, {called} AS called, epoch({moment}) AS moment, "
        f"{', '.join(values)} FROM orders WHERE {moment} IS NOT NULL AND {_asked(settings, called, names)}"
    )


def _duplicate_text(who: str, when: float, count: int, settings: Measurements) -> str:
    volumes = "capacity" in settings.columns
    thing, fix = ("claim", "keep one of them") if volumes else ("workload", "sum up the pods")
    key = "volume_usage.claim" if volumes else "usage.workload"
    return (
        f"expected one row per {thing} and time, got {count} of {who or 'it'} at "
        f"{pd.Timestamp(when, unit='s', tz='UTC'):%Y-%m-%dT%H:%M:%SZ}: {fix}, or name the column in {key}"
    )


def _asked(settings: Measurements, called: str, names: Sequence[str]) -> str:
    """Which rows are asked for: those with a name, among `names` where some are given."""
    if settings.workload is None or not names:
        return f"{called} IS NOT NULL"
    return f"{called} IN ({', '.join(map(literal, names))})"


def _number(database: duckdb.DuckDBPyConnection, settings: Measurements, kinds: dict[str, str], resource: str) -> str:
    """A column as a number; NULL where it is none, negative or infinite."""
    column = settings.columns.get(resource)
    if column is None:
        return "CAST(NULL AS DOUBLE)"
    name, where = quote(column), f"{Path(settings.source).name}: {column}"
    _refuse_unit_in_name(settings, resource, kinds[column])
    given = UNITS.get(settings.units.get(resource, ""), 1.0)
    number = f"(TRY_CAST({name} AS DOUBLE) * {given!r})"
    if kinds[column] == "VARCHAR":
        units = UNITS | OWN_UNITS.get(resource, {})
        quantity = literal(QUANTITY.format("|".join(units)))
        bare, unit = (f"regexp_extract({name}, {quantity}, {part})" for part in (1, 2))
        text = f"coalesce(nullif({bare}, ''), {name})"
        marks = Marks(settings.read.decimal, settings.read.thousands)
        form = amount_form(database, NumberColumn(text, "VARCHAR", "orders", where), marks)
        for finding in form.findings if _has_commas(database, text) else ():  # a point is that of programs
            raise DataError(finding.message.replace("sales.read", settings.block + ".read"))
        factors = " ".join(f"WHEN '{sign}' THEN {factor!r}" for sign, factor in units.items())
        number = f"({form.number} * CASE {unit} {factors} ELSE {given!r} END)"
        _refuse_unreadable(database, name, number, where)
        if resource in BYTE_COLUMNS:
            _refuse_parts_of_a_byte(database, name, (unit, number), where)
    _tell_negative(database, number, where)
    return f"CASE WHEN isfinite({number}) AND {number} >= 0 THEN {number} END"


def _tell_negative(database: duckdb.DuckDBPyConnection, number: str, where: str) -> None:
    """Warn of a column without a value, and of values below zero, which are no measurements."""
    sound = f"FILTER (WHERE isfinite({number}))"
    query = f"SELECT count(*) {sound}, count(*) FILTER (WHERE {number} < 0), min({number}) {sound} FROM orders"
    values, below, lowest = database.execute(query).fetchone() or (0, 0, None)
    if not values:
        LOGGER.warning("%s: expected values, got none: nothing is learned from it", where)
    elif below:
        LOGGER.warning("%s: %s of %s values are below zero, down to %g: they are gaps", where, below, values, lowest)


def _refuse_unit_in_name(settings: Measurements, resource: str, kind: str) -> None:
    """Refuse a column of numbers whose name says another unit than theirs; units behind the numbers are read."""
    column = settings.columns[resource]
    problem = None if resource in settings.units or kind == "VARCHAR" else unit_in_name(column, resource)
    if problem is not None:
        raise DataError(f"{Path(settings.source).name}: {column}: {_in_block(problem, settings)}")


def _refuse_parts_of_a_byte(
    database: duckdb.DuckDBPyConnection, column: str, read: tuple[str, str], where: str
) -> None:
    """Refuse `512m` for memory: half a byte, where somebody meant 512 MiB; a large number of thousandths is one."""
    unit, number = read
    parts = f"{unit} IN ('n', 'u', 'µ', 'm') AND {number} > 0 AND {number} < {FEW_BYTES!r}"
    query = f"SELECT count(*), min({column}) FROM orders WHERE {parts}"
    rows, example = database.execute(query).fetchone() or (0, "")
    if rows:
        raise DataError(
            f"{where}: expected bytes, got {example!r} in {rows:,} rows, which is less than a process takes: m is a "
            f"thousandth; write {str(example).strip()[:-1]}Mi"
        )


def _has_commas(database: duckdb.DuckDBPyConnection, text: str) -> bool:
    return database.execute(f"SELECT bool_or(contains({text}, ',')) FROM orders").fetchone() == (True,)


def _refuse_unreadable(database: duckdb.DuckDBPyConnection, column: str, number: str, where: str) -> None:
    """Refuse a column most of whose values are no quantity, and tell of a few: what cannot be read is not absent."""
    said = f"{column} IS NOT NULL AND lower(trim({column}, ' +-')) NOT IN ({', '.join(map(literal, NO_VALUE))})"
    query = f"SELECT count(*), count({number}), min({column}) FILTER (WHERE {number} IS NULL) FROM orders WHERE {said}"
    rows, read, example = database.execute(query).fetchone() or (0, 0, "")
    if read == rows:
        return
    if read >= rows / 2:
        LOGGER.warning(
            "%s: %s of %s values cannot be read, such as %r: they are gaps", where, rows - read, rows, example
        )
    else:
        raise DataError(
            f"{where}: expected cores, bytes or a rate, such as 0.25, 250m or 512Mi, got {example!r} in "
            f"{rows - read:,} of {rows:,} rows; say how numbers are written in usage.read, or convert them"
        )


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


def _steps_query(step: timedelta, settings: Measurements) -> str:
    seconds = int(step.total_seconds())
    means = ", ".join(f"{settings.over}({resource}) AS {resource}" for resource in settings.columns)
    return (
        f"SELECT called, CAST(floor(moment / {seconds}) * {seconds} AS BIGINT) AS step_start, {means} FROM measured "
        "GROUP BY ALL ORDER BY ALL"
    )


def _regular(rows: pd.DataFrame, settings: Measurements, step: timedelta) -> pd.DataFrame:
    index = pd.to_datetime(rows["step_start"], unit="s", utc=True)
    table = rows[list(settings.columns)].astype(float).set_axis(pd.DatetimeIndex(index), axis=0)
    steps = pd.date_range(table.index[0], table.index[-1], freq=pd.Timedelta(step))
    return table.reindex(steps).rename_axis(index=None, columns=None)


def ended_steps(table: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The steps of a measured table that were over by `now`; an average of a step tells of all of it."""
    step = table.index[1] - table.index[0] if len(table) > 1 else pd.Timedelta(0)
    return table.loc[table.index + step <= now]
