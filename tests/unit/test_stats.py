"""Each statistic of `capacity.stats` against the code that it replaced, kept here as it was: equal to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from capacity.model.arrays import Array, Counts
from capacity.series import rolling_median
from capacity.simulation import clairvoyant
from capacity.stats import (
    BISQUARE,
    HUBER,
    NORMAL_MAD,
    bisquare_weights,
    block_means,
    close_gaps,
    huber_weights,
    lower_quantiles,
    median,
    nan_mean,
    nan_median,
    nearest_level,
    normal_quantiles,
    ordered_quantiles,
    pinball,
    reweighted_least_squares,
    robust_deviation,
    robust_ridge,
    row_quantiles,
    running_maxima,
    running_totals,
    sliding_maxima,
    student_quantiles,
    weighted_quantiles,
)

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=60, deadline=None)


def drawn(seed: int, *shape: int, gaps: float = 0.2, ties: bool = False) -> Array:
    """Random values of very different size, some of them missing, some of them equal."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(0, 3, shape)) if ties else rng.normal(size=shape) * 10.0 ** rng.uniform(-6, 6, shape)
    return np.where(rng.random(shape) < gaps, np.nan, values)


def equal_bits(found: NDArray[np.generic], expected: NDArray[np.generic]) -> None:
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected, strict=True)


# Sliding maxima


def doubling_maxima(values: Array, window: int) -> Array:
    """As the forecast had it: along the last axis."""
    answer, reach = np.array(values, dtype=np.float64), 1
    while reach < min(window, values.shape[-1]):
        ahead = min(reach, window - reach)
        np.maximum(answer[..., :-ahead], answer[..., ahead:], out=answer[..., :-ahead])
        reach += ahead
    return answer


def padded_maxima(values: Array, count: int) -> Array:
    """As the load had it: along the first axis."""
    if count <= 1:
        return values
    padded = np.concatenate([values, np.repeat(values[-1:], count - 1, axis=0)])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, count, axis=0).max(axis=-1))


def stepwise_maxima(steps: Array, width: int) -> Array:
    """As the planner had it: a pass for each step of the window."""
    count = steps.shape[-1]
    highest = steps.copy()
    for ahead in range(1, min(width, count)):
        np.maximum(highest[..., : count - ahead], steps[..., ahead:], out=highest[..., : count - ahead])
    return highest


def block_maxima(values: Counts, window: int) -> Counts:
    """As the simulation had it: whole windows only, by van Herk's blocks."""
    blocks = -(-len(values) // window)
    filled = np.full(blocks * window, values.min(), dtype=values.dtype)
    filled[: len(values)] = values
    grid = filled.reshape(blocks, window)
    forward = np.maximum.accumulate(grid, axis=1).ravel()
    backward = np.maximum.accumulate(grid[:, ::-1], axis=1)[:, ::-1].ravel()
    last = len(values) - window + 1
    return np.asarray(np.maximum(backward[:last], forward[window - 1 : window - 1 + last]))


@given(seeds, st.integers(1, 30), st.integers(1, 40), st.booleans())
@few
def test_sliding_maxima_are_those_of_the_forecast_the_load_and_the_planner(
    seed: int, steps: int, window: int, ties: bool
) -> None:
    values = drawn(seed, 3, 2, steps, ties=ties)
    equal_bits(sliding_maxima(values, window), doubling_maxima(values, window))
    equal_bits(sliding_maxima(values, window), stepwise_maxima(values, window))
    equal_bits(sliding_maxima(values[0].T, window, axis=0), padded_maxima(values[0].T, window))
    turned = doubling_maxima(values.transpose(0, 2, 1), window).transpose(0, 2, 1)
    equal_bits(sliding_maxima(values, window, axis=1), turned)
    assert np.isnan(sliding_maxima(values, window)).sum() >= np.isnan(values).sum()  # a gap is never covered up


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40).map(np.array), st.data())
@few
def test_sliding_maxima_of_counts_are_those_of_the_simulation(values: Counts, data: st.DataObject) -> None:
    window = data.draw(st.integers(1, len(values)))
    slow = np.array([values[at : at + window].max() for at in range(len(values) - window + 1)])
    whole = sliding_maxima(values, window)[: len(slow)]
    equal_bits(whole, block_maxima(values, window))
    equal_bits(whole, slow)
    until_the_end = np.concatenate([values, np.repeat(values[-1:], window - 1)])
    equal_bits(sliding_maxima(values, window), block_maxima(until_the_end, window))
    from_the_start = np.concatenate([np.full(window - 1, values[0]), values])
    equal_bits(sliding_maxima(values[::-1], window)[::-1], block_maxima(from_the_start, window))


def test_sliding_maxima_leave_their_input_as_it_is() -> None:
    values = np.array([1.0, 5.0, 2.0])
    sliding_maxima(values, 2)
    equal_bits(values, np.array([1.0, 5.0, 2.0]))


@given(seeds, st.integers(1, 4), st.integers(1, 6), st.integers(0, 1), st.floats(0, 1), st.booleans())
@few
def test_running_maxima_are_numpys(seed: int, rows: int, levels: int, axis: int, gaps: float, turned: bool) -> None:
    values = drawn(seed, rows, levels, gaps=gaps, ties=True)
    values = values.T if turned else values
    before = values.copy()
    equal_bits(running_maxima(values, axis), np.maximum.accumulate(values, axis=axis))
    equal_bits(values, before)


# Closings


def closing_of_the_planner(need: Counts, gap: int) -> Counts:
    if gap <= 0:
        return need.copy()
    count = need.shape[-1]
    pad = [(0, 0)] * (need.ndim - 1) + [(gap, gap)]
    wide = np.pad(need, pad, constant_values=np.iinfo(need.dtype).min)
    return _whole_windows(_whole_windows(wide, gap + 1, np.maximum), gap + 1, np.minimum)[..., :count]


def _whole_windows(values: Counts, width: int, extreme: np.ufunc) -> Counts:
    reached, done = values, 1
    while done < width:
        hop = min(done, width - done)
        reached = extreme(reached[..., :-hop], reached[..., hop:])
        done += hop
    return reached


def closing_of_the_simulation(needed: Counts, start_cost: float) -> Counts:
    window = min(int(start_cost), len(needed)) + 1
    padded = np.concatenate([np.zeros(window - 1, needed.dtype), needed, np.zeros(window - 1, needed.dtype)])
    return -block_maxima(-block_maxima(padded, window), window)


@given(seeds, st.integers(1, 40), st.integers(0, 50))
@few
def test_a_closing_is_that_of_the_planner_and_of_the_simulation(seed: int, steps: int, gap: int) -> None:
    needed = np.random.default_rng(seed).integers(0, 6, (3, steps))
    equal_bits(close_gaps(needed, gap), closing_of_the_planner(needed, gap))
    equal_bits(clairvoyant(needed[0], gap + 0.5), closing_of_the_simulation(needed[0], gap + 0.5))


@pytest.mark.parametrize("shape", [(0,), (0, 5), (2, 0)])
def test_a_closing_of_nothing_is_nothing(shape: tuple[int, ...]) -> None:
    equal_bits(close_gaps(np.zeros(shape, dtype=np.int64), 2), closing_of_the_planner(np.zeros(shape, np.int64), 2))


# Medians and means


def slot_medians_of_the_load(cube: Array, axis: int = 1) -> tuple[Array, Array]:
    ordered = np.sort(cube, axis=axis)
    count = (~np.isnan(cube)).sum(axis=axis)
    low = np.take_along_axis(ordered, np.expand_dims(np.maximum(count - 1, 0) // 2, axis), axis)
    high = np.take_along_axis(ordered, np.expand_dims(np.minimum(count // 2, cube.shape[axis] - 1), axis), axis)
    return np.squeeze((low + high) / 2, axis), count.astype(np.float64)


@given(seeds, st.integers(1, 9), st.floats(0, 1), st.booleans())
@few
def test_a_median_is_that_of_the_slots_of_a_week_and_numpys(seed: int, weeks: int, gaps: float, ties: bool) -> None:
    cube = drawn(seed, 3, weeks, 5, gaps=gaps, ties=ties)
    found = nan_median(cube, axis=1)
    equal_bits(found, slot_medians_of_the_load(cube)[0])
    seen = ~np.isnan(cube).all(axis=1)
    for row, slot in np.argwhere(seen):
        assert found[row, slot] == np.nanmedian(cube[row, :, slot])
    three = nan_median(cube, 1, least=3)
    equal_bits(three, np.where((~np.isnan(cube)).sum(axis=1) >= 3, found, np.nan))


@given(seeds, st.integers(1, 9), st.integers(1, 40), st.floats(0, 0.9), st.floats(0, 1))
@few
def test_the_median_and_the_lower_quantile_of_a_row_are_numpys(
    seed: int, rows: int, count: int, gaps: float, level: float
) -> None:
    values = drawn(seed, rows, count, gaps=gaps)
    values[:, 0] = np.where(np.isnan(values[:, 0]), 1.0, values[:, 0])  # each row has a value
    equal_bits(np.array([median(row) for row in values]), np.nanmedian(values, axis=1))
    expected = np.array([np.nanquantile(row, level, method="lower") for row in values])
    equal_bits(lower_quantiles(values, level), expected)


def days_means(values: Array, per_day: int) -> Array:
    """As levels had it."""
    if per_day == 1:
        return values
    days = values[len(values) % per_day :].reshape(-1, per_day)
    seen = (~np.isnan(days)).sum(axis=1)
    return np.where(2 * seen >= per_day, np.nansum(days, axis=1) / np.maximum(seen, 1), np.nan)


def weeks_means(row: Array, width: int) -> Array:
    """As the year had it."""
    weeks = row[len(row) % width :].reshape(-1, width)
    seen = (~np.isnan(weeks)).sum(axis=1)
    return np.where(2 * seen >= width, np.nansum(weeks, axis=1) / np.maximum(seen, 1), np.nan)


def hours_means(usage: Array, width: int) -> Array:
    """As idle load had it: blocks counted from the start."""
    hours = usage[:, : usage.shape[1] // width * width].reshape(len(usage), -1, width)
    seen = (~np.isnan(hours)).sum(axis=2)
    return np.where(2 * seen >= width, np.nansum(hours, axis=2) / np.maximum(seen, 1), np.nan)


@given(seeds, st.integers(0, 60), st.integers(1, 12), st.floats(0, 1))
@few
def test_means_of_blocks_are_those_of_days_weeks_and_hours(seed: int, steps: int, width: int, gaps: float) -> None:
    rows = drawn(seed, 3, steps, gaps=gaps)
    equal_bits(block_means(rows[0], width), days_means(rows[0], width))
    equal_bits(block_means(rows[0], width), weeks_means(rows[0], width))
    equal_bits(block_means(rows[:, : steps // width * width], width), hours_means(rows, width))


@given(seeds, st.integers(1, 12), st.floats(0, 1))
@few
def test_means_of_what_is_there_are_those_of_errors_and_losses(seed: int, count: int, gaps: float) -> None:
    values = drawn(seed, 3, count, 4, gaps=gaps)
    seen = ~np.isnan(values)
    by_origin = seen.sum(axis=(1, 2))
    losses = np.where(by_origin > 0, np.nansum(values, axis=(1, 2)) / np.maximum(by_origin, 1), np.nan)
    equal_bits(nan_mean(values, (1, 2)), losses)
    earlier = np.where(seen.sum(axis=0) > 0, np.nansum(values, axis=0) / np.maximum(seen.sum(axis=0), 1), np.nan)
    equal_bits(nan_mean(values, 0), earlier)
    usual = np.arange(3.0)
    scales = np.where(seen.any(axis=(1, 2)), np.nansum(values, axis=(1, 2)) / np.maximum(by_origin, 1), usual)
    equal_bits(np.where(np.isnan(nan_mean(values, (1, 2))), usual, nan_mean(values, (1, 2))), scales)


@given(seeds, st.integers(0, 20))
@few
def test_running_totals_are_those_of_the_drift_and_of_the_global_layer(seed: int, steps: int) -> None:
    filled = drawn(seed, 3, steps, gaps=0.0)
    equal_bits(running_totals(filled), np.concatenate([np.zeros((3, 1)), np.cumsum(filled, axis=1)], axis=1))


@given(seeds, st.integers(1, 40), st.integers(1, 12), st.floats(0, 1))
@few
def test_a_running_median_is_that_of_levels_seasons_and_decompositions(
    seed: int, steps: int, window: int, gaps: float
) -> None:
    series = pd.Series(drawn(seed, steps, gaps=gaps))
    half = series.rolling(window, min_periods=max(1, window // 2)).median().to_numpy(dtype=np.float64)
    equal_bits(rolling_median(series.to_numpy(), window), half)
    around = series.rolling(window, center=True, min_periods=1).median().to_numpy(dtype=np.float64)
    equal_bits(rolling_median(series.to_numpy(), window, center=True, least=1), around)


# Quantiles


def row_median_of_the_load(values: Array) -> Array:
    ordered = np.sort(values, axis=1)
    count = (~np.isnan(values)).sum(axis=1)[:, None]
    at = np.array([0.5]) * np.maximum(count - 1, 0)
    low = np.take_along_axis(ordered, np.floor(at).astype(np.intp), axis=1)
    high = np.take_along_axis(ordered, np.ceil(at).astype(np.intp), axis=1)
    return np.asarray(low + (at - np.floor(at)) * (high - low))[:, 0]


@given(seeds, st.integers(1, 12), st.floats(0, 1))
@few
def test_the_quantile_at_a_half_is_the_median_of_a_line(seed: int, count: int, gaps: float) -> None:
    values = drawn(seed, 4, count, gaps=gaps)
    equal_bits(row_quantiles(values, np.array([0.5]))[:, 0], row_median_of_the_load(values))


def quantiles_of_analogs(values: Array, weights: Array, levels: Array) -> Array:
    order = np.argsort(values, axis=1)
    ranked = np.take_along_axis(values, order, axis=1)
    weight = np.where(np.isnan(ranked), 0.0, weights[order])
    total = weight.sum(axis=1, keepdims=True)
    share = np.cumsum(weight, axis=1) / np.where(total > 0, total, 1.0)
    place = (share[..., None] < levels - 1e-9).sum(axis=1)
    last = np.maximum((weight > 0).sum(axis=1) - 1, 0)[..., None]
    return np.take_along_axis(ranked.transpose(0, 2, 1), np.minimum(place, last), axis=2)


@given(seeds, st.integers(1, 20), st.floats(0, 1), st.booleans())
@few
def test_weighted_quantiles_are_those_of_analogs(seed: int, count: int, gaps: float, ties: bool) -> None:
    rng, values = np.random.default_rng(seed), drawn(seed, 2, count, 3, gaps=gaps, ties=ties)
    weights = rng.integers(0, 3, count) / 2.0 if ties else rng.random(count)
    for levels in (np.array([0.1, 0.5, 0.95, 1.0]), rng.random((3, 4))):
        equal_bits(weighted_quantiles(values, weights, levels), quantiles_of_analogs(values, weights, levels))


def quantile_of_requests(values: Array, weights: Array, level: float) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(share, level)])


@given(seeds, st.integers(24, 2000), st.booleans(), st.booleans())
@few
def test_a_weighted_quantile_is_that_of_advised_requests(seed: int, count: int, ties: bool, even: bool) -> None:
    values = np.abs(drawn(seed, count, gaps=0.0, ties=ties)) + 1e-9
    weights = np.ones(count) if even else values * np.exp2(-np.arange(count) / 168)
    found = weighted_quantiles(values[None, :, None], weights, np.array([0.95]), rounding=0.0)[0, 0, 0]
    assert found == quantile_of_requests(values, weights, 0.95)


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=9), st.sampled_from([0.5, 0.9]))
@few
def test_the_nearest_level_is_the_first_of_the_nearest(levels: list[float], level: float) -> None:
    assert nearest_level(levels, level) == int(np.abs(np.array(levels) - level).argmin())
    assert nearest_level(np.array(levels), level) == nearest_level(levels, level)
    assert levels[nearest_level(levels)] == min(levels, key=lambda one: abs(one - 0.5))


@given(st.lists(st.floats(1e-9, 1 - 1e-9), min_size=1, max_size=9))
@few
def test_normal_quantiles_are_those_of_the_standard_library(levels: list[float]) -> None:
    equal_bits(normal_quantiles(levels), np.array([NormalDist().inv_cdf(level) for level in levels]))
    equal_bits(1.25 * normal_quantiles(levels), np.array([NormalDist(0, 1.25).inv_cdf(level) for level in levels]))
    capped = np.array([NormalDist().inv_cdf(min(level, 1 - 1e-12)) for level in np.array(levels)])
    equal_bits(normal_quantiles(np.minimum(np.array(levels), 1 - 1e-12)), capped)


@given(seeds, st.integers(1, 9), st.booleans())
@few
def test_ordered_quantiles_are_those_of_steps_and_of_events(seed: int, levels: int, ties: bool) -> None:
    quantiles = drawn(seed, 3, 4, levels, ties=ties)
    equal_bits(ordered_quantiles(quantiles), np.maximum(np.maximum.accumulate(quantiles, axis=2), 0.0))
    equal_bits(ordered_quantiles(quantiles[0]), np.maximum(np.maximum.accumulate(quantiles[0], axis=1), 0.0))


# Scores


@given(seeds, st.floats(0, 1))
@few
def test_the_pinball_loss_is_that_of_nearby_days_and_of_distance(seed: int, gaps: float) -> None:
    actual, told, levels = drawn(seed, 2, 3, 4, gaps=gaps), drawn(seed + 1, 2, 3, 4, 5), np.linspace(0.1, 0.9, 5)
    missed = actual[..., None] - told
    loss = np.maximum(levels * missed, (levels - 1) * missed)
    equal_bits(pinball(actual[..., None], told, levels), loss)
    seen = (~np.isnan(loss)).sum(axis=(2, 3))
    by_origin = np.where(seen > 0, np.nansum(loss, axis=(2, 3)) / np.maximum(seen, 1), np.nan)
    equal_bits(nan_mean(pinball(actual[..., None], told, levels), (2, 3)), by_origin)


# Robust fits


@given(seeds, st.integers(1, 30))
@few
def test_the_robust_deviation_is_that_of_levels_years_and_columns(seed: int, count: int) -> None:
    errors = drawn(seed, count, gaps=0.0)
    assert robust_deviation(errors) == 1.4826 * float(np.median(np.abs(errors)))
    change = np.append(drawn(seed, count), 1.0)
    off = change - np.nanmedian(change)
    assert robust_deviation(off) == 1.4826 * np.nanmedian(np.abs(change - np.nanmedian(change)))


@given(seeds, st.sampled_from([0.0, 1e-9, 0.3, 1.345, 4.0]), st.booleans())
@few
def test_weights_are_those_of_the_lines_the_costs_and_the_ridges(seed: int, limit: float, ties: bool) -> None:
    errors = np.abs(drawn(seed, 3, 9, gaps=0.0, ties=ties))
    of_lines = np.where(errors > limit, limit / np.where(errors > limit, errors, 1.0), 1.0)
    equal_bits(huber_weights(errors, limit), of_lines)
    equal_bits(huber_weights(errors, np.full((3, 1), limit)), of_lines)
    if limit > 0:
        equal_bits(huber_weights(errors, limit), np.minimum(1.0, limit / np.maximum(errors, 1e-12)))
        equal_bits(huber_weights(errors, limit), limit / np.maximum(errors, limit))
        equal_bits(bisquare_weights(-errors, limit), np.maximum(1 - (-errors / limit) ** 2, 0.0) ** 2)


def ridge_of_the_year(design: Array, target: Array, penalty: Array) -> tuple[Array, float]:
    weights = np.ones(len(target))
    for _ in range(5):
        turned = (design * weights[:, None]).T
        fitted = np.linalg.solve(turned @ design + np.diag(penalty), turned @ target)
        off = np.abs(target - design @ fitted)
        noise = 1.4826 * float(np.median(off))
        weights = np.minimum(1.0, 1.345 * max(noise, 1e-9) / np.maximum(off, 1e-12))
    return np.asarray(fitted), noise


def ridge_of_columns(design: Array, target: Array, say: Array, per_day: float) -> tuple[Array, Array]:
    weights = say
    for _ in range(5):
        turned = (design * weights[:, None]).T
        gram = turned @ design + 10.0 * per_day * np.eye(design.shape[1])
        slopes = np.linalg.solve(gram, turned @ target)
        off = np.abs(target - design @ slopes)
        noise = 1.4826 * float(np.median(off)) + 1e-12
        weights = say * np.minimum(1.0, 1.345 * noise / np.maximum(off, 1e-12))
    spread = np.sqrt((weights * off**2).sum() / weights.sum())
    return np.asarray(slopes, dtype=np.float64), spread * np.sqrt(per_day * np.diag(np.linalg.inv(gram)))


@given(seeds, st.integers(8, 60), st.integers(1, 5), st.sampled_from([0.0, 0.1, 1.0]))
@few
def test_a_robust_ridge_is_that_of_the_year_and_of_columns(seed: int, rows: int, columns: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(rows, columns))
    target = design @ rng.normal(size=columns) + noise * rng.standard_t(2, rows)
    fit = robust_ridge(
        design, target, np.full(columns, 2.5), deviation=lambda errors: max(robust_deviation(errors), 1e-9)
    )
    coefficients, deviation = ridge_of_the_year(design, target, np.full(columns, 2.5))
    equal_bits(fit.coefficients, coefficients)
    assert robust_deviation(fit.errors) == deviation
    say, per_day = rng.random(rows), 24.0 / 7
    fit = robust_ridge(
        design,
        target,
        np.full(columns, 10.0 * per_day),
        deviation=lambda errors: robust_deviation(errors) + 1e-12,
        weights=say,
    )
    slopes, errors = ridge_of_columns(design, target, say, per_day)
    equal_bits(fit.coefficients, slopes)
    spread = np.sqrt((fit.weights * fit.errors**2).sum() / fit.weights.sum())
    equal_bits(spread * np.sqrt(per_day * np.diag(np.linalg.inv(fit.gram))), errors)


def reweighted_of_costs(
    design: Array, cpu: Array, weigh: Callable[[Array], Array], weights: Array
) -> tuple[Array, Array]:
    largest = np.abs(design).max(axis=0)
    scale = np.asarray(np.where(largest > 0, largest, 1.0))
    for _ in range(50):
        root = np.sqrt(weights)
        parts = np.linalg.lstsq(design / scale * root[:, None], cpu * root)[0] / scale
        rest = cpu - design @ parts
        spread = max(float(np.median(np.abs(rest))) / 0.6744897501960817, 1e-9 * float(np.abs(cpu).max()))
        before, weights = weights, weigh(rest / spread)
        if np.abs(weights - before).max() < 1e-6:
            break
    return parts, rest / spread


@given(seeds, st.integers(8, 60), st.integers(1, 4), st.sampled_from([0.0, 0.1, 1.0]))
@few
def test_reweighted_least_squares_are_those_of_the_cost_of_a_request(
    seed: int, rows: int, columns: int, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(rows), rng.uniform(0, 1e4, (rows, columns)), np.zeros(rows)])
    target = 0.1 + design @ rng.uniform(0, 1e-3, columns + 2) + noise * np.abs(rng.standard_t(2, rows))
    found = reweighted_least_squares(design, target, lambda off: huber_weights(np.abs(off), HUBER), np.ones(rows))
    expected = reweighted_of_costs(
        design, target, lambda off: np.asarray(1.345 / np.maximum(np.abs(off), 1.345)), np.ones(rows)
    )
    for one, other in zip(found, expected, strict=True):
        equal_bits(one, other)
    start = huber_weights(np.abs(found[1]), HUBER)
    found = reweighted_least_squares(design, target, lambda off: bisquare_weights(off, BISQUARE), start)
    expected = reweighted_of_costs(
        design, target, lambda off: np.asarray(np.maximum(1 - (off / 4.685) ** 2, 0.0) ** 2), start
    )
    for one, other in zip(found, expected, strict=True):
        equal_bits(one, other)


def test_the_constants_of_a_normal_distribution_are_its_own() -> None:
    assert pytest.approx(NormalDist().inv_cdf(0.75), abs=1e-15) == NORMAL_MAD


@pytest.mark.parametrize("degrees", [3.0, 5.0, 12.0, 100.0])
def test_student_quantiles_are_those_of_scipy(degrees: float) -> None:
    from scipy.stats import t as student

    levels = np.array([0.01, 0.1, 0.5, 0.9, 0.95, 0.99])
    np.testing.assert_allclose(student_quantiles(levels, degrees), student.ppf(levels, degrees), rtol=0.025, atol=1e-9)
