"""What the double refuses, field by field, in the words of the real server's validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.double import KubernetesDouble, StatusError, Wire
from tests.double.manifests import SCALED_OBJECT_DEFINITION, autoscaler, deployment, scaled_object
from tests.double.patches import merge_patch

HPAS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
EVENTS = "/api/v1/namespaces/default/events"
SCALED_OBJECTS = "/apis/keda.sh/v1alpha1/namespaces/default/scaledobjects"
POD = {"name": "app", "image": "img:1"}
WRONG_POLICY = {"type": "Pods", "value": 0, "periodSeconds": 1801}
OLD_EVENT = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "default", "name": "web"}}


def metric(**parts: Any) -> dict[str, Any]:
    """Return the change of an HPA's only metric."""
    return {"spec": {"metrics": [parts]}}


def pods(*containers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change of a Deployment's containers."""
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


@pytest.mark.parametrize(
    ("path", "item", "change", "causes"),
    [
        pytest.param(
            HPAS,
            autoscaler(),
            {"spec": {"minReplicas": 0}},
            ["spec.minReplicas", "spec.metrics"],
            id="HPA with a floor of 0",
        ),
        pytest.param(
            HPAS,
            autoscaler(),
            {"spec": {"maxReplicas": 0}},
            ["spec.maxReplicas", "spec.maxReplicas"],
            id="HPA with a ceiling of 0",
        ),
        pytest.param(
            HPAS,
            autoscaler(),
            {"spec": {"scaleTargetRef": {"kind": "", "name": None}}},
            ["spec.scaleTargetRef.kind", "spec.scaleTargetRef.name"],
            id="HPA without a target",
        ),
        pytest.param(HPAS, autoscaler(), metric(), ["spec.metrics[0].type"] * 2, id="metric without a type"),
        pytest.param(HPAS, autoscaler(), metric(type="Pods"), ["spec.metrics[0].pods"], id="metric without a source"),
        pytest.param(
            HPAS,
            autoscaler(),
            metric(type="Resource", resource={"name": "cpu", "target": {"averageUtilization": 0}}),
            [*["spec.metrics[0].resource.target.type"] * 2, "spec.metrics[0].resource.target.averageUtilization"],
            id="metric without a target",
        ),
        pytest.param(
            HPAS,
            autoscaler(),
            {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601}}}},
            ["spec.behavior.scaleDown.stabilizationWindowSeconds"],
            id="window over an hour",
        ),
        pytest.param(
            HPAS,
            autoscaler(),
            {"spec": {"behavior": {"scaleUp": {"policies": [WRONG_POLICY]}}}},
            ["spec.behavior.scaleUp.policies[0].value", "spec.behavior.scaleUp.policies[0].periodSeconds"],
            id="policy of nothing in half an hour and a second",
        ),
        pytest.param(DEPLOYMENTS, deployment(), {"spec": {"replicas": -1}}, ["spec.replicas"], id="negative replicas"),
        pytest.param(DEPLOYMENTS, deployment(), {"spec": {"selector": None}}, ["spec.selector"], id="no selector"),
        pytest.param(
            DEPLOYMENTS,
            deployment(),
            {"spec": {"selector": {"matchLabels": {"app": "other"}}}},
            ["spec.template.metadata.labels"],
            id="selector of other pods",
        ),
        pytest.param(DEPLOYMENTS, deployment(), pods(), ["spec.template.spec.containers"], id="no containers"),
        pytest.param(
            DEPLOYMENTS,
            deployment(),
            pods(POD, {"name": "sidecar"}),
            ["spec.template.spec.containers[1].image"],
            id="container without an image",
        ),
        pytest.param(LEASES, {"metadata": {"name": "Lock"}}, {}, ["metadata.name"], id="capital letter in a name"),
        pytest.param(LEASES, {"metadata": {}}, {}, ["metadata.name"], id="no name"),
        pytest.param(
            LEASES,
            {"metadata": {"name": "lock"}},
            {"spec": {"leaseDurationSeconds": 0}},
            ["spec.leaseDurationSeconds"],
            id="lease of no time",
        ),
        pytest.param(
            EVENTS,
            OLD_EVENT,
            {"involvedObject": {"namespace": "shop"}},
            ["involvedObject.namespace"],
            id="event about another namespace",
        ),
        pytest.param(
            EVENTS,
            OLD_EVENT,
            {"eventTime": "2026-01-01T00:00:00.000000Z", "action": "a" * 129},
            [*["reportingComponent"] * 3, "reportingInstance", "action", "reason"],
            id="half a new event",
        ),
        pytest.param(
            SCALED_OBJECTS, scaled_object(), {"spec": {"triggers": None}}, ["spec.triggers", "<nil>"], id="no triggers"
        ),
    ],
)
def test_object_is_refused_for(
    kubernetes_double: KubernetesDouble,
    wire: Wire,
    path: str,
    item: dict[str, Any],
    change: dict[str, Any],
    causes: list[str],
) -> None:
    kubernetes_double.create(SCALED_OBJECT_DEFINITION)
    answer = wire.send("POST", path, merge_patch(item, change))
    assert answer.status == 422
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == causes


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble) -> KubernetesDouble:
    """A Deployment and an HPA named web."""
    kubernetes_double.create(deployment())
    kubernetes_double.create(autoscaler())
    return kubernetes_double


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("kind", "body", "query", "status", "words"),
    [
        pytest.param("merge", {"spec": {"replicas": -1}}, {}, 422, 'Scale.autoscaling "web" is invalid', id="negative"),
        pytest.param("merge", {"spec": {"replicas": "x"}}, {}, 422, "ScaleSpec.spec.replicas", id="a word"),
        pytest.param(
            "merge",
            {"spec": {"replica": 1}},
            {"fieldValidation": "Strict"},
            422,
            "strict decoding error",
            id="misspelt",
        ),
        pytest.param("apply", {"spec": {"replicas": 9}}, {}, 422, "fieldManager", id="applied by nobody"),
        pytest.param(
            "apply", {"spec": {"replicas": 9}}, {"fieldManager": "c"}, 409, ".spec.replicas", id="applied over an owner"
        ),
        pytest.param(
            "apply", {"spec": {"replicas": 9}}, {"fieldManager": "c", "force": "true"}, 200, "", id="applied by force"
        ),
        pytest.param("strategic", {"spec": {"replicas": 9}}, {}, 200, "", id="merged strategically"),
        pytest.param(
            "json", [{"op": "replace", "path": "/spec/replicas", "value": 9}], {}, 200, "", id="replaced by JSON patch"
        ),
        pytest.param(
            "text/plain", {"spec": {"replicas": 9}}, {}, 415, "Unsupported Media Type", id="of an unknown type"
        ),
        pytest.param(
            "merge",
            {"metadata": {"resourceVersion": "1"}},
            {},
            409,
            "the object has been modified",
            id="of an old state",
        ),
    ],
)
def test_scale_that_is(wire: Wire, kind: str, body: Any, query: dict[str, str], status: int, words: str) -> None:
    answer = wire.send("PATCH", f"{DEPLOYMENTS}/web/scale", body, kind, **query)
    assert answer.status == status
    if status == 200:
        assert answer.json["spec"] == {"replicas": 9}
    else:
        assert words in answer.json["message"]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        pytest.param("POST", HPAS, "{", 400, "json parse error", id="half an object"),
        pytest.param("POST", HPAS, "[]", 400, "must be of type HorizontalPodAutoscaler", id="a list"),
        pytest.param(
            "POST",
            HPAS,
            {**autoscaler("n"), "apiVersion": "autoscaling/v1"},
            400,
            "does not match",
            id="another version",
        ),
        pytest.param("POST", HPAS, {**autoscaler("n"), "kind": "Pod"}, 400, "cannot be handled", id="another kind"),
        pytest.param(
            "POST",
            HPAS,
            merge_patch(autoscaler("n"), {"metadata": {"namespace": "shop"}}),
            400,
            "does not match the namespace sent on the request",
            id="another namespace",
        ),
        pytest.param(
            "POST",
            HPAS,
            merge_patch(autoscaler("n"), {"metadata": {"resourceVersion": "7"}}),
            500,
            "resourceVersion should not be set",
            id="an object that exists already",
        ),
        pytest.param(
            "PUT", f"{HPAS}/web", autoscaler("api"), 400, "does not match the name on the URL", id="another name"
        ),
        pytest.param(
            "PUT",
            f"{HPAS}/web",
            merge_patch(autoscaler(), {"metadata": {"uid": "another"}}),
            409,
            "UID in precondition: another",
            id="another object of the name",
        ),
        pytest.param("PUT", f"{HPAS}/nope", autoscaler("nope"), 404, "not found", id="an object that is not there"),
        pytest.param(
            "PUT", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": "x"}}, 400, "in version", id="a scale in words"
        ),
        pytest.param("PUT", f"{DEPLOYMENTS}/no/scale", {"spec": {}}, 404, "not found", id="the scale of nothing"),
    ],
)
def test_request_is_refused_that_sends(wire: Wire, method: str, path: str, body: Any, status: int, words: str) -> None:
    answer = wire.send(method, path, body)
    assert answer.status == status
    assert words in answer.json["message"]


def test_lease_that_is_put_where_there_is_none_is_created(wire: Wire) -> None:
    body = {"metadata": {"name": "lock"}, "spec": {"holderIdentity": "me"}}
    assert wire.send("PUT", f"{LEASES}/lock", body).status == 201
    again = wire.send("PUT", f"{LEASES}/lock", body)
    assert (again.status, again.json["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")


def test_behavior_is_filled_with_the_defaults_of_its_missing_parts(kubernetes_double: KubernetesDouble) -> None:
    item = merge_patch(autoscaler(), {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}})
    behavior = kubernetes_double.create(item)["spec"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 60
    assert behavior["scaleDown"]["policies"] == [{"type": "Percent", "value": 100, "periodSeconds": 15}]
    assert behavior["scaleUp"]["policies"][0] == {"type": "Pods", "value": 4, "periodSeconds": 15}
    assert (behavior["scaleUp"]["stabilizationWindowSeconds"], behavior["scaleUp"]["selectPolicy"]) == (0, "Max")


def test_stateful_set_rolls_from_its_first_pod_and_keeps_its_volumes(kubernetes_double: KubernetesDouble) -> None:
    spec = kubernetes_double.create({**deployment("db"), "kind": "StatefulSet"})["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    by_hand = {**deployment("cache"), "kind": "StatefulSet"}
    by_hand["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert kubernetes_double.create(by_hand)["spec"]["updateStrategy"] == {"type": "OnDelete"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [("img", "Always"), ("img:latest", "Always"), ("img:1", "IfNotPresent"), ("host:5000/img", "Always")],
)
def test_image_is_pulled(kubernetes_double: KubernetesDouble, image: str, policy: str) -> None:
    item = kubernetes_double.create(merge_patch(deployment(), pods({"name": "app", "image": image})))
    assert item["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_selector_of_a_deployment_never_moves(cluster: KubernetesDouble) -> None:
    labels = {"app": "other"}
    moved = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    with pytest.raises(StatusError, match="field is immutable"):
        cluster.patch("deployments", "default", "web", moved)


def test_strategic_merge_deletes_an_item_by_its_key(cluster: KubernetesDouble) -> None:
    both = pods(POD, {"name": "sidecar", "image": "side:1"})
    cluster.patch("deployments", "default", "web", both, type="strategic")
    less = pods({"name": "sidecar", "$patch": "delete"})
    item = cluster.patch("deployments", "default", "web", less, type="strategic")
    assert [one["name"] for one in item["spec"]["template"]["spec"]["containers"]] == ["app"]


def test_definition_that_is_deleted_is_no_longer_served(kubernetes_double: KubernetesDouble, wire: Wire) -> None:
    kubernetes_double.create(SCALED_OBJECT_DEFINITION)
    assert wire.send("GET", SCALED_OBJECTS).status == 200
    kubernetes_double.delete("crd", None, "scaledobjects.keda.sh")
    assert wire.send("GET", SCALED_OBJECTS).status == 404
