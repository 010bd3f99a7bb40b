"""Files that are read without an error and mean something else: totals among rows, half a clock, several currencies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.quality import Audit
from capacity.sources.orders import audit_sales

HOURS = pd.date_range("2026-08-03", periods=30 * 24, freq="h")
LOAD = pd.Series(20 + 15 * np.cos((HOURS.hour - 14) / 24 * 2 * np.pi), HOURS).round(2)
DAYS = LOAD.resample("D").sum()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def audit(header: str, rows: Sequence[str], **keys: Any) -> Audit:
    Path("a.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    return audit_sales("a.csv", **{"time": "at", "value": {"sum": "amount"}, "anomalies": None, **keys})


def refusals(found: Audit) -> list[str]:
    return [finding.rule for finding in found.findings if finding.severity == "refuse"]


def totals(*parts: pd.Series) -> list[str]:
    return [f"{at:%Y-%m-%d %H:%M:%S},{value:.2f}" for part in parts for at, value in part.items()]


@pytest.mark.parametrize(
    ("parts", "coarse"),
    [
        pytest.param((LOAD,), False, id="hours"),
        pytest.param((DAYS[:12], LOAD["2026-08-15":]), True, id="days, then hours"),  # type: ignore[misc]
        pytest.param((LOAD[:"2026-08-20"], DAYS[18:]), True, id="hours, then days"),  # type: ignore[misc]
        pytest.param((LOAD, DAYS), True, id="each day's total among its hours"),
        pytest.param((LOAD.drop(LOAD.index[100:300:2]),), False, id="hours of which every other is missing for days"),
        pytest.param((LOAD[(LOAD.index.hour >= 8) & (LOAD.index.hour < 20)],), False, id="hours of the day alone"),
        pytest.param((LOAD[LOAD.index.day_of_week < 5],), False, id="hours of working days alone"),
        pytest.param((LOAD.where(LOAD.index.hour > 0, 900.0),), False, id="a batch at midnight"),
    ],
)
def test_totals_of_longer_times_among_the_rows(parts: tuple[pd.Series, ...], *, coarse: bool) -> None:
    assert refusals(audit("at,amount", totals(*parts))) == (["granularity"] if coarse else [])


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_hours_of_the_afternoon_without_pm(order: int) -> None:
    times = HOURS[::order]
    found = audit("at", [f"{at:%Y-%m-%d %I:%M:%S}" for at in times], value={"rows": True})
    assert refusals(found) == ["granularity"]
    assert "the afternoon without PM" in found.findings[0].message
    open_at_night = [f"{at:%Y-%m-%d %H:%M:%S}" for at in times if 1 <= at.hour <= 12]
    assert refusals(audit("at", open_at_night, value={"rows": True})) == []
    mixed = list(np.random.default_rng(1).permutation(open_at_night))
    assert refusals(audit("at", mixed, value={"rows": True})) == []


@pytest.mark.parametrize(
    ("header", "row", "keys", "several"),
    [
        ("at,amount", "{at},{n}.50 {currency}", {}, True),
        ("at,amount", "{at},{sign}{n}.50", {}, True),
        ("at,amount", "{at},US$ {n}.50", {}, False),
        ("at,amount,Currency", "{at},{n},{currency}", {}, True),
        ("at,amount,Currency", "{at},{n},EUR", {}, False),
        ("at,amount,Currency", "{at},{n},{currency}", {"group": "Currency"}, False),
        ("at,amount,Currency", "{at},{n},{currency}", {"value": {"rows": True}}, False),
        (
            "at,amount,Currency",
            "{at},{n},{currency}",
            {"select": [{"name": "euros", "check": "currency = 'EUR'"}]},
            False,
        ),
    ],
)
def test_amounts_of_several_currencies_are_no_sum(
    header: str, row: str, keys: dict[str, Any], *, several: bool
) -> None:
    pairs = [("EUR", "€"), ("USD", "$"), ("EUR", "€")]
    rows = [
        row.format(at=f"{at:%Y-%m-%d %H:%M:%S}", n=place % 90, currency=pairs[place % 3][0], sign=pairs[place % 3][1])
        for place, at in enumerate(HOURS[:300])
    ]
    found = audit(header, rows, **keys)
    assert refusals(found) == (["currencies"] if several else [])


RNG = np.random.default_rng(7)
TIMES = pd.DatetimeIndex(np.sort(HOURS[0].to_datetime64() + RNG.integers(0, 20 * 86400, 3000).astype("timedelta64[s]")))
ORDERS = pd.Series(RNG.integers(200, 3000, 3000) / 100, TIMES)
SOLD = pd.Series(RNG.poisson(LOAD), HOURS).astype(float)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param((ORDERS,), None, id="orders"),
        pytest.param((ORDERS.set_axis(TIMES.floor("min")),), None, id="orders of whole minutes"),
        pytest.param((ORDERS, ORDERS.resample("h").sum()), "rows on the full hour", id="totals of hours among orders"),
        pytest.param((ORDERS, ORDERS.resample("D").sum()), "rows on the full day", id="totals of days among orders"),
        pytest.param(
            (ORDERS, ORDERS.resample("D").sum().shift(freq="D")), "rows of the day before", id="totals at the day's end"
        ),
        pytest.param(
            (ORDERS.set_axis(TIMES.where(TIMES[1500] > TIMES, TIMES.normalize())),), "dates alone on", id="dates"
        ),
        pytest.param((SOLD,), None, id="hours"),
        pytest.param((SOLD, SOLD[-40:] + 1), "two for 40 steps", id="hours that were revised"),
        pytest.param((SOLD.cumsum(),), "values that only rise", id="a total since the start"),
        pytest.param((SOLD.groupby(HOURS.date).cumsum(),), "values that only rise", id="a total since midnight"),
        pytest.param((pd.Series(np.arange(720.0), HOURS),), None, id="a ramp"),
        pytest.param((ORDERS.where(TIMES[1500] > TIMES, ORDERS * 100),), "times those before", id="cents"),
        pytest.param((ORDERS.where(TIMES[1500] > TIMES, ORDERS * 9),), None, id="dearer goods"),
    ],
)
def test_amounts_that_are_no_single_sales(parts: tuple[pd.Series, ...], said: str | None) -> None:
    found = [one.message for one in audit("at,amount", totals(*parts)).findings if one.severity == "refuse"]
    assert (said is None) == (not found)
    assert all(str(said) in one.replace("other rows", "rows") for one in found)


@pytest.mark.parametrize(
    ("name", "values", "keys", "said"),
    [
        ("financial_status", ("paid", "cancelled"), {}, "500 of 1,000 rows have 'cancelled' in financial_status"),
        ("isTest", ("false", "true"), {}, """a check such as `"isTest" <> 'true'`"""),
        ("status", ("paid", "shipped"), {}, None),
        ("status", ("paid", "test"), {"select": [{"name": "paid", "check": "status = 'paid'"}]}, None),
        ("customer", ("test", "cancelled"), {}, None),
    ],
)
def test_rows_that_are_no_orders_are_noted(
    name: str, values: tuple[str, str], keys: dict[str, Any], said: str | None
) -> None:
    rows = [f"{at:%Y-%m-%d %H:%M:%S},{values[place % 2]}" for place, at in enumerate(TIMES[:1000])]
    Path("a.csv").write_text("\n".join([f"at,{name}", *rows]), encoding="utf-8")
    notes = audit_sales("a.csv", time="at", value="rows", **keys).notes
    assert [str(said) in note for note in notes] == ([True] if said else [])


@pytest.mark.parametrize(
    ("zones", "keys", "hour", "said"),
    [
        pytest.param(("Eastern Time (US & Canada)",), {}, 5, "read in America/New_York, as timeZone says", id="Square"),
        pytest.param(("Europe/Berlin",), {}, 23, "read in Europe/Berlin, as timeZone says", id="of the database"),
        pytest.param(("+09:00",), {}, 15, "read in Etc/GMT-9, as timeZone says", id="an offset"),
        pytest.param(("EST", "PST"), {}, None, "expected times on one clock, got times without a zone", id="two"),
        pytest.param(("here",), {}, 0, "expected a time zone that is known, got 'here' in 2,000 rows", id="unknown"),
        pytest.param(("EST",), {"naive_timezone": "UTC"}, 0, None, id="somebody has said another"),
    ],
)
def test_the_zone_that_rows_name_is_theirs(
    zones: tuple[str, ...], keys: dict[str, str], hour: int | None, said: str | None
) -> None:
    times = pd.date_range("2026-01-05", periods=2000, freq="30min")
    rows = [f"{at:%Y-%m-%d %H:%M},{zones[place % len(zones)]}" for place, at in enumerate(times)]
    Path("a.csv").write_text("\n".join(["at,timeZone", *rows]), encoding="utf-8")
    audit = audit_sales("a.csv", time="at", value="rows", **keys)
    told = [*audit.notes, *(one.message for one in audit.findings if one.rule == "time_zones")]
    assert [str(said) in one for one in told] == ([True] if said else [])
    assert audit.first is not None
    assert hour is None or audit.first.hour == hour


def lines_of(orders: pd.Series, *more: str, countries: tuple[str, ...] = ("DE", "FR", "NL")) -> list[str]:
    named = (countries[place % len(countries)] for place in range(len(orders)))
    lines = [f"{at:%Y-%m-%d %H:%M:%S},{amount:.2f}" for at, amount in orders.items()]
    return [*(f"{line},{country}" for line, country in zip(lines, named, strict=True)), *more]


def sums_by(unit: str, at: str) -> list[str]:
    """A line with the sum of all orders of each unit, at a time of its last day."""
    sums = ORDERS.groupby(ORDERS.index.to_period(unit)).sum()
    last = [min(period.end_time, TIMES[-1]) for period in sums.index]
    return [f"{day:%Y-%m-%d} {at},{total:.2f},all" for day, total in zip(last, sums, strict=True)]


SUMS = ("granularity", "extreme_amounts")
GROUPED = {"group": "country"}
EXTREME = "2026-08-10 12:00:00,999999.99,DE"


@pytest.mark.parametrize(
    ("lines", "keys", "said"),
    [
        pytest.param(lines_of(ORDERS), {}, None, id="orders"),
        pytest.param(lines_of(ORDERS, *sums_by("D", "23:59:59")), {}, "in each of 20 days", id="sums of days"),
        pytest.param(lines_of(ORDERS, *sums_by("W", "20:15:00")), {}, "in each of 3 weeks", id="sums of weeks"),
        pytest.param(lines_of(ORDERS, EXTREME), {}, "times what all but 1", id="one amount"),
        pytest.param(lines_of(ORDERS * 1000, EXTREME), {}, "5.034 times what all but 1", id="one large amount"),
        pytest.param(lines_of(ORDERS, *lines_of(ORDERS, countries=("all",))), GROUPED, "the group 'all'", id="all"),
        pytest.param(lines_of(ORDERS), GROUPED, None, id="groups"),
    ],
)
def test_sums_and_amounts_that_stand_out_are_found(lines: list[str], keys: dict[str, Any], said: str | None) -> None:
    found = [one for one in audit("at,amount,country", lines, **keys).findings if one.rule in SUMS]
    assert bool(found) == (said is not None)
    assert said is None or said in found[0].message


@pytest.mark.parametrize(
    ("hours", "refused"), [pytest.param(0, False, id="on one clock"), pytest.param(3, True, id="three hours apart")]
)
def test_times_with_and_without_a_zone_must_be_of_one_clock(hours: int, *, refused: bool) -> None:
    rush = pd.Series(1.0, TIMES[(TIMES.hour > 8) & (TIMES.hour < 18)])
    lines = [
        f"{at:%Y-%m-%dT%H:%M:%S}Z" if place % 2 else f"{at + pd.Timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}"
        for place, at in enumerate(rush.index)
    ]
    found = audit("at", lines, value={"rows": True})
    assert refusals(found) == (["granularity"] if refused else [])
    assert not refused or "seem 3 h later than the others" in found.findings[0].message


EVENTS = pd.DatetimeIndex(TIMES)


@pytest.mark.parametrize(
    ("at", "keys", "said"),
    [
        pytest.param(EVENTS, {}, None, id="whole times"),
        pytest.param(EVENTS.floor("6h"), {}, "set step: 6h", id="rounded to six hours"),
        pytest.param(EVENTS.floor("h"), {"step": "15m"}, "set step: 1h", id="rounded to hours for quarters"),
        pytest.param(EVENTS.floor("h"), {}, None, id="rounded to the step"),
        pytest.param(EVENTS[:1].repeat(60), {}, "in all 60 rows: name another column", id="one time for all"),
    ],
)
def test_times_that_are_rounded_or_one_for_all_are_refused(
    at: pd.DatetimeIndex, keys: dict[str, Any], said: str | None
) -> None:
    found = audit("at", [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in at], value={"rows": True}, **keys)
    assert refusals(found) == ([] if said is None else ["granularity"])
    assert said is None or said in found.findings[0].message


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param({"sum": "amount"}, None, id="amounts"),
        pytest.param({"sum": "order_id"}, "its numbers tell things apart", id="numbers of orders"),
        pytest.param({"sum": "zip_code"}, "its numbers tell things apart", id="postcodes"),
        pytest.param({"count_distinct": "order_id"}, None, id="orders"),
        pytest.param({"count_distinct": "country"}, "at most 3 different values in a step", id="countries"),
    ],
)
def test_what_cannot_be_counted_is_told(value: dict[str, str], said: str | None) -> None:
    lines = [f"{line},{place},{10115 + place % 70}" for place, line in enumerate(lines_of(ORDERS))]
    found = audit("at,amount,country,order_id,zip_code", lines, value=value, step="6h")
    told = [one.message for one in found.findings if one.rule == "value"]
    assert (said in told[0]) if said else not told


def test_a_column_that_holds_something_else_from_a_day_on_is_told() -> None:
    moved = ORDERS.where(TIMES[2000] > TIMES, 290 * ORDERS)
    told = [one.message for one in audit("at,amount,country", lines_of(moved)).findings if one.rule == "units"]
    assert "about 2" in told[0]
    assert "does the column still hold the same" in told[0]
