"""Outages are gaps: found where sales lie far below all that the rest allows; what repeats or lasts is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import Setting, forecast_batch, forecast_sales
from capacity.model import DataError, Event
from capacity.series.outages import find_falls, find_outages, without_outages

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = pd.Timestamp("2026-01-05", tz="UTC")  # a Monday


def shop(days: int, rate: float = 10.0, seed: int = 0) -> np.ndarray:
    """Orders an hour of a shop with two peaks a day, a strong Friday and a weak Sunday: (hours,)."""
    hour, weekday = np.arange(days * 24) % 24, np.arange(days * 24) // 24 % 7
    shape = 3 * np.exp(-(((hour - 12) / 3) ** 2)) + 2 * np.exp(-(((hour - 19) / 2) ** 2)) + 0.15
    return (
        np.random.default_rng(seed).poisson(rate * shape * np.array([1, 1, 1, 1, 1.4, 1, 0.6])[weekday]).astype(float)
    )


def series(values: np.ndarray, step: timedelta = HOUR) -> pd.Series:
    return pd.Series(values, pd.date_range(START, periods=len(values), freq=step))


def event(first: int, days: int, kind: str) -> Event:
    start = (START + first * DAY).to_pydatetime()
    return Event(kind, start, start + days * DAY, kind)


@pytest.mark.parametrize("rate", [3.0, 10.0, 100.0])
@pytest.mark.parametrize(
    ("days", "down", "hours"), [(21, 15, 24), (28, 20, 48), (42, 30, 10), (77, 71, 24), (77, 40, 120)]
)
def test_an_outage_is_found_with_its_beginning_and_its_end(days, down, hours, rate):
    values = shop(days, rate)
    begin = down * 24 + 9
    values[begin : begin + hours] = 0.0
    ((start, stop),) = find_outages(values, HOUR)
    assert begin - 2 <= start <= begin + 2
    assert begin + hours - 11 <= stop <= begin + hours + 2  # nights sell too little to tell


@pytest.mark.parametrize("minutes", [5, 15, 30])
def test_an_outage_of_hours_is_found_in_short_steps(minutes):
    per_hour = 60 // minutes
    values = np.random.default_rng(1).poisson(np.repeat(shop(28, 100.0), per_hour) / per_hour).astype(float)
    begin = (20 * 24 + 11) * per_hour
    values[begin : begin + 3 * per_hour] = 0.0
    ((start, stop),) = find_outages(values, timedelta(minutes=minutes))
    assert begin - 1 <= start <= begin
    assert begin + 3 * per_hour <= stop <= begin + 3 * per_hour + 1


@pytest.mark.parametrize("rate", [10.0, 100.0])
@pytest.mark.parametrize("left", [0.0, 0.1])
@pytest.mark.parametrize(("end", "hours"), [(18, 3), (18, 12), (24, 24), (24, 48), (15, 50)])
def test_a_fall_that_has_not_ended_is_an_outage_for_two_days(end, hours, left, rate):
    values = shop(28, rate)[: 27 * 24 + end]
    values[-hours:] = np.round(left * values[-hours:])
    start, stop = find_outages(values, HOUR)[-1]
    assert len(values) - hours - 12 <= start <= len(values) - hours + 11  # nights sell too little to tell
    assert stop >= len(values) - 11


@pytest.mark.parametrize("low", range(1, 7))
def test_a_fall_over_hours_is_none_before_it_has_ended(low):
    falling = [0.8, 0.6, 0.45, 0.35, 0.3, 0.25, *[0.1] * low]
    values, noon = shop(30, 100.0, seed=6), 27 * 24 + 12
    until = noon + len(falling) - 6
    values[noon - 6 : until] *= falling
    assert find_falls(values[:until], HOUR).outages == ()
    values[until : until + 6] *= 0.05
    assert find_falls(values[: until + 48], HOUR).outages != ()  # afterwards it is told, and is a gap


@pytest.mark.parametrize("hours", [60, 72, 120])
def test_a_fall_that_has_lasted_longer_is_none(hours):
    values = shop(28, 100.0)
    values[-hours:] = 0.0
    assert find_outages(values, HOUR) == []


def test_an_outage_of_hours_that_has_not_ended_is_found_in_steps_of_minutes():
    values = np.random.default_rng(2).poisson(np.repeat(shop(28, 100.0), 12) / 12).astype(float)[: -5 * 12]
    values[-3 * 12 :] = np.random.default_rng(3).poisson(0.1 * values[-3 * 12 :])
    ((start, stop),) = find_outages(values, timedelta(minutes=5))
    assert len(values) - 37 <= start <= len(values) - 35
    assert stop == len(values)


@pytest.mark.parametrize(("last", "earlier"), [(1, 6), (6, 1)])
def test_two_outages_of_unequal_size_do_not_hide_each_other(last, earlier):
    level = np.array([10.0, 20.0, 10.0, 10.0, 40.0, 10.0, 4.0])
    days = np.random.default_rng(4).poisson(10 * np.tile(level, 5)).astype(float)
    days[[-last, -14 - earlier]] = 0.0  # a strong Friday and a weak Sunday
    assert find_outages(days, DAY) == [(at, at + 1) for at in sorted((35 - last, 21 - earlier))]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weeks", [3, 8])
def test_a_closed_day_is_found_under_noise_that_multiplies(weeks, seed):
    rng = np.random.default_rng(seed)
    days = np.tile([10.0, 11, 11, 11, 12, 7, 5], weeks) * rng.lognormal(0.0, 0.25, 7 * weeks)
    days[-8] = 0.0
    ((start, stop),) = find_outages(days, DAY)
    assert start in (7 * weeks - 9, 7 * weeks - 8)  # a day at less than half before it belongs to it
    assert stop == 7 * weeks - 7


def test_a_fall_that_came_and_goes_gradually_is_found_with_its_edges():
    values, down = shop(28, 100.0, seed=5), 20 * 24
    values[down - 4 : down] *= [0.8, 0.6, 0.45, 0.3]
    values[down : down + 20] *= 0.02
    values[down + 20 : down + 26] *= [0.15, 0.25, 0.3, 0.4, 0.6, 0.8]
    ((start, stop),) = find_outages(values, HOUR)
    assert (down - 3 <= start <= down + 8, down + 18 <= stop <= down + 26) == (True, True)


def closed_mondays(values: np.ndarray) -> np.ndarray:
    values.reshape(-1, 7, 24)[:, 0] = 0.0
    return values


def new_closing_day(values: np.ndarray) -> np.ndarray:
    values.reshape(-1, 7, 24)[-2:, 2] = 0.0
    return values


def first_of_each_fourth_week(values: np.ndarray) -> np.ndarray:
    values.reshape(-1, 7, 24)[::4, 0] = 0.0
    return values


def month_ends(values: np.ndarray) -> np.ndarray:
    days = values.reshape(-1, 24)
    for day in (26, 54, 72):  # other weekdays
        days[day] = 0.0
    return values


def lasting_fall(values: np.ndarray) -> np.ndarray:
    values[-5 * 24 :] *= 0.05
    return values


def long_fall(values: np.ndarray) -> np.ndarray:
    values[30 * 24 : 47 * 24] *= 0.05
    return values


def rise_from_nothing(values: np.ndarray) -> np.ndarray:
    values[: 6 * 24] *= 0.05
    return values


@pytest.mark.parametrize("rate", [10.0, 100.0])
@pytest.mark.parametrize(
    "change",
    [
        closed_mondays,
        new_closing_day,
        first_of_each_fourth_week,
        month_ends,
        lasting_fall,
        long_fall,
        rise_from_nothing,
    ],
)
def test_what_repeats_or_lasts_is_no_outage(change, rate):
    assert find_outages(change(shop(84, rate)), HOUR) == []


@pytest.mark.parametrize("seed", range(8))
def test_noise_makes_no_outage(seed):
    rng = np.random.default_rng(seed)
    assert find_outages(rng.poisson(0.3, 24 * 60).astype(float), HOUR) == []
    assert find_outages(rng.gamma(0.5, 10.0, 24 * 60), HOUR) == []
    assert find_outages(np.exp(np.cumsum(rng.normal(0, 0.3, 400))), DAY) == []


@pytest.mark.parametrize(
    ("values", "step"),
    [(np.ones(24 * 14), HOUR), (shop(28)[-4 * 24 :], HOUR), (np.zeros(500), HOUR), (np.ones(50), 7 * DAY)],
)
def test_nothing_is_found_where_nothing_can_be(values, step):
    assert find_outages(values, step) == []


def test_gaps_within_an_outage_do_not_end_it():
    values = shop(42, 50.0)
    values[30 * 24 + 8 : 31 * 24 + 20] = 0.0
    values[30 * 24 + 12 : 31 * 24 + 12] = np.nan
    assert len(find_outages(values, HOUR)) == 1


def total(values: np.ndarray, day: int, **known: object) -> float:
    """The median forecast of one of the coming days."""
    forecast = forecast_sales(series(values), horizon="7D", **known).at(0.5)
    return float(forecast.iloc[24 * day : 24 * (day + 1)].sum())


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("weeks", [4, 11])
def test_the_same_days_of_the_next_week_are_forecast_as_if_nothing_had_been(length, weeks):
    values = shop(7 * weeks)
    usual = [total(values, day) for day in (1, 2)]
    values[-6 * 24 : (-6 + length) * 24] = 0.0
    found = [total(values, day) for day in (1, 2)]
    np.testing.assert_allclose(found, usual, rtol=0.1)
    notes = forecast_sales(series(values), horizon="7D").notes
    day = (START + (7 * weeks - 6) * DAY).date()
    assert any(note.startswith(f"{day} ") and "looks like an outage" in note for note in notes)


CLOSED = [
    pytest.param(HOUR, 24, 3, id="the last 3 hours"),
    pytest.param(HOUR, 24, 12, id="the last 12 hours"),
    pytest.param(HOUR, 24, 24, id="the last day of hours"),
    pytest.param(HOUR, 24, 48, id="the last two days of hours"),
    pytest.param(DAY, 1, 1, id="the last day of days"),
    pytest.param(DAY, 1, 2, id="the last two days of days"),
]


@pytest.mark.parametrize(("step", "per_day", "steps"), CLOSED)
def test_an_outage_that_has_not_ended_is_forecast_to_end_and_is_told(step, per_day, steps):
    known, whole = 28 * per_day - (6 if steps in (3, 12) else 0), shop(36, 50.0, seed=steps)
    whole = whole if per_day > 1 else whole.reshape(-1, 24).sum(axis=1)
    values, ahead = whole[:known].copy(), whole[known : known + 7 * per_day]
    values[-steps:] = 0.0
    forecast = forecast_sales(series(values, step), horizon="7D", quantile_levels=(0.5, 0.99))
    assert 0.75 * ahead.sum() < forecast.at(0.5).sum() < 1.25 * ahead.sum()
    assert (ahead <= forecast.at(0.99).to_numpy()).mean() > 0.95
    assert sum(note.startswith("since ") and "an outage that ends soon" in note for note in forecast.notes) == 1


@pytest.mark.parametrize("hours", [3, 24, 48])
@pytest.mark.parametrize("days", [9, 11, 16, 20])
def test_an_outage_that_has_not_ended_is_found_in_a_history_of_days(days, hours):
    values = shop(days, 50.0)[: -5 if hours < 24 else None]
    values[-hours:] = 0.0
    ((start, stop),) = find_outages(values, HOUR)
    assert len(values) - hours - 8 <= start <= len(values) - hours + 8
    assert stop >= len(values) - 6


def test_a_closing_day_that_was_seen_once_is_no_outage():
    values = shop(13, 50.0)
    values[6 * 24 : 7 * 24] = 0.0
    assert find_outages(values, HOUR) == []
    twice = shop(20, 50.0).reshape(-1, 24)
    twice[[6, 13]] = 0.0
    assert find_outages(twice.ravel(), HOUR) == []


def test_a_fall_that_lasts_three_days_is_believed_and_no_longer_called_an_outage():
    values = shop(28, 50.0)
    values[-3 * 24 :] = 0.0
    forecast = forecast_sales(series(values), horizon="1D")
    assert forecast.at(0.5).sum() < 0.2 * values[-5 * 24 : -4 * 24].sum()
    (note,) = [note for note in forecast.notes if "far below the usual" in note]
    assert note.startswith("since 2026-01-29 23:00")
    assert "the new level" in note


def test_an_outage_of_three_days_that_ended_some_hours_ago_is_a_gap():
    values = shop(28, 50.0)[:-8]
    values[24 * 24 + 9 : 27 * 24 + 9] = 0.0
    assert find_falls(values, HOUR).since is None
    ((start, stop),) = find_outages(values, HOUR)
    assert (start, stop) == (24 * 24 + 9, 27 * 24 + 9)


@pytest.mark.parametrize("first", [0, 40, 65])
@pytest.mark.parametrize("length", [1, 4, 12])
def test_a_declared_outage_is_a_gap_of_any_length(first, length):
    values, gaps = shop(77), shop(77)
    values[first * 24 : (first + length) * 24] *= 0.3
    gaps[first * 24 : (first + length) * 24] = np.nan
    declared = forecast_sales(series(values), horizon="2D", events=[event(first, length, "outage")])
    expected = forecast_sales(series(gaps), horizon="2D")
    pd.testing.assert_frame_equal(declared.quantiles, expected.quantiles)
    assert any("is a declared outage" in note for note in declared.notes)


def test_a_declared_outage_of_everything_is_refused():
    with pytest.raises(DataError, match="outside of outages"):
        forecast_sales(series(shop(28)), events=[event(0, 40, "outage")])


def test_an_event_of_another_kind_denies_an_outage():
    values = shop(77)
    values[50 * 24 : 51 * 24] = 0.0
    denied = forecast_sales(series(values), horizon="2D", events=[event(50, 1, "inventory")])
    assert not any("looks like an outage" in note for note in denied.notes)


def test_a_coming_outage_with_a_given_uplift_is_expected():
    coming = Event("move", (START + 28 * DAY).to_pydatetime(), (START + 29 * DAY).to_pydatetime(), "outage", 0.0)
    forecast = forecast_sales(series(shop(28)), horizon="2D", events=[coming])
    assert forecast.at(0.5).iloc[:24].sum() < 0.05 * forecast.at(0.5).iloc[24:].sum()


def test_a_holiday_that_the_calendar_knows_is_no_outage():
    index = pd.date_range("2025-11-03", periods=24 * 70, freq="h", tz="UTC")
    sales = pd.Series(shop(70), index)
    sales.loc["2025-12-25":"2025-12-26"] = 0.0
    notes = forecast_sales(sales, horizon="2D", holidays=["GB"]).notes
    assert not any("looks like an outage" in note for note in notes)
    assert any("looks like an outage" in note for note in forecast_sales(sales, horizon="2D").notes)


def test_the_rows_of_a_batch_are_looked_at_each_by_itself():
    batch = np.stack([shop(42, seed=seed) for seed in range(3)])
    batch[1, 30 * 24 : 31 * 24] = 0.0
    np.testing.assert_array_equal(np.isnan(without_outages(batch, HOUR)).any(axis=1), [False, True, False])
    assert not np.isnan(batch).any()
    forecast = forecast_batch(batch, Setting(HOUR, 24))
    assert ["outage" in " ".join(notes) for notes in forecast.notes] == [False, True, False]


def test_times_of_notes_are_those_of_the_business():
    values = shop(77)
    values[50 * 24 : 51 * 24] = 0.0
    local = pd.Series(values, pd.date_range(datetime(2026, 1, 5, 5, tzinfo=UTC), periods=len(values), freq="h"))
    notes = forecast_sales(local, horizon="1D", timezone="America/New_York").notes
    (note,) = [note for note in notes if "looks like an outage" in note]
    assert abs(pd.Timestamp(note[:16]) - pd.Timestamp("2026-02-24")) <= 2 * HOUR  # midnight in New York


def test_a_closure_that_sales_fell_towards_for_days_has_a_beginning():
    values = shop(42, 100.0)
    values[-12 * 24 : -8 * 24] *= np.repeat([0.6, 0.4, 0.3, 0.3], 24)
    values[-8 * 24 :] = 0.0
    falls = find_falls(values, HOUR)
    assert falls.outages == ()
    assert falls.since is not None
    assert len(values) - 12 * 24 <= falls.since <= len(values) - 8 * 24 + 11


def test_a_shop_closed_for_days_in_every_month_has_none_that_lasts():
    values = shop(84, 100.0)
    for day in (20, 48, 76):
        values[day * 24 : day * 24 + 8 * 24] = 0.0
    assert find_falls(values, HOUR).since is None
