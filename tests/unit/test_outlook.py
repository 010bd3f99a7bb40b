"""The next peak, and growth of mean and peak apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.model import DataError, Forecast
from capacity.series import coming_growth, coming_peak, past_growth

YEARS = 800  # days


def daily(values: np.ndarray, start: str = "2024-01-01", freq: str = "D") -> pd.Series:
    return pd.Series(np.asarray(values, dtype=float), pd.date_range(start, periods=len(values), freq=freq, tz="UTC"))


def forecast(values: dict[float, list[float]], after: pd.Timestamp) -> Forecast:
    index = pd.date_range(after + timedelta(days=1), periods=len(next(iter(values.values()))), freq="D")
    return Forecast(after.to_pydatetime(), timedelta(days=1), pd.DataFrame(values, index), "sales per day")


NOON = pd.Timestamp("2026-06-01", tz="UTC")


@pytest.mark.parametrize(
    ("values", "day", "expected", "level"),
    [
        pytest.param({0.1: [1, 2, 1], 0.5: [2, 5, 3], 0.9: [4, 7, 9]}, 3, 5, 0.5, id="the median decides"),
        pytest.param({0.8: [2, 5, 3], 0.9: [4, 7, 9]}, 3, 5, 0.8, id="or the level nearest to it"),
        pytest.param({0.5: [5, 5, 3]}, 2, 5, 0.5, id="the first of two equal steps"),
    ],
)
def test_the_next_peak(values, day, expected, level):
    peak = coming_peak(forecast(values, NOON))
    assert (peak.at.day, peak.expected, peak.expected_level) == (day, expected, level)
    assert peak.low <= peak.expected <= peak.high
    assert (peak.low_level, peak.high_level) == (min(values), max(values))


def test_growth_of_the_peak_is_told_apart_from_growth_of_the_mean():
    day = np.arange(YEARS)
    friday = np.where(day % 7 == 4, 30.0, 10.0)
    growth = past_growth(daily(np.where((day > 500) & (day % 7 == 4), 2 * friday, friday)))
    assert growth.peak == pytest.approx(1.0)
    assert growth.mean == pytest.approx(30 / 90)
    assert growth.end == datetime(2026, 3, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        pytest.param(daily(np.ones(300)), "no data for most of the 28 days from 2023-10-01", id="less than a year"),
        pytest.param(daily(np.where(np.arange(YEARS) < 600, 0.0, 1.0)), "no sales a year before", id="no sales then"),
        pytest.param(daily(np.where(np.arange(YEARS) < 600, np.nan, 1.0)), "no data", id="gaps then"),
        pytest.param(daily(np.where(np.arange(YEARS) > 775, np.nan, 1.0)), "no data", id="gaps now"),
    ],
)
def test_growth_that_cannot_be_told_says_why(history, reason):
    growth = past_growth(history)
    assert growth.mean is None
    assert growth.peak is None
    assert reason in growth.reason


@pytest.mark.parametrize(("freq", "steps"), [("7D", 120), ("30D", 40), ("6h", 4 * 500)])
def test_growth_in_other_steps(freq, steps):
    growth = past_growth(daily(1.0 + 0.5 * (np.arange(steps) >= 0.75 * steps), freq=freq))
    assert growth.mean == pytest.approx(0.5)


def test_what_is_forecast_is_compared_with_the_same_days_of_last_year():
    history = daily(np.full(YEARS, 10.0))
    growth = coming_growth(history, forecast({0.5: [12.0] * 14}, history.index[-1]))
    assert (growth.mean, growth.peak) == (pytest.approx(0.2), pytest.approx(0.2))
    assert growth.start == (history.index[-1] + timedelta(days=1)).to_pydatetime()


def test_a_forecast_in_other_steps_is_refused():
    with pytest.raises(DataError, match="expected a forecast in steps of"):
        coming_growth(daily(np.ones(90), freq="h"), forecast({0.5: [1.0]}, NOON))


def test_a_single_step_has_no_growth():
    with pytest.raises(DataError, match="at least two steps"):
        past_growth(daily(np.ones(1)))
