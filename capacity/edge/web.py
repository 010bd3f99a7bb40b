"""One request to a service of others: bounded in time, tries and size, its token from a file, its errors one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from capacity.domain import CapacityError

TIMEOUT = 5.0  # seconds: tickets and alerts never hold a pass up
LARGEST = 8 * 2**20  # bytes of answer
JSON = {"Accept": "application/json", "Content-Type": "application/json"}
HINTS = {401: "; is the token valid?", 403: "; may this user do that?"}


class ServiceError(CapacityError):
    """A service beside the cluster (tickets, alerts) refused, or did not answer; `status` None where no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Web:
    """A base address and how to prove who we are: a bearer token, or user and password, each read from its file."""

    url: str
    token_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None

    def call(self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        """The JSON of the answer, None where it has none. Raises `ServiceError`."""
        address = f"{self.url.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")
        text = self.send(method, address, JSON, None if body is None else json.dumps(body).encode())
        if not text.strip():
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise ServiceError(f"{self.url}: {method} {path}: expected JSON, got {text[:60]!r}") from error

    def send(self, method: str, address: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
        """The bytes of the answer. Raises `ServiceError` on a refusal, an outage, an answer too large."""
        from urllib3.exceptions import HTTPError

        try:
            answer = self._pool().request(
                method, address, body=body, headers={**self._authorization(), **headers}, preload_content=False
            )
            text = bytes(answer.read(LARGEST + 1))
            answer.release_conn()
        except (HTTPError, OSError) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error).split())[:200]
            raise ServiceError(f"no answer from {self.url}: {reason}") from error
        if len(text) > LARGEST:
            raise ServiceError(f"{self.url}: expected an answer of at most {LARGEST} bytes")
        if answer.status >= 300:
            said = " ".join(text[:300].decode("utf-8", "replace").split())
            raise ServiceError(
                f"{self.url}: {method}: {answer.status} {said}{HINTS.get(answer.status, '')}", answer.status
            )
        return text

    def _pool(self) -> Any:
        from urllib3 import PoolManager, Retry, Timeout

        certificates: dict[str, Any] = {} if self.ca_file is None else {"ca_certs": str(self.ca_file)}
        retries = Retry(
            total=3,
            read=1,
            redirect=0,
            status_forcelist=(429, 502, 503, 504),
            allowed_methods=frozenset({"GET", "PATCH", "PUT"}),  # a POST sent twice is two tickets
            backoff_factor=0.1,
            backoff_max=2,
            raise_on_status=False,
        )
        return PoolManager(timeout=Timeout(TIMEOUT), retries=retries, **certificates)

    def _authorization(self) -> dict[str, str]:
        from urllib3.util import make_headers

        if self.token_file is not None:
            return {"Authorization": f"Bearer {_secret(self.token_file)}"}
        if self.user is not None and self.password_file is not None:
            return dict(make_headers(basic_auth=f"{self.user}:{_secret(self.password_file)}"))
        return {}


def _secret(file: Path) -> str:
    """Read anew each time: mounted secrets rotate."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ServiceError(f"{file}: cannot be read: {error.strerror}") from error
