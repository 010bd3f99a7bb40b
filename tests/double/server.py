"""The HTTPS server: requests in, answers out, faults in between, everything written in the journal."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.double.api import Api
from tests.double.calls import Call, Place, Request, read_call, read_path
from tests.double.discovery import HEALTH, discover, is_served_group
from tests.double.faults import Fault, Faults
from tests.double.journal import Entry, Journal
from tests.double.reads import check_list
from tests.double.status import StatusError
from tests.double.watches import Watch

JSON_TYPE = {"Content-Type": "application/json"}
TEXT_TYPE = {"Content-Type": "text/plain; charset=utf-8"}
NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 seconds: closing sends a TCP reset."""


@dataclass(frozen=True)
class Reply:
    """A whole HTTP answer, or a watch that still has to be streamed."""

    code: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    watch: Watch | None = None


@dataclass(frozen=True)
class Parties:
    """What one exchange knew about itself, for the journal."""

    user: str = ""
    verb: str = ""
    place: Place | None = None
    call: Call | None = None


def as_reply(code: int, body: Any, warnings: Any = ()) -> Reply:
    """Return a JSON answer; warnings stand in a `Warning: 299` header."""
    headers = dict(JSON_TYPE)
    if warnings:
        headers["Warning"] = ", ".join(f'299 - "{text}"' for text in warnings)
    return Reply(code, json.dumps(body, separators=(",", ":")).encode(), headers)


def _unknown(field_name: str) -> str:
    return f'unknown field \\"{field_name}\\"'


def _deprecated(call: Call) -> list[str]:
    return [call.view.deprecation] if call.view.deprecation else []


class Server(ThreadingHTTPServer):
    """A TLS server on a free port of 127.0.0.1 that can stop while clients keep connections open."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, api: Api, faults: Faults, journal: Journal, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.api, self.faults, self.journal = api, faults, journal
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection while a thread serves it."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget and close a connection."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up or do not trust the certificate; a bug is answered with 500."""

    def stop(self) -> None:
        """End watches, hang up on every client, and wait for all threads."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                _hang_up(connection)
        self.server_close()


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # on the socket below TLS: the handler's thread is blocked in a read and must get an end of file
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection; `server` is a `Server`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *args: Any) -> None:
        """Keep quiet: the journal has it all."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        headers = {name.title(): value for name, value in self.headers.items()}
        request = Request(self.command, urllib.parse.unquote(url.path), query, headers, body)
        fault = self.server.faults.next(f"{self.command} {self.path}") or Fault()
        self.server.stopping.wait(fault.delay)
        self._exchange(request, fault)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server calls them so

    def _exchange(self, request: Request, fault: Fault) -> None:
        parties = self._parties(request)
        if fault.cut == "before":
            self._note(request, parties, 0)
            self._reset()
            return
        if fault.status is not None:
            reply = Reply(fault.status, fault.body.encode(), {**JSON_TYPE, **fault.headers})
        else:
            reply = self._reply(request, parties.call)
        if fault.cut == "after":
            self._note(request, parties, 0)
            self._reset()
            return
        if fault.garbled:
            reply = Reply(reply.code, reply.body[: len(reply.body) // 2], reply.headers)
        self._note(request, parties, reply.code)
        self._send(reply)

    def _parties(self, request: Request) -> Parties:
        """Return who asks for what, as far as it can be told."""
        parties = Parties(place=read_path(request.path))
        with contextlib.suppress(StatusError):
            user = self.server.api.access.user(request.headers.get("Authorization", ""))
            parties = replace(parties, user=user)
            if parties.place:
                call = read_call(request, parties.place, user, self.server.api.catalogue)
                parties = replace(parties, verb=call.verb, call=call)
        return parties

    def _note(self, request: Request, parties: Parties, code: int) -> None:
        content_type = request.headers.get("Content-Type", "")
        self.server.journal.add(
            Entry(
                request.method,
                request.path,
                request.query,
                content_type,
                request.body,
                parties.user,
                parties.verb,
                parties.place,
                code,
            )
        )

    def _reply(self, request: Request, call: Call | None) -> Reply:
        try:
            return self._answer(request, call)
        except StatusError as error:
            return as_reply(error.code, error.as_object())
        except Exception as error:  # noqa: BLE001 - a bug of the double must fail the test that met it, not hang it
            problem = StatusError(500, "InternalError", f"the double failed: {error!r}")
            return as_reply(500, problem.as_object())

    def _answer(self, request: Request, call: Call | None) -> Reply:
        api = self.server.api
        if request.path in HEALTH:
            return Reply(200, b"ok", TEXT_TYPE)
        user = api.access.user(request.headers.get("Authorization", ""))
        with api.store.changed:
            document = discover(request.path, api.catalogue)
        if document is not None:
            return as_reply(200, document)
        place = read_path(request.path)
        if place is None or not is_served_group(place, api.catalogue):
            return Reply(404, b"404 page not found\n", TEXT_TYPE)
        call = call or read_call(request, place, user, api.catalogue)
        api.access.check(call)
        if call.verb == "watch":
            check_list(call)
            return Reply(200, headers=JSON_TYPE, watch=self._watch(call))
        try:
            answer = api.answer(call)
        except StatusError as error:
            return as_reply(error.code, error.as_object(), _deprecated(call))
        return as_reply(answer.code, answer.body, [*_deprecated(call), *map(_unknown, answer.warnings)])

    def _watch(self, call: Call) -> Watch:
        return Watch(self.server.api.store, call, self.server.stopping.is_set)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.code)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.watch:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._stream(reply.watch)
            return
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _stream(self, watch: Watch) -> None:
        for event in watch.events():
            line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        """Break the connection as a crash would: a TCP reset, no TLS goodbye."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        socket.socket(fileno=self.connection.detach()).close()


def serve(server: Server) -> threading.Thread:
    """Start serving in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="kubernetes-double")
    thread.start()
    return thread
