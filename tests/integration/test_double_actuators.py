"""The double answers requests about pods' size, volumes, buffers and policies as a real kube-apiserver 1.36 did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.double import KubernetesDouble, Wire
from tests.double.actors import bind_claim, bind_pod
from tests.double.buffers import capacity_buffer_definition
from tests.recorded import Answered, Translation, comparable, described, read_recording, replay

EXCHANGES = read_recording("actuators.jsonl.gz")
NAMESPACE = "actuators"
RESIZER, PATCHER = (f"system:serviceaccount:{NAMESPACE}:{name}" for name in ("resizer", "patcher"))
READS = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
RESIZES = [*READS, {"apiGroups": [""], "resources": ["pods/resize"], "verbs": ["get", "patch"]}]
SCHEDULED = "2026-11-29T20:40:03Z"
PATCHES = [{"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims"], "verbs": ["get", "list", "patch"]}]


def scheduled(double: KubernetesDouble, _: Translation) -> None:
    for name in ("db-0", "guaranteed-0"):
        bind_pod(double, NAMESPACE, name, zone="z0", at=SCHEDULED)


def counted(double: KubernetesDouble, _: Translation) -> None:
    """The quota's controller counted, and an old kubelet, which reports no resources, ran the pod."""
    status = {"hard": {"requests.cpu": "2"}, "used": {"requests.cpu": "1710m"}}
    double.patch("quota", NAMESPACE, "q", {"status": status}, subresource="status", manager="kube-controller-manager")
    kinds = ("Initialized", "ContainersReady", "Ready", "PodScheduled")
    at = "2026-11-29T20:40:07Z"
    ready = [{"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": at} for kind in kinds]
    containers = [
        {
            "name": name,
            "state": {"running": {"startedAt": at}},
            "lastState": {},
            "ready": True,
            "restartCount": 0,
            "image": image,
            "imageID": "",
            "started": True,
        }
        for name, image in (("app", "img:1"), ("side", "img:2"))
    ]
    running = {"phase": "Running", "conditions": ready, "startTime": SCHEDULED}
    how = {"subresource": "status", "type": "strategic", "manager": "python-urllib3"}
    double.patch("Pod", NAMESPACE, "db-0", {"status": {**running, "containerStatuses": containers}}, **how)


def bound(double: KubernetesDouble, _: Translation) -> None:
    for name in ("data-grows", "data-fixed"):
        bind_claim(double, NAMESPACE, name)


def counted_storage(double: KubernetesDouble, _: Translation) -> None:
    status = {"hard": {"requests.storage": "30Gi"}, "used": {"requests.storage": "25Gi"}}
    double.patch("quota", NAMESPACE, "s", {"status": status}, subresource="status", manager="kube-controller-manager")


BETWEEN = {2: scheduled, 28: counted, 42: bound, 55: counted_storage}
"""What someone else did before an exchange, which the recording shows by its traces only."""


@pytest.fixture(scope="module")
def answers() -> Iterator[list[Answered]]:
    """All answers of one replay."""
    with KubernetesDouble() as double:
        double.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        double.create(capacity_buffer_definition())
        tokens = {
            "admin": double.token(),
            "resizer": double.grant(RESIZER, RESIZES, NAMESPACE),
            "patcher": double.grant(PATCHER, PATCHES, NAMESPACE),
        }
        wires = {user: Wire(double, token, agent="") for user, token in tokens.items()}
        yield replay(double, EXCHANGES, wires, before=BETWEEN)
        for wire in wires.values():
            wire.close()


@pytest.mark.parametrize("index", range(len(EXCHANGES)), ids=[described(*pair) for pair in enumerate(EXCHANGES)])
def test_answer_is_that_of_the_real_server(index: int, answers: list[Answered]) -> None:
    exchange, answer = EXCHANGES[index], answers[index]
    assert (answer.status, answer.content_type) == (exchange["status"], exchange["responseType"])
    assert answer.warning == exchange["warning"]
    assert comparable(answer.body) == comparable(answer.translated)


def test_recording_is_whole() -> None:
    assert len(EXCHANGES) == 115
