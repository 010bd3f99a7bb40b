"""What replicas serve, from history: a known law is found again, a bound below it; what does not tell is said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.load import learn_throughput, reached_by, replicas_for_requests
from capacity.model import DataError, Replica, Throughput, ThroughputReport
from tests.scale import examples
from tests.served import IDLE, LAW, LINEAR, REPLICA, World

ODD = [0.0, 0.5, 1.0, 2.0, 3.0, 1e-9, 1e9, float("nan")]


def seen(found: ThroughputReport) -> np.ndarray:
    return np.arange(found.counts[0], found.counts[1] + 1)


@pytest.mark.parametrize(
    "law",
    [LAW, Throughput(100.0), Throughput(40.0, 0.05), Throughput(300.0, 0.0, 0.002)],
    ids=["both", "linear", "contention", "coherence"],
)
def test_without_noise_the_law_is_found_again_and_its_bound_is_the_law(law: Throughput) -> None:
    found = learn_throughput(World(law, noise=0.0).usage(), REPLICA)
    counts = np.arange(1, 40)
    np.testing.assert_allclose(reached_by(found.law, counts), reached_by(law, counts), rtol=1e-6)
    np.testing.assert_allclose(reached_by(found.bound, counts), reached_by(law, counts), rtol=1e-6)
    assert found.idle == pytest.approx(IDLE, rel=1e-6)


@pytest.mark.parametrize(
    ("world", "narrow"),
    [
        pytest.param(World(), 0.95, id="a month of hours"),
        pytest.param(World(by_day=0.05), 0.94, id="days that differ as a whole"),
        pytest.param(World(days=10), 0.92, id="ten days"),
        pytest.param(World(law=Throughput(100.0, 0.03)), 0.95, id="no coherence"),
        pytest.param(World(target=0.4, counts=(2, 40)), 0.93, id="never busy"),
    ],
)
def test_the_bound_lies_below_the_truth_as_often_as_it_says_and_near_it(world: World, narrow: float) -> None:
    """At every count seen at once, in 40 histories: 38 on average at 95 %; 35 has a chance of 1 in 20 at 0.94."""
    found = [learn_throughput(world.usage(seed), REPLICA) for seed in range(40)]
    below = [(reached_by(one.bound, seen(one)) <= reached_by(world.law, seen(one))).all() for one in found]
    assert sum(below) >= 36
    assert np.median([one.bound.rate / one.law.rate for one in found]) > narrow
    errors = [np.abs(reached_by(one.law, seen(one)) / reached_by(world.law, seen(one)) - 1).max() for one in found]
    assert np.median(errors) < 0.05


@examples(25)
@given(st.integers(0, 10_000), st.floats(0.02, 0.1), st.floats(2.0, 3.0))
def test_more_noise_never_narrows_the_bound(seed: int, noise: float, more: float) -> None:
    """The same errors, larger."""
    usage, world = World(noise=noise).usage(seed), World()
    exact = usage["replicas"] * IDLE + usage["requests"] * world.cost(usage["replicas"].to_numpy())
    noisier = usage.assign(cpu=np.maximum(exact + more * (usage["cpu"] - exact), 0.0))
    calm, wild = (learn_throughput(one, REPLICA) for one in (usage, noisier))
    assert wild.bound.rate / wild.law.rate < calm.bound.rate / calm.law.rate


def test_outliers_of_cpu_and_of_requests_change_little() -> None:
    rng, usage = np.random.default_rng(4), World().usage()
    for column in ("cpu", "requests"):
        bad = rng.random(len(usage)) < 0.02
        usage.loc[bad, column] *= rng.choice([0.0, 4.0, 10.0], bad.sum())
    found = learn_throughput(usage, REPLICA)
    np.testing.assert_allclose(reached_by(found.law, seen(found)), reached_by(LAW, seen(found)), rtol=0.05)
    assert found.highest < 2.0, "an outlier is no utilization seen"


def test_a_deploy_is_dated_and_only_what_came_since_counts() -> None:
    usage = World().usage()
    deploy = usage.index[24 * 16 + 9]
    after = usage.index >= deploy
    usage.loc[after, "cpu"] = IDLE * usage["replicas"] + 1.5 * (usage["cpu"] - IDLE * usage["replicas"])
    found = learn_throughput(usage, REPLICA)
    assert found.drift is not None
    assert abs(found.drift - deploy) < timedelta(hours=12)
    assert found.drift_ratio == pytest.approx(1.5, abs=0.1)
    assert reached_by(found.law, np.array([5]))[0] == pytest.approx(LAW.at(5) / 1.5, rel=0.05)
    assert "another cost of a request since 2026-10-17" in found.notes[0]


def test_a_workload_that_only_grows_is_no_deploy() -> None:
    usage = World(noise=0.05).usage()
    grown = usage.assign(requests=usage["requests"] * np.linspace(0.5, 1.0, len(usage)))
    grown["cpu"] = IDLE * grown["replicas"] + (usage["cpu"] - IDLE * usage["replicas"]) * np.linspace(
        0.5, 1, len(usage)
    )
    assert learn_throughput(grown, REPLICA).drift is None


def said(world: World) -> str:
    found = learn_throughput(world.usage(), REPLICA)
    return " | ".join((found.words, *found.notes))


@pytest.mark.parametrize(
    ("world", "words"),
    [
        pytest.param(World(counts=(3, 3)), "only 3 replicas were ever seen: growth with more is", id="one count"),
        pytest.param(World(law=LINEAR), "growth is taken as linear, also beyond", id="no contention"),
        pytest.param(World(target=0.3, counts=(2, 90), law=LINEAR), "no step was busier than 62 % of", id="no load"),
        pytest.param(World(), "utilization up to 179 %)", id="what was seen"),
        pytest.param(World(), "what 10.1 would alone; carried on beyond, scaling out reaches 1120", id="a peak"),
    ],
)  # fmt: skip
def test_what_history_does_not_hold_is_said(world: World, words: str) -> None:
    assert words in said(world)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({"replicas": None}, "usage with replicas, requests and cpu, got no replicas", id="no replicas"),
        pytest.param({"requests": np.nan}, "at least 24 steps with replicas, requests and cpu, got 0", id="no value"),
        pytest.param({"replicas": 0.0}, "at least 24 steps with replicas, requests and cpu, got 0", id="no replica"),
        pytest.param({"cpu": -1.0}, "usage >= 0, got -1", id="negative"),
        pytest.param({"cpu": 0.0}, "CPU in use, got zero", id="a metric that measures nothing"),
        pytest.param(
            {"cpu": 5.0},
            r"(requests to explain 50 % of how CPU varies, got 0 %|got none clear of chance): something else",
            id="CPU that follows nothing",
        ),
        pytest.param({"replicas": 2e9}, "at most 1000000 replicas, got 2e", id="bytes taken for replicas"),
        pytest.param({"requests": 0.0}, "vary, got 0 % around 0/s", id="no request"),
        pytest.param({"requests": 70.0, "replicas": 7.0}, "requests per replica that vary", id="constant"),
    ],
)
def test_history_that_does_not_tell_is_refused(changed: dict[str, Any], words: str) -> None:
    usage = World().usage()
    for column, value in changed.items():
        usage = usage.drop(columns=column) if value is None else usage.assign(**{column: value})
    with pytest.raises(DataError, match=words):
        learn_throughput(usage, REPLICA)


@examples(60)
@given(st.integers(0, 10_000), st.sets(st.sampled_from(ODD), min_size=1), st.booleans())
def test_whatever_history_holds_it_tells_or_says_why_not(seed: int, odd: set[float], like_a_service: bool) -> None:
    """No warning, no bound above the law, no rate that is none."""
    steps = pd.date_range("2026-10-01", periods=96, freq="h", tz="UTC")
    values = np.random.default_rng(seed).choice(sorted(odd), (96, 3))
    usage = pd.DataFrame(values, steps, ["replicas", "requests", "cpu"])
    if like_a_service:
        usage["replicas"] = usage["replicas"].clip(1, 4)
        usage["cpu"] = 0.1 * usage["replicas"] + 0.01 * usage["requests"] * (1 + 0.1 * usage["cpu"].clip(0, 2))
    try:
        found = learn_throughput(usage, REPLICA)
    except DataError:
        return
    assert 0 < found.bound.rate <= found.law.rate
    assert np.isfinite([found.highest, found.idle]).all()


def test_a_history_of_two_days_is_refused() -> None:
    with pytest.raises(DataError, match="expected 3 days since the last deploy, got 2"):
        learn_throughput(World(days=2).usage(), REPLICA)


def test_idle_load_that_fills_the_request_is_refused() -> None:
    with pytest.raises(DataError, match=r"idle load clearly below the CPU request of 0\.05 cores, got 0\.05"):
        learn_throughput(World().usage(), Replica(0.05, 2**29))


def test_a_forecast_beyond_what_history_says_scaling_out_reaches_is_refused() -> None:
    bound = learn_throughput(World().usage(), REPLICA).bound
    with pytest.raises(
        DataError, match=r"\(0\.8 of the 1120 that scaling out reaches by history \(its 95 % lower bound\), at 3"
    ):
        replicas_for_requests(np.array([900.0]), bound, 0.8)
    assert (
        replicas_for_requests(np.array([400.0]), bound, 0.8)[0] >= replicas_for_requests(np.array([400.0]), LAW, 0.8)[0]
    )
