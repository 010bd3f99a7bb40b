"""Stretches of the three days in tests/three_days.py; `make proof` lives all of them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from tests.three_days import BLACK_FRIDAY, TOOLS, WEDNESDAY, ThreeDays, live

LINE = re.compile(r"(Wed|Thu|Fri) \d\d Nov \d\d:\d\d:\d\d  [a-z0-9-]+( [a-z]+)? +\S.*")


def stretch(begin: datetime, minutes: int, *, guard: bool = False, repairs: bool = True) -> ThreeDays:
    return live(begin, begin + timedelta(minutes=minutes), guard=guard, repairs=repairs)


@pytest.mark.parametrize("guard", [False, True], ids=["the loop repairs floors", "the guard keeps floors"])
def test_an_hour_before_the_peak_of_black_friday(guard: bool) -> None:
    """Every tool deploys, several lower their floor by three quarters, and the planner dies in between."""
    days = stretch(BLACK_FRIDAY + timedelta(hours=17, minutes=58), 17, guard=guard)
    assert days.misses == []
    assert set(days.deploys) == {tool.workload for tool in TOOLS}
    lowering = {tool.workload for tool in TOOLS if tool.floor is not None}
    assert set(days.lowered) == (set() if guard else lowering)
    assert any("killed at call" in line for line in days.log)
    assert [line for line in days.log if not LINE.fullmatch(line)] == []


def test_without_repairs_pods_are_missing() -> None:
    """The judge sees it: only the next pass puts the floor right, and the autoscaler has been faster."""
    assert stretch(BLACK_FRIDAY + timedelta(hours=17, minutes=58), 12, repairs=False).misses


def test_metrics_that_stand_still_while_demand_rises() -> None:
    days = stretch(WEDNESDAY + timedelta(days=1, hours=8, minutes=52), 22)
    assert days.misses == []
    assert any("the readings stand still" in line for line in days.log)
    assert any("floors rise with the plan" in line for line in days.log)


def test_a_quota_that_the_evening_fills() -> None:
    """Every pod that the quota allows runs; what is planned beyond stays wanted."""
    days = stretch(WEDNESDAY + timedelta(hours=18, minutes=22), 24)
    assert days.misses == []
    assert days.held_back > 5
    assert days.room() == 0
