"""Bad input, one table for both doors: a clear error or a stated fallback, never NaN out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import Setting, forecast_batch, forecast_sales, forecast_total
from capacity.forecast.blend import naive_share
from capacity.model import DataError, Event

HOURS = 24 * 28
INDEX = pd.date_range("2026-01-05", periods=HOURS, freq="h", tz="UTC")
USUAL = np.random.default_rng(0).poisson(10 + 5 * np.sin(np.arange(HOURS) * np.pi / 12)).astype(float)


def at(place: int, value: float) -> np.ndarray:
    values = USUAL.copy()
    values[place] = value
    return values


def missing(share: float) -> np.ndarray:
    values = USUAL.copy()
    values[np.random.default_rng(1).random(HOURS) < share] = np.nan
    return values


VALUES = [
    pytest.param(np.zeros(HOURS), "no variation", id="all zero"),
    pytest.param(np.full(HOURS, 7.0), "no variation", id="constant"),
    pytest.param(USUAL[: 24 * 7], "", id="one season only"),
    pytest.param(missing(0.9), "", id="90 % missing"),
    pytest.param(at(9, -1.0), DataError, id="a negative value"),
    pytest.param(at(300, 1e12), "masked as outliers", id="an outlier of 1e12"),
    pytest.param(at(-1, 1e12), "masked as outliers", id="an outlier of 1e12 as the last value"),
    pytest.param(at(9, np.inf), DataError, id="infinity"),
    pytest.param(USUAL[:30], "", id="a horizon longer than the history"),
    pytest.param(USUAL[:3], DataError, id="three values"),
    pytest.param(np.full(HOURS, np.nan), DataError, id="nothing but gaps"),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("values", "outcome"), VALUES)
def test_values_through_both_doors(values, outcome):
    def batch():
        forecast = forecast_batch(np.stack([values, values]), Setting(timedelta(hours=1), 48, window=3))
        return (forecast.quantiles, forecast.maxima, forecast.point), forecast.notes[0]

    def sales():
        series = pd.Series(values, INDEX[: len(values)])
        forecast = forecast_sales(series, horizon="2D", window=timedelta(hours=2))
        return (forecast.quantiles.to_numpy(), forecast.maxima.to_numpy()), forecast.notes

    for door in (batch, sales):
        if outcome is DataError:
            with pytest.raises(DataError):
                door()
            continue
        tables, notes = door()
        for table in tables:
            assert np.isfinite(table).all()
            assert (table >= 0).all()
            assert table.max() <= 10 * np.nanmax(np.where(values < 1e9, values, np.nan)) + 1e-9
        assert any(outcome in note for note in notes) or not outcome


SERIES = pd.Series(USUAL, INDEX)
STEP = timedelta(hours=1)
SPIKE = np.where(np.arange(HOURS) == 400, 50.0, 0.0)
LARGE = np.random.default_rng(2).integers(0, 10**15, HOURS)
QUIET = np.concatenate([np.full(HOURS, 5.0), np.random.default_rng(3).gamma(2.0, 5.0, 100)])

ODD = [
    pd.Series(USUAL[:1], INDEX[:1]),
    pd.Series(SPIKE, INDEX),
    pd.Series(np.where(np.arange(HOURS) % 2, 7.0, 0.0), INDEX),
    pd.Series(LARGE, INDEX),
    pd.Series(LARGE * 1e80, INDEX),
    pd.Series(QUIET, pd.date_range(INDEX[0], periods=len(QUIET), freq="h")),
    pd.Series(np.tile(USUAL, 3), pd.date_range(INDEX[0], periods=3 * HOURS, freq="7min")),
    pd.Series(np.where(np.arange(HOURS) > 600, np.nan, USUAL), INDEX),
]


@pytest.mark.parametrize("sales", ODD, ids=("one value", "a spike", "alternating", "1e15", "1e95", "a quiet month",
                                            "7 minutes", "a gap at the end"))  # fmt: skip
def test_odd_histories_give_a_sound_answer_or_the_reason_why_not(sales):
    def ask():
        step = sales.index[1] - sales.index[0] if len(sales) > 1 else STEP
        return forecast_sales(sales, horizon=24, quantile_levels=(0.001, 0.5, 0.999), window=30 * step)

    if len(sales) == 1:
        with pytest.raises(DataError, match="at least 4 steps"):
            ask()
        return
    forecast = ask()
    for table in (forecast.quantiles, forecast.maxima):
        assert np.isfinite(table.to_numpy()).all()
        assert (table.to_numpy() >= 0).all()
        assert (np.diff(table.to_numpy(), axis=1) >= 0).all()
    assert (forecast.maxima.to_numpy() >= forecast.quantiles.to_numpy()).all()


def daily(values: np.ndarray) -> pd.Series:
    return pd.Series(values, pd.date_range("2025-01-06", periods=len(values), freq="D", tz="UTC"))


RARE = [
    pytest.param(daily(np.r_[np.zeros(200), USUAL[:20]]), USUAL[:20], id="nothing for months, then sales"),
    pytest.param(daily(np.where(np.arange(365) % 7 == 3, USUAL[:365], np.nan)), USUAL, id="one value a week"),
    pytest.param(daily(np.zeros(365)), np.zeros(1), id="a year of zeros"),
    pytest.param(daily(np.r_[USUAL[:60], 100 * USUAL[:60]]), 100 * USUAL, id="a hundred times as much"),
    pytest.param(daily(np.r_[100 * USUAL[:60], USUAL[:60]]), USUAL, id="a hundredth of it"),
    pytest.param(daily(USUAL[:100] * 1e-9), USUAL * 1e-9, id="very small values"),
    pytest.param(daily(np.where(np.arange(100) == 99, 1e9, USUAL[:100])), USUAL, id="a huge last value"),
    pytest.param(daily(np.r_[USUAL[:60], np.zeros(60)]), np.zeros(1), id="nothing for two months"),
]


@pytest.mark.parametrize(("sales", "like"), RARE)
def test_rare_histories_are_forecast_at_their_last_level_alone_and_in_a_total(sales, like):
    forecast = forecast_sales(sales, horizon=7, quantile_levels=(0.05, 0.5, 0.95))
    total = forecast_total([forecast, forecast])
    for part in (forecast, total):
        values = part.quantiles.to_numpy()
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        assert (np.diff(values, axis=1) >= 0).all()
    middle = forecast.at(0.5).mean()
    assert 0.3 * like.mean() <= middle <= 2 * like.mean() + 1e-200


@pytest.mark.parametrize(("freq", "steps"), [("YS", 6), ("YS", 40), ("2YS", 40), ("6MS", 12), ("QS", 40)])
def test_long_steps_are_forecast_however_few_or_many_there_are(freq, steps):
    sales = pd.Series(USUAL[:steps], pd.date_range("1950-01-01", periods=steps, freq=freq, tz="UTC"))
    quantiles = forecast_sales(sales, horizon=6, quantile_levels=(0.05, 0.5, 0.95)).quantiles.to_numpy()
    assert quantiles.shape == (6, 3)
    assert (quantiles >= 0).all()
    assert quantiles.max() < 100


@pytest.mark.parametrize(
    ("sales", "message"),
    [
        (SERIES * 1e120, "values up to 1e"),
        (SERIES * 1j, "real numbers"),
        (SERIES.astype(str) + "x", "expected numbers"),
        (SERIES.to_list(), "Series or a DataFrame"),
    ],
)
def test_values_that_are_no_sales_are_refused(sales, message):
    with pytest.raises(DataError, match=message):
        forecast_sales(sales)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"horizon": None}, "horizon: expected a duration"),
        ({"horizon": pd.NaT}, "horizon: expected a duration"),
        ({"horizon": 0}, "horizon: expected a positive"),
        ({"horizon": 10**7}, "ends by 2200"),
        ({"horizon": 10**15}, "that a calendar holds"),
        ({"quantile_levels": ("high",)}, "quantile levels: expected numbers"),
        ({"quantile_levels": None}, "quantile levels: expected numbers"),
        ({"quantile_levels": (0.5, float("nan"))}, "quantile levels must lie in"),
        ({"events": ("sale",)}, "events: expected Event"),
        ({"window": 3}, "window: expected a duration"),
    ],
)
def test_what_cannot_be_forecast_is_refused_with_the_reason(asked, message):
    with pytest.raises(DataError, match=message):
        forecast_sales(SERIES, **asked)


def test_a_batch_of_unequal_lengths_is_refused_and_says_how_to_align_them():
    with pytest.raises(DataError, match="fill shorter ones with NaN"):
        forecast_batch([USUAL, USUAL[:300]], Setting(STEP, 24))
    with pytest.raises(DataError, match="values up to 1e"):
        forecast_batch(USUAL[None] * 1e120, Setting(STEP, 24))


def test_errors_without_measure_leave_the_shares_of_members_within_bounds():
    assert naive_share(np.array([0.0, 1e308, np.inf])).tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("series", "message"),
    [
        pytest.param(SERIES.iloc[::-1], "ascending steps, got them unsorted", id="unsorted timestamps"),
        pytest.param(pd.concat([SERIES, SERIES.iloc[:1]]).sort_index(), "unique steps", id="duplicated timestamps"),
    ],
)
def test_timestamps_are_refused_in_one_line(series, message):
    with pytest.raises(DataError, match=message) as caught:
        forecast_sales(series)
    assert "\n" not in str(caught.value)


def sale(day: int, uplift: float | None, kind: str = "sale") -> Event:
    start = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=day)
    return Event(f"sale of {uplift}", start, start + timedelta(days=1), kind, uplift)


def test_events_that_contradict_each_other_are_refused():
    with pytest.raises(DataError, match="one uplift at a time"):
        forecast_sales(SERIES, events=[sale(29, 2.0), sale(29, 3.0)])


def test_events_of_two_kinds_on_one_day_both_count():
    both = forecast_sales(SERIES, horizon="2D", events=[sale(29, 2.0), sale(29, 3.0, "fair")]).at(0.5)
    plain = forecast_sales(SERIES, horizon="2D").at(0.5)
    np.testing.assert_allclose(both.iloc[24:], 6.0 * plain.iloc[24:])
