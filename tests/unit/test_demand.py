"""One workload's demand: each resource from what explains it, on common steps, with a reason where there is none."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.load import demand_of, learn_load, project_load
from capacity.model import DataError, Forecast, LoadModel, LoadReport, Replica, Workload

HOURS = pd.date_range("2026-03-02", periods=24 * 14, freq="h", tz="UTC")
COSTS = LoadModel(0.4, 0.02, 2e9, 0.0)
WEB = Workload("shop", "web", COSTS, Replica(0.5, 2**29), floor=1, ceiling=60)
RNG = np.random.default_rng(1)
SALES = pd.Series(RNG.poisson(50, len(HOURS)).astype(float), HOURS)
FOLLOWS, DEAF = 0.5 + 0.02 * SALES, 2 + RNG.normal(0, 0.05, len(HOURS))


def table(index: pd.DatetimeIndex, value: float) -> pd.DataFrame:
    return pd.DataFrame(np.outer(np.full(len(index), value), [1.0, 1.5]), index, [0.5, 0.95])


def of_sales(hours: int = 12) -> Forecast:
    steps = pd.date_range(HOURS[-1] + timedelta(hours=1), periods=hours, freq="h")
    return Forecast(HOURS[-1].to_pydatetime(), timedelta(hours=1), table(steps, 50.0), "sales")


def of_usage(usage: pd.Series, until: datetime) -> Forecast:
    """A stand-in for the engine: the mean of usage, as far as it is asked for, a day at least."""
    step = usage.index[1] - usage.index[0]
    end = max(pd.Timestamp(until), usage.index[-1] + timedelta(days=1))
    steps = pd.date_range(usage.index[-1] + step, end, freq=step, inclusive="left")
    unit = str(usage.attrs["unit"])
    return Forecast(usage.index[-1].to_pydatetime(), step.to_pytimedelta(), table(steps, float(usage.mean())), unit)


def report(cpu: object, memory: object, sales: pd.Series | None = SALES) -> LoadReport:
    return learn_load(sales, pd.DataFrame({"cpu": cpu, "memory": memory}, HOURS), prior=COSTS)


def test_without_a_report_the_configured_costs_are_used_to_the_last_bit() -> None:
    demand, given = demand_of(WEB, of_sales(), None, of_usage), project_load(of_sales(), COSTS)
    pd.testing.assert_frame_equal(demand.cpu.quantiles, given.cpu.quantiles, check_exact=True)
    pd.testing.assert_frame_equal(demand.memory.quantiles, given.memory.quantiles, check_exact=True)


def test_cpu_that_sales_drive_stands_beside_memory_that_they_do_not() -> None:
    demand = demand_of(WEB, of_sales(), report(FOLLOWS, 1e9 * DEAF), of_usage)
    assert demand.sales is not None
    assert demand.cpu.at(0.5).to_numpy() == pytest.approx(np.full(12, 1.5), rel=0.01)
    assert demand.memory.unit == "bytes"
    assert demand.memory.at(0.95).to_numpy() == pytest.approx(np.full(12, 3e9), rel=0.01)
    assert any("this workload's memory: forecast usage directly" in note for note in demand.cpu.notes)


def test_where_sales_drive_nothing_demand_knows_no_sales() -> None:
    demand = demand_of(WEB, of_sales(), report(DEAF, 1e9 * DEAF), of_usage)
    assert demand.sales is None
    assert demand.cpu.at(0.5).iloc[0] == pytest.approx(2.0, rel=0.01)


def test_without_sales_usage_is_forecast_and_a_base_stands_where_usage_is_unknown() -> None:
    alone = learn_load(None, pd.DataFrame({"cpu": DEAF}, HOURS), prior=COSTS)
    demand = demand_of(WEB, None, alone, of_usage)
    assert demand.sales is None
    assert set(demand.memory.at(0.5)) == {2e9}


def test_costs_per_sale_cannot_be_planned_without_sales() -> None:
    costs = LoadModel(0.4, 0.02, 2e9, 1e6)
    alone = learn_load(None, pd.DataFrame({"cpu": DEAF}, HOURS), prior=costs)
    with pytest.raises(DataError, match="memory costs something per sale, and there are no sales"):
        demand_of(WEB, None, alone, of_usage)


def test_neither_sales_nor_usage_is_an_error() -> None:
    with pytest.raises(DataError, match="neither sales nor usage"):
        demand_of(WEB, None, None, of_usage)


def test_usage_that_is_older_than_sales_is_forecast_up_to_their_end() -> None:
    usage = pd.DataFrame({"cpu": FOLLOWS, "memory": 1e9 * DEAF}, HOURS).iloc[: 24 * 10]
    demand = demand_of(WEB, of_sales(), learn_load(SALES, usage, prior=COSTS), of_usage)
    assert demand.memory.quantiles.index.equals(demand.cpu.quantiles.index)


def test_usage_that_ended_before_sales_began_is_planned_from_where_sales_end() -> None:
    old = pd.DataFrame({"cpu": FOLLOWS, "memory": 1e9 * DEAF}, HOURS).shift(freq=timedelta(days=-40))
    demand = demand_of(WEB, of_sales(), learn_load(SALES, old, prior=COSTS), of_usage)
    assert demand.sales is None
    for forecast in (demand.cpu, demand.memory):
        assert forecast.quantiles.index.equals(of_sales().quantiles.index)
    assert "usage of CPU and sales do not overlap: forecast usage directly" in demand.cpu.notes
    assert "usage ends 960 h before sales do: what is planned lies so much further ahead" in demand.cpu.notes
