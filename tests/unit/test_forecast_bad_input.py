"""Bad input, one table for both doors: a clear error or a stated fallback, never NaN out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import Setting, forecast_batch, forecast_sales
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
