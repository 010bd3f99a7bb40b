"""Lists and watches: pages, selectors, and changes as they happen."""

from __future__ import annotations

import pytest

from tests.double import KubernetesDouble, Wire
from tests.double.manifests import autoscaler

HPAS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
EVERYWHERE = "/apis/autoscaling/v2/horizontalpodautoscalers"


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble) -> KubernetesDouble:
    """Five HPAs a to e, of which a, c and e are in the shop tier; and one in another namespace."""
    for number, name in enumerate("abcde"):
        kubernetes_double.create(autoscaler(name, labels={"tier": "shop" if number % 2 == 0 else "back"}))
    kubernetes_double.create({**autoscaler("f"), "metadata": {"name": "f", "namespace": "shop"}})
    return kubernetes_double


def names(body: dict[str, list[dict[str, dict[str, str]]]]) -> str:
    """Return the names of the listed items in one word."""
    return "".join(item["metadata"]["name"] for item in body["items"])


@pytest.mark.usefixtures("cluster")
def test_pages_go_on_where_the_last_one_ended(wire: Wire) -> None:
    first = wire.send("GET", EVERYWHERE, limit="4").json
    assert (names(first), first["metadata"]["remainingItemCount"]) == ("abcd", 2)
    token = first["metadata"]["continue"]
    last = wire.send("GET", EVERYWHERE, **{"limit": "4", "continue": token}).json
    assert names(last) == "ef"
    assert last["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


def test_page_token_expires_with_410_and_a_way_on(cluster: KubernetesDouble, wire: Wire) -> None:
    token = wire.send("GET", HPAS, limit="2").json["metadata"]["continue"]
    cluster.forget_history()
    answer = wire.send("GET", HPAS, **{"limit": "2", "continue": token})
    assert (answer.status, answer.json["reason"]) == (410, "Expired")
    resumed = wire.send("GET", HPAS, **{"continue": answer.json["metadata"]["continue"]})
    assert names(resumed.json) == "cde"


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"labelSelector": "tier=shop"}, "ace"),
        ({"labelSelector": "tier==shop"}, "ace"),
        ({"labelSelector": "tier!=shop"}, "bdf"),
        ({"labelSelector": "tier"}, "abcde"),
        ({"labelSelector": "!tier"}, "f"),
        ({"labelSelector": "tier in (shop,back),tier notin (back)"}, "ace"),
        ({"fieldSelector": "metadata.name=c"}, "c"),
        ({"fieldSelector": "metadata.namespace!=default"}, "f"),
        ({"labelSelector": "tier=shop", "fieldSelector": "metadata.name!=a"}, "ce"),
    ],
    ids=str,
)
def test_selector_finds(wire: Wire, query: dict[str, str], found: str) -> None:
    body = wire.send("GET", EVERYWHERE, **query).json
    assert names(body) == found


@pytest.mark.usefixtures("cluster")
def test_selected_page_does_not_count_what_remains(wire: Wire) -> None:
    body = wire.send("GET", HPAS, limit="1", labelSelector="tier=shop").json
    assert names(body) == "a"
    assert "remainingItemCount" not in body["metadata"]


def test_watch_resumes_after_a_resource_version_and_sees_each_change(cluster: KubernetesDouble, wire: Wire) -> None:
    start = wire.send("GET", HPAS).json["metadata"]["resourceVersion"]
    cluster.patch("hpa", "default", "a", {"spec": {"minReplicas": 5}})
    cluster.create(autoscaler("g"))
    cluster.delete("hpa", "default", "b")
    stream = wire.lines(HPAS, resourceVersion=start)
    events = [next(stream) for _ in range(3)]
    seen = [(event["type"], event["object"]["metadata"]["name"]) for event in events]
    assert seen == [("MODIFIED", "a"), ("ADDED", "g"), ("DELETED", "b")]
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert revisions == sorted(set(revisions))


def test_watch_from_nowhere_starts_with_what_there_is(cluster: KubernetesDouble, wire: Wire) -> None:
    stream = wire.lines(HPAS, labelSelector="tier=shop")
    assert [next(stream)["object"]["metadata"]["name"] for _ in range(3)] == ["a", "c", "e"]
    cluster.patch("hpa", "default", "c", {"metadata": {"labels": {"tier": "back"}}})
    cluster.patch("hpa", "default", "b", {"metadata": {"labels": {"tier": "shop"}}})
    seen = [next(stream) for _ in range(2)]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in seen] == [
        ("DELETED", "c"),
        ("ADDED", "b"),
    ]


def test_collection_is_deleted_by_selector(cluster: KubernetesDouble, wire: Wire) -> None:
    assert wire.send("DELETE", HPAS, labelSelector="tier=shop").status == 200
    assert [item["metadata"]["name"] for item in cluster.list("hpa", "default")] == ["b", "d"]


def test_namespace_takes_its_objects_along(cluster: KubernetesDouble, wire: Wire) -> None:
    assert wire.send("DELETE", "/api/v1/namespaces/shop").json["status"]["phase"] == "Terminating"
    assert cluster.list("hpa", "shop") == []
    assert wire.send("GET", "/api/v1/namespaces/shop").status == 404
