"""The doctor on headroom and volumes: rights, definitions, priorities, and claims that cannot grow."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from capacity.app.configuration import read_config
from capacity.app.doctor.cluster import RightsReader
from capacity.app.doctor.targets import check_actuators
from capacity.cli import main
from capacity.model.check import Finding, Part
from tests.double import KubernetesDouble
from tests.double.actors import bind_claim
from tests.double.buffers import capacity_buffer_definition
from tests.double.manifests import claim, priority_class, storage_class
from tests.integration.test_claims import configure
from tests.rendering import K8S, Document
from tests.shop import hpa

NOW = datetime(2026, 11, 27, tzinfo=UTC)
DATA = "data-web-0"


@pytest.fixture
def api(kubernetes_double: KubernetesDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubernetesDouble:
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(kubernetes_double.kubeconfig(tmp_path / "kubeconfig")))
    monkeypatch.chdir(tmp_path)
    for name, expands in (("fast", True), ("fixed", False)):
        kubernetes_double.create(storage_class(name, expands=expands))
    return kubernetes_double


def examined(*, part: Part = Part.both) -> list[Finding]:
    config = read_config(Path("capacity.yaml"))
    return list(check_actuators(config, RightsReader(), part, NOW))


def asks(**keys: Any) -> None:
    """A configuration of one workload with these keys."""
    configure(Path(), keys.pop("volumes", []))
    document = json.loads(Path("capacity.yaml").read_text())
    document["workloads"][0].update(keys)
    if not document["workloads"][0]["volumes"]:
        del document["workloads"][0]["volumes"], document["volume_usage"]
    Path("capacity.yaml").write_text(json.dumps(document))


def add(api: KubernetesDouble, storage: str = "fast", *, bound: bool = True) -> None:
    api.create(claim(DATA, namespace="shop", storage_class=storage))
    if bound:
        bind_claim(api, "shop", DATA)


def _quota(api: KubernetesDouble) -> None:
    add(api)
    metadata, hard = {"name": "disk", "namespace": "shop"}, {"requests.storage": "25Gi"}
    api.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}})
    used = {"requests.storage": "10Gi"}
    api.patch("ResourceQuota", "shop", "disk", {"status": {"hard": hard, "used": used}}, subresource="status")


CASES: list[Any] = [
    ("a claim that can grow", add, "50Gi", "ok", "1 of 1 claims can grow"),
    ("none there", lambda _: None, "50Gi", "fail", "no claim of template data there"),
    ("not bound", lambda api: add(api, bound=False), "50Gi", "warn", "it is Pending: only a bound claim grows"),
    ("a class that cannot", lambda api: add(api, "fixed"), "50Gi", "fail", "its class fixed allows no expansion"),
    ("no such class", lambda api: add(api, "gone"), "50Gi", "fail", "its class gone does not exist"),
    ("at its max", add, "10Gi", "warn", "it asks for 10Gi, its max is 10Gi"),
    ("a quota below its max", _quota, "50Gi", "warn", "quota disk leaves 15Gi of storage, its claims may ask for 40Gi"),
    ("a quota with room", _quota, "20Gi", "ok", "1 of 1 claims can grow"),
]


@pytest.mark.parametrize(("spoil", "most", "state", "says"), [pytest.param(*case, id=name) for name, *case in CASES])
def test_a_claim_that_cannot_grow_is_found(
    api: KubernetesDouble, spoil: Callable[[KubernetesDouble], None], most: str, state: str, says: str
) -> None:
    asks(volumes=[{"template": "data", "max": most}])
    spoil(api)
    found = [one for one in examined() if one.check == "volumes"]
    assert any(one.state == state and says in one.detail for one in found), found
    assert {one.state for one in found} <= {"ok", state}
    assert examined(part=Part.planner) == [], "a planner reads no claim"


def test_headroom_needs_a_definition_that_is_served_and_a_buffer_that_is_ours(api: KubernetesDouble) -> None:
    asks(headroom={})
    (found,) = examined()
    assert (found.check, found.state) == ("headroom", "fail")
    assert "shop/capacity-web: this cluster serves no CapacityBuffer: install" in found.detail
    api.create(capacity_buffer_definition())
    assert [one.state for one in examined()] == ["ok"]
    spec = {"scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": "web"}, "replicas": 1}
    made = {"apiVersion": "autoscaling.x-k8s.io/v1beta1", "kind": "CapacityBuffer", "spec": spec}
    api.create({**made, "metadata": {"name": "capacity-web", "namespace": "shop"}})
    (found,) = examined()
    assert (found.state, "made by" in found.detail) == ("fail", True)


def test_placeholders_need_a_priority_below_that_of_every_pod(api: KubernetesDouble) -> None:
    asks(headroom={"buffer": "placeholder", "priority_class": "low"})
    (found,) = examined()
    assert (found.state, "no PriorityClass low" in found.detail) == ("fail", True)
    api.create(priority_class("low", value=10))
    (found,) = examined()
    assert "expected a negative value, got 10" in found.detail


def rules(overlay: str) -> list[Document]:
    """What a component adds to the controller's Role."""
    component = yaml.safe_load((K8S / "components" / overlay / "kustomization.yaml").read_text(encoding="utf-8"))
    return [added["value"] for one in component["patches"] for added in yaml.safe_load(one["patch"])]


@pytest.mark.parametrize(
    ("overlay", "keys"),
    [("headroom", {"headroom": {}}), ("volumes", {"volumes": [{"template": "data"}]})],
    ids=["headroom", "volumes"],
)
def test_a_right_that_is_missing_is_named_with_its_overlay(
    api: KubernetesDouble, monkeypatch: pytest.MonkeyPatch, overlay: str, keys: dict[str, Any]
) -> None:
    asks(**keys)
    for granted, missing in (([], True), (rules(overlay), False)):
        path = api.kubeconfig(Path(f"{missing}.kubeconfig"), api.grant(f"nurse-{missing}", granted, "shop"))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        found = [one for one in examined() if one.check == "rights" and one.state == "fail"]
        assert bool(found) == missing, found
        assert all(f"k8s/overlays/{overlay}" in one.fix for one in found)


def test_the_command_says_it(api: KubernetesDouble, capsys: pytest.CaptureFixture[str]) -> None:
    api.create(hpa())
    asks(volumes=[{"template": "data"}], headroom={})
    assert main(["doctor", "--part", "controller"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "no claim of template data there" in said
    assert "serves no CapacityBuffer" in said
