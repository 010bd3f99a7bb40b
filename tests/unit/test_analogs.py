"""Analogs: the minutes around an event as past ones foretell them, from a forecast and between two forecasts."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import Occurrence, Setting, forecast_sales
from capacity.forecast.analogs import find_analogs
from capacity.model import Event

STEP, DAY, KICKOFF = timedelta(minutes=5), 288, 19 * 12
LEVELS = (0.5, 0.9)


def surge(days: int = 12, height: float = 4.0) -> pd.Series:
    """A calm day with a match at 19:00 that lifts sales `height` times within half an hour, for two hours."""
    at = np.arange(days * DAY) % DAY - KICKOFF
    lifted = np.interp(at, [-3, 3, 24, 30], [1.0, height, height, 1.0])
    shape = 40 + 10 * np.sin(2 * np.pi * np.arange(days * DAY) / DAY)
    index = pd.date_range("2026-03-02", periods=days * DAY, freq=STEP, tz="UTC")
    return pd.Series(shape * lifted, index)


def matches(series: pd.Series, kind: str = "match") -> tuple[Event, ...]:
    starts = series.index[KICKOFF::DAY]
    return tuple(Event("", at.to_pydatetime(), (at + 24 * STEP).to_pydatetime(), kind) for at in starts)


def slots_of(series: pd.Series, uplift: float | None = None) -> list[Occurrence]:
    return [Occurrence("", "match", at + np.arange(24), uplift) for at in range(KICKOFF, len(series), DAY)]


@pytest.mark.parametrize("distance", [-9, -2, 0, 3, 20, 26])
def test_a_match_like_those_before_is_foretold_to_the_minute(distance: int) -> None:
    series, now = surge(), 11 * DAY + KICKOFF + distance
    found = find_analogs(series.to_numpy()[:now], slots_of(series), Setting(STEP, 12, LEVELS, window=6))
    assert found is not None
    came = series.to_numpy()[now : now + 18]
    np.testing.assert_allclose(found.quantiles, np.repeat(came[:12, None], 2, axis=1), rtol=1e-9)
    np.testing.assert_allclose(found.maxima[:, 0], [came[at : at + 6].max() for at in range(12)], rtol=1e-9)


def test_a_bigger_crowd_is_seen_in_the_level_it_has_reached() -> None:
    series, now = surge(), 11 * DAY + KICKOFF + 6
    doubled = np.concatenate([series.to_numpy()[: now - 3], 2 * series.to_numpy()[now - 3 :]])
    found = find_analogs(doubled[:now], slots_of(series), Setting(STEP, 12, LEVELS))
    assert found is not None
    np.testing.assert_allclose(found.quantiles[:, 0], doubled[now : now + 12], rtol=1e-9)


@pytest.mark.parametrize(
    ("row", "events", "step"),
    [
        pytest.param(lambda row: row[: 2 * DAY], slots_of, STEP, id="far from any event"),
        pytest.param(lambda row: row[:KICKOFF], slots_of, STEP, id="the first of its kind"),
        pytest.param(lambda row: row[: DAY + KICKOFF], lambda row: slots_of(row, 3.0), STEP, id="its effect is given"),
        pytest.param(lambda row: row[: DAY + KICKOFF], slots_of, timedelta(hours=1), id="steps of an hour"),
        pytest.param(lambda row: row[: DAY + KICKOFF] * 0, slots_of, STEP, id="nothing is sold"),
        pytest.param(lambda row: np.append(row[: DAY + KICKOFF], np.nan), slots_of, STEP, id="a gap now"),
    ],
)
def test_nothing_is_foretold(row, events, step) -> None:  # type: ignore[no-untyped-def]
    series = surge()
    assert find_analogs(row(series.to_numpy()), events(series), Setting(step, 12, LEVELS)) is None


def test_few_past_events_count_as_few() -> None:
    """Of three past matches the quantile at .9 is the highest of them, that of fifty lies below."""
    random, series = np.random.default_rng(4), surge(days=60)
    noisy = series.to_numpy() * random.lognormal(0, 0.3, len(series))
    now = 59 * DAY + KICKOFF
    events = slots_of(series)[:60]
    few = find_analogs(noisy[:now], events[-4:], Setting(STEP, 6, LEVELS))
    many = find_analogs(noisy[:now], events, Setting(STEP, 6, LEVELS))
    assert few is not None
    assert many is not None
    paths = np.array([noisy[now - day * DAY :][:6] / noisy[now - day * DAY - 1] for day in range(1, 60)])
    np.testing.assert_allclose(few.quantiles[:, 1], noisy[now - 1] * paths[:3].max(axis=0))
    assert (many.quantiles[:, 1] < noisy[now - 1] * paths.max(axis=0)).all()
    assert many.seen == 59


def test_a_forecast_near_a_match_takes_its_minutes_from_past_ones() -> None:
    series = surge()
    known = series.iloc[: 11 * DAY + KICKOFF + 1]
    near = forecast_sales(known, horizon="3h", quantile_levels=LEVELS, events=matches(series), window=6 * STEP)
    np.testing.assert_allclose(near.at(0.5).iloc[:12], series.iloc[len(known) :][:12], rtol=1e-6)
    assert near.maximum_at(0.5).iloc[0] == pytest.approx(series.iloc[len(known) :][:6].max())
    assert any("past events at this distance" in note for note in near.notes)


def test_growth_from_one_event_to_the_next_is_not_taken_for_the_effect_of_an_event() -> None:
    """A crowd that doubles every three days: an event's effect is what it adds to the hours around it."""
    series = surge(days=21, height=2.0) * 2.0 ** (np.arange(21 * DAY) / DAY / 3)
    known = series.iloc[: 20 * DAY + KICKOFF - 36]
    ahead = forecast_sales(known, horizon="6h", quantile_levels=LEVELS, events=matches(series))
    came = series.iloc[len(known) :][: len(ahead.quantiles)]
    assert (ahead.at(0.5) / came.to_numpy()).max() < 1.6
