"""Floors on quarters of an hour, whatever the steps of the orders: each total is kept, and days begin at midnight."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.load import project_load
from capacity.model import DataError, Demand, Forecast, ForecastRequest, LoadModel, Replica, Workload
from capacity.planning import Provenance, forecast_groups, plan_workload, plan_workloads
from capacity.planning.finer import NO_SHAPE, finer_demand
from capacity.series.within import WithinStep

HOUR, DAY, QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)
START = datetime(2026, 3, 27, tzinfo=UTC)
LOAD = LoadModel(0.0, 0.1, 0.0, 2.0**20)
WEB = Workload("shop", "web", LOAD, Replica(1.0, 2.0**30), floor=1, ceiling=100, target_utilization=0.5)


def demand(totals: list[float], step: timedelta = HOUR, *, window: timedelta | None = None) -> Demand:
    """What sales of so many in each step ask for; maxima over the window lie a fifth above the highest step."""
    steps = pd.date_range(START, periods=len(totals), freq=pd.Timedelta(step))
    table = pd.DataFrame({0.5: totals, 0.95: totals}, steps, dtype=float)
    maxima = None if window is None else 1.2 * table[::-1].rolling(window // step, min_periods=1).max()[::-1]
    return project_load(Forecast(START - step, step, table, "sales", window=window, maxima=maxima), LOAD)


@pytest.mark.parametrize("step", [HOUR / 2, HOUR, 6 * HOUR, DAY])
def test_quarters_keep_the_total_of_each_step_and_rise_within_it(step: timedelta) -> None:
    coarse = demand([60.0, 60.0, 240.0, 60.0], step)
    fine = finer_demand(coarse)
    parts = step // QUARTER
    assert (fine.cpu.step, fine.cpu.quantiles.index[0]) == (QUARTER, pd.Timestamp(START))
    assert fine.sales is not None
    sold = fine.sales.values_at(0.5).reshape(4, parts)
    np.testing.assert_allclose(sold.sum(axis=1), [60.0, 60.0, 240.0, 60.0])
    np.testing.assert_allclose(fine.cpu.values_at(0.5).reshape(4, parts).mean(axis=1), coarse.cpu.values_at(0.5))
    assert sold[1, -1] > sold[1, 0], "the rise begins before the step that is highest"


def test_maxima_of_windows_stay_above_the_steps_by_their_factor() -> None:
    fine = finer_demand(demand([60.0, 240.0, 60.0, 60.0], window=2 * HOUR))
    assert fine.cpu.window == 2 * HOUR
    highest = fine.cpu.values_at(0.95)[::-1]
    ahead = pd.Series(highest).rolling(8, min_periods=1).max()[::-1].to_numpy()
    np.testing.assert_allclose(fine.cpu.maxima_at(0.95), 1.2 * ahead)


def test_steps_of_a_quarter_or_less_and_months_stay_as_they_are() -> None:
    for step in (QUARTER, timedelta(minutes=5), timedelta(minutes=20)):
        given = demand([1.0, 2.0], step)
        assert finer_demand(given) is given
    with pytest.raises(DataError, match="plans are made on hours or days"):
        plan_workload(demand([1.0, 2.0], timedelta(days=28)), WEB)


def test_days_begin_at_the_midnight_of_the_business_also_when_clocks_change() -> None:
    fine = finer_demand(demand([96.0] * 4, DAY), WithinStep(timezone="Europe/Berlin"))
    index = fine.cpu.quantiles.index
    assert index[0] == pd.Timestamp("2026-03-27", tz="Europe/Berlin")
    assert index[-1] + QUARTER == pd.Timestamp("2026-03-31", tz="Europe/Berlin"), "one of the days has 23 hours"
    assert len(index) == 4 * 96 - 4
    assert fine.sales is not None
    assert NO_SHAPE in fine.sales.notes


def test_every_plan_has_quarters_and_moves_as_its_orders_do() -> None:
    index = pd.date_range("2026-01-05", periods=24 * 28, freq="h", tz="UTC")
    sales = pd.Series(100.0 * (1 + (index.hour > 8)), index)
    provenance = Provenance(datetime(2026, 2, 2, tzinfo=UTC), "abc")
    for history, calm in ((sales, False), (sales.resample("D").sum(), False), (sales.asfreq("15min", "ffill"), True)):
        forecasts = forecast_groups({None: history}, ForecastRequest(horizon=DAY))
        (plan,) = plan_workloads(forecasts, [WEB], provenance)[0].workloads
        assert (plan.step, plan.calm) == (QUARTER, calm)
        assert plan.end - plan.start == DAY


def test_floors_rise_before_the_hour_and_above_its_mean() -> None:
    plan = plan_workload(demand([10.0, 40.0, 10.0]), replace(WEB, lead_time=timedelta(minutes=1)))
    floors = plan.to_frame()["floor"].to_numpy()
    assert floors[4:8].max() > 8, "the highest quarter of the middle hour asks for more than its mean"
    assert floors[3] > floors[0], "the floor rises within the hour before"
