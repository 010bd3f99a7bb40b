"""What is unusual of a day: counts low and high, clocks, copies, and what its rows consist of; and what is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.detect import HELD_BACK, KNOWN, data_sets, figures, total
from capacity.model.arrays import Array
from capacity.model.configuration import Config
from capacity.quality import Audit, Finding
from capacity.quality.clock import find_clock_move
from capacity.quality.composition import Statistic, find_changes, value_statistics
from capacity.quality.usual import expected_days, find_deviation, find_repeat, find_shift, surprise
from capacity.sources import OrderTable, audit_orders
from capacity.sources.orders import audit_sales

HOURS = np.arange(24)
SHAPE = 2 + 30 * np.exp(-(((HOURS - 14) / 3.0) ** 2))


def days(count: int = 84, scale: float = 1.0, seed: int = 3) -> Array:
    """Counts per hour of days with a busy afternoon and a weekend half as busy."""
    random = np.random.default_rng(seed)
    level = np.where(np.arange(count) % 7 >= 5, 0.5, 1.0)[:, None] * random.gamma(200, 1 / 200, (count, 1))
    return random.poisson(scale * SHAPE * level).astype(float)


@pytest.mark.parametrize(
    ("change", "first", "low"),
    [
        pytest.param(lambda day: day * (HOURS < 12), 12, True, id="nothing after noon"),
        pytest.param(lambda day: day * ((HOURS < 12) | (HOURS > 15)), 12, True, id="a hole of four hours"),
        pytest.param(lambda day: np.round(day * 0.4), 0, True, id="most of the day"),
        pytest.param(lambda day: 2 * day, 0, False, id="everything twice"),
        pytest.param(lambda day: day + 150 * (HOURS == 3), 3, False, id="a burst at night"),
    ],
)
def test_a_day_that_is_not_as_it_should_be_is_found(change: Callable[[Array], Array], first: int, *, low: bool) -> None:
    counts = days()
    assert find_deviation(counts) is None
    counts[-1] = change(counts[-1])
    found = find_deviation(counts)
    assert found is not None
    assert abs(found.first - first) <= 4
    assert (found.actual < found.expected) == low


def test_loss_at_quiet_hours_is_found_over_the_day() -> None:
    counts = days(scale=0.12)  # two or three an hour at most: no hour alone can be too low
    assert find_deviation(counts) is None
    counts[-1] = 0
    found = find_deviation(counts)
    assert found is not None
    assert found.steps >= 8


def test_days_known_to_differ_are_neither_judged_nor_evidence() -> None:
    counts, skip = days(), np.zeros(84, dtype=bool)
    counts[-1], skip[-1] = 0, True
    assert find_deviation(counts, skip) is None
    shut = days()
    shut[[60, 67, 74]] = 0
    skip = np.isin(np.arange(84), [60, 67, 74])
    np.testing.assert_allclose(expected_days(shut, skip)[-3].sum(), expected_days(days())[-3].sum(), rtol=0.1)


def local_orders(zone: str, first: str, last: str, scale: float = 1.0) -> pd.DatetimeIndex:
    """Times of orders of a shop that keeps its hours on the clock of a zone."""
    minutes = pd.date_range(first, last, freq="min", tz=zone, inclusive="left")
    rate = np.interp(minutes.hour + minutes.minute / 60, np.arange(24), SHAPE / SHAPE.max())
    return pd.DatetimeIndex(minutes[np.random.default_rng(5).random(len(minutes)) < 0.4 * scale * rate])


def hourly(times: pd.DatetimeIndex) -> pd.Series:
    return pd.Series(1.0, times).resample("h").sum()


def as_utc(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return times.tz_localize(None).tz_localize("UTC")


SPRING, AUTUMN = ("2026-03-01", "2026-04-26"), ("2026-09-28", "2026-11-23")


@pytest.mark.parametrize(
    ("span", "zone", "told", "expected"),
    [
        pytest.param(SPRING, "Europe/Berlin", lambda at: at.tz_convert("UTC"), None, id="true instants"),
        pytest.param(SPRING, "UTC", as_utc, None, id="a clock without change"),
        pytest.param(SPRING, "Europe/Berlin", as_utc, True, id="local as UTC"),
        pytest.param(AUTUMN, "Europe/Berlin", as_utc, True, id="in autumn"),
        pytest.param(SPRING, "Europe/Berlin",
                     lambda at: at.tz_convert("UTC").tz_localize(None).tz_localize("Europe/Berlin", nonexistent="NaT",
                     ambiguous="NaT").dropna().tz_convert("UTC"), False, id="UTC as local"),
        pytest.param(("2026-03-22", "2026-04-26"), "Europe/Berlin",
                     as_utc, None, id="too few days before the change"),
    ],
)  # fmt: skip
def test_times_on_another_clock_move_where_the_clock_is_changed(
    span: tuple[str, str],
    zone: str,
    told: Callable[[pd.DatetimeIndex], pd.DatetimeIndex],
    expected: bool | None,
) -> None:
    found = find_clock_move(hourly(told(local_orders("Europe/Berlin", *span))), zone)
    assert (None if found is None else found.with_clock) == expected


def test_the_audit_says_that_local_times_are_written_as_utc(tmp_path: Path) -> None:
    at = local_orders("Europe/Berlin", *SPRING)
    file = tmp_path / "orders.csv"

    def verdict(form: str, **keys: Any) -> tuple[str, list[str]]:
        pd.DataFrame({"at": at.strftime(form)}).to_csv(file, index=False)
        audit = audit_sales(
            file, time="at", value="rows", timezone="Europe/Berlin", freshness={"within": "9999d"}, **keys
        )
        return audit.verdict, [finding.message for finding in audit.findings if finding.rule == "clock"]

    assert verdict("%Y-%m-%d %H:%M") == ("ok", [])
    assert "export at with its true offset" in verdict("%Y-%m-%dT%H:%MZ")[1][0]
    assert "set sales.timezone to that of" in verdict("%Y-%m-%d %H:%M", naive_timezone="UTC")[1][0]
    at = at.tz_convert("UTC")
    assert "set sales.timezone: UTC" in verdict("%Y-%m-%d %H:%M")[1][0]


def test_little_traffic_tells_nothing_of_the_clock() -> None:
    at = as_utc(local_orders("Europe/Berlin", *SPRING, scale=0.02))
    assert find_clock_move(hourly(at), "Europe/Berlin") is None


def test_too_short_a_history_judges_nothing() -> None:
    counts = days(count=30)
    counts[-1] = 0
    assert find_deviation(counts) is None
    assert find_shift(counts) is None


@pytest.mark.parametrize("move", [-5, -2, 2, 5])
def test_a_clock_that_is_off_is_found(move: int) -> None:
    counts = days(scale=3.0)
    assert find_shift(counts) is None
    counts[-1] = np.roll(counts[-1], move)
    assert find_shift(counts) == move


def test_a_copied_day_is_found_and_equal_quiet_days_are_not() -> None:
    counts = days()
    assert find_repeat(counts) is None
    counts[-1] = counts[-8]
    assert find_repeat(counts) == 7
    assert find_repeat(np.tile([0.0] * 20 + [2.0] * 4, (60, 1))) is None


@given(counts=st.lists(st.integers(0, 10_000), min_size=1, max_size=20), kappa=st.floats(0.001, 1.0))
@settings(max_examples=60, deadline=None)
def test_surprise_rises_with_the_count_and_is_zero_where_it_is_as_expected(counts: list[int], kappa: float) -> None:
    ordered = np.array(sorted(counts), dtype=float)
    found = surprise(ordered, np.full(len(ordered), 100.0), kappa)
    assert (np.diff(found) >= -1e-9).all()
    np.testing.assert_allclose(surprise(ordered, ordered, kappa), 0, atol=1e-9)


def statistic(kind: str, newest: float, noise: float = 0.0) -> Statistic:
    random = np.random.default_rng(1)
    part = np.append(np.clip(0.2 + noise * random.normal(size=50), 0, 1), newest) * 1000
    return Statistic("x", kind, np.round(part), np.full(51, 1000.0), 0.03)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "newest", "noise", "found"),
    [
        pytest.param("share", 0.3, 0.01, True, id="a share that rose"),
        pytest.param("share", 0.22, 0.01, False, id="a share within its noise"),
        pytest.param("share", 0.3, 0.05, False, id="a share that always varies"),
        pytest.param("share", 0.0, 0.01, True, id="a share that vanished"),
        pytest.param("ratio", 0.1, 0.01, True, id="a ratio that fell by half"),
        pytest.param("mean", 0.4, 0.01, True, id="a mean that doubled"),
    ],
)
def test_a_change_of_composition(kind: str, newest: float, noise: float, *, found: bool) -> None:
    assert bool(find_changes([statistic(kind, newest, noise)])) == found


def test_a_value_never_seen_and_a_value_gone_are_found() -> None:
    whole = np.full(40, 500.0)
    counts = {"DE": np.append(np.full(39, 200.0), 0.0), "GB": np.append(np.full(39, 300.0), 300.0)}
    counts["Germany"] = np.append(np.zeros(39), 200.0)
    found = {change.name for change in find_changes(value_statistics("country", counts, whole))}
    assert {"country is 'DE'", "country has values never seen before"} <= found


def test_two_verdicts_for_machines() -> None:
    degraded = Audit("o", 1000, 1000, findings=(Finding("clock_shift", "warn", "late"),))
    assert (degraded.verdict, degraded.row_verdict, degraded.safe_to_plan) == ("warn", "degraded", True)
    old = Audit("o", 1000, 1000, findings=(Finding("freshness", "refuse", "old"),))
    assert (old.verdict, old.row_verdict, old.safe_to_plan) == ("refuse", "ok", False)
    assert Audit("o", 1000, 10).row_verdict == "refuse"


def orders(end: str) -> pd.DatetimeIndex:
    """One order a quarter of an hour by day, for two months."""
    every = pd.date_range("2026-01-05", end, freq="15min", inclusive="left")
    return every[(every.hour >= 8) & (every.hour < 20)]


@pytest.mark.parametrize("value", [{"rows": True}, {"sum": "amount"}], ids=["rows", "sum"])
def test_rows_that_a_select_cannot_judge_are_counted(value: dict[str, object]) -> None:
    times = orders("2026-03-09")
    frame = pd.DataFrame({"at": times, "status": "paid", "amount": 2.5})
    frame.loc[frame.index % 50 == 0, "status"] = None
    frame.to_csv("orders.csv", index=False)
    select = [{"name": "not_cancelled", "check": "status <> 'cancelled'"}]
    audit = audit_sales("orders.csv", time="at", value=value, select=select)
    lost = int(frame["status"].isna().sum())
    assert audit.set_aside == {"not_cancelled": lost}
    assert any(f"select not_cancelled: {lost} of {len(frame):,} rows are left out" in note for note in audit.notes)


def test_a_note_names_each_state_that_is_no_order_and_the_select_that_leaves_all_of_them_out() -> None:
    times = orders("2026-03-09")
    frame = pd.DataFrame({"at": times, "status": "paid"})
    frame.loc[frame.index % 20 == 0, "status"] = "cancelled"
    frame.loc[frame.index % 20 == 1, "status"] = "refunded"
    frame.to_csv("orders.csv", index=False)
    (note,) = [note for note in audit_sales("orders.csv", time="at", value={"rows": True}).notes if "count as" in note]
    check = note.partition("`")[2].partition("`")[0]
    assert "'cancelled' or 'refunded' in status" in note
    select = [{"name": "orders", "check": check}]
    audit = audit_sales("orders.csv", time="at", value={"rows": True}, select=select)
    assert audit.set_aside == {"orders": int((frame["status"] != "paid").sum())}


def test_a_day_that_is_over_is_judged_as_a_whole_and_a_running_one_up_to_its_newest_row() -> None:
    from capacity.model.settings import SalesSettings
    from capacity.sources.anomalies import notice_anomalies
    from capacity.sources.table import OrderTable

    times = orders("2026-03-09 12:00")
    pd.DataFrame({"at": times}).to_csv("orders.csv", index=False)
    sales = SalesSettings.model_validate({"source": "orders.csv", "time": "at", "value": {"rows": True}})

    def found(now: datetime) -> list[str]:
        with OrderTable.load(sales, "UTC", now) as table:
            return [finding.rule for finding in notice_anomalies(table.audit(), table).findings]

    assert "row_anomalies" not in found(datetime(2026, 3, 9, 12, tzinfo=UTC)), "the day runs"
    assert "row_anomalies" in found(datetime(2026, 3, 10, 1, tzinfo=UTC)), "the day is over and its afternoon lacks"


@pytest.mark.parametrize(("last", "found"), [(True, True), (False, False)])
def test_times_that_became_unreadable_on_the_newest_day_are_found(*, last: bool, found: bool) -> None:
    times = orders("2026-03-09").strftime("%Y-%m-%dT%H:%M:%SZ").to_numpy(dtype=object).copy()
    place = np.arange(30) * 2 + (len(times) - 60 if last else 0)
    times[place] = "n/a"
    pd.DataFrame({"at": times}).to_csv("orders.csv", index=False)
    audit = audit_sales("orders.csv", time="at", value={"rows": True})
    assert ("unreadable_times" in [finding.rule for finding in audit.findings]) == found


def test_groups_written_in_several_ways_or_like_people_are_noted() -> None:
    times = orders("2026-03-09")
    names = ["DE", "de ", "jane@example.org", "+49 30 1234567", "2026-01-05"]
    pd.DataFrame({"at": times, "shop": [names[place % 5] for place in range(len(times))]}).to_csv("o.csv", index=False)
    notes = " ".join(audit_sales("o.csv", time="at", value={"rows": True}, group="shop").notes)
    assert "1 groups of shop are written in several ways, such as 'DE' and 'de '" in notes
    assert "2 groups of shop look like e-mail addresses or telephone numbers" in notes
    assert "jane" not in notes


def test_a_small_form_of_the_benchmark() -> None:
    invented = tuple(one for one in data_sets(Path("benchmarks/data")) if one.name == "invented")
    chosen = dict([*list(KNOWN.items())[::6], *list(HELD_BACK.items())[::14]])
    found = figures(invented, chosen, 1, quick=False)
    assert total(found) == {"tried": len(chosen), "found": len(chosen), "clean_days": 1, "false_alarms": 0}, found


@pytest.mark.parametrize(
    ("groups", "quiet"),
    [
        pytest.param({}, False, id="a calendar without groups"),
        pytest.param(
            {"DE": {"holidays": ["DE"], "timezone": "Europe/Berlin"}}, True, id="the holiday of a large group"
        ),
        pytest.param({"AT": {"holidays": ["DE"]}}, False, id="the holiday of a group with few rows"),
        pytest.param({"DE": {"events": "own.csv"}}, True, id="an event of a large group"),
    ],
)
def test_a_day_that_a_group_knows_is_not_judged(
    groups: dict[str, dict[str, object]], *, quiet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text("name,start,end,kind,uplift\nclosed,2025-10-03,2025-10-03,closing,\n", encoding="utf-8")
    counts = days(90)
    starts = pd.date_range(end="2025-10-03", periods=90).repeat(24) + pd.to_timedelta(np.tile(HOURS, 90), "h")
    times = pd.DatetimeIndex(starts.repeat(counts.astype(int).ravel()))
    group = np.where(np.arange(len(times)) % 40 == 0, "AT", np.where(np.arange(len(times)) % 3 == 0, "GB", "DE"))
    kept = (group != "DE") | (times < pd.Timestamp("2025-10-03"))
    rows = pd.DataFrame({"at": times[kept], "country": group[kept]})
    config = Config.model_validate(
        {
            "timezone": "UTC",
            "sales": {"source": "DataFrame", "time": "at", "group": "country"},
            "calendar": {"groups": groups},
            "workloads": [],
        }
    )
    now = datetime(2025, 10, 4, 1, tzinfo=UTC)
    with OrderTable.load(config.orders(), "UTC", now, held=rows) as table:
        found = [finding.rule for finding in audit_orders(table, config).findings]
    assert ("row_anomalies" not in found) == quiet
    assert ("composition" not in found) == quiet
