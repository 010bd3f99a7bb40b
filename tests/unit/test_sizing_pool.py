"""The safe utilization of a pool against published tables, and which bound wins."""

from __future__ import annotations

from datetime import timedelta
from math import exp, factorial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.model import DataError, LoadModel, Pool, Replica, Workload
from capacity.planning import pool_utilization, safe_target, wait_probability, wait_quantile
from tests.scale import examples

SECOND = timedelta(seconds=1)


def highest(kept: Any) -> float:
    """The highest utilization, in hundredths of a percent, at which the promise is kept."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) else (low, middle)
    return low


# Slots; highest utilization with P(wait) <= 20 %, with a p99 wait of 0.5, 1 and 2 service times; then, at utilization
# 0.8, P(wait) and the p99 wait. Exact Erlang C, service time 1.
TABLE = [
    (1, 0.20, 0.02, 0.03, 0.07, 0.80, 21.9),
    (4, 0.53, 0.31, 0.42, 0.59, 0.60, 5.1),
    (8, 0.65, 0.52, 0.64, 0.77, 0.46, 2.4),
    (16, 0.75, 0.69, 0.79, 0.88, 0.30, 1.1),
    (32, 0.82, 0.82, 0.89, 0.94, 0.16, 0.43),
    (64, 0.87, 0.90, 0.94, 0.97, 0.06, 0.13),
    (100, 0.90, 0.93, 0.96, 0.98, 0.02, 0.03),
    (200, 0.93, 0.96, 0.98, 0.99, 0.001, 0.0),
]


@pytest.mark.parametrize("row", TABLE, ids=[f"{row[0]} slots" for row in TABLE])
def test_utilization_by_pool_size_is_that_of_the_exact_queue(row: tuple[float, ...]) -> None:
    slots, waits, half, one, two, at_eighty, quantile = row
    count = int(slots)
    assert highest(lambda busy: wait_probability(count, busy) <= 0.20) == pytest.approx(waits, abs=0.006)
    for allowed, expected in ((0.5, half), (1.0, one), (2.0, two)):
        found = pool_utilization(Pool(count, SECOND, allowed * SECOND))
        assert found == pytest.approx(expected, abs=0.006)
    assert wait_probability(count, 0.8) == pytest.approx(at_eighty, abs=0.006)
    assert wait_quantile(count, 0.8) == pytest.approx(quantile, rel=0.03, abs=0.006)


@examples(60)
@given(st.integers(1, 60), st.floats(0.05, 0.99))
def test_the_recursion_is_erlangs_formula(slots: int, busy: float) -> None:
    load = slots * busy
    last = load**slots / factorial(slots) / (1 - busy)
    expected = last / (sum(load**k / factorial(k) for k in range(slots)) + last)
    assert wait_probability(slots, busy) == pytest.approx(expected, rel=1e-9)


@examples(40)
@given(st.integers(1, 40), st.floats(0.1, 5), st.floats(0.3, 4))
def test_the_promise_is_kept_at_the_utilization_and_broken_above(slots: int, wait: float, variability: float) -> None:
    pool = Pool(slots, SECOND, wait * SECOND, variability=variability)
    try:
        busy = pool_utilization(pool)
    except DataError:
        assert wait_quantile(slots, 0.001, 0.99, variability) > pool.wait / SECOND
        return
    assert wait_quantile(slots, busy - 0.001, 0.99, variability) <= pool.wait / SECOND
    assert busy == 1.0 or wait_quantile(slots, busy + 0.001, 0.99, variability) > pool.wait / SECOND


def test_the_tail_of_the_wait_is_erlangs() -> None:
    wait = wait_quantile(8, 0.8)
    assert wait_probability(8, 0.8) * exp(-8 * 0.2 * wait) == pytest.approx(0.01)


def test_more_variable_work_lowers_the_utilization_and_a_shared_queue_raises_it() -> None:
    plain = pool_utilization(Pool(8, SECOND, SECOND))
    assert pool_utilization(Pool(8, SECOND, SECOND, variability=3.0)) < plain
    assert pool_utilization(Pool(8, SECOND, SECOND, shared=True), replicas=4) == pool_utilization(
        Pool(32, SECOND, SECOND)
    )
    assert pool_utilization(Pool(8, SECOND, SECOND), replicas=4) == plain


def test_a_wait_that_no_utilization_keeps_is_refused() -> None:
    with pytest.raises(DataError, match="allow a longer wait or more slots"):
        pool_utilization(Pool(1, SECOND, timedelta(0), wait_level=0.9999))


def workload(**changed: Any) -> Workload:
    return Workload("shop", "web", LoadModel(0, 1, 0, 0), Replica(0.5, 2**29), **{"floor": 1, "ceiling": 60, **changed})


@pytest.mark.parametrize(
    ("changed", "bound", "utilization"),
    [
        pytest.param({}, "target", 0.8, id="the user's target alone"),
        pytest.param({"zones": 3}, "zones", 2 / 3, id="one of three zones lost"),
        pytest.param({"zones": 6}, "target", 0.8, id="one of six zones lost asks for less than the target"),
        pytest.param({"pool": Pool(8, SECOND, SECOND)}, "pool", 0.637, id="a small pool"),
        pytest.param({"pool": Pool(200, SECOND, SECOND)}, "target", 0.8, id="a large pool"),
        pytest.param({"pool": Pool(8, SECOND, SECOND), "zones": 2}, "zones", 0.5, id="zones below the pool"),
    ],
)
def test_the_least_bound_wins_and_says_so(changed: dict[str, Any], bound: str, utilization: float) -> None:
    found = safe_target(workload(**changed))
    assert (found.bound, found.utilization) == (bound, pytest.approx(utilization))
    assert found.why.startswith(f"{bound} {utilization:.3g}")
