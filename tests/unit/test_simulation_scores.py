"""Scores by hand: minutes, load, pods, elasticity, misses; frontiers and what is compared on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from capacity.model import DataError
from capacity.simulation import (
    Comparison,
    Elasticity,
    Frontier,
    Lane,
    Miss,
    Objective,
    Promise,
    Savings,
    Score,
    Service,
    erlang_c,
    find_misses,
    frontier,
    p99_wait,
    saving,
    say_verdict,
    score,
)

MINUTE = timedelta(minutes=1)
NEVER = Elasticity(0, 0, 0, 0, 0)


def lane(demand: list[float], ready: list[int], pods: list[int] | None = None) -> Lane:
    load, serving = np.array(demand), np.array(ready)
    exist = serving if pods is None else np.array(pods)
    begun = np.maximum(np.diff(exist, prepend=exist[:1]), 0)
    return Lane(load, load, load / serving, serving, exist, begun, exist)


def test_minutes_load_and_pods_of_a_lane() -> None:
    course = lane([6.0, 9.0, 12.0, 8.0], [10, 10, 10, 12], [10, 10, 12, 12])
    found = score(course, Promise(target=0.8, queue=0.85, start=2 * MINUTE), 1.0, MINUTE)
    assert (found.overload_minutes, found.cap_breach_minutes, found.slo_minutes) == (1, 2, 2)
    assert found.lost_share == pytest.approx(2 / 35)
    assert found.pod_hours == pytest.approx(44 / 60)
    assert found.starts_per_day == pytest.approx(2 * 1440 / 4)
    assert found.floor_changes_per_day == pytest.approx(1 * 1440 / 4)
    assert found.lead_misses == 1
    # needed 8, 12, 15, 10: gaps of at most two ticks are kept, 2 ticks are paid for each of seven pods started
    assert found.clairvoyant == pytest.approx((8 + 12 + 15 + 10 + 2 * 7) / 60)
    assert found.over_clairvoyant == pytest.approx(44 / 59)


def test_elasticity_is_counted_against_what_was_needed() -> None:
    found = score(lane([8.0, 16.0, 8.0, 8.0], [10, 10, 20, 10]), Promise(), 1.0, MINUTE).elasticity
    assert (found.accuracy_under, found.accuracy_over) == (100 * 10 / 20 / 4, 100 * 10 / 10 / 4)
    assert (found.time_under, found.time_over) == (25, 25)
    assert found.instability == 100  # need moves up, down, not; supply not, up, down


def test_events_are_judged_apart() -> None:
    course = lane([6.0, 12.0, 12.0, 6.0], [10, 10, 10, 10])
    inside = np.array([False, True, False, False])
    assert score(course, Promise(), 1.0, MINUTE, inside).overload_minutes == 1
    assert score(course, Promise(), 1.0, MINUTE, inside).pod_hours == pytest.approx(10 / 60)
    with pytest.raises(DataError, match="at least one tick"):
        score(course, Promise(), 1.0, MINUTE, np.zeros(4, dtype=bool))


@pytest.mark.parametrize(
    ("slots", "wait", "published"),
    [
        (1, 2.0, 0.07),
        (4, 0.5, 0.31),
        (8, 1.0, 0.64),
        (16, 2.0, 0.88),
        (32, 1.0, 0.89),
        (64, 0.5, 0.90),
        (200, 1.0, 0.98),
    ],
)
def test_the_highest_utilization_of_a_pool_is_as_published(slots: int, wait: float, published: float) -> None:
    assert Objective(slots, wait).highest_utilization() == pytest.approx(published, abs=0.006)


@pytest.mark.parametrize(("slots", "waits", "p99"), [(1, 0.8, 21.9), (4, 0.6, 5.1), (16, 0.3, 1.1), (64, 0.06, 0.13)])
def test_erlang_c_is_as_published(slots: int, waits: float, p99: float) -> None:
    assert erlang_c(slots, 0.8) == pytest.approx(waits, abs=0.006)
    assert p99_wait(slots, 0.8) == pytest.approx(p99, rel=0.05)


def test_a_queue_at_full_load_never_empties_and_variability_costs() -> None:
    assert p99_wait(8, 1.0) == float("inf")
    assert p99_wait(100, 0.3) == 0.0
    assert Objective(8, 1.0, 3.0).highest_utilization() < Objective(8, 1.0).highest_utilization()


def test_the_universal_scalability_law_falls_beyond_its_peak() -> None:
    capacity = Service(10.0, contention=0.02, coherence=0.001).capacity(np.arange(0, 101))
    assert capacity[0] == 0
    assert capacity[1] == 10
    assert int(np.argmax(capacity)) == pytest.approx(np.sqrt(0.98 / 0.001), abs=1)


def test_what_a_service_cannot_be() -> None:
    for build, message in (
        (lambda: Service(0.0), "replica_capacity"),
        (lambda: Service(1.0, contention=1.0), "contention"),
        (lambda: Service(1.0, coherence=-1.0), "coherence"),
    ):
        with pytest.raises(DataError, match=message):
            build()


CURVE = Frontier(np.array([100.0, 140.0, 200.0]), np.array([50.0, 10.0, 2.0]))


@pytest.mark.parametrize(
    ("policy", "saved"),
    [
        pytest.param((100.0, 50.0), 0.0, id="on the frontier"),
        pytest.param((60.0, 30.0), 0.5, id="between its points it is interpolated"),
        pytest.param((150.0, 0.0), 0.25, id="below its fewest violations it is compared there"),
        pytest.param((150.0, 99.0), -0.5, id="above its most violations with its cheapest point"),
    ],
)
def test_saving_at_equal_violations(policy: tuple[float, float], saved: float) -> None:
    assert saving(policy, CURVE) == pytest.approx(saved)


def test_below_its_fewest_violations_a_frontier_has_no_price() -> None:
    assert Frontier(np.array([100.0]), np.array([0.0])).cost_at(5.0) == 100.0
    assert CURVE.cost_at(1.0) == float("inf")


def test_only_undominated_points_are_on_the_frontier() -> None:
    curve = frontier(np.array([3.0, 1.0, 2.0, 2.0, 4.0]), np.array([1.0, 9.0, 5.0, 7.0, 1.0]))
    np.testing.assert_array_equal(curve.pod_hours, [1, 2, 3])
    np.testing.assert_array_equal(curve.violations, [9, 5, 1])


def test_misses_are_told_worst_first() -> None:
    begin = datetime(2026, 11, 27, tzinfo=UTC)
    course = lane([9.0, 5.0, 15.0, 12.0, 5.0], [10] * 5, [10, 10, 10, 12, 12])
    misses = find_misses(course, 0.8, begin, MINUTE)
    assert misses == (
        Miss(begin + 2 * MINUTE, 2 * MINUTE, 1.5, late=True),
        Miss(begin, MINUTE, 0.9, late=False),
    )
    assert [miss.overload for miss in misses] == [True, False]


def scored(pod_hours: float, cap_breach: float, overload: float) -> Score:
    return Score(28, overload, cap_breach, 0, 0, pod_hours, 100, 0, 0, 0, NEVER)


@pytest.mark.parametrize(
    ("plan", "alone", "share", "expected"),
    [
        pytest.param(
            scored(69, 12.1, 0),
            scored(100, 900, 50),
            0.4,
            "Over the last 28 days the plan would have kept utilization at or under 80 % for 99.96 % of minutes "
            "with 31 % fewer pod-hours than your HPA, which kept it for 97.76 %; it missed nowhere. Over 100 %: 0 min "
            "with the plan, 50 min without. The best HPA of all settings with as few minutes over 80 % would have cost "
            "the same, with as few over 100 % 67 % more.",
            id="cheaper and safer",
        ),
        pytest.param(
            scored(120, 0, 0),
            scored(100, 0, 0),
            -0.25,
            "Over the last 28 days the plan would have kept utilization at or under 80 % for 100 % of minutes "
            "with 20 % more pod-hours than your HPA, which kept it for 100 %; it missed nowhere. Over 100 %: 0 min "
            "with the plan, 0 min without. The best HPA of all settings with as few minutes over 80 % would have cost "
            "the same, with as few over 100 % 20 % less.",
            id="dearer, and says so",
        ),
    ],
)
def test_the_verdict_is_what_a_person_would_say(plan: Score, alone: Score, share: float, expected: str) -> None:
    assert say_verdict(Comparison(plan, alone, Savings(share, 0.0), 0.8), ()) == expected


def test_the_verdict_describes_two_misses_and_counts_the_rest() -> None:
    begin = datetime(2026, 11, 27, 12, 5, tzinfo=UTC)
    misses = [Miss(begin, 7 * MINUTE, 1.09, late=True), Miss(begin, MINUTE, float("inf"), late=False)]
    told = say_verdict(Comparison(scored(100, 9, 7), scored(100, 0, 0), Savings(0.0, 0.0), 0.8), misses)
    assert "as many pod-hours as your HPA" in told
    assert "two misses: Fri 2026-11-27 12:05Z for 7 min, up to 109 %, pods were starting; " in told
    assert "for 1 min, up to no capacity at all." in told
    assert "would have cost the same" in told
    assert "12 misses, the worst: Fri" in say_verdict(
        Comparison(scored(1, 9, 7), scored(1, 0, 0), Savings(0.0, 0.0), 0.8), misses * 6
    )
