"""The days most like the last one: what is found in them, and what is not looked at."""

from datetime import timedelta

import numpy as np
import pytest

from capacity.forecast.history import Origins
from capacity.forecast.similar import Search, similar_forecast, similar_length

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEKLY = Search.of(24, weekly=True)


def two_kinds(days, *, level=0.0):
    """Days that rise or fall, one after the other by turns: (1, 24 days)."""
    rising = np.linspace(-1.0, 1.0, 24)
    return np.concatenate([rising * (-1) ** day + level * day for day in range(days)])[None, :]


def ahead(values, horizon=24, search=WEEKLY, weights=None):
    origins = Origins(np.array([values.shape[1]]), horizon, 24)
    return similar_forecast(values, np.ones_like(values) if weights is None else weights, search, origins)[:, 0]


def test_a_day_of_either_kind_is_followed_by_the_other():
    assert ahead(two_kinds(20), 48) == pytest.approx(two_kinds(22)[:, -48:], abs=1e-6)


@pytest.mark.parametrize("cycle", [7, 16, 22])
def test_cycles_that_no_calendar_knows_are_found_where_a_day_may_begin_at_any_hour(cycle):
    values = np.tile(np.random.default_rng(cycle).normal(size=cycle), 40)[None, : 24 * 20 + 24]
    found = ahead(values[:, :-24], search=Search.of(24, weekly=False))
    assert found == pytest.approx(values[:, -24:], abs=1e-6)


def test_most_of_a_lasting_change_of_level_is_kept():
    values = two_kinds(20)
    values[:, -24:] += 10.0
    assert (ahead(values) - two_kinds(21)[:, -24:]).mean() == pytest.approx(7.0, abs=0.1)


def test_days_that_were_not_observed_say_next_to_nothing():
    filled, weights = two_kinds(20), np.ones((1, 480))
    filled[:, 24:360], weights[:, 24:360] = np.tile(filled[0, -24:], 14), 0.0  # as if each day were like the one before
    off = [np.abs(ahead(filled, weights=say) - two_kinds(21)[:, -24:]).mean() for say in (weights, np.ones((1, 480)))]
    assert off[0] < 0.25 * off[1]


def test_a_series_is_forecast_alike_alone_and_among_others():
    values = np.random.default_rng(0).normal(size=(5, 480))
    assert np.array_equal(ahead(values)[2:3], ahead(values[2:3]))


@pytest.mark.parametrize(
    ("seasons", "step", "earliest", "length"),
    [
        ((24, 168), HOUR, 336, 24),
        ((), HOUR, 336, 24),  # without a cycle, a day
        ((7,), DAY, 28, 7),
        ((7,), DAY, 27, 0),  # three weeks are no choice
        ((), timedelta(days=400), 50, 0),  # the calendar knows no cycle of so long steps
    ],
)
def test_the_length_compared_is_the_shortest_cycle_where_four_were_seen(seasons, step, earliest, length):
    assert similar_length(seasons, step, Origins(np.array([earliest + 24, earliest]), 24, 24)) == length
