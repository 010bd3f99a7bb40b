"""`capacity rehearse`: a peak tried out before it comes, measured, and given back, whatever happens meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from capacity.app.loop import make_pass
from capacity.app.reconciliation import Reconciliation
from capacity.app.rehearse import Stage, rehearse
from capacity.cli import main
from capacity.cluster import ClusterWriter
from capacity.model import ClusterError, read_plan, write_plan
from capacity.model.configuration import Config
from capacity.model.rehearsal import Rehearsal, RehearsalLimits
from tests.conftest import PlanOf
from tests.double import refusal
from tests.integration.test_ready import NO_NODE, UNSCHEDULED, Workload
from tests.shop import CONFLICT, Shop

QUIET = datetime(2026, 11, 27, 0, 10, tzinfo=UTC)  # the plan needs 4 until 05:00, then 12
Act = Callable[["Theatre"], None]


@dataclass
class Theatre:
    """The shop's workload, and a clock that each wait of the rehearsal moves on; `acts` happen at some looks."""

    workload: Workload
    work: Reconciliation
    writer: ClusterWriter
    acts: dict[int, Act] = field(default_factory=dict)
    now: datetime = QUIET
    looks: int = 0

    def wait(self, seconds: float) -> bool:
        self.now += timedelta(seconds=seconds)
        self.looks += 1
        if self.looks in self.acts:
            self.acts[self.looks](self)
        return self.looks in self.acts and self.acts[self.looks] is stop

    def run(self, to: int | None, **limits: object) -> Rehearsal:
        stage = Stage(self.writer, self.work, self.work.workloads[0], lambda: self.now, self.wait)
        return rehearse(stage, to, replace(RehearsalLimits(), **limits))

    def show(self, current: int, ready: int) -> None:
        """What autoscaler and Deployment report."""
        shop = self.workload.shop
        shop.measure()
        status = {"status": {"currentReplicas": current, "desiredReplicas": shop.floor()}}
        shop.api.patch("HorizontalPodAutoscaler", "shop", "web", status, subresource="status")
        self.workload.ready(ready)


def stop(theatre: Theatre) -> None:
    """Ctrl-C."""


def exist(theatre: Theatre) -> None:
    theatre.show(12, 4)


def wait_for_nodes(theatre: Theatre) -> None:
    theatre.show(12, 4)
    theatre.workload.pods(8, {"phase": "Pending", "conditions": UNSCHEDULED})


def become_ready(theatre: Theatre) -> None:
    theatre.show(12, 12)


@pytest.fixture
def theatre(shop: Shop, plan_of: PlanOf) -> Theatre:
    write_plan(plan_of(web=[4] * 5 + [12] + [4] * 10), shop.folder / "plan.json")
    workload = Workload(shop)
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 4}})
    config = Config.model_validate(json.loads((shop.folder / "capacity.yaml").read_text()))
    writer = ClusterWriter()
    found = Theatre(workload, make_pass(config, QUIET, shop.folder / "plan.json", writer), writer)
    found.show(4, 4)
    return found


def untouched(shop: Shop) -> bool:
    notes = shop.hpa()["metadata"].get("annotations") or {}
    return shop.floor() == 4 and not any(key.startswith("capacity/") for key in notes)


def test_a_rehearsal_measures_each_milestone_and_leaves_no_trace(theatre: Theatre) -> None:
    theatre.acts = {1: exist, 30: become_ready}
    found = theatre.run(None)
    assert (found.before, found.to, found.left, found.ended) == (4, 12, 4, "reached")
    assert (found.asked, found.existing) == (timedelta(seconds=5), timedelta(seconds=5))
    assert (found.ready, found.in_time) == (timedelta(seconds=150), True)
    assert found.spent == pytest.approx(8 * 150 / 3600, rel=0.05)
    shop = theatre.workload.shop
    assert untouched(shop)
    assert "capacity" not in {manager for manager, _ in shop.owners()}
    assert [event["reason"] for event in shop.events()] == ["Rehearsing"]


def test_what_was_in_the_way_is_told_and_teaches_the_lead_time(theatre: Theatre) -> None:
    shop = theatre.workload.shop
    shop.decide(now="2026-11-27T00:00:00Z")
    shop.annotate(freeze=None)
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": {"minReplicas": 3}}, manager="capacity")
    shop.decide(now="2026-11-27T00:05:00Z")
    theatre.acts = {2: wait_for_nodes, 120: become_ready}
    found = theatre.run(12)
    assert (found.ended, found.in_time, found.left, shop.floor()) == ("reached", False, 4, 4)
    (hindrance,) = [one for one in found.hindrances if one.text.startswith("nodes")]
    assert NO_NODE in hindrance.text
    notes = shop.hpa()["metadata"]["annotations"]
    assert "capacity/rehearsal" not in notes
    assert '"slow":600' in notes["capacity/state"]


@pytest.mark.parametrize(
    ("acts", "limits", "ended"),
    [
        pytest.param({3: stop}, {}, "stopped", id="by Ctrl-C"),
        pytest.param({}, {"within": timedelta(minutes=2)}, "time", id="by its time"),
        pytest.param(
            {3: lambda theatre: theatre.workload.shop.annotate(freeze="true")},
            {},
            "interfered",
            id="by capacity/freeze",
        ),
    ],
)
def test_a_rehearsal_ends_and_gives_back(
    theatre: Theatre, acts: dict[int, Act], limits: dict[str, object], ended: str
) -> None:
    theatre.acts = acts
    found = theatre.run(12, **limits)
    assert (found.ended, found.ready, found.left) == (ended, None, 4)
    assert theatre.workload.shop.floor() == 4


def test_more_replicas_than_counted_on_spend_the_budget(theatre: Theatre) -> None:
    """The autoscaler itself may add more than the rehearsal asks for."""
    theatre.acts = {1: lambda theatre: theatre.show(20, 4)}
    found = theatre.run(12, budget=2.0)
    assert (found.ended, found.left) == ("budget", 4)
    assert found.spent == pytest.approx(2.0, rel=0.05)


def test_a_floor_that_a_person_sets_meanwhile_stays_his(theatre: Theatre) -> None:
    def edit(theatre: Theatre) -> None:
        patch = {"spec": {"minReplicas": 7}}
        theatre.workload.api.patch("HorizontalPodAutoscaler", "shop", "web", patch, manager="kubectl-edit")

    theatre.acts = {3: edit}
    found = theatre.run(12)
    assert (found.ended, found.left, theatre.workload.shop.floor()) == ("interfered", 7, 7)
    assert found.remark == "kubectl-edit set the floor to 7"


def test_conflicts_and_a_server_that_fails_for_a_while_are_no_end(theatre: Theatre) -> None:
    api = theatre.workload.api
    api.faults.add("PATCH .*/horizontalpodautoscalers/web", CONFLICT)
    theatre.acts = {
        1: lambda theatre: api.faults.add("GET .*horizontal", refusal(403, "Forbidden", "for a while"), times=3),
        10: become_ready,
        11: lambda theatre: api.faults.add("PATCH .*/horizontalpodautoscalers/web", CONFLICT),
    }
    found = theatre.run(12)
    assert (found.ended, found.left) == ("reached", 4)
    assert untouched(theatre.workload.shop)


def test_passes_keep_a_rehearsed_floor_and_take_it_down_when_it_is_over(theatre: Theatre) -> None:
    """A rehearsal that is killed cannot give back: its annotation ends by itself, and passes come down in steps."""
    shop = theatre.workload.shop
    passes: list[str] = []

    def one_pass(theatre: Theatre) -> None:
        passes.append(shop.decide(now="2026-11-27T00:12:00Z")["reason"])
        shop.api.faults.add("PATCH .*/horizontalpodautoscalers/web", refusal(500, "InternalError", "down"), times=99)

    theatre.acts = {24: one_pass, 25: stop}
    found = theatre.run(12)
    assert passes == ["Rehearsing"]
    assert found.left is None
    assert "the controller lowers the floor after 00:27Z" in found.remark
    shop.api.faults.clear()
    assert shop.floor() == 12
    later = [shop.decide(now=f"2026-11-27T00:{minute}:00Z") for minute in (26, 28, 33)]
    assert [one["floor"] for one in later] == [12, 11, 10]
    assert "capacity/rehearsal" not in shop.hpa()["metadata"]["annotations"]


def before_the_peak(theatre: Theatre) -> None:
    theatre.work = replace(theatre.work, now=QUIET.replace(hour=4, minute=40))


def at_the_end(theatre: Theatre) -> None:
    theatre.work = replace(theatre.work, now=QUIET.replace(hour=15, minute=50))


def frozen(theatre: Theatre) -> None:
    theatre.workload.shop.annotate(freeze="true")


def without_a_plan(theatre: Theatre) -> None:
    theatre.work = replace(theatre.work, plan=None)


def unreadable(theatre: Theatre) -> None:
    theatre.workload.api.faults.add("GET .*/deployments", refusal(403, "Forbidden", "cannot list"), times=9)


def written_by_another(theatre: Theatre) -> None:
    from capacity.cluster import Lease

    Lease(theatre.writer, "shop", "another").acquire(datetime.now(UTC))


@pytest.mark.parametrize(
    ("make", "to", "budget", "why"),
    [
        pytest.param(before_the_peak, 12, 24, "a peak is on or near: the plan needs 12", id="a peak is near"),
        pytest.param(at_the_end, 12, 24, "the plan ends at", id="the plan ends"),
        pytest.param(without_a_plan, 12, 24, "no plan says when its peak is", id="no plan"),
        pytest.param(frozen, 12, 24, "its floor is not at rest: Frozen", id="held"),
        pytest.param(stop, 21, 24, "above its ceiling 20", id="above the ceiling"),
        pytest.param(stop, 4, 24, "4 replicas run already", id="nothing to rehearse"),
        pytest.param(stop, 12, 1, "may take 2 replica hours, the budget is 1", id="too dear"),
        pytest.param(unreadable, 12, 24, "its ready replicas cannot be read", id="not to be measured"),
        pytest.param(written_by_another, 12, 24, "another is writing in shop now", id="somebody else writes"),
    ],
)
def test_it_does_not_begin(theatre: Theatre, make: Act, to: int, budget: float, why: str) -> None:
    make(theatre)
    before = len(theatre.workload.shop.patches())
    with pytest.raises(ClusterError, match="not rehearsed, nothing was changed") as refused:
        theatre.run(to, budget=budget)
    assert why in str(refused.value)
    assert len(theatre.workload.shop.patches()) == before


def test_the_command_prints_what_it_took(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the real clock, of replicas that are ready at once."""
    monkeypatch.setattr("capacity.app.rehearse.LOOK", 0.01)
    plan = read_plan("plan.json")
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    moved = [replace(one, start=now, peak=replace(one.peak, at=now + timedelta(hours=5))) for one in plan.workloads]
    write_plan(replace(plan, created=now, origin=now, valid_until=moved[0].end, workloads=tuple(moved)), "plan.json")
    theatre.workload.ready(12)
    assert main(["rehearse", "shop/web", "--peak", "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["to"], found["ended"], found["in_time"], found["left"]) == (12, "reached", True, 4)
    assert main(["rehearse", "shop/web", "--to", "12"]) == 0
    told = capsys.readouterr().out
    assert "Rehearsal of shop/web, floor 4 -> 12" in told
    assert "In time: ready after" in told
    assert "the floor is 4 again" in told
    assert main(["rehearse", "shop/web"]) == 2
    assert main(["rehearse", "shop/other", "--peak"]) == 2
    assert "there are shop/web" in capsys.readouterr().err
