"""A bad day on order: what the client sees, and what the cluster keeps of it."""

from __future__ import annotations

import http.client
import json
import time

import pytest

from tests.double import (
    Fault,
    KubernetesDouble,
    Wire,
    garbled,
    internal_error,
    reset_after,
    reset_before,
    slow,
    too_many_requests,
    unavailable,
)
from tests.double.manifests import autoscaler

HPA = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/web"
PATCH = {"spec": {"minReplicas": 9}}
BROKEN = (http.client.RemoteDisconnected, ConnectionError)


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble) -> KubernetesDouble:
    """One HPA with a floor of 2."""
    kubernetes_double.create(autoscaler())
    return kubernetes_double


def floor_of(cluster: KubernetesDouble) -> int:
    """Return what the cluster has."""
    return int(cluster.get("hpa", "default", "web")["spec"]["minReplicas"])


@pytest.mark.parametrize(
    ("fault", "status", "header"),
    [
        pytest.param(too_many_requests(3), 429, ("Retry-After", "3"), id="throttled"),
        pytest.param(internal_error(), 500, ("Content-Type", "application/json"), id="failing inside"),
        pytest.param(unavailable(2), 503, ("Retry-After", "2"), id="unavailable"),
        pytest.param(Fault(status=504, body="oops"), 504, ("Content-Length", "4"), id="of any other code"),
    ],
)
def test_refusal_comes_as_often_as_ordered_and_changes_nothing(
    cluster: KubernetesDouble, wire: Wire, fault: Fault, status: int, header: tuple[str, str]
) -> None:
    cluster.faults.add("PATCH .*/web", fault, times=2)
    for _ in range(2):
        answer = wire.send("PATCH", HPA, PATCH, "merge")
        assert (answer.status, answer.headers[header[0]]) == (status, header[1])
        assert floor_of(cluster) == 2
    assert cluster.faults.pending == 0
    assert wire.send("PATCH", HPA, PATCH, "merge").status == 200


def test_fault_only_meets_requests_its_pattern_is_found_in(cluster: KubernetesDouble, wire: Wire) -> None:
    cluster.faults.add(r"PATCH .*fieldManager=capacity", internal_error())
    assert wire.send("GET", HPA).status == 200
    assert wire.send("PATCH", HPA, PATCH, "merge", fieldManager="other").status == 200
    assert wire.send("PATCH", HPA, PATCH, "merge", fieldManager="capacity").status == 500


@pytest.mark.parametrize(
    ("fault", "floor"),
    [
        pytest.param(reset_before(), 2, id="before the change leaves it undone"),
        pytest.param(reset_after(), 9, id="after the change leaves it done"),
    ],
)
def test_connection_reset(cluster: KubernetesDouble, fault: Fault, floor: int) -> None:
    cluster.faults.add("PATCH", fault)
    with Wire(cluster) as wire, pytest.raises(BROKEN):
        wire.send("PATCH", HPA, PATCH, "merge")
    assert floor_of(cluster) == floor
    assert [entry.code for entry in cluster.journal] == [0]


def test_garbled_answer_is_no_json_and_the_change_is_done(cluster: KubernetesDouble, wire: Wire) -> None:
    cluster.faults.add("PATCH", garbled())
    answer = wire.send("PATCH", HPA, PATCH, "merge")
    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)
    assert floor_of(cluster) == 9


def test_slow_answer_is_late_and_right(cluster: KubernetesDouble, wire: Wire) -> None:
    cluster.faults.add("GET", slow(0.2))
    start = time.monotonic()
    assert wire.send("GET", HPA).status == 200
    assert time.monotonic() - start >= 0.2


def test_stopping_does_not_wait_for_a_slow_answer() -> None:
    """An answer that would come after a day: that this ends at all shows that nobody waited for it."""
    with KubernetesDouble() as double, Wire(double) as wire:
        double.faults.add("GET", slow(86_400))
        wire.abandon("GET", HPA)


def test_clear_forgets_what_has_not_happened(cluster: KubernetesDouble, wire: Wire) -> None:
    cluster.faults.add("GET", internal_error(), times=5)
    cluster.faults.clear()
    assert wire.send("GET", HPA).status == 200


def test_journal_has_the_bytes_and_the_rule_of_every_request(cluster: KubernetesDouble, wire: Wire) -> None:
    wire.send("PATCH", HPA, '{"spec": {"minReplicas":  5}}', "merge", fieldManager="capacity")
    wire.send("GET", f"{HPA}/status")
    patch, get = cluster.journal
    assert (patch.method, patch.path, patch.query) == ("PATCH", HPA, {"fieldManager": "capacity"})
    assert (patch.content_type, patch.body) == ("application/merge-patch+json", b'{"spec": {"minReplicas":  5}}')
    assert (patch.user, patch.verb, patch.code) == ("admin", "patch", 200)
    assert patch.place is not None
    assert (patch.place.group, patch.place.plural, patch.place.name) == (
        "autoscaling",
        "horizontalpodautoscalers",
        "web",
    )
    assert (get.user, get.verb, get.code) == ("admin", "get", 200)
    assert get.rule == ("get", "autoscaling", "horizontalpodautoscalers/status")
    assert cluster.journal.rules_used == {patch.rule, get.rule}
    assert cluster.journal.writes == [patch]
