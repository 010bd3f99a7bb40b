"""Create, replace and patch: the steps every change of an object goes through.

The order is that of `k8s.io/apiserver/pkg/registry/generic/registry/store.go`: read, lock on the resourceVersion, track
owners, keep what the client may not set, validate, store.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from tests.double import builtin, custom
from tests.double.admission import admit, refuse
from tests.double.bodies import Draft, normal, read_draft, served
from tests.double.calls import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Call
from tests.double.copying import copied
from tests.double.decoding import Decoder, DecodingError, untypable
from tests.double.patches import json_patch, merge_patch, strategic_merge
from tests.double.pods import check_resize, keep_all_but_resources
from tests.double.resources import Resource
from tests.double.shapes import Shape
from tests.double.status import (
    JSON,
    Cause,
    Target,
    already_exists,
    bad_request,
    conflict,
    internal,
    invalid,
    not_found,
    wrong_value,
)
from tests.double.store import Store
from tests.double.tracking import Shares, after_apply, after_update, now, set_owners
from tests.double.validation import check_metadata, check_name

LONGEST_BASE = 58
"""Bytes of `generateName` that are kept (maxGeneratedNameLength)."""
LARGEST_STORED = 3 * 2**19
"""Bytes of one request to etcd (its --max-request-bytes)."""
SYSTEM_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
"""What a client sends of these is ignored."""


@dataclass(frozen=True)
class Answer:
    """What goes back: a code, an object, and warnings for the `Warning` header."""

    code: int
    body: JSON
    warnings: Sequence[str] = ()


class Writes:
    """The changes a client can make to whole objects and their status."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, call: Call) -> Answer:
        """Answer a POST."""
        raw = call.read_object()
        metadata = raw.setdefault("metadata", {})
        if isinstance(metadata, dict) and not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = str(metadata["generateName"])[:LONGEST_BASE] + uuid.uuid4().hex[:5]
        return self._create(call, raw)

    def _create(self, call: Call, raw: JSON) -> Answer:
        if "status" in call.resource.subresources:
            raw = {name: part for name, part in raw.items() if name != "status"}
        draft = read_draft(call, raw)
        self._check_namespace(call, draft.item)
        return self._add(call, draft, after_update(call, None, draft.item))

    def _add(self, call: Call, draft: Draft, owners: Shares) -> Answer:
        item, resource = draft.item, call.resource
        item["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        item["metadata"].pop("generation", None)
        if resource.generation:
            item["metadata"]["generation"] = 1
        set_owners(resource, item, owners)
        resource.begin(item)
        admit(self._store, call, item, None)
        name = item["metadata"].get("name", "")
        _refuse(resource.kind_target(name), check_name(item["metadata"], resource.group) + _problems(call, item, None))
        if self._store.get(resource, call.place.namespace, name):
            raise already_exists(resource.target(name))
        if call.verb == "create" and not call.dry_run and str(item["metadata"].get("resourceVersion", "")).isdigit():
            raise internal("resourceVersion should not be set on objects to be created")
        item["metadata"].pop("resourceVersion", None)
        refuse(self._store, call, item, None)
        if not call.dry_run:
            item = self._put(call, item)
        return Answer(201, served(resource, call.view, item), draft.unknown)

    def _check_namespace(self, call: Call, item: JSON) -> None:
        place, metadata = call.place, item["metadata"]
        if not call.resource.namespaced:
            metadata.pop("namespace", None)
            return
        if metadata.setdefault("namespace", place.namespace) != place.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if not self._store.get(builtin.NAMESPACES, "", place.namespace):
            raise not_found(Target("", "namespaces", place.namespace))

    def update(self, call: Call) -> Answer:
        """Answer a PUT."""
        raw = call.read_object()
        raw.setdefault("metadata", {}).setdefault("name", call.place.name)
        draft, live = read_draft(call, copied(raw)), self._live(call)
        if live is None:
            if call.resource.create_on_put and not call.place.subresource:
                return self._create(call, raw)
            raise not_found(call.resource.target(call.place.name))
        if call.resource.needs_revision and not draft.item["metadata"].get("resourceVersion"):
            cause = wrong_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(call.resource.kind_target(call.place.name), [cause])
        return self._replace(call, live, draft)

    def patch(self, call: Call) -> Answer:
        """Answer a PATCH of any of the four types."""
        live = self._live(call)
        if call.content_type == APPLY_PATCH:
            return self._apply(call, live)
        if live is None:
            raise not_found(call.resource.target(call.place.name))
        document = served(call.resource, call.view, live)
        return self._replace(call, live, read_draft(call, patched(call, document)))

    def _apply(self, call: Call, live: JSON | None) -> Answer:
        config = read_configuration(call, live)
        if live is None and call.place.subresource:
            raise not_found(call.resource.target(call.place.name))
        uid = config["metadata"].get("uid")
        if live is None and uid:
            problem = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(call.resource.target(call.place.name), problem)
        applied = after_apply(call, live, config)
        item = normal(call.resource, applied.object)
        item["metadata"].pop("managedFields", None)
        if live is None:
            item["metadata"].setdefault("name", call.place.name)
            self._check_namespace(call, item)
            return self._add(call, Draft(item), applied.owners)
        return self._finish(call, live, Draft(item), applied.owners)

    def _put(self, call: Call, item: JSON) -> JSON:
        """Store an object, unless it is larger than etcd takes, which comes as a plain error."""
        if len(call.body) > LARGEST_STORED // 2 and len(json.dumps(item)) > LARGEST_STORED:
            raise internal("etcdserver: request is too large")
        return self._store.put(call.resource, item)

    def _live(self, call: Call) -> JSON | None:
        return self._store.get(call.resource, call.place.namespace, call.place.name)

    def _replace(self, call: Call, live: JSON, draft: Draft) -> Answer:
        return self._finish(call, live, draft, after_update(call, live, draft.item))

    def _finish(self, call: Call, live: JSON, draft: Draft, owners: Shares) -> Answer:
        """Lock, keep what the client may not set, validate and store."""
        resource, item = call.resource, draft.item
        check_lock(call, live, item)
        problems = _same_object(item, live)
        keep_what_is_not_theirs(call, live, item)
        set_owners(resource, item, owners)
        admit(self._store, call, item, live)
        _refuse(resource.kind_target(call.place.name), [*problems, *_problems(call, item, live)])
        refuse(self._store, call, item, live)
        if resource.generation and _wanted(resource, item) != _wanted(resource, live):
            item["metadata"]["generation"] = live["metadata"].get("generation", 1) + 1
        item["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        if not call.dry_run and not _same(item, live):
            item = self._put(call, item)
            if item["metadata"].get("deletionTimestamp") and not item["metadata"].get("finalizers"):
                self._store.delete(resource, item)
        elif _same(item, live):
            item = live
        return Answer(200, served(resource, call.view, item), draft.unknown)


def patched(call: Call, document: JSON, shape: Shape | None = None) -> JSON:
    """Return the document after a merge, strategic merge or JSON patch."""
    patch = call.read_body()
    if call.content_type == JSON_PATCH:
        result = json_patch(document, patch)
    elif not isinstance(patch, dict):
        raise call.unreadable("json: cannot unmarshal array into Go value of type map[string]interface {}")
    elif call.content_type == MERGE_PATCH:
        result = merge_patch(document, patch)
    else:
        result = strategic_merge(document, patch, shape or call.view.shape)
    return {**result, "metadata": result.get("metadata") or {}}


def read_configuration(call: Call, live: JSON | None) -> JSON:
    """Return the applied configuration in the stored version, or raise what the real server makes of a bad one."""
    config = call.read_object()
    if "status" in call.resource.subresources and call.place.subresource != "status":
        config.pop("status", None)
    if config.get("metadata", {}).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    given, expected = config.get("apiVersion", ""), call.view.api_version
    if given != expected:
        message = f"Incorrect version specified in apply patch. Specified patch version: {given}, expected: {expected}"
        raise bad_request(message)
    if config.get("kind") != call.resource.kind:
        kind = f"{given if '/' in given else '/' + given}, Kind={config.get('kind', '')}"
        raise bad_request(f"invalid object type: {kind}")
    if not live and not (config.get("metadata") or {}).get("name"):
        unnamed = f"the name of the object ({call.place.name} based on URL) was undeterminable: name must be provided"
        raise bad_request(unnamed)
    name = config.setdefault("metadata", {}).setdefault("name", call.place.name)
    if problem := untypable(config, call.view.shape):
        # a plain Go error, hence 500 without a reason: kubernetes/kubernetes#139253
        version = expected if "/" in expected else f"/{expected}"
        where = f"{call.place.namespace}/{name}; {version}, Kind={config.get('kind', '')}"
        raise internal(f"failed to create typed patch object ({where}): {problem}")
    try:
        return call.view.to_stored(Decoder().read(config, call.view.shape))
    except DecodingError as error:
        version = call.view.api_version if "/" in call.view.api_version else f"/{call.view.api_version}"
        kind = f"{version}, Kind={call.resource.kind}"
        where = f"failed to convert new object ({call.place.namespace}/{name}; {kind}) to proper version"
        raise internal(f"{where}: unable to convert unstructured object to {kind}: {error}") from None


def check_lock(call: Call, live: JSON, item: JSON) -> None:
    """Refuse another name (400), another object of the same name or an older state of this one (409)."""
    sent, stored = item["metadata"], live["metadata"]
    name = sent.get("name", call.place.name)
    if name != call.place.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.place.name})")
    target = call.resource.target(name)
    if call.verb == "update" and sent.get("uid", stored["uid"]) != stored["uid"]:
        problem = f"Precondition failed: UID in precondition: {sent['uid']}, UID in object meta: {stored['uid']}"
        raise conflict(target, problem)
    if sent.get("resourceVersion") and sent["resourceVersion"] != stored["resourceVersion"]:
        raise conflict(target)


def keep_what_is_not_theirs(call: Call, live: JSON, item: JSON) -> None:
    """Put back what this endpoint cannot change: system metadata, and the status or everything but the status."""
    if call.place.subresource == "resize":
        keep_all_but_resources(live, item)
    elif call.place.subresource == "status":
        kept = [name for name in live if name not in ("status", *(() if call.resource.custom else ("metadata",)))]
        item |= {name: copied(live[name]) for name in kept}
    elif "status" in call.resource.subresources:
        item.pop("status", None)
        item |= {"status": copied(live["status"])} if "status" in live else {}
    for name in ("name", "namespace", *SYSTEM_METADATA):
        item["metadata"].pop(name, None)
        if name in live["metadata"]:
            item["metadata"][name] = live["metadata"][name]


def _same_object(item: JSON, live: JSON) -> list[Cause]:
    """Refuse a patch that names another object of the same name."""
    uid = item["metadata"].get("uid", live["metadata"]["uid"])
    return [] if uid == live["metadata"]["uid"] else [wrong_value("metadata.uid", uid, "field is immutable")]


def _problems(call: Call, item: JSON, live: JSON | None) -> list[Cause]:
    problems = check_metadata(item)
    return (
        custom.validate(item, call.view.shape, problems)
        if call.resource.custom
        else [*problems, *_problems_of_kind(call, item, live)]
    )


def _problems_of_kind(call: Call, item: JSON, live: JSON | None) -> list[Cause]:
    if call.place.subresource == "resize" and live is not None:
        return check_resize(item, live)
    if live is None and call.view.validate_new:
        return call.view.validate_new(item)
    return call.resource.validate(item, live)


def _refuse(target: Target, problems: list[Cause]) -> None:
    if problems:
        raise invalid(target, problems)


def _wanted(resource: Resource, item: JSON) -> JSON:
    """Return what `metadata.generation` counts changes of."""
    wanted = {name: part for name, part in item.items() if name not in ("metadata", "status", "apiVersion", "kind")}
    return {**wanted, "notes": item["metadata"].get("annotations")} if resource.counts_annotations else wanted


def _same(item: JSON, live: JSON) -> bool:
    """Tell whether nothing changed but times in managedFields: then nothing is stored."""
    return _timeless(item) == _timeless(live)


def _timeless(item: JSON) -> JSON:
    metadata = dict(item["metadata"])
    entries = metadata.pop("managedFields", None) or []
    owners = [{name: value for name, value in entry.items() if name != "time"} for entry in entries]
    key = sorted(owners, key=lambda entry: (entry["manager"], entry["operation"], entry.get("subresource", "")))
    return {**item, "metadata": {**metadata, "managedFields": key}}
