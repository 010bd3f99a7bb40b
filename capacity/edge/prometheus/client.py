"""One question to Prometheus' HTTP API: headers, retries, limits, and every way it can fail said in one line.

urllib3, because the Kubernetes client brings it anyway, and because it streams: an answer too large is dropped while
it arrives, not after it has filled the memory.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from urllib3 import HTTPHeaderDict, HTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError, SSLError

from capacity.domain import ConfigError, DataError
from capacity.edge.orders.credentials import hide_secrets
from capacity.edge.prometheus.chunks import Chunk
from capacity.edge.settings.usage import PrometheusSettings

AGAIN = (429, 500, 502, 503, 504)  # too many, or trouble that may pass; 400 and 422 say that the question is wrong
CONNECT = 5.0  # seconds
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds between tries: doubled each time; a Retry-After beyond it is cut
PIECE = 2**16  # bytes read at a time


class QuestionError(DataError):
    """This question cannot be answered; others may be."""


Labels = Mapping[str, str]
Samples = list[tuple[float, str]]  # (seconds since 1970, the value as text)


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its labels, and [seconds, value as text] of each step that has one."""

    labels: Labels
    samples: Samples


@dataclass(frozen=True, slots=True)
class Value:
    """One series of an answer at one moment: its labels and its value."""

    labels: Labels
    value: float


class Prometheus:
    """A server that answers Prometheus' HTTP API. `wait` is how time passes between tries."""

    def __init__(self, settings: PrometheusSettings, wait: Callable[[float], None] = sleep) -> None:
        self.settings = settings
        self._wait = wait
        limit = Timeout(connect=CONNECT, read=settings.timeout.total_seconds())
        self._pool = PoolManager(
            maxsize=settings.concurrency, retries=False, timeout=limit, ssl_context=_trust(settings.ca_file)
        )

    def query_range(self, query: str, chunk: Chunk) -> list[Series]:
        """The series of a query at every step of a chunk. Raises `DataError` with Prometheus' own words."""
        fields = {
            "query": query,
            "start": repr(chunk.start),
            "end": repr(chunk.last),
            "step": repr(chunk.step),
            "timeout": f"{self.settings.timeout.total_seconds():g}s",
            "partial_response": "false",  # Thanos: half of the series is no answer; the others ignore it
        }
        answer = self._ask("/api/v1/query_range", fields)
        if answer.get("resultType") != "matrix":
            raise QuestionError(f"{self._name}: expected a matrix, got {answer.get('resultType')!r}")
        try:
            return [Series(item["metric"], item["values"]) for item in answer["result"]]
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{self._name}: expected series with metric and values (no histograms), got others"
            ) from error

    def query(self, query: str, at: datetime) -> list[Value]:
        """The series of a query at one moment; one without a finite value is no answer. Raises `DataError`."""
        fields = {
            "query": query,
            "time": repr(at.timestamp()),
            "timeout": f"{self.settings.timeout.total_seconds():g}s",
            "partial_response": "false",
        }
        answer = self._ask("/api/v1/query", fields)
        if answer.get("resultType") != "vector":
            raise QuestionError(f"{self._name}: expected a vector, got {answer.get('resultType')!r}")
        try:
            found = [Value(item["metric"], float(item["value"][1])) for item in answer["result"]]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self._name}: expected series with metric and value, got others") from error
        return [one for one in found if isfinite(one.value)]

    @property
    def _name(self) -> str:
        return f"Prometheus at {hide_secrets(self.settings.url)}"

    def _ask(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """Ask until there is an answer or no more tries."""
        for tries_left in range(self.settings.retries, -1, -1):
            try:
                status, headers, body = self._post(path, fields)
            except SSLError as error:
                raise DataError(f"{self._name}: its certificate is refused: {_cause(error)}; see ca_file") from error
            except (HTTPError, OSError) as error:
                if not tries_left:
                    raise DataError(f"{self._name}: no answer: {_cause(error)}") from error
                after = None
            else:
                if status not in AGAIN or not tries_left:
                    return self._data(status, headers, body)
                after = headers.get("Retry-After")
            self._wait(_pause(self.settings.retries - tries_left, after))
        raise AssertionError("the last try returns or raises")

    def _post(self, path: str, fields: dict[str, str]) -> tuple[int, HTTPHeaderDict, bytes]:
        """POST, as a query may be longer than a URL; a redirect is not followed: our token is for this host only."""
        response = self._pool.request(
            "POST",
            self.settings.url + path,
            fields=fields,
            encode_multipart=False,
            headers=self._headers(),
            redirect=False,
            preload_content=False,
        )
        try:
            return response.status, response.headers, self._body(response)  # type: ignore[arg-type]
        finally:
            response.release_conn()

    def _body(self, response: HTTPResponse) -> bytes:
        """The body, unless it is too large or takes too long; what was read until then is dropped."""
        ends, pieces, size = monotonic() + self.settings.timeout.total_seconds(), [], 0
        for piece in response.stream(PIECE, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > self.settings.max_answer:
                response.close()
                limit = int(self.settings.max_answer)
                raise QuestionError(f"{self._name}: expected at most {limit} bytes (prometheus.max_answer), got more")
            if monotonic() > ends:
                response.close()
                raise QuestionError(
                    f"{self._name}: expected an answer within {self.settings.timeout}, it is still coming"
                )
        return b"".join(pieces)

    def _headers(self) -> dict[str, str]:
        settings = self.settings
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "capacity"}
        if settings.token_file is not None:
            headers["Authorization"] = f"Bearer {_secret('token_file', settings.token_file)}"
        if settings.tenant is not None:
            headers["X-Scope-OrgID"] = settings.tenant
        for name, file in settings.header_files.items():
            headers[name] = _secret(f"header_files.{name}", file)
        return headers

    def _data(self, status: int, headers: HTTPHeaderDict, body: bytes) -> dict[str, Any]:
        """The answer's data, or an error with the server's own words."""
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict) or "status" not in document:
            raise DataError(f"{self._name}: {_refusal(status, headers, body)}")
        if document["status"] != "success" or status != 200:
            kind, words = document.get("errorType", "error"), str(document.get("error", ""))
            failure = QuestionError if status in (400, 422) else DataError
            raise failure(f"{self._name}: {status} {kind}: {hide_secrets(' '.join(words.split()))[:300]}")
        if document.get("warnings"):
            words = "; ".join(str(warning) for warning in document["warnings"])[:300]
            raise DataError(f"{self._name}: expected a whole answer, got one with a warning: {words}")
        return dict(document.get("data") or {})


def _refusal(status: int, headers: HTTPHeaderDict, body: bytes) -> str:
    words = hide_secrets(" ".join(body.decode(errors="replace").split()))[:200]
    if status in (401, 403):
        return f"{status}: the token, the headers or the tenant are refused: {words or 'no reason given'}"
    if 300 <= status < 400:
        return f"{status}: moved to {hide_secrets(headers.get('Location', 'nowhere'))}: give that as prometheus.url"
    kind = headers.get("Content-Type", "no type")
    return f"{status}: expected Prometheus' JSON, got {kind}: {words or 'nothing'}"


def _pause(tried: int, after: str | None) -> float:
    """Seconds until the next try: what the server asks for, else twice as long each time."""
    if after is not None:
        try:
            return min(float(Retry().parse_retry_after(after) or 0.0), LONGEST_WAIT)
        except HTTPError:
            pass  # not a time: our own then
    return min(FIRST_WAIT * 2.0**tried, LONGEST_WAIT)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"prometheus.ca_file: {ca_file} cannot be read as certificates: {error}") from error


def _secret(key: str, file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"prometheus.{key}: {file} cannot be read: {error}") from error
    if not text or not text.isprintable():
        raise ConfigError(f"prometheus.{key}: expected one line in {file}, got {'none' if not text else 'several'}")
    return text


def _cause(error: BaseException) -> str:
    """The innermost reason, which says what a person can mend."""
    reason = getattr(error, "reason", None)
    while isinstance(reason, BaseException) and getattr(reason, "reason", None) not in (None, reason):
        if not isinstance(reason.reason, BaseException):  # type: ignore[attr-defined]
            break
        reason = reason.reason  # type: ignore[attr-defined]
    return hide_secrets(" ".join(str(reason or error).split()))[:200]
