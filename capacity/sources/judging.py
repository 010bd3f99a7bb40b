"""Data-quality rules as DuckDB's SQL, and the one pass over the rows that repairs, judges and counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Self

import duckdb

from capacity.model import ConfigError, DataError
from capacity.model.errors import hide_secrets
from capacity.model.settings import SalesSettings
from capacity.model.settings.planning import Bound, RangeSettings, ReferenceSettings, RuleSettings
from capacity.quality import Finding, similarity
from capacity.series.calendar import Fold
from capacity.sources.columns import AmountForm, Marks, NumberColumn, amount_form
from capacity.sources.sql import (
    GROUP,
    NOT_NEGATIVE,
    PLAUSIBLE,
    TIME,
    VALUE,
    literal,
    on_step,
    one_line,
    quote,
    step_start,
)
from capacity.sources.time_columns import TimeColumn, TimeForm, time_form
from capacity.sources.within_step import NOT_WITHIN, part_seconds, rows_by_part

ALIKE = 0.6  # likeness from which a column is offered as the missing one's new name


@dataclass(frozen=True, slots=True)
class Predicate:
    """A rule ready to run: `passes` is TRUE or FALSE in every row; `tried` says that an error in a row is FALSE too."""

    name: str
    passes: str
    tried: bool


@dataclass(frozen=True, slots=True)
class Source:
    """The rows that rules speak about: table `orders` in `database`, its columns, and who answers for it.

    `columns` are those that are read, each with its type; `names` are all that the source has (empty: the same).
    """

    database: duckdb.DuckDBPyConnection
    name: str
    columns: Mapping[str, str]
    owner: str | None
    names: tuple[str, ...] = ()

    def listed(self) -> tuple[str, ...]:
        """The names of all columns, in the order of the source."""
        return self.names or tuple(name for name in self.columns if name != "source_row")

    def missing(self, column: str, where: str) -> DataError:
        """The error that a column is not there: who names it, what is there, what it may be called now, whose it is."""
        names = self.listed()
        nearest = max(names, key=lambda name: similarity(column, name), default="")
        renamed = f"; renamed to {nearest!r}?" if nearest and similarity(column, nearest) >= ALIKE else ""
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


UNIT = 2**40  # values are summed as whole multiples of 1 / 2**40: exact in any order, so that equal rows sum up equally
LARGEST = 1e17  # a single value; a billion of them still fit the 128 bits that they are summed in
OWN = "capacity_"  # begins the columns that are ours, beside the source's


@dataclass(frozen=True)
class Judgement:
    """The SQL that judges rows: what they are selected by, what they must pass, what is repaired and how."""

    source: Source
    settings: SalesSettings
    timezone: str
    selects: tuple[Predicate, ...]
    checks: tuple[Predicate, ...]
    repairs: tuple[tuple[Predicate, str, str], ...]  # the check, the column, its new value
    time: TimeForm
    amount: AmountForm
    before: datetime | None = None  # rows of this time and later are left out

    @classmethod
    def of(cls, source: Source, settings: SalesSettings, timezone: str, span: Span) -> Self:
        """Every rule made ready. Raises `DataError` or `ConfigError` that names rule and owner."""
        rules = {rule.name: predicate(source, rule) for rule in settings.rules}
        time = time_of(settings.time, settings, source, timezone)
        amount = amount_of(settings, source)
        return cls(
            source,
            settings,
            timezone,
            tuple(predicate(source, rule) for rule in settings.select),
            (*_built_in(settings, time.instant, amount.number, span), *rules.values()),
            tuple((rules[rule.name], *assignment(source, rule)) for rule in settings.rules if rule.repair is not None),
            time,
            amount,
        )

    def time_zone(self) -> str:
        """The zone of times that name none."""
        return self.settings.timezone or self.timezone

    def within(self, span: Span) -> Self:
        """The same with another span of times that rows may have."""
        checks = tuple(
            replace(check, passes=span.holds(self.time.instant)) if check.name == PLAUSIBLE else check
            for check in self.checks
        )
        return replace(self, checks=checks)

    def at_first_showing(self, rows: Mapping[Fold, str]) -> Self:
        """The same, with some rows in the first of two showings of the clock's doubled hour: those of a condition."""
        if not rows:
            return self
        cases = " ".join(
            f"WHEN {these} AND {_inside(self.time.instant, fold)} THEN {self.time.instant} - INTERVAL "
            f"({int(fold.width.total_seconds())}) SECOND"
            for fold, these in rows.items()
        )
        plain = self.time.instant
        return replace(self, time=replace(self.time, instant=f"(CASE {cases} ELSE {plain} END)", unordered=plain))

    def rows(self) -> str:
        """The judged rows: the source's columns as repaired, then ours: moment, value, grp, failed (bits), aside.

        `failed` has one bit per check; `aside` is the number of the first `select` that the row fails, from 1, or 0.
        """
        failed = " + ".join(f"CASE WHEN {check.passes} THEN 0 ELSE {1 << bit} END" for bit, check in self._bits())
        aside = " ".join(f"WHEN NOT {one.passes} THEN {place}" for place, one in enumerate(self.selects, start=1))
        columns = {
            "moment": self.time.instant,
            "value": self._value(),
            "grp": f"CAST({quote(self.settings.group)} AS VARCHAR)" if self.settings.group else "''",
            "failed": f"CAST({failed} AS UBIGINT)",
            "aside": f"CASE {aside} ELSE 0 END" if aside else "0",
        }
        ours = ", ".join(f"{text} AS {OWN}{name}" for name, text in columns.items())
        return f"(SELECT *, {ours} FROM {self._repaired()})"

    def within_step(self) -> str | None:
        """The query for one row that is not at the very start of its step; None where parts of a step are not told."""
        if part_seconds(self.settings.step) is None:
            return None
        moments = f"SELECT {self.time.instant} AS moment FROM {self._repaired()}"
        exact = on_step("moment", self.settings, self.timezone)
        return f"SELECT 1 FROM ({moments}) WHERE ({exact}) IS DISTINCT FROM true LIMIT 1"

    def counted(self, *, within: bool = True) -> str:
        """One row per step, group and outcome: rows, their value, first and last time, repaired rows per rule.

        `failed` lists the checks that the rows fail; rows set aside fail none. `within`: whether a row may lie within
        its step. Where none does no part of a step is counted, which takes half of the time.
        """
        good = f"{OWN}failed = 0 AND {OWN}aside = 0"
        repaired = "".join(
            f", count(*) FILTER (WHERE NOT {OWN}fine_{place} AND ({OWN}failed & {self._bit(check.name)}) = 0 "
            f"AND {OWN}aside = 0) AS repaired_{place}"
            for place, (check, *_) in enumerate(self.repairs)
        )
        start, exact = (of(f"{OWN}moment", self.settings, self.timezone) for of in (step_start, on_step))
        parts = rows_by_part(f"{OWN}moment", self.settings, self.timezone, good) if within else NOT_WITHIN
        tally = (
            f"SELECT {start} AS step_start, {OWN}grp AS grp, {OWN}aside AS aside, "
            f"CASE WHEN {OWN}aside = 0 THEN {OWN}failed ELSE 0 END AS bits, {self._total(good)} AS value, "
            f"count(*) AS row_count, min({OWN}moment) AS first, max({OWN}moment) AS last, "
            f"bool_and({exact}) AS on_step, {parts} AS parts{repaired} FROM {self.rows()} GROUP BY ALL"
        )
        return f"SELECT * EXCLUDE (bits), {self._names('bits')} AS failed FROM ({tally})"

    def failing(self, seen: Mapping[str, int] | None = None) -> str:
        """The rows that fail a check, as the source has them, with the names of the checks: what is quarantined.

        `seen` gives the checks (bits of `failed`) that look at a column: its value is kept where one of them fails.
        None keeps rows whole.
        """
        before = {column: place for place, (_, column, _) in reversed(list(enumerate(self.repairs)))}
        values = {
            name: f"{OWN}was_{before[name]}" if name in before else quote(name)
            for name in self.source.columns
            if seen is None or name in seen or name == "source_row"
        }
        if seen is not None:
            for name, bits in seen.items():
                values[name] = f"CASE WHEN ({OWN}failed & {bits}) != 0 THEN {values[name]} END"
        columns = ", ".join(f"{value} AS {quote(name)}" for name, value in values.items())
        listed, where = self._names(f"{OWN}failed"), f"{OWN}failed != 0 AND {OWN}aside = 0"
        return f"SELECT {listed} AS failed_rules, {columns} FROM {self.rows()} WHERE {where} ORDER BY source_row"

    def latency(self, available_at: str) -> str:
        """Seconds from the event to a column's time over good rows: median and 95 % quantile (estimated), highest."""
        came = time_of(available_at, self.settings, self.source, self.timezone).instant
        good = f"{OWN}failed = 0 AND {OWN}aside = 0"
        late = f"SELECT epoch({came}) - epoch({OWN}moment) AS late FROM {self.rows()} WHERE {good}"
        return f"SELECT approx_quantile(late, 0.5), approx_quantile(late, 0.95), max(late) FROM ({late})"

    def untried(self) -> tuple[str, ...]:
        """The rules whose error in one row ends the audit: those with windows and subqueries."""
        return tuple(one.name for one in (*self.selects, *self.checks) if not one.tried)

    def _names(self, bits: str) -> str:
        """The names of the checks whose bits are set, as a list."""
        names = ", ".join(
            f"CASE WHEN ({bits} & {1 << bit}) != 0 THEN {literal(one.name)} END" for bit, one in self._bits()
        )
        listed = f"list_filter([{names}], lambda rule: rule IS NOT NULL)"
        return f"CASE WHEN {bits} = 0 THEN CAST([] AS VARCHAR[]) ELSE {listed} END"  # nearly every row: no list is made

    def _bits(self) -> list[tuple[int, Predicate]]:
        return list(enumerate(self.checks))

    def _bit(self, name: str) -> int:
        return next(1 << bit for bit, check in self._bits() if check.name == name)

    def _repaired(self) -> str:
        """`orders` with each repair applied in turn; what a column was, and whether its check was fine, stay beside."""
        rows = "orders" if self.before is None else self._orders_before(self.before)
        for place, (check, column, value) in enumerate(self.repairs):
            name = quote(column)
            known = f"SELECT *, {check.passes} AS {OWN}fine_{place}, {name} AS {OWN}was_{place} FROM {rows}"
            mended = f"CASE WHEN {OWN}fine_{place} THEN {name} ELSE {value} END AS {name}"
            rows = f"(SELECT * REPLACE ({mended}) FROM ({known}))"
        return rows

    def _orders_before(self, before: datetime) -> str:
        """The rows before a time; those whose time cannot be read stay, since they fail."""
        moment = self.time.unordered or self.time.instant
        return f"(SELECT * FROM orders WHERE coalesce({moment} < to_timestamp({before.timestamp()!r}), true))"

    def _value(self) -> str:
        value = self.settings.value
        return self.amount.number if value.sum else quote(value.count_distinct) if value.count_distinct else "1"

    def _total(self, good: str) -> str:
        value = self.settings.value
        if value.sum:
            return f"sum(CAST(CASE WHEN {good} THEN {OWN}value * {UNIT} END AS HUGEINT)) / {UNIT}"
        if value.count_distinct:
            return f"CAST(count(DISTINCT CASE WHEN {good} THEN {OWN}value END) AS DOUBLE)"
        return f"CAST(count(*) FILTER (WHERE {good}) AS DOUBLE)"


def _inside(instant: str, fold: Fold) -> str:
    return f"{instant} >= TIMESTAMPTZ '{fold.start.isoformat()}' AND {instant} < TIMESTAMPTZ '{fold.end.isoformat()}'"


@dataclass(frozen=True, slots=True)
class Span:
    """The times that rows may have, in seconds since 1970: from `first` up to `last`, both included; None: any."""

    first: float | None = None
    last: float | None = None

    def holds(self, moment: str) -> str:
        """Whether an instant lies within, as SQL; no time at all is another rule's."""
        bounds = ((">=", self.first), ("<=", self.last))
        inside = " AND ".join(f"epoch({moment}) {sign} {bound!r}" for sign, bound in bounds if bound is not None)
        return f"coalesce({inside}, true)" if inside else "true"


def amount_of(settings: SalesSettings, source: Source) -> AmountForm:
    """How the numbers are written that are summed up."""
    column = settings.value.sum
    if column is None:
        return AmountForm("1")
    marks = Marks(settings.read.decimal, settings.read.thousands)
    asked = NumberColumn(quote(column), source.columns[column], "orders", f"{source.name}: {column}")
    try:
        return amount_form(source.database, asked, marks)
    except DataError as error:
        return AmountForm("CAST(NULL AS DOUBLE)", "not decided", (Finding("number_form", "refuse", str(error)),))


def time_of(column: str, settings: SalesSettings, source: Source, timezone: str) -> TimeForm:
    """How a column of times is read; its instants are NULL where there is no time."""
    zone = settings.timezone or timezone
    where = f"{source.name}: {column}"
    asked = TimeColumn(quote(column), source.columns[column], "orders", where, zone, settings.time_format)
    try:
        return time_form(source.database, asked)
    except DataError as error:
        nothing = "CAST(NULL AS TIMESTAMP WITH TIME ZONE)"
        return TimeForm(nothing, "not decided", findings=(Finding("time_form", "refuse", str(error)),))
    except duckdb.Error as error:
        raise DataError(f"{source.name}: cannot be read to its end: {hide_secrets(one_line(error))}") from error


def _built_in(settings: SalesSettings, moment: str, number: str, span: Span) -> tuple[Predicate, ...]:
    value = settings.value
    checks = {TIME: f"({moment} IS NOT NULL)", PLAUSIBLE: span.holds(moment)}
    if value.sum:
        checks[VALUE] = f"coalesce(abs({number}) < {LARGEST}, false)"
        checks[NOT_NEGATIVE] = f"coalesce({number} >= 0, true)"
    elif value.count_distinct:
        checks[VALUE] = f"({quote(value.count_distinct)} IS NOT NULL)"
    if settings.group:
        checks[GROUP] = f"({quote(settings.group)} IS NOT NULL)"
    return tuple(Predicate(name, passes, tried=True) for name, passes in checks.items())
