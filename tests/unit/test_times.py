"""Times as people export them: every form by its shape, one order of day and month per file, zones that are written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.model import DataError
from capacity.model.settings import SalesSettings
from capacity.sources import OrderTable, audit_sales, read_events, read_sales, read_usage

NOON = "2026-01-15T12:00Z"
FORMS = {
    "ISO": ("2026-01-15 12:00:00", "UTC", {}),
    "ISO with a zone": ("2026-01-15T12:00:00Z", "Asia/Tokyo", {}),
    "an offset after a blank": ("2026-01-15 07:00:00 -0500", "Asia/Tokyo", {}),
    "an offset of hours": ("2026-01-15 07:00:00-05", "Asia/Tokyo", {}),
    "an offset without a colon": ("2026-01-15T17:30:00+0530", "UTC", {}),
    "a fraction after a comma": ("2026-01-15 12:00:00,123", "UTC", {}),
    "a fraction of .NET": ("2026-01-15T13:00:00.1234567+01:00", "UTC", {}),
    "a zone's abbreviation": ("2026-01-15 07:00:00 EST", "UTC", {}),
    "the business's own abbreviation": ("2026-01-15 17:30:00 IST", "Asia/Kolkata", {}),
    "RFC 2822": ("Thu, 15 Jan 2026 17:30:00 +0530", "UTC", {}),
    "RFC 2822, GMT": ("Thu, 15 Jan 2026 12:00:00 GMT", "Asia/Tokyo", {}),
    "day first": ("15/01/2026 12:00", "UTC", {}),
    "month first": ("1/15/2026 12:00 PM", "UTC", {}),
    "two digits of the year": ("15.01.26 12:00", "UTC", {"time_format": "day_first"}),
    "a name of a month": ("15-Jan-2026 12:00:00", "UTC", {}),
    "a name of a month in front": ("Jan 15, 2026 12:00 PM", "UTC", {}),
    "a web server's log": ("15/Jan/2026:13:00:00 +0100", "UTC", {}),
    "basic ISO": ("20260115T120000Z", "Asia/Tokyo", {}),
    "Java": ("2026-01-15T13:00:00+01:00[Europe/Berlin]", "UTC", {}),
    "a web server's log, in brackets": ("[15/Jan/2026:13:00:00 +0100]", "UTC", {}),
    "a week of ISO": ("2026-W03-4 12:00", "UTC", {}),
    "digits up to the hour": ("2026011512", "UTC", {}),
    "a German month": ("15. Januar 2026 12:00", "UTC", {}),
    "an Austrian month": ("15-Jänner-2026 12:00", "UTC", {}),
    "a Spanish month": ("15 de enero de 2026 12:00", "UTC", {}),
    "a French month, short": ("15 janv. 2026 12:00", "UTC", {}),
    "a Spanish half of the day": ("15/01/2026 12:00 p. m.", "UTC", {}),
    "ASP.NET": ("/Date(1768478400000)/", "Asia/Tokyo", {}),
    "ASP.NET with an offset": ("/Date(1768478400000+0100)/", "UTC", {}),
    "Arabic digits": ("١٥/٠١/٢٠٢٦ ١٢:٠٠", "UTC", {}),
    "Thai digits": ("๒๐๒๖-๐๑-๑๕ ๑๒:๐๐:๐๐", "UTC", {}),
    "wide digits": ("２０２６-０１-１５ １２:００", "UTC", {}),
    "an Arabic month": ("15 يناير 2026 12:00", "UTC", {}),
    "a Russian month": ("15 января 2026 12:00", "UTC", {}),
    "Chinese": ("2026年1月15日 12:00:00", "UTC", {}),
    "an interval": ("2026-01-15 12:00 - 2026-01-15 13:00", "UTC", {}),
    "an interval of ISO": ("2026-01-15T12:00Z/2026-01-15T13:00Z", "UTC", {}),
    "ctime": ("Thu Jan 15 12:00:00 2026", "UTC", {}),
    "blanks around": ("  2026-01-15 12:00:00 ", "UTC", {}),
    "seconds": ("1768478400", "Asia/Tokyo", {}),
    "milliseconds": ("1768478400000", "Asia/Tokyo", {}),
    "microseconds": ("1768478400000000", "Asia/Tokyo", {}),
    "nanoseconds": ("1768478400000000000", "Asia/Tokyo", {}),
    "digits": ("20260115120000", "UTC", {}),
    "a serial": ("46037.5", "UTC", {}),
    "a serial from 1904": ("44575.5", "UTC", {"time_format": "serial_1904"}),
    "a format with a zone": ("2026-01-15 07:00:00 -0500", "Asia/Tokyo", {"time_format": "%Y-%m-%d %H:%M:%S %z"}),
}


@pytest.mark.parametrize(("text", "zone", "keys"), FORMS.values(), ids=FORMS)
def test_a_time_is_read_as_it_is_written(text: str, zone: str, keys: dict[str, Any]) -> None:
    Path("a.csv").write_text(f'at,n\n"{text}",1\n', encoding="utf-8")
    audit = audit_sales("a.csv", time="at", value={"sum": "n"}, timezone=zone, **keys)
    assert audit.first is not None, audit.reasons
    assert audit.first.replace(microsecond=0, second=0) == datetime(2026, 1, 15, 12, tzinfo=UTC)
    table = read_usage("a.csv", time="at", cpu="n", step="1h", timezone=zone, **keys)
    assert isinstance(table, pd.DataFrame)
    assert table.index[0] == pd.Timestamp(NOON)


def orders(form: str, days: int, name: str = "a.csv") -> str:
    moments = pd.date_range("2024-01-01", periods=days * 24, freq="h")
    Path(name).write_text("at\n" + "".join(f"{at.strftime(form)}\n" for at in moments), encoding="utf-8")
    return name


@pytest.mark.parametrize("form", ["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d-%m-%y %H:%M"])
def test_the_first_twelve_days_of_a_month_are_refused_until_the_order_is_given(form: str) -> None:
    audit = audit_sales(orders(form, 12), time="at")
    assert (audit.verdict, audit.passed) == ("refuse", 0)
    assert "time_format: " in audit.findings[0].message
    with pytest.raises(DataError, match="every row fits both; give time_format"):
        read_sales("a.csv", time="at")
    order = "month_first" if form.startswith("%m") else "day_first"
    assert read_sales("a.csv", time="at", time_format=order).index[-1] == pd.Timestamp("2024-01-12T23:00Z")


@pytest.mark.parametrize("form", ["%d/%m/%y", "%d.%m.%y", "%m/%d/%y", "%y/%m/%d"])
def test_two_digit_years_are_those_that_lie_together(form: str) -> None:
    audit = audit_sales(orders(form, 28), time="at", step="1d")
    assert audit.first is not None
    assert audit.last is not None
    assert (f"{audit.first:%F}", f"{audit.last:%F}") == ("2024-01-01", "2024-01-28")


@pytest.mark.parametrize("text", ["2026-015", "first of May"])
def test_what_is_no_time_is_shown_with_the_key_that_reads_it(text: str) -> None:
    Path("a.csv").write_text(f"at\n{text}\n", encoding="utf-8")
    (said,) = [finding.message for finding in audit_sales("a.csv", time="at").findings if finding.rule == "time_form"]
    assert f"got '{text}'" in said
    assert "time_format" in said


@pytest.mark.parametrize("first", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"])
def test_a_file_that_changes_the_order_of_day_and_month_is_refused(first: str) -> None:
    second = "%m/%d/%Y %H:%M" if first.startswith("%d") else "%d/%m/%Y %H:%M"
    moments = pd.date_range("2024-01-01", periods=28 * 24, freq="h")
    rows = [at.strftime(second if 3 <= at.day <= 9 else first) for at in moments]
    Path("a.csv").write_text("at\n" + "\n".join(rows), encoding="utf-8")
    audit = audit_sales("a.csv", time="at")
    assert (audit.verdict, audit.passed) == ("refuse", 0)
    assert "and among them with day and month swapped" in audit.findings[0].message


def test_epochs_of_joined_exports_are_told_by_their_size() -> None:
    moments = pd.date_range("2026-01-01", periods=90, freq="h", tz="UTC")
    units = (1, 10**3, 10**6)
    rows = [str(int(at.timestamp()) * units[place % 3]) for place, at in enumerate(moments)]
    Path("a.csv").write_text("at\n" + "\n".join(rows), encoding="utf-8")
    assert list(read_sales("a.csv", time="at").index) == list(moments)
    assert "each by its size" in audit_sales("a.csv", time="at").read[0]


@pytest.mark.parametrize(("year", "name"), [(2567, "Buddhist"), (1402, "Persian or Islamic")])
def test_years_of_another_calendar_are_named(year: int, name: str) -> None:
    rows = [f"{day:02}/01/{year} 12:00" for day in range(1, 32)]
    Path("a.csv").write_text("at\n" + "\n".join(rows), encoding="utf-8")
    audit = audit_sales("a.csv", time="at")
    assert (audit.verdict, audit.passed) == ("refuse", 0)
    assert f"years of the {name} calendar" in audit.notes[0]


SLOT = pd.Timedelta("15min")


@pytest.mark.parametrize("dash", ["-", " - ", "–", " to "])
def test_an_interval_is_named_by_its_start(dash: str) -> None:
    starts = pd.date_range("2026-01-15", periods=96 * 3, freq=SLOT)
    lines = [f"{at:%d.%m.%Y %H:%M}{dash}{at + SLOT:%H:%M};1" for at in starts]
    iso = [f"{at:%Y-%m-%d %H:%M}{dash}{at + SLOT:%H:%M};1" for at in starts]
    for written in (lines, iso):
        Path("a.csv").write_text("\n".join(["at;n", *written]), encoding="utf-8")
        sales = read_sales("a.csv", time="at", value="n", step="15m")
        assert (sales.index[0], sales.index[-1]) == (pd.Timestamp("2026-01-15T00:00Z"), starts[-1].tz_localize("UTC"))
        np.testing.assert_array_equal(sales, 1.0)


def test_an_offset_is_not_the_end_of_an_interval() -> None:
    moments = pd.date_range("2026-10-30", "2026-11-04", freq="h", tz="America/New_York")
    Path("a.csv").write_text("\n".join(["at", *(f"{at:%Y-%m-%d %H:%M}{at.isoformat()[-6:]}" for at in moments)]))
    sales = read_sales("a.csv", time="at")
    assert sales.index[0] == moments[0]
    np.testing.assert_array_equal(sales, 1.0)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_dates_alone_are_no_times_of_hours(zone: str) -> None:
    lines = [f"{day:%Y-%m-%d},{hour},2" for day in pd.date_range("2026-03-25", periods=9) for hour in range(24)]
    Path("a.csv").write_text("\n".join(["date,hour,n", *lines]), encoding="utf-8")
    said = {
        step: [one.message for one in audit_sales("a.csv", time="date", value="n", step=step, timezone=zone).findings]
        for step in ("1h", "1d")
    }
    assert "expected times within the day for steps of 1h, got one time on each of 9 days" in said["1h"][0]
    assert said["1d"] == []


CLOCKS = {  # numbers that other clocks and orders of digits give for a day of 2026: none is an epoch
    "day, month, year": "15012026",
    "year of two digits": "260115",
    "Julian days": "2461056.0",
    "minutes since 1970": "29474640",
    "seconds since 2001": "790171200",
    "ticks of .NET": "639040752000000000",
}


@pytest.mark.parametrize("number", CLOCKS.values(), ids=CLOCKS)
def test_a_number_of_an_unknown_clock_is_refused(number: str) -> None:
    Path("a.csv").write_text(f"at\n{number}\n{number}\n", encoding="utf-8")
    audit = audit_sales("a.csv", time="at")
    assert (audit.verdict, audit.passed) == ("refuse", 0)
    assert f"got '{number}'" in audit.findings[0].message


def test_rows_with_and_without_a_zone_mean_the_same_in_any_order() -> None:
    rows = ["2026-04-01T08:00:00", "2026-04-01T13:00:00Z", "2026-04-01T14:00:00Z", "2026-04-01T11:00:00"]
    audits = []
    for order in (rows, rows[::-1]):
        Path("a.csv").write_text("at\n" + "\n".join(order), encoding="utf-8")
        audits.append(audit_sales("a.csv", time="at", timezone="America/New_York"))
    assert audits[0].first == audits[1].first == datetime(2026, 4, 1, 12, tzinfo=UTC)
    assert "2 rows name their zone, 2 do not" in audits[0].read[0]


def test_the_zone_of_the_source_may_differ_from_the_business() -> None:
    Path("a.csv").write_text("at\n2026-01-15 13:00:00\n", encoding="utf-8")
    chosen = SalesSettings.model_validate({"source": "a.csv", "time": "at", "timezone": "Europe/Berlin"})
    with OrderTable.load(chosen, "Asia/Tokyo") as table:
        assert table.audit().first == datetime(2026, 1, 15, 12, tzinfo=UTC)


def test_events_have_one_form_in_the_whole_file() -> None:
    text = "name,start,end,kind,uplift\nFriday,27/11/2026,27/11/2026,sale,3\nAdvent,05/12/2026,05/12/2026,sale,3\n"
    Path("events.csv").write_text(text, encoding="utf-8")
    assert [event.start.month for event in read_events("events.csv", "Europe/London")] == [11, 12]
    Path("events.csv").write_text("name,start,end\nAdvent,05/12/2026,06/12/2026\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"events.csv: start and end: .* day first and month first"):
        read_events("events.csv", "Europe/London")


def autumn() -> list[str]:
    """Each hour around the night of 2024-10-27 in Berlin, as its clock shows it, with its number as value."""
    hours = pd.date_range("2024-10-26", periods=60, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    return [f"{at:%Y-%m-%d %H:%M:%S},{0.5 + number}" for number, at in enumerate(hours)]


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_the_doubled_hour_is_read_in_the_order_of_the_file(order: int) -> None:
    Path("a.csv").write_text("at,n\n" + "\n".join(autumn()[::order]), encoding="utf-8")
    sales = read_sales("a.csv", time="at", value={"sum": "n"}, timezone="Europe/Berlin")
    np.testing.assert_array_equal(sales, [0.5 + number for number in range(60)])
    table = read_usage("a.csv", time="at", cpu="n", timezone="Europe/Berlin")
    assert isinstance(table, pd.DataFrame)
    np.testing.assert_array_equal(table["cpu"], [0.5 + number for number in range(60)])


@pytest.mark.parametrize("odd", ["1970-01-01 00:00:00", "2099-01-01 00:00:00"])
@pytest.mark.parametrize("last", [True, False])
def test_a_row_of_another_century_says_nothing_of_the_order_of_rows(odd: str, *, last: bool) -> None:
    rows = autumn()
    rows = [*rows, f"{odd},9"] if last else [f"{odd},9", *rows]
    Path("a.csv").write_text("at,n\n" + "\n".join(rows), encoding="utf-8")
    sales = read_sales("a.csv", time="at", value={"sum": "n"}, timezone="Europe/Berlin")
    np.testing.assert_array_equal(sales, [0.5 + number for number in range(60)])
    table = read_usage("a.csv", time="at", cpu="n", timezone="Europe/Berlin")
    assert isinstance(table, pd.DataFrame)
    np.testing.assert_array_equal(table["cpu"], [0.5 + number for number in range(60)])


def test_serials_that_would_end_today_if_counted_from_1904_are_not_taken_to_be_of_1900() -> None:
    today = (datetime.now(UTC) - datetime(1904, 1, 1, tzinfo=UTC)).total_seconds() / 86400
    Path("a.csv").write_text("at\n" + "\n".join(f"{today - hour / 24:.6f}" for hour in range(2000)), encoding="utf-8")
    (finding,) = (one for one in audit_sales("a.csv", time="at").findings if one.rule == "ambiguous_times")
    assert finding.severity == "refuse"
    assert finding.message.endswith("set time_format: serial or serial_1904")
    for form, verdict in (("serial", "warn"), ("serial_1904", "ok")):
        audit = audit_sales("a.csv", time="at", time_format=form)
        assert audit.at(datetime.now(UTC)).verdict == verdict, form


def test_a_doubled_hour_of_many_orders_in_no_order_is_a_gap_with_a_note() -> None:
    minutes = pd.date_range("2024-10-26T20:00Z", periods=600, freq="min").tz_convert("Europe/Berlin")
    rows = [f"{at:%Y-%m-%d %H:%M:%S}" for at in minutes]
    mixed = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))]
    Path("a.csv").write_text("at\n" + "\n".join(mixed), encoding="utf-8")
    sales = read_sales("a.csv", time="at", timezone="Europe/Berlin")
    assert list(sales.index[sales.isna()].strftime("%H")) == ["00", "01"]
    assert any("twice" in note for note in audit_sales("a.csv", time="at", timezone="Europe/Berlin").notes)
