"""Ownership of one request: from the call and the stored managedFields to the new ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from tests.double.bodies import zero_object
from tests.double.calls import APPLY_PATCH, Call
from tests.double.fieldsets import Path, Paths
from tests.double.ownership import (
    BEFORE_FIRST_APPLY,
    Applied,
    Manager,
    Share,
    Write,
    apply,
    owners_in_request,
    track_update,
    write_owners,
)
from tests.double.resources import Resource
from tests.double.status import JSON

Shares = Mapping[Manager, Share]


def now() -> str:
    """Return the time as the server writes it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def writer(call: Call) -> Manager:
    """Return the identity a call writes under."""
    if call.verb == "patch" and call.content_type == APPLY_PATCH:
        return Manager(call.manager, "Apply", "", call.place.subresource)
    return Manager(call.manager, "Update", call.view.api_version, call.place.subresource)


def _write(call: Call) -> Write:
    ignored: tuple[Path, ...] = ()
    if call.place.subresource == "status":
        ignored = (("f:spec",), ("f:metadata",)) if call.resource.custom else (("f:spec",),)
    elif "status" in call.resource.subresources:
        ignored = (("f:status",),)
    return Write(writer(call), call.resource.stored.shape, call.view.api_version, now(), ignored)


def stored_owners(call: Call, live: JSON | None, item: JSON) -> Shares:
    """Return the owners a change starts from; a subresource never takes them from the request."""
    if call.place.subresource and live is not None:
        item = live
    return _renamed(owners_in_request(live, item), call.resource, inward=True)


def after_update(call: Call, live: JSON | None, item: JSON) -> Shares:
    """Return the owners after a create, PUT or patch; an object without owners stays so (skipNonAppliedManager)."""
    owners = stored_owners(call, live, item)
    if live is not None and not owners:
        return {}
    return track_update(owners, live or zero_object(call.resource), item, _write(call))


def after_apply(call: Call, live: JSON | None, config: JSON) -> Applied:
    """Return the object and owners after a server-side apply."""
    base = live or zero_object(call.resource)
    owners = stored_owners(call, base, base) if live else {}
    if live and not owners:
        before = Write(
            Manager(BEFORE_FIRST_APPLY, "Update", call.view.api_version),
            _write(call).shape,
            call.view.api_version,
            now(),
        )
        owners = track_update({}, zero_object(call.resource), live, before)
    return apply(owners, base, config, _write(call), call.force)


def set_owners(resource: Resource, item: JSON, owners: Shares) -> None:
    """Write the owners into the object."""
    entries = write_owners(_renamed(owners, resource, inward=False))
    item["metadata"].pop("managedFields", None)
    if entries:
        item["metadata"]["managedFields"] = entries


def _renamed(owners: Shares, resource: Resource, *, inward: bool) -> dict[Manager, Share]:
    """Rename the paths of entries written through another version than the stored one, or back."""
    aliases = {view.api_version: view.aliases for view in resource.views}
    result = {}
    for manager, share in owners.items():
        pairs = aliases.get(share.version, ())
        changes = {(one if inward else other): (other if inward else one) for one, other in pairs}
        result[manager] = Share(_rename(share.paths, changes), share.version, share.time)
    return result


def _rename(paths: Paths, changes: Mapping[Path, Path]) -> Paths:
    renamed = set()
    for path in paths:
        old = next((prefix for prefix in changes if path[: len(prefix)] == prefix), None)
        renamed.add(path if old is None else changes[old] + path[len(old) :])
    return frozenset(renamed)
