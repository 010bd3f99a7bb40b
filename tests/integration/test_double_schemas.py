"""Custom resources of any definition: types, limits, choices, defaults, unknown fields and rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.double import KubernetesDouble
from tests.double.custom import fill_defaults, holds, prune, unreadable_term, validate
from tests.double.decoding import Decoder, DecodingError
from tests.double.manifests import SCALED_OBJECT_DEFINITION
from tests.double.shapes import MICRO_TIME, TIME, Shape, shape_of_schema

TRIGGER = {"type": "cpu", "metadata": {"value": "60"}}

SHAPE = shape_of_schema(
    {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 1, "default": 3},
            "share": {"type": "number"},
            "mode": {"type": "string", "enum": ["Fast", "Slow"]},
            "port": {"x-kubernetes-int-or-string": True},
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            "steps": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "retries": {"type": "integer", "default": 1}},
                },
            },
        },
    }
)


@pytest.mark.parametrize(
    ("value", "causes"),
    [
        pytest.param({"count": 1, "share": 1, "mode": "Fast", "port": "http"}, [], id="all is right"),
        pytest.param({"count": 0}, [("count", "FieldValueInvalid")], id="under the minimum"),
        pytest.param({"count": True}, [("count", "FieldValueTypeInvalid")], id="true is no number"),
        pytest.param({"mode": "Odd"}, [("mode", "FieldValueNotSupported")], id="not a choice"),
        pytest.param({"port": []}, [("port", "FieldValueTypeInvalid")], id="neither number nor word"),
        pytest.param({"tags": {"a": 1}}, [("tags.a", "FieldValueTypeInvalid")], id="a number among words"),
        pytest.param({"steps": [{}]}, [("steps[0].name", "FieldValueRequired")], id="a required field is missing"),
        pytest.param({"mode": None}, [], id="null is absent"),
    ],
)
def test_validation(value: dict[str, Any], causes: list[tuple[str, str]]) -> None:
    assert [(cause.field, cause.reason) for cause in validate(value, SHAPE)] == causes


def test_defaults_fill_what_is_absent() -> None:
    assert fill_defaults({"steps": [{"name": "a"}, {"name": "b", "retries": 0}], "mode": None}, SHAPE) == {
        "count": 3,
        "steps": [{"name": "a", "retries": 1}, {"name": "b", "retries": 0}],
    }


def test_unknown_fields_are_found_in_lists_too() -> None:
    kept, unknown = prune({"count": 1, "odd": 1, "tags": {"any": "x"}, "steps": [{"name": "a", "odd": 2}]}, SHAPE)
    assert kept == {"count": 1, "tags": {"any": "x"}, "steps": [{"name": "a"}]}
    assert unknown == ["odd", "steps[0].odd"]


@pytest.mark.parametrize(
    ("rule", "value", "result"),
    [
        ("self.a <= self.b", {"a": 1, "b": 1}, True),
        ("self.a < self.b", {"a": 1, "b": 1}, False),
        ("self.a > 0 && self.a != 5", {"a": 5}, False),
        ("self.a > 0 && self.a != 5", {"a": 4}, True),
        ("!has(self.a) || self.a == 0", {"a": 1}, False),
        ("!has(self.a) || self.a >= -1", {}, True),
        ("has(self.a) ? self.a <= self.b : true", {"a": 2, "b": 1}, False),
        ("has(self.a) ? self.a <= self.b : true", {}, True),
        ("has(self.a.b)", {"a": {"b": 0}}, True),
        ("has(self.a.b)", {"a": 1}, False),
    ],
)
def test_rule(rule: str, value: dict[str, Any], result: bool) -> None:
    assert unreadable_term(rule) is None
    assert holds(rule, value) is result


@pytest.fixture(scope="module")
def keda() -> Shape:
    """What KEDA's definition says of the bounds of a ScaledObject."""
    return KubernetesDouble().define(dict(SCALED_OBJECT_DEFINITION)).stored.shape


@pytest.mark.parametrize(
    ("floor", "refused"),
    [
        (None, [-1, 0]),
        (-1, [None, -1, 0, 1, 2, 5, 99, 100, 101]),
        (0, [-1, 0]),
        (1, [-1, 0]),
        (2, [-1, 0, 1]),
        (5, [-1, 0, 1, 2]),
        (99, [-1, 0, 1, 2, 5]),
        (100, [-1, 0, 1, 2, 5, 99]),
        (101, [None, -1, 0, 1, 2, 5, 99, 100]),
    ],
)
def test_kedas_bounds_refuse_what_a_real_server_refuses(
    keda: Shape, floor: int | None, refused: list[int | None]
) -> None:
    """Without a ceiling KEDA scales to 100; the answers are those of a kube-apiserver 1.36.2."""
    bounds = {"minReplicaCount": floor}
    found = []
    for ceiling in (None, -1, 0, 1, 2, 5, 99, 100, 101):
        given = {**bounds, "maxReplicaCount": ceiling}
        spec = {name: value for name, value in given.items() if value is not None}
        item = {"spec": {"scaleTargetRef": {"name": "web"}, "triggers": [TRIGGER], **spec}}
        found += [ceiling] if validate(item, keda) else []
    assert found == refused


def test_rules_are_not_asked_of_what_is_not_whole(keda: Shape) -> None:
    item = {"spec": {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 5, "maxReplicaCount": 2}}
    assert [cause.field for cause in validate(item, keda)] == ["spec.triggers", "<nil>"]
    number = {"spec": {"scaleTargetRef": {"name": "web"}, "triggers": [TRIGGER], "maxReplicaCount": 2**31}}
    assert [cause.message for cause in validate(number, keda)] == [
        'Invalid value: "": Checked value must be of type integer with format int32 in spec.maxReplicaCount'
    ]


@pytest.mark.parametrize("rule", ["size(self.a >", "self.a in [1", "has(self.a) ||"])
def test_rule_of_other_words_is_unreadable(rule: str) -> None:
    assert unreadable_term(rule) is not None


@pytest.mark.parametrize(
    ("text", "shape", "result"),
    [
        ("2026-01-01T02:00:00+02:00", TIME, "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.9Z", TIME, "2026-01-01T00:00:00Z"),
        ("2026-01-01T02:00:00.000001+02:00", MICRO_TIME, "2026-01-01T00:00:00.000001Z"),
    ],
)
def test_time_is_told_in_utc(text: str, shape: Any, result: str) -> None:
    assert Decoder().read(text, shape) == result


@pytest.mark.parametrize(("text", "shape"), [("soon", TIME), ("2026-01-01T00:00:00.123Z", MICRO_TIME), (5, TIME)])
def test_what_is_no_time_is_refused(text: Any, shape: Any) -> None:
    with pytest.raises(DecodingError, match=r"parsing time|cannot unmarshal number"):
        Decoder().read(text, shape)
