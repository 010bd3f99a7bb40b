"""The load's mathematics beside other people's: statsmodels' lines, MinT's matrices, sums drawn at random."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.load import project_load
from capacity.load.profile import Parts, reconcile
from capacity.load.regression import LEVELS, fit_lines, newest_regimes, spreads
from capacity.model import Forecast, LoadModel, Response, Spread
from capacity.stats import row_quantiles

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("outliers", [0.0, 0.05, 0.15])
def test_lines_are_those_of_statsmodels_huber_regression(outliers: float) -> None:
    import statsmodels.api as sm  # takes as long to load as all the tests here to run

    x = RNG.gamma(4, 10, 400)
    y = 3 + 0.2 * x + RNG.normal(0, 1, (3, 400))
    y[RNG.random(y.shape) < outliers] += 30
    lines = fit_lines(x, y)
    for row in range(3):
        peer = sm.RLM(y[row], sm.add_constant(x), M=sm.robust.norms.HuberT()).fit(tol=1e-9, maxiter=100)
        assert lines.base[row] == pytest.approx(peer.params[0], rel=1e-3)
        assert lines.slope[row] == pytest.approx(peer.params[1], rel=1e-3)
        assert lines.slope_error[row] == pytest.approx(peer.bse[1], rel=0.15)


def test_on_exact_data_lines_are_those_of_least_squares() -> None:
    import statsmodels.api as sm

    x = RNG.gamma(4, 10, 60)
    y = 3 + 0.2 * x
    peer = sm.OLS(y, sm.add_constant(x)).fit()
    lines = fit_lines(x, y[None, :])
    np.testing.assert_allclose([lines.base[0], lines.slope[0]], peer.params, rtol=1e-9)


@pytest.mark.parametrize("varies", [True, False], ids=["sales that vary", "sales that never change"])
def test_lines_over_bytes_are_fitted_without_overflow(varies: bool) -> None:
    """Errors of hundreds of megabytes beside a gap, whose error is zero; warnings are errors."""
    x = np.arange(50.0) if varies else np.full(50, 7.0)
    y = 8e9 + 3e7 * x + np.random.default_rng(3).normal(0, 1e9, 50)
    y[7] = np.nan
    lines = fit_lines(x, y[None, :])
    assert (lines.slope_error[0] > 0) == varies
    assert lines.at(np.array([[7.0]]))[0, 0] == pytest.approx(8.2e9, rel=0.1)


def test_the_slopes_interval_holds_the_slope_as_often_as_it_says() -> None:
    x = RNG.gamma(4, 10, 300)
    noise = RNG.normal(0, 1, (1000, 300))
    for place in range(1, 300):  # errors that hang together, as a day's do
        noise[:, place] += 0.5 * noise[:, place - 1]
    lines = fit_lines(x, 5 + 0.2 * x + noise)
    inside = np.abs(lines.slope - 0.2) < 1.96 * lines.slope_error
    assert 0.92 < inside.mean() < 0.975


def test_reconciled_parts_are_those_of_mints_matrices() -> None:
    count, size = 6, 3
    parents = np.repeat(np.arange(size), count)
    forecast, noise = RNG.uniform(5, 9, count * size), RNG.uniform(0.1, 1, count * size)
    moves = RNG.uniform(0.5, 1.5, (size, count))
    moves = (moves / moves.mean(axis=1, keepdims=True)).ravel()
    level, whole, variance = RNG.uniform(0.5, 2, size), RNG.uniform(4, 11, size), RNG.uniform(0.1, 1, size)
    answer = reconcile(Parts(forecast, noise, moves, level, parents), whole, variance)
    for place in range(size):
        here = parents == place
        summing = np.vstack([np.full(count, 1 / count), np.eye(count)])
        within = np.diag(noise[here]) + level[place] * np.outer(moves[here], moves[here])
        errors = np.zeros((count + 1, count + 1))
        errors[0, 0], errors[1:, 1:] = variance[place], within
        inverse = np.linalg.inv(errors)
        base = np.concatenate([[whole[place]], forecast[here]])
        expected = np.linalg.solve(summing.T @ inverse @ summing, summing.T @ inverse @ base)
        np.testing.assert_allclose(answer[here], expected, rtol=1e-9)


def test_reconciled_parts_are_never_negative_and_keep_their_mean() -> None:
    parts = Parts(
        np.array([0.1, 8.0, 8.0]), np.array([9.0, 1.0, 1.0]), np.ones(3), np.zeros(1), np.zeros(3, dtype=np.intp)
    )
    answer = reconcile(parts, np.array([2.0]), np.array([0.0]))
    assert answer.min() == 0
    assert answer.mean() == pytest.approx(2.0)


def test_combined_quantiles_are_near_those_of_sums_drawn_at_random() -> None:
    """Root of the sum of squares against 400,000 draws: exact for normal parts, within 4 % for skewed ones."""
    levels = (0.05, 0.5, 0.9, 0.95, 0.99)
    for sales_draws, errors in (
        (RNG.normal(100, 15, 400_000), RNG.normal(0, 0.4, 400_000)),
        (RNG.gamma(12, 8, 400_000), RNG.gamma(2, 0.3, 400_000) - 0.6),
    ):
        steps = pd.date_range("2026-01-05T01:00Z", periods=2, freq="h")
        quantiles = pd.DataFrame([np.quantile(sales_draws, levels)] * 2, steps, list(levels))
        forecast = Forecast(steps[0].to_pydatetime() - timedelta(hours=1), timedelta(hours=1), quantiles, "sales")
        spread = Spread(LEVELS, np.quantile(errors, LEVELS), 1.0, 0.0)
        response = Response(0.5, 0.02, 0.0, 0.0, 100.0, 1e9, spread)
        found = project_load(forecast, LoadModel(0, 0, 1, 0, cpu=response)).cpu.quantiles.iloc[0].to_numpy()
        np.testing.assert_allclose(found, np.quantile(0.5 + 0.02 * sales_draws + errors, levels), rtol=0.04)


def test_row_quantiles_are_numpys() -> None:
    values = RNG.normal(size=(5, 40))
    values[RNG.random(values.shape) < 0.2] = np.nan
    levels = np.array([0.0, 0.1, 0.5, 0.99, 1.0])
    np.testing.assert_allclose(row_quantiles(values, levels), np.nanquantile(values, levels, axis=1).T)


def test_spreads_find_the_power_with_which_errors_grow() -> None:
    fitted = RNG.uniform(1, 50, (1, 20_000))
    for power in (0.0, 0.5, 1.0):
        _, _, found = spreads(fitted**power * RNG.normal(0, 0.1, fitted.shape), fitted)
        assert found[0] == pytest.approx(power, abs=0.08)


@pytest.mark.slow
def test_a_history_without_a_deploy_seldom_shows_one() -> None:
    """Errors that hang together, heavy tails, two hundred histories: at most one false alarm in fifty."""
    x = 60 + 50 * np.sin(np.arange(672) / 24 * 2 * np.pi) + RNG.normal(0, 8, 672)
    noise = RNG.standard_t(4, (200, 672))
    for place in range(1, 672):
        noise[:, place] += 0.6 * noise[:, place - 1]
    regimes = newest_regimes(x, 1 + 0.02 * x + 0.1 * noise, 48)
    assert (regimes.start > 0).mean() <= 0.02
