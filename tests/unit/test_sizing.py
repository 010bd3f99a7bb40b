"""Replicas from demand, against a slow loop in exact arithmetic and a brute force over zones."""

from __future__ import annotations

from fractions import Fraction
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.load import MOST_REPLICAS
from capacity.model import DataError, LoadModel, Replica, Workload
from capacity.planning import replicas_needed
from tests.scale import examples


def workload(target: float = 0.8, zones: int = 1) -> Workload:
    replica, load = Replica(0.5, 2**29), LoadModel(0, 1, 0, 0)
    return Workload("shop", "web", load, replica, floor=1, ceiling=60, target_utilization=target, zones=zones)


def needed(millicores: int, request: int, target: float = 0.8, zones: int = 1) -> int:
    return int(replicas_needed(np.array([millicores / 1000]), request / 1000, workload(target, zones))[0])


def slow_needed(millicores: int, request: int, percent: int) -> int:
    """The first count whose utilization is at or under the target, tried one by one in fractions."""
    for replicas in count(0):
        if Fraction(millicores) <= Fraction(percent, 100) * replicas * request:
            return replicas
    raise AssertionError


def slow_zoned(millicores: int, request: int, zones: int) -> int:
    """The first count spread evenly over zones of which one may be lost, tried zone by zone in fractions."""
    for each in count(0):
        if Fraction(millicores) <= Fraction(each * (zones - 1)) * request:
            return each * zones
    raise AssertionError


@examples(60)
@given(st.integers(0, 60_000), st.sampled_from([100, 250, 333, 500, 700, 1000]), st.integers(30, 100))
def test_replicas_agree_with_a_slow_loop_in_fractions(millicores: int, request: int, percent: int) -> None:
    assert needed(millicores, request, percent / 100) == slow_needed(millicores, request, percent)


@examples(60)
@given(st.integers(1, 400), st.sampled_from([100, 250, 300, 700]), st.sampled_from([50, 60, 70, 80, 90, 100]))
def test_a_demand_that_fills_whole_replicas_needs_no_further_one(full: int, request: int, percent: int) -> None:
    cores = full * request * percent / 100 / 1000
    got = replicas_needed(np.array([cores]), request / 1000, workload(percent / 100))
    np.testing.assert_array_equal(got, [full])


@examples(60)
@given(st.integers(0, 40_000), st.sampled_from([100, 250, 500]), st.integers(2, 6), st.integers(50, 100))
def test_the_zone_rule_agrees_with_brute_force(millicores: int, request: int, zones: int, percent: int) -> None:
    expected = max(slow_needed(millicores, request, percent), slow_zoned(millicores, request, zones))
    assert needed(millicores, request, percent / 100, zones) == expected


@examples(60)
@given(st.integers(0, 40_000), st.integers(2, 6), st.integers(30, 100))
def test_what_is_left_of_the_fullest_zones_loss_serves_the_demand(millicores: int, zones: int, percent: int) -> None:
    replicas = needed(millicores, 500, percent / 100, zones)
    fullest = -(-replicas // zones)
    assert (replicas - fullest) * 500 >= millicores


@pytest.mark.parametrize(
    ("demand", "target", "zones", "replicas"),
    [
        pytest.param(0.0, 0.8, 1, 0, id="no demand, no replica"),
        pytest.param(0.4, 0.8, 1, 1, id="a replica at its target is enough"),
        pytest.param(0.4001, 0.8, 1, 2, id="a tenth of a millicore more needs another"),
        pytest.param(4.0, 0.8, 1, 10, id="ten replicas at 80 %"),
        pytest.param(4.0, 1.0, 1, 8, id="eight replicas at 100 %"),
        pytest.param(4.0, 0.8, 2, 16, id="two zones: each alone serves all"),
        pytest.param(4.0, 0.8, 3, 12, id="three zones: two serve all"),
        pytest.param(4.0, 0.5, 3, 16, id="a low target binds more than the zones"),
        pytest.param(0.1, 0.8, 4, 4, id="one replica in each of four zones"),
    ],
)
def test_replicas_by_hand(demand: float, target: float, zones: int, replicas: int) -> None:
    np.testing.assert_array_equal(replicas_needed(np.array([demand]), 0.5, workload(target, zones)), [replicas])


def test_any_shape_goes_in_and_comes_out() -> None:
    got = replicas_needed(np.array([[0.0, 0.4], [0.8, 4.0]]), 0.5, workload())
    np.testing.assert_array_equal(got, [[0, 1], [2, 10]])
    assert got.dtype == np.int64
    assert replicas_needed(np.array([]), 0.5, workload()).shape == (0,)


def test_a_demand_beyond_any_cluster_is_taken_for_a_mistaken_unit() -> None:
    most = MOST_REPLICAS * 0.5
    np.testing.assert_array_equal(replicas_needed(np.array([most]), 0.5, workload(1.0)), [MOST_REPLICAS])
    with pytest.raises(DataError, match="at most 1000000 replicas, got 1e\\+07: check units"):
        replicas_needed(np.array([most * 10]), 0.5, workload(1.0))
