"""Short events move sales around them too, and at the distance from their start rather than at a time of the day."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import Occurrence, forecast_sales
from capacity.forecast.gaps import Reach, with_reach
from capacity.model import Event

HOUR = timedelta(hours=1)
SHAPE = 100 + 50 * np.sin(np.arange(24) / 24 * 2 * np.pi)


def season(before: int, after: int, *, every: int = 3, growth: float = 0.0) -> tuple[pd.Series, list[Event]]:
    """Eight weeks of hours; in the last four, matches of two hours at changing times triple what lies around them."""
    index = pd.date_range("2026-05-04", periods=24 * 56, freq="h", tz="UTC")
    values = np.tile(SHAPE, 56) * np.exp(growth * np.arange(len(index)) / 24)
    values *= np.random.default_rng(1).normal(1.0, 0.02, len(values))
    starts = [24 * day + 13 + 2 * (day % 3) for day in range(28, 56, every)]
    for start in starts:
        values[start - before : start + 2 + after] *= 3
    matches = [Event("match", at, at + 2 * HOUR, "match") for at in (index[start].to_pydatetime() for start in starts)]
    return pd.Series(values, index), matches


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        pytest.param(0, 0, {}, id="an event that keeps its times"),
        pytest.param(1, 2, {"match": Reach(1, 2)}, id="people come early and stay on"),
        pytest.param(0, 1, {"match": Reach(0, 1)}, id="they stay on only"),
        pytest.param(0, 9, {"match": Reach(0, 4)}, id="what lasts for longer is no part of the event"),
    ],
)
def test_the_reach_of_a_kind_is_found_in_the_hours_around_its_events(before, after, found):
    sales, matches = season(before, after)
    slots = [int((pd.Timestamp(event.start) - sales.index[0]) / HOUR) for event in matches]
    events = [Occurrence("", "match", np.arange(slot, slot + 2), None) for slot in slots]
    assert with_reach(sales.to_numpy(), events, HOUR)[1] == found


def test_between_two_events_every_hour_belongs_to_one():
    row = np.tile(SHAPE, 56)
    pairs = [24 * day + hour for day in range(28, 56, 3) for hour in (12, 16)]
    for start in pairs:
        row[start - 1 : start + 3] *= 3
    events = [Occurrence("", "match", np.arange(start, start + 2), None) for start in pairs]
    longer, _ = with_reach(row, events, HOUR)
    slots = np.concatenate([event.slots for event in longer])
    assert len(slots) == len(set(slots.tolist()))
    assert {tuple(event.slots - event.begins) for event in longer} == {(-1, 0, 1, 2)}


def test_a_coming_event_with_a_given_uplift_keeps_its_times():
    sales, matches = season(1, 2)
    start = sales.index[-1].to_pydatetime() + 14 * HOUR
    given = Event("final", start, start + 2 * HOUR, "match", uplift=5.0)
    plain = forecast_sales(sales, horizon="1D", events=matches).at(0.5)
    raised = forecast_sales(sales, horizon="1D", events=[*matches, given]).at(0.5)
    hours = np.arange(24)
    np.testing.assert_allclose((raised / plain).to_numpy(), np.where((hours >= 13) & (hours < 15), 5.0, 1.0))


@pytest.mark.parametrize("hour", [14, 16])
def test_a_day_with_a_match_has_its_bump_where_it_starts_and_a_day_without_has_none(hour):
    sales, matches = season(1, 2, growth=0.01)
    day = sales.index[-1].to_pydatetime() + HOUR
    coming = Event("match", day + hour * HOUR, day + (hour + 2) * HOUR, "match")
    found = forecast_sales(sales, horizon="2D", events=[*matches, coming])
    median = found.at(0.5).to_numpy() / np.tile(SHAPE, 2) / np.exp(0.01 * 56)
    bump = np.arange(hour - 1, hour + 4)
    assert median[bump].mean() == pytest.approx(3.0, rel=0.25)
    np.testing.assert_allclose(np.delete(median, bump), 1.0, atol=0.2)
    assert "match: moves sales from 60 min before its start to 120 min after its end" in found.notes
