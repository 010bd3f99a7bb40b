"""Conditions against tickets: a table of days, and for any day that acting once is enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.model import DataError
from capacity.model.settings.monitoring import RUNBOOKS, Handling, Route
from capacity.monitoring import CONDITIONS, Condition, Ticket, reconcile
from capacity.monitoring.tickets import Action

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STALE = Condition("DataStale", "orders.csv", "newest row 2026-11-27T09:00Z")
OPENED = Ticket("1", STALE.correlation, STALE.text, False, NOON - MINUTE)
HANDLING = Handling()


def verbs(conditions: list[Condition], tickets: list[Ticket], handling: Handling = HANDLING) -> list[str]:
    return [action.verb for action in reconcile(conditions, tickets, NOON, handling)]


DAYS: list[tuple[str, list[Condition], list[Ticket], list[str]]] = [
    ("nothing wrong, nothing open", [], [], []),
    ("a condition without a ticket", [STALE], [], ["open"]),
    ("a condition with its ticket", [STALE], [OPENED], []),
    ("what is wrong has changed", [replace(STALE, detail="newest row 10:00Z")], [OPENED], ["note"]),
    ("it has lasted half an hour", [STALE], [replace(OPENED, opened=NOON - 30 * MINUTE)], ["escalate"]),
    ("it was escalated already", [STALE], [replace(OPENED, opened=NOON - 90 * MINUTE, escalated=True)], []),
    ("it has cleared", [], [OPENED], ["resolve"]),
    ("it cleared before", [], [replace(OPENED, resolved=NOON)], []),
    ("it is back within the window", [STALE], [replace(OPENED, resolved=NOON - 60 * MINUTE)], ["reopen"]),
    ("it is back after the window", [STALE], [replace(OPENED, resolved=NOON - 300 * MINUTE)], ["open"]),
    ("two writers opened one each", [STALE], [OPENED, replace(OPENED, key="2")], ["resolve"]),
    ("a ticket of another condition", [STALE], [replace(OPENED, correlation="capacity/x/y")], ["open", "resolve"]),
]  # fmt: skip


@pytest.mark.parametrize(("conditions", "tickets", "expected"), [day[1:] for day in DAYS], ids=[day[0] for day in DAYS])
def test_a_day(conditions: list[Condition], tickets: list[Ticket], expected: list[str]) -> None:
    assert verbs(conditions, tickets) == expected


def test_of_two_tickets_the_older_stays() -> None:
    younger = replace(OPENED, key="0", opened=NOON)
    (action,) = reconcile([STALE], [younger, OPENED], NOON, HANDLING)
    assert (action.key, action.fields["close_notes"]) == ("0", "capacity: duplicate of 1")


def test_the_first_route_that_fits_gets_the_ticket_and_its_escalation() -> None:
    routes = (Route("shop-sre", ("Plan*",)), Route("data", ("Data*",), ("orders*",), "data-leads"), Route("all"))
    handling = Handling(routes)
    (opened,) = reconcile([STALE], [], NOON, handling)
    assert opened.fields["assignment_group"] == "data"
    late = replace(OPENED, opened=NOON - 31 * MINUTE)
    (escalated,) = reconcile([STALE], [late], NOON, handling)
    assert escalated.fields["assignment_group"] == "data-leads"
    assert escalated.fields["urgency"] == "1"


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_has_severity_remediation_and_words(name: str) -> None:
    condition = Condition(name, "shop", "what was seen")
    assert condition.kind.severity in ("critical", "warning")
    assert 1 <= condition.kind.impact <= 3
    assert 1 <= condition.kind.urgency <= 3
    assert condition.kind.remediation in condition.text
    assert condition.runbook == f"{RUNBOOKS}/{name}.md"


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(DataError, match="unknown condition Weather"):
        Condition("Weather", "shop", "rain")


def act(tickets: list[Ticket], actions: list[Action], condition: Condition) -> list[Ticket]:
    """What the ticket system holds after the actions."""
    after = {ticket.key: ticket for ticket in tickets}
    for action in actions:
        if action.key is None:
            key = f"new{len(after)}"
            after[key] = Ticket(key, action.correlation, action.fields["description"], False, NOON)
            continue
        ticket = after[action.key]
        ticket = replace(ticket, text=action.fields.get("description", ticket.text))
        ticket = replace(ticket, escalated=ticket.escalated or "escalation" in action.fields)
        state = action.fields.get("state")
        after[action.key] = replace(ticket, resolved={"6": NOON, "2": None}.get(state or "", ticket.resolved))
    return list(after.values())


@given(
    active=st.booleans(),
    minutes=st.lists(st.tuples(st.integers(0, 600), st.booleans(), st.none() | st.integers(0, 600)), max_size=4),
)
def test_acting_once_is_enough(active: bool, minutes: list[tuple[int, bool, int | None]]) -> None:
    tickets = [
        Ticket(str(place), STALE.correlation, "old", escalated, NOON - opened * MINUTE,
               None if ended is None else NOON - min(ended, opened) * MINUTE)
        for place, (opened, escalated, ended) in enumerate(minutes)
    ]  # fmt: skip
    conditions = [STALE] if active else []
    after = act(tickets, reconcile(conditions, tickets, NOON, HANDLING), STALE)
    assert len([ticket for ticket in after if ticket.resolved is None]) == len(conditions)
    again = [action.verb for action in reconcile(conditions, after, NOON, HANDLING)]
    assert set(again) <= {"escalate"}  # a reopened ticket is as old as when it was first opened
    assert reconcile(conditions, act(after, reconcile(conditions, after, NOON, HANDLING), STALE), NOON, HANDLING) == []


def test_every_condition_has_its_runbook() -> None:
    runbooks = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
    assert set(CONDITIONS) <= {path.stem for path in runbooks.glob("[A-Z]*.md")}
