"""Where an autoscaler alone does as well as a forecast without skill, the plan says so; elsewhere it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.model import Demand, Reactive, Trust, WorkloadPlan
from capacity.planning import compare_reactive, plan_demands, plan_workload, reactive_remark
from tests.unit.test_planning_limits import HOUR, START, demand, workload

MINUTES = timedelta(minutes=5)
FLAT, STEEP = [4.0] * 96, [2.0, 2.0, 4.0, 4.0] * 100


def usage(values: list[float], step: timedelta = HOUR) -> pd.Series:
    return pd.Series(values, pd.date_range(START - len(values) * step, periods=len(values), freq=pd.Timedelta(step)))


def unskilled(asked: Demand) -> Demand:
    """The same demand, forecast by the seasonal naive because nothing better showed."""
    return replace(asked, cpu=replace(asked.cpu, model="seasonal naive 24", unskilled=True))


def planned(cores: float, *, skilled: bool = False) -> WorkloadPlan:
    asked = demand([cores] * 24)
    return plan_workload(asked if skilled else unskilled(asked), workload(target_utilization=0.8))


def test_flat_usage_needs_no_forecast() -> None:
    one = workload(target_utilization=0.8)
    plan = planned(4.4)
    case = compare_reactive(usage(FLAT), plan, one)
    assert case is not None
    assert (case.target, case.growth, case.replicas, case.planned) == (72, 1.0, 6.0, 6.0)
    past = compare_reactive(usage(FLAT), replace(plan, demand=None), one)
    assert past is not None
    assert past.replicas == 5.0, "a plan that carries no demand: as the past was"
    remark = reactive_remark(case, plan)
    assert remark is not None
    assert remark == (
        "an autoscaler alone is enough: the forecast does not beat the seasonal naive, and at target 72 % (demand "
        "rises by 0.0 % within the lead time) the autoscaler runs 6.0 replicas on average, the plan 6.0; steps of 60 "
        "min may hide faster rises"
    )


@pytest.mark.parametrize(
    ("skill", "past", "reactive", "worse"),
    [
        pytest.param(0.3, FLAT, False, False, id="better than the naive"),
        pytest.param(0.0, FLAT, True, False, id="as good as the naive, and the autoscaler is cheaper"),
        pytest.param(-0.2, FLAT, True, True, id="worse than the naive, and the autoscaler is cheaper"),
        pytest.param(-0.2, STEEP, False, True, id="worse than the naive, and the autoscaler is dearer"),
        pytest.param(None, FLAT, False, False, id="nothing is known of its skill"),
    ],
)
def test_the_library_says_whom_the_forecast_does_not_beat(
    skill: float | None, past: list[float], reactive: bool, worse: bool
) -> None:
    asked, one = demand([4.4] * 24), workload(target_utilization=0.8)
    trust = None if skill is None else Trust(((0.95, 0.95),), skill)
    judged = Demand(replace(asked.cpu, trust=trust, model="blend"), asked.memory)
    (plan,) = plan_demands({one.key: judged}, [one], usage=lambda _: usage(past, MINUTES)).plans
    said = " ".join(plan.derivation.notes)
    assert (
        "an autoscaler alone is enough" in said,
        "worse than the seasonal naive on past origins: skill -0.2" in said,
    ) == (
        reactive,
        worse,
    )
    assert "may hide" not in said


def test_a_forecast_with_skill_is_kept_and_so_is_one_that_is_cheaper() -> None:
    one = workload(target_utilization=0.8)
    skilled, naive = planned(4.4, skilled=True), planned(4.4)
    assert reactive_remark(compare_reactive(usage(FLAT), skilled, one), skilled) is None
    assert reactive_remark(compare_reactive(usage(STEEP, MINUTES), naive, one), naive) is None


def test_a_rise_that_would_overrun_the_autoscaler_is_planned_for() -> None:
    one = workload(target_utilization=0.8)
    for coming, enough in (([4.4] * 23 + [5.2], True), ([4.4] * 23 + [8.8], False), ([0.1] * 23 + [0.4], True)):
        plan = plan_workload(unskilled(demand(coming)), one)
        case = compare_reactive(usage(FLAT), plan, one)
        assert case is not None
        assert case.is_enough == enough, "0.8 x 5.2 / 4.4 is under 1, twice 0.8 is not, and the floor serves 0.4"
        assert (reactive_remark(case, plan) is not None) == enough


def test_demand_that_doubles_within_the_lead_time_asks_for_half_the_target() -> None:
    one = workload(target_utilization=0.8, lead_time=timedelta(minutes=5))
    plan = replace(planned(4.4), lead_time=timedelta(minutes=5) - timedelta(seconds=75))
    case = compare_reactive(usage([2.0, 4.0] * 200, MINUTES), plan, one)
    assert case is not None
    assert case.growth == pytest.approx(2.0)
    assert case.target == 36, "40 % less its tolerance"


def test_an_autoscaler_without_tolerance_may_have_the_whole_target() -> None:
    one = workload(target_utilization=0.8, reactive=Reactive(70, tolerance=0.0))
    case = compare_reactive(usage(FLAT), planned(4.4), one)
    assert case is not None
    assert case.target == 79


def test_too_short_a_past_says_nothing() -> None:
    one, plan = workload(target_utilization=0.8), planned(4.4)
    assert compare_reactive(usage([4.0] * 40), plan, one) is None
    assert compare_reactive(usage([np.nan] * 96), plan, one) is None
    assert reactive_remark(None, plan) is None
