"""Sales to load: an affine map per hour, quantile by quantile, whatever the step."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.domain import DataError, Forecast, LoadModel
from capacity.load import project_load

WEB = LoadModel(cpu_base=0.5, cpu_per_sale_per_hour=0.1, memory_base=1000.0, memory_per_sale_per_hour=7.0)


def forecast(values: list[list[float]], step: timedelta) -> Forecast:
    steps = pd.date_range("2026-11-27T01:00Z", periods=len(values), freq=pd.Timedelta(step))
    quantiles = pd.DataFrame(values, steps, [0.5, 0.9])
    return Forecast(steps[0].to_pydatetime() - step, step, quantiles, "sales", "model", ("a note",))


@pytest.mark.parametrize(
    ("step", "per_hour"),
    [
        pytest.param(timedelta(hours=1), 1.0, id="an hourly step is its own rate"),
        pytest.param(timedelta(minutes=15), 4.0, id="a quarter of an hour counts four times"),
        pytest.param(timedelta(days=1), 1 / 24, id="a day's sales are spread over its hours"),
        pytest.param(timedelta(days=7), 1 / 168, id="a week's sales are spread over its hours"),
    ],
)
def test_demand_is_base_plus_slope_times_sales_per_hour(step: timedelta, per_hour: float) -> None:
    sales = np.array([[0.0, 24.0], [48.0, 96.0]])
    demand = project_load(forecast(sales.tolist(), step), WEB)
    np.testing.assert_allclose(demand.cpu.quantiles.to_numpy(), 0.5 + 0.1 * per_hour * sales)
    np.testing.assert_allclose(demand.memory.quantiles.to_numpy(), 1000.0 + 7.0 * per_hour * sales)
    np.testing.assert_array_equal(demand.sales.quantiles.to_numpy(), sales)


def test_units_origin_model_and_notes_travel_along() -> None:
    made = forecast([[1.0, 2.0]], timedelta(hours=1))
    demand = project_load(made, WEB)
    assert (demand.cpu.unit, demand.memory.unit) == ("cores", "bytes")
    for part in (demand.cpu, demand.memory):
        assert (part.origin, part.step, part.model, part.notes) == (made.origin, made.step, "model", ("a note",))
        assert part.quantiles.index.equals(made.quantiles.index)


def test_a_load_without_slope_is_flat() -> None:
    demand = project_load(forecast([[1.0, 2.0], [500.0, 900.0]], timedelta(hours=1)), LoadModel(2.0, 0.0, 8.0, 0.0))
    np.testing.assert_array_equal(demand.cpu.quantiles.to_numpy(), np.full((2, 2), 2.0))
    np.testing.assert_array_equal(demand.memory.quantiles.to_numpy(), np.full((2, 2), 8.0))


def test_a_load_that_overflows_is_refused_not_infinite() -> None:
    with pytest.raises(DataError, match="finite"), np.errstate(over="ignore"):
        project_load(forecast([[1.0, 1e10]], timedelta(minutes=1)), LoadModel(0.0, 1e300, 0.0, 0.0))
