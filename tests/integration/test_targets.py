"""KEDA's ScaledObjects, and Deployments and StatefulSets without an autoscaler, as targets; and whose they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from capacity.app import read_config
from capacity.app.floor_watch import FloorWatch, watched
from capacity.cli import main
from capacity.cluster.client import ClusterReader, ClusterWriter
from capacity.cluster.kinds import HPA
from capacity.model import ClusterError
from tests.double.actors import note_generation
from tests.double.faults import refusal
from tests.double.manifests import SCALED_OBJECT_DEFINITION, deployment, scaled_object
from tests.shop import NOON, Document, Shop, hpa

LATER = "2026-11-27T04:10:00Z"


class Keda:
    """KEDA in the shop: its definition, one ScaledObject `jobs`, and the HPA that it makes of it."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.api = shop, shop.api
        self.api.create(SCALED_OBJECT_DEFINITION)
        shop.configure("web", target={"kind": "ScaledObject", "name": "jobs"})
        self.api.delete("HorizontalPodAutoscaler", "shop", "web")

    def create(self, *, made: bool = True, **spec: Any) -> None:
        item = scaled_object("jobs", namespace="shop")
        item["spec"] = {key: value for key, value in {**item["spec"], **spec}.items() if value is not None}
        created = self.api.create(item, manager="kubectl-client-side-apply")
        if made:
            owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "jobs", "controller": True}
            made_hpa = hpa("keda-hpa-jobs", floor=max(1, item["spec"].get("minReplicaCount", 0)))
            made_hpa["metadata"]["ownerReferences"] = [{**owner, "uid": created["metadata"]["uid"]}]
            made_hpa["spec"]["scaleTargetRef"]["name"] = "jobs"
            self.api.create(made_hpa, manager="keda")
            self.measure()

    def measure(self, millicores: int = 5) -> None:
        self.shop.measure("keda-hpa-jobs", millicores=millicores)

    @property
    def spec(self) -> Document:
        return dict(self.api.get("ScaledObject", "shop", "jobs")["spec"])

    @property
    def annotations(self) -> Document:
        return dict(self.api.get("ScaledObject", "shop", "jobs")["metadata"].get("annotations") or {})

    def annotate(self, **notes: str) -> None:
        keys = {f"autoscaling.keda.sh/{key.replace('_', '-')}": value for key, value in notes.items()}
        self.api.patch("ScaledObject", "shop", "jobs", {"metadata": {"annotations": keys}})


@pytest.fixture
def keda(shop: Shop) -> Keda:
    return Keda(shop)


def test_a_scaled_object_is_moved_by_one_merge_patch_with_the_notes_on_itself(keda: Keda) -> None:
    keda.create()
    assert keda.shop.decide()["line"].startswith("shop/jobs floor 2 -> 9 DemandRising")
    (patch,) = [entry for entry in keda.api.journal.writes if entry.place and entry.place.plural == "scaledobjects"]
    assert patch.content_type == "application/merge-patch+json"
    assert patch.json["spec"] == {"minReplicaCount": 9}
    assert keda.spec["minReplicaCount"] == 9
    assert json.loads(keda.annotations["capacity/baseline"])["floor"] == 2


def test_the_loop_sees_a_lowered_scaled_object_in_the_hpa_that_keda_makes(keda: Keda) -> None:
    """KEDA copies annotations and bounds onto its HPA: no right to watch ScaledObjects is needed."""
    keda.create()
    watch = FloorWatch(ClusterReader(), watched(read_config(keda.shop.folder / "capacity.yaml").workloads))
    assert watch.places == [("shop", HPA)]
    keda.shop.decide()
    for floor, found in ((9, set()), (2, {("shop", "jobs")})):
        copied = {"metadata": {"annotations": keda.annotations}, "spec": {"minReplicas": floor}}
        keda.api.patch("HorizontalPodAutoscaler", "shop", "keda-hpa-jobs", copied, manager="keda")
        watch.note(keda.shop.hpa("keda-hpa-jobs"))
        assert watch.taken() == found


def test_a_scaled_object_is_written_only_on_change(keda: Keda) -> None:
    keda.create()
    keda.shop.decide()
    before = len(keda.api.journal.writes)
    keda.shop.decide()
    assert len(keda.api.journal.writes) == before


def test_floor_and_ceiling_of_a_scaled_object_travel_together(keda: Keda) -> None:
    keda.create(maxReplicaCount=6)
    keda.shop.configure(
        "web", target={"kind": "ScaledObject", "name": "jobs"}, ceiling_policy={"increase": {"buffer": "0%"}}
    )
    keda.shop.decide()
    assert (keda.spec["minReplicaCount"], keda.spec["maxReplicaCount"]) == (9, 9)
    assert main(["restore"]) == 0
    assert (keda.spec["minReplicaCount"], keda.spec["maxReplicaCount"]) == (2, 6)


def test_an_absent_field_becomes_absent_again(keda: Keda) -> None:
    keda.create(minReplicaCount=None, maxReplicaCount=None, idleReplicaCount=None)
    keda.shop.decide()
    assert keda.spec["minReplicaCount"] == 9
    assert main(["restore"]) == 0
    assert "minReplicaCount" not in keda.spec
    assert "maxReplicaCount" not in keda.spec
    assert keda.annotations == {}
    managers = [item["manager"] for item in keda.api.get("ScaledObject", "shop", "jobs")["metadata"]["managedFields"]]
    assert "capacity" not in managers


def test_a_scaled_object_comes_down_only_by_what_its_hpa_measures(keda: Keda) -> None:
    keda.create()
    keda.shop.decide()
    status = {"conditions": [{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}]}
    keda.api.patch("HorizontalPodAutoscaler", "shop", "keda-hpa-jobs", {"status": status}, subresource="status")
    assert keda.shop.decide(now=LATER)["reason"] == "HeldNoMetrics"
    keda.measure()
    assert keda.shop.decide(now=LATER)["floor"] == 8


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        pytest.param({"paused": "true"}, "Frozen", id="paused"),
        pytest.param({"paused": "yes, until Monday"}, "Frozen", id="any text but false pauses"),
        pytest.param({"paused_replicas": "0"}, "Frozen", id="paused at a count"),
        pytest.param({"paused_scale_out": "true"}, "RisePaused", id="no scale-out"),
        pytest.param({"paused": "false"}, "DemandRising", id="not paused"),
        pytest.param({"paused_scale_in": "true"}, "DemandRising", id="only scale-in is paused"),
    ],
)
def test_what_keda_is_told_binds_us_too(keda: Keda, notes: dict[str, str], reason: str) -> None:
    keda.create()
    keda.annotate(**notes)
    assert keda.shop.decide()["reason"] == reason
    assert keda.spec["minReplicaCount"] == (9 if reason == "DemandRising" else 2)


def test_a_scaled_object_at_zero_is_reported_not_woken(keda: Keda) -> None:
    keda.create(minReplicaCount=0)
    conditions = [{"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"}]
    status = {"status": {"desiredReplicas": 0, "currentReplicas": 0, "conditions": conditions}}
    keda.api.patch("HorizontalPodAutoscaler", "shop", "keda-hpa-jobs", status, subresource="status")
    assert keda.shop.decide()["reason"] == "ScaledToZero"
    assert keda.spec["minReplicaCount"] == 0


def test_a_scaled_object_of_which_keda_made_nothing_is_left_alone(keda: Keda) -> None:
    keda.create(made=False)
    assert keda.shop.decide()["reason"] == "HeldUnclearWish"


def test_without_keda_the_missing_definition_is_said(shop: Shop) -> None:
    shop.configure("web", target={"kind": "ScaledObject", "name": "jobs"})
    found = shop.decide()
    assert (found["code"], found["error"]) == (1, "KEDA is not installed: this cluster knows no ScaledObject")


def test_a_scaled_object_and_an_hpa_on_one_workload_are_refused(keda: Keda) -> None:
    keda.create()
    other = hpa("by-hand")
    other["spec"]["scaleTargetRef"]["name"] = "jobs"
    keda.api.create(other)
    found = keda.shop.decide()
    assert (found["reason"], found["code"]) == ("HeldTwoOwners", 3)
    assert "HorizontalPodAutoscaler/by-hand" in found["detail"]


def test_two_hpas_on_one_workload_are_refused(shop: Shop) -> None:
    other = hpa("again")
    other["spec"]["scaleTargetRef"]["name"] = "web"
    shop.api.create(other)
    assert shop.decide()["reason"] == "HeldTwoOwners"


def test_what_crane_made_is_left_to_crane(shop: Shop) -> None:
    owner = {
        "apiVersion": "autoscaling.crane.io/v1alpha1",
        "kind": "EffectiveHorizontalPodAutoscaler",
        "name": "web",
        "uid": "1",
        "controller": True,
    }
    made = hpa("ehpa-web")
    made["metadata"]["ownerReferences"] = [owner]
    shop.api.create(made)
    shop.configure("web", target={"name": "ehpa-web"})
    found = shop.decide()
    assert found["reason"] == "HeldForeignOwner"
    assert "EffectiveHorizontalPodAutoscaler/web" in found["detail"]


def plain(shop: Shop, kind: str = "Deployment", replicas: int = 3) -> None:
    """The workload `web` without any autoscaler."""
    shop.api.delete("HorizontalPodAutoscaler", "shop", "web")
    item = deployment("web", replicas=replicas, namespace="shop")
    if kind == "StatefulSet":
        item = {**item, "kind": kind, "spec": {**item["spec"], "serviceName": "web"}}
    shop.api.create(item)
    shop.configure("web", target={"kind": kind, "name": "web"})


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_replicas_without_an_autoscaler_are_moved_through_scale_and_given_back(shop: Shop, kind: str) -> None:
    plain(shop, kind)
    generation = shop.api.get(kind, "shop", "web")["metadata"]["generation"]
    assert shop.decide()["line"].startswith("shop/web floor 3 -> 9 DemandRising")
    scale = [entry for entry in shop.api.journal.writes if entry.place and entry.place.subresource == "scale"]
    assert [entry.json["spec"] for entry in scale] == [{"replicas": 9}]
    moved = shop.api.get(kind, "shop", "web")
    noted = 2 if kind == "Deployment" else 0  # its annotations count, as its ReplicaSets get them
    assert (moved["spec"]["replicas"], moved["metadata"]["generation"]) == (9, generation + 1 + noted)
    assert moved["metadata"]["annotations"]["capacity/floor"] == "9"
    assert main(["restore"]) == 0
    left = shop.api.get(kind, "shop", "web")
    assert left["spec"]["replicas"] == 3
    assert not [key for key in left["metadata"].get("annotations", {}) if key.startswith("capacity/")]
    assert "capacity" not in {entry["manager"] for entry in left["metadata"]["managedFields"]}


def between_notes_and_scale(shop: Shop, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Something happens to the workload each time after our notes and before its first scale of a pass."""
    scale = ClusterWriter.scale_target

    def late(writer: ClusterWriter, *words: Any) -> Any:
        act()
        return scale(writer, *words)

    monkeypatch.setattr(ClusterWriter, "scale_target", late)


def test_a_controller_that_has_seen_our_notes_is_nobody_who_lowered_the_floor(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real Deployment controller answers an annotation with a status at once: seen on a real control plane."""
    plain(shop)
    seen = iter([True])
    between_notes_and_scale(
        shop, monkeypatch, lambda: next(seen, False) and note_generation(shop.api, "Deployment", "shop", "web")
    )
    assert (shop.decide()["reason"], [one["reason"] for one in shop.events()]) == ("DemandRising", ["DemandRising"])
    assert shop.api.get("Deployment", "shop", "web")["spec"]["replicas"] == 9


def test_a_wish_between_our_notes_and_the_scale_is_heard(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(shop)
    freeze = {"metadata": {"annotations": {"capacity/freeze": "true"}}}
    between_notes_and_scale(
        shop, monkeypatch, lambda: shop.api.patch("Deployment", "shop", "web", freeze, manager="kubectl-annotate")
    )
    assert shop.decide()["reason"] == "Frozen"
    assert shop.api.get("Deployment", "shop", "web")["spec"]["replicas"] == 3


def test_a_pass_that_dies_between_notes_and_scale_accuses_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(shop)

    def die() -> None:
        raise ClusterError("killed")

    with monkeypatch.context() as patch:
        between_notes_and_scale(shop, patch, die)
        assert shop.decide()["code"] == 1
    assert shop.decide()["reason"] == "DemandRising"


def test_replicas_that_a_person_scaled_since_are_not_lowered(shop: Shop) -> None:
    plain(shop)
    shop.decide()
    body = {"spec": {"replicas": 15}}
    shop.api.patch("Deployment", "shop", "web", body, subresource="scale", manager="kubectl-scale")
    assert shop.decide(now=LATER)["reason"] == "HeldEdited"
    assert shop.api.get("Deployment", "shop", "web")["spec"]["replicas"] == 15


def test_the_loop_sees_replicas_that_others_scaled_down(shop: Shop) -> None:
    plain(shop)
    watch = FloorWatch(ClusterReader(), watched(read_config(shop.folder / "capacity.yaml").workloads))
    ((_, kind),) = watch.places
    shop.decide()
    stands = shop.api.get("Deployment", "shop", "web")
    assert not watch.note(stands, kind)
    fewer = {**stands, "spec": {**stands["spec"], "replicas": 3}}
    assert watch.note(fewer, kind)
    assert not watch.note(stands, kind), "it was noted a moment before it was scaled"
    assert watch.taken() == frozenset()
    assert watch.note(fewer, kind)
    assert watch.taken() == {("shop", "web")}


def test_a_deployment_at_zero_is_reported_not_woken(shop: Shop) -> None:
    plain(shop, replicas=0)
    assert shop.decide()["reason"] == "ScaledToZero"


def test_a_deployment_that_an_autoscaler_moves_is_refused_with_its_name(shop: Shop) -> None:
    shop.api.create(deployment("web", namespace="shop"))
    shop.configure("web", target={"kind": "Deployment", "name": "web"})
    found = shop.decide()
    assert found["reason"] == "HeldForeignOwner"
    assert "HorizontalPodAutoscaler/web: name that as the target" in found["detail"]


def test_a_deployment_of_a_paused_scaled_object_is_refused_too(keda: Keda) -> None:
    keda.create(made=False)
    keda.api.create(deployment("jobs", namespace="shop"))
    keda.shop.configure("web", target={"kind": "Deployment", "name": "jobs"})
    assert "ScaledObject/jobs" in keda.shop.decide()["detail"]


def test_where_scaled_objects_may_not_be_listed_hpas_are_still_moved(shop: Shop) -> None:
    shop.api.create(deployment("plain", namespace="shop"))
    shop.configure("web", "plain")
    config = json.loads((shop.folder / "capacity.yaml").read_text())
    config["workloads"][1]["target"] = {"kind": "Deployment", "name": "plain"}
    (shop.folder / "capacity.yaml").write_text(json.dumps(config))
    shop.api.faults.add("GET .*scaledobjects", refusal(403, "Forbidden", "no"), times=9)
    assert main(["apply", "--now", NOON]) == 1
    assert shop.floor() == 9
    assert shop.api.get("Deployment", "shop", "plain")["spec"]["replicas"] == 3
