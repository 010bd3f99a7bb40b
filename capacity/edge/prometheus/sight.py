"""A first look at Prometheus for `capacity init`: which counters of requests it has, what workloads used of late."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from capacity.domain import Metrics
from capacity.edge.cluster.inventory import Inventory
from capacity.edge.draft import Sight
from capacity.edge.prometheus.chunks import Chunk
from capacity.edge.prometheus.client import Prometheus
from capacity.edge.prometheus.queries import text
from capacity.edge.prometheus.usage import read_usages
from capacity.edge.settings import Measured, PrometheusSettings

LOOK = timedelta(days=1)
COUNTERS = (  # counters of served requests of common libraries, in the order of how well they fit
    "http_requests_total",
    "http_server_requests_seconds_count",
    "http_server_request_duration_seconds_count",
    "http_request_duration_seconds_count",
    "istio_requests_total",
    "nginx_ingress_controller_requests",
    "grpc_server_handled_total",
)


def look(settings: PrometheusSettings, inventory: Inventory, now: datetime) -> Sight:
    """Ask for the last day. Raises `DataError` where Prometheus does not answer."""
    counters = _counters(settings, inventory, now)
    workloads = [Measured(one.namespace, one.name, Metrics(kind=one.kind)) for one in inventory.found]
    usages = read_usages(settings, workloads, now - LOOK, now, now=now) if workloads else {}
    means = {
        key: {str(name): float(value) for name, value in usage.mean().dropna().items()}
        for key, usage in usages.items()
        if isinstance(usage, pd.DataFrame)
    }
    return Sight(settings, counters, means)


def _counters(settings: PrometheusSettings, inventory: Inventory, now: datetime) -> tuple[str, ...]:
    """The known counters that pods of these namespaces have, the best fit first."""
    end = int(now.timestamp())
    namespaces = "|".join(sorted({one.namespace for one in inventory.found}))
    where = f'__name__=~"{"|".join(COUNTERS)}",namespace=~{text(namespaces)},pod!=""'
    series = Prometheus(settings).query_range(f"count by (__name__) ({{{where}}})", Chunk(end - 3600, end, 300))
    there = {one.labels.get("__name__") for one in series}
    return tuple(name for name in COUNTERS if name in there)
