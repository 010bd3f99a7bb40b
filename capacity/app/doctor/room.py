"""Whether the controller's own pod finds room where it runs: quotas that a peak fills, limits, priority."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capacity.cluster.client import ABSENT, ClusterReader
from capacity.model import ClusterError, Workload
from capacity.model.check import Finding
from capacity.model.configuration import Config
from capacity.model.fields import parse_quantity
from capacity.model.pod_size import SizedResource

QUOTAS = "/api/v1/namespaces/{namespace}/resourcequotas"
LIMIT_RANGES = "/api/v1/namespaces/{namespace}/limitranges"
CRONJOBS = "/apis/batch/v1/namespaces/{namespace}/cronjobs"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{namespace}/deployments"
STATEFUL_SETS = "/apis/apps/v1/namespaces/{namespace}/statefulsets"
PRIORITY_CLASS = "/apis/scheduling.k8s.io/v1/priorityclasses/{name}"
OURS = "app.kubernetes.io/part-of=capacity"
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
FIX_SHARE = "raise it there: nothing else needs to fit, since the workloads run elsewhere"
FIX_PRIORITY = "use the form `priority` of k8s/README.md, or set pods.priorityClassName of the chart"
FIX_CLASS = "create the PriorityClass, or name one that exists"
NO_CLASS = (
    "has no priority class: on full nodes its pod waits for room like any other; the form `priority` of k8s/README.md "
    "gives it one"
)
REFUSED = 403
ABSENT_CLASS = -(2**31)  # the lowest priority that fits a class is one above
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Growth:
    """What the workloads of a namespace may grow to, in pods and what these request: cores and bytes."""

    pods: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0

    def of(self, resource: str) -> float | None:
        """The demand on a resource of a quota; None for one that nobody knows of."""
        return {
            "pods": self.pods,
            "count/pods": self.pods,
            "requests.cpu": self.cpu,
            "cpu": self.cpu,
            "requests.memory": self.memory,
            "memory": self.memory,
        }.get(resource)


def check_room(config: Config, reader: ClusterReader) -> Iterator[Finding]:
    """Quotas, LimitRanges and priority where the pods of capacity run; nothing where we may not read them."""
    workloads = dict.fromkeys(item.namespace for item in config.workloads)
    for namespace in [config.controller.namespace] if config.controller.namespace else workloads:
        own = [item for item in config.workloads if item.namespace == namespace]
        grown = Growth(
            sum(item.ceiling for item in own),
            sum(item.ceiling * largest_request(item, "cpu") for item in own),
            sum(item.ceiling * largest_request(item, "memory") for item in own),
        )
        yield from room_in(reader, namespace, grown, list(workloads))


def room_in(reader: ClusterReader, namespace: str, grown: Growth, neighbours: Sequence[str] = ()) -> Iterator[Finding]:
    """What keeps our pod out of one namespace, while the workloads there have grown so far.

    `neighbours`: the namespaces of the workloads, whose pods may be on the same nodes.
    """
    fix = FIX_ROOM if grown.pods else FIX_SHARE
    for quota in _read(reader, QUOTAS.format(namespace=namespace)):
        yield from _full(namespace, quota, grown, fix)
    for limits in _read(reader, LIMIT_RANGES.format(namespace=namespace)):
        yield from _refused(namespace, limits, fix)
    yield from _priority(reader, namespace, neighbours)


def largest_request(workload: Workload, resource: SizedResource) -> float:
    """What one of its pods requests at most: cores, or bytes."""
    named = workload.vertical.containers.values() if workload.vertical is not None else ()
    ranges = [within for one in named if (within := one.range_of(resource)) is not None]
    replica = workload.replica
    return sum(one.max for one in ranges) or (replica.cpu_request if resource == "cpu" else replica.memory_request)


def _read(reader: ClusterReader, path: str, labels: str = "") -> Iterable[Document]:
    try:
        return list(reader.objects(path, labels))
    except ClusterError as error:
        if error.status not in (REFUSED, ABSENT):
            raise
        return ()


def _full(namespace: str, quota: Document, grown: Growth, fix: str) -> Iterator[Finding]:
    """A quota that is full now, or that the workloads' own ceilings fill: then our pod is refused when it counts."""
    name = (quota.get("metadata") or {}).get("name")
    hard = (quota.get("status") or {}).get("hard") or (quota.get("spec") or {}).get("hard") or {}
    used = (quota.get("status") or {}).get("used") or {}
    for resource, ours in OWN.items():
        if resource not in hard:
            continue
        most, now, peak = parse_quantity(hard[resource]), parse_quantity(used.get(resource, "0")), grown.of(resource)
        if now + ours > most:
            detail = f"{namespace}: quota {name} is full: {resource} {used.get(resource)} of {hard[resource]}"
            yield Finding("room", "fail", f"{detail}; the controller's own pod is refused there", fix)
        elif peak is not None and peak + ours > most:
            detail = (
                f"{namespace}: quota {name} allows {resource} {hard[resource]}, the workloads may fill it at a peak"
            )
            yield Finding("room", "warn", f"{detail}; the controller's own pod is refused then", fix)


def _refused(namespace: str, limits: Document, fix: str) -> Iterator[Finding]:
    """A LimitRange that our pod does not meet."""
    name = (limits.get("metadata") or {}).get("name")
    for item in (limits.get("spec") or {}).get("limits") or []:
        if item.get("type") not in ("Container", "Pod"):
            continue
        for resource in ("cpu", "memory"):
            most, least, ratio = ((item.get(key) or {}).get(resource) for key in ("max", "min", "maxLimitRequestRatio"))
            if most is not None and parse_quantity(most) < LIMITS[resource]:
                wrong = f"at most {resource} {most}"
            elif least is not None and parse_quantity(least) > REQUESTS[resource]:
                wrong = f"at least {resource} {least}"
            elif ratio is not None and parse_quantity(ratio) < LIMITS[resource] / REQUESTS[resource]:
                wrong = f"limits of {resource} of at most {ratio} times the request"
            else:
                continue
            yield Finding("room", "fail", f"{namespace}: LimitRange {name} wants {wrong}: it refuses our pods", fix)


def _priority(reader: ClusterReader, namespace: str, neighbours: Sequence[str]) -> Iterator[Finding]:
    """The controller's pods as installed: pods of a higher priority take their place on full nodes.

    A PriorityClass belongs to the cluster, so the default installation has none, which is no fault where the workloads
    have none either.
    """
    jobs = _read(reader, CRONJOBS.format(namespace=namespace), OURS)
    deployments = _read(reader, DEPLOYMENTS.format(namespace=namespace), OURS)
    for kind, installed in [*(("CronJob", one) for one in jobs), *(("Deployment", one) for one in deployments)]:
        where = f"{namespace}: {kind} {_name(installed)}"
        if not where.endswith("-controller"):
            continue
        name = str(_pod_spec(installed).get("priorityClassName") or "")
        value = _value(reader, name) if name else 0
        if value == ABSENT_CLASS:
            detail = f"{where} names the priority class {name}, which does not exist: its pods are refused"
            yield Finding("room", "fail", detail, FIX_CLASS)
            continue
        higher = None if value is None else _higher(reader, neighbours, value)
        if higher is not None:
            ours = f"priority class {name}" if name else "no priority class"
            yield Finding("room", "warn", f"{where} has {ours}, {higher}: on full nodes they evict it", FIX_PRIORITY)
        elif not name:
            yield Finding("room", "ok", f"{where} {NO_CLASS}")


def _higher(reader: ClusterReader, neighbours: Sequence[str], value: int) -> str | None:
    """A workload whose pods have a higher priority than this; None where there is none, or none may be seen."""
    for namespace in neighbours:
        for path in (DEPLOYMENTS, STATEFUL_SETS):
            for one in _read(reader, path.format(namespace=namespace)):
                name = str(_pod_spec(one).get("priorityClassName") or "")
                theirs = _value(reader, name) if name else None
                if theirs is not None and theirs > value:
                    return f"the pods of {namespace}/{_name(one)} have {name}"
    return None


def _name(document: Document) -> str:
    return str((document.get("metadata") or {}).get("name"))


def _pod_spec(installed: Document) -> Document:
    spec = installed.get("spec") or {}
    job = (spec.get("jobTemplate") or {}).get("spec") or spec
    return (job.get("template") or {}).get("spec") or {}


def _value(reader: ClusterReader, name: str) -> int | None:
    """The priority of a class, `ABSENT_CLASS` where there is certainly none; None where we may not read it."""
    try:
        return int(reader.document(PRIORITY_CLASS.format(name=name)).get("value") or 0)
    except ClusterError as error:
        if error.status == ABSENT:
            return ABSENT_CLASS
        if error.status == REFUSED:
            return None
        raise
