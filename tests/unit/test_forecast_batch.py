"""The matrix path: shapes, the gate, maxima, calibration and its fallbacks."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from capacity.domain import DataError
from capacity.forecast import Setting, forecast_batch
from capacity.forecast.drift import with_last_years_drift
from capacity.forecast.history import without_spikes
from capacity.forecast.origins import place_origins
from capacity.forecast.peaks import window_maxima
from capacity.forecast.ridge import design_for, ridge_forecast

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def fleet(series: int, steps: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    hours = np.arange(steps)
    level = np.exp(rng.normal(3, 0.5, (series, 1)))
    shape = 1 + 0.6 * np.sin(2 * np.pi * (hours / 24 + rng.random((series, 1)))) + 0.2 * (hours // 24 % 7 < 5)
    return rng.poisson(level * shape).astype(float)


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        pytest.param(np.ones(10), "shape", id="one dimension is refused"),
        pytest.param(np.full((2, 10), -1.0), ">= 0", id="negative values are refused"),
        pytest.param(np.full((2, 10), np.inf), "infinity", id="infinite values are refused"),
        pytest.param(np.array([[1.0] * 9, [np.nan] * 9]), "row 1: .*got 0", id="a series of gaps is named and refused"),
    ],
)
def test_bad_histories_are_refused(histories, message):
    with pytest.raises(DataError, match=message):
        forecast_batch(histories, Setting(HOUR, 3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"horizon": 0}, "horizon", id="no horizon"),
        pytest.param({"step": timedelta(0)}, "step", id="no step"),
        pytest.param({"origins": 1}, "2 rolling origins", id="one origin"),
        pytest.param({"seasons": (24, 7)}, "ascend", id="seasons that do not ascend"),
        pytest.param({"seasons": (1,)}, "at least 2", id="a season of one step"),
        pytest.param({"windows": (100,)}, "1..48", id="a window beyond the horizon"),
        pytest.param({"quantile_levels": (0.9, 0.5)}, "ascend", id="levels that do not ascend"),
    ],
)
def test_bad_settings_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        Setting(**{"step": HOUR, "horizon": 48, **given})


def test_shapes_and_names():
    forecast = forecast_batch(fleet(3, 600), Setting(HOUR, 30, (0.1, 0.5, 0.9), windows=(24, 7)))
    assert forecast.quantiles.shape == (3, 30, 3)
    assert forecast.point.shape == (3, 30)
    assert forecast.maxima[24].shape == (3, 1, 3)
    assert forecast.maxima[7].shape == (3, 4, 3)
    assert len(forecast.models) == len(forecast.notes) == 3


def test_the_maximum_of_a_window_is_at_least_each_hours_quantile():
    setting = Setting(HOUR, 48, windows=(24,))
    forecast = forecast_batch(fleet(4, 700), setting)
    highest = window_maxima(forecast.quantiles.transpose(0, 2, 1), 24).transpose(0, 2, 1)
    assert (forecast.maxima[24] >= highest).all()


def test_quantiles_cover_what_they_promise():
    data = fleet(60, 900)
    setting = Setting(HOUR, 48, (0.1, 0.5, 0.9, 0.95, 0.99), windows=(24,))
    forecast = forecast_batch(data[:, :-48], setting)
    actual = data[:, -48:, None]
    covered = (actual <= forecast.quantiles).mean(axis=(0, 1))
    np.testing.assert_allclose(covered, (0.1, 0.5, 0.9, 0.95, 0.99), atol=0.06)
    peak = window_maxima(data[:, -48:], 24)[:, :, None]
    np.testing.assert_allclose((peak <= forecast.maxima[24]).mean(axis=(0, 1))[2:], (0.9, 0.95, 0.99), atol=0.06)


def test_better_than_the_seasonal_naive_on_noisy_seasons():
    data = fleet(30, 900)
    forecast = forecast_batch(data[:, :-48], Setting(HOUR, 48))
    naive = data[:, -48 - 168 : -168]
    assert np.abs(forecast.point - data[:, -48:]).mean() < 0.85 * np.abs(naive - data[:, -48:]).mean()


def test_without_skill_the_seasonal_naive_is_served_and_named():
    rng = np.random.default_rng(3)
    week = rng.integers(0, 100, 7) * 1.0
    data = np.tile(week, 40)
    data[-9:] = week[np.arange(-9, 0) % 7] + np.array([0, 90, 0, 0, 90, 0, 0, 90, 0])
    walk = np.cumsum(rng.standard_cauchy(300)) ** 2
    for row in (walk, data):
        forecast = forecast_batch(row[None, :], Setting(DAY, 14))
        if forecast.models[0].startswith("seasonal naive"):
            assert "no skill over the seasonal naive" in forecast.notes[0][-1]
            np.testing.assert_array_equal(forecast.point[0], row[len(row) - 7 + np.arange(14) % 7])
            return
    pytest.fail("expected the gate to close on at least one of these series")


def test_chunks_do_not_change_the_members(monkeypatch):
    data = fleet(9, 500)
    whole = forecast_batch(data, Setting(HOUR, 24))
    monkeypatch.setattr("capacity.forecast.batch.CHUNK_CELLS", 1000)
    np.testing.assert_allclose(forecast_batch(data, Setting(HOUR, 24)).quantiles, whole.quantiles, rtol=1e-9)


def test_origins_leave_room_and_come_latest_first():
    origins = place_origins(700, 48, 14, 24, 216)
    assert origins.ends[0] == 700
    assert list(origins.ends[1:]) == [652 - 24 * k for k in range(14)]
    assert origins.ends.min() >= 216


@pytest.mark.parametrize("length", [4, 5, 8, 20, 60])
def test_a_short_history_still_has_an_origin(length):
    origins = place_origins(length, 100, 14, 24, 1000)
    assert origins.count >= 1
    assert (origins.ends[1:] + origins.scored <= length).all()
    assert (origins.ends >= 1).all()


def test_the_gram_matrices_of_rolling_origins_equal_a_fit_on_the_cut_history():
    values = np.random.default_rng(5).normal(size=(2, 400))
    weights = np.ones_like(values)
    design = design_for((24, 168))
    origins = place_origins(400, 24, 4, 24, 216)
    rolling = ridge_forecast(values, weights, design, origins)
    for k, end in enumerate(origins.ends):
        cut = place_origins(int(end), 24, 4, 24, 216)
        alone = ridge_forecast(values[:, :end], weights[:, :end], design, cut)
        np.testing.assert_allclose(rolling[:, k], alone[:, 0], atol=0.05)


def test_spikes_become_gaps_and_ordinary_peaks_stay():
    values = np.random.default_rng(0).gamma(1.0, 1.0, (2, 500))
    values[0, 7] = 1e9
    cleaned = without_spikes(values)
    assert np.isnan(cleaned[0, 7])
    assert np.isnan(cleaned).sum() == 1


def test_last_years_drift_is_the_ratio_of_its_levels():
    filled = np.repeat([10.0, 20.0, 10.0], [200, 164, 364])[None, :]
    origins = place_origins(filled.shape[1] - 180, 100, 2, 7, 500)
    flat = np.ones((1, len(origins.ends), 100))
    moved = with_last_years_drift(flat, filled[:, : origins.ends[0]], 364, origins)
    assert moved[0, 0, 0] == pytest.approx(1.0, abs=0.05)
    assert moved[0, 0, 99] == pytest.approx(2**0.7, rel=0.05)


def test_the_global_layer_corrects_repeatably_and_keeps_quantiles_in_order():
    data = fleet(60, 700)
    plain = forecast_batch(data, Setting(HOUR, 24))
    layered = forecast_batch(data, Setting(HOUR, 24, global_layer=True))
    assert any("corrected over 60 series" in model for model in layered.models)
    assert np.isfinite(layered.quantiles).all()
    assert (np.diff(layered.quantiles, axis=2) >= 0).all()
    assert 0 < np.abs(layered.point - plain.point).max() < plain.point.max()
    again = forecast_batch(data, Setting(HOUR, 24, global_layer=True))
    np.testing.assert_array_equal(layered.quantiles, again.quantiles)


def test_few_series_have_no_global_layer():
    forecast = forecast_batch(fleet(3, 500), Setting(HOUR, 24, global_layer=True))
    assert not any("corrected" in model for model in forecast.models)
