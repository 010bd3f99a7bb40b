"""A peer that speaks HTTP on loopback."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback goes through no proxy


@dataclass(frozen=True)
class HttpPeer:
    """Where a peer listens, e.g. `http://127.0.0.1:43210`, and the two questions most tests ask it."""

    url: str

    def text(self, path: str, **params: object) -> str:
        """The answer to a GET; raises `urllib.error.HTTPError`."""
        return self._ask(path + ("?" + urllib.parse.urlencode(params, doseq=True) if params else ""))

    def json(self, path: str, **params: object) -> Any:
        """The answer to a GET, parsed."""
        return json.loads(self.text(path, **params))

    def post(self, path: str, body: bytes = b"") -> str:
        """The answer to a POST; raises `urllib.error.HTTPError`."""
        return self._ask(path, body)

    def ready(self) -> bool:
        """Whether `/-/ready` answers 200, as the Prometheus family says it."""
        try:
            self.text("/-/ready")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True

    def _ask(self, path: str, body: bytes | None = None) -> str:
        with DIRECT.open(urllib.request.Request(self.url + path, data=body)) as answer:
            return str(answer.read().decode())


def on(port: int) -> HttpPeer:
    return HttpPeer(f"http://127.0.0.1:{port}")
