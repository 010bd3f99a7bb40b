"""Reads and writes incidents, and reads change windows, in ServiceNow through its Table API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from capacity.http import HttpClient, HttpError
from capacity.monitoring.conditions import ORIGIN
from capacity.monitoring.tickets import Action, Ticket

PAGE = 200
MOST = 5_000  # tickets of ours: more is a loop gone wrong, not a bad day
FIELDS = "sys_id,correlation_id,description,escalation,opened_at,resolved_at,closed_at,state"
CLOSED = ("6", "7", "8")  # resolved, closed, cancelled
TIME = "%Y-%m-%d %H:%M:%S"  # the API's times, UTC


class _Rows(BaseModel):
    result: list[dict[str, Any]]


ROWS: TypeAdapter[_Rows] = TypeAdapter(_Rows)


@dataclass(frozen=True, slots=True)
class ServiceNow:
    """A ServiceNow instance; `table` is where incidents live."""

    client: HttpClient
    table: str = "incident"

    def tickets(self) -> list[Ticket]:
        """Our incidents: the open ones, and those resolved (not closed) that may be reopened."""
        query = f"correlation_idSTARTSWITH{ORIGIN}/^stateNOT IN7,8^ORDERBYopened_at"
        return [_ticket(row) for row in self._rows(self.table, query, FIELDS)]

    def past(self, since: datetime) -> list[Ticket]:
        """Our incidents that ended after `since` or have not ended, closed ones too, cancelled ones not."""
        ended = f"resolved_at>={since.astimezone(UTC).strftime(TIME)}^ORstateIN1,2,3"
        query = f"correlation_idSTARTSWITH{ORIGIN}/^stateNOT IN8^{ended}^ORDERBYopened_at"
        return [_ticket(row) for row in self._rows(self.table, query, FIELDS)]

    def act(self, action: Action) -> None:
        """Carry out one action. Raises `HttpError`."""
        path = f"/api/now/table/{self.table}"
        if action.key is None:
            self.client.call("POST", path, body=action.fields)
        else:
            self.client.call("PATCH", f"{path}/{quote(action.key, safe='')}", body=action.fields)

    def change_window(self, now: datetime, query: str) -> str | None:
        """The number and title of a change that is on at this moment, or None. `query` selects whose changes count."""
        moment = now.astimezone(UTC).strftime(TIME)
        during = f"start_date<={moment}^end_date>={moment}"
        rows = list(self._rows("change_request", f"{query}^{during}" if query else during, "number,short_description"))
        return f"{rows[0].get('number')}: {rows[0].get('short_description')}" if rows else None

    def _rows(self, table: str, query: str, fields: str) -> Iterator[dict[str, Any]]:
        for offset in range(0, MOST, PAGE):
            asked = {
                "sysparm_query": query,
                "sysparm_fields": fields,
                "sysparm_limit": str(PAGE),
                "sysparm_offset": str(offset),
                "sysparm_exclude_reference_link": "true",
            }
            rows = self.client.read(ROWS, "GET", f"/api/now/table/{table}", query=asked).result
            yield from rows
            if len(rows) < PAGE:
                return
        text = f"{self.client.server.name}: expected at most {MOST} rows of {table} for the query {query}, got more"
        raise HttpError(text, "large")


def _ticket(row: dict[str, Any]) -> Ticket:
    """A row as a ticket. Raises `HttpError` where it lacks what every ticket of ours has."""
    try:
        key, correlation, opened = (str(row[name]) for name in ("sys_id", "correlation_id", "opened_at"))
    except KeyError as error:
        raise HttpError(f"expected tickets with {FIELDS}, got one without {error}", "malformed") from error
    closed = str(row.get("state")) in CLOSED
    return Ticket(
        key=key,
        correlation=correlation,
        text=str(row.get("description") or ""),
        escalated=str(row.get("escalation") or "0") != "0",
        opened=_time(opened),
        resolved=_time(row.get("resolved_at") or row.get("closed_at") or opened) if closed else None,
    )


def _time(text: Any) -> datetime:
    try:
        return datetime.strptime(str(text), TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise HttpError(f"expected a time such as 2026-11-27 18:00:00, got {str(text)[:40]!r}", "malformed") from error
