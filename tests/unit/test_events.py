"""Holidays as whole local days, which steps an event covers, contradicting events, and the file of events."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capacity.model import ConfigError, DataError, Event
from capacity.series import covered, holiday_events, overlapping
from capacity.sources import read_events
from capacity.sources.orders import read_columns

HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_an_english_christmas_is_two_whole_days_of_london() -> None:
    events = holiday_events(["GB-ENG"], at("2026-12-24T00:00Z"), at("2026-12-27T00:00Z"), "Europe/London")
    assert [(event.name, event.start) for event in events] == [
        ("Christmas Day", at("2026-12-25T00:00Z")),
        ("Boxing Day", at("2026-12-26T00:00Z")),
    ]
    assert {event.end - event.start for event in events} == {timedelta(days=1)}
    assert {event.kind for event in events} == {"holiday"}
    assert {event.uplift for event in events} == {None}


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        pytest.param("Asia/Kolkata", "2026-01-25T18:30Z", id="half an hour off"),
        pytest.param("Asia/Kathmandu", "2026-01-25T18:15Z", id="a quarter of an hour off"),
        pytest.param("Pacific/Auckland", "2026-01-25T11:00Z", id="half a day ahead"),
    ],
)
def test_a_holiday_begins_at_the_business_own_midnight(zone: str, start: str) -> None:
    (event,) = holiday_events(["IN"], at("2026-01-25T12:00Z"), at("2026-01-27T00:00Z"), zone)
    assert event.start == at(start)
    assert event.end == at(start) + timedelta(days=1)


@pytest.mark.parametrize(
    ("code", "day", "hours"),
    [
        pytest.param("DE", "2024-03-31", 23, id="Easter on the day that loses an hour"),
        pytest.param("AT", "2025-10-26", 25, id="Austria's national day on the day that gains one"),
    ],
)
def test_a_holiday_on_a_clock_change_has_its_true_length(code: str, day: str, hours: int) -> None:
    zone = "Europe/Berlin"
    noon = at(f"{day}T12:00Z")
    state = {"DE": "DE-BB", "AT": "AT"}[code]  # Easter Sunday is a holiday in Brandenburg
    (event,) = [item for item in holiday_events([state], noon, noon, zone) if item.start < noon < item.end]
    assert event.end.astimezone(UTC) - event.start.astimezone(UTC) == hours * HOUR


def test_two_codes_with_one_day_give_one_event_and_years_are_crossed() -> None:
    events = holiday_events(["GB-ENG", "GB-WLS"], at("2026-12-31T00:00Z"), at("2027-01-02T00:00Z"))
    assert [(event.name, event.start) for event in events] == [("New Year's Day", at("2027-01-01T00:00Z"))]


@pytest.mark.parametrize("code", ["ZZ", "GB-XXX", "", "germany"])
def test_a_calendar_nobody_knows_is_a_configuration_error(code: str) -> None:
    with pytest.raises(ConfigError, match=f"expected a country or state such as .*, got '{code}'"):
        holiday_events([code], at("2026-01-01T00:00Z"), at("2026-02-01T00:00Z"))


@pytest.mark.parametrize(
    ("start", "end", "steps"),
    [
        pytest.param("01:00", "02:00", [1], id="exactly one step"),
        pytest.param("01:30", "01:31", [1], id="a minute inside a step"),
        pytest.param("00:59", "02:01", [0, 1, 2], id="a minute into both neighbours"),
        pytest.param("03:59", "09:00", [3], id="beyond the last step"),
        pytest.param("04:00", "05:00", [], id="as the last step ends"),
    ],
)
def test_an_event_covers_every_step_it_overlaps(start: str, end: str, steps: list[int]) -> None:
    index = pd.date_range("2026-01-01T00:00Z", periods=4, freq="h")
    event = Event("sale", at(f"2026-01-01T{start}Z"), at(f"2026-01-01T{end}Z"))
    np.testing.assert_array_equal(np.flatnonzero(covered(event, index, HOUR)), steps)


def test_only_overlapping_events_of_one_kind_with_other_uplifts_contradict() -> None:
    noon = at("2026-01-01T12:00Z")
    first = Event("a", noon, noon + 2 * HOUR, "p", 1.5)
    after, same = Event("b", noon + 2 * HOUR, noon + 3 * HOUR, "p", 2.0), Event("c", noon, noon + HOUR, "p", 1.5)
    other, learned = Event("d", noon, noon + HOUR, "q", 2.0), Event("e", noon, noon + HOUR, "p")
    clash = Event("f", noon + HOUR, noon + 9 * HOUR, "p", 0.5)
    assert overlapping([first, after, same, other, learned]) == []
    assert overlapping([clash, first]) == [(first, clash)]


def events_file(*lines: str, name: str = "events.csv") -> Path:
    text = "\n".join(("name,start,end,kind,uplift", *lines)).encode()
    path = Path(name)
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_the_file_of_events_is_read_on_the_business_clock(name: str) -> None:
    path = events_file("sale,2026-07-01,2026-07-02,,1.5", "talk,2026-07-03T10:00+02:00,2026-07-03 11:30,tv,", name=name)
    sale, talk = read_events(path, "Europe/London")
    assert (sale.start, sale.end) == (at("2026-06-30T23:00Z"), at("2026-07-02T23:00Z"))
    assert (sale.kind, sale.uplift) == ("promotion", 1.5)
    assert (talk.start, talk.end) == (at("2026-07-03T08:00Z"), at("2026-07-03T10:30Z"))
    assert (talk.kind, talk.uplift) == ("tv", None)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("sale,tomorrow,2026-07-02,,", "line 3: .*tomorrow", id="a start in words"),
        pytest.param("sale,2026-07-02,,,", "line 3: .*nothing in end", id="no end"),
        pytest.param(",,,,", "line 3: .*nothing in name, start, end", id="an empty line of commas"),
        pytest.param("sale", "line 3: .*nothing in start, end", id="a short line"),
        pytest.param("sale,2026-07-02,2026-06-02,,", "line 3: .*expected start < end", id="the end before the start"),
        pytest.param(
            "sale,2026-07-02,2026-07-02,,lots", "line 3: expected a factor as uplift, .*lots", id="an uplift in words"
        ),
        pytest.param("sale,2026-07-02,2026-07-02,,-1", "line 3: .*uplift must be >= 0", id="a negative uplift"),
        pytest.param("sale,2026-03-29 01:30,2026-03-30,,", "line 3: .*01:30", id="a time the clock skips"),
        pytest.param("sale,2026-10-25 01:30,2026-10-26,,", "line 3: .*01:30", id="a time the clock shows twice"),
        pytest.param("sale,2026-07-02,9999-12-31,,", "line 3: ", id="an end beyond the calendar"),
    ],
)
def test_a_wrong_event_is_refused_with_its_line(line: str, words: str) -> None:
    path = events_file("good,2026-07-01,2026-07-02,,1.5", line)
    with pytest.raises(DataError, match=f"events.csv {words}"):
        read_events(path, "Europe/London")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("events.csv", None, id="a file that is not there"),
        pytest.param("events.csv", b"name,start,end\n\x00\x01\x02\n", id="no text"),
        pytest.param("events.csv.gz", gzip.compress(b"name,start,end\n")[:-9], id="a truncated gzip"),
    ],
)
def test_an_unreadable_file_of_events_is_a_data_error(name: str, content: bytes | None) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} cannot be read"):
        read_events(name)


@pytest.mark.parametrize(
    ("header", "rest", "words"),
    [
        pytest.param("kind,uplfit", "promotion,1.3", "rename it to uplift", id="misspelt"),
        pytest.param("kind,uplift %", "promotion,30", "rename it to uplift", id="more than the name"),
        pytest.param("kind,factor", "promotion,1.3", "got 'factor'", id="another word"),
        pytest.param("type,uplift", "outage,", "rename it to kind", id="a kind"),
        pytest.param("kind,uplift", "promotion,1,3", "line 2: expected 5 values", id="a decimal comma without quotes"),
        pytest.param("kind,uplift", "outtage,", "is outage meant", id="a misspelt kind"),
    ],
)
def test_a_column_or_kind_that_is_misspelt_is_refused(header: str, rest: str, words: str) -> None:
    text = f"name,start,end,{header}\nBF,2026-11-27,2026-11-27,{rest}\n"
    Path("events.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_events("events.csv")


@pytest.mark.parametrize(
    ("kind", "uplift", "read", "told"),
    [
        pytest.param("Promotion", "1.3", "promotion", "", id="a capital"),
        pytest.param(" OUTAGE ", "", "outage", "", id="blanks"),
        pytest.param("sale", "1.3", "sale", "", id="a kind of its own"),
        pytest.param("holiday", ".3", "holiday", "", id="a holiday lowers sales"),
        pytest.param("promotion", ".3", "promotion", "30 % of the usual; for 30 % more write 1.3", id="a share"),
    ],
)
def test_kinds_are_read_in_any_case_and_small_promotions_told(
    kind: str, uplift: str, read: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = f"name,start,end,kind,uplift,note\nBF,2026-11-27,2026-11-27,{kind},{uplift},x\n"
    Path("events.csv").write_text(text, encoding="utf-8")
    (event,) = read_events("events.csv")
    assert event.kind == read
    assert (told in caplog.text) if told else not caplog.records


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param(["2026-11-01,1", "2026-11-02,2.5"], "", id="numbers"),
        pytest.param(["2026-11-01,1", "2026-11-01,2"], "each time once, got 2026-11-01", id="a time twice"),
        pytest.param(["2026-11-01,1", "foo,2"], "line 3: expected a time .*got 'foo'", id="no time"),
        pytest.param(["2026-11-01,1", '2026-11-02,"2,5"'], "expected numbers in 'warmth', got '2,5'", id="a comma"),
        pytest.param(["2026-11-01,1", "2026-11-02,inf"], "expected numbers in 'warmth', got 'inf'", id="without end"),
        pytest.param(["2026-11-01,1", "2026-11-02,"], "", id="nothing"),
    ],
)
def test_columns_of_your_own_are_numbers_of_each_time(rows: list[str], words: str) -> None:
    Path("columns.csv").write_text("\n".join(["at,warmth", *rows]), encoding="utf-8")
    if not words:
        assert len(read_columns("columns.csv")) == 2
        return
    with pytest.raises(DataError, match=words):
        read_columns("columns.csv")
