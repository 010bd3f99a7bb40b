"""The three patches that change a document: JSON merge (RFC 7386), strategic merge and JSON patch (RFC 6902)."""

from __future__ import annotations

from typing import Any

from tests.double.copying import copied
from tests.double.shapes import ANY, Shape
from tests.double.status import JSON, bad_request, unprocessable


def merge_patch(target: Any, patch: Any) -> Any:
    """Return the target changed as RFC 7386 says: null deletes, lists are replaced.

    >>> merge_patch({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": [3]}})
    {'b': {'c': 2, 'd': [3]}}
    """
    if not isinstance(patch, dict):
        return copied(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def strategic_merge(target: Any, patch: Any, shape: Shape) -> Any:
    """Return the target changed as kubectl's default patch does: keyed lists merge item by item.

    https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
    """
    if isinstance(patch, list):
        return _merge_list(target or [], patch, shape)
    if not isinstance(patch, dict):
        return copied(patch)
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith(("$setElementOrder/", "$retainKeys", "$deleteFromPrimitiveList/")):
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = strategic_merge(merged.get(name), value, shape.child(name))
    return merged


def _merge_list(target: list[Any], patch: list[Any], shape: Shape) -> list[Any]:
    if shape.unique:
        return [*target, *(item for item in patch if item not in target)]
    key = shape.keys[0] if shape.keys else ""
    if not key or not all(isinstance(item, dict) for item in patch):
        return copied(patch)
    merged, new = list(target), []
    for item in patch:
        place = next((index for index, old in enumerate(merged) if old.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            merged = [old for old in merged if old.get(key) != item.get(key)]
        elif place is None:
            new.append(copied(item))
        else:
            merged[place] = strategic_merge(merged[place], item, shape.items or ANY)
    return new + merged  # the real server puts new items first


def json_patch(target: JSON, operations: Any) -> JSON:
    """Return the target after every operation; the first that fails refuses the whole patch (exchange 44)."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = copied(target)
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise unprocessable() from None
    return document


def _operate(document: Any, operation: JSON) -> Any:
    name, path = operation["op"], _pointer(operation["path"])
    if name in ("move", "copy"):
        source = _pointer(operation["from"])
        value = copied(_found(document, source) if name == "copy" else _look_up(document, source))
        if name == "move":
            document = _remove(document, _pointer(operation["from"]))
        return _add(document, path, value)
    if name == "test":
        if _found(document, path) != operation.get("value"):
            raise ValueError("the tested value differs")
        return document
    if name == "remove":
        return _remove(document, path)
    if name == "replace":
        return _replace(document, path, operation.get("value"))
    if name == "add":
        return _add(document, path, operation.get("value"))
    raise ValueError(f"unknown operation {name!r}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(f"not a JSON pointer: {text!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _look_up(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _found(document: Any, path: list[str]) -> Any:
    """Return what stands there; null where its parent has no such key, as evanphx/json-patch v4 does."""
    if not path:
        return document
    parent = _look_up(document, path[:-1])
    return parent.get(path[-1]) if isinstance(parent, dict) else _look_up(parent, path[-1:])


def _replace(document: Any, path: list[str], value: Any) -> Any:
    """Set a value; a key that is missing in an object is made, as evanphx/json-patch v4 does."""
    if not path:
        return copied(value)
    parent = _look_up(document, path[:-1])
    parent[int(path[-1]) if isinstance(parent, list) else path[-1]] = copied(value)
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent = _look_up(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return copied(value)
    parent, last = _look_up(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), copied(value))
    else:
        parent[last] = copied(value)
    return document
