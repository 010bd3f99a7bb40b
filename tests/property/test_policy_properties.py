"""No policy looks ahead: whatever the future holds, what was set before it stays; and floors keep to their bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.model import Event, ForecastRequest, LoadModel, Replica, Workload
from capacity.model.arrays import Array
from capacity.simulation import (
    Case,
    Cluster,
    Policy,
    Promise,
    Schedule,
    Service,
    Start,
    ahpa_like,
    autopilot_like,
    aws_like,
    cron_schedule,
    hpa_sweep,
    optimum_trial,
    past_forecasts,
    past_plans,
    past_request,
    seasonal_naive,
    static_peak,
    swept,
    try_policies,
)
from capacity.simulation.candidates import decided_floors
from capacity.simulation.hpa.spec import SYNC_PERIOD

STEP, DAY = timedelta(minutes=15), timedelta(days=1)
PER_DAY = 96
BEGIN, STEPS = 16 * PER_DAY, 18 * PER_DAY
START = datetime(2026, 3, 2, tzinfo=UTC)
POLICIES: dict[str, Callable[[Case], Policy]] = {
    "static peak": static_peak,
    "cron schedule": cron_schedule,
    "AWS-like": aws_like,
    "AHPA-like": ahpa_like,
    "Autopilot-like": autopilot_like,
    "seasonal naive": seasonal_naive,
    "plan": lambda case: planned(case),
}


def demand(seed: int = 1) -> Array:
    random, at = np.random.default_rng(seed), np.arange(STEPS)
    shape = 20 + 15 * np.sin(2 * np.pi * at / PER_DAY) + 6 * (at // PER_DAY % 7 < 5)
    return np.asarray(shape * random.lognormal(0, 0.1, STEPS))


def case_of(values: Array, ceiling: int = 40) -> Case:
    cluster = Cluster(Service(1.0), Start(timedelta(minutes=5)))
    return Case(values, START, STEP, BEGIN, cluster, Promise(floor=3, start=timedelta(minutes=5)), ceiling)


def workload_of(case: Case) -> Workload:
    load, replica = LoadModel(0.0, STEP / timedelta(hours=1), 0.0, 0.0), Replica(1.0, 2.0**40)
    return Workload("shop", "web", load, replica, case.promise.floor, case.ceiling, lead_time=case.lead)


def planned(case: Case) -> Policy:
    workload, schedule = workload_of(case), Schedule(every=timedelta(hours=12))
    series = pd.Series(case.demand, pd.date_range(START, periods=len(case.demand), freq=STEP))
    kickoffs = [START + day * DAY + timedelta(hours=19) for day in range(STEPS // PER_DAY)]
    events = tuple(Event("match", at, at + timedelta(hours=2), "match") for at in kickoffs)
    request = past_request(ForecastRequest(events=events), [workload], case.step, schedule)
    forecasts = past_forecasts(case, series, request, schedule)
    plans = past_plans(forecasts, workload)
    arrivals = {origin + schedule.delay: plan for origin, plan in plans.items()}
    passes = case.judged_ticks * SYNC_PERIOD // schedule.pace.period
    floor = decided_floors(arrivals, workload, schedule.pace, case.moment(case.begin), passes)
    return Policy("plan", np.repeat(floor, schedule.pace.period // SYNC_PERIOD), hpa_sweep(case)[0].rule)


@pytest.mark.parametrize("name", POLICIES)
def test_perturbing_the_future_changes_nothing_before_it(name: str) -> None:
    known = case_of(demand())
    before = POLICIES[name](known).floor
    assert len(before) == known.judged_ticks
    for torn_after in (STEPS - PER_DAY - 20, STEPS - 37):
        torn = known.demand.copy()
        torn[torn_after:] = 7 * torn[torn_after:][::-1] + 100
        after = POLICIES[name](replace(known, demand=torn)).floor
        until = (torn_after - BEGIN) * (STEP // SYNC_PERIOD)
        np.testing.assert_array_equal(before[:until], after[:until])


@pytest.mark.parametrize("name", POLICIES)
def test_floors_keep_within_their_bounds(name: str) -> None:
    floor = POLICIES[name](case_of(demand(), ceiling=30)).floor
    assert floor.min() >= 3
    assert floor.max() <= 30


def test_the_optimum_knows_the_future_and_costs_least() -> None:
    case = case_of(demand(), ceiling=1000)
    trials = try_policies(case, [static_peak(case), cron_schedule(case)], seed=5)
    optimum = optimum_trial(case)
    assert optimum.score.over_clairvoyant == pytest.approx(1.0, abs=0.02)
    assert optimum.score.cap_breach_minutes == 0
    assert all(trial.score.pod_hours > optimum.score.pod_hours for trial in trials)


def test_equal_seeds_give_equal_trials() -> None:
    case = case_of(demand())
    sweep = hpa_sweep(case)[::9]
    one, other = try_policies(case, sweep, seed=5), try_policies(case, sweep, seed=5)
    assert [trial.score for trial in one] == [trial.score for trial in other]
    assert (np.diff(swept(one).violations) < 0).all()


def test_a_lower_target_never_has_more_overload_on_a_smooth_day() -> None:
    at = np.arange(STEPS)
    case = case_of(np.asarray(30 + 25 * np.sin(2 * np.pi * at / PER_DAY)), ceiling=1000)
    sweep = [policy for policy in hpa_sweep(case) if policy.name.endswith(" 5 min")]
    over = [trial.score.cap_breach_minutes for trial in try_policies(case, sweep, seed=1)]
    assert over == sorted(over)
