"""How long nodes really take from a pod that fits on none to a node that takes it: the nodes' lead time, learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from capacity.cluster.start_times import FEWEST, LEVEL, LONGEST, ROUND, PodReader
from capacity.model import ClusterError
from capacity.model.fields import AutoLeadTime, time_or_none

if TYPE_CHECKING:
    from capacity.model.configuration import Config

NODES, PODS = "/api/v1/nodes", "/api/v1/namespaces/{namespace}/pods"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
OVERLAY = "k8s/overlays/nodes lets the planner read nodes"
Document = Mapping[str, Any]


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
