"""The trend of a series: level, year, growth and distance; used where held-out origins support it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.forecast import Setting, forecast_sales
from capacity.forecast.batch import forecast_steady
from capacity.forecast.holdout import find_trend
from capacity.forecast.trend import (
    distance_spread,
    fit_year,
    growth_trend,
    level_trend,
    no_trend,
    trend_of,
    yearly_trend,
)
from tests.scale import examples

DAY = timedelta(days=1)
WEEK = np.array([1.0, 1.1, 1.2, 1.1, 1.5, 0.8, 0.4])


def daily(values: np.ndarray, freq: str = "D") -> pd.Series:
    return pd.Series(
        np.asarray(values, dtype=float), pd.date_range("2022-01-03", periods=len(values), freq=freq, tz="UTC")
    )


def seasonal(days: int, swing: float = 0.6, growth: float = 0.0, seed: int = 0) -> np.ndarray:
    """Counts with a week, a year of log amplitude `swing` and log `growth` a year."""
    day = np.arange(days)
    rate = 100 * np.exp(swing * np.sin(2 * np.pi * day / 365.25) + growth * day / 365.25) * WEEK[day % 7]
    return np.random.default_rng(seed).poisson(rate).astype(float)


def error(history: np.ndarray, actual: np.ndarray) -> float:
    forecast = forecast_sales(daily(history), horizon=len(actual) * DAY).at(0.5)
    return float(np.abs(forecast.to_numpy() - actual).mean() / actual.mean())


@pytest.mark.parametrize(
    ("years", "most"),
    [
        pytest.param(1.9, 0.2, id="two cycles support most of the year"),
        pytest.param(4.0, 0.15, id="four cycles support it nearly whole"),
    ],
)
def test_a_quarter_ahead_follows_the_year(years, most):
    values = seasonal(int(365 * years) + 90)
    assert error(values[:-90], values[-90:]) < most


def test_the_yearly_factor_is_named_with_its_cycles():
    notes = forecast_sales(daily(seasonal(1100)), horizon="90D").notes
    assert any("yearly factor from 3.0 cycles" in note for note in notes), notes


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.random.default_rng(0).poisson(50, 1100).astype(float), id="noise without a year"),
        pytest.param(seasonal(300), id="less than one cycle"),
        pytest.param(np.tile(10 * WEEK, 160), id="a perfect week"),
    ],
)
def test_no_yearly_factor_is_used_for(values):
    notes = forecast_sales(daily(values), horizon="60D").notes
    assert not any("yearly factor" in note for note in notes), notes


def test_a_year_that_could_not_be_tried_is_used_a_quarter_ahead_and_more():
    values = seasonal(400 + 182)
    known, actual = daily(values[:400]), values[400:]
    far, near = (forecast_sales(known, horizon=f"{days}D") for days in (182, 30))
    assert any("yearly factor from 1.1 cycles" in note for note in far.notes)
    assert not any("yearly factor" in note for note in near.notes)
    flat = np.tile(values[393:400], 26)
    assert np.abs(far.at(0.5).to_numpy() - actual).mean() < 0.85 * np.abs(flat - actual).mean()


def test_fewer_cycles_carry_less_of_their_factor():
    swings = [np.ptp(np.log(fit_year(seasonal(365 * n + 2), DAY).factor(np.arange(0.0, 365)))) for n in (1, 2, 5)]
    assert swings[0] < 0.7 * swings[2] < swings[2] < 1.25
    assert swings[0] < swings[1] < swings[2]


def test_the_yearly_factor_is_found_again_in_months():
    month = np.arange(60)
    year = fit_year(100 * np.exp(0.5 * np.sin(2 * np.pi * month * 30 / 365.25)), timedelta(days=30))
    ahead = np.log(year.factor(np.arange(0.0, 12)))
    expected = 0.5 * np.sin(2 * np.pi * (60 + np.arange(12)) * 30 / 365.25)
    assert np.corrcoef(ahead, expected)[0, 1] > 0.98


def shifted(days_after: int, ratio: float = 0.4) -> np.ndarray:
    day = np.arange(200)
    rate = np.where(day < 200 - days_after, 100, 100 * ratio) * WEEK[day % 7]
    return np.random.default_rng(3).poisson(rate).astype(float)


def test_after_a_shift_the_forecast_stands_at_the_new_level_with_the_old_week():
    forecast = forecast_sales(daily(shifted(18)), horizon="14D")
    expected = 40 * WEEK[(200 + np.arange(14)) % 7]
    np.testing.assert_allclose(forecast.at(0.5), expected, rtol=0.35)
    assert any(note.startswith("level since 2022-07-04: 0.") for note in forecast.notes), forecast.notes


def test_earlier_levels_are_brought_to_todays():
    course = level_trend(shifted(30), DAY, 5)
    np.testing.assert_allclose(course.past[:165], 2.5, rtol=0.1)
    np.testing.assert_array_equal(course.past[175:], 1.0)
    np.testing.assert_array_equal(course.ahead, 1.0)


def test_courses_compose_and_can_be_taken_in_part():
    values = seasonal(800)
    whole, half = yearly_trend(values, DAY, 30), trend_of(((yearly_trend, 0.5),), values, DAY, 30)
    np.testing.assert_allclose(half.ahead**2, whole.ahead)
    both = trend_of(((yearly_trend, 1.0), (growth_trend, 1.0)), values, DAY, 30)
    assert len(both.notes) == 2
    assert trend_of(((no_trend, 1.0), (level_trend, 1.0)), values, DAY, 30) is None


@pytest.mark.parametrize("growth", [-3.0, 0.5, 3.0])
def test_growth_is_damped_and_bounded_over_years(growth):
    ahead = growth_trend(seasonal(1000, 0.0, growth), DAY, 3650).ahead
    assert np.isfinite(ahead).all()
    assert np.abs(np.log(ahead)).max() < 0.5
    steps = np.abs(np.diff(np.log(ahead)))
    assert (np.diff(steps) <= 1e-12).all()


@pytest.mark.parametrize(
    ("values", "freq", "horizon"),
    [
        pytest.param(seasonal(800, growth=1.0), "D", "1500D", id="four years of days"),
        pytest.param(seasonal(24 * 60)[: 24 * 60], "h", "120D", id="a third of a year of hours"),
        pytest.param(seasonal(120), "7D", "1400D", id="two hundred weeks"),
        pytest.param(seasonal(40), "30D", "1800D", id="sixty months"),
        pytest.param(seasonal(40), "D", "365D", id="a year from forty days"),
    ],
)
def test_any_horizon_stays_finite_and_sane(values, freq, horizon):
    quantiles = forecast_sales(daily(values, freq), horizon=horizon).quantiles
    assert np.isfinite(quantiles.to_numpy()).all()
    assert quantiles[0.5].max() < 2 * values.max()
    assert quantiles[0.99].max() < 10 * values.max()


def test_the_interval_widens_with_distance():
    quantiles = forecast_sales(daily(seasonal(420, seed=5)), horizon="180D").quantiles
    relative = (quantiles[0.95] / quantiles[0.5]).rolling(7).mean().dropna()
    assert relative.iloc[60] > relative.iloc[0]
    assert relative.iloc[-1] > 1.15 * relative.iloc[60]


def test_a_year_known_from_fewer_cycles_is_less_certain():
    few, many = (yearly_trend(seasonal(days, seed=5), DAY, 120).spread for days in (400, 1600))
    assert (np.diff(few) >= 0).all()
    assert few[-1] > 1.5 * many[-1] > 0


def test_without_held_out_origins_the_distance_adds_from_four_weeks_on():
    spread, (note,) = distance_spread(None, None, Setting(DAY, 400))
    assert "no origin could be held out" in note
    np.testing.assert_array_equal(spread[:28], 0.0)
    assert (np.diff(spread[28:]) >= 0).all()
    assert spread[-1] == pytest.approx(np.hypot(0.8, 0.4))
    np.testing.assert_array_equal(distance_spread(None, None, Setting(DAY, 14))[0], np.zeros(14))


def test_far_steps_repeat_the_last_season():
    values = seasonal(200)[None, :]
    far = forecast_steady(values, Setting(DAY, 70)).point[0]
    np.testing.assert_array_equal(far[28:35], far[21:28])
    np.testing.assert_array_equal(far[63:], far[21:28])


@examples(3)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e6))
def test_the_course_does_not_depend_on_the_unit(seed, factor):
    values = seasonal(500, seed=seed)
    one, many = (find_trend(row, Setting(DAY, 30)) for row in (values, values * factor))
    assert one.notes == many.notes
    np.testing.assert_allclose(one.past, many.past, rtol=1e-6)
    np.testing.assert_allclose(one.ahead, many.ahead, rtol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.zeros(500), id="all zero"),
        pytest.param(np.where(np.arange(500) < 400, np.nan, 5.0), id="nothing known for a year"),
        pytest.param(np.where(np.arange(500) % 365 < 150, 0.0, seasonal(500)), id="closed every winter"),
        pytest.param(np.where(np.arange(500) == 100, 1e12, seasonal(500)), id="one wild value"),
        pytest.param(np.where(np.arange(500) < 250, 0.0, seasonal(500)), id="opened half way"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_odd_histories_give_finite_forecasts(values):
    quantiles = forecast_sales(daily(values), horizon="100D").quantiles.to_numpy()
    assert np.isfinite(quantiles).all()
    assert quantiles.max() < 1e5


def test_held_out_origins_outweigh_businesses_in_general_the_more_of_them_do_not_overlap():
    band = np.tile([9.0, 10.0, 11.0], (4, 91, 1))
    setting, calm = Setting(DAY, 91), np.full((4, 91), 10.0)
    few, many = (distance_spread(band, calm, setting, windows)[0] for windows in (1.0, 20.0))
    general, _ = distance_spread(None, None, setting)
    assert (many[40:] < few[40:]).all()
    assert (few[40:] < general[40:]).all()
    jumps = np.repeat([[2.0], [30.0], [4.0], [25.0]], 91, axis=1)
    assert (distance_spread(band, jumps, setting, 20.0)[0][40:] > general[40:]).all()
