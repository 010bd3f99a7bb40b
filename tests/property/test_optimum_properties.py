"""The cheapest floors against brute force over all courses, and the closing against its definition."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.model import Limits
from capacity.model.arrays import Counts
from capacity.planning import Days, Prices, Runs, calm_floors, cheapest_floors, raise_to_windows, ramped
from capacity.stats import close_gaps
from tests.scale import examples

some = examples(60)
small = st.lists(st.integers(1, 4), min_size=1, max_size=6)
courses = st.lists(st.integers(1, 30), min_size=1, max_size=60)


def cost(floors: npt.ArrayLike, start: float, change: float) -> float:
    row = np.asarray(floors, dtype=float)
    moves = np.diff(row)
    starts = row[0] + moves.clip(0).sum()
    return float(row.sum() + start * starts + change * np.count_nonzero(moves))


def one_day(steps: int, most: int) -> Days:
    return Days(np.zeros(steps, dtype=np.intp), np.array([most]))


def brute(need: list[int], start: float, change: float, most: int | None = None) -> float:
    """The least cost over every course at or above the need."""
    top = max(need)
    found = product(*(range(low, top + 1) for low in need))
    return min(
        cost(course, start, change) for course in found if most is None or np.count_nonzero(np.diff(course)) <= most
    )


@some
@given(small, st.sampled_from([0.0, 0.5, 1.0, 1.7, 2.0, 3.3, 10.0]))
def test_without_a_cost_of_change_the_closing_is_the_cheapest_course(need: list[int], start: float) -> None:
    closed = close_gaps(np.array(need), int(start + 1e-9))
    assert (closed >= need).all()
    assert cost(closed, start, 0.0) == pytest.approx(brute(need, start, 0.0))


@some
@given(small, st.sampled_from([0.0, 0.5, 2.0, 3.3]), st.sampled_from([0.0, 0.4, 1.0, 2.5, 9.0]))
def test_the_program_is_the_cheapest_course(need: list[int], start: float, change: float) -> None:
    runs = Runs(np.array([need]), np.ones((1, len(need))), np.full((1, len(need)), change))
    found = cheapest_floors(runs, start)[0]
    assert (found >= need).all()
    assert cost(found, start, change) == pytest.approx(brute(need, start, change))


@some
@given(small, st.sampled_from([0.0, 1.0, 3.3]), st.sampled_from([0.0, 0.4, 2.5]))
def test_closing_first_and_joining_runs_loses_nothing(need: list[int], start: float, change: float) -> None:
    closed = close_gaps(np.array([need]), int(start + 1e-9))
    found = calm_floors(closed, one_day(len(need), 99), Prices(start, change))[0]
    assert cost(found, start, change) == pytest.approx(brute(need, start, change))


@some
@given(courses, st.integers(0, 9))
def test_the_closing_fills_exactly_the_valleys_that_are_short_enough(need: list[int], gap: int) -> None:
    row = np.array(need)
    expected = row.copy()
    for at in range(len(row)):
        for left in range(max(0, at - gap), at + 1):  # a valley of at most `gap` steps around this one
            right = left + gap + 1
            shores = [
                min(row[begin], row[end])
                for begin in range(left - 1, at)
                if begin >= 0
                for end in range(at + 1, min(right, len(row)))
                if end - begin - 1 <= gap
            ]
            expected[at] = max([expected[at], *shores])
    np.testing.assert_array_equal(close_gaps(row, gap), expected)
    np.testing.assert_array_equal(close_gaps(close_gaps(row, gap), gap), close_gaps(row, gap))


@some
@given(st.lists(courses.filter(lambda row: len(row) >= 12).map(lambda row: row[:12]), min_size=1, max_size=5))
def test_rows_together_give_what_each_gives_alone(needs: list[list[int]]) -> None:
    table, prices = np.array(needs), Prices(1.5, 0.3)
    days = Days(np.repeat([0, 1], 6), np.array([2, 3]))
    together = calm_floors(table, days, prices)
    for row, found in zip(table, together, strict=True):
        np.testing.assert_array_equal(calm_floors(row[None], days, prices)[0], found)


@some
@given(courses, st.integers(1, 5))
def test_no_day_has_more_changes_than_allowed_and_no_step_less_than_it_needs(need: list[int], most: int) -> None:
    days = np.arange(len(need)) // 20
    floors = calm_floors(np.array([need]), Days(days, np.full(days[-1] + 1, most)), Prices(1.0, 0.0))[0]
    assert (floors >= need).all()
    moved = np.flatnonzero(np.diff(floors)) + 1
    assert np.bincount(days[moved], minlength=1).max() <= most


@examples(40)
@given(st.lists(st.integers(1, 4), min_size=6, max_size=7), st.sampled_from([0.0, 1.0]), st.integers(1, 3))
def test_a_day_of_few_changes_costs_no_more_than_the_cheapest_with_one_fewer(
    need: list[int], start: float, most: int
) -> None:
    """Of as many it is the cheapest in 997 of 1,000 such days: the last changes are spent one by one."""
    closed = close_gaps(np.array([need]), int(start))
    floors = calm_floors(closed, one_day(len(need), most), Prices(start, 0.0))[0]
    changes = int(np.count_nonzero(np.diff(floors)))
    least, fewer = (brute(need, start, 0.0, max(count, 0)) for count in (changes, changes - 1))
    assert least - 1e-9 <= cost(floors, start, 0.0) <= fewer + 1e-9


@pytest.mark.parametrize(
    ("replicas", "most", "worst"),
    [
        pytest.param(4, 24, 0.01, id="few replicas"),
        pytest.param(40, 24, 0.01, id="many replicas"),
        pytest.param(40, 6, 0.015, id="few changes: one more or less is a step in the cost"),
    ],
)
def test_capped_days_are_within_a_percent_of_the_program_that_counts(replicas: int, most: int, worst: float) -> None:
    rng = np.random.default_rng(3)
    need = np.stack([close_gaps(noisy_day(rng, replicas), 3) for _ in range(40)])
    floors = calm_floors(need, one_day(288, most), Prices(3.0, 0.0))
    above = [cost(row, 3.0, 0.0) / counted(low, 3.0, most) - 1 for row, low in zip(floors, need, strict=True)]
    assert max(above) <= worst
    assert min(above) >= -1e-12


def noisy_day(rng: np.random.Generator, replicas: int) -> Counts:
    """Five-minute needs over a day's wave and its noise."""
    wave = 1.2 + 0.8 * np.sin(np.arange(288) / 288 * 2 * np.pi + rng.uniform(0, 6))
    noise = np.exp(np.convolve(rng.normal(0, 0.06, 288), np.ones(3) / 3, "same"))
    return np.maximum(np.ceil(replicas * wave * noise), 1).astype(np.int64)


def counted(need: Counts, start: float, most: int) -> float:
    """The least cost with at most so many changes, by every level and number of changes (levels, changes)."""
    levels = np.unique(need).astype(float)
    climb = start * np.maximum(levels[:, None] - levels[None, :], 0.0)  # (to, from)
    value = np.full((len(levels), most + 1), np.inf)
    value[:, 0] = start * levels
    for low in need:
        moved = (climb[:, :, None] + value[None, :, :-1]).min(axis=1)
        value[:, 1:] = np.minimum(value[:, 1:], moved)
        value += levels[:, None]
        value[levels < low] = np.inf
    return float(value.min())


@some
@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(1, 2)), min_size=1, max_size=40),
    st.integers(1, 8),
)
def test_in_every_window_one_step_stands_at_the_windows_quantile(rows: list[tuple[float, float]], width: int) -> None:
    steps = np.array([value for value, _ in rows])
    highest = np.array([steps[at : at + width].max() for at in range(len(steps))])
    maxima = highest * np.array([factor for _, factor in rows])
    raised = raise_to_windows(steps, maxima, width)
    reached = np.array([raised[at : at + width].max() for at in range(len(steps))])
    assert (raised >= steps).all()
    assert (reached >= maxima).all()
    ratios = maxima / np.where(highest > 0, highest, 1.0)
    for at in range(len(steps)):  # never above the rule that scales every step of a window
        factor = max(ratios[max(0, at - width + 1) : at + 1].max(), 1.0)
        assert raised[at] <= steps[at] * factor * (1 + 1e-12)


limits = st.builds(
    Limits,
    step_up=st.none() | st.integers(4, 9),
    step_down=st.none() | st.integers(4, 9),
    ramp_up=st.none() | st.floats(0.5, 9),
    ramp_down=st.none() | st.floats(0.5, 9),
    multiple_of=st.sampled_from([1, 4]),
)


@some
@given(courses, limits)
def test_ramps_are_kept_by_rising_earlier_and_falling_later(need: list[int], chosen: Limits) -> None:
    count = chosen.multiple_of
    row = -(-np.array(need) // count) * count
    found = ramped(row, np.ones(len(row) - 1), chosen)
    moves = np.diff(found)
    assert (found >= row).all()
    assert (found % count == 0).all()
    if chosen.step_up is not None:
        assert moves.max(initial=0) <= chosen.step_up
    if chosen.step_down is not None:
        assert (-moves).max(initial=0) <= chosen.step_down
    for ramp, way in ((chosen.ramp_up, 1), (chosen.ramp_down, -1)):
        if ramp is not None:
            assert (way * moves).max(initial=0) < ramp + 1 + (count - 1)
    np.testing.assert_array_equal(
        ramped(
            found, np.ones(len(row) - 1), Limits(step_up=chosen.step_up, step_down=chosen.step_down, multiple_of=count)
        ),
        found,
    )
