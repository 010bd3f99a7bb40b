"""Members of the ensemble: each origin with the seasons that it has, and none with two votes."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from capacity.forecast import Setting, forecast_batch
from capacity.forecast.history import Origins, place_origins, prepare
from capacity.forecast.members import member_forecasts, seasonal_mean, seasonal_median

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def shop(weeks: int, seed: int = 0) -> np.ndarray:
    """Counts with a daily and a weekly shape, some 100 at noon: (hours,)."""
    hours = np.arange(weeks * 168)
    shape = 70 + 50 * np.sin(2 * np.pi * (hours / 24 - 0.25)) + 15 * np.sin(2 * np.pi * hours / 168)
    return np.random.default_rng(seed).poisson(shape).astype(float)


@pytest.mark.parametrize("weeks", [3, 4, 6, 8])
@pytest.mark.parametrize("seed", range(5))
def test_one_closed_day_a_week_ago_does_not_close_the_same_day_of_this_week(weeks, seed):
    values = shop(weeks, seed)
    usual = values[-336:-312].copy()
    values[-168:-144] = 0.0
    forecast = forecast_batch(values[None, :], Setting(HOUR, 24, (0.5, 0.99)))
    assert forecast.quantiles[0, :, 0].sum() > 0.5 * usual.sum()
    assert forecast.quantiles[0, :, 1].max() > 0.9 * usual.max()


@pytest.mark.parametrize(("cycles", "expected"), [(1, [7.0, 3.0]), (2, [6.0, 2.0]), (3, [5.0, 2.0]), (9, [4.0, 2.0])])
def test_each_origin_takes_the_mean_of_the_seasons_that_it_has(cycles, expected):
    values = np.array([[1.0, 1.0, 3.0, 3.0, 5.0, 5.0, 7.0, 7.0]])
    origins = Origins(np.array([8, 4]), 2, 2)
    np.testing.assert_array_equal(seasonal_mean(values, 2, cycles, origins)[0, :, 0], expected)


def test_the_median_of_cycles_is_that_of_numpy():
    values = np.random.default_rng(3).gamma(2.0, 5.0, (4, 70))
    origins = Origins(np.array([70, 60, 21]), 10, 10)
    found = seasonal_median(values, 7, 5, origins)
    for place, end in enumerate(origins.ends):
        cycles = [values[:, end - 7 * (k + 1) : end - 7 * k] for k in range(min(5, end // 7))]
        expected = np.median(cycles, axis=0)[:, np.arange(10) % 7]
        np.testing.assert_allclose(found[:, place], expected)


@pytest.mark.parametrize("length", [15, 21, 28, 60, 400])
def test_no_two_members_coincide_at_the_origin(length):
    values = np.random.default_rng(1).gamma(2.0, 5.0, (1, length))
    origins = place_origins(length, 7, 14, 7, 9)
    members = member_forecasts(prepare(values, (7,)), (7,), origins, Setting(DAY, 7))
    latest = [forecast[0, 0] for forecast in members.forecasts.values()]
    for place, one in enumerate(latest):
        assert not any(np.allclose(one, other, rtol=1e-9) for other in latest[:place])


@pytest.mark.parametrize(("length", "seasons", "closed"), [(504, (24,), True), (503, (24,), False)])
def test_three_weeks_tell_of_a_week_that_was_not_asked_for(length, seasons, closed):
    values = shop(4)
    values[np.arange(len(values)) % 168 >= 144] = 1.0
    ahead = forecast_batch(values[None, 648 - length : 648], Setting(HOUR, 24, (0.5,), seasons=seasons)).point[0]
    assert (ahead.sum() < 0.5 * values[624:648].sum()) == closed


def test_the_few_lags_of_an_autoregression_know_of_no_week_that_was_not_asked_for():
    values, origins = shop(3)[None, :], place_origins(504, 24, 3, 24, 210)
    few, asked = [], Setting(HOUR, 24, seasons=(24,))
    for setting in (asked, Setting(HOUR, 24)):
        members = member_forecasts(prepare(values, (24, 168)), (24, 168), origins, setting).forecasts
        few.append(members["sparse ridge of logs"])
    alone = member_forecasts(prepare(values, (24,)), (24,), origins, asked).forecasts["sparse ridge of logs"]
    assert np.array_equal(few[0], alone)
    assert not np.array_equal(few[0], few[1])
