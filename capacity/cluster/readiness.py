"""Reads how many replicas of a workload are ready, and why the others are not: from its status, its pods, their Events.

The status takes one LIST per namespace and kind. Pods and Events are read only for workloads that lack replicas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import PODS, ClusterReader
from capacity.cluster.inventory import SCALED
from capacity.cluster.observe import Seen, scaled_by
from capacity.model import Cause, ClusterError, Readiness
from capacity.model.fields import rfc3339

EVENTS = "/api/v1/namespaces/{namespace}/events"
LOOKED = 20  # workloads whose pods are read in one pass: if more lack replicas, the cause is common or needs a person
MOST_PODS = 200  # of one workload that are read: enough to see what holds most of them
STATUS_PAGE = 100  # Deployments a page: they are large, and only their status counts
SHOWN = 200  # characters of a message that we repeat
IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
CRASH = (
    *("CrashLoopBackOff", "RunContainerError", "CreateContainerError", "CreateContainerConfigError"),
    "PostStartHookError",
)
TELLING: Mapping[Cause, Sequence[str]] = {  # Events of a pod that say more than its status
    "probe": ("Unhealthy",),
    "starting": ("FailedCreatePodSandBox", "FailedMount", "FailedAttachVolume"),
}
Document = Mapping[str, Any]
Found = tuple[Cause, str]


@dataclass(frozen=True, slots=True)
class _Scaled:
    """The object that an autoscaler scales, cut to what is needed here."""

    kind: str
    name: str
    ready: int
    selector: str
    refused: str | None

    @classmethod
    def of(cls, kind: str, document: Document) -> _Scaled:
        status, spec = document.get("status") or {}, document.get("spec") or {}
        failed = [one for one in status.get("conditions") or [] if one.get("type") == "ReplicaFailure"]
        refused = next((str(one.get("message", "")) for one in failed if one.get("status") == "True"), None)
        ready = int(status.get("readyReplicas") or 0)
        return cls(kind, str(document["metadata"]["name"]), ready, _selector(spec.get("selector") or {}), refused)


def with_readiness(reader: ClusterReader, seen: Sequence[Seen]) -> list[Seen]:
    """The same targets, each with its ready replicas, or unchanged if we may not read them.

    What cannot be read stays unknown; it never makes a pass fail.
    """
    wanted: dict[tuple[str, str], set[str]] = {}
    for workload, _, found in seen:
        if isinstance(found, Autoscaler):
            kind, name = scaled_by(workload, found.document)
            wanted.setdefault((workload.namespace, kind), set()).add(name)
    status = {key: _statuses(reader, *key, names) for key, names in wanted.items()}
    looked, result = 0, list[Seen]()
    for workload, autoscalers, found in seen:
        one = None
        if isinstance(found, Autoscaler):
            kind, name = scaled_by(workload, found.document)
            one = status[workload.namespace, kind].get(name)
        if one is None or isinstance(found, ClusterError):
            result.append((workload, autoscalers, found))
            continue
        floor = found.floor
        readiness = Readiness(one.ready)
        if one.ready < floor:
            readiness = _short(reader, workload.namespace, one, found, look=looked < LOOKED)
            looked += 1
        result.append((workload, autoscalers, replace(found, readiness=readiness)))
    return result


def _statuses(reader: ClusterReader, namespace: str, kind: str, names: set[str]) -> dict[str, _Scaled]:
    """By name; empty if the kind does not exist or may not be listed."""
    path = next((path for known, path in SCALED.items() if known == kind), None)
    if path is None:
        return {}
    try:
        listed = reader.objects(path.format(namespace=namespace), limit=STATUS_PAGE)
        return {str(one["metadata"]["name"]): _Scaled.of(kind, one) for one in listed if _name(one) in names}
    except ClusterError:
        return {}


def _short(reader: ClusterReader, namespace: str, one: _Scaled, found: Autoscaler, *, look: bool) -> Readiness:
    """Too few replicas are ready: the cause that most of the missing ones share."""
    missing = found.floor - one.ready
    if not look:
        return Readiness(one.ready, "unknown", f"more than {LOOKED} workloads are short: its pods were not read")
    try:
        pods = [pod for pod in _pods(reader, namespace, one) if _counts(pod)]
    except ClusterError as error:
        pods, unread = [], str(error)
    else:
        unread = ""
    causes = [_held(pod) for pod in pods]
    held = [cause for cause in causes if cause is not None]
    absent = missing - len(held)
    if absent > 0 and (absent > len(held) or not held):
        return Readiness(one.ready, *_absent(reader, namespace, one, found, unread))
    first, times = Counter(cause for cause, _ in held).most_common(1)[0]
    message = next(text for cause, text in held if cause == first)
    if first in TELLING:
        at = next(place for place, cause in enumerate(causes) if cause is not None and cause[0] == first)
        message = _last_event(reader, namespace, _name(pods[at]), TELLING[first]) or message
    return Readiness(one.ready, first, f"{times} of {missing} missing: {message[:SHOWN]}")


def _counts(pod: Document) -> bool:
    """Whether a pod counts as a replica: not one that was evicted, has ended or is terminating."""
    gone = (pod.get("metadata") or {}).get("deletionTimestamp")
    return not gone and (pod.get("status") or {}).get("phase") not in ("Failed", "Succeeded")


def _pods(reader: ClusterReader, namespace: str, one: _Scaled) -> list[Document]:
    found: list[Document] = []
    if not one.selector:
        return found  # an empty selector would match every pod of the namespace
    for pod in reader.objects(PODS.format(namespace=namespace), limit=STATUS_PAGE, labels=one.selector):
        found.append(pod)
        if len(found) >= MOST_PODS:
            break
    return found


def _absent(reader: ClusterReader, namespace: str, one: _Scaled, found: Autoscaler, unread: str) -> Found:
    """Why pods that should exist do not."""
    moved = found.observation.memory.moved_at
    since = "" if moved is None else rfc3339(moved)
    refused = one.refused or _last_event(reader, namespace, one.name, ("FailedCreate",), since)
    if refused:
        return ("quota" if "exceeded quota" in refused else "refused"), refused[:SHOWN]
    desired = found.observation.desired
    if not found.kind.scaled and desired < found.floor:
        return "autoscaler", f"the autoscaler asks for {desired} replicas only{found.condition_text()}"
    return "unknown", unread[:SHOWN] or "pods that were asked for do not exist, and no Event says why"


def _held(pod: Document) -> Found | None:
    """Why a pod is not ready; None if it is."""
    status = pod.get("status") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or []}
    if (conditions.get("Ready") or {}).get("status") == "True":
        return None
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        return "nodes", str(scheduled.get("message") or scheduled.get("reason") or "not scheduled")
    for container in _containers(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message") or "")
        if reason in IMAGE:
            return "image", f"{reason} {message or container.get('image', '')}".strip()
        if reason in CRASH:
            return "crash", f"{reason} {message}".strip()
    running = [container for container in _containers(status) if "running" in (container.get("state") or {})]
    if status.get("phase") == "Running" and running:
        waiting_for = ", ".join(str(one.get("name")) for one in running if not one.get("ready"))
        return "probe", f"running, but not ready: {waiting_for or 'its readiness gates'}"
    return "starting", "its containers are being created"


def _containers(status: Document) -> Iterator[Document]:
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _last_event(reader: ClusterReader, namespace: str, name: str, reasons: Sequence[str], since: str = "") -> str:
    """The message of the newest warning about an object with one of these reasons, not older than `since`.

    Empty if there is none, or if we may not read Events.
    """
    fields = f"involvedObject.name={name},type=Warning"
    try:
        listed = reader.objects(EVENTS.format(namespace=namespace), limit=STATUS_PAGE, fields=fields)
        told = [event for event in listed if event.get("reason") in reasons and _event_time(event) >= since]
    except ClusterError:
        return ""
    return str(max(told, key=_event_time, default={}).get("message") or "")


def _event_time(event: Document) -> str:
    """Times of the API are UTC text that sorts."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")


def _selector(selector: Document) -> str:
    """A label selector of an object as a query has it.

    >>> _selector({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]})
    'app=web,tier'
    """
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or []:
        key, values = str(one.get("key")), ",".join(map(str, one.get("values") or []))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "DoesNotExist": f"!{key}"}
        terms.append(forms.get(str(one.get("operator")), key))
    return ",".join(terms)


def _name(document: Document) -> str:
    return str((document.get("metadata") or {}).get("name"))
