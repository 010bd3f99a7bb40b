"""Claims over the wire: expanded ahead, left alone where they cannot grow, and never made smaller."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capacity.cli import main
from capacity.model import write_plan
from capacity.model.volume import GIB, DaysLeft, SizeStep, VolumePlan
from tests.conftest import PlanOf
from tests.double import Entry, KubernetesDouble
from tests.double.actors import bind_claim, expand_claim
from tests.double.faults import refusal
from tests.double.manifests import claim, storage_class
from tests.rendering import K8S, Document, kustomize
from tests.shop import CONFLICT, NOON, Shop, hpa

BEGIN = datetime(2026, 11, 27, tzinfo=UTC)
DATA = "data-web-0"


def volume(name: str = DATA, size: int = 14) -> VolumePlan:
    """A claim of 10 GiB that is to have 14 from the first hour on, and 20 a day later."""
    left = DaysLeft(0.5, 1.0, 2.0)
    steps = (SizeStep(BEGIN, size * GIB), SizeStep(BEGIN + timedelta(days=1), 20 * GIB))
    return VolumePlan(
        name,
        BEGIN - timedelta(hours=1),
        BEGIN + timedelta(days=45),
        10 * GIB,
        10 * GIB,
        8 * GIB,
        steps,
        left,
        left,
        0.8,
        0.95,
        timedelta(hours=6),
        timedelta(minutes=10),
    )


class Store:
    """The shop with a workload that has volumes."""

    def __init__(self, shop: Shop, plan: Any) -> None:
        self.shop, self.api = shop, shop.api
        write_plan(plan, shop.folder / "plan.json")

    def add(self, name: str = DATA, *, bound: bool = True, storage: str = "fast") -> None:
        self.api.create(claim(name, namespace="shop", storage_class=storage))
        if bound:
            bind_claim(self.api, "shop", name)

    def claim(self, name: str = DATA) -> Document:
        return self.api.get("PersistentVolumeClaim", "shop", name)

    def size(self, name: str = DATA) -> str:
        return str(self.claim(name)["spec"]["resources"]["requests"]["storage"])

    def volumes(self, verb: str = "apply", *options: str, now: str = NOON) -> tuple[int, list[Document]]:
        """One pass: its exit code, and what it said of volumes."""
        found = self.shop.decide(verb, *options, now=now)
        return found["code"], found.get("actuations", [])

    def patched(self) -> list[Entry]:
        writes = self.api.journal.writes
        return [entry for entry in writes if entry.method == "PATCH" and "persistentvolumeclaims" in entry.path]


@pytest.fixture
def store(
    kubernetes_double: KubernetesDouble, plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(kubernetes_double.kubeconfig(tmp_path / "kubeconfig")))
    shop = Shop(kubernetes_double, tmp_path)
    kubernetes_double.create(hpa())
    for name, expands in (("fast", True), ("fixed", False)):
        kubernetes_double.create(storage_class(name, expands=expands))
    configure(tmp_path, [{"template": "data"}])
    plan = plan_of(web=[2] * 24)
    return Store(shop, replace(plan, workloads=(replace(plan.workloads[0], volumes=(volume(),)),)))


def configure(folder: Path, volumes: list[Document], namespace: str = "shop") -> None:
    workload = {"namespace": namespace, "name": "web", "ceiling": 20, "volumes": volumes}
    costs = {
        "load": {"cpu": {"base": "1"}, "memory": {"base": "1Gi"}},
        "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
    }
    document = {
        "sales": {"source": "orders.csv", "time": "at"},
        "volume_usage": {"source": "volumes.csv", "time": "at", "claim": "claim", "used": "used", "capacity": "size"},
        "workloads": [{**workload, **costs}],
    }
    (folder / "capacity.yaml").write_text(json.dumps(document))


def test_claim_grows_ahead_once_and_keeps_its_size_when_it_is_given_back(store: Store) -> None:
    store.add()
    code, (seen,) = store.volumes("preview")
    assert (seen["reason"], seen["after"]["storage"] / GIB, seen["changed"]) == ("VolumeFillsUp", 14, False)
    assert store.patched() == [], "a preview writes nothing"
    code, (made,) = store.volumes()
    assert (code, made["reason"], made["changed"], store.size()) == (0, "VolumeFillsUp", True, "14Gi")
    assert "kubectl delete statefulset web --cascade=orphan" in made["detail"], "new replicas get the old size"
    assert [event["reason"] for event in store.shop.events()] == ["VolumeFillsUp"]
    (patch,) = store.patched()
    assert set(patch.json["metadata"]) == {"resourceVersion", "annotations"}
    code, (waits,) = store.volumes(now="2026-11-27T02:31:00Z")
    assert (waits["reason"], len(store.patched())) == ("VolumeLasts", 1), "a second pass writes nothing"
    expand_claim(store.api, "shop", DATA)
    assert store.volumes(now="2026-11-28T00:00:00Z")[1][0]["reason"] == "VolumeFillsUp"
    assert main(["restore", "--now", "2026-11-28T03:00:00Z"]) == 0
    notes = store.claim()["metadata"].get("annotations", {})
    assert (store.size(), [key for key in notes if key.startswith("capacity/")]) == ("20Gi", [])


def test_cooldown_of_the_class_is_kept(store: Store) -> None:
    store.add()
    store.volumes(now="2026-11-27T20:00:00Z")
    expand_claim(store.api, "shop", DATA)
    code, (seen,) = store.volumes(now="2026-11-28T00:00:00Z")
    assert (code, seen["reason"], store.size()) == (3, "HeldCooldown", "14Gi")
    assert "2026-11-28T02:00Z" in seen["detail"]
    assert store.volumes(now="2026-11-28T02:00:00Z")[1][0]["changed"]
    assert store.size() == "20Gi"


@pytest.mark.parametrize(
    ("prepare", "reason", "said"),
    [
        pytest.param(lambda store: store.add(bound=False), "HeldNotBound", "kubectl describe pvc", id="not bound"),
        pytest.param(lambda store: store.add(storage="fixed"), "HeldClassFixed", "kubectl patch", id="fixed class"),
        pytest.param(lambda store: store.add(storage="gone"), "HeldClassUnknown", "kubectl get", id="unknown class"),
    ],
)
def test_claim_that_cannot_grow_is_said_with_the_command_to_run(
    store: Store, prepare: Callable[[Store], None], reason: str, said: str
) -> None:
    prepare(store)
    code, (seen,) = store.volumes()
    assert (code, seen["reason"], store.size()) == (3, reason, "10Gi")
    assert said in seen["detail"]
    assert store.patched() == []


def test_size_set_by_somebody_elses_controller_is_left_to_it(store: Store) -> None:
    store.add()
    grown = {"spec": {"resources": {"requests": {"storage": "11Gi"}}}}
    store.api.patch("PersistentVolumeClaim", "shop", DATA, grown, manager="postgres-operator")
    expand_claim(store.api, "shop", DATA)
    code, (seen,) = store.volumes()
    assert (code, seen["reason"], store.size()) == (3, "HeldForeignOwner", "11Gi")
    assert "postgres-operator" in seen["detail"]


def test_claim_that_changed_in_between_is_read_again(store: Store) -> None:
    store.add()
    store.api.faults.add(f"PATCH .*/persistentvolumeclaims/{DATA}", CONFLICT)
    code, (seen,) = store.volumes()
    assert (code, seen["changed"], store.size()) == (0, True, "14Gi")


def test_one_claim_that_fails_stops_neither_another_nor_the_floor(
    store: Store, plan_of: PlanOf, tmp_path: Path
) -> None:
    store.add()
    store.add("data-web-1")
    plan = plan_of(web=[7] * 24)
    volumes = (volume(), volume("data-web-1"), volume("data-web-2"))
    write_plan(replace(plan, workloads=(replace(plan.workloads[0], volumes=volumes),)), tmp_path / "plan.json")
    quota = refusal(403, "Forbidden", f'persistentvolumeclaims "{DATA}" is forbidden: exceeded quota: s, used: 20Gi')
    store.api.faults.add(f"PATCH .*/persistentvolumeclaims/{DATA}", quota)
    code, seen = store.volumes()
    assert (code, store.size(), store.size("data-web-1"), store.shop.floor()) == (1, "10Gi", "14Gi", 7)
    assert "exceeded quota" in seen[0]["error"]
    assert "raise the quota" in seen[0]["error"]
    assert "no claim 'data-web-2'" in seen[2]["error"]


def test_quantity_that_does_not_parse_is_its_claims_own_failure(store: Store) -> None:
    store.add()
    item = store.claim()
    item["status"]["capacity"]["storage"] = "ten"
    listed = {"apiVersion": "v1", "kind": "PersistentVolumeClaimList", "metadata": {}, "items": [item]}
    answer = replace(CONFLICT, status=200, body=json.dumps(listed))
    store.api.faults.add("GET .*/namespaces/shop/persistentvolumeclaims", answer)
    code, (seen,) = store.volumes()
    assert (code, store.patched()) == (1, [])
    assert "its size cannot be read" in seen["error"]


@pytest.mark.parametrize(
    ("overlay", "refused"),
    [
        pytest.param("overlays/volumes", {("get", "storage.k8s.io", "storageclasses")}, id="within the namespace"),
        pytest.param("overlays/storage-classes", set(), id="with the classes"),
    ],
)
def test_component_grants_exactly_what_is_asked(
    store: Store, kubectl: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overlay: str, refused: set[Any]
) -> None:
    """Where classes may not be read the server itself knows, and the claim grows all the same."""
    objects = kustomize(kubectl, K8S / overlay)
    for item in objects:
        if item["kind"].removeprefix("Cluster") in ("Role", "RoleBinding"):
            store.api.create(item)
    store.add()
    token = store.api.token("system:serviceaccount:capacity-system:capacity-controller")
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(store.api.kubeconfig(tmp_path / "controller", token)))
    store.api.journal.clear()
    store.api.faults.add(f"PATCH .*/persistentvolumeclaims/{DATA}", CONFLICT)
    assert store.volumes()[1][0]["changed"]
    assert main(["restore", "--now", "2026-11-27T09:00:00Z"]) == 0
    entries = list(store.api.journal)
    assert {entry.rule for entry in entries if entry.code == 403} == refused
    granted = {
        (verb, group, resource)
        for item in objects
        if item["kind"].endswith("Role") and item["metadata"]["name"] != "capacity-planner"
        for rule in item["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    about = {rule for rule in {entry.rule for entry in entries} - refused if rule[2] != "configmaps"}
    volumes = {rule for rule in granted if rule[2] in ("persistentvolumeclaims", "storageclasses")}
    assert {rule for rule in about if rule[2] in ("persistentvolumeclaims", "storageclasses")} == volumes
    assert about <= granted


@pytest.mark.parametrize(
    ("volumes", "message"),
    [
        pytest.param([{"claim": "other/data"}], "own namespace", id="a claim of another namespace"),
        pytest.param([{"claim": "data"}, {"claim": "data"}], "twice", id="a claim named twice"),
        pytest.param([{"claim": "data", "max": "ten"}], "quantity", id="a quantity that does not parse"),
        pytest.param([{"claim": "data", "max": 100}], "at least one step", id="a size in GiB where bytes are meant"),
        pytest.param([{"claim": "data-web-0"}, {"template": "data"}], "by both", id="a claim of a template too"),
        pytest.param([{}], "exactly one of claim and template", id="no claim"),
        pytest.param([{"claim": "data", "size": "1Gi"}], "unknown key", id="an unknown key"),
    ],
)
def test_bad_configuration_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], volumes: list[Document], message: str
) -> None:
    configure(tmp_path, volumes)
    assert main(["volumes"]) == 2
    assert message in capsys.readouterr().err
