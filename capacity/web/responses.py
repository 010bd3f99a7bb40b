"""Answers with ETags that are kept, and errors as RFC 9457 has them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from capacity.app.kept import Kept

JSON, HTML, YAML, PROBLEM = (
    "application/json",
    "text/html; charset=utf-8",
    "application/yaml",
    "application/problem+json",
)
KEPT_BYTES = 32 * 2**20
KEPT_MANY = 512


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of an answer, what they are, and their ETag."""

    content: bytes
    kind: str
    tag: str


def _kept_bodies() -> Kept[Body]:
    return Kept(KEPT_MANY, lambda body: len(body.content), KEPT_BYTES)


@dataclass(slots=True)
class KeptAnswers:
    """The newest answers by what was asked, at most so many and so many bytes: equal questions cost no work.

    Where many readers ask the same at once, it is computed once.
    """

    _bodies: Kept[Body] = field(default_factory=_kept_bodies)
    _adapters: dict[type, TypeAdapter[Any]] = field(default_factory=dict)

    def answer(self, request: Request, key: object, make: Callable[[], object], kind: str = JSON) -> Response:
        """The kept answer of this key, else what `make` gives; 304 where the client has it already."""
        body = self._bodies.get(key, lambda: self._body(make(), kind))
        headers = {"ETag": body.tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
        if _has(request, body.tag):
            return Response(status_code=304, headers=headers)
        return Response(body.content, media_type=body.kind, headers=headers)

    def _body(self, made: object, kind: str) -> Body:
        content = made.encode() if isinstance(made, str) else self._adapter(type(made)).dump_json(made)
        return Body(content, kind, f'"{hashlib.sha256(content).hexdigest()[:20]}"')

    def _adapter(self, document: type) -> TypeAdapter[Any]:
        """What writes documents of a type as JSON: made once, as it costs more than some answers."""
        if document not in self._adapters:
            self._adapters[document] = TypeAdapter(document)
        return self._adapters[document]


def _has(request: Request, tag: str) -> bool:
    asked = request.headers.get("if-none-match", "")
    return asked.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in asked.split(",")}


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """An answer that is an error: its HTTP status, a title and what to do."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


def problem_response(status: int, title: str, detail: str, instance: str = "", **more: Any) -> JSONResponse:
    """The error as application/problem+json."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    if instance:
        document["instance"] = instance
    return JSONResponse(document, status, media_type=PROBLEM, headers={"Cache-Control": "no-store"})
