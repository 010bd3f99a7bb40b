"""Compares open tickets with the conditions that hold: which to open or resolve; and the mean time to restore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from capacity.model.service_level import TARGETS, ServiceLevelObjective
from capacity.model.settings.monitoring import Handling
from capacity.monitoring.conditions import Condition, Correlation

SOURCE = "ServiceNow"
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the ticket system knows of one incident of ours; `resolved` None while it is open."""

    key: str
    correlation: str
    text: str
    escalated: bool
    opened: datetime
    resolved: datetime | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One write to the ticket system; `key` None opens a ticket. `fields` are its own names and values."""

    verb: str
    correlation: str
    fields: dict[str, str]
    key: str | None = None


IN_PROGRESS, RESOLVED = "2", "6"  # ServiceNow's incident states
ESCALATED = "1"  # its field `escalation`: 0 normal, 1 moderate, 2 high, 3 overdue


def reconcile(
    conditions: Iterable[Condition], tickets: Iterable[Ticket], now: datetime, handling: Handling
) -> list[Action]:
    """What to write so that each condition has exactly one open ticket and nothing else is open.

    Carrying the actions out and asking again gives nothing to do. Of several tickets for one condition (two writers at
    once) the oldest stays and the others are resolved as duplicates.
    """
    active = {condition.correlation: condition for condition in conditions}
    by_correlation: dict[str, list[Ticket]] = {}
    for ticket in sorted(tickets, key=lambda ticket: (ticket.opened, ticket.key)):
        by_correlation.setdefault(ticket.correlation, []).append(ticket)
    actions: list[Action] = []
    for correlation, condition in active.items():
        actions += _actions_for(condition, by_correlation.get(correlation, []), now, handling)
    for correlation, own_tickets in by_correlation.items():
        if correlation not in active:
            actions += [
                _resolve(ticket, "the condition has cleared") for ticket in own_tickets if ticket.resolved is None
            ]
    return actions


def _actions_for(condition: Condition, tickets: Sequence[Ticket], now: datetime, handling: Handling) -> list[Action]:
    """A condition that holds: one ticket opened, reopened, or kept up to date."""
    open_ones = [ticket for ticket in tickets if ticket.resolved is None]
    if open_ones:
        kept, *duplicates = open_ones
        update = _update(condition, kept, now, handling)
        return [*update, *(_resolve(ticket, f"duplicate of {kept.key}") for ticket in duplicates)]
    recent = [ticket for ticket in tickets if ticket.resolved and now - ticket.resolved <= handling.reopen_within]
    if recent:
        return [_reopen(condition, max(recent, key=lambda ticket: ticket.resolved or now))]
    return [_open(condition, handling)]


def _open(condition: Condition, handling: Handling) -> Action:
    route, kind = handling.route(condition.name, condition.subject), condition.kind
    fields = {
        "short_description": condition.title,
        "description": condition.text,
        "correlation_id": condition.correlation,
        "correlation_display": "capacity",
        "impact": str(kind.impact),
        "urgency": str(kind.urgency),
        **({"assignment_group": route.group} if route else {}),
    }
    return Action("open", condition.correlation, fields)


def _reopen(condition: Condition, ticket: Ticket) -> Action:
    fields = {"state": IN_PROGRESS, "description": condition.text, "work_notes": f"It is back: {condition.detail}"}
    return Action("reopen", condition.correlation, fields, ticket.key)


def _update(condition: Condition, ticket: Ticket, now: datetime, handling: Handling) -> list[Action]:
    """A note where what is wrong has changed; once, more urgency (and another group) where it lasts too long."""
    fields: dict[str, str] = {}
    if ticket.text.strip() != condition.text.strip():
        fields = {"description": condition.text, "work_notes": f"Changed: {condition.detail}"}
    late = now - ticket.opened >= handling.escalate_after and not ticket.escalated
    if late:
        fields |= _escalated(condition, handling, fields.get("work_notes"))
    verb = "escalate" if late else "note"
    return [Action(verb, condition.correlation, fields, ticket.key)] if fields else []


def _escalated(condition: Condition, handling: Handling, noted: str | None) -> dict[str, str]:
    route = handling.route(condition.name, condition.subject)
    note = f"Not cleared after {handling.escalate_after}: escalated."
    fields = {
        "escalation": ESCALATED,
        "urgency": str(max(1, condition.kind.urgency - 1)),
        "work_notes": "\n".join(filter(None, [noted, note])),
    }
    if route is not None and route.escalate_to is not None:
        fields["assignment_group"] = route.escalate_to
    return fields


def _resolve(ticket: Ticket, why: str) -> Action:
    fields = {
        "state": RESOLVED,
        "close_code": "Resolved by caller",
        "close_notes": f"capacity: {why}",
        "work_notes": f"Resolved: {why}.",
    }
    return Action("resolve", ticket.correlation, fields, ticket.key)


def restore_objective(tickets: Iterable[Ticket], now: datetime, window: timedelta) -> ServiceLevelObjective:
    """The mean time to restore of the critical incidents that ended in the window, or have not ended yet.

    One that has not ended counts with the time that it has lasted: less than it will be, never nothing.
    """
    lasting, ended = list[Ticket](), list[Ticket]()
    for one in tickets:
        if _is_critical(one) and (one.resolved is None or one.resolved >= now - window):
            (lasting if one.resolved is None else ended).append(one)
    spans = _merged([*ended, *lasting], now)
    target = TARGETS["time to restore"]
    if not spans:
        return ServiceLevelObjective(target, None, SOURCE, "no critical incident", untried=True)
    mean = sum((end - begin for begin, end in spans), timedelta(0)) / len(spans)
    open_ones = len({one.correlation for one in lasting})
    note = f"critical incidents: {len(spans)}" + (f", still open: {open_ones}" if open_ones else "")
    return ServiceLevelObjective(target, mean.total_seconds(), SOURCE, note)


def _is_critical(ticket: Ticket) -> bool:
    correlation = Correlation.parse(ticket.correlation)
    kind = None if correlation is None else correlation.kind
    return kind is not None and kind.severity == "critical"


def _merged(tickets: Iterable[Ticket], now: datetime) -> list[Span]:
    """One span per incident: tickets of one condition that overlap (duplicates) are one."""
    spans: list[Span] = []
    by_correlation: dict[str, list[Span]] = {}
    for ticket in tickets:
        by_correlation.setdefault(ticket.correlation, []).append((ticket.opened, ticket.resolved or now))
    for own in by_correlation.values():
        merged: list[Span] = []
        for begin, end in sorted(own):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((begin, end))
        spans += merged
    return spans
