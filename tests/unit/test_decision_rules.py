"""The rules around a plan: metrics, two looks, time between steps, ramps, wishes, holds, the brake."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from capacity.decision import CALM, Brake, ControllerRules, decide
from capacity.decision.decide import _calm, _stood, lowest_floor
from capacity.decision.guards import BrakeEpisode, brake_episode
from capacity.decision.reached import check_due, with_slow_starts
from capacity.model import (
    DataError,
    Decision,
    Doubt,
    FloorChange,
    Memory,
    Observation,
    Quiet,
    Readings,
    Wishes,
    WorkloadPlan,
)
from tests.unit.test_decision import HOUR, MINUTE, START, plan, seen

NOW = START + MINUTE
DAY = timedelta(days=1)


def engage_brake(
    fleet: list[tuple[Observation, Decision]], now: datetime, brake: Brake
) -> list[tuple[Observation, Decision]]:
    """The decisions of a whole fleet, each as its pass makes it."""
    episode = brake_episode(fleet, now, brake)
    return [(seen, episode.applied(seen, decision)) for seen, decision in fleet]


@pytest.mark.parametrize(
    ("readings", "floor", "reason"),
    [
        pytest.param(None, 36, "DemandFalling", id="no autoscaler to ask"),
        pytest.param(Readings(wanted=3), 36, "DemandFalling", id="it asks for less"),
        pytest.param(Readings(wanted=38), 38, "DemandFalling", id="it asks for more than the step leaves"),
        pytest.param(Readings(wanted=40), 40, "AutoscalerNeeds", id="it asks for all of it"),
        pytest.param(Readings(wanted=55), 40, "AutoscalerNeeds", id="it asks for more than the floor"),
        pytest.param(Readings(blind="nothing reported"), 40, "HeldNoMetrics", id="blind"),
        pytest.param(Readings(cpu_millicores=900), 40, "HeldTrafficVanished", id="less than quiet"),
        pytest.param(Readings(cpu_millicores=1000), 36, "DemandFalling", id="just quiet"),
        pytest.param(Readings(wanted=0, cpu_millicores=0), 40, "HeldTrafficVanished", id="nothing at all"),
    ],
)
def test_a_floor_comes_down_only_with_the_autoscalers_own_metrics(
    readings: Readings | None, floor: int, reason: str
) -> None:
    decision = decide(plan([4], quiet=(Quiet(0, 1000),)), seen(40, readings=readings), NOW)
    assert (decision.floor, decision.reason) == (floor, reason)
    assert decision.held == reason.startswith("Held")


@pytest.mark.parametrize("readings", [Readings(blind="x"), Readings(cpu_millicores=0), Readings(mark="5m")])
def test_no_metric_is_needed_to_rise(readings: Readings) -> None:
    assert decide(plan([9], quiet=(Quiet(0, 1000),)), seen(4, readings=readings), NOW).floor == 9


@pytest.mark.parametrize(
    ("minutes", "floor"),
    [(0, 40), (1, 40), (4.4, 40), (4.5, 36), (5, 36), (600, 36), (-4, 40), (-600, 36)],
    ids=lambda value: str(value),
)
def test_two_steps_lie_their_time_apart(minutes: float, floor: int) -> None:
    memory = Memory(moved_at=NOW - minutes * MINUTE)
    decision = decide(plan([4]), seen(40, memory=memory), NOW)
    assert decision.floor == floor
    assert decision.reason == ("DemandFalling" if floor < 40 else "StepDown")
    assert not decision.held


def test_passes_more_often_come_down_no_faster() -> None:
    def minutes_down(period: timedelta) -> float:
        observation, now = seen(40), NOW
        while observation.floor > 6:
            decision = decide(plan([6], steps=9), observation, now)
            observation = replace(observation, floor=decision.floor, memory=decision.memory)
            now += period
        return (now - NOW) / MINUTE

    assert minutes_down(MINUTE / 6) == pytest.approx(minutes_down(MINUTE), rel=0.15)
    assert minutes_down(5 * MINUTE) == pytest.approx(minutes_down(MINUTE), rel=0.15)


def test_with_a_half_life_the_excess_halves_no_faster() -> None:
    policy = ControllerRules(step_down=1.0, half_life=HOUR)
    observation, now = seen(68), NOW
    made = plan([4], steps=99)
    while now < NOW + HOUR:
        decision = decide(made, observation, now, policy)
        observation = replace(observation, floor=decision.floor, memory=decision.memory)
        now += MINUTE
    assert 36 <= observation.floor <= 42


@pytest.mark.parametrize(
    ("before", "ago", "floor", "reason"),
    [
        pytest.param(4, None, 6, "DemandRising", id="half of what stands"),
        pytest.param(1, None, 2, "DemandRising", id="one at least"),
        pytest.param(18, None, 20, "DemandRising", id="not beyond the need"),
        pytest.param(4, 0.4, 4, "StepUp", id="not again within its period"),
        pytest.param(4, 1, 6, "DemandRising", id="again after it"),
    ],
)
def test_a_ramp_rises_by_its_share_per_period(before: int, ago: float | None, floor: int, reason: str) -> None:
    memory = Memory(moved_at=None if ago is None else NOW - ago * MINUTE)
    decision = decide(plan([20]), seen(before, memory=memory), NOW, ControllerRules(step_up=0.5))
    assert (decision.floor, decision.reason) == (floor, reason)


def test_two_looks_a_step_apart_at_metrics_that_move() -> None:
    observation = seen(40, readings=Readings(wanted=3, mark="20m"))
    first = decide(plan([4]), observation, NOW)
    assert (first.reason, first.floor, first.notes, first.held) == ("SecondLook", 40, True, False)
    young = replace(observation, memory=first.memory, readings=Readings(wanted=3, mark="21m"))
    assert decide(plan([4]), young, NOW + MINUTE).notes is False
    assert decide(plan([4]), young, NOW + 5 * MINUTE).floor == 36
    assert decide(plan([4]), young, NOW + 15 * MINUTE).reason == "SecondLook", "too old to say anything"
    ahead = replace(young, memory=replace(first.memory, looked_at=NOW + 3 * MINUTE))
    assert decide(plan([4]), ahead, NOW).notes, "a wrong clock noted it: look again"


def passes(observation: Observation, minutes: range, **rules: Any) -> list[tuple[int, Decision]]:
    """Passes at these minutes, each with what the one before noted."""
    made = []
    for minute in minutes:
        decision = decide(plan([4] * 12), observation, NOW + minute * MINUTE, ControllerRules(**rules))
        observation = replace(observation, floor=decision.floor, memory=decision.memory)
        made.append((minute, decision))
    return made


@pytest.mark.parametrize("step", [5, 7, 30])
def test_looking_often_at_metrics_that_move_delays_no_step(step: int) -> None:
    observation, falls = seen(40, readings=Readings(wanted=3, mark="0m")), []
    for minute in range(4 * step):
        observation = replace(observation, readings=Readings(wanted=3, mark=f"{minute}m"))
        decision = decide(plan([4] * 12), observation, NOW + minute * MINUTE, ControllerRules(step_every=step * MINUTE))
        observation = replace(observation, floor=decision.floor, memory=decision.memory)
        falls += [minute] if decision.falls else []
    assert falls == [step, 2 * step, 3 * step]


def test_readings_that_stand_still_are_found_within_ten_minutes_and_noted() -> None:
    observation = seen(40, readings=Readings(wanted=3, mark="250m"))
    made = passes(observation, range(20))
    reasons = [decision.reason for _, decision in made]
    assert reasons == ["SecondLook"] * 5 + ["HeldFrozenMetrics"] * 15
    assert [minute for minute, decision in made if decision.notes] == [0, 2, 3, 4, 5]
    assert "held until 11-27 06:06Z" in made[-1][1].detail
    assert "capacity/force-floor" in made[-1][1].detail


def test_readings_that_stand_still_hold_for_a_time_only() -> None:
    observation = seen(40, readings=Readings(wanted=3, mark="250m"))
    made = passes(observation, range(400))
    falls = [minute for minute, decision in made if decision.falls]
    assert falls[:3] == [365, 370, 375], "six hours after they were known to stand still, then step by step"


def test_readings_that_move_again_are_believed_at_once() -> None:
    observation = seen(40, readings=Readings(wanted=3, mark="250m"))
    memory = passes(observation, range(10))[-1][1].memory
    assert memory.still_since == NOW + 5 * MINUTE
    moved = replace(observation, memory=memory, readings=Readings(wanted=3, mark="251m"))
    decision = decide(plan([4]), moved, NOW + 10 * MINUTE)
    assert (decision.floor, decision.memory.still_since, decision.memory.mark) == (36, None, "251m")
    assert decide(plan([4]), moved, NOW + 55 * MINUTE).floor == 36, "however long it stood still"
    steady = decide(plan([40]), moved, NOW + 10 * MINUTE)
    assert (steady.floor, steady.memory.still_since, steady.notes) == (40, None, True)


def test_an_equal_look_of_long_ago_proves_nothing() -> None:
    memory = Memory(mark="250m", looked_at=NOW - timedelta(hours=4))
    decision = decide(plan([4]), seen(40, readings=Readings(wanted=3, mark="250m"), memory=memory), NOW)
    assert (decision.reason, decision.memory.looked_at) == ("SecondLook", NOW)


def test_a_forced_floor_needs_no_metrics_that_move() -> None:
    memory = Memory(mark="250m", looked_at=NOW - MINUTE, still_since=NOW)
    observation = seen(40, readings=Readings(wanted=3, mark="250m"), memory=memory, wishes=Wishes(floor=10))
    assert decide(plan([4]), observation, NOW).floor == 36


def test_without_a_plan_readings_that_stand_still_hold_for_a_time_only() -> None:
    memory = Memory(mark="250m", looked_at=NOW - 9 * MINUTE, held_for="HeldNoPlan", held_since=NOW - DAY)
    observation = replace(seen(40, readings=Readings(wanted=3, mark="250m"), memory=memory), baseline_floor=4)
    held = decide(None, observation, NOW)
    assert (held.reason, held.memory.still_since, held.notes) == ("HeldFrozenMetrics", NOW, True)
    later = decide(None, replace(observation, memory=held.memory), NOW + timedelta(hours=6))
    assert (later.reason, later.floor) == ("PlanExpired", 36)


@pytest.mark.parametrize(
    ("wishes", "reason", "floor", "held"),
    [
        pytest.param(Wishes(excluded="x"), "Excluded", 8, False, id="excluded"),
        pytest.param(Wishes(frozen="x"), "Frozen", 8, True, id="frozen"),
        pytest.param(Wishes(unclear="x"), "HeldUnclearWish", 8, True, id="unclear"),
        pytest.param(Wishes(no_rise="x"), "RisePaused", 8, False, id="no rise"),
        pytest.param(Wishes(floor=12), "Forced", 12, False, id="forced up"),
        pytest.param(Wishes(floor=3), "Forced", 7, False, id="forced down comes in steps"),
        pytest.param(Wishes(floor=500), "CeilingReached", 100, False, id="forced above the ceiling"),
        pytest.param(Wishes(excluded="x", floor=12), "Excluded", 8, False, id="excluded goes first"),
    ],
)
def test_wishes_of_people_go_before_the_plan(wishes: Wishes, reason: str, floor: int, held: bool) -> None:
    decision = decide(plan([20]), seen(8, wishes=wishes), NOW)
    assert (decision.reason, decision.floor, decision.held) == (reason, floor, held)
    assert decide(None, seen(8, wishes=wishes), NOW).floor == (8 if reason == "RisePaused" else floor)


def test_without_a_plan_what_we_raised_is_held_then_decays() -> None:
    observation = seen(20, baseline_floor=2, memory=Memory(safe_floor=12))
    first = decide(None, observation, NOW)
    assert (first.reason, first.notes, first.changes) == ("HeldNoPlan", True, False)
    noted = replace(observation, memory=first.memory)
    almost = decide(None, noted, NOW + 6 * HOUR - MINUTE)
    assert (almost.reason, almost.notes, almost.floor) == ("HeldNoPlan", False, 20)
    later = decide(None, noted, NOW + 6 * HOUR)
    assert (later.reason, later.floor, later.held) == ("PlanExpired", 18, True)
    assert decide(None, replace(noted, floor=12), NOW + 7 * HOUR).floor == 12
    followed = decide(plan([20]), noted, NOW)
    assert (followed.memory.held_for, followed.notes, followed.memory.safe_floor) == (None, True, 6)


def test_without_any_known_safe_floor_the_baseline_is_safe() -> None:
    memory = Memory(held_for="HeldNoPlan", held_since=NOW - 9 * HOUR)
    assert decide(None, seen(4, baseline_floor=3, memory=memory), NOW).floor == 3
    assert decide(None, seen(3, baseline_floor=0, memory=memory), NOW).floor == 2
    assert decide(None, seen(1, baseline_floor=0, memory=memory), NOW).floor == 1, "never to 0"


def test_a_hold_noted_in_the_future_begins_now() -> None:
    memory = Memory(held_for="HeldNoPlan", held_since=NOW + 900 * HOUR)
    decision = decide(None, seen(9, baseline_floor=3, memory=memory), NOW)
    assert (decision.notes, decision.memory.held_since) == (True, NOW)


def test_a_dead_plan_lowers_nothing_without_metrics() -> None:
    decision = decide(plan([9]), seen(20, readings=Readings(blind="x")), START + 8 * HOUR)
    assert (decision.reason, decision.floor) == ("HeldNoMetrics", 20)


def fleet(falling: int, others: int, **memory: Any) -> list[tuple[Observation, Decision]]:
    down = (seen(9, memory=Memory(**memory)), Decision(8, 100, "DemandFalling", 9, 100))
    stay = (seen(9), Decision(9, 100, "AsPlanned", 9, 100))
    return [down] * falling + [stay] * others


@pytest.mark.parametrize(
    ("falling", "others", "braked"),
    [
        pytest.param(4, 0, False, id="fewer than at_least"),
        pytest.param(5, 5, False, id="just the share"),
        pytest.param(6, 5, True, id="more than the share"),
        pytest.param(6, 0, True, id="all of them"),
        pytest.param(0, 9, False, id="nobody"),
    ],
)
def test_more_than_a_share_that_wants_down_is_held(falling: int, others: int, braked: bool) -> None:
    held = engage_brake(fleet(falling, others), NOW, Brake())
    assert [decision.floor for _, decision in held] == [9 if braked else 8] * falling + [9] * others
    assert all(decision.held == braked for _, decision in held[:falling])
    assert not any(decision.held for _, decision in held[falling:])


@pytest.mark.parametrize(("minutes", "braked"), [(29, True), (30, False), (300, False)])
def test_the_brake_lets_go_in_time(minutes: int, braked: bool) -> None:
    since = NOW - minutes * MINUTE
    held = engage_brake(fleet(6, 0, held_for="HeldBrake", held_since=since), NOW, Brake())
    assert {decision.reason for _, decision in held} == {"HeldBrake" if braked else "DemandFalling"}


FALLS = Decision(8, 100, "DemandFalling", 9, 100)


def marked(since: datetime | None) -> Observation:
    return seen(9, memory=Memory(held_for="HeldBrake", held_since=since) if since else Memory())


def falling(*since: datetime | None) -> list[tuple[Observation, Decision]]:
    """Floors that want down together, each with what it noted of a brake."""
    return [(marked(one), replace(FALLS, memory=marked(one).memory)) for one in since]


@pytest.mark.parametrize(
    ("since", "began"),
    [
        pytest.param([None] * 10, NOW, id="no note"),
        pytest.param([NOW - 6 * DAY, *[None] * 9], NOW, id="one note of last week"),
        pytest.param([NOW - 20 * MINUTE, *[None] * 9], NOW, id="one note of an episode of others"),
        pytest.param([NOW - 20 * MINUTE] * 5 + [None] * 5, NOW - 20 * MINUTE, id="half of them noted it"),
        pytest.param([NOW - 20 * MINUTE] * 4 + [None] * 6, NOW, id="less than half noted it"),
        pytest.param([NOW - 20 * MINUTE] * 6 + [NOW - 6 * DAY] * 4, NOW - 20 * MINUTE, id="most noted the newer one"),
        pytest.param([NOW - 6 * DAY] * 10, NOW, id="all noted last week's: nobody ran since"),
        pytest.param(
            [NOW - timedelta(hours=12, minutes=29)] * 6, NOW - timedelta(hours=12, minutes=29), id="a long night"
        ),
        pytest.param([NOW - 750 * MINUTE] * 6, NOW, id="too long for one night"),
        pytest.param([NOW + 2 * MINUTE] * 6, NOW + 2 * MINUTE, id="noted by a clock a little ahead"),
        pytest.param([NOW + 3 * MINUTE] * 6, NOW, id="noted by a wrong clock"),
    ],
)
def test_the_brake_is_an_episode_of_the_fleet(since: list[datetime | None], began: datetime) -> None:
    episode = brake_episode(falling(*since), NOW, Brake())
    assert (episode.began, episode.holds) == (began, NOW - began < 30 * MINUTE)


def test_one_old_note_does_not_disarm_the_brake() -> None:
    """Its own autoscaler kept it up for six days, and the note with it."""
    held = engage_brake(falling(NOW - 6 * DAY, *[None] * 9), NOW, Brake())
    assert {decision.reason for _, decision in held} == {"HeldBrake"}
    assert {decision.memory.held_since for _, decision in held} == {NOW}
    assert all(decision.notes for _, decision in held)


def test_a_held_fall_says_until_when() -> None:
    ((_, held), *_) = engage_brake(falling(*[NOW - 10 * MINUTE] * 6), NOW, Brake())
    assert held.detail == "6 of 6 floors want to come down together; held until 00:21Z"


def test_the_end_of_an_episode_removes_its_notes() -> None:
    one = falling(NOW - 40 * MINUTE)
    (_, released), *_ = engage_brake([*one, *fleet(0, 9)], NOW, Brake())
    assert (released.reason, released.memory, released.notes) == ("DemandFalling", Memory(), True)
    stays = Decision(9, 100, "AutoscalerNeeds", 9, 100, memory=marked(NOW).memory)
    (_, freed), *_ = engage_brake([(marked(NOW), stays), *fleet(0, 9)], NOW, Brake())
    assert (freed.memory, freed.notes, freed.changes) == (Memory(), True, False)


@pytest.mark.parametrize("reason", ["HeldFrozenMetrics", "HeldNoMetrics", "HeldTrafficVanished", "HeldEdited"])
def test_the_end_of_an_episode_frees_what_is_held_in_doubt(reason: Doubt) -> None:
    """Else half a fleet whose metrics froze in this episode would disarm the next one, hours later."""
    began = NOW - 3 * 60 * MINUTE
    doubted = Decision(9, 100, reason, 9, 100, held=True, memory=marked(began).memory)
    (_, freed), *_ = engage_brake([(marked(began), doubted), *fleet(0, 9)], NOW, Brake())
    assert (freed.reason, freed.memory, freed.notes, freed.changes) == (reason, Memory(), True, False)


def test_what_is_held_for_another_reason_keeps_its_note_and_is_not_written() -> None:
    stays = Decision(9, 100, "HeldForeignOwner", 9, 100, held=True, memory=marked(NOW).memory)
    assert engage_brake([(marked(NOW), stays)], NOW, Brake()) == [(marked(NOW), stays)]


def test_who_joins_an_episode_that_let_go_notes_its_beginning() -> None:
    began = NOW - 40 * MINUTE
    decisions = [decision for _, decision in engage_brake(falling(*[began] * 6, None), NOW, Brake())]
    assert {decision.reason for decision in decisions} == {"DemandFalling"}
    assert {decision.memory.held_since for decision in decisions} == {began}


def test_a_floor_whose_plan_is_gone_is_not_held_a_second_time() -> None:
    """It was held for hold_for; a brake that took over its note would begin that hold anew, for ever."""
    gone = Decision(8, 100, "PlanExpired", 9, 100, held=True, memory=Memory(held_for="HeldNoPlan", held_since=NOW))
    assert engage_brake([(seen(9), gone)] * 9, NOW, Brake()) == [(seen(9), gone)] * 9
    mixed = engage_brake([*fleet(8, 0), (seen(9), gone)], NOW, Brake())
    assert mixed[-1] == (seen(9), gone)
    assert mixed[0][1].reason == "HeldBrake"


@pytest.mark.parametrize(
    "build",
    [
        lambda: ControllerRules(step_every=-MINUTE),
        lambda: ControllerRules(half_life=timedelta(0)),
        lambda: ControllerRules(step_up=0.0),
        lambda: Brake(share=0.0),
        lambda: Brake(at_least=0),
        lambda: Brake(hold_for=-MINUTE),
        lambda: Wishes(floor=0),
        lambda: Readings(wanted=-1),
        lambda: Memory(safe_floor=0),
        lambda: Memory(moved_at=START.replace(tzinfo=None)),
    ],
)
def test_what_cannot_be_is_refused(build: Any) -> None:
    with pytest.raises(DataError):
        build()


def minutes_plan(*floors: int) -> WorkloadPlan:
    """A plan of five-minute steps; five minutes of lead time and two passes reach into the third of them."""
    changes = [FloorChange(0, floors[0], "PlanStart")]
    changes += [
        FloorChange(at, floor, "DemandRising") for at, floor in enumerate(floors) if at and floor != floors[at - 1]
    ]
    return replace(plan([1]), step=5 * MINUTE, steps=len(floors), floor=tuple(changes), quiet=())


CALM_CASES = [
    pytest.param([4, 4, 4, 5, 6, 7, 8, 8, 8, 8], 4, 4, id="nothing must rise yet"),
    pytest.param([4, 5, 4, 5, 6, 7, 8, 8, 8, 8], 4, 8, id="one rise for several"),
    pytest.param([4, 5, 4, 5, 6, 7, 8, 8, 8, 99], 4, 8, id="but none for what comes after a while"),
    pytest.param([8, 8, 8, 8, 8, 8, 8, 8, 8, 8], 9, 9, id="a fall of less than a quarter is none"),
    pytest.param([8, 8, 8, 8, 8, 8, 19, 8, 8, 8], 20, 20, id="a fall that is soon taken back is none"),
    pytest.param([8] * 10, 12, 8, id="a fall at once to what lasts"),
    pytest.param([8] * 10, 40, 22, id="by at most what as many steps would have taken"),
]


@pytest.mark.parametrize(("floors", "stands", "set_to"), CALM_CASES)
def test_under_a_plan_of_short_steps_floors_move_seldom(floors: list[int], stands: int, set_to: int) -> None:
    moved = Memory(moved_at=NOW - HOUR)
    decision = decide(minutes_plan(*floors), seen(stands, memory=moved), NOW, ControllerRules(calm=CALM))
    assert decision.floor == set_to
    assert decision.floor >= max(floors[:2])


@pytest.mark.parametrize(("hours", "floor"), [(2.9, 9), (3, 8), (-1, 8)], ids=["early", "late", "a wrong clock"])
def test_a_small_fall_comes_when_the_floor_has_stood_for_long(hours: float, floor: int) -> None:
    moved = Memory(moved_at=NOW - hours * HOUR)
    assert decide(minutes_plan(*[8] * 10), seen(9, memory=moved), NOW, ControllerRules(calm=CALM)).floor == floor


def test_without_calm_a_plan_of_short_steps_is_followed_step_by_step() -> None:
    assert decide(minutes_plan(4, 5, 4, 5, 6, 7, 8, 8, 8, 8), seen(4), NOW).floor == 5
    assert decide(minutes_plan(*[8] * 10), seen(9), NOW).floor == 8


def test_two_calm_steps_down_lie_half_the_calm_apart() -> None:
    made, memories = minutes_plan(*[8] * 20), [Memory(moved_at=NOW - minutes * MINUTE) for minutes in (14, 15)]
    waits = [decide(made, seen(40, memory=memory), NOW, ControllerRules(calm=CALM)).floor for memory in memories]
    assert waits == [40, 22]


def test_a_step_of_a_half_life_is_at_least_one_replica() -> None:
    decision = decide(plan([4]), seen(5), NOW, ControllerRules(half_life=timedelta(days=7)))
    assert (decision.floor, decision.reason) == (4, "DemandFalling")
    slow = decide(plan([4]), seen(60), NOW, ControllerRules(half_life=timedelta(days=7), step_down=1.0))
    assert slow.floor == 59


@pytest.mark.parametrize(("minutes", "reason"), [(14, "DemandFalling"), (14.5, "SecondLook")])
def test_a_look_is_remembered_for_two_steps_and_four_passes(minutes: float, reason: str) -> None:
    memory = Memory(mark="250m", looked_at=NOW - minutes * MINUTE)
    moved = seen(40, readings=Readings(wanted=3, mark="251m"), memory=memory)
    assert decide(plan([4]), moved, NOW).reason == reason


@pytest.mark.parametrize(
    ("minutes", "reason"),
    [(7, "SecondLook"), (7.5, "HeldFrozenMetrics"), (14, "HeldFrozenMetrics"), (14.5, "SecondLook")],
)
def test_equal_looks_count_from_the_fifth_on_and_while_they_are_remembered(minutes: float, reason: str) -> None:
    memory = Memory(mark="250m", looked_at=NOW - minutes * MINUTE)
    observation = seen(40, readings=Readings(wanted=3, mark="250m"), memory=memory)
    assert decide(plan([4]), observation, NOW).reason == reason


def test_a_plan_holds_from_its_first_moment_on() -> None:
    assert decide(plan([4]), seen(40), START).reason == "DemandFalling"
    assert decide(plan([4]), seen(40), START - MINUTE).reason == "HeldPlanNotStarted"


def test_an_autoscaler_that_asks_for_just_what_the_plan_needs_clamps_nothing() -> None:
    decision = decide(plan([37]), seen(40, readings=Readings(wanted=37)), NOW)
    assert (decision.floor, decision.reason, decision.clamps) == (37, "DemandFalling", ())


@pytest.mark.parametrize(
    ("need", "longer", "floor", "stood", "calm"),
    [
        pytest.param(9, 12, 11, True, 11, id="what stood for long does not rise for what comes later"),
        pytest.param(9, 12, 8, True, 12, id="below the need it rises, for several steps"),
        pytest.param(9, 12, 9, False, 9, id="at the need it stays"),
        pytest.param(9, 12, 16, False, 16, id="a quarter too high is not worth it"),
        pytest.param(9, 12, 17, False, 12, id="more than a quarter is"),
        pytest.param(9, 12, 13, True, 12, id="one replica is, after a while"),
    ],
)
def test_calm_moves_once_for_several_steps(need: int, longer: int, floor: int, stood: bool, calm: int) -> None:
    assert _calm(need, longer, floor, stood=stood) == calm


@pytest.mark.parametrize("was", [9, 12])
def test_a_floor_that_others_lowered_is_put_back_and_says_by_whom(was: int) -> None:
    observation = replace(seen(4), edited_by="helm", lowered_from=was)
    decision = decide(plan([9]), observation, NOW)
    assert (decision.floor, decision.reason) == (9, "FloorLoweredByOthers")
    assert decision.detail.startswith(f"helm lowered this floor from {was} to 4; 9 until")
    low = decide(plan([4]), observation, NOW)
    assert (low.floor, low.reason) == (4, "AsPlanned"), "nothing to put back"
    cut = decide(plan([90]), replace(observation, ceiling=50), NOW)
    assert (cut.floor, cut.reason) == (50, "CeilingReached")


@pytest.mark.parametrize(
    ("current", "minutes", "readings", "reason"),
    [
        pytest.param(8, 7, Readings(wanted=3), "FloorNotReached", id="too few, too long"),
        pytest.param(8, 6.9, Readings(wanted=3), "AsPlanned", id="they may still start"),
        pytest.param(9, 7, Readings(wanted=3), "AsPlanned", id="all run"),
        pytest.param(8, 7, Readings(blind="nothing reported"), "AsPlanned", id="nobody knows"),
        pytest.param(8, 7, None, "AsPlanned", id="no autoscaler to ask"),
        pytest.param(8, None, Readings(wanted=3), "AsPlanned", id="we never moved it"),
    ],
)
def test_a_floor_is_reached_or_said_not_to_be(
    current: int, minutes: float | None, readings: Readings | None, reason: str
) -> None:
    memory = Memory(moved_at=None if minutes is None else NOW - minutes * MINUTE)
    observation = replace(seen(9, readings=readings, memory=memory), current=current)
    decision = decide(plan([9]), observation, NOW)
    assert (decision.reason, decision.floor, decision.held) == (reason, 9, False)


def test_the_lowest_floor_is_none_at_all_and_a_half_life_counts_from_the_target() -> None:
    assert lowest_floor(0, seen(1), NOW, ControllerRules()) == 0
    halving = ControllerRules(half_life=5 * MINUTE, step_down=1.0)
    assert lowest_floor(20, seen(40), NOW, halving) == 30


def test_a_need_of_just_the_ceiling_raises_no_ceiling() -> None:
    decision = decide(plan([100]), seen(40), NOW, ControllerRules(ceiling_buffer=0.1))
    assert (decision.floor, decision.ceiling) == (100, 100)


def test_a_second_look_just_a_step_later_is_one_and_leaves_the_ceiling() -> None:
    moved = seen(40, readings=Readings(wanted=3, mark="251m"))
    first = decide(plan([4]), moved, NOW)
    assert (first.reason, first.ceiling) == ("SecondLook", 100)
    looked = replace(moved, memory=Memory(mark="250m", looked_at=NOW - 4.5 * MINUTE))
    assert decide(plan([4]), looked, NOW).reason == "DemandFalling"


def test_a_note_from_a_little_ahead_is_kept() -> None:
    memory = Memory(held_for="HeldNoPlan", held_since=NOW + 2 * MINUTE)
    held = decide(None, seen(40, baseline_floor=4, memory=memory), NOW)
    assert (held.reason, held.notes) == ("HeldNoPlan", False)


def test_before_its_start_a_plan_may_ask_for_what_stands() -> None:
    assert decide(plan([4]), seen(4), START - MINUTE).reason == "AsPlanned"


@pytest.mark.parametrize(("ago", "stood"), [(0, False), (59, False), (60, True), (-1, True)])
def test_a_floor_has_stood_since_its_last_move(ago: int, stood: bool) -> None:
    assert _stood(seen(9, memory=Memory(moved_at=NOW - ago * MINUTE)), NOW, HOUR) is stood


def test_a_floor_that_is_reached_forgets_the_brake_and_notes_the_safe_floor_once() -> None:
    braked = Memory(held_for="HeldBrake", held_since=NOW, safe_floor=6)
    reached = decide(plan([9]), seen(9, baseline_floor=4, memory=braked), NOW)
    assert (reached.memory, reached.notes) == (Memory(safe_floor=6), True)
    assert decide(plan([9]), seen(9, baseline_floor=4), NOW).notes
    assert not decide(plan([9]), seen(9, baseline_floor=4, memory=Memory(safe_floor=6)), NOW).notes


def test_an_ended_plan_says_until_when_it_is_held() -> None:
    assert decide(plan([4]), seen(9), START + HOUR).detail.endswith("floor held until 07:00Z")


def test_what_the_autoscaler_asks_for_is_named_where_it_is_all_that_the_step_leaves() -> None:
    decision = decide(plan([4]), seen(40, readings=Readings(wanted=36)), NOW)
    assert (decision.floor, decision.clamps) == (36, ("AutoscalerNeeds",))


def test_a_peak_is_told_of_until_its_last_moment() -> None:
    assert "peak 9 at" in decide(plan([9]), seen(9), START).detail
    assert "peak" not in decide(plan([9]), seen(9), START + MINUTE).detail


def test_an_episode_cannot_be_changed() -> None:
    episode = brake_episode([], NOW, Brake())
    with pytest.raises(FrozenInstanceError):
        episode.holds = True  # type: ignore[misc]
    assert not hasattr(episode, "__dict__")


def test_an_episode_holds_nothing_unless_it_says_so() -> None:
    falls = Decision(8, 20, "DemandFalling", 9)
    assert BrakeEpisode(NOW).applied(seen(9), falls).floor == 8


@pytest.mark.parametrize(("ago", "minutes"), [(timedelta(0), 9), (14 * DAY, 5), (14 * DAY - MINUTE, 9), (-MINUTE, 5)])
def test_a_slow_start_is_remembered_for_two_weeks(ago: timedelta, minutes: int) -> None:
    memory = Memory(slow_start=9 * MINUTE, slow_at=NOW - ago)
    assert with_slow_starts(replace(plan([9]), lead_time=5 * MINUTE), memory, NOW).lead_time == minutes * MINUTE


@pytest.mark.parametrize(("planned", "remembered"), [(5, 5), (9, 9), (9, 5)])
def test_a_start_no_slower_than_planned_changes_no_plan(planned: int, remembered: int) -> None:
    made = replace(plan([9]), lead_time=planned * MINUTE)
    assert with_slow_starts(made, Memory(slow_start=remembered * MINUTE, slow_at=NOW), NOW) is made


@pytest.mark.parametrize(
    ("minutes", "remembered"),
    [(0, None), (59, 59 * MINUTE), (60, 60 * MINUTE), (61, None)],
    ids=["no time at all", "less than an hour", "just an hour", "longer was a failure, not a start"],
)
def test_a_rise_that_was_reached_late_is_remembered_if_it_took_an_hour_at_most(
    minutes: int, remembered: timedelta | None
) -> None:
    memory = Memory(moved_at=NOW - 2 * HOUR, short_since=NOW - minutes * MINUTE)
    found = decide(plan([9]), seen(9, readings=Readings(wanted=3), memory=memory), NOW).memory
    assert (found.short_since, found.slow_start) == (None, remembered)


@pytest.mark.parametrize(("floor", "due"), [(0, False), (1, True), (2, True)])
def test_replicas_are_counted_after_a_rise_to_one_and_not_where_none_are_wanted(floor: int, due: bool) -> None:
    risen = seen(floor, memory=Memory(moved_at=NOW - 7 * MINUTE))
    assert check_due(risen, NOW, 7 * MINUTE, MINUTE) is due


@pytest.mark.parametrize(
    ("noted", "kept"), [("HeldBrake", "HeldBrake"), ("HeldNoPlan", None)], ids=["the brake", "a plan that was missing"]
)
def test_on_the_way_down_only_the_note_of_the_brake_is_kept(noted: Any, kept: str | None) -> None:
    memory = Memory(held_for=noted, held_since=NOW - HOUR)
    decision = decide(plan([4]), seen(40, baseline_floor=4, memory=memory), NOW)
    assert (decision.floor, decision.memory.held_for) == (36, kept)


def test_where_no_replica_is_allowed_the_ceiling_alone_is_named() -> None:
    decision = decide(plan([4]), seen(0, ceiling=0, current=1), NOW)
    assert (decision.floor, decision.reason, decision.clamps) == (0, "CeilingReached", ("CeilingReached",))
