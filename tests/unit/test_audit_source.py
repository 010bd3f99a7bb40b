"""What concerns a source as a whole: contract, freshness, completeness, anomalies, and measured usage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.model import DataError, Forecast
from capacity.quality import (
    Anomaly,
    Audit,
    Contract,
    Finding,
    Freshness,
    anomaly_finding,
    audit_usage,
    audit_usages,
    compare_columns,
    find_anomalies,
    step_counts,
)

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(count: int) -> pd.DatetimeIndex:
    return pd.date_range("2026-01-05", periods=count, freq="h", tz="UTC")


@pytest.mark.parametrize(
    ("expected", "got", "spoken"),
    [
        pytest.param({"a": "text"}, {"a": "text"}, (), id="nothing changed"),
        pytest.param({"a": "number"}, {"a": "integer"}, (), id="a whole number is a number"),
        pytest.param({"a": "any"}, {"a": "time"}, (), id="any kind will do"),
        pytest.param({"a": "integer"}, {"a": "number"}, ("column 'a': expected integer, got number",), id="a new type"),
        pytest.param({"OrderId": "text", "n": "integer"}, {"order_id": "text", "x": "text"},
                     ("column 'OrderId' is gone, 'order_id' came: renamed?", "column 'n' is gone", "column 'x' came"),
                     id="renamed, removed and added"),
        pytest.param({"at": "time"}, {"zz": "time"}, ("column 'at' is gone, 'zz' came: renamed?",), id="one for one"),
        pytest.param({"at": "time"}, {"zz": "text"}, ("column 'at' is gone", "column 'zz' came"), id="not of its kind"),
    ],
)  # fmt: skip
def test_what_changed_in_the_columns(expected: dict[str, str], got: dict[str, str], spoken: tuple[str, ...]) -> None:
    assert compare_columns(expected, got).spoken() == spoken


def test_a_contract_may_forbid_new_columns_and_forgive_others() -> None:
    contract = Contract({"a": "text"}, changed="warn", added="refuse")
    assert [finding.severity for finding in contract.findings({"x": "text", "y": "text"})] == [
        "warn",
        "refuse",
        "refuse",
    ]


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        pytest.param(2 * HOUR, "ok", id="exactly as old as it may be"),
        pytest.param(2 * HOUR + timedelta(seconds=1), "refuse", id="a second older"),
        pytest.param(None, "refuse", id="no good row at all"),
    ],
)
def test_a_source_that_is_too_old_is_a_finding(age: timedelta | None, verdict: str) -> None:
    last = None if age is None else NOON - age
    audit = Audit("o", 1000, 1000, last=last, freshness=Freshness(2 * HOUR, "refuse")).at(NOON)
    assert audit.verdict == verdict
    assert (audit.reasons != ()) == (verdict == "refuse")


def test_the_worst_of_score_and_findings_is_the_verdict() -> None:
    findings = (Finding("a", "warn", "a is odd"), Finding("b", "refuse", "b is wrong"))
    audit = Audit("o", 1000, 998, findings=findings)
    assert (audit.verdict, audit.reasons[1:]) == ("refuse", ("a is odd", "b is wrong"))
    assert Audit("o", 1000, 1000, findings=findings[:1]).verdict == "warn"


def test_the_figures_are_numbers_and_leave_out_what_is_not_known() -> None:
    figures = Audit("o", 4, 3, set_aside={"x": 2}, repaired={"y": 1}, last=NOON - HOUR).figures(NOON)
    assert figures == {
        "score": 0.75, "verdict": 2.0, "rows": 4.0, "passed": 3.0, "quarantined": 1.0, "set_aside": 2.0,
        "repaired": 1.0, "gaps": 0.0, "age_seconds": 3600.0,
    }  # fmt: skip
    assert "age_seconds" not in Audit("o", 4, 3).figures(NOON)


def test_the_newest_steps_stand_beside_the_median_of_the_same_hour_of_the_week() -> None:
    rows = pd.Series(np.tile(np.arange(168.0), 6), hours(168 * 6))
    rows.iloc[-1 - 168] = 1000.0  # one odd week among four changes nothing
    rows.iloc[-1] = 40.0
    (before, newest) = step_counts(rows, rows - 10, newest=2)
    assert (before.rows, before.passed, before.usual, before.completeness) == (166, 156, 166.0, 1.0)
    assert (newest.rows, newest.usual, newest.completeness) == (40, 167.0, 40 / 167)


def test_without_an_earlier_week_nothing_is_usual() -> None:
    rows = pd.Series(5.0, hours(30))
    assert {count.completeness for count in step_counts(rows, rows)} == {None}


def interval(low: float, high: float, steps: int) -> Forecast:
    index = hours(steps)
    table = pd.DataFrame({0.01: low, 0.99: high}, index=index)
    return Forecast((index[0] - HOUR).to_pydatetime(), HOUR, table, "sales")


def test_an_anomaly_lies_outside_the_interval_and_a_gap_is_none() -> None:
    actual = pd.Series([10.0, 20.0, 9.9, np.nan, 20.1, 15.0], hours(6))
    found = find_anomalies(actual, interval(10.0, 20.0, 6))
    assert [(one.start.hour, one.actual) for one in found] == [(2, 9.9), (4, 20.1)]


@pytest.mark.parametrize(("outside", "steps", "told"), [(1, 3, False), (2, 3, True), (2, 24, False), (3, 24, True)])
def test_more_steps_outside_than_chance_are_a_finding(outside: int, steps: int, *, told: bool) -> None:
    found = tuple(Anomaly(NOON + place * HOUR, 50.0 + place, 1.0, 2.0) for place in range(outside))
    finding = anomaly_finding("row_anomalies", found, steps, "refuse")
    assert (finding is not None) == told
    if finding is not None:
        assert f"got {50 + outside - 1}" in finding.message, "the farthest is named"


def slow_frozen(values: list[float], least: int) -> int:
    """Values that repeat the one before them in a run of at least so many repeats."""
    count, place = 0, 0
    while place < len(values):
        end = place
        while end + 1 < len(values) and values[end + 1] == values[place]:
            end += 1
        if end - place >= least and values[place] > 0:
            count += end - place
        place = end + 1
    return count


def test_frozen_values_are_counted_as_a_slow_count_has_them() -> None:
    generator = np.random.default_rng(5)
    for _ in range(50):
        values = np.repeat(generator.integers(0, 4, 12), generator.integers(1, 12, 12)).astype(float)
        audit = audit_usage(pd.Series(values, hours(len(values))))
        assert audit.failures["usage_not_frozen"] == slow_frozen(list(values), 6)


def test_usage_is_judged_value_by_value_and_a_gap_is_no_fault() -> None:
    usage = pd.DataFrame({"a": [1.0, np.nan, -1.0, 2.0], "b": [np.inf, 1.5, 1.7, np.nan]}, index=hours(4))
    audit = audit_usage(usage, "prometheus")
    assert (audit.rows, audit.passed, audit.gaps) == (6, 4, 2)
    assert audit.failures == {"usage_finite": 1, "usage_not_negative": 1, "usage_not_frozen": 0}


def test_usage_of_many_workloads_is_one_source_and_replicas_may_stand_still() -> None:
    moving, replicas = np.arange(1.0, 25.0), np.full(24, 3.0)
    tables = [
        pd.DataFrame({"cpu": moving, "memory": moving, "replicas": replicas}, hours(24)),
        pd.DataFrame({"cpu": np.r_[moving[:12], np.full(12, 5.0)]}, hours(24)),
        pd.DataFrame({"cpu": np.full(24, np.nan)}, hours(24)),
    ]
    audit = audit_usages(tables, "usage.csv")
    assert (audit.rows, audit.passed, audit.gaps) == (72, 61, 0)
    assert audit.failures == {"usage_finite": 0, "usage_not_negative": 0, "usage_not_frozen": 11}
    assert audit.verdict == "refuse", "half a day without a move: nobody measures"
    assert audit_usages([], "usage.csv").verdict == "refuse"


@pytest.mark.parametrize(
    "usage", [pd.Series([1.0, 2.0]), pd.Series([np.nan] * 3, hours(3))], ids=["no times", "no value at all"]
)
def test_usage_that_is_none_is_refused(usage: pd.Series) -> None:
    with pytest.raises(DataError, match="expected"):
        audit_usage(usage)
