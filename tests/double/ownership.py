"""Who owns which field: `metadata.managedFields` read, tracked through updates and applies, and written again.

Follows `k8s.io/apimachinery/pkg/util/managedfields` (KEP-555 server-side apply, KEP-2115 owner of a subresource).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.double.fieldsets import (
    Path,
    Paths,
    as_fields_v1,
    children,
    difference,
    dotted,
    from_fields_v1,
    paths_of,
    remove_paths,
    with_parents,
)
from tests.double.shapes import Shape
from tests.double.status import JSON, Cause, StatusError

BEFORE_FIRST_APPLY = "before-first-apply"
"""Who owns what was there before anyone was tracked (managedfields.NewDefaultFieldManager)."""
SYSTEM_FIELDS = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
NEVER_OWNED: frozenset[Path] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)} | {("f:metadata", f"f:{name}") for name in SYSTEM_FIELDS}
)
"""Fields that are no configuration (stripMetaManager)."""


@dataclass(frozen=True, order=True)
class Manager:
    """Who writes: a name, how, through which version and subresource. An applier is the same in every version."""

    name: str
    operation: str
    version: str = ""
    subresource: str = ""

    def described(self) -> str:
        """Return the words of a conflict message (exchange 49)."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.version}" if self.operation == "Update" else text


@dataclass(frozen=True)
class Share:
    """What a manager owns, through which version it said so, and since when."""

    paths: Paths
    version: str
    time: str | None


Owners = Mapping[Manager, Share]


def read_owners(entries: Any) -> dict[Manager, Share] | None:
    """Decode managedFields; None when they are empty or one cannot be read (then the stored ones hold)."""
    try:
        return dict(_read_entry(entry) for entry in entries or []) or None
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _read_entry(entry: JSON) -> tuple[Manager, Share]:
    """Read one entry as strictly as DecodeManagedFields: operation, apiVersion and fieldsType must be there."""
    operation, version = entry["operation"], entry["apiVersion"]
    if operation not in ("Apply", "Update") or not version or entry["fieldsType"] != "FieldsV1":
        raise ValueError("an entry that is not of the field manager")
    through = version if operation == "Update" else ""
    manager = Manager(entry.get("manager", ""), operation, through, entry.get("subresource", ""))
    return manager, Share(from_fields_v1(entry.get("fieldsV1") or {}), version, entry.get("time"))


def write_owners(owners: Owners) -> list[JSON]:
    """Encode owners: appliers first, then by age, name, version and subresource."""
    entries = []
    for manager, share in sorted(owners.items(), key=_age):
        entry: JSON = {"manager": manager.name, "operation": manager.operation, "apiVersion": share.version}
        if share.time:
            entry["time"] = share.time
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": as_fields_v1(share.paths)}
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    return entries


def _age(pair: tuple[Manager, Share]) -> tuple[str, ...]:
    manager, share = pair
    return (manager.operation, share.time or "", manager.name, share.version, manager.subresource)


def owners_in_request(live: JSON | None, new: JSON) -> dict[Manager, Share]:
    """Return the owners a change starts from: those in the request, else the stored ones (decodeLiveOrNew).

    A list with one empty entry forgets every owner; an empty or unreadable list changes nothing.
    """
    entries = new["metadata"].get("managedFields")
    if entries == [{}]:
        return {}
    owners = read_owners(entries)
    if owners is None and live is not None:
        owners = read_owners(live["metadata"].get("managedFields"))
    return owners or {}


@dataclass(frozen=True)
class Write:
    """One tracked change: who, through which shape, when, and which paths the endpoint resets."""

    manager: Manager
    shape: Shape
    version: str
    time: str | None
    ignored: tuple[Path, ...] = ()
    """Paths this endpoint cannot set (GetResetFields): `status` of the main resource, `spec` of `status`."""

    def counts(self, paths: Iterable[Path]) -> Paths:
        """Leave out what nobody owns and what this endpoint ignores."""
        return frozenset(
            path
            for path in paths
            if path not in NEVER_OWNED and not any(path[: len(cut)] == cut for cut in self.ignored)
        )


def track_update(owners: Owners, live: JSON, new: JSON, write: Write) -> dict[Manager, Share]:
    """Give every changed path to the writer and take it from the others (Updater.Update)."""
    change = difference(live, new, write.shape)
    result = _take(owners, change.taken, change.removed)
    taken = write.counts(change.taken)
    if taken:
        before = result.get(write.manager)
        paths = taken | before.paths if before else taken
        result[write.manager] = Share(paths, write.version, write.time)
    return result


def _take(owners: Owners, taken: Paths, removed: Paths, keep: Manager | None = None) -> dict[Manager, Share]:
    """Take paths from all owners but one; whoever is left with nothing is forgotten."""
    result = {}
    for manager, share in owners.items():
        paths = share.paths if manager == keep else share.paths - taken - removed
        if paths:
            result[manager] = Share(paths, share.version, share.time)
    return result


@dataclass(frozen=True)
class Applied:
    """The result of a server-side apply: the object (without managedFields) and its owners."""

    object: JSON
    owners: Mapping[Manager, Share]


def apply(owners: Owners, live: JSON, config: JSON, write: Write, force: bool) -> Applied:
    """Merge a configuration, drop what only this manager owned and no longer sends, check conflicts (Updater.Apply)."""
    last = owners.get(write.manager)
    claimed = paths_of(config, write.shape)
    merged = merge_config(live, config, write.shape)
    others = {manager: share for manager, share in owners.items() if manager != write.manager}
    if last:
        owned = frozenset().union(claimed, *(share.paths for share in others.values()))
        gone = with_parents(last.paths, write.shape) - with_parents(owned, write.shape)
        merged = remove_paths(merged, write.shape, gone)
    change = difference(live, merged, write.shape)
    if not force:
        refuse_conflicts(others, change.taken)
    result = _take(others, change.taken, change.removed)
    paths = write.counts(claimed)
    if paths:
        before = last.time if last else None  # an apply that changes no field has no time
        result[write.manager] = Share(paths, write.version, before if merged == live else write.time)
    return Applied(merged, result)


def merge_config(live: Any, config: Any, shape: Shape) -> Any:
    """Lay a configuration over the live object: its leaves win, its new list items go last."""
    parts = children(config, shape)
    if parts is None or children(live, shape) is None:
        return config
    if isinstance(config, dict):
        merged = dict(live)
        for name, value in config.items():
            merged[name] = merge_config(live[name], value, shape.child(name)) if name in live else value
        return merged
    ours = {segment: part for segment, part, _ in parts}
    items = [
        merge_config(part, ours.pop(segment), item_shape) if segment in ours else part
        for segment, part, item_shape in children(live, shape) or []
    ]
    return items + list(ours.values())


def refuse_conflicts(others: Owners, taken: Paths) -> None:
    """Raise 409 with a cause for every path that is taken from another manager (exchange 49)."""
    clashes = [(manager, path) for manager, share in sorted(others.items()) for path in sorted(share.paths & taken)]
    if not clashes:
        return
    causes = [
        Cause(dotted(path), f"conflict with {manager.described()}", "FieldManagerConflict") for manager, path in clashes
    ]
    details = {"causes": [cause.as_object() for cause in causes]}
    raise StatusError(409, "Conflict", _conflict_message(clashes), details)


def _conflict_message(clashes: list[tuple[Manager, Path]]) -> str:
    """Return one line for one conflict, a list by manager for several (getConflictMessage)."""
    if len(clashes) == 1:
        manager, path = clashes[0]
        return f"Apply failed with 1 conflict: conflict with {manager.described()}: {dotted(path)}"
    lines = []
    for owner in dict.fromkeys(manager for manager, _ in clashes):
        lines.append(f"conflicts with {owner.described()}:")
        lines += [f"- {dotted(path)}" for manager, path in clashes if manager == owner]
    return f"Apply failed with {len(clashes)} conflicts: " + "\n".join(lines)


def own_replicas(owners: Owners, manager: Manager, version: str, replicas: int) -> dict[Manager, Share]:
    """Give `spec.replicas` to whoever wrote it through the scale subresource, without a time (exchange 64).

    A Scale of no replicas does not say so in JSON: then nobody owns them.
    """
    path = ("f:spec", "f:replicas")
    result = _take(owners, frozenset({path}), frozenset())
    if replicas == 0:
        return result
    result[manager] = Share(frozenset({path}), version, None)
    return result
