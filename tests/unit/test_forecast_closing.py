"""Closing times are learned, believed as far as they were seen, and given up when a shop opens."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import Setting, forecast_sales
from capacity.forecast.calibration import closed_slots
from capacity.forecast.closures import over_few_days

LEVELS = (0.5, 0.95, 0.99)
WEEK = np.array([4.0, 4, 4, 4, 4, 0, 4])


def lowered(values: np.ndarray) -> np.ndarray:
    quantiles = np.tile([3.0, 5.0, 6.0], (1, 7, 1))
    return closed_slots(quantiles, values[None, :], 7, LEVELS)[0, 5]


def test_a_day_closed_for_a_year_has_no_sales_at_any_level_a_year_can_tell() -> None:
    np.testing.assert_array_equal(lowered(np.tile(WEEK, 60)), [0.0, 0.0, 6.0])


def test_twenty_weeks_say_nothing_about_the_highest_level() -> None:
    np.testing.assert_array_equal(lowered(np.tile(WEEK, 20)), [0.0, 0.0, 6.0])
    np.testing.assert_array_equal(lowered(np.tile(WEEK, 10)), [0.0, 5.0, 6.0])


def test_one_sale_in_a_year_shows_at_the_level_it_deserves() -> None:
    values = np.tile(WEEK, 200)
    values[-7 * 30 - 2] = 2.0
    np.testing.assert_array_equal(lowered(values)[:2], [0.0, 0.0])


def test_a_shop_that_opened_last_week_is_open() -> None:
    values = np.tile(WEEK, 60)
    values[-2] = 3.0
    np.testing.assert_array_equal(lowered(values), [3.0, 5.0, 6.0])


@pytest.mark.parametrize("weeks", [1, 2])
def test_a_history_of_two_weeks_closes_nothing(weeks: int) -> None:
    np.testing.assert_array_equal(lowered(np.tile(WEEK, weeks)), [3.0, 5.0, 6.0])


def test_gaps_are_not_closing_times() -> None:
    values = np.tile(WEEK, 60)
    values[5::7] = np.nan
    np.testing.assert_array_equal(lowered(values), [3.0, 5.0, 6.0])


def test_a_shop_closed_on_saturdays_is_forecast_closed() -> None:
    index = pd.date_range("2026-01-05", periods=7 * 60, freq="D", tz="UTC")
    noise = np.random.default_rng(1).normal(1.0, 0.2, len(index)).clip(0.2)
    sales = pd.Series(np.where(index.day_of_week == 5, 0.0, 40.0 * noise), index)
    forecast = forecast_sales(sales, horizon="14D")
    saturdays = forecast.quantiles[forecast.quantiles.index.day_of_week == 5]
    assert saturdays[0.95].max() == 0.0
    assert forecast.quantiles[forecast.quantiles.index.day_of_week == 4][0.95].min() > 40.0


def open_days(index: pd.DatetimeIndex, seed: int = 1) -> pd.Series:
    noise = np.random.default_rng(seed).normal(1.0, 0.2, len(index)).clip(0.2)
    return pd.Series(np.where(index.day_of_week == 5, 0.0, 40.0 * noise), index)


def test_the_sunday_after_a_closed_saturday_is_as_uncertain_as_a_sunday_of_the_week_ahead() -> None:
    sales = open_days(pd.date_range("2026-01-05", periods=7 * 30 - 1, freq="D", tz="UTC"))  # its last day is a Saturday
    tomorrow = forecast_sales(sales, horizon="1D", quantile_levels=LEVELS).quantiles.iloc[0]
    in_a_week = forecast_sales(sales, horizon="7D", quantile_levels=LEVELS).quantiles.iloc[0]
    assert tomorrow[0.95] - tomorrow[0.5] > 5.0
    np.testing.assert_allclose(tomorrow, in_a_week)


def test_the_hours_of_a_closed_saturday_are_closed_together() -> None:
    hours = pd.date_range("2026-01-05", periods=7 * 24 * 24, freq="h", tz="UTC")  # 24 weeks
    noise = np.random.default_rng(2).normal(1.0, 0.2, len(hours)).clip(0.2)
    sales = pd.Series(np.where(hours.day_of_week == 5, 0.0, 40.0 * noise), hours)
    forecast = forecast_sales(sales, horizon="7D", quantile_levels=LEVELS, window="6h")
    assert forecast.maxima is not None
    saturday = forecast.maxima[forecast.maxima.index.day_of_week == 5]
    assert saturday[0.95].iloc[:19].max() == 0.0  # until 18:00, whose six hours end with the day
    assert saturday[0.95].iloc[19:].min() > 40.0  # Sunday is open
    assert saturday[0.99].iloc[:19].min() > 0.0  # 24 weeks do not tell


def test_closed_weeks_do_not_blow_up_the_interval_of_open_days() -> None:
    sales = open_days(pd.date_range("2025-12-01", periods=52, freq="D", tz="UTC"))
    sales["2025-12-20":"2026-01-03"] = 0.0
    forecast = forecast_sales(sales, horizon="7D", quantile_levels=LEVELS)
    assert forecast.at(0.95).max() < 10 * sales.max()


@pytest.mark.parametrize("closed", [60, 130])
def test_after_a_closure_of_days_upper_quantiles_hold_what_the_shop_sells_when_it_opens(closed: int) -> None:
    index = pd.date_range("2026-01-05", periods=28 * 24, freq="h", tz="UTC")
    usual = np.tile(np.where((np.arange(24) >= 8) & (np.arange(24) < 20), 50.0, 0.0), 28)
    sales = pd.Series(usual * np.random.default_rng(2).normal(1.0, 0.1, len(index)), index)
    sales.iloc[-closed:] = 0.0
    forecast = forecast_sales(sales, horizon="24h", quantile_levels=LEVELS, window=pd.Timedelta("6h"))
    business = forecast.quantiles.index.hour.isin(range(8, 20))
    assert forecast.at(0.5).max() < 15.0
    assert 45.0 < forecast.at(0.95)[business].min() <= forecast.at(0.99)[business].max() < 80.0
    assert forecast.at(0.99)[~business].max() < 5.0  # closed at night as ever
    assert forecast.maxima is not None
    assert (forecast.maxima[0.99].iloc[:12] > 45.0).any()


def test_two_weeks_of_days_that_end_closed_hold_the_open_days_in_their_upper_quantiles() -> None:
    sales = open_days(pd.date_range("2026-01-05", periods=13, freq="D", tz="UTC"))  # its last day is a Saturday
    forecast = forecast_sales(sales, horizon="6D", quantile_levels=LEVELS)
    assert forecast.at(0.99).min() > sales[sales > 0].quantile(0.9)
    assert forecast.at(0.99).max() < 1.8 * sales.max()


def test_a_day_closed_in_both_of_two_weeks_stays_closed_in_every_quantile_that_few_days_raise() -> None:
    week = np.array([4.0, 4, 5, 4, 3, 0, 4])
    quantiles = np.tile([3.0, 3.1, 3.2], (1, 7, 1))
    setting = Setting(timedelta(days=1), 7, LEVELS)
    raised = over_few_days(quantiles, quantiles[..., 0], np.tile(week, 2)[None, :], 7, setting=setting)
    np.testing.assert_allclose(raised[0, 5], quantiles[0, 5], atol=0.1)
    assert (raised[0, [0, 1, 2, 3, 4, 6], 1] > 4.5).all()
    np.testing.assert_array_equal(raised[..., 0], quantiles[..., 0])


@pytest.mark.parametrize(("days", "step"), [(28, timedelta(days=1)), (14, timedelta(hours=1))])
def test_many_days_and_other_steps_are_left_as_they_are(days: int, step: timedelta) -> None:
    quantiles = np.ones((1, 3, 3))
    values = np.tile(np.arange(1.0, 8.0), days // 7)[None, :]
    unchanged = over_few_days(quantiles, quantiles[..., 0], values, 1, setting=Setting(step, 3, LEVELS))
    np.testing.assert_array_equal(unchanged, quantiles)


def test_two_weeks_tell_less_of_the_second_week_ahead_than_of_the_first() -> None:
    rise = pd.Series(
        100.0 + np.cumsum(np.random.default_rng(4).normal(1.0, 3.0, 15)),
        pd.date_range("2026-01-05", periods=15, tz="UTC"),
    )
    forecast = forecast_sales(rise, horizon="14D", quantile_levels=LEVELS)
    above = forecast.at(0.99) - forecast.at(0.5)
    assert above.iloc[-1] > 1.5 * above.iloc[0]


@pytest.mark.parametrize(("left", "reopens"), [(0.0, True), (0.05, False)])
def test_only_a_business_that_sells_next_to_nothing_may_open_again(left: float, reopens: bool) -> None:
    index = pd.date_range("2026-01-05", periods=24 * 7 * 6, freq="h", tz="UTC")
    usual = 1000 + 800 * np.sin(2 * np.pi * index.hour.to_numpy() / 24)
    sales = pd.Series(np.where(np.arange(len(index)) < len(index) - 24 * 4, usual, left * usual), index)
    forecast = forecast_sales(sales, horizon="1D", quantile_levels=(0.5, 0.95))
    assert bool(forecast.at(0.95).max() > 0.5 * usual.max()) is reopens
    assert any("though the upper quantiles hold the usual one" in note for note in forecast.notes) is reopens
    assert forecast.at(0.5).max() < 0.2 * usual.max()
