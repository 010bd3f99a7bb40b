"""One pass over the rows: repaired where a rule says how, judged by every rule, counted by step, all in one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import duckdb

from capacity.domain import ConfigError, DataError
from capacity.edge.predicates import Predicate, Source, assignment, predicate
from capacity.edge.rows import literal, one_line, quote
from capacity.edge.settings import SalesSettings

READABLE = "readable_row"  # the CSV reader could not split the line into the file's columns
GROUP = "readable_group"  # the group column is empty: the row would be in no series
TIME = "readable_time"  # the time column is empty, or not a time in the given format
VALUE = "readable_value"  # the value column is empty, not a number, not finite, or beyond any amount
NOT_NEGATIVE = "value_not_negative"  # a negative amount cancels demand that was served: it is not demand
BUILT_IN = (READABLE, TIME, VALUE, NOT_NEGATIVE, GROUP)
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

    @classmethod
    def of(cls, source: Source, settings: SalesSettings, timezone: str) -> Self:
        """Every rule made ready. Raises `DataError` or `ConfigError` that names rule and owner."""
        rules = {rule.name: predicate(source, rule) for rule in settings.rules}
        moment = time_of(settings.time, settings, source, timezone)
        return cls(
            source,
            settings,
            timezone,
            tuple(predicate(source, rule) for rule in settings.select),
            (*_built_in(settings, moment), *rules.values()),
            tuple((rules[rule.name], *assignment(source, rule)) for rule in settings.rules if rule.repair is not None),
        )

    def rows(self) -> str:
        """The judged rows: the source's columns as repaired, then ours: moment, value, grp, failed (bits), aside.

        `failed` has one bit per check; `aside` is the number of the first `select` that the row fails, from 1, or 0.
        """
        failed = " + ".join(f"CASE WHEN {check.passes} THEN 0 ELSE {1 << bit} END" for bit, check in self._bits())
        aside = " ".join(f"WHEN NOT {one.passes} THEN {place}" for place, one in enumerate(self.selects, start=1))
        columns = {
            "moment": time_of(self.settings.time, self.settings, self.source, self.timezone),
            "value": self._value(),
            "grp": f"CAST({quote(self.settings.group)} AS VARCHAR)" if self.settings.group else "''",
            "failed": f"CAST({failed} AS UBIGINT)",
            "aside": f"CASE {aside} ELSE 0 END" if aside else "0",
        }
        ours = ", ".join(f"{text} AS {OWN}{name}" for name, text in columns.items())
        return f"(SELECT *, {ours} FROM {self._repaired()})"

    def tally(self, step_start: str, on_boundary: str) -> str:
        """One row per step, group and outcome: rows, their value, first and last time, repaired rows per rule."""
        good = f"{OWN}failed = 0 AND {OWN}aside = 0"
        repaired = "".join(
            f", count(*) FILTER (WHERE NOT {OWN}fine_{place} AND ({OWN}failed & {self._bit(check.name)}) = 0 "
            f"AND {OWN}aside = 0) AS repaired_{place}"
            for place, (check, *_) in enumerate(self.repairs)
        )
        return (
            f"SELECT {step_start} AS step_start, {OWN}grp AS grp, {OWN}aside AS aside, "
            f"CASE WHEN {OWN}aside = 0 THEN {OWN}failed ELSE 0 END AS failed, count(*) AS row_count, "
            f"{self._total(good)} AS value, min({OWN}moment) AS first, max({OWN}moment) AS last, "
            f"coalesce(bool_and({on_boundary}), true) AS on_boundary{repaired} FROM {self.rows()} GROUP BY ALL"
        )

    def failing(self) -> str:
        """The rows that fail a check, as the source has them, with the names of the checks: what is quarantined."""
        names = ", ".join(
            f"CASE WHEN ({OWN}failed & {1 << bit}) != 0 THEN {literal(one.name)} END" for bit, one in self._bits()
        )
        before = {column: place for place, (_, column, _) in reversed(list(enumerate(self.repairs)))}
        columns = ", ".join(
            f"{OWN}was_{before[name]} AS {quote(name)}" if name in before else quote(name)
            for name in self.source.columns
        )
        listed = f"list_filter([{names}], lambda rule: rule IS NOT NULL)"
        where = f"{OWN}failed != 0 AND {OWN}aside = 0"
        return f"SELECT {listed} AS failed_rules, {columns} FROM {self.rows()} WHERE {where} ORDER BY source_row"

    def explained(self, error: duckdb.Error) -> DataError | ConfigError:
        """What an error while the rows were read means: a check that fails as a whole, or rows that cannot be read."""
        untried = [one.name for one in (*self.selects, *self.checks) if not one.tried]
        if untried and isinstance(error, duckdb.ConversionException | duckdb.InvalidInputException):
            said = f"rule {', '.join(untried)}: the check does not run on every row: {one_line(error)}"
            return ConfigError(said + self.source.owned())
        return DataError(f"{self.source.name}: cannot be read: {one_line(error)}{self.source.owned()}")

    def _bits(self) -> list[tuple[int, Predicate]]:
        return list(enumerate(self.checks))

    def _bit(self, name: str) -> int:
        return next(1 << bit for bit, check in self._bits() if check.name == name)

    def _repaired(self) -> str:
        """`orders` with each repair applied in turn; what a column was, and whether its check was fine, stay beside."""
        rows = "orders"
        for place, (check, column, value) in enumerate(self.repairs):
            name = quote(column)
            known = f"SELECT *, {check.passes} AS {OWN}fine_{place}, {name} AS {OWN}was_{place} FROM {rows}"
            mended = f"CASE WHEN {OWN}fine_{place} THEN {name} ELSE {value} END AS {name}"
            rows = f"(SELECT * REPLACE ({mended}) FROM ({known}))"
        return rows

    def _value(self) -> str:
        value = self.settings.value
        return number(value.sum) if value.sum else quote(value.count_distinct) if value.count_distinct else "1"

    def _total(self, good: str) -> str:
        value = self.settings.value
        if value.sum:
            return f"sum(CASE WHEN {good} THEN CAST({OWN}value * {UNIT} AS HUGEINT) END) / {UNIT}"
        if value.count_distinct:
            return f"CAST(count(DISTINCT CASE WHEN {good} THEN {OWN}value END) AS DOUBLE)"
        return f"CAST(count(*) FILTER (WHERE {good}) AS DOUBLE)"


def number(column: str) -> str:
    """A column as a number, NULL where it is none."""
    return f"TRY_CAST({quote(column)} AS DOUBLE)"


def time_of(column: str, settings: SalesSettings, source: Source, timezone: str) -> str:
    """A column as an instant (TIMESTAMP WITH TIME ZONE), NULL where it is none."""
    name, kind, zone = quote(column), source.columns[column], literal(timezone)
    if kind.startswith("TIMESTAMP WITH TIME ZONE"):
        return name
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"timezone({zone}, CAST({name} AS TIMESTAMP))"
    if settings.time_format is not None:
        return f"timezone({zone}, try_strptime(CAST({name} AS VARCHAR), {literal(settings.time_format)}))"
    if kind == "VARCHAR":
        return f"timezone({zone}, TRY_CAST({name} AS TIMESTAMP))"
    raise ConfigError(f"sales.time: column {column!r} holds {kind}: give sales.time_format, e.g. '%Y%m%d'")


def _built_in(settings: SalesSettings, moment: str) -> tuple[Predicate, ...]:
    value = settings.value
    checks = {TIME: f"({moment} IS NOT NULL)"}
    if value.sum:
        checks[VALUE] = f"coalesce(abs({number(value.sum)}) < {LARGEST}, false)"
        checks[NOT_NEGATIVE] = f"coalesce({number(value.sum)} >= 0 OR isnan({number(value.sum)}), true)"
    elif value.count_distinct:
        checks[VALUE] = f"({quote(value.count_distinct)} IS NOT NULL)"
    if settings.group:
        checks[GROUP] = f"({quote(settings.group)} IS NOT NULL)"
    return tuple(Predicate(name, passes, tried=True) for name, passes in checks.items())
