"""The next hours follow where sales stand now, where that was better at the origins."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from capacity.forecast import Setting, forecast_batch

FIVE, HOUR = timedelta(minutes=5), timedelta(hours=1)


def wandering(step: timedelta, days: int, seed: int) -> np.ndarray:
    """A daily shape on a level that wanders: the last value tells most about the next: (steps,)."""
    rng, day = np.random.default_rng(seed), round(timedelta(days=1) / step)
    steps = np.arange(days * day)
    level = np.exp(np.cumsum(rng.normal(0, 0.4 / np.sqrt(day), len(steps))))
    return 100 * level * (1.2 + np.sin(2 * np.pi * steps / day))


@pytest.mark.parametrize(("step", "ahead"), [(FIVE, 12), (HOUR, 1)])
def test_the_first_hour_is_nearer_than_the_last_value_and_yesterday(step, ahead):
    day = round(timedelta(days=1) / step)
    errors = []
    for seed in range(12):
        values = wandering(step, 15, seed)
        known, coming = values[:-day], values[-day:][:ahead]
        found = forecast_batch(known[None, :], Setting(step, day, (0.5,), seasons=(day,))).quantiles[0, :ahead, 0]
        naives = known[-day:][:ahead], np.full(ahead, known[-1])
        errors.append([np.abs(point - coming).mean() for point in (found, *naives)])
    ours, yesterday, last = np.median(errors, axis=0)
    assert ours < 0.5 * yesterday
    assert ours < 1.05 * last


def test_where_the_level_says_nothing_the_season_stays():
    rng = np.random.default_rng(5)
    shape = 100 * (1.2 + np.sin(2 * np.pi * np.arange(24) / 24))
    values = np.tile(shape, 28) + rng.normal(0, 10, 24 * 28)
    values[-1] += 60  # one wild hour
    found = forecast_batch(values[None, :], Setting(HOUR, 24, (0.5,), seasons=(24,))).quantiles[0, :, 0]
    np.testing.assert_allclose(found, shape, atol=20)
