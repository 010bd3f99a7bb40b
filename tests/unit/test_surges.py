"""Surges: a known event's past decides the minutes ahead, by kind and hour; without a past nothing changes."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.domain import DataError, Event, Forecast
from capacity.surges import with_surges

STEP, DAY = timedelta(minutes=5), timedelta(days=1)
DAYS, PER_DAY = 14, 288


def history(gain: float = 9.0, hour: int = 19) -> pd.Series:
    """Flat at 10, times `gain` within half an hour of each day's event, for two hours."""
    index = pd.date_range("2026-03-01", periods=DAYS * PER_DAY, freq=STEP, tz="UTC")
    since = (np.arange(len(index)) % PER_DAY - 12 * hour) / 6
    return pd.Series(10.0 * (1 + (gain - 1) * since.clip(0, 1) * (since < 4)), index)


def matches(hour: int = 19, kind: str = "match") -> list[Event]:
    first = pd.Timestamp("2026-03-01", tz="UTC").to_pydatetime() + timedelta(hours=hour)
    return [Event("match", first + day * DAY, first + day * DAY + timedelta(hours=2), kind) for day in range(DAYS)]


def plain(known: pd.Series, steps: int = 12, level: float = 20.0) -> Forecast:
    ahead = pd.date_range(known.index[-1] + STEP, periods=steps, freq=STEP)
    table = pd.DataFrame({0.5: level, 0.95: 2 * level}, index=ahead)
    return Forecast(known.index[-1].to_pydatetime(), STEP, table, "sales per 5 min")


def known_until(series: pd.Series, day: int, hour: float) -> pd.Series:
    return series.iloc[: day * PER_DAY + round(hour * 12)]


def test_what_followed_before_follows_again() -> None:
    series = history()
    known = known_until(series, 12, 19.25)
    surged = with_surges(plain(known), known, matches())
    expected = series.iloc[len(known) : len(known) + 12]
    np.testing.assert_allclose(surged.at(0.5), expected, rtol=1e-9)


def test_a_crowd_twice_as_large_is_known_by_its_beginning() -> None:
    series = history()
    larger = series.copy()
    larger.iloc[12 * PER_DAY :] *= 2
    known = known_until(larger, 12, 19.25)
    np.testing.assert_allclose(with_surges(plain(known), known, matches()).at(0.5), 2 * series.iloc[len(known) :][:12])


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="no events"),
        pytest.param(matches(hour=7), id="events at another time of day"),
        pytest.param(matches()[12:13], id="the first of its kind"),
        pytest.param([*matches()[:12], *matches(kind="sale")[12:13]], id="a kind never seen"),
    ],
)
def test_where_nothing_is_known_nothing_changes(events: list[Event]) -> None:
    known = known_until(history(), 12, 19.25)
    pd.testing.assert_frame_equal(with_surges(plain(known), known, events).quantiles, plain(known).quantiles)


def test_with_few_past_events_it_is_never_below_the_forecast() -> None:
    known = known_until(history(), 3, 18.5)
    surged = with_surges(plain(known, level=500.0), known, matches())
    assert (surged.quantiles.to_numpy() >= plain(known, level=500.0).quantiles.to_numpy()).all()


def test_the_future_changes_nothing() -> None:
    series = history()
    known = known_until(series, 12, 18.75)
    torn = series.copy()
    torn.iloc[len(known) :] = 1e6
    one, other = (with_surges(plain(known), row.iloc[: len(known)], matches()).quantiles for row in (series, torn))
    pd.testing.assert_frame_equal(one, other)


def test_a_closed_shop_has_no_ratio_but_stays_finite() -> None:
    series = history()
    series.iloc[:] = 0.0
    known = known_until(series, 12, 19.0)
    assert np.isfinite(with_surges(plain(known), known, matches()).quantiles.to_numpy()).all()


def test_sales_must_end_at_the_origin() -> None:
    known = known_until(history(), 12, 19.0)
    with pytest.raises(DataError, match="expected sales up to"):
        with_surges(plain(known), known.iloc[:-1], matches())
