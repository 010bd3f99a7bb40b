"""Orders in DuckDB: loaded once, judged by every rule, counted by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pandas as pd

from capacity.files import PRIVATE, written_whole
from capacity.model import ConfigError, DataError
from capacity.model.arrays import Mask
from capacity.model.data_quality import UNREAD
from capacity.model.errors import hide_secrets
from capacity.model.settings import DatabaseSource, SalesSettings
from capacity.quality import Audit, Finding, Latency
from capacity.quality.report import step_counts
from capacity.series.calendar import Fold
from capacity.sources.columns import kept_columns, seen_by_check
from capacity.sources.database import count_in_database
from capacity.sources.findings import currency_findings, id_findings, repetition_findings, unit_findings, value_findings
from capacity.sources.granularity import granularity_findings, totals_findings
from capacity.sources.judging import UNIT, Judgement, Source, Span
from capacity.sources.plausibility import (
    AHEAD,
    mark_implausible_times,
    repeated_hours,
    resolve_repeated_hours,
    unclear_note,
    workbook_findings,
)
from capacity.sources.rows import Loaded, Wanted, load_held, load_rows, open_database, source_name
from capacity.sources.sql import (
    BUILT_IN,
    GOOD,
    NOT_NEGATIVE,
    OLDEST,
    PLAUSIBLE,
    READABLE,
    ROW_HASH,
    TIME,
    VALUE,
    literal,
    one_line,
    quote,
)

MEASURED = 0.99  # share of steps with a single row above which a source is taken for measurements; DST doubles a few
TOTAL = f"sum(CAST(value * {UNIT} AS HUGEINT)) / {UNIT}"  # of good rows of `counted`: exact in any order
IN_SPAN = f"aside = 0 AND step_start IS NOT NULL AND NOT list_contains(failed, {literal(PLAUSIBLE)})"
KINDS = {  # DuckDB's types by the kind of value that a contract speaks of; longer names begin with these
    "text": ("VARCHAR", "ENUM", "UUID"),
    "integer": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    "number": ("FLOAT", "DOUBLE", "DECIMAL"),
    "time": ("TIMESTAMP", "DATE", "TIME"),
    "boolean": ("BOOLEAN",),
}


@dataclass(frozen=True)
class OrderTable:
    """The rows of one source, each with its time in UTC, its value, its group and the rules it fails.

    In `database`: `orders` (the source's columns and `source_row`, counted from 1; a view where the source can be read
    twice), `rejects` (lines no reader could split) and `counted` (one row per step, group and outcome: the only pass
    over all rows). `columns` are the source's, with the kind of value each holds. `judgement` is None where the rows
    were counted in the database that holds them.
    """

    database: duckdb.DuckDBPyConnection
    settings: SalesSettings
    timezone: str
    columns: dict[str, str]
    judgement: Judgement | None
    now: datetime
    loaded: Loaded = field(default_factory=Loaded)
    unclear: tuple[Fold, ...] = ()
    before: datetime | None = None

    @classmethod
    def load(
        cls,
        settings: SalesSettings,
        timezone: str,
        now: datetime | None = None,
        *,
        before: datetime | None = None,
        held: pd.DataFrame | None = None,
    ) -> Self:
        """Read the source, repair what a rule repairs, judge every row. Raises `DataError`, `ConfigError`.

        Rows more than a day ahead of `now` (None: of the clock) fail a rule, as do rows that are far from all others.
        `before`: rows of this time and later are left out, as if they had not come yet, and no step is used that was
        not over by then. Where the source's own database counts, all rows of such steps are left out. `held`: rows in
        memory, in place of those of `settings.source`.
        """
        now = now or datetime.now(UTC)
        span = Span(OLDEST, (now + AHEAD).timestamp())
        database = open_database(settings.memory_limit)
        source, counted = settings.source, None
        if isinstance(source, DatabaseSource):
            counted = count_in_database(database, source, settings, timezone)
        if counted is not None:
            database.execute("ALTER TABLE counted ADD COLUMN aside INTEGER DEFAULT 0")
            if before is not None:
                database.execute("DELETE FROM counted WHERE step_start >= ?", [_open_step(before, settings)])
            notes, zone = mark_implausible_times(database, span)[1], settings.timezone or timezone
            unclear = repeated_hours(database, zone) if counted.naive else ()
            read = f"times without a zone are read in {zone}" if counted.naive else "its times name their zone"
            counting = f"{settings.time}: counted in its database; {read}"
            found = (*totals_findings(database, settings, timezone), *counted.findings)
            found += (*unit_findings(database, settings), *value_findings(database, settings))
            loaded = Loaded((counting,), found, (*notes, *(unclear_note(fold, zone) for fold in unclear)))
            return cls(database, settings, timezone, counted.columns, None, now, loaded, unclear, before)
        wanted = wanted_of(settings, timezone)
        loaded = load_rows(database, source, wanted) if held is None else load_held(database, held, wanted)
        judgement, loaded = _judgement(database, settings, timezone, span, loaded)
        judgement = replace(judgement, before=before)
        rows, unclear = resolve_repeated_hours(judgement)
        judgement = judgement.at_first_showing(rows).within(span)
        _count(database, judgement)
        span, notes = mark_implausible_times(database, span)
        notes = (*loaded.notes, *notes, *(unclear_note(fold, judgement.time_zone()) for fold in unclear))
        found = (*loaded.findings, *judgement.time.findings, *judgement.amount.findings)
        findings = (
            *found,
            *workbook_findings(judgement, now),
            *granularity_findings(judgement),
            *currency_findings(judgement),
            *unit_findings(database, settings),
            *value_findings(database, settings),
            *id_findings(judgement),
            *repetition_findings(judgement),
        )
        read_as = (
            f"{settings.time}: {judgement.time.read_as}",
            *loaded.read_as,
            *([f"{settings.value.sum}: {judgement.amount.read_as}"] if judgement.amount.read_as else []),
        )
        loaded = Loaded(read_as, findings, notes)
        kinds = _kinds(judgement.source)
        return cls(database, settings, timezone, kinds, judgement.within(span), now, loaded, unclear, before)

    def close(self) -> None:
        """Free the rows."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    # -- counting -------------------------------------------------------------------------------------------------

    def audit(self) -> Audit:
        """Rows, passing rows, failures by rule, range of times, and what the source as a whole lacks."""
        settings = self.settings
        judged = self._row("SELECT coalesce(sum(row_count), 0) FROM counted WHERE aside = 0")[0]
        passed, first, last = self._row(
            f"SELECT coalesce(sum(row_count), 0), epoch(min(first)), epoch(max(last)) FROM counted WHERE {GOOD}"
        )
        rejected = self._row("SELECT count(*) FROM rejects")[0]
        return Audit(
            source=source_name(settings.source),
            rows=int(judged) + rejected,
            passed=int(passed),
            failures=self._failures(rejected),
            repaired=self._repaired(),
            first=_utc(first),
            last=_utc(last),
            gaps=self._gaps(),
            quality=settings.quality,
            owner=settings.owner,
            set_aside=self._set_aside(),
            findings=(*self._findings(), *self.loaded.findings),
            notes=self.loaded.notes,
            read=self.loaded.read_as,
            newest=_utc(self._newest()),
            totals=settings.step if self.is_measurement() and self._last_step_is_whole else None,
            columns=self.columns,
            latency=self._latency(),
            freshness=settings.expected_age(),
            counts=() if first is None else step_counts(*self.row_counts()),
        )

    def row_counts(self) -> tuple[pd.Series, pd.Series]:
        """Rows and good rows per step, from the first step to the last; a step without rows is 0.

        Rows whose time is not plausible set no span: one of the year 1 would make it two thousand years long.
        """
        return self._row_counts

    @cached_property
    def _row_counts(self) -> tuple[pd.Series, pd.Series]:
        query = (
            f"SELECT step_start, sum(row_count) AS n, coalesce(sum(row_count) FILTER (WHERE {GOOD}), 0) AS good "
            f"FROM counted WHERE {IN_SPAN} GROUP BY step_start ORDER BY step_start"
        )
        frame = self.database.execute(query).df()
        frame.index = pd.to_datetime(frame["step_start"], unit="s", utc=True)
        steps = pd.date_range(frame.index[0], frame.index[-1], freq=pd.Timedelta(self.settings.step))
        frame = frame.reindex(steps, fill_value=0)
        return frame["n"].astype(float), frame["good"].astype(float)

    def sales(self) -> pd.Series | pd.DataFrame:
        """Sales per step from the rows that pass every rule; a frame with one column per group where there are groups.

        A step without rows is zero sales where rows are single orders, and a gap (NaN) where the source itself has at
        most one row per step: then a missing row is a missing measurement. The step that holds the newest row is left
        out where it may still be filling up, and with `late` every step that late rows may still reach.
        """
        wide = self._wide().reindex(self.steps())
        result: pd.Series | pd.DataFrame = wide if self.settings.group else wide.iloc[:, 0].rename("sales")
        result.attrs["timezone"] = self.timezone
        return result

    def total(self, until: datetime | None = None) -> pd.Series:
        """Sales per step of all groups together, as `sales` counts them: without a column for each group.

        `until`: the end of the last step, where it is known that every step before it is over.
        """
        query = f"SELECT step_start, {TOTAL} AS value FROM counted WHERE {GOOD} GROUP BY step_start ORDER BY step_start"
        frame = self.database.execute(query).df()
        if frame.empty:
            raise self._no_row()
        series = frame["value"].astype(float).set_axis(pd.to_datetime(frame["step_start"], unit="s", utc=True))
        steps = self.steps()
        if until is not None:
            steps = pd.date_range(steps[0], until - self.settings.step, freq=pd.Timedelta(self.settings.step))
        total = series.reindex(steps, fill_value=np.nan if self.is_measurement() else 0.0)
        total[self.unclear_steps(steps)] = np.nan
        return total

    def steps(self) -> pd.DatetimeIndex:
        """The steps of the sales: from the first with a good row to the last whole one."""
        name, step = source_name(self.settings.source), self.settings.step
        first, last, newest = self._row(
            f"SELECT min(step_start), max(step_start), epoch(max(last)) FROM counted WHERE {GOOD}"
        )
        if first is None:
            raise self._no_row()
        start, end = (pd.Timestamp(seconds, unit="s", tz="UTC") for seconds in (first, last))
        index = pd.date_range(start, end, freq=pd.Timedelta(step))
        index = index if self._last_step_is_whole else index[:-1]
        if self.before is not None:  # a row that counts a whole step is known when the step is over
            index = index[index < pd.Timestamp(_open_step(self.before, self.settings), unit="s", tz="UTC")]
        if self.settings.late:
            settled = pd.Timestamp(newest, unit="s", tz="UTC") - pd.Timedelta(self.settings.late + step)
            index = index[index <= settled]
        if index.empty:
            raise DataError(f"{name}: expected at least one whole step of {step}, got none")
        return index

    def _wide(self) -> pd.DataFrame:
        """One row per step from the first to the last, one column per group."""
        good = f"SELECT step_start, grp, value, row_count FROM counted WHERE {GOOD} ORDER BY step_start, grp"
        frame = self.database.execute(good).df()
        if frame.empty:
            raise self._no_row()
        index = pd.to_datetime(frame["step_start"], unit="s", utc=True)
        wide = frame.assign(step_start=index).pivot_table(index="step_start", columns="grp", values="value", sort=True)
        steps = pd.date_range(wide.index[0], wide.index[-1], freq=pd.Timedelta(self.settings.step))
        wide = wide.reindex(steps).astype(float).rename_axis(index=None, columns=None)
        wide = wide if self.is_measurement() else wide.fillna(0.0)
        wide.loc[self.unclear_steps(steps)] = np.nan
        return wide

    def unclear_steps(self, index: pd.DatetimeIndex) -> Mask:
        """Which steps touch an hour that the clock shows twice, where rows do not tell which showing they are of."""
        step, unclear = pd.Timedelta(self.settings.step), np.zeros(len(index), dtype=bool)
        if step < pd.Timedelta(days=1):
            for fold in self.unclear:
                first = pd.Timestamp(fold.start - fold.width) - step
                unclear |= (index > first) & (index < pd.Timestamp(fold.end))
        return unclear

    def _no_row(self) -> DataError:
        """The error that no row is good, with what is known of the reason."""
        name = source_name(self.settings.source)
        why = "; ".join(finding.message.removeprefix(f"{name}: ") for finding in self.loaded.findings)
        return DataError(f"{name}: expected at least one good row, got none: {why or self._usual_fault()}")

    def _usual_fault(self) -> str:
        """The rule that most rows fail, and a value of the column that it looks at."""
        failures = self._failures(int(self._row("SELECT count(*) FROM rejects")[0]))
        rule = max(failures, key=lambda name: failures[name], default=None)
        if rule is None or not failures[rule]:
            return "see `capacity audit`"
        value = self.settings.value.sum or self.settings.value.count_distinct
        column = {TIME: self.settings.time, PLAUSIBLE: self.settings.time, VALUE: value, NOT_NEGATIVE: value}.get(rule)
        said = f"{failures[rule]:,} rows fail {rule}"
        if rule == READABLE:
            return f"{said}: they have other columns than the header; do values with the delimiter stand in quotes?"
        if column is None or self.judgement is None:
            return f"{said}; see `capacity audit`"
        query = f"SELECT left(min(CAST({quote(column)} AS VARCHAR)), 40) FROM orders"
        return f"{said}, for example {self._row(query)[0]!r} in {column!r}"

    def write_quarantine(self, path: Path) -> int:
        """Write what fails a rule to Parquet, whole or not at all, for its owner alone; returns how many rows.

        Each with its source, its place there, its rules, and the values that these looked at: rows of orders carry
        people's names and addresses. `sales.quarantine: {rows: whole}` keeps all of a row.
        """
        judgement = self.judgement or self._fetched()
        whole = self.settings.quarantine.rows == "whole"
        text = ", text AS source_text" if whole else ""
        rejects = f"SELECT [{literal(READABLE)}] AS failed_rules, line AS source_row{text} FROM rejects"
        checks = [check.name for check in judgement.checks]
        rows = judgement.failing(None if whole else seen_by_check(self.settings, judgement.source.columns, checks))
        name = literal(source_name(self.settings.source))
        query = f"SELECT {name} AS source, * FROM (({rows}) UNION ALL BY NAME ({rejects}))"
        if whole and "source" in judgement.source.columns:
            query = f"({rows}) UNION ALL BY NAME ({rejects})"
        try:
            with written_whole(path, PRIVATE) as part:
                written = self._row(f"COPY ({query}) TO {literal(str(part))} (FORMAT parquet)")
        except (duckdb.Error, OSError) as error:
            raise DataError(f"{path}: quarantined rows cannot be written: {one_line(error)}") from error
        return int(written[0])

    def _fetched(self) -> Judgement:
        """The judgement of rows that were counted in their database until now."""
        span = Span(OLDEST, (self.now + AHEAD).timestamp())
        loaded = load_rows(self.database, self.settings.source, wanted_of(self.settings, self.timezone))
        judgement, _ = _judgement(self.database, self.settings, self.timezone, span, loaded)
        return replace(judgement, before=self.before)

    def is_measurement(self) -> bool:
        """Whether the source has at most one row per step and group: then a missing row is a missing measurement."""
        return self.settings.value.sum is not None and self._share_of_single_rows > MEASURED

    @cached_property
    def _share_of_single_rows(self) -> float:
        single = f"SELECT avg(CAST(row_count = 1 AS INTEGER)) FROM counted WHERE {GOOD}"
        return float(self._row(single)[0] or 0)

    def _newest(self) -> float | None:
        """The newest time of a good row that is not ahead of the clock, in seconds since 1970."""
        now = repr(self.now.timestamp())
        ends = f"CASE WHEN epoch(last) <= {now} THEN epoch(last) WHEN epoch(first) <= {now} THEN epoch(first) END"
        newest = self._row(f"SELECT max({ends}) FROM counted WHERE {GOOD}")[0]
        return None if newest is None else float(newest)

    def _gaps(self) -> int:
        """Steps of groups without a row, where that is a missing measurement."""
        if not self.is_measurement():
            return 0
        step = int(self.settings.step.total_seconds())
        query = (
            f"SELECT ((max(step_start) - min(step_start)) // {step} + 1) * count(DISTINCT grp) - count(*) "
            f"FROM counted WHERE {GOOD}"
        )
        return int(self._row(query)[0])

    def _failures(self, rejected: int) -> dict[str, int]:
        query = "SELECT rule, sum(n) FROM (SELECT unnest(failed) AS rule, row_count AS n FROM counted) GROUP BY rule"
        counts = dict(self.database.execute(query).fetchall())
        counts[READABLE] = rejected
        names = [*BUILT_IN, *(rule.name for rule in self.settings.rules)]
        return {name: int(counts.get(name, 0)) for name in names if counts.get(name) or name not in BUILT_IN}

    def _repaired(self) -> dict[str, int]:
        repairs = () if self.judgement is None else self.judgement.repairs
        if not repairs:
            return {}
        sums = ", ".join(f"coalesce(sum(repaired_{place}), 0)" for place in range(len(repairs)))
        counts = self._row(f"SELECT {sums} FROM counted")
        return {check.name: int(count) for (check, *_), count in zip(repairs, counts, strict=True)}

    def _set_aside(self) -> dict[str, int]:
        counts = dict(self.database.execute("SELECT aside, sum(row_count) FROM counted GROUP BY aside").fetchall())
        return {rule.name: int(counts.get(place, 0)) for place, rule in enumerate(self.settings.select, start=1)}

    def _findings(self) -> tuple[Finding, ...]:
        contract = self.settings.contract
        return () if contract is None else contract.findings(self.columns)

    def _latency(self) -> Latency | None:
        column = self.settings.available_at
        if column is None or self.judgement is None:
            return None
        if column not in self.judgement.source.columns:
            raise self.judgement.source.missing(column, "sales.available_at")
        seconds = self._row(self.judgement.latency(column))
        return None if seconds[0] is None else Latency(*(timedelta(seconds=float(value)) for value in seconds))

    @cached_property
    def _last_step_is_whole(self) -> bool:
        """Whether nothing can come after the newest row within its step: dates without time, or one row per step."""
        return bool(self._row(f"SELECT coalesce(bool_and(on_step), false) FROM counted WHERE {GOOD}")[0])

    def _row(self, query: str) -> Any:
        return self.database.execute(query).fetchone()


def _open_step(moment: datetime, settings: SalesSettings) -> int:
    """Steps that begin at this time (seconds since 1970) or later were not over at the moment."""
    return math.floor((moment - settings.step).timestamp()) + 1


def _judgement(
    database: duckdb.DuckDBPyConnection,
    settings: SalesSettings,
    timezone: str,
    span: Span,
    loaded: Loaded,
) -> tuple[Judgement, Loaded]:
    """Every rule, ready to judge the rows that were loaded, and what is said of these."""
    described = database.execute("DESCRIBE orders").fetchall()
    columns = {name: kind for name, kind, *_ in described if not name.startswith(ROW_HASH)}
    source = Source(database, source_name(settings.source), columns, settings.owner, loaded.columns)
    try:
        count = database.execute("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM rejects)").fetchone()
    except duckdb.Error as error:
        raise _broken(source, error) from error
    if not count or not count[0]:
        raise DataError(
            f"{source.name}: expected rows of orders, got an empty source: is the export complete?{source.owned()}"
        )
    value = settings.value.sum or settings.value.count_distinct
    named = {"time": settings.time, "time_of_day": settings.time_of_day, "value": value, "group": settings.group}
    for key, name in named.items():
        if name is not None and name not in (*columns, *loaded.columns):
            raise source.missing(name, f"sales.{key}")
    return Judgement.of(source, settings, timezone, span), loaded


def wanted_of(settings: SalesSettings, timezone: str) -> Wanted:
    """The columns of a source that have a part, and how its text is written."""
    value = settings.value
    columns = {
        "sales.time": settings.time,
        "sales.time_of_day": settings.time_of_day,
        "sales.value": value.sum or value.count_distinct,
        "sales.group": settings.group,
    }
    return Wanted(
        {key: name for key, name in columns.items() if name is not None},
        settings.read,
        tuple(name for name in (value.count_distinct, settings.group) if name is not None),
        value.sum,
        settings.time,
        settings.timezone or timezone,
        partial(kept_columns, settings),
        settings.time_of_day,
    )


def _count(database: duckdb.DuckDBPyConnection, judgement: Judgement) -> None:
    """One pass over all rows; a source that breaks off is told apart from a rule that does not run."""
    source = judgement.source
    query = judgement.within_step()
    try:
        within = query is None or database.execute(query).fetchone() is not None
        database.execute(f"CREATE TABLE counted AS {judgement.counted(within=within)}")
    except duckdb.Error as error:
        try:
            database.execute("SELECT max(hash(orders)) FROM orders").fetchone()
        except duckdb.Error as broken:
            raise _broken(source, broken) from error
        names = ", ".join(judgement.untried()) or "rules"
        raise ConfigError(f"{names}: a check does not run on every row: {one_line(error)}{source.owned()}") from error


def _broken(source: Source, error: duckdb.Error) -> DataError:
    return DataError(f"{source.name}: cannot be read to its end: {hide_secrets(one_line(error))}{source.owned()}")


def _kinds(source: Source) -> dict[str, str]:
    """The source's columns and the kind of value each holds, without our own."""
    return {name: _kind(source.columns[name]) if name in source.columns else UNREAD for name in source.listed()}


def _kind(found: str) -> str:
    return next((kind for kind, names in KINDS.items() if found.startswith(names)), "any")


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
