"""Rules as DuckDB's SQL: every kind becomes one expression that is never NULL, or an error that says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from capacity.audit import likeness
from capacity.domain import ConfigError, DataError
from capacity.edge.settings.orders import Bound, RangeSettings, ReferenceSettings, RuleSettings
from capacity.edge.sql import literal, one_line, quote

ALIKE = 0.6  # likeness from which a column is offered as the missing one's new name


@dataclass(frozen=True, slots=True)
class Predicate:
    """A rule ready to run: `passes` is TRUE or FALSE in every row; `tried` says that an error in a row is FALSE too."""

    name: str
    passes: str
    tried: bool


@dataclass(frozen=True, slots=True)
class Source:
    """The rows that rules speak about: table `orders` in `database`, its columns, and who answers for it."""

    database: duckdb.DuckDBPyConnection
    name: str
    columns: Mapping[str, str]
    owner: str | None

    def missing(self, column: str, where: str) -> DataError:
        """The error that a column is not there: who names it, what is there, what it may be called now, whose it is."""
        names = [name for name in self.columns if name != "source_row"]
        nearest = max(names, key=lambda name: likeness(column, name), default="")
        renamed = f"; renamed to {nearest!r}?" if nearest and likeness(column, nearest) >= ALIKE else ""
        return DataError(
            f"{self.name}: no column {column!r} ({where}); its columns: {', '.join(names)}{renamed}{self.owned()}"
        )

    def owned(self) -> str:
        """The owner at the end of an error."""
        return f" (owner: {self.owner})" if self.owner else ""


def predicate(source: Source, rule: RuleSettings) -> Predicate:
    """The rule as an expression over `orders`. Raises `DataError` on a missing column, `ConfigError` on no SQL."""
    for column in rule.columns():
        if column not in source.columns:
            raise source.missing(column, f"rule {rule.name}")
    text = _expression(source, rule)
    for tried in (True, False):  # windows and subqueries cannot be tried: an error in them ends the audit
        cast = f"CAST(({text}) AS BOOLEAN)"
        expression = f"coalesce({f'TRY({cast})' if tried else cast}, false)"
        try:
            source.database.execute(f"SELECT {expression} FROM orders LIMIT 0")
        except duckdb.Error as error:
            failure = error
            continue
        return Predicate(rule.name, expression, tried)
    got = f"check {rule.check!r}" if rule.check is not None else "its expression"
    raise ConfigError(f"rule {rule.name}: {got} does not run: {one_line(failure)}{source.owned()}") from failure


def assignment(source: Source, rule: RuleSettings) -> tuple[str, str]:
    """The column that a rule repairs, and the expression it is repaired from, in the column's type."""
    column, equals, expression = (rule.repair or "").partition("=")
    name = column.strip().removeprefix('"').removesuffix('"')
    if not equals or not expression.strip():
        raise ConfigError(f"rule {rule.name}: expected a repair 'column = expression', got {rule.repair!r}")
    if name not in source.columns:
        raise ConfigError(f"rule {rule.name}: repair {rule.repair!r} does not run: {source.missing(name, 'repair')}")
    kind = source.columns[name]
    for text in (f"TRY_CAST(TRY({expression}) AS {kind})", f"TRY_CAST(({expression}) AS {kind})"):
        try:
            source.database.execute(f"SELECT {text} FROM orders LIMIT 0")
        except duckdb.Error as error:
            failure = error
            continue
        return name, text
    raise ConfigError(
        f"rule {rule.name}: repair {rule.repair!r} does not run: {one_line(failure)}{source.owned()}"
    ) from failure


def _expression(source: Source, rule: RuleSettings) -> str:
    columns = [quote(column) for column in rule.columns()]
    if rule.check is not None:
        return rule.check
    if rule.not_null is not None:
        return " AND ".join(f"{column} IS NOT NULL" for column in columns)
    if rule.unique is not None:
        once = f"row_number() OVER (PARTITION BY {', '.join(columns)} ORDER BY source_row) = 1"
        return f"{_or_missing(columns)} OR {once}"
    if rule.range is not None:
        return f"{columns[0]} IS NULL OR ({_within(columns[0], rule.range)})"
    if rule.regex is not None:
        pattern = _pattern(source, rule.name, rule.regex.pattern)
        return f"{columns[0]} IS NULL OR regexp_full_match(CAST({columns[0]} AS VARCHAR), {pattern})"
    assert rule.reference is not None, "a rule has one kind"  # noqa: S101 - the settings hold it
    known = _known_values(source, rule.name, rule.reference)
    return f"{columns[0]} IS NULL OR CAST({columns[0]} AS VARCHAR) IN (SELECT value FROM {known})"


def _or_missing(columns: Sequence[str]) -> str:
    return " OR ".join(f"{column} IS NULL" for column in columns)


def _pattern(source: Source, rule: str, pattern: str) -> str:
    """A regular expression as SQL. One that is none would be an error in every row: it is refused before."""
    try:
        source.database.execute(f"SELECT regexp_full_match('', {literal(pattern)})")
    except duckdb.Error as error:
        raise ConfigError(f"rule {rule}: {pattern!r} is no pattern: {one_line(error)}{source.owned()}") from error
    return literal(pattern)


def _within(column: str, asked: RangeSettings) -> str:
    bounds = ((">=", asked.min), ("<=", asked.max))
    return " AND ".join(f"{column} {sign} {_bound(bound)}" for sign, bound in bounds if bound is not None)


def _bound(bound: Bound) -> str:
    if isinstance(bound, date):  # a datetime is one too
        return literal(bound.isoformat())
    return literal(bound) if isinstance(bound, str) else repr(bound)


def _known_values(source: Source, rule: str, reference: ReferenceSettings) -> str:
    """A table of the values in another file, as text. Raises `DataError` where the file or its column is missing."""
    table, key = quote(f"known_{rule}"), quote(reference.key or reference.column)
    reader = "read_parquet" if reference.file.endswith((".parquet", ".pq")) else "read_csv"
    values = f"SELECT DISTINCT CAST({key} AS VARCHAR) AS value FROM {reader}({literal(reference.file)})"
    try:
        source.database.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {values}")
    except duckdb.Error as error:
        name = Path(reference.file).name
        raise DataError(f"rule {rule}: {name} cannot be read: {one_line(error)}{source.owned()}") from error
    return table
