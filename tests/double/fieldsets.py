"""Sets of paths through an object, as `managedFields` writes them, and what two objects differ in.

After `sigs.k8s.io/structured-merge-diff` (KEP-555). A path is a tuple of segments: `f:name` for a field,
`k:{"name":"web"}` for an item of a keyed list, `v:"x"` for an item of a set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.double.shapes import ANY, Shape

Path = tuple[str, ...]
Paths = frozenset[Path]
ABSENT = object()
"""A missing value; `None` is a JSON null, which is there."""

LIST_KEY_DEFAULTS = {"protocol": "TCP"}
"""A container port is known by number and protocol, and the protocol has a default."""


def item_segment(item: Any, shape: Shape) -> str:
    """Return the segment that names an item of a merged list."""
    if shape.unique:
        return "v:" + json.dumps(item, separators=(",", ":"))
    key = {name: item.get(name, LIST_KEY_DEFAULTS.get(name)) for name in sorted(shape.keys)}
    return "k:" + json.dumps(key, separators=(",", ":"))


def children(value: Any, shape: Shape) -> list[tuple[str, Any, Shape]] | None:
    """Return the parts (segment, value, shape) of a value, or None when it is one piece."""
    if isinstance(value, dict) and shape.merges_map:
        return [("f:" + name, part, shape.child(name)) for name, part in value.items()]
    if isinstance(value, list) and shape.merges_list:
        return [(item_segment(item, shape), item, shape.items or ANY) for item in value]
    return None


def paths_of(value: Any, shape: Shape) -> Paths:
    """Return what an applied configuration claims: every leaf, and every item of a keyed list."""
    return frozenset(_claimed(value, shape, ()))


def _claimed(value: Any, shape: Shape, path: Path) -> Iterator[Path]:
    parts = children(value, shape)
    if not parts:
        yield path
        return
    for segment, part, part_shape in parts:
        here = (*path, segment)
        if segment.startswith("k:"):
            yield here
        yield from _claimed(part, part_shape, here)


@dataclass(frozen=True)
class Difference:
    """Where a new object differs from an old one."""

    added: Paths
    modified: Paths
    removed: Paths

    @property
    def taken(self) -> Paths:
        """Return the paths whose value the writer of the new object has set."""
        return self.added | self.modified


def difference(old: Any, new: Any, shape: Shape) -> Difference:
    """Compare two objects as structured-merge-diff does: a container that appears counts as a path of its own."""
    found: dict[str, set[Path]] = {"added": set(), "modified": set(), "removed": set()}
    for kind, path in _changes(old, new, shape, ()):
        found[kind].add(path)
    return Difference(frozenset(found["added"]), frozenset(found["modified"]), frozenset(found["removed"]))


def _changes(old: Any, new: Any, shape: Shape, path: Path) -> Iterator[tuple[str, Path]]:
    before, after = _parts(old, shape), _parts(new, shape)
    if before is None or after is None or not (before or after):
        if old is ABSENT or new is ABSENT or old != new:
            yield _kind(old, new), path
        return
    for segment in {**before, **after}:
        one, other = before.get(segment, (ABSENT, ANY)), after.get(segment, (ABSENT, ANY))
        part_shape = other[1] if one[0] is ABSENT else one[1]
        yield from _changes(one[0], other[0], part_shape, (*path, segment))
    if old is ABSENT or new is ABSENT:
        yield _kind(old, new), path


def _kind(old: Any, new: Any) -> str:
    return "added" if old is ABSENT else "removed" if new is ABSENT else "modified"


def _parts(value: Any, shape: Shape) -> dict[str, tuple[Any, Shape]] | None:
    """Return the parts by segment; a missing or null container has none, a leaf gives None."""
    if value is ABSENT or value is None:
        return {}
    parts = children(value, shape)
    return None if parts is None else {segment: (part, part_shape) for segment, part, part_shape in parts}


def remove_paths(value: Any, shape: Shape, gone: Iterable[Path]) -> Any:
    """Return a copy of the value without these paths; a container this empties disappears too."""
    return _without(value, shape, _tree(gone))


def _tree(paths: Iterable[Path]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in paths:
        node = root
        for segment in path:
            node = node.setdefault(segment, {})
        node["."] = {}
    return root


def _without(value: Any, shape: Shape, gone: Mapping[str, Any]) -> Any:
    parts = children(value, shape)
    if parts is None:
        return value
    kept: list[tuple[str, Any]] = []
    for segment, part, part_shape in parts:
        below = gone.get(segment, {})
        if "." in below:
            continue
        rest = _without(part, part_shape, below) if below else part
        if rest is not ABSENT:
            kept.append((segment, rest))
    if parts and not kept:
        return ABSENT
    return [part for _, part in kept] if isinstance(value, list) else {segment[2:]: part for segment, part in kept}


def with_parents(paths: Paths, shape: Shape) -> Paths:
    """Add the struct fields that hold these paths (EnsureNamedFieldsAreMembers); keys of maps and lists stay out."""
    found = set(paths)
    for path in paths:
        here = shape
        for depth, segment in enumerate(path[:-1]):
            if segment.startswith("f:") and segment[2:] in here.fields:
                found.add(path[: depth + 1])
            here = (here.items or ANY) if segment.startswith("k:") else here.child(segment[2:])
    return frozenset(found)


def as_fields_v1(paths: Paths) -> dict[str, Any]:
    """Write a set of paths as the nested object of `fieldsV1`; `.` marks a container that is itself owned."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for segment in path:
            node = node.setdefault(segment, {})
    for path in paths:
        node = root
        for segment in path:
            node = node[segment]
        if node and path:
            node["."] = {}
    return root


def from_fields_v1(fields: Mapping[str, Any], path: Path = ()) -> Paths:
    """Read the nested object of `fieldsV1`; a segment of no known kind is a ValueError."""
    found: set[Path] = set()
    for segment, below in fields.items():
        if segment == ".":
            found.add(path)
        elif segment[:2] not in ("f:", "k:", "v:", "i:"):
            raise ValueError(f"no path segment: {segment!r}")
        elif not below:
            found.add((*path, segment))
        else:
            found |= from_fields_v1(below, (*path, segment))
    return frozenset(found)


def dotted(path: Path) -> str:
    """Write a path for people, as `.spec.containers[name="web"].image`."""
    return "".join(_dotted_segment(segment) for segment in path)


def _dotted_segment(segment: str) -> str:
    mark, text = segment[0], segment[2:]
    if mark == "f":
        return "." + text
    if mark == "v":
        return f"[={text}]"
    pairs = (f"{name}={json.dumps(value)}" for name, value in json.loads(text).items())
    return "[" + ",".join(pairs) + "]"
