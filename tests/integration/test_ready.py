"""A floor that was accepted is not yet reached: ready replicas are counted, and what keeps the others is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.double import refusal
from tests.double.manifests import deployment
from tests.shop import Document, Shop

RAISED, DUE, LATER = "2026-11-27T02:30:00Z", "2026-11-27T02:37:00Z", "2026-11-27T02:38:00Z"
QUOTA = 'pods "web-x" is forbidden: exceeded quota: shop, requested: pods=1, used: pods=10, limited: pods=10'
POLICY = 'pods "web-x" is forbidden: maximum cpu usage per Container is 200m, but limit is 1'
NO_NODE = "0/5 nodes are available: 5 Insufficient cpu."
NOT_READY = [{"type": "Ready", "status": "False"}]


def waiting(reason: str, message: str) -> Document:
    state = {"waiting": {"reason": reason, "message": message}}
    containers = [{"name": "app", "ready": False, "restartCount": 0, "image": "img:1", "imageID": "", "state": state}]
    return {"phase": "Pending", "conditions": NOT_READY, "containerStatuses": containers}


RUNNING = {
    "phase": "Running",
    "conditions": NOT_READY,
    "containerStatuses": [
        {"name": "app", "ready": False, "restartCount": 0, "image": "img:1", "imageID": "", "state": {"running": {}}}
    ],
}
UNSCHEDULED = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_NODE}]


class Workload:
    """The Deployment behind the shop's HPA, its pods and their Events, as a cluster would have them."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.api = shop, shop.api
        self.api.create(deployment("web", namespace="shop", replicas=9))

    def ready(self, count: int, *conditions: Document) -> None:
        status = {"replicas": 9, "readyReplicas": count, "conditions": list(conditions)}
        self.api.patch("Deployment", "shop", "web", {"status": status}, subresource="status")

    def pods(self, count: int, status: Document) -> None:
        for place in range(count):
            name = f"web-{len(self.api.list('Pod', 'shop'))}-{place}"
            metadata = {"name": name, "namespace": "shop", "labels": {"app": "web"}}
            spec = {"containers": [{"name": "app", "image": "img:1"}]}
            self.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
            self.api.patch("Pod", "shop", name, {"status": status}, subresource="status")

    def event(self, regarding: str, reason: str, note: str, at: str = "2026-11-27T02:36:00Z") -> None:
        self.api.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{regarding}.{reason.lower()}", "namespace": "shop"},
                "involvedObject": {"kind": "Pod", "namespace": "shop", "name": regarding},
                "reason": reason,
                "message": note,
                "type": "Warning",
                "lastTimestamp": at,
            }
        )


@pytest.fixture
def workload(shop: Shop) -> Workload:
    """The floor is raised from 2 to 9 at 02:30; the lead time is five minutes, and two passes are waited for."""
    found = Workload(shop)
    found.ready(2)
    assert shop.decide(now=RAISED)["floor"] == 9
    shop.measure()
    return found


def no_nodes(workload: Workload) -> None:
    workload.ready(3)
    workload.pods(6, {"phase": "Pending", "conditions": UNSCHEDULED})


def full_quota(workload: Workload) -> None:
    workload.ready(4, {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA})


def refused(workload: Workload) -> None:
    workload.ready(4, {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": POLICY})


def no_image(workload: Workload) -> None:
    workload.ready(2)
    workload.pods(7, waiting("ImagePullBackOff", 'Back-off pulling image "img:1"'))


def crashing(workload: Workload) -> None:
    workload.ready(7)
    workload.pods(2, waiting("CrashLoopBackOff", "back-off 40s restarting failed container"))


def failing_probe(workload: Workload) -> None:
    workload.ready(8)
    workload.pods(1, RUNNING)
    workload.event(workload.api.list("Pod", "shop")[0]["metadata"]["name"], "Unhealthy", "Readiness probe failed: 503")


def starting(workload: Workload) -> None:
    workload.ready(5)
    workload.pods(4, waiting("ContainerCreating", ""))


def without_an_address(workload: Workload) -> None:
    starting(workload)
    pod = workload.api.list("Pod", "shop")[0]["metadata"]["name"]
    workload.event(pod, "FailedCreatePodSandBox", "failed to assign an IP address to container")
    workload.event(pod, "Pulled", "image present")


def beside_evicted_pods(workload: Workload) -> None:
    """Which stay until somebody removes them, and are no replicas."""
    workload.pods(5, {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."})
    workload.pods(3, {"phase": "Succeeded"})
    workload.ready(8)
    workload.pods(1, {"phase": "Pending", "conditions": UNSCHEDULED})


def refused_before(workload: Workload) -> None:
    """Of an hour ago, when the quota was full: Events last an hour."""
    workload.ready(8)
    workload.event("web", "FailedCreate", QUOTA, at="2026-11-27T02:29:00Z")


def refused_since(workload: Workload) -> None:
    workload.ready(8)
    workload.event("web", "FailedCreate", QUOTA)


def idle_autoscaler(workload: Workload) -> None:
    workload.ready(2)
    failing = {"type": "AbleToScale", "status": "False", "reason": "FailedUpdateScale", "message": "conflict"}
    current = {"currentReplicas": 2, "desiredReplicas": 2, "conditions": [failing]}
    workload.api.patch("HorizontalPodAutoscaler", "shop", "web", {"status": current}, subresource="status")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(
            no_nodes, f"3 of 9 replicas are ready, set at 02:30Z; nodes: 6 of 6 missing: {NO_NODE}", id="nodes"
        ),
        pytest.param(full_quota, f"4 of 9 replicas are ready, set at 02:30Z; quota: {QUOTA}", id="quota"),
        pytest.param(refused, f"4 of 9 replicas are ready, set at 02:30Z; refused: {POLICY}", id="policy"),
        pytest.param(no_image, "image: 7 of 7 missing: ImagePullBackOff Back-off pulling image", id="image"),
        pytest.param(crashing, "crash: 2 of 2 missing: CrashLoopBackOff back-off 40s", id="crash"),
        pytest.param(failing_probe, "probe: 1 of 1 missing: Readiness probe failed: 503", id="probe"),
        pytest.param(starting, "starting: 4 of 4 missing: its containers are being created", id="still starting"),
        pytest.param(without_an_address, "starting: 4 of 4 missing: failed to assign an IP", id="no address"),
        pytest.param(beside_evicted_pods, f"nodes: 1 of 1 missing: {NO_NODE}", id="beside pods that were evicted"),
        pytest.param(refused_before, "unknown: pods that were asked for do not exist", id="an old refusal"),
        pytest.param(refused_since, f"quota: {QUOTA}", id="a refusal since the rise"),
    ],
)
def test_what_keeps_replicas_from_being_ready(workload: Workload, make: Callable[[Workload], None], said: str) -> None:
    shop = workload.shop
    make(workload)
    assert shop.decide(now="2026-11-27T02:36:00Z")["reason"] == "AsPlanned", "they may still start"
    assert not [entry for entry in shop.api.journal if entry.method == "GET" and "/deployments" in entry.path]
    found = shop.decide("preview", now=DUE)
    assert (found["reason"], found["floor"]) == ("FloorNotReached", 9)
    assert said in found["detail"]
    assert shop.decide(now=DUE)["detail"] == found["detail"]
    assert [event["reason"] for event in shop.events()] == ["DemandRising", "FloorNotReached"]
    assert shop.decide(now=LATER)["reason"] == "FloorNotReached"
    assert len(shop.events()) == 2, "said once, not each minute"


def test_an_autoscaler_that_asks_for_too_few_is_the_cause(workload: Workload) -> None:
    idle_autoscaler(workload)
    workload.shop.api.patch(
        "HorizontalPodAutoscaler", "shop", "web", {"metadata": {"annotations": {"capacity/freeze": "false"}}}
    )
    found = workload.shop.decide(now=DUE)
    assert found["reason"] == "FloorNotReached"
    assert "autoscaler: the autoscaler asks for 2 replicas only: FailedUpdateScale conflict" in found["detail"]


@pytest.mark.parametrize(
    ("make", "learned"), [(no_nodes, 1200), (starting, 1200), (full_quota, None), (no_image, None)]
)
def test_a_late_rise_teaches_the_lead_time_unless_something_was_broken(
    workload: Workload, make: Callable[[Workload], None], learned: int | None
) -> None:
    shop = workload.shop
    make(workload)
    shop.decide(now=DUE)
    workload.ready(9)
    assert shop.decide(now="2026-11-27T02:50:00Z")["reason"] == "AsPlanned"
    state = shop.hpa()["metadata"]["annotations"]["capacity/state"]
    assert "short" not in state
    assert (f'"slow":{learned}' in state) == (learned is not None)
    last = shop.decide(now="2026-11-27T03:10:00Z")
    assert ("lead time 1200 s, as the last late rise took" in last["detail"]) == (learned is not None)


def test_a_lead_time_that_is_set_is_not_learned(workload: Workload) -> None:
    shop = workload.shop
    no_nodes(workload)
    shop.decide(now=DUE)
    workload.ready(9)
    shop.decide(now="2026-11-27T02:50:00Z")
    shop.configure("web", lead_time="5m")
    assert "late rise" not in shop.decide(now="2026-11-27T03:10:00Z")["detail"]


def test_a_rise_that_is_reached_costs_a_list_and_no_write(workload: Workload) -> None:
    shop = workload.shop
    workload.ready(9)
    shop.api.journal.clear()
    assert shop.decide(now=DUE)["reason"] == "AsPlanned"
    assert shop.writes() == []
    assert [entry.path.split("?")[0].rpartition("/")[2] for entry in shop.api.journal if "pods" in entry.path] == []
    shop.decide(now="2026-11-27T02:45:00Z")
    listed = [entry for entry in shop.api.journal if "deployments" in entry.path]
    assert len(listed) == 1, "a few passes after the lead time, no longer"


@pytest.mark.parametrize("closed", ["deployments", "pods", "events"])
def test_what_may_not_be_read_is_not_known_and_stops_nothing(workload: Workload, closed: str) -> None:
    shop = workload.shop
    failing_probe(workload)
    shop.api.faults.add(f"GET .*/{closed}", refusal(403, "Forbidden", f"cannot list {closed}"), times=9)
    found = shop.decide(now=DUE)
    expected: dict[str, Any] = {
        "deployments": ("AsPlanned", "9 until"),  # the autoscaler counts pods that run, ready or not
        "pods": ("FloorNotReached", "unknown: GET pods: 403 cannot list pods"),
        "events": ("FloorNotReached", "probe: 1 of 1 missing: running, but not ready: app"),
    }
    reason, said = expected[closed]
    assert (found["reason"], said in found["detail"]) == (reason, True), found["detail"]
