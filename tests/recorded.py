"""Recorded exchanges with a real API server, repeated against the double and compared."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.double import KubernetesDouble, Wire

FOLDER = Path(__file__).parent / "data" / "kubernetes-1.36"
VOLATILE = {"uid", "resourceVersion", "creationTimestamp", "time", "continue"}
"""Fields that must be there in both answers, and mean the same, but whose value is of the day."""
QUOTED_OBJECT = re.compile(r'Invalid value: "(\{|map\[).*[}\]]":')
"""A whole object inside a message: Go and Python order its fields differently."""
DIFFERENCE = re.compile(r"\n@@ .*", re.DOTALL)
"""What Go's diff of two objects adds to a message, in the field names of Go's structs."""
Exchange = Mapping[str, Any]


def read_recording(name: str) -> list[Exchange]:
    """The exchanges of a file of the recording, in order."""
    return [json.loads(line) for line in gzip.decompress((FOLDER / name).read_bytes()).decode().splitlines()]


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


Happening = Callable[[KubernetesDouble, Translation], None]
"""What someone else did to the cluster in between."""


def replay(
    double: KubernetesDouble,
    exchanges: Sequence[Exchange],
    wires: Mapping[str, Wire],
    *,
    before: Mapping[int, Happening],
) -> list[Answered]:
    """Repeat recorded requests, each by the wire of who asked; `before` some of them, something else happens."""
    translation, answers = Translation(), []
    for index, exchange in enumerate(exchanges):
        if index in before:
            before[index](double, translation)
        answers.append(_repeat(exchange, wires[exchange["as"]], translation))
    return answers


def _repeat(exchange: Exchange, wire: Wire, translation: Translation) -> Answered:
    path, body = translation.of(exchange["path"]), translation.of(exchange["request"])
    response = wire.send(exchange["method"], path, body, exchange["contentType"] or "")
    answered = response.json if response.text else None
    translation.learn(exchange["response"], answered)
    kind, warning = response.headers["Content-Type"], response.headers.get("Warning")
    return Answered(response.status, kind, warning, answered, translation.of(exchange["response"]))


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
        return DIFFERENCE.sub("", QUOTED_OBJECT.sub('Invalid value: "{}":', value))
    return value


def described(index: int, exchange: Exchange) -> str:
    """Return the id of an exchange: number, method, the end of its path and the recorded status."""
    path = exchange["path"].partition("?")[0].split("/")
    return f"{index} {exchange['method']} {'/'.join(path[-2:])} as {exchange['as']} gives {exchange['status']}"
