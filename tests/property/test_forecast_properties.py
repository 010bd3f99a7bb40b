"""What holds for every history: exactness, scale, no look-ahead, order, and the wall clock."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from hypothesis import assume, given
from hypothesis import strategies as st

from capacity.forecast import Setting, forecast_as_asked, forecast_batch, forecast_many, forecast_sales, prepare
from capacity.forecast.series import Timelines
from capacity.model import DataError, Event, Forecast, ForecastRequest
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
    differ = not np.allclose(many, factor * one, rtol=1e-5, atol=1e-6 * factor * np.nanmax(values))
    assume(not (differ and _tied(values, one)))
    assert not differ


def _tied(values, forecast):
    """Whether two choices tie, so that roundings decide: as good as the same history has another forecast."""
    nudged = (forecast_batch((1 + n * 1e-9) * values[None, :], Setting(HOUR, 24, LEVELS)) for n in range(1, 9))
    return not all(np.allclose(one.quantiles, forecast, rtol=1e-6) for one in nudged)


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


def sales_of(seed: int, steps: int = 24 * 18) -> pd.Series:
    return pd.Series(history(seed, steps), pd.date_range("2026-03-02", periods=steps, freq="h", tz="UTC"))


def promotions(sales: pd.Series) -> tuple[Event, ...]:
    """A promotion every five days, the last one in the days to come."""
    days = pd.date_range(sales.index[0] + pd.Timedelta("2D9h"), sales.index[-1] + pd.Timedelta("2D"), freq="5D")
    return tuple(Event(f"{day}", day.to_pydatetime(), (day + pd.Timedelta("4h")).to_pydatetime()) for day in days)


@FEW
@given(seeds)
def test_many_series_get_to_the_last_bit_what_each_gets_alone(seed):
    """Those of one length and request share their calibration; these share with none."""
    wanted = {}
    for place, steps in enumerate((24 * 18, 24 * 18 - 1, 24 * 12, 30, 5)):
        sales = sales_of(seed + place, steps)
        wanted[place] = (sales, ForecastRequest(timedelta(days=2), LEVELS, ("GB",), promotions(sales), window=2 * HOUR))
    wanted["other horizon"] = (wanted[0][0], ForecastRequest(timedelta(days=3), LEVELS))
    for key, found in forecast_many(wanted).items():
        alone = forecast_as_asked(*wanted[key])
        assert isinstance(found, Forecast)
        np.testing.assert_array_equal(found.quantiles, alone.quantiles)
        if alone.maxima is not None:
            np.testing.assert_array_equal(found.maxima, alone.maxima)
        assert (found.model, found.notes, found.trust) == (alone.model, alone.notes, alone.trust)


@FEW
@given(seeds)
def test_series_that_share_a_timeline_are_prepared_as_if_each_were_alone(seed):
    index = sales_of(seed, 24 * 18).index
    timelines, request = Timelines(), ForecastRequest(timedelta(days=2), LEVELS, ("GB",), promotions(sales_of(seed)))
    for place in range(4):
        values = history(seed + place, len(index))
        values[len(index) - 7 * place :] = np.nan  # series that end earlier than others
        sales = pd.Series(values, index)
        one, alone = prepare(sales, request, None, timelines), prepare(sales, request)
        np.testing.assert_array_equal(one.steady, alone.steady)
        np.testing.assert_array_equal(one.steps.slots, alone.steps.slots)
        np.testing.assert_array_equal(one.ahead.factor, alone.ahead.factor)
        assert (one.setting, one.notes, one.given, one.unit) == (alone.setting, alone.notes, alone.given, alone.unit)


@FEW
@given(seeds)
def test_a_series_that_cannot_be_forecast_changes_nothing_for_the_others(seed):
    request = ForecastRequest(timedelta(days=1), LEVELS)
    good = {name: (sales_of(seed + name), request) for name in range(3)}
    bad = {"negative": (-sales_of(seed), request), "short": (sales_of(seed).iloc[:3], request)}
    found = forecast_many({**bad, **good})
    assert list(found) == ["negative", "short", 0, 1, 2]
    assert isinstance(found["negative"], DataError)
    assert isinstance(found["short"], DataError)
    for name, alone in forecast_many(good).items():
        np.testing.assert_array_equal(found[name].quantiles, alone.quantiles)
