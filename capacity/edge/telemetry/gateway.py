"""The samples of a job that ends, left at a Pushgateway.

A counter lives in the gateway between two jobs: what stands there is read, added to, and pushed back. Jobs of one name
do not overlap (`concurrencyPolicy: Forbid`), and a gateway that lost its memory looks like a counter reset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capacity.edge.telemetry.exposition import Exposition
from capacity.edge.telemetry.metrics import METRICS, Sample
from capacity.edge.web import TIMEOUT, Web


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Pushgateway."""

    web: Web

    def push(self, samples: Sequence[Sample], job: str) -> None:
        """Replace what this job pushed before, counters added up. Raises `ServiceError`."""
        from prometheus_client import push_to_gateway

        registry = Exposition.of([*samples, *self._counted(job)]).registry()
        push_to_gateway(self.web.url, job, registry, timeout=TIMEOUT, handler=self._handler)

    def _counted(self, job: str) -> list[Sample]:
        """The counters that this job left there."""
        answer = self.web.call("GET", "/api/v1/metrics")
        groups = [group for group in answer.get("data") or [] if group.get("labels", {}).get("job") == job]
        counters = [name for name, metric in METRICS.items() if metric.kind == "counter"]
        left = [_sample(name, one) for group in groups for name in counters for one in _metrics(group, name)]
        return [sample for sample in left if sample is not None]

    def _handler(
        self, url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        """What prometheus_client calls to send: our own client has the token, the CA and the time limit."""
        del timeout

        def send() -> None:
            self.web.send(method, url, dict(headers), data)

        return send


def _metrics(group: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return list((group.get(name) or {}).get("metrics") or [])


def _sample(name: str, document: Mapping[str, Any]) -> Sample | None:
    """A counter as the gateway tells it; what is not ours any more (labels of an older version) is left out."""
    labels, known = document.get("labels") or {}, METRICS[name].labels
    if not set(known) <= set(labels):
        return None
    return Sample(name, float(document["value"]), tuple(str(labels[label]) for label in known))
