"""When the metrics of a namespace were measured, as metrics.k8s.io says: only that proves that they stand still.

The right to read it is an overlay (`k8s/components/metric-times`), and `controller.metric_times` asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import ClusterReader
from capacity.cluster.observe import Seen
from capacity.model import ClusterError
from capacity.model.fields import time_or_none

POD_METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"


def with_times(reader: ClusterReader, seen: Sequence[Seen]) -> list[Seen]:
    """The same targets, each with the time of the newest measurement in its namespace, where we may read it."""
    namespaces = dict.fromkeys(workload.namespace for workload, _, _ in seen)
    newest = {namespace: newest_measurement(reader, namespace) for namespace in namespaces}
    return [
        (workload, scene, found if isinstance(found, ClusterError) else _timed(found, newest[workload.namespace]))
        for workload, scene, found in seen
    ]


def _timed(found: Autoscaler, newest: datetime | None) -> Autoscaler:
    return replace(found, measured_at=newest)


def newest_measurement(reader: ClusterReader, namespace: str) -> datetime | None:
    """The newest time stamp of any pod's metrics; None where there is none, or we may not look."""
    try:
        stamps = [time_or_none(one.get("timestamp")) for one in reader.objects(POD_METRICS.format(namespace=namespace))]
    except ClusterError:
        return None
    return max((stamp for stamp in stamps if stamp is not None), default=None)
