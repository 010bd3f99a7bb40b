"""No history stops a plan: an answer that is finite, ordered and not negative, or a `CapacityError` with the reason."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capacity.forecast import Setting, forecast_batch, forecast_many, forecast_sales
from capacity.forecast.backtest import backtest_sales
from capacity.model import CapacityError, DataError, Event, Forecast, ForecastRequest
from capacity.series.breakdown import decompose_sales
from capacity.series.growth import coming_growth, coming_peak, past_growth
from capacity.series.levels import find_shifts
from capacity.series.seasons import find_seasons
from tests.scale import examples

SECONDS = (1, 60, 300, 420, 900, 3600, 5400, 6 * 3600, 86400, 7 * 86400)  # 7 and 90 minutes divide no day
DTYPES = ("float64", "float32", "int64", "int32", "uint8", "Int64", "Float64", "bool", "object")
LEVELS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999)


def shaped(rng: np.random.Generator, shape: str, steps: int) -> np.ndarray:
    """A history of one of many kinds."""
    cycle = int(rng.choice([2, 7, 12, 24, 48, 96, 168, 288]))
    usual = rng.gamma(2.0, 10.0, cycle)[np.arange(steps) % cycle]
    spike = np.zeros(steps)
    spike[rng.integers(steps)] = 10.0 ** rng.integers(0, 15)
    half = np.where(np.arange(steps) < steps // 2, 5.0, rng.gamma(2.0, 5.0, steps))
    return {
        "noise": rng.random(steps),
        "counts": rng.poisson(rng.choice([0.05, 1.0, 30.0]), steps).astype(float),
        "cycle": rng.poisson(usual).astype(float),
        "constant": np.full(steps, float(rng.choice([0.0, 1e-300, 1.0, 1e15]))),
        "one spike": spike,
        "alternating": np.where(np.arange(steps) % 2, 7.0, 0.0),
        "walk": np.exp(np.cumsum(rng.normal(0, 0.2, steps)).clip(-20, 20)),
        "constant, then noise": half,
        "closed days": usual * (np.arange(steps) // cycle % 7 < 5),
        "large": rng.integers(0, 10**15, steps).astype(float),
        "tiny": rng.random(steps) * 1e-12,
        "growing": usual * 1.01 ** np.minimum(np.arange(steps), 2000),
    }[shape]


SHAPES = ("noise", "counts", "cycle", "constant", "one spike", "alternating", "walk", "constant, then noise",
          "closed days", "large", "tiny", "growing")  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> pd.Series:
    """A series of sales of any length, step, shape, gaps and type."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = draw(st.one_of(st.integers(1, 60), st.integers(61, 800), st.sampled_from([597, 672, 1000, 2016])))
    values = shaped(rng, draw(st.sampled_from(SHAPES)), steps)
    index = pd.date_range("2026-02-27 22:00", periods=steps, freq=f"{draw(st.sampled_from(SECONDS))}s", tz="UTC")
    if draw(st.booleans()) and steps < 400 and index.freq >= pd.Timedelta("1D"):
        index = pd.date_range("2015-01-01", periods=steps, freq="MS", tz="UTC")
    dtype = draw(st.sampled_from(DTYPES))
    if dtype not in ("float64", "float32", "Float64", "object"):
        values = np.minimum(values, {"uint8": 255, "int32": 2**31 - 1}.get(dtype, 1e18)).round()
    series = pd.Series(values, index).astype(dtype)
    gaps = draw(st.sampled_from(["none", "missing", "NaN", "at the end", "in the middle"]))
    if gaps == "missing":
        return series[rng.random(steps) > draw(st.sampled_from([0.1, 0.6, 0.95]))]
    gone = {
        "NaN": rng.random(steps) < 0.2,
        "at the end": np.arange(steps) > 0.8 * steps,
        "in the middle": np.abs(np.arange(steps) - steps / 2) < 0.3 * steps,
    }.get(gaps)
    return series if gone is None else series.astype("float64").mask(gone)


def refused_or(action, check):
    """Run an action; a `CapacityError` is an answer, any other exception is a failure."""
    try:
        answer = action()
    except CapacityError:
        return None
    check(answer)
    return answer


def is_sound(forecast: Forecast) -> None:
    """Finite, not negative, in order."""
    for table in (forecast.quantiles, forecast.maxima):
        if table is not None:
            values = table.to_numpy()
            assert np.isfinite(values).all()
            assert (values >= 0).all()
            assert (np.diff(values, axis=1) >= 0).all()


@st.composite
def asked(draw: st.DrawFn) -> tuple[pd.Series, dict[str, object]]:
    """A history and what is asked of it."""
    sales = draw(histories())
    step = (sales.index[1:] - sales.index[:-1]).min() if len(sales) > 1 else pd.Timedelta("1h")
    horizon = draw(st.one_of(st.integers(0, 40), st.sampled_from([100, 400, 2000]))) * step
    events = ()
    if len(sales) > 8 and draw(st.booleans()):
        start, end = sales.index[len(sales) // 3].to_pydatetime(), sales.index[len(sales) // 2].to_pydatetime()
        kind = draw(st.sampled_from(["promotion", "outage", "holiday"]))
        events = (
            Event("past", start, end, kind, draw(st.sampled_from([None, 0.0, 2.0]))),
            Event("coming", sales.index[-1].to_pydatetime(), (sales.index[-1] + 3 * step).to_pydatetime(), kind),
        )
    levels = draw(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=5, unique=True))
    window = draw(st.sampled_from([None, 1, 7, 10_000]))
    return sales, {
        "horizon": horizon.to_pytimedelta(),
        "quantile_levels": levels,
        "events": events,
        "holidays": draw(st.sampled_from([(), ("GB",)])),
        "timezone": draw(st.sampled_from([None, "Europe/Berlin", "America/New_York"])),
        "window": None if window is None else (window * step).to_pytimedelta(),
    }


@examples(30)
@given(asked())
def test_a_forecast_is_sound_or_refused(case):
    sales, known = case
    forecast = refused_or(lambda: forecast_sales(sales, **known), is_sound)
    if forecast is not None:
        refused_or(lambda: coming_growth(sales, forecast), lambda growth: None)
        coming_peak(forecast)


@examples(12)
@given(histories())
def test_what_looks_back_is_an_answer_or_refused(sales):
    for look in (find_seasons, find_shifts, past_growth, decompose_sales):
        refused_or(lambda look=look: look(sales), lambda answer: None)
    refused_or(lambda: backtest_sales(sales, horizon="1D", origins=2), lambda backtest: backtest.by_horizon())


@examples(10)
@given(st.lists(histories(), min_size=1, max_size=4), st.sampled_from(["1h", "1D"]))
def test_one_series_never_stops_the_others(many, horizon):
    request = ForecastRequest(pd.Timedelta(horizon).to_pytimedelta(), LEVELS, window=timedelta(hours=3))
    usual = pd.Series(np.arange(96.0) % 24, pd.date_range("2026-03-01", periods=96, freq="h", tz="UTC"))
    found = forecast_many({"usual": (usual, request), **{n: (sales, request) for n, sales in enumerate(many)}})
    assert isinstance(found["usual"], Forecast)
    for answer in found.values():
        assert isinstance(answer, DataError) or is_sound(answer) is None


@pytest.mark.parametrize("minutes", [1, 5, 7, 15, 30, 90])
@pytest.mark.parametrize("steps", [4, 97, 597, 2016])
def test_short_steps_without_a_cycle_are_forecast(minutes, steps):
    index = pd.date_range("2026-03-01", periods=steps, freq=f"{minutes}min", tz="UTC")
    is_sound(forecast_sales(pd.Series(np.random.default_rng(steps).random(steps), index), horizon="1D"))


BATCHES = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 400), st.integers(1, 60))


@example((0, 4, 32, 1), "counts", 1, 0)  # an origin before the first value
@example((0, 1, 64, 1), "constant", 1, 0)  # a large constant after steps without a value
@examples(20)
@given(BATCHES, st.sampled_from(SHAPES), st.sampled_from(SECONDS), st.integers(0, 500))
def test_a_batch_is_sound_or_refused(size, shape, seconds, window):
    seed, series, steps, horizon = size
    rng = np.random.default_rng(seed)
    batch = np.stack([shaped(rng, shape, steps) for _ in range(series)])
    batch[rng.random(batch.shape) < rng.choice([0.0, 0.3])] = np.nan
    batch[:, : rng.integers(steps)] = np.nan if rng.random() < 0.3 else batch[:, :1]  # the rows differ in length
    try:
        forecast = forecast_batch(batch, Setting(timedelta(seconds=seconds), horizon, LEVELS, window=window))
    except CapacityError:
        return
    for table in (forecast.quantiles, forecast.maxima):
        if table is not None:
            assert np.isfinite(table).all()
            assert (table >= 0).all()
            assert (np.diff(table, axis=2) >= 0).all()
