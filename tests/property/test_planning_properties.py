"""What holds of every plan: bounds, monotone needs, scaling, and a forecast that cannot look ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.forecast import forecast_sales
from capacity.load import project_load
from capacity.model import Demand, Forecast, Limits, LoadModel, Replica, Workload
from capacity.planning import floor_series
from tests.plans import planned
from tests.scale import examples

START = datetime(2026, 11, 27, tzinfo=UTC)
LEVELS = (0.5, 0.9, 0.95)
LOAD = LoadModel(cpu_base=0.2, cpu_per_sale_per_hour=0.05, memory_base=2.0**29, memory_per_sale_per_hour=2.0**24)
sales = st.lists(st.lists(st.floats(0, 2000), min_size=3, max_size=3).map(sorted), min_size=1, max_size=48)
few = examples(50)


def demand(quantiles: Sequence[Sequence[float]]) -> Demand:
    steps = pd.date_range(START, periods=len(quantiles), freq="h")
    frame = pd.DataFrame(np.array(quantiles), steps, list(LEVELS))
    return project_load(Forecast(START - timedelta(hours=1), timedelta(hours=1), frame, "sales"), LOAD)


def workload(**changed: Any) -> Workload:
    chosen: dict[str, Any] = {"floor": 1, "ceiling": 500_000, "quantile_level": 0.95, **changed}
    return Workload("shop", "web", LOAD, Replica(0.5, 2.0**29), **chosen)


def floors(quantiles: Sequence[Sequence[float]], **changed: Any) -> list[int]:
    """The planned floor at every step."""
    plan = planned(demand(quantiles), workload(**changed))
    steps = [plan.start + plan.step * place for place in range(plan.steps)]
    found = [plan.floor_between(step, step) for step in steps]
    return [floor for floor in found if floor is not None]


@few
@given(sales)
def test_a_higher_quantile_level_never_needs_fewer_replicas(quantiles: list[list[float]]) -> None:
    low, middle, high = (floors(quantiles, quantile_level=level) for level in LEVELS)
    assert len(low) == len(quantiles)
    assert all(a <= b <= c for a, b, c in zip(low, middle, high, strict=True))


@few
@given(sales, st.floats(0.1, 1.0), st.floats(0.1, 1.0))
def test_a_lower_target_utilization_never_needs_fewer_replicas(
    quantiles: list[list[float]], one: float, other: float
) -> None:
    tight, loose = sorted((one, other))
    pairs = zip(floors(quantiles, target_utilization=tight), floors(quantiles, target_utilization=loose), strict=True)
    assert all(careful >= careless for careful, careless in pairs)


@few
@given(sales, st.integers(2, 5))
def test_zones_never_need_fewer_replicas_than_none(quantiles: list[list[float]], zones: int) -> None:
    pairs = zip(floors(quantiles, zones=zones), floors(quantiles), strict=True)
    assert all(zoned >= plain for zoned, plain in pairs)


@few
@given(sales, st.integers(1, 20), st.integers(0, 100), st.sampled_from([None, 0.0, 0.1, 0.5]))
def test_every_floor_lies_between_floor_and_ceiling(
    quantiles: list[list[float]], floor: int, room: int, buffer: float | None
) -> None:
    one = workload(floor=floor, ceiling=floor + room, ceiling_buffer=buffer)
    plan = planned(demand(quantiles), one)
    assert all(floor <= change.replicas <= plan.ceiling for change in plan.floor)
    assert floor <= plan.safe_floor <= plan.ceiling
    assert plan.peak.replicas == max(change.replicas for change in plan.floor)
    assert plan.ceiling >= one.ceiling if buffer is not None else plan.ceiling == one.ceiling


@few
@given(sales)
def test_utilization_at_the_quantile_level_stays_under_the_target(quantiles: list[list[float]]) -> None:
    one = workload()
    made = demand(quantiles)
    served = np.array(floors(quantiles), dtype=float)
    for part, request in ((made.cpu, one.replica.cpu_request), (made.memory, one.replica.memory_request)):
        utilization = part.at(0.95).to_numpy() / (served * request)
        np.testing.assert_array_less(utilization, one.target_utilization * (1 + 1e-8))


@few
@given(sales)
def test_changes_are_real_and_tell_the_whole_floor(quantiles: list[list[float]]) -> None:
    plan = planned(demand(quantiles), workload())
    replicas = [change.replicas for change in plan.floor]
    assert all(before != after for before, after in pairwise(replicas))
    one_by_one = [planned(demand([step]), workload()).floor[0].replicas for step in quantiles]
    np.testing.assert_array_equal(floors(quantiles), one_by_one)


@few
@given(sales, st.integers(-48, 48))
def test_shifting_all_times_shifts_the_plan_and_nothing_else(quantiles: list[list[float]], hours: int) -> None:
    made = demand(quantiles)
    shift = timedelta(hours=hours)
    moved = [
        replace(part, origin=part.origin + shift, quantiles=part.quantiles.set_axis(part.quantiles.index + shift))
        for part in (made.cpu, made.memory, made.sales)
    ]
    plan, later = planned(made, workload()), planned(Demand(*moved), workload())
    assert later.floor == plan.floor
    assert (later.start, later.peak.at) == (plan.start + shift, plan.peak.at + shift)


def history(scale: float = 1.0, days: int = 35) -> pd.Series:
    index = pd.date_range("2026-01-05", periods=24 * days, freq="h", tz="UTC")
    noise = np.random.default_rng(3).normal(0.0, 4.0, len(index))
    daily = 40.0 + 30.0 * np.sin((index.hour.to_numpy() - 8) / 24 * 2 * np.pi)
    return pd.Series(scale * np.maximum(daily + noise, 0.0), index)


@pytest.mark.parametrize("scale", [0.001, 0.5, 3.0, 1000.0, 1e6], ids=lambda scale: f"sales times {scale:g}")
def test_the_forecast_of_scaled_sales_is_the_scaled_forecast(scale: float) -> None:
    plain = forecast_sales(history(), horizon="2D", quantile_levels=LEVELS).quantiles.to_numpy()
    scaled = forecast_sales(history(scale), horizon="2D", quantile_levels=LEVELS).quantiles.to_numpy()
    np.testing.assert_allclose(scaled, scale * plain, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("known", [24 * 21, 24 * 28 + 5], ids=["on the day", "within a day"])
def test_nothing_after_the_origin_changes_the_forecast(known: int) -> None:
    sales_now = history().iloc[:known]
    before = forecast_sales(sales_now.copy(), horizon="2D", quantile_levels=LEVELS)
    longer = history()
    longer.iloc[known:] = 1e6
    after = forecast_sales(longer.iloc[:known], horizon="2D", quantile_levels=LEVELS)
    assert before.origin == after.origin == sales_now.index[-1]
    np.testing.assert_array_equal(before.quantiles.to_numpy(), after.quantiles.to_numpy())


def test_forecasting_leaves_its_input_as_it_was() -> None:
    given_sales = history()
    given_sales.iloc[5] = np.nan
    copy = given_sales.copy()
    forecast_sales(given_sales, horizon="1D", quantile_levels=LEVELS)
    np.testing.assert_array_equal(given_sales.to_numpy(), copy.to_numpy())


def test_the_time_zone_moves_no_step() -> None:
    zones = ("UTC", "Europe/London", "Asia/Kathmandu")
    indexes = [forecast_sales(history(), horizon="1D", quantile_levels=LEVELS, timezone=zone) for zone in zones]
    assert all(one.quantiles.index.equals(indexes[0].quantiles.index) for one in indexes)


@examples(6)
@given(st.integers(0, 99), st.sampled_from([5.0, 40.0]), st.sampled_from([36, 288]))
def test_a_day_of_hourly_plans_moves_the_floor_at_most_three_times_as_often_as_one_plan_may(
    seed: int, replicas: float, horizon: int
) -> None:
    """Known, noisy demand at five minutes; each plan serves an hour. With a whole day's changes each: 110 and more."""
    rng, steps = np.random.default_rng(seed), 288 + horizon
    noise = np.exp(np.convolve(rng.normal(0, 0.06, steps), np.ones(3) / 3, "same"))
    cores = replicas * (1.2 + 0.8 * np.sin(np.arange(steps) / 288 * 2 * np.pi)) * noise
    floors = np.concatenate([_floors(cores[at : at + horizon], at)[:12] for at in range(0, 288, 12)])
    assert np.count_nonzero(np.diff(floors)) <= 3 * Limits().changes_a_day


def _floors(cores: np.ndarray, offset: int) -> np.ndarray:
    """The floors of a plan that begins so many steps after midnight; a replica serves one core."""
    five = timedelta(minutes=5)
    index = pd.date_range(START + offset * five, periods=len(cores), freq="5min")
    cpu, memory = (
        Forecast(index[0].to_pydatetime() - five, five, pd.DataFrame({0.5: row, 0.95: row}, index), unit)
        for row, unit in ((cores, "cores"), (0 * cores, "bytes"))
    )
    web = Workload("shop", "web", LoadModel(0, 0, 0, 0), Replica(1.25, 2.0**30), 1, 200, lead_time=3 * five)
    return floor_series(planned(Demand(cpu, memory), web)).to_numpy()
