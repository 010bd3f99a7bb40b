"""What the actuators beside the floor share: the lines, figures and plan files that they add."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from capacity.model import DataError, Plan, parse_plan, plan_text
from capacity.model.headroom import Headroom, HeadroomChange, HeadroomNodes
from capacity.model.outcome import Actuation, Outcome, outcome_document, summary
from tests.plans import workload_of, workload_plan

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
GROWN = Actuation("headroom", "v1", "CapacityBuffer", "web", {"replicas": 2.0}, {"replicas": 4.0}, "PeakAhead")


@pytest.mark.parametrize(
    ("before", "after", "line", "falls"),
    [
        pytest.param({"replicas": 4.0}, {"replicas": 4.0}, "replicas 4", False, id="what stays is said once"),
        pytest.param({}, {"replicas": 3.0}, "replicas none -> 3", False, id="what is made comes from none"),
        pytest.param({"replicas": 3.0}, {}, "replicas 3 -> none", True, id="what is removed falls"),
        pytest.param(
            {"cpu": 0.5, "memory": 2**29},
            {"cpu": 0.25, "memory": 2**31},
            "cpu 0.5 -> 0.25, memory 512Mi -> 2Gi",
            True,
            id="one of two that comes down is a fall",
        ),
    ],
)
def test_line_of_an_actuation(before: dict[str, float], after: dict[str, float], line: str, falls: bool) -> None:
    made = replace(GROWN, before=before, after=after)
    assert (made.move, made.falls, made.changes) == (line, falls, before != after)


def test_amounts_are_not_negative() -> None:
    with pytest.raises(DataError, match="amounts must be >= 0"):
        replace(GROWN, after={"replicas": -1.0})


def test_outcome_counts_its_actuations() -> None:
    outcome = Outcome(workload_of("web"), actuations=(replace(GROWN, done=True), replace(GROWN, error="403")))
    assert (outcome.changed, outcome.failed, outcome.held) == (True, True, False)
    assert outcome.lines == [
        "shop/web CapacityBuffer/web replicas 2 -> 4 PeakAhead",
        "shop/web CapacityBuffer/web replicas 2 -> 4 PeakAhead (403)",
    ]
    assert summary([outcome], NOW)["failed"] == 1
    assert [one["changed"] for one in outcome_document(outcome)["actuations"]] == [True, False]


def test_headroom_survives_its_file_and_is_cut_to_the_days_near_now() -> None:
    hours = 24 * 14
    changes = tuple(HeadroomChange(day * 24, day) for day in range(14))
    nodes = (HeadroomNodes("m8", 3, 1.25, 0.4),)
    ahead = Headroom(
        NOW, timedelta(hours=1), hours, changes, 0.95, timedelta(minutes=4), 500, 2**29, "edge", ("web", "api"), nodes
    )
    plan = Plan(NOW, NOW, NOW + timedelta(days=14), "", {}, (replace(workload_plan("web"), headroom=ahead),))
    assert parse_plan(plan_text(plan), "plan.json").workloads[0].headroom == ahead
    near = parse_plan(plan_text(plan), "plan.json", near=NOW + timedelta(days=7)).workloads[0].headroom
    assert near is not None
    assert len(near.changes) < 6
    moment = NOW + timedelta(days=7, hours=1)
    assert (
        near.between(moment, moment + timedelta(hours=23)) == ahead.between(moment, moment + timedelta(hours=23)) == 8
    )
