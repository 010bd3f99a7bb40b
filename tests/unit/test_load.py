"""Sales to load: an affine map per hour, quantile by quantile, whatever the step."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.load import project_load
from capacity.load.regression import LEVELS
from capacity.model import DataError, Forecast, LoadModel, Response, Shape, Spread

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


EXACT = Spread(LEVELS, np.zeros(len(LEVELS)), 1.0, 0.0)
HOUR = timedelta(hours=1)


def answer(**keys: object) -> LoadModel:
    """A learned CPU answer of half a core idle and a tenth of a core per sale and hour, without errors of its own."""
    given: dict[str, object] = {"base": 0.5, "per_sale_per_hour": 0.1, "spread": EXACT, "highest": 1e9, **keys}
    numbers = dict.fromkeys(("slope_error", "level_error", "center"), 0.0)
    return LoadModel(0.5, 0.1, 1000.0, 7.0, cpu=Response(**{**numbers, **given}))  # type: ignore[arg-type]


def test_maxima_of_sales_become_maxima_of_demand() -> None:
    made = forecast([[1.0, 2.0], [3.0, 5.0], [2.0, 3.0]], HOUR)
    highest = made.quantiles + 2.0
    wide = Forecast(
        made.origin,
        HOUR,
        made.quantiles,
        "sales",
        window=2 * HOUR,
        maxima=highest.cummax(axis=0).iloc[::-1].cummax().iloc[::-1],
    )
    for load in (WEB, answer()):
        demand = project_load(wide, load)
        assert demand.cpu.window == 2 * HOUR
        assert demand.cpu.maxima is not None
        assert wide.maxima is not None
        np.testing.assert_allclose(demand.cpu.maxima.to_numpy(), 0.5 + 0.1 * wide.maxima.to_numpy())


def test_without_errors_of_its_own_a_learned_answer_is_the_line() -> None:
    sales = forecast([[0.0, 24.0], [48.0, 96.0]], HOUR)
    learned, given = project_load(sales, answer()), project_load(sales, WEB)
    np.testing.assert_allclose(learned.cpu.quantiles, given.cpu.quantiles)
    np.testing.assert_allclose(learned.memory.quantiles, given.memory.quantiles)


def test_load_that_comes_later_answers_to_sales_already_known() -> None:
    sales = forecast([[10.0, 20.0], [30.0, 40.0]], HOUR)
    late = answer(lag=HOUR)
    assert project_load(sales, late).cpu.at(0.5).tolist() == pytest.approx([1.5, 1.5])  # the first step stands in
    before = pd.Series([70.0, 50.0], pd.date_range("2026-11-26T23:00Z", periods=2, freq="h"))
    known = project_load(sales, late, history=before).cpu
    assert known.at(0.5).tolist() == pytest.approx([5.5, 1.5])
    assert known.at(0.9).tolist() == pytest.approx([5.5, 2.5])  # what was sold is known: nothing to widen


def test_load_that_comes_before_its_orders_answers_to_the_next_step() -> None:
    sales = forecast([[10.0, 20.0], [30.0, 40.0]], HOUR)
    assert project_load(sales, answer(lag=-HOUR)).cpu.at(0.5).tolist() == pytest.approx([3.5, 3.5])


def test_beyond_the_highest_sales_seen_a_bent_answer_goes_straight_on() -> None:
    sales = forecast([[10.0, 10.0], [20.0, 20.0], [30.0, 30.0]], HOUR)
    found = project_load(sales, answer(saturation=10.0, highest=20.0)).cpu.at(0.5).to_numpy()
    np.testing.assert_allclose(found, [0.5 + 0.1 * 5, 0.5 + 0.1 * 20 / 3, 0.5 + 0.1 * (20 / 3 + 10 / 9)])


def test_the_lines_own_error_widens_what_lies_far_from_what_was_seen() -> None:
    sales = forecast([[10.0, 10.0], [100.0, 100.0]], HOUR)
    found = project_load(sales, answer(slope_error=0.01, level_error=0.05, center=10.0)).cpu
    width = (found.at(0.9) - found.at(0.5)).to_numpy() / 1.2815515655
    np.testing.assert_allclose(width, [0.05, np.hypot(0.05, 0.9)], rtol=1e-6)


def test_without_a_median_distances_are_added_up_and_that_is_said() -> None:
    made = forecast([[10.0, 20.0]], HOUR)
    high = Forecast(made.origin, HOUR, made.quantiles.set_axis([0.8, 0.9], axis=1), "sales")
    errors = np.linspace(0, 1, len(LEVELS))
    demand = project_load(high, answer(spread=Spread(LEVELS, errors, 1.0, 0.0))).cpu
    at = np.interp(0.9, LEVELS, errors)
    assert demand.at(0.9).iloc[0] == pytest.approx(0.5 + 2.0 + at, abs=0.01)
    assert any("without a median" in note for note in demand.notes)


def shaped(timezone: str, weights: np.ndarray) -> LoadModel:
    """An answer whose usage alone knows nothing: its level may lie anywhere."""
    flat = np.full(168, 1.0)
    shape = Shape(HOUR, timezone, weights, flat, np.zeros(168), 1e12, 0.0)
    return answer(base=0.0, per_sale_per_hour=1.0, shape=shape)


@pytest.mark.parametrize(
    ("date", "hours"),
    [
        pytest.param("2026-03-29", 23, id="the day the clocks go forward"),
        pytest.param("2026-10-25", 25, id="the day they go back"),
        pytest.param("2026-07-01", 24, id="any other day"),
    ],
)
def test_a_days_volume_is_spread_over_the_hours_it_really_has(date: str, hours: int) -> None:
    day = pd.DatetimeIndex([date], tz="UTC")
    quantiles = pd.DataFrame([[240.0, 480.0]], day, [0.5, 0.9])
    sales = Forecast(day[0].to_pydatetime() - timedelta(days=1), timedelta(days=1), quantiles, "sales")
    clock = np.tile(np.where(np.arange(24) == 12, 10.0, 0.5), 7)
    demand = project_load(sales, shaped("Europe/London", clock))
    local = demand.cpu.quantiles.index.tz_convert("Europe/London")
    assert len(local) == hours
    assert {f"{at:%Y-%m-%d}" for at in local} == {date}
    assert demand.cpu.at(0.5).sum() == pytest.approx(240.0)
    assert demand.cpu.at(0.9).sum() == pytest.approx(480.0)
    assert demand.sales is not None
    assert demand.sales.at(0.5).sum() == pytest.approx(240.0)
    assert local[int(demand.cpu.at(0.5).to_numpy().argmax())].hour == 12


def test_a_window_longer_than_a_step_of_sales_needs_sales_forecast_with_it() -> None:
    day = pd.date_range("2026-07-01", periods=2, freq="D", tz="UTC")
    quantiles = pd.DataFrame([[240.0, 480.0]] * 2, day, [0.5, 0.9])
    sales = Forecast(day[0].to_pydatetime() - timedelta(days=1), timedelta(days=1), quantiles, "sales")
    load = shaped("UTC", np.ones(168))
    assert project_load(sales, load, window=timedelta(minutes=90)).cpu.window == 3 * HOUR
    with pytest.raises(DataError, match="longer than a step of sales, 1 day, 0:00:00: forecast sales with this window"):
        project_load(sales, load, window=timedelta(days=3))
