"""What holds for every history: exactness, scale, no look-ahead, order, and the wall clock."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from capacity.forecast import Setting, forecast_batch, forecast_sales
from tests.scale import examples

FEW = examples(15)
HOUR = timedelta(hours=1)
LEVELS = (0.1, 0.5, 0.9, 0.99)

seeds = st.integers(0, 2**32 - 1)


def history(seed: int, steps: int = 24 * 18) -> np.ndarray:
    """Counts, bursts, gaps or zeros, by chance."""
    rng = np.random.default_rng(seed)
    shape = rng.gamma(2.0, 5.0, 24)[np.arange(steps) % 24] * rng.choice([1.0, 0.3], 7)[np.arange(steps) // 24 % 7]
    values = rng.poisson(shape * np.exp(np.cumsum(rng.normal(0, rng.choice([0, 0.03]), steps)))).astype(float)
    values[rng.random(steps) < rng.choice([0, 0.02])] *= 20
    values[rng.random(steps) < rng.choice([0, 0.1, 0.5])] = np.nan
    values[:4] = 1.0
    return values


@FEW
@given(seeds, st.sampled_from([24, 168]))
def test_a_perfectly_periodic_series_is_forecast_exactly(seed, season):
    rng = np.random.default_rng(seed)
    cycle = rng.gamma(2.0, 10.0, season)
    values = np.tile(cycle, 1 + 24 * 35 // season)
    forecast = forecast_batch(values[None, :], Setting(HOUR, 60, LEVELS))
    expected = cycle[(len(values) + np.arange(60)) % season]
    np.testing.assert_allclose(forecast.quantiles[0, :, 1], expected, rtol=1e-4, atol=1e-4 * cycle.max())


@FEW
@given(seeds, st.floats(1e-3, 1e6))
def test_a_multiple_of_the_history_gives_the_multiple_of_the_forecast(seed, factor):
    values = history(seed)
    one = forecast_batch(values[None, :], Setting(HOUR, 24, LEVELS)).quantiles
    many = forecast_batch(factor * values[None, :], Setting(HOUR, 24, LEVELS)).quantiles
    np.testing.assert_allclose(many, factor * one, rtol=1e-5, atol=1e-6 * factor * np.nanmax(values))


@FEW
@given(seeds)
def test_changing_data_after_the_origin_changes_nothing(seed):
    values = history(seed)
    index = pd.date_range("2026-03-02", periods=len(values), freq="h", tz="UTC")
    sales = pd.Series(values, index)
    changed = sales.copy()
    changed.iloc[-48:] = np.random.default_rng(seed).gamma(1.0, 1e3, 48)
    known = slice(None, index[-49])
    np.testing.assert_array_equal(
        forecast_sales(sales.loc[known], horizon="2D").quantiles,
        forecast_sales(changed.loc[known], horizon="2D").quantiles,
    )


@FEW
@given(seeds, st.integers(4, 200), st.integers(1, 100))
def test_quantiles_are_finite_never_cross_and_never_fall_below_zero(seed, steps, horizon):
    quantiles = forecast_batch(history(seed, steps)[None, :], Setting(HOUR, horizon, LEVELS)).quantiles
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles, axis=2) >= 0).all()


@FEW
@given(seeds, st.integers(-11, 12))
def test_shifting_everything_by_a_time_zone_leaves_the_forecast_equal(seed, hours):
    values = history(seed)
    index = pd.date_range("2026-03-02", periods=len(values), freq="h", tz="UTC")
    here = forecast_sales(pd.Series(values, index), horizon="1D", timezone="UTC")
    zone = f"Etc/GMT{hours:+d}"  # POSIX sign: GMT+5 is five hours behind UTC
    moved = pd.Series(values, index + pd.Timedelta(hours=hours))
    there = forecast_sales(moved, horizon="1D", timezone=zone)
    np.testing.assert_allclose(there.quantiles, here.quantiles, rtol=1e-9)


@FEW
@given(seeds)
def test_a_series_in_a_batch_gets_the_point_forecast_it_gets_alone(seed):
    batch = np.stack([history(seed + k) for k in range(3)])
    together = forecast_batch(batch, Setting(HOUR, 24, LEVELS))
    alone = forecast_batch(batch[1:2], Setting(HOUR, 24, LEVELS))
    np.testing.assert_allclose(together.point[1], alone.point[0], rtol=1e-6, atol=1e-9)
