"""The server: tables of text in memory, one lock, TLS, bearer or basic authentication, faults first in first out."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.double.certificate import issue
from tests.servicenow.query import Row, select

TOKEN, USER, PASSWORD = "let-me-in", "capacity", "secret"
PREFIX = "/api/now/table/"


@dataclass(frozen=True)
class Fault:
    """What happens to the next request: wait, then refuse with this status, or (None) answer after all."""

    status: int | None = None
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    twice: bool = False  # the change is applied two times, as when a proxy sends a POST again


class ServiceNowDouble:
    """One instance. The clock is the test's: `now` stamps what is written."""

    def __init__(self, now: datetime = datetime(2026, 11, 27, tzinfo=UTC)) -> None:
        self.now = now
        self.journal: list[tuple[str, str, Row]] = []
        self._tables: dict[str, list[Row]] = {}
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self.stopping = threading.Event()  # ends every wait that was ordered
        certificate = issue()
        self.ca_pem, self.token = certificate.authority_pem, TOKEN
        double = self

        class Handler(_Handler):
            instance = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = certificate.context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ServiceNowDouble:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def order(self, *faults: Fault) -> None:
        """Let these befall the next requests, one each."""
        self._faults.extend(faults)

    def rows(self, table: str) -> list[Row]:
        """A copy of the table."""
        with self._lock:
            return [dict(row) for row in self._tables.get(table, [])]

    def insert(self, table: str, **values: str) -> Row:
        """Put a row there as a person would."""
        with self._lock:
            return self._insert(table, values)

    def next_fault(self) -> Fault:
        """The fault ordered for this request, or none."""
        return self._faults.popleft() if self._faults else Fault()

    def write(self, method: str, table: str, key: str | None, values: Row) -> Row | None:
        """Insert or change; None where there is no such row."""
        with self._lock:
            self.journal.append((method, table, values))
            if key is None:
                return self._insert(table, values)
            row = next((row for row in self._tables.get(table, []) if row["sys_id"] == key), None)
            if row is not None:
                self._change(row, values)
            return row

    def _insert(self, table: str, values: Row) -> Row:
        rows = self._tables.setdefault(table, [])
        stamp = f"{self.now:%Y-%m-%d %H:%M:%S}"
        number = f"INC{len(rows) + 10001:07d}"
        row = {"sys_id": uuid.uuid4().hex, "number": number, "state": "1", "escalation": "0", "opened_at": stamp}
        rows.append(row)
        self._change(row, values)
        return row

    def _change(self, row: Row, values: Row) -> None:
        notes = values.get("work_notes")
        row.update({name: value for name, value in values.items() if name != "work_notes"})
        if notes:
            row["work_notes"] = "\n\n".join(filter(None, [notes, row.get("work_notes", "")]))  # newest first
        if values.get("state") == "6":
            row["resolved_at"] = f"{self.now:%Y-%m-%d %H:%M:%S}"
        elif values.get("state") in ("1", "2", "3"):  # open again; closing keeps when it was resolved
            row["resolved_at"] = ""


class _Handler(BaseHTTPRequestHandler):
    instance: ServiceNowDouble
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: tests read the journal."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        fault = self.instance.next_fault()
        self.instance.stopping.wait(fault.delay)
        if fault.status is not None:
            self._send(fault.status, _error(f"ordered {fault.status}"), fault.headers)
        elif not self._known():
            self._send(401, _error("User Not Authenticated"))
        else:
            split = urlsplit(self.path)
            table, _, key = split.path.removeprefix(PREFIX).partition("/")
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            self._serve(method, (table, key or None), query, body, 2 if fault.twice else 1)

    def _serve(self, method: str, place: tuple[str, str | None], query: Row, body: Row, times: int) -> None:
        table, key = place
        if method == "GET":
            self._read(table, key, query)
            return
        if key is None and method != "POST":
            self._send(405, _error("no record named"))
            return
        for _ in range(times):
            row = self.instance.write(method, table, key, {name: str(value) for name, value in body.items()})
        if row is None:
            self._send(404, _error("No Record found"))
        else:
            self._send(201 if method == "POST" else 200, {"result": row})

    def _read(self, table: str, key: str | None, query: Row) -> None:
        rows = self.instance.rows(table)
        if key is not None:
            found = [row for row in rows if row["sys_id"] == key]
            self._send(200 if found else 404, {"result": found[0]} if found else _error("No Record found"))
            return
        try:
            chosen = select(rows, query.get("sysparm_query", ""))
        except ValueError as error:
            self._send(400, _error(str(error)))
            return
        offset, limit = int(query.get("sysparm_offset", 0)), int(query.get("sysparm_limit", 10_000))
        page = [_shown(row, query) for row in chosen[offset : offset + limit]]
        self._send(200, {"result": page}, {"X-Total-Count": str(len(chosen))})

    def _known(self) -> bool:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.headers.get("Authorization") in (f"Bearer {TOKEN}", f"Basic {basic}")

    def _send(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _shown(row: Row, query: Row) -> dict[str, Any]:
    fields = query.get("sysparm_fields")
    chosen = {name: row.get(name, "") for name in fields.split(",")} if fields else row
    if query.get("sysparm_display_value") == "all":
        return {name: {"value": value, "display_value": value} for name, value in chosen.items()}
    return dict(chosen)


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "detail": ""}, "status": "failure"}
