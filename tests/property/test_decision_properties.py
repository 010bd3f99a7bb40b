"""What holds of every decision, for any plan, any observation and any minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.decision import ControllerRules, decide
from capacity.model import FloorChange, Observation, Peak, WorkloadPlan
from tests.plans import derivation
from tests.scale import examples

MINUTE = timedelta(minutes=1)
STARTS = {
    "an ordinary day": datetime(2026, 11, 27, tzinfo=UTC),
    "the day London gains an hour": datetime(2026, 10, 24, 23, tzinfo=UTC),
    "the day London loses an hour": datetime(2026, 3, 29, tzinfo=UTC),
}
some = examples(60)
policies = st.builds(
    ControllerRules,
    period=st.integers(1, 15).map(lambda minutes: minutes * MINUTE),
    hold_for=st.integers(0, 600).map(lambda minutes: minutes * MINUTE),
    step_down=st.floats(0.01, 1.0),
    ceiling_buffer=st.sampled_from([None, 0.0, 0.1, 0.3]),
)


@st.composite
def plans(draw: st.DrawFn, start: datetime | None = None, *, constant: bool = False) -> WorkloadPlan:
    """A plan of up to 40 steps with random floors, step length, lead time and safe floor."""
    floors = draw(st.lists(st.integers(1, 60), min_size=1, max_size=1 if constant else 40))
    step = draw(st.sampled_from([15, 60, 24 * 60])) * MINUTE
    changes = tuple(
        FloorChange(at, floor, "r") for at, floor in enumerate(floors) if at == 0 or floor != floors[at - 1]
    )
    begin = start or draw(st.sampled_from(list(STARTS.values())))
    ceiling = max(floors) + draw(st.integers(0, 20))
    return WorkloadPlan(
        namespace="shop",
        name="web",
        start=begin,
        step=step,
        steps=draw(st.integers(1, 40)) if constant else len(floors),
        floor=changes,
        binding="cpu",
        peak=Peak(begin + step * floors.index(max(floors)), 40.0, 4.0, 1e9, max(floors), 0.95),
        safe_floor=draw(st.integers(1, ceiling)),
        ceiling=ceiling,
        lead_time=draw(st.integers(0, 90)) * MINUTE,
        derivation=derivation(),
    )


@st.composite
def observations(draw: st.DrawFn, **fixed: Any) -> Observation:
    """An autoscaler somewhere between 1 and 100 replicas, touched before or not."""
    ceiling = draw(st.integers(1, 100))
    floor = draw(st.integers(1, ceiling))
    current, desired = draw(st.integers(0, 100)), draw(st.integers(0, 100))
    baseline = draw(st.none() | st.integers(1, ceiling))
    edited = draw(st.sampled_from([None, None, "kubectl-edit"]))
    seen = {"floor": floor, "ceiling": ceiling, "current": current, "desired": desired, "edited_by": edited}
    return Observation(**{**seen, "baseline_ceiling": baseline, **fixed})


def moment(plan: WorkloadPlan, minute: int) -> datetime:
    """A time from a day before the plan to a day after it, by a number of minutes that may be any."""
    span = round((plan.end - plan.start + timedelta(days=2)) / MINUTE)
    return plan.start - timedelta(days=1) + (minute % span) * MINUTE


minutes = st.integers(0, 10**6)


@some
@given(plans(), observations(), minutes, policies)
def test_a_decision_lies_under_its_ceiling_and_never_lowers_by_more_than_the_share(
    plan: WorkloadPlan, seen: Observation, minute: int, policy: ControllerRules
) -> None:
    decision = decide(plan, seen, moment(plan, minute), policy)
    assert 1 <= decision.floor <= decision.ceiling
    assert (decision.before, decision.before_ceiling) == (seen.floor, seen.ceiling)
    assert seen.floor - decision.floor <= max(1, seen.floor * policy.step_down)
    if policy.ceiling_buffer is None:
        assert decision.ceiling == seen.ceiling


@some
@given(plans(), observations(), minutes, policies)
def test_deciding_again_on_the_result_changes_nothing_unless_stepping_down(
    plan: WorkloadPlan, seen: Observation, minute: int, policy: ControllerRules
) -> None:
    now = moment(plan, minute)
    first = decide(plan, seen, now, policy)
    baseline = seen.baseline_ceiling if seen.baseline_ceiling is not None else seen.ceiling
    after = replace(seen, floor=first.floor, ceiling=first.ceiling, baseline_ceiling=baseline)
    again = decide(plan, after, now, policy)
    if "StepDown" in first.clamps:
        assert again.floor <= first.floor
    else:
        assert not again.changes


@some
@given(plans(), observations(current=5), minutes, policies)
def test_repeating_a_decision_arrives_and_stays(
    plan: WorkloadPlan, seen: Observation, minute: int, policy: ControllerRules
) -> None:
    now, floors = moment(plan, minute), [seen.floor]
    decision = decide(plan, seen, now, policy)
    while decision.changes:
        floors.append(decision.floor)
        assert len(floors) < 150
        seen = replace(seen, floor=decision.floor, ceiling=decision.ceiling)
        decision = decide(plan, seen, now, policy)
    assert floors[1:] in (sorted(floors[1:]), sorted(floors[1:], reverse=True)), "up or down, never both"


@some
@given(plans(), observations(), minutes, policies)
def test_held_means_nothing_falls_but_to_the_safe_floor_of_a_plan_long_dead(
    plan: WorkloadPlan, seen: Observation, minute: int, policy: ControllerRules
) -> None:
    now = moment(plan, minute)
    decision = decide(plan, seen, now, policy)
    if decision.reason == "PlanExpired":
        assert decision.held
        assert now >= plan.end + policy.hold_for
        assert decision.floor >= min(seen.floor, plan.safe_floor)
    elif decision.held:
        assert not decision.changes
    if now >= plan.end:
        assert decision.held


@some
@given(observations(), minutes, policies)
def test_without_a_plan_nothing_moves(seen: Observation, minute: int, policy: ControllerRules) -> None:
    decision = decide(None, seen, STARTS["an ordinary day"] + minute * MINUTE, policy)
    assert (decision.held, decision.changes, decision.floor) == (True, False, seen.floor)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@some
@given(data=st.data(), seconds=st.integers(0, 10**7), policy=policies)
def test_the_floor_covers_every_step_that_overlaps_the_span(
    start: datetime, data: st.DataObject, seconds: int, policy: ControllerRules
) -> None:
    plan = data.draw(plans(start))
    now = plan.start + timedelta(seconds=seconds % round((plan.end - plan.start).total_seconds()))
    zone = data.draw(st.sampled_from([UTC, ZoneInfo("Europe/London"), ZoneInfo("Asia/Kathmandu")]))
    seen = Observation(floor=1, ceiling=100, current=5, desired=5)
    decision = decide(plan, seen, now.astimezone(zone), policy)
    assert decision.floor == slow_floor(plan, now, now + plan.lead_time + 2 * policy.period)


def slow_floor(plan: WorkloadPlan, begin: datetime, end: datetime) -> int:
    """The highest floor of the steps that overlap `[begin, end]`, looked up step by step."""
    highest = 0
    for place in range(plan.steps):
        starts = plan.start + plan.step * place
        if starts <= end and starts + plan.step > begin:
            highest = max(highest, next(c.replicas for c in reversed(plan.floor) if c.offset <= place))
    return highest


@some
@given(plans(), minutes, policies)
def test_one_missed_run_opens_no_hole(plan: WorkloadPlan, minute: int, policy: ControllerRules) -> None:
    now = plan.start + (minute * MINUTE) % (plan.end - plan.start)
    seen = Observation(floor=1, ceiling=100, current=5, desired=5)
    served = decide(plan, seen, now, policy).floor
    until = now
    while until <= now + 2 * policy.period + plan.lead_time:
        assert served >= (plan.floor_between(until, until) or 0)
        until += MINUTE


@some
@given(plans(constant=True), observations(current=5, edited_by=None), policies, st.lists(minutes, max_size=12))
def test_a_constant_demand_never_moves_the_floor_twice(
    plan: WorkloadPlan, seen: Observation, policy: ControllerRules, passes: list[int]
) -> None:
    seen = replace(seen, floor=min(seen.floor, plan.floor[0].replicas))
    inside = [plan.start + (minute * MINUTE) % (plan.end - plan.start) for minute in passes]
    moves = 0
    for now in sorted(inside):
        decision = decide(plan, seen, now, policy)
        moves += decision.changes
        seen = replace(seen, floor=decision.floor, ceiling=decision.ceiling)
    assert moves <= 1


@some
@given(plans(), observations(), minutes, policies)
def test_the_zone_in_which_now_is_written_changes_nothing(
    plan: WorkloadPlan, seen: Observation, minute: int, policy: ControllerRules
) -> None:
    now = moment(plan, minute)
    here, there = (now.astimezone(ZoneInfo(name)) for name in ("Europe/London", "Australia/Lord_Howe"))
    assert decide(plan, seen, here, policy) == decide(plan, seen, there, policy) == decide(plan, seen, now, policy)
