"""Days side by side are the simulator's days; no pass that matters is skipped; the past knows nothing of the future."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.decision import CALM, ControllerRules, decide
from capacity.model import (
    DataError,
    Forecast,
    ForecastRequest,
    LoadModel,
    Observation,
    Replica,
    Workload,
)
from capacity.model.choice import Choice
from capacity.model.headroom import HeadroomRules
from capacity.model.limits import Costs
from capacity.model.observation import Memory
from capacity.model.policies import SCORES, DailyScores, Tried
from capacity.model.policy import Cadence, Objective, Policy
from capacity.model.serving import Reactive
from capacity.model.workload import Target
from capacity.simulation import advice
from capacity.simulation.advice import PolicyReplay, Replaying, advising, finish, finish_together
from capacity.simulation.candidates import candidate_policies, decided_floors, observed, plans_of
from capacity.simulation.case import on_grid
from capacity.simulation.choice import choose_policy
from capacity.simulation.days import (
    DAY_TICKS,
    PER_MINUTE,
    WARM_TICKS,
    Candidate,
    Days,
    Task,
    replay_together,
)
from capacity.simulation.history import History, ReplaySettings
from capacity.simulation.lanes import Rule
from capacity.simulation.pods import NodePool, Start
from capacity.simulation.stepping import Cluster, Service, run_cluster
from capacity.views.tables.simulation import choice_sheet

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CLUSTER = Cluster(Service(1.0), Start(timedelta(minutes=2), failure=0.0))
WEB = Workload(
    "shop", "web", LoadModel(0.5, 0.1, 0, 0), Replica(0.5, 2**30), floor=2, ceiling=80, lead_time=timedelta(minutes=5)
)


def wave(days: int, seed: int) -> np.ndarray:
    """Demand of whole days and the hours before them, in replicas."""
    ticks = WARM_TICKS + days * DAY_TICKS
    at = np.arange(ticks) / DAY_TICKS * 2 * np.pi
    noise = np.convolve(np.random.default_rng(seed).normal(0, 0.4, ticks), np.ones(80) / 80, "same")
    return np.asarray((10 + 6 * np.sin(at)) * np.exp(noise))


def replayed(days: Days, candidates: list[Candidate], cluster: Cluster) -> DailyScores:
    """The scores of one task alone."""
    return replay_together([Task(days, candidates, cluster, 1)])[0]


def tried_on(sales: pd.Series, workload: Workload = WEB, settings: ReplaySettings | None = None) -> Tried:
    """What a choice was made from."""
    found = finish(advising(PolicyReplay(sales, workload, ForecastRequest(), settings or SHORT), BEGIN)).tried
    assert found is not None
    return found


def test_days_side_by_side_are_what_the_simulator_gives_day_after_day() -> None:
    demand, rules = wave(3, 1), [Rule(50), Rule(70), Rule(80)]
    floor = np.full(len(demand) // PER_MINUTE, 3)
    days = Days.of(demand, [floor], 0.8)
    found = replayed(days, [Candidate(rule, 0) for rule in rules], CLUSTER)
    lanes = np.repeat(demand[:, None], len(rules), axis=1)
    run = run_cluster(CLUSTER, lanes, np.full(lanes.shape, 3), rules, np.random.default_rng(1))
    for lane in range(len(rules)):
        usage = run.utilization_of(lane)[WARM_TICKS:].reshape(-1, PER_MINUTE).mean(axis=1).reshape(3, -1)
        pods = run.pods[WARM_TICKS:, lane].reshape(3, -1).sum(axis=1) * 15 / 3600
        np.testing.assert_allclose(found.pod_hours[:, lane], pods, rtol=0.01)
        np.testing.assert_allclose(found.above[:, lane], (usage > 0.8).sum(axis=1), atol=12)


def test_what_is_replayed_together_scores_as_it_does_alone() -> None:
    floors = [np.full((WARM_TICKS + DAY_TICKS) // PER_MINUTE, floor) for floor in (2, 9)]
    starts = (Start(timedelta(minutes=2)), Start(timedelta(minutes=7), failure=0.2), Start(timedelta(minutes=2)))
    candidates = [Candidate(Rule(target), place) for target in (50, 80) for place in (0, 1)]
    tasks = [
        Task(Days.of(wave(1, seed), floors, 0.6 + 0.1 * seed), candidates[seed:], replace(CLUSTER, start=start), seed)
        for seed, start in enumerate(starts)
    ]
    tasks[2] = replace(tasks[2], cluster=replace(CLUSTER, metric_lag=timedelta(0)))  # on another cluster, so apart
    for beside, task in zip(replay_together(tasks), tasks, strict=True):
        (alone,) = replay_together([task])
        for name in SCORES:
            np.testing.assert_array_equal(getattr(beside, name), getattr(alone, name))


def test_work_that_fails_before_or_after_a_replay_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    one = DailyScores(*(np.ones((1, 1)) for _ in SCORES))
    monkeypatch.setattr(advice, "replay_together", lambda tasks: [one for _ in tasks])
    task = Task(Days.of(wave(1, 1), [np.full(6480 // PER_MINUTE, 2)], 0.8), [Candidate(Rule(), 0)], CLUSTER, 1)

    def work(fails: int, replays: int) -> Replaying[float]:
        hours = 0.0
        for at in range(replays + 1):
            if at == fails:
                raise DataError(f"failed after {at}")
            hours += (yield task).pod_hours[0, 0] if at < replays else 0.0
        return hours

    answers = finish_together([work(0, 1), work(9, 1), work(1, 1), work(9, 2), work(9, 0)])
    assert [str(one) for one in answers if isinstance(one, DataError)] == ["failed after 0", "failed after 1"]
    assert [one for one in answers if not isinstance(one, DataError)] == [1.0, 2.0, 0.0]
    with pytest.raises(DataError, match="failed after 1"):
        finish(work(1, 2))


def test_one_day_alone_scores_as_it_does_among_others() -> None:
    demand = wave(3, 2)
    floor = np.full(len(demand) // PER_MINUTE, 2)
    steady = replace(CLUSTER, start=Start(timedelta(seconds=15), failure=0.0))
    whole = replayed(Days.of(demand, [floor], 0.8), [Candidate(Rule(70), 0)], steady)
    last = demand[2 * DAY_TICKS :]
    alone = replayed(Days.of(last, [floor[: len(last) // PER_MINUTE]], 0.8), [Candidate(Rule(70), 0)], steady)
    np.testing.assert_allclose(alone.pod_hours[0], whole.pod_hours[2], rtol=0.005)


def test_a_lower_target_costs_more_and_breaks_less() -> None:
    demand = wave(2, 3)
    candidates = [Candidate(Rule(target), 0) for target in (40, 60, 80)]
    found = replayed(Days.of(demand, [np.ones(len(demand) // PER_MINUTE, dtype=int)], 0.8), candidates, CLUSTER)
    assert (np.diff(found.pod_hours.mean(axis=0)) < 0).all()
    assert (np.diff(found.above.mean(axis=0)) >= 0).all()
    assert (found.overload <= found.above).all()


def test_demand_without_a_warm_up_is_refused() -> None:
    with pytest.raises(DataError, match="expected at least one whole day"):
        Days.of(np.ones(DAY_TICKS), [np.ones(DAY_TICKS // PER_MINUTE, dtype=int)], 0.8)


def hourly(hours: int, seed: int, begin: datetime = BEGIN) -> Forecast:
    """A forecast of sales by the hour."""
    steps = pd.date_range(begin + HOUR, periods=hours, freq="h")
    random = np.random.default_rng(seed)
    median = 20 + 15 * np.sin(np.arange(hours) / 24 * 2 * np.pi) + random.uniform(0, 8, hours)
    table = pd.DataFrame({0.5: median, 0.95: median * random.uniform(1.1, 1.5, hours)}, steps)
    return Forecast(begin, HOUR, table, "orders")


def pass_by_pass(plans: dict, rules: ControllerRules, passes: int) -> np.ndarray:
    """Every pass asks `decide`, as the controller does."""
    floor, memory, current, floors = WEB.floor, Memory(), None, []
    arrivals = sorted(plans.items())
    for at in range(passes):
        now = BEGIN + at * rules.period
        while arrivals and arrivals[0][0] <= now:
            current = arrivals.pop(0)[1]
        decision = decide(current, observed(WEB, floor, memory, now), now, rules)
        floor, memory = decision.floor, decision.memory
        floors.append(floor)
    return np.array(floors)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([timedelta(0), CALM]), st.integers(0, 50))
def test_skipped_passes_are_those_that_change_nothing(seed: int, calm: timedelta, late: int) -> None:
    forecasts = {
        BEGIN + late * MINUTE: hourly(30, seed),
        BEGIN + 7 * HOUR + 8 * MINUTE: hourly(30, seed + 1, BEGIN + 6 * HOUR),
    }
    plans, rules = dict(plans_of(forecasts, WEB, 0.95)), ControllerRules(calm=calm)
    found = decided_floors(plans, WEB, rules, BEGIN, 1200)
    np.testing.assert_array_equal(found, pass_by_pass(plans, rules, 1200))


def shop(days: int) -> pd.Series:
    index = pd.date_range("2026-01-05", periods=24 * days, freq="h", tz="UTC")
    mean = 20 * (1 + (index.hour > 7) + (index.hour > 15)) * (1 + 0.4 * (index.day_of_week < 5))
    return pd.Series(np.random.default_rng(4).poisson(mean).astype(float), index)


SHORT = ReplaySettings(2, Cadence(plan=DAY, refit=DAY))


@pytest.fixture(scope="module")
def tried() -> object:
    return tried_on(shop(30))


def test_a_gap_is_bridged_for_what_is_served_and_stays_a_gap_for_what_is_forecast() -> None:
    sales = shop(10)
    sales.iloc[100:104] = np.nan
    _, grid, filled = on_grid(sales)
    assert grid.iloc[100:104].isna().all()
    assert filled.notna().all()


def test_days_to_come_change_no_floor_of_days_before(tried: object) -> None:
    """The last day is another one: what was scored of the first replayed day stays as it was, floors included."""
    changed = shop(30)
    changed.iloc[-24:] *= 3
    again = tried_on(changed)
    floors = [at for at, policy in enumerate(again.policies) if policy.has_floors]
    first = tried.scores.pod_hours[0, floors]  # type: ignore[attr-defined]
    np.testing.assert_allclose(again.scores.pod_hours[0, floors], first, rtol=0.03)


def test_a_short_history_is_said_and_changes_nothing(tried: object) -> None:
    choice = choose_policy(tried, WEB, BEGIN)  # type: ignore[arg-type]
    assert choice.reason == "TooShort"
    assert choice.policy == choice.today.policy
    assert "only 2 of at least 7 days" in choice.remarks[0]
    assert "advise again in 5 days" in choice.remarks[0] or "(--days)" in choice.remarks[0]


@pytest.mark.parametrize(
    ("advised", "target"),
    [
        pytest.param(None, 70, id="nothing was advised yet"),
        pytest.param(69, 69, id="a point away and as good as the new one"),
        pytest.param(72, 70, id="two points away"),
        pytest.param(71, 70, id="it keeps the minutes no longer"),
    ],
)
def test_a_target_set_by_hand_is_advised_anew_only_where_it_matters(advised: int | None, target: int) -> None:
    policies = tuple(Policy(one) for one in (80, 69, 70, 71, 72))
    cost, above = np.tile([90.0, 97, 96, 95, 94], (14, 1)), np.tile([100.0, 3, 5, 9, 20], (14, 1))
    scores = DailyScores(cost, above, above / 10, above / 1000, cost)
    choice = choose_policy(Tried(policies, scores, BEGIN, None), WEB, BEGIN, advised=advised)
    assert choice.policy.target == target


POLICIES = (Policy(80), Policy(70, standing="advised"), Policy(80, "forecast", 0.9))


def chosen(
    cost: list[float],
    above: list[float],
    overload: list[float] | None = None,
    skill: float | None = 0.3,
    **workload: object,
) -> Choice:
    """The choice among the HPA as it stands, at 70, and floors, from fourteen equal days."""
    rows = [np.tile(one, (14, 1)) for one in (cost, above, overload or [0.0, 0.0, 0.0])]
    scores = DailyScores(rows[0], rows[1], rows[2], np.zeros((14, 3)), np.zeros((14, 3)))
    return choose_policy(Tried(POLICIES, scores, BEGIN, skill), replace(WEB, **workload), BEGIN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("overload_cost", "place"),
    [
        pytest.param(1.0, 0, id="an hour of overload hardly costs anything"),
        pytest.param(30.0, 1, id="an hour of it costs a lower target"),
        pytest.param(3000.0, 2, id="an hour of it costs floors as well"),
    ],
)
def test_with_a_cost_of_overload_the_least_total_is_chosen(overload_cost: float, place: int) -> None:
    found = chosen(
        [100.0, 106.0, 125.0],
        [99.0, 50.0, 9.0],
        [60.0, 6.0, 0.0],
        objective=Objective(overload_cost=overload_cost),
        costs=Costs(price_per_hour=0.5),
    )
    assert found.reason == "LeastExpectedCost"
    assert found.policy == POLICIES[place]
    assert found.unit == "money"
    assert found.recommended.cost == pytest.approx([50.0, 53.0, 62.5][place])


def test_a_cost_of_overload_without_a_price_says_what_is_missing() -> None:
    with pytest.raises(DataError, match=r"expected costs\.price_per_hour beside it"):
        chosen([1.0, 1.0, 1.0], [0.0, 0.0, 0.0], objective=Objective(overload_cost=500.0))


def test_an_objective_that_nothing_reaches_names_the_nearest_and_what_is_needed() -> None:
    found = chosen([100.0, 120.0, 200.0], [400.0, 90.0, 30.0])
    assert found.reason == "NothingKeepsTheMinutes"
    assert f"allow 7.2 a day above the target: nearest comes {POLICIES[2]}, with 30.0" in found.remarks[-1]
    assert "pods must start faster" in found.remarks[-1]


def test_floors_of_a_forecast_without_skill_are_not_chosen_though_they_were_replayed() -> None:
    costs, minutes = [100.0, 110.0, 60.0], [50.0, 3.0, 3.0]
    assert chosen(costs, minutes).reason == "FloorsPay"
    unskilled = chosen(costs, minutes, skill=-0.1)
    assert (unskilled.reason, unskilled.policy) == ("NoSkill", POLICIES[1])


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "Deployment"])
def test_no_demand_at_all_costs_the_floor_and_breaks_nothing(kind: str) -> None:
    idle = replace(WEB, load=LoadModel(0, 0.1, 0, 0), target=replace(WEB.target, kind=kind))
    found = tried_on(0 * shop(10), idle, ReplaySettings(1))
    np.testing.assert_allclose(found.scores.above, 0)
    assert (found.scores.pod_hours >= 24 * idle.floor - 1e-6).all()
    assert choose_policy(found, idle, BEGIN).today.minutes_above == 0


def test_nodes_that_stand_ready_are_a_candidate_that_spares_waiting_and_pays_for_room() -> None:
    web = replace(WEB, headroom=HeadroomRules(), quantile_level=0.9)
    found = tried_on(shop(14), web, replace(SHORT, nodes=NodePool(4)))
    scores = found.scores
    ready = [at for at, one in enumerate(found.policies) if one.headroom and not one.has_floors]
    twins = [found.policies.index(replace(found.policies[at], headroom=None)) for at in ready]
    assert scores.waits[:, ready].sum() < scores.waits[:, twins].sum() / 2
    assert (scores.room[:, ready].sum(axis=0) > scores.room[:, twins].sum(axis=0)).all()
    assert scores.above[:, ready].sum() < scores.above[:, twins].sum()
    made = choose_policy(found, web, BEGIN)
    assert made.today.node_waits == scores.waits[:, 0].mean()
    np.testing.assert_allclose(made.today.cost, (scores.pod_hours + scores.room)[:, 0].mean())
    assert made.in_force.headroom == 0.95, "what needs somebody's hand is not followed before"


def test_with_a_managed_target_the_chosen_one_is_in_force_at_once() -> None:
    managed = replace(WEB, manage=("floor", "target"))
    assert {one.standing for one in candidate_policies(managed, (0.9,)) if one.target == 70} == {"managed"}
    policies = tuple(replace(one, standing="managed") if one.target == 70 else one for one in POLICIES)
    rows = [np.tile(one, (14, 1)) for one in ([100.0, 106.0, 125.0], [99.0, 3.0, 3.0])]
    scores = DailyScores(rows[0], rows[1], *(np.zeros((14, 3)) for _ in range(3)))
    found = choose_policy(Tried(policies, scores, BEGIN, 0.3), managed, BEGIN)
    assert (found.in_force, found.meanwhile) == (policies[1], None)


def test_a_policy_without_calm_follows_its_plan_to_the_step() -> None:
    (plan,) = plans_of({BEGIN: hourly(30, 1)}, WEB, 0.95).values()
    seen = Observation(2, 80, 2, 2, baseline_floor=2, baseline_ceiling=80)
    policy = Policy(80, "forecast", 0.95, calm=False)
    moments = [plan.start + at * 5 * MINUTE for at in range(60)]
    calm, plain = ControllerRules(calm=CALM), ControllerRules()
    by_plan = [decide(replace(plan, policy=policy), seen, now, calm).floor for now in moments]
    assert by_plan == [decide(plan, seen, now, plain).floor for now in moments]
    assert by_plan != [decide(plan, seen, now, calm).floor for now in moments]


def test_a_given_level_is_the_only_one_tried() -> None:
    levels = {one.quantile_level for one in candidate_policies(WEB, (0.9,)) if one.floors == "forecast"}
    assert levels == {0.9}


def test_without_an_autoscaler_floors_stand_against_a_static_count() -> None:
    alone = replace(WEB, target=replace(WEB.target, kind="Deployment"))
    policies = candidate_policies(alone, (0.9,))
    assert policies[0].floors == "static"
    assert all(one.target is None for one in policies)


def test_history_of_a_few_days_is_refused_with_what_is_needed() -> None:
    with pytest.raises(DataError, match="expected at least 9 days of history"):
        tried_on(shop(5))


def test_an_autoscaler_on_external_metrics_keeps_its_target_and_is_not_managed() -> None:
    external = replace(WEB, reactive=Reactive(65, external=True))
    assert {policy.target for policy in candidate_policies(external) if policy.floors != "static"} == {65}
    assert {policy.floors for policy in candidate_policies(external)} == {"none", "forecast", "weekly", "static"}
    with pytest.raises(DataError, match="an external autoscaler has no CPU target"):
        replace(external, manage=("floor", "target"))


@pytest.mark.parametrize(
    ("workload", "says"),
    [
        pytest.param(replace(WEB, ceiling=9), "and the ceiling is 9: no policy keeps", id="a ceiling below the need"),
        pytest.param(
            replace(WEB, load=LoadModel(0.5, 0.01, 0, 2**27)), "memory asks for more replicas than CPU", id="memory"
        ),
        pytest.param(WEB, None, id="neither"),
    ],
)
def test_what_a_replay_cannot_show_is_said(workload: Workload, says: str | None) -> None:
    remarks = History.of(shop(16), workload, ReplaySettings(7)).remarks
    assert len(remarks) == (0 if says is None else 1)
    assert says is None or says in remarks[0]


def test_a_fixed_number_of_replicas_is_said_to_be_enough_and_floors_stand_until_it_does() -> None:
    """Without an autoscaler, where no schedule keeps the minutes."""
    bare = replace(WEB, target=Target("web", "Deployment"))
    policies = tuple(candidate_policies(bare, (0.5, 0.9)))
    above = np.tile([0.0 if policy.floors == "static" else 60.0 for policy in policies], (9, 1))
    cost = np.tile([300.0 if policy.floors == "static" else 200.0 for policy in policies], (9, 1))
    scores = DailyScores(cost, above, 0 * above, 0 * above, 0 * above)
    choice = choose_policy(Tried(policies, scores, BEGIN, skill=0.5), bare, BEGIN)
    assert (choice.reason, choice.policy.floors, choice.in_force.floors) == ("FixedCountIsEnough", "static", "forecast")
    said = choice_sheet(choice).footer
    assert said[0].startswith("run a fixed number of replicas: no schedule meets the objective for less")
    assert any("until then `capacity plan` follows: floors from the forecast" in line for line in said)
