"""What holds for every load: units scale, demand rises with sales, quantiles keep their order."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.load import learn_load, project_load
from capacity.model import Forecast, LoadModel
from tests.scale import examples

HOURS = pd.date_range("2026-03-02", periods=24 * 14, freq="h", tz="UTC")
DAYS = pd.date_range("2026-02-16", periods=35, freq="D", tz="UTC")
LEVELS = [0.1, 0.5, 0.9, 0.99]
CASES = st.tuples(st.integers(0, 1000), st.floats(0.1, 5), st.floats(0.001, 1), st.floats(0.01, 0.3))


def history(case: tuple[int, float, float, float], index: pd.DatetimeIndex = HOURS) -> tuple[pd.Series, pd.DataFrame]:
    """Sales and usage of four weeks, usage by hours, sales by hours or by days."""
    seed, base, slope, scale = case
    rng = np.random.default_rng(seed)
    wave = 1 + 0.8 * np.sin(HOURS.hour.to_numpy() / 24 * 2 * np.pi) * rng.uniform(0.5, 1, len(HOURS))
    sales = pd.Series(rng.poisson(50 * wave).astype(float), HOURS)
    cpu = (base + slope * sales) * rng.gamma(1 / scale**2, scale**2, len(HOURS))
    if index is DAYS:
        return sales.resample("1D").sum().reindex(DAYS).ffill().bfill(), pd.DataFrame({"cpu": cpu, "memory": 1e9})
    return sales, pd.DataFrame({"cpu": cpu, "memory": 1e9})


def forecast(scale: float, index: pd.DatetimeIndex) -> Forecast:
    steps = pd.date_range(index[-1] + (index[1] - index[0]), periods=10, freq=index[1] - index[0])
    per_step = 50 * scale * (steps[1] - steps[0]) / timedelta(hours=1)
    table = pd.DataFrame(per_step * np.outer(np.linspace(0.5, 1.5, 10), [0.7, 1.0, 1.4, 1.9]), steps, LEVELS)
    step = (steps[1] - steps[0]).to_pytimedelta()
    return Forecast(steps[0].to_pydatetime() - step, step, table, "sales")


@examples(15)
@given(CASES, st.sampled_from([0.001, 2.0, 1e6]))
def test_usage_in_another_unit_gives_the_same_answer_in_that_unit(
    case: tuple[int, float, float, float], factor: float
) -> None:
    sales, table = history(case)
    one = learn_load(sales, table).model.cpu
    other = learn_load(sales, table.assign(cpu=factor * table["cpu"])).model.cpu
    assert one is not None
    assert other is not None
    assert other.lag == one.lag
    assert other.per_sale_per_hour == pytest.approx(factor * one.per_sale_per_hour, rel=1e-6)
    assert other.base == pytest.approx(factor * one.base, rel=1e-6, abs=1e-9 * factor)
    np.testing.assert_allclose(other.spread.excess, factor * one.spread.excess, rtol=1e-5, atol=1e-9 * factor)


@examples(15)
@given(CASES, st.floats(0.1, 3), st.sampled_from([HOURS, DAYS]))
def test_demand_rises_with_sales_and_keeps_its_order(
    case: tuple[int, float, float, float], scale: float, index: pd.DatetimeIndex
) -> None:
    sales, table = history(case, index)
    model = learn_load(sales, table).model
    window = timedelta(minutes=30) if index is DAYS else None
    low = project_load(forecast(scale, index), model, window=window)
    high = project_load(forecast(1.2 * scale, index), model, window=window)
    median_low, median_high = low.cpu.at(0.5).to_numpy(), high.cpu.at(0.5).to_numpy()
    if index is HOURS:
        assert (median_high >= median_low - 1e-9).all()
    assert median_high.sum() >= median_low.sum() - 1e-9
    values = high.cpu.quantiles.to_numpy()  # the constructor holds order and sign; the window holds its steps
    if high.cpu.maxima is not None:
        ahead = np.concatenate([values[1:], values[-1:]])
        assert (high.cpu.maxima.to_numpy() >= np.maximum(values, ahead) - 1e-9).all()


@examples(10)
@given(CASES)
def test_more_noise_never_narrows_the_demand(case: tuple[int, float, float, float]) -> None:
    seed, base, slope, _ = case
    widths = []
    for scale in (0.02, 0.25):
        sales, table = history((seed, base, slope, scale))
        demand = project_load(forecast(1.0, HOURS), learn_load(sales, table).model).cpu
        widths.append(float((demand.at(0.99) - demand.at(0.5)).mean()))
    given_costs = project_load(forecast(1.0, HOURS), LoadModel(base, slope, 0, 0)).cpu
    assert widths[1] > widths[0]
    assert widths[0] > 0.9 * float((given_costs.at(0.99) - given_costs.at(0.5)).mean())
