"""The kinds that installing brings: served, stored and merged, but never run or interpreted.

Nothing here is checked beyond JSON; the manifests' fields are held by the published schemas in other tests.
"""

from __future__ import annotations

from tests.double.resources import Resource, View
from tests.double.shapes import ANY, top


def _stored(group: str, plural: str, kind: str, *short_names: str, **fields: bool) -> Resource:
    shape = top(kind, **dict.fromkeys(fields or {"spec": True, "status": True}, ANY))
    return Resource(group, plural, kind, (View(group, "v1", shape),), short_names=short_names)


INSTALLED = (
    _stored("", "serviceaccounts", "ServiceAccount", "sa", automountServiceAccountToken=True, secrets=True),
    _stored("", "secrets", "Secret", data=True, stringData=True, type=True, immutable=True),
    _stored("", "services", "Service", "svc"),
    _stored("batch", "cronjobs", "CronJob", "cj"),
    _stored("batch", "jobs", "Job"),
    _stored("networking.k8s.io", "networkpolicies", "NetworkPolicy", "netpol"),
    _stored("policy", "poddisruptionbudgets", "PodDisruptionBudget", "pdb"),
)
