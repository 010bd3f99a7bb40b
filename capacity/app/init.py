"""Writes a first capacity.yaml from the objects of the cluster and the series of Prometheus. Every guess is marked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pandas as pd
import yaml

from capacity.app.doctor.room import Growth, room_in
from capacity.cluster.client import ClusterReader
from capacity.cluster.inventory import FoundWorkload, Inventory
from capacity.model import Metrics
from capacity.model.check import Finding
from capacity.model.settings import Measured, PrometheusSettings
from capacity.sources.prometheus.answers import Chunk
from capacity.sources.prometheus.client import Prometheus
from capacity.sources.prometheus.queries import Wording, text
from capacity.sources.prometheus.usage import read_usages

GUESSED = {"cpu": 0.5, "memory": 512 * 2.0**20}  # requests where the cluster has none: `kubectl create` examples' size
OWN_NAMESPACE = "capacity-system"  # as k8s/base and the chart's page install it
GUESSED_USE = 0.5  # share of its request that a replica uses, where nothing is measured: a usual median of clusters


def render_config(
    inventory: Inventory, findings: PrometheusFindings | None, timezone: str, room: Sequence[Finding] = ()
) -> str:
    """The text of a first capacity.yaml. It is valid as it is; only `sales:` needs the user's own orders.

    `room`: findings on what could keep the controller's own pod out of these namespaces.
    """
    lines = [
        *_head(timezone),
        *_prometheus(findings),
        *_controller(room),
        "workloads:" if inventory.found else f"workloads: []  # {_none(inventory)}",
        *(line for found in inventory.found for line in _workload(found, findings)),
        *([""] if inventory.left_out else []),
        *(f"# left out: {reason}" for reason in inventory.left_out),
    ]
    return "\n".join(lines) + "\n"


def _none(inventory: Inventory) -> str:
    return (
        "every HorizontalPodAutoscaler was left out" if inventory.left_out else "no HorizontalPodAutoscaler was found"
    )


def _head(timezone: str) -> Iterator[str]:
    yield "# A first configuration of capacity, written by `capacity init` from what it saw. What says `# yours:` waits"
    yield "# for you: the orders of your business, which no cluster knows. `capacity schema` lists all keys."
    yield f"timezone: {scalar(timezone)}  # the business's clock: orders without a zone are read on it"
    yield "sales:"
    yield "  source: orders.csv  # yours: CSV, .gz, Parquet, a glob or directory of them, or {url: ..., query: ...}"
    yield "  time: ordered_at  # yours: the column with the time of the order"
    yield "  value: {rows: true}  # each row is an order; or {sum: quantity}, or {count_distinct: invoice}"
    yield "  step: 1h"
    yield "calendar:"
    yield "  holidays: []  # countries or states whose public holidays matter: [GB-ENG], [US-CA]"
    yield "forecast:"
    yield "  horizon: 14d"


def _prometheus(findings: PrometheusFindings | None) -> Iterator[str]:
    if findings is None:
        yield "# prometheus:  # where usage is measured; without it, what a sale costs stays a guess"
        yield "#   url: http://prometheus.monitoring:9090"
        return
    settings = findings.settings
    yield "prometheus:  # where usage is measured"
    yield f"  url: {scalar(settings.url)}"
    for key in ("token_file", "ca_file", "tenant"):
        if (value := getattr(settings, key)) is not None:
            yield f"  {key}: {scalar(value)}"
    if findings.counters:
        others = f"  # also there: {', '.join(findings.counters[1:])}" if findings.counters[1:] else ""
        yield f"  requests: {findings.counters[0]}{others}"
    else:
        yield "  # requests: http_requests_total  # a counter of served requests with namespace and pod: none was found"


def find_room(reader: ClusterReader, inventory: Inventory) -> list[Finding]:
    """Findings on what could keep the controller's pod out of the workloads' namespaces, and out of its own one."""
    namespaces = dict.fromkeys([*(one.namespace for one in inventory.found), OWN_NAMESPACE])
    grown = {namespace: _growth(inventory, namespace) for namespace in namespaces}
    found = [one for namespace in namespaces for one in room_in(reader, namespace, grown[namespace], list(namespaces))]
    return [one for one in found if one.state != "ok"]


def _growth(inventory: Inventory, namespace: str) -> Growth:
    own = [one for one in inventory.found if one.namespace == namespace]
    cpu, memory = (
        sum(one.ceiling * one.requests.get(resource, GUESSED[resource]) for one in own) for resource in GUESSED
    )
    return Growth(sum(one.ceiling for one in own), cpu, memory)


def _controller(room: Sequence[Finding]) -> Iterator[str]:
    yield "controller:"
    yield f"  namespace: {OWN_NAMESPACE}  # where its pods run: no quota that the workloads fill can lock them out"
    yield from (f"  # {finding.detail}" for finding in room)


def _workload(found: FoundWorkload, findings: PrometheusFindings | None) -> Iterator[str]:
    yield f"  - namespace: {scalar(found.namespace)}"
    yield f"    name: {scalar(found.name)}  # {found.kind}, {found.replicas} ready replicas when this was written"
    if found.keda:
        yield f"    target: {{kind: ScaledObject, name: {scalar(found.autoscaler)}}}  # KEDA makes the autoscaler"
    elif found.autoscaler != found.name:
        yield f"    target: {{name: {scalar(found.autoscaler)}}}  # its HorizontalPodAutoscaler"
    stands = "minReplicas before capacity first moved it" if found.managed else "minReplicas as it stands"
    yield f"    floor: {found.floor}  # {stands}"
    if found.owner is not None and not found.keda:
        yield f"    # {found.owner}"
    yield f"    ceiling: {found.ceiling}  # maxReplicas as it stands"
    if found.utilization is not None:
        whose = "the CPU request" if found.container is None else f"the CPU request of container {found.container}"
        yield f"    target_utilization: 0.80  # the autoscaler itself aims at {found.utilization} % of {whose}"
    yield from _lead_time(found)
    yield from _load(found, findings)
    yield from _replica(found)
    yield from _metrics(found, findings)


def _lead_time(found: FoundWorkload) -> Iterator[str]:
    learned = found.starts.lead_time
    value = "auto" if learned is None else f"{learned.total_seconds():.0f}s"
    yield f"    lead_time: {value}  # {found.starts.reason()}"


def _load(found: FoundWorkload, findings: PrometheusFindings | None) -> Iterator[str]:
    """The cost of sales: the measured mean as base, and no slope, which the cluster does not show."""
    measured = findings.usage.get((found.namespace, found.name), {}) if findings else {}
    yield "    load:  # demand = base + per_sale_per_hour x sales per hour"
    for resource, write in (("cpu", cores), ("memory", mebibytes)):
        use = measured.get(resource)
        guess = found.requests.get(resource, GUESSED[resource]) * max(1, found.replicas) * GUESSED_USE
        reason = "a guess: half of what is requested" if use is None else "the mean of the last day"
        amount = write(guess if use is None else use)
        yield f"      {resource}: {{base: {amount}, per_sale_per_hour: 0}}  # yours: what a sale adds; base is {reason}"


def _replica(found: FoundWorkload) -> Iterator[str]:
    amounts = {resource: found.requests.get(resource, guess) for resource, guess in GUESSED.items()}
    guessed = [resource for resource in GUESSED if resource not in found.requests]
    note = f"  # yours: no {' and no '.join(guessed)} request is set in the cluster: a guess" if guessed else ""
    cpu, memory = cores(amounts["cpu"]), mebibytes(amounts["memory"])
    if not note and found.container is not None:
        note = f"  # of container {found.container}, the only one that the autoscaler looks at"
    yield f"    replica: {{cpu_request: {cpu}, memory_request: {memory}}}{note}"
    if found.limits:
        limits = {"cpu": cores, "memory": mebibytes}
        shown = ", ".join(f"{resource} {limits[resource](amount)}" for resource, amount in found.limits.items())
        yield f"    # limits of a replica: {shown}"


def _metrics(found: FoundWorkload, findings: PrometheusFindings | None) -> Iterator[str]:
    if found.pods_like != "Deployment":
        yield f"    metrics: {{kind: {found.pods_like}}}"
    if findings is None:
        return
    measured = Measured(found.namespace, found.name, Metrics(kind=found.pods_like))
    settings = findings.settings.model_copy(update={"requests": findings.counters[0] if findings.counters else None})
    yield "    # asked of Prometheus, unless metrics: has a query of your own (cpu, memory, requests)"
    for question in Wording(settings, settings.step).questions([measured]):
        yield f"    #   {question.resource}: {question.query}"


def cores(amount: float) -> str:
    """CPU as a Kubernetes quantity, rounded up to the millicore.

    >>> cores(0.25), cores(2)
    ('250m', '2')
    """
    milli = math.ceil(round(amount * 1000, 6))
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def mebibytes(amount: float) -> str:
    """Memory as a Kubernetes quantity, rounded up to the MiB.

    >>> mebibytes(2.0**30), mebibytes(1000)
    ('1Gi', '1Mi')
    """
    mebi = math.ceil(amount / 2**20)
    return f"{mebi // 1024}Gi" if mebi and mebi % 1024 == 0 else f"{mebi}Mi"


def scalar(value: str) -> str:
    """Text as a YAML value: quoted where YAML would read something else.

    >>> scalar("web"), scalar("on"), scalar("1.5")
    ('web', '"on"', '"1.5"')
    """
    try:
        plain = yaml.safe_load(f"a: {value} # b") == {"a": value}
    except yaml.YAMLError:
        plain = False
    return value if plain else json.dumps(value)


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


@dataclass(frozen=True, slots=True)
class PrometheusFindings:
    """Findings in Prometheus: how it is reached, which counters of requests it has, mean usage by workload."""

    settings: PrometheusSettings
    counters: tuple[str, ...] = ()
    usage: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)


def inspect_prometheus(
    settings: PrometheusSettings, workloads: Sequence[Measured], now: datetime
) -> PrometheusFindings:
    """Ask for the last day. Raises `DataError` where Prometheus does not answer."""
    counters = _counters(settings, workloads, now)
    usages = read_usages(settings, workloads, now - LOOK, now, now=now) if workloads else {}
    means = {
        key: {str(name): float(value) for name, value in usage.mean().dropna().items()}
        for key, usage in usages.items()
        if isinstance(usage, pd.DataFrame)
    }
    return PrometheusFindings(settings, counters, means)


def _counters(settings: PrometheusSettings, workloads: Sequence[Measured], now: datetime) -> tuple[str, ...]:
    """The known counters that pods of these namespaces have, the best fit first."""
    end = int(now.timestamp())
    namespaces = "|".join(sorted({one.namespace for one in workloads}))
    where = f'__name__=~"{"|".join(COUNTERS)}",namespace=~{text(namespaces)},pod!=""'
    series = Prometheus(settings).query_range(f"count by (__name__) ({{{where}}})", Chunk(end - 3600, end, 300))
    there = {one.labels.get("__name__") for one in series}
    return tuple(name for name in COUNTERS if name in there)
