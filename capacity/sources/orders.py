"""Orders in: files and databases to an audit and to sales per step, the same for library, command and controller."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Mapping
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import ValidationError

from capacity.model import ConfigError, DataError, Event
from capacity.model.configuration import describe
from capacity.model.fields import parse_zone
from capacity.model.settings import SalesSettings
from capacity.quality import Audit
from capacity.sources.anomalies import notice_anomalies
from capacity.sources.sql import one_line
from capacity.sources.table import OrderTable

Source = str | Path | Mapping[str, str]  # a file, a glob, or {"url": ..., "query": ...}


def read_sales(source: Source, *, time: str, timezone: str = "UTC", **columns: Any) -> pd.Series | pd.DataFrame:
    """Sales per step from a CSV, Parquet, a glob of them, or {"url": ..., "query": ...}: only good rows count.

    `columns` are the keys of `sales:` in capacity.yaml (`value`, `step`, `group`, `time_format`, `rules`, ...);
    `timezone` is the business's clock, in which times without a zone are read. Returns one value per step, indexed in
    UTC by the step's start; with `group`, a frame with one column per group.

    Raises `DataError` where the source cannot be read or has no good row, `ConfigError` where a key is wrong.

    >>> from capacity.sources.sample import sample_orders
    >>> sales = read_sales(sample_orders(), time="timestamp", value={"sum": "orders"})
    >>> sales.index[0].isoformat(), float(sales.iloc[7])
    ('2009-12-01T00:00:00+00:00', 2.0)
    """
    with OrderTable.load(_settings(source, time, columns), _zone(timezone)) as orders:
        return orders.sales()


def audit_sales(source: Source, *, time: str, timezone: str = "UTC", **columns: Any) -> Audit:
    """The quality of a source of orders: score, failures by rule, range of times. Same keys as `read_sales`.

    >>> from capacity.sources.sample import sample_orders
    >>> audit = audit_sales(sample_orders(), time="timestamp", value={"sum": "orders"})
    >>> audit.rows, audit.score
    (17724, 1.0)
    """
    with OrderTable.load(_settings(source, time, columns), _zone(timezone)) as orders:
        return notice_anomalies(orders.audit(), orders)


def _settings(source: Source, time: str, columns: dict[str, Any]) -> SalesSettings:
    place = source if isinstance(source, Mapping) else str(source)
    try:
        return SalesSettings.model_validate({"source": place, "time": time, **columns})
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _zone(timezone: str) -> str:
    try:
        return parse_zone(timezone)
    except ValueError as error:
        raise ConfigError(f"timezone: {error}") from error


def read_events(path: str | Path, timezone: str = "UTC") -> list[Event]:
    """Promotions and other events from a CSV with the columns name, start, end, kind, uplift (empty: learn it).

    Times without a zone are read on the business's clock; an `end` that is a date alone means the end of that day.
    Raises `DataError` with the line where a value is wrong.
    """
    file = Path(path)
    opener = gzip.open if file.suffix == ".gz" else open
    try:
        with opener(file, "rt", encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"calendar.events: {file.name} cannot be read: {error}") from error
    missing = {"name", "start", "end"} - set(reader.fieldnames or ())
    if missing:
        raise DataError(f"{file.name}: expected the columns name, start, end, kind, uplift; missing {sorted(missing)}")
    return [_event(row, f"{file.name} line {number}", ZoneInfo(timezone)) for number, row in enumerate(rows, start=2)]


def read_columns(path: str | Path, timezone: str = "UTC") -> pd.DataFrame:
    """A user's own columns from a CSV whose first column is the time of the step; UTC, one row per step.

    Times without a zone are read on the business's clock. Raises `DataError` where a time cannot be read.
    """
    file = Path(path)
    try:
        frame = pd.read_csv(file, index_col=0)
        times = pd.DatetimeIndex(pd.to_datetime(frame.index))
        local = times.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT") if times.tz is None else times
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise DataError(f"calendar.columns: {file.name} cannot be read: {one_line(error)}") from error
    frame.index = local.tz_convert("UTC")
    return frame.loc[frame.index.notna()].rename_axis(index=None)


def _event(row: dict[str, str | None], where: str, zone: ZoneInfo) -> Event:
    missing = [name for name in ("name", "start", "end") if not row.get(name)]
    if missing:
        raise DataError(
            f"{where}: expected the columns name, start, end, kind, uplift; nothing in {', '.join(missing)}"
        )
    try:
        start, end = _moment(row["start"], zone), _moment(row["end"], zone, end=True)
        uplift = float(row.get("uplift") or "nan")
        return Event(str(row["name"]), start, end, row.get("kind") or "promotion", None if isnan(uplift) else uplift)
    except (ValueError, OverflowError, NotImplementedError, DataError) as error:
        raise DataError(f"{where}: {error}") from error


def _moment(text: str | None, zone: ZoneInfo, *, end: bool = False) -> datetime:
    stamp: Any = pd.Timestamp(str(text).strip())
    if end and len(str(text).strip()) == len("2026-11-27"):
        stamp += pd.Timedelta(days=1)
    if stamp.tzinfo is None:
        stamp = stamp.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    if pd.isna(stamp):
        raise ValueError(f"{text} is a time that the clock in {zone.key} skips or shows twice: give it with its offset")
    moment: datetime = stamp.tz_convert("UTC").to_pydatetime()
    return moment
