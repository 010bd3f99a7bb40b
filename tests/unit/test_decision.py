"""One decision at a time: the floor, its reason, and what is held when in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from capacity.decision import ControllerRules, decide
from capacity.model import DataError, Decision, FloorChange, Observation, Peak, WorkloadPlan
from tests.plans import derivation

START = datetime(2026, 11, 27, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def plan(floors: Sequence[int], ceiling: int = 100, **changed: Any) -> WorkloadPlan:
    """A plan of hourly floors with a lead time of five minutes and a safe floor of 6."""
    changes = tuple(
        FloorChange(at, floor, "r") for at, floor in enumerate(floors) if at == 0 or floor != floors[at - 1]
    )
    peak = Peak(START + HOUR * max(range(len(floors)), key=floors.__getitem__), 40.0, 4.0, 1e9, max(floors), 0.95)
    rest: dict[str, Any] = {"safe_floor": 6, "lead_time": 5 * MINUTE, "binding": "cpu", "start": START, "step": HOUR}
    rest["derivation"] = derivation()
    chosen = {
        **rest,
        "steps": len(floors),
        "floor": changes,
        "peak": peak,
        "ceiling": ceiling,
        **changed,
    }
    return WorkloadPlan("shop", "web", **chosen)


def seen(floor: int, ceiling: int = 100, **changed: Any) -> Observation:
    return Observation(**{"floor": floor, "ceiling": ceiling, "current": floor, "desired": floor, **changed})


@pytest.mark.parametrize(
    ("minute", "floor"),
    [
        pytest.param(0, 4, id="nothing due yet"),
        pytest.param(52, 4, id="the span of 7 minutes ends just before the rise"),
        pytest.param(53, 9, id="lead time and two periods before the rise it is due"),
        pytest.param(60, 9, id="during the rise"),
        pytest.param(119, 9, id="its last minute is still covered"),
        pytest.param(120, 5, id="after it"),
    ],
)
def test_the_floor_rises_lead_time_and_two_periods_before_the_peak(minute: int, floor: int) -> None:
    free = ControllerRules(step_down=1.0)
    assert decide(plan([4, 9, 5, 5]), seen(floor=4), START + minute * MINUTE, free).floor == floor


@pytest.mark.parametrize(
    ("before", "planned", "after", "reason", "clamps"),
    [
        pytest.param(4, 9, 9, "DemandRising", (), id="up at once, however far"),
        pytest.param(9, 9, 9, "AsPlanned", (), id="nothing to do"),
        pytest.param(50, 4, 45, "DemandFalling", ("StepDown",), id="down by a tenth of what stands"),
        pytest.param(59, 4, 54, "DemandFalling", ("StepDown",), id="a share of 5.9 is 5: never more than the share"),
        pytest.param(5, 2, 4, "DemandFalling", ("StepDown",), id="below ten: one at a time"),
        pytest.param(50, 46, 46, "DemandFalling", (), id="a small step down is free"),
        pytest.param(50, 45, 45, "DemandFalling", (), id="exactly the share is no clamp"),
        pytest.param(2, 1, 1, "DemandFalling", (), id="down to one"),
    ],
)
def test_the_floor_rises_at_once_and_comes_down_in_steps(
    before: int, planned: int, after: int, reason: str, clamps: tuple[str, ...]
) -> None:
    decision = decide(plan([planned], safe_floor=1), seen(before), START)
    assert (decision.floor, decision.before, decision.reason) == (after, before, reason)
    assert (decision.clamps, decision.held) == (clamps, False)


def test_a_ceiling_cuts_and_is_named() -> None:
    decision = decide(plan([9]), seen(4, 7), START)
    assert (decision.floor, decision.ceiling) == (7, 7)
    assert (decision.reason, decision.clamps) == ("CeilingReached", ("CeilingReached",))


@pytest.mark.parametrize(
    ("by", "before", "ceiling", "reason", "clamps"),
    [
        pytest.param("CeilingReached", 4, 20, "CeilingReached", ("CeilingReached",), id="the plan's ceiling"),
        pytest.param("BudgetReached", 4, 20, "BudgetReached", ("BudgetReached",), id="the budget"),
        pytest.param("QuotaReached", 4, 20, "QuotaReached", ("QuotaReached",), id="a quota"),
        pytest.param(
            "QuotaReached", 9, 20, "QuotaReached", ("QuotaReached",), id="a quota, and the floor stands there"
        ),
        pytest.param("QuotaReached", 20, 20, "QuotaReached", ("QuotaReached", "StepDown"), id="on the way down to it"),
        pytest.param(
            "BudgetReached", 4, 7, "CeilingReached", ("BudgetReached", "CeilingReached"), id="a ceiling below both"
        ),
    ],
)
def test_a_plan_that_was_cut_names_what_cut_it(
    by: str, before: int, ceiling: int, reason: str, clamps: tuple[str, ...]
) -> None:
    cut = plan([9], floor=(FloorChange(0, 9, by),))
    decision = decide(cut, seen(before, ceiling), START)
    assert (decision.reason, decision.clamps, decision.cut) == (reason, clamps, True)


@pytest.mark.parametrize(
    ("need", "buffer", "seen_ceiling", "ceiling"),
    [
        pytest.param(9, 0.1, 20, 20, id="a need within the ceiling leaves it"),
        pytest.param(9, 0.1, 8, 10, id="nine and a tenth are 9.9, rounded up"),
        pytest.param(10, 0.1, 8, 11, id="ten and a tenth are exactly 11, floating point or not"),
        pytest.param(30, 0.1, 8, 33, id="thirty and a tenth are exactly 33"),
        pytest.param(9, 0.0, 8, 9, id="no buffer: exactly the need"),
    ],
)
def test_a_ceiling_with_a_buffer_makes_room(need: int, buffer: float, seen_ceiling: int, ceiling: int) -> None:
    decision = decide(plan([need]), seen(4, seen_ceiling), START, ControllerRules(ceiling_buffer=buffer))
    assert (decision.floor, decision.ceiling, decision.before_ceiling) == (need, ceiling, seen_ceiling)


@pytest.mark.parametrize(
    ("changed", "ceiling"),
    [
        pytest.param({}, 12, id="given back when nothing needs more"),
        pytest.param({"current": 12}, 12, id="given back when what runs just fits"),
        pytest.param({"current": 15}, 20, id="not while more replicas run"),
        pytest.param({"desired": 15}, 20, id="not while more are desired"),
        pytest.param({"floor": 15, "current": 15}, 20, id="not while the floor is above it"),
        pytest.param({"baseline_ceiling": None}, 20, id="not where it was never ours"),
    ],
)
def test_a_raised_ceiling_is_given_back_after_the_peak(changed: dict[str, Any], ceiling: int) -> None:
    chosen = {"floor": 4, "ceiling": 20, "current": 4, "desired": 4, "baseline_ceiling": 12, **changed}
    assert decide(plan([4]), Observation(**chosen), START, ControllerRules(ceiling_buffer=0.1)).ceiling == ceiling


HELD: list[tuple[str, WorkloadPlan | None, dict[str, Any], datetime, str]] = [
    ("no plan", None, {}, START, "HeldNoPlan"),
    ("scaled to zero", plan([9]), {"current": 0}, START, "ScaledToZero"),
    ("a plan that starts tomorrow", plan([9]), {}, START - timedelta(days=1), "HeldPlanNotStarted"),
    ("a plan that starts in eight minutes", plan([9]), {}, START - 8 * MINUTE, "HeldPlanNotStarted"),
    ("a lower floor a moment before its start", plan([2]), {}, START - MINUTE, "HeldPlanNotStarted"),
    ("a plan that just ended", plan([9]), {}, START + HOUR, "HeldPlanExpired"),
    ("a plan that ended almost six hours ago", plan([9]), {}, START + 7 * HOUR - MINUTE, "HeldPlanExpired"),
    ("somebody set a higher floor", plan([4]), {"edited_by": "kubectl-edit"}, START, "HeldEdited"),
]


@pytest.mark.parametrize(("made", "changed", "now", "reason"), [row[1:] for row in HELD], ids=[row[0] for row in HELD])
def test_in_doubt_the_floor_is_held(
    made: WorkloadPlan | None, changed: dict[str, Any], now: datetime, reason: str
) -> None:
    decision = decide(made, seen(8, 20, **changed), now)
    assert (decision.reason, decision.held, decision.changes) == (reason, True, False)
    assert (decision.floor, decision.ceiling, decision.before) == (8, 20, 8)


def test_a_floor_due_before_the_plan_starts_rises_already() -> None:
    decision = decide(plan([9]), seen(8), START - 7 * MINUTE)
    assert (decision.floor, decision.reason, decision.held) == (9, "DemandRising", False)


def test_an_edited_floor_still_rises_where_the_plan_needs_more() -> None:
    decision = decide(plan([9]), seen(8, edited_by="kubectl-edit"), START)
    assert (decision.floor, decision.held) == (9, False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(4, 6, id="up to the safe floor at once"),
        pytest.param(50, 45, id="down towards it in steps"),
        pytest.param(6, 6, id="there already"),
    ],
)
def test_a_plan_long_dead_decays_to_the_safe_floor_and_says_so(before: int, after: int) -> None:
    decision = decide(plan([9]), seen(before), START + 7 * HOUR)
    assert (decision.floor, decision.reason, decision.held) == (after, "PlanExpired", True)
    assert "safe floor 6" in decision.detail


def test_the_detail_names_need_span_and_peak() -> None:
    detail = decide(plan([4, 9]), seen(4), START).detail
    assert detail == "4 until 00:07Z; peak 9 at 11-27 01:00Z, 40 sales/h at 0.95"
    assert "peak" not in decide(plan([9, 4]), seen(4), START + HOUR + MINUTE).detail


def test_stepping_down_again_and_again_arrives_and_stops() -> None:
    made, observation, decisions = plan([4]), seen(40), list[Decision]()
    while not decisions or decisions[-1].changes:
        decisions.append(decide(made, observation, START))
        observation = replace(observation, floor=decisions[-1].floor)
    assert observation.floor == 4
    assert len(decisions) < 30


@pytest.mark.parametrize(
    "wrong", [{"period": timedelta(0)}, {"hold_for": -MINUTE}, {"step_down": 0.0}, {"step_down": 1.1}], ids=str
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        ControllerRules(**wrong)


def test_a_time_without_zone_is_refused_and_never_taken_for_the_machines_own() -> None:
    with pytest.raises(DataError, match="time zone"):
        decide(plan([9]), seen(4), START.replace(tzinfo=None))
