"""Who may: tokens, Roles evaluated live, names of resources and subresources, and the question what one may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.double import KubernetesDouble, Wire
from tests.double.manifests import autoscaler, deployment

HPAS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/web"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"


def rule(verbs: str, resources: str, group: str = "autoscaling", names: str = "") -> dict[str, Any]:
    """Return an RBAC rule from words."""
    base = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return {**base, "resourceNames": names.split()} if names else base


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble) -> KubernetesDouble:
    """Two HPAs and a Deployment, one HPA in another namespace."""
    for item in (autoscaler(), autoscaler("api"), deployment()):
        kubernetes_double.create(item)
    kubernetes_double.create({**autoscaler(), "metadata": {"name": "web", "namespace": "shop"}})
    return kubernetes_double


@pytest.fixture
def capacity(cluster: KubernetesDouble) -> Iterator[Wire]:
    """The connection of a user without any rights yet."""
    with Wire(cluster, cluster.token("capacity")) as wire:
        yield wire


@pytest.mark.parametrize("token", ["nobody", ""])
def test_token_nobody_holds_is_401(cluster: KubernetesDouble, token: str) -> None:
    with Wire(cluster, token) as wire:
        answer = wire.send("GET", HPAS)
    assert (answer.status, answer.json["reason"]) == (401, "Unauthorized")


def test_revoked_token_is_401(cluster: KubernetesDouble, capacity: Wire) -> None:
    assert capacity.send("GET", HPAS).status == 403
    cluster.revoke("capacity")
    assert capacity.send("GET", HPAS).status == 401


def test_health_needs_no_token(cluster: KubernetesDouble) -> None:
    with Wire(cluster, "") as wire:
        assert [wire.send("GET", path).text for path in ("/readyz", "/healthz")] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("rules", "method", "path", "allowed"),
    [
        pytest.param([rule("get", "horizontalpodautoscalers")], "GET", f"{HPAS}/web", True, id="get with get"),
        pytest.param([rule("list", "horizontalpodautoscalers")], "GET", f"{HPAS}/web", False, id="get with list"),
        pytest.param([rule("get", "horizontalpodautoscalers")], "GET", HPAS, False, id="list with get"),
        pytest.param([rule("*", "*", "*")], "GET", HPAS, True, id="list with stars"),
        pytest.param(
            [rule("get", "horizontalpodautoscalers", "apps")], "GET", f"{HPAS}/web", False, id="another group"
        ),
        pytest.param(
            [rule("get", "horizontalpodautoscalers", names="web")], "GET", f"{HPAS}/web", True, id="the named object"
        ),
        pytest.param(
            [rule("get", "horizontalpodautoscalers", names="web")], "GET", f"{HPAS}/api", False, id="another than named"
        ),
        pytest.param(
            [rule("list", "horizontalpodautoscalers", names="web")], "GET", HPAS, False, id="a list with only a name"
        ),
        pytest.param(
            [rule("list", "horizontalpodautoscalers", names="web")],
            "GET",
            f"{HPAS}?fieldSelector=metadata.name%3Dweb",
            True,
            id="a list of the named object",
        ),
        pytest.param(
            [rule("get", "deployments", "apps")], "GET", f"{DEPLOYMENT}/scale", False, id="scale with its owner"
        ),
        pytest.param(
            [rule("get", "deployments/scale", "apps")], "GET", f"{DEPLOYMENT}/scale", True, id="scale by name"
        ),
        pytest.param([rule("get", "*/scale", "apps")], "GET", f"{DEPLOYMENT}/scale", True, id="scale of anything"),
        pytest.param(
            [rule("get", "deployments/scale", "apps")], "GET", DEPLOYMENT, False, id="the owner with its scale"
        ),
        pytest.param(
            [rule("*", "horizontalpodautoscalers")],
            "GET",
            HPAS.replace("default", "shop"),
            False,
            id="another namespace",
        ),
        pytest.param(
            [rule("*", "horizontalpodautoscalers")],
            "GET",
            "/apis/autoscaling/v2/horizontalpodautoscalers",
            False,
            id="all namespaces with a Role of one",
        ),
    ],
)
def test_role_allows(
    cluster: KubernetesDouble, capacity: Wire, rules: list[dict[str, Any]], method: str, path: str, allowed: bool
) -> None:
    cluster.grant("capacity", rules)
    assert capacity.send(method, path).status == (200 if allowed else 403)


def test_cluster_role_reaches_all_namespaces(cluster: KubernetesDouble, capacity: Wire) -> None:
    cluster.grant("capacity", {"rules": [rule("list", "horizontalpodautoscalers")]}, namespace="")
    assert len(capacity.send("GET", "/apis/autoscaling/v2/horizontalpodautoscalers").json["items"]) == 3


def test_refusal_says_who_may_not_do_what_where(capacity: Wire) -> None:
    answer = capacity.send("PATCH", f"{DEPLOYMENT}/scale", {"spec": {"replicas": 9}}, "merge")
    assert answer.json["message"] == (
        'deployments.apps "web" is forbidden: User "capacity" cannot patch resource "deployments/scale" '
        'in API group "apps" in the namespace "default"'
    )
    assert answer.json["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


def test_roles_are_asked_at_every_request(cluster: KubernetesDouble, capacity: Wire, wire: Wire) -> None:
    cluster.grant("capacity", [rule("get", "horizontalpodautoscalers")])
    assert capacity.send("GET", f"{HPAS}/web").status == 200
    [role] = wire.send("GET", ROLES).json["items"]
    wire.send("PATCH", f"{ROLES}/{role['metadata']['name']}", {"rules": []}, "merge")
    assert capacity.send("GET", f"{HPAS}/web").status == 403


def test_service_account_is_a_user(cluster: KubernetesDouble) -> None:
    cluster.grant("unused", [rule("get", "horizontalpodautoscalers")])
    [binding] = cluster.list("rolebindings")
    subject = {"kind": "ServiceAccount", "name": "capacity", "namespace": "tools"}
    cluster.patch("rolebindings", "default", binding["metadata"]["name"], {"subjects": [subject]})
    with Wire(cluster, cluster.token("system:serviceaccount:tools:capacity")) as wire:
        assert wire.send("GET", f"{HPAS}/web").status == 200


@pytest.mark.parametrize(
    ("attributes", "allowed"),
    [
        pytest.param({"resource": "deployments", "verb": "patch"}, False, id="not the Deployment"),
        pytest.param({"resource": "deployments", "subresource": "scale", "verb": "patch"}, True, id="but its scale"),
    ],
)
def test_access_review_answers(
    cluster: KubernetesDouble, capacity: Wire, attributes: dict[str, str], allowed: bool
) -> None:
    cluster.grant("capacity", [rule("patch", "deployments/scale", "apps")])
    spec = {"resourceAttributes": {"group": "apps", "namespace": "default", **attributes}}
    answer = capacity.send("POST", REVIEWS, {"spec": spec})
    assert (answer.status, answer.json["status"]["allowed"]) == (201, allowed)
