"""The HPA as a pure function, by tables: tolerance, metrics of every kind, bounds, windows, rates, memory."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from capacity.model import DataError
from capacity.planning import highest_tolerated_utilization
from capacity.simulation.hpa import (
    Answer,
    Behavior,
    Hpa,
    Memory,
    Metric,
    Pod,
    RatePolicy,
    Reading,
    Scale,
    ScalingRules,
    Timed,
    Tolerance,
    sync,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
OLD = NOW - timedelta(hours=1)
SECOND = timedelta(seconds=1)


def pods(*usages: int | None, request: int | None = 500, ready: bool | None = True) -> tuple[Pod, ...]:
    return tuple(
        Pod(ready=ready, started=OLD, transition=OLD, request=request, usage=usage, sampled=NOW) for usage in usages
    )


def asked(metric: Metric, reading: Reading, replicas: int, running: int | None = None) -> Answer:
    wide = RatePolicy("Pods", 1000, 15 * SECOND)
    rules = ScalingRules(timedelta(0), (wide,))
    hpa = Hpa(0, 1000, (metric,), Behavior(rules, rules))
    return sync(hpa, Scale(replicas, replicas if running is None else running), [reading], NOW)


@pytest.mark.parametrize(
    ("target", "older", "newer"),
    [(70, 76, 77), (72, 79, 79), (73, 80, 80), (75, 82, 82), (80, 87, 88)],
    ids=lambda value: str(value),
)
def test_the_highest_utilization_that_moves_nothing(target: int, older: int, newer: int) -> None:
    assert highest_tolerated_utilization(target, rule="distance") == older
    assert highest_tolerated_utilization(target) == newer
    assert not Tolerance().holds((newer + 1) / target)


def test_no_tolerance_upward_leaves_the_target_itself() -> None:
    assert highest_tolerated_utilization(80, tolerance=0.0) == 80


@pytest.mark.parametrize(("wanted", "accepted"), [(20, 19), (45, 41), (100, 91), (500, 455)])
def test_a_floor_sent_as_a_metric_settles_short(wanted: int, accepted: int) -> None:
    metric = Metric("External", "floor", "AverageValue", 1000)
    assert asked(metric, Reading(total=1000 * wanted), accepted).replicas == accepted
    assert asked(metric, Reading(total=1000 * wanted), accepted - 1).replicas == wanted


CPU, MEMORY = Metric(target=60), Metric(name="memory", target=60)
VALUE, AVERAGE = Metric("Object", "queue", "Value", 2000), Metric("External", "queue", "AverageValue", 2000)


@pytest.mark.parametrize(
    ("metric", "reading", "replicas", "expected"),
    [
        pytest.param(CPU, Reading(pods(299, 299, 299)), 3, 3, id="59.8 % is truncated to 59, within tolerance of 60"),
        pytest.param(CPU, Reading(pods(332, 332, 332)), 3, 3, id="66 of 60 is tolerated"),
        pytest.param(CPU, Reading(pods(335, 335, 335)), 3, 4, id="67 of 60 is not"),
        pytest.param(CPU, Reading(pods(450, None)), 2, 2, id="up: a pod without a sample counts as idle"),
        pytest.param(CPU, Reading(pods(10, 10, None)), 3, 2, id="down: a pod without a sample counts as full"),
        pytest.param(CPU, Reading(pods(450) + pods(450, ready=None)), 2, 2, id="up: an unready pod counts as idle"),
        pytest.param(MEMORY, Reading(pods(450) + pods(450, ready=None)), 2, 3, id="readiness matters for CPU alone"),
        pytest.param(Metric(kind="AverageValue", target=250), Reading(pods(500, 500)), 2, 4, id="mean over pods"),
        pytest.param(Metric("Pods", "rps", "AverageValue", 100), Reading(pods(150, request=None)), 1, 2, id="Pods"),
        pytest.param(Metric("ContainerResource", "cpu", target=50), Reading(pods(500)), 1, 2, id="one container"),
        pytest.param(VALUE, Reading(pods(1, 1), total=4000), 2, 4, id="Value: ratio times ready pods"),
        pytest.param(VALUE, Reading(pods(1) + pods(1, ready=False), total=4000), 2, 2, id="Value: ready pods only"),
        pytest.param(VALUE, Reading(pods(1, 1), total=2100), 2, 2, id="Value: within tolerance"),
        pytest.param(VALUE, Reading(total=2100), 0, 2, id="Value: from zero there is no tolerance"),
        pytest.param(VALUE, Reading(total=0), 0, 0, id="Value: nothing to do at zero"),
        pytest.param(AVERAGE, Reading(total=9000), 2, 5, id="AverageValue: total over target"),
        pytest.param(AVERAGE, Reading(total=4300), 2, 2, id="AverageValue: within tolerance of what runs"),
        pytest.param(AVERAGE, Reading(total=1), 0, 1, id="AverageValue: wakes from zero"),
    ],
)
def test_one_metric_asks_for(metric: Metric, reading: Reading, replicas: int, expected: int) -> None:
    assert asked(metric, reading, replicas).replicas == expected


@pytest.mark.parametrize(
    ("metric", "reading", "active"),
    [
        pytest.param(CPU, Reading(failed=True), "FailedGetResourceMetric", id="the metrics API is down"),
        pytest.param(CPU, Reading(), "FailedGetResourceMetric", id="no pods"),
        pytest.param(CPU, Reading(pods(None, None)), "FailedGetResourceMetric", id="no samples"),
        pytest.param(CPU, Reading(pods(1, 1, request=None)), "FailedGetResourceMetric", id="a request is missing"),
        pytest.param(CPU, Reading(pods(0, request=0)), "FailedGetResourceMetric", id="requests of zero"),
        pytest.param(VALUE, Reading(pods(1)), "FailedGetObjectMetric", id="an object without a value"),
        pytest.param(AVERAGE, Reading(), "FailedGetExternalMetric", id="an external metric without a value"),
    ],
)
def test_an_invalid_metric_moves_nothing(metric: Metric, reading: Reading, active: str) -> None:
    answer = asked(metric, reading, 3)
    assert (answer.replicas, answer.reason, answer.scaling_active) == (3, "MetricsInvalid", active)
    assert answer.readings == (None,)


@pytest.mark.parametrize(
    ("usage", "expected", "reason"),
    [
        pytest.param(450, 6, "MetricAbove", id="up is still allowed"),
        pytest.param(50, 4, "MetricsInvalid", id="down is not"),
        pytest.param(300, 4, "AtTarget", id="at target nothing moves"),
    ],
)
def test_with_one_of_two_metrics_invalid(usage: int, expected: int, reason: str) -> None:
    hpa = Hpa(1, 20, (CPU, MEMORY))
    answer = sync(hpa, Scale(4, 4), [Reading(pods(*[usage] * 4)), Reading(failed=True)], NOW)
    assert (answer.replicas, answer.reason) == (expected, reason)


def test_of_several_metrics_the_highest_wins() -> None:
    hpa = Hpa(1, 20, (CPU, MEMORY, AVERAGE))
    readings = [Reading(pods(*[300] * 4)), Reading(pods(*[60] * 4)), Reading(total=14000)]
    answer = sync(hpa, Scale(4, 4), readings, NOW)
    assert (answer.replicas, answer.readings) == (7, (60, 12, 3500))


@pytest.mark.parametrize(
    ("replicas", "expected", "reason"),
    [
        pytest.param(0, 0, "ScalingDisabled", id="a floor does not wake what is scaled to zero"),
        pytest.param(2, 60, "BelowFloor", id="a raised floor is reached in one step, without rates or metrics"),
        pytest.param(90, 80, "AboveCeiling", id="a lowered ceiling evicts at once"),
    ],
)
def test_bounds_come_first(replicas: int, expected: int, reason: str) -> None:
    disabled = ScalingRules(timedelta(0), (RatePolicy("Pods", 1, SECOND),), "Disabled")
    hpa = Hpa(60, 80, behavior=Behavior(disabled, disabled))
    answer = sync(hpa, Scale(replicas, replicas), [Reading(failed=True)], NOW)
    assert (answer.replicas, answer.reason, answer.scaling_limited) == (expected, reason, None)


def test_a_released_floor_falls_to_the_metric_in_one_sync() -> None:
    """Seen on a real 1.36 control plane: 8 to 3 in fifteen seconds; recommendations are kept before the bounds."""
    hpa, usage = Hpa(8, 20, (Metric(target=60),)), Reading(pods(*[112] * 8))  # 900m over 8 pods of 500m
    held = Scale(8, 8, sync(hpa, Scale(8, 8), [usage], NOW).memory)
    for second in range(15, 331, 15):
        answer = sync(hpa, held, [usage], NOW + second * SECOND)
        assert (answer.replicas, answer.scaling_limited) == (
            8,
            "TooFewReplicas" if second > 300 else "DesiredWithinRange",
        )
        held = Scale(8, 8, answer.memory)
    assert sync(Hpa(2, 20, (Metric(target=60),)), held, [usage], NOW + 345 * SECOND).replicas == 3


def test_the_first_recommendation_after_a_restart_is_what_runs() -> None:
    answer = sync(Hpa(1, 20), Scale(6, 6), [Reading(pods(*[10] * 6))], NOW)
    assert (answer.replicas, answer.able_to_scale) == (6, "ScaleDownStabilized")
    assert [one.value for one in answer.memory.recommendations] == [6, 1]


def test_without_behavior_a_sync_doubles_at_most() -> None:
    answer = sync(Hpa(1, 100), Scale(8, 8), [Reading(pods(*[4000] * 8))], NOW)
    assert (answer.replicas, answer.able_to_scale, answer.scaling_limited) == (16, "SucceededRescale", "ScaleUpLimit")
    assert answer.memory.added == ()  # events are kept for rate policies alone


def test_a_rate_counts_what_was_added_within_its_period() -> None:
    slow = ScalingRules(timedelta(0), (RatePolicy("Pods", 4, timedelta(minutes=1)),))
    hpa = Hpa(1, 100, behavior=Behavior(slow))
    memory = Memory(added=(Timed(NOW - 30 * SECOND, 3), Timed(NOW - 70 * SECOND, 9)))
    answer = sync(hpa, Scale(8, 8, memory), [Reading(pods(*[4000] * 8))], NOW)
    assert answer.replicas == 9
    assert [one.value for one in answer.memory.added] == [3, 1]


def test_a_percentage_of_zero_wakes_nothing() -> None:
    percent = ScalingRules(timedelta(0), (RatePolicy("Percent", 100, SECOND),))
    hpa = Hpa(0, 10, (AVERAGE,), Behavior(percent))
    assert sync(hpa, Scale(0, 0), [Reading(total=9000)], NOW).scaling_limited == "ScaleUpLimit"
    assert sync(Hpa(0, 10, (AVERAGE,)), Scale(0, 0), [Reading(total=9000)], NOW).replicas == 4


def test_each_direction_has_its_own_tolerance() -> None:
    eager = ScalingRules(timedelta(0), (RatePolicy("Percent", 100, SECOND),), tolerance=0.0)
    hpa = Hpa(1, 100, behavior=Behavior(scale_up=eager))
    assert sync(hpa, Scale(10, 10), [Reading(pods(*[405] * 10))], NOW).replicas == 11
    assert sync(hpa, Scale(10, 10), [Reading(pods(*[375] * 10))], NOW).reason == "AtTarget"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Hpa(5, 4), "floor <= ceiling"),
        (lambda: Hpa(1, 5, ()), "at least one metric"),
        (lambda: Metric("Pods", "rps", "Utilization", 80), "expected a target of"),
        (lambda: Metric(target=0), "target must be > 0"),
        (lambda: RatePolicy("Pods", 0, SECOND), "value must be > 0"),
        (lambda: Tolerance(-0.1), "tolerances must be >= 0"),
        (lambda: Tolerance(0.1, 0.2, symmetric=True), "one tolerance"),
        (lambda: Pod(ready=None, usage=1), "carries its time"),
        (lambda: sync(Hpa(), Scale(1, 1), [], NOW), "expected 1 readings, got 0"),
        (lambda: sync(Hpa(), Scale(1, 1), [Reading()], datetime(2026, 1, 1)), "naive time"),  # noqa: DTZ001
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused(build: object, message: str) -> None:
    assert callable(build)
    with pytest.raises(DataError, match=message):
        build()


def test_a_controller_may_ask_without_loading_anything_heavy() -> None:
    heavy = ("numpy", "pandas", "matplotlib", "statsmodels")
    script = f"import sys, capacity.simulation.hpa; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
