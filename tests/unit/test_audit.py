"""The audit's arithmetic: score, verdict at and beside the thresholds, age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from capacity.model import DataError
from capacity.quality import Audit, Quality, Rule

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
STRICT = Quality(warn_below=0.99, refuse_below=0.9)


@pytest.mark.parametrize(
    ("passed", "rows", "verdict"),
    [
        pytest.param(1000, 1000, "ok", id="all rows pass"),
        pytest.param(990, 1000, "ok", id="exactly at warn_below is not below it"),
        pytest.param(989, 1000, "warn", id="one row below warn_below warns"),
        pytest.param(900, 1000, "warn", id="exactly at refuse_below still warns"),
        pytest.param(899, 1000, "refuse", id="one row below refuse_below refuses"),
        pytest.param(0, 1000, "refuse", id="no row passes"),
        pytest.param(0, 0, "refuse", id="no row at all is no good row, not a perfect score"),
    ],
)
def test_the_verdict_follows_the_score(passed: int, rows: int, verdict: str) -> None:
    assert Audit("orders.csv", rows, passed, quality=STRICT).verdict == verdict


def test_a_refusal_of_zero_never_refuses() -> None:
    assert Audit("orders.csv", 10, 0, quality=Quality(0.999, 0.0)).verdict == "warn"


def test_score_and_quarantine_add_up() -> None:
    audit = Audit("orders.csv", 200, 150)
    assert (audit.score, audit.quarantined) == (0.75, 50)
    assert Audit("orders.csv", 0, 0).score == 0.0


@pytest.mark.parametrize(
    ("warn", "refuse"),
    [
        pytest.param(0.5, 0.6, id="refusing before warning"),
        pytest.param(1.1, 0.5, id="a threshold above one"),
        pytest.param(0.5, -0.1, id="a threshold below zero"),
        pytest.param(float("nan"), 0.0, id="no number"),
    ],
)
def test_thresholds_out_of_order_are_refused(warn: float, refuse: float) -> None:
    with pytest.raises(DataError, match="expected 0 <= refuse_below <= warn_below <= 1, got"):
        Quality(warn, refuse)


@pytest.mark.parametrize(("rows", "passed"), [(1, 2), (1, -1)], ids=["more than there are", "fewer than none"])
def test_passing_rows_that_cannot_be_are_refused(rows: int, passed: int) -> None:
    with pytest.raises(DataError, match=f"expected 0 <= passed <= rows, got {passed} of {rows}"):
        Audit("orders.csv", rows, passed)


def test_the_age_is_of_the_newest_good_row_and_absent_without_one() -> None:
    aged = Audit("orders.csv", 1, 1, first=NOON - timedelta(days=9), last=NOON - timedelta(hours=3))
    assert aged.age(NOON) == timedelta(hours=3)
    assert Audit("orders.csv", 1, 0).age(NOON) is None


def test_a_rule_repairs_nothing_unless_told() -> None:
    assert Rule("positive", "n > 0").repair is None
