"""Edges of the decision about a volume: the moment a plan ends, and what it is that leaves no room."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from capacity.decision.volumes import decide_volume
from capacity.model.volume import GIB, DaysLeft
from tests.unit.test_volumes import claim_of, plan_of


@pytest.mark.parametrize(("before", "expired"), [(1, False), (0, True)])
def test_a_plan_ends_at_its_end(before: int, expired: bool) -> None:
    plan = plan_of()
    found = decide_volume(plan, claim_of(), plan.until - timedelta(seconds=before))
    assert (found.reason == "HeldPlanExpired") == expired


@pytest.mark.parametrize(("short", "said"), [("max", "more than max allows"), ("quota", "more than the quota allows")])
def test_what_leaves_no_room_is_named(short: Literal["max", "quota"], said: str) -> None:
    plan = replace(plan_of(), short_by=short)
    last = plan.steps[-1]
    claim = claim_of(asked=last.size, capacity=last.size)
    found = decide_volume(plan, claim, last.at)
    assert found.reason == "VolumeAtLimit"
    assert said in found.detail


@pytest.mark.parametrize(
    ("days", "said"), [(None, "in use within the plan"), (2.0, "in use as early as 2 days after ")]
)
def test_a_volume_that_grows_says_how_early_it_fills(days: float | None, said: str) -> None:
    plan = replace(plan_of(), until_target=DaysLeft(days, None, None))
    found = decide_volume(plan, claim_of(), plan.steps[0].at)
    assert (found.reason, said in found.detail) == ("VolumeFillsUp", True)


@pytest.mark.parametrize(
    ("asked", "after", "said"),
    [
        pytest.param(10, 0, "14Gi from 2026-", id="the next size"),
        pytest.param(14, 0, "20Gi from 2026-", id="the next that is larger than what stands"),
        pytest.param(20, 0, "", id="it has the largest already"),
        pytest.param(20, 30, "", id="no step is left"),
    ],
)
def test_a_volume_that_lasts_says_what_comes_next(asked: int, after: int, said: str) -> None:
    plan = plan_of()
    claim = claim_of(asked=asked * GIB, capacity=asked * GIB)
    found = decide_volume(plan, claim, plan.start + timedelta(days=after))
    assert (found.reason, found.detail[: len("14Gi from 2026-")]) == ("VolumeLasts", said)
