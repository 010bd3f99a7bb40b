"""preview, apply and restore through the command, the official client and a socket, against the API double."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capacity.cli import main
from capacity.model import write_plan
from tests.conftest import PlanOf
from tests.double.faults import (
    Fault,
    garbled,
    internal_error,
    refusal,
    reset_after,
    reset_before,
    too_many_requests,
    unavailable,
)
from tests.shop import CONFLICT, NOON, Shop, hpa


def test_preview_shows_the_move_and_sends_only_gets(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--now", NOON, "--output", "json"]) == 0
    decision = json.loads(capsys.readouterr().out)["decisions"][0]
    assert (decision["before"], decision["floor"], decision["reason"]) == (2, 9, "DemandRising")
    assert decision["changed"] is False
    assert shop.floor() == 2
    assert {entry.method for entry in shop.api.journal} == {"GET"}


def test_apply_takes_the_floor_from_kubectl_with_exactly_one_patch(shop: Shop) -> None:
    assert main(["apply", "--now", NOON]) == 0
    (patch,) = shop.patches()
    assert patch.content_type == "application/apply-patch+yaml"
    assert dict(patch.query) == {"fieldManager": "capacity", "fieldValidation": "Strict", "force": "true"}
    assert patch.json["spec"] == {"minReplicas": 9}
    assert shop.floor() == 9
    assert shop.owners() == {("capacity", "Apply")}


def test_apply_notes_the_baseline_and_its_owner_once(shop: Shop) -> None:
    main(["apply", "--now", NOON])
    main(["apply", "--now", "2026-11-27T04:10:00Z"])
    note = json.loads(shop.hpa()["metadata"]["annotations"]["capacity/baseline"])
    assert (note["floor"], note["ceiling"]) == (2, 20)
    assert note["floor_owner"] == ["kubectl-client-side-apply", "Update"]


def test_apply_writes_an_event_with_the_reason(shop: Shop) -> None:
    main(["apply", "--now", NOON])
    (event,) = shop.events()
    assert event["reason"] == "DemandRising"
    assert event["note"].startswith("shop/web floor 2 -> 9 DemandRising (9 until 02:37Z")
    assert event["regarding"]["name"] == "web"


def test_applying_again_writes_nothing(shop: Shop) -> None:
    main(["apply", "--now", NOON])
    before = len(shop.writes())
    assert main(["apply", "--now", NOON]) == 0
    assert len(shop.writes()) == before


def test_the_floor_comes_down_one_step_per_five_minutes_however_often_passes_run(shop: Shop) -> None:
    main(["apply", "--now", NOON])
    floors = []
    for minute in range(8):
        shop.measure()
        for second in (0, 30):
            main(["apply", "--now", f"2026-11-27T04:1{minute}:{second:02}Z"])
        floors.append(shop.floor())
    assert floors == [8, 8, 8, 8, 7, 7, 7, 7]


def descend(shop: Shop, steps: int) -> list[int]:
    """The floor after each of some passes, five minutes apart, while hardly anything runs."""
    floors = []
    for step in range(steps):
        shop.measure()
        main(["apply", "--now", f"2026-11-27T04:{5 * step:02}:00Z"])
        floors.append(shop.floor())
    return floors


def test_restore_gives_value_and_ownership_back(shop: Shop) -> None:
    before = shop.hpa()
    main(["apply", "--now", NOON])
    assert main(["restore"]) == 0
    after = shop.hpa()
    assert after["spec"] == before["spec"]
    assert "annotations" not in after["metadata"] or "capacity/baseline" not in after["metadata"]["annotations"]
    assert shop.owners() == {("kubectl-client-side-apply", "Update")}
    assert "capacity" not in {entry["manager"] for entry in after["metadata"]["managedFields"]}


def test_restoring_a_floor_that_equals_the_baseline_keeps_it(shop: Shop, plan_of: PlanOf, tmp_path: Path) -> None:
    main(["apply", "--now", NOON])
    write_plan(plan_of(web=[2, 2, 2, 2, 2]), tmp_path / "plan.json")
    assert descend(shop, 8)[-1] == 2
    assert main(["restore"]) == 0
    assert shop.floor() == 2
    assert shop.owners() == {("kubectl-client-side-apply", "Update")}


def test_restoring_twice_and_restoring_the_untouched_changes_nothing(shop: Shop) -> None:
    assert main(["restore"]) == 0
    assert shop.writes() == []
    main(["apply", "--now", NOON])
    main(["restore"])
    before = len(shop.writes())
    assert main(["restore"]) == 0
    assert len(shop.writes()) == before


def test_a_restore_cut_after_its_first_write_is_finished_by_the_next(shop: Shop) -> None:
    main(["apply", "--now", NOON])
    shop.api.faults.add("PATCH .*horizontal", Fault())  # the first write goes through
    shop.api.faults.add("PATCH .*horizontal", refusal(403, "Forbidden", "not now"))
    assert main(["restore"]) == 1
    assert shop.floor() == 2
    assert main(["restore"]) == 0
    assert shop.owners() == {("kubectl-client-side-apply", "Update")}


def test_server_side_appliers_get_their_field_back_too(shop: Shop) -> None:
    shop.api.create(hpa("api"), manager="kubectl")
    shop.api.apply(hpa("api"), manager="terraform", force=True)
    shop.configure("api")
    assert main(["apply", "--now", NOON]) == 3  # the plan does not know api: held
    assert shop.floor("api") == 2


def test_a_floor_that_argo_cd_owns_is_left_alone_with_the_snippet(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.api.create(hpa("api"), manager="argocd-controller")
    shop.configure("api")
    write_plan_for(shop, "api")
    capsys.readouterr()
    assert main(["apply", "--now", NOON, "--output", "json"]) == 3
    decision = json.loads(capsys.readouterr().out)["decisions"][0]
    assert decision["reason"] == "HeldForeignOwner"
    assert "/spec/minReplicas" in decision["detail"]
    assert "RespectIgnoreDifferences=true" in decision["detail"]
    assert shop.floor("api") == 2


def test_an_autoscaler_that_keda_made_is_left_to_keda(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    made = hpa("api")
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "api", "uid": "1", "controller": True}
    made["metadata"]["ownerReferences"] = [owner]
    shop.api.create(made, manager="keda")
    shop.configure("api")
    write_plan_for(shop, "api")
    assert main(["apply", "--now", NOON, "--output", "json"]) == 3
    assert "made and rewritten by ScaledObject/api" in capsys.readouterr().out
    assert shop.floor("api") == 2


def test_a_floor_that_argo_cd_leaves_alone_is_moved(shop: Shop) -> None:
    shop.api.create(hpa("api"), manager="argocd-controller")
    shop.configure("api", target={"name": "api", "ignored_by": ["argocd-controller"]})
    write_plan_for(shop, "api")
    assert main(["apply", "--now", NOON]) == 0
    assert shop.floor("api") == 9


def test_an_honored_ceiling_in_git_holds_no_floor_that_is_not(shop: Shop) -> None:
    """The manifest in git leaves minReplicas out, as it should; a ceiling that may rise is another matter."""
    document = hpa("api")
    del document["spec"]["minReplicas"]
    shop.api.apply(document, manager="argocd-controller")  # server-side: what git says, not what the server fills in
    shop.configure("api")
    write_plan_for(shop, "api")
    assert main(["apply", "--now", NOON]) == 0
    assert shop.floor("api") == 9
    shop.configure("api", ceiling_policy={"increase": {"buffer": "10%"}})
    assert main(["apply", "--now", "2026-11-27T02:40:00Z"]) == 3


def write_plan_for(shop: Shop, name: str) -> None:
    path = shop.folder / "plan.json"
    path.write_text(path.read_text().replace('"name": "web"', f'"name": "{name}"'))


def test_a_floor_that_a_person_edited_since_is_not_lowered(shop: Shop) -> None:
    main(["apply", "--now", NOON])
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 12}}, manager="kubectl-edit")
    assert main(["apply", "--now", "2026-11-27T04:10:00Z"]) == 3
    assert shop.floor() == 12
    assert main(["restore"]) == 0
    assert shop.floor() == 12


def test_one_missing_autoscaler_does_not_stop_the_others(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.configure("gone", "web")
    assert main(["apply", "--now", NOON, "--output", "json"]) == 1
    outcomes = {item["name"]: item for item in json.loads(capsys.readouterr().out)["decisions"]}
    assert "no HorizontalPodAutoscaler 'gone' in namespace shop; it has ['web']" in outcomes["gone"]["error"]
    assert outcomes["web"]["changed"] is True


@pytest.mark.parametrize("times", [1, 3])
def test_a_conflict_is_read_and_decided_again(shop: Shop, times: int) -> None:
    shop.api.faults.add("PATCH .*horizontal", CONFLICT, times=times)
    assert main(["apply", "--now", NOON]) == 0
    assert shop.floor() == 9


def test_endless_conflicts_end_with_an_error_and_the_floor_untouched(shop: Shop) -> None:
    shop.api.faults.add("PATCH .*horizontal", CONFLICT, times=20)
    assert main(["apply", "--now", NOON]) == 1
    assert shop.floor() == 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(too_many_requests(retry_after=0), id="throttled"),
        pytest.param(internal_error(), id="broken"),
        pytest.param(unavailable(), id="unavailable"),
        pytest.param(reset_before(), id="cut off before the change"),
    ],
)
def test_a_patch_is_retried_when_the_server_is(shop: Shop, fault: Fault) -> None:
    shop.api.faults.add("PATCH .*horizontal", fault, times=2)
    assert main(["apply", "--now", NOON]) == 0
    assert shop.floor() == 9


def test_a_connection_cut_after_the_change_is_harmless(shop: Shop) -> None:
    shop.api.faults.add("PATCH .*horizontal", reset_after())
    main(["apply", "--now", NOON])
    assert main(["apply", "--now", NOON]) == 0
    assert shop.floor() == 9
    assert json.loads(shop.hpa()["metadata"]["annotations"]["capacity/baseline"])["floor"] == 2


def test_an_answer_that_is_no_json_fails_one_pass_and_heals_in_the_next(shop: Shop) -> None:
    shop.api.faults.add("PATCH .*horizontal", garbled())
    assert main(["apply", "--now", NOON]) == 1
    assert main(["apply", "--now", NOON]) == 0
    assert shop.floor() == 9


def test_forbidden_is_one_clear_line(shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shop.api.kubeconfig(tmp_path / "kubeconfig", token=shop.api.token("nobody"))
    assert main(["preview", "--now", NOON]) == 1
    assert "403" in capsys.readouterr().out


def test_an_expired_plan_holds_the_floor_then_moves_to_the_safe_one(shop: Shop) -> None:
    assert main(["apply", "--now", "2026-11-27T06:00:00Z"]) == 3
    assert shop.floor() == 2
    assert main(["apply", "--now", "2026-11-27T12:00:00Z"]) == 3
    assert shop.floor() == 9


def test_floor_and_raised_ceiling_travel_in_one_patch_and_the_ceiling_comes_back(
    shop: Shop, plan_of: PlanOf, tmp_path: Path
) -> None:
    shop.configure("web", ceiling_policy={"increase": {"buffer": "10%"}})
    write_plan(plan_of(web=[4, 4, 30, 30, 3, 3], ceiling=33), tmp_path / "plan.json")
    assert main(["apply", "--now", NOON]) == 0
    assert shop.hpa()["spec"]["minReplicas"] == 30
    assert shop.hpa()["spec"]["maxReplicas"] == 33
    shop.configure("web", step_down="100%", ceiling_policy={"increase": {"buffer": "10%"}})
    descend(shop, 2)
    assert (shop.floor(), shop.hpa()["spec"]["maxReplicas"]) == (3, 20)
    assert main(["restore"]) == 0
    assert (shop.floor(), shop.hpa()["spec"]["maxReplicas"]) == (2, 20)
    assert "capacity" not in {entry["manager"] for entry in shop.hpa()["metadata"]["managedFields"]}


def test_a_workload_at_zero_is_reported_not_woken(shop: Shop) -> None:
    conditions = [{"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"}]
    status = {"status": {"desiredReplicas": 0, "conditions": conditions}}
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", status, subresource="status")
    assert main(["apply", "--now", NOON]) == 3
    assert shop.floor() == 2


def test_the_plan_travels_through_config_maps(shop: Shop, plan_of: PlanOf) -> None:
    from capacity.cluster import ClusterWriter, read_plan_maps, write_plan_maps

    plan = plan_of(web=[4, 4, 9], api=[1, 2, 3])
    assert write_plan_maps(ClusterWriter(), plan) == ["shop/capacity-plan-a-0"]
    assert read_plan_maps(ClusterWriter(), "shop") == plan
    assert main(["apply", "--from-cluster", "--now", NOON]) == 0
    assert shop.floor() == 9


def test_without_a_plan_in_the_cluster_nothing_moves(shop: Shop) -> None:
    assert main(["apply", "--from-cluster", "--now", NOON]) == 1
    assert shop.floor() == 2
    assert shop.writes() == []
