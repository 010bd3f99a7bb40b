"""The double answers the recorded requests as the real kube-apiserver 1.36.2 did, all of them and in order."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from tests.double import KubernetesDouble, Wire
from tests.double.manifests import SCALED_OBJECT_DEFINITION, autoscaler
from tests.recorded import Answered, Translation, comparable, described, read_recording, replay

EXCHANGES = read_recording("exchanges.jsonl.gz")
CLIENT = "OpenAPI-Generator"
"""Who the recording's client was: the user agent of the official Python client up to its slash."""

EXCEPTIONS: Mapping[int, str] = {
    91: "the real server serves more groups: compared for the groups the double serves",
    94: "the real server serves more of apps/v1: compared for the resources the double serves",
}
"""Exchanges of which less than the whole answer is compared, each with the reason."""


def config_map(name: str) -> dict[str, Any]:
    """Return an empty config map: nobody owns anything of it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def recorded_items(*indexes: int) -> list[dict[str, Any]]:
    """Return the listed objects of some exchanges, complete enough to create them."""
    items = []
    for index in indexes:
        answer = EXCHANGES[index]["response"]
        kind = {"kind": answer["kind"].removesuffix("List"), "apiVersion": answer["apiVersion"]}
        items += [{**item, **kind} for item in answer["items"]]
    return items


FOUND: Mapping[int, list[dict[str, Any]]] = {
    0: [*recorded_items(2, 5, 84, 111, 112, 113, 114), *(config_map(f"pg-36-{number:02}") for number in range(32))],
    39: [autoscaler("mp-10-72380", ceiling=10, labels={"a": "1", "b": "2"})],
    40: [autoscaler("dp-11-72380", ceiling=10)],
    43: [autoscaler("jp-13-72380", ceiling=10)],
    53: [autoscaler("rv-17-72381", ceiling=10)],
    69: [autoscaler("st-20-72382", ceiling=10)],
    73: [autoscaler("dr-21-72382", ceiling=10)],
    76: [autoscaler("va-23-72382", ceiling=10)],
    78: [autoscaler("vt-24-72382", ceiling=10)],
    80: [autoscaler("v1-26-72383", ceiling=10)],
    99: [autoscaler("ae-32-72384", ceiling=10)],
    115: [autoscaler(f"th-{number}-72388", ceiling=100) for number in (38, 39, 41, 43)],
    119: [autoscaler(f"big-46-72390-{number}", ceiling=10, labels={"big": "big-46-72390"}) for number in range(30)],
    149: [config_map("de-47-72393")],
}
"""What was in the cluster without being created in the recording, by the first exchange that needs it."""
FOUND_REVISIONS = {"de-47-72393": "11611"}
"""The recorded resourceVersion of such an object, where a later request names it (exchange 150)."""


def find(items: list[dict[str, Any]], double: KubernetesDouble, translation: Translation) -> None:
    """Create objects as they were before the recording."""
    for item in items:
        find_one(item, double, translation)


def find_one(item: dict[str, Any], double: KubernetesDouble, translation: Translation) -> None:
    """Create an object as it was before; one that nobody owns was created empty and then filled."""
    metadata = item["metadata"]
    body = copy.deepcopy(item)
    body["metadata"] = {name: metadata[name] for name in ("name", "namespace", "labels") if metadata.get(name)}
    first, later = dict(body), {}
    if body.get("data") and "managedFields" not in metadata:
        first, later = {**body, "data": {}}, {"data": body["data"]}
    if metadata.get("generation", 1) == 2:
        first, later = {**body, "spec": {**body["spec"], "minReplicaCount": 2}}, {"spec": body["spec"]}
    created = double.create(first, CLIENT)
    if later:
        double.patch(body["kind"], "default", metadata["name"], later, manager=CLIENT)
    if metadata["name"] in FOUND_REVISIONS:
        translation.words[FOUND_REVISIONS[metadata["name"]]] = created["metadata"]["resourceVersion"]


@pytest.fixture(scope="module")
def answers() -> Iterator[list[Answered]]:
    """All answers of one replay."""
    with KubernetesDouble() as double:
        double.create(SCALED_OBJECT_DEFINITION)
        tokens = {"admin": double.token(), "limited": double.token("limited"), "other": "nobody"}
        wires = {user: Wire(double, token, f"{CLIENT}/37.0.2/python") for user, token in tokens.items()}
        yield replay(double, EXCHANGES, wires, before={index: partial(find, items) for index, items in FOUND.items()})
        for wire in wires.values():
            wire.close()


def cut_to(recorded: Any, answered: Any, index: int) -> tuple[Any, Any]:
    """Return both answers cut to what can be compared: three items of a list; the part an exception leaves."""
    if "itemsTruncatedFrom" in EXCHANGES[index]:
        assert len(answered["items"]) >= len(recorded["items"])
        return recorded, {**answered, "items": answered["items"][: len(recorded["items"])]}
    if index in EXCEPTIONS:
        part = "groups" if index == 91 else "resources"
        assert len(answered[part]) > 4
        served = {entry["name"] for entry in answered[part]}
        return {**recorded, part: [entry for entry in recorded[part] if entry["name"] in served]}, answered
    return recorded, answered


@pytest.mark.parametrize("index", range(len(EXCHANGES)), ids=[described(*pair) for pair in enumerate(EXCHANGES)])
def test_answer_is_that_of_the_real_server(index: int, answers: list[Answered]) -> None:
    exchange, answer = EXCHANGES[index], answers[index]
    assert (answer.status, answer.content_type) == (exchange["status"], exchange["responseType"])
    assert answer.warning == exchange["warning"]
    if exchange["response"] is not None:
        recorded, answered = cut_to(answer.translated, answer.body, index)
        assert comparable(answered) == comparable(recorded)


def test_recording_is_whole() -> None:
    assert len(EXCHANGES) == 152
    assert len(EXCEPTIONS) == 2
    assert [index for index, exchange in enumerate(EXCHANGES) if exchange["response"] is None] == [38]
