"""Loads rows of orders that lie in a pandas frame, so that they are judged and counted as those of a file are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from capacity.model import DataError, require
from capacity.series.frames import zone_of
from capacity.sources.columns import Kept, projected
from capacity.sources.database import as_text
from capacity.sources.sql import quote

NAME = "DataFrame"  # as messages and audits call the source
INDEX = "time"  # the column that an index without a name becomes


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Rows in memory: `table` has every column, `time` is the one that was the index (None: it was no index of times).

    `zone` is the IANA zone of the times (None: they have none), `value` the column of a series' values.
    """

    table: pd.DataFrame
    time: str | None
    value: str | None
    zone: str | None

    @staticmethod
    def of(data: pd.Series | pd.DataFrame) -> HeldRows:
        """The rows of a series or frame. Raises `DataError` on two columns of one name.

        >>> held = HeldRows.of(pd.Series([3.0], pd.DatetimeIndex(["2026-01-01"], tz="Asia/Tokyo")))
        >>> held.time, held.value, held.zone
        ('time', 'value', 'Asia/Tokyo')
        """
        if not len(data):
            raise DataError(f"{NAME}: expected rows of orders, got none")
        value = str(data.name or "value") if isinstance(data, pd.Series) else None
        frame = data.rename(value).to_frame() if isinstance(data, pd.Series) else data
        if isinstance(frame.index, pd.MultiIndex):
            frame = frame.reset_index()
        index: Any = frame.index
        if isinstance(index, pd.PeriodIndex):
            index = index.to_timestamp()
        table, time = frame.reset_index(drop=True), None
        table.columns = pd.Index([str(name) for name in table.columns])
        if isinstance(index, pd.DatetimeIndex):
            time = str(index.name or INDEX)
            require(time not in table.columns, "the index and a column are both named {!r}; rename one", time)
            table.insert(0, time, index)
        elif index.name is not None:
            table.insert(0, str(index.name), index)
        names = [str(name) for name in table.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, "{}: expected each column once, got {} twice; rename one", NAME, ", ".join(twice))
        require("source_row" not in names, "{}: expected no column named source_row, which is ours; rename it", NAME)
        return HeldRows(table, time, value, None if time is None else zone_of(pd.DatetimeIndex(index)))

    def zone_of_column(self, time: str) -> str | None:
        """The zone of a column of times; None where it has none."""
        column = self.table[time] if time in self.table.columns else None
        if column is None or not is_datetime64_any_dtype(column.dtype):
            return None
        return zone_of(pd.DatetimeIndex(column))


def load_frame(database: duckdb.DuckDBPyConnection, table: pd.DataFrame, ids: set[str], kept: Kept | None) -> set[str]:
    """Create `raw` from what is kept of a frame, and give its columns of text.

    Times and numbers are taken as they are, all else, and `ids`, as text. `kept`: None for all columns.
    Raises `DataError` where pandas holds something that cannot be a table.
    """
    columns = {f"c{place}": _plain(table[name], name in ids) for place, name in enumerate(table.columns)}
    texts = {
        str(name)
        for name, values in zip(table.columns, columns.values(), strict=True)
        if values.dtype == object  # a column of text
    }
    chosen = "".join(
        f", {f'CAST(c{place} AS VARCHAR)' if str(name) in texts else f'c{place}'} AS {quote(str(name))}"
        for place, name in enumerate(table.columns)
    )
    try:
        database.register("held", pd.DataFrame({"source_row": range(1, len(table) + 1), **columns}))
        rows = f"(SELECT CAST(source_row AS BIGINT) AS source_row{chosen} FROM held)"
        kept_of_it = f"source_row, {projected(list(map(str, table.columns)), kept)}" if kept else "*"
        database.execute(f"CREATE TABLE raw AS SELECT {kept_of_it} FROM {rows}")
        database.unregister("held")
    except duckdb.Error as error:
        raise DataError(f"{NAME}: cannot be read: {str(error).splitlines()[0]}") from error
    return texts


def _plain(column: pd.Series, is_id: bool) -> pd.Series:
    """The column as DuckDB takes it: instants in UTC, times without a zone, numbers, or text."""
    plain = column.reset_index(drop=True)
    if not is_id and is_datetime64_any_dtype(plain.dtype):
        aware = getattr(plain.dtype, "tz", None) is not None
        return plain.dt.tz_convert("UTC") if aware else plain
    if not is_id and (is_numeric_dtype(plain.dtype) or is_bool_dtype(plain.dtype)):
        nullable = pd.api.types.is_extension_array_dtype(plain.dtype)
        return plain.astype("float64") if nullable and plain.hasnans else plain
    return pd.Series([as_text(value) for value in plain.tolist()], dtype=object)
