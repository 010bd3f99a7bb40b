"""Level shifts are found, dated, and told from weeks, holidays and growth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import forecast_sales
from capacity.forecast.levels import level_shifts

DAYS = np.arange(200)


def poisson(rate: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).poisson(rate).astype(float)


QUIET = [
    pytest.param(poisson(np.full(200, 40.0)), id="noise"),
    pytest.param(poisson(np.where(DAYS % 7 < 5, 60.0, 15.0)), id="a working week"),
    pytest.param(poisson(np.where(DAYS % 7 == 5, 0.0, 40.0)), id="a closed day each week"),
    pytest.param(poisson(np.where((DAYS > 100) & (DAYS < 105), 4.0, 40.0)), id="four holidays"),
    pytest.param(poisson(20 * 1.004**DAYS), id="growth"),
    pytest.param(np.where((DAYS > 90) & (DAYS < 110), np.nan, poisson(np.full(200, 40.0))), id="a gap"),
    pytest.param(poisson(np.full(20, 40.0)), id="too short to tell"),
    pytest.param(np.zeros(200), id="zeros"),
]


@pytest.mark.parametrize("row", QUIET)
def test_what_is_no_shift(row):
    assert level_shifts(row, 1) == ()


@pytest.mark.parametrize(("place", "factor"), [(60, 2.7), (120, 0.4), (170, 3.0)])
def test_a_shift_is_dated_to_the_day(place, factor):
    (shift,) = level_shifts(poisson(np.where(place > DAYS, 40.0, 40.0 * factor)), 1)
    assert shift.slot == place
    assert shift.ratio == pytest.approx(factor, rel=0.15)


def test_a_shift_of_an_hourly_business_is_reported_with_its_date_and_adapted_to():
    hours = np.arange(24 * 90)
    rate = (20 + 10 * np.sin(2 * np.pi * hours / 24)) * np.where(hours < 24 * 60, 1.0, 3.0)
    sales = pd.Series(poisson(rate), pd.date_range("2026-01-01", periods=len(hours), freq="h", tz="UTC"))
    forecast = forecast_sales(sales, horizon="2D")
    assert any(note.startswith("level x") and note.endswith("since 2026-03-02") for note in forecast.notes)
    assert forecast.at(0.5).mean() == pytest.approx(60, rel=0.1)
