"""The double's shapes against the OpenAPI schema of Kubernetes 1.36: no field it lacks, none it invents, same types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import pytest

from tests.double import builtin
from tests.double.resources import Resource, View
from tests.double.shapes import Shape

SCHEMAS = resources.files("kubernetes_validate") / "kubernetes-json-schema" / "v1.36.0-local"
SCALARS = {"time": "string", "micro-time": "string", "quantity": "string", "int-or-string": "string"}
VIEWS = [(resource, view) for resource in builtin.BUILT_IN for view in resource.views]


@cache
def definitions() -> Mapping[str, Any]:
    """Return all types of Kubernetes 1.36 by name."""
    found: Mapping[str, Any] = json.loads((SCHEMAS / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
    return found


def type_of(resource: Resource, view: View) -> Mapping[str, Any]:
    """Return the schema of a resource's kind."""
    wanted = {"group": view.group, "version": view.version, "kind": resource.kind}
    kinds = "x-kubernetes-group-version-kind"
    [found] = [schema for schema in definitions().values() if wanted in schema.get(kinds, [])]
    return dict(found)


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its reference followed."""
    if "$ref" in schema:
        return resolved(definitions()[schema["$ref"].rpartition("/")[2]])
    return schema


def differences(shape: Shape, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield where a shape and a schema disagree; what a shape leaves open is not looked into."""
    schema = resolved(schema)
    kinds = schema.get("type", "any")
    kind = SCALARS.get(shape.type, shape.type)
    if kind != "any" and kind not in ([kinds] if isinstance(kinds, str) else kinds) and "oneOf" not in schema:
        yield f"{path}: {shape.type} is not {kinds}"
    if shape.type == "array" and shape.keys != tuple(schema.get("x-kubernetes-list-map-keys", ())):
        yield f"{path}: merged by {shape.keys}"
    if shape.unique != (schema.get("x-kubernetes-list-type") == "set"):
        yield f"{path}: a set or not"
    if (shape.fields or shape.atomic) and shape.atomic != (schema.get("x-kubernetes-map-type") == "atomic"):
        yield f"{path}: of one owner or not"
    if shape.fields and "properties" in schema:
        names, known = set(shape.fields), set(schema["properties"])
        yield from (f"{path}.{name}: unknown to the double" for name in known - names)
        yield from (f"{path}.{name}: unknown to Kubernetes" for name in names - known)
        for name in names & known - {"metadata"}:
            yield from differences(shape.fields[name], schema["properties"][name], f"{path}.{name}")
    if shape.items and "items" in schema:
        yield from differences(shape.items, schema["items"], f"{path}[]")


@pytest.mark.parametrize(("resource", "view"), VIEWS, ids=[f"{view.api_version} {one.kind}" for one, view in VIEWS])
def test_shape_is_that_of_kubernetes(resource: Resource, view: View) -> None:
    assert list(differences(view.shape, type_of(resource, view), resource.kind)) == []
