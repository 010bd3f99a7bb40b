"""How full volumes will be, the sizes planned for them, and the size that a pass asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.volume_alarms import stored
from capacity.decision.volumes import decide_volume
from capacity.forecast.cleanups import find_cleanups
from capacity.forecast.fill import Driver, fill_paths
from capacity.model import DataError, Plan, Wishes, parse_plan, plan_text
from capacity.model.volume import (
    GIB,
    ClaimObservation,
    DaysLeft,
    SizeStep,
    VolumeDecision,
    VolumePlan,
    VolumeRules,
    parse_volume,
    volume_document,
)
from capacity.planning.volumes import VolumeContext, plan_volume, plan_volumes, within_storage_quotas
from tests.plans import workload_of, workload_plan

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), 24, 168
LEFT = DaysLeft(2.0, 4.0, 8.0)


def usage_of(used: np.ndarray, capacity: float = 100 * GIB, **columns: Any) -> pd.DataFrame:
    """Usage by the hour that ends at NOW."""
    index = pd.date_range(end=pd.Timestamp(NOW) - HOUR, periods=len(used), freq="h")
    return pd.DataFrame({"used": used, "capacity": capacity, **columns}, index)


def weekly(weeks: int, keep: float = 0.2, seed: int = 0) -> np.ndarray:
    """A store that writes about 17 GiB a week and is cleaned up every week."""
    random = np.random.default_rng(seed)
    writes = (
        0.1 * GIB * (1 + 0.5 * np.sin(2 * np.pi * np.arange(weeks * WEEK) / DAY)) * random.gamma(4, 0.25, weeks * WEEK)
    )
    return stored(writes, WEEK, keep, 20 * GIB)


def plan_of(**chosen: Any) -> VolumePlan:
    usual = {
        "claim": "data-db-0",
        "start": NOW,
        "until": NOW + timedelta(days=45),
        "size": 10 * GIB,
        "capacity": 10 * GIB,
        "used": 7 * GIB,
        "steps": (SizeStep(NOW + timedelta(days=1), 14 * GIB), SizeStep(NOW + timedelta(days=20), 20 * GIB)),
        "until_target": LEFT,
        "until_full": LEFT,
        "target": 0.8,
        "probability": 0.95,
        "cooldown": timedelta(hours=6),
        "lead_time": timedelta(minutes=10),
    }
    return VolumePlan(**{**usual, **chosen})


def claim_of(**chosen: Any) -> ClaimObservation:
    usual = {
        "name": "data-db-0",
        "phase": "Bound",
        "asked": 10 * GIB,
        "capacity": 10 * GIB,
        "storage_class": "fast",
        "expandable": True,
    }
    return ClaimObservation(**{**usual, **chosen})


def test_a_weekly_cleanup_is_found_and_expected_again() -> None:
    used = weekly(10)
    found = find_cleanups(used, DAY)
    assert set(found.intervals.tolist()) == {float(WEEK)}
    paths = fill_paths(used, HOUR, 4 * WEEK, random=np.random.default_rng(1))
    assert paths.highest(0.5)[-1] < 1.1 * used.max(), "the saw does not become a ramp"
    assert paths.chance(1.4 * used.max(), timedelta(days=4)) == 0.0


def test_cleanups_that_stop_are_no_longer_expected() -> None:
    used = weekly(10)
    writes = np.maximum(np.diff(used, prepend=used[0]), 0.0)[-WEEK:]
    longer = np.concatenate([used, used[-1] + np.cumsum(writes), used[-1] + writes.sum() + np.cumsum(writes)])
    assert find_cleanups(longer, DAY).certainty == 0.0
    paths = fill_paths(longer, HOUR, 2 * WEEK, random=np.random.default_rng(1))
    assert paths.highest(0.5)[-1] > longer[-1] + 1.5 * writes.sum()


def test_a_runaway_writer_is_taken_to_go_on() -> None:
    used = weekly(8, keep=0.3)
    burst = used[-1] + 3 * GIB * np.arange(1, 7)
    paths = fill_paths(np.concatenate([used, burst]), HOUR, 4 * DAY, random=np.random.default_rng(1))
    assert paths.chance(used[-1] + 150 * GIB, timedelta(days=4)) >= 0.45


def test_sales_that_explain_the_writes_say_bytes_per_sale() -> None:
    random = np.random.default_rng(3)
    days = np.repeat(random.gamma(6, 50, 70), DAY)
    used = np.cumsum(1e6 + 2e6 * days * random.gamma(50, 1 / 50, len(days)))
    ahead = np.full(7 * DAY, 900.0)
    paths = fill_paths(used, HOUR, 7 * DAY, random=random, driver=Driver(days, ahead, np.full(7 * DAY, 0.05)))
    assert paths.per_sale == pytest.approx(2e6, rel=0.1)
    assert paths.quantiles(0.5)[-1] - used[-1] == pytest.approx(7 * DAY * 1.8e9, rel=0.15), (
        "three times the usual sales"
    )


def test_quantiles_of_the_maximum_cover_what_came() -> None:
    covered = []
    for seed in range(6):
        used = weekly(14, seed=seed)
        for end in range(9 * WEEK, 12 * WEEK, 40):
            highest = fill_paths(used[:end], HOUR, 10 * DAY, random=np.random.default_rng(end)).highest(0.95)[-1]
            covered.append(used[end : end + 10 * DAY].max() <= highest)
    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize(
    "used",
    [
        pytest.param(np.full(50, 7.0 * GIB), id="nothing ever changes"),
        pytest.param(np.zeros(50), id="an empty volume"),
        pytest.param(np.where(np.arange(80) % 2, 1.0, 3.0) * GIB, id="up and down every hour"),
        pytest.param(np.r_[np.arange(20.0), np.full(9, np.nan), np.arange(30.0, 60.0)] * 1e8, id="a gap"),
        pytest.param(np.arange(90.0, 0.0, -1.0) * 1e8, id="ever emptier"),
    ],
)
def test_any_store_has_finite_paths(used: np.ndarray) -> None:
    paths = fill_paths(used, HOUR, 100, random=np.random.default_rng(0))
    assert np.isfinite(paths.paths).all()
    assert paths.paths.min() >= 0


def test_a_plan_grows_ahead_in_whole_gib_and_never_shrinks() -> None:
    rules = VolumeRules("data", max=140 * GIB, step=5 * GIB)
    plan = plan_volume(rules, "data", usage_of(GIB * (55 + 0.012 * np.arange(10 * WEEK))), NOW)
    sizes = [plan.size, *(step.size for step in plan.steps)]
    assert sizes == sorted(set(sizes))
    assert all(size % GIB == 0 and size <= 140 * GIB for size in sizes)
    assert all((late - early) >= 5 * GIB for early, late in pairwise(sizes) if late < 140 * GIB)
    assert plan.steps[0].at < NOW + timedelta(days=plan.until_target.early or 0.0), "before 80 % may be in use"
    gaps = np.diff([step.at.timestamp() for step in plan.steps])
    assert (gaps >= rules.cooldown.total_seconds()).all()


def test_a_plan_that_max_cuts_says_so() -> None:
    plan = plan_volume(VolumeRules("data", max=101 * GIB), "data", usage_of(GIB * np.linspace(40, 79, 20 * DAY)), NOW)
    assert plan.short_by == "max"
    assert [step.size for step in plan.steps] == [101 * GIB]
    assert plan.until_full.middle is not None


def test_inodes_that_run_out_first_bind() -> None:
    hours = np.arange(20 * DAY)
    usage = usage_of(10 * GIB + 0 * hours, inodes=1e6, inodes_used=7e5 + 200.0 * hours)
    plan = plan_volume(VolumeRules("data"), "data", usage, NOW)
    assert plan.binding == "inodes"
    assert plan.steps
    assert plan.until_full.middle == pytest.approx((3e5 - 200 * len(hours)) / 4800, rel=0.1)


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        pytest.param(usage_of(np.linspace(1, 40, 99), 100.0), "in GiB", id="a metric in GiB"),
        pytest.param(usage_of(np.linspace(1, 40, 99)), "used in bytes, got 40", id="what is used in GiB"),
        pytest.param(usage_of(np.linspace(1, 400, 99) * GIB, 100 * GIB), "units", id="more in use than there is"),
        pytest.param(usage_of(np.ones(99) * GIB).shift(-200, "h"), "ended", id="usage that ended a week ago"),
        pytest.param(usage_of(np.ones(3) * GIB), "at least 6", id="three hours"),
        pytest.param(usage_of(np.full(99, np.nan)), "at least two", id="nothing but gaps"),
    ],
)
def test_usage_that_contradicts_itself_is_refused(usage: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        plan_volume(VolumeRules("data"), "data", usage, NOW)


def test_a_claim_made_anew_forgets_the_volume_before() -> None:
    before, after = GIB * np.linspace(10, 90, 30 * DAY), GIB * np.linspace(1, 2, 5 * DAY)
    usage = usage_of(np.concatenate([before, after]), np.r_[np.full(30 * DAY, 100 * GIB), np.full(5 * DAY, 20 * GIB)])
    plan = plan_volume(VolumeRules("data"), "data", usage, NOW)
    assert plan.size == 20 * GIB
    assert plan.until_full.early is None


def test_one_claim_that_cannot_be_planned_stops_no_other() -> None:
    workload = workload_of("db", volumes=(VolumeRules(template="data"), VolumeRules("gone")))
    usage = {("shop", "data-db-0"): usage_of(weekly(6)), ("shop", "data-db-1"): usage_of(np.ones(2))}
    planned = plan_volumes([workload], usage, VolumeContext(NOW))
    assert [plan.claim for plan in planned.plans["shop", "db"]] == ["data-db-0"]
    assert [text.split(":")[0] for text in planned.failures["shop", "db"]] == [
        "claim data-db-1",
        "no usage of claim gone",
    ]


def test_quotas_are_filled_in_the_order_of_time() -> None:
    early = plan_of(steps=(SizeStep(NOW + timedelta(days=1), 14 * GIB),))
    late = plan_of(claim="data-db-1", steps=(SizeStep(NOW + timedelta(days=2), 16 * GIB),))
    kept = within_storage_quotas({("shop", "db"): (late, early)}, {"shop": 26.0 * GIB})["shop", "db"]
    assert [[step.size // GIB for step in plan.steps] for plan in kept] == [[12], [14]]
    assert [plan.short_by for plan in kept] == ["quota", ""]


def test_a_volume_survives_its_file() -> None:
    plan = plan_of(binding="inodes", short_by="max", per_sale=2000.0, notes=("a cleanup every 7 days",))
    assert parse_volume(volume_document(plan)) == plan
    whole = Plan(NOW, NOW, NOW + timedelta(days=14), "", {}, (replace(workload_plan("db"), volumes=(plan,)),))
    assert parse_plan(plan_text(whole), "plan.json", near=NOW).workloads[0].volumes == (plan,)


@pytest.mark.parametrize(
    ("claim", "reason", "size", "said"),
    [
        pytest.param({}, "VolumeFillsUp", 14, "80 %", id="it grows ahead"),
        pytest.param({"asked": 14 * GIB, "capacity": 14 * GIB}, "VolumeLasts", 14, "20Gi from", id="it has grown"),
        pytest.param({"asked": 30 * GIB, "capacity": 30 * GIB}, "VolumeLasts", 30, "", id="somebody made it larger"),
        pytest.param({"phase": "Pending", "capacity": 0}, "HeldNotBound", 10, "kubectl describe pvc", id="not bound"),
        pytest.param(
            {"expandable": False}, "HeldClassFixed", 10, "kubectl patch storageclass fast", id="class is fixed"
        ),
        pytest.param(
            {"expandable": False, "class_found": False}, "HeldClassUnknown", 10, "kubectl get", id="class is unknown"
        ),
        pytest.param({"expandable": None}, "VolumeFillsUp", 14, "", id="a class that may not be read is the server's"),
        pytest.param({"resizing": "FileSystemResizePending"}, "HeldResizing", 10, "not over", id="still resizing"),
        pytest.param({"infeasible": "NodeResizeInfeasible"}, "HeldInfeasible", 10, "describe", id="infeasible"),
        pytest.param({"moved_at": NOW + timedelta(hours=20)}, "HeldCooldown", 10, "02T", id="within the cool-down"),
        pytest.param({"moved_at": NOW + timedelta(hours=16)}, "VolumeFillsUp", 14, "", id="after the cool-down"),
        pytest.param({"asked": 8 * GIB, "capacity": 5 * GIB}, "HeldNewClaim", 8, "plan again", id="another claim"),
        pytest.param({"wishes": Wishes(excluded="x")}, "Excluded", 10, "", id="excluded"),
        pytest.param({"wishes": Wishes(frozen="x")}, "Frozen", 10, "", id="frozen"),
        pytest.param({"wishes": Wishes(unclear="x")}, "HeldUnclearWish", 10, "", id="a wish that cannot be read"),
    ],
)
def test_size_that_is_asked_for_a_day_later(claim: dict[str, Any], reason: str, size: int, said: str) -> None:
    decision = decide_volume(plan_of(), claim_of(**claim), NOW + timedelta(days=1))
    assert (decision.reason, decision.size // GIB) == (reason, size)
    assert said in decision.detail or reason == "HeldCooldown"
    assert decision.held == reason.startswith("Held")


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        pytest.param(None, "HeldNoPlan", id="no plan"),
        pytest.param(plan_of(until=NOW + timedelta(hours=1), steps=()), "HeldPlanExpired", id="a plan that ended"),
        pytest.param(plan_of(steps=(), short_by="max"), "VolumeAtLimit", id="max is reached"),
    ],
)
def test_size_stays_without_a_plan_to_follow(plan: VolumePlan | None, reason: str) -> None:
    decision = decide_volume(plan, claim_of(), NOW + timedelta(days=1))
    assert (decision.reason, decision.size, decision.held) == (reason, 10 * GIB, True)


@given(
    asked=st.integers(1, 40),
    capacity=st.integers(0, 40),
    hours=st.integers(-10, 2000),
    expandable=st.sampled_from([True, False, None]),
)
@settings(max_examples=100, deadline=None)
def test_no_volume_is_ever_asked_to_shrink(asked: int, capacity: int, hours: int, expandable: bool | None) -> None:
    claim = claim_of(asked=asked * GIB, capacity=capacity * GIB, expandable=expandable)
    first = decide_volume(plan_of(), claim, NOW + hours * HOUR)
    assert first.size >= claim.asked
    again = decide_volume(plan_of(), replace(claim, asked=first.size), NOW + hours * HOUR)
    assert not again.changes, "deciding again changes nothing"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: VolumeDecision(10, 9, "VolumeLasts"), "never shrinks", id="a decision"),
        pytest.param(lambda: plan_of(steps=(SizeStep(NOW, 9 * GIB),)), "must grow", id="a plan"),
        pytest.param(lambda: VolumeRules(), "exactly one", id="rules without a claim"),
        pytest.param(lambda: VolumeRules("a", template="b"), "exactly one", id="rules with two names"),
        pytest.param(lambda: VolumeRules("a", target=1.2), "target", id="a target above one"),
        pytest.param(lambda: DaysLeft(3.0, 2.0, 4.0), "ascend", id="days out of order"),
    ],
)
def test_illegal_volumes_cannot_be_built(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()
