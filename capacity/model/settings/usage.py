"""The blocks `usage:` and `prometheus:`: where usage is measured, and how much is asked at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from capacity.model.fields import Duration, Quantity, Settings, TimeZone
from capacity.model.settings.planning import ReadSettings
from capacity.model.workload import Metrics, Workload

LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"  # a label's or a metric's name (a metric may hold colons too)
METRIC = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"
Resource = Literal["cpu", "memory", "requests", "replicas"]
Unit = Literal["1", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"]
USAGE: tuple[Resource, ...] = ("cpu", "memory", "requests")
MOST_POINTS = 11_000  # per series and query: Prometheus' own limit, which Thanos and Mimir keep
FINEST = timedelta(minutes=5)  # finer samples say more about the scraper than about what replicas must serve
DAY = timedelta(days=1)


class MeasurementSettings(Settings):
    """A file of measurements, whatever they are of: one row per time and thing that was measured."""

    source: str = Field(description="CSV, .gz, Parquet, or a glob of them.")
    time: str = Field(description="Column with the time of the measurement.")
    time_format: str | None = Field(
        None,
        description="strptime format, e.g. '%Y%m%d%H%M', or a name as in sales.time_format. None: from all rows.",
    )
    timezone: TimeZone | None = Field(None, description="Zone of times without one. None: UTC, as metrics have it.")
    step: Duration | None = Field(None, description="Length of a step. None: that of the file, at least 5m.")
    read: ReadSettings = Field(ReadSettings(), description="How text files are written, as in sales.read.")
    units: dict[str, Unit] = Field(
        default_factory=dict,
        description="Unit of numbers without one, e.g. {cpu: m, memory: Mi}; '1' says that they are cores or bytes.",
    )

    @model_validator(mode="after")
    def _units_of_columns(self) -> Self:
        for name in self.units:
            if name in MeasurementSettings.model_fields or getattr(self, name, None) is None:
                raise ValueError(f"units: expected the names of columns that are given, such as cpu, got {name!r}")
        return self

    @model_validator(mode="after")
    def _whole_parts_of_a_day(self) -> Self:
        if self.step is not None and (self.step < timedelta(minutes=1) or self.step > DAY or DAY % self.step):
            raise ValueError(f"step: expected whole parts of a day from 1m up, got {self.step}")
        return self


class UsageSettings(MeasurementSettings):
    """A file of measurements, one row per workload and time: the whole workload's, not a pod's."""

    block: ClassVar = "usage"
    over: ClassVar = "avg"  # of the rows of one step
    workload: str | None = Field(None, description="Column with namespace/name or name. None: all of one workload.")
    cpu: str | None = Field(None, description="Column with CPU cores in use (a rate, not a counter).")
    memory: str | None = Field(None, description="Column with bytes of memory in use.")
    requests: str | None = Field(None, description="Column with requests per second (a rate, not a counter).")
    replicas: str | None = Field(
        None, description="Column with ready replicas: for what one should request, and what it serves (throughput)."
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not {"cpu", "memory", "requests"} & set(self.columns):
            raise ValueError("expected at least one of cpu, memory, requests, got none")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """Resource to column, for those that are given."""
        named = {name: getattr(self, name) for name in ("cpu", "memory", "requests", "replicas")}
        return {name: column for name, column in named.items() if column is not None}


class VolumeUsageSettings(MeasurementSettings):
    """A file of measurements of volumes, one row per claim and time."""

    block: ClassVar = "volume_usage"
    over: ClassVar = "max"  # a volume must hold the highest of a step
    claim: str = Field(description="Column with namespace/claim, or with the claim where no two share a name.")
    used: str = Field(description="Column with bytes in use.")
    capacity: str = Field(description="Column with bytes of the file system.")
    inodes_used: str | None = Field(None, description="Column with inodes in use.")
    inodes: str | None = Field(None, description="Column with inodes of the file system.")
    size: str | None = Field(None, description="Column with bytes that the claim asks for. None: from capacity.")

    @property
    def workload(self) -> str:
        """The column that tells whose rows these are."""
        return self.claim

    @property
    def columns(self) -> dict[str, str]:
        """Measurement to column, for those that are given."""
        named = {name: getattr(self, name) for name in ("used", "capacity", "inodes_used", "inodes", "size")}
        return {name: column for name, column in named.items() if column is not None}


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
    metrics: Metrics = field(default_factory=Metrics)
    resources: tuple[Resource, ...] = USAGE

    @staticmethod
    def of(workload: Workload) -> Measured:
        """The workload as Prometheus is asked for it: for its replicas too where its history says what they serve."""
        counted = workload.throughput == "history" or workload.metrics.replicas is not None
        resources: tuple[Resource, ...] = (*USAGE, "replicas") if counted else USAGE
        return Measured(workload.namespace, workload.name, workload.metrics, resources)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name
