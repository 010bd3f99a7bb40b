"""The HTTP client against servers that drip, break off, lie and repeat secrets, over real sockets."""

from __future__ import annotations

import gzip
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from capacity.http import Bounds, HttpClient, HttpError, Request, Server
from capacity.model import ConfigError, DataError

Speak = Callable[[socket.socket], None]
SECRET = "s3cr3t-t0ken"
SHORT = Bounds(timedelta(seconds=0.5), largest=10_000, retries=0)
LONG = Bounds(timedelta(seconds=60), largest=10_000, retries=0)


@contextmanager
def listening(*speeches: Speak) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers its connections in turn, with the last speech from then on; and what it was sent."""
    asked: list[bytes] = []
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)

    def serve() -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                connection, _ = server.accept()
                speech = speeches[min(len(asked), len(speeches) - 1)]
                with connection, suppress(OSError):
                    connection.settimeout(30)
                    asked.append(connection.recv(65536))
                    speech(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
    finally:
        stop.set()
        thread.join()
        server.close()


def says(text: bytes) -> Speak:
    return lambda connection: connection.sendall(text)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def drips(first: bytes, drop: bytes) -> Speak:
    """Says the first at once, then a drop ten times a second until the client hangs up."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(first)
        pause = threading.Event()
        while True:
            connection.sendall(drop)
            pause.wait(0.1)

    return speak


DRIPPING = {
    "the status line": drips(b"HTTP/1.1 2", b"0"),
    "a header": drips(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
    "headers without end": drips(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "100 Continue without end": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body of a known length": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"a"),
    "a body until the end": drips(b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
    "chunks": drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "the length of a chunk": drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "nothing": lambda connection: connection.recv(1),  # type: ignore[dict-item,return-value]
}


@pytest.mark.parametrize("speak", DRIPPING.values(), ids=DRIPPING)
def test_an_answer_that_drips_ends_at_its_deadline(speak: Speak) -> None:
    """The server drips for ever: only the client can end this, and each read alone would never time out."""
    with listening(speak) as (url, _), pytest.raises(HttpError, match=r"timed out after|still coming") as caught:
        HttpClient(Server(url), SHORT).send(Request("GET", "/"))
    assert caught.value.fault in ("unreachable", "late")


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing at all": (b"", "no answer"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no answer"),
    "a status that is no number": (b"HTTP/1.1 fine OK\r\n\r\n", "no answer"),
    "a thousand headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n", "no answer"),
    "a header of a megabyte": (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 2**20 + b"\r\n\r\n", "no answer"),
    "less than promised": (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", "broke off"),
    "chunks of no length": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", "broke off"),
    "gzip that is none": (answer(b"{}", "Content-Encoding: gzip"), "can be decompressed"),
    "a bomb": (answer(gzip.compress(b" " * 10**7), "Content-Encoding: gzip"), "at most 10000 bytes"),
    "too much": (answer(b" " * 10_001), "at most 10000 bytes, got more"),
    "a page": (answer(b"<html>log in</html>"), "expected JSON, got '<html>log in</html>'"),
    "no text": (answer(b"\xff\xfe\x00"), "expected JSON"),
    "JSON that stops": (answer(b'{"a": [1, 2'), "expected JSON"),
    "JSON without a bottom": (answer(b"[" * 9_000), "expected JSON"),
    "a refusal": (answer(b"who are you?", status="401 Unauthorized"), "401 who are you.; is the token valid"),
    "a redirect": (answer(b"", "Location: http://127.0.0.1/x", status="302 Found"), "GET: 302"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_none_is_one_error(text: bytes, words: str) -> None:
    with listening(says(text)) as (url, _), pytest.raises(HttpError, match=words) as caught:
        HttpClient(Server(url), LONG).call("GET", "/api")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, DataError)


def test_an_answer_of_another_shape_says_where() -> None:
    rows: TypeAdapter[dict[str, list[int]]] = TypeAdapter(dict[str, list[int]])
    words = r"GET /api: unexpected answer at rows\.1: Input should be a valid integer"
    with listening(says(answer(b'{"rows": [1, "two"]}'))) as (url, _), pytest.raises(HttpError, match=words):
        HttpClient(Server(url), LONG).read(rows, "GET", "/api?sig=abc")


def test_no_secret_is_in_any_error(tmp_path: Path) -> None:
    """Not of the address, not of the files, not even where the server itself repeats them."""
    (tmp_path / "token").write_text(SECRET, encoding="utf-8")
    echo = f"bad {SECRET} at https://me:{SECRET}@host/x?sig={SECRET}".encode()
    with listening(says(answer(echo, status="400 Bad Request"))) as (url, asked):
        server = Server(url.replace("//", f"//me:{SECRET}@"), token_file=tmp_path / "token")
        with pytest.raises(HttpError) as caught:
            HttpClient(server, LONG).call("GET", "/x", query={"sig": SECRET})
    assert SECRET in asked[0].decode()
    assert str(caught.value) == f"{url}: GET: 400 bad *** at https://***@host/x"


@pytest.mark.parametrize(
    ("url", "token"),
    [
        pytest.param(f"http://me:{SECRET}@127.0.0.1:1/?sig={SECRET}", "plain", id="nobody there"),
        pytest.param(f"http://me:{SECRET}@[::/?sig={SECRET}", "plain", id="no address"),
        pytest.param(f"http://{'a' * 70}.invalid/?sig={SECRET}", "plain", id="a name too long"),
        pytest.param("http://127.0.0.1:1", f"{SECRET}€", id="a token that HTTP cannot carry"),
    ],
)
def test_no_secret_of_a_request_that_cannot_be_sent(url: str, token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token, encoding="utf-8")
    with pytest.raises(HttpError) as caught:
        HttpClient(Server(url, token_file=tmp_path / "token"), SHORT).call("GET", "/x", query={"token": SECRET})
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value)), "nor in what --debug shows"


BUSY = says(answer(b"", "Retry-After: 7", status="503 Service Unavailable"))
FINE = says(answer(b"1"))
DEAD = says(b"")


@pytest.mark.parametrize(
    ("method", "repeatable", "faults", "waited"),
    [
        pytest.param("GET", None, [BUSY, DEAD], [2.0, 0.2], id="GET"),
        pytest.param("PATCH", None, [BUSY], [2.0], id="PATCH"),
        pytest.param("POST", True, [BUSY, BUSY], [2.0, 2.0], id="a POST that asks"),
    ],
)
def test_what_may_pass_is_tried_again(
    method: str, repeatable: bool | None, faults: list[Speak], waited: list[float]
) -> None:
    waits: list[float] = []
    with listening(*faults, FINE) as (url, asked):
        client = HttpClient(Server(url), Bounds(timedelta(seconds=60)), waits.append)
        assert client.accepted(Request(method, "/", repeatable=repeatable)).body == b"1"
    assert waits == waited
    assert len(asked) == len(faults) + 1


@pytest.mark.parametrize("fault", [BUSY, DEAD], ids=["busy", "dead"])
def test_a_post_is_sent_once(fault: Speak) -> None:
    with listening(fault, FINE) as (url, asked):
        with pytest.raises(HttpError):
            HttpClient(Server(url), Bounds(timedelta(seconds=60))).call("POST", "/", body={"a": 1})
        assert len(asked) == 1


def test_a_post_that_was_never_sent_is_tried_again() -> None:
    waits: list[float] = []
    with pytest.raises(HttpError, match=r"127\.0\.0\.1:1: no answer: .*refused") as caught:
        HttpClient(Server("http://127.0.0.1:1"), wait=waits.append).call("POST", "/", body=1)
    assert caught.value.fault == "unreachable"
    assert waits == [0.1, 0.2]


@pytest.mark.parametrize("after", ["9" * 5000, "Wed, 21 Oct 99999999 07:28:00 GMT", "-5", "nan", ""])
def test_a_retry_after_that_is_no_time_is_ours(after: str) -> None:
    assert Bounds().pause(1, after) == 0.2


@pytest.mark.parametrize("text", [b"", b"two\nlines", b"\xff\xfe"])
def test_a_file_that_holds_no_secret_names_its_setting(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(text)
    server: Any = Server("http://127.0.0.1:1", token_file=tmp_path / "token", key="incidents.servicenow")
    with pytest.raises(ConfigError, match=r"^incidents\.servicenow\.token_file: "):
        HttpClient(server).call("GET", "/")
