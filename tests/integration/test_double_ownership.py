"""Who owns the floor: conflicts, force, letting go, and giving a field back (seen on a real 1.36 control plane)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.double import KubernetesDouble, StatusError, Wire
from tests.double.double import KUBECTL
from tests.double.manifests import autoscaler, deployment

HPA = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/web"
NAMED: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "namespace": "default"},
}


ENTRY = {
    "manager": "new",
    "operation": "Update",
    "apiVersion": "autoscaling/v2",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:spec": {"f:minReplicas": {}}},
}


def floor(count: int) -> dict[str, Any]:
    """Return the configuration `capacity` applies: the floor alone."""
    return {**NAMED, "spec": {"minReplicas": count}}


def owners(item: dict[str, Any], name: str) -> list[tuple[str, str]]:
    """Return who owns a field of the spec, and how."""
    entries = item["metadata"].get("managedFields", [])
    return [
        (entry["manager"], entry["operation"])
        for entry in entries
        if f"f:{name}" in entry["fieldsV1"].get("f:spec", {})
    ]


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble) -> KubernetesDouble:
    """An HPA made by `kubectl apply`: floor 2, ceiling 20."""
    kubernetes_double.create(autoscaler())
    return kubernetes_double


@pytest.mark.usefixtures("cluster")
def test_applying_a_floor_conflicts_with_kubectl_by_name(wire: Wire) -> None:
    answer = wire.send("PATCH", HPA, floor(8), "apply", fieldManager="capacity")
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    message = f'conflict with "{KUBECTL}" using autoscaling/v2'
    cause = {"reason": "FieldManagerConflict", "message": message, "field": ".spec.minReplicas"}
    assert answer.json["details"] == {"causes": [cause]}
    assert answer.json["message"] == f"Apply failed with 1 conflict: {message}: .spec.minReplicas"


@pytest.mark.usefixtures("cluster")
def test_several_conflicts_have_another_layout(wire: Wire) -> None:
    body = {**NAMED, "spec": {"minReplicas": 8, "maxReplicas": 30}}
    answer = wire.send("PATCH", HPA, body, "apply", fieldManager="capacity")
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == [".spec.maxReplicas", ".spec.minReplicas"]
    assert answer.json["message"] == (
        f'Apply failed with 2 conflicts: conflicts with "{KUBECTL}" using autoscaling/v2:\n'
        "- .spec.maxReplicas\n- .spec.minReplicas"
    )


def test_force_takes_the_field_and_only_that(cluster: KubernetesDouble) -> None:
    item = cluster.apply(floor(8), "capacity", force=True)
    assert item["spec"]["minReplicas"] == 8
    assert owners(item, "minReplicas") == [("capacity", "Apply")]
    assert owners(item, "maxReplicas") == [(KUBECTL, "Update")]


def test_equal_value_is_shared_without_a_conflict(cluster: KubernetesDouble) -> None:
    item = cluster.apply(floor(2), "capacity")
    assert owners(item, "minReplicas") == [("capacity", "Apply"), (KUBECTL, "Update")]


def test_applying_without_the_field_drops_the_floor_to_one(cluster: KubernetesDouble) -> None:
    cluster.apply(floor(8), "capacity", force=True)
    item = cluster.apply(NAMED, "capacity")
    assert item["spec"]["minReplicas"] == 1
    assert owners(item, "minReplicas") == []


def test_shared_field_survives_when_one_owner_lets_go(cluster: KubernetesDouble) -> None:
    cluster.apply(floor(2), "capacity")
    item = cluster.apply(NAMED, "capacity")
    assert item["spec"]["minReplicas"] == 2
    assert owners(item, "minReplicas") == [(KUBECTL, "Update")]


def test_rewriting_managed_fields_gives_the_field_back_and_keeps_the_value(
    cluster: KubernetesDouble, wire: Wire
) -> None:
    before = cluster.get("hpa", "default", "web")["metadata"]["managedFields"]
    taken = cluster.apply(floor(8), "capacity", force=True)
    lock = {"resourceVersion": taken["metadata"]["resourceVersion"], "managedFields": before}
    body = {"metadata": lock, "spec": {"minReplicas": 2}}
    answer = wire.send("PATCH", HPA, body, "merge", fieldManager=KUBECTL)
    assert (answer.status, answer.json["spec"]["minReplicas"]) == (200, 2)
    assert owners(answer.json, "minReplicas") == [(KUBECTL, "Update")]
    assert "capacity" not in {entry["manager"] for entry in answer.json["metadata"]["managedFields"]}


def test_put_with_managed_fields_starts_from_those(cluster: KubernetesDouble, wire: Wire) -> None:
    before = cluster.get("hpa", "default", "web")["metadata"]["managedFields"]
    item = cluster.apply(floor(8), "capacity", force=True)
    item["metadata"]["managedFields"] = before
    answer = wire.send("PUT", HPA, item, fieldManager="someone")
    assert owners(answer.json, "minReplicas") == [(KUBECTL, "Update")]
    assert answer.json["spec"]["minReplicas"] == 8


@pytest.mark.parametrize(
    ("entries", "managers"),
    [
        pytest.param([], {KUBECTL}, id="an empty list changes nothing"),
        pytest.param([{**ENTRY, "operation": "Nonsense"}], {KUBECTL}, id="an unknown operation changes nothing"),
        pytest.param([{**ENTRY, "fieldsType": ""}], {KUBECTL}, id="a missing fieldsType changes nothing"),
        pytest.param([{**ENTRY, "apiVersion": ""}], {KUBECTL}, id="a missing apiVersion changes nothing"),
        pytest.param([{**ENTRY, "fieldsV1": {"spec": {}}}], {KUBECTL}, id="an unreadable path changes nothing"),
        pytest.param([ENTRY], {"new"}, id="a readable list replaces the owners"),
        pytest.param([{}], set(), id="one empty entry forgets all owners"),
    ],
)
@pytest.mark.usefixtures("cluster")
def test_managed_fields_sent_by_a_client(wire: Wire, entries: list[Any], managers: set[str]) -> None:
    answer = wire.send("PATCH", HPA, {"metadata": {"managedFields": entries}}, "merge", fieldManager="someone")
    found = answer.json["metadata"].get("managedFields", [])
    assert {entry["manager"] for entry in found} == managers


def test_managed_fields_sent_to_a_subresource_are_ignored(cluster: KubernetesDouble, wire: Wire) -> None:
    before = cluster.get("hpa", "default", "web")["metadata"]["managedFields"]
    answer = wire.send("PATCH", f"{HPA}/status", {"metadata": {"managedFields": [{}]}}, "merge")
    assert answer.json["metadata"]["managedFields"] == before


@pytest.mark.usefixtures("cluster")
def test_first_apply_to_an_object_without_owners_finds_it_owned(wire: Wire) -> None:
    wire.send("PATCH", HPA, {"metadata": {"managedFields": [{}]}}, "merge")
    answer = wire.send("PATCH", HPA, floor(8), "apply", fieldManager="capacity")
    assert answer.status == 409
    assert 'conflict with "before-first-apply"' in answer.json["message"]


@pytest.mark.usefixtures("cluster")
def test_update_takes_what_it_changes_under_the_name_of_its_agent(kubernetes_double: KubernetesDouble) -> None:
    with Wire(kubernetes_double, agent="my-tool/2.1 (linux)") as wire:
        item = wire.send("PATCH", HPA, {"spec": {"minReplicas": 5}}, "merge").json
    assert owners(item, "minReplicas") == [("my-tool", "Update")]


def test_scale_takes_the_replicas_as_a_subresource(kubernetes_double: KubernetesDouble, wire: Wire) -> None:
    kubernetes_double.create(deployment())
    path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
    wire.send("PATCH", path, {"spec": {"replicas": 9}}, "merge", fieldManager="hpa")
    entries = kubernetes_double.get("deployments", "default", "web")["metadata"]["managedFields"]
    found = [entry for entry in entries if "f:replicas" in entry["fieldsV1"]["f:spec"]]
    assert [(entry["manager"], entry["subresource"]) for entry in found] == [("hpa", "scale")]


def test_status_conflict_names_the_subresource(cluster: KubernetesDouble, wire: Wire) -> None:
    cluster.patch("hpa", "default", "web", {"status": {"desiredReplicas": 3}}, subresource="status", manager="hpa")
    body = {**NAMED, "status": {"desiredReplicas": 5}}
    answer = wire.send("PATCH", f"{HPA}/status", body, "apply", fieldManager="capacity")
    assert 'conflict with "hpa" with subresource "status" using autoscaling/v2' in answer.json["message"]
    forced = wire.send("PATCH", f"{HPA}/status", body, "apply", fieldManager="capacity", force="true")
    assert forced.json["status"]["desiredReplicas"] == 5


@pytest.mark.parametrize("name", ["web", "new"])
def test_status_in_an_applied_object_is_ignored(cluster: KubernetesDouble, name: str) -> None:
    config = {**autoscaler(name), "status": {"desiredReplicas": 5}}
    item = cluster.apply(config, "capacity")
    assert item["status"] == {"desiredReplicas": 0, "currentMetrics": None}


def test_conflict_in_a_list_names_the_item_by_its_key(kubernetes_double: KubernetesDouble) -> None:
    kubernetes_double.create(deployment(), manager="team")
    config = {**deployment(), "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "img:2"}]}}}}
    with pytest.raises(StatusError, match=r'\.spec\.template\.spec\.containers\[name="app"\]\.image'):
        kubernetes_double.apply(config, "injector")


def test_finalizers_have_owners_of_their_own(cluster: KubernetesDouble) -> None:
    cluster.patch("hpa", "default", "web", {"metadata": {"finalizers": ["one/x"]}}, manager="one")
    config = {**NAMED, "metadata": {**NAMED["metadata"], "finalizers": ["two/x"]}}
    assert cluster.apply(config, "two")["metadata"]["finalizers"] == ["one/x", "two/x"]
    assert cluster.apply(NAMED, "two")["metadata"]["finalizers"] == ["one/x"]


def test_list_items_have_owners_of_their_own(kubernetes_double: KubernetesDouble) -> None:
    kubernetes_double.create(deployment(), manager="team")
    containers = [{"name": "sidecar", "image": "side:1"}]
    config = {**deployment(), "spec": {"template": {"spec": {"containers": containers}}}}
    item = kubernetes_double.apply(config, "injector")
    assert [one["name"] for one in item["spec"]["template"]["spec"]["containers"]] == ["app", "sidecar"]
    item = kubernetes_double.apply({**config, "spec": {}}, "injector")
    assert [one["name"] for one in item["spec"]["template"]["spec"]["containers"]] == ["app"]


def test_entry_of_autoscaling_v1_owns_the_metrics_by_its_own_name(kubernetes_double: KubernetesDouble) -> None:
    old = {**autoscaler(), "apiVersion": "autoscaling/v1"}
    del old["spec"]["metrics"]
    old["spec"]["targetCPUUtilizationPercentage"] = 70
    item = kubernetes_double.create(old)
    [entry] = item["metadata"]["managedFields"]
    assert entry["apiVersion"] == "autoscaling/v1"
    assert "f:targetCPUUtilizationPercentage" in entry["fieldsV1"]["f:spec"]
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    with pytest.raises(StatusError, match=r"\.spec\.metrics"):
        kubernetes_double.apply({**NAMED, "spec": {"metrics": [metric]}}, "capacity")


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("body", "query", "status", "words"),
    [
        pytest.param(floor(8), {}, 422, "fieldManager: Required value", id="without a manager it is 422"),
        pytest.param(
            {**floor(8), "apiVersion": "autoscaling/v1"},
            {"fieldManager": "capacity"},
            400,
            "Incorrect version specified in apply patch",
            id="of another version it is 400",
        ),
        pytest.param(
            {**NAMED, "metadata": {"name": "web", "managedFields": []}},
            {"fieldManager": "capacity"},
            400,
            "metadata.managedFields must be nil",
            id="with managedFields it is 400",
        ),
        pytest.param(
            {**NAMED, "spec": {"minReplica": 8}},
            {"fieldManager": "capacity"},
            500,
            ".spec.minReplica: field not declared in schema",
            id="with an unknown field it is 500",
        ),
        pytest.param(
            {**NAMED, "spec": {"minReplicas": "8"}},
            {"fieldManager": "capacity"},
            500,
            ".spec.minReplicas: expected numeric (int or float), got string",
            id="with a wrong type it is 500",
        ),
    ],
)
def test_apply(wire: Wire, body: dict[str, Any], query: dict[str, str], status: int, words: str) -> None:
    answer = wire.send("PATCH", HPA, body, "apply", **query)
    assert answer.status == status
    assert words in answer.json["message"]
