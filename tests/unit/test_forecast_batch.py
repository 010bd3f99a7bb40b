"""The matrix path: shapes, the gate, maxima, calibration and its fallbacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecast_fleet import made_up_fleet
from capacity.forecast import Setting, forecast_batch, forecast_many
from capacity.forecast.blend import Proposal, serve
from capacity.forecast.calibration import Errors
from capacity.forecast.global_model import SIZES, TREES, helps
from capacity.forecast.history import place_origins, without_spikes
from capacity.forecast.maxima import maximum_quantiles
from capacity.forecast.members import design_for, ridge_forecast, with_last_years_drift
from capacity.model import DataError, ForecastRequest
from capacity.stats import sliding_maxima

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
        pytest.param({"window": -1}, "0 \\(none\\) or a number of steps, got -1", id="a window of less than nothing"),
        pytest.param({"quantile_levels": (0.9, 0.5)}, "ascend", id="levels that do not ascend"),
    ],
)
def test_bad_settings_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        Setting(**{"step": HOUR, "horizon": 48, **given})


def test_shapes_and_names():
    forecast = forecast_batch(fleet(3, 600), Setting(HOUR, 30, (0.1, 0.5, 0.9), window=7))
    assert forecast.quantiles.shape == forecast.maxima.shape == (3, 30, 3)
    assert forecast.point.shape == (3, 30)
    assert forecast.coverage.shape == (3, 3)
    assert len(forecast.models) == len(forecast.notes) == 3
    assert forecast_batch(fleet(3, 600), Setting(HOUR, 30)).maxima is None


@pytest.mark.parametrize("window", [1, 2, 5, 24, 30, 500], ids=lambda window: f"window of {window}")
def test_sliding_maxima_equal_a_slow_loop(window):
    values = np.random.default_rng(0).random((2, 3, 30))
    slow = [values[..., t : t + window].max(axis=-1) for t in range(30)]
    np.testing.assert_array_equal(sliding_maxima(values, window), np.stack(slow, axis=-1))


@pytest.mark.parametrize("window", [1, 3, 24, 100], ids=lambda window: f"window of {window}")
def test_the_maximum_of_a_window_is_at_least_each_hours_quantile(window):
    forecast = forecast_batch(fleet(4, 700), Setting(HOUR, 48, window=window))
    highest = sliding_maxima(forecast.quantiles.transpose(0, 2, 1), window).transpose(0, 2, 1)
    assert (forecast.maxima >= highest).all()
    assert (np.diff(forecast.maxima, axis=2) >= 0).all()


def test_quantiles_cover_what_they_promise():
    data = fleet(60, 900)
    setting = Setting(HOUR, 48, (0.1, 0.5, 0.9, 0.95, 0.99), window=6)
    forecast = forecast_batch(data[:, :-48], setting)
    actual = data[:, -48:, None]
    covered = (actual <= forecast.quantiles).mean(axis=(0, 1))
    np.testing.assert_allclose(covered, (0.1, 0.5, 0.9, 0.95, 0.99), atol=0.06)
    peak = sliding_maxima(data[:, -48:], 6)[:, :, None]
    np.testing.assert_allclose((peak <= forecast.maxima).mean(axis=(0, 1))[2:], (0.9, 0.95, 0.99), atol=0.06)


def test_better_than_the_seasonal_naive_on_noisy_seasons():
    data = fleet(30, 900)
    forecast = forecast_batch(data[:, :-48], Setting(HOUR, 48))
    naive = data[:, -48 - 168 : -168]
    assert np.abs(forecast.point - data[:, -48:]).mean() < 0.85 * np.abs(naive - data[:, -48:]).mean()


@pytest.mark.parametrize(
    ("error", "share", "name"),
    [
        pytest.param(0.9, 0.0, "blend of ridge 100 %", id="a better blend is served alone"),
        pytest.param(1.0 - 1e-5, 0.0, "blend of ridge 100 %", id="a tie goes to the blend"),
        pytest.param(1.05, 0.5, "seasonal naive 7 50 %, blend of ridge 100 % 50 %", id="a slightly worse one by half"),
        pytest.param(1.2, 1.0, "seasonal naive 7", id="without skill the seasonal naive is served and named"),
    ],
)
def test_the_gate(error, share, name):
    actuals = np.ones((1, 8, 7))
    naive = np.full((1, 9, 7), 2.0)  # off by 1 everywhere
    names = ("blend of ridge 100 %",), ("seasonal naive 7",)
    blend = Proposal(np.full((1, 7), 5.0), actuals + error, actuals + error, naive, np.zeros(1), *names)
    served = serve(blend, actuals)
    np.testing.assert_allclose(served.point, 5.0 + share * (2.0 - 5.0))
    np.testing.assert_allclose(served.past, 1 + error + share * (1.0 - error))
    assert served.models == (name,)
    assert bool(served.notes[0]) == (share > 0)
    assert all("no skill over the seasonal naive" in note for note in served.notes[0])


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


def test_the_global_layer_corrects_repeatably_and_keeps_quantiles_in_order(monkeypatch):
    for trees in (TREES, SIZES):
        monkeypatch.setitem(trees, "max_iter", 8)  # as right as many, and fast
    data = fleet(20, 500)
    plain = forecast_batch(data, Setting(HOUR, 24))
    layered = forecast_batch(data, Setting(HOUR, 24, global_layer=True))
    assert any("corrected over 20 series" in model for model in layered.models)
    assert np.isfinite(layered.quantiles).all()
    assert (np.diff(layered.quantiles, axis=2) >= 0).all()
    assert 0 < np.abs(layered.point - plain.point).max() < plain.point.max()
    again = forecast_batch(data, Setting(HOUR, 24, global_layer=True))
    np.testing.assert_array_equal(layered.quantiles, again.quantiles)


@pytest.mark.parametrize("common", [True, False])
def test_the_global_layer_comes_by_itself_only_where_it_helped(common, monkeypatch):
    monkeypatch.setattr("capacity.forecast.batch.helps", lambda *_: common)
    for trees in (TREES, SIZES):
        monkeypatch.setitem(trees, "max_iter", 5)
    forecast = forecast_batch(fleet(10, 400), Setting(HOUR, 24, global_layer=None))
    assert all(("corrected" in model) == common for model in forecast.models)


@pytest.mark.parametrize(("options", "layered"), [({}, True), ({"global_layer": False}, False)])
def test_ten_alike_series_try_the_global_layer_unless_told_otherwise(options, layered, monkeypatch):
    monkeypatch.setattr("capacity.forecast.batch.helps", lambda *_: True)
    for trees in (TREES, SIZES):
        monkeypatch.setitem(trees, "max_iter", 3)
    times = pd.date_range("2026-01-05", periods=24 * 15, freq="h", tz="UTC")
    hours = 50 + 30 * np.sin(2 * np.pi * times.hour.to_numpy() / 24)
    noise = np.random.default_rng(1).normal(0, 3, (10, len(times)))
    asked = {n: (pd.Series(hours + row, times), ForecastRequest(timedelta(days=1))) for n, row in enumerate(noise)}
    found = forecast_many(asked, **options)
    assert {one.model.endswith("corrected over 10 series") for one in found.values()} == {layered}


def test_a_correction_that_is_farther_off_does_not_help():
    served = serve(Proposal(*SERVED), np.ones((2, 3, 4)))
    better, worse = (replace(served, past=np.ones((2, 3, 4)) + off) for off in (0.5, 2.0))
    assert helps(served, better, np.ones((2, 3, 4)))
    assert not helps(served, worse, np.ones((2, 3, 4)))
    assert not helps(served, served, np.ones((2, 3, 4)))


SERVED = (
    np.full((2, 4), 2.0),
    np.full((2, 3, 4), 2.0),
    np.full((2, 3, 4), 2.0),
    np.full((2, 4, 4), 9.0),
    np.zeros(2),
    ("blend of two",) * 2,
    ("seasonal naive 4",) * 2,
)


def test_few_series_have_no_global_layer():
    forecast = forecast_batch(fleet(3, 500), Setting(HOUR, 24, global_layer=True))
    assert not any("corrected" in model for model in forecast.models)


def test_an_unstable_fit_of_logs_stays_within_the_history_and_half_of_it() -> None:
    """Counts of up to 78 an hour, of which a ridge of their logs once made 644,554 a fortnight ahead."""
    counts = made_up_fleet(1000, np.random.default_rng(1))[629:630]
    answer = forecast_batch(counts, Setting(timedelta(hours=1), 336))
    assert answer.point.max() <= 1.5 * counts.max()


@pytest.mark.parametrize("origins", [4, 14])
def test_a_few_calm_windows_do_not_promise_a_calm_maximum(origins):
    """At 0.99 the maximum of a day is beyond what a dozen days have shown."""
    rng = np.random.default_rng(origins)
    values = rng.poisson(50 + 30 * np.sin(2 * np.pi * np.arange(24 * 42) / 24), (40, 24 * 42)).astype(float)
    setting = Setting(timedelta(hours=1), 24, (0.5, 0.9, 0.99), seasons=(24,), origins=origins, window=24)
    known, coming = values[:, :-24], values[:, -24:].max(axis=1)
    maxima = np.stack([forecast_batch(row[None, :], setting).maxima[0, 0] for row in known])
    assert (coming <= maxima[:, 2]).mean() >= 0.95
    assert 0.3 <= (coming <= maxima[:, 0]).mean() <= 0.7


@pytest.mark.parametrize(("origins", "apart"), [(14, 24), (8, 24), (14, 4), (14, 2)])
def test_past_windows_cover_the_next_maximum_also_where_they_overlap(origins, apart):
    rng, window, covered = np.random.default_rng(0), 24, []
    for _ in range(200):
        path = rng.normal(0, 1, apart * (origins - 1) + 2 * window)
        shape = np.stack([path[k * apart :][:window] for k in reversed(range(origins))])[None]
        past, span = np.full_like(shape, 10.0), apart * (origins - 1) + window
        errors = Errors(shape, past, np.ones_like(past), np.ones((1, window)), span)
        point = np.full((1, window), 10.0)
        told = maximum_quantiles(point[:, :, None] + np.zeros(2), point, errors, window, (0.5, 0.9))[0, 0]
        covered.append(10.0 + path[-window:].max() <= told)
    assert np.abs(np.mean(covered, axis=0) - (0.5, 0.9)).max() < 0.06


def test_two_weeks_that_peaked_alike_take_the_spread_of_the_days_in_them():
    week = np.random.default_rng(3).normal(0, 1, (1, 1, 168)).clip(max=2.0)
    week[:, :, ::12] = 2.0  # each day peaks at the same value, so that days and weeks have no spread of their own
    uneven = week.copy()
    uneven[:, :, :120][week[:, :, :120] == 2.0] = 0.0  # the last days alone reach it: the same week, unlike days
    told = []
    for shape in (week, uneven):
        past = np.full((1, 2, 168), 10.0)
        errors = Errors(np.repeat(shape, 2, axis=1), past, np.ones_like(past), np.ones((1, 168)), 336)
        point = np.full((1, 168), 10.0)
        told.append(maximum_quantiles(point[:, :, None] + np.zeros(2), point, errors, 168, (0.5, 0.99))[0, 0])
    alike, unlike = (highest - middle for middle, highest in told)
    assert unlike > 1.5 * alike
