"""What autoscalers write into the status of a CapacityBuffer, and what we read in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from capacity.cluster.buffers import STATE, BufferPlace, SeenBuffers, buffer_state
from capacity.model.headroom import HeadroomRules
from tests.plans import workload_of

READY = {"type": "ReadyForProvisioning", "status": "True", "reason": "AttributesSetSuccessfully"}
STANDS = {"type": "Provisioning", "status": "True", "reason": "FitsExistingCapacity"}  # Karpenter
INJECTED = {"type": "Provisioning", "status": "True", "reason": "FakePodsInjected"}  # Cluster Autoscaler
NEEDS = {"type": "Provisioning", "status": "False", "reason": "RequiresNewCapacity", "message": "2/3 virtual pods"}
QUOTA = {"type": "LimitedByQuotas", "status": "True", "message": "limited from 3 to 1 due to quotas: compute"}
GKE = {"type": "Ready", "status": "False", "message": "stockout"}


@pytest.mark.parametrize(
    ("conditions", "replicas", "provisioned", "words"),
    [
        pytest.param([READY, STANDS], 3, True, "", id="Karpenter: the pods fit"),
        pytest.param([READY, INJECTED], 3, True, "", id="Cluster Autoscaler: the pods are simulated"),
        pytest.param([READY, NEEDS], 3, False, "Provisioning is False: RequiresNewCapacity 2/3", id="nodes must come"),
        pytest.param([READY, STANDS, QUOTA], 1, False, "ResourceQuota limits it: limited from 3", id="quota"),
        pytest.param([READY, STANDS, {**QUOTA, "status": "False"}], 3, True, "", id="a quota that suffices"),
        pytest.param([READY, INJECTED, GKE], 3, False, "Ready is False: stockout", id="GKE: the nodes do not stand"),
        pytest.param([READY], 3, False, "no condition Provisioning", id="nobody provisions"),
        pytest.param([], None, False, "no condition ReadyForProvisioning", id="no status"),
        pytest.param([READY, STANDS], 1, False, "counts 1 pods", id="the status of an older count"),
    ],
)
def test_status(conditions: list[dict[str, str]], replicas: int | None, provisioned: bool, words: str) -> None:
    place = BufferPlace(workload_of("web"), HeadroomRules(), ("Deployment", "web"))
    document: dict[str, Any] = {
        "kind": "CapacityBuffer",
        "metadata": {"annotations": {STATE: "{}"}},
        "spec": {"replicas": 3},
        "status": {"conditions": conditions, "replicas": replicas},
    }
    seen = SeenBuffers("autoscaling.x-k8s.io/v1beta1", {place.key: document})
    found = buffer_state(seen, place, datetime(2026, 11, 27, tzinfo=UTC))
    assert found.provisioned == provisioned
    assert words in found.message
