"""Level shifts are found where they are, dated and measured; nothing else is taken for one."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.model import DataError
from capacity.series import find_shifts
from tests.scale import examples

DAYS = np.arange(365)


def series(values: np.ndarray, freq: str = "D") -> pd.Series:
    return pd.Series(
        np.asarray(values, dtype=float), pd.date_range("2025-01-01", periods=len(values), freq=freq, tz="UTC")
    )


def poisson(rate: np.ndarray | float, steps: int = 365, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(rate, steps).astype(float)


def with_value(values: np.ndarray, place: slice | int, value: float) -> np.ndarray:
    values[place] = value
    return values


NO_SHIFT = [
    pytest.param(series(poisson(20.0)), id="white noise"),
    pytest.param(series(poisson(0.5)), id="a sale every other day"),
    pytest.param(series(poisson(20 * np.exp(DAYS / 200))), id="growth by six in a year"),
    pytest.param(series(poisson(np.array([20, 25, 30, 25, 40, 2, 0])[DAYS % 7])), id="a week with closed days"),
    pytest.param(series(poisson(50 * np.exp(0.8 * np.sin(DAYS * 2 * np.pi / 365)))), id="a yearly wave"),
    pytest.param(series(with_value(poisson(20.0), 200, 1e6)), id="one wild day"),
    pytest.param(series(with_value(poisson(20.0), slice(200, 212), 0.0)), id="twelve closed days"),
    pytest.param(series(with_value(poisson(20.0), slice(353, 365), 0.0)), id="a closure that has not ended"),
    pytest.param(series(with_value(poisson(20.0), slice(200, 230), np.nan)), id="a gap of a month"),
    pytest.param(series(np.full(365, 5.0)), id="a constant"),
    pytest.param(series(np.zeros(365)), id="nothing but zeros"),
    pytest.param(series(np.full(365, np.nan)), id="nothing but gaps"),
    pytest.param(series(poisson(20.0, 10)), id="ten days"),
    pytest.param(
        series(poisson(np.where(np.arange(1095) % 365 < 180, 40, 20), 1095)), id="a drop that comes back every year"
    ),
]


@pytest.mark.parametrize("history", NO_SHIFT)
def test_no_shift_is_found_in(history):
    assert find_shifts(history) == ()


SHIFTS = [
    pytest.param(series(poisson(np.where(DAYS < 200, 17, 46))), [(200, 17, 46)], id="up overnight"),
    pytest.param(series(poisson(np.where(DAYS < 200, 75, 32))), [(200, 75, 32)], id="down overnight"),
    pytest.param(series(poisson(np.where(DAYS < 349, 20, 40))), [(349, 20, 40)], id="sixteen days ago"),
    pytest.param(
        series(poisson(np.select([DAYS < 100, DAYS < 131], [10, 42], 120))),
        [(100, 10, 42), (131, 42, 120)],
        id="two within a month",
    ),
    pytest.param(
        series(poisson(np.where(DAYS < 200, 20, 50) * (DAYS % 7 != 5))), [(200, 20, 50)], id="with closed Saturdays"
    ),
    pytest.param(
        series(with_value(poisson(np.where(DAYS < 200, 20, 50)), slice(195, 199), np.nan)),
        [(200, 20, 50)],
        id="behind a gap",
    ),
    pytest.param(series(poisson(np.where(DAYS < 200, 20, 50) * np.exp(DAYS / 500))), [(200, 29, 76)], id="on a trend"),
]


@pytest.mark.parametrize(("history", "expected"), SHIFTS)
def test_a_shift_is_dated_and_measured(history, expected):
    found = find_shifts(history)
    days = [(shift.at - history.index[0]).days for shift in found]
    np.testing.assert_allclose(days, [day for day, _, _ in expected], atol=2)
    levels = [(shift.before, shift.after) for shift in found]
    np.testing.assert_allclose(levels, [pair[1:] for pair in expected], rtol=0.2)


def test_hours_are_looked_at_as_days_and_measured_per_hour():
    hours = np.arange(24 * 120)
    rate = np.where(hours < 24 * 80, 4, 9) * (1 + np.sin(hours * 2 * np.pi / 24))
    (shift,) = find_shifts(series(poisson(rate, len(hours)), "h"))
    assert shift.at.date() == date(2025, 3, 22)
    np.testing.assert_allclose((shift.before, shift.after, shift.ratio), (4, 9, 2.25), rtol=0.1)


@pytest.mark.parametrize("freq", ["7D", "30D"], ids=["weeks", "months"])
def test_longer_steps_are_looked_at_as_they_are(freq):
    values = poisson(np.where(np.arange(60) < 40, 300, 600), 60)
    (shift,) = find_shifts(series(values, freq))
    assert shift.at == series(values, freq).index[40]


def test_a_single_step_is_refused():
    with pytest.raises(DataError, match="at least two steps"):
        find_shifts(series(np.ones(1)))


@examples(15)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e6))
def test_the_unit_does_not_matter(seed, factor):
    history = series(poisson(np.where(DAYS < 200, 20, 45), seed=seed))
    one, many = find_shifts(history), find_shifts(history * factor)
    assert [shift.at for shift in one] == [shift.at for shift in many]
    np.testing.assert_allclose([shift.after * factor for shift in one], [shift.after for shift in many])


NOISE = {
    "Poisson, 20 a day": lambda rng, n: rng.poisson(20, n),
    "Poisson, 2 a day": lambda rng, n: rng.poisson(2, n),
    "log-normal": lambda rng, n: np.exp(rng.normal(0, 0.5, n)),
    "a wandering level": lambda rng, n: 100 * np.exp(np.cumsum(rng.normal(0, 0.05, n))),
}


@pytest.mark.parametrize("name", NOISE)
def test_false_alarms_in_a_year_of_noise_stay_below_one_in_twenty(name):
    """Measured on 100 years each: 0, 0, 0 and 1 alarm. In sixty days, a wandering level raises 10 in 100."""
    rng = np.random.default_rng(1)
    alarms = sum(bool(find_shifts(series(NOISE[name](rng, 365)))) for _ in range(20))
    assert alarms <= 1


def test_two_years_of_quiet_hours_have_no_shift():
    """How much CPU that takes is measured by `python -m benchmarks budgets`."""
    assert find_shifts(series(poisson(20.0, 20_000), "h")) == ()
