"""Keeps fetched hours as Parquet, so that an hourly run queries only the new hour. Losing the folder loses no data.

There is one file per query and UTC day. Only whole hours that are past and settled are kept, and only if the answer
had values: absent hours are queried again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from capacity.files import PRIVATE, written_whole
from capacity.model import ConfigError
from capacity.model.settings import PrometheusSettings
from capacity.sources.sql import literal

DAY = 86400
COLUMNS = ("cell", "series", "seconds", "value")  # start of the hour; name of the series; start of the step; value
LAYOUT = "1"  # part of the key: a later version that keeps other columns asks again


@dataclass(frozen=True, slots=True)
class Cache:
    """The kept hours of one query to one server. `folder` None keeps nothing."""

    folder: Path | None

    @classmethod
    def of(cls, settings: PrometheusSettings, query: str, step_seconds: int) -> Cache:
        """The cache of a query. Its key depends on everything that the answer depends on, and reveals no secret."""
        if settings.cache is None:
            return cls(None)
        parts = (LAYOUT, settings.url, settings.tenant or "", str(step_seconds), query)
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return cls(Path(settings.cache) / key[:40])

    def read(self, wanted: range) -> pd.DataFrame:
        """The kept rows of the wanted cells. A file that cannot be read is deleted, and its hours are queried again."""
        folder = self.folder
        if folder is None:
            return empty()
        files = [_file(folder, day) for day in sorted({cell // DAY for cell in wanted})]
        present = [file for file in files if file.exists()]
        if not present:
            return empty()
        with closing(duckdb.connect()) as database:
            try:
                rows = _read(database, present)
            except duckdb.Error:
                rows = pd.concat([empty(), *(_read_or_drop(database, file) for file in present)], ignore_index=True)
        return rows[(rows["cell"] >= wanted.start) & (rows["cell"] < wanted.stop)]

    def keep(self, rows: pd.DataFrame) -> None:
        """Keep the rows of whole, settled cells. Raises `ConfigError` if the folder cannot be written."""
        if self.folder is None or rows.empty:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(duckdb.connect()) as database:
                for day, fresh in rows.groupby(rows["cell"] // DAY):
                    file = _file(self.folder, int(day))
                    known = _read_or_drop(database, file) if file.exists() else empty()
                    known = known[~known["cell"].isin(fresh["cell"].unique())]
                    _write(database, pd.concat([known, fresh[list(COLUMNS)]], ignore_index=True), file)
        except OSError as error:
            raise ConfigError(f"prometheus.cache: {self.folder.parent} cannot be written: {error}") from error


def _file(folder: Path, day: int) -> Path:
    return folder / f"{pd.Timestamp(day, unit='D'):%Y-%m-%d}.parquet"


def empty() -> pd.DataFrame:
    """No rows, with the columns and types of a cache."""
    types = {"cell": "int64", "series": "object", "seconds": "int64", "value": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def _read(database: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> pd.DataFrame:
    names = ", ".join(literal(str(file)) for file in files)
    frame: pd.DataFrame = database.execute(f"SELECT {', '.join(COLUMNS)} FROM read_parquet([{names}])").df()
    return frame


def _read_or_drop(database: duckdb.DuckDBPyConnection, file: Path) -> pd.DataFrame:
    try:
        return _read(database, [file])
    except duckdb.Error:  # cut short, or another layout
        file.unlink(missing_ok=True)
        return empty()


def _write(database: duckdb.DuckDBPyConnection, rows: pd.DataFrame, file: Path) -> None:
    """Write beside the file, then move into its place: a reader sees the old file or the new one, whole."""
    database.register("kept", rows)
    try:
        with written_whole(file, PRIVATE) as part:
            database.execute(f"COPY (FROM kept ORDER BY series, seconds) TO {literal(str(part))} (FORMAT parquet)")
    except duckdb.Error as error:
        raise OSError(str(error)) from error
