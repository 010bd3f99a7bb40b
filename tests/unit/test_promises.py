"""The promises: when one is kept, what is left of its budget, how long incidents took, what audits say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.app.status import latency_objective, quality_objective
from capacity.model import DataError
from capacity.model.service_level import TARGETS, ServiceLevelObjective
from capacity.monitoring import Ticket, restore_objective
from capacity.monitoring.samples import audit_samples
from capacity.sources import audit_sales
from capacity.views.tables.status import figure_text

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTE, MONTH = timedelta(minutes=1), timedelta(days=30)


@pytest.mark.parametrize(
    ("name", "value", "kept", "left"),
    [
        pytest.param("uptime", 0.9995, True, 0.5, id="half of the minutes that may be missed were"),
        pytest.param("uptime", 0.999, False, 0.0, id="uptime at its bound is not above it"),
        pytest.param("uptime", 0.997, False, -2.0, id="three times the budget"),
        pytest.param("time to restore", 900.0, True, 0.5, id="a quarter of an hour to restore"),
        pytest.param("time to restore", 1800.0, False, 0.0, id="half an hour is not under half an hour"),
        pytest.param("data latency", 300.0, False, 0.0, id="five minutes are not under five"),
        pytest.param("CPU and memory", 0.79, True, 0.0125, id="just under 80 %"),
        pytest.param("CPU and memory", 0.80, False, 0.0, id="80 % is not under 80 %"),
        pytest.param("data quality", 0.995, True, 0.0, id="quality at its bound is kept, with nothing left"),
        pytest.param("data quality", 1.0, True, 1.0, id="every row good"),
    ],
)
def test_a_promise_is_kept_or_broken(name: str, value: float, kept: bool, left: float) -> None:
    promise = ServiceLevelObjective(TARGETS[name], value, "x")
    assert promise.kept is kept
    assert promise.budget_left == pytest.approx(left, abs=1e-9)


@given(name=st.sampled_from(list(TARGETS)), value=st.floats(0, 1e6))
def test_a_kept_promise_has_budget_left_and_a_broken_one_has_none(name: str, value: float) -> None:
    promise = ServiceLevelObjective(TARGETS[name], value if TARGETS[name].unit == "seconds" else min(value, 1.0), "x")
    assert promise.budget_left is not None
    assert promise.budget_left >= -1e-9 if promise.kept else promise.budget_left <= 1e-9


def test_what_is_not_known_is_neither_kept_nor_broken_nor_zero() -> None:
    unknown = ServiceLevelObjective(TARGETS["uptime"], None, "", "no prometheus")
    assert (unknown.value, unknown.kept, unknown.budget_left) == (None, None, None)
    untried = ServiceLevelObjective(TARGETS["time to restore"], None, "x", "no incident", untried=True)
    assert (untried.value, untried.kept, untried.budget_left) == (None, True, 1.0)
    with pytest.raises(DataError, match="no reason why"):
        ServiceLevelObjective(TARGETS["uptime"], None, "")


def ticket(name: str, opened: int, resolved: int | None, key: str = "1") -> Ticket:
    """Opened and resolved so many minutes before NOW."""
    ended = None if resolved is None else NOW - resolved * MINUTE
    return Ticket(key, f"capacity/{name}/shop", "", False, NOW - opened * MINUTE, ended)


@pytest.mark.parametrize(
    ("tickets", "minutes", "note"),
    [
        pytest.param([ticket("PlanStale", 60, 40)], 20, "critical incidents: 1", id="twenty minutes"),
        pytest.param(
            [ticket("PlanStale", 60, 40), ticket("PassFailed", 90, 80)],
            15,
            "critical incidents: 2",
            id="mean of two",
        ),
        pytest.param(
            [ticket("PlanStale", 50, None)],
            50,
            "critical incidents: 1, still open: 1",
            id="an open one counts with what it has lasted",
        ),
        pytest.param(
            [ticket("PlanStale", 60, 40), ticket("PlanStale", 59, 59, "2")],
            20,
            "critical incidents: 1",
            id="a duplicate is no second incident",
        ),
        pytest.param(
            [ticket("PlanStale", 90000, 80000), ticket("PlanStale", 60, 40)],
            20,
            "critical incidents: 1",
            id="one that ended before the window is not counted",
        ),
    ],
)
def test_time_to_restore_is_the_mean_from_opened_to_resolved(tickets: list[Ticket], minutes: int, note: str) -> None:
    promise = restore_objective(tickets, NOW, MONTH)
    assert promise.value == minutes * 60
    assert promise.note == note


@pytest.mark.parametrize(
    "tickets",
    [[], [ticket("DataStale", 600, 10)], [Ticket("1", "capacity/odd", "", False, NOW)]],
    ids=["none", "only a warning", "none of ours"],
)
def test_without_a_critical_incident_nothing_was_tried(tickets: list[Ticket]) -> None:
    promise = restore_objective(tickets, NOW, MONTH)
    assert (promise.value, promise.untried, promise.kept) == (None, True, True)


def audits(*rows: tuple[str, int, int, float, float | None]) -> pd.DataFrame:
    """(source, passed, rows, age in seconds, latency in seconds)."""
    return pd.DataFrame(
        {
            "audited_at": [pd.Timestamp(NOW)] * len(rows),
            "source": [row[0] for row in rows],
            "passed": [row[1] for row in rows],
            "rows": [row[2] for row in rows],
            "score": [row[1] / row[2] if row[2] else 0.0 for row in rows],
            "newest": [pd.Timestamp(NOW) - pd.Timedelta(row[3], "s") for row in rows],
            "latency_seconds": [row[4] for row in rows],
        }
    )


def test_one_late_audit_in_twenty_breaks_no_promise_and_two_do() -> None:
    late, good = ("a", 1, 1, 9000.0, 4000.0), ("a", 1, 1, 9000.0, 60.0)
    assert latency_objective(audits(*[good] * 19, late)).value == 60
    broken = latency_objective(audits(*[good] * 18, late, late))
    assert (broken.value, broken.kept) == (4000, False)
    assert broken.note == "a, 20 audits, 67 min at most"


def test_latency_is_the_sources_own_where_it_tells() -> None:
    assert latency_objective(audits(("a", 1, 1, 4000.0, 30.0))).value == 30
    assert latency_objective(audits(("a", 1, 1, -5.0, None))).value == 0


def test_the_age_of_orders_shows_that_latency_is_kept_and_never_that_it_is_broken() -> None:
    """A night without orders is no late delivery."""
    recent, night, broken = ("a", 1, 1, 60.0, None), ("a", 1, 1, 4000.0, None), ("b", 1, 1, 0.0, 700.0)
    assert latency_objective(audits(recent, recent)).kept is True
    unclear = latency_objective(audits(recent, night))
    assert (unclear.value, unclear.kept) == (None, None)
    assert "set sales.available_at" in unclear.note
    assert latency_objective(audits(recent, night, broken)).value == 700


def test_totals_are_late_only_when_the_next_one_is_overdue() -> None:
    """The total of 10:00 to 11:00 stands there until 12:00, and is no sign that anything is late."""
    hours = pd.date_range("2026-01-05", periods=24 * 9 + 11, freq="h", tz="UTC")
    hourly = audit_sales(pd.Series(5.0, hours))
    single = audit_sales(pd.DataFrame({"at": hours + pd.to_timedelta(np.arange(len(hours)) % 57, "min")}), time="at")
    newest = hours[-1].to_pydatetime()
    assert (hourly.totals, single.totals) == (timedelta(hours=1), None)
    for minutes, late in ((60, 0.0), (119, 0.0), (127, 420.0)):
        found = {one.name: one.value for one in audit_samples(hourly, newest + timedelta(minutes=minutes))}
        assert found["capacity_data_latency_seconds"] == late
    assert single.late(newest + timedelta(hours=9)) is None, "a night without orders is not late"


def test_quality_is_that_of_the_worst_source() -> None:
    promise = quality_objective(audits(("a", 99, 100, 0, None), ("a", 100, 100, 0, None), ("b", 100, 100, 0, None)))
    assert (promise.value, promise.kept) == (0.995, True)
    assert promise.note == "a, 2 audits, lowest score 99.00 %"
    empty = quality_objective(audits(("a", 0, 0, 0, None)))
    assert (empty.value, empty.kept) == (None, None)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("uptime", 0.99899, "99.899 %"),
        ("data quality", 0.99499, "99.499 %"),
        ("time to restore", 720.0, "12 min"),
        ("data latency", 12.4, "12 s"),
    ],
)
def test_a_figure_is_not_rounded_over_its_bound(name: str, value: float, text: str) -> None:
    assert figure_text(value, TARGETS[name]) == text
