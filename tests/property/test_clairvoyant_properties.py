"""The clairvoyant optimum is exact: on small cases no other course of replicas is cheaper, and it covers the need."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capacity.model.arrays import Counts
from capacity.simulation import clairvoyant, cost
from tests.scale import examples

needs = st.lists(st.integers(0, 5), min_size=1, max_size=9).map(np.array)


def cheapest(needed: Counts, start_cost: float) -> float:
    """Dynamic programming over every count at every tick: slow, and knows nothing of levels or closings."""
    highest = int(needed.max())
    best = {0: 0.0}
    for need in needed:
        best = {
            count: count + min(before + start_cost * max(count - last, 0) for last, before in best.items())
            for count in range(int(need), highest + 1)
        }
    return min(best.values())


@given(needs, st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5, 4.0, 20.0]))
@examples(200)
def test_no_course_is_cheaper(needed: Counts, start_cost: float) -> None:
    found = clairvoyant(needed, start_cost)
    assert (found >= needed).all()
    assert abs(cost(found, start_cost) - cheapest(needed, start_cost)) < 1e-9


@given(needs, st.integers(0, 8))
@examples(100)
def test_level_by_level_a_gap_is_kept_where_keeping_is_cheaper(needed: Counts, start_cost: int) -> None:
    found = clairvoyant(needed, start_cost)
    for level in range(1, int(needed.max()) + 1):
        on = needed >= level
        kept = on.copy()
        places = np.flatnonzero(on)
        for left, right in pairwise(places):
            if right - left - 1 <= start_cost:
                kept[left:right] = True
        np.testing.assert_array_equal(found >= level, kept)
