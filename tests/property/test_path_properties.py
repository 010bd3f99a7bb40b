"""The path within a step keeps every total, never falls below zero, and draws counts that add up."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.model import DataError
from capacity.series.within import are_counts, sales_path, smooth_path, spread_counts

TOTALS = st.lists(st.floats(0, 1e6), min_size=2, max_size=40).map(np.array)
COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=40).map(lambda values: np.array(values, dtype=float))
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)


@settings(max_examples=60)
@given(TOTALS, st.integers(1, 12))
def test_a_path_keeps_the_mean_of_every_step_and_is_never_negative(means: np.ndarray, parts: int) -> None:
    path = smooth_path(means, parts)
    assert (path >= 0).all()
    np.testing.assert_allclose(path.reshape(-1, parts).mean(axis=1), means, rtol=1e-9, atol=1e-6)


@settings(max_examples=40)
@given(TOTALS, st.floats(0.1, 50))
def test_a_path_scales_with_its_steps(means: np.ndarray, factor: float) -> None:
    np.testing.assert_allclose(smooth_path(means * factor, 4), smooth_path(means, 4) * factor, rtol=1e-9, atol=1e-6)


def test_a_steady_rise_is_a_straight_line() -> None:
    inner = smooth_path(np.arange(1.0, 12.0), 4)[4:-4]
    np.testing.assert_allclose(np.diff(inner), 0.25)


def test_a_path_changes_only_near_a_step_that_changes() -> None:
    """What comes later than the next step is not known from the path of this one."""
    means = np.array([3.0, 5.0, 9.0, 7.0, 2.0, 4.0])
    changed = np.array([3.0, 5.0, 9.0, 7.0, 90.0, 0.0])
    np.testing.assert_array_equal(smooth_path(changed, 8)[:24], smooth_path(means, 8)[:24])


@settings(max_examples=40)
@given(COUNTS, st.integers(0, 5))
def test_counts_are_spread_over_parts_that_add_up(totals: np.ndarray, seed: int) -> None:
    parts = spread_counts(totals, 4, np.random.default_rng(seed))
    np.testing.assert_array_equal(parts.reshape(-1, 4).sum(axis=1), totals)


@settings(max_examples=30)
@given(COUNTS)
def test_sales_per_tick_keep_the_total_of_every_step(totals: np.ndarray) -> None:
    path = sales_path(totals, HOUR, timedelta(seconds=15), np.random.default_rng(1))
    np.testing.assert_allclose(path.reshape(-1, 240).mean(axis=1), totals, rtol=1e-9, atol=1e-6)


def test_counts_spread_about_as_poisson_does_and_money_does_not() -> None:
    steps = np.full(2000, 40.0)
    quarters = sales_path(steps, HOUR, QUARTER, np.random.default_rng(2)).reshape(-1, 4)
    fifty_visits_an_order = np.sqrt(40 / 4 * 50 * (1 - 1 / 4)) / (40 / 4 * 50)
    assert quarters.std() / 40 == pytest.approx(fifty_visits_an_order, rel=0.1)
    assert sales_path(steps + 0.5, HOUR, QUARTER, np.random.default_rng(2)).std() < 1e-9


@pytest.mark.parametrize(
    ("values", "counts"), [([1.0, 2.0], True), ([1.5], False), ([float("nan")], False), ([0.0], True)]
)
def test_what_counts_are(values: list[float], counts: bool) -> None:
    assert are_counts(np.array(values)) is counts


def test_gaps_and_negative_steps_are_refused() -> None:
    with pytest.raises(DataError, match="expected means >= 0 without gaps"):
        smooth_path(np.array([1.0, np.nan]), 4)
