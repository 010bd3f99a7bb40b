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
    return Proposal(past[:, 0], past, past, naives, np.array([weight]), ("blend of two",), ("seasonal naive 7",))


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


HOUR, KNOWN, WINDOWS = timedelta(hours=1), 21 * 24, 12


def slots(random: np.random.Generator, season: int, spread: float) -> np.ndarray:
    """Each slot of a season walks on its own: nothing is better than the season before."""
    cycles = -(-(KNOWN + 24) // season)
    steps = spread * random.normal(size=(cycles, season))
    return 10 * np.exp(np.cumsum(steps, axis=0) + random.normal(size=season)).ravel()[: KNOWN + 24]


def family(name: str) -> np.ndarray:
    """Windows of three weeks of hours and a day, of a kind on which a seasonal naive is hard to beat or to spot."""
    random, hours = np.random.default_rng(11), np.arange(KNOWN + 24)
    day, noise = 20 + 14 * np.sin(hours * np.pi / 12), lambda: np.exp(0.1 * random.normal(size=len(hours)))

    def fallen() -> np.ndarray:
        return day * noise() * np.where(hours >= KNOWN - random.integers(30, 120), 0.3, 1.0)

    def switched() -> np.ndarray:
        one, other = random.gamma(3.0, 1.0, (2, 24))
        other_days = np.repeat(np.cumsum(random.random(len(hours) // 24) < 0.1) % 2, 24)
        return 10 * np.where(other_days, one[hours % 24], other[hours % 24]) * noise() ** 0.5

    made = {
        "days that repeat": lambda: slots(random, 24, 0.2),
        "weeks that repeat": lambda: slots(random, 168, 0.2),
        "a level that walks": lambda: 20 * np.exp(np.cumsum(0.05 * random.normal(size=len(hours)))),
        "a level that fell": fallen,
        "days of two kinds": switched,
        "jobs by the hour": lambda: np.where(random.gamma(3.0, 1.0, 24) > 5, 30.0, 0.5)[hours % 24] * noise(),
        "spikes": lambda: day * noise() + 30 * (random.random(len(hours)) < 0.03) * random.pareto(1.5, len(hours)),
        "growth": lambda: day * 1.003**hours * noise(),
        "noise": lambda: random.gamma(2.0, 5.0, len(hours)),
    }[name]
    return np.stack([made() for _ in range(WINDOWS)])


FAMILIES = dict.fromkeys(
    ("days that repeat", "weeks that repeat", "a level that walks", "days of two kinds", "jobs by the hour", "spikes",
     "growth", "noise"), 1.05
) | {"a level that fell": 1.35}  # the better naive is known to the one or two origins since the fall  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_no_family_is_forecast_worse_than_by_the_better_naive(name):
    windows = family(name)
    known, actual = windows[:, :KNOWN], windows[:, KNOWN:]
    told = np.stack([forecast_batch(row[None], Setting(HOUR, 24, (0.5,))).quantiles[0, :, 0] for row in known])
    usual = np.abs(known[:, 24:] - known[:, :-24]).mean(axis=1, keepdims=True)
    ours, *naive = ((np.abs(each - actual) / usual).mean() for each in (told, known[:, -24:], known[:, -168:-144]))
    assert ours < FAMILIES[name] * min(naive)
