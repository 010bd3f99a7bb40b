"""What-ifs: sales scaled where they should be, zones lost, events cancelled; and those that make no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from capacity.app import parse_scenario, parse_scenarios
from capacity.model import ConfigError, DataError, Event, Forecast, Scenario
from capacity.series import events_if, forecast_if, workloads_if
from tests.unit.test_planning_limits import workload

START = datetime(2026, 11, 27, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def forecast(maxima: bool = False) -> Forecast:
    steps = pd.date_range(START, periods=4, freq="h")
    table = pd.DataFrame({0.5: 10.0, 0.95: 20.0}, steps)
    return Forecast(
        START - HOUR, HOUR, table, "sales", window=2 * HOUR if maxima else None, maxima=table if maxima else None
    )


def promotion(
    begin: float, end: float, uplift: float | None = 2.0, kind: str = "promotion", name: str = "sale"
) -> Event:
    return Event(name, at(begin), at(end), kind, uplift)


def test_growth_scales_every_step_and_a_promotion_those_it_covers() -> None:
    scenario = Scenario("both", growth=0.5, promotions=(promotion(1, 2),))
    assert forecast_if(forecast(), scenario).at(0.5).tolist() == [15.0, 30.0, 15.0, 15.0]


def test_the_maximum_of_a_window_grows_with_the_most_of_its_steps() -> None:
    scaled = forecast_if(forecast(maxima=True), Scenario("sale", promotions=(promotion(2, 3),)))
    assert scaled.maximum_at(0.95).tolist() == [20.0, 40.0, 40.0, 20.0]


def test_promotions_of_two_kinds_multiply_and_of_one_kind_must_agree() -> None:
    both = (promotion(1, 3), promotion(2, 4, 3.0, kind="campaign"))
    assert forecast_if(forecast(), Scenario("two", promotions=both)).at(0.5).tolist() == [10.0, 20.0, 60.0, 30.0]
    clash = (promotion(1, 3), promotion(2, 4, 3.0, name="other"))
    with pytest.raises(DataError, match="overlap"):
        forecast_if(forecast(), Scenario("clash", promotions=clash))


@pytest.mark.parametrize(("begin", "end"), [(-9, -1), (4, 5)], ids=["in the past", "beyond the horizon"])
def test_a_promotion_that_touches_no_step_is_refused(begin: float, end: float) -> None:
    with pytest.raises(DataError, match="promotion sale: expected a time from"):
        forecast_if(forecast(), Scenario("late", promotions=(promotion(begin, end),)))


def test_a_lost_zone_is_not_lost_again() -> None:
    lost = Scenario("lost-zone", lost_zone=True)
    found = workloads_if([workload("a", zones=3), workload("b")], lost)
    assert [one.zones for one in found] == [1, 1]
    assert workloads_if([workload("a", zones=3)], Scenario("none"))[0].zones == 3
    with pytest.raises(DataError, match="expected a workload with zones of more than 1"):
        workloads_if([workload("b")], lost)


def test_a_cancelled_event_is_gone_and_its_past_stays() -> None:
    events = [promotion(-9, -8), promotion(1, 2), promotion(1, 2, name="other")]
    left = events_if(events, Scenario("x", cancelled=("sale",)), START)
    assert left == (events[0], events[2])
    with pytest.raises(DataError, match=r"one of \['other', 'sale'\], got 'xmas'"):
        events_if(events, Scenario("x", cancelled=("xmas",)), START)


def test_promotions_that_overlap_are_said_and_of_one_kind_count_once() -> None:
    both = (promotion(1, 3, name="one"), promotion(2, 4, name="two"), promotion(2, 3, 3.0, "press", "visit"))
    found = forecast_if(forecast(), Scenario("x", promotions=both), [promotion(0, 2, None, "sale day", "Friday")])
    assert found.at(0.5).tolist() == [10.0, 20.0, 60.0, 20.0]
    assert found.notes == (
        "scenario x: sales as forecast, times 1 to 6",
        "promotion one and promotion two overlap: an uplift of 2 counts once",
        "promotion one and press visit overlap: their uplifts of 2 and 3 multiply",
        "promotion two and press visit overlap: their uplifts of 2 and 3 multiply",
        "promotion one comes on top of sale day Friday, which is forecast",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("growth=+20%", {"growth": 0.2}, id="growth"),
        pytest.param("growth=-5%", {"growth": -0.05}, id="decline"),
        pytest.param("lost-zone", {"lost_zone": True}, id="a lost zone"),
        pytest.param("cancel=Black Friday", {"cancelled": ("Black Friday",)}, id="a cancelled event"),
        pytest.param("growth=+10%, growth=+10%", {"growth": 0.21}, id="growth on growth"),
    ],
)
def test_scenarios_are_read_as_people_write_them(text: str, expected: dict[str, Any]) -> None:
    assert parse_scenario(text, "UTC") == Scenario(text, **expected)


def test_a_promotion_is_read_on_the_business_clock() -> None:
    text = "promotion=2026-07-01T09:00/2026-07-02:+50%"
    (event,) = parse_scenario(text, "Europe/London").promotions
    assert event.start == datetime(2026, 7, 1, 8, tzinfo=UTC)
    assert event.end == datetime(2026, 7, 1, 23, tzinfo=UTC)
    assert event.uplift == 1.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "got nothing", id="nothing"),
        pytest.param("grow=3", "got 'grow=3'", id="another word"),
        pytest.param("growth=a lot", "such as +20% or -5%", id="no share"),
        pytest.param("growth=-100%", "growth must be above -1", id="no sales at all"),
        pytest.param("cancel=", "got 'cancel='", id="no event"),
        pytest.param("promotion=2026-11-27:+50%", "promotion=START/END:+50%", id="no end"),
        pytest.param("promotion=2026-11-28/2026-11-27:+50%", "expected start < end", id="the end before the start"),
        pytest.param("promotion=soon/later:+50%", "Invalid isoformat string", id="no times"),
    ],
)
def test_a_scenario_that_is_none_says_what_was_expected(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text, "UTC")
    assert words in str(caught.value)


def test_a_scenario_twice_is_a_slip() -> None:
    with pytest.raises(ConfigError, match="expected each once"):
        parse_scenarios(["lost-zone", "lost-zone"], "UTC")
