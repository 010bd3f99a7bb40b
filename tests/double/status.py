"""The errors of the API: a `StatusError` travels as an exception and leaves as a `Status` object.

The texts are those of `k8s.io/apimachinery/pkg/api/errors`; the recorded exchanges pin the ones that `capacity` meets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]

STALE = "the object has been modified; please apply your changes to the latest version and try again"
PATCH_TYPES = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
EXPIRED_LIST = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(eq=False)
class StatusError(Exception):
    """A refusal: HTTP code, machine-readable reason, message and, mostly, details."""

    code: int
    reason: str
    message: str
    details: Mapping[str, Any] | None = None
    resume: str = ""
    """The token in `metadata.continue` that lets a client go on after an expired list."""

    def as_object(self) -> JSON:
        """Return the `Status` object the server sends."""
        body: JSON = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        if self.resume:
            body["metadata"] = {"continue": self.resume}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = dict(self.details)
        return {**body, "code": self.code}


@dataclass(frozen=True)
class Target:
    """What an error is about: a resource (or kind) of a group, and perhaps a name."""

    group: str
    kind: str
    name: str = ""

    @property
    def qualified(self) -> str:
        """Return the kind with its group, as `horizontalpodautoscalers.autoscaling`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def details(self, **more: Any) -> JSON:
        """Return the `details` of a Status; empty parts are left out as Go's omitempty does."""
        parts = {"name": self.name, "group": self.group, "kind": self.kind, **more}
        return {key: value for key, value in parts.items() if value}


@dataclass(frozen=True)
class Cause:
    """One wrong field of an object: where, which reason, and the sentence about it."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def as_object(self) -> JSON:
        """Return the entry of `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def wrong_value(field: str, value: Any, problem: str) -> Cause:
    """Return the cause for a value that breaks a rule."""
    return Cause(field, f"Invalid value: {json.dumps(value, separators=(',', ':'))}: {problem}")


def missing_value(field: str, problem: str = "") -> Cause:
    """Return the cause for a field that must be set."""
    return Cause(field, "Required value" + (f": {problem}" if problem else ""), "FieldValueRequired")


def forbidden_value(field: str, problem: str) -> Cause:
    """Return the cause for a field that may not be set so."""
    return Cause(field, f"Forbidden: {problem}", "FieldValueForbidden")


def unsupported_value(field: str, value: Any, allowed: Sequence[str]) -> Cause:
    """Return the cause for a value that is none of the choices."""
    choices = ", ".join(json.dumps(choice) for choice in allowed)
    text = f"Unsupported value: {json.dumps(value, separators=(',', ':'))}: supported values: {choices}"
    return Cause(field, text, "FieldValueNotSupported")


def too_long(field: str, most: int) -> Cause:
    """Return the cause for more bytes than a field may hold."""
    return Cause(field or "[]", f"Too long: may not be more than {most} bytes", "FieldValueTooLong")


def not_found(target: Target) -> StatusError:
    """404 for an object (exchange 13)."""
    return StatusError(404, "NotFound", f'{target.qualified} "{target.name}" not found', target.details())


def no_such_resource() -> StatusError:
    """404 for a resource or subresource that a served group does not have."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(target: Target) -> StatusError:
    """409 for a name that is taken (exchange 99)."""
    return StatusError(409, "AlreadyExists", f'{target.qualified} "{target.name}" already exists', target.details())


def forbidden_by(target: Target, problem: str) -> StatusError:
    """403 of an admission plugin, such as a quota or a policy."""
    return StatusError(
        403, "Forbidden", f'{target.qualified} "{target.name}" is forbidden: {problem}', target.details()
    )


def conflict(target: Target, problem: str = STALE) -> StatusError:
    """409 for a lost race (exchanges 18, 56, 150)."""
    message = f'Operation cannot be fulfilled on {target.qualified} "{target.name}": {problem}'
    return StatusError(409, "Conflict", message, target.details())


def invalid(target: Target, causes: Sequence[Cause]) -> StatusError:
    """422 for an object that breaks rules (exchange 76); several causes are listed in brackets (exchange 85)."""
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    details = target.details(causes=[cause.as_object() for cause in causes])
    return StatusError(422, "Invalid", f'{target.qualified} "{target.name}" is invalid: {text}', details)


def bad_request(message: str) -> StatusError:
    """400 for a request that cannot be read."""
    return StatusError(400, "BadRequest", message)


def unprocessable() -> StatusError:
    """422 without details: a JSON patch whose `test` or path fails (exchange 44)."""
    return StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def undecodable_patch(patched: Any, problem: str) -> StatusError:
    """422 for a patch whose result is not of the schema (exchanges 78, 79): the whole object stands in the message."""
    quoted = json.dumps(json.dumps(patched, separators=(",", ":")))
    return invalid(Target("", ""), [Cause("patch", f"Invalid value: {quoted}: {problem}")])


def unknown_patch() -> StatusError:
    """415 for a body that is no patch at all."""
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def unsupported_patch() -> StatusError:
    """415 for a patch type the resource does not take (exchange 87)."""
    message = f"the body of the request was in an unknown format - accepted media types include: {PATCH_TYPES}"
    return StatusError(415, "UnsupportedMediaType", message)


def unsupported_body() -> StatusError:
    """415 for an object in another encoding than JSON; the real server also reads YAML and protobuf."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: application/json, "
        "application/yaml, application/vnd.kubernetes.protobuf"
    )
    return StatusError(415, "UnsupportedMediaType", message)


def method_not_allowed() -> StatusError:
    """405 for a verb the path does not have."""
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def too_large(most: int) -> StatusError:
    """413 for a body that is too long to be read."""
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {most}", {})


def unauthorized() -> StatusError:
    """401 for a token nobody holds (exchange 100)."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def internal(message: str) -> StatusError:
    """500 without a reason: what the real server makes of an error nobody typed."""
    return StatusError(500, "", message)


def expired(message: str, resume: str = "") -> StatusError:
    """410 for a resourceVersion or a list token that is gone."""
    return StatusError(410, "Expired", message, resume=resume)
