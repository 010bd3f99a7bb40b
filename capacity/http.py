"""One HTTP client: deadline, retries, size limits, and no secret in what it says."""

from __future__ import annotations

import builtins
import io
import json
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPException
from http.client import HTTPResponse as RawResponse
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import TypeAdapter, ValidationError
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, DecodeError, HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as TimedOut

from capacity.model import ConfigError, DataError
from capacity.model.errors import hide_secrets

AGAIN = (429, 500, 502, 503, 504)  # too many requests, or trouble that may pass
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH"})  # a POST sent twice may be two tickets
CONNECT = 5.0  # seconds until a connection stands
PIECE = 2**16  # bytes read at a time
SHOWN = 200  # characters of a server's own words in an error
QUERY = re.compile(r"(\bhttps?://[^\s?#'\"<>]*)[?#][^\s'\"<>]*", re.IGNORECASE)
HINTS = {401: "; is the token valid?", 403: "; may this user do that?"}

Fault = Literal["unreachable", "certificate", "interrupted", "late", "large", "status", "malformed"]
T = TypeVar("T")


class HttpError(DataError):
    """A server did not answer, refused, or gave an answer that cannot be used.

    `fault` says which: no answer came (`unreachable`), its certificate is not trusted, the answer broke off
    (`interrupted`), was still coming at the deadline (`late`), was too `large`, had a `status` that refuses (then
    `status` is its code), or was `malformed`.
    """

    def __init__(self, message: str, fault: Fault, status: int | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.status = status


@dataclass(frozen=True, slots=True)
class Server:
    """A base address and how to prove who we are: a bearer token, or user and password, each read from its file.

    `headers` are sent as they are, `header_files` with the secret that each file holds. `key` is where the server
    stands in the configuration (`prometheus`): errors about its files name it. `label` is what errors call it.
    """

    url: str
    token_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    header_files: Mapping[str, Path] = field(default_factory=dict)
    key: str = ""
    label: str = ""

    @property
    def name(self) -> str:
        """What errors call it: its label and its address, without user, password and query."""
        return f"{self.label} at {shown_url(self.url)}" if self.label else shown_url(self.url)

    def setting(self, name: str) -> str:
        """A setting of this server as the configuration spells it."""
        return f"{self.key}.{name}" if self.key else name


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may cost: seconds for a whole answer, bytes of it, further tries and the waits between them."""

    deadline: timedelta = timedelta(seconds=5)
    largest: int = 8 * 2**20  # bytes, decompressed
    retries: int = 2
    first_wait: float = 0.1  # seconds; doubled each time
    longest_wait: float = 2.0  # seconds; a longer Retry-After is cut
    connections: int = 1
    largest_setting: str = ""  # where `largest` stands in the configuration, if it does

    def pause(self, tried: int, after: str | None) -> float:
        """Seconds until the next try: what the server asks for, else twice as long each time.

        >>> Bounds().pause(2, None), Bounds().pause(0, "1"), Bounds().pause(0, "86400"), Bounds().pause(0, "soon")
        (0.4, 1.0, 2.0, 0.1)
        """
        if after is not None:
            try:
                return min(max(float(Retry().parse_retry_after(after)), 0.0), self.longest_wait)
            except (HTTPError, ValueError, OverflowError):
                pass  # not a time: our own then
        return min(self.first_wait * 2.0**tried, self.longest_wait)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its status, its headers (names in lower case) and its body, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a server: `path` follows its address. `repeatable` None: by the method."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again though the server may have seen it."""
        return self.method in REPEATABLE if self.repeatable is None else self.repeatable


class HttpClient:
    """Requests to one server. `wait` is how time passes between tries."""

    def __init__(self, server: Server, bounds: Bounds | None = None, wait: Callable[[float], None] = sleep) -> None:
        self.server = server
        self.bounds = bounds or Bounds()
        self._wait = wait
        self._pool: PoolManager | None = None

    def call(self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        """Send and receive JSON; None where the answer is empty. Raises `HttpError`."""
        return self.read(ANYTHING, method, path, body=body, query=query)

    def read(
        self,
        shape: TypeAdapter[T],
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
    ) -> T:
        """Send JSON, receive JSON of a shape (None where the answer is empty). Raises `HttpError`."""
        kind = {"Accept": "application/json", "Content-Type": "application/json"}
        address = path + (f"?{urlencode(query)}" if query else "")
        sent = None if body is None else json.dumps(body).encode()
        answer = self.accepted(Request(method, address, sent, kind))
        asked = f"{self.server.name}: {method} {shown_url(path)}"
        return parsed(shape, answer.body.strip() or b"null", asked)

    def accepted(self, request: Request) -> Answer:
        """The answer, if its status is one of success. Raises `HttpError`, then with the server's words."""
        answer = self.send(request)
        if 200 <= answer.status < 300:
            return answer
        words = self.words(answer.body, 300)
        text = f"{self.server.name}: {request.method}: {answer.status} {words}{HINTS.get(answer.status, '')}"
        raise HttpError(text, "status", answer.status)

    def send(self, request: Request) -> Answer:
        """The answer, whatever its status; what may pass is tried again. Raises `HttpError`."""
        for tried in range(self.bounds.retries + 1):
            last = tried == self.bounds.retries
            try:
                answer = self._once(request)
            except _Transient as error:
                if last or not (request.may_repeat or not error.sent):
                    raise error.failure from error.__cause__
                after = None
            else:
                if last or not request.may_repeat or answer.status not in AGAIN:
                    return answer
                after = answer.headers.get("retry-after")
            self._wait(self.bounds.pause(tried, after))
        raise AssertionError("the last try returns or raises")

    def words(self, body: bytes, most: int = SHOWN) -> str:
        """The start of a server's own words on one line, without secrets: ours, and those of addresses in it."""
        text = body[: 4 * most].decode("utf-8", "replace")
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return shown_text(text)[:most]

    def _once(self, request: Request) -> Answer:
        """One try. Redirects are not followed: our token is for this host only."""
        response = self._open(request)
        try:
            body = self._body(response)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)

    def _open(self, request: Request) -> BaseHTTPResponse:
        name, limit = self.server.name, self.bounds.deadline
        headers = {"User-Agent": "capacity", "Accept-Encoding": "gzip", **request.headers, **self._headers()}
        try:
            return self._connections().request(
                request.method,
                self.server.url.rstrip("/") + request.path,
                body=request.body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except SSLError as error:
            if isinstance(_innermost(error), ssl.SSLCertVerificationError):
                text = f"{name}: its certificate is refused: {_cause(error)}; see ca_file"
                raise HttpError(text, "certificate") from error
            raise _Transient(self._unreachable(_cause(error)), sent=False) from error
        except (ConnectTimeoutError, NewConnectionError) as error:
            raise _Transient(self._unreachable(_cause(error)), sent=False) from error
        except TimedOut as error:
            raise _Transient(self._unreachable(f"timed out after {limit}")) from error
        except ValueError:  # an address or a header that HTTP cannot carry; its text may hold a secret
            raise HttpError(f"{name}: expected an address and headers that HTTP can carry", "unreachable") from None
        except (HTTPError, HTTPException, OSError) as error:
            raise _Transient(self._unreachable(_cause(error))) from error

    def _unreachable(self, why: str) -> HttpError:
        return HttpError(f"{self.server.name}: no answer: {why}", "unreachable")

    def _body(self, response: BaseHTTPResponse) -> bytes:
        """The whole body, unless it is too large or comes too late; what was read until then is dropped."""
        name, bounds, pieces, size = self.server.name, self.bounds, list[bytes](), 0
        try:
            for piece in response.stream(PIECE, decode_content=True):
                pieces.append(piece)
                size += len(piece)
                if size > bounds.largest:
                    setting = f" ({bounds.largest_setting})" if bounds.largest_setting else ""
                    raise HttpError(f"{name}: expected at most {bounds.largest} bytes{setting}, got more", "large")
        except TimedOut as error:
            text = f"{name}: expected an answer within {bounds.deadline}, it is still coming"
            raise HttpError(text, "late") from error
        except DecodeError as error:
            raise HttpError(
                f"{name}: expected an answer that can be decompressed, got a broken one", "malformed"
            ) from error
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            failure = HttpError(f"{name}: expected a whole answer, it broke off: {_cause(error)}", "interrupted")
            raise _Transient(failure) from error
        return b"".join(pieces)

    def _connections(self) -> PoolManager:
        if self._pool is None:
            limit = self.bounds.deadline.total_seconds()
            timeout = Timeout(connect=min(CONNECT, limit), read=limit, total=limit)
            self._pool = PoolManager(
                maxsize=self.bounds.connections, block=False, timeout=timeout, ssl_context=self._trust()
            )
            self._pool.pool_classes_by_scheme = {"http": _TimedPool, "https": _TimedTlsPool}
        return self._pool

    def _trust(self) -> ssl.SSLContext | None:
        file = self.server.ca_file
        if file is None and urlsplit(self.server.url).scheme != "https":
            return None
        try:
            return ssl.create_default_context(cafile=None if file is None else str(file))
        except (OSError, ssl.SSLError) as error:
            key = self.server.setting("ca_file")
            raise ConfigError(f"{key}: {file} cannot be read as certificates: {_cause(error)}") from error

    def _headers(self) -> dict[str, str]:
        """Who we are. Files are read anew each time: mounted secrets rotate."""
        server, found = self.server, dict(self.server.headers)
        if server.token_file is not None:
            found["Authorization"] = f"Bearer {self._secret('token_file', server.token_file)}"
        elif server.user is not None and server.password_file is not None:
            pair = f"{server.user}:{self._secret('password_file', server.password_file)}"
            found["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        for name, file in server.header_files.items():
            found[name] = self._secret(f"header_files.{name}", file)
        return found

    def _secrets(self) -> list[str]:
        """What was sent to prove who we are, in every form in which a server may repeat it."""
        server, found = self.server, list[str]()
        files = (server.token_file, server.password_file, *server.header_files.values())
        for file in filter(None, files):
            found.append(self._secret("", file))
        found += [value.rpartition(" ")[2] for name, value in self._headers().items() if name == "Authorization"]
        return sorted(filter(None, found), key=len, reverse=True)

    def _secret(self, name: str, file: Path) -> str:
        key = self.server.setting(name)
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            raise ConfigError(f"{key}: {file} cannot be read: expected text, got bytes that are no UTF-8") from None
        except OSError as error:
            raise ConfigError(f"{key}: {file} cannot be read: {error.strerror}") from error
        if not text or not text.isprintable():
            raise ConfigError(f"{key}: expected one line in {file}, got {'several' if text else 'none'}")
        return text


ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def parsed(shape: TypeAdapter[T], body: bytes, asked: str) -> T:
    """JSON of a shape. Raises `HttpError` that says where it differs, and never what a whole answer held."""
    try:
        return shape.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            found = shown_text(body[:60].decode("utf-8", "replace")) or "nothing"
            raise HttpError(f"{asked}: expected JSON, got {found!r}", "malformed") from None
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise HttpError(f"{asked}: unexpected answer at {where}: {first['msg']}", "malformed") from None


def shown_url(url: str) -> str:
    """An address as errors and logs may show it: scheme, host and path, nothing that may be secret.

    >>> shown_url("https://me:secret@host:9090/prefix?sig=abc#x")
    'https://host:9090/prefix'
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path


def shown_text(text: str) -> str:
    """Text of others on one line; of addresses in it only scheme, host and path.

    >>> shown_text("moved to\\n https://me:pw@host/x?token=abc today")
    'moved to https://***@host/x today'
    """
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return hide_secrets(QUERY.sub(r"\1", line))


class _Transient(Exception):  # noqa: N818 - never leaves this module
    """A failure that may pass; `sent`: the server may have seen the request."""

    def __init__(self, failure: HttpError, *, sent: bool = True) -> None:
        super().__init__(str(failure))
        self.failure, self.sent = failure, sent


class _TimedBytes(io.RawIOBase):
    """The bytes of one answer: each read waits only for what is left until its deadline."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, ends: float) -> None:
        self._raw, self._connection, self._ends = raw, connection, ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - monotonic()
        if left <= 0:
            raise builtins.TimeoutError("timed out")
        self._connection.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(RawResponse):
    """An answer whose connection's timeout bounds all of it, from its first byte to its last."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        limit = sock.gettimeout()
        if limit is not None:
            self.fp = io.BufferedReader(_TimedBytes(self.fp.detach(), sock, monotonic() + limit))


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse


class _TimedTlsConnection(HTTPSConnection):
    response_class = _TimedResponse


class _TimedPool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _TimedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTlsConnection


def _causes(error: BaseException) -> Iterable[BaseException]:
    """What an error says that it came of."""
    named = (*reversed(error.args), getattr(error, "reason", None), error.__cause__)
    return (one for one in named if isinstance(one, BaseException) and one is not error)


def _innermost(error: BaseException, most: int = 8) -> BaseException:
    inner = next(iter(_causes(error)), None)
    return error if inner is None or not most else _innermost(inner, most - 1)


def _cause(error: BaseException) -> str:
    """The innermost reason, which says what a person can mend."""
    inner = _innermost(error)
    return shown_text(str(getattr(inner, "strerror", None) or inner) or type(inner).__name__)[:SHOWN]
