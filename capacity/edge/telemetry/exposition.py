"""Samples out: as text, to a Pushgateway, to a node exporter's textfile, or on `/metrics` of a running controller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self

from capacity.edge.telemetry.metrics import METRICS, Metric, Sample

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client import Metric as Family


class Exposition:
    """The samples of the last pass and the counters of all, as Prometheus scrapes them. Safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._samples: tuple[Sample, ...] = ()
        self._counts: dict[tuple[str, tuple[str, ...]], float] = {}

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """These samples and no others."""
        exposition = cls()
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
            mine = [sample for sample in everything if sample.name == name]
            if mine:
                yield _family(metric, mine)

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


def _family(metric: Metric, samples: Sequence[Sample]) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for sample in samples:
        family.add_metric(sample.labels, sample.value)
    return family


def exposition_text(samples: Sequence[Sample]) -> str:
    """The samples in Prometheus' text format.

    >>> print(exposition_text([Sample("capacity_floor_replicas", 9, ("shop", "web"))]).splitlines()[-1])
    capacity_floor_replicas{namespace="shop",workload="web"} 9.0
    """
    return Exposition.of(samples).text()


def write_textfile(samples: Sequence[Sample], path: Path) -> None:
    """Write the samples for the node exporter's textfile collector: whole or not at all."""
    from prometheus_client import write_to_textfile

    write_to_textfile(str(path), Exposition.of(samples).registry())
