"""Whether the controller's own pod finds room where it runs: quotas that a peak fills, limits that refuse it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from capacity.cluster.client import ClusterReader
from capacity.model import ClusterError, Workload
from capacity.model.check import Finding
from capacity.model.configuration import Config
from capacity.model.fields import parse_quantity
from capacity.model.pod_size import SizedResource

QUOTAS = "/api/v1/namespaces/{namespace}/resourcequotas"
LIMIT_RANGES = "/api/v1/namespaces/{namespace}/limitranges"
OWN = {  # what the pod in k8s/base asks for, as a quota names it
    "pods": 1.0,
    "count/pods": 1.0,
    "requests.cpu": 0.1,
    "cpu": 0.1,
    "requests.memory": 96 * 2.0**20,
    "memory": 96 * 2.0**20,
    "limits.cpu": 1.0,
    "limits.memory": 256 * 2.0**20,
}
REQUESTS, LIMITS = {"cpu": 0.1, "memory": 96 * 2.0**20}, {"cpu": 1.0, "memory": 256 * 2.0**20}
FIX_ROOM = "run the controller in a namespace of its own: k8s/README.md, *A namespace of its own*"
REFUSED = 403
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Peak:
    """What the workloads of a namespace may grow to, in pods and what these request."""

    pods: float
    cpu: float
    memory: float

    def of(self, resource: str) -> float | None:
        """The demand on a resource of a quota; None for one that the plan says nothing of."""
        return {
            "pods": self.pods,
            "count/pods": self.pods,
            "requests.cpu": self.cpu,
            "cpu": self.cpu,
            "requests.memory": self.memory,
            "memory": self.memory,
        }.get(resource)


def check_room(config: Config, reader: ClusterReader) -> Iterator[Finding]:
    """Quotas and LimitRanges of each namespace; nothing where we may not read them."""
    for namespace in dict.fromkeys(item.namespace for item in config.workloads):
        own = [item for item in config.workloads if item.namespace == namespace]
        peak = _Peak(
            sum(item.ceiling for item in own),
            sum(item.ceiling * largest_request(item, "cpu") for item in own),
            sum(item.ceiling * largest_request(item, "memory") for item in own),
        )
        for quota in _read(reader, QUOTAS.format(namespace=namespace)):
            yield from _full(namespace, quota, peak)
        for limits in _read(reader, LIMIT_RANGES.format(namespace=namespace)):
            yield from _refused(namespace, limits)


def largest_request(workload: Workload, resource: SizedResource) -> float:
    """What one of its pods requests at most: cores, or bytes."""
    named = workload.vertical.containers.values() if workload.vertical is not None else ()
    ranges = [within for one in named if (within := one.range_of(resource)) is not None]
    replica = workload.replica
    return sum(one.max for one in ranges) or (replica.cpu_request if resource == "cpu" else replica.memory_request)


def _read(reader: ClusterReader, path: str) -> Iterable[Document]:
    try:
        return list(reader.objects(path))
    except ClusterError as error:
        if error.status != REFUSED:
            raise
        return ()


def _full(namespace: str, quota: Document, peak: _Peak) -> Iterator[Finding]:
    """A quota that is full now, or that the workloads' own ceilings fill: then our pod is refused when it counts."""
    name = (quota.get("metadata") or {}).get("name")
    hard = (quota.get("status") or {}).get("hard") or (quota.get("spec") or {}).get("hard") or {}
    used = (quota.get("status") or {}).get("used") or {}
    for resource, ours in OWN.items():
        if resource not in hard:
            continue
        most, now, grown = parse_quantity(hard[resource]), parse_quantity(used.get(resource, "0")), peak.of(resource)
        if now + ours > most:
            detail = f"{namespace}: quota {name} is full: {resource} {used.get(resource)} of {hard[resource]}"
            yield Finding("room", "fail", f"{detail}; the controller's own pod is refused there", FIX_ROOM)
        elif grown is not None and grown + ours > most:
            detail = (
                f"{namespace}: quota {name} allows {resource} {hard[resource]}, the workloads may fill it at a peak"
            )
            yield Finding("room", "warn", f"{detail}; the controller's own pod is refused then", FIX_ROOM)


def _refused(namespace: str, limits: Document) -> Iterator[Finding]:
    """A LimitRange that our pod does not meet."""
    name = (limits.get("metadata") or {}).get("name")
    for item in (limits.get("spec") or {}).get("limits") or []:
        if item.get("type") not in ("Container", "Pod"):
            continue
        for resource in ("cpu", "memory"):
            most, least = (item.get("max") or {}).get(resource), (item.get("min") or {}).get(resource)
            if most is not None and parse_quantity(most) < LIMITS[resource]:
                wrong = f"at most {resource} {most}"
            elif least is not None and parse_quantity(least) > REQUESTS[resource]:
                wrong = f"at least {resource} {least}"
            else:
                continue
            yield Finding(
                "room", "fail", f"{namespace}: LimitRange {name} wants {wrong}: it refuses our pods", FIX_ROOM
            )
