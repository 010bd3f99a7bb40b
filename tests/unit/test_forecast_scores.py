"""The backtest and its scores: against a slow loop, against published numbers, without look-ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import backtest_sales
from capacity.forecast.backtest import LEVELS
from capacity.model import DataError
from capacity.stats import interval_score, pinball, smape
from tests.conftest import DATA


def series(steps: int = 24 * 35, seed: int = 0) -> pd.Series:
    rng = np.random.default_rng(seed)
    index = pd.date_range("2026-01-05", periods=steps, freq="h", tz="UTC")
    return pd.Series(rng.poisson(20 + 10 * np.sin(2 * np.pi * index.hour / 24)).astype(float), index)


def test_scores_equal_a_slow_loop():
    rng = np.random.default_rng(0)
    actual, low, high = rng.random(50), rng.random(50) - 0.5, rng.random(50) + 0.5
    slow_smape = np.mean([200 * abs(a - f) / (a + abs(f)) for a, f in zip(actual, high, strict=True)])
    slow_pinball = [0.9 * (a - q) if a >= q else 0.1 * (q - a) for a, q in zip(actual, high, strict=True)]
    slow_width = [
        h - b + 40 * (b - a if a < b else 0.0) + 40 * (a - h if a > h else 0.0)
        for a, b, h in zip(actual, low, high, strict=True)
    ]
    np.testing.assert_allclose(smape(actual, high), slow_smape)
    np.testing.assert_allclose(pinball(actual, high, 0.9), slow_pinball)
    np.testing.assert_allclose(interval_score(actual, low, high, 0.95), slow_width)


def test_published_seasonal_naive_on_m4_hourly():
    if not (DATA / "m4_hourly").exists():
        pytest.skip("the M4 files are not here: set CAPACITY_DATA_DIR to the directory that holds m4_hourly")
    from benchmarks.m4_hourly import mase_scale, read, right_aligned, scores

    histories = right_aligned(read(DATA / "m4_hourly" / "Hourly-train.csv.gz"))
    actual = np.stack(read(DATA / "m4_hourly" / "Hourly-test.csv.gz"))
    naive = np.tile(histories[:, -24:], 2)
    found = scores(actual, naive, mase_scale(histories))
    assert {name: round(value, 3) for name, value in found.items()} == pytest.approx(
        {"smape": 13.912, "mase": 1.193, "owa": 0.627}, abs=0.0011
    )


def test_a_backtest_counts_every_step_once():
    result = backtest_sales(series(), horizon="1D", origins=5)
    assert len(result.windows) == 5 * 24
    assert result.windows.index.is_unique
    assert list(result.by_horizon().index) == list(range(1, 25))
    assert len(result.models) == 5


def test_origins_a_stride_apart_fall_on_other_weekdays_and_the_last_one_reaches_the_end():
    result = backtest_sales(series(), horizon="1D", origins=3, stride="2D")
    origins = pd.DatetimeIndex(result.by_origin().index)
    assert set(np.diff(origins)) == {np.timedelta64(2, "D")}
    assert len({origin.day_name() for origin in origins}) == 3
    assert result.windows.index[-1] == series().index[-1]
    assert len(result.windows) == 3 * 24


def test_scores_of_a_backtest_equal_a_slow_loop_over_its_windows():
    result = backtest_sales(series(), origins=4)
    table = result.windows
    off = [abs(row[0.5] - row["actual"]) for _, row in table.iterrows()]
    assert result.scores.wape == pytest.approx(sum(off) / table["actual"].sum())
    assert result.scores.coverage[0.95] == pytest.approx(np.mean(table["actual"] <= table[0.95]))
    naive = [abs(row["naive"] - row["actual"]) for _, row in table.iterrows()]
    assert result.skill == pytest.approx(1 - sum(off) / sum(naive))
    low, high = result.skill_interval
    assert low <= result.skill <= high


def test_the_naive_is_the_value_one_season_before_the_origin():
    sales = series()
    result = backtest_sales(sales, origins=3)
    season = pd.Timedelta(hours=result.season_length)
    np.testing.assert_array_equal(result.windows["naive"], sales.reindex(result.windows.index - season))


def test_changing_the_future_changes_no_earlier_window():
    sales = series()
    changed = sales.copy()
    changed.iloc[-24:] *= 100
    before, after = backtest_sales(sales, origins=3).windows, backtest_sales(changed, origins=3).windows
    np.testing.assert_array_equal(before[list(LEVELS)].iloc[:-24], after[list(LEVELS)].iloc[:-24])
    np.testing.assert_array_equal(before[list(LEVELS)].iloc[-24:], after[list(LEVELS)].iloc[-24:])


def test_a_history_too_short_for_its_origins_is_refused():
    with pytest.raises(DataError, match="before the first origin"):
        backtest_sales(series(48), origins=2)


def test_constant_sales_have_no_scale_and_no_nan():
    flat = series() * 0 + 5
    result = backtest_sales(flat, origins=2)
    assert np.isfinite(list(result.scores.coverage.values())).all()
    assert (result.scores.mase, result.skill) == (0.0, 0.0)


def test_gaps_are_not_scored():
    sales = series()
    sales.iloc[-10:] = np.nan
    result = backtest_sales(sales, origins=2)
    assert np.isfinite(result.scores.mase)


def test_tables_by_horizon_origin_and_event_hold_every_score():
    result = backtest_sales(series(), horizon="1D", origins=3)
    for table, rows in ((result.by_horizon(), 24), (result.by_origin(), 3), (result.in_events(), 1)):
        assert len(table) == rows
        assert {"mase", "smape", "wape", "wql", "msis", "mae", "naive_mae", "pinball_0.95", "coverage_0.95"} <= {*table}
        assert table["steps"].sum() == 72
    np.testing.assert_allclose(np.average(result.by_origin()["coverage_0.9"]), result.coverage[0.9])


def test_columns_known_ahead_help_a_backtest_and_later_ones_change_nothing():
    index = pd.date_range("2026-01-05", periods=150, freq="D", tz="UTC")
    rng = np.random.default_rng(0)
    promoted = pd.DataFrame({"promotion": (rng.random(150) < 0.3).astype(float)}, index)
    sales = pd.Series(rng.poisson(100 * np.where(promoted["promotion"] > 0, 2.0, 1.0)).astype(float), index)
    plain = backtest_sales(sales, horizon="7D", origins=4)
    told = backtest_sales(sales, horizon="7D", origins=4, covariates=promoted)
    assert told.scores.mase < 0.6 * plain.scores.mase
    changed = sales.copy()
    changed.iloc[-7:] *= 100
    again = backtest_sales(changed, horizon="7D", origins=4, covariates=promoted)
    np.testing.assert_array_equal(told.windows[list(LEVELS)], again.windows[list(LEVELS)])
