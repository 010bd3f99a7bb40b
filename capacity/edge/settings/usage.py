"""`usage:` - where it is written down what workloads used, and which column is what."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from capacity.edge.fields import Duration, TimeZone
from capacity.edge.settings.block import Settings
from capacity.edge.settings.sales import ReadSettings

FINEST = timedelta(minutes=5)  # finer samples say more about the scraper than about what replicas must serve
DAY = timedelta(days=1)


class UsageSettings(Settings):
    """A file of measurements, one row per workload and time: the whole workload's, not a pod's."""

    source: str = Field(description="CSV, .gz, Parquet, or a glob of them.")
    time: str = Field(description="Column with the time of the measurement.")
    time_format: str | None = Field(
        None,
        description="strptime format, e.g. '%Y%m%d%H%M', or a name as in sales.time_format. None: from all rows.",
    )
    timezone: TimeZone | None = Field(None, description="Zone of times without one. None: UTC, as metrics have it.")
    workload: str | None = Field(None, description="Column with namespace/name or name. None: all of one workload.")
    cpu: str | None = Field(None, description="Column with CPU cores in use (a rate, not a counter).")
    memory: str | None = Field(None, description="Column with bytes of memory in use.")
    requests: str | None = Field(None, description="Column with requests per second (a rate, not a counter).")
    replicas: str | None = Field(
        None, description="Column with ready replicas: for what one should request, and what it serves (throughput)."
    )
    step: Duration | None = Field(None, description="Length of a step. None: that of the file, at least 5m.")
    read: ReadSettings = Field(ReadSettings(), description="How text files are written, as in sales.read.")

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
