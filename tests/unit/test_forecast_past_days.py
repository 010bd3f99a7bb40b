"""The next hours of short steps: past days tell them only where they told them better before."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from capacity.forecast import FINE, Setting
from capacity.forecast.analogs import past_days
from capacity.forecast.batch import forecast_steady
from capacity.model.arrays import Array

STEP, DAY, LEVELS = timedelta(minutes=5), 288, (0.5, 0.9)
SHAPE = 40 + 25 * np.sin(2 * np.pi * np.arange(DAY) / DAY)


def wandering(days: int, seed: int) -> Array:
    """The same day on a level that walks far from one day to the next: only the last value says where it stands."""
    steps = np.random.default_rng(seed).normal(0, 0.02, days * DAY).cumsum()
    return np.tile(SHAPE, days) * np.exp(steps)


def steady(days: int, seed: int) -> Array:
    """The same day on one level with noise on every step: the last value says nothing."""
    return np.tile(SHAPE, days) * np.random.default_rng(seed).lognormal(0, 0.2, days * DAY)


def setting(**changes: object) -> Setting:
    return Setting(**{"step": STEP, "horizon": 3 * DAY, "quantile_levels": LEVELS, "window": 6, **changes})  # type: ignore[arg-type]


def test_the_ratios_of_past_days_carry_the_last_value_on() -> None:
    values = np.concatenate([np.tile(SHAPE, 9), 3 * SHAPE[:100]])
    found = past_days(values[None, :], DAY, 24, setting())
    np.testing.assert_allclose(found.quantiles[0, :, 0], 3 * SHAPE[100:124], rtol=0.02)
    highest = [3 * SHAPE[100 + at : 106 + at].max() for at in range(24)]
    np.testing.assert_allclose(found.maxima[0, :, 0], highest, rtol=0.02)


def test_what_is_not_known_now_is_not_told() -> None:
    values = np.tile(SHAPE, 9)
    values[-1] = np.nan
    assert np.isnan(past_days(values[None, :], DAY, 24, setting()).quantiles).all()
    assert np.isfinite(forecast_steady(values[None, :], setting()).quantiles).all()


def loss(told: Array, came: Array) -> float:
    missed = came[:, None] - told
    return float(np.maximum(np.array(LEVELS) * missed, (np.array(LEVELS) - 1) * missed).mean())


def both(values: Array, monkeypatch: pytest.MonkeyPatch) -> tuple[Array, Array]:
    """The first hour with and without past days (2, 12, Q), the members that follow the level left out of both."""
    monkeypatch.setattr("capacity.forecast.batch.with_near", lambda served, *_: served)
    with_it = forecast_steady(values[None, :], setting()).quantiles[0, :12]
    monkeypatch.setattr("capacity.forecast.batch.with_past_days", lambda batch, *_: batch)
    return with_it, forecast_steady(values[None, :], setting()).quantiles[0, :12]


def test_a_level_that_wanders_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    values = wandering(20, seed=4)
    came = values[-12:]
    told, blend = both(values[:-12], monkeypatch)
    assert loss(told, came) < loss(blend, came)


def test_noise_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    told, blend = both(steady(20, seed=5), monkeypatch)
    np.testing.assert_array_equal(told, blend)


def test_the_end_of_the_reach_meets_the_rest_of_the_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    values = wandering(20, seed=4)
    whole = forecast_steady(values[None, :], setting())
    monkeypatch.setattr("capacity.forecast.batch.with_past_days", lambda batch, *_: batch)
    blend = forecast_steady(values[None, :], setting())
    np.testing.assert_array_equal(whole.quantiles[0, 48:], blend.quantiles[0, 48:])
    assert whole.maxima is not None
    assert (whole.maxima[0] >= whole.quantiles[0] - 1e-9).all()
    assert (np.diff(whole.quantiles[0], axis=1) >= -1e-9).all()


def test_steps_of_an_hour_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("asked for past days")

    monkeypatch.setattr("capacity.forecast.analogs.past_days", fail)
    assert timedelta(hours=1) > FINE
    hours = wandering(40, seed=1).reshape(-1, 12).mean(axis=1)
    forecast_steady(hours[None, :], setting(step=timedelta(hours=1), horizon=24))


def test_an_origin_without_a_past_day_tells_nothing_and_stops_nothing() -> None:
    quarter, day = timedelta(minutes=15), 96
    values = np.tile(SHAPE[::3], 5)
    short = Setting(quarter, 14, LEVELS, window=3)
    assert np.isnan(past_days(values[None, : day // 2], day, 4, short).quantiles).all()
    assert np.isfinite(forecast_steady(values[None, :], short).quantiles).all()
