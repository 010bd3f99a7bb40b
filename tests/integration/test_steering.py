"""Hands on the wheel: annotations of people, the off switch, the brake, the Lease, the loop, exit codes and lines."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from capacity.app.loop import repeat
from capacity.cli import main
from capacity.cluster import ClusterWriter, Lease
from capacity.cluster.lease import micro_time
from capacity.model import ClusterError, write_plan
from capacity.monitoring import Exposition, Health
from tests.conftest import PlanOf
from tests.double.faults import refusal
from tests.shop import CONFLICT, NOON, Document, Shop, hpa
from tests.waiting import until

LATER = "2026-11-27T04:10:00Z"


@pytest.mark.parametrize(
    ("notes", "reason", "floor", "code"),
    [
        pytest.param({"exclude": "true"}, "Excluded", 2, 0, id="excluded"),
        pytest.param({"exclude": "false"}, "DemandRising", 9, 0, id="not excluded"),
        pytest.param({"exclude_until": "2026-11-27T03:00:00Z"}, "Excluded", 2, 0, id="excluded for half an hour more"),
        pytest.param({"exclude_until": "2026-11-27T02:30:00Z"}, "DemandRising", 9, 0, id="excluded until just now"),
        pytest.param({"exclude_until": "2026-11-27T03:00"}, "HeldUnclearWish", 2, 3, id="a time without zone"),
        pytest.param({"exclude": "maybe"}, "HeldUnclearWish", 2, 3, id="neither true nor false"),
        pytest.param({"freeze": "true"}, "Frozen", 2, 3, id="frozen"),
        pytest.param({"force_floor": "12"}, "Forced", 12, 0, id="forced above the plan"),
        pytest.param({"force_floor": "5"}, "Forced", 5, 0, id="forced below the plan"),
        pytest.param({"force_floor": "500"}, "CeilingReached", 20, 0, id="forced above the ceiling"),
        pytest.param({"force_floor": "-1"}, "HeldUnclearWish", 2, 3, id="a negative floor"),
        pytest.param({"force_floor": "1e9"}, "HeldUnclearWish", 2, 3, id="no plain count"),
        pytest.param({"force_floor": "9" * 5000}, "HeldUnclearWish", 2, 3, id="a number of 5,000 digits"),
        pytest.param({"force_floor": "٣"}, "HeldUnclearWish", 2, 3, id="digits of another script"),
        pytest.param({"freeze": "true", "force_floor": "12"}, "Frozen", 2, 3, id="frozen goes before forced"),
    ],
)
def test_annotations_of_people_steer_one_object(
    shop: Shop, notes: dict[str, str], reason: str, floor: int, code: int
) -> None:
    shop.annotate(**notes)
    found = shop.decide()
    assert (found["reason"], shop.floor(), found["code"]) == (reason, floor, code)
    assert len(found["line"]) < 300


@pytest.mark.parametrize("by", ["CeilingReached", "BudgetReached", "QuotaReached"])
def test_a_plan_that_was_cut_says_by_what_in_the_line_and_in_a_warning(shop: Shop, plan_of: PlanOf, by: str) -> None:
    plan = plan_of(web=[4, 4, 9])
    web = plan.workloads[0]
    cut = replace(web, floor=(web.floor[0], replace(web.floor[1], reason=by)))
    write_plan(replace(plan, workloads=(cut,)), shop.folder / "plan.json")
    found = shop.decide()
    assert (found["reason"], shop.floor(), found["code"]) == (by, 9, 0)
    assert [(event["reason"], event["type"]) for event in shop.events()] == [(by, "Warning")]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"floor": "9", "ceiling": 20}', '{"floor": -1, "ceiling": 2}', '{"floor": 9}', "9" * 9000, "[" * 4000],
    ids=["half a brace", "a list", "a text", "a negative floor", "no ceiling", "9,000 digits", "4,000 brackets"],
)
def test_a_baseline_that_somebody_broke_is_said_and_nothing_moves(shop: Shop, text: str) -> None:
    shop.annotate(baseline=text)
    found = shop.decide()
    assert found["code"] == 1
    assert "annotation capacity/baseline cannot be read" in found["error"]
    assert (shop.floor(), shop.patches()) == (2, [])


@pytest.mark.parametrize("text", ["{", "[1]", '{"moved": 7}', '{"safe_floor": "x"}', "[" * 4000], ids=str)
def test_a_state_that_somebody_broke_is_as_good_as_none(shop: Shop, text: str) -> None:
    shop.annotate(state=text, expires="soon")
    assert shop.decide()["reason"] == "DemandRising"
    assert json.loads(shop.hpa()["metadata"]["annotations"]["capacity/state"])["safe_floor"] == 9


@pytest.mark.parametrize("value", ["false", "off", "no", "0", "until we know what it does"])
def test_the_off_switch_stops_every_move_at_the_next_pass(shop: Shop, value: str) -> None:
    switch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "capacity-switch", "namespace": "shop"}}
    shop.api.create({**switch, "data": {"enabled": value}})
    found = shop.decide()
    assert (found["reason"], found["code"], shop.writes()) == ("SwitchedOff", 3, [])
    assert f"says enabled: '{value[:20]}'" in found["detail"]
    shop.api.patch("ConfigMap", "shop", "capacity-switch", {"data": {"enabled": "true"}})
    assert shop.decide()["reason"] == "DemandRising"


def test_one_switch_for_the_whole_cluster_stands_where_the_configuration_says(shop: Shop) -> None:
    shop.configure("web", controller={"home": "capacity"})
    switch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "capacity-switch", "namespace": "capacity"}}
    shop.api.create({**switch, "data": {"enabled": "false"}})
    assert shop.decide()["reason"] == "SwitchedOff"


def test_the_brake_holds_every_fall_and_lets_go_in_time(shop: Shop, plan_of: PlanOf) -> None:
    names = ["web", *(f"w{place}" for place in range(7))]
    for name in names[1:]:
        shop.api.create(hpa(name, floor=9))
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 9}})
    shop.configure(*names)
    floors = {name: [9, 9, 2, 2, 2] for name in names[:6]} | {name: [9] * 5 for name in names[6:]}
    write_plan(plan_of(**floors), shop.folder / "plan.json")
    for name in names:
        shop.measure(name)
    first = shop.decide(now="2026-11-27T02:00:00Z")
    assert (first["reason"], first["code"]) == ("HeldBrake", 3)
    assert "6 of 8 floors want to come down together" in first["detail"]
    assert {shop.floor(name) for name in names} == {9}
    before = len(shop.patches())
    assert shop.decide(now="2026-11-27T02:29:00Z")["reason"] == "HeldBrake"
    assert len(shop.patches()) == before, "the hold is noted once"
    assert shop.decide(now="2026-11-27T02:30:00Z")["floor"] == 8
    for name in names:
        shop.measure(name)
    assert shop.decide(now="2026-11-27T02:35:00Z")["floor"] == 7, "once let go it comes down step by step"


def test_few_workloads_never_brake(shop: Shop) -> None:
    shop.decide()
    shop.measure()
    assert shop.decide(now=LATER)["floor"] == 8


class TestLease:
    def lease(self, holder: str) -> Lease:
        return Lease(ClusterWriter(), "shop", holder)

    def test_one_holds_it_until_it_is_released(self, shop: Shop) -> None:
        now = datetime.now(UTC)
        assert self.lease("a").acquire(now) is None
        assert self.lease("b").acquire(now) == "a"
        assert self.lease("a").acquire(now) is None, "renewed"
        self.lease("b").release(now)
        assert self.lease("b").acquire(now) == "a", "only its holder releases it"
        self.lease("a").release(now)
        assert self.lease("b").acquire(now) is None

    @pytest.mark.parametrize("taken", [False, True], ids=["it is created", "it is taken over"])
    def test_who_is_second_in_a_race_does_not_hold_it(self, shop: Shop, taken: bool) -> None:
        now = datetime.now(UTC)
        if taken:
            self.lease("a").acquire(now - timedelta(hours=1))
        shop.api.faults.add("(POST|PATCH) .*/leases", CONFLICT)
        assert self.lease("b").acquire(now) == "another writer"

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_a_lease_that_may_not_be_written_is_an_error(self, shop: Shop, method: str) -> None:
        now = datetime.now(UTC)
        if method == "PATCH":
            self.lease("a").acquire(now - timedelta(hours=1))
        shop.api.faults.add(f"{method} .*/leases", refusal(403, "Forbidden", "no"))
        with pytest.raises(ClusterError, match="no"):
            self.lease("b").acquire(now)

    def test_a_dead_holder_is_followed_after_its_duration(self, shop: Shop) -> None:
        now = datetime.now(UTC)
        self.lease("a").acquire(now)
        assert self.lease("b").acquire(now + timedelta(seconds=59)) == "a"
        assert self.lease("b").acquire(now + timedelta(seconds=60)) is None

    def test_a_renewal_from_the_future_holds_nobody_for_ever(self, shop: Shop) -> None:
        now = datetime.now(UTC)
        self.lease("a").acquire(now + timedelta(seconds=60))
        assert self.lease("b").acquire(now) == "a", "clocks may differ by as long as it lasts"
        self.lease("a").acquire(now + timedelta(days=300))
        assert self.lease("b").acquire(now) is None

    def test_times_have_six_digits_on_a_whole_second_too(self, shop: Shop) -> None:
        whole = datetime(2026, 11, 27, 2, 30, tzinfo=UTC)
        assert self.lease("a").acquire(whole) is None
        assert self.lease("a").acquire(whole + timedelta(seconds=10)) is None
        sent = [entry.json["spec"]["renewTime"] for entry in shop.api.journal.writes]
        assert sent == [micro_time(whole), "2026-11-27T02:30:10.000000Z"]

    def test_another_writer_is_left_to_write(self, shop: Shop) -> None:
        Lease(ClusterWriter(), "shop", "somebody", timedelta(hours=1)).acquire(datetime.now(UTC))
        found = shop.decide()
        assert (found["reason"], found["code"], shop.floor()) == ("HeldByOtherWriter", 3, 2)
        assert "somebody" in found["detail"]

    def test_a_pass_gives_it_back_and_an_idle_pass_does_not_ask(self, shop: Shop) -> None:
        shop.decide()
        assert "holderIdentity" not in shop.api.get("Lease", "shop", "capacity")["spec"]
        shop.api.journal.clear()
        shop.decide()
        assert not [entry for entry in shop.api.journal if "leases" in entry.path]


def test_two_passes_at_once_move_each_floor_once(shop: Shop) -> None:
    script = f"from capacity.cli import main; main(['apply', '--now', '{NOON}'])"
    environment = {"KUBECONFIG": str(shop.api.kubeconfig(shop.folder / "both")), "PATH": "/usr/bin:/bin"}
    both = [subprocess.Popen([sys.executable, "-c", script], cwd=shop.folder, env=environment) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    assert shop.floor() == 9
    assert len(shop.events()) == 1
    assert json.loads(shop.hpa()["metadata"]["annotations"]["capacity/baseline"])["floor"] == 2


def test_every_pass_ends_with_one_line_per_workload(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.configure("web", "gone")
    main(["apply", "--now", NOON, "-v"])
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert [line.split()[0] for line in lines] == ["shop/web", "shop/gone"]
    assert re.fullmatch(r"shop/web floor 2 -> 9 DemandRising \(.+\)", lines[0])
    assert "2 workloads, 1 changed, 0 held, 1 failed" in printed.err


def test_held_is_no_failure_where_a_cron_job_asks(shop: Shop) -> None:
    shop.annotate(freeze="true")
    assert main(["apply", "--now", NOON]) == 3
    assert main(["apply", "--now", NOON, "--held-ok"]) == 0
    shop.configure("gone")
    assert main(["apply", "--now", NOON, "--held-ok"]) == 1


def test_an_event_only_where_something_moved(shop: Shop) -> None:
    shop.decide()
    shop.decide()
    shop.annotate(freeze="true")
    shop.decide(now=LATER)
    assert len(shop.events()) == 1


def test_restore_on_a_ramp_takes_a_step_each_time_and_then_removes_every_trace(shop: Shop) -> None:
    shop.decide()
    floors = []
    for step in range(8):
        found = shop.decide("restore", "--ramp", now=f"2026-11-27T05:{5 * step:02}:00Z")
        floors.append(shop.floor())
    assert floors == [8, 7, 6, 5, 4, 3, 2, 2]
    assert (found["reason"], found["code"]) == ("NothingToRestore", 0)
    assert not [key for key in shop.hpa()["metadata"].get("annotations", {}) if key.startswith("capacity/")]


def test_what_nobody_renews_and_nobody_names_is_given_back_by_any_pass(shop: Shop) -> None:
    shop.decide()
    assert shop.hpa()["metadata"]["annotations"]["capacity/expires"] == "2026-11-27T11:00:00Z"
    shop.api.create(hpa("other"))
    shop.configure("other", step_down="100%")
    shop.decide(now="2026-11-27T10:59:00Z")
    assert shop.floor() == 9, "its time is not over"
    shop.decide(now="2026-11-27T11:00:00Z")
    assert shop.floor() == 2
    assert "capacity" not in {entry["manager"] for entry in shop.hpa()["metadata"]["managedFields"]}


def test_restore_of_the_expired_leaves_the_rest(shop: Shop) -> None:
    shop.decide()
    main(["restore", "--expired", "--now", "2026-11-27T10:59:00Z"])
    assert shop.floor() == 9
    main(["restore", "--expired", "--now", "2026-11-27T11:00:00Z"])
    assert shop.floor() == 2


def test_a_floor_that_stands_is_renewed_before_it_expires(shop: Shop, plan_of: PlanOf) -> None:
    shop.decide()
    write_plan(plan_of(web=[9] * 48), shop.folder / "plan.json")
    found = shop.decide(now=LATER)
    assert (found["changed"], found["reason"]) == (False, "AsPlanned")
    assert shop.hpa()["metadata"]["annotations"]["capacity/expires"] == "2026-11-29T06:00:00Z"
    assert len(shop.events()) == 1


@pytest.mark.parametrize(("hours", "expires"), [(13, "2026-11-27T11:00:00Z"), (18, "2026-11-28T00:00:00Z")])
def test_an_expiry_is_renewed_when_less_than_half_of_its_time_is_left(
    shop: Shop, plan_of: PlanOf, hours: int, expires: str
) -> None:
    """Eight and a half hours are left of the first plan's: half of a plan's 17 or less, but not of 21."""
    shop.decide()
    write_plan(plan_of(web=[9] * hours), shop.folder / "plan.json")
    shop.decide()
    assert shop.hpa()["metadata"]["annotations"]["capacity/expires"] == expires


def test_without_the_controller_the_autoscaler_is_whole(shop: Shop) -> None:
    """A CronJob deleted leaves a working HPA: valid bounds, nothing that waits for us."""
    shop.decide()
    item = shop.hpa()
    assert item["spec"]["minReplicas"] <= item["spec"]["maxReplicas"]
    assert not item["metadata"].get("finalizers")
    assert not item["metadata"].get("ownerReferences")


def test_the_loop_leads_moves_answers_and_ends_with_its_pass_on_sigterm(shop: Shop, tmp_path: Path) -> None:
    port = free_port()
    write_current_plan(shop)
    shop.configure("web", controller={"period": "1s"})
    environment = {"KUBECONFIG": str(shop.api.kubeconfig(tmp_path / "loop")), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "capacity", "run", "--health-port", str(port)]
    process = subprocess.Popen(command, cwd=shop.folder, env=environment, stdout=subprocess.PIPE)
    try:
        until(lambda: process.poll() is not None or (shop.floor() == 9 and get(port, "/readyz")[0] == 200))
        assert get(port, "/healthz") == (200, "ok")
        assert get(port, "/secrets")[0] == 404
        assert shop.api.get("Lease", "shop", "capacity")["spec"]["holderIdentity"] != ""
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert b"shop/web floor 2 -> 9 DemandRising" in out
    assert "holderIdentity" not in shop.api.get("Lease", "shop", "capacity")["spec"]


def test_a_loop_that_does_not_lead_stands_by(shop: Shop) -> None:
    Lease(ClusterWriter(), "shop", "leader", timedelta(hours=1)).acquire(datetime.now(UTC))
    write_current_plan(shop)
    shop.configure("web", controller={"period": "1s"})
    environment = {"KUBECONFIG": str(shop.api.kubeconfig(shop.folder / "loop")), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "capacity", "run", "--health-port", "0"]
    process = subprocess.Popen(command, cwd=shop.folder, env=environment, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        assert b"shop is led by leader" in process.stderr.readline()
        process.terminate()
        process.communicate()
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, shop.floor()) == (0, 2)


def test_a_pass_that_fails_is_logged_and_the_next_tries(caplog: pytest.LogCaptureFixture) -> None:
    from capacity.model import ClusterError

    stop, tries = threading.Event(), list[int]()

    def one_pass() -> None:
        tries.append(1)
        if len(tries) == 3:
            stop.set()
        raise ClusterError("down")

    repeat(one_pass, timedelta(milliseconds=1), stop)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("ERROR", "down")] * 3


@pytest.mark.parametrize(
    ("age", "beaten", "path", "status"),
    [
        pytest.param(0, False, "/healthz", 200, id="just started"),
        pytest.param(0, False, "/readyz", 503, id="not ready before the first pass"),
        pytest.param(50, True, "/readyz", 200, id="ready after it"),
        pytest.param(200, True, "/healthz", 503, id="stuck"),
        pytest.param(200, False, "/healthz", 503, id="stuck in the first pass"),
    ],
)
def test_health_is_the_end_of_passes(age: float, beaten: bool, path: str, status: int) -> None:
    clock = [0.0]
    health = Health(lambda: clock[0], 180.0, Exposition())
    if beaten:
        health.beat()
    clock[0] = age
    assert health.answer(path)[0] == status


def write_current_plan(shop: Shop) -> None:
    """The shop's plan, moved to the present."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    document: Document = json.loads((shop.folder / "plan.json").read_text())
    document["workloads"][0].update(start=begin.isoformat(), floor=[[0, 9, "PlanStart"]], steps=48)
    (shop.folder / "plan.json").write_text(json.dumps(document))


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, "nobody listens"
