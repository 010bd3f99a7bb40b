"""Beside Helm, kubectl, Terraform and GitOps: whom we take a floor from, and what happens when they take it back."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from capacity.app import read_config
from capacity.app.doctor.targets import check_targets
from capacity.app.floor_watch import FloorWatch, lowered
from capacity.cli import main
from capacity.cluster.client import ClusterReader
from capacity.cluster.inventory import read_inventory
from capacity.cluster.kinds import HPA, SCALED_OBJECT
from capacity.cluster.ownership import Owner, advice, handed_over
from tests.double.manifests import deployment
from tests.shop import NOON, Shop, hpa
from tests.waiting import until

Document = dict[str, Any]
LATER = "2026-11-27T02:31:00Z"
TOOLS = [
    pytest.param("helm", "Apply", "Helm 4", "remove minReplicas from the chart's", id="Helm 4"),
    pytest.param("helm", "Update", "Helm", "remove minReplicas from the chart's", id="Helm 3"),
    pytest.param("kubectl", "Apply", "kubectl apply --server-side", "remove minReplicas from the manifest", id="SSA"),
    pytest.param("kubectl-client-side-apply", "Update", "kubectl apply", "edit-last-applied", id="kubectl apply"),
    pytest.param("kubectl-edit", "Update", "kubectl-edit", "nothing needs to be changed", id="kubectl edit"),
    pytest.param("kubectl-patch", "Update", "kubectl-patch", "nothing needs to be changed", id="kubectl patch"),
    pytest.param("Terraform", "Apply", "Terraform", "ignore_changes = [spec[0].min_replicas]", id="Terraform"),
    pytest.param("Terraform", "Update", "Terraform", "computed_fields", id="Terraform, client-side"),
    pytest.param("argocd-controller", "Apply", "Argo CD", "jsonPointers: [/spec/minReplicas", id="Argo CD"),
    pytest.param("kustomize-controller", "Apply", "Flux (kustomize-controller)", "manifest in Git", id="Flux"),
    pytest.param("helm-controller", "Apply", "Flux (helm-controller)", "driftDetection.ignore", id="Flux with Helm"),
    pytest.param("pulumi", "Apply", "pulumi (Apply)", "remove minReplicas from what it writes", id="any other"),
]


@pytest.mark.parametrize(("manager", "operation", "tool", "cure"), TOOLS)
def test_each_tool_is_known_by_its_manager_and_operation(manager: str, operation: str, tool: str, cure: str) -> None:
    found = advice(Owner(manager, operation), HPA, "web")
    assert found.tool == tool
    assert cure in found.cure
    assert "minReplicaCount" in advice(Owner("helm", "Apply"), SCALED_OBJECT, "web").cure


def owned(shop: Shop, manager: str, operation: str, floor: int = 2) -> None:
    """The autoscaler as this tool wrote it."""
    if shop.api.list("HorizontalPodAutoscaler", "shop"):
        shop.api.delete("HorizontalPodAutoscaler", "shop", "web")
    if operation == "Apply":
        shop.api.apply(hpa(floor=floor), manager=manager)
    else:
        shop.api.create(hpa(floor=floor), manager=manager)


@pytest.mark.parametrize(("manager", "operation", "tool", "cure"), TOOLS)
def test_a_field_is_not_taken_from_who_applies_it_unasked(
    shop: Shop, manager: str, operation: str, tool: str, cure: str
) -> None:
    owned(shop, manager, operation)
    found = shop.decide()
    if operation == "Update":
        assert (found["reason"], shop.floor()) == ("DemandRising", 9)
        return
    assert (found["reason"], found["code"], shop.floor(), shop.patches()) == ("HeldForeignOwner", 3, 2, [])
    assert cure in found["detail"]


@pytest.mark.parametrize("manager", ["helm", "kubectl", "Terraform"])
def test_who_applies_is_taken_from_with_take(shop: Shop, manager: str) -> None:
    owned(shop, manager, "Apply")
    assert "set target.take: true" in shop.decide()["detail"]
    shop.configure("web", target={"take": True})
    assert (shop.decide()["reason"], shop.floor()) == ("DemandRising", 9)
    assert main(["restore"]) == 0
    assert (shop.floor(), shop.owners()) == (2, {(manager, "Apply")})


def test_take_is_no_leave_to_fight_a_controller(shop: Shop) -> None:
    owned(shop, "argocd-controller", "Apply")
    shop.configure("web", target={"take": True})
    assert shop.decide()["reason"] == "HeldForeignOwner"


def test_a_manifest_without_the_field_needs_nothing(shop: Shop) -> None:
    shop.api.delete("HorizontalPodAutoscaler", "shop", "web")
    document = hpa()
    del document["spec"]["minReplicas"]
    shop.api.apply(document, manager="helm")
    assert (shop.decide()["reason"], shop.floor()) == ("DemandRising", 9)
    shop.api.apply(document, manager="helm")  # no conflict, nothing reset
    assert shop.floor() == 9


@pytest.mark.parametrize(("manager", "operation", "tool", "cure"), TOOLS)
def test_init_and_doctor_name_the_tool_and_the_line_to_change(
    shop: Shop, manager: str, operation: str, tool: str, cure: str
) -> None:
    """A person at a keyboard is no tool: there is no line to change."""
    owned(shop, manager, operation)
    shop.api.create(deployment("web", namespace="shop"))
    reader, now = ClusterReader(), datetime(2026, 11, 27, 12, tzinfo=UTC)
    (drafted,) = read_inventory(reader, ["shop"], now).found
    workloads = read_config(shop.folder / "capacity.yaml").workloads
    found = " ".join(f"{one.detail} {one.fix}" for one in check_targets(workloads, reader, now))
    if manager in ("kubectl-edit", "kubectl-patch"):
        assert drafted.owner is None
        assert "set its floor" not in found
        return
    assert drafted.owner is not None
    assert f"{tool} set this floor" in drafted.owner
    assert cure in drafted.owner
    assert cure in found
    assert tool in found or manager in found


def test_preview_says_what_the_tool_will_do(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--now", NOON]) == 0
    assert "shop/web: kubectl apply set this floor: its next run puts" in capsys.readouterr().err
    assert main(["apply", "--now", NOON]) == 0
    assert "edit-last-applied" not in capsys.readouterr().err, "said by preview, not in every pass"


def entry(manager: str, operation: str) -> Document:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "autoscaling/v2",
        "fieldsV1": {"f:spec": {"f:minReplicas": {}}},
    }


@pytest.mark.parametrize(
    ("others", "heir", "left"),
    [
        pytest.param([], None, [{}], id="to nobody: the value stays, unowned"),
        pytest.param([], Owner("helm", "Update"), [("helm", "Update")], id="to its heir"),
        pytest.param(
            [("flux", "Apply")], Owner("helm", "Update"), [("flux", "Apply")], id="who holds it keeps it alone"
        ),
        pytest.param([("flux", "Apply")], None, [("flux", "Apply")], id="who holds it keeps it"),
    ],
)
def test_a_field_is_handed_over(others: list[tuple[str, str]], heir: Owner | None, left: list[Any]) -> None:
    document = {
        "apiVersion": "autoscaling/v2",
        "metadata": {"managedFields": [entry("capacity", "Apply"), *(entry(*one) for one in others)]},
    }
    found = handed_over(document, "capacity", [(("f:spec", "f:minReplicas"), heir)], "2026-11-27T02:30:00Z")
    assert [one and (one["manager"], one["operation"]) for one in found] == left


def deploy(shop: Shop, manager: str, operation: str, floor: int | None) -> None:
    """The next run of a tool: it puts its own floor back, or (None) leaves the field out."""
    document = hpa(floor=2 if floor is None else floor)
    if floor is None:
        del document["spec"]["minReplicas"]
    if operation == "Apply":
        shop.api.apply(document, manager=manager, force=True)
    else:
        body = {"spec": {"minReplicas": floor}}
        shop.api.patch("HorizontalPodAutoscaler", "shop", "web", body, manager=manager)


@pytest.mark.parametrize(
    ("manager", "operation"),
    [
        ("helm", "Apply"),
        ("helm", "Update"),
        ("kubectl", "Apply"),
        ("kubectl-client-side-apply", "Update"),
        ("kubectl-patch", "Update"),
        ("Terraform", "Apply"),
    ],
)
def test_a_lowered_floor_is_put_right_and_the_event_names_who_lowered_it(
    shop: Shop, manager: str, operation: str
) -> None:
    shop.decide()
    deploy(shop, manager, operation, 2)
    found = shop.decide(now=LATER)
    assert (found["reason"], shop.floor()) == ("FloorLoweredByOthers", 9)
    assert found["detail"].startswith(f"{manager} lowered this floor from 9 to 2; 9 until")
    assert shop.events()[-1]["reason"] == "FloorLoweredByOthers"
    assert shop.events()[-1]["type"] == "Warning"
    assert main(["restore"]) == 0
    assert (shop.floor(), shop.owners()) == (2, {("kubectl-client-side-apply", "Update")})


def test_client_side_apply_that_dropped_the_field_leaves_the_default(shop: Shop) -> None:
    """Its last-applied configuration still had it: the field is removed, and the server fills in 1."""
    shop.decide()
    body = {"spec": {"minReplicas": None}}
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", body, manager="kubectl-client-side-apply")
    assert shop.floor() == 1
    found = shop.decide(now=LATER)
    assert (found["reason"], shop.floor()) == ("FloorLoweredByOthers", 9)
    assert "lowered this floor from 9 to 1" in found["detail"]


def test_a_floor_that_others_raised_is_theirs(shop: Shop) -> None:
    shop.decide()
    deploy(shop, "kubectl-edit", "Update", 14)
    found = shop.decide(now="2026-11-27T04:30:00Z")
    assert (found["reason"], shop.floor()) == ("HeldEdited", 14)
    deploy(shop, "kubectl-edit", "Update", 10)
    assert shop.decide(now="2026-11-27T04:31:00Z")["reason"] == "HeldEdited", "10 is not below what we set"


def test_a_write_of_the_same_value_moves_only_the_ownership(shop: Shop) -> None:
    """As where a policy of the cluster keeps the floor: Helm owns it then, and it is still ours to lower."""
    shop.decide()
    deploy(shop, "helm", "Apply", 9)
    assert shop.owners() == {("helm", "Apply")} | {("capacity", "Apply")}
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 8}}, manager="helm-x")
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 9}}, manager="helm-x")
    shop.measure()
    found = shop.decide(now="2026-11-27T04:30:00Z")
    assert (found["reason"], found["floor"]) == ("DemandFalling", 8)


@pytest.mark.parametrize("wish", ["freeze", "exclude"])
def test_what_a_person_froze_is_not_put_right(shop: Shop, wish: str) -> None:
    shop.decide()
    shop.annotate(**{wish: "true"})
    deploy(shop, "kubectl-edit", "Update", 4)
    assert shop.decide(now=LATER)["reason"] in ("Frozen", "Excluded")
    assert shop.floor() == 4
    assert not lowered(shop.hpa())


def watch_of(shop: Shop, now: list[float]) -> FloorWatch:
    reader = ClusterReader(str(shop.api.kubeconfig(shop.folder / "watch")))
    return FloorWatch(reader, [("shop", HPA)], clock=lambda: now[0])


def test_the_watch_finds_what_others_lower_and_not_what_we_lower(shop: Shop) -> None:
    watch = watch_of(shop, [0.0])
    shop.decide()
    assert not watch.note(shop.hpa())
    shop.measure()
    assert shop.decide(now="2026-11-27T04:30:00Z")["floor"] == 8
    assert not watch.note(shop.hpa()), "value and note move in one request"
    watch.start()
    threads = [one for one in threading.enumerate() if one.name == "watch shop horizontalpodautoscalers"]
    assert [one.daemon for one in threads] == [True], "it does not keep the process alive"
    deploy(shop, "helm", "Update", 2)
    until(watch.wake.is_set)
    assert watch.taken() == {("shop", "web")}
    assert watch.taken() == frozenset()
    watch.stop()


def test_a_floor_that_is_lowered_again_and_again_waits_for_the_pass(shop: Shop) -> None:
    """Two who write by themselves would fight at the pace of the watch."""
    now = [10_000.0]
    watch = watch_of(shop, now)
    shop.decide()
    deploy(shop, "helm", "Update", 2)
    seen = []
    for _ in range(7):
        seen.append(watch.note(shop.hpa()))
        assert watch.note(shop.hpa()) is seen[-1], "seen twice, put right once"
        watch.taken()
        now[0] += 10
    assert seen == [True] * 5 + [False] * 2
    now[0] = 10_600
    assert watch.note(shop.hpa())


class Stop(threading.Event):
    """An event that is set after some waits; nobody waits for them."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.waits, self._after = list[float](), after

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        if len(self.waits) == self._after:
            self.set()
        return self.is_set()


@pytest.mark.parametrize("known", [True, False], ids=["403", "401"])
def test_a_watch_that_is_forbidden_says_so_once_and_asks_again(
    shop: Shop, caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    """An API server that has just started may answer 403 for a moment: a watch that gives up would be gone for good."""
    token = shop.api.token("nobody") if known else "worthless"
    reader = ClusterReader(str(shop.api.kubeconfig(shop.folder / "nobody", token=token)))
    stop = Stop(after=3)
    with caplog.at_level("WARNING", "capacity"):
        FloorWatch(reader, [("shop", HPA)], clock=lambda: 0.0, _stop=stop)._watch("shop")
    assert stop.waits == [240.0] * 3
    (warning,) = caplog.messages
    assert "shop: horizontalpodautoscalers are not watched" in warning


@pytest.mark.parametrize("lasts", [0.0, 2.0, 240.0])
def test_a_watch_that_ends_at_once_is_not_begun_again_at_once(shop: Shop, lasts: float) -> None:
    """A proxy that cuts every answer off would have all objects sent again and again."""
    now = [100.0]

    class Reader(ClusterReader):
        def watch(self, *_: object) -> Iterator[Document]:
            now[0] += lasts
            return iter(())

    stop = Stop(after=1)
    FloorWatch(Reader(), [("shop", HPA)], clock=lambda: now[0], _stop=stop)._watch("shop")
    assert stop.waits == [max(0.0, 5.0 - lasts)]


def test_the_loop_puts_a_lowered_floor_right_long_before_its_next_pass(shop: Shop) -> None:
    """The period is an hour, and a test waits for a quarter of one at most: only the watch can have seen it."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    plan = shop.folder / "plan.json"
    document = json.loads(plan.read_text())
    document["workloads"][0] |= {"start": start.isoformat(), "steps": 24, "floor": [[0, 9, "PlanStart"]]}
    plan.write_text(json.dumps(document))
    shop.configure("web", controller={"period": "1h"})
    environment = {"KUBECONFIG": str(shop.api.kubeconfig(shop.folder / "loop")), "PATH": "/usr/bin:/bin"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "capacity", "run", "--health-port", "0"]
    process = subprocess.Popen(command, cwd=shop.folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: shop.floor() == 9 and any(entry.verb == "watch" for entry in shop.api.journal))
        for manager in ("helm", "kubectl-patch"):
            deploy(shop, manager, "Update", 2)
            until(partial(floor_is, shop, 9))
        until(lambda: lowered_events(shop) == 2)
    finally:
        process.terminate()
        printed, _ = process.communicate()
    assert process.returncode == 0
    assert "FloorLoweredByOthers (helm lowered this floor from 9 to 2" in printed


def lowered_events(shop: Shop) -> int:
    return [event["reason"] for event in shop.events()].count("FloorLoweredByOthers")


def floor_is(shop: Shop, floor: int) -> bool:
    return shop.floor() == floor
