"""`prometheus:` - where usage is measured, and how politely it is asked for; `metrics:` of a workload - which of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from capacity.edge.fields import Duration, Quantity
from capacity.edge.settings.block import Settings

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
