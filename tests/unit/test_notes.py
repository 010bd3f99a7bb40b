"""Our annotations: what is written is read again, what others wrote into them is refused or forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from capacity.cluster.annotations import (
    BASELINE,
    EXCLUDE,
    EXCLUDE_UNTIL,
    FLOOR,
    FORCE_FLOOR,
    FREEZE,
    REHEARSAL,
    STATE,
    Baseline,
    baseline_text,
    read_notes,
    read_rehearsal,
    read_wishes,
    rehearsal_text,
    state_text,
)
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.kinds import HPA, SCALED_OBJECT, Kind
from capacity.cluster.observe import Autoscalers, unknown_workload
from capacity.cluster.ownership import Owner
from capacity.model import ClusterError, Decision, LoadModel, Memory, Wishes

NOW = datetime(2026, 11, 27, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FULL = Memory(
    moved_at=NOW,
    safe_floor=1,
    held_for="HeldBrake",
    held_since=NOW - MINUTE,
    mark="250m",
    looked_at=NOW - 2 * MINUTE,
    looked_first=NOW - 6 * MINUTE,
    alike=1,
    still_since=NOW - 3 * MINUTE,
    short_since=NOW - 4 * MINUTE,
    short_for="nodes",
    slow_start=timedelta(seconds=1),
    slow_at=NOW - 5 * MINUTE,
)


@pytest.mark.parametrize("memory", [Memory(), FULL], ids=["nothing", "everything"])
def test_what_passes_remember_is_read_as_it_was_written(memory: Memory) -> None:
    assert read_notes({STATE: state_text(memory)}, "web").memory == memory


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        pytest.param({"safe_floor": 0}, Memory(), id="a safe floor of none"),
        pytest.param({"safe_floor": True}, Memory(), id="a truth for a safe floor"),
        pytest.param({"safe_floor": 2}, Memory(safe_floor=2), id="a safe floor"),
        pytest.param({"alike": 0}, Memory(), id="no look"),
        pytest.param({"alike": -1}, Memory(), id="fewer looks than none"),
        pytest.param({"alike": "3"}, Memory(), id="looks as text"),
        pytest.param({"slow": 0}, Memory(), id="a start of no time"),
        pytest.param({"slow": 999_999}, Memory(slow_start=timedelta(seconds=999_999)), id="a start of eleven days"),
        pytest.param({"slow": 1_000_000}, Memory(), id="a longer start"),
        pytest.param({"slow": 1.5}, Memory(), id="a start that we never write"),
        pytest.param({"short_for": "weather"}, Memory(), id="an unknown cause"),
        pytest.param({"moved": "soon"}, Memory(), id="no time"),
        pytest.param({"moved": "2026-11-27T18:00:00Z"}, Memory(moved_at=NOW), id="a time"),
        pytest.param([1], Memory(), id="no object"),
    ],
)
def test_a_state_of_others_is_as_good_as_none(note: Any, expected: Memory) -> None:
    assert read_notes({STATE: json.dumps(note)}, "web").memory == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("9", 9), ("0", 0), ("999999", 999_999), ("1000000", None), ("-1", None)]
)
def test_the_noted_floor(text: str, expected: int | None) -> None:
    assert read_notes({FLOOR: text}, "web").floor == expected


@pytest.mark.parametrize(
    ("floor", "ceiling"), [(0, 0), (2, 20), (None, 5), (3, None), (None, None), (5, 999_999_999)], ids=str
)
def test_a_baseline_is_read_as_it_was_written(floor: int | None, ceiling: int | None) -> None:
    baseline = Baseline(floor, ceiling, Owner("helm", "Apply"), None)
    assert read_notes({BASELINE: baseline_text(baseline, NOW)}, "web").baseline == baseline


@pytest.mark.parametrize(
    "note",
    [
        pytest.param({"floor": -1, "ceiling": 5}, id="negative"),
        pytest.param({"floor": 1, "ceiling": 10**9}, id="too many"),
        pytest.param({"floor": True, "ceiling": 5}, id="a truth"),
        pytest.param({"floor": 6, "ceiling": 5}, id="floor above ceiling"),
        pytest.param({"floor": 1}, id="no ceiling"),
        pytest.param({"floor": 1, "ceiling": 5, "floor_owner": ["helm", "Delete"]}, id="no way to own"),
        pytest.param({"floor": 1, "ceiling": 5, "floor_owner": ["helm"]}, id="half an owner"),
    ],
)
def test_a_baseline_that_cannot_be_is_an_error_with_what_to_do(note: Any) -> None:
    with pytest.raises(ClusterError, match="web: annotation capacity/baseline cannot be read"):
        read_notes({BASELINE: json.dumps(note)}, "web")


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        pytest.param({EXCLUDE: "TRUE"}, Wishes(excluded=f"annotation {EXCLUDE}"), id="excluded"),
        pytest.param({EXCLUDE: "false", FREEZE: "false"}, Wishes(), id="not so"),
        pytest.param({EXCLUDE_UNTIL: "2026-11-27T18:00:00Z"}, Wishes(), id="excluded until now"),
        pytest.param({FORCE_FLOOR: "1"}, Wishes(floor=1), id="the lowest floor"),
        pytest.param({FORCE_FLOOR: "999999"}, Wishes(floor=999_999), id="the highest floor"),
        pytest.param({REHEARSAL: "36 until 2026-11-27T18:00:01Z"}, Wishes(rehearsed=36), id="a rehearsal"),
        pytest.param({REHEARSAL: "36 until 2026-11-27T18:00:00Z"}, Wishes(), id="a rehearsal that ends now"),
        pytest.param({REHEARSAL: "0 until 2026-11-27T19:00:00Z"}, Wishes(), id="a rehearsal of none"),
        pytest.param({"autoscaling.keda.sh/paused-scale-out": "False"}, Wishes(), id="KEDA is not paused"),
    ],
)
def test_what_people_ask_for(notes: dict[str, str], expected: Wishes) -> None:
    assert read_wishes(notes, NOW) == expected


@pytest.mark.parametrize(
    "notes",
    [{EXCLUDE: "yes"}, {FORCE_FLOOR: "0"}, {FORCE_FLOOR: "1000000"}, {EXCLUDE_UNTIL: "tomorrow"}, {FREEZE: "1"}],
    ids=str,
)
def test_an_unclear_wish_holds_and_says_what_is_expected(notes: dict[str, str]) -> None:
    unclear = read_wishes(notes, NOW).unclear
    assert unclear is not None
    assert "expected" in unclear
    assert "correct or remove it" in unclear


def test_a_long_wish_is_repeated_in_part() -> None:
    unclear = read_wishes({FREEZE: "x" * 99}, NOW).unclear
    assert unclear is not None
    assert f"got '{'x' * 40}';" in unclear


def test_a_rehearsal_is_read_as_it_was_written() -> None:
    assert read_rehearsal({REHEARSAL: rehearsal_text(36, NOW + MINUTE)}, NOW) == 36


def autoscaler(annotations: dict[str, str] | None = None, **status: Any) -> Autoscaler:
    metadata = {"name": "web", "namespace": "shop", "resourceVersion": "1", "annotations": annotations or {}}
    return Autoscaler({"metadata": metadata, "spec": {"minReplicas": 2, "maxReplicas": 20}, "status": status}, NOW)


def test_one_condition_that_fails_is_told_and_a_limit_is_none() -> None:
    conditions = [
        {"type": "ScalingLimited", "status": "False", "reason": "DesiredWithinRange"},
        {"type": "AbleToScale", "status": "False", "reason": "FailedGetScale", "message": "no"},
        {"type": "ScalingActive", "status": "False", "reason": "FailedGetMetric", "message": "none"},
    ]
    assert autoscaler(conditions=conditions).condition_text() == ": FailedGetScale no"
    assert autoscaler(conditions=conditions[:1]).condition_text() == ""
    assert replace(autoscaler(conditions=conditions), kind=SCALED_OBJECT).condition_text() == "", "its HPA says so"


@pytest.mark.parametrize(
    ("noted", "until", "due"),
    [
        pytest.param(None, 60, True, id="no expiry is noted"),
        pytest.param(30, 60, False, id="half of its time is left"),
        pytest.param(29, 60, True, id="less than half"),
        pytest.param(10, None, False, id="no plan says until when"),
        pytest.param(-10, 0, False, id="the plan is over"),
        pytest.param(-10, 1, True, id="the note is over"),
        pytest.param(60, 60, False, id="it says so already"),
        pytest.param(90, 60, False, id="it says later"),
    ],
)
def test_when_an_expiry_is_renewed(noted: int | None, until: int | None, due: bool) -> None:
    notes = {BASELINE: baseline_text(Baseline(2, 20, None, None), NOW)}
    if noted is not None:
        notes["capacity/expires"] = (NOW + noted * MINUTE).isoformat()
    assert autoscaler(notes).expiry_due(None if until is None else NOW + until * MINUTE) is due
    assert autoscaler({}).expiry_due(NOW + 60 * MINUTE) is False, "never touched"


@pytest.mark.parametrize(
    ("kind", "until", "expected"),
    [
        pytest.param(HPA, "2026-11-27T18:10:00Z", "36 until 2026-11-27T18:10:00Z", id="it runs: an apply keeps it"),
        pytest.param(HPA, "2026-11-27T17:50:00Z", "absent", id="it is over: an apply without it removes it"),
        pytest.param(SCALED_OBJECT, "2026-11-27T18:10:00Z", "36 until 2026-11-27T18:10:00Z", id="it runs, merged"),
        pytest.param(SCALED_OBJECT, "2026-11-27T17:50:00Z", None, id="it is over: a merge patch removes it"),
    ],
)
def test_a_rehearsal_stays_as_long_as_it_runs(kind: Kind, until: str, expected: str | None) -> None:
    found = replace(autoscaler({REHEARSAL: f"36 until {until}"}), kind=kind)
    written = found.written(Decision(9, 20, "AsPlanned", 9, 20), None)["metadata"]["annotations"]
    assert written.get(REHEARSAL, "absent") == expected
    without = replace(autoscaler(), kind=kind).written(Decision(9, 20, "AsPlanned", 9, 20), None)
    assert REHEARSAL not in without["metadata"]["annotations"]


@pytest.mark.parametrize(("kind", "uid"), [(HPA, "a-1"), (SCALED_OBJECT, None)], ids=["an apply", "a merge patch"])
def test_an_apply_names_the_object_that_it_is_for(kind: Kind, uid: str | None) -> None:
    """Else it would make another in the place of one that was deleted; a merge patch makes none."""
    found = replace(autoscaler(), kind=kind)
    found.document["metadata"]["uid"] = "a-1"
    written = found.written(Decision(9, 20, "DemandRising", 2, 20), NOW)
    assert written["metadata"].get("uid") == uid
    assert written["metadata"]["annotations"]["capacity/expires"] == "2026-11-27T18:00:00Z"


@pytest.mark.parametrize(
    ("floor", "manager", "edited_by", "lowered_from"),
    [
        pytest.param(9, "capacity", None, None, id="it stands as we set it"),
        pytest.param(9, "kubectl-edit", None, None, id="somebody set the same"),
        pytest.param(15, "kubectl-edit", "kubectl-edit", None, id="somebody raised it"),
        pytest.param(4, "kubectl-edit", "kubectl-edit", 9, id="somebody lowered it"),
        pytest.param(4, None, "an apply that left the field out", 9, id="it fell to its default"),
        pytest.param(15, None, None, None, id="nobody owns a higher one"),
    ],
)
def test_who_moved_a_floor_since_our_last_write(
    floor: int, manager: str | None, edited_by: str | None, lowered_from: int | None
) -> None:
    seen = autoscaler({BASELINE: baseline_text(Baseline(2, 20, None, None), NOW), FLOOR: "9"})
    fields = {"f:spec": {"f:minReplicas": {}}}
    metadata = {**seen.document["metadata"], "managedFields": [{"manager": manager, "fieldsV1": fields}]}
    metadata = metadata if manager else seen.document["metadata"]
    document = {**seen.document, "metadata": metadata, "spec": {"minReplicas": floor, "maxReplicas": 20}}
    observed = seen.reread(document).observation
    assert (observed.edited_by, observed.lowered_from) == (edited_by, lowered_from)
    untouched = {**document, "metadata": {**metadata, "annotations": {FLOOR: "9"}}}
    assert seen.reread(untouched).observation.edited_by is None, "what we never touched nobody can have edited"


def test_what_carries_our_baseline_is_ours_unless_a_controller_made_it() -> None:
    ours, owner = {BASELINE: "{}"}, {"kind": "ScaledObject", "name": "web", "controller": True}
    documents = {
        "ours": {"metadata": {"name": "ours", "annotations": ours}},
        "untouched": {"metadata": {"name": "untouched"}},
        "made": {"metadata": {"name": "made", "annotations": ours, "ownerReferences": [owner]}},
    }
    autoscalers = Autoscalers("shop", documents)
    assert [document["metadata"]["name"] for _, document in autoscalers.touched()] == ["ours"]


def test_of_a_workload_that_nobody_names_no_load_is_known() -> None:
    assert unknown_workload("shop", "web", "HorizontalPodAutoscaler").load == LoadModel(0, 0, 0, 0)
