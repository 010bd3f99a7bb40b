"""Reading an object of a built-in type as Go's decoder does: types checked, unknown fields set aside, times normalised.

Writing it back is Go's encoder: `omitempty` fields that are empty go, fields without it come with their zero.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.double.quantities import canonical
from tests.double.shapes import BYTES, STRING, Shape
from tests.double.status import JSON

MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
MICRO_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<fraction>\.\d{6})?(?P<rest>.*)")
NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=]|=(?!=?$)")
GO_SCALARS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "string": ("string", (str,)),
    "boolean": ("bool", (bool,)),
    "integer": ("int32", (int,)),
    "time": ("v1.Time", (str,)),
    "micro-time": ("v1.MicroTime", (str,)),
    "bytes": ("[]uint8", (str,)),
    "quantity": ("resource.Quantity", (str, int, float)),
    "int-or-string": ("intstr.IntOrString", (int, str)),
}
JSON_WORDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


class DecodingError(Exception):
    """The object cannot be read into its Go type; the message is that of Go's decoder."""


@dataclass
class Decoder:
    """One reading of an object; `unknown` collects the paths of undeclared fields."""

    unknown: list[str] = field(default_factory=list)

    def read(self, value: Any, shape: Shape, path: str = "", owner: str = "") -> Any:
        """Return the value without unknown fields, or raise `DecodingError`."""
        if value is None:
            return None
        if shape.type in GO_SCALARS:
            return _scalar(value, shape, path, owner)
        wanted = {"object": dict, "array": list}.get(shape.type)
        if wanted and not isinstance(value, wanted):
            raise _mismatch(value, shape.go or shape.type, path, owner)
        if isinstance(value, dict):
            return self._object(value, shape, path, shape.go or owner)
        if isinstance(value, list) and shape.items:
            return [self.read(item, shape.items, f"{path}[{index}]", owner) for index, item in enumerate(value)]
        return value

    def _object(self, value: JSON, shape: Shape, path: str, owner: str) -> JSON:
        kept = {}
        for name, part in value.items():
            here = f"{path}.{name}" if path else name
            if shape.closed and name not in shape.fields:
                self.unknown.append(here)
            else:
                kept[name] = self.read(part, shape.child(name), here, owner)
        return kept


def _scalar(value: Any, shape: Shape, path: str, owner: str) -> Any:
    name, types = GO_SCALARS[shape.type]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise _mismatch(value, name, path, owner)
    if shape.type == "time":
        return _read_time(str(value)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if shape.type == "micro-time":
        return _read_micro_time(str(value))
    if shape.type == "quantity":
        return _read_quantity(value)
    if shape.type == "bytes":
        return _read_bytes(str(value))
    return value


def _read_bytes(text: str) -> str:
    """Return base64 as the server writes it back; Go passes over line ends and reports where it stopped."""
    text = text.replace("\n", "").replace("\r", "")
    stop = NO_BASE64.search(text)
    whole = len(text) // 4 * 4
    if stop or len(text) % 4:
        raise DecodingError(f"illegal base64 data at input byte {stop.start() if stop else whole}")
    return text


def _read_quantity(value: Any) -> str:
    try:
        return canonical(value)
    except ValueError as error:
        raise DecodingError(str(error)) from None


def _mismatch(value: Any, wanted: str, path: str, owner: str) -> DecodingError:
    word = JSON_WORDS[type(value)]
    if isinstance(value, float):
        word = f"number {json.dumps(value)}"
    where = re.sub(r"\[\d+\]", "", path)
    return DecodingError(f"json: cannot unmarshal {word} into Go struct field {owner}.{where} of type {wanted}")


def _read_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        layout = "2006-01-02T15:04:05Z07:00"
        raise DecodingError(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"') from None


def _read_micro_time(text: str) -> str:
    """Return a MicroTime in UTC; without six decimals the real server refuses it (client bug with whole seconds)."""
    form = MICRO_FORM.fullmatch(text)
    if form and not form["fraction"]:
        raise DecodingError(f'parsing time "{text}" as "{MICRO_LAYOUT}": cannot parse "{form["rest"]}" as ".000000"')
    return _read_time(text).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def encode(value: Any, shape: Shape) -> Any:
    """Return the value as Go writes it: no nulls, no empty strings, lists or maps, no zero of an `omitempty` number."""
    if isinstance(value, dict):
        if shape.values in (STRING, BYTES):
            return {name: part or "" for name, part in value.items()}
        parts = {name: encode(part, shape.child(name)) for name, part in value.items()}
        return {name: part for name, part in parts.items() if not _omitted(part, shape.child(name))}
    if isinstance(value, list) and shape.items:
        return [encode(item, shape.items) for item in value]
    return value


def _omitted(value: Any, shape: Shape) -> bool:
    if value is None:
        return True
    if shape.omit_zero:
        return not value
    if shape.type in ("string", "array"):
        return not value and not shape.pointer
    return value == {} and shape.values is not None


def fill(value: Any, zero: Any) -> Any:
    """Lay the value over the zero of its Go type: what the encoder always writes, such as `status: {}`."""
    if not isinstance(value, dict) or not isinstance(zero, dict):
        return value
    filled = dict(value)
    for name, part in zero.items():
        filled[name] = fill(filled[name], part) if name in filled else part
    return filled


def untypable(value: Any, shape: Shape, path: str = "") -> str | None:
    """Return why server-side apply cannot type a configuration, in the words of structured-merge-diff, or None."""
    if value is None:
        return None
    if shape.type == "integer" and (isinstance(value, bool) or not isinstance(value, int)):
        return f"{path}: expected numeric (int or float), got {JSON_WORDS[type(value)]}"
    expected = {"string": str, "boolean": bool, "object": dict, "array": list}.get(shape.type)
    if expected and not isinstance(value, expected):
        word = {"object": "map", "array": "list"}.get(shape.type, shape.type)
        return f"{path}: expected {word}, got {JSON_WORDS[type(value)]}"
    if isinstance(value, dict):
        for name, part in value.items():
            if shape.closed and name not in shape.fields:
                return f"{path}.{name}: field not declared in schema"
            if problem := untypable(part, shape.child(name), f"{path}.{name}"):
                return problem
    if isinstance(value, list) and shape.items:
        return next((problem for item in value if (problem := untypable(item, shape.items, path))), None)
    return None
