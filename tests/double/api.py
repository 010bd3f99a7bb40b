"""The API behind the socket: a call goes in, an answer or a `StatusError` comes out; one change at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.double import builtin
from tests.double.access import Access, review
from tests.double.bodies import read_draft, served
from tests.double.builtin import BUILT_IN
from tests.double.calls import APPLY_PATCH, Call
from tests.double.deletion import Deletions
from tests.double.options import OPTIONS, check_media, check_write_options
from tests.double.reads import Reads
from tests.double.resources import Catalogue, Resource
from tests.double.scale import Scales
from tests.double.status import Target, invalid, method_not_allowed, too_large, wrong_value
from tests.double.store import Store
from tests.double.tracking import after_update, set_owners
from tests.double.writes import Answer, Writes

LARGEST_BODY = 3 * 2**20
"""Bytes of a request (MaxRequestBodyBytes)."""


class Api:
    """Everything the double knows and does, without HTTP."""

    def __init__(self, also: Sequence[Resource] = ()) -> None:
        self.store = Store()
        self.catalogue = Catalogue((*BUILT_IN, *also))
        self.access = Access(self.store)
        self._reads = Reads(self.store)
        self._writes = Writes(self.store)
        self._scales = Scales(self.store)
        self._deletions = Deletions(self.store, self.catalogue)

    def answer(self, call: Call) -> Answer:
        """Carry out a call the user may make."""
        if len(call.body) > LARGEST_BODY:
            raise too_large(LARGEST_BODY)
        if call.verb in OPTIONS:
            check_media(call)
            check_write_options(call)
        with self.store.changed:
            if call.resource is builtin.ACCESS_REVIEWS:
                return self._review(call)
            if call.place.subresource == "scale":
                return self._scales.get(call) if call.verb == "get" else self._scales.write(call)
            answer = self._whole(call)
            if call.resource is builtin.DEFINITIONS and call.verb in ("create", "update", "patch") and not call.dry_run:
                self.catalogue.define(answer.body)
            return answer

    def _whole(self, call: Call) -> Answer:
        verbs = {
            "get": self._reads.get,
            "list": self._reads.list,
            "create": self._writes.create,
            "update": self._writes.update,
            "patch": self._writes.patch,
            "delete": self._deletions.delete,
            "deletecollection": self._deletions.delete_collection,
        }
        if call.verb == "patch" and call.content_type.startswith(APPLY_PATCH) and not self._exists(call):
            self.access.check(replace(call, verb="create"))  # an apply that creates asks for both verbs
        return verbs[call.verb](call)

    def _exists(self, call: Call) -> bool:
        return self.store.get(call.resource, call.place.namespace, call.place.name) is not None

    def _review(self, call: Call) -> Answer:
        """Answer a SelfSubjectAccessReview, which is never stored and has no name (exchange 105)."""
        if call.verb != "create":
            raise method_not_allowed()
        item = read_draft(call, call.read_object()).item
        if ("resourceAttributes" in item["spec"]) == ("nonResourceAttributes" in item["spec"]):
            rule = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            raise invalid(Target("authorization.k8s.io", ""), [wrong_value("spec.resourceAttributes", None, rule)])
        set_owners(call.resource, item, after_update(call, None, item))
        item["status"] = {"allowed": review(self.access, call.user, item["spec"])}
        return Answer(201, served(call.resource, call.view, item))
