"""The waterfall of a floor adds up to it exactly, whatever bounds it; and its sales to the forecast."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.load import project_load
from capacity.model import DataError, Forecast, Limits, LoadModel, Quota, Replica, Workload
from capacity.planning import explain_floor, within_quota
from capacity.series import break_down_sales
from tests.plans import planned
from tests.scale import examples

START = datetime(2026, 11, 27, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOAD = LoadModel(cpu_base=0.5, cpu_per_sale_per_hour=0.1, memory_base=2.0**29, memory_per_sale_per_hour=2.0**24)


def forecast(rows: list[tuple[float, float]], window: bool) -> Forecast:
    steps = pd.date_range(START, periods=len(rows), freq="h")
    table = pd.DataFrame([[low, low + more] for low, more in rows], steps, [0.5, 0.95])
    if not window:
        return Forecast(START - HOUR, HOUR, table, "sales")
    highest = np.maximum(table.to_numpy(), np.vstack([table.to_numpy()[1:], table.to_numpy()[-1:]]))
    return Forecast(
        START - HOUR, HOUR, table, "sales", window=2 * HOUR, maxima=pd.DataFrame(1.1 * highest, steps, [0.5, 0.95])
    )


def workload(**changed: Any) -> Workload:
    return Workload("shop", "web", LOAD, Replica(0.5, 2.0**29), **{"floor": 2, "ceiling": 30, **changed})


changes = st.fixed_dictionaries(
    {},
    optional={
        "zones": st.integers(1, 4),
        "ceiling": st.integers(4, 40),  # so that a multiple of 2 and one of 3 lie between
        "floor": st.integers(1, 3),
        "target_utilization": st.floats(0.3, 1.0),
        "limits": st.builds(
            Limits,
            multiple_of=st.integers(1, 3),
            step_up=st.none() | st.integers(3, 9),
            hold=st.sampled_from([0 * HOUR, 3 * HOUR]),
        ),
    },
)

rows = st.lists(st.tuples(st.floats(0, 200), st.floats(0, 50)), min_size=1, max_size=12)


@examples(60)
@given(rows, changes, st.booleans(), st.integers(0, 11))
def test_bars_add_up_to_the_floor_of_the_plan(
    sales: list[tuple[float, float]], changed: dict[str, Any], window: bool, hour: int
) -> None:
    one = workload(**changed)
    demand = project_load(forecast(sales, window), LOAD)
    plan = planned(demand, one)
    at = START + min(hour, len(sales) - 1) * HOUR
    explanation = explain_floor(demand, one, plan, at + timedelta(minutes=17))
    assert sum(bar.milli for bar in explanation.bars) == 1000 * explanation.floor
    assert (explanation.floor, explanation.at) == (plan.floor_between(at, at), at)
    assert len({bar.name for bar in explanation.bars}) == len(explanation.bars)


def test_every_bar_is_what_it_says() -> None:
    one = workload(zones=3, target_utilization=0.8, ceiling=17)
    demand = project_load(forecast([(40.0, 20.0)], window=False), LOAD)
    explanation = explain_floor(demand, one, planned(demand, one), START)
    found = {bar.name: bar.milli for bar in explanation.bars}
    # 4.5 cores at the median, 6.5 at 0.95: 13 replicas full, 16.25 at 80 %; without one of three zones 21.
    assert found == {
        "idle load": 1000,
        "sales": 8000,
        "quantile margin": 4000,
        "headroom": 3250,
        "rounding": 750,
        "zones": 4000,
        "ceiling": -4000,
    }
    assert explanation.resource == "cpu"


@pytest.mark.parametrize(
    ("sales", "changed", "cause"),
    [
        pytest.param(40.0, {}, "CPU", id="CPU asks for more"),
        pytest.param(0.0, {"floor": 4}, "the lowest floor allowed", id="the need lies below the floor"),
        pytest.param(90.0, {"ceiling": 8}, "the ceiling", id="the need lies above the ceiling"),
        pytest.param(40.0, {"replica": Replica(0.5, 2.0**29 * 0.255)}, "CPU and memory", id="both ask for as many"),
    ],
)
def test_the_cause_of_a_floor_is_named(sales: float, changed: dict[str, Any], cause: str) -> None:
    one = replace(workload(), **changed)
    demand = project_load(forecast([(sales, 0.0)], window=False), LOAD)
    assert explain_floor(demand, one, planned(demand, one), START).cause == cause


def test_a_quota_is_a_bar_too() -> None:
    one = workload()
    demand = project_load(forecast([(40.0, 20.0)], window=False), LOAD)
    (cut,) = within_quota([planned(demand, one)], [one], Quota(pods=9), "the cluster")
    explanation = explain_floor(demand, one, cut, START)
    assert (explanation.bars[-1].name, explanation.bars[-1].milli, explanation.floor) == ("quota", -8000, 9)


def test_the_floor_to_set_covers_the_lead_time_ahead() -> None:
    one = workload(lead_time=timedelta(hours=1))
    demand = project_load(forecast([(10.0, 0.0), (10.0, 0.0), (90.0, 0.0)], window=False), LOAD)
    plan = planned(demand, one)
    explanation = explain_floor(demand, one, plan, START + timedelta(minutes=59))
    assert (explanation.floor, explanation.covered_floor) == (4, 24)


def test_a_time_that_the_plan_does_not_cover_is_refused() -> None:
    demand = project_load(forecast([(10.0, 0.0)], window=False), LOAD)
    with pytest.raises(DataError, match="which the plan covers"):
        explain_floor(demand, workload(), planned(demand, workload()), START + HOUR)


def history(days: int = 760) -> pd.Series:
    index = pd.date_range(START - timedelta(days=days), periods=24 * days, freq="h")
    shape = 20 + 10 * np.sin(index.hour / 24 * 2 * np.pi) + 5 * (index.day_of_week < 5)
    year = 1 + 0.3 * np.sin(index.day_of_year / 365 * 2 * np.pi)
    return pd.Series(shape * year, index)


def test_parts_of_sales_add_up_to_the_median_and_are_what_they_say() -> None:
    past = history()
    steps = pd.date_range(START, periods=24, freq="h")
    median = pd.DataFrame({0.5: np.full(24, 33.0)}, steps)
    sales = Forecast(past.index[-1].to_pydatetime(), HOUR, median, "sales")
    plain = replace(sales, quantiles=median - 4.0)
    at = START + 6 * HOUR
    parts = break_down_sales(past, sales, at, "UTC", plain)
    assert parts.total == pytest.approx(33.0)
    named = {name: value for name, value, _ in parts.parts}
    recent = past.iloc[-24 * 28 :]
    assert parts.level == pytest.approx(recent.mean())
    assert named["day"] == pytest.approx(recent[recent.index.hour == 6].mean() - recent.mean())
    assert named["events"] == pytest.approx(4.0)
    assert named["year"] > 0, "the yearly wave rises after the end of November"


def test_without_a_year_of_history_the_year_is_said_to_be_unknown() -> None:
    past = history(60)
    steps = pd.date_range(START, periods=24, freq="h")
    sales = Forecast(past.index[-1].to_pydatetime(), HOUR, pd.DataFrame({0.5: np.full(24, 33.0)}, steps), "sales")
    parts = break_down_sales(past, sales, START, "UTC")
    assert "year" not in {name for name, _, _ in parts.parts}
    assert parts.total == pytest.approx(33.0)
