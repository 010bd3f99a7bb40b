"""Custom resources: the checks of a CRD's schema, its defaults, and its rules.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import celpy
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError

from tests.double.copying import copied
from tests.double.shapes import Shape
from tests.double.status import Cause, missing_value, wrong_value

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "int-or-string": (int, str),
    "time": (str,),
}
WORDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
INT32 = range(-(2**31), 2**31)
UNCHECKED = (
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


BLOCKING = ("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTypeInvalid")
"""Reasons after which no rule is asked (hasBlockingErr)."""


def validate(value: Any, shape: Shape, before: Sequence[Cause] = ()) -> list[Cause]:
    """Return what the schema and its rules refuse, after what was refused `before`; rules need a whole object."""
    problems = [*before, *_schema_problems(value, shape, "")]
    if not has_rules(shape):
        return problems
    if any(problem.reason in BLOCKING for problem in problems):
        return [*problems, Cause("<nil>", UNCHECKED)]
    return problems + list(_rule_problems(value, shape, ""))


def _schema_problems(value: Any, shape: Shape, path: str) -> Iterator[Cause]:
    if value is None:
        return
    types = TYPES.get(shape.type)
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        word = WORDS[type(value)]
        problem = f'{path} in body must be of type {shape.type}: "{word}"'
        yield Cause(path, f'Invalid value: "{word}": {problem}', "FieldValueTypeInvalid")
        return
    if shape.schema.get("format") == "int32" and value not in INT32:
        yield Cause("<nil>", f'Invalid value: "": Checked value must be of type integer with format int32 in {path}')
    yield from _value_problems(value, shape.schema, path)
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _schema_problems(part, shape.child(name), f"{path}.{name}".lstrip("."))
    if isinstance(value, list) and shape.items:
        for index, item in enumerate(value):
            yield from _schema_problems(item, shape.items, f"{path}[{index}]")


def _value_problems(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name not in value:
                yield missing_value(f"{path}.{name}".lstrip("."))
    if "minimum" in schema and value < schema["minimum"]:
        problem = f"{path} in body should be greater than or equal to {schema['minimum']}"
        yield wrong_value(path, value, problem)
    if len(value) < schema.get("minLength", 0) if isinstance(value, str) else False:
        yield wrong_value(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(json.dumps(choice) for choice in schema["enum"])
        text = f"Unsupported value: {json.dumps(value)}: supported values: {allowed}"
        yield Cause(path, text, "FieldValueNotSupported")


def has_rules(shape: Shape) -> bool:
    """Tell whether a shape or a part of it has validation rules."""
    parts = [*shape.fields.values(), *filter(None, (shape.values, shape.items))]
    return bool(shape.schema.get("x-kubernetes-validations")) or any(has_rules(part) for part in parts)


def _rule_problems(value: Any, shape: Shape, path: str) -> Iterator[Cause]:
    if not isinstance(value, dict):
        return
    for rule in shape.schema.get("x-kubernetes-validations", ()):
        if not holds(rule["rule"], value):
            yield Cause(path, f"Invalid value: {rule.get('message') or 'failed rule: ' + rule['rule']}")
    for name, part in value.items():
        yield from _rule_problems(part, shape.child(name), f"{path}.{name}".lstrip("."))


def holds(rule: str, value: Mapping[str, Any]) -> bool:
    """Evaluate a validation rule of a definition.

    >>> holds("!has(self.min) || self.min <= self.max", {"min": 3, "max": 2})
    False
    >>> holds("has(self.min) ? self.min <= self.max : true", {"min": 1, "max": 2})
    True
    """
    try:
        return bool(evaluate(rule, {"self": value}))
    except ValueError:  # a rule that cannot be evaluated refuses the object
        return False


def evaluate(expression: str, given: Mapping[str, Any]) -> Any:
    """The value of a CEL expression. Raises `ValueError` where it cannot be evaluated, as when a key is missing.

    >>> evaluate("'a' in self.b", {"self": {"b": {"a": 1}}})
    BoolType(True)
    """
    try:
        program = celpy.Environment().program(_compiled(expression))
        return program.evaluate({name: json_to_cel(value) for name, value in given.items()})
    except CELEvalError as error:
        raise ValueError(f"{expression}: {error}") from error


@functools.cache
def _compiled(expression: str) -> Any:
    return celpy.Environment().compile(expression)


def unreadable_term(rule: str) -> str | None:
    """Return a rule that is no CEL, or None."""
    try:
        _compiled(rule)
    except CELParseError:
        return rule
    return None


def prune(value: Any, shape: Shape, path: str = "") -> tuple[Any, list[str]]:
    """Return the value without undeclared fields, and their paths; nulls of absent-by-default fields go too."""
    if isinstance(value, list) and shape.items:
        pairs = [prune(item, shape.items, f"{path}[{index}]") for index, item in enumerate(value)]
        return [kept for kept, _ in pairs], [name for _, names in pairs for name in names]
    if not isinstance(value, dict):
        return value, []
    kept, unknown = {}, []
    for name, part in value.items():
        here = f"{path}.{name}".lstrip(".")
        if shape.closed and name not in shape.fields:
            unknown.append(here)
            continue
        kept[name], below = prune(part, shape.child(name), here)
        unknown += below
    return kept, unknown


def fill_defaults(value: Any, shape: Shape) -> Any:
    """Return the value with the schema's defaults for absent fields."""
    if isinstance(value, list) and shape.items:
        return [fill_defaults(item, shape.items) for item in value]
    if not isinstance(value, dict):
        return value
    filled = {name: fill_defaults(part, shape.child(name)) for name, part in value.items() if part is not None}
    for name, part in shape.fields.items():
        if name not in filled and "default" in part.schema:
            filled[name] = fill_defaults(copied(part.schema["default"]), part)
    return filled
