"""An autoscaler's own target under `manage: [floor, target]`: set exactly, noted, shown, refused, and given back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from capacity.cli import main
from capacity.model import DataError, LoadModel, Replica, Workload, write_plan
from capacity.model.policy import Policy
from capacity.model.workload import Target
from tests.conftest import PlanOf
from tests.shop import CONFLICT, NOON, Shop, hpa

MANAGED = Policy(68, standing="managed")
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 90}},
}


def target(shop: Shop, place: int = 0) -> int:
    return int(shop.hpa()["spec"]["metrics"][place]["resource"]["target"]["averageUtilization"])


@pytest.fixture
def managed(shop: Shop, plan_of: PlanOf) -> Shop:
    """The plan's policy has a target of 68; the autoscaler stands at 60, with memory as its second metric."""
    shop.configure("web", manage=["floor", "target"])
    write(shop, plan_of, MANAGED)
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"metrics": [*hpa()["spec"]["metrics"], MEMORY]}})
    shop.api.journal.clear()
    return shop


def write(shop: Shop, plan_of: PlanOf, policy: Policy | None) -> None:
    plan = plan_of(web=[2, 2, 2, 2, 2])
    workloads = tuple(replace(one, policy=policy) for one in plan.workloads)
    write_plan(replace(plan, workloads=workloads), shop.folder / "plan.json")


def notes(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = shop.hpa()["metadata"].get("annotations") or {}
    return {key: text for key, text in found.items() if key.startswith("capacity/target")}


def test_the_target_alone_is_patched_and_noted(managed: Shop) -> None:
    managed.measure()
    assert main(["apply", "--now", NOON]) == 0
    (patch,) = [one for one in managed.patches() if one.content_type == "application/json-patch+json"]
    where = "/spec/metrics/0/resource"
    assert patch.json[1:4] == [
        {"op": "test", "path": f"{where}/name", "value": "cpu"},
        {"op": "test", "path": f"{where}/target/averageUtilization", "value": 60},
        {"op": "replace", "path": f"{where}/target/averageUtilization", "value": 68},
    ]
    assert (target(managed), target(managed, 1), managed.floor()) == (68, 90, 2)
    assert json.loads(notes(managed)["capacity/target-baseline"])["target"] == 60
    main(["apply", "--now", NOON])  # notes the safe floor on an object that was never touched before
    writes = len(managed.patches())
    assert main(["apply", "--now", NOON]) == 0
    assert len(managed.patches()) == writes


def test_a_pass_that_moves_only_the_target_has_changed_something(managed: Shop) -> None:
    managed.measure()
    assert managed.decide()["changed"] is True
    metrics = managed.hpa()["spec"]["metrics"]
    metrics[0]["resource"]["target"]["averageUtilization"] = 55
    managed.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"metrics": metrics}}, manager="kubectl-edit")
    assert managed.decide()["changed"] is False, "refused: a person moved it"


def test_a_preview_shows_the_target_and_writes_nothing(managed: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    managed.measure()
    assert main(["preview", "--now", NOON, "--output", "json"]) == 0
    (decision,) = json.loads(capsys.readouterr().out)["decisions"]
    assert decision["target_utilization"] == {"before": 60, "after": 68, "refused": None}
    assert target(managed) == 60
    main(["preview", "--now", NOON])
    assert "target 60 -> 68" in capsys.readouterr().out


def test_restore_gives_target_and_ownership_back(managed: Shop) -> None:
    managed.measure()
    before = managed.hpa()
    main(["apply", "--now", NOON])
    assert main(["restore", "--now", NOON]) == 0
    after = managed.hpa()
    assert after["spec"] == before["spec"]
    assert notes(managed) == {}
    assert {one["manager"] for one in after["metadata"]["managedFields"]} == {
        one["manager"] for one in before["metadata"]["managedFields"]
    }


@pytest.mark.parametrize(
    "policy", [pytest.param(None, id="a plan without a policy"), pytest.param(Policy(60), id="the target that stands")]
)
def test_a_target_that_is_managed_no_more_goes_back(managed: Shop, plan_of: PlanOf, policy: Policy | None) -> None:
    managed.measure()
    main(["apply", "--now", NOON])
    write(managed, plan_of, policy)
    assert main(["apply", "--now", NOON]) == 0
    assert target(managed) == 60
    assert notes(managed) == {}


def test_without_manage_a_target_is_never_touched(managed: Shop) -> None:
    managed.configure("web")
    managed.measure()
    assert main(["apply", "--now", NOON]) == 0
    assert target(managed) == 60


def test_a_target_that_git_writes_again_is_refused(managed: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    managed.api.delete("HorizontalPodAutoscaler", "shop", "web")
    managed.api.create(hpa(), manager="argocd-controller")
    managed.configure("web", manage=["floor", "target"], target={"ignored_by": ["argocd-controller"]})
    managed.measure()
    assert main(["apply", "--now", NOON]) == 0
    assert target(managed) == 60
    assert "argocd-controller sets spec.metrics back by itself: set the target in Git" in capsys.readouterr().err


def test_a_target_that_a_person_moved_since_stays(managed: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    managed.measure()
    main(["apply", "--now", NOON])
    metrics = managed.hpa()["spec"]["metrics"]
    metrics[0]["resource"]["target"]["averageUtilization"] = 55
    managed.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"metrics": metrics}}, manager="kubectl-edit")
    assert main(["apply", "--now", NOON]) == 0
    assert target(managed) == 55
    assert "somebody set it to 55 since it was set to 68" in capsys.readouterr().err
    main(["restore", "--now", NOON])
    assert target(managed) == 55


def test_an_autoscaler_of_external_metrics_keeps_them(managed: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    metric = {
        "type": "External",
        "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "5"}},
    }
    managed.api.delete("HorizontalPodAutoscaler", "shop", "web")
    document = hpa()
    managed.api.create({**document, "spec": {**document["spec"], "metrics": [metric]}})
    conditions = [{"type": kind, "status": "True", "reason": "Good"} for kind in ("AbleToScale", "ScalingActive")]
    current = [{"type": "External", "external": {"metric": {"name": "queue"}, "current": {"averageValue": "1"}}}]
    status = {"currentReplicas": 2, "desiredReplicas": 2, "conditions": conditions, "currentMetrics": current}
    managed.api.patch("HorizontalPodAutoscaler", "shop", "web", {"status": status}, subresource="status")
    assert main(["apply", "--now", NOON]) == 0
    assert managed.hpa()["spec"]["metrics"] == [metric]
    assert "only its floor can be managed" in capsys.readouterr().err


@pytest.mark.parametrize("note", ["capacity/exclude", "capacity/freeze"])
def test_wishes_of_people_hold_for_the_target_too(managed: Shop, note: str) -> None:
    managed.measure()
    managed.annotate(**{note.removeprefix("capacity/"): "true"})
    main(["apply", "--now", NOON])
    assert target(managed) == 60


def test_a_conflict_is_read_and_decided_again(managed: Shop) -> None:
    managed.measure()
    managed.api.faults.add("PATCH .*horizontal", CONFLICT)
    assert main(["apply", "--now", NOON]) == 0
    assert target(managed) == 68


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"manage": ("target",)}, "expected floor, or floor and target"),
        ({"manage": ("floor", "target"), "target": Target("web", "ScaledObject")}, "only a HorizontalPodAutoscaler"),
    ],
)
def test_what_cannot_be_managed_is_refused(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        Workload("shop", "web", LoadModel(0, 0.1, 0, 0), Replica(0.5, 2**29), floor=1, ceiling=9, **keys)
