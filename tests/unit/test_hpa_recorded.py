"""Every one of 6,000 answers that the HPA of Kubernetes 1.36.2 gave itself, on random pods, histories and rules."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capacity.simulation.hpa import (
    Behavior,
    Hpa,
    Memory,
    Metric,
    Normalized,
    Pod,
    Proposed,
    RatePolicy,
    Readiness,
    Reading,
    Scale,
    ScalingRules,
    Timed,
    Tolerance,
    average_replicas,
    normalize,
    sync,
    utilization_replicas,
)
from capacity.simulation.hpa.replicas import MetricInvalidError, Question

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "data" / "kubernetes-1.36"
Case = dict[str, Any]


def recorded(name: str) -> list[Case]:
    with gzip.open(RECORDED / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ago(seconds: float | None) -> datetime | None:
    return None if seconds is None else NOW - timedelta(seconds=seconds)


def pod(given: Case) -> Pod:
    return Pod(
        phase=given["phase"],
        deleting=given["deleting"],
        ready=given["ready"],
        started=ago(given["start_age_s"]),
        transition=ago(given["transition_age_s"]),
        request=given["request_milli"],
        usage=given["usage_milli"],
        sampled=ago(given["metric_age_s"]),
        window=timedelta(seconds=given["window_s"]),
    )


def readiness(case: Case) -> Readiness:
    return Readiness(
        timedelta(seconds=case["cpu_initialization_s"]), timedelta(seconds=case["initial_readiness_delay_s"])
    )


def calculated(case: Case) -> Case:
    band = Tolerance(case["tolerance_down"], case["tolerance_up"])
    asked = Question(case["current_replicas"], band, readiness(case), NOW)
    calculate = utilization_replicas if case["target_kind"] == "Utilization" else average_replicas
    try:
        found = calculate([pod(one) for one in case["pods"]], case["target"], asked, cpu=case["resource"] == "cpu")
    except MetricInvalidError:
        return {"error": True}
    if case["target_kind"] == "AverageValue":  # the recording holds a reading for Utilization alone
        return {"replicas": found.replicas}
    return {"replicas": found.replicas, "utilization": found.reading}


def rules(given: Case) -> ScalingRules:
    policies = tuple(
        RatePolicy(one["type"], one["value"], timedelta(seconds=one["period_s"])) for one in given["policies"]
    )
    return ScalingRules(timedelta(seconds=given["stabilization_window_s"]), policies, given["select_policy"])


def timed(given: list[Case]) -> tuple[Timed, ...]:
    return tuple(Timed(NOW - timedelta(seconds=one["age_s"]), one["value"]) for one in given)


def normalized(case: Case) -> Normalized:
    up, down = case["scale_up"], case["scale_down"]
    hpa = Hpa(
        floor=case["min"],
        ceiling=case["max"],
        behavior=None if up is None else Behavior(rules(up), rules(down)),
        downscale_stabilization=timedelta(seconds=case["downscale_stabilization_s"]),
    )
    memory = Memory(*(timed(case[name]) for name in ("recommendations", "scale_up_events", "scale_down_events")))
    return normalize(hpa, memory, Proposed(case["current_replicas"], case["metric_replicas"], NOW))[0]


def differing(answers: list[tuple[int, Any, Any]]) -> list[tuple[int, Any, Any]]:
    return [(line, got, expected) for line, got, expected in answers if got != expected]


def test_all_3000_answers_from_pods_to_replicas() -> None:
    cases = recorded("hpa-replicas.jsonl.gz")
    assert len(cases) == 3000
    assert differing([(line, calculated(case), case["expect"]) for line, case in enumerate(cases)]) == []


def test_all_3000_answers_from_the_proposal_to_the_count_with_both_condition_reasons() -> None:
    cases = recorded("hpa-normalize.jsonl.gz")
    assert len(cases) == 3000
    answers = []
    for line, case in enumerate(cases):
        expected = case["expect"]
        wanted = Normalized(expected["replicas"], expected["able_to_scale"], expected["scaling_limited"])
        answers.append((line, normalized(case), wanted))
    assert differing(answers) == []


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_a_whole_sync_asks_the_same_calculator(resource: str) -> None:
    """Where bounds, windows and rates are out of the way, a sync of one metric sets what was recorded for it."""
    cases = [case for case in recorded("hpa-replicas.jsonl.gz") if case["resource"] == resource][:300]
    free = ScalingRules(timedelta(0), (RatePolicy("Percent", 100_000, timedelta(seconds=15)),))
    for case in cases:
        up, down = (ScalingRules(free.window, free.policies, "Max", case[f"tolerance_{way}"]) for way in ("up", "down"))
        metric = Metric("Resource", resource, case["target_kind"], case["target"])
        hpa = Hpa(0, 100_000, (metric,), Behavior(up, down), readiness=readiness(case))
        current = case["current_replicas"]
        answer = sync(hpa, Scale(current, current), [Reading(tuple(pod(one) for one in case["pods"]))], NOW)
        expected = case["expect"].get("replicas", current)
        assert answer.replicas == expected
        assert (answer.reason == "MetricsInvalid") == ("error" in case["expect"])
