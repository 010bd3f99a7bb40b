"""Reads orders from files and databases: an audit of them, and sales per step."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Mapping
from datetime import datetime
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import ValidationError

from capacity.model import ConfigError, DataError, Event
from capacity.model.configuration import describe
from capacity.model.fields import parse_zone
from capacity.model.settings import SalesSettings
from capacity.model.settings.orders import ReadSettings
from capacity.quality import Audit
from capacity.quality.time_forms import Moment, read_times
from capacity.sources.anomalies import notice_anomalies
from capacity.sources.sql import one_line
from capacity.sources.table import OrderTable
from capacity.sources.text_files import as_utf8, detect

Source = str | Path | Mapping[str, str]  # a file, a glob, or {"url": ..., "query": ...}


def read_sales(source: Source, *, time: str, timezone: str = "UTC", **columns: Any) -> pd.Series | pd.DataFrame:
    """Read sales per step from files or a database. Only rows that pass the rules count.

    Parameters
    ----------
    source : str, Path or mapping
        A CSV or Parquet file (also compressed), a glob or a folder of them, or ``{"url": ..., "query": ...}`` of a
        database that SQLAlchemy reaches.
    time : str
        The column with the time of the order.
    timezone : str
        The business's time zone, in which times without a zone are read. Default UTC.
    **columns
        Further keys of `sales:` in capacity.yaml, such as `value` (default: rows are counted), `step` (default one
        hour), `group`, `time_format`, `select` and `rules`.

    Returns
    -------
    Series or DataFrame
        One value per step, indexed in UTC by the start of the step; NaN where data is missing. The unit is that of
        `value` per step. With `group`, a frame with one column per group.

    Raises
    ------
    DataError
        The source cannot be read or has no good row.
    ConfigError
        A key is wrong.

    Examples
    --------
    >>> from capacity.sources.sample import sample_orders
    >>> sales = read_sales(sample_orders(), time="timestamp", value={"sum": "orders"})
    >>> sales.index[0].isoformat(), float(sales.iloc[7])
    ('2009-12-01T00:00:00+00:00', 2.0)
    """
    with OrderTable.load(_settings(source, time, columns), _zone(timezone)) as orders:
        return orders.sales()


def audit_sales(source: Source, *, time: str, timezone: str = "UTC", **columns: Any) -> Audit:
    """Judge a source of orders: its score, the rows that fail each rule, and the range of its times.

    Parameters
    ----------
    source : str, Path or mapping
        A CSV or Parquet file (also compressed), a glob or a folder of them, or ``{"url": ..., "query": ...}`` of a
        database that SQLAlchemy reaches.
    time : str
        The column with the time of the order.
    timezone : str
        The business's time zone, in which times without a zone are read. Default UTC.
    **columns
        Further keys of `sales:` in capacity.yaml, such as `value` (default: rows are counted), `step` (default one
        hour), `group`, `time_format`, `select` and `rules`.

    Returns
    -------
    Audit
        What was found; `audit.verdict` says whether a plan may be made from these rows.

    Raises
    ------
    DataError
        The source cannot be read.
    ConfigError
        A key is wrong.

    Examples
    --------
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
    """Read promotions and other events from a CSV with the columns name, start, end, kind and uplift.

    All dates of the file are read in one form, which is decided from all of them. An `end` that is a date alone means
    the end of that day; an empty `uplift` is learned from past events of the same kind.

    Parameters
    ----------
    path : str or Path
        The file.
    timezone : str
        The business's time zone, in which times without a zone are read. Default UTC.

    Returns
    -------
    list of Event
        In the order of the rows.

    Raises
    ------
    DataError
        A value is wrong (the message names its line), or the dates of the whole file can be read day first and month
        first.
    """
    file = Path(path)
    rows, names, first = _table(file)
    missing = {"name", "start", "end"} - set(names)
    if missing:
        raise DataError(f"{file.name}: expected the columns name, start, end, kind, uplift; missing {sorted(missing)}")
    texts = [(row.get(key) or "").strip() for row in rows for key in ("start", "end")]
    times = read_times(texts, f"{file.name}: start and end", timezone)
    zone = ZoneInfo(timezone)
    return [
        _event(row, (times[2 * place], times[2 * place + 1]), f"{file.name} line {first + place}", zone)
        for place, row in enumerate(rows)
    ]


def _table(file: Path) -> tuple[list[dict[str, str | None]], tuple[str, ...], int]:
    """The rows of a small CSV, the names of its columns, and the number of the first row's line."""
    try:
        with TemporaryDirectory(prefix="capacity-") as folder:
            found = detect(str(file), ReadSettings(), ("name", "start", "end"))
            source = as_utf8(found, Path(folder))
            opener = gzip.open if file.suffix == ".gz" and source == str(file) else open
            with opener(source, "rt", encoding="utf-8-sig", newline="") as stream:
                lines = list(stream)[found.skip + 1 :]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error, DataError) as error:
        reason = one_line(error).removeprefix(f"{file.name}: cannot be read as CSV: ")
        raise DataError(f"calendar.events: {file.name} cannot be read: {reason}") from error
    reader = csv.DictReader(lines, fieldnames=found.columns, delimiter=found.delimiter, quotechar=found.quote)
    return list(reader), found.columns, found.skip + 2


def read_columns(path: str | Path, timezone: str = "UTC") -> pd.DataFrame:
    """Read columns of your own from a CSV whose first column is the time of the step.

    Parameters
    ----------
    path : str or Path
        The file.
    timezone : str
        The business's time zone, in which times without a zone are read. Default UTC.

    Returns
    -------
    DataFrame
        One row per step, indexed in UTC.

    Raises
    ------
    DataError
        A time cannot be read.
    """
    file = Path(path)
    try:
        frame = pd.read_csv(file, index_col=0, dtype={0: str})
        moments = read_times([str(text) for text in frame.index], f"{file.name}: {frame.index.name}", timezone)
        local = pd.DatetimeIndex([_instant(moment, timezone) for moment in moments])
    except DataError as error:
        raise DataError(f"calendar.columns: {error}") from error
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise DataError(f"calendar.columns: {file.name} cannot be read: {one_line(error)}") from error
    if len(frame) and local.isna().all():
        raise DataError(f"calendar.columns: {file.name} cannot be read: expected times in its first column")
    frame.index = local
    return frame.loc[frame.index.notna()].rename_axis(index=None)


def _instant(moment: Moment | None, timezone: str) -> Any:
    """The time in UTC; NaT for none, and for one that the clock skips or shows twice."""
    if moment is None:
        return pd.NaT
    stamp: Any = pd.Timestamp(moment.at)
    if moment.naive:
        stamp = stamp.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    return stamp.tz_convert("UTC") if stamp is not pd.NaT else stamp


def _event(
    row: Mapping[str, str | None], times: tuple[Moment | None, Moment | None], where: str, zone: ZoneInfo
) -> Event:
    missing = [name for name in ("name", "start", "end") if not row.get(name)]
    if missing:
        raise DataError(
            f"{where}: expected the columns name, start, end, kind, uplift; nothing in {', '.join(missing)}"
        )
    try:
        start, end = _moment(row["start"], times[0], zone), _moment(row["end"], times[1], zone, end=True)
        uplift = float((row.get("uplift") or "nan").strip().replace(",", "."))
        return Event(str(row["name"]), start, end, row.get("kind") or "promotion", None if isnan(uplift) else uplift)
    except (ValueError, OverflowError, NotImplementedError, DataError) as error:
        raise DataError(f"{where}: {error}") from error


def _moment(text: str | None, read: Moment | None, zone: ZoneInfo, *, end: bool = False) -> datetime:
    if read is None:
        raise ValueError(f"expected a time such as 2026-11-27 or 2026-11-27 18:00, got {text!r}")
    if not 1970 <= read.at.year < 2200:
        raise ValueError(f"expected a year from 1970 to 2199, got {text!r}")
    stamp: Any = pd.Timestamp(read.at)
    if end and read.whole_day:
        stamp += pd.Timedelta(days=1)
    if stamp.tzinfo is None:
        stamp = stamp.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    if pd.isna(stamp):
        raise ValueError(f"{text} is a time that the clock in {zone.key} skips or shows twice: give it with its offset")
    moment: datetime = stamp.tz_convert("UTC").to_pydatetime()
    return moment
