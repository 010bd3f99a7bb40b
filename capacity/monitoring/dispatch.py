"""Sends conditions to ServiceNow and to Alertmanager. If one of them does not answer, that is only a warning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, TypeAdapter

from capacity.http import HttpClient, HttpError, Server
from capacity.logs import current_run
from capacity.model import CapacityError
from capacity.model.fields import rfc3339
from capacity.model.settings.monitoring import (
    LASTING,
    RUNBOOKS,
    Handling,
    IncidentSettings,
    Job,
    ServiceNowSettings,
    ServiceSettings,
    TelemetrySettings,
)
from capacity.monitoring.conditions import ORIGIN, Condition, Scope
from capacity.monitoring.export import Gateway
from capacity.monitoring.tickets import Action, Ticket, reconcile

Due = Callable[[Sequence[Ticket]], Sequence[Condition]]


@dataclass(frozen=True, slots=True)
class IncidentDispatcher:
    """Who is told, and how tickets are handled."""

    tickets: ServiceNow | None = None
    alerts: Alertmanager | None = None
    handling: Handling = field(default_factory=Handling)
    runbooks: str = RUNBOOKS

    def report(self, conditions: Sequence[Condition], scope: Scope, now: datetime) -> list[str]:
        """Bring tickets and alerts in line with what holds now; returns what stood in the way, one line each."""
        conditions = [replace(condition, runbooks=self.runbooks) for condition in conditions]
        warnings, recent = [], frozenset[str]()
        if self.alerts is not None:
            try:
                recent = _too_recent(conditions, self.alerts.send(conditions, scope, now), now)
            except CapacityError as error:
                warnings.append(f"alerts not sent: {error}")
        if self.tickets is not None:
            due = partial(_due, conditions, recent)
            warnings += self._write_tickets(self.tickets, due, scope, now)
        return warnings

    def _write_tickets(self, tickets: ServiceNow, due: Due, scope: Scope, now: datetime) -> list[str]:
        """One ticket that cannot be written never stops the others."""
        try:
            own_tickets = [ticket for ticket in tickets.tickets() if scope.covers(ticket.correlation)]
        except CapacityError as error:
            return [f"tickets not read, none written: {error}"]
        warnings = []
        for action in reconcile(due(own_tickets), own_tickets, now, self.handling):
            try:
                tickets.act(_with_run(action))
            except CapacityError as error:
                warnings.append(f"ticket {action.correlation}: {action.verb} failed: {error}")
        return warnings


def _too_recent(conditions: Sequence[Condition], begun: Mapping[str, datetime], now: datetime) -> frozenset[str]:
    """Conditions whose alerts have not yet lasted as long as their kind asks for: too young for a ticket."""
    ages = {one.correlation: (now - begun.get(one.correlation, now), one.kind.patience) for one in conditions}
    return frozenset(correlation for correlation, (age, patience) in ages.items() if age < patience)


def _due(conditions: Sequence[Condition], recent: Set[str], tickets: Sequence[Ticket]) -> list[Condition]:
    """What tickets are opened or kept for: an open one stays, however young its alert (Alertmanager may forget)."""
    open_ones = {ticket.correlation for ticket in tickets if ticket.resolved is None}
    return [one for one in conditions if one.correlation not in recent or one.correlation in open_ones]


def _with_run(action: Action) -> Action:
    """The action with the run that took it in its work notes."""
    run = current_run().id
    notes = "\n".join(filter(None, [action.fields.get("work_notes"), f"capacity run {run}" if run else None]))
    return replace(action, fields={**action.fields, **({"work_notes": notes} if notes else {})})


PUSHGATEWAY, ALERTMANAGER, SERVICENOW = "telemetry.pushgateway", "incidents.alertmanager", "incidents.servicenow"


def connect(settings: ServiceSettings, key: str) -> HttpClient:
    """How to speak to a service; `key` is where it stands in the configuration. Nothing is sent yet."""
    return HttpClient(
        Server(
            settings.url,
            token_file=settings.token_file,
            user=settings.user,
            password_file=settings.password_file,
            ca_file=settings.ca_file,
            key=key,
        )
    )


def connect_gateway(settings: TelemetrySettings) -> Gateway | None:
    """The Pushgateway, if there is one."""
    return (
        None
        if settings.pushgateway is None
        else Gateway(connect(settings.pushgateway, PUSHGATEWAY), settings.installation)
    )


def connect_tickets(settings: ServiceNowSettings) -> ServiceNow:
    """The ServiceNow instance."""
    return ServiceNow(connect(settings, SERVICENOW), settings.table)


def connect_incidents(settings: IncidentSettings) -> IncidentDispatcher:
    """Who is notified of breaches, and what happens to tickets."""
    tickets, alerts = settings.servicenow, settings.alertmanager
    lasting = settings.alerts_last
    return IncidentDispatcher(
        tickets=None if tickets is None else connect_tickets(tickets),
        alerts=None
        if alerts is None
        else Alertmanager(connect(alerts, ALERTMANAGER), {"pass": lasting.passes, "plan": lasting.plannings}),
        handling=Handling(settings.routes, settings.escalate_after, settings.reopen_within),
        runbooks=settings.runbooks,
    )


class _Alert(BaseModel):
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: AwareDatetime  # noqa: N815 - as the API spells it

    def ended(self, now: datetime) -> dict[str, Any]:
        """The same alert, over since `now`."""
        return {**self.model_dump(exclude={"startsAt"}), "startsAt": rfc3339(self.startsAt), "endsAt": rfc3339(now)}


ALERTS: TypeAdapter[list[_Alert] | None] = TypeAdapter(list[_Alert] | None)


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """An Alertmanager; alerts that no job sends again within its `lasting` are resolved by it."""

    client: HttpClient
    lasting: Mapping[Job, timedelta] = field(default_factory=lambda: LASTING)

    def send(self, conditions: Iterable[Condition], scope: Scope, now: datetime) -> dict[str, datetime]:
        """Send what holds; end what was sent before and, in this scope, holds no more. Raises `HttpError`.

        Returns since when each alert of this scope has been on, by its correlation.
        """
        ours = {alert.labels["correlation"]: alert for alert in self._ours(scope)}
        begun = {correlation: alert.startsAt for correlation, alert in ours.items()}
        holding = {one.correlation: self._alert(one, begun.get(one.correlation, now), now) for one in conditions}
        finished = [alert.ended(now) for name, alert in ours.items() if name not in holding]
        alerts = [*holding.values(), *finished]
        if alerts:
            self.client.call("POST", "/api/v2/alerts", body=alerts)
        return begun

    def _alert(self, condition: Condition, begun: datetime, now: datetime) -> dict[str, Any]:
        labels = {
            "alertname": f"Capacity{condition.name}",
            "origin": ORIGIN,
            "subject": condition.subject,
            "severity": condition.kind.severity,
            "correlation": condition.correlation,
        }
        annotations = {
            "summary": condition.title,
            "description": condition.detail,
            "remediation": condition.kind.remediation,
            "runbook_url": condition.runbook,
        }
        ends = now + self.lasting[condition.kind.seen_by]
        return {"labels": labels, "annotations": annotations, "startsAt": rfc3339(begun), "endsAt": rfc3339(ends)}

    def _ours(self, scope: Scope) -> list[_Alert]:
        found = self.client.read(
            ALERTS, "GET", "/api/v2/alerts", query={"filter": f'origin="{ORIGIN}"', "active": "true"}
        )
        return [alert for alert in found or [] if scope.covers(alert.labels.get("correlation", ""))]


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
