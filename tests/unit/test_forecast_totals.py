"""The forecast of a sum: right where parts err together, where they do not, and where that is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity import DataError, Forecast, forecast_sales, forecast_total
from capacity.forecast import forecast_many
from capacity.model import ForecastRequest
from capacity.stats import normal_quantiles

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 27, tzinfo=UTC)
LEVELS = (0.05, 0.5, 0.9, 0.95, 0.99)
ORIGINS, STEPS = 14, 24


def part(mean: float, spread: float, errors: Any = None, **changes: Any) -> Forecast:
    """A normal forecast of six steps, with its errors at past origins (origins, steps)."""
    times = pd.date_range(NOW + HOUR, periods=6, freq="h")
    row = mean + spread * normal_quantiles(LEVELS)
    past = None if errors is None else pd.DataFrame(errors, pd.date_range(NOW, periods=len(errors), freq="-1D"))
    table = pd.DataFrame(np.tile(row, (6, 1)), times, list(LEVELS))
    return replace(Forecast(NOW, HOUR, table, "sales", residuals=past), **changes)


def noise(seed: int, shared: float = 0.0, origins: int = ORIGINS) -> np.ndarray:
    common, own = (np.random.default_rng(one).normal(size=(origins, STEPS)) for one in (0, seed))
    return np.asarray(shared**0.5 * common + (1 - shared) ** 0.5 * own)


@given(
    st.lists(st.tuples(st.floats(10, 1e4), st.floats(0.1, 2)), min_size=1, max_size=5),
    st.booleans(),
)
@settings(max_examples=25)
def test_parts_that_err_at_once_add_up_quantile_by_quantile(sizes: list[tuple[float, float]], known: bool) -> None:
    errors = noise(1) if known else None
    parts = [part(mean, spread, errors) for mean, spread in sizes]
    total = forecast_total(parts)
    np.testing.assert_allclose(total.quantiles, sum(one.quantiles for one in parts), rtol=1e-6)


def test_the_interval_of_independent_parts_grows_with_their_root() -> None:
    parts = [part(100, 5, noise(seed, origins=400)) for seed in range(1, 17)]
    total = forecast_total(parts)
    for level, score in zip(LEVELS, normal_quantiles(LEVELS), strict=True):
        assert total.at(level).to_numpy() == pytest.approx(1600 + 4 * 5 * score, abs=0.1 * 20), "exact for normal parts"


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.8])
def test_fewer_origins_ask_for_more_caution_and_never_for_more_than_all_at_once(shared: float) -> None:
    def width(origins: int) -> float:
        total = forecast_total([part(100, 5, noise(seed, shared, origins)) for seed in range(1, 9)])
        return float((total.at(0.95) - total.at(0.5)).iloc[0])

    independent, at_once = (count * 5 * float(normal_quantiles([0.95])[0]) for count in (8**0.5, 8))
    true = at_once * (shared + (1 - shared) / 8) ** 0.5
    assert independent * 0.9 < true * 0.95 <= width(200) <= true * 1.2
    assert width(200) < width(8) <= at_once * 1.001


def test_parts_of_unknown_errors_or_of_too_few_shared_origins_are_taken_to_err_at_once() -> None:
    some = part(100, 5, noise(1)), part(100, 5, noise(2)), part(50, 5), part(50, 5, noise(3, origins=3))
    for other in some[1:]:
        together = forecast_total([other, some[3]]) if other is not some[3] else forecast_total([some[0], other])
        assert together.at(0.95).iloc[0] > together.at(0.5).iloc[0] + 9.9 * 1.64
    assert "go together by 1.00" in forecast_total([some[0], some[2]]).notes[0]


def test_rarely_sold_goods_sell_together_though_the_median_of_each_is_none() -> None:
    times = pd.date_range(NOW + HOUR, periods=1, freq="h")
    rows = pd.DataFrame([[0.0, 1.0, 2.0, 3.0]], times, [0.5, 0.9, 0.95, 0.99])
    past = [pd.DataFrame(noise(seed), pd.date_range(NOW, periods=ORIGINS, freq="-1D")) for seed in range(60)]
    total = forecast_total([Forecast(NOW, HOUR, rows, "sales", residuals=one) for one in past])
    assert total.at(0.5).iloc[0] > 10, "sixty goods, each sold in one hour of five or so"
    assert total.at(0.95).iloc[0] < 60


def test_quantiles_of_totals_cover_what_their_parts_add_up_to() -> None:
    """Shops whose sales share a part of their noise: the total is right where sums of quantiles are far too high."""
    rng = np.random.default_rng(3)
    times = pd.date_range("2026-01-05", periods=24 * 120, freq="h", tz="UTC")
    usual = 200 + 80 * np.sin(times.hour.to_numpy() / 3.8)
    common = 12 * rng.normal(size=len(times))
    shops = {name: pd.Series(usual + common + 30 * rng.normal(size=len(times)), times) for name in range(4)}
    asked = ForecastRequest(timedelta(days=3), (0.5, 0.9, 0.95))
    under = []
    for end in range(len(times) - 72, 24 * 75, -24 * 9):
        parts = forecast_many({name: (shop.iloc[end - 504 : end], asked) for name, shop in shops.items()})
        found = [one for one in parts.values() if isinstance(one, Forecast)]
        total, actual = forecast_total(found), sum(shop.iloc[end : end + 72] for shop in shops.values())
        added = sum(one.at(0.95) for one in found)
        under.append(
            [(actual <= quantile).mean() for quantile in (total.at(0.5), total.at(0.9), total.at(0.95), added)]
        )
    covered = np.mean(under, axis=0)
    np.testing.assert_allclose(covered[:3], [0.5, 0.92, 0.965], atol=0.045, err_msg="with the caution of 14 origins")
    assert covered[3] > 0.985, "the sum of quantiles buys what hardly ever comes"


def test_the_highest_step_of_a_sum_lies_above_its_steps_and_below_the_sum_of_the_highest() -> None:
    rng = np.random.default_rng(4)
    times = pd.date_range("2026-01-05", periods=504, freq="h", tz="UTC")
    shops = [pd.Series(100 + 40 * np.sin(times.hour / 4) + 10 * rng.normal(size=504), times) for _ in range(4)]
    parts = [forecast_sales(shop, horizon="1d", window=timedelta(hours=6)) for shop in shops]
    total = forecast_total(dict(enumerate(parts)))
    assert total.window == timedelta(hours=6)
    assert total.maxima is not None
    summed = sum(one.maxima for one in parts if one.maxima is not None)
    assert (total.maxima.to_numpy() >= total.quantiles.to_numpy()).all()
    assert total.maximum_at(0.95).mean() < summed[0.95].mean()
    assert forecast_total([parts[0], replace(parts[1], window=None, maxima=None)]).maxima is None


def test_a_total_of_totals_is_the_total_of_all() -> None:
    parts = [part(100, 5, noise(seed, 0.3, 60)) for seed in range(1, 9)]
    groups = [forecast_total(parts[:4]), forecast_total(parts[4:])]
    nested, whole = forecast_total(groups), forecast_total(parts)
    apart = [one.at(0.95) - one.at(0.5) for one in (nested, whole)]
    assert apart[0].iloc[0] == pytest.approx(apart[1].iloc[0], rel=0.2), "caution is asked for once more"
    assert nested.at(0.5).iloc[0] == pytest.approx(800, rel=0.01)
    assert nested.residuals is not None


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param([], "at least one forecast, got none", id="none"),
        pytest.param([1.0], "expected forecasts, got float", id="a number"),
        pytest.param([part(1, 0.1), part(1, 0.1, unit="cores")], "one unit, got sales and cores", id="two units"),
        pytest.param(
            [part(1, 0.1), part(1, 0.1, quantiles=part(1, 0.1).quantiles.iloc[:4])], "the same steps", id="lengths"
        ),
        pytest.param(
            [part(1, 0.1, quantiles=part(1, 0.1).quantiles[[0.95]])], "level 0.5 in every forecast", id="no middle"
        ),
    ],
)
def test_what_cannot_be_added_up_is_refused(parts: list[Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        forecast_total(parts)


def test_one_part_is_its_own_total() -> None:
    only = part(100, 5, noise(1))
    np.testing.assert_allclose(forecast_total([only]).quantiles, only.quantiles)
    assert forecast_total([only]).notes == ()
