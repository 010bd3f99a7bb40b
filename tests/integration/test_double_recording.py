"""The double answers the recorded requests as the real kube-apiserver 1.36.2 did, all of them and in order."""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.double import KubernetesDouble, Wire
from tests.double.manifests import SCALED_OBJECT_DEFINITION, autoscaler

RECORDING = Path(__file__).parents[1] / "data" / "kubernetes-1.36" / "exchanges.jsonl.gz"
EXCHANGES: list[dict[str, Any]] = [
    json.loads(line) for line in gzip.decompress(RECORDING.read_bytes()).decode().splitlines()
]
CLIENT = "OpenAPI-Generator"
"""Who the recording's client was: the user agent of the official Python client up to its slash."""

EXCEPTIONS: Mapping[int, str] = {
    91: "the real server serves more groups: compared for the groups the double serves",
    94: "the real server serves more of apps/v1: compared for the resources the double serves",
}
"""Exchanges of which less than the whole answer is compared, each with the reason."""

VOLATILE = {"uid", "resourceVersion", "creationTimestamp", "time", "continue"}
"""Fields that must be there in both answers, and mean the same, but whose value is of the day."""
QUOTED_OBJECT = re.compile(r'Invalid value: "\{.*\}":')
"""A whole object inside a message: Go and Python order its fields differently."""


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


@dataclass
class Translation:
    """Recorded values of the day (resourceVersions, uids, list tokens) and what the double has in their place."""

    words: dict[str, str] = field(default_factory=dict)

    def learn(self, recorded: Any, answered: Any) -> None:
        """Pair the volatile values of two answers."""
        if isinstance(recorded, dict) and isinstance(answered, dict):
            for name in recorded.keys() & answered.keys():
                if name in ("uid", "resourceVersion", "continue") and recorded[name]:
                    self.words[recorded[name]] = answered[name]
                else:
                    self.learn(recorded[name], answered[name])
        elif isinstance(recorded, list) and isinstance(answered, list):
            for one, other in zip(recorded, answered, strict=False):
                self.learn(one, other)

    def of(self, value: Any) -> Any:
        """Return a recorded value as the double would say it."""
        if isinstance(value, dict):
            return {name: self.of(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.of(part) for part in value]
        if isinstance(value, str):
            return re.sub(r"[\w-]+", lambda found: self.words.get(found[0], found[0]), value)
        return value


@dataclass(frozen=True)
class Answered:
    """What the double made of a recorded request."""

    status: int
    content_type: str
    warning: str | None
    body: Any
    translated: Any
    """The recorded answer, in the double's resourceVersions and uids."""


class Replay:
    """One client that repeats the recorded requests."""

    def __init__(self, double: KubernetesDouble) -> None:
        self._double = double
        self._translation = Translation()
        tokens = {"admin": double.token(), "limited": double.token("limited"), "other": "nobody"}
        agent = f"{CLIENT}/37.0.2/python"
        self._wires = {user: Wire(double, token, agent) for user, token in tokens.items()}

    def run(self) -> list[Answered]:
        """Return the answers to all recorded requests."""
        self._double.create(SCALED_OBJECT_DEFINITION)
        answers = []
        for index, exchange in enumerate(EXCHANGES):
            for item in FOUND.get(index, []):
                self._find(item)
            answers.append(self._repeat(exchange))
        for wire in self._wires.values():
            wire.close()
        return answers

    def _find(self, item: dict[str, Any]) -> None:
        """Create an object as it was before; one that nobody owns was created empty and then filled."""
        metadata = item["metadata"]
        body = copy.deepcopy(item)
        body["metadata"] = {name: metadata[name] for name in ("name", "namespace", "labels") if metadata.get(name)}
        first, later = dict(body), {}
        if body.get("data") and "managedFields" not in metadata:
            first, later = {**body, "data": {}}, {"data": body["data"]}
        if metadata.get("generation", 1) == 2:
            first, later = {**body, "spec": {**body["spec"], "minReplicaCount": 2}}, {"spec": body["spec"]}
        created = self._double.create(first, CLIENT)
        if later:
            self._double.patch(body["kind"], "default", metadata["name"], later, manager=CLIENT)
        if metadata["name"] in FOUND_REVISIONS:
            recorded = FOUND_REVISIONS[metadata["name"]]
            self._translation.words[recorded] = created["metadata"]["resourceVersion"]

    def _repeat(self, exchange: dict[str, Any]) -> Answered:
        path, body = self._translation.of(exchange["path"]), self._translation.of(exchange["request"])
        response = self._wires[exchange["as"]].send(exchange["method"], path, body, exchange["contentType"] or "")
        answered = response.json if response.text else None
        self._translation.learn(exchange["response"], answered)
        translated = self._translation.of(exchange["response"])
        kind, warning = response.headers["Content-Type"], response.headers.get("Warning")
        return Answered(response.status, kind, warning, answered, translated)


@pytest.fixture(scope="module")
def answers() -> Iterator[list[Answered]]:
    """All answers of one replay."""
    with KubernetesDouble() as double:
        yield Replay(double).run()


def comparable(value: Any, name: str = "") -> Any:
    """Return an answer without what may differ: values of the day, the order of owners, objects quoted in messages."""
    if isinstance(value, dict):
        return {key: bool(part) if key in VOLATILE else comparable(part, key) for key, part in value.items()}
    if name == "managedFields":
        parts = [comparable(entry) for entry in value]
        return sorted(parts, key=lambda entry: (entry["manager"], entry["operation"], entry.get("subresource", "")))
    if isinstance(value, list):
        return [comparable(part) for part in value]
    if name == "message" and isinstance(value, str):
        return QUOTED_OBJECT.sub('Invalid value: "{}":', value)
    return value


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


def described(index: int) -> str:
    """Return the id of an exchange: number, method, the end of its path and the recorded status."""
    exchange = EXCHANGES[index]
    path = exchange["path"].partition("?")[0].split("/")
    return f"{index} {exchange['method']} {'/'.join(path[-2:])} as {exchange['as']} gives {exchange['status']}"


@pytest.mark.parametrize("index", range(len(EXCHANGES)), ids=described)
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
