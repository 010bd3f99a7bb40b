"""What a resource is: its names, its versions, its shape, and which resources the server knows."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.double.custom import has_rules, unreadable_term
from tests.double.fieldsets import Path
from tests.double.shapes import ANY, Shape, shape_of_custom_resource, shape_of_schema
from tests.double.status import JSON, Cause, Target, no_such_resource, wrong_value

Convert = Callable[[JSON], JSON]
Default = Callable[[JSON], None]
Validate = Callable[[JSON, JSON | None], list[Cause]]


def unchanged(item: JSON) -> JSON:
    """Return the object itself: the conversion of the stored version."""
    return item


def _nothing(item: JSON) -> None:
    """Default nothing."""


def _anything(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse nothing."""
    return []


@dataclass(frozen=True)
class View:
    """One served version of a resource and how it converts to the stored one."""

    group: str
    version: str
    shape: Shape
    to_stored: Convert = unchanged
    from_stored: Convert = unchanged
    aliases: tuple[tuple[Path, Path], ...] = ()
    """Field paths (of this version, of the stored one) that have different names."""
    validate_new: Callable[[JSON], list[Cause]] | None = None
    """Stricter rules for objects created through this version."""
    deprecation: str = ""
    """What every answer warns of."""

    @property
    def api_version(self) -> str:
        """Return the `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True)
class Resource:
    """A kind of object the server stores."""

    group: str
    plural: str
    kind: str
    views: tuple[View, ...]
    """Served versions; the first is the stored one."""
    namespaced: bool = True
    subresources: frozenset[str] = frozenset()
    zero: Mapping[str, Any] = field(default_factory=dict)
    """What the Go encoder writes for an empty object of this type."""
    default: Default = _nothing
    begin: Default = _nothing
    """What a new object's status is (PrepareForCreate)."""
    validate: Validate = _anything
    generation: bool = False
    """Whether metadata.generation is kept; HPAs have none."""
    counts_annotations: bool = False
    """Whether a change of annotations counts as a generation, as of Deployments."""
    needs_revision: bool = False
    """Whether a PUT must name the resourceVersion (leases, custom resources)."""
    create_on_put: bool = False
    returns_deleted: bool = False
    """Whether a DELETE answers with the object."""
    custom: bool = False
    fields: tuple[str, ...] = ()
    """What a field selector may name beside name and namespace."""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def stored(self) -> View:
        """Return the version objects are kept in."""
        return self.views[0]

    def target(self, name: str = "") -> Target:
        """Return what most errors name: the plural and its group."""
        return Target(self.group, self.plural, name)

    def kind_target(self, name: str) -> Target:
        """Return what validation errors name: the kind and its group."""
        return Target(self.group, self.kind, name)

    def version_hash(self) -> str:
        """Return `storageVersionHash` of discovery (exchange 92)."""
        text = f"{self.group}/{self.stored.version}/{self.kind}"
        return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()

    def entry(self) -> JSON:
        """Return its line in a discovery document; custom resources have their verbs in another order (exchange 93)."""
        verbs = "create delete deletecollection get list patch update watch"
        if self.custom:
            verbs = "delete deletecollection get list patch create update watch"
        line: JSON = {
            "name": self.plural,
            "singularName": self.kind.lower(),
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": verbs.split(),
        }
        if self.short_names:
            line["shortNames"] = list(self.short_names)
        if self.categories:
            line["categories"] = list(self.categories)
        return {**line, "storageVersionHash": self.version_hash()}

    def subresource_entries(self) -> list[JSON]:
        """Return the discovery lines of its subresources; `scale` is of another group than its owner (exchange 94)."""
        lines = []
        for name in sorted(self.subresources):
            line: JSON = {"name": f"{self.plural}/{name}", "singularName": "", "namespaced": self.namespaced}
            if name == "scale":
                line |= {"group": "autoscaling", "version": "v1"}
            kind = "Scale" if name == "scale" else self.kind
            lines.append({**line, "kind": kind, "verbs": ["get", "patch", "update"]})
        return lines


class Catalogue:
    """The resources the server knows; definitions of custom resources add to it and take away."""

    def __init__(self, built_in: Iterable[Resource]) -> None:
        self._resources = list(built_in)

    def __iter__(self) -> Any:
        return iter(self._resources)

    def find(self, group: str, version: str, plural: str) -> tuple[Resource, View]:
        """Return the resource and view of a path, or raise 404."""
        for resource in self._resources:
            for view in resource.views:
                if (view.group, view.version, resource.plural) == (group, version, plural):
                    return resource, view
        raise no_such_resource()

    def find_kind(self, kind: str) -> Resource:
        """Return the resource of a kind or plural name: how tests name one."""
        for resource in self._resources:
            if kind in (resource.kind, resource.plural, *resource.short_names):
                return resource
        raise KeyError(f"no resource {kind!r}")

    def groups(self) -> dict[str, list[str]]:
        """Return the versions of each named group, best first."""
        found: dict[str, list[str]] = {}
        for resource in self._resources:
            for view in resource.views:
                if view.group and view.version not in found.setdefault(view.group, []):
                    found[view.group].append(view.version)
        return found

    def serving(self, group: str, version: str) -> list[tuple[Resource, View]]:
        """Return the resources of a group version, by name."""
        pairs = [(one, view) for one in self._resources for view in one.views if view.group == group]
        return sorted(((one, view) for one, view in pairs if view.version == version), key=lambda pair: pair[0].plural)

    def define(self, definition: JSON) -> None:
        """Serve the custom resources of a CustomResourceDefinition."""
        self.undefine(definition)
        self._resources.append(custom_resource(definition))

    def undefine(self, definition: JSON) -> None:
        """Stop serving the custom resources of a CustomResourceDefinition."""
        spec = definition["spec"]
        gone = (spec["group"], spec["names"]["plural"])
        self._resources = [one for one in self._resources if (one.group, one.plural) != gone]


def custom_resource(definition: JSON) -> Resource:
    """Return the resource a CustomResourceDefinition describes."""
    spec = definition["spec"]
    names, versions = spec["names"], [version for version in spec["versions"] if version.get("served", True)]
    stored_first = sorted(versions, key=lambda version: not version.get("storage", False))
    views = tuple(
        View(
            spec["group"],
            version["name"],
            shape_of_custom_resource(version["schema"]["openAPIV3Schema"]),
            deprecation=_deprecation(spec, version),
        )
        for version in stored_first
    )
    return Resource(
        spec["group"],
        names["plural"],
        names["kind"],
        views,
        namespaced=spec["scope"] == "Namespaced",
        subresources=frozenset(stored_first[0].get("subresources") or {}) & {"status"},
        generation=True,
        needs_revision=True,
        custom=True,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
    )


def _deprecation(spec: JSON, version: JSON) -> str:
    """Return the warning of a deprecated version: its own words, or which version to use instead."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, kind = spec["group"], spec["names"]["kind"]
    newer = [one["name"] for one in spec["versions"] if one.get("served", True) and not one.get("deprecated")]
    instead = f"; use {group}/{newer[0]} {kind}" if newer else ""
    return f"{group}/{version['name']} {kind} is deprecated{instead}"


def check_definition(definition: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a definition whose name or rules the server (or this double of it) cannot serve."""
    spec, problems = definition["spec"], []
    expected = f"{spec['names']['plural']}.{spec['group']}"
    if definition["metadata"]["name"] != expected:
        problems.append(wrong_value("metadata.name", definition["metadata"]["name"], f"must be {expected}"))
    for index, version in enumerate(spec["versions"]):
        path = f"spec.versions[{index}].schema.openAPIV3Schema"
        problems += _unreadable_rules(shape_of_schema(version["schema"]["openAPIV3Schema"]), path)
    return problems


def _unreadable_rules(shape: Shape, path: str) -> list[Cause]:
    problems = []
    for rule in shape.schema.get("x-kubernetes-validations", ()):
        if term := unreadable_term(rule["rule"]):
            problem = f"the double reads has(self.x) and comparisons joined by && and ||, got {term!r}"
            problems.append(wrong_value(f"{path}.x-kubernetes-validations.rule", rule["rule"], problem))
    for name, part in shape.fields.items():
        problems += _unreadable_rules(part, f"{path}.properties[{name}]") if has_rules(part) else []
    return problems + (_unreadable_rules(shape.items or ANY, f"{path}.items") if shape.items else [])
