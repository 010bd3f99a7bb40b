"""What an HPA's status says: replicas its metrics ask for, CPU in use, or why nothing of it can be trusted."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from capacity.cluster.autoscaler import Autoscaler, read_metrics, scaled_to_zero

Document = dict[str, Any]
NOW = datetime(2026, 11, 27, tzinfo=UTC)
ACTIVE = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}


def metric(kind: str, part: Document) -> Document:
    name = {"Pods": "pods", "External": "external", "Resource": "resource", "Object": "object"}[kind]
    return {"type": kind, name: part}


def hpa(
    targets: list[Document], currents: list[Document], *, replicas: int = 10, desired: int = 10, floor: int = 10
) -> Document:
    return {
        "spec": {"minReplicas": floor, "maxReplicas": 60, "metrics": targets},
        "status": {
            "currentReplicas": replicas,
            "desiredReplicas": desired,
            "conditions": [ACTIVE, {"type": "AbleToScale", "status": "True"}],
            "currentMetrics": currents,
        },
    }


CPU = metric("Resource", {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}})


def cpu(utilization: Any = 30, average: Any = "150m") -> Document:
    return metric("Resource", {"name": "cpu", "current": {"averageUtilization": utilization, "averageValue": average}})


def pods(target: str, current: str) -> tuple[Document, Document]:
    wanted = {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": target}}
    return metric("Pods", wanted), metric("Pods", {"metric": {"name": "rps"}, "current": {"averageValue": current}})


def external(target: Document, current: Document) -> tuple[Document, Document]:
    name = {"metric": {"name": "queue"}}
    return metric("External", {**name, "target": target}), metric("External", {**name, "current": current})


VALUE = external({"type": "Value", "value": "100"}, {"value": "250"})
PER_POD = external({"type": "AverageValue", "averageValue": "30"}, {"averageValue": "12"})
MANY, FEW = pods("10", "18"), pods("10", "2")


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        pytest.param(hpa([CPU], [cpu(30)]), 5, id="half the target: half the replicas"),
        pytest.param(hpa([CPU], [cpu(90)]), 15, id="above the target"),
        pytest.param(hpa([CPU], [cpu(57)]), 10, id="within the tolerance it stays"),
        pytest.param(hpa([CPU], [cpu(0)]), 0, id="nothing used"),
        pytest.param(hpa([CPU, FEW[0]], [cpu(30), FEW[1]]), 5, id="the most of two metrics"),
        pytest.param(hpa([CPU, MANY[0]], [cpu(30), MANY[1]]), 18, id="the other one"),
        pytest.param(hpa([VALUE[0]], [VALUE[1]]), 25, id="a value as a whole"),
        pytest.param(hpa([PER_POD[0]], [PER_POD[1]]), 4, id="a value per replica"),
        pytest.param(hpa([CPU], [cpu(30)], desired=8, floor=6), 8, id="desired above its minimum counts"),
        pytest.param(hpa([CPU], [cpu(30)], desired=10, floor=10), 5, id="desired at its minimum only obeys"),
    ],
)
def test_replicas_are_asked_for_as_the_autoscaler_would(item: Document, wanted: int) -> None:
    assert (read_metrics(item).wanted, read_metrics(item).blind) == (wanted, None)


def test_usage_is_that_of_all_replicas_together() -> None:
    assert read_metrics(hpa([CPU], [cpu(average="150m")])).cpu_millicores == 1500
    assert read_metrics(hpa([CPU], [cpu(average="1")])).cpu_millicores == 10_000
    assert read_metrics(hpa([VALUE[0]], [VALUE[1]])).cpu_millicores is None


def broken(**changed: Any) -> Document:
    item = hpa([CPU], [cpu()])
    item["status"] = {key: value for key, value in {**item["status"], **changed}.items() if value != "gone"}
    return item


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({"spec": {}}, id="no status at all"),
        pytest.param({"spec": {}, "status": {"desiredReplicas": 0, "currentMetrics": None}}, id="new: nothing yet"),
        pytest.param(broken(conditions="gone"), id="no conditions"),
        pytest.param(broken(conditions=[{**ACTIVE, "status": "False", "reason": "FailedGet"}]), id="inactive"),
        pytest.param(broken(conditions=[{**ACTIVE, "status": "Unknown"}]), id="unknown"),
        pytest.param(
            broken(conditions=[ACTIVE, {"type": "AbleToScale", "status": "False", "reason": "FailedGetScale"}]),
            id="not able to scale",
        ),
        pytest.param(broken(currentMetrics=None), id="null metrics"),
        pytest.param(broken(currentMetrics="gone"), id="no metrics"),
        pytest.param(broken(currentMetrics=[{"type": ""}]), id="an empty metric: it could not be read"),
        pytest.param(broken(currentMetrics=[cpu(), cpu()]), id="more metrics than asked for"),
        pytest.param(broken(currentMetrics=[cpu("NaN")]), id="NaN utilization"),
        pytest.param(broken(currentMetrics=[cpu(average="NaN")]), id="NaN usage"),
        pytest.param(broken(currentMetrics=[cpu(-5)]), id="negative"),
        pytest.param(broken(currentMetrics=[cpu("")]), id="empty text"),
        pytest.param(broken(currentMetrics=[cpu(None)]), id="null value"),
        pytest.param(broken(currentReplicas="gone"), id="no replica count"),
        pytest.param(hpa([CPU, FEW[0]], [cpu()]), id="one of two metrics"),
        pytest.param(hpa([FEW[0]], [cpu()]), id="another metric than asked for"),
    ],
)
def test_what_cannot_be_trusted_is_blind(item: Document) -> None:
    readings = read_metrics(item)
    assert readings.blind
    assert (readings.wanted, readings.cpu_millicores) == (None, None)


MEMORY = metric("Resource", {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}})


def memory(average: str) -> Document:
    return metric("Resource", {"name": "memory", "current": {"averageUtilization": 9, "averageValue": average}})


@pytest.mark.parametrize(
    ("replicas", "average", "mark"),
    [
        pytest.param(4, "200m", "200m", id="busy, few pods"),
        pytest.param(4, "199m", None, id="noise may be rounded away"),
        pytest.param(100, "1", "1", id="busy, many pods"),
        pytest.param(101, "1", None, id="many pods: their noise cancels"),
        pytest.param(36, "25m", None, id="evenly loaded, as seen on a real cluster"),
        pytest.param(1, "9m", None, id="idle"),
    ],
)
def test_only_readings_that_noise_would_move_have_a_mark(replicas: int, average: str, mark: str | None) -> None:
    assert read_metrics(hpa([CPU], [cpu(average=average)], replicas=replicas)).mark == mark


def test_memory_moves_where_millicores_do_not() -> None:
    many = {"replicas": 36}
    assert read_metrics(hpa([CPU, MEMORY], [cpu(average="25m"), memory("104857600")], **many)).mark == "25m 104857600"
    assert read_metrics(hpa([CPU, MEMORY], [cpu(average="9m"), memory("104857600")], **many)).mark is None, "idle"
    assert read_metrics(hpa([CPU, MEMORY], [cpu(average="25m"), memory("1048576")], **many)).mark is None
    assert read_metrics(hpa([VALUE[0]], [VALUE[1]])).mark is None


def test_at_zero_is_what_the_condition_says() -> None:
    item = hpa([CPU], [cpu()])
    assert not scaled_to_zero(item)
    resting = copy.deepcopy(item)
    resting["status"]["conditions"] = [{"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"}]
    assert scaled_to_zero(resting)


@pytest.mark.parametrize(
    ("targets", "currents", "timed"),
    [
        pytest.param([CPU], [cpu()], True, id="CPU alone"),
        pytest.param([MEMORY], [memory("200Mi")], True, id="memory alone"),
        pytest.param([CPU, MEMORY], [cpu(), memory("200Mi")], True, id="both"),
        pytest.param([VALUE[0]], [VALUE[1]], False, id="neither"),
    ],
)
def test_a_time_of_measurement_is_of_cpu_and_memory(
    targets: list[Document], currents: list[Document], *, timed: bool
) -> None:
    document = {"metadata": {"name": "web", "namespace": "shop"}, **hpa(targets, currents)}
    found = Autoscaler(document, NOW, measured_at=NOW).observation.readings
    assert found is not None
    assert found.measured_at == (NOW if timed else None)
