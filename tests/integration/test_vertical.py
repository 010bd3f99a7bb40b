"""Pods resized in place, through the command, the official client and a socket, against the API double."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from capacity.cli import main
from tests.database import SMALL, Database
from tests.double import KubernetesDouble
from tests.double.actors import defer_resize, finish_resize, refuse_resize
from tests.double.faults import Fault, refusal, reset_after, unavailable
from tests.double.manifests import autoscaler

DAY = "2026-11-27T"
BEFORE, PEAK = f"{DAY}00:30:00Z", f"{DAY}00:57:00Z"
CPU, MEMORY = [1000, 4000, 4000, *[1000] * 21], [2048, 4096, 4096, *[2048] * 21]
RESIZE = "PATCH .*/pods/db-1/resize"
ROOM = "Node didn't have enough capacity: cpu, requested: 4000, capacity: 3000"


@pytest.fixture
def database(
    kubernetes_double: KubernetesDouble, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Database:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    made = Database(kubernetes_double, tmp_path)
    made.plan(CPU, MEMORY)
    kubernetes_double.journal.clear()
    return made


def raised(database: Database) -> None:
    """Sizes as they stand at the peak."""
    database.measure(PEAK)
    assert database.decide(at=PEAK)["code"] == 0
    assert database.size() == ("4", "4Gi")
    for ordinal in range(3):
        finish_resize(database.api, "shop", f"db-{ordinal}")
    database.api.journal.clear()


def test_preview_shows_the_sizes_and_sends_only_gets(database: Database) -> None:
    found = database.decide("preview", PEAK)
    assert found["db-0"]["line"] == "Pod/db-0 cpu 1 -> 4, memory 2Gi -> 4Gi DemandRising"
    assert database.size() == ("1", "2Gi")
    assert {entry.method for entry in database.api.journal} == {"GET"}


def test_sizes_rise_before_the_peak_by_the_lead_time_and_not_before(database: Database) -> None:
    assert database.decide(at=f"{DAY}00:20:00Z")["db-0"]["reason"] == "AsPlanned"
    assert database.resizes() == []
    assert database.decide(at=PEAK)["db-0"]["changed"] is True
    assert [database.size(f"db-{ordinal}") for ordinal in range(3)] == [("4", "4Gi")] * 3
    assert database.resources()["limits"] == {"cpu": "8", "memory": "4Gi"}, "limits keep the template's ratio"


def test_the_baseline_is_noted_on_the_owner_before_any_pod_is_resized(database: Database) -> None:
    database.decide(at=PEAK)
    writes = [entry.path for entry in database.api.journal.writes if "leases" not in entry.path]
    assert writes[0].endswith("/statefulsets/db")
    baseline = json.loads(database.notes()["capacity/size-baseline"])
    assert baseline["containers"]["app"]["requests"] == {"cpu": 1000, "memory": 2 * 2**30}
    template = database.api.get("StatefulSet", "shop", "db")["spec"]["template"]["spec"]["containers"][0]
    assert template["resources"] == SMALL, "a changed template would roll the pods"


def test_where_nothing_changes_nothing_is_written(database: Database) -> None:
    raised(database)
    database.measure(f"{DAY}01:00:00Z")
    database.decide(at=f"{DAY}01:00:00Z")
    database.api.journal.clear()
    assert database.decide(at=f"{DAY}01:01:00Z")["db-0"]["reason"] == "AsPlanned"
    assert database.api.journal.writes == []


def test_a_new_pod_gets_the_size_at_the_next_pass(database: Database) -> None:
    raised(database)
    database.restart("db-1")
    found = database.decide(at=f"{DAY}01:30:00Z")
    assert [found[f"db-{ordinal}"]["changed"] for ordinal in range(3)] == [False, True, False]
    assert database.size("db-1") == ("4", "4Gi")


def test_cpu_comes_down_in_steps_and_memory_not_within_the_day(database: Database) -> None:
    raised(database)
    seen = []
    for minute in ("03:10", "03:12", "03:45"):
        database.measure(f"{DAY}{minute}:00Z")
        found = database.decide(at=f"{DAY}{minute}:00Z")
        seen.append((*database.size(), found["db-0"]["reason"]))
    steps = [("3", "4Gi", "DemandFalling"), ("3", "4Gi", "StepDown"), ("2300m", "4Gi", "DemandFalling")]
    assert seen == steps, "a quarter at most, half an hour apart; what was used in the last day is not known yet"


def test_memory_comes_down_once_a_whole_day_was_seen_below_it(database: Database) -> None:
    raised(database)
    database.plan(CPU[:1] * 72, [2048, 4096, 4096, *[1024] * 69])
    for day in range(27, 29):
        for hour in (3, 9, 15, 21):
            at = f"2026-11-{day}T{hour:02}:00:00Z"
            database.measure(at, memory="1200Mi")
            database.decide(at=at)
    memory = int(database.size()[1].removesuffix("Mi"))
    assert 1200 / 0.8 <= memory < 2048, "at least what the last day's use needs at the target"


def test_nothing_comes_down_because_metrics_vanished(database: Database) -> None:
    raised(database)
    assert database.decide(at=f"{DAY}04:00:00Z")["db-0"]["reason"] == "HeldNoMetrics", "stale by three hours"
    database.measure(f"{DAY}05:00:00Z")
    database.api.delete("PodMetrics", "shop", "db-2")
    found = database.decide(at=f"{DAY}05:00:00Z")
    assert (found["code"], found["db-0"]["reason"]) == (3, "HeldNoMetrics")
    database.api.faults.add("GET .*/metrics.k8s.io/.*", refusal(404, "NotFound", "no such group"))
    assert "install metrics-server" in database.decide(at=f"{DAY}05:00:00Z")["db-0"]["detail"]
    assert database.size() == ("4", "4Gi")


@pytest.mark.parametrize(
    ("plan", "at", "reason", "size"),
    [
        pytest.param("absent", f"{DAY}04:00:00Z", "HeldNoPlan", "4", id="without a plan sizes are held"),
        pytest.param("silent", f"{DAY}04:00:00Z", "HeldNoPlan", "4", id="as where the plan sizes nothing"),
        pytest.param("good", "2026-11-28T03:00:00Z", "HeldPlanExpired", "4", id="and where it has ended"),
        pytest.param("good", "2026-11-28T07:00:00Z", "PlanExpired", "3", id="then they go to the safe size in steps"),
    ],
)
def test_without_a_plan_to_follow(database: Database, plan: str, at: str, reason: str, size: str) -> None:
    raised(database)
    if plan == "absent":
        (database.folder / "plan.json").unlink()
    elif plan == "silent":
        database.plan()
    database.measure(at)
    found = database.decide(at=at)
    assert (found["db-0"]["reason"], database.size()[0]) == (reason, size)


def test_a_deferred_resize_is_told_once_and_looked_at_again(database: Database) -> None:
    raised(database)
    defer_resize(database.api, "shop", "db-1", "Node didn't have enough resource: cpu")
    for at in ("01:10", "01:11"):
        found = database.decide(at=f"{DAY}{at}:00Z")
        assert (found["code"], found["db-1"]["reason"]) == (0, "ResizeDeferred")
        assert "enough resource: cpu" in found["db-1"]["detail"]
    assert [event["reason"] for event in database.events()] == ["ResizeDeferred"]
    finish_resize(database.api, "shop", "db-1")
    assert database.decide(at=f"{DAY}01:12:00Z")["db-1"]["reason"] == "AsPlanned"


def test_an_infeasible_resize_is_said_at_once_and_what_fits_is_asked_for(database: Database) -> None:
    database.measure(PEAK)
    database.decide(at=PEAK)
    for ordinal in (0, 2):
        finish_resize(database.api, "shop", f"db-{ordinal}")
    refuse_resize(database.api, "shop", "db-1", ROOM)
    database.api.journal.clear()
    found = database.decide(at=f"{DAY}01:00:00Z")
    assert (found["code"], found["db-1"]["reason"]) == (3, "ResizeInfeasible")
    assert "requested: 4000, capacity: 3000" in found["db-1"]["detail"]
    assert database.size("db-1")[0] == "3", "what fits"
    assert [event["reason"] for event in database.events()] == ["ResizeInfeasible"]
    finish_resize(database.api, "shop", "db-1")
    database.decide(at=f"{DAY}01:01:00Z")
    database.api.journal.clear()
    assert database.decide(at=f"{DAY}01:02:00Z")["db-1"]["reason"] == "ResizeInfeasible", "it is not asked for again"
    assert database.api.journal.writes == []


def test_a_node_that_cannot_resize_is_told_once_and_is_no_error(database: Database) -> None:
    database.restart("db-1", supports_resize=False)
    found = database.decide(at=PEAK)
    assert (found["code"], found["db-1"]["reason"]) == (0, "NoResizeSupport")
    assert [database.size(f"db-{ordinal}")[0] for ordinal in range(3)] == ["4", "1", "4"]
    assert [event["reason"] for event in database.events()].count("NoResizeSupport") == 1
    database.api.journal.clear()
    found = database.decide(at=f"{DAY}01:00:00Z")
    assert (found["code"], found["db-1"]["reason"], database.events()) == (0, "NoResizeSupport", [])
    database.restart("db-1")
    assert database.decide(at=f"{DAY}01:01:00Z")["db-1"]["changed"] is True, "on another node, or with a new kubelet"


RESTARTS = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]


@pytest.fixture
def restarting(database: Database) -> Database:
    """Pods whose memory can only be resized by a restart of the container."""
    database.api.delete("StatefulSet", "shop", "db")
    database.own(SMALL, resizePolicy=RESTARTS)
    for ordinal in range(3):
        database.restart(f"db-{ordinal}")
    database.api.journal.clear()
    return database


def test_no_container_is_restarted_without_leave(restarting: Database) -> None:
    found = restarting.decide(at=PEAK)
    assert (found["code"], found["db-0"]["reason"]) == (3, "RestartRefused")
    assert "allow_restart" in found["db-0"]["detail"]
    assert [restarting.size(f"db-{ordinal}") for ordinal in range(3)] == [("4", "2Gi")] * 3


def test_with_leave_one_pod_at_a_time_is_restarted_and_none_in_a_freeze(restarting: Database) -> None:
    restarting.configure(allow_restart=True)
    found = restarting.decide(at=PEAK)
    assert [restarting.size(f"db-{ordinal}")[1] for ordinal in range(3)] == ["2Gi", "2Gi", "4Gi"]
    assert found["db-0"]["reason"] == "RestartInTurn"
    finish_resize(restarting.api, "shop", "db-2")
    refuse_resize(restarting.api, "shop", "db-1")
    restarting.decide(at=f"{DAY}00:58:00Z")
    assert restarting.size("db-1")[1] == "2Gi", "while one pod is busy, no other is restarted"
    for ordinal in range(2):
        finish_resize(restarting.api, "shop", f"db-{ordinal}")
    freeze(restarting, f"{DAY}00:00:00Z", f"{DAY}01:00:00Z")
    restarting.decide(at=f"{DAY}00:59:00Z")
    assert restarting.size("db-1")[1] == "2Gi", "nor in a freeze"
    restarting.decide(at=f"{DAY}01:00:00Z")
    assert restarting.size("db-1")[1] == "4Gi"


def freeze(database: Database, start: str, end: str) -> None:
    path = database.folder / "capacity.yaml"
    config = json.loads(path.read_text())
    config["workloads"][0]["limits"] = {"freezes": [{"start": start, "end": end}]}
    path.write_text(json.dumps(config))


def vpa(mode: str | None) -> dict[str, Any]:
    spec: dict[str, Any] = {"targetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"}}
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": spec if mode is None else {**spec, "updatePolicy": {"updateMode": mode}},
    }


def hpa(metric: str, by: str = "Utilization") -> dict[str, Any]:
    target = {"type": by, "averageUtilization": 60} if by == "Utilization" else {"type": by, "averageValue": "1"}
    made = autoscaler("db", namespace="shop")
    made["spec"]["scaleTargetRef"]["kind"] = "StatefulSet"
    made["spec"]["metrics"] = [{"type": "Resource", "resource": {"name": metric, "target": target}}]
    return dict(made)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param(vpa(None), "HeldByVpa", id="a VPA of the default mode"),
        pytest.param(vpa("InPlaceOrRecreate"), "HeldByVpa", id="a VPA that acts in place"),
        pytest.param(vpa("Off"), "DemandRising", id="a VPA that only recommends"),
        pytest.param(hpa("cpu"), "HeldByAutoscaler", id="an HPA on the utilization of CPU"),
        pytest.param(hpa("cpu", "AverageValue"), "DemandRising", id="an HPA on cores"),
    ],
)
def test_who_else_acts_on_the_size(database: Database, other: dict[str, Any], reason: str) -> None:
    database.api.create(other)
    found = database.decide(at=PEAK)
    assert found["db-0"]["reason"] == reason
    assert (found["code"], bool(database.resizes())) == ((0, True) if reason == "DemandRising" else (3, False))


def test_an_hpa_on_memory_leaves_cpu_to_us(database: Database) -> None:
    database.api.create(hpa("memory"))
    database.configure(containers={"app": {"cpu": {"min": "500m", "max": "8"}}})
    assert database.decide(at=PEAK)["db-0"]["changed"] is True
    assert database.size() == ("4", "2Gi")


def test_that_no_vpa_acts_must_be_seen(database: Database) -> None:
    database.api.faults.add("GET .*verticalpodautoscalers.*", refusal(403, "Forbidden", "not yours"), times=9)
    found = database.decide(at=PEAK)
    assert (found["code"], database.resizes()) == (1, [])
    assert "whether a VPA acts cannot be seen" in found["db"]["error"]


def test_what_a_person_resized_is_raised_but_not_lowered(database: Database) -> None:
    raised(database)
    by_hand = {"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "5"}}}]}}
    database.api.patch("Pod", "shop", "db-1", by_hand, subresource="resize", type="strategic", manager="kubectl-edit")
    database.measure(f"{DAY}04:00:00Z")
    found = database.decide(at=f"{DAY}04:00:00Z")
    assert (found["db-1"]["reason"], database.size("db-1")[0]) == ("HeldEdited", "5")
    assert "kubectl-edit" in found["db-1"]["detail"]
    assert database.size("db-0")[0] == "3"


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        pytest.param({"capacity/exclude": "true"}, "Excluded", id="excluded"),
        pytest.param({"capacity/freeze": "true"}, "Frozen", id="frozen"),
        pytest.param({"capacity/freeze": "perhaps"}, "HeldUnclearWish", id="unclear"),
    ],
)
def test_what_people_write_on_the_owner_counts(database: Database, note: dict[str, str], reason: str) -> None:
    database.api.patch("StatefulSet", "shop", "db", {"metadata": {"annotations": note}})
    assert database.decide(at=PEAK)["db-0"]["reason"] == reason
    assert database.resizes() == []


def test_the_off_switch_holds_sizes_too(database: Database) -> None:
    switch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "capacity-switch", "namespace": "shop"}}
    database.api.create({**switch, "data": {"enabled": "false"}})
    assert database.decide(at=PEAK)["db-0"]["reason"] == "SwitchedOff"
    assert database.resizes() == []


@pytest.mark.parametrize(
    ("resources", "limits", "reason", "size"),
    [
        pytest.param(SMALL, "fixed", "LimitReached", "1999m", id="fixed limits bound a request, and the class stays"),
        pytest.param({"requests": {"cpu": "1"}}, "fixed", "QosKept", "4", id="without a memory request there is none"),
        pytest.param({}, "proportional", "QosKept", None, id="a pod without requests keeps its class"),
        pytest.param(
            {part: {"cpu": "1", "memory": "2Gi"} for part in ("requests", "limits")},
            "proportional",
            "DemandRising",
            "4",
            id="a Guaranteed pod stays one",
        ),
    ],
)
def test_limits_and_the_qos_class(
    database: Database, resources: dict[str, Any], limits: str, reason: str, size: str | None
) -> None:
    database.api.delete("StatefulSet", "shop", "db")
    database.own(resources)
    for ordinal in range(3):
        database.restart(f"db-{ordinal}")
    database.configure(limits=limits)
    assert database.decide(at=PEAK)["db-0"]["reason"] == reason
    assert database.resources().get("requests", {}).get("cpu") == size


def test_one_pods_failure_is_its_own(database: Database) -> None:
    database.api.faults.add(RESIZE, refusal(403, "Forbidden", "exceeded quota: compute, requested: requests.cpu=4"))
    found = database.decide(at=PEAK)
    assert found["code"] == 1
    assert "exceeded quota" in found["db-1"]["error"]
    assert [database.size(f"db-{ordinal}")[0] for ordinal in range(3)] == ["4", "1", "4"]
    assert database.decide(at=f"{DAY}00:58:00Z")["code"] == 0
    assert database.size("db-1")[0] == "4"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(refusal(409, "Conflict", "the object has been modified"), id="a conflict"),
        pytest.param(unavailable(), id="a server that is not ready"),
        pytest.param(reset_after(), id="a connection cut after the change"),
    ],
)
def test_a_resize_is_sent_again(database: Database, fault: Fault) -> None:
    database.api.faults.add(RESIZE, fault)
    database.decide(at=PEAK)
    database.decide(at=f"{DAY}00:58:00Z")
    assert database.size("db-1") == ("4", "4Gi")


def test_without_its_notes_no_pod_is_resized(database: Database) -> None:
    database.api.faults.add("PATCH .*/statefulsets/db", refusal(403, "Forbidden", "not yours"), times=9)
    assert database.decide(at=PEAK)["code"] == 1
    assert database.resizes() == []


def test_what_came_back_is_compared_with_what_was_asked(database: Database) -> None:
    """A mutating webhook that caps what it lets through, or a server that drops what it does not resize."""
    pod = database.api.get("Pod", "shop", "db-1")
    database.api.faults.add(RESIZE, Fault(status=200, body=json.dumps(pod)))
    found = database.decide(at=PEAK)
    assert (found["code"], found["db-1"]["changed"]) == (1, False)
    assert "expected requests of 4000m cpu to be taken, got 1000m" in found["db-1"]["error"]


def test_restore_returns_the_templates_size_and_removes_our_notes(database: Database) -> None:
    raised(database)
    found = database.decide("restore", f"{DAY}01:30:00Z")
    assert (found["code"], found["db-0"]["reason"]) == (0, "Restored")
    assert [database.resources(f"db-{ordinal}") for ordinal in range(3)] == [SMALL] * 3
    assert database.notes() == {}
    database.api.journal.clear()
    assert database.decide("restore", f"{DAY}01:31:00Z")["code"] == 0
    assert database.resizes() == []


def test_a_restore_does_not_take_memory_that_is_in_use(database: Database) -> None:
    raised(database)
    database.measure(f"{DAY}01:30:00Z", memory="3Gi")
    found = database.decide("restore", f"{DAY}01:30:00Z")
    assert (found["code"], found["db-0"]["reason"]) == (3, "Restoring")
    assert database.size()[1] == "4Gi"
    database.measure(f"{DAY}02:30:00Z", memory="1Gi")
    assert database.decide("restore", f"{DAY}02:30:00Z")["code"] == 0
    assert (database.resources(), database.notes()) == (SMALL, {})


def test_what_nobody_renews_and_nobody_names_is_given_back_by_any_pass(database: Database) -> None:
    raised(database)
    text = (database.folder / "capacity.yaml").read_text().replace('"db"', '"other"')
    (database.folder / "capacity.yaml").write_text(text)
    database.decide(at="2026-11-28T05:00:00Z")
    assert database.size()[0] == "4", "until it expires"
    database.decide(at="2026-11-28T06:30:00Z")
    assert (database.resources(), database.notes()) == (SMALL, {})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param(
            {"containers": {"sidecar": {"cpu": {"min": "1", "max": "2"}}}}, "no container 'sidecar'", id="no such"
        ),
    ],
)
def test_a_container_that_is_not_there(database: Database, changed: dict[str, Any], said: str) -> None:
    database.configure(**changed)
    found = database.decide(at=PEAK)
    assert found["code"] == 1
    assert said in found["db"]["error"]
    assert "it has ['app']" in found["db"]["error"]


def test_the_table_names_the_pods(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--now", PEAK]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "shop/Pod/db-0 cpu 1 -> 4, memory 2Gi -> 4Gi DemandRising" in printed


def test_doctor_finds_what_stands_in_the_way_of_a_resize(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    database.api.create(vpa("Auto"))
    main(["doctor", "--output", "json", "-c", "capacity.yaml"])
    said = capsys.readouterr().out
    assert "shop/db: VerticalPodAutoscaler db has the update mode Auto" in said
    database.api.delete("VerticalPodAutoscaler", "shop", "db")
    main(["doctor", "--output", "json", "-c", "capacity.yaml"])
    assert "shop/db: its pods have metrics and may be resized" in capsys.readouterr().out


def test_a_dry_run_shows_sizes_too(database: Database) -> None:
    before = database.size("db-0")
    found = database.decide("preview", PEAK, "--server-dry-run")
    assert found["db-0"]["reason"] == "DemandRising"
    assert database.resizes() != []
    assert {entry.query.get("dryRun") for entry in database.api.journal.writes} == {"All"}
    assert database.size("db-0") == before
