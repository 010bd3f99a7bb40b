"""Small counts: quantiles of a count, right and not all zero, where sales are few; nothing changes elsewhere."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom, poisson

from capacity.forecast import Setting, forecast_batch, forecast_sales
from capacity.forecast.counts import NAME, Rates, count_quantiles
from capacity.forecast.maxima import carried_over
from capacity.stats import pinball

LEVELS = (0.5, 0.9, 0.95, 0.99)
HOUR, KNOWN, AHEAD = timedelta(hours=1), 21 * 24, 24


def days(rate: float, series: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of three weeks of hours and the day after them, and their true rates on that day."""
    shape = 1 + 0.8 * np.sin(np.arange(KNOWN + AHEAD) * np.pi / 12)
    return np.random.default_rng(seed).poisson(rate * shape, (series, KNOWN + AHEAD)).astype(float), (
        rate * shape[KNOWN:]
    )


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.7])
def test_quantiles_of_small_counts_are_nearly_as_good_as_those_of_the_true_rate(rate):
    counts, true = days(rate, 60, 3)
    told = forecast_batch(counts[:, :KNOWN], Setting(HOUR, AHEAD, LEVELS, window=AHEAD))
    actual = counts[:, KNOWN:]
    best = np.stack([poisson.ppf(level, true) for level in LEVELS], axis=-1)
    loss, least = (pinball(actual[..., None], each, np.array(LEVELS)).mean() for each in (told.quantiles, best[None]))
    assert loss < 1.08 * least
    for place, level in enumerate(LEVELS):
        quantile = told.quantiles[:, :, place]
        assert (actual < quantile).mean() - 0.02 < level < (actual <= quantile).mean() + 0.02
        assert (actual.max(axis=1) <= told.maxima[:, 0, place]).mean() > level - 0.07
    assert (told.quantiles % 1 == 0).mean() > 0.8
    assert (told.quantiles[:, :, -1] > 0).any(axis=1).all()


def test_a_forecast_of_small_counts_says_so_and_holds_its_trust():
    counts, _ = days(0.4, 1, 5)
    index = pd.date_range("2026-01-05", periods=KNOWN, freq="h", tz="UTC")
    forecast = forecast_sales(pd.Series(counts[0, :KNOWN], index), horizon="1D", window=timedelta(hours=3))
    assert forecast.model == NAME
    assert dict(forecast.trust.coverage)[0.95] > 0.93
    assert (forecast.maxima.to_numpy() >= forecast.quantiles.to_numpy()).all()


@pytest.mark.parametrize("horizon", ["1D", "60D"])
def test_a_day_of_hours_that_mostly_sell_nothing_mostly_sells_something(horizon):
    counts, _ = days(0.06, 1, 5)
    index = pd.date_range("2026-01-05", periods=KNOWN, freq="h", tz="UTC")
    forecast = forecast_sales(pd.Series(counts[0, :KNOWN], index), horizon=horizon, window=timedelta(days=1))
    assert forecast.at(0.5).max() == 0 == forecast.at(0.9).iloc[0]
    assert forecast.maxima.iloc[0, 0] > 0.5
    assert (np.diff(forecast.maxima.iloc[0]) >= 0).all()


@pytest.mark.parametrize(
    ("steady", "after", "carried"),
    [
        pytest.param([0.0, 2.0], [0.0, 3.0], [1.5, 4.5], id="as the highest level moves"),
        pytest.param([0.0, 1e-48], [0.5, 0.7], [1.0, 3.0], id="not at all where steps tell nothing"),
        pytest.param([0.0, 0.01], [0.0, 1.0], [10.0, 300.0], id="tenfold at most where a step tells nothing"),
        pytest.param([0.0, 2.0], [0.0, 0.0], [0.0, 0.0], id="to nothing on a closed day"),
    ],
)
def test_a_maximum_moves_with_its_steps_and_never_without_end(steady, after, carried):
    found = carried_over(np.array([[[1.0, 3.0]]]), np.array([[steady]]), np.array([[after]]), 1)
    np.testing.assert_allclose(found[0, 0], carried)


@pytest.mark.parametrize("scale", [0.5, 40.0])
def test_what_is_no_small_count_keeps_its_quantiles(scale):
    counts, _ = days(1.0, 2, 7)
    told = forecast_batch(scale * counts[:, :KNOWN], Setting(HOUR, AHEAD, LEVELS))
    assert NAME not in told.models


@pytest.mark.parametrize(("mean", "excess"), [(0.02, 0.0), (3.0, 0.0), (3.0, 0.7), (60.0, 0.01)])
def test_quantiles_are_those_of_scipy(mean, excess):
    levels = (0.001, 0.1, 0.5, 0.9, 0.999)
    law = nbinom(1 / excess, 1 / (1 + excess * mean)) if excess else poisson(mean)
    np.testing.assert_array_equal(
        count_quantiles(Rates(np.array([[mean]]), np.array([[excess]])), levels)[0, 0], law.ppf(levels)
    )


def test_quantiles_of_the_highest_of_a_window_are_those_of_many_draws():
    mean = np.array([[0.2, 1.0, 3.0, 0.5]])
    highest = np.random.default_rng(1).poisson(mean, (20_000, 4))[:, 1:].max(axis=1)
    told = count_quantiles(Rates(mean, np.zeros((1, 1))), LEVELS, 3)
    for level, quantile in zip(LEVELS, told[0, 1], strict=True):
        assert (highest < quantile).mean() < level < (highest <= quantile).mean() + 0.005
    np.testing.assert_array_equal(told[0, 3], poisson.ppf(LEVELS, 0.5))  # one step is left at the end
