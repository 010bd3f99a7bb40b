"""The Universal Scalability Law: found again from its own points, and refused where scaling out cannot serve."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.load import peak_throughput, reached_by, replicas_for_requests
from capacity.model import DataError, Throughput, fit_throughput
from tests.scale import examples

laws = st.builds(Throughput, st.floats(1, 1e4), st.floats(0, 0.3), st.floats(0, 0.02))


@examples(60)
@given(laws)
def test_a_law_is_found_again_from_its_points(law: Throughput) -> None:
    counts = [1, 2, 4, 8, 16, 32]
    points = list(zip(counts, reached_by(law, np.array(counts)).tolist(), strict=True))
    found = fit_throughput(points)
    np.testing.assert_allclose(reached_by(found, np.array(counts)), [rate for _, rate in points], rtol=1e-6)


def test_a_superlinear_test_is_taken_as_linear_not_as_negative_contention() -> None:
    law = fit_throughput([(1, 100.0), (2, 220.0), (4, 480.0)])
    assert (law.contention, law.coherence) == (0.0, 0.0)
    assert 100 < law.rate < 120


@pytest.mark.parametrize(
    ("points", "words"),
    [
        pytest.param([], "got none", id="no point"),
        pytest.param([(0, 5.0)], "replicas >= 1", id="no replica"),
        pytest.param([(1, 0.0)], "rate > 0", id="no rate"),
        pytest.param([(1, float("inf"))], "rate > 0", id="infinite rate"),
    ],
)
def test_points_that_are_none_are_refused(points: list[tuple[int, float]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        fit_throughput(points)


def test_one_point_is_linear() -> None:
    assert fit_throughput([(4, 400.0), (4, 420.0)]) == Throughput(102.5)


@examples(60)
@given(st.builds(Throughput, st.floats(1, 1e4), st.floats(0, 0.3), st.floats(1e-4, 0.02)))
def test_the_peak_is_the_highest_of_all_counts(law: Throughput) -> None:
    best, peak = peak_throughput(law)
    every = reached_by(law, np.arange(1, 400))
    assert peak == pytest.approx(every.max())
    assert every[int(best) - 1] == pytest.approx(peak)


@examples(60)
@given(laws, st.floats(0.0, 0.8), st.floats(0.3, 1.0))
def test_replicas_are_the_fewest_that_reach_the_rate(law: Throughput, share: float, target: float) -> None:
    _, peak = peak_throughput(law)
    rate = share * min(peak, law.rate * 50) * target
    found = int(replicas_for_requests(np.array([rate]), law, target)[0])
    if found:
        assert reached_by(law, np.array([found]))[0] * target >= rate * (1 - 1e-6)
    if found > 1:
        assert reached_by(law, np.array([found - 1]))[0] * target < rate


def test_a_rate_beyond_what_scaling_out_reaches_is_refused_with_the_reason() -> None:
    law = Throughput(100.0, 0.0, 0.01)
    with pytest.raises(
        DataError, match=r"0\.8 of the 526\.3 .* at 10 replicas\), got 500: scale-out cannot serve this"
    ):
        replicas_for_requests(np.array([10.0, 500.0]), law, 0.8)
    assert replicas_for_requests(np.array([420.0]), law, 0.8).tolist() == [10]


def test_a_rate_that_only_a_higher_utilization_would_serve_is_refused() -> None:
    law = Throughput(100.0, 0.0, 0.01)
    with pytest.raises(DataError, match=r"at most 263\.2 requests/s \(0\.5 of the 526\.3"):
        replicas_for_requests(np.array([300.0]), law, 0.5)


def test_a_coherence_too_small_to_matter_is_none() -> None:
    assert peak_throughput(Throughput(1.0, 0.0, 2.2e-311)) == (inf, inf)
