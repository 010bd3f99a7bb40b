"""A client that hides nothing: one HTTPS connection, the bytes as given, the answer as it came."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.double.double import PATCH_TYPES, KubernetesDouble


@dataclass(frozen=True)
class Response:
    """An answer: code, headers, and the body as text."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Return the body, decoded."""
        return json.loads(self.text)

    @property
    def events(self) -> list[Any]:
        """Return the body of a finished watch, decoded line by line."""
        return [json.loads(line) for line in self.text.splitlines()]


class Wire:
    """A connection of one user to the double."""

    def __init__(self, double: KubernetesDouble, token: str | None = None, agent: str = "wire/1") -> None:
        context = ssl.create_default_context(cafile=str(double.ca_file))
        address = double.url.removeprefix("https://")
        self._connection = http.client.HTTPSConnection(address, context=context)
        self._headers = {"User-Agent": agent}
        if token != "":
            self._headers["Authorization"] = f"Bearer {token or double.token()}"

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def send(self, method: str, path: str, body: Any = None, content_type: str = "", **query: str) -> Response:
        """Send a request; a body that is no text is sent as JSON, `content_type` may be short (`merge`, `apply`)."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        content = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        kind = PATCH_TYPES.get(content_type, content_type) or "application/json"
        self._connection.request(method, path, content, {**self._headers, "Content-Type": kind})
        answer = self._connection.getresponse()
        return Response(answer.status, dict(answer.headers.items()), answer.read().decode())

    def abandon(self, method: str, path: str) -> None:
        """Send a request and do not wait for its answer."""
        self._connection.request(method, path, None, self._headers)

    def lines(self, path: str, **query: str) -> Iterator[Any]:
        """Yield the events of a watch as they come; closing the connection ends it."""
        self._connection.request(
            "GET", f"{path}?{urllib.parse.urlencode({'watch': 'true', **query})}", None, self._headers
        )
        answer = self._connection.getresponse()
        while line := answer.readline():
            yield json.loads(line)
