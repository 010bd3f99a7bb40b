"""The gate: what the naive beat at the origins does not stand, and a blend that is the naive is called that."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from capacity.forecast import Setting, forecast_batch
from capacity.forecast.blend import Proposal, serve

DAY = timedelta(days=1)
ACTUALS = np.random.default_rng(0).gamma(4.0, 5.0, (1, 8, 7))


def proposal(past: np.ndarray, naive: np.ndarray, weight: float = 0.0) -> Proposal:
    """A blend and a naive that forecast the same at the origin."""
    naives = np.concatenate([naive[:, :1], naive], axis=1)
    return Proposal(past[:, 0], past, naives, np.array([weight]), ("blend of two",), ("seasonal naive 7",))


@pytest.mark.parametrize(
    ("blend_error", "naive_error", "served"),
    [(1.0, 2.0, "blend of two"), (2.0, 1.0, "seasonal naive 7"), (1.2, 1.0, "seasonal naive 7")],
)
def test_a_blend_that_the_naive_beat_does_not_stand(blend_error, naive_error, served):
    answer = serve(proposal(ACTUALS + blend_error, ACTUALS + naive_error), ACTUALS)
    assert answer.models == (served,)
    assert answer.unskilled[0] == (served != "blend of two")
    assert np.abs(answer.past - ACTUALS).mean() <= 1.01 * naive_error


def test_a_blend_that_is_the_naive_is_called_the_naive():
    same = ACTUALS + 1.0
    answer = serve(proposal(same, same), ACTUALS)
    assert (answer.models, bool(answer.unskilled[0])) == (("seasonal naive 7",), True)
    assert abs(answer.skill[0]) < 1e-6


@pytest.mark.parametrize(("weight", "named"), [(0.5, "blend of two"), (0.95, "seasonal naive 7")])
def test_a_blend_in_which_the_naive_has_all_the_say_is_called_the_naive(weight, named):
    assert serve(proposal(ACTUALS + 1.0, ACTUALS + 1.5, weight), ACTUALS).models == (named,)


def test_a_random_walk_claims_no_skill():
    walks = np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.2, (20, 300)), axis=1))
    forecast = forecast_batch(walks, Setting(DAY, 7, seasons=()))
    assert np.median(forecast.skill) < 0.1
