"""Reads orders from files and databases: an audit of them, and sales per step."""

from __future__ import annotations

import csv
import difflib
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pydantic import ValidationError

from capacity.logs import LOGGER
from capacity.model import ConfigError, DataError, Event
from capacity.model.configuration import describe
from capacity.model.fields import parse_duration, parse_zone
from capacity.model.settings import SalesSettings
from capacity.model.settings.planning import ReadSettings
from capacity.quality import Audit
from capacity.quality.time_forms import Moment, read_times
from capacity.sources.anomalies import notice_anomalies
from capacity.sources.data_frames import NAME, HeldRows
from capacity.sources.guessing import Given, guess_sales, parse_value
from capacity.sources.sql import one_line
from capacity.sources.table import OrderTable
from capacity.sources.text_files import as_utf8, detect

Source = str | Path | Mapping[str, str] | pd.Series | pd.DataFrame  # a file, a glob, {"url": ..., "query": ...}, rows
Rules = Sequence[Mapping[str, Any]]
COLUMNS = ("name", "start", "end", "kind", "uplift")
MEANT = {"kind": ("type", "category"), "uplift": ("factor", "lift", "effect", "percent", "multiplier", "%")}
KINDS = ("promotion", "holiday", "outage")  # those that mean something; others share what is learned of them
LIKE = 0.8  # how alike two words are of which one may be meant for the other
MANY_TIMES = 20.0  # an uplift from which somebody may have meant percent


def read_sales(
    source: Source,
    *,
    time: str | None = None,
    value: str | Mapping[str, Any] | None = None,
    step: str | timedelta | None = None,
    timezone: str | None = None,
    group: str | None = None,
    time_format: str | None = None,
    naive_timezone: str | None = None,
    read: Mapping[str, Any] | None = None,
    select: Rules = (),
    rules: Rules = (),
    late: str | timedelta | None = None,
    memory_limit: str | float | None = None,
) -> pd.Series | pd.DataFrame:
    """Read sales per step from files, a database or a pandas frame. Only rows that pass the rules count.

    Parameters
    ----------
    source : str, Path, mapping, Series or DataFrame
        A CSV or Parquet file (also compressed), a glob or a folder of them, ``{"url": ..., "query": ...}`` of a
        database that SQLAlchemy reaches, or rows in memory, with a column or an index of times.
    time : str or None
        The column with the time of the order. Default: guessed from names and values, as `capacity try` does; with it
        also `value` and `step` are guessed where they are not given.
    value : str, mapping or None
        What is counted: the column to sum up, ``"distinct:COLUMN"`` for its different values, or ``"rows"``. Default:
        rows are counted; guessed where `time` is guessed, and of a frame.
    step : str, timedelta or None
        Length of a step, a whole part or multiple of a day, such as ``"15m"``. Default one hour, unless `time` is
        guessed too.
    timezone : str or None
        The business's time zone: its days are counted in it. Default: that of the times of a frame, else UTC.
    group : str or None
        The column that tells groups apart: one series for each of its values. Default: one series of everything.
    time_format : str or None
        strptime format, `day_first`, `month_first`, `year_first`, `epoch`, `epoch_ms`, ..., or `serial` (of a
        spreadsheet). Default: decided from all rows.
    naive_timezone : str or None
        The zone of times that name none. Default: `timezone`.
    read : mapping or None
        How text files are written: `encoding`, `delimiter`, `quote`, `skip`, `decimal`, `thousands`. Default: detected.
    select : sequence of mapping
        Which rows are orders at all, as rules; others are set aside. Default: all.
    rules : sequence of mapping
        What a good row satisfies, each ``{"name": ..., "check": SQL}`` or another rule of `sales.rules` in
        capacity.yaml. Default: the built-in ones alone.
    late : str, timedelta or None
        How late rows may arrive: steps that they may still reach are left out. Default: the open step alone.
    memory_limit : str, float or None
        Memory for rows, such as ``"2Gi"``. Default: most of the machine's.

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
        A value is wrong.

    Examples
    --------
    >>> from capacity.sources.sample import sample_orders
    >>> sales = read_sales(sample_orders(), time="timestamp", value="orders")
    >>> sales.index[0].isoformat(), float(sales.iloc[7])
    ('2009-12-01T00:00:00+00:00', 2.0)
    """
    keys = {
        **counted_as(time, value, step, time_format),
        **_which(group, naive_timezone, read, late, memory_limit),
        "select": select,
        "rules": rules,
    }
    with load_source(source, keys, timezone) as orders:
        return orders.sales()


def audit_sales(
    source: Source,
    *,
    time: str | None = None,
    value: str | Mapping[str, Any] | None = None,
    step: str | timedelta | None = None,
    timezone: str | None = None,
    group: str | None = None,
    time_format: str | None = None,
    naive_timezone: str | None = None,
    read: Mapping[str, Any] | None = None,
    select: Rules = (),
    rules: Rules = (),
    late: str | timedelta | None = None,
    memory_limit: str | float | None = None,
    owner: str | None = None,
    available_at: str | None = None,
    contract: Mapping[str, Any] | None = None,
    freshness: Mapping[str, Any] | None = None,
    anomalies: bool | Mapping[str, Any] = True,
    quality: Mapping[str, Any] | None = None,
) -> Audit:
    """Judge a source of orders: its score, the rows that fail each rule, and the range of its times.

    Parameters
    ----------
    source : str, Path, mapping, Series or DataFrame
        A CSV or Parquet file (also compressed), a glob or a folder of them, ``{"url": ..., "query": ...}`` of a
        database that SQLAlchemy reaches, or rows in memory, with a column or an index of times.
    time : str or None
        The column with the time of the order. Default: guessed from names and values, as `capacity try` does; with it
        also `value` and `step` are guessed where they are not given.
    value : str, mapping or None
        What is counted: the column to sum up, ``"distinct:COLUMN"`` for its different values, or ``"rows"``. Default:
        rows are counted; guessed where `time` is guessed, and of a frame.
    step : str, timedelta or None
        Length of a step, a whole part or multiple of a day, such as ``"15m"``. Default one hour, unless `time` is
        guessed too.
    timezone : str or None
        The business's time zone: its days are counted in it. Default: that of the times of a frame, else UTC.
    group : str or None
        The column that tells groups apart: one series for each of its values. Default: one series of everything.
    time_format : str or None
        strptime format, `day_first`, `month_first`, `year_first`, `epoch`, `epoch_ms`, ..., or `serial` (of a
        spreadsheet). Default: decided from all rows.
    naive_timezone : str or None
        The zone of times that name none. Default: `timezone`.
    read : mapping or None
        How text files are written: `encoding`, `delimiter`, `quote`, `skip`, `decimal`, `thousands`. Default: detected.
    select : sequence of mapping
        Which rows are orders at all, as rules; others are set aside. Default: all.
    rules : sequence of mapping
        What a good row satisfies, each ``{"name": ..., "check": SQL}`` or another rule of `sales.rules` in
        capacity.yaml. Default: the built-in ones alone.
    late : str, timedelta or None
        How late rows may arrive: steps that they may still reach are left out. Default: the open step alone.
    memory_limit : str, float or None
        Memory for rows, such as ``"2Gi"``. Default: most of the machine's.
    owner : str or None
        Who answers for the source; named in errors. Default: nobody.
    available_at : str or None
        The column with the time at which the row became available: data latency. Default: not measured.
    contract : mapping or None
        The columns that the source promises, as `sales.contract`. Default: those that are used.
    freshness : mapping or None
        How old the newest row may be, as ``{"within": "1h"}``. Default: a warning after three days and three steps.
    anomalies : bool or mapping
        Whether the newest day is held against those before it, or how (`sales.anomalies`). Default yes.
    quality : mapping or None
        At which score rows are refused, as ``{"refuse_below": 0.9}``. Default: that of capacity.yaml.

    Returns
    -------
    Audit
        What was found; `audit.verdict` says whether a plan may be made from these rows.

    Raises
    ------
    DataError
        The source cannot be read.
    ConfigError
        A value is wrong.

    Examples
    --------
    >>> from capacity.sources.sample import sample_orders
    >>> audit = audit_sales(sample_orders(), time="timestamp", value="orders")
    >>> audit.rows, audit.score
    (17724, 1.0)
    """
    promised = {"owner": owner, "available_at": available_at, "contract": contract, "freshness": freshness}
    keys = {
        **counted_as(time, value, step, time_format),
        **_which(group, naive_timezone, read, late, memory_limit),
        **{key: kept for key, kept in {**promised, "quality": quality}.items() if kept is not None},
        **({} if anomalies is True else {"anomalies": anomalies or None}),
        "select": select,
        "rules": rules,
    }
    with load_source(source, keys, timezone) as orders:
        return notice_anomalies(orders.audit(), orders)


def counted_as(
    time: str | None,
    value: str | Mapping[str, Any] | None,
    step: str | timedelta | None,
    time_format: str | None,
) -> dict[str, Any]:
    """What is counted by which time, where it was said."""
    counted = parse_value(value) if isinstance(value, str) else value
    said = {"time": time, "value": counted, "step": step, "time_format": time_format}
    return {key: kept for key, kept in said.items() if kept is not None}


def _which(
    group: str | None,
    naive_timezone: str | None,
    read: Mapping[str, Any] | None,
    late: str | timedelta | None,
    memory_limit: str | float | None,
) -> dict[str, Any]:
    said = {"group": group, "timezone": naive_timezone, "read": read, "late": late, "memory_limit": memory_limit}
    return {key: kept for key, kept in said.items() if kept is not None}


def load_source(source: Source, keys: dict[str, Any], timezone: str | None) -> OrderTable:
    """The rows of files, a database or a frame, judged and counted.

    Time, value and step are guessed where no time was said.
    """
    if not isinstance(source, pd.Series | pd.DataFrame):
        if not isinstance(source, str | Path | Mapping):
            raise DataError(
                f"expected a Series or DataFrame with times, a file, or {{'url': ..., 'query': ...}}, got "
                f"{type(source).__name__}"
            )
        keys = keys if "time" in keys else {**_guessed(source, keys), **keys}
        return OrderTable.load(_settings(source, keys), _zone(timezone or "UTC"))
    held = HeldRows.of(source)
    if held.value is not None and "value" not in keys:
        keys = {**keys, "value": {"sum": held.value}}
    if "time" not in keys or ("value" not in keys and "group" not in keys):
        keys = {**_guessed(held, {"time": held.time, **keys}), **keys}
    zone = timezone or held.zone_of_column(str(keys["time"])) or "UTC"
    return OrderTable.load(_settings(NAME, keys), _zone(zone), held=held.table)


def _guessed(source: Any, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Time, value, step and zone of times as they are guessed; what was said decides what the rest means."""
    value = keys.get("value")
    how, column = next(iter(value.items())) if value else ("", None)
    written = None if not value else {"rows": "rows", "sum": f"sum:{column}"}.get(how, f"distinct:{column}")
    try:
        step = None if keys.get("step") is None else parse_duration(keys["step"])
    except ValueError as error:
        raise ConfigError(f"step: {error}") from error
    decimal = (keys.get("read") or {}).get("decimal")
    given = Given(keys.get("time"), written, step, keys.get("time_format"), decimal)
    if isinstance(source, Mapping):
        raise ConfigError("time: expected the column with the time of the order, got none")
    settings = guess_sales(source if isinstance(source, HeldRows) else str(source), given).settings
    guessed = ("time", "time_of_day", "value", "step", "timezone")
    return {key: getattr(settings, key) for key in guessed}


def _settings(source: str | Path | Mapping[str, str], keys: dict[str, Any]) -> SalesSettings:
    place = source if isinstance(source, Mapping) else str(source)
    try:
        return SalesSettings.model_validate({"source": place, **keys})
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
    _refuse_misspelt(file.name, names)
    texts = [(row.get(key) or "").strip() for row in rows for key in ("start", "end")]
    times = read_times(texts, f"{file.name}: start and end", timezone)
    zone = ZoneInfo(timezone)
    return [
        _event(row, (times[2 * place], times[2 * place + 1]), f"{file.name} line {first + place}", zone)
        for place, row in enumerate(rows)
    ]


def _refuse_misspelt(file: str, names: Sequence[str]) -> None:
    """Refuse a column that is meant for `kind` or `uplift` by its name: what it says would be left out."""
    for wanted in ("kind", "uplift"):
        others = [name for name in names if wanted not in names and name not in COLUMNS]
        for name in others:
            words = re.findall(r"[a-z]+|%", name.lower())
            if any(word in MEANT[wanted] for word in words) or difflib.get_close_matches(wanted, words, 1, LIKE):
                raise DataError(
                    f"{file}: expected the columns name, start, end, kind, uplift, got {name!r}; rename it to {wanted}"
                )


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
    unread = next((place for place, moment in enumerate(moments) if moment is None), None)
    if unread is not None:
        raise DataError(
            f"calendar.columns: {file.name} line {unread + 2}: expected a time such as 2026-11-27 18:00, got "
            f"{str(frame.index[unread])[:40]!r}"
        )
    frame.index = local
    known = frame.loc[frame.index.notna()].rename_axis(index=None)
    _refuse_unusable(known, file.name)
    return known


def _refuse_unusable(frame: pd.DataFrame, file: str) -> None:
    """Refuse columns that are no numbers, and times that are there twice: nobody can say which row counts."""
    twice = frame.index[frame.index.duplicated()]
    if len(twice):
        raise DataError(f"calendar.columns: {file}: expected each time once, got {twice[0]} twice; keep one of them")
    for name, column in frame.items():
        values = pd.to_numeric(column, errors="coerce")
        wrong = column[column.notna() & ~np.isfinite(values.to_numpy(dtype=float))]
        if len(wrong):
            raise DataError(
                f"calendar.columns: {file}: expected numbers in {name!r}, got {str(wrong.iloc[0])[:40]!r}; write them "
                "with a decimal point and without units"
            )


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
    if any(row.get(None) or ()):  # type: ignore[call-overload]  # csv keeps what is more than the header there
        raise DataError(f"{where}: expected {len(row) - 1} values, got more; a value with the delimiter needs quotes")
    try:
        kind = _kind((row.get("kind") or "").strip())
        start, end = _moment(row["start"], times[0], zone), _moment(row["end"], times[1], zone, end=True)
        uplift = _uplift((row.get("uplift") or "nan").strip(), where)
        _tell_small(uplift, kind, where)
        return Event(str(row["name"]), start, end, kind, None if isnan(uplift) else uplift)
    except (ValueError, OverflowError, NotImplementedError, DataError) as error:
        raise DataError(f"{where}: {error}") from error


def _kind(text: str) -> str:
    """The kind of an event; those that mean something in any case of letters. Raises `ValueError` on a misspelt one."""
    lower = text.lower() or "promotion"
    if lower in KINDS:
        return lower
    near = difflib.get_close_matches(lower, KINDS, 1, LIKE)
    if near:
        raise ValueError(f"expected a kind such as {', '.join(KINDS)}, got {text!r}; is {near[0]} meant?")
    return text


def _tell_small(uplift: float, kind: str, where: str) -> None:
    """Warn of a promotion that lowers sales, where somebody may have written a share."""
    if kind == "promotion" and uplift < 1:
        usual = 100 * uplift
        LOGGER.warning(
            "%s: expected a promotion to raise sales, got uplift %g, which is %g %% of the usual; for %g %% more "
            "write %g",
            *(where, uplift, usual, usual, 1 + uplift),
        )


def _uplift(text: str, where: str) -> float:
    try:
        uplift = float(text.replace(",", "."))
    except ValueError as error:
        raise ValueError(f"expected a factor as uplift, such as 1.3 for 30 % more, got {text!r}") from error
    if uplift >= MANY_TIMES:
        LOGGER.warning("%s: uplift %g means so many times the usual; for 30 %% more write 1.3", where, uplift)
    return uplift


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
