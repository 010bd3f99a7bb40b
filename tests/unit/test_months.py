"""Calendar months and quarters as steps: found, counted, forecast on their first days."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import backtest_sales, forecast_sales
from capacity.model import MONTH, DataError, Event, Forecast
from capacity.series import coming_growth, evened, find_seasons, find_shifts, months_apart, past_growth


def monthly(values: np.ndarray, start: str = "2018-01-01", freq: str = "MS", zone: str = "UTC") -> pd.Series:
    index = pd.date_range(start, periods=len(values), freq=freq, tz=zone).tz_convert("UTC")
    series = pd.Series(np.asarray(values, dtype=float), index)
    series.attrs["timezone"] = zone
    return series


def year(cycles: int, grown: float = 0.0, noise: float = 3.0) -> np.ndarray:
    months = np.arange(12 * cycles)
    shape = 100 + 40 * np.sin(2 * np.pi * months / 12) + grown * months
    return shape + np.random.default_rng(0).normal(0, noise, len(months))


@pytest.mark.parametrize(
    ("index", "apart"),
    [
        pytest.param(pd.date_range("2026-01-01", periods=9, freq="MS", tz="UTC"), 1, id="months"),
        pytest.param(pd.date_range("2026-01-01", periods=9, freq="QS", tz="UTC"), 3, id="quarters"),
        pytest.param(pd.date_range("2018-01-01", periods=9, freq="YS", tz="UTC"), 12, id="years"),
        pytest.param(pd.date_range("2026-01-01", periods=9, freq="D", tz="UTC"), 0, id="days are no months"),
        pytest.param(pd.date_range("2026-01-01", periods=9, freq="30D", tz="UTC"), 0, id="thirty days are no month"),
        pytest.param(pd.date_range("2026-01-01", periods=9, freq="ME", tz="UTC"), 0, id="month ends are no starts"),
        pytest.param(pd.date_range("2026-01-01", periods=2, freq="MS", tz="UTC"), 0, id="two may be a coincidence"),
    ],
)
def test_months_are_found(index, apart):
    assert months_apart(index) == apart


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"])
def test_coming_months_begin_on_local_first_days(zone):
    forecast = forecast_sales(monthly(year(4), zone=zone), horizon="365D", window=timedelta(days=40))
    local = forecast.quantiles.index.tz_convert(zone)
    assert list(local.day) == [1] * 12
    assert list(local.hour) == [0] * 12
    assert forecast.step == MONTH
    assert forecast.window == 2 * MONTH
    assert forecast.unit == "sales per month"


def test_the_year_is_forecast_on_months_and_better_than_last_years():
    values = year(7, noise=8.0)
    forecast = forecast_sales(monthly(values[:-12]), horizon="365D").at(0.5)
    off, naive = np.abs(forecast - values[-12:]).mean(), np.abs(values[-24:-12] - values[-12:]).mean()
    assert off < naive


def test_quarters_and_a_horizon_longer_than_the_history():
    sales = monthly(np.arange(10.0) + 5, freq="QS")
    forecast = forecast_sales(sales, horizon="1826D")
    assert len(forecast.quantiles) == 20
    assert forecast.unit == "sales per quarter"
    assert any("longer than the history" in note for note in forecast.notes)
    width = (forecast.at(0.95) - forecast.at(0.5)).to_numpy()
    assert width[-1] > width[0]


def test_a_missing_month_is_a_gap():
    sales = monthly(year(4)).drop(pd.Timestamp("2019-05-01", tz="UTC"))
    assert evened(sales).isna().sum() == 1
    assert any("1 of 48 steps without data" in note for note in forecast_sales(sales, horizon="90D").notes)


def test_an_event_lies_in_the_months_it_touches():
    values = year(5)
    values[[8, 32, 44]] *= 2  # September of three years
    events = [
        Event("fair", *(pd.Timestamp(f"{year_}-09-{day}", tz="UTC").to_pydatetime() for day in (10, 14)), "fair")
        for year_ in (2018, 2020, 2021, 2023)
    ]
    forecast = forecast_sales(monthly(values), horizon="365D", events=events).at(0.5)
    plain = forecast_sales(monthly(values), horizon="365D", events=events[:-1]).at(0.5)
    np.testing.assert_allclose(forecast.drop(forecast.index[8]), plain.drop(plain.index[8]))
    assert 1.5 < forecast.iloc[8] / plain.iloc[8] < 2.2


def test_growth_seasons_and_shifts_of_months():
    level = np.random.default_rng(0).normal(100, 3, 48)
    assert find_shifts(monthly(np.concatenate([level, 2.5 * level])))[0].at == pd.Timestamp("2022-01-01", tz="UTC")
    sales = monthly(year(8))
    assert past_growth(sales).change == pytest.approx(0.0, abs=0.1)
    assert coming_growth(sales, forecast_sales(sales, horizon="365D")).coming.change == pytest.approx(0.0, abs=0.15)
    assert [season.season_length for season in find_seasons(monthly(year(8)))] == [12]


def test_a_backtest_on_months():
    result = backtest_sales(monthly(year(7)), horizon="92D", origins=4)
    assert len(result.windows) == 12
    assert set(result.windows.index.day) == {1}


def test_months_of_a_forecast_must_be_as_long_as_months():
    index = pd.DatetimeIndex(["2026-02-01", "2026-03-01", "2026-05-01"], tz="UTC")
    with pytest.raises(DataError, match="28 to 31 days"):
        Forecast(datetime.fromisoformat("2026-01-01T00:00+00:00"), MONTH, pd.DataFrame({0.5: 1.0}, index), "sales")
