"""The programs the double is for: the official Python client and kubectl talk to it as to a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import ProtocolError

from tests.double import KubernetesDouble, internal_error, reset_before, too_many_requests, unavailable
from tests.double.manifests import SCALED_OBJECT_DEFINITION, autoscaler, deployment, scaled_object

KUBECTL = shutil.which("kubectl")
HPA_CLASS = ("autoscaling", "v2", "default", "horizontalpodautoscalers")
APPLY = "application/apply-patch+yaml"
FLOOR = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"minReplicas": 8},
}


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble) -> KubernetesDouble:
    """An HPA, its Deployment, and a ScaledObject, all named web."""
    kubernetes_double.create(SCALED_OBJECT_DEFINITION)
    for item in (autoscaler(), deployment(), scaled_object()):
        kubernetes_double.create(item)
    return kubernetes_double


@pytest.fixture
def connection(cluster: KubernetesDouble, kubeconfig: Path) -> Iterator[client.ApiClient]:
    """The official client, configured from the kubeconfig."""
    connection = config.new_client_from_config(config_file=str(kubeconfig))
    yield connection
    connection.rest_client.pool_manager.clear()
    connection.close()


@pytest.fixture
def custom(connection: client.ApiClient) -> client.CustomObjectsApi:
    """The cheap way to every group: plain dicts."""
    return client.CustomObjectsApi(connection)


@pytest.fixture
def resources(connection: client.ApiClient, tmp_path: Path) -> dynamic.DynamicClient:
    """The dynamic client, with a cache file of its own."""
    return dynamic.DynamicClient(connection, cache_file=str(tmp_path / "discovery.json"))


def test_custom_objects_api_reads_hpas_and_custom_resources(custom: client.CustomObjectsApi) -> None:
    assert custom.get_namespaced_custom_object(*HPA_CLASS, "web")["spec"]["minReplicas"] == 2
    assert len(custom.list_cluster_custom_object("autoscaling", "v2", "horizontalpodautoscalers")["items"]) == 1
    found = custom.list_namespaced_custom_object("keda.sh", "v1alpha1", "default", "scaledobjects")
    assert [item["spec"]["minReplicaCount"] for item in found["items"]] == [2]


def test_custom_objects_api_applies_with_force_after_a_conflict(
    cluster: KubernetesDouble, custom: client.CustomObjectsApi
) -> None:
    how = {"field_manager": "capacity", "field_validation": "Strict", "_content_type": APPLY}
    with pytest.raises(ApiException) as refused:
        custom.patch_namespaced_custom_object(*HPA_CLASS, "web", FLOOR, **how)
    assert refused.value.status == 409
    causes = json.loads(refused.value.body)["details"]["causes"]
    assert [cause["field"] for cause in causes] == [".spec.minReplicas"]
    item = custom.patch_namespaced_custom_object(*HPA_CLASS, "web", FLOOR, force=True, **how)
    assert item["spec"]["minReplicas"] == 8
    assert [entry.json for entry in cluster.journal.writes] == [FLOOR, FLOOR]
    assert cluster.journal.rules_used == {("patch", "autoscaling", "horizontalpodautoscalers")}


def test_custom_objects_api_moves_the_scale(cluster: KubernetesDouble, custom: client.CustomObjectsApi) -> None:
    body, kind = {"spec": {"replicas": 5}}, "application/merge-patch+json"
    place = ("apps", "v1", "default", "deployments", "web")
    scale = custom.patch_namespaced_custom_object_scale(*place, body, _content_type=kind)
    assert scale["spec"]["replicas"] == 5
    assert cluster.get("deployments", "default", "web")["spec"]["replicas"] == 5


def test_custom_objects_api_writes_a_new_event(cluster: KubernetesDouble, custom: client.CustomObjectsApi) -> None:
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": "web-", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "capacity",
        "reportingInstance": "capacity-1",
        "action": "Scale",
        "reason": "DemandRising",
        "type": "Normal",
        "regarding": {"kind": "HorizontalPodAutoscaler", "name": "web", "namespace": "default"},
    }
    created = custom.create_namespaced_custom_object("events.k8s.io", "v1", "default", "events", event)
    assert created["metadata"]["name"].startswith("web-")
    assert [one["reason"] for one in cluster.list("events")] == ["DemandRising"]


def test_dynamic_client_discovers_gets_lists_patches_and_applies(
    cluster: KubernetesDouble, resources: dynamic.DynamicClient
) -> None:
    hpas = resources.resources.get(api_version="autoscaling/v2", kind="HorizontalPodAutoscaler")
    assert hpas.get(name="web", namespace="default").spec.maxReplicas == 20
    assert [item.metadata.name for item in hpas.get(label_selector="!missing").items] == ["web"]
    hpas.patch(
        body={"spec": {"minReplicas": 4}}, name="web", namespace="default", content_type="application/merge-patch+json"
    )
    applied = hpas.server_side_apply(body=FLOOR, field_manager="capacity", force_conflicts=True)
    assert applied.spec.minReplicas == 8
    assert resources.resources.get(api_version="keda.sh/v1alpha1", kind="ScaledObject").get(namespace="default").items


def test_dynamic_client_writes_core_objects(cluster: KubernetesDouble, resources: dynamic.DynamicClient) -> None:
    maps = resources.resources.get(api_version="v1", kind="ConfigMap")
    maps.create(body={"metadata": {"name": "plan"}, "data": {"plan.json": "{}"}}, namespace="default")
    maps.patch(
        body={"data": {"more": "1"}}, name="plan", namespace="default", content_type="application/merge-patch+json"
    )
    assert cluster.get("configmaps", "default", "plan")["data"] == {"plan.json": "{}", "more": "1"}
    maps.delete(name="plan", namespace="default")
    assert cluster.list("configmaps") == []


def test_typed_client_reads_what_the_double_says(connection: client.ApiClient) -> None:
    autoscaling = client.AutoscalingV2Api(connection)
    [item] = autoscaling.list_namespaced_horizontal_pod_autoscaler("default").items
    assert (item.spec.min_replicas, item.spec.metrics[0].resource.target.average_utilization) == (2, 60)
    assert item.metadata.creation_timestamp.utcoffset() is not None


def test_watch_stream_ends_and_sees_changes(cluster: KubernetesDouble, custom: client.CustomObjectsApi) -> None:
    stream = watch.Watch()
    seen = []
    for event in stream.stream(custom.list_namespaced_custom_object, *HPA_CLASS, timeout_seconds=3600):
        seen.append((event["type"], event["object"]["spec"]["minReplicas"]))
        if len(seen) == 2:
            stream.stop()
        else:
            cluster.patch("hpa", "default", "web", {"spec": {"minReplicas": 6}})
    assert seen == [("ADDED", 2), ("MODIFIED", 6)]


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        pytest.param(unavailable(0), 2, id="503 with Retry-After is asked again"),
        pytest.param(too_many_requests(0), 2, id="429 with Retry-After is asked again"),
        pytest.param(reset_before(), 2, id="a reset is asked again"),
        pytest.param(internal_error(), 1, id="500 is not asked again"),
    ],
)
def test_get_of_the_official_client_after(
    cluster: KubernetesDouble, custom: client.CustomObjectsApi, fault: Any, requests: int
) -> None:
    cluster.faults.add("GET", fault)
    if requests == 1:
        with pytest.raises(ApiException):
            custom.get_namespaced_custom_object(*HPA_CLASS, "web")
    else:
        assert custom.get_namespaced_custom_object(*HPA_CLASS, "web")
    assert len(cluster.journal) == requests


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(too_many_requests(0), ApiException, id="429 with Retry-After is an error at once"),
        pytest.param(reset_before(), ProtocolError, id="a reset is an error at once"),
    ],
)
def test_patch_of_the_official_client_after(
    cluster: KubernetesDouble, custom: client.CustomObjectsApi, fault: Any, error: type[Exception]
) -> None:
    cluster.faults.add("PATCH", fault)
    with pytest.raises(error):
        custom.patch_namespaced_custom_object(*HPA_CLASS, "web", FLOOR, field_manager="capacity", _content_type=APPLY)
    assert len(cluster.journal) == 1


def kubectl(kubeconfig: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run kubectl with a home of its own."""
    home = {**os.environ, "HOME": str(kubeconfig.parent)}
    command = [str(KUBECTL), "--kubeconfig", str(kubeconfig), *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=home, check=False)


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kubectl_gets_applies_patches_and_scales(cluster: KubernetesDouble, kubeconfig: Path) -> None:
    def run(*words: str, stdin: str = "") -> str:
        done = kubectl(kubeconfig, *words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("get", "hpa", "-o", "name") == "horizontalpodautoscaler.autoscaling/web\n"
    applied = run("apply", "-f", "-", stdin=json.dumps(autoscaler("api", floor=3)))
    assert applied == "horizontalpodautoscaler.autoscaling/api created\n"
    assert "configured" in run("apply", "-f", "-", stdin=json.dumps(autoscaler("api", floor=4)))
    assert "scaled" in run("scale", "deployment", "web", "--replicas=4")
    assert cluster.get("deployments", "default", "web")["spec"]["replicas"] == 4
    assert "patched" in run("patch", "hpa", "api", "-p", '{"spec":{"minReplicas":6}}')
    found = cluster.get("hpa", "default", "api")
    owners = {entry["manager"]: entry["fieldsV1"].get("f:spec", {}) for entry in found["metadata"]["managedFields"]}
    assert found["spec"]["minReplicas"] == 6
    assert "f:minReplicas" in owners["kubectl-patch"]
    assert "f:maxReplicas" in owners["kubectl-client-side-apply"]


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kubectl_applies_on_the_server_side_and_names_the_conflict(cluster: KubernetesDouble, kubeconfig: Path) -> None:
    apply = ("apply", "--server-side", "--field-manager=capacity", "-f", "-")
    refused = kubectl(kubeconfig, *apply, stdin=json.dumps(FLOOR))
    assert refused.returncode != 0
    assert 'conflict with "kubectl-client-side-apply" using autoscaling/v2: .spec.minReplicas' in refused.stderr
    forced = kubectl(kubeconfig, *apply, "--force-conflicts", stdin=json.dumps(FLOOR))
    assert forced.stdout == "horizontalpodautoscaler.autoscaling/web serverside-applied\n"
    assert cluster.get("hpa", "default", "web")["spec"]["minReplicas"] == 8
