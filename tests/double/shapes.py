"""The shape of an object: which fields there are, of which type, and how two lists or maps of them merge.

One shape serves decoding (types, unknown fields), ownership (which paths there are), server-side apply and strategic
merge (list keys): https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A type: `type` is that of JSON, or `any`, `time` (RFC 3339, seconds), `micro-time` (six decimals needed)."""

    type: str = "any"
    fields: Mapping[str, Shape] = field(default_factory=dict)
    """The named fields of a struct."""
    values: Shape | None = None
    """The shape of every value of a map."""
    items: Shape | None = None
    keys: tuple[str, ...] = ()
    """What tells two items of a list apart; without keys a list is replaced as a whole."""
    unique: bool = False
    """A list that is a set of scalars, as `finalizers`."""
    atomic: bool = False
    """One owner owns all of it."""
    omit_zero: bool = False
    """A Go value with `omitempty`: 0 and false are the same as absent."""
    pointer: bool = False
    """A Go `*string`: an empty text is a value."""
    go: str = ""
    """The Go struct's name, quoted in decoding errors."""
    schema: Mapping[str, Any] = field(default_factory=dict)
    """For custom resources: the OpenAPI schema this shape was made from (required, minimum, rules)."""

    @property
    def merges_map(self) -> bool:
        """Tell whether the fields of an object can have different owners (undeclared ones can)."""
        return self.type in ("object", "any") and not self.atomic

    @property
    def merges_list(self) -> bool:
        """Tell whether the items of a list can have different owners."""
        return bool(self.keys or self.unique) and not self.atomic

    @property
    def closed(self) -> bool:
        """Tell whether fields without a shape are refused or dropped."""
        return bool(self.fields) and self.values is None and not self.schema.get("x-kubernetes-preserve-unknown-fields")

    def child(self, name: str) -> Shape:
        """Return the shape of a named field or map value; an undeclared one is `any`."""
        return self.fields.get(name) or self.values or ANY


ANY = Shape()
STRING = Shape("string")
TEXT = Shape("string", pointer=True)
"""A Go `*string`: an empty text is a value."""
BYTES = Shape("bytes")
"""Go's `[]byte`: base64."""
INT = Shape("integer")
"""A Go `*int32`: 0 is a value."""
COUNT = Shape("integer", omit_zero=True)
"""A Go `int32` with omitempty: 0 is left out."""
BOOL = Shape("boolean")
FLAG = Shape("boolean", omit_zero=True)
QUANTITY = Shape("quantity")
INT_OR_STRING = Shape("int-or-string")
TIME = Shape("time")
MICRO_TIME = Shape("micro-time")
STRINGS = Shape("object", values=STRING)
"""A map of strings, as labels."""
SET = Shape("array", items=STRING, unique=True)


def struct(go: str, **fields: Shape) -> Shape:
    """Return the shape of a Go struct; a trailing underscore lets a field be named like a Python keyword."""
    return Shape("object", fields={name.rstrip("_"): shape for name, shape in fields.items()}, go=go)


def listing(items: Shape, *keys: str) -> Shape:
    """Return the shape of a list: merged by its keys, or replaced as a whole without any."""
    return Shape("array", items=items, keys=keys)


def atomic(shape: Shape) -> Shape:
    """Return the same shape with one owner for all of it."""
    return replace(shape, atomic=True)


OWNER = struct(
    "OwnerReference", apiVersion=STRING, kind=STRING, name=STRING, uid=STRING, controller=BOOL, blockOwnerDeletion=BOOL
)
METADATA = struct(
    "ObjectMeta",
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    selfLink=STRING,
    uid=STRING,
    resourceVersion=STRING,
    generation=COUNT,
    creationTimestamp=TIME,
    deletionTimestamp=TIME,
    deletionGracePeriodSeconds=INT,
    labels=STRINGS,
    annotations=STRINGS,
    ownerReferences=listing(atomic(OWNER), "uid"),
    finalizers=SET,
    managedFields=Shape("array", items=ANY),
)


def top(go: str, **fields: Shape) -> Shape:
    """Return the shape of a whole object: its own fields beside apiVersion, kind and metadata."""
    return struct(go, apiVersion=STRING, kind=STRING, metadata=METADATA, **fields)


def shape_of_schema(schema: Mapping[str, Any]) -> Shape:
    """Return the shape of a CRD's structural schema (`openAPIV3Schema` or a part of it).

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
    """
    if schema.get("x-kubernetes-int-or-string"):
        return Shape("int-or-string", schema=schema)
    values, items = schema.get("additionalProperties"), schema.get("items")
    list_type = schema.get("x-kubernetes-list-type", "atomic")
    return Shape(
        schema.get("type", "any"),
        fields={name: shape_of_schema(part) for name, part in schema.get("properties", {}).items()},
        values=shape_of_schema(values) if isinstance(values, Mapping) else None,
        items=shape_of_schema(items) if items else None,
        keys=tuple(schema.get("x-kubernetes-list-map-keys", ())) if list_type == "map" else (),
        unique=list_type == "set",
        atomic=schema.get("x-kubernetes-map-type") == "atomic",
        schema=schema,
    )


def shape_of_custom_resource(schema: Mapping[str, Any]) -> Shape:
    """Return the shape of a whole custom resource: the CRD's schema never says more of metadata than `object`."""
    shape = shape_of_schema(schema)
    return replace(shape, fields={"apiVersion": STRING, "kind": STRING, **shape.fields, "metadata": METADATA})
