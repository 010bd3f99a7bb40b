"""The blocks of capacity.yaml, checked key by key; unknown keys are errors."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from capacity.audit import Quality, Rule
from capacity.domain import LoadModel, Replica, Workload
from capacity.edge.fields import ASSUMED_LEAD_TIME, Duration, LeadTime, Quantity, Share

NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"  # RFC 1123 subdomain: what Kubernetes takes for an object's name


class Settings(BaseModel):
    """Every block of capacity.yaml: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleSettings(Settings):
    """A predicate in DuckDB's SQL that a good row satisfies."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the rule in reports: lower case, underscores.")
    check: str = Field(description="SQL over the source's columns and source_row; NULL or an error counts as failed.")
    repair: str | None = Field(None, description="Assignment tried on rows that fail, e.g. 'a = b - INTERVAL 7 DAY'.")


class QualitySettings(Settings):
    """Thresholds on the share of rows that pass every rule."""

    warn_below: float = Field(0.995, ge=0, le=1, description="Below this score the audit warns.")
    refuse_below: float = Field(0.0, ge=0, le=1, description="Below this score no plan is made; 0: never refuse.")


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

    source: str | DatabaseSource = Field(description="CSV, .gz, Parquet, a glob of them, or {url, query}.")
    time: str = Field(description="Column with the time of the order.")
    time_format: str | None = Field(None, description="strptime format for integers and text, e.g. '%Y%m%d'.")
    value: ValueSettings = Field(default_factory=lambda: ValueSettings(rows=True), description="Default: count rows.")
    group: str | None = Field(None, description="Column: one series per value. None: one series of everything.")
    step: Duration = Field(timedelta(hours=1), description="Length of a step. Default 1h.")
    rules: tuple[RuleSettings, ...] = Field((), description="Predicates a good row satisfies.")
    quality: QualitySettings = QualitySettings()

    @model_validator(mode="after")
    def _even_steps(self) -> Self:
        day, seconds = 86400, self.step.total_seconds()
        if seconds < 60 or (day % seconds if seconds < day else seconds % day):
            raise ValueError(f"step: expected whole parts or multiples of a day from 1m up, got {self.step}")
        names = [rule.name for rule in self.rules]
        if len(names) != len(set(names)):
            raise ValueError(f"rules: expected different names, got {names}")
        return self

    def quality_rules(self) -> tuple[Rule, ...]:
        """The rules as nouns of the domain."""
        return tuple(Rule(rule.name, rule.check, rule.repair) for rule in self.rules)

    def thresholds(self) -> Quality:
        """The quality thresholds as a noun of the domain; refusing implies warning."""
        quality = self.quality
        return Quality(max(quality.warn_below, quality.refuse_below), quality.refuse_below)


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


class TargetSettings(Settings):
    """The autoscaler whose floor is moved."""

    kind: Literal["HorizontalPodAutoscaler"] = "HorizontalPodAutoscaler"
    name: str = Field(pattern=NAME, max_length=253)
    ignored_by: tuple[str, ...] = Field(
        (), description="Field managers (Argo CD, Flux) set up to leave the floor alone."
    )


class CostSettings(Settings):
    """Demand of the whole workload for one resource: base + slope x sales per hour."""

    base: Quantity = Field(0.0, description="Demand without any sale.")
    per_sale_per_hour: Quantity = Field(0.0, description="Demand that one more sale per hour adds.")


class LoadSettings(Settings):
    """What sales cost in CPU and memory."""

    cpu: CostSettings
    memory: CostSettings


class ReplicaSettings(Settings):
    """What one replica requests."""

    cpu_request: Annotated[Quantity, Field(gt=0)]
    memory_request: Annotated[Quantity, Field(gt=0)]


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
    target_utilization: float = Field(0.80, gt=0, le=1, description="Utilization planned for. Default 0.80.")
    quantile_level: float = Field(0.95, gt=0, lt=1, description="Quantile of demand served at that utilization.")
    lead_time: LeadTime = Field(ASSUMED_LEAD_TIME, description="From patch to ready replicas. auto: 5m is assumed.")
    zones: int = Field(1, ge=1, description="With more than one, losing a zone leaves utilization at most 100 %.")

    def workload(self) -> Workload:
        """The workload as a noun of the domain."""
        increase = self.ceiling_policy.increase if isinstance(self.ceiling_policy, IncreasePolicy) else None
        cpu, memory = self.load.cpu, self.load.memory
        return Workload(
            namespace=self.namespace,
            name=self.name,
            load=LoadModel(cpu.base, cpu.per_sale_per_hour, memory.base, memory.per_sale_per_hour),
            replica=Replica(self.replica.cpu_request, self.replica.memory_request),
            floor=self.floor,
            ceiling=self.ceiling,
            target=self.target.name if self.target else self.name,
            ignored_by=self.target.ignored_by if self.target else (),
            target_utilization=self.target_utilization,
            quantile_level=self.quantile_level,
            lead_time=self.lead_time,
            zones=self.zones,
            ceiling_buffer=increase.buffer if increase else None,
            group=self.group,
        )


class ControllerSettings(Settings):
    """How the controller moves floors."""

    period: Duration = Field(timedelta(minutes=1), description="Time between two passes.")
    hold_for: Duration = Field(timedelta(hours=6), description="How long an expired plan's last floor is held.")
    step_down: Annotated[Share, Field(gt=0, le=1)] = Field(
        0.10, description="Most a floor falls in one pass, as a share."
    )
