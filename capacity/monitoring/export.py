"""Exports samples: as text, to a Pushgateway, to a node exporter's textfile, or on `/metrics` beside the health."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, TypeAdapter, ValidationError

from capacity.http import HttpClient, HttpError, Request
from capacity.model import ConfigError
from capacity.monitoring.metrics import METRICS, Metric, Sample

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client import Metric as Family


class Exposition:
    """The samples of the last pass and the counters of all, as Prometheus scrapes them. Safe between threads."""

    def __init__(self, installation: str | None = None) -> None:
        self._lock = Lock()
        self._installation = installation
        self._samples: tuple[Sample, ...] = ()
        self._counts: dict[tuple[str, tuple[str, ...]], float] = {}

    @classmethod
    def of(cls, samples: Sequence[Sample], installation: str | None = None) -> Self:
        """These samples and no others."""
        exposition = cls(installation)
        exposition.update(samples)
        return exposition

    def update(self, samples: Sequence[Sample]) -> None:
        """Take the place of the gauges of before; add to the counters."""
        with self._lock:
            self._samples = tuple(sample for sample in samples if METRICS[sample.name].kind == "gauge")
            for sample in samples:
                if METRICS[sample.name].kind == "counter":
                    key = (sample.name, sample.labels)
                    self._counts[key] = self._counts.get(key, 0.0) + sample.value

    def collect(self) -> Iterator[Family]:
        """The families of now: what prometheus_client asks of a collector."""
        with self._lock:
            counted = [Sample(name, value, labels) for (name, labels), value in self._counts.items()]
            everything = [*self._samples, *counted]
        for name, metric in METRICS.items():
            own = [sample for sample in everything if sample.name == name]
            if own:
                yield _family(metric, own, self._installation)

    def text(self) -> str:
        """Everything in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry()).decode()

    def registry(self) -> CollectorRegistry:
        """A registry with nothing but these samples: no process metrics of a pod that lives for seconds."""
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)  # a collector is whatever has collect()
        return registry


def _family(metric: Metric, samples: Sequence[Sample], installation: str | None) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    further = {} if installation is None else {"installation": installation}
    family = kind(metric.name, metric.help, labels=(*metric.labels, *further))
    for sample in samples:
        family.add_metric((*sample.labels, *further.values()), sample.value)
    return family


def write_textfile(samples: Sequence[Sample], path: Path, installation: str | None = None) -> None:
    """Write the samples for the node exporter's textfile collector: whole or not at all."""
    from prometheus_client import write_to_textfile

    write_to_textfile(str(path), Exposition.of(samples, installation).registry())


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
    """A Pushgateway; `installation` tells our groups there from those of other installations."""

    client: HttpClient
    installation: str | None = None

    def push(self, samples: Sequence[Sample], job: str) -> None:
        """Replace what this job pushed before, counters added up. Raises `HttpError`."""
        from prometheus_client import push_to_gateway

        registry = Exposition.of([*samples, *self._counted(job)]).registry()
        push_to_gateway(self.client.server.url, job, registry, grouping_key=self._grouping(), handler=self._handler)

    def _counted(self, job: str) -> list[Sample]:
        """The counters that this job left there."""
        groups = self.client.read(GROUPS, "GET", "/api/v1/metrics").data
        ours = [group for group in groups if _labels(group) == {"job": job, **self._grouping()}]
        counters = [name for name, metric in METRICS.items() if metric.kind == "counter"]
        return [sample for group in ours for name in counters for sample in self._left(group, name)]

    def _grouping(self) -> dict[str, str]:
        return {} if self.installation is None else {"installation": self.installation}

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
    """The labels of a group that have a value; none where it has none that can be read."""
    try:
        return {name: value for name, value in LABELS.validate_python(group.get("labels")).items() if value}
    except ValidationError:
        return {}


class Health:
    """`/healthz`: passes end in time; `/readyz`: one has ended; `/metrics`. `serve` answers on every interface."""

    def __init__(self, clock: Callable[[], float], patience: float, exposition: Exposition) -> None:
        self._clock, self._patience = clock, patience  # seconds without the end of a pass that are still healthy
        self._exposition = exposition
        self._ended: float | None = None
        self._began = clock()

    def beat(self) -> None:
        """A pass has ended, well or badly: the loop lives."""
        self._ended = self._clock()

    def answer(self, path: str) -> tuple[int, str]:
        """Status and text for a path."""
        if path == "/metrics":
            return 200, self._exposition.text()
        if path not in ("/healthz", "/readyz"):
            return 404, "expected /healthz, /readyz or /metrics"
        if path == "/readyz" and self._ended is None:
            return 503, "no pass has ended yet"
        since = self._clock() - (self._began if self._ended is None else self._ended)
        return (200, "ok") if since <= self._patience else (503, f"no pass has ended for {since:.0f} s")

    def serve(self, port: int) -> ThreadingHTTPServer:
        """Answer from now on; call `shutdown` on what is returned to end it. Raises `ConfigError` on a taken port."""
        health = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5.0  # a client that says nothing must not keep a thread

            def do_GET(self) -> None:  # http.server calls it so
                status, text = health.answer(self.path)
                self.send_response(status)
                body = text.encode()
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")  # as Prometheus 3 asks
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
                del format, args

        try:
            server = ThreadingHTTPServer(("", port), Handler)
        except OSError as error:
            raise ConfigError(f"--health-port {port}: cannot be listened on: {error}") from error
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
        return server
