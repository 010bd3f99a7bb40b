"""The samples of a job that ends, left at a Pushgateway. A gateway that is away never fails the job: it warns.

A counter lives in the gateway between two jobs: what stands there is read, added to, and pushed back. Jobs of one name
do not overlap (`concurrencyPolicy: Forbid`), and a gateway that lost its memory looks like a counter reset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capacity.domain import CapacityError
from capacity.edge.telemetry.exposition import Exposition
from capacity.edge.telemetry.metrics import METRICS, Sample

if TYPE_CHECKING:
    from urllib3 import PoolManager

TIMEOUT = 5.0  # seconds: a pass has a minute, and its floors are moved already
LARGEST = 8 * 2**20  # bytes of answer: thousands of workloads stay below a MiB


class GatewayError(CapacityError):
    """The Pushgateway refused, or did not answer."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Pushgateway, and how to prove who we are. `token_file` holds a bearer token, `ca_file` its issuer's CA."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def push(self, samples: Sequence[Sample], job: str) -> None:
        """Replace what this job pushed before. Raises `GatewayError`."""
        from prometheus_client import push_to_gateway

        exposition = Exposition()
        exposition.update([*samples, *self._counted(job)])
        push_to_gateway(self.url, job, exposition.registry(), timeout=TIMEOUT, handler=self._handler)

    def _counted(self, job: str) -> list[Sample]:
        """The counters that this job left there."""
        groups = json.loads(self._request("GET", f"{self.url.rstrip('/')}/api/v1/metrics")).get("data") or []
        found = []
        for group in groups:
            if group.get("labels", {}).get("job") != job:
                continue
            for name, metric in METRICS.items():
                if metric.kind == "counter":
                    found += [_sample(name, one) for one in (group.get(name) or {}).get("metrics", [])]
        return [sample for sample in found if sample is not None]

    def _handler(
        self, url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        """What prometheus_client calls to send."""
        del timeout

        def send() -> None:
            self._request(method, url, body=data, headers=dict(headers))

        return send

    def _request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            answer = self._pool().request(method, url, body=body, headers={**self._authorization(), **(headers or {})})
            text = bytes(answer.data)
        except (HTTPError, OSError) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error).split())[:200]
            raise GatewayError(f"no answer from the Pushgateway at {self.url}: {reason}") from error
        if answer.status >= 300:
            raise GatewayError(f"Pushgateway at {self.url}: {answer.status} {text[:200].decode('utf-8', 'replace')}")
        return text

    def _pool(self) -> PoolManager:
        from urllib3 import PoolManager, Retry, Timeout

        certificates: dict[str, Any] = {} if self.ca_file is None else {"ca_certs": str(self.ca_file)}
        return PoolManager(timeout=Timeout(TIMEOUT), retries=Retry(1, redirect=0), **certificates)

    def _authorization(self) -> dict[str, str]:
        if self.token_file is None:
            return {}
        return {"Authorization": f"Bearer {self.token_file.read_text(encoding='utf-8').strip()}"}


def _sample(name: str, document: Mapping[str, Any]) -> Sample | None:
    """A counter as the gateway tells it; what is not ours any more (labels of an older version) is left out."""
    labels = document.get("labels") or {}
    if not set(METRICS[name].labels) <= set(labels):
        return None
    return Sample(name, float(document["value"]), tuple(str(labels[label]) for label in METRICS[name].labels))
