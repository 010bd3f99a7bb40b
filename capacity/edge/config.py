"""capacity.yaml -> settings, checked; and from settings to the nouns of the domain."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from capacity.audit import Quality, Rule
from capacity.domain import ConfigError, DataError, LoadModel, Replica, Workload
from capacity.edge.quantity import parse_quantity

ASSUMED_LEAD_TIME = timedelta(minutes=5)  # pod scheduled, image pulled, warmed up; AWS assumes the same for an instance
MAX_BYTES = 4 * 2**20  # a configuration is a few kB; four MiB is somebody's data in the wrong place
NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"  # RFC 1123 subdomain: what Kubernetes takes for an object's name
LOCAL_NAMES = {"localtime", "posixrules", "Factory"}  # of the machine, not of a place: DuckDB does not know them
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: object) -> timedelta:
    """A duration written as number and unit: s, m (minutes), h, d or w.

    >>> parse_duration("14d"), parse_duration("90s")
    (datetime.timedelta(days=14), datetime.timedelta(seconds=90))
    """
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdwSMHDW])\s*", str(value))
    if match is None:
        raise ValueError(f"expected a duration such as 90s, 5m, 6h, 14d or 2w, got {value!r}")
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2].lower()])
    except OverflowError as error:
        raise ValueError(f"expected a duration of at most 999999999 days, got {value!r}") from error


def parse_share(value: object) -> float:
    """A share written as 10% or 0.1."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", str(value))
    if match is not None:
        return float(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"expected a share such as 10% or 0.1, got {value!r}")


def _quantity(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a Kubernetes quantity such as 500m or 1Gi, got {value!r}")
    try:
        return parse_quantity(value)
    except ValueError as error:
        raise ValueError(f"expected a Kubernetes quantity such as 500m or 1Gi, got {value!r}") from error


def parse_zone(value: object) -> str:
    """A time zone by its IANA name."""
    if str(value) not in available_timezones() - LOCAL_NAMES:
        raise ValueError(f"expected an IANA time zone such as Europe/London, got {value!r}")
    return str(value)


def _lead_time(value: object) -> object:
    return ASSUMED_LEAD_TIME if value == "auto" else parse_duration(value)


_TEXT = {"type": "string"}
_DURATION = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[smhdwSMHDW]\s*$", "examples": ["5m", "14d"]}
Duration = Annotated[timedelta, BeforeValidator(parse_duration), WithJsonSchema(_DURATION)]
LeadTime = Annotated[timedelta, BeforeValidator(_lead_time), WithJsonSchema({"anyOf": [{"const": "auto"}, _DURATION]})]
Share = Annotated[
    float, BeforeValidator(parse_share), WithJsonSchema({"type": ["string", "number"], "examples": ["10%"]})
]
Quantity = Annotated[
    float, BeforeValidator(_quantity), Field(ge=0), WithJsonSchema({"type": ["string", "number"], "examples": ["500m"]})
]
TimeZone = Annotated[str, BeforeValidator(parse_zone), WithJsonSchema(_TEXT)]


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


class Config(Settings):
    """The whole of capacity.yaml."""

    timezone: TimeZone = Field("UTC", description="The business's clock; inside everything is UTC.")
    sales: SalesSettings
    calendar: CalendarSettings = CalendarSettings()
    forecast: ForecastSettings = ForecastSettings()
    defaults: dict[str, Any] = Field(default_factory=dict, description="Any key of a workload.")
    workloads: tuple[WorkloadSettings, ...] = ()
    controller: ControllerSettings = ControllerSettings()

    @model_validator(mode="before")
    @classmethod
    def _spread_defaults(cls, data: Any) -> Any:
        defaults = data.get("defaults") if isinstance(data, dict) else None
        if not isinstance(defaults, dict) or not isinstance(data.get("workloads"), list):
            return data
        known = set(WorkloadSettings.model_fields)
        if unknown := sorted(set(defaults) - known):
            raise ValueError(f"defaults: unknown keys {unknown}; a workload has {sorted(known)}")
        spread = [{**defaults, **item} if isinstance(item, dict) else item for item in data["workloads"]]
        return {**data, "workloads": spread}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [(item.namespace, item.name) for item in self.workloads]
        if len(names) != len(set(names)):
            raise ValueError(f"workloads: expected each namespace/name once, got {sorted(names)}")
        targets = [(item.namespace, item.target.name if item.target else item.name) for item in self.workloads]
        if len(targets) != len(set(targets)):
            raise ValueError(
                f"workloads: expected each autoscaler to be the target of one workload, got {sorted(targets)}"
            )
        missing = {item.quantile_level for item in self.workloads} - set(self.forecast.quantile_levels)
        if missing:
            raise ValueError(f"forecast.quantile_levels: expected the workloads' levels {sorted(missing)} among them")
        if self.forecast.horizon < self.sales.step:
            raise ValueError(f"forecast.horizon {self.forecast.horizon} is shorter than one step {self.sales.step}")
        for item in self.workloads:
            if item.floor > item.ceiling:
                raise ValueError(
                    f"workload {item.namespace}/{item.name}: floor {item.floor} is above ceiling {item.ceiling}"
                )
            if item.group is not None and self.sales.group is None:
                raise ValueError(f"workload {item.namespace}/{item.name}: group needs sales.group")
        return self

    def nouns(self) -> tuple[Workload, ...]:
        """All workloads as nouns of the domain."""
        return tuple(item.workload() for item in self.workloads)

    def settings_hash(self) -> str:
        """A short fingerprint of everything that shapes a plan; equal settings, equal hash."""
        text = json.dumps(self.model_dump(mode="json", exclude={"defaults"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_config(path: str | Path) -> Config:
    """Read and check capacity.yaml; relative paths in it are relative to the file.

    Raises `ConfigError` with the key, what was expected and what was got.
    """
    file = Path(path)
    data = _read_yaml(file)
    try:
        config = Config.model_validate(data)
        config.nouns()
    except ValidationError as error:
        raise ConfigError(f"{file.name}: {describe(error)}") from error
    except DataError as error:
        raise ConfigError(f"{file.name}: {error}") from error
    return _anchor(config, file.parent)


def _read_yaml(file: Path) -> Any:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file.name}: expected at most {MAX_BYTES} bytes, got {file.stat().st_size}")
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration {file}: write one (see `capacity schema`), or try --sample") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file.name}: expected YAML, got {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{file.name}: expected keys such as `sales:` and `workloads:`, got {type(data).__name__}")
    return data


def describe(error: ValidationError) -> str:
    """The most telling of pydantic's findings on one line, and how many more there are.

    Of a key that may be written in several ways, each way has its finding: the deepest tells what was meant.
    """
    findings = error.errors(include_url=False)
    first = max(findings, key=lambda finding: len(finding["loc"]))
    where = ".".join(str(part) for part in first["loc"] if not _is_alternative(part))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown key; see `capacity schema` for the keys"
    elif first["type"] not in ("value_error", "missing"):
        message = f"{message}, got {first['input']!r}"
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{where}: {message}{more}" if where else f"{message}{more}"


def _is_alternative(part: int | str) -> bool:
    """Whether pydantic names one of several ways to write a key here (a class, a literal, a type), not a key."""
    return isinstance(part, str) and (part[:1].isupper() or "[" in part or part == "str")


def _anchor(config: Config, folder: Path) -> Config:
    source, events = config.sales.source, config.calendar.events
    if isinstance(source, str) and "://" not in source:
        sales = config.sales.model_copy(update={"source": str(folder / source)})
        config = config.model_copy(update={"sales": sales})
    if events is not None:
        config = config.model_copy(
            update={"calendar": config.calendar.model_copy(update={"events": str(folder / events)})}
        )
    return config
