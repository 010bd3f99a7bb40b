"""Closing times are learned, believed as far as they were seen, and given up when a shop opens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import forecast_sales
from capacity.forecast.calibration import closed_slots

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
