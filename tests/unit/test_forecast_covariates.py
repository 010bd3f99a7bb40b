"""A user's own columns: what is refused, what is learned, and when it is used."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.forecast import forecast_sales
from capacity.forecast.covariates import learn_columns, read_columns
from capacity.forecast.wallclock import WallClock
from capacity.model import DataError
from tests.scale import examples

DAYS, AHEAD = 200, 14
DAY = timedelta(days=1)
INDEX = pd.date_range("2026-01-05", periods=DAYS + AHEAD, freq="D", tz="UTC")
WEEK = np.array([1.0, 1.1, 1.2, 1.1, 1.5, 0.8, 0.4])


def shop(seed: int = 0, elasticity: float = -2.0, uplift: float = 0.3) -> tuple[pd.Series, pd.DataFrame]:
    """Sales that answer to a price and to a campaign that runs on some days; and both columns."""
    rng = np.random.default_rng(seed)
    price = rng.choice([8.0, 9.0, 10.0, 11.0], DAYS + AHEAD)
    campaign = (rng.random(DAYS + AHEAD) < 0.2).astype(float)
    rate = 200 * WEEK[np.arange(DAYS + AHEAD) % 7] * (price / 10) ** elasticity * np.exp(uplift * campaign)
    sales = pd.Series(rng.poisson(rate).astype(float), INDEX)
    return sales, pd.DataFrame({"price": price, "campaign": campaign}, INDEX)


SALES, COLUMNS = shop()
HISTORY = SALES.iloc[:DAYS]


def forecast(columns: pd.DataFrame | None, history: pd.Series = HISTORY):
    return forecast_sales(history, horizon=AHEAD * DAY, covariates=columns)


def with_value(place: int, value: float) -> pd.DataFrame:
    columns = COLUMNS.copy()
    columns.iloc[place, 0] = value
    return columns


REFUSED = [
    pytest.param(COLUMNS.tz_localize(None), "in UTC, got none", id="naive times"),
    pytest.param(COLUMNS.tz_convert("Asia/Tokyo"), "in UTC, got Asia/Tokyo", id="local times"),
    pytest.param(COLUMNS.reset_index(drop=True), "in UTC, got none", id="an index of numbers"),
    pytest.param(COLUMNS.iloc[::-1], "ascending, unique", id="unsorted steps"),
    pytest.param(pd.concat([COLUMNS, COLUMNS.iloc[-1:]]), "ascending, unique", id="a step twice"),
    pytest.param(COLUMNS.shift(freq="1h"), "steps of 1 day", id="steps between those of the sales"),
    pytest.param(COLUMNS.iloc[:-1], "on the whole horizon", id="a horizon that is not covered"),
    pytest.param(with_value(-3, np.nan), "price must be finite on the whole horizon", id="a gap ahead"),
    pytest.param(with_value(-3, np.inf), "price must be finite on the whole horizon", id="infinity ahead"),
    pytest.param(with_value(3, np.inf), "price must not be infinite", id="infinity in the past"),
    pytest.param(COLUMNS.iloc[DAYS:], "known on the history", id="nothing known of the past"),
    pytest.param(COLUMNS.astype(object).where(COLUMNS != 1.0, "yes"), "expected numbers", id="text"),
    pytest.param(COLUMNS[[]], "named columns", id="no column"),
    pytest.param(COLUMNS[["price", "price"]], "named columns", id="a name twice"),
]


@pytest.mark.parametrize(("columns", "message"), REFUSED)
def test_columns_that_cannot_be_used_are_refused(columns, message):
    with pytest.raises(DataError, match=message):
        forecast(columns)


def learned(history: pd.Series, columns: pd.DataFrame) -> dict[str, float]:
    clock = WallClock(INDEX[0], DAY, "UTC")
    row = history.to_numpy()
    read = read_columns(columns, clock, row, INDEX[DAYS:])
    return dict(zip(read.names, learn_columns(row, read, 7).slopes, strict=True))


def test_the_elasticity_and_the_uplift_are_learned_shrunk():
    slopes = learned(HISTORY, COLUMNS)
    assert -2.0 < slopes["price"] < -1.6
    assert 0.22 < slopes["campaign"] < 0.3


def test_a_forecast_that_knows_the_columns_is_nearer_and_says_what_they_do():
    told, plain = forecast(COLUMNS), forecast(None)
    actual = SALES.iloc[DAYS:]
    errors = [(answer.at(0.5) - actual).abs().mean() for answer in (told, plain)]
    assert errors[0] < 0.6 * errors[1]
    assert any(note.startswith("price: -1.") and note.endswith("% for +1 %") for note in told.notes), told.notes
    assert any(note.startswith("campaign: +") and note.endswith("for +1") for note in told.notes), told.notes


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(pd.DataFrame({"rain": np.random.default_rng(9).gamma(1, 1, len(INDEX))}, INDEX), id="chance"),
        pytest.param(pd.DataFrame({"rain": np.ones(len(INDEX))}, INDEX), id="a constant"),
        pytest.param(pd.DataFrame({"rain": np.arange(len(INDEX)) % 7.0}, INDEX), id="the day of the week"),
        pytest.param(pd.DataFrame({"rain": np.arange(len(INDEX)) + 1.0}, INDEX), id="time itself"),
    ],
)
def test_a_column_without_effect_changes_nothing_and_says_so(columns):
    told = forecast(columns)
    np.testing.assert_array_equal(told.quantiles, forecast(None).quantiles)
    assert "rain: no effect found" in told.notes


def test_what_lies_outside_the_range_seen_counts_as_its_edge():
    cheap, cheaper = COLUMNS.copy(), COLUMNS.copy()
    cheap.iloc[DAYS:, 0], cheaper.iloc[DAYS:, 0] = 8.0, 0.5
    np.testing.assert_array_equal(forecast(cheap).quantiles, forecast(cheaper).quantiles)


def test_gaps_in_the_past_of_a_column_are_left_out():
    columns = COLUMNS.copy()
    columns.iloc[50:80] = np.nan
    slopes = learned(HISTORY, columns.drop(index=INDEX[100:104]))
    assert -2.1 < slopes["price"] < -1.5


def test_one_wild_day_does_not_bend_the_effect():
    history = HISTORY.copy()
    history.iloc[100] = 50 * history.iloc[100]
    assert learned(history, COLUMNS)["price"] == pytest.approx(learned(HISTORY, COLUMNS)["price"], abs=0.25)


def test_the_column_beyond_the_horizon_does_not_matter():
    longer = pd.concat([COLUMNS, pd.DataFrame({"price": [1.0], "campaign": [9.0]}, [INDEX[-1] + DAY])])
    np.testing.assert_array_equal(forecast(longer).quantiles, forecast(COLUMNS).quantiles)


def test_a_short_history_learns_nothing():
    told = forecast_sales(HISTORY.iloc[-20:], horizon=AHEAD * DAY, covariates=COLUMNS)
    assert {"price: no effect found", "campaign: no effect found"} <= set(told.notes)


@pytest.mark.parametrize("freq", ["h", "7D"])
def test_columns_of_other_steps(freq):
    index = pd.date_range("2026-03-02", periods=24 * 40 if freq == "h" else 240, freq=freq, tz="UTC")
    rng = np.random.default_rng(2)
    price = rng.choice([8.0, 10.0], len(index))
    sales = pd.Series(rng.poisson(400 / price * (1 + np.arange(len(index)) % 24 // 8)).astype(float), index)
    steps = 24 if freq == "h" else 8
    told = forecast_sales(
        sales.iloc[:-steps],
        horizon=steps * pd.Timedelta(index[1] - index[0]),
        covariates=pd.DataFrame({"price": price}, index),
        timezone="Europe/Berlin",
    )
    assert any(note.startswith("price: -") for note in told.notes), told.notes
    assert np.isfinite(told.quantiles.to_numpy()).all()


@examples(6)
@given(st.integers(0, 1000), st.floats(1e-3, 1e4))
def test_the_unit_of_sales_and_column_does_not_matter(seed, factor):
    sales, columns = shop(seed)
    one = learned(sales.iloc[:DAYS], columns[["price"]])
    many = learned(sales.iloc[:DAYS] * factor, columns[["price"]] * factor)
    assert one["price"] == pytest.approx(many["price"], rel=1e-6)
