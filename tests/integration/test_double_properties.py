"""What holds for any document: merge patches, comparisons, and the fields of two managers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.double.fieldsets import as_fields_v1, difference, dotted, from_fields_v1, paths_of
from tests.double.ownership import Applied, Manager, Owners, Write, apply, track_update
from tests.double.patches import json_patch, merge_patch, strategic_merge
from tests.double.shapes import ANY, STRING, Shape, listing, struct
from tests.double.status import StatusError
from tests.scale import examples

RFC_7386 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
"""The table of test cases in appendix A of RFC 7386."""

NAMES = st.sampled_from("abcd")
SCALARS = st.integers(0, 3) | st.sampled_from(["x", "y"])
DOCUMENTS = st.recursive(SCALARS, lambda parts: st.dictionaries(NAMES, parts, max_size=3), max_leaves=6)
OBJECTS = st.dictionaries(NAMES, DOCUMENTS, max_size=4)

ITEM = struct("Item", name=STRING, image=STRING, command=listing(STRING))
POD = struct("Pod", kind=STRING, labels=Shape("object", values=STRING), containers=listing(ITEM, "name"), note=STRING)
ITEMS = st.fixed_dictionaries({"name": NAMES}, optional={"image": st.sampled_from("xy")})
PODS = st.fixed_dictionaries(
    {"kind": st.just("Pod")},
    optional={
        "labels": st.dictionaries(NAMES, st.sampled_from("xy"), min_size=1, max_size=3),
        "containers": st.lists(ITEMS, min_size=1, max_size=3, unique_by=lambda item: item["name"]),
        "note": st.sampled_from("xy"),
    },
)
"""Pods as they are stored: Go's encoder leaves empty maps and lists out, so none is ever live."""


def write(name: str, operation: str = "Apply", time: str = "2026-01-01T00:00:00Z") -> Write:
    """Return a write of a manager to a pod."""
    return Write(Manager(name, operation), POD, "v1", time)


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386)
def test_merge_patch_is_that_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(copy.deepcopy(target), patch) == result


@given(OBJECTS, OBJECTS)
@examples(100)
def test_merge_patch_applied_twice_is_applied_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        pytest.param({"labels": {"$patch": "replace", "b": "2"}}, {"labels": {"b": "2"}}, id="replaces a map"),
        pytest.param({"labels": {"a": None}}, {"labels": {}}, id="deletes a key"),
        pytest.param({"$setElementOrder/containers": [{"name": "b"}]}, {}, id="does not take orders for fields"),
        pytest.param({"note": "y"}, {"note": "y"}, id="sets a scalar"),
        pytest.param(
            {"containers": [{"name": "b"}, {"name": "a", "command": ["z"]}]},
            {"containers": [{"name": "b"}, {"name": "a", "command": ["z"], "image": "x"}]},
            id="merges keyed lists and replaces the others",
        ),
    ],
)
def test_strategic_merge(patch: Any, result: Any) -> None:
    target = {"kind": "Pod", "labels": {"a": "1"}, "containers": [{"name": "a", "image": "x", "command": ["x", "y"]}]}
    assert strategic_merge(target, patch, POD) == {**target, **result}


@given(OBJECTS, OBJECTS)
@examples(100)
def test_strategic_merge_without_list_keys_is_a_merge_patch(target: Any, patch: Any) -> None:
    assert strategic_merge(target, patch, ANY) == merge_patch(target, patch)


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        pytest.param(
            [{"op": "add", "path": "/l/-", "value": 3}], {"l": [1, 2, 3], "m": {"a/b": 1}}, id="add at the end"
        ),
        pytest.param([{"op": "add", "path": "/l/0", "value": 3}], {"l": [3, 1, 2], "m": {"a/b": 1}}, id="add before"),
        pytest.param([{"op": "replace", "path": "/l/1", "value": 3}], {"l": [1, 3], "m": {"a/b": 1}}, id="replace"),
        pytest.param([{"op": "remove", "path": "/m/a~1b"}], {"l": [1, 2], "m": {}}, id="remove an escaped name"),
        pytest.param([{"op": "move", "from": "/m/a~1b", "path": "/n"}], {"l": [1, 2], "m": {}, "n": 1}, id="move"),
        pytest.param([{"op": "copy", "from": "/l", "path": "/m"}], {"l": [1, 2], "m": [1, 2]}, id="copy"),
        pytest.param([{"op": "remove", "path": "/nowhere"}], None, id="remove what is missing"),
        pytest.param(
            [{"op": "replace", "path": "/n", "value": 1}], {"l": [1, 2], "m": {"a/b": 1}, "n": 1}, id="replace nothing"
        ),
        pytest.param([{"op": "replace", "path": "/n/o", "value": 1}], None, id="replace what has no parent"),
        pytest.param([{"op": "replace", "path": "/l/2", "value": 3}], None, id="replace an item that is missing"),
        pytest.param([{"op": "test", "path": "/n"}], {"l": [1, 2], "m": {"a/b": 1}}, id="what is missing is null"),
        pytest.param([{"op": "test", "path": "/n/o"}], None, id="what has no parent is not"),
        pytest.param([{"op": "test", "path": "/m", "value": {}}], None, id="test something else"),
        pytest.param([{"op": "copy", "from": "/o", "path": "/m"}], {"l": [1, 2], "m": None}, id="copy nothing"),
        pytest.param([{"op": "move", "from": "/o", "path": "/m"}], None, id="move nothing"),
        pytest.param([{"op": "dance", "path": "/l"}], None, id="an unknown operation"),
    ],
)
def test_json_patch(operations: list[dict[str, Any]], result: Any) -> None:
    target = {"l": [1, 2], "m": {"a/b": 1}}
    if result is None:
        with pytest.raises(StatusError) as refused:
            json_patch(target, operations)
        assert refused.value.code == 422
    else:
        assert json_patch(target, operations) == result
    assert target == {"l": [1, 2], "m": {"a/b": 1}}


@given(PODS)
@examples(100)
def test_field_sets_survive_being_written_and_read(pod: Any) -> None:
    paths = paths_of(pod, POD)
    assert from_fields_v1(as_fields_v1(paths)) == paths


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:minReplicas"), ".spec.minReplicas"),
        (("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'), '.ports[containerPort=80,protocol="TCP"]'),
        (("f:metadata", "f:finalizers", 'v:"one/x"'), '.metadata.finalizers[="one/x"]'),
    ],
)
def test_path_is_written_for_people(path: tuple[str, ...], text: str) -> None:
    assert dotted(path) == text


def in_order(pod: dict[str, Any]) -> dict[str, Any]:
    """Return a pod with its containers by name: their order is nobody's."""
    if "containers" not in pod:
        return pod
    return {**pod, "containers": sorted(pod["containers"], key=lambda item: str(item["name"]))}


@given(PODS, PODS)
@examples(200)
def test_difference_is_empty_only_between_equals_and_turns_around(one: Any, other: Any) -> None:
    there, back = difference(one, other, POD), difference(other, one, POD)
    assert (there.added, there.removed, there.modified) == (back.removed, back.added, back.modified)
    assert (in_order(one) == in_order(other)) == (not there.taken | there.removed)


def attempt(owners: Owners, live: Any, config: Any, step: tuple[str, bool]) -> Applied:
    """Return what an apply makes, or what was there when it is refused."""
    name, force = step
    try:
        return apply(owners, live, config, write(name), force)
    except StatusError:
        return Applied(live, owners)


@given(PODS, st.lists(st.tuples(PODS, st.tuples(st.sampled_from(["us", "them"]), st.booleans())), max_size=6))
@examples(100)
def test_apply_never_loses_a_field_that_another_manager_owns(start: Any, applies: list[Any]) -> None:
    live, owners = start, track_update({}, {}, start, write("first", "Update"))
    for config, (name, force) in applies:
        result = attempt(owners, live, config, (name, force))
        lost = difference(live, result.object, POD)
        for manager, share in owners.items():
            if manager.name != name:
                fields = share.paths & paths_of(live, POD)  # a map that is left empty goes, whoever owned its dot
                assert not fields & lost.removed, "a field of another manager was removed"
                assert force or not fields & lost.taken, "a field of another manager was changed without force"
        live, owners = result.object, dict(result.owners)


@given(PODS, PODS, st.sampled_from(["us", "first"]))
@examples(100)
def test_forced_apply_owns_all_it_sends_and_doing_it_again_changes_nothing(start: Any, config: Any, name: str) -> None:
    us, owners = Manager(name, "Apply"), track_update({}, {}, start, write("first", "Update"))
    once = apply(owners, start, config, write(name), True)
    owned = {path for manager, share in once.owners.items() if manager == us for path in share.paths}
    assert owned == paths_of(config, POD) - {("f:kind",)}
    again = apply(once.owners, once.object, config, write(name, time="2026-01-01T00:00:01Z"), False)
    assert (again.object, again.owners) == (once.object, once.owners)
