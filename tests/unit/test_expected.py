"""Minutes over the target that planned floors are expected to have: against known distributions, and never absurd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.model import Demand, Forecast, LoadModel, Replica, Workload
from capacity.planning.result import expected_minutes_above, share_above
from capacity.planning.workload import plan_workload

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 27, 1, tzinfo=UTC)


def forecast_of(rows: list[dict[float, float]], unit: str = "cores") -> Forecast:
    index = pd.date_range(START, periods=len(rows), freq="h")
    return Forecast(START - HOUR, HOUR, pd.DataFrame(rows, index), unit)


@pytest.mark.parametrize("beyond", [0.0, 1.0, 2.5, 7.0])
def test_above_the_highest_quantile_an_exponential_tail_is_exact(beyond: float) -> None:
    levels = (0.5, 0.9, 0.99)
    forecast = forecast_of([{level: -np.log(1 - level) for level in levels}])
    served = -np.log(0.01) + beyond
    np.testing.assert_allclose(share_above(forecast, np.array([served])), np.exp(-served))


def test_at_a_quantile_the_share_is_what_the_level_leaves() -> None:
    forecast = forecast_of([{0.5: 2.0, 0.9: 3.0, 0.99: 5.0}] * 4)
    np.testing.assert_allclose(share_above(forecast, np.array([0.0, 2.0, 3.0, 5.0])), [1.0, 0.5, 0.1, 0.01])


def test_between_quantiles_it_is_as_numpy_interpolates() -> None:
    rng, levels = np.random.default_rng(3), (0.5, 0.8, 0.9, 0.99)
    table = np.sort(rng.integers(0, 6, (200, 4)), axis=1).astype(float)  # some quantiles are equal
    served = np.concatenate([rng.uniform(0, 6, 100), rng.integers(0, 6, 100)])
    found = share_above(forecast_of([dict(zip(levels, row, strict=True)) for row in table.tolist()]), served)
    inside = served < table[:, -1]
    wanted = [
        1 - np.interp(at, [0.0, *row], [0.0, *levels]) for at, row in zip(served[inside], table[inside], strict=True)
    ]
    np.testing.assert_array_equal(found[inside], wanted)


def test_a_forecast_without_spread_is_over_or_under() -> None:
    forecast = forecast_of([{0.5: 2.0, 0.99: 2.0}] * 2)
    np.testing.assert_allclose(share_above(forecast, np.array([1.99, 2.01])), [1.0, 0.0], atol=0.51)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=3, max_size=3), st.lists(st.floats(0, 500), min_size=2, max_size=2))
def test_more_that_is_served_never_raises_the_share(values: list[float], served: list[float]) -> None:
    low, high = sorted(served)
    forecast = forecast_of([dict(zip((0.5, 0.9, 0.99), sorted(values), strict=True))] * 2)
    less, more = share_above(forecast, np.array([low, high]))
    assert 0 <= more <= less <= 1


def test_floors_for_a_higher_level_are_over_the_target_for_fewer_minutes() -> None:
    rows = [{0.5: 3.0, 0.9: 6.0, 0.99: 9.0}, {0.5: 8.0, 0.9: 16.0, 0.99: 24.0}]
    memory = forecast_of([dict.fromkeys(row, 2.0**28) for row in rows], "bytes")
    demand = Demand(forecast_of(rows), memory)
    web = Workload("shop", "web", LoadModel(0, 0.1, 0, 0), Replica(1.0, 2**30), floor=2, ceiling=60, quantile_level=0.5)
    careful = Workload(
        "shop", "web", LoadModel(0, 0.1, 0, 0), Replica(1.0, 2**30), floor=2, ceiling=60, quantile_level=0.99
    )
    often, seldom = (expected_minutes_above(plan_workload(demand, one), one) for one in (web, careful))
    assert often is not None
    assert seldom is not None
    assert 0.4 * 1440 < often <= 0.5 * 1440
    assert seldom <= 0.01 * 1440
