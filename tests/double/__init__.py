"""The project's own test double of a Kubernetes API server (1.36), proved against recorded exchanges with a real one.

with KubernetesDouble() as api:
    api.create({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", ...})
    api.faults.add("PATCH .*/horizontalpodautoscalers/web", too_many_requests())
    ...  # point the real client at api.kubeconfig(path)
    assert [entry.json for entry in api.journal.writes] == [{"spec": {"minReplicas": 5}}]
"""

from tests.double.double import KubernetesDouble
from tests.double.faults import (
    Fault,
    garbled,
    internal_error,
    refusal,
    reset_after,
    reset_before,
    slow,
    too_many_requests,
    unavailable,
)
from tests.double.installed import INSTALLED
from tests.double.journal import Entry
from tests.double.status import StatusError
from tests.double.wire import Response, Wire

__all__ = [
    "INSTALLED",
    "Entry",
    "Fault",
    "KubernetesDouble",
    "Response",
    "StatusError",
    "Wire",
    "garbled",
    "internal_error",
    "refusal",
    "reset_after",
    "reset_before",
    "slow",
    "too_many_requests",
    "unavailable",
]
