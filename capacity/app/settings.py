"""The blocks of capacity.yaml, one noun a file; unknown keys are errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from capacity.decision import CALM, Brake, ControllerRules
from capacity.model import (
    ChangeHours,
    Costs,
    DataError,
    Freeze,
    Limits,
    LoadModel,
    NodeType,
    Pool,
    Quota,
    Reactive,
    Replica,
    Supply,
    Throughput,
    Workload,
)
from capacity.model.values import ASSUMED_LEAD_TIME, Duration, LeadTime, Quantity, Share, TimeZone
from capacity.model.workload import TargetKind
from capacity.quality import Contract, Freshness, Quality, Severity

NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"  # RFC 1123 subdomain: what Kubernetes takes for an object's name


class Settings(BaseModel):
    """Every block of capacity.yaml: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CalendarSettings(Settings):
    """What is known about the days to come."""

    holidays: tuple[str, ...] = Field((), description="Countries or states with public holidays: GB, GB-ENG, US-CA.")
    events: str | None = Field(None, description="CSV file: name,start,end,kind,uplift; an empty uplift is learned.")
    payday: int | None = Field(None, ge=1, le=31, description="Day of the month; on a weekend the working day before.")
    month_ends: bool = Field(False, description="Whether the last day of a month is a day of its own.")
    columns: str | None = Field(None, description="CSV: time, then columns known ahead (price, spend), one row a step.")


class ForecastSettings(Settings):
    """How far, and at which quantile levels."""

    horizon: Duration = Field(timedelta(days=14), description="How far ahead. Default 14d.")
    quantile_levels: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.5, 0.9, 0.95, 0.99), min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.quantile_levels) != sorted(set(self.quantile_levels)):
            raise ValueError(f"quantile_levels: expected ascending without repeats, got {list(self.quantile_levels)}")
        return self


class CostSettings(Settings):
    """Demand of the whole workload for one resource: base + slope x sales per hour."""

    base: Quantity = Field(0.0, description="Demand without any sale.")
    per_sale_per_hour: Quantity = Field(0.0, description="Demand that one more sale per hour adds.")


class LoadSettings(Settings):
    """What sales cost in CPU and memory."""

    cpu: CostSettings
    memory: CostSettings

    def noun(self) -> LoadModel:
        """The costs as a noun of the domain."""
        cpu, memory = self.cpu, self.memory
        return LoadModel(cpu.base, cpu.per_sale_per_hour, memory.base, memory.per_sale_per_hour)


class ReplicaSettings(Settings):
    """What one replica requests."""

    cpu_request: Annotated[Quantity, Field(gt=0)]
    memory_request: Annotated[Quantity, Field(gt=0)]

    def noun(self) -> Replica:
        """The requests as a noun of the domain."""
        return Replica(self.cpu_request, self.memory_request)


class FreezeSettings(Settings):
    """A time in which no floor moves."""

    start: datetime = Field(description="First moment; without a zone, on the business's clock.")
    end: datetime = Field(description="First moment after it.")
    name: str = "freeze"


class HoursSettings(Settings):
    """Hours of each day in which floors may move, on the business's clock."""

    start: time = Field(description="For instance 06:00; quoted, as YAML takes 06:00 for a number.")
    end: time


class LimitSettings(Settings):
    """How floors may be set and moved; by default only the number of changes is limited."""

    allowed_replicas: tuple[Annotated[int, Field(ge=1)], ...] = Field((), description="The only counts, ascending.")
    multiple_of: int = Field(1, ge=1, description="Counts are multiples of this.")
    step_up: int | None = Field(None, ge=1, description="Most replicas that one change adds.")
    step_down: int | None = Field(None, ge=1, description="Most replicas that one change takes.")
    ramp_up: float | None = Field(None, gt=0, description="Most replicas that an hour adds: rises begin earlier.")
    ramp_down: float | None = Field(None, gt=0, description="Most replicas that an hour takes.")
    hold: Duration = Field(timedelta(0), description="No two changes closer than this.")
    freezes: tuple[FreezeSettings, ...] = Field((), description="Times in which no floor moves.")
    hours: tuple[HoursSettings, ...] = Field((), description="Hours in which floors may move; none: all.")
    budget: float | None = Field(None, gt=0, description="Most money a month (30 days) may cost; peaks are cut first.")
    changes_a_day: int = Field(
        24, ge=1, description="Most changes of the floor on one day (UTC); a part of a day has its part of them."
    )

    def noun(self, timezone: str) -> Limits:
        """The limits as a noun of the domain."""
        return Limits(
            allowed=self.allowed_replicas,
            multiple_of=self.multiple_of,
            step_up=self.step_up,
            step_down=self.step_down,
            ramp_up=self.ramp_up,
            ramp_down=self.ramp_down,
            hold=self.hold,
            freezes=tuple(
                Freeze(_aware(one.start, timezone), _aware(one.end, timezone), one.name) for one in self.freezes
            ),
            hours=tuple(ChangeHours(one.start, one.end, timezone) for one in self.hours),
            budget=self.budget,
            changes_a_day=self.changes_a_day,
        )


class SwitchingSettings(Settings):
    """What starting, changing and lacking replicas costs, in the time of one running replica."""

    start: Duration | None = Field(None, description="What a start costs; None: the lead time.")
    change: Duration = Field(timedelta(0), description="What one change of the floor costs.")
    overload: float | None = Field(
        None, gt=1, description="How many times dearer a lacking replica is than an idle one."
    )
    price_per_hour: float | None = Field(None, ge=0, description="Of one replica; None: from the node types.")

    def noun(self) -> Costs:
        """The costs as a noun of the domain."""
        return Costs(self.start, self.change, self.overload, self.price_per_hour)


def _aware(moment: datetime, timezone: str) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(timezone))


class PoolSettings(Settings):
    """How one replica serves; the utilization planned for is at most what its queue allows."""

    slots: int = Field(ge=1, description="Workers of one replica: threads, processes.")
    service_time: Duration = Field(description="Mean time to serve one request, e.g. 0.2s.")
    wait: Duration = Field(description="Longest wait that almost all requests see.")
    wait_level: float = Field(0.99, gt=0, lt=1, description="What almost all means.")
    variability: float = Field(1.0, gt=0, description="(Ca^2 + Cs^2) / 2 of arrivals and services; 1: random.")
    shared: bool = Field(False, description="One queue before all replicas, not one before each.")

    def noun(self) -> Pool:
        """The pool as a noun of the domain."""
        return Pool(self.slots, self.service_time, self.wait, self.wait_level, self.variability, self.shared)


class ThroughputSettings(Settings):
    """Requests per second that so many replicas reached in a load test; `history` instead learns them from usage."""

    points: tuple[tuple[Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0)]], ...] = Field(
        min_length=1, description="Pairs of replicas and requests per second at saturation."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            self.noun()
        except DataError as error:
            raise ValueError(str(error)) from error
        return self

    def noun(self) -> Throughput:
        """The Universal Scalability Law through the points."""
        from capacity.load.scalability import fit_throughput

        return fit_throughput(self.points)


class AutoscalerSettings(Settings):
    """What the autoscaler does by itself, above the floor."""

    target: int = Field(ge=1, description="averageUtilization of CPU, percent of the request.")
    tolerance: Annotated[Share, Field(ge=0, lt=1)] = Field(
        0.10, description="It does nothing within this of its target."
    )

    def noun(self) -> Reactive:
        """The autoscaler's own rule as a noun of the domain."""
        return Reactive(self.target, self.tolerance)


class NodeSettings(Settings):
    """A type of node, as pods see it: allocatable, not what it says on the box."""

    name: str
    cpu: Annotated[Quantity, Field(gt=0)]
    memory: Annotated[Quantity, Field(gt=0)]
    price_per_hour: float = Field(0.0, ge=0, description="In the currency of the supply.")
    provisioning: Duration = Field(timedelta(0), description="From a pod that does not fit to a node that is Ready.")
    pods: int = Field(110, ge=1, description="Most pods on one node; the kubelet's default.")

    def noun(self) -> NodeType:
        """The node type as a noun of the domain."""
        return NodeType(self.name, self.cpu, self.memory, self.price_per_hour, self.provisioning, self.pods)


class QuotaSettings(Settings):
    """What may be requested together; None: as much as asked."""

    cpu: Annotated[Quantity, Field(gt=0)] | None = None
    memory: Annotated[Quantity, Field(gt=0)] | None = None
    pods: int | None = Field(None, ge=1)

    def noun(self) -> Quota:
        """The quota as a noun of the domain."""
        return Quota(self.cpu, self.memory, self.pods)


class SupplySettings(Settings):
    """What there is to run on; nothing of it is needed for a plan of replicas."""

    node_types: tuple[NodeSettings, ...] = Field((), description="The cheapest that takes every pod is planned with.")
    quotas: dict[str, QuotaSettings] = Field(default_factory=dict, description="By namespace: its ResourceQuota.")
    cluster: QuotaSettings | None = Field(None, description="What the whole cluster can give.")
    currency: str = Field("", description="Of every price, as it is printed: EUR.")

    def noun(self) -> Supply:
        """The supply as a noun of the domain."""
        quotas = {namespace: quota.noun() for namespace, quota in self.quotas.items()}
        cluster = None if self.cluster is None else self.cluster.noun()
        return Supply(tuple(node.noun() for node in self.node_types), quotas, cluster)


FINEST = timedelta(minutes=5)  # finer samples say more about the scraper than about what replicas must serve
DAY = timedelta(days=1)


class UsageSettings(Settings):
    """A file of measurements, one row per workload and time: the whole workload's, not a pod's."""

    source: str = Field(description="CSV, .gz, Parquet, or a glob of them.")
    time: str = Field(description="Column with the time of the measurement.")
    time_format: str | None = Field(None, description="strptime format for integers and text, e.g. '%Y%m%d%H%M'.")
    timezone: TimeZone | None = Field(None, description="Zone of times without one. None: UTC, as metrics have it.")
    workload: str | None = Field(None, description="Column with namespace/name or name. None: all of one workload.")
    cpu: str | None = Field(None, description="Column with CPU cores in use (a rate, not a counter).")
    memory: str | None = Field(None, description="Column with bytes of memory in use.")
    requests: str | None = Field(None, description="Column with requests per second (a rate, not a counter).")
    replicas: str | None = Field(
        None, description="Column with ready replicas: for what one should request, and what it serves (throughput)."
    )
    step: Duration | None = Field(None, description="Length of a step. None: that of the file, at least 5m.")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not {"cpu", "memory", "requests"} & set(self.columns):
            raise ValueError("expected at least one of cpu, memory, requests, got none")
        if self.step is not None and (self.step < timedelta(minutes=1) or self.step > DAY or DAY % self.step):
            raise ValueError(f"step: expected whole parts of a day from 1m up, got {self.step}")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """Resource to column, for those that are given."""
        named = {name: getattr(self, name) for name in ("cpu", "memory", "requests", "replicas")}
        return {name: column for name, column in named.items() if column is not None}


class BrakeSettings(Settings):
    """When too many floors want to come down together, none does for a while."""

    share: Annotated[Share, Field(gt=0, le=1)] = Field(0.5, description="Of all workloads: more than this brakes.")
    at_least: int = Field(5, ge=1, description="Fewer workloads than this never brake.")
    hold_for: Duration = Field(timedelta(minutes=30), description="How long it holds: a night comes down, only later.")

    def noun(self) -> Brake:
        """The brake as a noun of the domain."""
        return Brake(self.share, self.at_least, self.hold_for)


class ControllerSettings(Settings):
    """How the controller moves floors."""

    period: Duration = Field(timedelta(minutes=1), description="Time between two passes.")
    hold_for: Duration = Field(timedelta(hours=6), description="How long the floor is held without a plan in force.")
    step_down: Annotated[Share, Field(gt=0, le=1)] = Field(
        0.10, description="Most a floor falls per step_every, as a share; at least one replica."
    )
    step_every: Duration = Field(
        timedelta(minutes=5), description="Time between two steps down, however often passes run."
    )
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
    brake: BrakeSettings = BrakeSettings()
    home: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="Namespace of the ConfigMap capacity-switch that switches everything off. "
        "None: each namespace has its own.",
    )
    requests_per_second: float = Field(
        100.0, gt=0, le=10_000, description="Most requests to the API server, on average; twice as many at once."
    )

    def policy(self) -> ControllerRules:
        """The policy as a noun of the domain."""
        return ControllerRules(
            self.period,
            self.hold_for,
            self.step_down,
            self.step_every,
            half_life=self.half_life,
            step_up=self.step_up,
            calm=self.calm,
        )


KINDS = ("check", "not_null", "range", "regex", "unique", "reference")
Bound = float | datetime | date | str


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
    """A column whose values stand in a column of another file; a missing value passes."""

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


Kind = Literal["text", "integer", "number", "time", "boolean", "any"]
MOST_RULES = 48  # each is a bit of one 64-bit number, beside the built-in ones


class QualitySettings(Settings):
    """Thresholds on the share of rows that pass every rule."""

    warn_below: float = Field(0.999, ge=0, le=1, description="Below this score the audit warns. Default 0.999.")
    refuse_below: float = Field(
        0.995, ge=0, le=1, description="Below this score no plan is made, the last one stays. Default 0.995; 0: never."
    )


class ContractSettings(Settings):
    """The columns that the source promises."""

    columns: dict[str, Kind] = Field(min_length=1, description="Column and its kind of value; integer is a number.")
    changed: Severity = Field("refuse", description="What a column gone, renamed or of another kind means.")
    added: Severity | None = Field(None, description="What a new column means. None: nothing.")


class FreshnessSettings(Settings):
    """How old the newest good row may be."""

    within: Duration = Field(gt=timedelta(0))
    otherwise: Severity = Field("warn", description="What an older one means.")


class AnomalySettings(Settings):
    """The newest steps against a forecast made before them, for rows and for values."""

    window: Duration = Field(timedelta(days=1), gt=timedelta(0), description="How much of the end is looked at.")
    coverage: float = Field(0.99, gt=0, lt=1, description="Share of steps that the forecast's interval should hold.")
    otherwise: Severity = Field("warn", description="What more steps outside than chance means.")


class DatabaseSource(Settings):
    """Orders from a database, through SQLAlchemy."""

    url: str = Field(description="SQLAlchemy URL; never printed.", repr=False)
    query: str = Field(description="SELECT that returns the rows.")


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

    source: str | DatabaseSource = Field(description="CSV, .gz, Parquet, a glob or directory of them, or {url, query}.")
    time: str = Field(description="Column with the time of the order.")
    time_format: str | None = Field(
        None, description="strptime format for integers and text, e.g. '%Y%m%d'; epoch or epoch_ms: since 1970, UTC."
    )
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
    contract: ContractSettings | None = Field(None, description="Columns the source promises. None: only those used.")
    freshness: FreshnessSettings | None = Field(None, description="None: any age will do.")
    anomalies: AnomalySettings | None = Field(None, description="None: not looked for.")
    quality: QualitySettings = QualitySettings()

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

    def thresholds(self) -> Quality:
        """The quality thresholds as a noun of the domain; refusing implies warning."""
        quality = self.quality
        return Quality(max(quality.warn_below, quality.refuse_below), quality.refuse_below)

    def promised(self) -> Contract | None:
        """The contract as a noun of the domain."""
        asked = self.contract
        return None if asked is None else Contract(dict(asked.columns), asked.changed, asked.added)

    def expected_age(self) -> Freshness | None:
        """The freshness asked for, as a noun of the domain."""
        return None if self.freshness is None else Freshness(self.freshness.within, self.freshness.otherwise)


LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"  # a label's or a metric's name (a metric may hold colons too)
METRIC = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"
Resource = Literal["cpu", "memory", "requests", "replicas"]
USAGE: tuple[Resource, ...] = ("cpu", "memory", "requests")
MOST_POINTS = 11_000  # per series and query: Prometheus' own limit, which Thanos and Mimir keep


class MetricsSettings(Settings):
    """Which of Prometheus' series are this workload's. A query of one's own must answer with exactly one series.

    In a query `$window` stands for the duration that one value speaks for, e.g. rate(x[$window]).
    """

    kind: Literal["Deployment", "StatefulSet"] = Field("Deployment", description="What makes the pods: gives names.")
    pods: str | None = Field(None, description="Regular expression of the pods' names. None: from name and kind.")
    cpu: str | None = Field(None, description="PromQL for CPU cores of the whole workload. None: generated.")
    memory: str | None = Field(None, description="PromQL for bytes of memory in use. None: generated.")
    requests: str | None = Field(None, description="PromQL for requests per second. None: from prometheus.requests.")
    replicas: str | None = Field(
        None, description="PromQL for ready replicas, asked for throughput: history. None: from kube-state-metrics."
    )

    @field_validator("pods")
    @classmethod
    def _is_expression(cls, pods: str | None) -> str | None:
        try:
            re.compile(pods or "")
        except re.error as error:
            raise ValueError(f"expected a regular expression such as web-.+, got {pods!r}: {error}") from error
        return pods


class PrometheusSettings(Settings):
    """A server that answers Prometheus' HTTP API: Prometheus, Thanos, Mimir, VictoriaMetrics."""

    url: str = Field(description="Base URL; no password in it, that is what token_file and header_files are for.")
    token_file: str | None = Field(None, description="File with a bearer token; read again for every question.")
    ca_file: str | None = Field(None, description="Authority that signed the server's certificate. None: the system's.")
    tenant: str | None = Field(None, description="Sent as X-Scope-OrgID: whose series (Mimir, Cortex).")
    header_files: dict[str, str] = Field(default_factory=dict, description="More headers: name to file with the value.")
    matchers: dict[Annotated[str, Field(pattern=LABEL)], str] = Field(
        default_factory=dict, description="Labels that every series must have, e.g. {cluster: eu-1}."
    )
    requests: Annotated[str, Field(pattern=METRIC)] | None = Field(
        None, description="Counter of served requests with namespace and pod, e.g. http_requests_total. None: unknown."
    )
    recorded: bool = Field(False, description="Ask the series recorded by the rules of `capacity rules`: far cheaper.")
    step: Duration = Field(timedelta(minutes=5), description="What one value speaks for. Default 5m.")
    scrape_interval: Duration = Field(timedelta(minutes=1), description="Time between two scrapes. Default 1m.")
    history: Duration = Field(timedelta(days=28), description="How far back usage is read. Default 28d.")
    cache: str | None = Field(None, description="Folder for fetched hours, so that only new ones are asked for.")
    settle: Duration = Field(timedelta(minutes=10), description="Age at which an hour is final and may be cached.")
    timeout: Duration = Field(timedelta(seconds=30), description="Longest time for one answer. Default 30s.")
    retries: int = Field(4, ge=0, le=10, description="Further tries after 429, 5xx or no answer. Default 4.")
    concurrency: int = Field(2, ge=1, le=16, description="Questions at a time. Default 2.")
    max_points: int = Field(MOST_POINTS, ge=60, description="Points per series and question. Default 11000.")
    max_answer: Annotated[Quantity, Field(gt=0)] = Field(64 * 2.0**20, description="Largest answer. Default 64Mi.")

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound = False
        if not sound:
            raise ValueError("expected http://host:9090 or https://host/prefix, got something else")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("expected a URL without user, password or query: use token_file or header_files")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        seconds = self.step.total_seconds()
        if seconds < 1 or (3600 % seconds if seconds < 3600 else seconds % 3600):
            raise ValueError(f"step: expected whole parts or multiples of an hour, got {self.step}")
        if seconds * self.max_points < 3600:
            raise ValueError(f"max_points: expected enough for an hour of steps of {self.step}, got {self.max_points}")
        return self


@dataclass(frozen=True, slots=True)
class Measured:
    """A workload whose usage is asked for: where it is, what its pods are called, queries of its own; and of what."""

    namespace: str
    name: str
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    resources: tuple[Resource, ...] = USAGE

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


class TargetSettings(Settings):
    """The object whose floor is moved: an autoscaler, or the workload itself where it has none."""

    kind: TargetKind = Field(
        "HorizontalPodAutoscaler",
        description="Or ScaledObject (KEDA), Deployment, StatefulSet: replicas of a workload without an autoscaler.",
    )
    name: str = Field(pattern=NAME, max_length=253)
    ignored_by: tuple[str, ...] = Field(
        (), description="Field managers (Argo CD, Flux) set up to leave the floor alone."
    )


class IncreaseSettings(Settings):
    """The ceiling may rise to the need and this much more; 0% is exactly the need."""

    buffer: Annotated[Share, Field(ge=0, le=1)] = 0.0


class IncreasePolicy(Settings):
    """`ceiling_policy: {increase: {buffer: 10%}}`."""

    increase: IncreaseSettings


class WorkloadSettings(Settings):
    """One workload; any of its keys may stand under `defaults` instead."""

    namespace: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    name: str = Field(pattern=NAME, max_length=253)
    target: TargetSettings | None = Field(
        None, description="Default: the HorizontalPodAutoscaler of the workload's name."
    )
    group: str | None = Field(None, description="Value of sales.group that drives this workload; None: all of them.")
    floor: int = Field(1, ge=1, description="Fewest replicas ever planned.")
    ceiling: int = Field(ge=1, description="Most replicas ever planned.")
    ceiling_policy: Literal["honor"] | IncreasePolicy = "honor"
    load: LoadSettings
    replica: ReplicaSettings
    metrics: MetricsSettings = Field(MetricsSettings(), description="Which of Prometheus' series are its own.")
    target_utilization: float = Field(0.80, gt=0, le=1, description="Utilization planned for. Default 0.80.")
    quantile_level: float = Field(0.95, gt=0, lt=1, description="Quantile of demand served at that utilization.")
    lead_time: LeadTime = Field(
        "auto", description="From patch to ready replicas. auto: learned from the pods by plan --to-cluster, else 5m."
    )
    zones: int = Field(1, ge=1, description="With more than one, losing a zone leaves utilization at most 100 %.")

    limits: LimitSettings = Field(LimitSettings(), description="How floors may be set and moved.")
    costs: SwitchingSettings = Field(SwitchingSettings(), description="What starts, changes and lacks cost.")
    pool: PoolSettings | None = Field(None, description="Workers and waits: bounds the utilization planned for.")
    throughput: ThroughputSettings | Literal["history"] | None = Field(
        None,
        description="What scaling out can serve: a load test's points, or history, from replicas, requests and CPU.",
    )
    autoscaler: AutoscalerSettings | None = Field(None, description="The autoscaler's own target, to be judged.")
    today: int | None = Field(
        None, ge=0, description="Replicas that run around the clock now: what cost is held against."
    )

    @field_validator("throughput", mode="before")
    @classmethod
    def _known_throughput(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "history":
            raise ValueError(f"expected history, or {{points: [[replicas, requests per second], ...]}}, got {value!r}")
        return value

    _learned: timedelta | None = PrivateAttr(None)  # no setting: a plan's hash does not change with it

    def learned(self, lead_time: timedelta | None) -> Self:
        """The same settings with a lead time learned from the cluster in place of `auto`."""
        copy = self.model_copy()
        copy._learned = lead_time
        return copy

    def measured(self) -> Measured:
        """The workload as Prometheus is asked for it: for its replicas too where its history says what they serve."""
        counted = self.throughput == "history" or self.metrics.replicas is not None
        return Measured(self.namespace, self.name, self.metrics, (*USAGE, "replicas") if counted else USAGE)

    def workload(self, timezone: str = "UTC") -> Workload:
        """The workload as a noun of the domain; `timezone` is the business's clock."""
        target = self.target or TargetSettings(name=self.name)
        return Workload(
            namespace=self.namespace,
            name=self.name,
            load=self.load.noun(),
            replica=self.replica.noun(),
            floor=self.floor,
            ceiling=self.ceiling,
            target=target.name,
            target_kind=target.kind,
            ignored_by=target.ignored_by,
            target_utilization=self.target_utilization,
            quantile_level=self.quantile_level,
            lead_time=self._learned or ASSUMED_LEAD_TIME if self.lead_time == "auto" else self.lead_time,
            zones=self.zones,
            ceiling_buffer=None if self.ceiling_policy == "honor" else self.ceiling_policy.increase.buffer,
            group=self.group,
            limits=self.limits.noun(timezone),
            costs=self.costs.noun(),
            today=self.today,
            **self._serving(),
        )

    def _serving(self) -> dict[str, Any]:
        """How its replicas serve, as far as that is written down."""
        return {
            "pool": self.pool.noun() if self.pool else None,
            "throughput": self.throughput.noun() if isinstance(self.throughput, ThroughputSettings) else None,
            "reactive": self.autoscaler.noun() if self.autoscaler else None,
        }


Job = Literal["plan", "pass"]
# Without news from its job an alert stays this long: a few passes of a minute, a few plannings of an hour.
LASTING: Mapping[Job, timedelta] = {"pass": timedelta(minutes=5), "plan": timedelta(hours=3)}
RUNBOOKS = "docs/runbooks"  # of this project; `incidents.runbooks` says where they are published


class ServiceSettings(Settings):
    """A service over HTTP and how to prove who we are; secrets are read from files, each time anew."""

    url: str = Field(pattern=r"^https?://", description="Its address, without a path.")
    token_file: Path | None = Field(None, description="File with a bearer token.")
    user: str | None = Field(None, description="User, with password_file.")
    password_file: Path | None = Field(None, description="File with the user's password.")
    ca_file: Path | None = Field(None, description="PEM file of the authority that signed its certificate.")

    @field_validator("url")
    @classmethod
    def _without_secrets(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("expected an address such as https://host:9093, got something else") from None
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("expected an address without user, password or query: use token_file or password_file")
        return url

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("expected user and password_file together")
        if self.user is not None and self.token_file is not None:
            raise ValueError("expected token_file or user, got both")
        return self

    def beside(self, folder: Path) -> Self:
        """The same with its files relative to a folder."""
        files = {name: getattr(self, name) for name in ("token_file", "password_file", "ca_file")}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file is not None})


class TelemetrySettings(Settings):
    """Where the metrics of a planning and of a pass go; `capacity run` serves its own on /metrics besides."""

    pushgateway: ServiceSettings | None = Field(None, description="A Pushgateway: what a CronJob leaves there stays.")
    textfile: Path | None = Field(None, description="Folder of the node exporter's textfile collector.")

    def beside(self, folder: Path) -> Self:
        """The same with its files relative to a folder."""
        gateway, textfile = self.pushgateway, self.textfile
        return self.model_copy(
            update={
                "pushgateway": None if gateway is None else gateway.beside(folder),
                "textfile": None if textfile is None else folder / textfile,
            }
        )


class ServiceNowSettings(ServiceSettings):
    """A ServiceNow instance."""

    table: str = Field("incident", pattern=r"^[a-z0-9_]+$", description="Table of the incidents.")
    change_windows: str | None = Field(
        None, description="Encoded query on change_request: while such a change is on, floors are held."
    )


class RouteSettings(Settings):
    """Whose tickets these are. The first route that fits counts."""

    group: str = Field(min_length=1, description="Assignment group.")
    conditions: tuple[str, ...] = Field(("*",), description="Conditions, as shell patterns: Plan*, DataStale.")
    subjects: tuple[str, ...] = Field(("*",), description="Namespaces or sources, as shell patterns.")
    escalate_to: str | None = Field(None, description="Assignment group once it has lasted too long.")


class AlertSettings(Settings):
    """How long an alert stays without news from its job: a few of its periods."""

    passes: Duration = Field(LASTING["pass"], gt=timedelta(0), description="What passes have seen. Default 5m.")
    plannings: Duration = Field(
        LASTING["plan"], gt=timedelta(0), description="What plannings and audits have seen. Default 3h."
    )

    def noun(self) -> dict[Job, timedelta]:
        """By job."""
        return {"pass": self.passes, "plan": self.plannings}


class IncidentSettings(Settings):
    """Who is told what is wrong, and what happens to tickets."""

    servicenow: ServiceNowSettings | None = None
    alertmanager: ServiceSettings | None = None
    routes: tuple[RouteSettings, ...] = ()
    escalate_after: Duration = Field(timedelta(minutes=30), description="A ticket open this long is escalated once.")
    reopen_within: Duration = Field(timedelta(hours=4), description="A condition back within this reopens its ticket.")
    runbooks: str = Field(RUNBOOKS, description="Where docs/runbooks is published: the links of tickets and alerts.")
    alerts_last: AlertSettings = AlertSettings()

    def beside(self, folder: Path) -> Self:
        """The same with its files relative to a folder."""
        services = {"servicenow": self.servicenow, "alertmanager": self.alertmanager}
        found = {name: service.beside(folder) for name, service in services.items() if service is not None}
        return self.model_copy(update=found)
