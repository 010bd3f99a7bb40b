"""Audits over time: one Parquet file each in a folder, never changed after; read back as a table with a trend."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from capacity.files import PRIVATE, written_whole
from capacity.forecast import forecast_sales
from capacity.model import DataError
from capacity.model.configuration import Config
from capacity.quality import Audit, Finding, compare_columns
from capacity.quality.report import AuditHistory
from capacity.quality.usual import anomaly_finding, find_anomalies
from capacity.series.calendar import holiday_events
from capacity.sources.anomalies import DAY, NEEDED, notice_anomalies
from capacity.sources.orders import read_events
from capacity.sources.sql import literal, one_line
from capacity.sources.table import OrderTable

LARGE = 0.1  # share of the rows that a group has, from which its holidays show in all of them
YEAR = timedelta(days=366)  # further back no day says what is usual today
NAMED = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}[.]parquet")  # the name of an audit's file: when, and a token
COLUMNS = {
    "audited_at": "TIMESTAMPTZ",
    "source": "VARCHAR",
    "owner": "VARCHAR",
    "verdict": "VARCHAR",
    "score": "DOUBLE",
    "rows": "BIGINT",
    "passed": "BIGINT",
    "set_aside": "BIGINT",
    "repaired": "BIGINT",
    "newest": "TIMESTAMPTZ",
    "latency_seconds": "DOUBLE",
    "failures": "VARCHAR",  # JSON: rule -> rows, so that a new rule needs no new column
    "columns": "VARCHAR",  # JSON: column -> kind of value
    "reasons": "VARCHAR[]",
}


def audit_orders(table: OrderTable, config: Config) -> Audit:
    """The audit of the rows, with what is unusual of the newest day; holidays and events are known days.

    A history too short to say what is usual is judged against a forecast, where `sales.anomalies` is given.
    """
    audit = table.audit()
    orders = config.orders()
    if orders.anomalies is None or audit.first is None or audit.last is None:
        return audit
    if audit.last - audit.first >= NEEDED * DAY or "anomalies" not in orders.model_fields_set:
        return notice_anomalies(audit, table, _known_days(audit, table, config))
    values = table.total()
    counts = table.row_counts()[0].reindex(values.index)
    found, notes = [], []
    for name, series in (("row_anomalies", counts), ("value_anomalies", values)):
        try:
            found.append(_anomalies(name, series, config))
        except DataError as error:
            notes.append(f"{name}: not looked for: {error}")
    findings = tuple(finding for finding in found if finding is not None)
    return replace(audit, findings=(*audit.findings, *findings), notes=(*audit.notes, *notes))


def _known_days(audit: Audit, table: OrderTable, config: Config) -> frozenset[date]:
    """The local dates of holidays and events around the newest rows: they are unlike other days for a known reason.

    Those of a single group count where it has a part of the rows that all of them show.
    """
    first, last = audit.first, audit.last
    if first is None or last is None:
        return frozenset()
    zone = ZoneInfo(config.timezone)
    events = holiday_events(config.calendar.holidays, max(first, last - YEAR), last + 2 * DAY, config.timezone)
    if config.calendar.events:
        events += read_events(config.calendar.events, config.timezone)
    for group in _large_groups(table, config):
        own, clock = config.calendar.groups[group], config.calendar.zone_of(group, config.timezone)
        events += holiday_events(own.holidays or (), max(first, last - YEAR), last + 2 * DAY, clock)
        events += read_events(own.events, clock) if own.events else []
    days: set[date] = set()
    for event in events:
        at = event.start
        while at < event.end:
            days.add(at.astimezone(zone).date())
            at += DAY
        days.add((event.end - timedelta(seconds=1)).astimezone(zone).date())  # of another clock a day ends later
    return frozenset(days)


def _large_groups(table: OrderTable, config: Config) -> list[str]:
    """The groups with a calendar of their own that have a considerable part of the rows."""
    query = "SELECT grp, sum(row_count) / sum(sum(row_count)) OVER () FROM counted WHERE aside = 0 GROUP BY grp"
    shares = dict(table.database.execute(query).fetchall()) if config.calendar.groups else {}
    return [group for group in config.calendar.groups if shares.get(group, 0.0) >= LARGE]


def _anomalies(name: str, series: pd.Series, config: Config) -> Finding | None:
    """Whether the newest steps are what a forecast from before them says: no look at them before."""
    asked = config.orders().anomalies
    if asked is None:
        return None
    steps = max(1, asked.window // config.orders().step)
    low = round((1 - asked.coverage) / 2, 6)
    known = series.iloc[:-steps]
    known.attrs = {}
    forecast = forecast_sales(
        known,
        horizon=steps * config.orders().step,
        quantile_levels=(low, 1 - low),
        holidays=config.calendar.holidays,
        timezone=config.timezone,
    )
    return anomaly_finding(name, find_anomalies(series, forecast), steps, asked.otherwise)


def compared(audit: Audit, history: AuditHistory) -> Audit:
    """The audit with notes on the columns that changed since the last one of the same source."""
    earlier = history.audits[history.audits["source"] == audit.source]
    if earlier.empty or not audit.columns:
        return audit
    last = earlier.iloc[-1]
    before = json.loads(last["columns"])
    if not before:
        return audit
    since = f"since the audit of {last['audited_at']:%Y-%m-%d %H:%M}Z"
    said = tuple(f"{since}: {change}" for change in compare_columns(before, audit.columns).spoken())
    return replace(audit, notes=(*audit.notes, *said))


def append_audit(folder: Path, audit: Audit, now: datetime) -> Path:
    """Add an audit to the history: a new file, on disk whole before it has its name; nothing older is touched."""
    path = folder / f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(path, PRIVATE) as part:
            _write_row(_row(audit, now), part)
    except (duckdb.Error, OSError) as error:
        raise DataError(f"--history: {folder} cannot be written: {one_line(error)}") from error
    return path


def forget_audits(folder: Path, before: datetime) -> int:
    """Remove the audits made before a time, which is in their names; returns how many. Other files are left alone."""
    name = f"{before.astimezone(UTC):%Y%m%dT%H%M%S}"
    old = [file for file in folder.glob("*.parquet") if NAMED.fullmatch(file.name) and file.name[: len(name)] < name]
    for file in old:
        with suppress(OSError):
            file.unlink()
    return len(old)


def forget_file(file: Path, before: datetime) -> bool:
    """Remove a quarantine that was written before a time; whether there was one."""
    try:
        old = file.stat().st_mtime < before.timestamp()
        if old:
            file.unlink()
    except OSError:
        return False
    return old


def _row(audit: Audit, now: datetime) -> dict[str, Any]:
    """The audit as `COLUMNS` have it."""
    return {
        "audited_at": now,
        "source": audit.source,
        "owner": audit.owner,
        "verdict": audit.verdict,
        "score": audit.score,
        "rows": audit.rows,
        "passed": audit.passed,
        "set_aside": sum(audit.set_aside.values()),
        "repaired": sum(audit.repaired.values()),
        "newest": audit.last,
        "latency_seconds": None if (late := audit.late(now)) is None else late.total_seconds(),
        "failures": json.dumps(audit.failures),
        "columns": json.dumps(audit.columns),
        "reasons": list(audit.reasons),
    }


def _write_row(row: dict[str, Any], file: Path) -> None:
    """One row as Parquet, on disk when this returns."""
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with duckdb.connect() as database:
        database.execute(f"SET TimeZone = 'UTC'; CREATE TABLE audit ({columns})")
        database.execute(f"INSERT INTO audit VALUES ({', '.join(f'${name}' for name in COLUMNS)})", row)
        database.execute(f"COPY audit TO {literal(str(file))} (FORMAT parquet)")


def read_audits(folder: Path, since: datetime | None = None) -> AuditHistory:
    """The audits of a folder, oldest first; files that are no whole audits are named, not read."""
    frames, broken = [], []
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        files = sorted(folder.glob("*.parquet"))
        for names in (files,) if _readable(database, files) else ([file] for file in files):
            if not names:
                continue
            try:
                frames.append(database.execute(_audits_query(names)).df())
            except duckdb.Error:
                broken.append(names[0].name)
    if not frames:
        return AuditHistory(pd.DataFrame(columns=list(COLUMNS)), tuple(broken))
    audits = pd.concat(frames).sort_values("audited_at", kind="stable", ignore_index=True)
    return AuditHistory(audits if since is None else audits[audits["audited_at"] >= since], tuple(broken))


def _readable(database: duckdb.DuckDBPyConnection, files: list[Path]) -> bool:
    """Whether all files can be read at once, which is what they are nearly always."""
    try:
        database.execute(f"SELECT max(hash(audits)) FROM ({_audits_query(files)}) AS audits")
    except duckdb.Error:
        return False
    return True


def _audits_query(files: list[Path]) -> str:
    names = ", ".join(literal(str(file)) for file in files)
    return f"SELECT {', '.join(COLUMNS)} FROM read_parquet([{names}], union_by_name = true)"
