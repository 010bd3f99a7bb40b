"""Templates: alike weekdays learn from each other, others do not; members that err alike share one vote."""

from __future__ import annotations

import numpy as np
import pytest

from capacity.forecast.blend import blend_members
from capacity.forecast.history import Origins
from capacity.forecast.templates import TRACKING, day_type_forecast, parted_forecast, template_forecast

WORK, REST = np.repeat([2.0, 8.0, 9.0, 3.0], 6), np.repeat([5.0, 1.0, 1.0, 6.0], 6)
WEEK = np.concatenate([np.tile(WORK, 5), np.tile(REST, 2)])
SEASONS, NEXT = (24, 168), Origins(np.array([504, 480, 456]), 168, 24)


def told(values: np.ndarray, weights: np.ndarray | None = None, template=day_type_forecast) -> np.ndarray:
    """The week to come (series, 168)."""
    return template(values, np.ones_like(values) if weights is None else weights, SEASONS, NEXT)[:, 0]


def noisy(seed: int, spread: float = 0.5) -> np.ndarray:
    """Three weeks of hours."""
    return np.tile(WEEK, 3)[None] + np.random.default_rng(seed).normal(0, spread, (1, 504))


def test_days_that_are_alike_lend_each_other_their_past():
    values = np.concatenate([noisy(seed) for seed in range(10)])
    by_weekday = values.reshape(10, 3, 168).mean(axis=1)
    assert np.abs(told(values) - WEEK).mean() < 0.8 * np.abs(by_weekday - WEEK).mean()


def test_days_unlike_any_other_are_told_by_themselves():
    week = np.random.default_rng(0).normal(0, 5, 168)
    values = np.tile(week, 3)[None] + np.random.default_rng(1).normal(0, 0.1, (1, 504))
    np.testing.assert_allclose(told(values)[0], week, atol=0.7)  # a tenth of a day is the mean of all


BOTH = pytest.mark.parametrize("template", [day_type_forecast, parted_forecast])


@BOTH
@pytest.mark.parametrize("lost", [slice(0, 24), slice(360, 384), slice(0, 336)])
def test_what_was_not_observed_is_not_learned_from(lost, template):
    values, weights = noisy(1, 0.01), np.ones((1, 504))
    weights[:, lost] = 0.0
    other = values.copy()
    other[:, lost] = 1e6
    np.testing.assert_array_equal(told(values, weights, template), told(other, weights, template))
    np.testing.assert_allclose(told(values, weights, template)[0, :24], WEEK[:24], atol=0.8)


@BOTH
def test_many_series_are_forecast_as_each_alone(template):
    values = np.concatenate([noisy(seed) for seed in range(5)])
    together = told(values, template=template)
    for place in range(5):
        np.testing.assert_array_equal(together[[place]], told(values[[place]], template=template))


@BOTH
def test_the_level_of_the_last_hours_is_followed(template):
    values = noisy(3, 0.01)
    values[:, -24:] += 3.0
    np.testing.assert_allclose(told(values, template=template)[0, :4], WEEK[:4] + 2.5, atol=1.0)


def test_a_day_that_changes_within_days_is_followed():
    change = np.tile(np.sin(2 * np.pi * np.arange(24) / 24), 7)  # none of the level
    values = np.tile(WORK, 21)[None]
    values[:, -len(change) :] += change
    expected = WORK + change[:24]
    off = [np.abs(told(values, template=one)[0, :24] - expected).mean() for one in (parted_forecast, day_type_forecast)]
    assert off[0] < 0.7 * off[1]


@pytest.mark.parametrize("season", [(24,), (24, 100)])
def test_a_template_of_one_season_is_its_average_at_the_level_of_the_last_hours(season):
    values, weights = np.concatenate([noisy(seed, 0.1) for seed in range(3)]), np.ones((3, 504))
    weights[:, 100:130] = 0.0
    ahead = template_forecast(values, weights, season, NEXT, TRACKING)
    for k, end in enumerate(NEXT.ends):
        cycles = min(12, -(-end // season[-1]))
        slots = (np.arange(end) - end) % season[-1]
        say = weights[:, :end] * 0.5 ** ((end - 1 - np.arange(end)) // season[-1] / 2.0)
        say[:, : max(0, end - cycles * season[-1])] = 0.0
        usual = (say * values[:, :end]).sum(axis=1) / say.sum(axis=1)
        profile = np.stack(
            [
                ((say * values[:, :end])[:, slots == slot].sum(axis=1) + 1e-3 * usual)
                / (say[:, slots == slot].sum(axis=1) + 1e-3)
                for slot in range(season[-1])
            ],
            axis=1,
        )
        recent = slots[end - 14 : end]
        near = weights[:, end - 14 : end] * 0.5 ** (np.arange(13, -1, -1) / 2.4)
        off = (near * (values[:, end - 14 : end] - profile[:, recent])).sum(axis=1) / near.sum(axis=1)
        steps = np.arange(168)
        expected = profile[:, steps % season[-1]] + off[:, None] * 0.5 ** (steps / 480)
        np.testing.assert_allclose(ahead[:, k], expected, rtol=1e-9)


def test_members_that_err_alike_share_a_vote_and_those_that_err_apart_cancel_out():
    random = np.random.default_rng(5)
    actuals = np.full((1, 10, 24), 50.0)
    common, own = random.normal(0, 4, (2, 1, 11, 24))
    members = 50.0 + np.stack([common, common, common, own])
    blend = blend_members(members, actuals)
    assert blend.weights[3, 0] > 0.3
    assert blend.weights.sum(axis=0) == pytest.approx(1.0)
    assert np.abs(blend.past - 50.0).mean() < 0.8 * np.abs(members - 50.0).mean()


@pytest.mark.parametrize("error", [0.0, 1e-300, 1e15])
def test_weights_are_finite_at_any_size_of_error(error):
    actuals = np.full((2, 5, 4), 7.0)
    members = np.stack([np.full((2, 6, 4), 7.0), np.full((2, 6, 4), 7.0 + error), np.full((2, 6, 4), 8.0)])
    blend = blend_members(members, actuals)
    assert np.isfinite(blend.weights).all()
    np.testing.assert_allclose(blend.point, 7.0, atol=0.2)
