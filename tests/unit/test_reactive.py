"""Where an autoscaler alone does as well as a forecast without skill, the plan says so; elsewhere it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.domain import Reactive, WorkloadPlan
from capacity.planning import plan_workload, reactive_case, reactive_remark
from tests.unit.test_planning_limits import HOUR, START, demand, workload


def usage(values: list[float], step: timedelta = HOUR) -> pd.Series:
    return pd.Series(values, pd.date_range(START - len(values) * step, periods=len(values), freq=pd.Timedelta(step)))


def planned(model: str, cores: float) -> WorkloadPlan:
    plan = plan_workload(demand([cores] * 24), workload(target_utilization=0.8))
    return replace(plan, explain={**plan.explain, "model": model})


def test_flat_usage_needs_no_forecast() -> None:
    one = workload(target_utilization=0.8)
    plan = planned("seasonal naive 24", 4.4)
    case = reactive_case(usage([4.0] * 96), plan, one)
    assert case is not None
    assert (case.target, case.growth, case.replicas, case.planned) == (72, 1.0, 5.0, 6.0)
    remark = reactive_remark(case, plan)
    assert remark is not None
    assert remark.startswith("stay reactive: the forecast shows no skill, and an autoscaler at target 72 %")
    assert "5.0 replicas on average, the plan 6.0" in remark


def test_a_forecast_with_skill_is_kept_and_so_is_one_that_is_cheaper() -> None:
    one = workload(target_utilization=0.8)
    skilled, cheap = planned("blend of seasonal naive 24 60%", 4.4), planned("seasonal naive 24", 3.0)
    for plan in (skilled, cheap):
        assert reactive_remark(reactive_case(usage([4.0] * 96), plan, one), plan) is None


def test_demand_that_doubles_within_the_lead_time_asks_for_half_the_target() -> None:
    one = workload(target_utilization=0.8, lead_time=timedelta(minutes=5))
    plan = replace(planned("seasonal naive 24", 4.4), lead_time=timedelta(minutes=5) - timedelta(seconds=75))
    case = reactive_case(usage([2.0, 4.0] * 200, timedelta(minutes=5)), plan, one)
    assert case is not None
    assert case.growth == pytest.approx(2.0)
    assert case.target == 36, "40 % less its tolerance"


def test_an_autoscaler_without_tolerance_may_have_the_whole_target() -> None:
    one = workload(target_utilization=0.8, reactive=Reactive(70, tolerance=0.0))
    case = reactive_case(usage([4.0] * 96), planned("seasonal naive 24", 4.4), one)
    assert case is not None
    assert case.target == 79


def test_too_short_a_past_says_nothing() -> None:
    one, plan = workload(target_utilization=0.8), planned("seasonal naive 24", 4.4)
    assert reactive_case(usage([4.0] * 40), plan, one) is None
    assert reactive_case(usage([np.nan] * 96), plan, one) is None
    assert reactive_remark(None, plan) is None
