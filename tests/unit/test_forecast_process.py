"""The Gaussian process among the members: exact against a dense solution, cheap, and no member where it cannot be."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from capacity.forecast import Setting, forecast_batch
from capacity.forecast.history import Origins
from capacity.forecast.process import KINDS, PATIENCE, _covariance, has_process, process_forecast

SEASONS = (6, 42)


def dense(known: np.ndarray, ahead: int) -> np.ndarray:
    """The same by the textbook: each kind's conditional mean, weighed by its likelihood at its likeliest variance."""
    count = len(known)
    far = np.abs(np.subtract.outer(np.arange(count + ahead), np.arange(count + ahead))).astype(float)
    means, told = [], []
    for kind in KINDS:
        matrix = _covariance(far, kind, SEASONS)
        inner = matrix[:count, :count]
        means.append(matrix[count:, :count] @ np.linalg.solve(inner, known))
        likeliest = known @ np.linalg.solve(inner, known) / count
        told.append(-0.5 * count * np.log(likeliest) - 0.5 * np.linalg.slogdet(inner)[1])
    say = np.exp((np.array(told) - max(told)) / PATIENCE)
    return np.asarray(say / say.sum() @ np.stack(means))


def test_it_is_what_solving_each_system_gives() -> None:
    rng = np.random.default_rng(1)
    values = np.sin(np.arange(180) / 3)[None, :] + rng.normal(size=(2, 180))
    found = process_forecast(values, SEASONS, Origins(np.array([180, 170, 150]), 10, 10))
    for place, end in enumerate((180, 170, 150)):
        start = 150 - 84
        for row in range(2):
            np.testing.assert_allclose(found[row, place], dense(values[row, start:end], 10), rtol=1e-6, atol=1e-9)


def test_what_lies_after_an_origin_changes_nothing_of_it() -> None:
    values = np.random.default_rng(2).normal(size=(1, 200))
    origins = Origins(np.array([200, 180]), 6, 6)
    changed = np.where(np.arange(200) >= 180, 9.0, values)
    before, after = (process_forecast(each, SEASONS, origins) for each in (values, changed))
    np.testing.assert_array_equal(before[:, 1], after[:, 1])
    assert np.abs(before[:, 0] - after[:, 0]).max() > 1


def test_beyond_the_longest_season_it_repeats_itself() -> None:
    values = np.random.default_rng(3).normal(size=(1, 200))
    found = process_forecast(values, SEASONS, Origins(np.array([200, 190]), 100, 10))[0, 0]
    np.testing.assert_array_equal(found[42:84], found[:42])


@pytest.mark.parametrize(
    ("seasons", "ends", "expected"),
    [
        pytest.param((24, 168), [1440, 1100], True, id="hours"),
        pytest.param((24, 168), [9000, 8000], False, id="origins too far apart"),
        pytest.param((288, 2016), [8640, 8000], False, id="minutes, whose weeks are long"),
        pytest.param((), [200, 100], False, id="no season"),
    ],
)
def test_where_it_is_a_member(seasons: tuple[int, ...], ends: list[int], expected: bool) -> None:
    assert has_process(seasons, Origins(np.array(ends), 24, 24)) is expected


def test_a_day_that_changes_slowly_under_noise_is_forecast_nearer_than_by_the_naive() -> None:
    rng = np.random.default_rng(4)
    hours = np.arange(24 * 22)
    shape = 10 + 5 * np.sin(2 * np.pi * hours / 24 + hours / 900)
    values = shape * np.exp(0.2 * rng.normal(size=(6, len(hours))))
    known, coming = values[:, :-24], shape[-24:]
    told = forecast_batch(known, Setting(timedelta(hours=1), 24))
    assert np.abs(told.point - coming).mean() < 0.55 * np.abs(known[:, -24:] - coming).mean()
    assert "process of logs" in " ".join(told.models)
