"""Seasons are found where they are, and nowhere else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.model import ConfigError, DataError
from capacity.series import (
    bridge_days,
    calendar_seasons,
    covered,
    days_around,
    find_seasons,
    holiday_events,
    month_ends,
    overlapping,
    paydays,
    real_seasons,
    too_short_for,
    unproven,
)


def indexed(values: np.ndarray, freq: str) -> pd.Series:
    return pd.Series(
        np.asarray(values, dtype=float), pd.date_range("2020-01-06", periods=len(values), freq=freq, tz="UTC")
    )


def poisson(rate: np.ndarray | float, steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(rate, steps).astype(float)


def lengths(series: pd.Series) -> list[int]:
    return [season.season_length for season in find_seasons(series)]


STEPS = np.arange(24 * 70)
SEASONS = [
    pytest.param(indexed(poisson(20.0, 24 * 70), "h"), [], id="white noise has no season"),
    pytest.param(indexed(poisson(20.0, 400), "D"), [], id="white noise of days has no season"),
    pytest.param(
        indexed(np.concatenate([poisson(6, 400), poisson(17, 300, 1), poisson(60, 300, 2), poisson(30, 60, 3)]), "D"),
        [],
        id="level breaks are no season",
    ),
    pytest.param(indexed(poisson(20 + 10 * np.sin(STEPS * 2 * np.pi / 24), 24 * 70), "h"), [24], id="a day"),
    pytest.param(
        indexed(poisson(20 + 9 * np.sin(STEPS * 2 * np.pi / 24) - 9 * (STEPS // 24 % 7 > 4), 24 * 70), "h"),
        [24, 168],
        id="a day and a week",
    ),
    pytest.param(indexed(poisson(30 * (np.arange(300) % 7 != 5), 300), "D"), [7], id="a week with a closed day"),
    pytest.param(
        indexed(poisson(30 + 15 * np.sin(np.arange(2190) * 2 * np.pi / 365.25), 2190), "D"),
        [365],
        id="a year and no week",
    ),
    pytest.param(
        indexed(poisson(30 + 15 * np.sin(np.arange(1000) * 2 * np.pi / 36), 1000), "h"),
        [36],
        id="a cycle no calendar knows",
    ),
    pytest.param(
        indexed(poisson(9 + 6 * np.sin(np.arange(20160) * 2 * np.pi / 1440), 20160), "min"),
        [1440],
        id="a day of minutes",
    ),
    pytest.param(indexed(np.zeros(500), "h"), [], id="nothing but zeros"),
]


@pytest.mark.parametrize(("history", "expected"), SEASONS)
def test_seasons_are_found_where_they_are(history, expected):
    assert lengths(history) == expected


def test_a_short_history_is_said_to_be_short():
    assert too_short_for(indexed(poisson(5, 24 * 10), "h")) == ("weekly", "yearly")
    assert too_short_for(indexed(poisson(5, 700), "D")) == ("yearly",)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (2, ["2 days cannot prove a daily cycle (3 can)", "a weekly cycle (21 can)", "less than a year"]),
        (21, ["21 days are less than a year"]),
        (366, ["1.0 years cannot prove a yearly cycle (four can)"]),
        (1460, ["3.9 years cannot prove"]),
        (1461, []),
    ],
)
def test_what_a_history_cannot_prove_is_said_with_what_it_means(days: int, words: list[str]) -> None:
    said = unproven(timedelta(days=days), timedelta(hours=1))
    assert len(said) == len(words)
    assert all(part in one for part, one in zip(words, said, strict=True)), said


def test_strength_lies_between_evidence_and_one():
    found = find_seasons(indexed(poisson(20 + 10 * np.sin(STEPS * 2 * np.pi / 24), 24 * 70), "h"))
    assert all(0.3 <= season.strength <= 1 for season in found)


def test_one_step_is_refused():
    with pytest.raises(DataError, match="at least two steps"):
        find_seasons(indexed(np.ones(1), "h"))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (timedelta(minutes=1), (1440, 10080)),
        (timedelta(hours=1), (24, 168)),
        (timedelta(hours=12), (2, 14)),
        (timedelta(days=1), (7,)),
        (timedelta(days=7), (52,)),
        (timedelta(days=30), (12,)),
        (timedelta(days=365), ()),
    ],
)
def test_the_calendar_of_a_step(step, expected):
    assert calendar_seasons(step) == expected


YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def test_moving_feasts_move():
    easter = {
        event.start.date()
        for event in holiday_events(["GB-ENG"], datetime(2025, 1, 1, tzinfo=UTC), YEAR[1])
        if event.name == "Easter Monday"
    }
    assert easter == {date(2025, 4, 21), date(2026, 4, 6)}


def test_a_holiday_is_a_whole_local_day():
    noel = next(event for event in holiday_events(["US"], *YEAR, "America/New_York") if event.name == "Christmas Day")
    assert noel.start.astimezone(UTC).hour == 5
    assert noel.end - noel.start == timedelta(days=1)
    assert noel.kind == "holiday"


def test_two_countries_share_a_day_once():
    events = holiday_events(["GB-ENG", "US"], *YEAR)
    assert len({event.start for event in events}) == len(events)


def test_a_code_nobody_knows_is_refused():
    with pytest.raises(ConfigError, match="'XX'"):
        holiday_events(["XX"], *YEAR)


def test_bridges_and_neighbours():
    holidays = holiday_events(["DE"], *YEAR, "Europe/Berlin")
    bridges = [event.start.date() for event in bridge_days(holidays, "Europe/Berlin")]
    assert date(2026, 5, 15) in bridges  # the Friday after Ascension Day
    kinds = {event.start.date(): event.kind for event in days_around(holidays, "Europe/Berlin")}
    assert kinds[date(2026, 12, 24)] == "before holiday"
    assert kinds[date(2026, 12, 27)] == "after holiday"


def test_paydays_fall_on_working_days_and_months_end():
    assert all(event.start.weekday() < 5 for event in paydays(*YEAR))
    assert len(paydays(*YEAR)) == len(month_ends(*YEAR)) == 12


def test_a_step_is_covered_where_it_overlaps():
    event = month_ends(*YEAR)[0]
    steps = pd.date_range("2026-01-30 22:00", periods=4, freq="h", tz="UTC")
    np.testing.assert_array_equal(covered(event, steps, timedelta(hours=1)), [False, False, True, True])


def test_only_given_uplifts_can_contradict():
    events = holiday_events(["US"], *YEAR)
    assert overlapping([*events, *events]) == []


@pytest.mark.parametrize(("series", "expected"), SEASONS)
def test_a_forecast_uses_the_seasons_of_the_calendar_that_are_found(series: pd.Series, expected: list[int]) -> None:
    """And those that the history is too short to judge, and the days of a week that is found."""
    step, steps = (series.index[1] - series.index[0]).to_pytimedelta(), len(series)
    kept = [length for length in calendar_seasons(step) if length in expected or 3 * length > steps]
    assert real_seasons(series, step) == tuple(
        length for length in calendar_seasons(step) if kept and length <= max(kept)
    )


def test_a_week_of_days_that_are_not_alike_comes_with_its_days() -> None:
    week = np.random.default_rng(7).permutation(168).astype(float)
    series = indexed(np.tile(week, 6), "h")
    assert lengths(series) == [168]
    assert real_seasons(series, timedelta(hours=1)) == (24, 168)


def test_autocorrelations_tell_of_a_week_under_noise_without_a_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = np.arange(24 * 60)
    rate = 5 * (1 + 0.8 * np.sin(hours * 2 * np.pi / 24)) * (1 + 0.4 * np.sin(hours * 2 * np.pi / 168))
    series = indexed(poisson(rate, len(hours), 4), "h")
    assert lengths(series) == [24, 168]

    def fail(_: pd.Series) -> None:
        raise AssertionError("asked for a decomposition")

    monkeypatch.setattr("capacity.series.seasons.find_seasons", fail)
    assert real_seasons(series, timedelta(hours=1)) == (24, 168)
