"""Requests from usage: the load-weighted percentile, the faded peak, and what they would have meant."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capacity.model import DataError
from capacity.planning import advise_requests, highest_tolerated_utilization, same_target

GIB = 2.0**30


def usage(values: list[float] | np.ndarray) -> pd.Series:
    return pd.Series(values, pd.date_range("2026-11-01", periods=len(values), freq="h", tz="UTC"), dtype=float)


def flat(days: int = 14, cores: float = 0.4, size: float = GIB) -> tuple[pd.Series, pd.Series]:
    return usage([cores] * 24 * days), usage([size] * 24 * days)


def test_flat_usage_is_requested_with_the_margin_on_memory_alone() -> None:
    advice = advise_requests(*flat())
    assert advice.cpu_request == pytest.approx(0.4)
    assert advice.memory_request == advice.memory_limit == pytest.approx(1.15 * GIB)
    assert advice.cpu_slack == pytest.approx(0.0)
    assert advice.memory_slack == pytest.approx(1 - 1 / 1.15)
    assert (advice.cpu_over_request, advice.out_of_memory) == (0.0, 0.0)


def test_cpu_weighs_a_sample_by_what_it_used() -> None:
    """Nine idle hours for each busy one: by time the 95th percentile is the busy hour's, by load even the 90th."""
    cpu = usage([0.01] * 95 + [1.0] * 5)
    memory = usage([GIB] * 100)
    assert advise_requests(cpu, memory).cpu_request == 1.0
    assert float(cpu.quantile(0.94)) == 0.01


def test_a_peak_of_memory_fades_with_a_half_life_of_four_weeks() -> None:
    cpu, memory = flat(days=57)
    memory.iloc[23] = 8 * GIB  # 56 days before the last sample: a quarter of it counts
    assert advise_requests(cpu, memory).memory_request == pytest.approx(2 * GIB * 1.15, rel=0.01)
    memory.iloc[-24 * 7] = 4 * GIB  # last week's: 84 %, and with the margin it fits again
    advice = advise_requests(cpu, memory)
    assert advice.memory_request == pytest.approx(4 * GIB * 2**-0.25 * 1.15, rel=0.01)
    assert advice.out_of_memory == pytest.approx(2 / len(memory)), "both peaks lie above the limit"


def test_gaps_count_for_nothing() -> None:
    cpu, memory = flat()
    holes = cpu.copy()
    holes.iloc[::3] = np.nan
    assert advise_requests(holes, memory).cpu_request == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("cpu", "words"),
    [
        pytest.param([0.4] * 23, "at least 24 samples", id="less than a day"),
        pytest.param([np.nan] * 48, "at least 24 samples of a replica, got 0", id="gaps alone"),
        pytest.param([0.0] * 48, "some above", id="never above zero"),
        pytest.param([-1.0] * 48, "values >= 0", id="negative"),
    ],
)
def test_usage_that_says_nothing_is_refused(cpu: list[float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        advise_requests(usage(cpu), usage([GIB] * 48))


@pytest.mark.parametrize(
    ("target", "before", "since"),
    [(70, 76, 77), (72, 79, 79), (73, 80, 80), (75, 82, 82), (80, 87, 88)],
    ids=lambda value: str(value),
)
def test_the_highest_utilization_an_autoscaler_tolerates(target: int, before: int, since: int) -> None:
    assert highest_tolerated_utilization(target, rule="distance") == before
    assert highest_tolerated_utilization(target) == since


def test_without_tolerance_the_target_is_the_highest() -> None:
    assert highest_tolerated_utilization(80, tolerance=0.0) == 80


def test_a_smaller_request_needs_a_higher_target_to_behave_as_before() -> None:
    assert same_target(70, 0.5, 0.35) == 100.0
    assert same_target(80, 0.4, 0.8) == 40.0
