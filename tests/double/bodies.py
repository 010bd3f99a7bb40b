"""From the body of a request to an object in its stored version, checked and defaulted; and back to a served one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.double import custom
from tests.double.calls import Call
from tests.double.copying import copied
from tests.double.decoding import Decoder, DecodingError, encode, fill
from tests.double.resources import Resource, View
from tests.double.shapes import METADATA
from tests.double.status import JSON, StatusError, bad_request, undecodable_patch


@dataclass(frozen=True)
class Draft:
    """An object as it would be stored, and the fields of the request that nobody knows."""

    item: JSON
    unknown: Sequence[str] = ()


def read_draft(call: Call, raw: JSON) -> Draft:
    """Return the draft of a complete object in the served version, or raise 400 (422 for a patched one)."""
    _check_kind(call, raw)
    draft = _read_custom(call, raw) if call.resource.custom else _read_built_in(call, raw)
    if draft.unknown and call.strict:
        problem = ", ".join(f'unknown field "{name}"' for name in draft.unknown)
        raise _refusal(call, raw, f"strict decoding error: {problem}")
    if call.query.get("fieldValidation") == "Ignore":
        return Draft(draft.item)
    return draft


def _check_kind(call: Call, raw: JSON) -> None:
    served, kind = call.view.api_version, call.resource.kind
    given = raw.get("apiVersion")
    if given not in (None, "", served):
        message = f"the API version in the data ({given}) does not match the expected API version ({served})"
        raise bad_request(message)
    if raw.get("kind") not in (None, "", kind):
        version = call.view.version
        raise bad_request(f'{raw["kind"]} in version "{version}" cannot be handled as a {kind}: converting to {kind}')
    if call.resource.custom and not raw.get("kind"):
        raise bad_request(f"Object 'Kind' is missing in '{call.body.decode(errors='replace')}'")


def _read_built_in(call: Call, raw: JSON) -> Draft:
    decoder = Decoder()
    try:
        decoded = decoder.read(raw, call.view.shape)
    except DecodingError as error:
        raise _refusal(call, raw, str(error)) from None
    return Draft(normal(call.resource, call.view.to_stored(decoded)), decoder.unknown)


def _read_custom(call: Call, raw: JSON) -> Draft:
    decoder = Decoder()
    try:
        metadata = decoder.read(raw.get("metadata") or {}, METADATA, "metadata", "ObjectMeta")
    except DecodingError as error:
        raise _refusal(call, raw, str(error)) from None
    pruned, unknown = custom.prune(raw, call.view.shape)
    item = normal(call.resource, {**pruned, "metadata": metadata})
    return Draft(item, [name for name in unknown if not name.startswith("metadata.")] + decoder.unknown)


def _refusal(call: Call, raw: JSON, problem: str) -> StatusError:
    if call.verb == "patch":
        return undecodable_patch(raw, problem)
    kind = call.resource.kind
    return bad_request(f'{kind} in version "{call.view.version}" cannot be handled as a {kind}: {problem}')


def normal(resource: Resource, item: JSON) -> JSON:
    """Return an object of the stored version as the server keeps it: empties gone, zeros and defaults in."""
    names = {"kind": resource.kind, "apiVersion": resource.stored.api_version}
    managed = (item.get("metadata") or {}).get("managedFields")
    if resource.custom:
        body = custom.fill_defaults(item, resource.stored.shape)
        body["metadata"] = encode(body.get("metadata") or {}, METADATA)
    else:
        body = fill(encode(item, resource.stored.shape), copied(dict(resource.zero)))
        body.setdefault("metadata", {})
        resource.default(body)
    if managed is not None:
        body["metadata"]["managedFields"] = managed
    return {**body, **names}


def served(resource: Resource, view: View, item: JSON) -> JSON:
    """Return a stored object in the version a client asked for."""
    return {**view.from_stored(item), "kind": resource.kind, "apiVersion": view.api_version}


def zero_object(resource: Resource) -> dict[str, Any]:
    """Return the empty object that a creation is compared with."""
    return copied(dict(resource.zero))
