"""The samples of a job that ends, left at a Pushgateway.

A counter lives in the gateway between two jobs: what stands there is read, added to, and pushed back. Jobs of one name
do not overlap (`concurrencyPolicy: Forbid`), and a gateway that lost its memory looks like a counter reset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from capacity.edge.http import HttpClient, HttpError, Request
from capacity.edge.telemetry.exposition import Exposition
from capacity.edge.telemetry.metrics import METRICS, Sample


class _Metric(BaseModel):
    labels: dict[str, str]
    value: float


class _Groups(BaseModel):
    data: list[dict[str, Any]] = []


GROUPS: TypeAdapter[_Groups] = TypeAdapter(_Groups)
LABELS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
LEFT: TypeAdapter[list[_Metric]] = TypeAdapter(list[_Metric])


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Pushgateway."""

    client: HttpClient

    def push(self, samples: Sequence[Sample], job: str) -> None:
        """Replace what this job pushed before, counters added up. Raises `HttpError`."""
        from prometheus_client import push_to_gateway

        registry = Exposition.of([*samples, *self._counted(job)]).registry()
        push_to_gateway(self.client.server.url, job, registry, handler=self._handler)

    def _counted(self, job: str) -> list[Sample]:
        """The counters that this job left there."""
        groups = self.client.read(GROUPS, "GET", "/api/v1/metrics").data
        ours = [group for group in groups if _labels(group).get("job") == job]
        counters = [name for name, metric in METRICS.items() if metric.kind == "counter"]
        return [sample for group in ours for name in counters for sample in self._left(group, name)]

    def _left(self, group: Mapping[str, Any], name: str) -> Iterator[Sample]:
        """A counter as the gateway tells it; what is not ours any more (labels of an older version) is left out."""
        known = METRICS[name].labels
        try:
            found = LEFT.validate_python((group.get(name) or {"metrics": []})["metrics"])
        except (ValidationError, KeyError, TypeError) as error:
            raise HttpError(
                f"{self.client.server.name}: expected metrics of {name}, got others", "malformed"
            ) from error
        for metric in found:
            if set(known) <= set(metric.labels):
                yield Sample(name, metric.value, tuple(metric.labels[label] for label in known))

    def _handler(
        self, url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        """What prometheus_client calls to send: our own client has the token, the CA and the time limit."""
        del timeout
        path = url.removeprefix(self.client.server.url.rstrip("/"))

        def send() -> None:
            self.client.accepted(Request(method, path, data, dict(headers)))

        return send


def _labels(group: Mapping[str, Any]) -> dict[str, str]:
    """The labels of a group; none where it has none that can be read."""
    try:
        return LABELS.validate_python(group.get("labels"))
    except ValidationError:
        return {}
