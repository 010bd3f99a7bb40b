"""Rows of docs/failures.md, over a socket: what a bad day does to a pass, and what it must not do to a floor."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from capacity.app.configuration import read_config
from capacity.cli import main
from capacity.cluster import ClusterWriter, write_plan_maps
from capacity.cluster.client import OUTAGE, Call, ClusterReader, Outage
from capacity.model import plan_text, read_plan, write_plan
from tests.conftest import PlanOf
from tests.double import KubernetesDouble
from tests.double.faults import (
    garbled,
    internal_error,
    refusal,
    reset_after,
    reset_before,
    slow,
    too_many_requests,
    unavailable,
)
from tests.shop import NOON, Shop, hpa
from tests.waiting import HUNG, until

LATER = "2026-11-27T04:10:00Z"
ROOT = Path(__file__).parents[2]


def test_api_server_down(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    path = shop.api.kubeconfig(shop.folder / "kubeconfig")
    path.write_text(path.read_text().replace(shop.api.url, "https://127.0.0.1:1"))
    assert main(["apply", "--now", NOON]) == 1
    assert "no answer from the cluster at https://127.0.0.1:1" in capsys.readouterr().out
    assert shop.floor() == 2


def test_api_server_hangs(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer that would come after a day: that the pass ends at all shows that it did not wait for it."""
    monkeypatch.setattr("capacity.cluster.client.TIMEOUT", (HUNG, 0.5))
    shop.api.faults.add("GET .*horizontal", slow(86_400), times=9)
    assert main(["apply", "--now", NOON]) == 1
    assert "no answer from the cluster" in capsys.readouterr().out
    assert shop.writes() == []


def test_api_server_restarts_within_a_pass(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a real control plane: for some seconds nobody listens, then the writes that were due are made."""
    asked, refused = ClusterReader._asked, iter([True] * 7)

    def restarting(reader: ClusterReader, call: Call) -> object:
        if call.method == "PATCH" and next(refused, False):
            where = HTTPConnectionPool("127.0.0.1")
            raise MaxRetryError(where, call.path, NewConnectionError(HTTPConnection("127.0.0.1"), "refused"))
        return asked(reader, call)

    monkeypatch.setattr("capacity.cluster.client.AGAIN", 0.0)
    monkeypatch.setattr(ClusterReader, "_asked", restarting)
    assert main(["apply", "--now", NOON]) == 0
    assert (shop.floor(), next(refused, False)) == (9, False)


def test_an_outage_is_waited_for_once_and_not_by_each_request() -> None:
    now = [100.0]
    outage = Outage(lambda: now[0])
    outage.refuse()
    assert outage.outlasts(99.0), "the first to find nobody"
    now[0] += OUTAGE - 1.5
    assert outage.outlasts(now[0]), "a second request within the same outage"
    now[0] += 1
    assert not outage.outlasts(now[0]), "it counts from the first"
    with pytest.raises(ConnectionError, match="nobody has listened there for 20 seconds"):
        outage.refuse()
    now[0] += OUTAGE
    outage.refuse()
    assert not outage.outlasts(now[0]), "one that may try again now and then is not waited for"
    outage.end()
    assert outage.outlasts(now[0])


def test_api_server_slow(shop: Shop) -> None:
    shop.api.faults.add(".*", slow(0.3), times=3)
    assert main(["apply", "--now", NOON]) == 0
    assert shop.floor() == 9


def test_429_is_waited_for(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.api.faults.add("PATCH .*horizontal", too_many_requests(retry_after=1))
    began = time.monotonic()
    assert main(["apply", "--now", NOON]) == 0
    assert time.monotonic() - began >= 1
    shop.api.faults.add("GET .*horizontal", too_many_requests(retry_after=0), times=9)
    assert main(["apply", "--now", LATER]) == 1
    assert "429 Too many requests, please try again later." in capsys.readouterr().out


def test_a_retry_after_of_an_hour_is_not_waited_for() -> None:
    from urllib3 import HTTPResponse, Retry

    from capacity.cluster.client import PATIENCE

    retries = Retry(total=4, retry_after_max=PATIENCE)  # type: ignore[arg-type]
    wait = retries.get_retry_after(HTTPResponse(headers={"Retry-After": "3600"}, status=429))
    assert wait is not None
    assert wait <= PATIENCE


def test_403_on_one_namespace(shop: Shop, plan_of: PlanOf, capsys: pytest.CaptureFixture[str]) -> None:
    other = hpa("web")
    other["metadata"]["namespace"] = "closed"
    shop.api.create(other)
    shop.configure("web")
    config = json.loads((shop.folder / "capacity.yaml").read_text())
    config["workloads"].insert(0, {**config["workloads"][0], "namespace": "closed"})
    (shop.folder / "capacity.yaml").write_text(json.dumps(config))
    shop.api.faults.add("GET .*/closed/", refusal(403, "Forbidden", "not yours"), times=9)
    assert main(["apply", "--now", NOON]) == 1
    assert "namespace closed: GET horizontalpodautoscalers: 403" in capsys.readouterr().out
    assert shop.floor() == 9


def test_hpa_deleted_between_read_and_write(shop: Shop) -> None:
    items = [shop.hpa()]
    shop.api.delete("HorizontalPodAutoscaler", "shop", "web")
    listed = {"kind": "HorizontalPodAutoscalerList", "apiVersion": "autoscaling/v2", "metadata": {}, "items": items}
    from tests.double.faults import Fault

    shop.api.faults.add("GET .*horizontalpodautoscalers[?]", Fault(status=200, body=json.dumps(listed)))
    found = shop.decide()
    assert found["code"] == 1
    assert shop.api.list("HorizontalPodAutoscaler", "shop") == []


@pytest.mark.parametrize("minutes", [-30, 30], ids=["behind", "ahead"])
def test_clock_skewed(shop: Shop, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 6}})
    shop.measure()
    wrong = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr("capacity.cli.cluster.read_clock", lambda text: wrong)
    for floor, reason, after in ((3, "HeldClockSkew", 6), (9, "DemandRising", 9)):
        rewrite(shop, floor=[[0, floor, "PlanStart"]], start=(wrong - timedelta(hours=2)).isoformat(), steps=48)
        assert main(["apply", "--output", "json"]) == (3 if reason == "HeldClockSkew" else 0)
        assert shop.floor() == after


@pytest.mark.parametrize("start", ["2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z"], ids=["spring", "autumn"])
def test_the_day_clocks_change(shop: Shop, start: str) -> None:
    rewrite(shop, start=start, steps=30, floor=[[0, 4, "PlanStart"], [14, 9, "DemandRising"], [16, 4, "DemandFalling"]])
    begin = datetime.fromisoformat(start)
    for minutes, floor in ((14 * 60 - 8, 4), (14 * 60 - 7, 9), (16 * 60 - 1, 9)):
        now = (begin + timedelta(minutes=minutes)).astimezone().isoformat()
        main(["apply", "--now", now])
        assert shop.floor() == floor


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text[: len(text) // 2], id="truncated"),
        pytest.param(lambda text: text.replace("capacity.plan/v1", "capacity.plan/v2"), id="of tomorrow's version"),
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: text.replace('"replicas": 9', '"replicas": NaN'), id="with NaN"),
    ],
)
def test_an_unreadable_plan_is_held_then_decays_to_the_safe_floor(shop: Shop, spoil: object) -> None:
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 3}})
    shop.decide()
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 12}}, manager="capacity")
    shop.measure()
    plan = shop.folder / "plan.json"
    plan.write_text(spoil(plan.read_text()))  # type: ignore[operator]
    for now in ("2026-11-27T04:00:00Z", "2026-11-27T09:59:00Z"):
        found = shop.decide(now=now)
        assert (found["code"], found["reason"], shop.floor()) == (1, "HeldNoPlan", 12)
        assert "plan" in found["error"]
    floors = []
    for step in range(5):
        shop.measure()
        shop.decide(now=f"2026-11-27T10:{5 * step:02}:00Z")
        floors.append(shop.floor())
    assert floors == [11, 10, 9, 9, 9], "the safe floor of the last plan, never 1"


def changed_workload(shop: Shop, **changes: object) -> None:
    """Configure the workload otherwise than when its plan was made."""
    config = json.loads((shop.folder / "capacity.yaml").read_text())
    config["workloads"][0] |= changes
    (shop.folder / "capacity.yaml").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"ceiling": 8}, "expected floors of at most 8, as configured, got 9", id="a lower ceiling"),
        pytest.param({"floor": 5}, "expected floors of at least 5, as configured, got 3", id="a higher floor"),
        pytest.param({"name": "api"}, "expected a plan for shop/api, got one for shop/web", id="another workload"),
    ],
)
def test_a_plan_that_contradicts_the_configuration_is_not_followed(
    shop: Shop, changes: dict[str, object], said: str
) -> None:
    changed_workload(shop, **changes, target={"name": "web"})
    plan = shop.folder / "plan.json"
    write_plan(replace(read_plan(plan), settings_hash="another"), plan)
    before = shop.floor()
    found = shop.decide()
    assert (found["code"], found["reason"], shop.floor()) == (1, "HeldNoPlan", before)
    assert said in found["error"]
    assert "run `capacity plan` again" in found["error"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"ceiling": 90}, "now 90", id="a higher ceiling"),
        pytest.param({"lead_time": "25m"}, "now 1500s", id="a longer lead time"),
        pytest.param(
            {"target_utilization": 0.5}, "the plan was made for other settings (workloads)", id="another target"
        ),
    ],
)
def test_a_plan_of_other_settings_is_followed_with_a_warning(
    shop: Shop, changes: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_workload(shop, floor=2)
    made = read_config(shop.folder / "capacity.yaml")
    plan = shop.folder / "plan.json"
    write_plan(replace(read_plan(plan), settings_hash=made.settings_hash(), blocks=made.settings_blocks()), plan)
    shop.decide()
    assert "other settings" not in capsys.readouterr().err
    changed_workload(shop, **changes)
    assert shop.decide()["code"] == 0
    assert said in capsys.readouterr().err


def test_a_plan_that_can_be_read_again_is_followed_and_the_hold_forgotten(shop: Shop) -> None:
    shop.decide()
    plan = shop.folder / "plan.json"
    text = plan.read_text()
    plan.write_text("")
    shop.decide(now="2026-11-27T02:40:00Z")
    plan.write_text(text)
    assert shop.decide(now="2026-11-27T02:50:00Z")["reason"] == "AsPlanned"
    assert "held" not in shop.hpa()["metadata"]["annotations"]["capacity/state"]


def test_a_plan_copied_from_another_cluster(shop: Shop, plan_of: PlanOf) -> None:
    write_plan_maps(ClusterWriter(), plan_of(web=[9, 9, 9, 9]))
    there = shop.api.list("ConfigMap", "shop")
    with KubernetesDouble() as here:
        for item in there:
            kept = {
                key: item["metadata"][key] for key in ("name", "namespace", "annotations") if key in item["metadata"]
            }
            here.create({**item, "metadata": kept})
        here.create(hpa())
        path = here.kubeconfig(shop.folder / "kubeconfig")
        assert path.exists()
        found = shop.decide("apply", "--from-cluster")
        assert (found["code"], found["reason"]) == (1, "HeldNoPlan")
        assert "a copy made for another cluster" in found["error"]
        assert here.get("HorizontalPodAutoscaler", "shop", "web")["spec"]["minReplicas"] == 2


def test_a_plan_of_another_namespace(shop: Shop, plan_of: PlanOf) -> None:
    text = plan_text(plan_of(web=[9, 9])).replace('"namespace": "shop"', '"namespace": "elsewhere"')
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "capacity-plan-0", "namespace": "shop"}}
    shop.api.create({**item, "data": {"plan.json": text}})
    assert "got a plan for elsewhere" in shop.decide("apply", "--from-cluster")["error"]


def test_metrics_gone(shop: Shop) -> None:
    conditions = [{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}]
    shop.api.patch(
        "HorizontalPodAutoscaler", "shop", "web", {"status": {"conditions": conditions}}, subresource="status"
    )
    assert shop.decide()["reason"] == "DemandRising"
    found = shop.decide(now=LATER)
    assert (found["reason"], found["code"], shop.floor()) == ("HeldNoMetrics", 3, 9)
    assert "ScalingActive=False FailedGetResourceMetric" in found["detail"]


def test_traffic_vanished(shop: Shop) -> None:
    shop.decide()
    rewrite(shop, quiet=[[0, 500]])
    shop.measure(millicores=50)
    found = shop.decide(now=LATER)
    assert (found["reason"], shop.floor()) == ("HeldTrafficVanished", 9)
    assert "usage 450m is below the 500m" in found["detail"]
    shop.measure(millicores=60)
    assert shop.decide(now=LATER)["floor"] == 8


def test_metrics_that_stand_still(shop: Shop) -> None:
    shop.decide()
    shop.measure(millicores=350)
    minutes = (0, 1, 5, 7, 8, 9, 50)
    reasons = [shop.decide(now=f"2026-11-27T04:{minute:02}:00Z")["reason"] for minute in minutes]
    assert reasons == ["SecondLook"] * 4 + ["HeldFrozenMetrics"] * 3
    assert shop.floor() == 9
    assert len(shop.patches()) == 5, "the rise, the first look, two that found the same, since when they stand still"
    assert [event["reason"] for event in shop.events()] == ["DemandRising", "HeldFrozenMetrics"]
    assert "to end it, restart what serves metrics.k8s.io" in shop.events()[-1]["note"]
    shop.measure(millicores=349)
    assert shop.decide(now="2026-11-27T04:51:00Z")["floor"] == 8


@pytest.mark.parametrize(
    ("measured", "reason"),
    [("2026-11-27T03:54:00Z", "HeldFrozenMetrics"), ("2026-11-27T03:59:00Z", "DemandFalling"), (None, "SecondLook")],
)
def test_a_time_stamp_tells_metrics_that_stand_still(shop: Shop, measured: str | None, reason: str) -> None:
    """Of metrics.k8s.io, where the overlay lets us read it; without, several looks are needed."""
    from tests.double.faults import Fault

    shop.configure("web", controller={"metric_times": True})
    shop.decide()
    shop.measure(millicores=350)
    items = [{"metadata": {"name": "web-1"}, "timestamp": stamp} for stamp in ("2026-11-27T03:00:00Z", measured)]
    body = json.dumps({"kind": "PodMetricsList", "metadata": {}, "items": items if measured else []})
    shop.api.faults.add("GET .*/metrics.k8s.io/", Fault(status=200, body=body), times=9)
    found = shop.decide(now="2026-11-27T04:00:00Z")
    assert (found["reason"], shop.floor()) == (reason, 8 if reason == "DemandFalling" else 9)


def test_time_stamps_are_read_only_where_they_may_be_and_a_floor_comes_down(shop: Shop) -> None:
    def asked() -> bool:
        return any("/metrics.k8s.io/" in entry.path for entry in shop.api.journal)

    shop.decide()
    shop.measure(millicores=350)
    shop.decide(now="2026-11-27T04:00:00Z")
    assert not asked(), "the overlay that allows it is not installed"
    shop.configure("web", controller={"metric_times": True})
    shop.decide(now="2026-11-27T02:31:00Z")
    assert not asked(), "nothing comes down"
    shop.decide(now="2026-11-27T04:01:00Z")
    assert asked()


def test_replicas_that_do_not_start(shop: Shop) -> None:
    """The floor is raised at 02:30; the lead time is five minutes, and two passes of a minute are waited for."""
    shop.decide()
    shop.measure()
    short = {"status": {"currentReplicas": 6, "desiredReplicas": 9}}
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", short, subresource="status")
    assert shop.decide(now="2026-11-27T02:36:00Z")["reason"] == "AsPlanned"
    found = shop.decide(now="2026-11-27T02:37:00Z")
    assert (found["reason"], shop.floor()) == ("FloorNotReached", 9)
    assert found["detail"].startswith("6 of 9 replicas run, set at 02:30Z; 9 until")
    shop.measure()
    assert shop.decide(now="2026-11-27T02:38:00Z")["reason"] == "AsPlanned"


def test_evenly_loaded_pods_are_not_taken_for_frozen(shop: Shop) -> None:
    """Of pods at 25 millicores the autoscaler reports the same whole number again and again."""
    shop.decide()
    reasons = []
    for minute in (0, 5, 10, 15):
        shop.measure(millicores=25)
        reasons.append(shop.decide(now=f"2026-11-27T04:{minute:02}:00Z")["reason"])
    assert reasons == ["DemandFalling"] * 4


def test_an_unreadable_switch_is_off(shop: Shop) -> None:
    shop.api.faults.add("GET .*capacity-switch", refusal(403, "Forbidden", "no"))
    found = shop.decide()
    assert (found["code"], shop.writes()) == (1, [])
    assert "off switch" in found["error"]


def test_without_the_lease_nothing_is_written(shop: Shop) -> None:
    shop.api.faults.add(".*leases", refusal(403, "Forbidden", "no"), times=9)
    found = shop.decide()
    assert found["code"] == 1
    assert "403" in found["error"]
    assert shop.patches() == []


def test_an_event_that_cannot_be_written_is_only_a_warning(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.api.faults.add("POST .*events", refusal(403, "Forbidden", "no"))
    assert main(["apply", "--now", NOON]) == 0
    assert "moved, but no Event written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.runs(4)
def test_killed_again_and_again(shop: Shop, plan_of: PlanOf, runs: int, dice: random.Random) -> None:
    """kill -9 at random moments of passes over a live server: no floor lost, no baseline lost."""
    names = [f"w{place}" for place in range(12)]
    for name in names:
        shop.api.create(hpa(name, floor=3))
    shop.configure(*names, controller={"step_every": "0s", "brake": {"at_least": 99}}, step_down="100%")
    environment = {"KUBECONFIG": str(shop.api.kubeconfig(shop.folder / "killed")), "PATH": "/usr/bin:/bin"}
    cut_short = 0
    for number in range(runs):
        high = number % 2 == 0
        write_plan(plan_of(**{name: [9 if high else 4] * 6 for name in names}), shop.folder / "plan.json")
        for name in names:
            shop.measure(name)
        shop.api.faults.add("PATCH", slow(0.03), times=40)
        command = [sys.executable, "-m", "capacity", "apply", "--now", NOON]
        process = subprocess.Popen(command, cwd=shop.folder, env=environment, stdout=subprocess.DEVNULL)
        reached = len(shop.api.journal.writes) + dice.randint(1, len(names))
        until(partial(ended_or_wrote, process, shop, reached))
        time.sleep(dice.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        cut_short += process.wait() == -signal.SIGKILL
        shop.api.faults.clear()
        for name in names:
            item = shop.hpa(name)
            notes = item["metadata"].get("annotations") or {}
            assert item["spec"]["minReplicas"] in (3, 4, 9)
            assert item["spec"]["maxReplicas"] == 20
            if item["spec"]["minReplicas"] != 3:
                assert json.loads(notes["capacity/baseline"])["floor"] == 3
        shop.api.patch("Lease", "shop", "capacity", {"spec": {"holderIdentity": None}})
    assert cut_short > 0.4 * runs
    assert main(["apply", "--now", NOON]) == 0
    assert {shop.floor(name) for name in names} == {4}
    assert main(["restore"]) == 0
    assert {shop.floor(name) for name in names} == {3}


def ended_or_wrote(process: subprocess.Popen[bytes], shop: Shop, writes: int) -> bool:
    """Whether the process is gone, or so many requests have written by now."""
    return process.poll() is not None or len(shop.api.journal.writes) >= writes


FAULTS = (
    too_many_requests(retry_after=0),
    internal_error(),
    unavailable(),
    reset_before(),
    reset_after(),
    garbled(),
    refusal(403, "Forbidden", "no"),
    refusal(409, "Conflict", "the object has been modified"),
    refusal(404, "NotFound", "gone"),
)


@pytest.mark.slow
@pytest.mark.parametrize("measured", [True, False], ids=["with metrics", "without metrics"])
def test_random_faults_over_the_wire_scale_nothing_in_without_cause(
    shop: Shop, plan_of: PlanOf, measured: bool, turn: int, dice: random.Random
) -> None:
    """What the runs on paper leave out: real requests, retries and half answers."""
    now, fell, falls = datetime(2026, 11, 27, 1, tzinfo=UTC), datetime(2026, 11, 27, tzinfo=UTC), 0
    for _ in range(60):
        need = dice.choice([3, 4, 6, 9])
        write_plan(plan_of(web=[need] * 24), shop.folder / "plan.json")
        if measured:
            shop.measure()
        for _ in range(dice.choice([0, 1, 3])):
            where = dice.choice(["PATCH", "GET", "POST", "horizontal", "leases", "configmaps"])
            shop.api.faults.add(where, dice.choice(FAULTS), times=dice.choice([1, 2, 9]))
        before = shop.floor()
        main(["apply", "--now", now.isoformat()])
        shop.api.faults.clear()
        run_out(shop)
        if shop.floor() < before:
            assert measured
            assert before - shop.floor() == 1
            assert shop.floor() >= need
            assert now - fell >= timedelta(minutes=4, seconds=30)
            fell, falls = now, falls + 1
        now += timedelta(minutes=dice.choice([0, 1, 5, 6]))
    assert (falls > 5) == measured
    assert main(["restore"]) == 0
    assert (shop.floor(), shop.owners()) == (2, {("kubectl-client-side-apply", "Update")})


def run_out(shop: Shop) -> None:
    """A Lease that a fault kept from being given back: it counts in real seconds, and passes here take none."""
    if shop.api.list("Lease", "shop"):
        shop.api.patch("Lease", "shop", "capacity", {"spec": {"holderIdentity": None}})


@pytest.mark.slow
def test_a_thousand_hpas_of_which_fifty_fail(shop: Shop, plan_of: PlanOf, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"w{place:03}" for place in range(1000)]
    for name in names:
        shop.api.create(hpa(name))
    shop.configure(*names, controller={"requests_per_second": 10_000})
    write_plan(plan_of(**{name: [9] * 6 for name in names}), shop.folder / "plan.json")
    broken = names[::20]
    shop.api.faults.add(f"PATCH .*/({'|'.join(broken)})[?]", refusal(403, "Forbidden", "broken"), times=10**6)
    assert main(["apply", "--now", NOON, "-v"]) == 1
    assert "1,000 workloads, 950 changed, 0 held, 50 failed" in capsys.readouterr().err
    assert [name for name in names if shop.floor(name) != 9] == broken
    lists = [entry for entry in shop.api.journal if entry.verb == "list"]
    assert len(lists) == 3, "one LIST per page of 500"


def test_every_row_of_the_page_names_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")][2:]
    named = [re.search(r"`(test_\w+\.py)::(?:\w+::)?(test_\w+)` \|$", row) for row in rows]
    assert all(named), [row for row, name in zip(rows, named, strict=True) if not name]
    files = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")}
    missing = [name[0] for name in named if name and f"def {name[2]}(" not in files.get(name[1], "")]
    assert missing == []


def rewrite(shop: Shop, **changed: object) -> None:
    """The shop's plan with some keys of its workload replaced."""
    path = shop.folder / "plan.json"
    document = json.loads(path.read_text())
    document["workloads"][0].update(changed)
    path.write_text(json.dumps(document))
