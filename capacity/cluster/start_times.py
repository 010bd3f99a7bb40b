"""Lead times learned from the cluster: of pods from created to ready, of nodes from a pod that fits on none of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

from capacity.cluster.client import PODS
from capacity.model import ClusterError
from capacity.model.fields import ASSUMED_LEAD_TIME, AutoLeadTime, time_or_none

if TYPE_CHECKING:
    from capacity.model.configuration import Config

FEWEST = 3  # starts: one or two may be any kind of luck
LONGEST = timedelta(hours=1)  # a longer "start" is a pod that lost its readiness and got it back
STUCK = timedelta(minutes=10)  # not ready by then is a failed start: Kubernetes' own progressDeadlineSeconds
HPA_SYNC = timedelta(seconds=15)  # until the autoscaler looks again (kube-controller-manager's default)
ROUND = 5  # seconds: a pod's times are whole seconds, and nobody plans for one
LEVEL = 0.95
BROKEN = {
    *("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "RunContainerError"),
    *("CreateContainerConfigError", "CreateContainerError"),
}  # reasons of a waiting container that does not become ready by waiting

Document = Mapping[str, Any]
NODES = "/api/v1/nodes"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
OVERLAY = "k8s/overlays/nodes lets the planner read nodes"


class PodReader(Protocol):
    """What lists pods: `ClusterReader` does."""

    def objects(self, path: str) -> Iterable[Document]:
        """Every object of a collection."""


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of a workload's pods: how long each took, and how many failed.

    >>> Starts(tuple(timedelta(seconds=s) for s in (20, 30, 41)), failed=1).lead_time
    datetime.timedelta(seconds=60)
    """

    took: tuple[timedelta, ...] = ()
    failed: int = 0

    @property
    def usual_longest(self) -> timedelta | None:
        """The 95th percentile of the starts, an observed one; None where fewer than three were seen."""
        if len(self.took) < FEWEST:
            return None
        return sorted(self.took)[ceil(LEVEL * len(self.took)) - 1]

    @property
    def lead_time(self) -> timedelta | None:
        """From the patch to ready replicas: the autoscaler looks, then the pods start; None where too few were seen."""
        longest = self.usual_longest
        if longest is None:
            return None
        seconds = (longest + HPA_SYNC).total_seconds()
        return timedelta(seconds=ceil(seconds / ROUND) * ROUND)

    def remark(self) -> str:
        """The lead time with its reason, as a sentence."""
        return f"lead time {self.reason()}"

    def reason(self) -> str:
        """The lead time, where it comes from, and what it was learned from."""
        counted = f"{len(self.took)} pod starts" + (f" ({self.failed} failed)" if self.failed else "")
        if self.lead_time is None:
            return f"{_seconds(ASSUMED_LEAD_TIME)} assumed: {counted} seen, {FEWEST} are needed"
        longest = _seconds(self.usual_longest or timedelta())
        return f"{_seconds(self.lead_time)} learned: 0.95 of {counted} took up to {longest}"


def read_starts(pods: Iterable[Document], now: datetime) -> dict[tuple[str, str], Starts]:
    """The starts of the pods of one namespace, by the kind and name of the workload that they belong to.

    A start is from `creationTimestamp` to the condition Ready. A pod with a restarted container, or one ready only
    after an hour, says nothing: its Ready is a later one.
    """
    took: dict[tuple[str, str], list[timedelta]] = {}
    failed: dict[tuple[str, str], int] = {}
    for pod in pods:
        owner = owner_of(pod)
        if owner is None:
            continue
        start = _start(pod)
        took.setdefault(owner, []).extend([start] if start is not None else [])
        failed[owner] = failed.get(owner, 0) + _has_failed(pod, now)
    return {owner: Starts(tuple(sorted(starts)), failed[owner]) for owner, starts in took.items()}


def owner_of(pod: Document) -> tuple[str, str] | None:
    """Kind and name of the Deployment or StatefulSet that a pod belongs to; None for jobs, daemons and lone pods.

    A Rollout of Argo counts as a Deployment: its pods belong to a ReplicaSet as well, only the label has another name.
    """
    metadata = pod.get("metadata") or {}
    owners = [owner for owner in metadata.get("ownerReferences") or [] if owner.get("controller")]
    if not owners:
        return None
    kind, name = str(owners[0].get("kind")), str(owners[0].get("name"))
    if kind == "StatefulSet":
        return kind, name
    labels = metadata.get("labels") or {}
    revision = labels.get("pod-template-hash") or labels.get("rollouts-pod-template-hash")
    if kind == "ReplicaSet" and revision and name.endswith(f"-{revision}"):
        return "Deployment", name.removesuffix(f"-{revision}")
    return None


def _start(pod: Document) -> timedelta | None:
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    ready = [
        one for one in status.get("conditions") or [] if one.get("type") == "Ready" and one.get("status") == "True"
    ]
    restarts = sum(int(one.get("restartCount") or 0) for one in status.get("containerStatuses") or [])
    created = time_or_none(metadata.get("creationTimestamp"))
    became = time_or_none(ready[0].get("lastTransitionTime")) if ready else None
    if restarts or created is None or became is None or not timedelta(0) <= became - created <= LONGEST:
        return None
    return became - created


def _has_failed(pod: Document, now: datetime) -> bool:
    """Whether this pod is one that did not come up."""
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    if metadata.get("deletionTimestamp") or any(
        one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or []
    ):
        return False
    waiting = [((one.get("state") or {}).get("waiting") or {}).get("reason") for one in _containers(status)]
    created = time_or_none(metadata.get("creationTimestamp"))
    never_ran = status.get("phase") == "Pending" and created is not None and now - created > STUCK
    return status.get("phase") == "Failed" or never_ran or any(reason in BROKEN for reason in waiting)


def _containers(status: Document) -> list[Document]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def learn_lead_times(config: Config, reader: PodReader, now: datetime) -> tuple[Config, list[str]]:
    """The configuration with every `lead_time: auto` learned from the pods, and one remark for each.

    Where pods cannot be read, or too few have started, five minutes are assumed and the remark says why.
    """
    seen: dict[str, dict[tuple[str, str], Starts] | str] = {}
    workloads, remarks = [], []
    for item in config.workloads:
        if not isinstance(item.lead_time, AutoLeadTime):
            workloads.append(item)
            continue
        if item.namespace not in seen:
            seen[item.namespace] = _namespace(reader, item.namespace, now)
        found = seen[item.namespace]
        starts = Starts() if isinstance(found, str) else found.get((item.metrics.kind, item.name), Starts())
        why = found if isinstance(found, str) else starts.remark()
        remarks.append(f"{item.namespace}/{item.name}: {why}")
        learned = item.lead_time if starts.lead_time is None else AutoLeadTime.of(starts.lead_time)
        workloads.append(replace(item, lead_time=learned))
    return config.model_copy(update={"workloads": tuple(workloads)}), remarks


def _namespace(reader: PodReader, namespace: str, now: datetime) -> dict[tuple[str, str], Starts] | str:
    try:
        return read_starts(reader.objects(PODS.format(namespace=namespace)), now)
    except ClusterError as error:
        if error.status is None:  # nobody answers: then nothing can be written there either
            raise
        return f"lead time {_seconds(ASSUMED_LEAD_TIME)} assumed: its pods cannot be read: {error}"


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} s"


def node_starts(pods: Iterable[Document], nodes: Iterable[Document], claims: Iterable[Document]) -> list[timedelta]:
    """How long each node took, ascending.

    Of a NodeClaim from its creation to Ready. Of a node without one, from the creation of the first pod on it that is
    older than the node, and so waited for it, until that pod was scheduled there.
    """
    took = [span for one in claims if (span := _span(one, _since(one, "Ready"))) is not None]
    claimed = {str((one.get("status") or {}).get("nodeName")) for one in claims}
    made = {
        str((one.get("metadata") or {}).get("name")): time_or_none((one.get("metadata") or {}).get("creationTimestamp"))
        for one in nodes
    }
    first: dict[str, timedelta] = {}
    for pod in pods:
        name = str((pod.get("spec") or {}).get("nodeName"))
        node, created = made.get(name), time_or_none((pod.get("metadata") or {}).get("creationTimestamp"))
        if node is None or created is None or name in claimed or created > node:
            continue
        span = _span(pod, _since(pod, "PodScheduled"))
        if span is not None:
            first[name] = max(first.get(name, span), span)
    return sorted([*took, *first.values()])


def learned_lead_time(took: list[timedelta]) -> timedelta | None:
    """The 95th percentile of the starts, an observed one, in whole steps of 5 s; None where fewer than three were seen.

    >>> learned_lead_time([timedelta(seconds=s) for s in (90, 101, 133)])
    datetime.timedelta(seconds=135)
    """
    if len(took) < FEWEST:
        return None
    longest = took[ceil(LEVEL * len(took)) - 1].total_seconds()
    return timedelta(seconds=ceil(longest / ROUND) * ROUND)


def learn_node_lead_times(config: Config, reader: PodReader) -> tuple[Config, list[str]]:
    """The configuration with every `headroom.lead_time: auto` learned from the nodes, and one remark for all.

    Where nodes cannot be read, or too few have started, what is given for the node types holds, else four minutes.
    """
    auto = [one for one in config.workloads if one.headroom and isinstance(one.headroom.lead_time, AutoLeadTime)]
    if not auto:
        return config, []
    try:
        nodes = list(reader.objects(NODES))
        claims = _claims(reader)
        pods = [pod for namespace in {one.namespace for one in auto} for pod in _pods(reader, namespace)]
    except ClusterError as error:
        if error.status is None:
            raise
        return config, [f"nodes' lead time not learned: {OVERLAY}: {error}"]
    took = node_starts(pods, nodes, claims)
    lead = learned_lead_time(took)
    if lead is None:
        return config, [f"nodes' lead time not learned: {len(took)} node starts seen, {FEWEST} are needed"]
    learned = tuple(
        replace(one, headroom=replace(one.headroom, lead_time=AutoLeadTime.of(lead)))
        if one.headroom and isinstance(one.headroom.lead_time, AutoLeadTime)
        else one
        for one in config.workloads
    )
    said = f"nodes' lead time {lead.total_seconds():.0f} s learned: 0.95 of {len(took)} node starts"
    return config.model_copy(update={"workloads": learned}), [said]


def _claims(reader: PodReader) -> list[Document]:
    """Karpenter's NodeClaims; none where there is no Karpenter, or they may not be read."""
    try:
        return list(reader.objects(CLAIMS))
    except ClusterError as error:
        if error.status is None:
            raise
        return []


def _pods(reader: PodReader, namespace: str) -> list[Document]:
    """The pods of a namespace; none where they may not be read: then NodeClaims tell alone."""
    try:
        return list(reader.objects(PODS.format(namespace=namespace)))
    except ClusterError as error:
        if error.status is None:
            raise
        return []


def _since(document: Document, kind: str) -> datetime | None:
    """Since when this condition is true; None where it is not."""
    conditions = (document.get("status") or {}).get("conditions") or []
    found = (one for one in conditions if one.get("type") == kind and one.get("status") == "True")
    return next((time_or_none(one.get("lastTransitionTime")) for one in found), None)


def _span(document: Document, end: datetime | None) -> timedelta | None:
    """From its creation to then; None where that is unknown, or too long to be a start."""
    begin = time_or_none((document.get("metadata") or {}).get("creationTimestamp"))
    if begin is None or end is None or not timedelta(0) <= end - begin <= LONGEST:
        return None
    return end - begin
