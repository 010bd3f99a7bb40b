"""Order rows in DuckDB: loaded once, judged by every rule, counted by step. SQL only; the faces are in `sources`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import pandas as pd

from capacity.audit import Audit, Rule
from capacity.domain import ConfigError, DataError
from capacity.edge.rows import literal, load_rows, one_line, quote, source_name
from capacity.edge.settings import SalesSettings

READABLE = "readable_row"  # the CSV reader could not split the line into the file's columns
GROUP = "readable_group"  # the group column is empty: the row would be in no series
TIME = "readable_time"  # the time column is empty, or not a time in the given format
VALUE = "readable_value"  # the value column is empty, not a number, or not finite
NOT_NEGATIVE = "value_not_negative"  # a negative amount cancels demand that was served: it is not demand
BUILT_IN = (READABLE, TIME, VALUE, NOT_NEGATIVE, GROUP)
MEASURED = 0.99  # share of steps with a single row above which a source is taken for measurements; DST doubles a few


@dataclass(frozen=True)
class OrderTable:
    """The rows of one source, each with its time in UTC, its value, its group and the rules it fails.

    Tables in `database`: `orders` (the source's columns and `source_row`, counted from 1), `rejects` (lines no reader
    could split) and `judged` (source_row, moment, value, grp, failed).
    """

    database: duckdb.DuckDBPyConnection
    settings: SalesSettings
    timezone: str
    columns: dict[str, str]
    repaired: dict[str, int]

    @classmethod
    def load(cls, settings: SalesSettings, timezone: str) -> Self:
        """Read the source, repair what a rule repairs, judge every row. Raises `DataError`, `ConfigError`."""
        database = duckdb.connect()
        database.execute("SET TimeZone = 'UTC'")
        load_rows(database, settings.source)
        columns = {name: kind for name, kind, *_ in database.execute("DESCRIBE orders").fetchall()}
        table = cls(database, settings, timezone, columns, {})
        table._require_columns()
        table._repair()
        table._judge()
        return table

    def close(self) -> None:
        """Free the rows."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    # -- counting -------------------------------------------------------------------------------------------------

    def audit(self) -> Audit:
        """Rows, passing rows, failures by rule, range of times."""
        loaded, passed = self._row("SELECT count(*), count(*) FILTER (WHERE len(failed) = 0) FROM judged")
        first, last = self._row("SELECT epoch(min(moment)), epoch(max(moment)) FROM judged WHERE len(failed) = 0")
        rejected = self._row("SELECT count(*) FROM rejects")[0]
        return Audit(
            source=source_name(self.settings.source),
            rows=loaded + rejected,
            passed=passed,
            failures=self._failures(rejected),
            repaired=dict(self.repaired),
            first=_utc(first),
            last=_utc(last),
            gaps=0 if first is None else int(self._wide().isna().to_numpy().sum()),
            quality=self.settings.thresholds(),
        )

    def sales(self) -> pd.Series | pd.DataFrame:
        """Sales per step from the rows that pass every rule; a frame with one column per group where there are groups.

        A step without rows is zero sales where rows are single orders, and a gap (NaN) where the source itself has at
        most one row per step: then a missing row is a missing measurement. The step that holds the newest row is left
        out where it may still be filling up.
        """
        wide, name = self._wide(), source_name(self.settings.source)
        wide = wide if self._last_step_is_whole() else wide.iloc[:-1]
        if wide.empty:
            raise DataError(f"{name}: expected at least one whole step of {self.settings.step}, got none")
        result: pd.Series | pd.DataFrame = wide if self.settings.group else wide.iloc[:, 0].rename("sales")
        result.attrs["timezone"] = self.timezone
        return result

    def _wide(self) -> pd.DataFrame:
        """One row per step from the first to the last, one column per group."""
        frame = self.database.execute(self._steps_query()).df()
        if frame.empty:
            name = source_name(self.settings.source)
            raise DataError(f"{name}: expected at least one good row, got none; see `capacity audit`")
        index = pd.to_datetime(frame["step_start"], unit="s", utc=True)
        wide = frame.assign(step_start=index).pivot_table(index="step_start", columns="grp", values="value", sort=True)
        steps = pd.date_range(wide.index[0], wide.index[-1], freq=pd.Timedelta(self.settings.step))
        wide = wide.reindex(steps).astype(float).rename_axis(index=None, columns=None)
        return wide if self._is_measurement(frame) else wide.fillna(0.0)

    def write_quarantine(self, path: Path) -> int:
        """Write every row that fails a rule, with its rules, to a Parquet file; returns how many."""
        rows = (
            "SELECT j.failed AS failed_rules, o.* FROM judged j JOIN orders o USING (source_row) "
            "WHERE len(j.failed) > 0 ORDER BY source_row"
        )
        rejects = f"SELECT [{literal(READABLE)}] AS failed_rules, line AS source_row, text AS source_text FROM rejects"
        query = f"({rows}) UNION ALL BY NAME ({rejects})"
        count = int(self._row(f"SELECT count(*) FROM ({query})")[0])
        try:
            self.database.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet)")
        except duckdb.Error as error:
            raise DataError(f"{path}: quarantined rows cannot be written: {one_line(error)}") from error
        return count

    def _failures(self, rejected: int) -> dict[str, int]:
        query = "SELECT rule, count(*) FROM (SELECT unnest(failed) AS rule FROM judged) GROUP BY rule"
        counts = dict(self.database.execute(query).fetchall())
        counts[READABLE] = rejected
        names = [*BUILT_IN, *(rule.name for rule in self.settings.rules)]
        return {name: int(counts.get(name, 0)) for name in names if counts.get(name) or name not in BUILT_IN}

    def _steps_query(self) -> str:
        """One row per step and group: seconds since 1970 of the step's start, the value, how many rows it came from."""
        value = self.settings.value
        total = "sum(value)" if value.sum else "count(DISTINCT value)" if value.count_distinct else "count(*)"
        return (
            f"SELECT {self._step_start()} AS step_start, grp, CAST({total} AS DOUBLE) AS value, count(*) AS row_count "
            "FROM judged WHERE len(failed) = 0 GROUP BY ALL ORDER BY ALL"
        )

    def _step_start(self) -> str:
        seconds = int(self.settings.step.total_seconds())
        if seconds < 86400:
            return f"CAST(floor(epoch(moment) / {seconds}) * {seconds} AS BIGINT)"
        # Steps of days are business days, named by the date; weeks begin on Monday (1970-01-05 was one).
        local_day = f"epoch(date_trunc('day', timezone({literal(self.timezone)}, moment)))"
        return f"CAST(floor(({local_day} - 345600) / {seconds}) * {seconds} + 345600 AS BIGINT)"

    def _is_measurement(self, frame: pd.DataFrame) -> bool:
        return self.settings.value.sum is not None and bool((frame["row_count"] == 1).mean() > MEASURED)

    def _last_step_is_whole(self) -> bool:
        """Whether nothing can come after the newest row within its step: dates without time, or one row per step."""
        seconds = int(self.settings.step.total_seconds())
        if seconds >= 86400:
            local = f"timezone({literal(self.timezone)}, moment)"
            clock = f"date_trunc('day', {local}) = {local}"
        else:
            clock = f"epoch(moment) % {seconds} = 0"
        return bool(self._row(f"SELECT coalesce(bool_and({clock}), false) FROM judged WHERE len(failed) = 0")[0])

    # -- judging --------------------------------------------------------------------------------------------------

    def _require_columns(self) -> None:
        settings, columns = self.settings, self.columns
        if not self._row("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM rejects)")[0]:
            raise DataError(f"{source_name(settings.source)}: expected rows of orders, got an empty source")
        value = settings.value.sum or settings.value.count_distinct
        for key, name in (("time", settings.time), ("value", value), ("group", settings.group)):
            if name is not None and name not in columns:
                got = ", ".join(column for column in columns if column != "source_row")
                raise DataError(f"{source_name(settings.source)}: no column {name!r} (sales.{key}); its columns: {got}")

    def _repair(self) -> None:
        for rule in self.settings.quality_rules():
            if rule.repair is None:
                continue
            failing = f"SELECT source_row FROM orders WHERE NOT {self._passes(rule)}"
            try:
                self.database.execute(f"CREATE OR REPLACE TEMP TABLE failing AS {failing}")
                self.database.execute(f"UPDATE orders SET {rule.repair} WHERE source_row IN (FROM failing)")
            except duckdb.Error as error:
                raise ConfigError(
                    f"rule {rule.name}: repair {rule.repair!r} does not run: {one_line(error)}"
                ) from error
            passing = f"SELECT count(*) FROM orders WHERE source_row IN (FROM failing) AND {self._passes(rule)}"
            self.repaired[rule.name] = int(self._row(passing)[0])

    def _judge(self) -> None:
        verdicts = [*self._built_in(), *((rule.name, self._passes(rule)) for rule in self.settings.quality_rules())]
        failed = ", ".join(f"CASE WHEN NOT {passes} THEN {literal(name)} END" for name, passes in verdicts)
        value = self.settings.value
        chosen = f"TRY_CAST({quote(value.sum)} AS DOUBLE)" if value.sum else quote(value.count_distinct or "source_row")
        group = f"CAST({quote(self.settings.group)} AS VARCHAR)" if self.settings.group else "''"
        query = (
            f"CREATE TABLE judged AS SELECT source_row, {self._time()} AS moment, {chosen} AS value, {group} AS grp, "
            f"list_filter([{failed}], lambda rule: rule IS NOT NULL) AS failed FROM orders"
        )
        try:
            self.database.execute(query)
        except duckdb.Error as error:
            raise ConfigError(f"rules: a check does not run on every row: {one_line(error)}") from error

    def _built_in(self) -> list[tuple[str, str]]:
        value = self.settings.value
        checks = [(TIME, f"({self._time()} IS NOT NULL)")]
        if value.sum:
            number = f"TRY_CAST({quote(value.sum)} AS DOUBLE)"
            checks.append((VALUE, f"coalesce(isfinite({number}), false)"))
            checks.append((NOT_NEGATIVE, f"coalesce({number} >= 0, true)"))
        elif value.count_distinct:
            checks.append((VALUE, f"({quote(value.count_distinct)} IS NOT NULL)"))
        if self.settings.group:
            checks.append((GROUP, f"({quote(self.settings.group)} IS NOT NULL)"))
        return checks

    def _passes(self, rule: Rule) -> str:
        """The rule as an expression that is never NULL: an error in a row is a failed row (windows cannot be tried)."""
        for tried in (f"TRY(CAST(({rule.check}) AS BOOLEAN))", f"CAST(({rule.check}) AS BOOLEAN)"):
            expression = f"coalesce({tried}, false)"
            try:
                self.database.execute(f"SELECT {expression} FROM orders LIMIT 0")
            except duckdb.Error as error:
                failure = error
                continue
            return expression
        raise ConfigError(f"rule {rule.name}: check {rule.check!r} does not run: {one_line(failure)}") from failure

    def _time(self) -> str:
        """The time column as an instant (TIMESTAMP WITH TIME ZONE), NULL where it is none."""
        column, kind = quote(self.settings.time), self.columns[self.settings.time]
        form = self.settings.time_format
        if kind.startswith("TIMESTAMP WITH TIME ZONE"):
            return column
        if kind.startswith(("TIMESTAMP", "DATE")):
            return f"timezone({literal(self.timezone)}, CAST({column} AS TIMESTAMP))"
        if form is not None:
            return f"timezone({literal(self.timezone)}, try_strptime(CAST({column} AS VARCHAR), {literal(form)}))"
        if kind == "VARCHAR":
            return f"timezone({literal(self.timezone)}, TRY_CAST({column} AS TIMESTAMP))"
        raise ConfigError(
            f"sales.time: column {self.settings.time!r} holds {kind}: give sales.time_format, e.g. '%Y%m%d'"
        )

    def _row(self, query: str) -> Any:
        return self.database.execute(query).fetchone()


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
