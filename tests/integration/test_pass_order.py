"""A pass over many: rises first and by urgency, several at a time, Events last; the Lease renewed; an end on demand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from capacity.app.configuration import read_config
from capacity.app.control import apply
from capacity.app.loop import make_pass
from capacity.cli import main
from capacity.cluster.client import ClusterWriter
from capacity.cluster.lease import RENEW, Lease, Writers
from capacity.model.plan_file import write_plan
from tests.conftest import PlanOf
from tests.double.faults import refusal
from tests.shop import NOON, Shop, hpa

NOW = datetime.fromisoformat(NOON)


@pytest.fixture
def many(shop: Shop, plan_of: PlanOf) -> Shop:
    """Ten that rise, each by more than the one before; two that fall."""
    names = [f"rise{place}" for place in range(10)]
    for name in names:
        shop.api.create(hpa(name, floor=1))
    for name in ("fall0", "fall1"):
        shop.api.create(hpa(name, floor=15))
        shop.measure(name)
    shop.configure(*names, "fall0", "fall1")
    floors = {name: [place + 3] * 5 for place, name in enumerate(names)}
    write_plan(plan_of(**floors, fall0=[3] * 5, fall1=[3] * 5), shop.folder / "plan.json")
    return shop


def test_rises_go_before_falls_and_events_come_last(many: Shop) -> None:
    assert main(["apply", "--now", NOON]) == 0
    writes = [entry for entry in many.api.journal.writes if "lease" not in entry.path]
    kinds = ["event" if entry.path.endswith("/events") else entry.path.rpartition("/")[2][:4] for entry in writes]
    assert kinds == ["rise"] * 10 + ["fall"] * 2 + ["event"] * 12


def test_the_largest_shortage_is_written_first(many: Shop) -> None:
    writer = ClusterWriter()
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", writer)
    list(apply(writer, replace(work, parallel=1)))
    order = [entry.path.rpartition("/")[2] for entry in many.patches()]
    assert order == [f"rise{place}" for place in reversed(range(10))] + ["fall0", "fall1"]


def test_a_shortage_is_judged_by_what_runs(many: Shop) -> None:
    """From 1 to 3 is three times what runs; from 2 to 4, from 2 to 5 and from 4 to 9 are less."""
    for name, replicas in (("rise1", 2), ("rise2", 2), ("rise6", 4)):
        many.api.patch("hpa", "shop", name, {"status": {"currentReplicas": replicas}}, subresource="status")
    writer = ClusterWriter()
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", writer)
    list(apply(writer, replace(work, parallel=1)))
    order = [entry.path.rpartition("/")[2] for entry in many.patches()]
    assert order[-6:] == ["rise0", "rise2", "rise6", "rise1", "fall0", "fall1"]


def test_a_pass_that_is_told_to_end_after_its_writes_tells_no_more(many: Shop) -> None:
    writer = ClusterWriter()
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", writer)
    outcomes = list(apply(writer, work, stop=lambda: len(many.patches()) == 12))
    assert all(outcome.done and not outcome.warnings for outcome in outcomes)
    assert many.events() == []


def test_an_event_that_cannot_be_written_is_a_warning_of_its_own_workload(many: Shop) -> None:
    writer = ClusterWriter()
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", writer)
    many.api.faults.add("POST .*/events", refusal(403, "Forbidden", "no"), times=100)
    outcomes = list(apply(writer, work))
    assert all(outcome.done for outcome in outcomes)
    told = [outcome.warnings[0].partition(":")[0] for outcome in outcomes]
    assert told == [outcome.where for outcome in outcomes]


def test_an_autoscaler_that_reports_nothing_yet_runs_one_replica(many: Shop) -> None:
    reader = ClusterWriter()
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", reader)
    seen = {outcome.where: outcome.observation for outcome in apply(reader, work)}
    assert [seen[name].current for name in ("shop/rise0", "shop/fall0") if seen[name]] == [1, 15]


@pytest.mark.parametrize(("began", "answered", "waited"), [(10.0, 12.5, 2.5), (None, 12.5, 0.0), (10.0, None, 0.0)])
def test_how_long_the_server_took(many: Shop, began: float | None, answered: float | None, waited: float) -> None:
    reader = ClusterWriter()
    reader.answered_at = answered
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", reader)
    assert replace(work, began=began).waited(reader).total_seconds() == waited


def test_a_repair_writes_what_was_lowered_and_nothing_else(many: Shop) -> None:
    writer = ClusterWriter()
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", writer)
    (outcome,) = apply(writer, replace(work, chosen=frozenset({("shop", "rise3")})))
    assert (outcome.where, outcome.done) == ("shop/rise3", True)
    assert [entry.path.rpartition("/")[2] for entry in many.patches()] == ["rise3"]


def test_only_a_whole_pass_gives_back_what_nobody_renewed(many: Shop) -> None:
    writer, later = ClusterWriter(), NOW.replace(day=28)
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", writer)
    list(apply(writer, work))
    left = replace(work, workloads=[one for one in work.workloads if one.name == "rise0"], now=later)

    def given_back(**changes: Any) -> list[str]:
        several = apply(writer, replace(left, **changes.pop("work", {})), **changes)
        return [one.where for one in several if one.decision and one.decision.reason in ("Restored", "Restoring")]

    assert given_back(work={"chosen": frozenset({("shop", "rise0")})}) == []
    assert given_back(stop=lambda: True) == []
    assert given_back(work={"change": "CHG1"}) == []
    many.api.faults.add("GET .*/capacity-switch", refusal(403, "Forbidden", "no"))
    assert given_back() == []
    assert len(given_back()) == 11


def test_a_pass_that_is_told_to_end_begins_no_further_write_and_frees_its_lease(many: Shop) -> None:
    writer = ClusterWriter()
    work = make_pass(read_config(many.folder / "capacity.yaml"), NOW, many.folder / "plan.json", writer)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    outcomes = list(apply(writer, replace(work, parallel=1), stop=stop))
    assert sum(outcome.done for outcome in outcomes) == 3
    assert len(many.patches()) == 3
    late = [outcome for outcome in outcomes if outcome.error]
    assert {outcome.error for outcome in late} == {"the pass was stopped before this write; the next pass makes it"}
    assert len(late) == 9
    assert "holderIdentity" not in many.api.get("Lease", "shop", "capacity")["spec"]


class TestWriters:
    def test_the_lease_of_a_long_pass_is_renewed(self, shop: Shop) -> None:
        now = [0.0]
        with Writers(ClusterWriter(), clock=lambda: now[0]) as taken:
            assert taken.refusal("shop") is None
            first = shop.api.get("Lease", "shop", "capacity")["spec"]
            assert taken.refusal("shop") is None
            assert shop.api.get("Lease", "shop", "capacity")["spec"] == first, "young: nothing is asked"
            now[0] += RENEW.total_seconds()
            assert taken.refusal("shop") is None
            later = shop.api.get("Lease", "shop", "capacity")["spec"]
            assert later["acquireTime"] == first["acquireTime"]
            assert later["renewTime"] > first["renewTime"]

    def test_who_lost_the_lease_writes_no_more(self, shop: Shop) -> None:
        now = [0.0]
        with Writers(ClusterWriter(), clock=lambda: now[0]) as taken:
            assert taken.refusal("shop") is None
            shop.api.patch("Lease", "shop", "capacity", {"spec": {"holderIdentity": None}})
            Lease(ClusterWriter(), "shop", "another").acquire(datetime.now(UTC))
            now[0] += RENEW.total_seconds()
            assert taken.refusal("shop") == "another is writing in shop now"

    def test_a_loop_renews_its_own(self, shop: Shop) -> None:
        now, kept = [0.0], []

        def keep(namespace: str) -> str | None:
            kept.append(namespace)
            return None if len(kept) < 2 else "another"

        with Writers(ClusterWriter(), frozenset({"shop"}), keep, lambda: now[0]) as taken:
            assert taken.refusal("shop") is None
            assert kept == [], "the loop renewed it as the pass began"
            now[0] += RENEW.total_seconds()
            assert taken.refusal("shop") is None
            now[0] += RENEW.total_seconds()
            assert taken.refusal("shop") == "another is writing in shop now"
        assert shop.api.list("Lease", "shop") == []
