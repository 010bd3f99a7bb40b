"""The blocks that a plan follows: `sales:`, `calendar:`, `forecast:`, `choice:` and `controller:`.

A rule of `sales:` becomes one predicate of DuckDB's SQL; the words it may be written in are here, the predicates with
the readers.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from capacity.model.data_quality import Contract, Freshness, GivenQuality, Quality, Severity
from capacity.model.fields import NAME, Duration, Quantity, Settings, Share, TimeZone
from capacity.model.policy import CALM, Brake, ControllerRules

KINDS = ("check", "not_null", "range", "regex", "unique", "reference")
Bound = float | datetime | date | str
USUAL_AGE, USUAL_STEPS = timedelta(days=3), 3  # of the newest row: a weekend without orders is no reason to warn
MOST_RULES = 48  # each is a bit of one 64-bit number, beside the built-in ones
RULES = ControllerRules()


class RangeSettings(Settings):
    """A column whose values lie within bounds, both included; a missing value passes (see not_null)."""

    column: str
    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("expected min, max or both, got none")
        return self


class RegexSettings(Settings):
    """A column whose values match a regular expression (RE2) as a whole; a missing value passes."""

    column: str
    pattern: str


class ReferenceSettings(Settings):
    """A column whose values are in a column of another file; a missing value passes."""

    column: str
    file: str = Field(description="CSV, .gz or Parquet with the known values.")
    key: str | None = Field(None, description="Its column; None: the one of the same name.")


class RuleSettings(Settings):
    """A predicate that a good row satisfies: exactly one of check, not_null, range, regex, unique, reference."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the rule in reports: lower case, underscores.")
    check: str | None = Field(
        None, description="SQL (DuckDB) over the source's columns and source_row; NULL or an error counts as failed."
    )
    not_null: str | tuple[str, ...] | None = Field(None, description="Columns that have a value in every row.")
    range: RangeSettings | None = None
    regex: RegexSettings | None = None
    unique: str | tuple[str, ...] | None = Field(
        None, description="Columns whose values together come once; of several rows the first one passes."
    )
    reference: ReferenceSettings | None = None
    repair: str | None = Field(
        None, description="Assignment tried on rows that fail, e.g. 'a = b - INTERVAL 7 DAY'; counted, never silent."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"rule {self.name}: expected exactly one of {', '.join(KINDS)}, got {given or 'none'}")
        return self

    def beside(self, folder: Path) -> RuleSettings:
        """This rule with its file relative to a folder."""
        if self.reference is None:
            return self
        file = str(folder / self.reference.file)
        return self.model_copy(update={"reference": self.reference.model_copy(update={"file": file})})

    def columns(self) -> tuple[str, ...]:
        """The columns that the rule names; none for an SQL check, whose columns only DuckDB can tell."""
        listed = self.not_null or self.unique
        if listed is not None:
            return (listed,) if isinstance(listed, str) else listed
        shaped = self.range or self.regex or self.reference
        return (shaped.column,) if shaped else ()


class AnomalySettings(Settings):
    """The newest steps against a forecast made before them, for rows and for values."""

    window: Duration = Field(timedelta(days=1), gt=timedelta(0), description="How much of the end is looked at.")
    coverage: float = Field(
        0.9986, gt=0, lt=1, description="Share of spans of a usual day that are within bounds. Default: 3.2 deviations."
    )
    otherwise: Severity = Field("warn", description="What more steps outside than chance means.")


class QuarantineSettings(Settings):
    """What is kept of rows that fail a rule, and how long audits and their files are kept."""

    rows: Literal["seen", "whole"] = Field(
        "seen", description="seen: source, line, rules and the values that these looked at. whole: all of the row."
    )
    retention: Duration = Field(
        timedelta(days=30), gt=timedelta(0), description="Age at which `capacity audit` removes audits and quarantines."
    )


class DatabaseSource(Settings):
    """Orders from a database, through SQLAlchemy."""

    url: str = Field(description="SQLAlchemy URL; never printed.", repr=False)
    query: str = Field(description="SELECT that returns the rows.")
    timeout: Duration = Field(timedelta(minutes=10), gt=timedelta(0), description="Longest time for one statement.")
    connect_timeout: Duration = Field(
        timedelta(seconds=10), ge=timedelta(seconds=1), description="Longest time until the database answers at all."
    )


class ReadSettings(Settings):
    """How text files are written. What is not given is detected, and the audit reports what was taken."""

    encoding: str | None = Field(None, description="For example utf-8, utf-16, latin-1, cp1252. None: detected.")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Between columns. None: detected.")
    quote: str | None = Field(None, min_length=1, max_length=1, description="Around values. None: detected.")
    skip: int | None = Field(None, ge=0, description="Lines before the header. None: up to the line with the columns.")
    decimal: Literal[".", ","] | None = Field(None, description="Decimal sign of numbers. None: detected.")
    thousands: Literal[".", ",", "'", " "] | None = Field(None, description="Sign between groups of digits.")

    @model_validator(mode="after")
    def _different_signs(self) -> Self:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"expected different signs for decimal and thousands, got {self.decimal!r} for both")
        return self


class ValueSettings(Settings):
    """What is summed up per step: exactly one of the three."""

    sum: str | None = Field(None, description="Sum of this column.")
    count_distinct: str | None = Field(None, description="Number of different values of this column.")
    rows: Literal[True] | None = Field(None, description="Number of rows.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("sum", "count_distinct", "rows") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of sum, count_distinct, rows, got {given or 'none'}")
        return self


class SalesSettings(Settings):
    """Where the orders are and which rows count."""

    source: str | DatabaseSource = Field(
        description="CSV, JSON lines, .gz, Parquet, a glob or directory of them, or {url, query}."
    )
    time: str = Field(description="Column with the time of the order.")
    time_of_day: str | None = Field(
        None, description="Column with the time of day or the hour, where `time` has dates alone. Not of a database."
    )
    time_format: str | None = Field(
        None,
        description="strptime format, e.g. '%Y%m%d'; day_first, month_first or year_first; epoch, epoch_ms, epoch_us "
        "or epoch_ns (since 1970, UTC); serial or serial_1904 (of a spreadsheet). None: decided from all rows.",
    )
    timezone: TimeZone | None = Field(
        None, description="Zone of times that name none. None: the business's time zone, `timezone`."
    )
    read: ReadSettings = Field(ReadSettings(), description="How text files are written.")
    value: ValueSettings = Field(default_factory=lambda: ValueSettings(rows=True), description="Default: count rows.")
    group: str | None = Field(None, description="Column: one series per value. None: one series of everything.")
    step: Duration = Field(timedelta(hours=1), description="Length of a step. Default 1h.")
    late: Duration | None = Field(
        None, description="How late rows may arrive: steps they may still reach are left out. None: only the open step."
    )
    memory_limit: Annotated[Quantity, Field(gt=0)] | None = Field(
        None, description="Memory for rows, e.g. 2Gi; past it they spill to disk. None: most of the machine's."
    )
    owner: str | None = Field(None, description="Who answers for the source; named in reports and errors.")
    available_at: str | None = Field(None, description="Column with the time the row became available: data latency.")
    select: tuple[RuleSettings, ...] = Field(
        (), description="Which rows are orders at all; others (cancellations) are set aside, counted, not judged."
    )
    rules: tuple[RuleSettings, ...] = Field((), description="Predicates a good row satisfies.", max_length=MOST_RULES)
    contract: Contract | None = Field(None, description="Columns the source promises. None: only those used.")
    freshness: Freshness | None = Field(
        None, description="None: a warning where the newest row is more than 3d and three steps old."
    )
    anomalies: AnomalySettings | None = Field(
        AnomalySettings(), description="Whether the newest day is like those before it. null: not looked for."
    )
    quality: GivenQuality = Quality()
    quarantine: QuarantineSettings = QuarantineSettings()

    @model_validator(mode="after")
    def _even_steps(self) -> Self:
        day, seconds = 86400, self.step.total_seconds()
        if seconds < 60 or (day % seconds if seconds < day else seconds % day):
            raise ValueError(f"step: expected whole parts or multiples of a day from 1m up, got {self.step}")
        names = [rule.name for rule in (*self.select, *self.rules)]
        if len(names) != len(set(names)):
            raise ValueError(f"rules: expected different names, got {names}")
        if repairing := [rule.name for rule in self.select if rule.repair is not None]:
            raise ValueError(f"select: rows that are no orders are not repaired, got a repair in {repairing}")
        return self

    def needs_rows(self) -> bool:
        """Whether the rows themselves are judged, and not only counted where they lie."""
        return bool(self.rules or self.select or self.contract or self.available_at)

    def expected_age(self) -> Freshness:
        """How old the newest row may be: as asked, else three days and three steps, beyond which an audit warns."""
        usual = max(USUAL_AGE, USUAL_STEPS * self.step) + (self.late or timedelta(0))
        return self.freshness or Freshness(usual)


class GroupCalendarSettings(Settings):
    """What is known about the days of one group of sales, where that differs from the business's calendar."""

    holidays: tuple[str, ...] | None = Field(None, description="In place of calendar.holidays. None: the same.")
    timezone: TimeZone | None = Field(None, description="The clock of its days. None: the business's `timezone`.")
    events: str | None = Field(None, description="CSV file as for calendar.events: its own events beside those of all.")


class CalendarSettings(Settings):
    """What is known about the days to come."""

    holidays: tuple[str, ...] = Field((), description="Countries or states with public holidays: GB, GB-ENG, US-CA.")
    events: str | None = Field(None, description="CSV file: name,start,end,kind,uplift; an empty uplift is learned.")
    payday: int | None = Field(None, ge=1, le=31, description="Day of the month; on a weekend the working day before.")
    month_ends: bool = Field(False, description="Whether the last day of a month is a day of its own.")
    columns: str | None = Field(None, description="CSV: time, then columns known ahead (price, spend), one row a step.")
    groups: dict[str, GroupCalendarSettings] = Field(
        default_factory=dict, description="By value of sales.group: its own holidays, time zone and events."
    )

    def holidays_of(self, group: str | None) -> tuple[str, ...]:
        """The countries and states whose holidays count for a group of sales; None: for all of them together."""
        own = None if group is None or group not in self.groups else self.groups[group].holidays
        return self.holidays if own is None else own

    def zone_of(self, group: str | None, business: str) -> str:
        """The time zone of a group's days; `business` where it has none of its own."""
        own = None if group is None or group not in self.groups else self.groups[group].timezone
        return own or business


class ForecastSettings(Settings):
    """How far, and at which quantile levels."""

    horizon: Duration = Field(timedelta(days=14), description="How far ahead. Default 14d.")
    quantile_levels: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.5, 0.9, 0.95, 0.99), min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.quantile_levels) != sorted(set(self.quantile_levels)):
            raise ValueError(f"quantile_levels: expected ascending without repeats, got {list(self.quantile_levels)}")
        return self


class ChoiceSettings(Settings):
    """How often the policy of a workload is chosen, and from how many days."""

    period: Annotated[Duration, Field(gt=timedelta(0))] | None = Field(
        timedelta(days=1),
        description="Age from which `capacity plan` chooses a policy again; None: only `capacity advise` does.",
    )
    refit: Duration = Field(
        timedelta(days=1),
        ge=timedelta(minutes=1),
        description="Floors of a chosen policy follow a forecast fitted on whole such spans (UTC), as it was replayed.",
    )
    days: int = Field(28, ge=1, le=366, description="Days that are replayed; at least 7 to choose from.")
    policies: Path = Field(
        Path("policies.json"),
        description="File with the chosen policies, in the folder where the command runs: `capacity advise` writes it, "
        "`capacity plan` follows it. With --to-cluster they are kept in ConfigMaps.",
    )


class ControllerSettings(Settings):
    """How the controller moves floors."""

    period: Duration = Field(RULES.period, description="Time between two passes.")
    hold_for: Duration = Field(RULES.hold_for, description="How long the floor is held without a plan in force.")
    step_down: Annotated[Share, Field(gt=0, le=1)] = Field(
        RULES.step_down, description="Most a floor falls per step_every, as a share; at least one replica."
    )
    step_every: Duration = Field(RULES.step_every, description="Time between two steps down, however often passes run.")
    half_life: Duration | None = Field(
        None, description="Also halve the excess over the need no faster than this; None: no such limit."
    )
    step_up: Annotated[Share, Field(gt=0)] | None = Field(
        None, description="Most a floor rises per period, as a share; None: at once."
    )
    calm: Duration = Field(
        CALM,
        description="Under plans of shorter steps, how much further a floor looks so that it moves once for several; "
        "0s: not at all.",
    )
    brake: Brake = Brake()
    namespace: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="Namespace in which the pods of capacity run: `doctor` checks its quotas, `status` its CronJobs. "
        "None: that of the workloads.",
    )
    home: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="Namespace of the ConfigMap capacity-switch that switches everything off. "
        "None: each namespace has its own.",
    )
    metric_times: bool = Field(
        False,
        description="Before a floor comes down, read from metrics.k8s.io when metrics were measured: only that proves "
        "that they are frozen. Needs the right to list pods there (overlay metric-times).",
    )
    requests_per_second: float = Field(
        500.0,
        gt=0,
        le=10_000,
        description="Most requests to the API server, on average; twice as many at once.",
    )

    def policy(self) -> ControllerRules:
        """The rules by which floors move: the keys that bear their names."""
        return ControllerRules(
            **{one.name: getattr(self, one.name) for one in fields(ControllerRules) if hasattr(self, one.name)}
        )
