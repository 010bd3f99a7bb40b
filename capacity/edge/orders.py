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
from capacity.edge.credentials import hide_secrets
from capacity.edge.pushdown import (
    EPOCHS,
    GROUP,
    NEWEST,
    NOT_NEGATIVE,
    OLDEST,
    READABLE,
    TIME,
    VALUE,
    on_step,
    step_start,
)
from capacity.edge.rows import load_rows, materialise, open_database, source_name
from capacity.edge.settings import SalesSettings
from capacity.edge.sql import literal, one_line, quote
from capacity.edge.warehouse import count_there

BUILT_IN = (READABLE, TIME, VALUE, NOT_NEGATIVE, GROUP)
OFFSET = r":\d\d.*(Z|[+-]\d\d(:?\d\d)?)\s*$"  # text that says its own zone
MEASURED = 0.99  # share of steps with a single row above which a source is taken for measurements; DST doubles a few


@dataclass(frozen=True)
class OrderTable:
    """The rows of one source, each with its time in UTC, its value, its group and the rules it fails.

    In `database`: `orders` (the source's columns and `source_row`, counted from 1; a view where the source can be read
    twice), `rejects` (lines no reader could split), `judged` (source_row, moment, value, grp, failed; a view) and
    `counted` (one row per step, group and set of failed rules: the only pass over all rows).
    """

    database: duckdb.DuckDBPyConnection
    settings: SalesSettings
    timezone: str
    columns: dict[str, str]
    repaired: dict[str, int]

    @classmethod
    def load(cls, settings: SalesSettings, timezone: str) -> Self:
        """Read the source, repair what a rule repairs, judge every row. Raises `DataError`, `ConfigError`."""
        database = open_database(settings.memory_limit)
        table = cls(database, settings, timezone, {}, {})
        if not count_there(database, settings, timezone):
            table._read()
            table._count()
        return table

    def _read(self) -> None:
        load_rows(self.database, self.settings.source)
        described = self.database.execute("DESCRIBE orders").fetchall()
        self.columns.update({name: kind for name, kind, *_ in described})
        self._require_columns()
        self._repair()
        self._judge()

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
        loaded = self._row("SELECT coalesce(sum(row_count), 0) FROM counted")[0]
        passed, first, last = self._row(
            "SELECT coalesce(sum(row_count), 0), epoch(min(first)), epoch(max(last)) FROM counted WHERE len(failed) = 0"
        )
        rejected = self._row("SELECT count(*) FROM rejects")[0]
        return Audit(
            source=source_name(self.settings.source),
            rows=int(loaded) + rejected,
            passed=int(passed),
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
        out where it may still be filling up, and with `late` every step that late rows may still reach.
        """
        wide, name = self._wide(), source_name(self.settings.source)
        wide = wide if self._last_step_is_whole() else wide.iloc[:-1]
        if self.settings.late:
            settled = self._row("SELECT epoch(max(last)) FROM counted WHERE len(failed) = 0")[0]
            newest_start = pd.Timestamp(settled, unit="s", tz="UTC") - pd.Timedelta(
                self.settings.late + self.settings.step
            )
            wide = wide.loc[:newest_start]
        if wide.empty:
            raise DataError(f"{name}: expected at least one whole step of {self.settings.step}, got none")
        result: pd.Series | pd.DataFrame = wide if self.settings.group else wide.iloc[:, 0].rename("sales")
        result.attrs["timezone"] = self.timezone
        return result

    def _wide(self) -> pd.DataFrame:
        """One row per step from the first to the last, one column per group."""
        good = "SELECT step_start, grp, value, row_count FROM counted WHERE len(failed) = 0 ORDER BY step_start, grp"
        frame = self.database.execute(good).df()
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
        if not self.columns:  # they were counted where they lie
            self._read()
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
        query = "SELECT rule, sum(n) FROM (SELECT unnest(failed) AS rule, row_count AS n FROM counted) GROUP BY rule"
        counts = dict(self.database.execute(query).fetchall())
        counts[READABLE] = rejected
        names = [*BUILT_IN, *(rule.name for rule in self.settings.rules)]
        return {name: int(counts.get(name, 0)) for name in names if counts.get(name) or name not in BUILT_IN}

    def _count(self) -> None:
        """One pass over all rows; a source that breaks off is told apart from a rule that does not run."""
        try:
            self.database.execute(f"CREATE TABLE counted AS {self._steps_query()}")
        except duckdb.Error as error:
            try:
                self._row("SELECT max(hash(orders)) FROM orders")
            except duckdb.Error as broken:
                raise self._broken(broken) from error
            raise ConfigError(f"rules: a check does not run on every row: {one_line(error)}") from error

    def _broken(self, error: duckdb.Error) -> DataError:
        name = source_name(self.settings.source)
        return DataError(f"{name}: cannot be read to its end: {hide_secrets(one_line(error))}")

    def _steps_query(self) -> str:
        """One row per step (seconds since 1970 of its start), group and set of failed rules."""
        value = self.settings.value
        total = "sum(value)" if value.sum else "count(DISTINCT value)" if value.count_distinct else "count(*)"
        start, exact = (of("moment", self.settings, self.timezone) for of in (step_start, on_step))
        return (
            f"SELECT {start} AS step_start, grp, failed, CAST({total} AS DOUBLE) AS value, "
            f"count(*) AS row_count, min(moment) AS first, max(moment) AS last, bool_and({exact}) AS on_step "
            "FROM judged GROUP BY ALL"
        )

    def _is_measurement(self, frame: pd.DataFrame) -> bool:
        return self.settings.value.sum is not None and bool((frame["row_count"] == 1).mean() > MEASURED)

    def _last_step_is_whole(self) -> bool:
        """Whether nothing can come after the newest row within its step: dates without time, or one row per step."""
        return bool(self._row("SELECT coalesce(bool_and(on_step), false) FROM counted WHERE len(failed) = 0")[0])

    # -- judging --------------------------------------------------------------------------------------------------

    def _require_columns(self) -> None:
        settings, columns = self.settings, self.columns
        try:
            loaded = self._row("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM rejects)")[0]
        except duckdb.Error as error:
            raise self._broken(error) from error
        if not loaded:
            raise DataError(f"{source_name(settings.source)}: expected rows of orders, got an empty source")
        value = settings.value.sum or settings.value.count_distinct
        for key, name in (("time", settings.time), ("value", value), ("group", settings.group)):
            if name is not None and name not in columns:
                got = ", ".join(column for column in columns if column != "source_row")
                raise DataError(f"{source_name(settings.source)}: no column {name!r} (sales.{key}); its columns: {got}")

    def _repair(self) -> None:
        repairs = [rule for rule in self.settings.quality_rules() if rule.repair is not None]
        if repairs:
            materialise(self.database)
        for rule in repairs:
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
        self.database.execute(
            f"CREATE VIEW judged AS SELECT source_row, {self._time()} AS moment, {chosen} AS value, {group} AS grp, "
            f"list_filter([{failed}], lambda rule: rule IS NOT NULL) AS failed FROM orders"
        )

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
        if form in EPOCHS:
            seconds = f"TRY_CAST({column} AS DOUBLE) / {EPOCHS[form]}"
            return f"CASE WHEN {seconds} BETWEEN {OLDEST} AND {NEWEST} THEN to_timestamp({seconds}) END"
        if form is not None:
            return f"timezone({literal(self.timezone)}, try_strptime(CAST({column} AS VARCHAR), {literal(form)}))"
        if kind == "VARCHAR":
            local = f"timezone({literal(self.timezone)}, TRY_CAST({column} AS TIMESTAMP))"
            return (
                f"CASE WHEN regexp_matches({column}, {literal(OFFSET)}) THEN TRY_CAST({column} AS TIMESTAMPTZ) "
                f"ELSE {local} END"
            )
        raise ConfigError(
            f"sales.time: column {self.settings.time!r} holds {kind}: give sales.time_format, e.g. '%Y%m%d' or epoch"
        )

    def _row(self, query: str) -> Any:
        return self.database.execute(query).fetchone()


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
