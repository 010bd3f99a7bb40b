"""What commands say is what is: refusals by policies, objects that are gone, floors given back, slow servers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capacity.app.configuration import read_config
from capacity.app.control import preview
from capacity.app.loop import make_pass
from capacity.app.reconciliation import clock_skew
from capacity.cli import main
from capacity.cluster.act import announce
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import POLICY_HINT, ClusterReader, ClusterWriter
from capacity.cluster.inventory import read_inventory
from tests.double import KubernetesDouble
from tests.double.faults import Fault, refusal
from tests.double.manifests import autoscaler, deployment
from tests.shop import CONFLICT, NOON, Shop

POLICY = (
    "horizontalpodautoscalers.autoscaling \"web\" is forbidden: ValidatingAdmissionPolicy 'few-replicas' with binding "
    "'few-replicas' denied request: at most 5 replicas"
)
NOW = datetime.fromisoformat(NOON)
Document = dict[str, Any]


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        pytest.param(422, POLICY, POLICY_HINT, id="a policy, as a real server answers by default"),
        pytest.param(403, POLICY, POLICY_HINT, id="a policy that names the reason Forbidden"),
        pytest.param(400, 'admission webhook "x" denied the request: no', POLICY_HINT, id="webhook"),
        pytest.param(403, 'pods "web" is forbidden: exceeded quota: small', "raise the quota", id="a quota"),
        pytest.param(
            403,
            'User "x" cannot patch "hpa": RBAC: role.rbac.authorization.k8s.io "capacity-controller" not found',
            "see the Role in k8s/base, unless the API server has just started",
            id="a server that has just started",
        ),
        pytest.param(403, 'User "x" cannot patch resource "hpa"', "see the Role in k8s/base", id="a missing right"),
    ],
)
def test_a_refusal_says_who_refused(shop: Shop, code: int, message: str, hint: str) -> None:
    body = json.loads(refusal(code, "Refused", message).body)
    body["details"] = {"causes": [{"message": message}]}
    fault = Fault(status=code, body=json.dumps(body), headers={"Content-Type": "application/json"})
    shop.api.faults.add("PATCH .*horizontal", fault)
    found = shop.decide()
    assert (found["code"], hint in found["error"]) == (1, True), found["error"]
    assert "[]" not in found["error"]
    assert ("Role" in found["error"]) == ("Role" in hint)


def test_a_long_reason_is_cut_to_what_an_event_takes(shop: Shop) -> None:
    """The server refuses a note of more than 1,024 bytes."""
    work = make_pass(read_config(shop.folder / "capacity.yaml"), NOW, shop.folder / "plan.json", ClusterWriter())
    (outcome,) = preview(ClusterReader(), work)
    assert outcome.decision is not None
    long = replace(outcome, decision=replace(outcome.decision, detail="ü" * 1000))
    assert announce(ClusterWriter(), long, Autoscaler(shop.hpa(), NOW)) == ()
    assert len(shop.events()[0]["note"].encode()) == 1024


def test_an_autoscaler_deleted_meanwhile_is_gone_and_no_apply_makes_one(shop: Shop) -> None:
    listed = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscalerList", "metadata": {}}
    listed["items"] = [shop.hpa()]  # type: ignore[assignment]
    shop.api.delete("HorizontalPodAutoscaler", "shop", "web")
    shop.api.faults.add("GET .*horizontalpodautoscalers[?]", Fault(status=200, body=json.dumps(listed)))
    found = shop.decide()
    assert (found["code"], shop.api.list("HorizontalPodAutoscaler", "shop")) == (1, [])
    assert found["error"] == (
        "HorizontalPodAutoscaler web is gone: it was deleted after this pass read it; nothing was created in its place"
    )


def test_restore_says_the_floor_that_it_changed_however_many_tries_it_takes(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["apply", "--now", NOON])
    capsys.readouterr()
    shop.api.faults.add("PATCH .*horizontal", Fault())  # the value goes back, the ownership meets a conflict
    shop.api.faults.add("PATCH .*horizontal", CONFLICT)
    assert main(["restore"]) == 0
    assert "floor 9 -> 2 Restored" in capsys.readouterr().out


def test_a_slow_server_is_no_wrong_clock() -> None:
    now = datetime(2026, 11, 27, 12, tzinfo=UTC)
    answered = now + timedelta(minutes=3)
    assert clock_skew(now, answered, timedelta(minutes=3)) is None
    assert clock_skew(now, now) is None
    assert clock_skew(now, answered) is not None
    assert clock_skew(now, answered + timedelta(minutes=3), timedelta(minutes=3)) is not None


def test_preview_can_ask_the_server_and_still_changes_nothing(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--server-dry-run", "--now", NOON]) == 0
    (patch,) = shop.patches()
    assert (patch.query["dryRun"], patch.json["spec"]) == ("All", {"minReplicas": 9})
    assert shop.floor() == 2
    shop.api.faults.add("PATCH .*dryRun=All", refusal(403, "Forbidden", POLICY))
    capsys.readouterr()
    assert main(["preview", "--server-dry-run", "--now", NOON, "--json-lines"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["error"].startswith("the server would refuse this: ")
    assert "at most 5 replicas" in found["error"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_preview_asks_for_replicas_as_apply_would_write_them(shop: Shop, kind: str) -> None:
    shop.api.delete("HorizontalPodAutoscaler", "shop", "web")
    made = deployment("web", namespace="shop")
    shop.api.create(
        made if kind == "Deployment" else made | {"kind": kind, "spec": made["spec"] | {"serviceName": "web"}}
    )
    shop.configure("web", target={"kind": kind})
    shop.api.journal.clear()
    assert main(["preview", "--server-dry-run", "--now", NOON]) == 0
    writes = shop.api.journal.writes
    assert [entry.path.rpartition("/")[2] for entry in writes] == ["web", "scale", "web"]
    assert {entry.query.get("dryRun") for entry in writes} == {"All"}


def read(api: KubernetesDouble, folder: Path) -> Any:
    reader = ClusterReader(str(api.kubeconfig(folder / "kubeconfig")))
    return read_inventory(reader, ["shop"], datetime.now(UTC))


def test_the_base_floor_of_a_managed_workload_is_the_one_from_before(shop: Shop, tmp_path: Path) -> None:
    shop.api.create(deployment("web", namespace="shop"))
    main(["apply", "--now", NOON])
    (found,) = read(shop.api, tmp_path).found
    assert (shop.floor(), found.floor, found.managed) == (9, 2, True)


ROLLOUTS: Document = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "names": {"plural": "rollouts", "singular": "rollout", "kind": "Rollout", "listKind": "RolloutList"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}


def test_what_an_argo_rollout_scales_is_found_with_its_pods(
    kubernetes_double: KubernetesDouble, tmp_path: Path
) -> None:
    api = kubernetes_double
    api.create(ROLLOUTS)
    rollout = deployment("web", namespace="shop")
    api.create({**rollout, "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"})
    scaler = autoscaler("web", namespace="shop")
    scaler["spec"]["scaleTargetRef"] = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}
    api.create(scaler)
    for number in range(3):
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d", "uid": "u", "controller": True}
        metadata = {
            "name": f"web-7d-{number}",
            "namespace": "shop",
            "labels": {"rollouts-pod-template-hash": "7d"},
            "ownerReferences": [owner],
        }
        spec = {"containers": [{"name": "app", "image": "img:1"}]}
        made = api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})["metadata"]
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": made["creationTimestamp"]}
        api.patch("Pod", "shop", made["name"], {"status": {"conditions": [ready]}}, subresource="status")
    (found,) = read(api, tmp_path).found
    assert (found.kind, found.name, found.pods_like, len(found.starts.took)) == ("Rollout", "web", "Deployment", 3)


def test_an_autoscaler_of_one_container_is_planned_for_that_container(
    kubernetes_double: KubernetesDouble, tmp_path: Path
) -> None:
    web = deployment("web", namespace="shop")
    containers = web["spec"]["template"]["spec"]["containers"]
    containers[0] |= {"name": "app", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}
    containers.append({"name": "log", "image": "img:1", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}})
    kubernetes_double.create(web)
    scaler = autoscaler("web", namespace="shop")
    target = {"type": "Utilization", "averageUtilization": 55}
    scaler["spec"]["metrics"] = [
        {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "app", "target": target}}
    ]
    kubernetes_double.create(scaler)
    (found,) = read(kubernetes_double, tmp_path).found
    assert (found.container, found.utilization, found.requests) == ("app", 55, {"cpu": 2.0, "memory": 2.0**30})
