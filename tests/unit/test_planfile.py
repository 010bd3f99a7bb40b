"""The plan file: written whole, read strictly, wrong ones refused with expected and got."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from capacity.model import (
    PeakSales,
    Plan,
    PlanError,
    QuotaCut,
    ReplicaNeed,
    RequestNeed,
    Shortfall,
    TrackRecord,
    Trust,
    parse_plan,
    parse_time,
    plan_text,
    read_plan,
    rfc3339,
    write_plan,
)
from capacity.model import plan_file as planfile

PlanOf = Callable[..., Plan]
WEB = ("workloads", 0)


@pytest.fixture
def plan(plan_of: PlanOf) -> Plan:
    return plan_of(web=[4, 9, 9, 4], api=[2, 2, 2, 3])


def changed(plan: Plan, path: tuple[str | int, ...], value: Any) -> str:
    document = json.loads(plan_text(plan))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document)


def test_a_written_plan_reads_back_the_same(plan: Plan) -> None:
    path = Path("plan.json")
    write_plan(plan, path)
    assert read_plan(path) == plan
    assert [file.name for file in path.absolute().parent.iterdir()] == ["plan.json"]


def test_a_plan_that_version_0_1_wrote_is_read_and_written_again_byte_for_byte() -> None:
    text = (Path(__file__).parents[1] / "data" / "plan-0.1.json").read_text(encoding="utf-8")
    cut, sold, served, shared = (workload.derivation for workload in parse_plan(text, "plan.json").workloads)
    assert cut.shortfall == Shortfall(steps=2, minutes=120, replicas=4, cores=2.0)
    assert cut.track_record == TrackRecord("shop/cut", Trust(((0.5, 0.4931), (0.9, 0.951)), 0.3123))
    assert (sold.sales, sold.model, sold.notes[0]) == (PeakSales(60.0, 70.0), "m", "n")
    assert served.need == ReplicaNeed(2, 0, RequestNeed(3, 100.0, "the load test"))
    assert (shared.quota, shared.zones, shared.replicas_short) == (QuotaCut(120, 9), 3, 9)
    assert plan_text(parse_plan(text, "plan.json")) == text


def test_the_file_speaks_rfc3339_seconds_millicores_and_bytes(plan: Plan) -> None:
    document = json.loads(plan_text(plan))
    web = document["workloads"][0]
    assert (document["schema"], document["origin"]) == ("capacity.plan/v1", "2026-11-26T23:00:00Z")
    assert (web["step"], web["lead_time"], web["start"]) == (3600, 300, "2026-11-27T00:00:00Z")
    assert web["floor"] == [[0, 4, "PlanStart"], [1, 9, "DemandRising"], [3, 4, "DemandFalling"]]
    assert (web["peak"]["cpu_millicores"], web["peak"]["memory_bytes"]) == (4000, 2**30)


WRONG: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    ("another version", ("schema",), "capacity.plan/v2", "expected schema capacity.plan/v1, got 'capacity.plan/v2'"),
    ("no version", ("schema",), None, "expected schema capacity.plan/v1, got None"),
    ("a time without zone", ("created",), "2026-11-27T00:00:00", "a zone .*, got '2026-11-27T00:00:00'"),
    ("a time that is a number", ("origin",), 5, "must be str"),
    ("a time in words", ("valid_until",), "tomorrow", "tomorrow"),
    ("workloads that are no list", ("workloads",), {}, "workloads: expected list, got {}"),
    ("a workload that is a word", ("workloads",), ["web"], "plan.json: "),
    ("a source that is a word", ("source",), "orders.csv", "source: expected dict, got 'orders.csv'"),
    ("a floor above the ceiling", (*WEB, "floor", 1, 1), 21, "shop/web: floor 21 is above ceiling 20"),
    ("a floor of zero", (*WEB, "floor", 1, 1), 0, "floor must be >= 1, got 0"),
    ("half a replica", (*WEB, "floor", 1, 1), 2.5, "floor change is"),
    ("True replicas", (*WEB, "floor", 1, 1), True, "floor change is"),
    ("a replica in words", (*WEB, "floor", 1, 1), "9", "floor change is"),
    ("a floor change of two values", (*WEB, "floor", 1), [1, 9], "plan.json: "),
    ("a change beyond the end", (*WEB, "floor", 2, 0), 4, "beyond the last step"),
    ("no floor", (*WEB, "floor"), [], "first floor must stand at offset 0"),
    ("a step of zero", (*WEB, "step"), 0, "at least one step"),
    ("a step in words", (*WEB, "step"), "1h", "step: expected a whole number, got '1h'"),
    ("a step of centuries", (*WEB, "step"), 10**15, "plan.json: "),
    ("more steps than time", (*WEB, "steps"), 10**15, "plan.json: "),
    ("a lead time of centuries", (*WEB, "lead_time"), 10**15, "plan.json: "),
    ("a negative lead time", (*WEB, "lead_time"), -5, "lead_time"),
    ("a ceiling of yes", (*WEB, "ceiling"), True, "ceiling: expected a whole number, got True"),
    ("a plan of disk", (*WEB, "binding"), "disk", "expected binding cpu or memory, got 'disk'"),
    ("a name of none", (*WEB, "name"), None, "name: expected str, got None"),
    ("a peak in words", (*WEB, "peak", "sales"), "many", "many"),
    ("a peak of NaN", (*WEB, "peak", "sales"), float("nan"), "plan.json: "),
    ("NaN where nobody looks", (*WEB, "explain", "sales"), float("nan"), "plan.json: .*NaN"),
    ("a target of 80", (*WEB, "explain", "target_utilization"), 80, r"target_utilization must lie in \(0, 1\], got 80"),
    ("a bound nobody knows", (*WEB, "explain", "target_bound"), "moon", "target_bound must be one of"),
    ("notes in one word", (*WEB, "explain", "notes"), "short", "notes: expected list, got 'short'"),
    ("a peak of negative replicas", (*WEB, "peak", "replicas"), -5, "plan.json: "),
    ("a peak at a level of 7", (*WEB, "peak", "quantile_level"), 7.0, "plan.json: "),
    ("a plan that ends after all time", (*WEB, "start"), "9999-12-31T23:00:00Z", "plan.json: "),
]


@pytest.mark.parametrize(("path", "value", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_plan_is_refused(plan: Plan, path: tuple[str | int, ...], value: Any, words: str) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        parse_plan(changed(plan, path, value), "plan.json")
    assert str(caught.value).startswith("plan.json: ")


def test_one_workload_twice_is_refused(plan: Plan) -> None:
    twice = copy.deepcopy(json.loads(plan_text(plan))["workloads"][:1]) * 2
    with pytest.raises(PlanError, match="each workload once"):
        parse_plan(changed(plan, ("workloads",), twice), "plan.json")


def test_every_key_is_needed(plan: Plan) -> None:
    whole = json.loads(plan_text(plan))
    for key in [key for key in whole["workloads"][0] if key not in ("steps", "quiet")]:
        document = copy.deepcopy(whole)
        del document["workloads"][0][key]
        with pytest.raises(PlanError, match=f"expected the key '{key}', which is missing"):
            parse_plan(json.dumps(document), "plan.json")


def test_without_a_count_of_steps_the_plan_goes_to_its_end(plan: Plan) -> None:
    document = json.loads(plan_text(plan))
    for workload in document["workloads"]:
        del workload["steps"]
    assert parse_plan(json.dumps(document), "plan.json") == plan


@pytest.mark.parametrize(
    "text",
    ["", "x", "null", "[]", '"plan"', "[" * 100_000, '{"schema": "capacity.plan/v1"', "\ufeff{}"],
    ids=["nothing", "a letter", "null", "a list", "a word", "endless brackets", "a cut", "a byte order mark"],
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match=r"^plan\.json: expected"):
        parse_plan(text, "plan.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "no plan .*: make one with `capacity plan`", id="a file that is not there"),
        pytest.param(b"\xff\xfe", "cannot be read", id="no UTF-8"),
        pytest.param(b'{"schema": ', "truncated or broken", id="half a file"),
    ],
)
def test_an_unreadable_file_is_a_plan_error(content: bytes | None, words: str) -> None:
    if content is not None:
        Path("plan.json").write_bytes(content)
    with pytest.raises(PlanError, match=words):
        read_plan("plan.json")


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(tmp_path)


def test_a_file_beyond_any_plan_is_not_even_read(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan(plan, "plan.json")
    monkeypatch.setattr(planfile, "MAX_BYTES", 100)
    with pytest.raises(PlanError, match="at most 100 bytes, got"):
        read_plan("plan.json")


def test_a_plan_that_cannot_be_written_leaves_the_old_one_and_no_litter(plan: Plan) -> None:
    path = Path("plan.json")
    write_plan(plan, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_plan(replace(plan, source={"now": object()}), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.absolute().parent.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("text", ["2026-11-27T18:00:00Z", "2026-11-27T18:00:00.000001Z", "1999-12-31T23:59:59Z"])
def test_times_read_back_as_written(text: str) -> None:
    assert rfc3339(parse_time(text)) == text


def test_times_of_other_zones_become_utc() -> None:
    assert parse_time("2026-11-27T18:00:00+05:30") == datetime(2026, 11, 27, 12, 30, tzinfo=UTC)
    assert rfc3339(parse_time("2026-11-27T18:00:00+05:30")) == "2026-11-27T12:30:00Z"
