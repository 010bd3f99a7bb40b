"""What the real server does that a guess gets wrong: each fact has its test, most are in the recording too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.double import KubernetesDouble, StatusError, Wire, too_many_requests
from tests.double.manifests import SCALED_OBJECT_DEFINITION, autoscaler, deployment, scaled_object

HPAS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
HPA = f"{HPAS}/web"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/web"
SCALED_OBJECTS = "/apis/keda.sh/v1alpha1/namespaces/default/scaledobjects"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble) -> KubernetesDouble:
    """An HPA, its Deployment, and a ScaledObject, all named web."""
    kubernetes_double.create(SCALED_OBJECT_DEFINITION)
    for item in (autoscaler(), deployment(), scaled_object()):
        kubernetes_double.create(item)
    return kubernetes_double


def test_generation_is_kept_for_deployments_and_custom_resources_but_not_for_hpas(
    cluster: KubernetesDouble,
) -> None:
    cluster.patch("hpa", "default", "web", {"spec": {"minReplicas": 5}})
    cluster.patch("deployments", "default", "web", {"spec": {"replicas": 5}})
    cluster.patch("deployments", "default", "web", {"metadata": {"labels": {"only": "a-label"}}})
    cluster.patch("so", "default", "web", {"spec": {"minReplicaCount": 5}})
    assert "generation" not in cluster.get("hpa", "default", "web")["metadata"]
    assert cluster.get("deployments", "default", "web")["metadata"]["generation"] == 2
    assert cluster.get("so", "default", "web")["metadata"]["generation"] == 2


def test_throttling_is_plain_text_that_is_no_status(cluster: KubernetesDouble, wire: Wire) -> None:
    cluster.faults.add("PATCH", too_many_requests())
    answer = wire.send("PATCH", HPA, {"spec": {"minReplicas": 5}}, "merge")
    assert (answer.status, answer.headers["Content-Type"], answer.headers["Retry-After"]) == (429, "text/plain", "1")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("spec", "status"),
    [
        pytest.param({"minReplicas": 21}, 422, id="a floor over the ceiling is refused"),
        pytest.param({"maxReplicas": 1}, 422, id="a ceiling under the floor is refused"),
        pytest.param({"minReplicas": 30, "maxReplicas": 40}, 200, id="both in one patch pass"),
    ],
)
def test_floor_over_ceiling_is_reported_on_the_ceiling(wire: Wire, spec: dict[str, int], status: int) -> None:
    answer = wire.send("PATCH", HPA, {"spec": spec}, "merge")
    assert answer.status == status
    causes = answer.json.get("details", {}).get("causes", [])
    assert [cause["field"] for cause in causes] == (["spec.maxReplicas"] if status == 422 else [])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("method", "path", "kind", "status"),
    [
        pytest.param("PATCH", HPA, "merge", 422, id="in a patch 422"),
        pytest.param("PUT", HPA, "", 400, id="in a PUT 400"),
        pytest.param("POST", HPAS, "", 400, id="in a POST 400"),
    ],
)
@pytest.mark.parametrize(
    ("spec", "query", "words"),
    [
        pytest.param({"minReplicas": "five"}, {}, "cannot unmarshal string into Go struct field", id="a wrong type is"),
        pytest.param(
            {"minReplica": 5},
            {"fieldValidation": "Strict"},
            'strict decoding error: unknown field "spec.minReplica"',
            id="an unknown field is, when strict,",
        ),
    ],
)
def test_undecodable_object_is(
    wire: Wire,
    method: str,
    path: str,
    kind: str,
    status: int,
    spec: dict[str, object],
    query: dict[str, str],
    words: str,
) -> None:
    item = autoscaler("new" if method == "POST" else "web")
    body = {"spec": spec} if method == "PATCH" else {**item, "spec": {**item["spec"], **spec}}
    answer = wire.send(method, path, body, kind, **query)
    assert (answer.status, answer.json["reason"]) == (status, "Invalid" if status == 422 else "BadRequest")
    assert words in answer.json["message"]


def test_unknown_field_is_dropped_and_only_a_header_says_so(cluster: KubernetesDouble, wire: Wire) -> None:
    answer = wire.send("PATCH", HPA, {"spec": {"minReplica": 5, "minReplicas": 4}}, "merge")
    assert (answer.status, answer.headers["Warning"]) == (200, '299 - "unknown field \\"spec.minReplica\\""')
    assert "minReplica" not in answer.json["spec"]
    assert cluster.get("hpa", "default", "web")["spec"]["minReplicas"] == 4
    ignored = wire.send("PATCH", HPA, {"spec": {"minReplica": 5}}, "merge", fieldValidation="Ignore")
    assert (ignored.status, ignored.headers.get("Warning")) == (200, None)


def test_failed_json_patch_test_says_nothing_and_changes_nothing(cluster: KubernetesDouble, wire: Wire) -> None:
    operations = [
        {"op": "replace", "path": "/spec/minReplicas", "value": 9},
        {"op": "test", "path": "/spec/minReplicas", "value": 2},
    ]
    answer = wire.send("PATCH", HPA, operations, "json")
    assert (answer.status, answer.json["details"]) == (422, {})
    assert answer.json["message"] == "the server rejected our request due to an error in our request"
    assert cluster.get("hpa", "default", "web")["spec"]["minReplicas"] == 2


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("name", ["web", "missing"])
def test_strategic_merge_of_a_custom_resource_is_415_before_it_is_404(wire: Wire, name: str) -> None:
    answer = wire.send("PATCH", f"{SCALED_OBJECTS}/{name}", {"spec": {"minReplicaCount": 3}}, "strategic")
    assert (answer.status, answer.json["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.usefixtures("cluster")
def test_put_of_a_custom_resource_needs_a_resource_version(wire: Wire) -> None:
    answer = wire.send("PUT", f"{SCALED_OBJECTS}/web", scaled_object(floor=3))
    assert (answer.status, answer.json["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("spec", "status"),
    [
        pytest.param({"minReplicaCount": 11}, 422, id="a floor over the ceiling is refused by a rule"),
        pytest.param({"minReplicaCount": 11, "maxReplicaCount": 20}, 200, id="both in one patch pass"),
        pytest.param({"minReplicaCount": 11, "maxReplicaCount": None}, 200, id="without a ceiling the rule is silent"),
    ],
)
def test_scaled_object(wire: Wire, spec: dict[str, int], status: int) -> None:
    answer = wire.send("PATCH", f"{SCALED_OBJECTS}/web", {"spec": spec}, "merge")
    assert answer.status == status
    if status == 422:
        assert answer.json["details"]["causes"][0]["field"] == "spec"


def test_custom_resource_keeps_empty_texts_and_lists_that_a_built_in_type_drops(cluster: KubernetesDouble) -> None:
    empty = {"spec": {"scaleTargetRef": {"kind": ""}, "triggers": []}}
    spec = cluster.patch("so", "default", "web", empty)["spec"]
    assert (spec["scaleTargetRef"], spec["triggers"]) == ({"name": "web", "kind": ""}, [])
    empty = {"spec": {"template": {"spec": {"serviceAccountName": ""}}}}
    assert "serviceAccountName" not in cluster.patch("deploy", "default", "web", empty)["spec"]["template"]["spec"]


def test_definition_with_a_rule_the_double_cannot_read_is_refused(kubernetes_double: KubernetesDouble) -> None:
    definition = json.loads(json.dumps(SCALED_OBJECT_DEFINITION).replace("<= (has", "in [(has"))
    with pytest.raises(StatusError, match="the double reads has"):
        kubernetes_double.create(definition)


def test_watch_that_is_too_old_gets_an_error_event_inside_a_200(cluster: KubernetesDouble, wire: Wire) -> None:
    revision = cluster.get("hpa", "default", "web")["metadata"]["resourceVersion"]
    cluster.forget_history()
    answer = wire.send("GET", HPAS, watch="true", resourceVersion=revision, timeoutSeconds="1")
    assert answer.status == 200
    assert [(event["type"], event["object"]["code"]) for event in answer.events] == [("ERROR", 410)]


@pytest.mark.usefixtures("cluster")
def test_strategic_merge_puts_new_list_items_first(wire: Wire) -> None:
    containers = [{"name": "sidecar", "image": "side:1"}, {"name": "app", "image": "img:2"}]
    answer = wire.send("PATCH", DEPLOYMENT, {"spec": {"template": {"spec": {"containers": containers}}}}, "strategic")
    found = [(one["name"], one["image"]) for one in answer.json["spec"]["template"]["spec"]["containers"]]
    assert found == [("sidecar", "side:1"), ("app", "img:2")]


@pytest.mark.parametrize(
    ("time", "status"),
    [
        pytest.param("2026-01-01T00:00:00+00:00", 400, id="a whole second without decimals is refused"),
        pytest.param("2026-01-01T00:00:00.000000Z", 201, id="a whole second with six decimals passes"),
    ],
)
def test_lease_time(wire: Wire, time: str, status: int) -> None:
    body = {"metadata": {"name": "lock"}, "spec": {"holderIdentity": "me", "renewTime": time}}
    answer = wire.send("POST", LEASES, body)
    assert answer.status == status
    if status == 400:
        assert answer.json["message"].endswith('cannot parse "+00:00" as ".000000"')


NEW_EVENT = {
    "metadata": {"name": "web.1"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "capacity",
    "reportingInstance": "capacity-1",
    "action": "Scale",
    "reason": "DemandRising",
    "type": "Normal",
    "note": "floor 2 -> 5",
    "regarding": {"kind": "HorizontalPodAutoscaler", "name": "web", "namespace": "default"},
}


@pytest.mark.parametrize(
    "missing", ["eventTime", "reportingController", "reportingInstance", "action", "reason", "type"]
)
def test_event_of_the_new_group_needs(wire: Wire, missing: str) -> None:
    answer = wire.send("POST", NEW_EVENTS, {name: value for name, value in NEW_EVENT.items() if name != missing})
    assert answer.status == 422
    assert missing in [cause["field"] for cause in answer.json["details"]["causes"]]


def test_event_of_the_new_group_is_the_same_object_in_the_core_group(wire: Wire) -> None:
    assert wire.send("POST", NEW_EVENTS, NEW_EVENT).status == 201
    core = wire.send("GET", "/api/v1/namespaces/default/events/web.1").json
    assert (core["message"], core["involvedObject"]["name"]) == ("floor 2 -> 5", "web")
    assert core["reportingComponent"] == "capacity"
    again = wire.send("GET", f"{NEW_EVENTS}/web.1").json
    assert {name: again[name] for name in NEW_EVENT if name != "metadata"} == {
        name: value for name, value in NEW_EVENT.items() if name != "metadata"
    }


@pytest.mark.usefixtures("cluster")
def test_hpa_of_autoscaling_v1_is_the_same_object(wire: Wire) -> None:
    path = HPA.replace("/v2/", "/v1/")
    changed = wire.send("PATCH", path, {"spec": {"minReplicas": 6, "targetCPUUtilizationPercentage": 70}}, "merge")
    assert changed.json["spec"]["targetCPUUtilizationPercentage"] == 70
    spec = wire.send("GET", HPA).json["spec"]
    assert (spec["minReplicas"], spec["metrics"][0]["resource"]["target"]["averageUtilization"]) == (6, 70)


def test_hpa_of_autoscaling_v1_carries_the_rest_in_annotations(cluster: KubernetesDouble, wire: Wire) -> None:
    memory = {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}}
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    metrics = [{"type": "Resource", "resource": memory}]
    before = cluster.patch("hpa", "default", "web", {"spec": {"metrics": metrics, "behavior": behavior}})
    old = wire.send("GET", HPA.replace("/v2/", "/v1/")).json
    assert "targetCPUUtilizationPercentage" not in old["spec"]
    assert len(old["metadata"]["annotations"]) == 2
    assert wire.send("PUT", HPA.replace("/v2/", "/v1/"), old).status == 200
    after = cluster.get("hpa", "default", "web")
    assert after["spec"] == before["spec"]
    assert "annotations" not in after["metadata"]


def test_object_in_protobuf_is_415(wire: Wire) -> None:
    answer = wire.send("POST", HPAS, b"k8s\x00", "application/vnd.kubernetes.protobuf")
    assert (answer.status, answer.json["reason"]) == (415, "UnsupportedMediaType")


def test_dry_run_answers_as_if_and_stores_nothing(cluster: KubernetesDouble, wire: Wire) -> None:
    before = cluster.get("hpa", "default", "web")
    assert wire.send("PATCH", HPA, {"spec": {"minReplicas": 9}}, "merge", dryRun="All").json["spec"]["minReplicas"] == 9
    assert cluster.get("hpa", "default", "web") == before


@pytest.mark.parametrize(
    ("body", "query", "stays"),
    [
        ({"dryRun": ["All"]}, {}, True),
        (None, {"dryRun": "All"}, True),
        ({"propagationPolicy": "Background"}, {"dryRun": "All"}, False),
        ({}, {"dryRun": "All"}, False),
    ],
)
def test_options_of_a_deletion_are_those_of_the_body_where_there_is_one(
    cluster: KubernetesDouble, wire: Wire, body: Any, query: dict[str, str], stays: bool
) -> None:
    assert wire.send("DELETE", HPA, body, **query).status == 200
    assert (wire.send("GET", HPA).status == 200) is stays


def test_patch_that_changes_nothing_keeps_the_resource_version(cluster: KubernetesDouble, wire: Wire) -> None:
    before = cluster.get("hpa", "default", "web")
    assert wire.send("PATCH", HPA, {"spec": {"minReplicas": 2}}, "merge").json == before


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("kind", ["merge", "apply"])
def test_resource_version_in_a_patch_is_a_lock(wire: Wire, kind: str) -> None:
    body = {**autoscaler(floor=7), "metadata": {"name": "web", "namespace": "default", "resourceVersion": "1"}}
    answer = wire.send(
        "PATCH", HPA, body, kind, fieldManager="capacity", **({"force": "true"} if kind == "apply" else {})
    )
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    assert "the object has been modified" in answer.json["message"]


def test_object_with_a_finalizer_stays_until_it_is_emptied(cluster: KubernetesDouble, wire: Wire) -> None:
    cluster.patch("so", "default", "web", {"metadata": {"finalizers": ["finalizer.keda.sh"]}})
    deleted = wire.send("DELETE", f"{SCALED_OBJECTS}/web")
    assert deleted.json["metadata"]["deletionTimestamp"]
    wire.send("PATCH", f"{SCALED_OBJECTS}/web", {"metadata": {"finalizers": None}}, "merge")
    assert wire.send("GET", f"{SCALED_OBJECTS}/web").status == 404


def test_deletion_with_the_wrong_uid_is_refused(cluster: KubernetesDouble, wire: Wire) -> None:
    answer = wire.send("DELETE", HPA, {"preconditions": {"uid": "another"}})
    assert (answer.status, answer.json["details"]["kind"]) == (409, "HorizontalPodAutoscaler")
    assert cluster.get("hpa", "default", "web")


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        pytest.param(
            "GET", "/apis/nothing.io/v1/things", 404, "404 page not found", id="an unknown group is plain text"
        ),
        pytest.param(
            "GET", "/apis/apps/v1/nothing", 404, "could not find the requested", id="an unknown resource is 404"
        ),
        pytest.param("POST", HPA, 405, "does not allow this method", id="a POST to an object is 405"),
        pytest.param("GET", f"{HPA}/status/more", 404, "404 page not found", id="one part too many is plain text"),
        pytest.param("GET", f"{HPA}/scale", 404, "could not find the requested", id="an HPA has no scale"),
    ],
)
def test_path(wire: Wire, method: str, path: str, status: int, words: str) -> None:
    answer = wire.send(method, path)
    assert answer.status == status
    assert words in answer.text


def test_object_in_a_missing_namespace_is_refused(wire: Wire) -> None:
    item = autoscaler()
    item["metadata"]["namespace"] = "nowhere"
    answer = wire.send("POST", HPAS.replace("default", "nowhere"), item)
    assert (answer.status, answer.json["details"]) == (404, {"name": "nowhere", "kind": "namespaces"})


def test_stateful_set_has_a_scale(cluster: KubernetesDouble, wire: Wire) -> None:
    cluster.create({**deployment("db"), "kind": "StatefulSet"})
    path = "/apis/apps/v1/namespaces/default/statefulsets/db/scale"
    assert wire.send("GET", path).json["spec"] == {"replicas": 3}
    assert wire.send("PATCH", path, {"spec": {"replicas": 5}}, "merge").json["spec"] == {"replicas": 5}
    assert cluster.get("sts", "default", "db")["spec"]["replicas"] == 5
    assert wire.send("PATCH", path, {"spec": {"replicas": -1}}, "merge").status == 422
