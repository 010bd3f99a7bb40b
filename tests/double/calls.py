"""One request, taken apart: who asks for which verb on which resource, with what options and body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.double.protobuf import PROTOBUF, read_protobuf
from tests.double.resources import Catalogue, Resource, View
from tests.double.selectors import Selector
from tests.double.status import JSON, StatusError, bad_request, method_not_allowed, no_such_resource, unsupported_body

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Place:
    """Where a path leads: group, version, resource, and perhaps namespace, name and subresource."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def read_path(path: str) -> Place | None:
    """Return where a path leads, or None when it is no path to a resource."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and (group or rest[2] not in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    plural, name, subresource = [*rest, "", ""][:3]
    return Place(group, version, plural, namespace, name, subresource)


@dataclass(frozen=True)
class Call:
    """A request for a resource by a user."""

    user: str
    verb: str
    resource: Resource
    view: View
    place: Place
    query: Mapping[str, str]
    content_type: str
    agent: str
    body: bytes

    @property
    def selector(self) -> Selector:
        """Return what a list or watch is about."""
        return Selector(self.query.get("labelSelector", ""), self.query.get("fieldSelector", ""))

    @property
    def dry_run(self) -> bool:
        """Tell whether nothing may be stored."""
        return self.query.get("dryRun") == "All"

    @property
    def strict(self) -> bool:
        """Tell whether unknown fields are refused."""
        return self.query.get("fieldValidation") == "Strict"

    @property
    def manager(self) -> str:
        """Return the name that owns what is written: the field manager, else the user agent up to its first slash."""
        return self.query.get("fieldManager") or self.agent.split("/")[0] or "unknown"

    @property
    def force(self) -> bool:
        """Tell whether conflicts of a server-side apply are overridden."""
        return "force" in self.query and self.query["force"].lower() not in ("0", "false")

    @property
    def rbac_resource(self) -> str:
        """Return the resource as rules name it, as `deployments/scale`."""
        place = self.place
        return f"{place.plural}/{place.subresource}" if place.subresource else place.plural

    @property
    def rbac_name(self) -> str:
        """Return the name that `resourceNames` is compared with."""
        return self.place.name or (self.selector.single_name if self.verb != "create" else "")

    def read_body(self) -> Any:
        """Return the JSON of the body, or raise 415 for another type (most protobuf) or 400."""
        known = self._read_protobuf()
        if known is not None:
            return known
        if self.verb in ("create", "update") and self.content_type not in ("", "application/json"):
            raise unsupported_body()
        try:
            return json.loads(self.body) if self.body else {}
        except ValueError as error:  # also for bytes that are no UTF-8
            raise self.unreadable(str(error)) from None

    def unreadable(self, problem: str) -> StatusError:
        """Return the 400 for a body that is no JSON."""
        if self.verb == "patch":
            return bad_request(f"error decoding patch: {problem}")
        kind = self.resource.kind
        return bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
            f"json parse error: {problem}"
        )

    def read_object(self) -> JSON:
        """Return the body as an object, or raise 400."""
        body = self.read_body()
        if not isinstance(body, dict):
            raise self.unreadable("json: cannot unmarshal into Go value of type struct")
        return body

    def read_options(self) -> JSON:
        """Return the `DeleteOptions` in the body, or raise 400."""
        try:
            options = self._read_protobuf() or json.loads(self.body)
        except ValueError as error:
            problem = f"couldn't get version/kind; json parse error: {error}"
            raise bad_request(problem) from None
        if options is not None and not isinstance(options, dict):
            raise bad_request("couldn't get version/kind; json parse error: json: cannot unmarshal into a struct")
        return options or {}

    def _read_protobuf(self) -> JSON | None:
        return read_protobuf(self.body) if self.content_type == PROTOBUF else None


@dataclass(frozen=True)
class Request:
    """The parts of an HTTP request that decide the answer."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def read_call(request: Request, place: Place, user: str, catalogue: Catalogue) -> Call:
    """Resolve a request against the catalogue: 404 for what is not served, 405 for verbs that do not fit."""
    resource, view = catalogue.find(place.group, place.version, place.plural)
    if place.subresource and place.subresource not in resource.subresources:
        raise no_such_resource()
    return Call(
        user,
        _verb(request, place),
        resource,
        view,
        place,
        request.query,
        request.headers.get("Content-Type", "application/json").split(";")[0].strip(),
        request.headers.get("User-Agent", ""),
        request.body,
    )


def _verb(request: Request, place: Place) -> str:
    if request.method in ("GET", "HEAD"):
        if request.query.get("watch", "").lower() in ("1", "true"):
            return "watch"
        return "get" if place.name else "list"
    verb = VERBS.get(request.method, "")
    if verb == "delete" and not place.name:
        return "deletecollection"
    if not verb or bool(place.name) == (verb == "create") or (place.subresource and verb == "delete"):
        raise method_not_allowed()
    return verb
