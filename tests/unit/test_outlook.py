"""The next peak, and growth against the same weeks a year before."""

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


def test_growth_is_that_of_the_level_with_an_interval_over_the_days():
    random = np.random.default_rng(1)
    noisy = np.where(np.arange(YEARS) > 500, 12.0, 10.0) * random.lognormal(0, 0.1, YEARS)
    growth = past_growth(daily(noisy))
    assert growth.low < 0.2 < growth.high
    assert growth.low < growth.change < growth.high
    assert growth.high - growth.low < 0.2
    assert growth.end == datetime(2026, 3, 11, tzinfo=UTC)
    assert "95 % interval" in growth.words


def test_holidays_meet_the_same_holiday_and_no_working_day():
    """Good Friday moves: 18 April in 2025, 29 March in 2024. Closed on both, nothing has grown."""
    days = pd.date_range("2024-01-01", "2025-05-05", freq="D", tz="UTC")
    closed = days.isin(pd.DatetimeIndex(["2024-03-29", "2024-04-01", "2025-04-18", "2025-04-21"], tz="UTC"))
    history = pd.Series(np.where(closed, 0.0, 10.0), days)
    assert past_growth(history, ["DE"]).change == pytest.approx(0.0, abs=1e-12)
    assert past_growth(history).change < -0.05


def test_the_hours_of_a_day_meet_on_the_business_clock():
    hours = pd.date_range("2024-01-01", "2025-06-01", freq="h", tz="UTC", inclusive="left")
    local = hours.tz_convert("America/New_York")
    sales = pd.Series(np.where((local.hour > 8) & (local.day_of_week < 5), 20.0, 1.0), hours)
    sales.attrs["timezone"] = "America/New_York"
    growth = past_growth(sales)
    assert (growth.change, growth.low, growth.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        pytest.param(
            daily(np.ones(300)),
            "a year before, most of the 28 days from 2023-10-01 have no data",
            id="less than a year",
        ),
        pytest.param(daily(np.where(np.arange(YEARS) < 600, 0.0, 1.0)), "no sales a year before", id="no sales then"),
        pytest.param(daily(np.where(np.arange(YEARS) < 600, np.nan, 1.0)), "no data", id="gaps then"),
        pytest.param(daily(np.where(np.arange(YEARS) > 775, np.nan, 1.0)), "no data", id="gaps now"),
    ],
)
def test_growth_that_cannot_be_told_says_why(history, reason):
    growth = past_growth(history)
    assert growth.change is None
    assert reason in growth.words


@pytest.mark.parametrize(("freq", "steps"), [("7D", 120), ("30D", 40), ("6h", 4 * 500)])
def test_growth_in_other_steps(freq, steps):
    growth = past_growth(daily(1.0 + 0.5 * (np.arange(steps) >= 0.75 * steps), freq=freq))
    assert growth.change == pytest.approx(0.5)


def test_what_is_forecast_is_compared_with_the_same_days_of_last_year():
    history = daily(np.full(YEARS, 10.0))
    growth = coming_growth(history, forecast({0.5: [12.0] * 14}, history.index[-1]))
    assert growth.coming.change == pytest.approx(0.2)
    assert growth.past.change == pytest.approx(0.0)
    assert growth.coming.start == (history.index[-1] + timedelta(days=1)).to_pydatetime()
    assert "the forecast itself is +20 %, because into these weeks sales changed by +0 % last year" in growth.words
    assert "expected to change by +20 % this year" in growth.words


def test_a_forecast_in_other_steps_is_refused():
    with pytest.raises(DataError, match="expected a forecast in steps of"):
        coming_growth(daily(np.ones(90), freq="h"), forecast({0.5: [1.0]}, NOON))


def test_a_single_step_has_no_growth():
    with pytest.raises(DataError, match="at least two steps"):
        past_growth(daily(np.ones(1)))
