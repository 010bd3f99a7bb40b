"""Limits of a plan, one by one and together: counts, moments, moves, budget, quota; and those that cannot be met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.model import (
    MONTH,
    ChangeHours,
    Costs,
    DataError,
    Demand,
    Forecast,
    Freeze,
    Limits,
    LoadModel,
    Pool,
    Quota,
    Reactive,
    Replica,
    Throughput,
    Workload,
    WorkloadPlan,
)
from capacity.planning import Days, floor_series, plan_many, within_quota
from tests.plans import planned

START = datetime(2026, 11, 27, tzinfo=UTC)
HOUR = timedelta(hours=1)


def forecast(
    values: Sequence[float], step: timedelta, unit: str = "cores", high: Sequence[float] | None = None
) -> Forecast:
    steps = pd.date_range(START, periods=len(values), freq=pd.Timedelta(step))
    table = pd.DataFrame({0.5: values, 0.95: high or values}, steps, dtype=float)
    return Forecast(START - step, step, table, unit)


def demand(cores: Sequence[float], step: timedelta = HOUR, requests: Sequence[float] | None = None) -> Demand:
    """Cores at each step; a replica of one core at a target of one half serves half a core."""
    idle = forecast([0.0] * len(cores), step, "bytes")
    asked = None if requests is None else forecast(requests, step, "requests/s")
    return Demand(forecast(cores, step), idle, requests=asked)


def workload(name: str = "web", **changed: Any) -> Workload:
    chosen: dict[str, Any] = {"floor": 2, "ceiling": 40, "target_utilization": 0.5, **changed}
    return Workload("shop", name, LoadModel(0, 0, 0, 0), Replica(1.0, 2.0**30), **chosen)


def floors(cores: Sequence[float], step: timedelta = HOUR, **changed: Any) -> list[int]:
    return floor_series(planned(demand(cores, step), workload(**changed))).tolist()


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


@pytest.mark.parametrize(
    ("limits", "cores", "expected"),
    [
        pytest.param(Limits(multiple_of=4), [1, 2.1, 4.4], [4, 8, 12], id="multiples round up"),
        pytest.param(Limits(allowed=(3, 6, 12)), [0, 2.1, 4.4], [3, 6, 12], id="allowed counts round up"),
        pytest.param(Limits(allowed=(3, 6, 12)), [9, 1, 1], [12, 3, 3], id="above the highest allowed count, that one"),
        pytest.param(Limits(step_up=3), [1, 1, 5], [4, 7, 10], id="a steep rise begins earlier"),
        pytest.param(Limits(step_down=3), [5, 1, 1], [10, 7, 4], id="a steep fall ends later"),
        pytest.param(Limits(ramp_up=2.0), [1, 1, 4], [4, 6, 8], id="a ramp by the hour"),
        pytest.param(Limits(freezes=(Freeze(at(1), at(1.9)),)), [1, 3, 1], [6, 6, 6], id="a freeze is served as one"),
        pytest.param(
            Limits(freezes=(Freeze(at(2), at(2.9)),)), [1, 2, 1, 1, 3], [2, 4, 4, 4, 6], id="a freeze ends late"
        ),
        pytest.param(Limits(hold=timedelta(hours=2)), [1, 3, 1, 1], [6, 6, 2, 2], id="no two changes within two hours"),
        pytest.param(Limits(changes_a_day=1), [1, 5, 1, 1], [10, 10, 2, 2], id="one change a day"),
        pytest.param(
            Limits(hours=(ChangeHours(time(1), time(3)),)),
            [1, 2, 3, 4, 1],
            [4, 4, 8, 8, 8],
            id="hours of the day, and the lead time before",
        ),
        pytest.param(
            Limits(multiple_of=4, step_down=4, hold=timedelta(hours=2)),
            [8, 8, 1, 1, 1, 1],
            [16, 16, 12, 12, 8, 8],
            id="counts, steps and holds together",
        ),
    ],
)
def test_limits_are_kept_and_never_below_the_need(limits: Limits, cores: list[float], expected: list[int]) -> None:
    assert floors(cores, limits=limits) == expected


@pytest.mark.parametrize(
    ("build", "words"),
    [
        pytest.param(lambda: Limits(allowed=(4, 2)), "must ascend", id="counts that do not ascend"),
        pytest.param(lambda: Limits(allowed=(4, 9), step_up=3), "cannot cross the gap of 5", id="a step below the gap"),
        pytest.param(lambda: Limits(allowed=(3, 5), multiple_of=4), "is a multiple of 4", id="no count is a multiple"),
        pytest.param(lambda: Limits(step_down=0), "step_down must be > 0", id="no step at all"),
        pytest.param(lambda: Limits(budget=float("nan")), "budget must be > 0", id="no number for a budget"),
        pytest.param(lambda: Freeze(at(1), at(1)), "must lie before end", id="a freeze of no length"),
        pytest.param(lambda: ChangeHours(time(1), time(1)), "must not be empty", id="hours of no length"),
        pytest.param(lambda: Costs(overload=0.5), "above 1", id="an overload cheaper than an idle replica"),
        pytest.param(lambda: Replica(0.0, 2.0**30), "cpu_request must be > 0", id="a request of nothing"),
        pytest.param(
            lambda: floors([1], limits=Limits(multiple_of=7), floor=8, ceiling=13),
            "a multiple of 7 between",
            id="none between",
        ),
        pytest.param(
            lambda: floors([1], limits=Limits(allowed=(1, 50))),
            r"one of \[1, 50\] between floor 2",
            id="none allowed between",
        ),
        pytest.param(lambda: floors([1], limits=Limits(budget=5.0)), "expected costs.price_per_hour", id="no price"),
        pytest.param(
            lambda: floors([1], limits=Limits(budget=5.0), costs=Costs(price_per_hour=1.0)),
            "at least 1440.00 a month for the floor of 2",
            id="a budget below the floor",
        ),
    ],
)
def test_what_cannot_be_met_is_refused_with_the_reason(build: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        build()


@pytest.mark.parametrize(
    ("hours", "steps", "changes_a_day", "most"),
    [
        pytest.param(0, 288 + 6, 24, [24, 6], id="a whole day, and half an hour: up and down in stages"),
        pytest.param(18, 288, 24, [6, 18], id="a quarter of a day and three"),
        pytest.param(18.5, 66, 24, [6], id="5.5 hours are 5.5 changes, rounded up"),
        pytest.param(0, 12, 1, [1], id="never more than a day has"),
    ],
)
def test_a_part_of_a_day_has_its_part_of_the_changes(
    hours: float, steps: int, changes_a_day: int, most: list[int]
) -> None:
    five = timedelta(minutes=5)
    days = Days.of(pd.date_range(at(hours), periods=steps, freq="5min"), five, changes_a_day)
    assert days.most.tolist() == most
    assert np.bincount(days.each).tolist() == days.lengths.tolist()


def test_steps_of_weeks_each_have_a_day_of_their_own() -> None:
    week = timedelta(days=7)
    assert floors([1, 5, 1], week) == [2, 10, 2]
    assert floors([1, 5, 1], week, limits=Limits(changes_a_day=1)) == [2, 10, 2]


def test_calendar_months_are_no_steps_of_a_plan() -> None:
    months = pd.date_range("2026-12-01", periods=3, freq="MS", tz="UTC")
    table = pd.DataFrame({0.5: 1.0, 0.95: 2.0}, months)
    monthly = Forecast(datetime(2026, 11, 1, tzinfo=UTC), MONTH, table, "cores")
    with pytest.raises(DataError, match=r"plans are made on hours or days: .*got steps of 30 days; forecast sales by"):
        planned(Demand(monthly, replace(monthly, unit="bytes")), workload())


def test_a_budget_cuts_the_peaks_and_says_by_how_much() -> None:
    costs = Costs(price_per_hour=1.0)
    plan = planned(demand([1, 1, 10, 1]), workload(limits=Limits(budget=720 * 3.5), costs=costs))
    assert floor_series(plan).tolist() == [2, 2, 8, 2], "14 of the 26 replica-hours are paid for"
    assert [change.reason for change in plan.floor] == ["PlanStart", "BudgetReached", "DemandFalling"]
    assert (
        "the budget of 8 replicas is below the need for 60 min, by up to 12 replicas (6.00 cores)"
        in plan.derivation.notes
    )


def test_a_ceiling_below_the_need_says_the_breach_in_cores_and_minutes() -> None:
    plan = planned(demand([1, 6, 7, 1]), workload(ceiling=10))
    assert floor_series(plan).tolist() == [2, 10, 10, 2]
    derived = plan.derivation
    assert (derived.shortfall.minutes, derived.shortfall.cores) == (120, 2.0)
    assert "the ceiling of 10 replicas is below the need for 120 min, by up to 4 replicas (2.00 cores)" in derived.notes


def test_a_start_costs_its_lead_time_so_that_short_valleys_stay_up() -> None:
    five, valley = timedelta(minutes=5), [5.0, 1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0, 5.0]
    assert floors(valley, five, lead_time=2 * five) == [10, 10, 10, 10, 2, 2, 2, 2, 10]
    many = Limits(changes_a_day=288)
    assert floors(valley, five, lead_time=five, limits=many) == [10, 2, 2, 10, 2, 2, 2, 2, 10]
    assert floors(valley, five, costs=Costs(start=4 * five)) == [10] * 9
    assert floors(valley, five, costs=Costs(start=timedelta(0), change=30 * five)) == [10] * 9


def test_lacking_replicas_at_a_price_raises_the_floor_to_the_newsvendors_quantile() -> None:
    steps = pd.date_range(START, periods=3, freq="h")
    table = pd.DataFrame({0.1: 2.0, 0.5: 4.0, 0.9: 6.0}, steps)
    cpu = Forecast(START - HOUR, HOUR, table, "cores")
    idle = Forecast(START - HOUR, HOUR, table * 0, "bytes")

    def paid(overload: float) -> list[int]:
        chosen = workload(quantile_level=0.1, costs=Costs(overload=overload))
        return floor_series(planned(Demand(cpu, idle), chosen)).tolist()

    # Each quantile stands for a share: 0.3 below, 0.4 in the middle, 0.3 above. A further replica pays while the
    # share above it is more than 1 / overload.
    assert paid(1.3) == [4, 4, 4], "0.7 above is less than 1 / 1.3"
    assert paid(2.0) == [8, 8, 8], "0.3 above is less than 1 / 2"
    assert paid(99.0) == [12, 12, 12]


def test_requests_that_scaling_out_cannot_serve_fail_that_workload_alone() -> None:
    law = Throughput(100.0, 0.0, 0.01)
    good = (demand([1.0], requests=[100.0]), workload("good", throughput=law))
    bad = (demand([1.0], requests=[900.0]), workload("bad", throughput=law))
    first, second, third = plan_many([good, bad, good])
    assert isinstance(second, DataError)
    assert "scale-out cannot serve this" in str(second)
    assert first == third
    assert isinstance(first, WorkloadPlan)
    requests = first.derivation.need.requests
    assert requests is not None
    assert (first.peak.replicas, requests.replicas, first.derivation.need.cpu) == (3, 3, 2)


def test_a_zone_may_be_lost_for_requests_as_well() -> None:
    plan = planned(demand([0.0], requests=[190.0]), workload(throughput=Throughput(100.0), zones=3))
    assert plan.peak.replicas == 4, "at a target of one half; two replicas in two zones would be three in three"
    plan = planned(
        demand([0.0], requests=[190.0]), workload(throughput=Throughput(100.0), zones=3, target_utilization=1.0)
    )
    assert plan.peak.replicas == 3


def test_a_small_pool_lowers_the_utilization_and_the_plan_says_which_bound_won() -> None:
    pool = Pool(8, timedelta(seconds=1), timedelta(seconds=1))
    plan = planned(demand([6.37]), workload(pool=pool, target_utilization=0.8))
    assert (plan.peak.replicas, plan.derivation.target.utilization, plan.derivation.target.bound) == (10, 0.637, "pool")


@pytest.mark.parametrize(
    ("target", "warned"),
    [(71, False), (72, False), (73, True), (80, True)],
    ids=["71 %", "72 % tolerates 79 %", "73 % tolerates 80 % and a fraction", "80 % tolerates 88 %"],
)
def test_an_autoscaler_that_tolerates_more_than_we_promise_is_named(target: int, warned: bool) -> None:
    plan = planned(demand([1.0]), workload(reactive=Reactive(target), target_utilization=0.8))
    notes = [note for note in plan.derivation.notes if "the autoscaler's target" in note]
    assert len(notes) == warned
    if warned:
        assert notes[0].endswith("set its target to 72 % to stay under 80 %")


def test_what_a_quota_lacks_is_taken_in_proportion_and_never_from_the_floors() -> None:
    pairs = [(demand([1, 8, 1]), workload("one")), (demand([1, 3, 3]), workload("two", floor=4))]
    plans = [plan for plan in plan_many(pairs) if isinstance(plan, WorkloadPlan)]
    workloads = [one for _, one in pairs]
    assert [floor_series(plan).tolist() for plan in plans] == [[2, 16, 2], [4, 6, 6]]
    cut = within_quota(plans, workloads, Quota(cpu=14.0), "the quota of shop")
    assert [floor_series(plan).tolist() for plan in cut] == [[2, 9, 2], [4, 5, 6]]
    assert [change.reason for change in cut[0].floor] == ["PlanStart", "QuotaReached", "DemandFalling"]
    assert "the quota of shop is too small for 60 min, by up to 7 replicas" in cut[0].derivation.notes
    assert cut[0].peak.replicas == 9
    assert within_quota(plans, workloads, Quota(pods=22), "the cluster") == plans
    starved = within_quota(plans, workloads, Quota(memory=2.0**30), "the cluster")
    assert [floor_series(plan).tolist() for plan in starved] == [[2, 2, 2], [4, 4, 4]]


def test_planning_again_is_planning_the_same_and_many_are_each_alone() -> None:
    pairs = [
        (demand([1, 5, 2 + place, 1]), workload(f"w{place}", lead_time=timedelta(hours=place))) for place in range(9)
    ]
    together = list(plan_many(pairs))
    assert together == list(plan_many(iter(pairs)))
    assert together == [planned(*pair) for pair in pairs]
