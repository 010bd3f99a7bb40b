"""Policies, objectives, and the rule that chooses among them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from capacity.model import DataError, PlanError
from capacity.model.choice import Choice, Evidence, PaysFrom, choice_document, parse_choice
from capacity.model.policies import SCORES, Advised, DailyScores, Tried, read_policies, write_policies
from capacity.model.policy import Cadence, Objective, Policy
from capacity.simulation.choice import ChoiceRule, Scores, choose_daily, day_interval, settled_count, settled_plain
from capacity.views.plots import plot_choice
from capacity.views.tables import advice_sentence, choice_sheet, choices_sheet

BUDGET = Objective().allowed_minutes
NOW = datetime(2026, 3, 2, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({}, Objective()),
        ({"target": 0.8, "minutes": "99.5%"}, Objective(0.8, 0.995)),
        ({"overload_cost": "500 EUR/h"}, Objective(overload_cost=500.0)),
        ({"overload_cost": 12.5}, Objective(overload_cost=12.5)),
    ],
)
def test_an_objective_is_read_as_a_manager_writes_it(written: dict[str, object], read: Objective) -> None:
    assert TypeAdapter(Objective).validate_python(written) == read


@pytest.mark.parametrize(
    "written", [{"minutes": 1.0}, {"minutes": "0%"}, {"target": 1.2}, {"overload_cost": "much"}, {"cost": 3}]
)
def test_an_objective_that_nothing_can_keep_is_refused(written: dict[str, object]) -> None:
    with pytest.raises((ValidationError, DataError)):
        TypeAdapter(Objective).validate_python(written)


@pytest.mark.parametrize(
    ("target", "floors", "level", "says"),
    [
        (None, "none", None, "without an autoscaler it needs floors"),
        (80, "forecast", None, "quantile_level goes with floors from a forecast"),
        (80, "none", 0.9, "quantile_level goes with floors from a forecast"),
        (0, "none", None, "target must be 1 to 1000"),
        (80, "forecast", 1.0, r"quantile_level must lie in \(0, 1\)"),
    ],
)
def test_a_policy_that_cannot_run_is_refused(target: int | None, floors: str, level: float | None, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Policy(target, floors, level)  # type: ignore[arg-type]


def test_the_cadence_is_that_of_the_production_manifests() -> None:
    schedules = dict[str, str]()
    for name in ("planner", "controller"):
        text = (ROOT / f"k8s/base/{name}.yaml").read_text(encoding="utf-8")
        line = next(line for line in text.splitlines() if line.strip().startswith("schedule:"))
        schedules[name] = line.split('"')[1]
    cadence = Cadence()
    minutes = int(schedules["planner"].split()[0])
    assert schedules["planner"] == f"{minutes} * * * *"
    assert cadence.plan == timedelta(hours=1)
    assert timedelta(minutes=minutes) < cadence.delay <= timedelta(minutes=minutes + 1)
    assert (schedules["controller"], cadence.controller) == ("* * * * *", timedelta(minutes=1))


def scores(
    days: int, cost: list[float], above: list[float], floors: list[bool], budget: float | None = BUDGET
) -> Scores:
    return Scores(np.tile(cost, (days, 1)), np.tile(above, (days, 1)), np.array(floors), budget)


@pytest.mark.parametrize(
    ("cost", "above", "floors", "chosen"),
    [
        pytest.param([10, 8, 6], [0, 5, 60], [False] * 3, 1, id="the cheapest that keeps the minutes"),
        pytest.param([10, 8, 7.95], [0, 5, 5], [False, False, True], 1, id="floors that hardly save are not worth it"),
        pytest.param([10, 8, 7.2], [0, 5, 5], [False, False, True], 2, id="floors that save are chosen"),
        pytest.param([10, 9.8, 12], [5, 5, 5], [False] * 3, 0, id="what stands is kept for less than three percent"),
        pytest.param([10, 9.8, 12], [50, 5, 5], [False] * 3, 1, id="what breaks the minutes is left at once"),
    ],
)
def test_the_choice(cost: list[float], above: list[float], floors: list[bool], chosen: int) -> None:
    assert choose_daily(scores(14, cost, above, floors)).next == chosen


def test_where_nothing_keeps_the_minutes_the_least_expected_cost_is_chosen_and_said() -> None:
    found = choose_daily(scores(14, [10.0, 11.0, 30.0], [400.0, 20.0, 18.0], [False] * 3))
    assert found.next == 1
    assert not found.kept[-1]


def test_with_a_cost_of_overload_minutes_do_not_count() -> None:
    found = choose_daily(scores(14, [10.0, 9.0], [0.0, 400.0], [False] * 2, None))
    assert found.next == 1
    assert found.kept.all()


def test_a_choice_knows_only_the_days_before() -> None:
    random = np.random.default_rng(3)
    cost, above = random.uniform(5, 10, (30, 6)), random.uniform(0, 14, (30, 6))
    floors = np.arange(6) % 2 == 0
    whole = choose_daily(Scores(cost, above, floors, BUDGET)).candidates
    for day in (8, 15, 22):
        changed = above.copy(), cost.copy()
        changed[0][day:], changed[1][day:] = 0.0, 1.0
        again = choose_daily(Scores(changed[1], changed[0], floors, BUDGET)).candidates
        np.testing.assert_array_equal(again[: day + 1], whole[: day + 1])


def test_minutes_that_were_used_up_are_made_up_for() -> None:
    """The cheap one keeps the minutes on average of the last days, but its bad day was ours."""
    cost = np.tile([10.0, 6.0], (30, 1))
    above = np.tile([0.0, 1.0], (30, 1))
    above[20, 1] = 200.0
    chosen = choose_daily(Scores(cost, above, np.zeros(2, dtype=bool), BUDGET), first=1).candidates
    assert chosen[20] == 1
    assert (chosen[21:27] == 0).all()


def test_few_days_change_nothing() -> None:
    assert choose_daily(scores(6, [10.0, 1.0], [0.0, 0.0], [False] * 2)).next == 0


def test_a_target_set_by_hand_is_judged_by_all_days_alike() -> None:
    found = scores(14, [10.0, 9.9, 8.0, 7.0], [0.0, 7.0, 9.0, 0.0], [False, False, False, True])
    assert settled_plain(found, 0) == 1


def test_a_fixed_count_is_no_remedy_for_a_bad_day_of_floors_that_keep_the_minutes() -> None:
    found = scores(14, [10.0, 6.0, 5.0], [0.0, 2.0, 20.0], [True] * 3)
    found.above[-1, 1] = 70.0
    assert choose_daily(found).next == 0
    assert settled_count(found, 0) == 1
    found.above[:, 1] = 8.0
    assert settled_count(found, 0) == 0


def test_an_interval_holds_the_mean_and_widens_with_the_spread_of_days() -> None:
    days = np.array([0.0, 0.0, 0.0, 20.0, 0.0, 4.0, 1.0])
    low, high = day_interval(days, np.random.default_rng(1))
    assert 0 <= low < days.mean() < high
    narrow = day_interval(days / 10, np.random.default_rng(1))
    assert narrow[1] - narrow[0] < high - low


def test_a_rule_refuses_what_it_cannot_weigh_by() -> None:
    with pytest.raises(DataError, match="half_life must be > 0"):
        ChoiceRule(half_life=0)


def evidence(policy: Policy, cost: float = 90.0) -> Evidence:
    return Evidence(policy, 28, cost, 4.5, 0.25, (80.0, 100.0), (3.0, 6.0), (0.0, 1.0))


def choice(**changes: object) -> Choice:
    known: dict[str, object] = {
        "namespace": "shop",
        "name": "web",
        "chosen_at": NOW,
        "objective": Objective(),
        "recommended": evidence(Policy(69, standing="advised")),
        "today": evidence(Policy(80), 88.0),
        "meanwhile": evidence(Policy(80, "forecast", 0.95, calm=False), 110.0),
        "reason": "PlainHpaIsEnough",
        "rivals": (evidence(Policy(None, "static"), 300.0),),
        "remarks": ("a remark",),
    }
    return Choice(**(known | changes))  # type: ignore[arg-type]


def tried(days: int, begin: datetime = NOW, **changes: object) -> Tried:
    """Two policies on some days: every number its own."""
    values = np.arange(2.0 * days).reshape(days, 2) / 8
    ready = Policy(80, "forecast", 0.9, calm=False, headroom=0.95)
    known = {"policies": (Policy(80), ready), "skill": 0.25, "under": "these"}
    scores = DailyScores(*(values + at for at in range(6)))
    return Tried(scores=scores, begin=begin, **(known | changes))  # type: ignore[arg-type]


def test_policies_are_written_and_read_back_with_their_days(tmp_path: Path) -> None:
    pays = PaysFrom(timedelta(minutes=5), timedelta(minutes=15), True, 0.1, 0.3)
    made = [
        Advised(choice(pays_from=pays), tried(3, skill=None, remarks=("short",))),
        Advised(choice(name="api", meanwhile=None, objective=Objective(0.7, overload_cost=500.0))),
    ]
    write_policies(made, tmp_path / "policies.json")
    read = list(read_policies(tmp_path / "policies.json").values())
    assert [one.choice for one in read] == [one.choice for one in made]
    assert read[1].tried is None
    (found, wrote) = (read[0].tried, made[0].tried)
    assert found is not None
    assert wrote is not None
    assert (found.policies, found.begin, found.skill, found.under) == (wrote.policies, wrote.begin, None, "these")
    for name in SCORES:
        np.testing.assert_array_equal(getattr(found.scores, name), getattr(wrote.scores, name))


def test_a_new_day_follows_those_that_are_kept_and_the_oldest_goes() -> None:
    before = tried(3)
    new = tried(1, before.end)
    both = new.after(before, 3)
    assert (both.begin, both.end, both.scores.days) == (NOW + timedelta(days=1), new.end, 3)
    np.testing.assert_array_equal(both.scores.pod_hours[:2], before.scores.pod_hours[1:])
    np.testing.assert_array_equal(both.scores.pod_hours[2:], new.scores.pod_hours)


@pytest.mark.parametrize(
    ("before", "new", "both"),
    [(0.3, -0.3, 0.1), (None, -0.3, -0.3), (0.3, None, 0.3), (None, None, None)],
)
def test_the_skill_of_days_is_their_mean_as_far_as_it_is_known(
    before: float | None, new: float | None, both: float | None
) -> None:
    days = tried(5, skill=before)
    skill = tried(1, days.end, skill=new).after(days, 3).skill
    assert skill == (both if both is None else pytest.approx(both))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(tried(1, NOW), id="of the same days"),
        pytest.param(tried(1, NOW + timedelta(days=3), under="others"), id="under other conditions"),
        pytest.param(tried(1, NOW + timedelta(days=3), policies=(Policy(80), Policy(70))), id="of other policies"),
    ],
)
def test_days_that_cannot_be_compared_are_not_joined(other: Tried) -> None:
    assert not other.continues(tried(3))
    with pytest.raises(DataError, match="expected days that follow"):
        other.after(tried(3), 28)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read"),
        ("[]", "expected schema"),
        ('{"schema": "capacity.policies/v1", "workloads": []}', "expected schema"),
        ('{"schema": "capacity.policies/v2", "workloads": [{}]}', "expected the key 'replayed'"),
    ],
)
def test_policies_that_cannot_be_read_say_why(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "policies.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=says):
        read_policies(file)


def test_until_the_advised_target_stands_the_policy_under_the_present_one_is_followed() -> None:
    assert choice().in_force == Policy(80, "forecast", 0.95, calm=False)
    assert choice(meanwhile=None).in_force == Policy(69, standing="advised")


def test_a_choice_tells_what_ready_nodes_spare_and_cost_and_when_they_do_not_pay() -> None:
    def at(headroom: float | None, cost: float, waits: float) -> Evidence:
        return replace(evidence(Policy(70, headroom=headroom), cost), node_waits=waits)

    kept, bare = at(0.95, 120.0, 0.1), at(None, 90.0, 3.5)
    made = choice(recommended=bare, today=kept, meanwhile=kept, rivals=())
    sheet = choice_sheet(made)
    assert sheet.columns[-1] == "node waits/day"
    assert sheet.rows[0][-1] == "0.1"
    said = " ".join(sheet.footer)
    assert "remove `headroom`" in said
    assert "Until it is removed: HPA at 70 %, nodes ready at 0.95" in said
    assert "0.1 times a day, 3.5 without it; a day costs 120.0 with it and 90.0 without" in said
    assert parse_choice(choice_document(made)) == made
    assert choices_sheet([choice_sheet(choice()), sheet]).rows[0][-1] == "", "a workload without headroom"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_choice_is_drawn_with_every_policy_named(theme: str) -> None:
    made = choice()
    (axes,) = plot_choice(made, theme=theme).axes
    assert [text.get_text() for text in axes.texts] == [str(number) for number in range(1, len(axes.texts) + 1)]
    named = axes.get_legend_handles_labels()[1]
    assert named[: len(axes.texts)] == [
        "1: today, HPA at 80 %",
        "2: recommended, HPA at 69 %",
        "3: until then, floors from the forecast at 0.95, every step, HPA at 80 %",
        "4: static peak",
    ]
    assert axes.get_xlabel() == "cost a day (pod-hours)"


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("FloorsPay", "no plain autoscaler meets the objective at a lower cost"),
        ("PlainHpaIsEnough", "floors add nothing here"),
        ("NoSkill", "does not beat the seasonal naive"),
        ("NothingKeepsTheMinutes", "no policy that was tried meets the objective"),
        ("TooShort", "too short to judge"),
    ],
)
def test_every_reason_is_said_in_words(reason: str, says: str) -> None:
    assert says in advice_sentence(choice(reason=reason))


def test_a_choice_by_cost_says_what_an_hour_of_overload_costs() -> None:
    assert "least total with 500 an hour of overload" in advice_sentence(
        choice(objective=Objective(overload_cost=500.0))
    )
