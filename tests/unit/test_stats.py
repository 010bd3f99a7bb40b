"""Each statistic of `capacity.stats` against the code that it replaced, kept here as it was: equal to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from capacity.simulation.optimum import clairvoyant
from capacity.stats import Array, close_gaps, sliding_maxima

Counts = NDArray[np.int64]
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
